"""Errors that no recipe shows: the effect of each, that it grows with severity, and that it is reproducible."""

from dataclasses import replace

import numpy as np
import pytest

from fusqa.cohorts.writing import write_cohort
from fusqa.evaluation.unseen import UNSEEN, unseen_masks
from fusqa.masks.labels import FETUS, HEAD
from fusqa.masks.measurement import measured_mm
from fusqa.simulator.cases import draw_case

GRADED = [name for name, kind in UNSEEN.items() if kind.graded]
SEVERITIES = (0.2, 0.6, 1.0)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    cases = [draw_case("B", 0, i) for i in range(6)]
    return write_cohort(tmp_path_factory.mktemp("cohort"), cases, scheme=FETUS, source="test", licence="MIT")


@pytest.fixture(scope="module")
def made(cohort):
    return unseen_masks(cohort, 64, SEVERITIES, seed=0)


def test_every_case_has_every_error_at_every_severity(cohort, made):
    masks, table = made
    assert masks.shape == (len(table), 64, 64) and masks.dtype == np.uint8
    assert len(table) == len(cohort) * (1 + 3 * len(GRADED) + len(UNSEEN) - len(GRADED))
    assert masks.max() < FETUS.classes
    none = table[table["name"] == "none"]
    np.testing.assert_allclose(none["delta_mm"], 0, atol=1.0)  # its own mask, against its true length
    assert (none.filter(regex="^dice_").fillna(1) == 1).all(axis=None)


@pytest.mark.parametrize("name", GRADED)
def test_an_error_grows_with_its_severity(made, name):
    table = made[1]
    of = table[table["name"] == name].groupby("severity")
    dice = of[[f"dice_{label}" for label in FETUS.solid[:2]]].mean().mean(axis=1)
    worse = of["delta_mm"].agg(lambda mm: mm.abs().mean())
    assert dice.is_monotonic_decreasing or worse.is_monotonic_increasing
    assert dice.iat[-1] < dice.iat[0] - 0.005 or worse.iat[-1] > worse.iat[0] + 0.5


def test_a_thin_spur_ruins_the_length_and_hardly_the_dice(made):
    table = made[1]
    spur = table[(table["name"] == "spur") & (table["severity"] == 1.0)]
    assert spur["delta_mm"].median() > 5
    assert spur[["dice_head", "dice_body"]].min().min() > 0.9


def test_a_hole_ruins_the_dice_and_hardly_the_length(made):
    table = made[1]
    holes = table[(table["name"] == "holes") & (table["severity"] == 1.0)]
    assert holes["delta_mm"].abs().median() < 2
    assert holes[["dice_head", "dice_body"]].mean().mean() < 0.95


def test_the_same_seed_makes_the_same_masks_whatever_other_cases_there_are(cohort, made):
    masks, table = made
    two = cohort.subset(np.arange(len(cohort)) < 2)
    alone, few = unseen_masks(two, 64, (1.0,), seed=0)
    for name in ("holes", "warp", "rotation"):
        here = table[(table["name"] == name) & (table["severity"] == 1.0) & (table["case"] == few["case"].iat[0])].index
        there = few[(few["name"] == name) & (few["case"] == few["case"].iat[0])].index
        np.testing.assert_array_equal(masks[here], alone[there])
    other, _ = unseen_masks(two, 64, (1.0,), seed=1)
    assert (other != alone).any()


def test_a_neighbour_is_another_patient_s_mask_and_a_swap_is_nobody_s(made):
    masks, table = made
    own = {row.case: masks[row.Index] for row in table[table["name"] == "none"].itertuples()}
    patient = dict(zip(table["case"], table["patient"], strict=True))
    for row in table[table["name"].isin(["neighbour", "swap"])].itertuples():
        same = [case for case in own if np.array_equal(own[case], masks[row.Index])]
        assert bool(same) == (row.name == "neighbour")
        assert all(patient[case] != row.patient for case in same)


def test_errors_that_altered_masks_of_a_scheme_hold_are_left_out(cohort, tmp_path):
    heads = []
    for case in cohort:
        head = np.uint8(case.mask == FETUS.id("head"))
        heads.append(replace(case, mask=head, measure_mm=measured_mm(head, case.spacing, HEAD), ga_days=None))
    folder = write_cohort(tmp_path / "heads", heads, scheme=HEAD, source="test", licence="MIT")
    names = set(unseen_masks(folder, 64, (1.0,), seed=0)[1]["name"])
    assert names == {"none", *(name for name, kind in UNSEEN.items() if HEAD.name not in kind.known_to)}
    assert "shift" not in names and "spur" in names
