"""Errors of a mask that no altered mask shows, each by how severe it is.

A quality model that learnt from the paper's alterations has seen labels grow, shrink, vanish, flip and change their
name. These are other ways to be wrong. They are for judging models, never for training them. Sizes are chosen, and
count in the length that is measured, so that a severity means the same for a small fetus and a large one.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd

from fusqa.cohorts.cohort import Cohort
from fusqa.masks.alterations import replay
from fusqa.masks.label_images import resize_labels
from fusqa.masks.labels import HEAD, Scheme
from fusqa.masks.measurement import measure
from fusqa.study.material import case_generator, prediction_record

__all__ = ["UNSEEN", "Unseen", "unseen_masks"]


@dataclass(frozen=True)
class Unseen:
    """One kind of error.

    Attributes
    ----------
    title : str
        Its name in print.
    make : callable
        ``(spoiler) -> (H, W) uint8``: the mask with the error.
    graded : bool
        Whether severity changes it.
    known_to : tuple of str
        Schemes whose altered masks hold this error already; there it is not unseen.
    """

    title: str
    make: Callable[["_Spoiler"], np.ndarray]
    graded: bool = True
    known_to: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Spoiler:
    """A mask, how badly to spoil it, and where chance comes from."""

    mask: np.ndarray
    scheme: Scheme
    severity: float
    rng: np.random.Generator
    other: np.ndarray

    @property
    def length(self) -> float:
        """Longest side of the box around the body in pixels: what sizes count in."""
        return float(max(cv2.boundingRect(self.scheme.body(self.mask).astype(np.uint8))[2:]))

    @property
    def centre(self) -> np.ndarray:
        """Centre of the body, (row, col) in pixels."""
        return np.argwhere(self.scheme.body(self.mask)).mean(0)

    def place(self) -> tuple[int, int]:
        """Draw a pixel of the body, (row, col)."""
        inside = np.argwhere(self.scheme.body(self.mask))
        return tuple(int(value) for value in inside[self.rng.integers(len(inside))])

    def direction(self) -> np.ndarray:
        """Draw a direction, (row, col)."""
        angle = self.rng.uniform(0, 2 * np.pi)
        return np.array([np.sin(angle), np.cos(angle)])

    def solid_label(self) -> str:
        """Draw a solid label that the mask has."""
        present = [name for name in self.scheme.solid if (self.mask == self.scheme.id(name)).any()]
        return present[self.rng.integers(len(present))]

    def moved(self, matrix: np.ndarray) -> np.ndarray:
        """Move every label by an affine map (2, 3) of (column, row); nothing comes in from outside."""
        size = self.mask.shape[::-1]
        return cv2.warpAffine(self.mask, matrix, size, flags=cv2.INTER_NEAREST, borderValue=0)


def _holes(spoiler: _Spoiler) -> np.ndarray:
    """Three discs of background inside the body."""
    out = spoiler.mask.copy()
    for _ in range(3):
        row, col = spoiler.place()
        cv2.circle(out, (col, row), max(1, round(0.12 * spoiler.severity * spoiler.length)), 0, cv2.FILLED)
    return out


def _island(spoiler: _Spoiler) -> np.ndarray:
    """A disc of one label away from the body, as where tissue outside the fetus is taken for it."""
    row, col = spoiler.centre + (0.6 + 0.3 * spoiler.severity) * spoiler.length * spoiler.direction()
    height, width = spoiler.mask.shape
    centre = int(np.clip(col, 0, width - 1)), int(np.clip(row, 0, height - 1))
    out, radius = spoiler.mask.copy(), max(1, round(0.03 * spoiler.length))
    return cv2.circle(out, centre, radius, spoiler.scheme.id(spoiler.solid_label()), cv2.FILLED)


def _shift(spoiler: _Spoiler) -> np.ndarray:
    """The whole mask beside the fetus."""
    rows, cols = 0.5 * spoiler.severity * spoiler.length * spoiler.direction()
    return spoiler.moved(np.array([[1, 0, cols], [0, 1, rows]]))


def _rotation(spoiler: _Spoiler) -> np.ndarray:
    """The whole mask turned about its centre, by up to 60°."""
    row, col = spoiler.centre
    angle = 60 * spoiler.severity * spoiler.rng.choice([-1, 1])
    return spoiler.moved(cv2.getRotationMatrix2D((col, row), angle, 1.0))


def _warp(spoiler: _Spoiler) -> np.ndarray:
    """Every edge displaced by a smooth random field."""
    height, width = spoiler.mask.shape
    step = 0.3 * spoiler.length  # pixels between the drawn displacements; a cubic surface leads from one to the next
    coarse = spoiler.rng.standard_normal((2, *(max(2, round(side / step) + 1) for side in (height, width))))
    field = (cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC) for part in coarse)
    rows, cols = (0.06 * spoiler.severity * spoiler.length * part for part in field)
    at = np.mgrid[:height, :width]
    columns, lines = (at[1] + cols).astype(np.float32), (at[0] + rows).astype(np.float32)
    return cv2.remap(spoiler.mask, columns, lines, cv2.INTER_NEAREST, borderValue=0)


def _partial_deletion(spoiler: _Spoiler) -> np.ndarray:
    """A part of one label cut off by a straight line, as by a shadow."""
    recipe = {"operation": "cut", "label": spoiler.solid_label(), "angle_deg": float(spoiler.rng.uniform(0, 360))}
    return replay(spoiler.mask, recipe | {"share": 0.6 * spoiler.severity}, spoiler.scheme)


def _spur(spoiler: _Spoiler) -> np.ndarray:
    """A thin line that leads on from the far end of the measured length."""
    crown, rump = (np.array(end) for end in measure(spoiler.mask, (1.0, 1.0), spoiler.scheme).ends)
    tip = rump + 0.3 * spoiler.severity * (rump - crown)
    ends = [tuple(round(value) for value in point[::-1]) for point in (rump, tip)]
    label = spoiler.scheme.id(spoiler.scheme.solid[min(1, len(spoiler.scheme.solid) - 1)])
    return cv2.line(spoiler.mask.copy(), *ends, label, thickness=2)


def _swap(spoiler: _Spoiler) -> np.ndarray:
    """Left and right exchanged: the head where the rump is."""
    left, _, width, _ = cv2.boundingRect(spoiler.scheme.body(spoiler.mask).astype(np.uint8))
    return spoiler.moved(np.array([[-1, 0, 2 * left + width - 1], [0, 1, 0]], float))


def _neighbour(spoiler: _Spoiler) -> np.ndarray:
    """Another patient's mask."""
    return resize_labels(spoiler.other, spoiler.mask.shape)


UNSEEN = {
    "holes": Unseen("holes", _holes),
    "island": Unseen("an island", _island),
    "shift": Unseen("whole mask shifted", _shift, known_to=(HEAD.name,)),
    "rotation": Unseen("whole mask rotated", _rotation),
    "warp": Unseen("elastic warp", _warp),
    "partial-deletion": Unseen("partial deletion", _partial_deletion, known_to=(HEAD.name,)),
    "spur": Unseen("a thin spur at the far end", _spur),
    "swap": Unseen("left and right swapped", _swap, graded=False),
    "neighbour": Unseen("another patient's mask", _neighbour, graded=False),
}


def unseen_masks(cohort: Cohort, size: int, severities: Iterable[float], seed: int) -> tuple[np.ndarray, pd.DataFrame]:
    """Make every unseen error of every case's mask at every severity, and measure what it did.

    Parameters
    ----------
    cohort : Cohort
        Cases with masks.
    size : int
        Side of the masks that are returned, in pixels; errors are made and measured on the picture's own grid.
    severities : iterable of float
        From 0 (hardly an error) to 1.
    seed : int
        Each case, error and severity draws from a generator of its own.

    Returns
    -------
    (M, size, size) uint8
        The masks; first the case's own, called "none".
    DataFrame
        One row per mask: ``case``, ``patient``, ``name``, ``severity``, and its
        :func:`fusqa.study.material.prediction_record`.
    """
    scheme, cases, masks, rows = cohort.scheme, list(cohort), [], []
    kinds = {name: kind for name, kind in UNSEEN.items() if scheme.name not in kind.known_to}
    asked = [(name, severity) for name, kind in kinds.items() for severity in (severities if kind.graded else [1.0])]
    for number, case in enumerate(cases):
        others = [other for other in cases[number + 1 :] + cases[:number] if other.patient != case.patient]
        for name, severity in [("none", 0.0), *asked]:
            rng = case_generator(seed, f"{case.case}:{name}")  # one draw for all severities: only the size grows
            spoilt = (
                case.mask
                if name == "none"
                else UNSEEN[name].make(_Spoiler(case.mask, scheme, severity, rng, (others or cases)[0].mask))
            )
            masks.append(resize_labels(spoilt, (size, size)))
            about = {"case": case.case, "patient": case.patient, "name": name, "severity": severity}
            rows.append(about | prediction_record(case, spoilt, scheme))
    return np.stack(masks), pd.DataFrame(rows)
