"""One case measured in several ways, and what the table says of them."""

import numpy as np
import pytest

from fusqa.cohorts.writing import write_cohort
from fusqa.evaluation.length_bias import bias_table, measured_ways
from fusqa.masks.crown_rump import crown_rump_length
from fusqa.masks.labels import FETUS
from fusqa.simulator.cases import draw_case


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    cases = [draw_case("A", 0, i) for i in range(3)]
    return write_cohort(tmp_path_factory.mktemp("cohort"), cases, scheme=FETUS, source="test", licence="MIT")


def test_every_way_is_what_its_name_says(cohort):
    cases = list(cohort)
    drawn = {case.case: case.mask for case in cases} | {cases[2].case: np.zeros_like(cases[2].mask)}
    between = {case.case: case.measure_mm + 0.1 for case in cases}
    ways = measured_ways(cohort, drawn, between, 64)
    for case, row in zip(cases[:2], ways.to_dict("records"), strict=False):
        for contour in ("outer", "boundary"):
            mm = crown_rump_length(case.mask, case.spacing, contour=contour).mm
            assert row[f"reference mask, {contour}"] == row[f"prediction, {contour}"] == mm
    coarse = ways["reference mask through 64 px and back, boundary"] - ways["reference mask, boundary"]
    assert (coarse > 0).all()  # the longest line finds the pixel that sticks out farthest
    assert ways["prediction, outer"].isna().tolist() == [False, False, True]


def test_the_table_keeps_the_same_cases_for_every_way(cohort):
    cases = list(cohort)
    drawn = {case.case: case.mask for case in cases} | {cases[2].case: np.zeros_like(cases[2].mask)}
    ways = measured_ways(cohort, drawn, {case.case: case.measure_mm + 0.1 for case in cases}, 64)
    everything, near = bias_table(ways, FETUS, 0), bias_table(ways, FETUS, 0, within_mm=5)
    assert everything["cases"].tolist() == [3, 3, 3, 3, 2, 2, 3] and (near["cases"] == 2).all()
    last = near.iloc[-1]
    assert last["measured"] == "prediction, between pixels"
    assert last["mean error, mm"].startswith("0.10\n") and last["mean size of it, mm"].startswith("0.10\n")
    assert 0.03 < float(last["mean error, days"].split("\n")[0]) < 0.09  # about half a day a millimetre
