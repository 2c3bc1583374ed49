"""Image criteria: whether a careful reviewer would measure from this mask.

The screening programme judges a picture of a fetus by seven questions (is it horizontal, large enough, is the palate
seen, ...). Here they are asked of the mask, in millimetres on the picture's own grid, so that a predicted mask
can be reviewed without a reviewer and the answer carries its number. None of them depends on which side the head
lies on. Where a published threshold was found it is used; where none was found the number says "chosen".

A reviewer also sees the picture, and with it whether a caliper lies on the crown that is really there. Where a
reference mask is given it stands for that eye: calipers are held against the true ends, a head against the true one.

Each question is one function from what the mask shows to a finding, and one row of :data:`RULES`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np

from fusqa.biometry import (
    Ellipse,
    Length,
    Unmeasurable,
    check_spacing,
    crown_rump_length,
    fit_head_ellipse,
    near_longest,
)
from fusqa.labels import FETUS, HEAD, Scheme

__all__ = ["RULES", "Criterion", "Review", "Rule", "Thresholds", "criteria", "review"]

Point = tuple[float, float]
Polyline = tuple[Point, ...]


@dataclass(frozen=True)
class Criterion:
    """The answer to one question about one mask.

    Attributes
    ----------
    name, title : str
        Key in the result of :func:`criteria`, and the name in print.
    met : bool
        Whether the mask meets the criterion.
    value : float
        What was measured, NaN where the mask shows nothing to measure.
    unit, threshold : str
        Unit of `value` (may be empty), and what was wanted, short enough for a figure's title.
    why : str
        The finding as a sentence with its number.
    source : str
        Where the criterion and its threshold come from; "chosen" where no source was found.
    marks : tuple of polylines ((row, col), ...)
        What was measured, in pixels, to be drawn over the picture.
    """

    name: str
    title: str
    met: bool
    value: float
    unit: str
    threshold: str
    why: str
    source: str
    marks: tuple[Polyline, ...] = ()


@dataclass(frozen=True)
class Thresholds:
    """Every number that a verdict depends on; the sources are those of :data:`RULES`.

    Attributes
    ----------
    horizontal_deg : float
        Largest angle between the crown-rump line and the horizontal, degrees (chosen, as guidelines draw it).
    magnification : float
        Smallest horizontal extent of the crown-rump line as a share of the picture's width (Fetal-TransUNet's code;
        guidelines ask for two thirds of the picture).
    palate_mm2 : float
        Smallest area of a palate, mm² (chosen: a fifth of a typical one of 20 mm², far more than a stray pixel).
    gap_mm2 : float
        Smallest area of fluid between chin and chest, mm² (chosen: about 1 mm × 1 mm, what an eye can see).
    palate_angle_deg : float
        Angle between palate and crown-rump line from which a neck is hyper-extended, degrees (Roux 2016).
    face_mm : float
        How far the face must lie above the line from head to body, mm (chosen: enough to tell above from below).
    caliper_room_mm : float
        Smallest distance from a caliper to the picture's edge, mm (chosen: the next tissue is seen beyond the end).
    caliper_beyond_mm : float
        How far the fetus may reach beyond a caliper along the line, mm (chosen: a caliper's own size).
    caliper_off_mm : float
        How far a caliper may lie from the end of a true line, where that is known, mm (chosen: an error that dates
        about a day and a half wrong).
    true_line_share : float
        True is every line that is shorter than the longest by at most this share of it (chosen: a hundredth, about
        a third of a day; between such lines a sonographer has no reason to choose).
    piece_share : float
        Smallest share of the head's area in its largest piece (chosen).
    hole_share : float
        Largest share of holes in the area within the head's outline (chosen).
    ellipse_dice : float
        Smallest Dice between the head and its ellipse (chosen: the agreement of two sonographers is about .97).
    axis_ratio : (low, high)
        Short over long axis of the head, the cephalic index (Hadlock 1981: mean .783, SD .044; here ± 3 SD).
    inside_share : float
        Smallest share of the ellipse's outline that lies inside the picture (chosen).
    """

    horizontal_deg: float = 30.0
    magnification: float = 0.60
    palate_mm2: float = 4.0
    gap_mm2: float = 1.0
    palate_angle_deg: float = 90.0
    face_mm: float = 1.0
    caliper_room_mm: float = 3.0
    caliper_beyond_mm: float = 2.0
    caliper_off_mm: float = 3.0
    true_line_share: float = 0.01
    piece_share: float = 0.99
    hole_share: float = 0.01
    ellipse_dice: float = 0.95
    axis_ratio: tuple[float, float] = (0.65, 0.915)
    inside_share: float = 0.99


@dataclass(frozen=True)
class Review:
    """How many criteria a mask meets, and whether that makes it a good one.

    Attributes
    ----------
    met, of : int
        Criteria met, criteria asked.
    good : bool
        ``met`` is at least the scheme's ``review_minimum``.
    criteria : dict
        The criteria by name, as :func:`criteria` returns them.
    """

    met: int
    of: int
    good: bool
    criteria: dict[str, Criterion]


def criteria(
    mask: np.ndarray,
    spacing: tuple[float, float],
    scheme: Scheme = FETUS,
    thresholds: Thresholds = Thresholds(),
    reference: np.ndarray | None = None,
) -> dict[str, Criterion]:
    """Ask every criterion of `scheme` about `mask`.

    Parameters
    ----------
    mask : (H, W) uint8
        Labels of `scheme`.
    spacing : (row_mm, col_mm)
        Pixel spacing in millimetres.
    scheme : Scheme
        :data:`fusqa.labels.FETUS` (seven criteria) or :data:`fusqa.labels.HEAD` (five).
    thresholds : Thresholds
        The numbers to judge by.
    reference : (H, W) uint8, optional
        The true mask of the same picture, in place of a reviewer who sees the picture.

    Returns
    -------
    dict
        Criterion by name, in the order of :data:`RULES`. In the mirror image (left and right exchanged) every
        criterion has the same value, only the two calipers change names.

    Raises
    ------
    ValueError
        If `mask` or `reference` is no mask of `scheme`, their sizes differ, or `spacing` is no spacing. What the mask
        *shows* never raises: a criterion that cannot be measured is not met, its value is NaN and its `why` says what
        is missing.

    Examples
    --------
    >>> empty = np.zeros((40, 60), np.uint8)
    >>> criteria(empty, (0.2, 0.2))["palate"].why
    'there is no palate'
    """
    view, spacing, truth = _VIEWS[scheme.name], check_spacing(spacing), None
    scheme.require(mask)
    if reference is not None:
        scheme.require(reference)
        if reference.shape != mask.shape:
            raise ValueError(f"the mask is {mask.shape} pixels and its reference {reference.shape}: of one picture?")
        truth = view(np.ascontiguousarray(reference), spacing)
    shown = view(np.ascontiguousarray(mask), spacing, truth)
    return {rule.name: rule.ask(shown, thresholds) for rule in RULES[scheme.name]}


def review(
    mask: np.ndarray,
    spacing: tuple[float, float],
    scheme: Scheme = FETUS,
    reference: np.ndarray | None = None,
) -> Review:
    """Count the criteria that `mask` meets; a mask without anything to measure meets none.

    Parameters and errors are those of :func:`criteria`. Source of the rule "at least four of seven": Cengiz, Almakky
    & Yaqub, MIDL 2023; for the head, four of five is chosen.
    """
    answers = criteria(mask, spacing, scheme, reference=reference)
    met = sum(answer.met for answer in answers.values())
    return Review(met, len(answers), met >= scheme.review_minimum, answers)


@dataclass(frozen=True)
class _Finding:
    """What a question found: the fields of :class:`Criterion` that depend on the mask."""

    value: float
    met: bool
    why: str
    marks: tuple[Polyline, ...] = ()


@dataclass(frozen=True)
class Rule:
    """One question: its name, unit and source, what is wanted, and the function that answers it.

    Attributes
    ----------
    name, title, unit, source : str
        As in :class:`Criterion`.
    wanted : str
        What `value` should be; fields of :class:`Thresholds` in braces.
    find : callable
        From what the mask shows and the thresholds to a finding; raises ``Unmeasurable`` where there is nothing.
    """

    name: str
    title: str
    unit: str
    wanted: str
    source: str
    find: Callable[["_Fetus | _Head", Thresholds], _Finding]

    def ask(self, shown: "_Fetus | _Head", thresholds: Thresholds) -> Criterion:
        """Answer the question for one mask."""
        try:
            found = self.find(shown, thresholds)
        except Unmeasurable as reason:
            found = _Finding(float("nan"), False, str(reason))
        return Criterion(
            name=self.name,
            title=self.title,
            met=bool(found.met),
            value=float(found.value),
            unit=self.unit,
            threshold=self.wanted.format_map(vars(thresholds)),
            why=found.why,
            source=self.source,
            marks=found.marks,
        )


# ---------------------------------------------------------------------------------------------------------------
# Seven questions about a fetus
# ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Piece:
    """The largest connected piece of a structure, cut out of the picture: a stray island is none of it."""

    pixels: np.ndarray  # (h, w) uint8, 0 and 1
    corner: np.ndarray  # (2,) row and column of its first pixel in the picture

    @classmethod
    def largest(cls, layer: np.ndarray) -> "_Piece | None":
        """Largest piece of a picture of 0 and 1, None if there is nothing."""
        left, top, width, height = cv2.boundingRect(layer)
        if not width:
            return None
        pixels, corner = layer[top : top + height, left : left + width], np.array([top, left])
        count, pieces, stats, _ = cv2.connectedComponentsWithStats(pixels, connectivity=8)
        if count == 2:  # background and one piece
            return cls(pixels, corner)
        largest = 1 + stats[1:, cv2.CC_STAT_AREA].argmax()
        return cls(np.uint8(pieces == largest), corner)

    @cached_property
    def moments(self) -> dict[str, float]:
        """OpenCV's moments: of order 0 the area in pixels, of order 1 the centre, of order 2 the spread."""
        return cv2.moments(self.pixels, binaryImage=True)

    @property
    def area(self) -> float:
        """Number of pixels."""
        return self.moments["m00"]

    @property
    def centre(self) -> np.ndarray:
        """Centroid (2,) in pixels of the picture."""
        return self.corner + np.array([self.moments["m01"], self.moments["m10"]]) / self.area

    @property
    def outline(self) -> Polyline:
        """Closed outline in pixels of the picture."""
        return tuple((row + self.corner[0], col + self.corner[1]) for row, col in _outlines(self.pixels)[0])

    def touches(self, end: Point) -> bool:
        """Whether the pixel `end`, or one of the eight about it, belongs to the piece."""
        row, col = np.array(end, int) - self.corner
        return bool(self.pixels[max(row - 1, 0) : max(row + 2, 0), max(col - 1, 0) : max(col + 2, 0)].any())


@dataclass(frozen=True, eq=False)
class _Fetus:
    """What a fetus mask shows, measured once for all questions; positions and vectors are (row, col)."""

    mask: np.ndarray  # (H, W) uint8
    spacing: tuple[float, float]  # row_mm, col_mm
    truth: "_Fetus | None" = None  # the same of the reference mask, where there is one
    _lines: dict[float, np.ndarray] = field(default_factory=dict, repr=False)  # by share: both calipers ask for them

    @cached_property
    def _pieces(self) -> dict[str, _Piece | None]:
        return {name: _Piece.largest(np.uint8(self.mask == FETUS.id(name))) for name in FETUS.names}

    def piece(self, name: str) -> _Piece:
        """Return the largest piece of a structure, or say that there is none."""
        piece = self._pieces[name]
        if piece is None:
            raise Unmeasurable(f"there is no {name}")
        return piece

    def area_mm2(self, name: str) -> float:
        """Area of the largest piece of a structure in mm², 0 where it is absent."""
        piece = self._pieces[name]
        return piece.area * self.spacing[0] * self.spacing[1] if piece else 0.0

    def centre_mm(self, name: str) -> np.ndarray:
        """Centroid (2,) of the largest piece of a structure, in millimetres."""
        return self.piece(name).centre * self.spacing

    @cached_property
    def line(self) -> Length:
        """The crown-rump line: first end on the head, second on the body."""
        for name in ("head", "body"):
            if self._pieces[name] is None:
                raise Unmeasurable(f"there is no {name}, so no crown-rump line")
        return crown_rump_length(self.mask, self.spacing)

    def lines(self, share: float) -> np.ndarray:
        """All lines (k, 2, 2) that are shorter than the crown-rump line by at most `share` of it."""
        self.line  # noqa: B018  raises where head or body is missing
        if share not in self._lines:
            self._lines[share] = near_longest(self.mask, self.spacing, share)
        return self._lines[share]

    @cached_property
    def to_rump(self) -> np.ndarray:
        """Unit vector (2,) from crown to rump, in millimetres."""
        crown, rump = np.array(self.line.ends)
        return (rump - crown) * self.spacing / self.line.mm

    @cached_property
    def hull(self) -> np.ndarray:
        """Corners (n, 2) of the convex hull of the whole fetus, islands included, in pixels."""
        contours, _ = cv2.findContours(np.uint8(FETUS.body(self.mask)), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        return cv2.convexHull(np.concatenate(contours)).reshape(-1, 2)[:, ::-1]

    def in_pixels(self, *points_mm: np.ndarray) -> Polyline:
        """Polyline in pixels through points in millimetres."""
        return tuple(tuple(float(value) for value in point / self.spacing) for point in points_mm)


def _horizontal(fetus: _Fetus, limits: Thresholds) -> _Finding:
    """Angle between the crown-rump line and the horizontal, 0 to 90 degrees."""
    down, across = np.abs(fetus.to_rump)
    tilt = float(np.degrees(np.arctan2(down, across)))
    why = f"the crown-rump line lies {tilt:.0f}° off the horizontal"
    return _Finding(tilt, tilt <= limits.horizontal_deg, why, (fetus.line.ends,))


def _magnification(fetus: _Fetus, limits: Thresholds) -> _Finding:
    """Horizontal extent of the crown-rump line as a share of the picture's width."""
    (row, col), (_, other) = fetus.line.ends
    share = abs(col - other) / fetus.mask.shape[1]
    why = f"the crown-rump line spans {100 * share:.0f} % of the picture's width"
    return _Finding(share, share > limits.magnification, why, (((row, col), (row, other)),))


def _palate(fetus: _Fetus, limits: Thresholds) -> _Finding:
    """Area of the palate's largest piece."""
    piece, area = fetus.piece("palate"), fetus.area_mm2("palate")
    return _Finding(area, area >= limits.palate_mm2, f"the palate shows {area:.1f} mm²", (piece.outline,))


def _neutral_position(fetus: _Fetus, limits: Thresholds) -> _Finding:
    """Angle of the palate to the crown-rump line (hyper-extension), where there is fluid (else hyper-flexion)."""
    to_rump, fluid = fetus.to_rump, fetus.area_mm2("gap")
    if fluid < limits.gap_mm2:
        raise Unmeasurable(f"{fluid:.1f} mm² of fluid lie between chin and chest, the neck is hyper-flexed")
    if fetus.area_mm2("palate") < limits.palate_mm2:
        raise Unmeasurable("there is no palate, so hyper-extension cannot be excluded")
    forwards, centre = _palate_axis(fetus), fetus.centre_mm("palate")
    angle = float(np.degrees(np.arccos(np.clip(forwards @ to_rump, -1, 1))))
    marks = (fetus.line.ends, fetus.in_pixels(centre - 4 * forwards, centre + 4 * forwards))  # 8 mm show a direction
    why = f"the palate stands at {angle:.0f}° to the crown-rump line, {fluid:.1f} mm² of fluid lie under the chin"
    return _Finding(angle, angle < limits.palate_angle_deg, why, marks)


def _palate_axis(fetus: _Fetus) -> np.ndarray:
    """Unit vector (2,) in mm along the palate from the throat to the lips, which lie at the front of the fetus."""
    moments = fetus.piece("palate").moments
    row_mm, col_mm = fetus.spacing
    rows, cols, both = moments["mu02"] * row_mm**2, moments["mu20"] * col_mm**2, moments["mu11"] * row_mm * col_mm
    angle = 0.5 * np.arctan2(2 * both, cols - rows)  # of the longest axis, from the direction of rising columns
    axis = np.array([np.sin(angle), np.cos(angle)])
    foot, face = _front(fetus)
    return axis if axis @ (face - foot) > 0 else -axis


def _face_direction(fetus: _Fetus, limits: Thresholds) -> _Finding:
    """How far the front of the fetus lies above its middle, the probe being above the picture.

    Of the offset the part that points up counts: it goes to nought for a fetus that stands upright, where "above"
    means nothing.
    """
    foot, face = _front(fetus)
    above = float((foot - face)[0])  # rows count downwards
    why = f"palate and gap lie {abs(above):.1f} mm {'above' if above > 0 else 'below'} the line from head to body"
    middle = fetus.in_pixels(fetus.centre_mm("head"), fetus.centre_mm("body"))
    return _Finding(above, above >= limits.face_mm, why, (middle, fetus.in_pixels(foot, face)))


def _front(fetus: _Fetus) -> tuple[np.ndarray, np.ndarray]:
    """Where the front of the fetus is: from a point (2,) on the line from head to body to the face (2,), in mm.

    The line joins the centres of head and body. The crown-rump line will not do: it runs through many a palate.
    """
    head, body, face = fetus.centre_mm("head"), fetus.centre_mm("body"), _face_centre_mm(fetus)
    apart = np.hypot(*(body - head))
    if apart < min(fetus.spacing):
        raise Unmeasurable("head and body have one centre, so the face's direction cannot be told")
    along = (body - head) / apart
    return head + (face - head) @ along * along, face


def _face_centre_mm(fetus: _Fetus) -> np.ndarray:
    """Centroid (2,) in mm of palate and gap together, or of the one that is there."""
    areas = {name: fetus.area_mm2(name) for name in ("palate", "gap")}
    if not any(areas.values()):
        raise Unmeasurable("there is neither palate nor gap, so the face's direction cannot be told")
    return sum(area * fetus.centre_mm(name) for name, area in areas.items() if area) / sum(areas.values())


def _left_caliper(fetus: _Fetus, limits: Thresholds) -> _Finding:
    return _caliper(fetus, limits, left=True)


def _right_caliper(fetus: _Fetus, limits: Thresholds) -> _Finding:
    return _caliper(fetus, limits, left=False)


def _caliper(fetus: _Fetus, limits: Thresholds, left: bool) -> _Finding:
    """Whether one end of the crown-rump line is the end of head or body, well inside the picture, and the true end."""
    crown, rump = fetus.line.ends
    at_crown = (crown[1] <= rump[1]) == left
    name, end, outwards = ("head", crown, -fetus.to_rump) if at_crown else ("body", rump, fetus.to_rump)
    room, beyond = _room_mm(fetus, end), _beyond_mm(fetus, end, outwards)
    off = _off_mm(fetus, limits.true_line_share)[0 if name == "head" else 1]
    faults = {
        f"on an island apart from the {name}": not fetus.piece(name).touches(end),
        f"{beyond:.1f} mm short of the end of the fetus": beyond > limits.caliper_beyond_mm,
        f"too near the picture's edge, {room:.1f} mm from it": room < limits.caliper_room_mm,
        f"{off:.1f} mm off the true end": off > limits.caliper_off_mm,
    }
    found = " and ".join(fault for fault, there in faults.items() if there)
    sound = f"on the {'crown' if at_crown else 'rump'}, {room:.1f} mm inside the picture"
    return _Finding(room, not found, f"the caliper lies {found or sound}", ((end,),))


def _room_mm(fetus: _Fetus, end: Point) -> float:
    """Distance from a caliper to the nearest edge of the picture, negative outside."""
    nearest = [min(place, last - place) for place, last in zip(end, np.array(fetus.mask.shape) - 1, strict=True)]
    return min((pixels + 0.5) * mm for pixels, mm in zip(nearest, fetus.spacing, strict=True))


def _beyond_mm(fetus: _Fetus, end: Point, outwards: np.ndarray) -> float:
    """How far the fetus reaches beyond a caliper in the direction `outwards` (2,), in mm."""
    return max(0.0, float(((fetus.hull - np.array(end)) * fetus.spacing @ outwards).max()))


def _off_mm(fetus: _Fetus, share: float) -> tuple[float, float]:
    """How far crown's and rump's caliper lie from those of the nearest true line, in mm; 0 where none is known."""
    if fetus.truth is None:
        return 0.0, 0.0
    between = (fetus.truth.lines(share) - np.array(fetus.line.ends)) * fetus.spacing  # (k, 2, 2) mm
    off = np.linalg.norm(between, axis=2)  # (k, 2) of crown and rump
    return tuple(off[off.max(1).argmin()].tolist())


# ---------------------------------------------------------------------------------------------------------------
# Five questions about a head
# ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Head:
    """What a head mask shows, measured once for all questions."""

    mask: np.ndarray  # (H, W) uint8, 0 and 1
    spacing: tuple[float, float]  # row_mm, col_mm
    truth: "_Head | None" = None  # the same of the reference mask, where there is one

    @cached_property
    def contours(self) -> list[np.ndarray]:
        """Outer outlines of the pieces."""
        found, _ = cv2.findContours(self.mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        if not found:
            raise Unmeasurable("there is no head")
        return list(found)

    @cached_property
    def ellipse(self) -> Ellipse:
        """The ellipse that the circumference is measured on."""
        return fit_head_ellipse(self.mask, self.spacing)

    @property
    def outline(self) -> Polyline:
        """The ellipse as a closed polyline in pixels."""
        return _closed(self.ellipse.outline(36))


def _one_piece(head: _Head, limits: Thresholds) -> _Finding:
    """Share of the head's area in its largest piece."""
    pieces = len(head.contours)
    share = _Piece.largest(head.mask).area / cv2.countNonZero(head.mask)
    why = f"the largest of {pieces} piece{'s' * (pieces > 1)} has {100 * share:.1f} % of the area"
    return _Finding(share, share >= limits.piece_share, why, _outlines(head.mask))


def _no_holes(head: _Head, limits: Thresholds) -> _Finding:
    """Share of holes in the area within the head's outline."""
    whole = cv2.drawContours(np.zeros_like(head.mask), head.contours, -1, 1, cv2.FILLED)
    holes = whole & ~head.mask & 1
    share = cv2.countNonZero(holes) / cv2.countNonZero(whole)
    why = f"holes take {100 * share:.1f} % of the area within the outline"
    return _Finding(share, share <= limits.hole_share, why, _outlines(holes))


def _elliptic(head: _Head, limits: Thresholds) -> _Finding:
    """Dice between the head and its ellipse (the true head's where known), as far as that lies inside the picture."""
    ellipse = (head.truth or head).ellipse.fill(head.mask.shape)
    shared = np.count_nonzero(ellipse & (head.mask > 0))
    dice = 2 * shared / (np.count_nonzero(ellipse) + cv2.countNonZero(head.mask))
    why = f"the head and {'the true' if head.truth else 'its'} ellipse agree to {dice:.3f} (Dice)"
    return _Finding(dice, dice >= limits.ellipse_dice, why, (head.outline,))


def _axis_ratio(head: _Head, limits: Thresholds) -> _Finding:
    """Short over long axis of the ellipse, the cephalic index."""
    major, minor = head.ellipse.axes_mm
    ratio, (low, high) = minor / major, limits.axis_ratio
    why = f"the head measures {major:.0f} mm by {minor:.0f} mm, a ratio of {ratio:.2f}"
    return _Finding(ratio, low <= ratio <= high, why, (head.ellipse.ends, head.outline))


def _inside_picture(head: _Head, limits: Thresholds) -> _Finding:
    """Share of the ellipse's outline that lies inside the picture."""
    points = head.ellipse.outline(360)
    inside = ((points >= -0.5) & (points <= np.array(head.mask.shape) - 0.5)).all(axis=1)
    share = float(inside.mean())
    why = f"{100 * share:.0f} % of the ellipse lie inside the picture"
    return _Finding(share, share >= limits.inside_share, why, (head.outline,))


def _outlines(layer: np.ndarray) -> tuple[Polyline, ...]:
    """Outlines of the pieces of a picture of 0 and 1, in pixels."""
    contours, _ = cv2.findContours(layer, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    corners = [cv2.approxPolyDP(contour, 2.0, closed=True) for contour in contours]  # 2 pixels: a figure shows no more
    return tuple(_closed(points.reshape(-1, 2)[:, ::-1]) for points in corners)


def _closed(points: np.ndarray) -> Polyline:
    """Closed polyline through points (n, 2)."""
    return tuple((float(row), float(col)) for row, col in (*points, points[0]))


# ---------------------------------------------------------------------------------------------------------------
# The table
# ---------------------------------------------------------------------------------------------------------------

_FASP = "NHS Fetal Anomaly Screening Programme"
_VIEWS = {FETUS.name: _Fetus, HEAD.name: _Head}

RULES: dict[str, tuple[Rule, ...]] = {
    FETUS.name: (
        Rule(
            name="horizontal",
            title="Horizontal",
            unit="°",
            wanted="≤ {horizontal_deg:g}°",
            source=f"{_FASP}; threshold chosen",
            find=_horizontal,
        ),
        Rule(
            name="magnification",
            title="Magnification",
            unit="of width",
            wanted="> {magnification:g}",
            source=f"{_FASP}; threshold: public code of Fetal-TransUNet (Cengiz et al. 2022)",
            find=_magnification,
        ),
        Rule(
            name="palate",
            title="Palate",
            unit="mm²",
            wanted="≥ {palate_mm2:g} mm²",
            source=f"{_FASP}; threshold chosen",
            find=_palate,
        ),
        Rule(
            name="neutral_position",
            title="Neutral position",
            unit="°",
            wanted="< {palate_angle_deg:g}°, fluid ≥ {gap_mm2:g} mm²",
            source=f"{_FASP}; fluid and angle: Roux et al., Gynecol Obstet Fertil 2016;44:146-150; area chosen",
            find=_neutral_position,
        ),
        Rule(
            name="face_direction",
            title="Face direction",
            unit="mm",
            wanted="≥ {face_mm:g} mm upwards",
            source=f"{_FASP}; rule and threshold chosen",
            find=_face_direction,
        ),
        *(
            Rule(
                name=f"{side}_caliper",
                title=f"{side.capitalize()} caliper",
                unit="mm",
                wanted="≥ {caliper_room_mm:g} mm of room",
                source=f"{_FASP}; rule and thresholds chosen",
                find=find,
            )
            for side, find in (("left", _left_caliper), ("right", _right_caliper))
        ),
    ),
    HEAD.name: (
        Rule(
            name="one_piece",
            title="One piece",
            unit="of the area",
            wanted="≥ {piece_share:g}",
            source="chosen",
            find=_one_piece,
        ),
        Rule(
            name="no_holes",
            title="No holes",
            unit="of the area",
            wanted="≤ {hole_share:g}",
            source="chosen",
            find=_no_holes,
        ),
        Rule(
            name="elliptic",
            title="Elliptic",
            unit="Dice",
            wanted="≥ {ellipse_dice:g}",
            source="chosen",
            find=_elliptic,
        ),
        Rule(
            name="axis_ratio",
            title="Axis ratio",
            unit="",
            wanted="{axis_ratio[0]:g} – {axis_ratio[1]:g}",
            source="Hadlock et al., AJR 1981;137:83-85 (cephalic index, mean ± 3 SD)",
            find=_axis_ratio,
        ),
        Rule(
            name="inside_picture",
            title="Inside the picture",
            unit="of the outline",
            wanted="≥ {inside_share:g}",
            source="chosen",
            find=_inside_picture,
        ),
    ),
}
