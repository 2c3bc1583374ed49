"""Crown-rump length against other ways of computing it: all pairs of contour pixels, scikit-image."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from scipy.spatial.distance import cdist
from skimage.measure import regionprops

from fusqa.masks.crown_rump import crown_rump_length, near_longest
from fusqa.masks.labels import FETUS
from fusqa.masks.length import Unmeasurable, line_angle
from fusqa.masks.measurement import measure

SQUARE = np.ones((3, 3), bool)
small_masks = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 4))
spacings = st.tuples(st.floats(0.05, 2.0), st.floats(0.05, 2.0))


def fetus(shape=(90, 140), degrees=0.0):
    """Head and body as two overlapping ellipses, turned about the middle of the image."""
    mask = np.zeros(shape, np.uint8)
    middle = (shape[1] // 2, shape[0] // 2)
    turn = cv2.getRotationMatrix2D(middle, degrees, 1.0)
    for label, centre, axes in ((2, (-18, 4), (28, 15)), (1, (24, -3), (20, 18))):
        x, y = turn @ [middle[0] + centre[0], middle[1] + centre[1], 1]
        cv2.ellipse(mask, (round(x), round(y)), axes, -degrees, 0, 360, label, cv2.FILLED)
    return mask


def by_all_pairs(mask, spacing, contour):
    """The definition itself: every contour pixel of the head against every one of the body, in millimetres."""
    return all_pairs_mm(mask, spacing, contour)[0].max()


def all_pairs_mm(mask, spacing, contour):
    """Distances of all pairs of contour pixels, and whether they are pairs within one contour."""
    mask = np.pad(mask, 1)
    solid = np.isin(mask, [1, 2, 3])
    if contour == "outer":
        line = ndimage.binary_dilation(solid, SQUARE) & ~solid
        sides = [line & ndimage.binary_dilation(mask == label, SQUARE) for label in (1, 2)]
    else:
        line = solid & ~ndimage.binary_erosion(solid, SQUARE)
        sides = [line & (mask == label) for label in (1, 2)]
    one = not all(side.any() for side in sides)
    if one:
        sides = [line, line]
    return cdist(*(np.argwhere(side) * spacing for side in sides)), one


@settings(max_examples=150, deadline=None, derandomize=True)
@given(mask=small_masks, spacing=spacings, contour=st.sampled_from(["outer", "boundary"]))
def test_crl_is_the_longest_of_all_pairs_or_refused(mask, spacing, contour):
    if not np.isin(mask, [1, 2, 3]).any():
        with pytest.raises(Unmeasurable, match="no head, body or palate"):
            crown_rump_length(mask, spacing, contour=contour)
        return
    length = crown_rump_length(mask, spacing, contour=contour)
    assert length.mm == pytest.approx(by_all_pairs(mask, spacing, contour), rel=1e-12)
    first, second = np.array(length.ends) * spacing
    assert math.dist(first, second) == pytest.approx(length.mm, rel=1e-12)


@pytest.mark.parametrize("contour", ["outer", "boundary"])
@pytest.mark.parametrize("spacing", [(1, 1), (0.2, 0.2), (0.1, 0.35)])
def test_crl_of_a_fetus_is_the_longest_of_all_pairs(spacing, contour):
    mask = fetus(degrees=25)
    found = crown_rump_length(mask, spacing, contour=contour)
    assert found.mm == pytest.approx(by_all_pairs(mask, spacing, contour), rel=1e-12)


def test_contours_lie_one_pixel_apart_and_skimage_between_them():
    mask = fetus()
    outer, boundary = (crown_rump_length(mask, (1, 1), contour=contour).mm for contour in ("outer", "boundary"))
    (region,) = regionprops(np.uint8(mask > 0))
    # skimage takes the hull of the line half-way between the outermost pixels and the background
    assert boundary < region.feret_diameter_max < outer
    assert region.feret_diameter_max == pytest.approx(boundary + 1, abs=0.25)
    assert outer == pytest.approx(boundary + 2, abs=0.5)


def test_crl_ends_lie_on_head_and_body_even_where_another_pair_is_longer():
    mask = np.zeros((20, 100), np.uint8)
    mask[10, 5:60], mask[10, 60:65], mask[10, 65:95] = 2, 1, 2  # body on both sides of the head
    length = crown_rump_length(mask, (1, 1), contour="boundary")
    assert length.ends == ((10.0, 64.0), (10.0, 5.0))
    assert length.mm == 59


def test_gap_is_fluid_and_does_not_count():
    mask = fetus()
    drop = mask.copy()
    drop[:, :10] = 4
    assert crown_rump_length(drop, (0.2, 0.2)) == crown_rump_length(mask, (0.2, 0.2))


@pytest.mark.parametrize("missing", [1, 2])
def test_without_head_or_body_the_whole_contour_counts_and_the_left_end_comes_first(missing):
    mask = fetus()
    mask[mask == missing] = 0
    length = crown_rump_length(mask, (0.2, 0.2))
    assert length.mm == pytest.approx(by_all_pairs(mask, (0.2, 0.2), "outer"))
    assert length.ends[0][1] < length.ends[1][1]


def test_squeezed_image_with_its_spacing_keeps_its_length():
    wide = np.repeat(fetus(), 3, axis=1)  # three columns where there was one
    expected = crown_rump_length(fetus(), (0.3, 0.3), contour="boundary").mm
    assert crown_rump_length(wide, (0.3, 0.1), contour="boundary").mm == pytest.approx(expected, abs=0.3)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(mask=small_masks.filter(lambda mask: np.isin(mask, [1, 2, 3]).any()), spacing=spacings)
def test_crl_does_not_change_in_mirrors_and_turns(mask, spacing):
    expected = crown_rump_length(mask, spacing).mm
    row_mm, col_mm = spacing
    assert crown_rump_length(mask[:, ::-1], spacing).mm == pytest.approx(expected)
    assert crown_rump_length(mask[::-1], spacing).mm == pytest.approx(expected)
    assert crown_rump_length(np.rot90(mask), (col_mm, row_mm)).mm == pytest.approx(expected)


@pytest.mark.parametrize("degrees", [10, 37, 90, 141])
def test_crl_hardly_changes_under_rotation(degrees):
    expected = crown_rump_length(fetus((160, 160)), (0.5, 0.5)).mm
    # The 3×3 contour lies farther out on a diagonal, and the ellipses are drawn about whole pixels: two pixels in all.
    assert crown_rump_length(fetus((160, 160), degrees), (0.5, 0.5)).mm == pytest.approx(expected, abs=1.0)


def test_ends_mirror_with_the_image_even_if_several_pairs_are_as_long():
    mask = np.zeros((30, 60), np.uint8)
    mask[5:25, 5:30], mask[5:25, 30:55] = 2, 1  # both diagonals have the same length
    crown, rump = crown_rump_length(mask, (0.2, 0.2)).ends
    mirrored = crown_rump_length(mask[:, ::-1], (0.2, 0.2)).ends
    assert mirrored == tuple((row, 59 - col) for row, col in (crown, rump))


def test_outer_contour_of_a_fetus_at_the_border_lies_outside_the_image():
    mask = np.array([[2, 2, 1, 1]], np.uint8)
    (_, crown), (_, rump) = crown_rump_length(mask, (1, 1)).ends
    assert (rump, crown) == (-1, 4)


def test_masks_that_cannot_be_measured_say_why():
    with pytest.raises(Unmeasurable, match="segment it again"):
        crown_rump_length(np.zeros((5, 5), np.uint8), (0.2, 0.2))
    with pytest.raises(Unmeasurable, match="no head, body or palate"):
        crown_rump_length(np.full((5, 5), 4, np.uint8), (0.2, 0.2))
    with pytest.raises(ValueError, match="labels \\[9\\]"):
        crown_rump_length(np.full((5, 5), 9, np.uint8), (0.2, 0.2))
    with pytest.raises(ValueError, match="outer, boundary"):
        crown_rump_length(fetus(), (0.2, 0.2), contour="inner")


def test_measuring_a_fetus_gives_its_crown_rump_length():
    assert measure(fetus(), (0.2, 0.2), FETUS) == crown_rump_length(fetus(), (0.2, 0.2))


# --- lines nearly as long ---


def span(mask, spacing=(0.5, 0.5)):
    lines = near_longest(mask, spacing)
    return np.ptp(line_angle(lines, spacing, against=lines[0]))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    mask=small_masks.filter(lambda mask: np.isin(mask, [1, 2, 3]).any()),
    spacing=spacings,
    within=st.floats(0, 0.9),
    contour=st.sampled_from(["outer", "boundary"]),
)
def test_lines_nearly_as_long_are_all_within_the_share_and_begin_with_the_longest(mask, spacing, within, contour):
    lines = near_longest(mask, spacing, within, contour=contour)
    mm = np.hypot(*((lines[:, 0] - lines[:, 1]) * spacing).T)
    mm_of_all, one = all_pairs_mm(mask, spacing, contour)
    assert mm[0] == pytest.approx(crown_rump_length(mask, spacing, contour=contour).mm)
    assert (np.diff(mm) <= 1e-9).all()
    found = [np.count_nonzero(mm_of_all >= (1 - within) * mm_of_all.max() * (1 + sign * 1e-9)) for sign in (1, -1)]
    found = [count / 2 for count in found] if one and mm[0] > 0 and mm[-1] > 0 else found
    assert found[0] <= len(np.unique(lines, axis=0)) == len(lines) <= found[1]  # rounding decides where both differ


@pytest.mark.parametrize("degrees", [0, 25, 45, 90, 160])
@pytest.mark.parametrize("contour", ["outer", "boundary"])
def test_lines_nearly_as_long_hold_the_measured_one(contour, degrees):
    mask = fetus(degrees=degrees)
    ends = crown_rump_length(mask, (0.2, 0.3), contour=contour).ends
    assert ends in [tuple(map(tuple, line)) for line in near_longest(mask, (0.2, 0.3), contour=contour).tolist()]


def test_a_disc_has_lines_of_all_directions_and_a_rod_of_one():
    rows, cols = np.indices((120, 120)) - 60
    disc = np.where(rows**2 + cols**2 <= 50**2, np.where(cols < 0, 2, 1), 0).astype(np.uint8)
    rod = np.zeros((120, 220), np.uint8)
    rod[58:62, 10:110], rod[58:62, 110:210] = 2, 1
    assert span(rod) < 4 < 150 < span(disc)
    assert span(rod) < span(fetus()) < span(disc)


def test_without_head_or_body_every_line_counts_once():
    mask = np.zeros((9, 30), np.uint8)
    mask[4, 3:27] = 2
    assert near_longest(mask, (1, 1), contour="boundary").tolist() == [[[4, 3], [4, 26]]]


def test_lines_nearly_as_long_refuse_what_the_length_refuses_and_a_wrong_share():
    with pytest.raises(Unmeasurable, match="segment it again"):
        near_longest(np.zeros((5, 5), np.uint8), (0.2, 0.2))
    with pytest.raises(ValueError, match="outer, boundary"):
        near_longest(fetus(), (0.2, 0.2), contour="inner")
    for share in (-0.1, 1, float("nan")):
        with pytest.raises(ValueError, match="not a share of the longest line"):
            near_longest(fetus(), (0.2, 0.2), share)
