"""Areas under the curve as tables print them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score

from fusqa.evaluation.scoring import auroc_columns, printed, printed_auroc, reports, scores
from fusqa.files import write_csv
from fusqa.metrics import classification_report
from fusqa.study.sets import ALTERED

RNG = np.random.default_rng(0)
GOOD, SCORE = RNG.random(40) < 0.5, RNG.random(40)
PATIENTS = np.repeat(np.arange(20), 2)


def test_an_area_is_printed_with_its_interval_by_patient():
    area = printed_auroc(GOOD, SCORE, PATIENTS, seed=1)
    assert area.startswith(f"{roc_auc_score(GOOD, SCORE):.3f}\n")
    assert area == printed(classification_report(GOOD, SCORE, PATIENTS, 0.9, seed=1).as_dict())["AUROC"]


def test_an_undefined_area_is_a_dash():
    assert printed_auroc(np.ones(40, bool), SCORE, PATIENTS, seed=1) == "–"


def test_an_area_of_too_few_patients_is_a_dash():
    """Of a single poor mask it would be 1, with the interval 1 to 1, as soon as that mask has the lowest score."""
    good = np.arange(40) > 7  # poor masks of four patients
    assert printed_auroc(good, SCORE, PATIENTS, 1, 4) == printed_auroc(good, SCORE, PATIENTS, 1) != "–"
    assert printed_auroc(good, SCORE, PATIENTS, 1, 5) == printed_auroc(~good, SCORE, PATIENTS, 1, 5) == "–"


def test_one_score_has_one_column_per_truth():
    columns = auroc_columns({"review": GOOD, "length": ~GOOD}, SCORE, PATIENTS, seed=1)
    assert list(columns) == ["AUROC,\nreview", "AUROC,\nlength"]
    assert columns["AUROC,\nreview"] == printed_auroc(GOOD, SCORE, PATIENTS, seed=1)
    assert columns["AUROC,\nlength"] == printed_auroc(~GOOD, SCORE, PATIENTS, seed=1)


def test_a_threshold_calls_the_same_masks_when_the_table_is_read_again(tmp_path):
    """It may be the lowest score itself, which single precision and a file would round to either side of it."""
    score = torch.tensor([0.927823007, 0.9951841, 0.98055299, 0.996434])
    table = pd.DataFrame({"case": list("abcd"), "patient": list("abcd"), "good": [True, True, False, False]})
    pairs = SimpleNamespace(table=table.assign(test=False))
    made = scores({ALTERED: pairs}, lambda pairs: {"probability": score})
    judged = reports(made, 0.5, seed=0)
    at = judged["thresholds"]["validation"]
    write_csv(tmp_path / "scores.csv", made)
    again = pd.read_csv(tmp_path / "scores.csv")
    np.testing.assert_array_equal(again["probability"] >= at, made["probability"] >= at)
    assert (again["probability"] == made["probability"]).all()


def test_small_probabilities_keep_their_order(tmp_path):
    """A network that is sure of many poor masks still ranks them; decimals would make all of them zero."""
    logits = torch.linspace(-30, 10, 81)
    table = pd.DataFrame({"case": range(81), "patient": range(81), "good": [False] * 40 + [True] * 41})
    made = scores({ALTERED: SimpleNamespace(table=table)}, lambda pairs: {"probability": logits.sigmoid()})
    write_csv(tmp_path / "scores.csv", made)
    assert (pd.read_csv(tmp_path / "scores.csv")["probability"].diff()[1:] > 0).all()
