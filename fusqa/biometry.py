"""From a mask to a length in millimetres, and from the length to the age of the pregnancy.

A length is measured on the picture's own grid with the true distance between rows and between columns, because a
picture that was squeezed to a square has pixels that are not square. The crown-rump length is the longest straight
line between head and body; the head circumference is the perimeter of the ellipse fitted to the head. Either gives
the gestational age through one of the published equations in :data:`EQUATIONS`, within the range of lengths that
the equation was made for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fusqa.labels import FETUS, Scheme

__all__ = [
    "EQUATIONS",
    "DatingEquation",
    "Ellipse",
    "GestationalAge",
    "Length",
    "Unmeasurable",
    "check_spacing",
    "crown_rump_length",
    "fit_head_ellipse",
    "gestational_age",
    "head_circumference",
    "line_angle",
    "measure",
    "measured_mm",
    "near_longest",
]

Point = tuple[float, float]

SPACING_RANGE_MM = (0.03, 5.0)  # chosen: from a 4000-pixel zoom on a small fetus to a whole sector on 64 pixels
SQUARE_3X3 = np.ones((3, 3), np.uint8)
ELLIPSE_REACH = 5.0  # chosen: an ellipse that is longer than this many diagonals of its points is a guess
OUTLINE_RADIUS = 0.25  # chosen: below this inscribed radius (of the radius of its hull) a mask is a drawn line


class Unmeasurable(ValueError):
    """The mask holds nothing that could be measured; the message says what is missing and how to mend it."""


@dataclass(frozen=True)
class Length:
    """A measured length.

    Attributes
    ----------
    mm : float
        The length in millimetres.
    ends : ((row, col), (row, col))
        Where the calipers lie, in pixels of the picture (pixel centres are whole numbers). An end on the outer
        contour of a structure that touches the border lies one pixel outside the picture.
    """

    mm: float
    ends: tuple[Point, Point]


def check_spacing(spacing: tuple[float, float]) -> tuple[float, float]:
    """Return `spacing` as two floats, or say what is wrong with it.

    Parameters
    ----------
    spacing : (row_mm, col_mm)
        Distance between neighbouring rows and between neighbouring columns in millimetres.

    Raises
    ------
    ValueError
        Unless both are finite and between 0.03 and 5 mm (chosen, see ``SPACING_RANGE_MM``). The message tells when
        the value looks like centimetres, metres or dots per inch.
    """
    try:
        row_mm, col_mm = (float(value) for value in spacing)
    except (TypeError, ValueError):
        raise ValueError(
            f"spacing {spacing!r} is not a pair of numbers; give (row_mm, col_mm), for example (0.2, 0.2)"
        ) from None
    low, high = SPACING_RANGE_MM
    for name, value in (("row_mm", row_mm), ("col_mm", col_mm)):
        if not low <= value <= high:  # also true of NaN
            raise ValueError(
                f"{name} = {value:g} is not a plausible pixel spacing ({low:g} to {high:g} mm): " + _spacing_mend(value)
            )
    return row_mm, col_mm


def _spacing_mend(value: float) -> str:
    """Guess the unit in which an implausible spacing was written."""
    low, high = SPACING_RANGE_MM
    if low <= value * 10 < high:
        return f"it looks like centimetres, write {value * 10:g}"
    if low <= value * 1000 < high:
        return f"it looks like metres, write {value * 1000:g}"
    if high < value <= 2400:
        return f"if it is dots per inch write 25.4 / dpi = {25.4 / value:.3g}, if pixels per cm write 10 / it"
    return "give millimetres per pixel, as the scanner's calibration or the DICOM header states it"


# ---------------------------------------------------------------------------------------------------------------
# Crown-rump length
# ---------------------------------------------------------------------------------------------------------------


def crown_rump_length(mask: np.ndarray, spacing: tuple[float, float], *, contour: str = "outer") -> Length:
    """Longest distance between the contour of the head and the contour of the body.

    The fetus is head ∪ body ∪ palate; the gap between chin and chest is fluid. The mask is measured as it is, with
    every island it may have: a quality model is there to notice them, :mod:`fusqa.criteria` reports them. Where the
    mask has no head or no body, the ends are the farthest pair of the whole contour.

    Both ends are corners of a convex hull, since a distance is a convex function of either end; so a few dozen
    hull points are compared instead of thousands of contour pixels, with the same result to the last digit.

    Parameters
    ----------
    mask : (H, W) uint8
        Labels of :data:`fusqa.labels.FETUS`.
    spacing : (row_mm, col_mm)
        Pixel spacing in millimetres.
    contour : {"outer", "boundary"}
        "outer" is the paper's contour, the pixels that a 3×3 dilation adds to the mask: it lies one pixel outside
        and makes the length about two pixels longer than "boundary", the outermost pixels of the mask itself.

    Returns
    -------
    Length
        The first end is the crown's (on the head), the second the rump's (on the body); without head or body the
        end nearer the left edge of the picture comes first.

    Raises
    ------
    Unmeasurable
        Neither head, body nor palate is in the mask.
    ValueError
        Wrong labels, shape, spacing or contour.

    Notes
    -----
    Source: Cengiz, Almakky & Yaqub, MIDL 2023 (contour as the difference of the mask and its 3×3 dilation).

    Examples
    --------
    >>> mask = np.zeros((20, 40), np.uint8)
    >>> mask[10, 5:15], mask[10, 15:35] = 2, 1
    >>> crown_rump_length(mask, (0.5, 2.0), contour="boundary")
    Length(mm=58.0, ends=((10.0, 34.0), (10.0, 5.0)))
    """
    scale = np.array(check_spacing(spacing))
    sides, corner = _sides(mask, contour)
    ends, distance = _farthest_pair(*(_hull(side) + corner for side in sides), scale)
    return Length(distance, ends)


def near_longest(
    mask: np.ndarray, spacing: tuple[float, float], within: float = 0.01, *, contour: str = "outer"
) -> np.ndarray:
    """Every line between head and body that is nearly as long as the crown-rump length.

    The longest line is the top of a flat hill: its height hardly depends on where exactly the top is, so many lines
    of other directions are nearly as long. How far they fan out says how little the length fixes the line.

    Parameters
    ----------
    mask, spacing, contour
        As for :func:`crown_rump_length`.
    within : float
        Lines shorter than the longest by at most this share of it, 0 ≤ `within` < 1. Time and memory grow with the
        number of lines found, which near 1 is that of all pairs of contour pixels.

    Returns
    -------
    (k, 2, 2) int
        Each line's crown end and rump end as row and column in pixels, the longest line first. Without head or body
        the end nearer the left edge of the picture comes first.

    Raises
    ------
    Unmeasurable
        Neither head, body nor palate is in the mask.
    ValueError
        Wrong labels, shape, spacing, contour or share.

    See Also
    --------
    line_angle : the directions of the lines.

    Examples
    --------
    >>> mask = np.zeros((20, 40), np.uint8)
    >>> mask[10, 5:15], mask[10, 15:35] = 2, 1
    >>> near_longest(mask, (0.5, 2.0), within=0.05, contour="boundary").tolist()
    [[[10, 34], [10, 5]], [[10, 33], [10, 5]], [[10, 34], [10, 6]]]
    """
    scale = np.array(check_spacing(spacing))
    if not 0 <= within < 1:  # also true of NaN
        raise ValueError(f"within = {within!r} is no share of the longest line: give 0 for it alone, 0.01 for 1 %")
    sides, corner = _sides(mask, contour)
    first, second = (np.argwhere(side) + corner for side in sides)
    corners = [_hull(side) + corner for side in sides]
    # The partner that is farthest from a point is a corner of the hull: most points drop out before any pair is made.
    reach = [_squared_mm(points, far, scale).max(1) for points, far in ((first, corners[1]), (second, corners[0]))]
    least = reach[0].max() * (1 - within) ** 2
    first, second = (points[far >= least] for points, far in zip((first, second), reach, strict=True))
    squared = _squared_mm(first, second, scale)
    if sides[0] is sides[1]:  # every line was found from either end
        squared = np.where(_left_first(first, second), squared, -1)
    i, j = np.nonzero(squared >= least)
    order = np.argsort(-squared[i, j], kind="stable")
    return np.stack([first[i], second[j]], 1)[order]


def line_angle(
    ends: Sequence | np.ndarray, spacing: tuple[float, float], *, against: Sequence | np.ndarray | None = None
) -> float | np.ndarray:
    """Direction of a line, seen with square millimetres, whichever end comes first.

    Parameters
    ----------
    ends : (..., 2, 2)
        Both ends of each line as row and column in pixels.
    spacing : (row_mm, col_mm)
        Pixel spacing in millimetres.
    against : (..., 2, 2), optional
        Lines to count from, instead of the direction of rising columns.

    Returns
    -------
    float or (...) float64
        Degrees from there to the line, towards rising rows where columns rise, from -90 up to but not including 90.
        A line whose ends are one point has the direction of rising columns.

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


def _sides(mask: np.ndarray, contour: str) -> tuple[list[np.ndarray], np.ndarray]:
    """Contours of head and of body as pictures of 0 and 1 (twice the same if one is missing), and their corner."""
    mask = np.ascontiguousarray(mask)
    FETUS.require(mask)
    if contour not in _CONTOURS:
        raise ValueError(f"contour {contour!r} is unknown, choose one of {', '.join(_CONTOURS)}")
    crop, corner = _crop(mask, pad=1)
    solid = FETUS.body(crop).astype(np.uint8)
    if not solid.any():
        raise Unmeasurable(
            "the mask has no head, body or palate, so there is no crown-rump length; "
            "leave this picture out or segment it again"
        )
    return _CONTOURS[contour](crop, solid), corner


def _outer_contour(crop: np.ndarray, solid: np.ndarray) -> list[np.ndarray]:
    """Contour pixels next to the head and those next to the body, or twice the whole contour."""
    contour = cv2.dilate(solid, SQUARE_3X3) & ~solid
    sides = [contour & cv2.dilate(np.uint8(crop == FETUS.id(name)), SQUARE_3X3) for name in ("head", "body")]
    return sides if all(side.any() for side in sides) else [contour, contour]


def _boundary(crop: np.ndarray, solid: np.ndarray) -> list[np.ndarray]:
    """Boundary pixels of the head and those of the body, or twice the whole boundary."""
    inside = cv2.erode(solid, SQUARE_3X3, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    contour = solid & ~inside
    sides = [contour & (crop == FETUS.id(name)) for name in ("head", "body")]
    return sides if all(side.any() for side in sides) else [contour, contour]


_CONTOURS = {"outer": _outer_contour, "boundary": _boundary}


def _crop(mask: np.ndarray, pad: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut to what is not background plus `pad` pixels of background; return it and its corner (row, col)."""
    left, top, width, height = cv2.boundingRect(mask)
    crop = mask[top : top + height, left : left + width]
    # Background is added even where the picture ends: the outer contour of a fetus at the border lies out there.
    return np.pad(crop, pad), np.array([top - pad, left - pad])


def _hull(picture: np.ndarray) -> np.ndarray:
    """Corners (n, 2), as row and column, of the convex hull of the pixels that are 1 in a picture of 0 and 1."""
    found = np.flatnonzero(picture.view(bool))  # of a contour, few: several times faster than OpenCV's findNonZero
    return cv2.convexHull(np.stack(np.divmod(found, picture.shape[1]), 1).astype(np.int32)).reshape(-1, 2)


def _squared_mm(first: np.ndarray, second: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Squared distances (n, m) in mm² between two sets of points (n, 2) and (m, 2)."""
    between = (first[:, None] - second[None]) * scale  # (n, m, 2) mm
    return (between**2).sum(-1)


def _left_first(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Whether (n, m) a point of the first set lies left of one of the second, or above it in the same column."""
    (row, col), (other_row, other_col) = first.T[:, :, None], second.T[:, None]
    return (col < other_col) | ((col == other_col) & (row <= other_row))


def _farthest_pair(first: np.ndarray, second: np.ndarray, scale: np.ndarray) -> tuple[tuple[Point, Point], float]:
    """Farthest pair between two sets of points (n, 2) and (m, 2), and their distance in millimetres."""
    squared = _squared_mm(first, second, scale)
    if first.shape == second.shape and np.array_equal(first, second):
        # Either end may then come first: take the left one, so that the order does not depend on the hull's start.
        squared = np.where(first[:, None, 1] <= second[None, :, 1], squared, -1)
    # Of equally long lines the one whose ends lie highest: the choice is the same in the mirror image.
    i, j = min(np.argwhere(squared == squared.max()), key=lambda ij: (first[ij[0], 0], second[ij[1], 0]))
    ends = tuple(tuple(float(value) for value in point) for point in (first[i], second[j]))
    return ends, float(np.sqrt(squared[i, j]))


# ---------------------------------------------------------------------------------------------------------------
# Head circumference
# ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ellipse:
    """An ellipse in millimetres that knows where it lies in the picture.

    Attributes
    ----------
    centre : (row, col)
        In pixels.
    axes_mm : (major, minor)
        Full lengths of the axes in millimetres.
    angle : float
        From the direction of rising columns to the major axis, towards rising rows, in degrees from -90 to 90,
        seen with square millimetres.
    spacing : (row_mm, col_mm)
        Pixel spacing in millimetres.
    """

    centre: Point
    axes_mm: Point
    angle: float
    spacing: Point

    @property
    def perimeter_mm(self) -> float:
        """Perimeter by Ramanujan's second approximation (exact to 1e-6 for any head)."""
        a, b = self.axes_mm[0] / 2, self.axes_mm[1] / 2
        h = ((a - b) / (a + b)) ** 2
        return float(np.pi * (a + b) * (1 + 3 * h / (10 + np.sqrt(4 - 3 * h))))

    @property
    def ends(self) -> tuple[Point, Point]:
        """Ends of the major axis, ((row, col), (row, col)) in pixels, the left one first."""
        ends = self._at(np.array([0.0, np.pi]))
        return tuple(tuple(map(float, point)) for point in sorted(ends, key=lambda point: tuple(point[::-1])))

    def outline(self, n: int = 180) -> np.ndarray:
        """Return `n` points (n, 2) of the ellipse as row and column in pixels."""
        return self._at(np.linspace(0, 2 * np.pi, n, endpoint=False))

    def fill(self, shape: tuple[int, int]) -> np.ndarray:
        """Boolean picture of `shape`, true where the centre of a pixel lies inside the ellipse."""
        filled = np.zeros(shape, bool)
        reach = self.axes_mm[0] / 2 / np.array(self.spacing)  # pixels
        first = np.clip(np.floor(self.centre - reach), 0, shape).astype(int)
        stop = np.clip(np.ceil(self.centre + reach) + 1, 0, shape).astype(int)
        rows = (np.arange(first[0], stop[0])[:, None] - self.centre[0]) * self.spacing[0]
        cols = (np.arange(first[1], stop[1])[None, :] - self.centre[1]) * self.spacing[1]
        cos, sin = np.cos(np.radians(self.angle)), np.sin(np.radians(self.angle))
        along = (cols * cos + rows * sin) / (self.axes_mm[0] / 2)
        across = (rows * cos - cols * sin) / (self.axes_mm[1] / 2)
        filled[first[0] : stop[0], first[1] : stop[1]] = along**2 + across**2 <= 1
        return filled

    def _at(self, t: np.ndarray) -> np.ndarray:
        """Points (n, 2) in pixels at the eccentric angles `t`."""
        along, across = self.axes_mm[0] / 2 * np.cos(t), self.axes_mm[1] / 2 * np.sin(t)
        cos, sin = np.cos(np.radians(self.angle)), np.sin(np.radians(self.angle))
        mm = np.stack([along * sin + across * cos, along * cos - across * sin], axis=1)  # row, col
        return mm / self.spacing + self.centre


def head_circumference(mask: np.ndarray, spacing: tuple[float, float]) -> Length:
    """Perimeter of the ellipse fitted to a head, drawn as a filled mask or as an outline.

    Parameters
    ----------
    mask : (H, W) bool or uint8
        One structure: a filled head, or its outline, which may be open in places; any one value that is not 0
        marks it (1, 255, ...).
    spacing : (row_mm, col_mm)
        Pixel spacing in millimetres.

    Returns
    -------
    Length
        The circumference; its ends are those of the ellipse's major axis.

    Raises
    ------
    Unmeasurable
        Empty mask, or too little of an outline to fit an ellipse.
    ValueError
        Wrong spacing, shape or several labels.

    See Also
    --------
    fit_head_ellipse : how the ellipse is fitted.
    """
    ellipse = fit_head_ellipse(mask, spacing)
    return Length(ellipse.perimeter_mm, ellipse.ends)


def fit_head_ellipse(mask: np.ndarray, spacing: tuple[float, float]) -> Ellipse:
    """Fit an ellipse to a filled head or to its outline; parameters and errors as :func:`head_circumference`.

    Of an outline all pixels are fitted, so that a gap in it does no harm. Of a filled head the line between its
    outermost pixels and the background is fitted, half a pixel outside the former; holes are filled first. The
    picture's border is not an outline: a head that it cuts is fitted by the rest of its edge.

    Notes
    -----
    On HC18 the perimeter agrees with the published circumference to 0.05 mm for outlines and to 0.1 mm for the
    same heads filled. The fit is the direct least-squares fit of an ellipse (Fitzgibbon, Pilu & Fisher 1999) in the
    stable form of Halíř & Flusser 1998, in millimetres.
    """
    scale = np.array(check_spacing(spacing))
    picture = _single_structure(mask)
    edge = _edge_points(picture)  # (n, 2) row, col
    if len(edge) < 6:
        raise Unmeasurable(
            f"an ellipse needs at least 6 points of the head's outline, this mask has {len(edge)}; "
            "leave this picture out or segment it again"
        )
    centre_mm, axes_mm, angle = _direct_fit(edge * scale)
    if axes_mm[0] > ELLIPSE_REACH * np.hypot(*np.ptp(edge * scale, axis=0)):
        raise Unmeasurable(
            "the head's outline is too short or too straight for an ellipse; leave this picture out or segment it again"
        )
    return Ellipse(tuple(map(float, centre_mm / scale)), axes_mm, angle, tuple(map(float, scale)))


def _single_structure(mask: np.ndarray) -> np.ndarray:
    """Check that a mask marks one structure and return it as a (H, W) uint8 picture of 0 and 1."""
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.dtype not in (np.bool_, np.uint8):
        raise ValueError(
            f"a head mask is a (H, W) bool or uint8 picture, this one is {mask.shape} {mask.dtype}; "
            "save it as 8-bit single-channel PNG"
        )
    picture = np.uint8(mask != 0)
    top = int(mask.max(initial=0))
    if top > 1 and int(picture.sum()) * top != int(mask.sum(dtype=np.int64)):
        values = ", ".join(map(str, np.unique(mask)[:6]))
        raise ValueError(
            f"a head mask marks one structure with one value, this one has the values {values}, ...; "
            "pass `mask == label`, or a threshold if the outline was smoothed"
        )
    if not top:
        raise Unmeasurable("the mask has no head; leave this picture out or segment it again")
    return picture


def _edge_points(picture: np.ndarray) -> np.ndarray:
    """Points (n, 2) of a head's edge in pixels: the pixels of an outline, or the rim of a filled head."""
    left, top, width, height = cv2.boundingRect(picture)
    # One pixel of margin where the picture has one: the rim needs the background beside it.
    rows = slice(max(top - 1, 0), top + height + 1)
    cols = slice(max(left - 1, 0), left + width + 1)
    crop = np.ascontiguousarray(picture[rows, cols])
    contours, _ = cv2.findContours(crop, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    points = _pixels(crop) if _is_outline(crop, contours) else _rim(crop, contours)
    return points + np.array([rows.start, cols.start])


def _is_outline(picture: np.ndarray, contours: Sequence[np.ndarray]) -> bool:
    """Tell a drawn line from a filled shape: no large circle fits inside a line."""
    hull = cv2.contourArea(cv2.convexHull(np.concatenate(contours)))
    inscribed = cv2.distanceTransform(picture, cv2.DIST_L2, 3).max()
    return bool(inscribed < OUTLINE_RADIUS * np.sqrt(hull / np.pi))


def _rim(picture: np.ndarray, contours: Sequence[np.ndarray]) -> np.ndarray:
    """Midpoints (n, 2) of the pixel sides between a filled shape and the background around it."""
    whole = cv2.drawContours(np.zeros_like(picture), contours, -1, 1, cv2.FILLED)  # without holes
    beside = _pixels(whole[:, 1:] ^ whole[:, :-1]) + np.array([0, 0.5])
    below = _pixels(whole[1:] ^ whole[:-1]) + np.array([0.5, 0])
    return np.concatenate([beside, below])


def _pixels(picture: np.ndarray) -> np.ndarray:
    """Positions (n, 2), row and column, of the pixels that are not 0."""
    found = cv2.findNonZero(picture)  # several times faster than NumPy's nonzero
    return np.empty((0, 2), np.int32) if found is None else found.reshape(-1, 2)[:, ::-1]


def _direct_fit(points: np.ndarray) -> tuple[np.ndarray, Point, float]:
    """Direct least-squares ellipse of points (n, 2) row, col: centre (2,), full axes (major, minor), degrees."""
    middle, spread = points.mean(0), points.std() or 1.0  # centred and scaled, for the sake of the condition number
    y, x = ((points - middle) / spread).T
    quadratic, linear = np.stack([x * x, x * y, y * y], 1), np.stack([x, y, np.ones_like(x)], 1)
    s1, s2, s3 = quadratic.T @ quadratic, quadratic.T @ linear, linear.T @ linear
    try:
        reduced = -np.linalg.solve(s3, s2.T)
        m = s1 + s2 @ reduced
        _, vectors = np.linalg.eig(np.array([m[2] / 2, -m[1], m[0] / 2]))
        a, b, c = np.real(vectors)
        conic = np.real(vectors[:, np.argmax(4 * a * c - b * b)])  # the only one of the three that is an ellipse
        return _from_conic(conic, reduced @ conic, middle, spread)
    except (np.linalg.LinAlgError, ArithmeticError):
        raise Unmeasurable(
            "no ellipse fits the head's outline, its points lie on a line; leave this picture out or segment it again"
        ) from None


def _from_conic(
    quadratic: np.ndarray, linear: np.ndarray, middle: np.ndarray, spread: float
) -> tuple[np.ndarray, Point, float]:
    """Centre, axes and angle of ``a x² + b xy + c y² + d x + e y + f = 0``, scaled back to where it was."""
    (a, b, c), (d, e, f) = quadratic, linear
    form = np.array([[a, b / 2], [b / 2, c]])
    centre = np.linalg.solve(2 * form, [-d, -e])  # x, y
    level = -(f + (d * centre[0] + e * centre[1]) / 2)
    values, vectors = np.linalg.eigh(form * np.sign(level))  # rising: the first belongs to the major axis
    if not values[0] > 1e-9 * values[1]:
        raise ArithmeticError("not an ellipse")
    major, minor = 2 * np.sqrt(abs(level) / values) * spread
    x, y = vectors[:, 0]
    angle = (np.degrees(np.arctan2(y, x)) + 90) % 180 - 90
    return centre[::-1] * spread + middle, (float(major), float(minor)), float(angle)


_MEASUREMENTS: dict[str, Callable[[np.ndarray, tuple[float, float]], Length]] = {
    "crown-rump length": crown_rump_length,
    "head circumference": head_circumference,
}


def measure(mask: np.ndarray, spacing: tuple[float, float], scheme: Scheme = FETUS) -> Length:
    """Measure what `scheme` measures: the crown-rump length or the head circumference; errors as there."""
    return _MEASUREMENTS[scheme.measurement](mask, spacing)


def measured_mm(mask: np.ndarray, spacing: tuple[float, float], scheme: Scheme = FETUS) -> float:
    """Length by :func:`measure` in mm, NaN where there is nothing to measure; for tables, which go on with a gap."""
    try:
        return measure(mask, spacing, scheme).mm
    except Unmeasurable:
        return float("nan")


# ---------------------------------------------------------------------------------------------------------------
# Gestational age
# ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GestationalAge:
    """Age of a pregnancy since the last menstrual period.

    Attributes
    ----------
    days : float or (n,) float64
        Estimated age in days.
    sd : float or (n,) float64
        Standard deviation of the estimate in days, NaN where the equation's source gives none.
    """

    days: float | np.ndarray
    sd: float | np.ndarray


@dataclass(frozen=True)
class DatingEquation:
    """A published equation from a length to the gestational age.

    Attributes
    ----------
    key, title : str
        Key in :data:`EQUATIONS`, and the name in print.
    measurement : str
        "crown-rump length" or "head circumference".
    range_mm : (low, high)
        Lengths in millimetres between which the equation may be used.
    days, sd : callable
        Bare formulas from an array of millimetres to an array of days; they guard against nothing, so that a
        difference between two lengths can be expressed in days anywhere. :func:`gestational_age` guards.
    source : str
        Where the equation was published, and where `range_mm` and `sd` come from if not from there.
    """

    key: str
    title: str
    measurement: str
    range_mm: tuple[float, float]
    days: Callable[[np.ndarray], np.ndarray]
    sd: Callable[[np.ndarray], np.ndarray]
    source: str


def _unknown(mm: np.ndarray) -> np.ndarray:
    """Stand in for the standard deviation where the source gives none."""
    return np.full_like(mm, np.nan, dtype=float)


def _hadlock_days(mm: np.ndarray) -> np.ndarray:
    """Hadlock's polynomial is in centimetres and gives the logarithm of weeks."""
    c = mm / 10
    return 7 * np.exp(1.684969 + 0.315646 * c - 0.049306 * c**2 + 0.004057 * c**3 - 0.000120456 * c**4)


EQUATIONS: dict[str, DatingEquation] = {
    equation.key: equation
    for equation in (
        DatingEquation(
            key="intergrowth-21st",
            title="INTERGROWTH-21st (2014)",
            measurement="crown-rump length",
            range_mm=(15, 95),
            days=lambda mm: 40.9041 + 3.21585 * np.sqrt(mm) + 0.348956 * mm,
            sd=lambda mm: 2.39102 + 0.0193474 * mm,
            source="Papageorghiou et al., Ultrasound Obstet Gynecol 2014;44:641-648",
        ),
        DatingEquation(
            key="robinson-1975",
            title="Robinson & Fleming (1975)",
            measurement="crown-rump length",
            range_mm=(6, 84),
            days=lambda mm: 8.052 * np.sqrt(1.037 * mm) + 23.73,
            sd=lambda mm: np.full_like(mm, 4.7 / 2, dtype=float),
            source="Robinson & Fleming, Br J Obstet Gynaecol 1975;82:702-710, with Loughna et al. 2009's factor "
            "1.037; range: the lengths at 6 to 14 weeks; SD: half of the ±4.7 days (2 SD) of one measurement",
        ),
        DatingEquation(
            key="hadlock-1992",
            title="Hadlock (1992)",
            measurement="crown-rump length",
            range_mm=(2, 121),
            days=_hadlock_days,
            sd=lambda mm: 0.04 * _hadlock_days(mm),
            source="Hadlock et al., Radiology 1992;182:501-505; SD: half of the ±8 % (2 SD)",
        ),
        DatingEquation(
            key="verburg-2008",
            title="Verburg (2008)",
            measurement="crown-rump length",
            range_mm=(20, 65),
            days=lambda mm: 7 * np.exp(1.4653 + 0.001737 * mm + 0.2313 * np.log(mm)),
            sd=_unknown,
            source="Verburg et al., Ultrasound Obstet Gynecol 2008;31:388-396",
        ),
        DatingEquation(
            key="sahota-2009",
            title="Sahota (2009)",
            measurement="crown-rump length",
            range_mm=(5, 100),
            days=lambda mm: 26.643 + 7.822 * np.sqrt(mm),
            sd=_unknown,
            source="Sahota et al., Ultrasound Obstet Gynecol 2009;33:268-273; "
            "range chosen: the lengths at which the equation gives 6 to 15 weeks",
        ),
        DatingEquation(
            key="intergrowth-21st-hc",
            title="INTERGROWTH-21st, head (2016)",
            measurement="head circumference",
            range_mm=(95, 350),
            days=lambda mm: np.exp(0.05970 * np.log(mm) ** 2 + 6.409e-9 * mm**3 + 3.3258),
            sd=_unknown,
            source="Papageorghiou et al., Ultrasound Obstet Gynecol 2016;48:719-726; "
            "range chosen: the lengths at which the equation gives 14 weeks to birth",
        ),
    )
}


def gestational_age(mm: float | np.ndarray, equation: str = "intergrowth-21st") -> GestationalAge:
    """Gestational age from a length, only where the equation holds.

    Parameters
    ----------
    mm : float or array
        Crown-rump length or head circumference in millimetres, as the equation wants it.
    equation : str
        A key of :data:`EQUATIONS`.

    Returns
    -------
    GestationalAge
        Floats for a number, arrays of the same shape for an array.

    Raises
    ------
    ValueError
        Unknown equation; a length that is not a number; a length outside the equation's range. The message names
        the range and the mend, and tells when the length looks like centimetres.

    Examples
    --------
    >>> round(gestational_age(60).days, 2)
    86.75
    """
    if equation not in EQUATIONS:
        raise ValueError(f"dating equation {equation!r} is unknown, choose one of {', '.join(EQUATIONS)}")
    chosen = EQUATIONS[equation]
    length = np.asarray(mm, dtype=float)
    low, high = chosen.range_mm
    wrong = ~((length >= low) & (length <= high))  # also true of NaN
    if wrong.any():
        raise ValueError(_range_mend(float(length[wrong].flat[0]), int(wrong.sum()), chosen))
    days, sd = chosen.days(length), chosen.sd(length)
    return GestationalAge(float(days), float(sd)) if length.ndim == 0 else GestationalAge(days, sd)


def _range_mend(value: float, count: int, equation: DatingEquation) -> str:
    """Say why a length cannot be dated and what to do about it."""
    low, high = equation.range_mm
    others = f" (and {count - 1} more)" if count > 1 else ""
    if not np.isfinite(value):
        return f"{equation.measurement} {value}{others} is not a number; leave out what could not be measured"
    said = f"{equation.measurement} {value:g} mm{others} is outside {low:g} to {high:g} mm of {equation.title}"
    if low <= value * 10 <= high:
        return f"{said}: it looks like centimetres, give {value * 10:g} mm"
    return f"{said}: check the pixel spacing, or choose another equation"
