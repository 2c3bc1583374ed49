"""Predicted errors: pooled over trainings, scored against failures, and taken off the length before it is dated."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from fusqa.evaluation.comparison import TrainedRow
from fusqa.evaluation.error_prediction import (
    correction_table,
    corrections,
    days_left,
    failure_columns,
    measured_cases,
)
from fusqa.evaluation.risk import risk_coverage
from fusqa.masks.dating import gestational_age
from fusqa.study.pairs import AT_A, AT_B
from fusqa.study.rows import row_named

EQUATION = "intergrowth-21st"
TRUE_MM = {f"c{number}": 50.0 + number / 4 for number in range(80)}


def row(noise_mm):
    """Two trainings that predict errors with some noise: 80 masks of site B, of which two cannot be measured."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"case": list(TRUE_MM), "patient": [f"p{number // 2}" for number in range(80)], "set": AT_B})
    table["delta_mm"] = rng.normal(2, 6, 80)
    table.loc[[3, 9], "delta_mm"] = np.nan
    true = table["case"].map(TRUE_MM)
    known = table["delta_mm"].notna()
    table.loc[known, "delta_days"] = (
        gestational_age((true + table["delta_mm"])[known].to_numpy()).days
        - gestational_age(true[known].to_numpy()).days
    )
    error = table["delta_mm"].fillna(20.0)
    tables = [table.assign(predicted_mm=error + rng.normal(0, noise_mm, 80)) for _ in range(2)]
    made = row_named("single-resnet18-scratch-signed")
    return TrainedRow(made, made.title, None, [{}, {}], tables)


def test_masks_are_those_of_the_first_training_without_those_that_have_no_error():
    made = row(1.0)
    cases = measured_cases(made, AT_B, TRUE_MM)
    assert len(cases) == 78 and cases.notna().all(axis=None)
    np.testing.assert_array_equal(cases["predicted_mm"], made.tables[0].dropna()["predicted_mm"])
    assert cases["true_mm"].tolist() == cases["case"].map(TRUE_MM).tolist()
    assert measured_cases(row(1.0), AT_A, TRUE_MM).empty


def test_what_is_left_of_an_error_is_that_of_the_corrected_length():
    cases = measured_cases(row(0.0), AT_B, TRUE_MM)
    np.testing.assert_allclose(days_left(cases, 0.0, EQUATION), cases["delta_days"].abs())
    np.testing.assert_allclose(days_left(cases, cases["delta_mm"].to_numpy(), EQUATION), 0, atol=1e-9)
    one = days_left(cases, 2.0, EQUATION)[0]
    length, true = cases.loc[0, "true_mm"] + cases.loc[0, "delta_mm"], cases.loc[0, "true_mm"]
    assert one == pytest.approx(abs(gestational_age(length - 2).days - gestational_age(true).days))
    assert np.isfinite(days_left(cases, 500.0, EQUATION)).all()  # no length is negative


def test_a_good_prediction_helps_and_noise_does_harm():
    helped = corrections(measured_cases(row(1.0), AT_B, TRUE_MM), 2.0, 5.0, EQUATION, seed=0)
    assert [one.verdict for one in helped[2:]] == ["helps", "helps"]
    nothing, *_, large = helped
    assert nothing.change[0] == 0 and large.days.mean() == pytest.approx(nothing.days.mean() + large.change[0])
    harmed = corrections(measured_cases(row(40.0), AT_B, TRUE_MM), 2.0, 5.0, EQUATION, seed=0)
    assert [one.verdict for one in harmed[2:]] == ["makes dates worse"] * 2


def test_small_predicted_errors_are_left_alone():
    cases = measured_cases(row(1.0), AT_B, TRUE_MM)
    nothing, _, every, large = corrections(cases, 2.0, 5.0, EQUATION, seed=0)
    small = (cases["predicted_mm"].abs() <= 5).to_numpy()
    np.testing.assert_array_equal(large.days[small], nothing.days[small])
    np.testing.assert_array_equal(large.days[~small], every.days[~small])


def test_the_table_has_one_line_for_each_correction_and_compares_all_but_the_first():
    cases = {"site B": measured_cases(row(1.0), AT_B, TRUE_MM)}
    made = {"site B": corrections(cases["site B"], 2.0, 5.0, EQUATION, seed=0)}
    table = correction_table(made, cases, seed=0)
    assert table["masks"].unique().tolist() == ["site B (78)"]
    assert table["verdict"].tolist() == ["–", *[one.verdict for one in made["site B"][1:]]]
    assert table["mean |ΔGA|\ndays"].str.startswith(f"{made['site B'][0].days.mean():.2f}").iloc[0]


def test_failures_are_found_by_a_small_score():
    cases = measured_cases(row(3.0), AT_B, TRUE_MM)
    score = -cases["predicted_mm"].abs()
    found = failure_columns(cases, score, seed=0)
    area = roc_auc_score(cases["delta_mm"].abs() <= 5, score)
    assert found["AUROC,\n|error| > 5 mm"].startswith(f"{area:.3f}")
    assert found["AURC\ndays"].startswith(f"{risk_coverage(cases['delta_days'].abs(), score).aurc:.2f}")
    right = cases[cases["delta_days"].abs() <= 7]
    assert failure_columns(right, score[right.index], seed=0)["AUROC,\n|ΔGA| > 7 days"] == "–"
