"""What all measurements share: a length with its ends, the check of a pixel spacing, the direction of a line.

A length is measured on the image's own grid with the true distances between rows and between columns, because an image
that was squeezed to a square has pixels that are not square.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Point = tuple[float, float]

SPACING_RANGE_MM = (0.03, 5.0)  # chosen: from a 4000-pixel zoom on a small fetus to a whole sector on 64 pixels


class Unmeasurable(ValueError):
    """The mask holds nothing that could be measured; the message says what is missing and what to do."""


LEAVE_OUT = "leave this image out or segment it again"
"""What to do about an image of which nothing can be measured."""


@dataclass(frozen=True)
class Length:
    """A measured length.

    Attributes
    ----------
    mm : float
        The length in millimetres.
    ends : ((row, col), (row, col))
        Where the calipers lie, in pixels (pixel centres are whole numbers). An end on the outer contour of a structure
        that touches the border lies one pixel outside the image.
    """

    mm: float
    ends: tuple[Point, Point]


def length_or_none(measure: Callable[..., Length], *given: Any, **more: Any) -> Length | None:
    """Length by `measure`; None where there is nothing to measure."""
    try:
        return measure(*given, **more)
    except Unmeasurable:
        return None


def mm_or_nan(measure: Callable[..., Length], *given: Any, **more: Any) -> float:
    """Length by `measure` in mm, for tables: NaN where there is nothing to measure."""
    found = length_or_none(measure, *given, **more)
    return found.mm if found else float("nan")


def check_spacing(spacing: tuple[float, float]) -> tuple[float, float]:
    """Return `spacing` as two floats, or say what is wrong with it.

    Parameters
    ----------
    spacing : (row_mm, col_mm)
        Distance between neighbouring rows and between neighbouring columns in millimetres.

    Raises
    ------
    ValueError
        Unless both are between 0.03 and 5 mm (``SPACING_RANGE_MM``). The message says so when a value looks like
        centimetres, metres or dots per inch.
    """
    try:
        row_mm, col_mm = (float(value) for value in spacing)
    except (TypeError, ValueError):
        said = f"spacing {spacing!r} is not a pair of numbers"
        raise ValueError(f"{said}; give (row_mm, col_mm), for example (0.2, 0.2)") from None
    low, high = SPACING_RANGE_MM
    for name, value in (("row_mm", row_mm), ("col_mm", col_mm)):
        if not low <= value <= high:  # also true of NaN
            wrong = f"{name} = {value:g} is not a plausible pixel spacing ({low:g} to {high:g} mm)"
            raise ValueError(f"{wrong}: {_spacing_advice(value)}")
    return row_mm, col_mm


def _spacing_advice(value: float) -> str:
    """Say what to do about an implausible spacing, from the unit in which it seems to be written."""
    low, high = SPACING_RANGE_MM
    if low <= value * 10 < high:
        return f"it looks like centimetres, write {value * 10:g}"
    if low <= value * 1000 < high:
        return f"it looks like metres, write {value * 1000:g}"
    if high < value <= 2400:
        return f"if it is dots per inch write 25.4 / dpi = {25.4 / value:.3g}, if pixels per cm write 10 / it"
    return "give millimetres per pixel, as the scanner's calibration or the DICOM header states it"


def line_angle(
    ends: Sequence | np.ndarray, spacing: tuple[float, float], *, against: Sequence | np.ndarray | None = None
) -> float | np.ndarray:
    """Direction of a line in millimetres, whichever end comes first.

    Parameters
    ----------
    ends : (..., 2, 2)
        Both ends of each line as row and column in pixels.
    spacing : (row_mm, col_mm)
        Pixel spacing in millimetres.
    against : (..., 2, 2), optional
        Lines from which the angle is counted, instead of the direction of rising columns.

    Returns
    -------
    float or (...) float64
        Degrees from -90 to below 90; positive where rows rise as columns rise. A line whose ends are one point has the
        direction of rising columns.

    Examples
    --------
    >>> round(line_angle(((0, 0), (3, 1)), (0.2, 0.6)), 1)
    45.0
    >>> round(line_angle(((3, 1), (0, 0)), (0.2, 0.6), against=((0, 0), (0, 1))), 1)
    45.0
    """
    between = np.diff(np.asarray(ends, float), axis=-2)[..., 0, :] * check_spacing(spacing)
    angle = np.degrees(np.arctan2(between[..., 0], between[..., 1]))
    if against is not None:
        angle = angle - line_angle(against, spacing)
    angle = (angle + 90) % 180 - 90
    return float(angle) if angle.ndim == 0 else angle


def ends_apart_mm(ends: Sequence | np.ndarray, of: Sequence | np.ndarray, spacing: Point) -> float | np.ndarray:
    """How far the farther of both ends of a line lies from that of another line.

    Parameters
    ----------
    ends : (..., 2, 2)
        Both ends of each line as row and column in pixels.
    of : (2, 2)
        Both ends of the other line, in the same order.
    spacing : (row_mm, col_mm)
        Pixel spacing in millimetres.

    Returns
    -------
    float or (...) float64
        Millimetres.

    Examples
    --------
    >>> float(ends_apart_mm(((0, 0), (5, 0)), ((0, 0), (2, 4)), (1.0, 1.0)))
    5.0
    """
    between = (np.asarray(ends, float) - np.asarray(of, float)) * check_spacing(spacing)
    return np.hypot(between[..., 0], between[..., 1]).max(-1)
