"""The chapters that a sceptic would ask for: what they print follows from what they and earlier chapters stored."""

import json
import re
import shutil

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT, SMOKE
from sklearn.metrics import roc_auc_score

from fusqa.evaluation.advising import ADVICE, MODELS, advice, told_scores
from fusqa.evaluation.calibration import acceptance_threshold
from fusqa.evaluation.diagnosis import example_model, image_use, recipe_models
from fusqa.evaluation.examination import UNSEEN_ERRORS, further_sets, of_weaker
from fusqa.evaluation.looking import OTHER
from fusqa.evaluation.risk import risk_coverage
from fusqa.evaluation.unseen import UNSEEN
from fusqa.masks.alterations import POOR_RECIPES
from fusqa.masks.labels import FETUS, HEAD
from fusqa.models.answers import ANSWERS
from fusqa.publishing.execution import execute
from fusqa.study.learning import CONTROL, LEARNT, evidence, verdict_of
from fusqa.study.pairs import predicted_pairs
from fusqa.study.results import Study, published
from fusqa.study.rows import RECIPES, SEGMENTER_TITLES, row_named
from fusqa.study.sets import ALTERED, AT_B, ERRORS, own_sets
from fusqa.study.weaker import SEGMENTERS

SCHEMES = {"simulated": FETUS, "hc18": HEAD}


@pytest.fixture(params=["simulated", "hc18"])
def study(small_study, request):
    if not (small_study.folder / request.param / "results").is_dir():
        pytest.skip(f"the small study was not run on {request.param}")
    return Study(str(SMOKE), request.param, small_study.build)


def scores(study, key):
    return study.table(row_named(key).result(study.seed))


def verdict(study, key):
    return verdict_of(study.result(row_named(key).result(seed)) for seed in study.profile.seeds)


def test_every_judge_gives_the_scores_that_its_row_stored(study):
    """Chapters say of a model what its training stored."""
    panel = recipe_models(study)
    of_the_panel = {key for key in study.plan.rows if key.startswith("single-resnet18-scratch")}
    assert {model.key for model in panel} == {key for key in of_the_panel if verdict(study, key) in (LEARNT, CONTROL)}
    found = study.result("diagnosis")
    for part, name in (("auroc", AT_B), ("auroc_altered", ALTERED)):
        assert set(found[part]) == {model.title for model in panel}
        for model in panel:
            asked = scores(study, model.key)
            asked = asked[asked["set"] == name]
            if asked["good"].nunique() == 2:
                area = roc_auc_score(asked["good"], asked["probability"])
                assert found[part][model.title]["as trained"] == pytest.approx(area, abs=1e-6)


def test_a_network_says_what_its_training_stored_of_it(study):
    """Weights from the disk, the same masks: other images, unseen errors, weaker segmenters."""
    example = example_model(study)
    sets = further_sets(study, example.size)
    assert {UNSEEN_ERRORS, *(of_weaker(title) for title in SEGMENTERS)} <= set(sets)
    for name, pairs in sets.items():
        np.testing.assert_allclose(example.probability(name), example.verdicts(pairs), atol=1e-4)
    away = predicted_pairs(study, study.site("B"), example.size).with_other_images(study.seed)
    np.testing.assert_allclose(image_use([example], AT_B)[0].scored[OTHER], example.verdicts(away), atol=1e-4)


def test_every_recipe_is_asked_with_other_images_on_both_sets_of_masks(study):
    found = study.result("diagnosis")
    for part in ("auroc", "auroc_altered", "good_probability", "good_probability_altered"):
        for shown in found[part].values():
            assert list(shown) == ["as trained", "another's image", "no image", "no mask"]
    for part in ("pictures", "pictures_altered"):
        assert [line["model"] for line in found[part]] == list(found["auroc"])  # one line per model
    assert {line["model"] for line in found["moved"]} <= set(found["auroc"])


def test_judges_are_asked_about_the_masks_of_every_segmenter(study):
    found, chosen = study.result("diagnosis"), SEGMENTER_TITLES[study.result("review__seed0")["chosen"]]
    titles = {SEGMENTER_TITLES[network] for network in study.plan.segmenters}
    assert {line["masks of"] for line in found["segmenters"]} == titles
    for title, areas in found["auroc_by_segmenter"].items():
        assert set(areas) == titles
        of_chosen = found["auroc"][title]["as trained"]
        assert areas[chosen] == (of_chosen if of_chosen is None else pytest.approx(of_chosen, abs=1e-9))


def test_each_poor_alteration_is_left_out_once(study):
    found = study.result("unseen")
    left_out = [line["alteration"] for line in found["omitted"]]
    assert left_out == list(POOR_RECIPES[SCHEMES[study.cohort].name])
    assert list(found["omitted_learnt"]) == ["nothing", *left_out]
    for line in found["omitted"]:
        for name, column in ((line["alteration"], "without it"), ("nothing", "trained with it")):
            shown = {text for heading, text in line.items() if heading.endswith(column)}
            judged = found["omitted_learnt"][name]["verdict"]
            assert shown == {judged} if judged != LEARNT else all(re.match(r"\d\.\d{3}\n", text) for text in shown)


def test_unseen_errors_are_scored_by_every_model_that_sees_the_mask(study):
    table, scheme = study.table("unseen"), SCHEMES[study.cohort]
    kinds = {name for name, kind in UNSEEN.items() if scheme.name not in kind.known_to}
    assert set(table["name"]) == {"none"} | kinds
    assert (table.loc[table["name"] == "none", "severity"] == 0).all()
    seeing = [model.title for model in recipe_models(study) if "mask" in model.recipe.sees]
    assert table[seeing].ge(0).all(axis=None) and table[seeing].le(1).all(axis=None)
    found = study.result("unseen")
    assert [line["model"] for line in found["noticed"]] == seeing
    assert all(len(line) == 2 + len(kinds) for line in found["noticed"])
    assert len(found["segmenters"]) == 4


def test_baselines_are_about_the_same_cases_as_the_review(study):
    table, reviewed = study.table("baselines"), study.table("review__seed0").query("site == 'B'")
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
        poor = table[~table["reviewed"].astype(bool)]  # by the review, wherever they were drawn
        threshold = acceptance_threshold(poor.loc[poor["set"] == ERRORS, "probability"], promise["alpha"])
        abroad = poor.loc[poor["set"] == AT_B, "probability"] > threshold
        assert promise["abroad"] == pytest.approx(abroad.mean()) if len(abroad) else promise["abroad"] is None
        assert promise["home"] is None or 0 <= promise["home"] <= 1


def test_every_piece_of_advice_has_its_figures(study):
    table = advice(study)
    assert list(table["advice"]) == list(ADVICE)
    lacks = ["masks of both verdicts"] * (study.table("baselines")["good"].nunique() < 2)
    lacks += ["has not learnt its task", "no two rows that have learnt", "no AUROC with exchanged images"]
    lacks += ["all models that have learnt did so from", "has no threshold of"]
    for what, found in zip(table["advice"], table["found"], strict=True):
        assert not re.search(r"\d", what)  # advice is prose
        assert "nan" not in found
        assert re.search(r"\d\.\d|\d %|\d of \d", found) or any(lack in found for lack in lacks), (what, found)
    days = study.table("baselines")["delta_days"].dropna().abs().mean()
    assert table["found"].str.contains(f": {days:.1f} days with 100 % accepted, ", regex=False).sum() == 1


def test_an_old_edition_says_what_it_lacks(tmp_path):
    class Old(Study):
        def need(self, name):
            raise FileNotFoundError(f"{name} is not part of the published edition")

    old = Old(str(SMOKE), "simulated", tmp_path)
    assert advice(old)["found"].str.contains("no answer from this study: .* is not part of the published edition").all()


# A study in which nothing has learnt


@pytest.fixture(scope="module")
def unlearnt(small_study, tmp_path_factory):
    """The small study, held to the bar of every profile that sets none, as if it gave every mask the same answer.

    By its own answers to so few validation masks, a row may pass that bar by chance, on some processors.
    """
    folder = tmp_path_factory.mktemp("unlearnt")
    settings = yaml.safe_load(SMOKE.read_text())
    del settings["learnt"]
    profile = folder / "unlearnt.yaml"
    profile.write_text(yaml.safe_dump(settings))
    shutil.copytree(small_study.folder / "simulated", folder / "build/unlearnt/simulated")
    study = Study(str(profile), "simulated", folder / "build")
    for row in study.rows:
        table, recipe = scores(study, row.key), RECIPES[row.recipe]
        judge_again(study, row.result(study.seed), study.profile.training(row), table, recipe)
    judge_again(study, "autoencoder", study.profile.autoencoder)
    return study


def judge_again(study, name, plan, table=None, recipe=None):
    """Give a training the verdict of the study's own bar, from the curve that it left and one answer for all masks."""
    path = study.path(f"results/{name}.json")
    result = json.loads(path.read_text())
    if result["status"] != "run":
        return
    before, alike = result["learnt"], None if table is None else table.assign(probability=0.5)
    result["learnt"] = evidence(
        pd.DataFrame(result["history"]),
        plan,
        masks=round(before["samples"] / before["epochs"]),
        constant=before["constant"],
        floor=before["floor"],
        bar=study.profile.learnt,
        precision=before["precision"],
        scored=alike[alike["set"].isin(own_sets(recipe))] if recipe and ANSWERS[recipe.answer].classifies else None,
        control=bool(recipe and recipe.control),
    ).as_dict()
    path.write_text(json.dumps(result))


def test_so_short_a_training_does_not_reach_the_bar(unlearnt):
    run = [row for row in unlearnt.rows if unlearnt.result(row.result(unlearnt.seed))["status"] == "run"]
    assert run and all(verdict(unlearnt, row.key) != LEARNT for row in run)
    assert recipe_models(unlearnt) == []
    assert not example_model(unlearnt).learnt
    assert not {MODELS[row.recipe] for row in run} & set(told_scores(unlearnt))


def test_no_advice_rests_on_a_model_that_has_not_learnt(unlearnt):
    found = dict(advice(unlearnt).itertuples(index=False))
    first, *others = found.values()
    assert re.match(r"0 of \d quality models that were run have learnt", first)
    assert all(said.startswith("no answer from this study: ") and not re.search(r"\d\.\d", said) for said in others)
    assert "Single ResNet-18, from scratch has not learnt its task" in others[0]


CONCLUDING = (
    "classification",
    "gestational_age",
    "risk",
    "calibration",
    "baselines",
    "diagnosis",
    "unseen",
    "own_data",
)


@pytest.mark.parametrize("chapter", [*CONCLUDING, "advice", "edition", "ten_minutes", "error_in_mm"])
def test_a_chapter_of_models_that_have_not_learnt_concludes_nothing(unlearnt, chapter):
    """The whole chapter by Papermill, solutions of exercises included."""
    page = unlearnt.path(f"notebooks/{chapter}.ipynb")
    unlearnt.path(f"results/{chapter}.json").unlink()
    given = {
        "profile": str(unlearnt.build.parent / "unlearnt.yaml"),
        "build": str(unlearnt.build),
        "cohort": "simulated",
        "seed": 0,
    }
    execute(ROOT / f"notebooks/{chapter}.ipynb", page, given)
    printed = "".join(
        output.get("text", "") for cell in nbformat.read(page, as_version=4).cells for output in cell.get("outputs", ())
    )
    said = r"No model of .* has learnt its task"
    edition = published("simulated")
    shown = f"of the edition “{edition.profile.name}”" if edition and chapter == "ten_minutes" else said
    assert re.search(shown, printed, re.IGNORECASE), printed
    result = unlearnt.result(chapter)
    for part in TOLD.get(chapter, ()):
        assert not result[part], part


TOLD = {
    "classification": ("beside", "compared", "answers"),
    "calibration": ("temperatures", "lines", "promises"),
    "risk": ("predictive",),
    "diagnosis": ("called", "pictures", "pictures_altered", "auroc", "auroc_altered", "moved", "auroc_by_segmenter"),
    "unseen": ("noticed", "by_model", "omitted_if_learnt"),
    "own_data": ("lines",),
}
"""What a chapter's result says of models, and must leave empty."""


def test_the_audit_and_the_dating_are_about_the_fetus_alone(small_study):
    found = {name: (small_study.folder / name / "results/audit.json").is_file() for name in ("simulated", "hc18")}
    assert found == {"simulated": True, "hc18": False}
    dating = json.loads((small_study.folder / "simulated/results/dating.json").read_text())
    assert dating["provenance"]["cohort"] == "simulated"
