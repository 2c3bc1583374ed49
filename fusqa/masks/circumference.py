"""Head circumference: the perimeter of the ellipse fitted to a head, filled or drawn as an outline."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fusqa.masks.length import LEAVE_OUT, Length, Point, Unmeasurable, check_spacing

ELLIPSE_REACH = 5.0  # chosen: an ellipse longer than this many diagonals of its points is a guess
FLATTEST = 0.03  # chosen: short over long axis, below which the points lie on a line or on two parallel ones
OUTLINE_RADIUS = 0.25  # chosen: a mask with a smaller inscribed radius (in radii of its hull) is a drawn line


@dataclass(frozen=True)
class Ellipse:
    """An ellipse in millimetres, and where it lies in the image.

    Attributes
    ----------
    centre : (row, col)
        In pixels.
    axes_mm : (major, minor)
        Full lengths of the axes in millimetres.
    angle : float
        Degrees from the direction of rising columns to the major axis, measured in millimetres, from -90 to 90;
        positive towards rising rows.
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

    def outline(self, n: int) -> np.ndarray:
        """Return `n` points (n, 2) of the ellipse as row and column in pixels."""
        return self._at(np.linspace(0, 2 * np.pi, n, endpoint=False))

    def fill(self, shape: tuple[int, int]) -> np.ndarray:
        """Boolean array of `shape`, true where the centre of a pixel lies inside the ellipse."""
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
    """Perimeter of the ellipse fitted to a head, be it a filled mask or an outline.

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

    An outline is fitted by all of its pixels, so a gap in it does no harm. A filled head is fitted by the line between
    its outermost pixels and the background, half a pixel outside the former; holes are filled first, and stray islands
    are left out: a few points far away would bend the whole ellipse. The image's border
    is not part of the outline: a head that it cuts is fitted by the rest of its edge.

    Notes
    -----
    On HC18 the perimeter agrees with the published circumference to 0.05 mm for outlines and to 0.1 mm for the
    same heads filled. The fit is OpenCV's direct least-squares fit of an ellipse (Fitzgibbon, Pilu & Fisher 1999), in
    millimetres.
    """
    check_spacing(spacing)
    return ellipse_through(_edge_points(_single_structure(mask)), spacing)


def ellipse_through(edge: np.ndarray, spacing: tuple[float, float]) -> Ellipse:
    """Fit an ellipse to points (n, 2) of a head's edge, row and column in pixels; errors as :func:`head_circumference`.

    :func:`fit_head_ellipse` names the method.
    """
    scale = check_spacing(spacing)
    if len(edge) < 6:
        said = f"an ellipse needs at least 6 points of the head's outline, this one has {len(edge)}"
        raise Unmeasurable(f"{said}; {LEAVE_OUT}")
    points = np.float32(edge * scale)
    cv2.setRNGSeed(0)  # OpenCV moves points that no ellipse fits by chance: always alike, whatever ran before
    (x, y), (minor, major), turned = cv2.fitEllipseDirect(points[:, ::-1])
    if not minor > FLATTEST * major:  # also true of NaN
        raise Unmeasurable(f"no ellipse fits the head's outline, its points lie on a line; {LEAVE_OUT}")
    if major > ELLIPSE_REACH * np.hypot(*np.ptp(points, axis=0)):
        raise Unmeasurable(f"the head's outline is too short or too straight for an ellipse; {LEAVE_OUT}")
    # OpenCV gives the direction of the minor axis.
    return Ellipse((y / scale[0], x / scale[1]), (major, minor), turned % 180 - 90, scale)


def _single_structure(mask: np.ndarray) -> np.ndarray:
    """Check that a mask marks one structure and return it as an array (H, W) uint8 of 0 and 1."""
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.dtype not in (np.bool_, np.uint8):
        said = f"a head mask is a (H, W) bool or uint8 array, this one is {mask.shape} {mask.dtype}"
        raise ValueError(f"{said}; save it as 8-bit single-channel PNG")
    head = np.uint8(mask != 0)
    top = int(mask.max(initial=0))
    if top > 1 and int(head.sum()) * top != int(mask.sum(dtype=np.int64)):
        values = ", ".join(map(str, np.unique(mask)[:6]))
        said = f"a head mask marks one structure with one value, this one has the values {values}, ..."
        raise ValueError(f"{said}; pass `mask == label`, or a threshold if the outline was smoothed")
    if not top:
        raise Unmeasurable(f"the mask has no head; {LEAVE_OUT}")
    return head


def _edge_points(head: np.ndarray) -> np.ndarray:
    """Points (n, 2) of a head's edge in pixels: the pixels of an outline, or the rim of a filled head."""
    left, top, width, height = cv2.boundingRect(head)
    # One pixel of margin where the image has one: the rim needs the background beside it.
    rows = slice(max(top - 1, 0), top + height + 1)
    cols = slice(max(left - 1, 0), left + width + 1)
    crop = np.ascontiguousarray(head[rows, cols])
    contours = _without_islands(cv2.findContours(crop, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0])
    points = _pixels(crop) if _is_outline(crop, contours) else _rim(crop, contours)
    return points + np.array([rows.start, cols.start])


def _without_islands(contours: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    """Keep the piece that encloses most of the area; all pieces where none does, as of an outline with gaps."""
    areas = [cv2.contourArea(contour) for contour in contours]
    largest = int(np.argmax(areas))
    return [contours[largest]] if 2 * areas[largest] > sum(areas) else contours


def _is_outline(head: np.ndarray, contours: Sequence[np.ndarray]) -> bool:
    """Whether a head is a drawn line rather than a filled shape: no large circle fits inside a line."""
    hull = cv2.contourArea(cv2.convexHull(np.concatenate(contours)))
    inscribed = cv2.distanceTransform(head, cv2.DIST_L2, 3).max()
    return bool(inscribed < OUTLINE_RADIUS * np.sqrt(hull / np.pi))


def _rim(head: np.ndarray, contours: Sequence[np.ndarray]) -> np.ndarray:
    """Midpoints (n, 2) of the pixel sides between a filled shape and the background around it."""
    whole = cv2.drawContours(np.zeros_like(head), contours, -1, 1, cv2.FILLED)  # without holes
    beside = _pixels(whole[:, 1:] ^ whole[:, :-1]) + np.array([0, 0.5])
    below = _pixels(whole[1:] ^ whole[:-1]) + np.array([0.5, 0])
    return np.concatenate([beside, below])


def _pixels(layer: np.ndarray) -> np.ndarray:
    """Positions (n, 2), row and column, of the pixels that are not 0."""
    found = cv2.findNonZero(layer)  # several times faster than NumPy's nonzero
    return np.empty((0, 2), np.int32) if found is None else found.reshape(-1, 2)[:, ::-1]
