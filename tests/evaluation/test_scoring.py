"""Areas under the curve as tables print them."""

import numpy as np
from sklearn.metrics import roc_auc_score

from fusqa.evaluation.scoring import auroc_columns, printed, printed_auroc
from fusqa.metrics import classification_report

RNG = np.random.default_rng(0)
GOOD, SCORE = RNG.random(40) < 0.5, RNG.random(40)
PATIENTS = np.repeat(np.arange(20), 2)


def test_an_area_is_printed_with_its_interval_by_patient():
    area = printed_auroc(GOOD, SCORE, PATIENTS, seed=1)
    assert area.startswith(f"{roc_auc_score(GOOD, SCORE):.3f}\n")
    assert area == printed(classification_report(GOOD, SCORE, PATIENTS, 0.9, seed=1).as_dict())["AUROC"]


def test_an_undefined_area_is_a_dash():
    assert printed_auroc(np.ones(40, bool), SCORE, PATIENTS, seed=1) == "–"


def test_one_score_has_one_column_per_truth():
    columns = auroc_columns({"review": GOOD, "length": ~GOOD}, SCORE, PATIENTS, seed=1)
    assert list(columns) == ["AUROC,\nreview", "AUROC,\nlength"]
    assert columns["AUROC,\nreview"] == printed_auroc(GOOD, SCORE, PATIENTS, seed=1)
    assert columns["AUROC,\nlength"] == printed_auroc(~GOOD, SCORE, PATIENTS, seed=1)
