"""The seven questions of the NHS Fetal Anomaly Screening Programme about a fetus, asked of its mask.

Is it horizontal, is it large enough, is the palate seen, and so on. Each question is one function from what the mask
shows to a finding, and one row of :data:`FETUS_RULES`. Lengths are in millimetres on the image's own grid. No answer
depends on whether the head lies left or right.
"""

from dataclasses import dataclass, field
from functools import cached_property, partial

import cv2
import numpy as np

from fusqa.masks.criterion import Finding, Rule, Thresholds
from fusqa.masks.crown_rump import crown_rump_length, near_longest
from fusqa.masks.labels import FETUS
from fusqa.masks.length import Length, Point, Unmeasurable
from fusqa.masks.pieces import Piece, Polyline

_FASP = "NHS Fetal Anomaly Screening Programme"
_PUBLIC_CODE = f"{_FASP}; threshold: public code of Fetal-TransUNet (Cengiz et al. 2022)"
_ROUX = f"{_FASP}; fluid and angle: Roux et al., Gynecol Obstet Fertil 2016;44:146-150; area chosen"
_RULE_CHOSEN, _CALIPER_CHOSEN = f"{_FASP}; rule and threshold chosen", f"{_FASP}; rule and thresholds chosen"


@dataclass(frozen=True, eq=False)
class FetusView:
    """What a fetus mask shows, measured once for all questions; positions and vectors are (row, col)."""

    mask: np.ndarray  # (H, W) uint8
    spacing: tuple[float, float]  # row_mm, col_mm
    truth: "FetusView | None" = None  # the same of the reference mask, where there is one
    measured: Length | None = None  # the crown-rump line of the mask, where it was measured before
    _lines: dict[float, np.ndarray] = field(default_factory=dict, repr=False)  # by share: both calipers ask for them

    @cached_property
    def _pieces(self) -> dict[str, Piece | None]:
        return {name: Piece.largest((self.mask == FETUS.id(name)).view(np.uint8)) for name in FETUS.names}

    def piece(self, name: str) -> Piece:
        """Return the largest piece of a structure; raise ``Unmeasurable`` if there is none."""
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
        return self.measured or crown_rump_length(self.mask, self.spacing)

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
        contours, _ = cv2.findContours(FETUS.body(self.mask).view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        return cv2.convexHull(np.concatenate(contours)).reshape(-1, 2)[:, ::-1]

    def in_pixels(self, *points_mm: np.ndarray) -> Polyline:
        """Polyline in pixels through points in millimetres."""
        return tuple(tuple(float(value) for value in point / self.spacing) for point in points_mm)


def _horizontal(fetus: FetusView, limits: Thresholds) -> Finding:
    """Angle between the crown-rump line and the horizontal, 0 to 90 degrees."""
    down, across = np.abs(fetus.to_rump)
    tilt = float(np.degrees(np.arctan2(down, across)))
    why = f"the crown-rump line lies {tilt:.0f}° off the horizontal"
    return Finding(tilt, tilt <= limits.horizontal_deg, why, (fetus.line.ends,))


def _magnification(fetus: FetusView, limits: Thresholds) -> Finding:
    """Horizontal extent of the crown-rump line as a share of the image's width."""
    (row, col), (_, other) = fetus.line.ends
    share = abs(col - other) / fetus.mask.shape[1]
    why = f"the crown-rump line spans {100 * share:.0f} % of the image's width"
    return Finding(share, share > limits.magnification, why, (((row, col), (row, other)),))


def _palate(fetus: FetusView, limits: Thresholds) -> Finding:
    """Area of the palate's largest piece."""
    piece, area = fetus.piece("palate"), fetus.area_mm2("palate")
    return Finding(area, area >= limits.palate_mm2, f"the palate shows {area:.1f} mm²", (piece.outline,))


def _neutral_position(fetus: FetusView, limits: Thresholds) -> Finding:
    """Angle between palate and crown-rump line (large: hyper-extended); without fluid the neck is hyper-flexed."""
    to_rump, fluid = fetus.to_rump, fetus.area_mm2("gap")
    if fluid < limits.gap_mm2:
        raise Unmeasurable(f"{fluid:.1f} mm² of fluid lie between chin and chest, the neck is hyper-flexed")
    if fetus.area_mm2("palate") < limits.palate_mm2:
        raise Unmeasurable("the palate shows too little, so hyper-extension cannot be excluded")
    forwards, centre = _palate_axis(fetus), fetus.centre_mm("palate")
    angle = float(np.degrees(np.arccos(np.clip(forwards @ to_rump, -1, 1))))
    marks = (fetus.line.ends, fetus.in_pixels(centre - 4 * forwards, centre + 4 * forwards))  # 8 mm show a direction
    why = f"the palate stands at {angle:.0f}° to the crown-rump line, {fluid:.1f} mm² of fluid lie under the chin"
    return Finding(angle, angle < limits.palate_angle_deg, why, marks)


def _palate_axis(fetus: FetusView) -> np.ndarray:
    """Unit vector (2,) in mm along the palate from the throat to the lips, which lie at the front of the fetus."""
    moments = fetus.piece("palate").moments
    row_mm, col_mm = fetus.spacing
    rows, cols, both = moments["mu02"] * row_mm**2, moments["mu20"] * col_mm**2, moments["mu11"] * row_mm * col_mm
    angle = 0.5 * np.arctan2(2 * both, cols - rows)  # of the longest axis, from the direction of rising columns
    axis = np.array([np.sin(angle), np.cos(angle)])
    foot, face = _front(fetus)
    return axis if axis @ (face - foot) > 0 else -axis


def _face_direction(fetus: FetusView, limits: Thresholds) -> Finding:
    """How far the front of the fetus lies above its middle; the probe is above the image.

    Only the upward part of the offset counts. It is zero for a fetus that stands upright, where "above" means nothing.
    """
    foot, face = _front(fetus)
    above = float((foot - face)[0])  # rows count downwards
    why = f"palate and gap lie {abs(above):.1f} mm {'above' if above > 0 else 'below'} the line from head to body"
    middle = fetus.in_pixels(fetus.centre_mm("head"), fetus.centre_mm("body"))
    return Finding(above, above >= limits.face_mm, why, (middle, fetus.in_pixels(foot, face)))


def _front(fetus: FetusView) -> tuple[np.ndarray, np.ndarray]:
    """Where the front of the fetus is: from a point (2,) on the line from head to body to the face (2,), in mm.

    The line joins the centres of head and body. The crown-rump line would not do: it often runs through the palate.
    """
    head, body, face = fetus.centre_mm("head"), fetus.centre_mm("body"), _face_centre_mm(fetus)
    apart = np.hypot(*(body - head))
    if apart < min(fetus.spacing):
        raise Unmeasurable("head and body have one centre, so the face's direction is unknown")
    along = (body - head) / apart
    return head + (face - head) @ along * along, face


def _face_centre_mm(fetus: FetusView) -> np.ndarray:
    """Centroid (2,) in mm of palate and gap together, or of the one that is present."""
    areas = {name: fetus.area_mm2(name) for name in ("palate", "gap")}
    if not any(areas.values()):
        raise Unmeasurable("there is neither palate nor gap, so the face's direction is unknown")
    return sum(area * fetus.centre_mm(name) for name, area in areas.items() if area) / sum(areas.values())


def _caliper(fetus: FetusView, limits: Thresholds, left: bool) -> Finding:
    """Whether one end of the crown-rump line is the end of head or body, well inside the image, and the true end."""
    crown, rump = fetus.line.ends
    at_crown = (crown[1] <= rump[1]) == left
    name, end, outwards = ("head", crown, -fetus.to_rump) if at_crown else ("body", rump, fetus.to_rump)
    room, beyond = _room_mm(fetus, end), _beyond_mm(fetus, end, outwards)
    off = _off_mm(fetus, limits.true_line_share)[0 if at_crown else 1]
    faults = {
        f"on an island apart from the {name}": not fetus.piece(name).touches(end),
        f"{beyond:.1f} mm short of the end of the fetus": beyond > limits.caliper_beyond_mm,
        f"too near the image's edge, {room:.1f} mm from it": room < limits.caliper_room_mm,
        f"{off:.1f} mm off the true end": off > limits.caliper_off_mm,
    }
    found = " and ".join(fault for fault, there in faults.items() if there)
    sound = f"on the {'crown' if at_crown else 'rump'}, {room:.1f} mm inside the image"
    return Finding(room, not found, f"the caliper lies {found or sound}", ((end,),))


def _room_mm(fetus: FetusView, end: Point) -> float:
    """Distance in mm from a caliper to the nearest edge of the image, negative outside."""
    nearest = [min(place, last - place) for place, last in zip(end, np.array(fetus.mask.shape) - 1, strict=True)]
    return min((pixels + 0.5) * mm for pixels, mm in zip(nearest, fetus.spacing, strict=True))


def _beyond_mm(fetus: FetusView, end: Point, outwards: np.ndarray) -> float:
    """How far the fetus reaches beyond a caliper in the direction `outwards` (2,), in mm."""
    return max(0.0, float(((fetus.hull - np.array(end)) * fetus.spacing @ outwards).max()))


def _off_mm(fetus: FetusView, share: float) -> tuple[float, float]:
    """How far the calipers at crown and rump lie from the nearest true line's, in mm; 0 where no truth is known."""
    if fetus.truth is None:
        return 0.0, 0.0
    between = (fetus.truth.lines(share) - np.array(fetus.line.ends)) * fetus.spacing  # (k, 2, 2) mm
    off = np.linalg.norm(between, axis=2)  # (k, 2) of crown and rump
    return tuple(off[off.max(1).argmin()].tolist())


_NEUTRAL = "< {palate_angle_deg:g}°, fluid ≥ {gap_mm2:g} mm²"
_ROOM = "≥ {caliper_room_mm:g} mm of room"

FETUS_RULES = (
    Rule("horizontal", "Horizontal", "°", "≤ {horizontal_deg:g}°", f"{_FASP}; threshold chosen", _horizontal),
    Rule("magnification", "Magnification", "of width", "> {magnification:g}", _PUBLIC_CODE, _magnification),
    Rule("palate", "Palate", "mm²", "≥ {palate_mm2:g} mm²", f"{_FASP}; threshold chosen", _palate),
    Rule("neutral_position", "Neutral position", "°", _NEUTRAL, _ROUX, _neutral_position),
    Rule("face_direction", "Face direction", "mm", "≥ {face_mm:g} mm upwards", _RULE_CHOSEN, _face_direction),
    Rule("left_caliper", "Left caliper", "mm", _ROOM, _CALIPER_CHOSEN, partial(_caliper, left=True)),
    Rule("right_caliper", "Right caliper", "mm", _ROOM, _CALIPER_CHOSEN, partial(_caliper, left=False)),
)
