"""A length between pixels, from class probabilities."""

import numpy as np
import pytest

from fusqa.masks.circumference import head_circumference
from fusqa.masks.contour import contour_length
from fusqa.masks.crown_rump import crown_rump_length
from fusqa.masks.label_images import to_native
from fusqa.masks.labels import FETUS, HEAD
from fusqa.masks.length import Unmeasurable

SHAPE, SPACING, SIDE = (300, 420), (0.25, 0.2), 64


def oval(centre_mm, axes_mm, slope):
    """Probability (S, S) that falls linearly, by `slope` per mm, through ½ at the edge of an upright ellipse."""
    field = (np.array(SHAPE) * SPACING)[:, None, None]
    rows, cols = ((np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE * field) - np.reshape(centre_mm, (2, 1, 1))
    a, b = np.array(axes_mm)[::-1] / 2
    radius = np.hypot(rows / b, cols / a)
    gradient = np.hypot(rows / b**2, cols / a**2) / radius  # distance from the edge is about (radius − 1) / gradient
    return np.clip(0.5 - slope * (radius - 1) / gradient, 0, 1)


def fetus(whole):
    """Class probabilities of a fetus whose left half is the head."""
    left = np.arange(SIDE) < SIDE // 2
    return np.stack([1 - whole, whole * left, whole * ~left, 0 * whole, 0 * whole])


@pytest.fixture
def whole():
    return oval((36, 42.3), (30.7, 61.3), 0.3)


def test_a_length_is_right_to_a_small_part_of_a_pixel(whole):
    found = contour_length(fetus(whole), SHAPE, SPACING)
    pixel = SHAPE[1] * SPACING[1] / SIDE
    assert found.mm == pytest.approx(61.3, abs=0.03 * pixel)
    (row, col), (other_row, other_col) = found.ends
    assert col * 0.2 == pytest.approx(42.3 - 61.3 / 2 - 0.1, abs=0.1) and other_col > col  # the crown comes first
    assert row == pytest.approx(other_row, abs=SHAPE[0] / SIDE)


def test_it_is_nearer_to_the_truth_than_the_label_mask(whole):
    truth, errors = 61.3, []
    drawn = to_native(np.float32(fetus(whole)), SHAPE)
    for contour in ("outer", "boundary"):
        errors.append(abs(crown_rump_length(drawn, SPACING, contour=contour).mm - truth))
    assert abs(contour_length(fetus(whole), SHAPE, SPACING).mm - truth) < min(errors)


def test_a_higher_level_makes_the_contour_narrower_by_what_the_slope_says(whole):
    half, high = (contour_length(fetus(whole), SHAPE, SPACING, level=level).mm for level in (0.5, 0.8))
    assert half - high == pytest.approx(2 * (0.8 - 0.5) / 0.3, rel=0.1)


def test_the_enlarged_probability_has_the_same_contour(whole):
    rows, cols = (np.clip((np.arange(n) + 0.5) * SIDE / n - 0.5, 0, SIDE - 1) for n in SHAPE)
    at = np.arange(SIDE)
    large = np.array([[np.interp(cols, at, row) for row in layer] for layer in fetus(whole)])
    large = np.array([np.stack([np.interp(rows, at, col) for col in layer.T], 1) for layer in large])
    small, enlarged = (contour_length(p, SHAPE, SPACING).mm for p in (fetus(whole), large))
    assert enlarged == pytest.approx(small, abs=0.05)


def test_without_a_head_the_farthest_pair_counts(whole):
    body = np.stack([1 - whole, 0 * whole, whole, 0 * whole, 0 * whole])
    assert contour_length(body, SHAPE, SPACING).mm == pytest.approx(61.3, abs=0.05)


def test_a_fetus_that_the_image_cuts_ends_at_its_border():
    everything = fetus(np.ones((SIDE, SIDE)))
    assert contour_length(everything, SHAPE, SPACING).mm == pytest.approx(np.hypot(75, 84), abs=1.5)


def test_circumference_of_a_head_and_of_one_with_a_hole():
    whole = oval((36, 42.3), (48.2, 61.3), 0.3)
    a, b = 61.3 / 2, 48.2 / 2
    h = ((a - b) / (a + b)) ** 2
    truth = np.pi * (a + b) * (1 + 3 * h / (10 + np.sqrt(4 - 3 * h)))
    head = np.stack([1 - whole, whole])
    assert contour_length(head, SHAPE, SPACING, HEAD).mm == pytest.approx(truth, abs=0.1)
    drawn = to_native(np.float32(head), SHAPE)
    assert contour_length(head, SHAPE, SPACING, HEAD).mm == pytest.approx(
        head_circumference(drawn, SPACING).mm, abs=0.6
    )
    head[:, 28:34, 28:34] = [[[1.0]], [[0.0]]]
    assert contour_length(head, SHAPE, SPACING, HEAD).mm == pytest.approx(truth, abs=0.1)


@pytest.mark.parametrize("scheme", [FETUS, HEAD])
def test_nothing_to_measure(scheme):
    nothing = np.zeros((scheme.classes, SIDE, SIDE))
    nothing[0] = 1
    with pytest.raises(Unmeasurable, match="segment it again"):
        contour_length(nothing, SHAPE, SPACING, scheme)


def test_what_cannot_be_meant_is_refused(whole):
    with pytest.raises(ValueError, match="2 classes"):
        contour_length(np.stack([1 - whole, whole]), SHAPE, SPACING)
    with pytest.raises(ValueError, match="between 0 and 1"):
        contour_length(fetus(whole), SHAPE, SPACING, level=1.0)
    with pytest.raises(ValueError, match="centimetres"):
        contour_length(fetus(whole), SHAPE, (0.02, 0.02))


def test_islands_do_not_bend_a_head_between_pixels():
    rows, columns = np.mgrid[:64, :128]
    field = 1 / (1 + np.exp((np.hypot((rows - 30) / 1.2, columns - 35) - 18) / 0.7))
    island = 1 / (1 + np.exp((np.hypot(rows - 50, columns - 115) - 3) / 0.7))
    alone, both = (
        contour_length(np.float32([1 - shown, shown]), (128, 256), (0.4, 0.4), HEAD).mm
        for shown in (field, np.maximum(field, island))
    )
    assert both == pytest.approx(alone, abs=1e-3)
