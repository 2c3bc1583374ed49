"""Error maps: what counts as wrong, as a region, as a hit, as a misplaced end; and a network that learns to see it."""

import numpy as np
import pandas as pd
import pytest
import torch

from fusqa.cohorts.reading import Case
from fusqa.cohorts.writing import write_cohort
from fusqa.evaluation.error_maps import (
    COUNTS,
    caliper_figures,
    caliper_table,
    count_regions,
    mark_threshold,
    misplaced_mm,
    region_figures,
    region_table,
    suspicion,
)
from fusqa.masks.label_images import wrong_pixels
from fusqa.masks.labels import FETUS, HEAD
from fusqa.masks.length import Length
from fusqa.models.learner import pictures
from fusqa.study.error_mapping import Checked
from fusqa.study.pairs import Pairs


def square(top, left, side, shape=(32, 32)):
    layer = np.zeros(shape, np.uint8)
    layer[top : top + side, left : left + side] = 1
    return layer


def test_an_edge_may_lie_one_pixel_off_and_no_more():
    reference = square(8, 8, 10)
    for grown, wrong in ((1, 0), (2, 14**2 - 12**2)):
        mask = square(8 - grown, 8 - grown, 10 + 2 * grown)
        assert wrong_pixels(mask, reference, 2).sum() == wrong
        assert wrong_pixels(reference, mask, 2).sum() == wrong  # missing pixels as those too many


def test_a_missing_structure_is_wrong_as_a_whole_and_a_wrong_label_is_wrong_twice():
    reference = square(8, 8, 6)
    assert wrong_pixels(np.zeros_like(reference), reference, 2).sum() == 36
    head_for_body = wrong_pixels(2 * reference, reference, 3)
    assert head_for_body.shape == (2, 32, 32)
    assert head_for_body.sum((1, 2)).tolist() == [36, 36]


def layers(*squares):
    return np.any([square(*one) for one in squares], axis=0, keepdims=True)


@pytest.mark.parametrize(
    ("marked", "counts"),
    [
        (layers((2, 2, 4), (20, 20, 4)), [2, 2, 2, 2]),  # both regions, exactly
        (layers((2, 2, 4)), [2, 1, 1, 1]),  # one of two
        (layers((10, 10, 4)), [2, 0, 1, 0]),  # beside both
        (layers((2, 2, 1)), [2, 0, 0, 0]),  # too small to be a region, and to cover a quarter of one
        (layers((2, 2, 8)), [2, 1, 1, 1]),  # a quarter of what is marked is wrong
        (layers((2, 2, 9)), [2, 1, 1, 0]),  # less than a quarter is
        (np.zeros((1, 32, 32), bool), [2, 0, 0, 0]),
    ],
)
def test_regions_are_counted_by_overlap(marked, counts):
    assert count_regions(layers((2, 2, 4), (20, 20, 4)), marked).tolist() == [counts]


def test_pixels_that_touch_at_a_corner_are_one_region():
    diagonal = np.eye(32, dtype=bool)[None]
    assert count_regions(diagonal, diagonal).tolist() == [[1, 1, 1, 1]]


def checked(wrong, patients):
    """Masks of heads whose wrong pixels are given, (M, 1, S, S)."""
    images = np.zeros((len(wrong), 32, 32), np.uint8)
    table = pd.DataFrame({"case": [f"case-{i}" for i in range(len(wrong))], "patient": patients})
    pairs = Pairs(pictures(images), torch.arange(len(wrong)), torch.from_numpy(images), table)
    return Checked(pairs, torch.from_numpy(wrong[:, 0].astype(np.uint8)), HEAD)


def test_figures_are_over_all_regions_and_their_intervals_over_patients():
    wrong = np.stack([layers((2, 2, 4), (20, 20, 4)), layers((2, 2, 4)), np.zeros((1, 32, 32), bool)])
    marked = np.stack([layers((2, 2, 4)), layers((2, 2, 4)), layers((2, 2, 4))])
    table = region_table(checked(wrong, ["a", "b", "c"]), marked.astype(float), 0.5)
    assert table[COUNTS].to_numpy().tolist() == [[2, 1, 1, 1], [1, 1, 1, 1], [0, 0, 1, 0]]
    figures = region_figures(table)
    assert figures["recall"][0] == pytest.approx(2 / 3) and figures["precision"][0] == pytest.approx(2 / 3)
    assert figures["recall"][1:] == (0.5, 1.0)  # patient a alone, patient b alone
    assert region_figures(table.assign(patient="a"))["recall"][1:] == pytest.approx((2 / 3, 2 / 3))


def test_without_wrong_regions_there_is_no_recall():
    nothing = np.zeros((2, 1, 32, 32), bool)
    figures = region_figures(region_table(checked(nothing, ["a", "b"]), nothing.astype(float), 0.5))
    assert np.isnan([value for figure in figures.values() for value in figure]).all()


def test_the_threshold_separates_what_is_wrong_from_what_is_not():
    wrong = np.stack([layers((2, 2, 4))] * 2)
    probability = 0.6 * wrong + 0.3 * np.stack([layers((20, 20, 6))] * 2)
    data = checked(wrong, ["a", "b"])
    threshold = mark_threshold(data, probability)
    assert 0.3 < threshold <= 0.6
    assert region_figures(region_table(data, probability, threshold))["f1"][0] == 1
    assert mark_threshold(data, np.zeros_like(probability)) == 0.5


def test_ends_are_compared_with_the_ends_they_belong_to():
    true, found = Length(10.0, ((0.0, 0.0), (0.0, 10.0))), Length(13.0, ((3.0, 14.0), (0.0, 0.0)))
    assert misplaced_mm(found, true, (1.0, 1.0)).tolist() == [5.0, 0.0]
    assert misplaced_mm(found, true, (2.0, 0.5)).tolist() == [pytest.approx(np.hypot(6, 2)), 0.0]


def test_suspicion_is_what_the_map_says_near_an_end_of_the_body():
    found = Length(80.0, ((40.0, 20.0), (40.0, 100.0)))  # on 80 × 120 pixels; the map has 40 × 40
    probability = np.zeros((4, 40, 40))
    probability[FETUS.id("gap") - 1] = 1.0  # the gap is fluid: no length ends in it
    probability[FETUS.id("body") - 1, 20, 33] = 0.8  # at row 40.5, column 100
    probability[FETUS.id("body") - 1, 20, 20] = 0.9  # half-way between the ends
    assert suspicion(probability, found, (80, 120), (1.0, 1.0), FETUS).tolist() == [0.0, 0.8]
    probability[FETUS.id("head") - 1, 23, 6] = 0.5  # at row 46.5, column 19: 6.6 pixels from the first end
    assert suspicion(probability, found, (80, 120), (1.0, 1.0), FETUS).tolist() == [0.0, 0.8]
    assert suspicion(probability, found, (80, 120), (0.5, 0.5), FETUS).tolist() == [0.5, 0.8]


def fetus(rump):
    """Head from column 10 and body to column `rump`, tapering to both ends."""
    mask = np.zeros((80, 120), np.uint8)
    middle = (10 + rump) / 2
    rows, columns = np.mgrid[:80, :120]
    inside = (np.abs(rows - 40) / 20) + (np.abs(columns - middle) / (middle - 10)) <= 1
    mask[inside] = np.where(columns[inside] < 40, 1, 2)
    return mask


@pytest.fixture
def cohort(tmp_path):
    image = np.zeros((80, 120), np.uint8)
    cases = [Case(f"c{n}", f"p{n}", "A", image, fetus(100), (1.0, 1.0), 90.0) for n in range(3)]
    return write_cohort(tmp_path / "made-up", cases, scheme=FETUS, source="made up", licence="none")


def test_a_map_that_marks_the_rump_points_to_the_rump(cohort):
    masks = {"c0": fetus(100), "c1": fetus(80), "c2": np.zeros((80, 120), np.uint8)}  # right, too short, nothing
    probability = np.zeros((3, 4, 40, 40))
    probability[1, FETUS.id("body") - 1, 20, 27] = 0.9  # column 82
    table = caliper_table(cohort, masks, probability)
    assert table["case"].tolist() == ["c0", "c0", "c1", "c1"]  # what cannot be measured has no ends
    assert table["end"].tolist() == ["crown", "rump"] * 2
    assert table["off_mm"].tolist() == [0, 0, 0, 20]
    assert table["suspicion"].tolist() == [0, 0, 0, 0.9]
    figures = caliper_figures(table, 0.5)
    assert (figures["ends"], figures["misplaced"], figures["one_wrong"]) == (4, 1, 1)
    assert all(figures[name][0] == 1 for name in ("auroc", "recall", "precision", "pointed"))
    blind = caliper_figures(table.assign(suspicion=0.2), 0.5)
    assert blind["pointed"][0] == blind["auroc"][0] == 0.5  # knows nothing
    astray = caliper_figures(table.assign(suspicion=0.9 - table["suspicion"]), 0.5)
    assert astray["pointed"][0] == astray["auroc"][0] == 0


def test_without_a_measurable_mask_nothing_is_said_of_the_ends(cohort):
    nothing = dict.fromkeys(("c0", "c1", "c2"), np.zeros((80, 120), np.uint8))
    figures = caliper_figures(caliper_table(cohort, nothing, np.zeros((3, 4, 40, 40))), 0.5)
    assert (figures["ends"], figures["misplaced"], figures["one_wrong"]) == (0, 0, 0)
    assert np.isnan([*figures["auroc"], *figures["pointed"]]).all()
