"""Crown-rump length: the longest straight line between the head and the body of a fetus."""

from collections.abc import Sequence

import cv2
import numpy as np

from fusqa.masks.label_images import SQUARE_3X3
from fusqa.masks.labels import FETUS
from fusqa.masks.length import LEAVE_OUT, Length, Point, Unmeasurable, check_spacing


def crown_rump_length(mask: np.ndarray, spacing: tuple[float, float], *, contour: str = "outer") -> Length:
    """Longest distance between the contour of the head and the contour of the body.

    The fetus is head ∪ body ∪ palate; the gap between chin and chest is fluid. The mask is measured as it is, islands
    included: noticing them is the task of a quality model and of :mod:`fusqa.masks.fasp`. Where the mask has no head or
    no body, the ends are the farthest pair of the whole contour.

    A distance is a convex function of either end, so both ends are corners of a convex hull. A few dozen hull points
    are compared instead of thousands of contour pixels, with the same result to the last digit. Mostly not even the
    contour is needed: see :func:`_without_contour`.

    Parameters
    ----------
    mask : (H, W) uint8
        Labels of :data:`fusqa.masks.labels.FETUS`.
    spacing : (row_mm, col_mm)
        Pixel spacing in millimetres.
    contour : {"outer", "boundary"}
        "outer" is the paper's contour, the pixels that a 3×3 dilation adds to the mask: it lies one pixel outside
        and makes the length about two pixels longer than "boundary", the outermost pixels of the mask itself.

    Returns
    -------
    Length
        The first end is the crown's (on the head), the second the rump's (on the body); without head or body the
        end nearer the left edge of the image comes first.

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
    mask = _checked(mask, contour)
    if found := _without_contour(mask, scale, _REACH[contour]):
        return found
    sides, corner = _sides(mask, contour)
    ends, distance = farthest_pair(*(_hull(side) + corner for side in sides), scale)
    return Length(distance, ends)


def near_longest(mask: np.ndarray, spacing: Point, within: float = 0.01, *, contour: str = "outer") -> np.ndarray:
    """Every line between head and body that is nearly as long as the crown-rump length.

    Around the longest line, length hardly changes with direction, so many lines are nearly as long. How far they fan
    out says how little the length determines the line.

    Parameters
    ----------
    mask, spacing, contour
        As for :func:`crown_rump_length`.
    within : float
        How much shorter than the longest line, as a share of it, 0 ≤ `within` < 1. Time and memory grow with the number
        of lines found; near 1 these are all pairs of contour pixels.

    Returns
    -------
    (k, 2, 2) int
        Each line's crown end and rump end as row and column in pixels, the longest line first. Without head or body
        the end nearer the left edge of the image comes first.

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
        raise ValueError(f"within = {within!r} is not a share of the longest line: give 0 for it alone, 0.01 for 1 %")
    sides, corner = _sides(_checked(mask, contour), contour)
    first, second = (np.argwhere(side) + corner for side in sides)
    corners = [_hull(side) + corner for side in sides]
    # The farthest partner of a point is a corner of the hull, so most points are dropped before any pair is made.
    reach = [_squared_mm(points, far, scale).max(1) for points, far in ((first, corners[1]), (second, corners[0]))]
    least = reach[0].max() * (1 - within) ** 2
    first, second = (points[far >= least] for points, far in zip((first, second), reach, strict=True))
    squared = _squared_mm(first, second, scale)
    if sides[0] is sides[1]:  # every line was found from either end
        squared = np.where(_left_first(first, second), squared, -1)
    i, j = np.nonzero(squared >= least)
    order = np.argsort(-squared[i, j], kind="stable")
    return np.stack([first[i], second[j]], 1)[order]


def _checked(mask: np.ndarray, contour: str) -> np.ndarray:
    """Return the mask in one piece of memory, or raise ``ValueError`` for wrong labels, shape or contour."""
    mask = np.ascontiguousarray(mask)
    FETUS.require(mask)
    if contour not in _CONTOURS:
        raise ValueError(f"contour {contour!r} is unknown, choose one of {', '.join(_CONTOURS)}")
    return mask


def _without_contour(mask: np.ndarray, scale: np.ndarray, reach: int) -> Length | None:
    """Crown-rump length from the corners of head and body, or None where the contour has to be traced.

    The contour of the head lies within the head grown by `reach` pixels, that of the body likewise. The corners of the
    grown hulls are those of head and body, moved `reach` pixels outwards along either axis. If the farthest two lie on
    the contour, then none of it is farther apart. Where fetus covers one of them, where several pairs are as far apart,
    and without head or body, only the contour can say which ends to take.
    """
    head, body = _corners(mask, ("head", "body"))
    if not (len(head) and len(body)):
        return None
    squared = _squared_mm(head, body, scale, grown=2 * reach)
    longest = np.flatnonzero(squared == squared.max())
    i, j = divmod(longest[0], len(body))
    outwards = np.sign(head[i] - body[j])
    if len(longest) > 1 or not outwards.all():  # a line along a row or a column moves to either side of it
        return None
    ends = head[i] + reach * outwards, body[j] - reach * outwards
    if any(_is_inside(mask, end, 1 - reach) for end in ends):
        return None
    return Length(float(np.sqrt(squared[i, j])), tuple(tuple(float(value) for value in end) for end in ends))


def _corners(mask: np.ndarray, names: Sequence[str]) -> list[np.ndarray]:
    """Corners (n, 2), as row and column, of the convex hull of each label; none of a label that is absent."""
    width = mask.shape[1]
    top = int(mask.view(bool).argmax()) // width  # above it, every pixel is 0
    labels = mask[top:].ravel()
    last = _label_changes(labels)
    ends = np.stack([last, last + 1], 1).ravel()  # in order, which spares the hull most of its time
    border = np.arange(0, labels.size, width)  # a label may go on from the end of one row to the start of the next
    places = np.concatenate([ends, border, border + width - 1])
    here = labels[places]
    places += top * width
    return [_hull_of(places.compress(here == FETUS.id(name)), width) for name in names]


def _label_changes(labels: np.ndarray) -> np.ndarray:
    """Indices in a flat array of uint8 at which the next element differs."""
    eights = max(len(labels) - 1, 0) // 8
    # Eight pixels are compared at a time: the search for a few places among a million takes longer than to compare.
    here, following = (labels[at : at + 8 * eights].view(np.uint64) for at in (0, 1))
    blocks = np.flatnonzero(here != following)
    within = np.flatnonzero((here[blocks] ^ following[blocks]).view(np.uint8) != 0)
    rest = 8 * eights + np.flatnonzero(labels[8 * eights : -1] != labels[8 * eights + 1 :])
    return np.concatenate([8 * blocks[within >> 3] + (within & 7), rest])


def _is_inside(mask: np.ndarray, end: np.ndarray, margin: int) -> bool:
    """Whether a pixel and all others within `margin` of it belong to the fetus."""
    patch = mask[tuple(slice(max(place - margin, 0), max(place + margin + 1, 0)) for place in end)]
    return patch.size == (2 * margin + 1) ** 2 and bool(FETUS.body(patch).all())


def _sides(mask: np.ndarray, contour: str) -> tuple[list[np.ndarray], np.ndarray]:
    """Contours of head and of body as arrays of 0 and 1 (the same twice if one is missing), and their corner."""
    crop, corner = _crop(mask)
    solid = FETUS.body(crop).astype(np.uint8)
    if not solid.any():
        raise Unmeasurable(f"the mask has no head, body or palate, so there is no crown-rump length; {LEAVE_OUT}")
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
_REACH = {"outer": 1, "boundary": 0}  # how far, in pixels, a contour lies outside the mask


def _crop(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut to what is not background plus one pixel of background; return it and its corner (row, col)."""
    left, top, width, height = cv2.boundingRect(mask)
    crop = mask[top : top + height, left : left + width]
    # Background is added even where the image ends: the outer contour of a fetus at the border lies outside.
    return np.pad(crop, 1), np.array([top - 1, left - 1])


def _hull(side: np.ndarray) -> np.ndarray:
    """Corners (n, 2), as row and column, of the convex hull of the pixels that are 1 in an array of 0 and 1."""
    # A contour has few pixels: NumPy finds them several times faster than OpenCV's findNonZero.
    return _hull_of(np.flatnonzero(side.view(bool)), side.shape[1])


def _hull_of(places: np.ndarray, width: int) -> np.ndarray:
    """Corners (n, 2), as row and column, of the convex hull of pixels given by their indices in a flat array."""
    points = np.stack(np.divmod(places, width), 1).astype(np.int32)
    return cv2.convexHull(points).reshape(-1, 2) if len(points) else points


def _squared_mm(first: np.ndarray, second: np.ndarray, scale: np.ndarray, grown: int = 0) -> np.ndarray:
    """Squared distances (n, m) in mm² between two sets of points (n, 2) and (m, 2), each axis `grown` pixels longer."""
    rows, cols = ((np.abs(np.subtract.outer(first[:, n], second[:, n])) + grown) * scale[n] for n in (0, 1))
    return rows**2 + cols**2


def _left_first(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Whether (n, m) a point of the first set lies left of one of the second, or above it in the same column."""
    (row, col), (other_row, other_col) = first.T[:, :, None], second.T[:, None]
    return (col < other_col) | ((col == other_col) & (row <= other_row))


def farthest_pair(first: np.ndarray, second: np.ndarray, scale: np.ndarray) -> tuple[tuple[Point, Point], float]:
    """Farthest pair between two sets of points (n, 2) and (m, 2), and their distance in millimetres."""
    squared = _squared_mm(first, second, scale)
    if first.shape == second.shape and np.array_equal(first, second):
        # Either end could come first: take the left one, so that the order does not depend on where the hull starts.
        squared = np.where(first[:, None, 1] <= second[None, :, 1], squared, -1)
    # Of equally long lines take the one whose ends lie highest: the choice is the same in the mirror image.
    i, j = min(np.argwhere(squared == squared.max()), key=lambda ij: (first[ij[0], 0], second[ij[1], 0]))
    ends = tuple(tuple(float(value) for value in point) for point in (first[i], second[j]))
    return ends, float(np.sqrt(squared[i, j]))
