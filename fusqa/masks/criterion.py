"""One criterion: the question, the thresholds it depends on, and the answer.

Published thresholds are used where they were found; the others are marked "chosen".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fusqa.masks.length import Unmeasurable
from fusqa.masks.pieces import Polyline


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
        Unit of `value` (may be empty), and the value that is required, short enough for a figure's title.
    why : str
        The finding as a sentence with its number.
    source : str
        Where the criterion and its threshold come from; "chosen" where no source was found.
    marks : tuple of polylines ((row, col), ...)
        What was measured, in pixels, to be drawn over the image.
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
    """Every number that a criterion is met or missed by; :data:`RULES` names the sources.

    Attributes
    ----------
    horizontal_deg : float
        Largest angle between the crown-rump line and the horizontal, degrees (chosen, as guidelines draw it).
    magnification : float
        Smallest horizontal extent of the crown-rump line as a share of the image's width (Fetal-TransUNet's code;
        guidelines ask for two thirds of the image).
    palate_mm2 : float
        Smallest area of a palate, mm² (chosen: a fifth of a typical one of 20 mm², far more than a stray pixel).
    gap_mm2 : float
        Smallest area of fluid between chin and chest, mm² (chosen: about 1 mm × 1 mm, which an eye can see).
    palate_angle_deg : float
        Angle between palate and crown-rump line from which a neck is hyper-extended, degrees (Roux 2016).
    face_mm : float
        How far the face must lie above the line from head to body, mm (chosen: clearly above rather than below).
    caliper_room_mm : float
        Smallest distance from a caliper to the image's edge, mm (chosen: what lies beyond the end is seen too).
    caliper_beyond_mm : float
        How far the fetus may reach beyond a caliper along the line, mm (chosen: a caliper's own size).
    caliper_off_mm : float
        How far a caliper may lie from the end of a true line, where that is known, mm (chosen: an error of about a day
        and a half in the date).
    true_line_share : float
        A line counts as true if it is shorter than the longest by at most this share (chosen: a hundredth, about a
        third of a day; a sonographer has no reason to prefer one of such lines).
    piece_share : float
        Smallest share of the head's area in its largest piece (chosen).
    hole_share : float
        Largest share of holes in the area within the head's outline (chosen).
    ellipse_dice : float
        Smallest Dice between the head and its ellipse (chosen: the agreement of two sonographers is about .97).
    axis_ratio : (low, high)
        Short over long axis of the head, the cephalic index (Hadlock 1981: mean .783, SD .044; here ± 3 SD).
    inside_share : float
        Smallest share of the ellipse's outline that lies inside the image (chosen).
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
    """The part of an answer that depends on the mask: see :class:`Criterion`."""

    value: float
    met: bool
    why: str
    marks: tuple[Polyline, ...] = ()


@dataclass(frozen=True)
class Rule:
    """One question: its name, unit and source, the value that is required, and the function that finds it.

    Attributes
    ----------
    name, title, unit, source : str
        As in :class:`Criterion`.
    wanted : str
        The value that is required; fields of :class:`Thresholds` in braces.
    find : callable
        ``find(shown, thresholds) -> Finding``; raises ``Unmeasurable`` where there is nothing to measure.
    decisive : bool
        Whether a mask that fails it against a reference is poor, however many others it meets.
    """

    name: str
    title: str
    unit: str
    wanted: str
    source: str
    find: Callable[[Any, Thresholds], Finding]
    decisive: bool = False

    def ask(self, shown: Any) -> Criterion:
        """Answer the question for one mask."""
        try:
            found = self.find(shown, THRESHOLDS)
        except Unmeasurable as reason:
            found = Finding(float("nan"), False, str(reason))
        return Criterion(
            name=self.name,
            title=self.title,
            met=bool(found.met),
            value=float(found.value),
            unit=self.unit,
            threshold=self.wanted.format_map(vars(THRESHOLDS)),
            why=found.why,
            source=self.source,
            marks=found.marks,
        )
