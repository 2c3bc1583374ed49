"""One criterion: the question, the numbers it depends on, the answer, and what all questions ask of a mask.

Where a published threshold was found it is used; where none was found the number says "chosen".
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np

from fusqa.masks.length import Point, Unmeasurable

__all__ = ["THRESHOLDS", "Criterion", "Finding", "Piece", "Polyline", "Rule", "Thresholds", "closed", "outlines"]

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


THRESHOLDS = Thresholds()


@dataclass(frozen=True)
class Finding:
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
    find: Callable[[Any, Thresholds], Finding]

    def ask(self, shown: Any, thresholds: Thresholds) -> Criterion:
        """Answer the question for one mask."""
        try:
            found = self.find(shown, thresholds)
        except Unmeasurable as reason:
            found = Finding(float("nan"), False, str(reason))
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


@dataclass(frozen=True, eq=False)
class Piece:
    """The largest connected piece of a structure, cut out of the picture: a stray island is none of it."""

    pixels: np.ndarray  # (h, w) uint8, 0 and 1
    corner: np.ndarray  # (2,) row and column of its first pixel in the picture

    @classmethod
    def largest(cls, layer: np.ndarray) -> "Piece | None":
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
        return tuple((row + self.corner[0], col + self.corner[1]) for row, col in outlines(self.pixels)[0])

    def touches(self, end: Point) -> bool:
        """Whether the pixel `end`, or one of the eight about it, belongs to the piece."""
        row, col = np.array(end, int) - self.corner
        return bool(self.pixels[max(row - 1, 0) : max(row + 2, 0), max(col - 1, 0) : max(col + 2, 0)].any())


def outlines(layer: np.ndarray) -> tuple[Polyline, ...]:
    """Outlines of the pieces of a picture of 0 and 1, in pixels."""
    contours, _ = cv2.findContours(layer, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    corners = [cv2.approxPolyDP(contour, 2.0, closed=True) for contour in contours]  # 2 pixels: a figure shows no more
    return tuple(closed(points.reshape(-1, 2)[:, ::-1]) for points in corners)


def closed(points: np.ndarray) -> Polyline:
    """Closed polyline through points (n, 2)."""
    return tuple((float(row), float(col)) for row, col in (*points, points[0]))
