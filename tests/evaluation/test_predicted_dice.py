"""Predicted against true Dice."""

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import roc_auc_score

from fusqa.evaluation.predicted_dice import ACCEPTABLE, GOOD_DICE, PUBLISHED_DICE, dice_figures

RNG = np.random.default_rng(0)
TRUTH = RNG.uniform(0.5, 1.0, 60)
PREDICTED = np.clip(TRUTH + RNG.normal(0, 0.05, 60), 0, 1)
PATIENTS = np.repeat(np.arange(30), 2)


def value(text):
    return float(text.split()[0])


def test_figures_are_those_of_the_libraries():
    masks, *printed = dice_figures(TRUTH, PREDICTED, PATIENTS).values()
    upper = TRUTH > ACCEPTABLE
    expected = (
        pearsonr(TRUTH, PREDICTED)[0],
        np.abs(TRUTH - PREDICTED).mean(),
        roc_auc_score(TRUTH >= GOOD_DICE, PREDICTED),
        pearsonr(TRUTH[upper], PREDICTED[upper])[0],
    )
    assert masks == 60
    assert [value(text) for text in printed] == pytest.approx(expected, abs=6e-4)
    for text in printed:
        low, high = map(float, text.split()[1].split("–"))
        assert low <= value(text) <= high


def test_an_interval_is_by_patient():
    """Every mask twice, of the same patient: no more is known than from each once."""
    once = dice_figures(TRUTH, PREDICTED, np.arange(60))
    twice = dice_figures(np.repeat(TRUTH, 2), np.repeat(PREDICTED, 2), np.repeat(np.arange(60), 2))
    assert list(once.values())[1:] == list(twice.values())[1:]


def test_what_is_undefined_is_a_dash():
    constant = dice_figures(TRUTH, np.full(60, 0.7), PATIENTS)
    assert [text for text in constant.values() if text == "–"] == ["–", "–"]  # both correlations
    poor = dice_figures(0.5 * TRUTH, PREDICTED, PATIENTS)  # no mask is acceptable
    assert [text for text in poor.values() if text == "–"] == ["–", "–"]  # the area, and the upper correlation


def test_published_figures_stand_in_the_same_columns():
    ours = dice_figures(TRUTH, PREDICTED, PATIENTS)
    assert all(list(one.line()) == list(ours) for one in PUBLISHED_DICE)
