"""A length between pixels: from the contour along which a class probability passes a level.

A label mask has only whole pixels, and a longest line finds those that reach farthest. The probability from which the
mask was made also says where between two pixels its edge lies.
"""

import cv2
import numpy as np

from fusqa.masks.circumference import ellipse_through
from fusqa.masks.crown_rump import farthest_pair
from fusqa.masks.labels import FETUS, HEAD, Scheme
from fusqa.masks.length import LEAVE_OUT, Length, Point, Unmeasurable, check_spacing


def contour_length(
    probability: np.ndarray, shape: tuple[int, int], spacing: Point, scheme: Scheme = FETUS, *, level: float = 0.5
) -> Length:
    """Measure what `scheme` measures on the contour of the solid structures, at sub-pixel precision.

    The contour is where the probability of all solid structures together passes `level`, interpolated linearly between
    neighbouring pixels. It is found on the grid of the network and then brought to the image's own grid: enlarging the
    probability first gives the same contour and takes many times longer.

    Parameters
    ----------
    probability : (classes, h, w) float
        Class probabilities, background first, on any grid that covers the image.
    shape : (H, W)
        Size of the image in pixels.
    spacing : (row_mm, col_mm)
        Pixel spacing of the image in millimetres.
    scheme : Scheme
        What the classes mean and what is measured.
    level : float
        Between 0 and 1. One half is where a mask ends; a network that was trained with class weights sees its
        structures too large there (:func:`fusqa.study.segmentation.contour_level`).

    Returns
    -------
    Length
        Its ends as those of :func:`fusqa.masks.crown_rump.crown_rump_length` or
        :func:`fusqa.masks.circumference.head_circumference`, but between pixels.

    Raises
    ------
    Unmeasurable
        No pixel is above the level, or too little of a head for an ellipse.
    ValueError
        Wrong number of classes, spacing or level.

    See Also
    --------
    fusqa.masks.measurement.measure : the same of a label mask.
    """
    check_spacing(spacing)
    if len(probability) != scheme.classes:
        raise ValueError(f"{len(probability)} classes are not the {scheme.classes} of scheme '{scheme.name}'")
    if not 0 < level < 1:  # also true of NaN
        raise ValueError(f"level = {level!r} is not between 0 and 1; 0.5 is where a mask ends")
    solid = probability[[scheme.id(name) for name in scheme.solid]]
    whole = solid.sum(0)
    if not (whole >= level).any():
        raise Unmeasurable(f"no pixel shows what is measured with a probability of {level:g}; {LEAVE_OUT}")
    pixel = np.divide(shape, whole.shape)  # of the network's grid, in pixels of the image
    if scheme is HEAD:
        points, _ = _edge(_largest_whole(whole, level), level)
        ellipse = ellipse_through((points + 0.5) * pixel - 0.5, spacing)
        return Length(ellipse.perimeter_mm, ellipse.ends)
    points, inside = _edge(np.pad(whole, 1), level)  # a fetus at the border ends where the image does
    owner = solid.argmax(0)[tuple(inside.T - 1)]
    points = (points - 0.5) * pixel - 0.5
    sides = [points[owner == scheme.solid.index(name)] for name in ("head", "body")]
    ends, mm = farthest_pair(*map(_hull, sides if all(map(len, sides)) else [points, points]), np.array(spacing))
    return Length(mm, ends)


def _edge(field: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 2) between neighbouring pixels where a field (h, w) passes `level`, and the pixel above it, (n, 2)."""
    above = field >= level
    points, inside = [], []
    for step in np.eye(2, dtype=int):  # to the next row, to the next column
        (rows, cols), later = (slice(None, -n or None) for n in step), tuple(slice(n, None) for n in step)
        first = np.argwhere(above[rows, cols] != above[later])
        second = first + step
        here, there = (np.float64(field[tuple(ends.T)]) for ends in (first, second))
        points.append(first + ((level - here) / (there - here))[:, None] * step)
        inside.append(np.where((here >= level)[:, None], first, second))
    return np.concatenate(points), np.concatenate(inside)


def _largest_whole(field: np.ndarray, level: float) -> np.ndarray:
    """Keep the largest piece of a field (h, w) above `level`, without its holes: zero on islands, one in holes."""
    above = np.uint8(field >= level)
    contours, _ = cv2.findContours(above, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    largest = max(contours, key=cv2.contourArea)
    filled = cv2.drawContours(np.zeros_like(above), [largest], -1, 1, cv2.FILLED)
    return np.where(filled > above, 1.0, np.where(filled < above, 0.0, field))


def _hull(points: np.ndarray) -> np.ndarray:
    """Corners (k, 2) of the convex hull of points (n, 2)."""
    return np.float64(cv2.convexHull(np.float32(points)).reshape(-1, 2))
