"""Errors of a mask that no altered mask shows, each by how severe it is.

A quality model that learnt from the paper's alterations has seen labels grow, shrink, vanish, flip and swap names.
The errors here are of other kinds. They serve to test models, never to train them. Their sizes are our choice, given
as shares of the body's longest side, so that a severity means the same for a small fetus and a large one.
"""

from collections.abc import Callable, Sequence
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

SEVERITIES = (0.2, 0.5, 1.0)  # at which models are tested


@dataclass(frozen=True)
class Unseen:
    """One kind of error.

    Attributes
    ----------
    title : str
        Its name in print.
    make : callable
        ``(request) -> (H, W) uint8``: the mask with the error.
    graded : bool
        Whether severity changes it.
    known_to : tuple of str
        Schemes whose altered masks hold this error already; there it is not unseen.
    """

    title: str
    make: Callable[["_Request"], np.ndarray]
    graded: bool = True
    known_to: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Request:
    """A mask that is to get an error, how severe the error is, and where chance comes from."""

    mask: np.ndarray
    scheme: Scheme
    severity: float
    rng: np.random.Generator
    other: np.ndarray

    @property
    def length(self) -> float:
        """Longest side of the box around the body in pixels; sizes of errors are shares of it."""
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
        """Move every label by an affine map (2, 3) of (column, row); what moves in from outside is background."""
        size = self.mask.shape[::-1]
        return cv2.warpAffine(self.mask, matrix, size, flags=cv2.INTER_NEAREST, borderValue=0)


def _holes(request: _Request) -> np.ndarray:
    """Three discs of background inside the body."""
    out = request.mask.copy()
    for _ in range(3):
        row, col = request.place()
        cv2.circle(out, (col, row), max(1, round(0.12 * request.severity * request.length)), 0, cv2.FILLED)
    return out


def _island(request: _Request) -> np.ndarray:
    """A disc of one label off the body, as when other tissue is mistaken for the fetus: farther away, and larger."""
    row, col = request.centre + (0.6 + 0.3 * request.severity) * request.length * request.direction()
    height, width = request.mask.shape
    centre = int(np.clip(col, 0, width - 1)), int(np.clip(row, 0, height - 1))
    out, radius = request.mask.copy(), max(1, round((0.02 + 0.06 * request.severity) * request.length))
    return cv2.circle(out, centre, radius, request.scheme.id(request.solid_label()), cv2.FILLED)


def _shift(request: _Request) -> np.ndarray:
    """The whole mask moved to one side of the fetus."""
    rows, cols = 0.5 * request.severity * request.length * request.direction()
    return request.moved(np.array([[1, 0, cols], [0, 1, rows]]))


def _rotation(request: _Request) -> np.ndarray:
    """The whole mask turned about its centre, by up to 60°."""
    row, col = request.centre
    angle = 60 * request.severity * request.rng.choice([-1, 1])
    return request.moved(cv2.getRotationMatrix2D((col, row), angle, 1.0))


def _warp(request: _Request) -> np.ndarray:
    """Every edge displaced by a smooth random field."""
    height, width = request.mask.shape
    step = 0.3 * request.length  # pixels between the drawn displacements; a cubic surface leads from one to the next
    coarse = request.rng.standard_normal((2, *(max(2, round(side / step) + 1) for side in (height, width))))
    field = (cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC) for part in coarse)
    rows, cols = (0.06 * request.severity * request.length * part for part in field)
    at = np.mgrid[:height, :width]
    columns, lines = (at[1] + cols).astype(np.float32), (at[0] + rows).astype(np.float32)
    return cv2.remap(request.mask, columns, lines, cv2.INTER_NEAREST, borderValue=0)


def _partial_deletion(request: _Request) -> np.ndarray:
    """A part of one label cut off by a straight line, as by a shadow."""
    recipe = {"operation": "cut", "label": request.solid_label(), "angle_deg": float(request.rng.uniform(0, 360))}
    return replay(request.mask, recipe | {"share": 0.6 * request.severity}, request.scheme)


def _spur(request: _Request) -> np.ndarray:
    """A thin line that extends the measured length beyond its far end."""
    crown, rump = (np.array(end) for end in measure(request.mask, (1.0, 1.0), request.scheme).ends)
    tip = rump + 0.3 * request.severity * (rump - crown)
    ends = [tuple(round(value) for value in point[::-1]) for point in (rump, tip)]
    label = request.scheme.id(request.scheme.solid[min(1, len(request.scheme.solid) - 1)])
    return cv2.line(request.mask.copy(), *ends, label, thickness=2)


def _swap(request: _Request) -> np.ndarray:
    """Left and right exchanged: the head where the rump is."""
    left, _, width, _ = cv2.boundingRect(request.scheme.body(request.mask).astype(np.uint8))
    return request.moved(np.array([[-1, 0, 2 * left + width - 1], [0, 1, 0]], float))


def _neighbour(request: _Request) -> np.ndarray:
    """Another patient's mask."""
    return resize_labels(request.other, request.mask.shape)


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


def unseen_masks(cohort: Cohort, size: int, severities: Sequence[float], seed: int) -> tuple[np.ndarray, pd.DataFrame]:
    """Put every unseen error into every case's mask at every severity, and measure its effect.

    Parameters
    ----------
    cohort : Cohort
        Cases with masks.
    size : int
        Side of the masks that are returned, in pixels; errors are made and measured on the image's own grid.
    severities : sequence of float
        From 0 (hardly an error) to 1.
    seed : int
        Each case and error draws from a generator of its own.

    Returns
    -------
    (M, size, size) uint8
        The masks; the first of each case is its own, called "none".
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
            request = _Request(case.mask, scheme, severity, rng, (others or cases)[0].mask)
            mask = case.mask if name == "none" else UNSEEN[name].make(request)
            masks.append(resize_labels(mask, (size, size)))
            about = {"case": case.case, "patient": case.patient, "name": name, "severity": severity}
            rows.append(about | prediction_record(case, mask, scheme))
    return np.stack(masks), pd.DataFrame(rows)
