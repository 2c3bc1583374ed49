"""Head circumference against the integral of an ellipse's perimeter, and against published circumferences."""

import csv
import math

import cv2
import numpy as np
import pytest
from scipy.special import ellipe

from fusqa.masks.circumference import Ellipse, fit_head_ellipse, head_circumference
from fusqa.masks.labels import HEAD
from fusqa.masks.length import Unmeasurable
from fusqa.masks.measurement import measure


def head(shape=(220, 300), centre=(108.3, 151.6), axes=(41.2, 30.4), degrees=25.0, spacing=(0.5, 0.5)):
    """Filled ellipse: `axes` half axes in mm, turned by `degrees` from rising columns to rising rows."""
    rows, cols = np.indices(shape)
    y, x = (rows - centre[0]) * spacing[0], (cols - centre[1]) * spacing[1]
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.uint8(((x * cos + y * sin) / axes[0]) ** 2 + ((y * cos - x * sin) / axes[1]) ** 2 <= 1)


def outline(first=0.0, last=2 * math.pi, shape=(220, 300), centre=(108.3, 151.6), axes=(82.4, 60.8), degrees=25.0):
    """The pixels that an ellipse passes through, half axes in pixels, from one eccentric angle to another."""
    mask = np.zeros(shape, np.uint8)
    t = np.linspace(first, last, 5000)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = axes[0] * np.cos(t), axes[1] * np.sin(t)
    mask[np.rint(centre[0] + x * sin + y * cos).astype(int), np.rint(centre[1] + x * cos - y * sin).astype(int)] = 255
    return mask


def perimeter(a, b):
    """Perimeter of an ellipse with half axes a ≥ b as a complete elliptic integral."""
    return 4 * a * ellipe(1 - (b / a) ** 2)


@pytest.mark.parametrize("spacing", [(0.5, 0.5), (0.5, 0.7), (0.8, 0.5)])
@pytest.mark.parametrize("degrees", [0, 25, 90, 160])
def test_hc_of_a_filled_head_is_the_perimeter(spacing, degrees):
    mask = head(spacing=spacing, degrees=degrees)
    ellipse = fit_head_ellipse(mask, spacing)
    assert head_circumference(mask, spacing).mm == pytest.approx(perimeter(41.2, 30.4), rel=2e-3)
    assert ellipse.axes_mm == pytest.approx((82.4, 60.8), rel=3e-3)
    assert ellipse.centre == pytest.approx((108.3, 151.6), abs=0.1)
    assert (ellipse.angle - degrees + 90) % 180 - 90 == pytest.approx(0, abs=1)
    np.testing.assert_allclose(ellipse.fill(mask.shape).sum(), mask.sum(), rtol=3e-3)


@pytest.mark.parametrize("last", [2 * math.pi, 1.5 * math.pi], ids=["closed", "unclosed"])
@pytest.mark.parametrize("value", [1, 255])
def test_hc_of_an_outline_is_the_perimeter_closed_or_not(last, value):
    line = np.minimum(outline(0, last), value)
    assert head_circumference(line, (0.5, 0.5)).mm == pytest.approx(perimeter(41.2, 30.4), rel=3e-3)


def test_filled_and_outlined_head_agree():
    filled, line = head_circumference(head(), (0.5, 0.5)), head_circumference(outline(), (0.5, 0.5))
    assert filled.mm == pytest.approx(line.mm, rel=3e-3)


def test_holes_do_not_change_hc_and_ends_span_the_long_axis():
    mask = head()
    whole = head_circumference(mask, (0.5, 0.5))
    mask[100:120, 140:160] = 0
    assert head_circumference(mask, (0.5, 0.5)) == whole
    (row, col), (other_row, other_col) = whole.ends
    assert col < other_col
    assert math.hypot(row - other_row, col - other_col) * 0.5 == pytest.approx(82.4, rel=3e-3)


def test_a_head_that_the_image_cuts_is_fitted_by_the_rest_of_its_edge():
    mask = head(centre=(20.0, 151.6))
    assert mask[0].any()
    assert head_circumference(mask, (0.5, 0.5)).mm == pytest.approx(perimeter(41.2, 30.4), rel=0.02)


def test_fill_is_clipped_by_the_image():
    whole = fit_head_ellipse(head(), (0.5, 0.5))
    np.testing.assert_array_equal(whole.fill((120, 160)), whole.fill((220, 300))[:120, :160])
    assert whole.fill((20, 20)).shape == (20, 20)


@pytest.mark.parametrize(
    ("mask", "error", "said"),
    [
        (np.zeros((30, 30), np.uint8), Unmeasurable, "no head"),
        (np.pad(np.ones((1, 1), np.uint8), 5), Unmeasurable, "at least 6 points"),
        (np.ones((9, 9), np.uint8), Unmeasurable, "at least 6 points"),
        (np.pad(np.ones((1, 20), np.uint8), ((9, 9), (0, 0))), Unmeasurable, "on a line|no ellipse"),
        (np.tile(np.uint8([0, 1, 2]), (30, 10)), ValueError, "one structure"),
        (np.zeros((30, 30), np.float32), ValueError, "float32"),
    ],
    ids=["empty", "a pixel", "everywhere", "a straight line", "two labels", "floats"],
)
def test_heads_that_cannot_be_measured_say_why(mask, error, said):
    with pytest.raises(error, match=said):
        head_circumference(mask, (0.2, 0.2))


def test_a_crumb_gives_no_monstrous_ellipse():
    """Least squares draw an ellipse of hundreds of millimetres through the edges of two pixels in a corner."""
    mask = np.uint8([[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    for seed in range(9):  # OpenCV fits such points with the help of its random numbers
        cv2.setRNGSeed(seed)
        with pytest.raises(Unmeasurable, match="too short or too straight"):
            head_circumference(mask, (0.2, 0.2))


def test_measuring_a_head_gives_its_circumference():
    assert measure(head(), (0.5, 0.5), HEAD) == head_circumference(head(), (0.5, 0.5))


def test_hc_of_real_outlines_is_the_published_one(real_hc18):
    with (real_hc18 / "training_set_pixel_size_and_HC.csv").open() as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]
    drawn = [
        (path, float(mm), float(published))
        for name, mm, published in rows
        if (path := real_hc18 / "training_set" / name.replace(".png", "_Annotation.png")).exists()
    ]
    assert drawn
    for path, mm, published in drawn[::8]:
        line = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        ellipse = fit_head_ellipse(line, (mm, mm))
        assert ellipse.perimeter_mm == pytest.approx(published, abs=0.1), path.name
        filled = np.uint8(ellipse.fill(line.shape))
        assert head_circumference(filled, (mm, mm)).mm == pytest.approx(published, abs=0.3), path.name


def test_islands_do_not_bend_the_ellipse():
    for axes in ((60, 47), (30, 24)):  # beside specks a small head must not be taken for a drawn line
        head = Ellipse((200, 200), axes, 20, (0.3, 0.3)).fill((420, 800)).astype(np.uint8)
        alone = head_circumference(head, (0.3, 0.3))
        for place in ((740, 30), (30, 400), (780, 410)):
            cv2.circle(head, place, 2, 1, cv2.FILLED)
        assert head_circumference(head, (0.3, 0.3)).mm == pytest.approx(alone.mm)
