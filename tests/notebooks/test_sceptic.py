"""The chapters that a sceptic would ask for: what they print follows from what they and earlier chapters stored."""

import json
import re

import numpy as np
import pytest
from conftest import SMOKE
from sklearn.metrics import roc_auc_score

from fusqa.evaluation.advising import ADVICE, MODELS, advice
from fusqa.evaluation.calibration import acceptance_threshold
from fusqa.evaluation.diagnosis import recipe_models
from fusqa.evaluation.risk import risk_coverage
from fusqa.evaluation.unseen import UNSEEN
from fusqa.masks.alterations import POOR_RECIPES
from fusqa.masks.labels import FETUS, HEAD
from fusqa.study.pairs import AT_B, ERRORS
from fusqa.study.results import Study
from fusqa.study.rows import SEGMENTER_TITLES, row_named

SCHEMES = {"simulated": FETUS, "hc18": HEAD}


@pytest.fixture(params=["simulated", "hc18"])
def study(small_study, request):
    if not (small_study.folder / request.param / "results").is_dir():
        pytest.skip(f"the small study was not run on {request.param}")
    return Study(str(SMOKE), request.param, small_study.build)


def scores(study, key):
    return study.table(row_named(key).result(study.seed))


def test_every_judge_gives_the_scores_that_its_row_stored(study):
    """Weights and card from the disk, the same pairs: chapters ask the model as it was trained."""
    panel = recipe_models(study)
    of_the_panel = {key for key in study.plan.rows if key.startswith("single-resnet18-scratch")}
    assert {model.key for model in panel} == of_the_panel
    auroc = study.result("diagnosis")["auroc"]
    for model in panel:
        at_b = scores(study, model.key).query("set == @AT_B")
        if at_b["good"].nunique() == 2:
            found = roc_auc_score(at_b["good"], at_b["probability"])
            assert auroc[model.title]["as trained"] == pytest.approx(found, abs=1e-6)


def test_judges_are_asked_about_the_masks_of_every_segmenter(study):
    found, chosen = study.result("diagnosis"), SEGMENTER_TITLES[study.result("review")["chosen"]]
    titles = {SEGMENTER_TITLES[network] for network in study.plan.segmenters}
    assert {line["masks of"] for line in found["segmenters"]} == titles
    for title, areas in found["auroc_by_segmenter"].items():
        assert set(areas) == titles
        of_chosen = found["auroc"][title]["as trained"]
        assert areas[chosen] == (of_chosen if of_chosen is None else pytest.approx(of_chosen, abs=1e-9))


def test_each_poor_alteration_is_left_out_once(study):
    left_out = [line["alteration"] for line in study.result("unseen")["omitted"]]
    assert left_out == list(POOR_RECIPES[SCHEMES[study.cohort].name])


def test_unseen_errors_are_scored_by_every_model_that_sees_the_mask(study):
    table, scheme = study.table("unseen"), SCHEMES[study.cohort]
    kinds = {name for name, kind in UNSEEN.items() if scheme.name not in kind.known_to}
    assert set(table["name"]) == {"none"} | kinds
    assert (table.loc[table["name"] == "none", "severity"] == 0).all()
    for model in recipe_models(study):
        assert table[model.title].between(0, 1).all()
    assert len(study.result("unseen")["segmenters"]) == 4


def test_baselines_are_about_the_same_cases_as_the_review(study):
    table, reviewed = study.table("baselines"), study.table("review").query("site == 'B'")
    assert sorted(table["case"]) == sorted(reviewed["case"])
    names = study.result("baselines")["scores"]
    assert np.isfinite(table[names]).all(axis=None)
    merged = table.merge(reviewed, on="case", suffixes=("", "_review"))
    assert (merged["good"] == merged["good_review"]).all()
    assert merged["Agreement of the folds"].tolist() == merged["agreement"].tolist()
    at_b = scores(study, "single-resnet18-scratch").query("set == @AT_B").set_index("case")["probability"]
    np.testing.assert_allclose(table.set_index("case")[MODELS["paper"]], at_b.loc[table["case"]])


def test_areas_under_risk_follow_from_the_scores_in_any_order(study):
    table = study.table("baselines").dropna(subset=["delta_days"]).sample(frac=1, random_state=1)
    risk = table["delta_days"].abs()
    for name, areas in study.result("risk")["areas"]["mean |ΔGA| / days"].items():
        if name in table:
            found = risk_coverage(risk, table[name])
            assert (areas["aurc"], areas["augrc"]) == pytest.approx((found.aurc, found.augrc))
    assert study.result("risk")["mean_days"] == pytest.approx(risk.mean())


def test_promises_are_checked_with_thresholds_from_the_right_masks(study):
    promises = study.result("calibration")["promises"]
    assert promises
    for promise in promises:
        table = scores(study, promise["key"])
        poor = table[~table["good"].astype(bool)]
        threshold = acceptance_threshold(poor.loc[poor["set"] == ERRORS, "probability"], promise["alpha"])
        abroad = poor.loc[poor["set"] == AT_B, "probability"] > threshold
        assert promise["abroad"] == pytest.approx(abroad.mean()) if len(abroad) else promise["abroad"] is None
        assert promise["home"] is None or 0 <= promise["home"] <= 1


def test_every_piece_of_advice_has_its_figures(study):
    table = advice(study)
    assert list(table["advice"]) == list(ADVICE)
    lacks = ["masks of both verdicts"] * (study.table("baselines")["good"].nunique() < 2)
    lacks += ["segmenter's errors"] * ("single-resnet18-scratch-errors" not in study.plan.rows)
    for what, found in zip(table["advice"], table["found"], strict=True):
        assert not re.search(r"\d", what)  # advice is prose
        assert "nan" not in found
        assert re.search(r"\d\.\d|\d %", found) or any(lack in found for lack in lacks), (what, found)


def test_an_old_edition_says_what_it_lacks(small_study, tmp_path):
    class Old(Study):
        def need(self, name):
            raise FileNotFoundError(f"{name} is not part of the published edition")

    old = Old(str(SMOKE), "simulated", tmp_path)
    assert advice(old)["found"].str.contains("not part of this study: .* is not part of the published edition").all()


def test_the_audit_and_the_dating_are_about_the_fetus_alone(small_study):
    found = {name: (small_study.folder / name / "results/audit.json").is_file() for name in ("simulated", "hc18")}
    assert found == {"simulated": True, "hc18": False}
    dating = json.loads((small_study.folder / "simulated/results/dating.json").read_text())
    assert dating["provenance"]["cohort"] == "simulated"
