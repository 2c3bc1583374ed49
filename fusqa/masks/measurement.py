"""All that can be said of one mask: its length, the gestational age, its areas, its criteria, and warnings.

It answers "what does FUSQA say about this one file?", where most of the package works on whole cohorts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from fusqa.masks.circumference import Ellipse, fit_head_ellipse, head_circumference
from fusqa.masks.criterion import Criterion
from fusqa.masks.crown_rump import crown_rump_length
from fusqa.masks.dating import EQUATIONS, gestational_age
from fusqa.masks.labels import FETUS, HEAD, Scheme
from fusqa.masks.length import Length, Point, check_spacing, mm_or_nan
from fusqa.masks.reviewing import review

# Where the measured line runs, in words: lengths along two contours differ by about two pixels.
CONTOUR_NAMES = {
    FETUS.name: "outer contour: the pixels that a 3×3 dilation adds to the mask",
    HEAD.name: "perimeter of the ellipse fitted to the edge of the mask",
}
# chosen: a head is a drawn line where it fills at most the first share of its ellipse and is thinner than the other
OUTLINE_SHARE, LINE_SHARE = 0.5, 0.15

_MEASUREMENTS = {"crown-rump length": crown_rump_length, "head circumference": head_circumference}


def measure(mask: np.ndarray, spacing: tuple[float, float], scheme: Scheme = FETUS) -> Length:
    """Measure what `scheme` measures: the crown-rump length or the head circumference; errors as there."""
    return _MEASUREMENTS[scheme.measurement](mask, spacing)


def measured_mm(mask: np.ndarray, spacing: tuple[float, float], scheme: Scheme = FETUS) -> float:
    """Length by :func:`measure` in mm, for tables: NaN where there is nothing to measure."""
    return mm_or_nan(measure, mask, spacing, scheme)


@dataclass(frozen=True)
class Dated:
    """Gestational age from one length.

    Attributes
    ----------
    days, sd : float or None
        Age and its standard deviation in days; None where the length cannot be dated, NaN where the equation's
        source gives no standard deviation.
    equation : str
        Name of the equation in print.
    reason : str or None
        Why there is no age.
    """

    days: float | None
    sd: float | None
    equation: str
    reason: str | None = None


@dataclass(frozen=True)
class Measurement:
    """What was found on one mask.

    Attributes
    ----------
    scheme, measurement : str
        Name of the scheme, and what it measures.
    mm : float
        The length in millimetres.
    ends : ((row, col), (row, col))
        Its ends in pixels.
    contour : str
        Where the measured line runs, in words.
    spacing : (row_mm, col_mm)
        The pixel spacing that was assumed, in millimetres.
    gestational_age : Dated
        By the scheme's own equation.
    areas_mm2 : dict of float
        Area of each structure in square millimetres.
    met, of, good : int, int, bool
        How many image criteria are met, how many there are, and whether enough are met.
    criteria : dict of dict
        Each criterion's fields (see :class:`fusqa.masks.criterion.Criterion`) without the lines that a figure draws.
    warnings : tuple of str
        What makes the length doubtful although it could be measured.
    """

    scheme: str
    measurement: str
    mm: float
    ends: tuple[Point, Point]
    contour: str
    spacing: Point
    gestational_age: Dated
    areas_mm2: dict[str, float]
    met: int
    of: int
    good: bool
    criteria: dict[str, dict[str, Any]]
    warnings: tuple[str, ...]


def describe(mask: np.ndarray, spacing: tuple[float, float], scheme: Scheme = FETUS) -> Measurement:
    """Measure one mask and look for possible faults.

    Parameters
    ----------
    mask : (H, W) uint8
        Labels of `scheme`. A head may be drawn in any one value.
    spacing : (row_mm, col_mm)
        Pixel spacing in millimetres.

    Raises
    ------
    Unmeasurable
        If there is nothing to measure.
    ValueError
        Wrong labels or spacing.

    Examples
    --------
    >>> mask = np.zeros((90, 200), np.uint8)
    >>> mask[40:50, 20:80], mask[40:50, 80:180] = 1, 2
    >>> describe(mask, (0.5, 0.5)).warnings
    ('no palate in the mask', 'no gap in the mask')
    """
    spacing = check_spacing(spacing)
    if scheme is not HEAD:
        length = measure(mask, spacing, scheme)
        return _described(mask, spacing, scheme, length, length)
    fitted = fit_head_ellipse(mask, spacing)
    return _described(np.uint8(mask != 0), spacing, HEAD, Length(fitted.perimeter_mm, fitted.ends), fitted)


def describe_drawing(mask: np.ndarray, spacing: tuple[float, float], scheme: Scheme = FETUS) -> Measurement:
    """Measure one mask as :func:`describe` does, or a head of which a thin line was drawn, closed or not.

    Area and criteria of such a line are those of the ellipse fitted to it, and a warning says so. It is for people who
    measure what they drew: a segmenter's fragments must not pass for an outline.
    """
    spacing = check_spacing(spacing)
    if scheme is HEAD and _is_line(mask, fitted := fit_head_ellipse(mask, spacing)):
        length, filled = Length(fitted.perimeter_mm, fitted.ends), np.uint8(fitted.fill(mask.shape))
        said = "the mask is an outline: its area and criteria are those of the ellipse fitted to it"
        return _described(filled, spacing, HEAD, length, None, said)
    return describe(mask, spacing, scheme)


def _is_line(mask: np.ndarray, fitted: Ellipse) -> bool:
    """Whether a head was drawn as a line around it: of little area, and thin everywhere."""
    drawn = np.uint8(mask != 0)
    area = np.count_nonzero(fitted.fill(mask.shape))
    thickest = 2 * cv2.distanceTransform(np.pad(drawn, 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE).max()
    return drawn.sum() <= OUTLINE_SHARE * area and thickest <= LINE_SHARE * np.sqrt(area)


def _described(
    mask: np.ndarray, spacing: Point, scheme: Scheme, length: Length, measured: Length | Ellipse | None, *warnings: str
) -> Measurement:
    """Put together what is said of a mask whose `length` is known; `measured` saves the review from measuring again."""
    judged = review(mask, spacing, scheme, measured=measured)
    pixel_mm2 = spacing[0] * spacing[1]
    return Measurement(
        scheme=scheme.name,
        measurement=scheme.measurement,
        mm=length.mm,
        ends=length.ends,
        contour=CONTOUR_NAMES[scheme.name],
        spacing=spacing,
        gestational_age=_dated(length.mm, scheme),
        areas_mm2={name: float(np.count_nonzero(layer) * pixel_mm2) for name, layer in scheme.layers(mask).items()},
        met=judged.met,
        of=judged.of,
        good=judged.good,
        criteria={name: _fields(criterion) for name, criterion in judged.criteria.items()},
        warnings=(*warnings, *_warnings(mask, scheme)),
    )


def _dated(mm: float, scheme: Scheme) -> Dated:
    title = EQUATIONS[scheme.equation].title
    try:
        age = gestational_age(mm, scheme.equation)
    except ValueError as error:
        return Dated(None, None, title, str(error))
    return Dated(age.days, age.sd, title)


def _fields(criterion: Criterion) -> dict[str, Any]:
    return {name: value for name, value in vars(criterion).items() if name != "marks"}


def _warnings(mask: np.ndarray, scheme: Scheme) -> Iterator[str]:
    for name, layer in scheme.layers(mask).items():
        if not layer.any():
            yield f"no {name} in the mask"
    body = scheme.body(mask).view(np.uint8)
    left, top, width, height = cv2.boundingRect(body)
    pieces = cv2.connectedComponents(body[top : top + height, left : left + width], connectivity=8)[0] - 1
    if pieces > 1:
        told = "only the largest is measured" if scheme is HEAD else "an island makes the length too large"
        yield f"what is measured lies in {pieces} pieces: {told}"
    if body[[0, -1]].any() or body[:, [0, -1]].any():
        yield "what is measured touches the edge of the image: part of it may be outside"
