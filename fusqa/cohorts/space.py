"""Where the pixels of a slice lie in space: which way up a file is read, and a mask laid onto its image.

NIfTI, NRRD and MetaImage store an array in any order of its axes, and say beside it where the axes point. Two files of
one scene may therefore hold arrays that are mirrored or transposed against each other. Space here is NIfTI's, in
millimetres: x rises towards the patient's right, y towards the front, z towards the head (R, A, S).
"""

from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

PARALLEL = 0.02  # chosen: sine of the angle, about one degree, up to which two axes are one
HALF_PIXEL = 0.5


@dataclass(frozen=True, eq=False)
class Place:
    """Pixel (row, col) of an array lies at ``origin + row * down + col * right``.

    Attributes
    ----------
    origin, down, right : (3,) float64
        In millimetres; `down` is the step from one row to the next, `right` from one column to the next.
    """

    origin: np.ndarray
    down: np.ndarray
    right: np.ndarray

    @property
    def spacing(self) -> tuple[float, float]:
        """(row_mm, col_mm)."""
        return float(np.linalg.norm(self.down)), float(np.linalg.norm(self.right))

    @property
    def is_default(self) -> bool:
        """Whether it is what programs write where nobody has placed the pixels: steps of 1 along the axes from 0."""
        steps = np.abs(np.stack([self.right, self.down]))
        return not self.origin.any() and np.allclose(steps, np.eye(3)[:2]) and self.right.sum() == self.down.sum()

    @property
    def is_usable(self) -> bool:
        """Whether the numbers place anything: finite, and two steps that differ in direction."""
        normal = np.cross(self.down, self.right)
        return bool(np.isfinite([self.origin, *self._steps, normal]).all() and np.linalg.norm(normal) > 0)

    @property
    def _steps(self) -> np.ndarray:
        return np.stack([self.down, self.right])

    @property
    def directions(self) -> np.ndarray:
        """Unit vectors of `down` and `right`, ``(2, 3)``."""
        return self._steps / np.linalg.norm(self._steps, axis=1, keepdims=True)

    def transposed(self) -> "Place":
        """Place of the transposed array."""
        return replace(self, down=self.right, right=self.down)

    def flipped(self, axis: int, length: int) -> "Place":
        """Place of the array that is mirrored along `axis`, 0 or 1, of the given length."""
        name = ("down", "right")[axis]
        step = getattr(self, name)
        return replace(self, origin=self.origin + (length - 1) * step, **{name: -step})


def upright(pixels: np.ndarray, place: Place) -> tuple[np.ndarray, Place, bool]:
    """Turn a slice so that its rows run down and its columns to the right, as far as its place says so.

    Columns follow the earlier axis of space and rows the later one. Both then rise, as tools write that know of no
    patient, or both fall, as in DICOM, or else the array is stored mirrored and its rows are reversed.

    Returns
    -------
    pixels, place, turned : (H, W), Place, bool
        `turned` is whether anything was done.
    """
    down, right = place.directions
    columns, rows = max(permutations(range(3), 2), key=lambda axes: abs(right[axes[0]]) + abs(down[axes[1]]))
    turned = columns > rows
    if turned:
        pixels, place, columns, rows = pixels.T, place.transposed(), rows, columns
        down, right = right, down
    if right[columns] * down[rows] < 0:
        pixels, place, turned = pixels[::-1], place.flipped(0, len(pixels)), True
    return pixels, place, turned


def lie_across(mask: Place, image: Place) -> bool:
    """Whether the rows of one are the columns of the other, as far as they are parallel."""
    between = np.abs(mask.directions @ image.directions.T)
    return bool(np.trace(between) < np.trace(between[::-1]))


def laid_onto(mask: np.ndarray, place: Place, image: Place, compare_mm: bool) -> np.ndarray:
    """Return the mask's array in the order of its image's array, mirrored as their places say.

    Parameters
    ----------
    mask : (H, W)
        Labels, at `place`, which does not lie across the image's.
    image : Place
        Of the image.
    compare_mm : bool
        Whether both are in known millimetres, so that they must also lie at the same spot.

    Raises
    ------
    ValueError
        If the two do not lie along the same axes, or not at one spot.
    """
    between = place.directions @ image.directions.T  # rows: mask's down, right; columns: image's
    order = np.rint(between)
    if not (np.abs(between - order).max() < PARALLEL and np.array_equal(np.abs(order), np.eye(2))):
        said = "lies at another angle in space than its image"
        raise ValueError(f"{said}; export both from one program, in the same position")
    for axis in (0, 1):
        if order[axis, axis] < 0:
            mask, place = np.flip(mask, axis), place.flipped(axis, mask.shape[axis])
    apart = float(np.abs(place.origin - image.origin).max())
    if compare_mm and apart > HALF_PIXEL * max(image.spacing):
        said = f"lies {apart:.3g} mm away from its image in space"
        raise ValueError(f"{said}; copy the image's header onto the mask if they show the same, or export both anew")
    return mask
