"""Calibration: simulated scores whose truth is known, and how often a conformal threshold keeps its promise."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss

from fusqa.evaluation.calibration import (
    acceptance_threshold,
    brier_score,
    calibration_errors,
    expected_calibration_error,
    patient_halves,
    promise_kept,
    reliability,
    rescaled,
    temperature,
)
from fusqa.metrics import bootstrap_weights, weighted_auroc


@pytest.fixture
def honest():
    """Ten thousand cases, each good with the probability stated for it."""
    rng = np.random.default_rng(0)
    p = rng.uniform(0.02, 0.98, 10_000)
    return rng.random(10_000) < p, p


def test_an_honest_probability_is_calibrated(honest):
    y, p = honest
    assert expected_calibration_error(y, p) < 0.02
    table = reliability(y, p)
    assert table["cases"].sum() == len(p)
    np.testing.assert_allclose(table["said"], table["found"], atol=0.05)


def test_overconfidence_is_found_and_corrected(honest):
    y, p = honest
    sure = rescaled(p, 1 / 3)  # logits three times too large
    assert expected_calibration_error(y, sure) > 0.1
    found = temperature(y, sure)
    assert found == pytest.approx(3, rel=0.05)
    assert expected_calibration_error(y, rescaled(sure, found)) < 0.02


def test_temperature_changes_no_order(honest):
    y, p = honest
    one = np.ones((1, len(y)))
    assert weighted_auroc(y, rescaled(p, 2.5), one) == pytest.approx(weighted_auroc(y, p, one))


def test_probabilities_of_0_and_1_give_finite_results():
    assert np.isfinite(rescaled([0.0, 1.0], 2.0)).all()
    assert np.isfinite(temperature([False, True], [0.0, 1.0]))
    assert reliability([True, False], [1.0, 0.0])["cases"].tolist() == [1, 1]


def test_calibration_error_by_hand():
    assert expected_calibration_error([True, False, True, True], [0.95, 0.95, 0.15, 0.15]) == pytest.approx(
        (2 * 0.45 + 2 * 0.85) / 4
    )


def test_weights_are_repetitions(honest):
    y, p = (part[:60] for part in honest)
    weights = bootstrap_weights(np.arange(60) // 3, draws=4)
    again = [np.repeat(np.arange(60), weight.astype(int)) for weight in weights]
    for of in (expected_calibration_error, brier_score):
        np.testing.assert_allclose(of(y, p, weights), [of(y[drawn], p[drawn]) for drawn in again])
    assert brier_score(y, p) == pytest.approx(brier_score_loss(y, p))


def test_the_error_is_that_of_the_bins(honest):
    y, p = honest
    table = reliability(y, p)
    by_bins = ((table["said"] - table["found"]).abs() * table["cases"]).sum() / table["cases"].sum()
    assert expected_calibration_error(y, p) == pytest.approx(by_bins)


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("cases", [20, 57])
def test_the_promise_is_kept_on_average_and_not_by_much(cases, alpha):
    rng = np.random.default_rng(1)
    slipped = []
    for _ in range(4000):
        threshold = acceptance_threshold(rng.normal(size=cases), alpha)
        slipped.append((rng.normal(size=20) > threshold).mean())
    assert np.mean(slipped) <= alpha + 0.005
    assert np.mean(slipped) >= alpha - 1 / (cases + 1) - 0.005


def test_too_few_cases_promise_nothing():
    assert acceptance_threshold(np.arange(18), 0.05) == np.inf
    assert acceptance_threshold(np.arange(19), 0.05) == 18
    assert acceptance_threshold([], 0.1) == np.inf
    for alpha in (0.0, 1.0, 1.5):
        with pytest.raises(ValueError, match="between 0 and 1"):
            acceptance_threshold([0.1, 0.2], alpha)


def test_a_promise_is_counted_on_the_masks_that_did_not_choose_its_threshold():
    rng = np.random.default_rng(0)
    good, scores = np.arange(40) % 2 == 0, rng.random(40)
    patients = [f"p{number // 2}" for number in range(40)]
    halves = patient_halves(patients, 25, rng)
    assert halves.shape == (25, 40) and (halves.sum(1) == 20).all()
    assert (halves[:, ::2] == halves[:, 1::2]).all()  # both cases of a patient are on one side
    passed, slips = promise_kept([0.2, 0.4, 0.9], good, scores, halves, 0.1)
    limit = acceptance_threshold([0.2, 0.4, 0.9], 0.1)
    assert passed["abroad"] == (scores[~good] > limit).mean() and passed["abroad_good"] == (scores[good] > limit).mean()
    own = [acceptance_threshold(scores[~good & half], 0.1) for half in halves]
    assert slips == [(scores[~good & ~half] > one).mean() for half, one in zip(halves, own, strict=True)]
    assert passed["home"] == np.mean(slips)
    kept = [(scores[good & ~half] > one).mean() for half, one in zip(halves, own, strict=True)]
    assert passed["home_good"] == pytest.approx(np.mean(kept))
    nothing, slips = promise_kept([0.5], np.ones(40, bool), scores, halves, 0.1)
    assert nothing["abroad"] is None and nothing["home"] is None and slips == []


def test_calibration_errors_are_printed_with_their_interval():
    rng = np.random.default_rng(0)
    p, patients = rng.random(40), np.repeat(np.arange(20), 2).astype(str)
    good = rng.random(40) < p
    shown = calibration_errors(pd.Series(good), pd.Series(p), pd.Series(patients), seed=0)
    assert shown["ECE"].startswith(f"{expected_calibration_error(good, p):.3f}\n")
    squared, weights = (p - good) ** 2, bootstrap_weights(patients, seed=0)
    low, high = np.quantile(weights @ squared / weights.sum(1), [0.025, 0.975])
    assert shown["Brier score"] == f"{squared.mean():.3f}\n{low:.2f}–{high:.2f}" and low < high
