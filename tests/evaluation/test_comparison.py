"""The rows side by side: tables from scores, what printed figures imply, and tests of differences."""

import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import SMOKE
from sklearn import metrics as sk

from fusqa.evaluation.advising import _one_thing
from fusqa.evaluation.comparison import (
    NOT_APART,
    NOTHING_LEARNT,
    ONE_TRAINING,
    TrainedRow,
    beside_print,
    compare,
    learning_table,
    learnt_rows,
    left_out,
    rivals,
    run_differences,
    segmenter_figures,
    summary,
    table_2,
    table_3,
    telling_rows,
    trained_rows,
    validation_auroc,
)
from fusqa.evaluation.paper import AUTOENCODER_PRINTED, PRINTED
from fusqa.evaluation.scoring import CONFUSION
from fusqa.files import write_csv, write_json
from fusqa.masks.labels import HEAD
from fusqa.study.learning import CONTROL, LEARNT, NOT_LEARNT, STILL_LEARNING
from fusqa.study.results import Study
from fusqa.study.rows import row_named
from fusqa.study.sets import ALTERED, AT_B

SINGLE, SYNERGIC, SIAMESE = (f"{topology}-resnet18-scratch" for topology in ("single", "synergic", "siamese"))


def learnt(verdict):
    """What a result says of its training."""
    figures = {"samples": 64, "steps": 4, "epochs": 2.0, "loss": 0.4, "constant": 0.693, "flat": True}
    return {"verdict": verdict, "auroc": 0.9, "low": 0.8, "high": 0.95} | figures


def row(key, noise, seeds=2, verdict=LEARNT):
    """A row with `seeds` trainings, worse with more noise; 60 cases of the test set, 20 others, 10 altered masks."""
    rng = np.random.default_rng(0)
    good = rng.random(90) < 0.5
    table = pd.DataFrame({"case": np.arange(90), "patient": np.arange(90) // 2, "good": good})
    table["set"], table["test"] = np.where(np.arange(90) < 80, AT_B, ALTERED), np.arange(90) < 60
    own = np.random.default_rng(len(key))
    tables = [table.assign(probability=np.clip(0.3 * good + own.normal(0.35, noise, 90), 0, 1)) for _ in range(seeds)]
    results = [
        {"thresholds": {"paper": 0.5, "validation": 0.4 + 0.1 * seed}, "learnt": learnt(verdict)}
        | {"provenance": {"seed": seed}}
        for seed in range(seeds)
    ]
    return TrainedRow(row_named(key), row_named(key).title, PRINTED.get(key), results, tables)


@pytest.fixture
def rows():
    absent = "single-resnet50-scratch"
    made = {SINGLE: row(SINGLE, 0.05), SYNERGIC: row(SYNERGIC, 0.1), SIAMESE: row(SIAMESE, 0.9)}
    return made | {
        absent: TrainedRow(
            row_named(absent), row_named(absent).title, PRINTED.get(absent), [], [], "weights are unavailable"
        )
    }


@pytest.mark.parametrize("threshold", ["paper", "validation"])
def test_figures_of_table_3_are_those_of_the_test_set_over_seeds(rows, threshold):
    table = table_3(rows, threshold).set_index("model")
    for made in rows.values():
        line = table.loc[made.title]
        if not made.tables:
            assert line[CONFUSION] == "not run" and pd.isna(line["F1"])
            continue
        f1, auroc, hits = [], [], []
        for scores, result in zip(made.tables, made.results, strict=True):
            drawn = scores[scores["test"]]
            called = drawn["probability"] >= result["thresholds"][threshold]
            f1.append(sk.f1_score(drawn["good"], called))
            auroc.append(sk.roc_auc_score(drawn["good"], drawn["probability"]))
            hits.append((drawn["good"] & called).sum())
        assert line["F1"].startswith(f"{np.mean(f1):.3f} ± {np.std(f1, ddof=1):.3f}\n")
        assert line["AUROC"].startswith(f"{np.mean(auroc):.3f} ± ")
        assert line[CONFUSION].startswith(f"{np.mean(hits):.1f} ")


def test_a_dice_has_no_verdict_at_the_threshold_of_a_probability():
    dice = {f"{SINGLE}-dice": row(f"{SINGLE}-dice", 0.1)}
    (at_paper,), (at_own,) = (table_3(dice, one).to_dict("records") for one in ("paper", "validation"))
    assert at_paper[CONFUSION] == "predicts the Dice" and "F1" not in at_paper
    assert at_paper["AUROC"] == at_own["AUROC"] and "±" in at_own["F1"]


def test_rows_that_were_not_run_share_one_line(rows):
    absent = "siamese-resnet50-scratch"
    more = rows | {absent: replace(rows["single-resnet50-scratch"], title=row_named(absent).title)}
    last = table_3(more, "paper").iloc[-1]
    assert last["model"] == "2 other rows" and last[CONFUSION] == "not run"


def test_one_seed_has_no_spread_and_a_collapsed_training_is_counted():
    one = row(SINGLE, 0.1, seeds=1)
    assert "±" not in table_3({SINGLE: one}, "paper")["F1"].iat[0]
    tables = [one.tables[0].assign(probability=0.9), *one.tables]
    flat = TrainedRow(one.row, one.title, None, one.results * 2, tables)
    assert "one class only: 1 of 2" in table_3({SINGLE: flat}, "paper")[CONFUSION].iat[0]


def test_an_empty_test_set_gives_no_figures():
    made = row(SINGLE, 0.1)
    empty = TrainedRow(made.row, made.title, made.printed, made.results, [t.assign(test=False) for t in made.tables])
    assert table_3({SINGLE: empty}, "paper")[CONFUSION].tolist() == ["no test set"]
    assert beside_print({SINGLE: empty}).empty


def test_what_printed_figures_imply_is_counted_on_113_and_113():
    for key, precision, recall in (("single-resnet50-pretrained", 0.804, 0.982), (None, 1.0, 0.72)):
        printed = PRINTED.get(key) if key else AUTOENCODER_PRINTED
        tp = 113 * recall
        fp = tp / precision - tp
        assert printed.implied()["accuracy"] == pytest.approx((tp + 113 - fp) / 226)
        assert printed.implied()["f1"] == pytest.approx(2 * precision * recall / (precision + recall))
    assert PRINTED.get("single-resnet50-pretrained").implied()["accuracy"] == pytest.approx(0.871, abs=5e-4)
    assert AUTOENCODER_PRINTED.implied()["accuracy"] == pytest.approx(0.86, abs=5e-3)


def test_our_figures_stand_beside_the_printed_and_the_implied_ones(rows):
    line = beside_print(rows).set_index("model").loc[row_named(SINGLE).title]
    drawn = [table[table["test"]] for table in rows[SINGLE].tables]
    ours = np.mean([((t["probability"] >= 0.5) == t["good"]).mean() for t in drawn])  # at the paper's threshold
    assert line["accuracy"] == f"0.712 (0.756) → {ours:.3f}\n{ours - 0.712:+.3f}"
    assert line["recall"].startswith("1.000 → ")


def test_rows_are_compared_that_were_both_run_and_differ_in_one_thing(rows):
    topologies = [(SINGLE, SYNERGIC), (SYNERGIC, SIAMESE), (SINGLE, SIAMESE)]
    assert rivals(rows) == [("topology", *pair) for pair in topologies]
    assert rivals({SINGLE: rows[SINGLE]}) == []
    recipes = ("paper-labels", "errors", "blind", "exchanged", "maskless")
    more = rows | {f"{SINGLE}-{name}": replace(rows[SINGLE], row=row_named(f"{SINGLE}-{name}")) for name in recipes}
    assert rivals(more)[3:] == [
        ("what it learns from", f"{SINGLE}-errors", f"{SINGLE}-paper-labels"),
        ("how the mask enters", SINGLE, f"{SINGLE}-paper-labels"),
        ("whether the image is seen", f"{SINGLE}-errors", f"{SINGLE}-blind"),
        ("images exchanged", f"{SINGLE}-exchanged", f"{SINGLE}-errors"),
    ]
    assert rivals(rows | {"autoencoder": replace(rows[SINGLE], row=None)}) == rivals(rows)


def test_only_a_clear_difference_is_reported(rows):
    pairs = [("order", SINGLE, SIAMESE), ("order", SIAMESE, SINGLE), ("nothing", SINGLE, SINGLE)]
    table = compare(rows, pairs)
    assert list(table["verdict on AUROC"]) == ["first is better", "second is better", "not told apart"]
    assert list(table["differ in"]) == ["order", "order", "nothing"]
    assert list(table["McNemar p"])[2] == "1.000"
    right = []
    for key in (SINGLE, SIAMESE):
        first = rows[key].tables[0]
        drawn = first[first["test"]]
        right.append((drawn["probability"] >= 0.4) == drawn["good"])  # the threshold of the first training
    ours, theirs = right
    assert table["only first right,\nonly second"][0] == f"{(ours & ~theirs).sum()}, {(theirs & ~ours).sum()}"


def test_a_p_is_corrected_for_the_number_of_comparisons_and_a_clear_difference_survives():
    made = {key: row(key, noise, seeds=8) for key, noise in ((SINGLE, 0.12), (SYNERGIC, 0.2), (SIAMESE, 0.9))}
    close, clear = ("topology", SINGLE, SYNERGIC), ("topology", SINGLE, SIAMESE)
    alone, among = compare(made, [close]), compare(made, [clear] + [close] * 29)
    assert list(alone["verdict on AUROC"]) == ["first is better"] and 0 < float(alone["p, Holm"][0]) < 0.05
    assert list(among["verdict on AUROC"]) == ["first is better"] + ["not told apart"] * 29
    assert float(among["p, Holm"][1]) > 5 * float(alone["p, Holm"][0])


def test_rows_are_compared_on_the_seeds_that_both_have_each_on_its_own_masks(rows):
    """The second seed's segmenter drew other masks: another truth, another test set, there for both rows."""
    wider = {}
    for key in (SINGLE, SYNERGIC):
        first, second = rows[key].tables
        good = ~second["good"]
        other = second.assign(good=good, probability=1 - second["probability"], test=np.arange(90) % 2 == 0)
        wider[key] = replace(rows[key], tables=[first, other])
    found = compare(wider, [("topology", SINGLE, SYNERGIC)])
    areas = {
        key: [
            sk.roc_auc_score(part["good"], part["probability"])
            for part in (made.cases(training=0), made.cases(training=1))
        ]
        for key, made in wider.items()
    }
    apart = np.mean(areas[SINGLE]) - np.mean(areas[SYNERGIC])
    assert float(found["Δ AUROC"][0].split()[0]) == pytest.approx(apart, abs=6e-4)
    once = wider | {
        SYNERGIC: replace(wider[SYNERGIC], results=rows[SYNERGIC].results[:1], tables=[rows[SYNERGIC].tables[0]])
    }
    alone = compare(once, [("topology", SINGLE, SYNERGIC)])
    assert float(alone["Δ AUROC"][0].split()[0]) == pytest.approx(areas[SINGLE][0] - areas[SYNERGIC][0], abs=6e-4)


def test_two_networks_are_not_two_ways_to_train():
    """However clear their difference: a second training of the same row may differ as much."""
    once = {key: row(key, noise, 1) for key, noise in ((SINGLE, 0.12), (SIAMESE, 0.9))}
    pair = ("topology", SINGLE, SIAMESE)
    alone = compare(once, [pair])
    assert list(alone["trainings"]) == [1] and list(alone["p, Holm"]) == ["–"]
    assert list(alone["verdict on AUROC"]) == ["one seed in common"]
    twice = once | {key: row(key, noise, 2) for key, noise in ((SYNERGIC, 0.12),)} | {SIAMESE: row(SIAMESE, 0.9, 2)}
    both = compare(twice, [pair, ("topology", SYNERGIC, SIAMESE)])
    assert list(both["trainings"]) == [1, 2]
    assert list(both["verdict on AUROC"]) == ["one seed in common", "first is better"]


# A row that has not learnt its task


@pytest.mark.parametrize("verdict", [NOT_LEARNT, STILL_LEARNING])
def test_an_untrained_row_is_printed_and_neither_ranked_nor_compared_nor_best(rows, verdict):
    untrained = rows | {SINGLE: row(SINGLE, 0.05, verdict=verdict)}
    title = row_named(SINGLE).title
    line = table_3(untrained, "validation").set_index("model").loc[title]
    assert line["learnt?"] == verdict and line["AUROC"] == table_3(rows, "validation")["AUROC"][0]
    assert learning_table(untrained).set_index("model").loc[title, "verdict"] == verdict
    assert f"{title} ({verdict})" in left_out(untrained) and title not in left_out(rows)
    assert SINGLE in learnt_rows(rows) and SINGLE not in learnt_rows(untrained)
    assert rivals(untrained) == [("topology", SYNERGIC, SIAMESE)]
    assert title in list(summary(rows)["model"]) and title not in list(summary(untrained)["model"])
    assert title in list(beside_print(rows)["model"]) and title not in list(beside_print(untrained)["model"])


def test_one_seed_that_has_not_learnt_speaks_for_its_row(rows):
    made = rows[SINGLE]
    mixed = replace(made, results=[made.results[0], made.results[1] | {"learnt": learnt(NOT_LEARNT)}])
    assert mixed.verdict == NOT_LEARNT and learnt_rows({SINGLE: mixed}) == {}


def test_a_control_is_compared_as_a_control(rows):
    blind = f"{SINGLE}-paper-blind"
    control = rows | {blind: row(blind, 0.3, verdict=CONTROL)}
    assert ("whether the image is seen", SINGLE, blind) in rivals(control)
    assert table_3(control, "paper").set_index("model").loc[row_named(blind).title, "learnt?"] == CONTROL


def small(folder, **verdicts):
    """The smallest study with results in `folder`: its rows, which all end in `verdicts` or have not learnt."""
    study = Study(str(SMOKE), "simulated", folder)
    made = {row.result(study.seed): row.key for row in study.rows} | {"autoencoder": "autoencoder"}
    for name, key in made.items():
        trained = row(SINGLE, 0.1, 1, verdicts.get(key.replace("-", "_"), NOT_LEARNT))
        write_json(study.path(f"results/{name}.json"), {"status": "run"} | trained.results[0])
        write_csv(study.path(f"results/{name}.csv"), trained.tables[0])
    return study


def edition_of(study, place):
    """The results of `study`, laid out as a published edition."""
    shutil.copytree(study.path("results"), place / "smoke/simulated")
    shutil.copy(SMOKE, place / "smoke/smoke.yaml")
    return place


def test_a_run_that_has_learnt_speaks_for_itself(tmp_path):
    place = edition_of(small(tmp_path / "old", single_resnet18_scratch=LEARNT), tmp_path / "results")
    study = small(tmp_path / "new", single_resnet18_scratch_errors=LEARNT, autoencoder=LEARNT)
    told = telling_rows(study, lambda row: row.reference, place)
    assert list(told.rows) == [f"{SINGLE}-errors"] and told.study is study and told.prefix == ""
    assert told.caption("Errors in days.") == "Errors in days."
    assert NOTHING_LEARNT not in told.said and f"{row_named(SINGLE).title} ({NOT_LEARNT})" in told.said


def test_where_nothing_has_learnt_the_edition_is_shown_and_named(tmp_path):
    place = edition_of(small(tmp_path / "old", single_resnet18_scratch=LEARNT), tmp_path / "results")
    study = small(tmp_path / "new", autoencoder=LEARNT, single_resnet18_scratch_errors=CONTROL)
    told = telling_rows(study, lambda row: row.reference, place)
    assert list(told.rows) == [SINGLE] and told.study.folder == place / "smoke/simulated"
    assert told.caption("Errors in days.") == "Published edition “smoke”: errors in days."
    assert told.said.startswith(NOTHING_LEARNT) and f"{row_named(SINGLE).title} ({NOT_LEARNT})" in told.said


def test_neither_an_untrained_edition_nor_a_control_alone_is_shown(tmp_path):
    place = edition_of(small(tmp_path / "old"), tmp_path / "results")
    study = small(tmp_path / "new", single_resnet18_scratch_errors=CONTROL)
    for where in (place, tmp_path / "nothing published"):
        told = telling_rows(study, lambda row: row.reference, where)
        assert told.rows == {} and told.study is study and told.prefix == ""
        assert told.said.startswith(NOTHING_LEARNT) and "Published" not in told.said


def test_the_best_of_a_study_in_which_one_has_learnt_is_that_one(tmp_path):
    study = small(tmp_path, single_resnet18_scratch_errors=LEARNT)
    for kept in study.path("results").glob("quality__*.json"):  # the others claim more
        result = study.result(kept.stem)
        write_json(kept, result | {"reports": {"paper": {ALTERED: {"auroc": 0.6 if "errors" in kept.stem else 0.9}}}})
    areas = {key: validation_auroc(study, made.row) for key, made in trained_rows(study).items() if made.reference}
    assert areas == {SINGLE: -1, f"{SINGLE}-errors": pytest.approx(0.6), f"{SINGLE}-signed": -1}


def test_table_2_has_the_mean_error_of_each_group_for_every_model_and_threshold():
    cases = pd.DataFrame(
        {
            "model": ["a"] * 8,
            "threshold": ["paper"] * 4 + ["validation"] * 4,
            "training": 0,
            "patient": list("ppqqppqq"),
            "verdict": ["good", "poor", "good", "poor"] + ["good"] * 4,
            "mm": [1.0, 5.0, 3.0, 7.0, 1.0, 2.0, 3.0, 4.0],
        }
    )
    table = table_2(cases, {"mm": "|Δ| mm"}, seed=0)
    assert list(table.columns) == ["model", "threshold", "masks\npoor, good", "|Δ| mm\npoor", "|Δ| mm\ngood"]
    assert [text.split("\n")[0] for text in table["|Δ| mm\npoor"]] == ["6.00", "–"]
    assert [text.split("\n")[0] for text in table["|Δ| mm\ngood"]] == ["2.00", "2.50"]
    assert list(table["masks\npoor, good"]) == ["2, 2", "0, 4"]
    several = pd.concat([cases, cases.assign(training=1), cases.assign(model="b")])
    assert list(table_2(several, {"mm": "|Δ| mm"}, seed=0)["trainings"]) == ["2", "2", "1", "1"]


@pytest.mark.parametrize(
    ("trainings", "told"),
    [
        ([3, 3, 1], "AUROC up to 0.03 apart, clear in 1 of 2 pairs"),  # not by the pair of one training
        ([1, 1, 1], f"AUROC up to 0.09 apart, {ONE_TRAINING}"),
    ],
)
def test_advice_counts_a_difference_as_clear_only_where_it_was_tested(tmp_path, trainings, told):
    study = small(tmp_path, single_resnet18_scratch=LEARNT, single_resnet18_scratch_errors=LEARNT)
    pair = {"first": row_named(SINGLE).title, "second": row_named(f"{SINGLE}-errors").title}
    one = "one training each"  # an older edition's word for it
    found = (
        ("+0.03 (0.01 to 0.05)", "first is better"),
        ("-0.02 (-0.05 to 0.01)", NOT_APART),
        ("+0.09 (0.05 to 0.12)", one),
    )
    lines = [
        pair | {"differ in": "what it learns from", "trainings": count, "Δ AUROC": apart, "verdict on AUROC": verdict}
        for count, (apart, verdict) in zip(trainings, found, strict=True)
    ]
    write_json(study.path("results/classification.json"), {"compared": lines})
    assert _one_thing(study) == f"on the balanced test set: what it learns from, {told}"


def test_figures_of_a_segmenter_count_what_could_not_be_measured():
    part = pd.DataFrame({"patient": ["p", "q", "r"], "mm": [50.0, np.nan, 60.0], "dice_head": [0.9, np.nan, 0.8]})
    part = part.assign(delta_mm=[-6.0, np.nan, 2.0], delta_days=[-3.0, np.nan, 1.0])
    shown = segmenter_figures(part, HEAD, seed=0)
    assert shown["Dice head"].startswith("0.85\n") and shown["|ΔHC| mm"].startswith("4.00\n")
    assert shown["above 5 mm %"] == "50" and shown["not measurable"] == "1 of 3"  # the first is of the measurable ones


def test_a_row_is_chosen_by_its_validation_masks_and_last_where_it_was_not_run():
    class Published:
        profile = SimpleNamespace(seeds_of=lambda row: (0, 1))

        def result(self, name):
            ran = {"status": "run", "reports": {"paper": {ALTERED: {"auroc": 0.8 + 0.1 * name.endswith("1")}}}}
            ran["learnt"] = learnt(LEARNT)
            return ran if "resnet18" in name else {"status": "not run"}

    assert validation_auroc(Published(), row_named(SINGLE)) == pytest.approx(0.85)
    assert validation_auroc(Published(), row_named("single-vgg16-scratch")) == -1


def test_two_runs_are_compared_row_by_row():
    ours = pd.DataFrame(
        {"model": ["a", "b", "c"], "value": [0.9, 0.8, 0.7], "low": [0.86, 0.7, 0.6], "high": [0.93, 0.9, 0.8]}
    )
    theirs = pd.DataFrame({"model": ["b", "a"], "value": [0.78, 0.8], "low": [0.7, 0.77], "high": [0.9, 0.84]})
    found = run_differences(ours, theirs)
    assert found["model"].tolist() == ["a", "b"]  # the largest difference first; "c" was not run there
    # .1 − hypot(.04, .04) and .1 + hypot(.03, .03)
    assert found["difference"].tolist() == ["+0.100\n+0.043 – +0.142", "+0.020\n-0.136 – +0.148"]
    assert found["interval excludes 0"].tolist() == ["yes", "no"]
