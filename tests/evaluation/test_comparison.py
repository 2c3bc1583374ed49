"""The rows side by side: tables from scores, what printed figures imply, and tests of differences."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from fusqa.evaluation.comparison import (
    TrainedRow,
    beside_print,
    compare,
    rivals,
    segmenter_figures,
    table_2,
    table_3,
    validation_auroc,
)
from fusqa.evaluation.paper import AUTOENCODER_PRINTED, PRINTED
from fusqa.evaluation.scoring import CONFUSION
from fusqa.masks.labels import HEAD
from fusqa.study.pairs import ALTERED, AT_B
from fusqa.study.rows import row_named

SINGLE, SYNERGIC, SIAMESE = (f"{topology}-resnet18-scratch" for topology in ("single", "synergic", "siamese"))


def row(key, noise, seeds=2):
    """A row with `seeds` trainings, worse with more noise; 60 cases of the test set, 20 others, 10 altered masks."""
    rng = np.random.default_rng(0)
    good = rng.random(90) < 0.5
    table = pd.DataFrame({"case": np.arange(90), "patient": np.arange(90) // 2, "good": good})
    table["set"], table["test"] = np.where(np.arange(90) < 80, AT_B, ALTERED), np.arange(90) < 60
    own = np.random.default_rng(len(key))
    tables = [table.assign(probability=np.clip(0.3 * good + own.normal(0.35, noise, 90), 0, 1)) for _ in range(seeds)]
    results = [{"thresholds": {"paper": 0.5, "validation": 0.4 + 0.1 * seed}} for seed in range(seeds)]
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


def test_one_seed_has_no_spread_and_a_collapsed_training_is_counted(rows):
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
    assert line["accuracy"].startswith("0.712 (0.756) → ")
    assert line["recall"].startswith("1.000 → ")


def test_topologies_and_recipes_are_compared_where_both_were_run(rows):
    assert rivals(rows) == [(SINGLE, SYNERGIC), (SYNERGIC, SIAMESE), (SINGLE, SIAMESE)]
    assert rivals({SINGLE: rows[SINGLE]}) == []
    others = [f"{SINGLE}-{recipe}" for recipe in ("errors", "blind", "exchanged")]
    more = rows | {key: replace(rows[SINGLE], row=row_named(key)) for key in others}
    assert rivals(more)[-3:] == [
        (f"{SINGLE}-errors", SINGLE),
        (f"{SINGLE}-errors", f"{SINGLE}-blind"),
        (f"{SINGLE}-exchanged", f"{SINGLE}-errors"),
    ]
    assert rivals(rows | {"autoencoder": replace(rows[SINGLE], row=None)}) == rivals(rows)


def test_only_a_clear_difference_is_reported(rows):
    table = compare(rows, [(SINGLE, SIAMESE), (SIAMESE, SINGLE), (SINGLE, SINGLE)])
    assert list(table["verdict on AUROC"]) == ["first is better", "second is better", "not told apart"]
    assert list(table["McNemar p"])[2] == "1.000"


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


def test_figures_of_a_segmenter_count_what_could_not_be_measured():
    part = pd.DataFrame({"patient": ["p", "q", "r"], "mm": [50.0, np.nan, 60.0], "dice_head": [0.9, np.nan, 0.8]})
    part = part.assign(delta_mm=[-6.0, np.nan, 2.0], delta_days=[-3.0, np.nan, 1.0])
    shown = segmenter_figures(part, HEAD, seed=0)
    assert shown["Dice head"].startswith("0.85\n") and shown["|ΔHC| mm"].startswith("4.00\n")
    assert shown["above 5 mm %"] == "33" and shown["not measurable"] == "1 of 3"


def test_a_row_is_chosen_by_its_validation_masks_and_last_where_it_was_not_run():
    class Published:
        profile = SimpleNamespace(seeds=(0, 1))

        def result(self, name):
            ran = {"status": "run", "reports": {"paper": {ALTERED: {"auroc": 0.8 + 0.1 * name.endswith("1")}}}}
            return ran if "resnet18" in name else {"status": "not run"}

    assert validation_auroc(Published(), row_named(SINGLE)) == pytest.approx(0.85)
    assert validation_auroc(Published(), row_named("single-vgg16-scratch")) == -1
