"""Five questions about a fetal head, asked of its mask: one piece, no holes, elliptic, plausible axes, inside."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from fusqa.masks.circumference import Ellipse, fit_head_ellipse
from fusqa.masks.criterion import Finding, Rule, Thresholds
from fusqa.masks.length import Unmeasurable
from fusqa.masks.pieces import Piece, Polyline, closed, outlines

_HADLOCK = "Hadlock et al., AJR 1981;137:83-85 (cephalic index, mean ± 3 SD)"


@dataclass(frozen=True, eq=False)
class HeadView:
    """What a head mask shows, measured once for all questions."""

    mask: np.ndarray  # (H, W) uint8, 0 and 1
    spacing: tuple[float, float]  # row_mm, col_mm
    truth: "HeadView | None" = None  # the same of the reference mask, where there is one
    measured: Ellipse | None = None  # the ellipse of the mask, where it was fitted before

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
        return self.measured or fit_head_ellipse(self.mask, self.spacing)

    @property
    def outline(self) -> Polyline:
        """The ellipse as a closed polyline in pixels."""
        return closed(self.ellipse.outline(36))


def _one_piece(head: HeadView, limits: Thresholds) -> Finding:
    """Share of the head's area in its largest piece."""
    pieces = len(head.contours)
    share = Piece.largest(head.mask).area / cv2.countNonZero(head.mask)
    why = f"the largest of {pieces} piece{'s' * (pieces > 1)} has {100 * share:.1f} % of the area"
    return Finding(share, share >= limits.piece_share, why, outlines(head.mask))


def _no_holes(head: HeadView, limits: Thresholds) -> Finding:
    """Share of holes in the area within the head's outline."""
    whole = cv2.drawContours(np.zeros_like(head.mask), head.contours, -1, 1, cv2.FILLED)
    holes = whole & ~head.mask & 1
    share = cv2.countNonZero(holes) / cv2.countNonZero(whole)
    why = f"holes take {100 * share:.1f} % of the area within the outline"
    return Finding(share, share <= limits.hole_share, why, outlines(holes))


def _elliptic(head: HeadView, limits: Thresholds) -> Finding:
    """Dice between the head and its ellipse (the true head's where known), counted inside the image."""
    ellipse = (head.truth or head).ellipse.fill(head.mask.shape)
    shared = np.count_nonzero(ellipse & (head.mask > 0))
    dice = 2 * shared / (np.count_nonzero(ellipse) + cv2.countNonZero(head.mask))
    why = f"the head and {'the true' if head.truth else 'its'} ellipse agree to {dice:.3f} (Dice)"
    return Finding(dice, dice >= limits.ellipse_dice, why, (head.outline,))


def _axis_ratio(head: HeadView, limits: Thresholds) -> Finding:
    """Short over long axis of the ellipse, the cephalic index."""
    major, minor = head.ellipse.axes_mm
    ratio, (low, high) = minor / major, limits.axis_ratio
    why = f"the head measures {major:.0f} mm by {minor:.0f} mm, a ratio of {ratio:.2f}"
    return Finding(ratio, low <= ratio <= high, why, (head.ellipse.ends, head.outline))


def _inside_image(head: HeadView, limits: Thresholds) -> Finding:
    """Share of the ellipse's outline that lies inside the image."""
    points = head.ellipse.outline(360)
    inside = ((points >= -0.5) & (points <= np.array(head.mask.shape) - 0.5)).all(axis=1)
    share = float(inside.mean())
    why = f"{100 * share:.0f} % of the ellipse lies inside the image"
    return Finding(share, share >= limits.inside_share, why, (head.outline,))


HEAD_RULES = (
    Rule("one_piece", "One piece", "of the area", "≥ {piece_share:g}", "chosen", _one_piece),
    Rule("no_holes", "No holes", "of the area", "≤ {hole_share:g}", "chosen", _no_holes),
    # The only one that sees the truth: the others hold of any smooth oval, wherever it lies.
    Rule("elliptic", "Elliptic", "Dice", "≥ {ellipse_dice:g}", "chosen", _elliptic, decisive=True),
    Rule("axis_ratio", "Axis ratio", "", "{axis_ratio[0]:g} – {axis_ratio[1]:g}", _HADLOCK, _axis_ratio),
    Rule("inside_image", "Inside the image", "of the outline", "≥ {inside_share:g}", "chosen", _inside_image),
)
