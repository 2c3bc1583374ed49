"""Conformal intervals: the quantile by hand, the promise where it holds, and what weights do where it does not."""

import numpy as np
import pandas as pd
import pytest

from fusqa.evaluation.intervals import (
    coverage_line,
    density_ratio,
    effective_number,
    prediction_intervals,
    radius,
)
from fusqa.masks.labels import FETUS


def cases(count, seed, mean=60.0, noise=1.0):
    """Masks whose error grows with the difference between the two rulers, and with the length beyond 60 mm."""
    rng = np.random.default_rng(seed)
    true = rng.normal(mean, 6, count)
    hard = rng.uniform(0.1, 2.0, count)
    error = rng.normal(0, 1, count) * hard * noise * np.exp((true - 60) / 12)
    return pd.DataFrame(
        {"patient": np.arange(count).astype(str), "subpixel_mm": true + error, "subpixel_delta_mm": error}
        | {"mm": true + error + hard, "delta_mm": error + hard, "certainty": rng.uniform(0.5, 0.9, count)}
    )


def test_the_radius_by_hand():
    scores = [3.0, 1.0, 4.0, 2.0]
    assert radius(scores, 0.2) == 4.0 and radius(scores, 0.4) == 3.0 and radius(scores, 0.19) == np.inf
    assert radius([], 0.5) == np.inf
    # Weights 1, 1, 6, 1 of the scores 1, 2, 3, 4: three quarters of 9 + 1 lie at or below 3.
    assert radius(scores, 0.25, [6, 1, 1, 1], 1.0) == 3.0
    assert radius(scores, 0.25, np.ones(4), [0.0, 1.0, 10.0]).tolist() == [3.0, 4.0, np.inf]


@pytest.mark.parametrize("signal", ["none", "two rulers", "uncertainty"])
def test_the_promise_holds_on_average_for_exchangeable_cases(signal):
    shares = [
        prediction_intervals(cases(60, [n, 0]), cases(200, [n, 1]), FETUS, 0.1, signal=signal)["covered"].mean()
        for n in range(60)
    ]
    assert 0.89 <= np.mean(shares) <= 0.94


def test_a_signal_that_knows_the_difficulty_makes_intervals_shorter_and_unequal():
    known, new = cases(400, 0), cases(400, 1)
    plain, scaled = (prediction_intervals(known, new, FETUS, signal=signal) for signal in ("none", "two rulers"))
    assert plain["radius_mm"].nunique() == 1 and scaled["radius_mm"].nunique() > 300
    assert scaled["radius_mm"].median() < plain["radius_mm"].median()
    assert (scaled["radius_days"] < scaled["radius_mm"]).mean() > 0.9  # a millimetre is about half a day


def test_weights_keep_the_promise_under_a_shift_that_the_features_show():
    known, new = cases(2000, 0), cases(400, 1, mean=70)
    broken, kept = (
        prediction_intervals(known, new, FETUS, weighted=weighted)["covered"].mean() for weighted in (False, True)
    )
    assert broken < 0.85 < kept
    of_known, of_new = density_ratio(known, new)
    assert of_known.mean() == pytest.approx(1, rel=0.5) and np.median(of_new) > np.median(of_known)


def test_nothing_is_promised_where_hardly_any_known_case_resembles_the_new_ones():
    known, new = cases(300, 0), cases(300, 1, mean=78)
    assert effective_number(density_ratio(known, new)[0]) < 1 / 0.1
    assert np.isinf(prediction_intervals(known, new, FETUS, weighted=True)["radius_mm"]).all()
    assert effective_number([2.0, 2.0, 2.0]) == pytest.approx(3) and effective_number([1.0, 0, 0]) == 1


def test_nothing_is_promised_from_too_few():
    line = coverage_line([prediction_intervals(cases(5, 0), cases(20, 1), FETUS, 0.1)], 0)
    assert line["no promise, %"] == "100" and line["± mm\nmedian"] == "∞"
    assert line["true length within, %"].startswith("100")


def test_several_splits_of_the_same_cases_count_each_case_once():
    known, new = cases(60, 0), cases(30, 1)
    found = prediction_intervals(known, new, FETUS)
    once, often = coverage_line([found], 0), coverage_line([found] * 5, 0)
    assert once == often
