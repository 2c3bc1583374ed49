"""What a file holds: pixels, and whatever it states of their spacing, their place in space and their names."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from fusqa.cohorts.space import Place

LARGEST = 2**25  # pixels: sixteen times what a scanner stores, less than what a forged header could make us allocate
SAME_SPACING = 0.02  # chosen: two statements of a spacing that differ by less agree
NEAR_WHOLE = 1e-3  # chosen: a label that was stored with a scale, 51 × 1/51, comes back as 0.99999998
SAVE_IMAGE = "save the image as an 8-bit grey PNG without transparency"
SAVE_MASK = "save the mask as an 8-bit grey PNG whose pixel values are the label numbers (no palette, no colours)"


class UnfitFile(Exception):
    """A file that is not what is needed: (what is wrong, fix)."""


def in_words(error: Exception) -> str:
    """All that a foreign reader says, on one line."""
    return " ".join(str(error).split()) or type(error).__name__


class Spacing(NamedTuple):
    """One statement of a pixel spacing in millimetres, and where a file makes it."""

    row_mm: float
    col_mm: float
    source: str

    @property
    def is_usable(self) -> bool:
        """Whether it is two lengths above zero."""
        return bool(np.isfinite(self[:2]).all() and min(self[:2]) > 0)

    @property
    def is_default(self) -> bool:
        """Whether it is 1 × 1 mm, which programs write where nobody has stated a spacing."""
        return np.allclose((self.row_mm, self.col_mm), 1, rtol=1e-6)


def alike(one: Iterable[float], other: Iterable[float]) -> bool:
    """Whether two spacings agree as far as rounding and units let them."""
    return bool(np.allclose(tuple(one)[:2], tuple(other)[:2], rtol=SAME_SPACING))


@dataclass(frozen=True, eq=False)
class StoredImage:
    """What a file holds.

    Attributes
    ----------
    pixels : (H, W)
        ``uint8`` grey levels of an ultrasound image, integers of any width of a mask.
    stated : tuple of Spacing
        Every usable statement of the pixel spacing, the one that counts first.
    place : Place or None
        Where the pixels lie in space, where the file says so.
    names : dict of int to str
        What the file itself calls its label numbers.
    numbered : bool
        Whether those numbers stand in the file; polygons have names alone.
    orientation : str
        What decided which way up the pixels are, in words.
    turned : bool
        Whether that was guessed from the place alone, so that somebody should compare it with the screen.
    warnings : tuple of str
        What to beware of.
    """

    pixels: np.ndarray
    stated: tuple[Spacing, ...] = ()
    place: Place | None = None
    names: Mapping[int, str] = field(default_factory=dict)
    numbered: bool = True
    orientation: str = "as stored"
    turned: bool = False
    warnings: tuple[str, ...] = ()

    def transposed(self) -> "StoredImage":
        """Return the same with rows for columns."""
        stated = tuple(Spacing(one.col_mm, one.row_mm, one.source) for one in self.stated)
        return replace(self, pixels=self.pixels.T, stated=stated, place=self.place and self.place.transposed())

    @property
    def spacings(self) -> Iterator[Spacing]:
        """The statements that somebody made, without what a program writes for none."""
        return (one for one in self.stated if not one.is_default)

    @property
    def spacing(self) -> tuple[float, float] | None:
        """(row_mm, col_mm) that counts, where the file states one."""
        return next((one[:2] for one in self.spacings), None)


def require_size(width: int, height: int) -> None:
    """Refuse a header that claims a size which no image has."""
    if min(width, height) < 1 or width * height > LARGEST:
        said = f"claims {width} × {height} pixels, and no more than {LARGEST} in all are read"
        raise UnfitFile(said, "export the image in the size that the scanner stores")


def whole_numbers(values: np.ndarray, highest: int) -> np.ndarray | None:
    """Round what is within a thousandth of a whole number from 0 to `highest`; None if anything else is there."""
    values = values.astype(np.float64)  # holds every number of 32 bits
    with np.errstate(invalid="ignore"):  # NaN is no number
        rounded = np.rint(values)
        fits = (rounded >= 0) & (rounded <= highest) & (np.abs(values - rounded) <= NEAR_WHOLE)
    return rounded.astype(np.int64) if fits.all() else None
