"""Label schemes: numbering, paint order, and masks that belong to no scheme."""

import numpy as np
import pytest

from fusqa.masks.label_images import shrink_labels
from fusqa.masks.labels import FETUS, HEAD, SCHEMES


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=list(SCHEMES))
def test_labels_are_numbered_from_one_and_every_name_is_painted(scheme):
    assert [label.id for label in scheme.labels] == list(range(1, scheme.classes))
    assert sorted(scheme.paint_order) == sorted(scheme.names)
    assert set(scheme.solid) <= set(scheme.names)
    assert [scheme.id(name) for name in scheme.names] == [label.id for label in scheme.labels]


def test_layers_and_paint_undo_each_other():
    mask = np.random.default_rng(0).integers(0, 5, (30, 40)).astype(np.uint8)
    np.testing.assert_array_equal(FETUS.paint(FETUS.layers(mask)), mask)


def test_later_layers_cover_earlier_ones():
    everywhere = np.ones((1, 1), bool)
    order = list(FETUS.paint_order)
    assert order.index("body") < order.index("head") < order.index("palate")
    while order:
        shown = FETUS.paint({name: everywhere for name in order})
        assert shown[0, 0] == FETUS.id(order.pop())


def test_the_measured_body_leaves_out_the_fluid():
    mask = np.array([[0, 1, 2, 3, 4]], np.uint8)
    assert FETUS.body(mask).tolist() == [[False, True, True, True, False]]
    assert HEAD.body(mask[:, :2]).tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (np.zeros((4, 4, 3), np.uint8), r"\(4, 4, 3\) uint8"),
        (np.zeros((4, 4), np.int64), "int64"),
        (np.zeros((0, 5), np.uint8), r"\(0, 5\) uint8"),
        (np.array([[0, 5, 255]], np.uint8), r"\[5, 255\].*1 head, 2 body, 3 palate, 4 gap"),
    ],
    ids=["three channels", "wide integers", "no pixel", "unknown labels"],
)
def test_a_mask_of_no_scheme_is_refused_with_the_fix(mask, said):
    with pytest.raises(ValueError, match=said):
        FETUS.require(mask)


def test_what_one_scheme_knows_another_may_not():
    mask = np.array([[0, 1, 2]], np.uint8)
    FETUS.require(mask)
    with pytest.raises(ValueError, match="scheme 'head'"):
        HEAD.require(mask)


@pytest.mark.parametrize(("old", "new", "apart"), [(128, 64, 0.25), (96, 64, 0.1), (192, 64, 0.1)])
def test_labels_that_shrink_stay_where_their_image_is(old, new, apart):
    rows, columns = np.mgrid[:old, :old] + 0.5
    circles = [np.uint8(np.hypot(rows - 0.41 * old, columns - 0.57 * old) < r * old) for r in np.linspace(0.1, 0.3, 41)]
    small = [shrink_labels(mask, new, 2) for mask in circles]
    centres = np.array([(np.argwhere(mask) + 0.5).mean(axis=0) for mask in small]) - [0.41 * new, 0.57 * new]
    np.testing.assert_allclose(centres.mean(axis=0), 0, atol=0.05)
    assert np.abs(centres[20]).max() < apart  # of a new pixel, at a radius of .2
    assert np.abs(centres).max() < 0.26
    areas = [part.sum() * (old / new) ** 2 / mask.sum() for part, mask in zip(small, circles, strict=True)]
    np.testing.assert_allclose(areas, 1, rtol=0.02)
    assert np.mean(areas) == pytest.approx(1, abs=0.01)
    assert small[0].dtype == np.uint8 and small[0].shape == (new, new)


def test_edges_stay_smooth_by_shrinking():
    """By half, every second pixel along an edge may be covered by two labels alike."""
    mask = np.zeros((128, 128), np.uint8)
    mask[31:91, 17:101] = 1
    small = shrink_labels(mask, 64, 2)
    rows, columns = (np.flatnonzero(small.any(axis)) for axis in (1, 0))
    missing = small[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] == 0
    assert missing.sum() <= 4  # a corner each


def test_thin_labels_do_not_lose_by_shrinking():
    shares = []
    for angle in np.radians(np.arange(5, 90, 10)):
        rows, columns = np.mgrid[:128, :128] - 63.7
        strip = np.uint8(np.abs(np.cos(angle) * rows + np.sin(angle) * columns) < 1.3) * 3
        shares.append((shrink_labels(strip, 64, 5) == 3).sum() * 4 / (strip == 3).sum())
    assert np.mean(shares) == pytest.approx(1, abs=0.05)
