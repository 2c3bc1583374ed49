"""What a user names -> its cases: the one door that check, assess, train and measure read through.

A user names a documented cohort (:mod:`fusqa.cohorts.manifest`), a plain folder (:mod:`fusqa.cohorts.folders`), or one
mask. :class:`Input` lists its cases and reads them one by one, whichever it is; it carries what the user said of the
files: scheme, label numbers and pixel spacing. A spacing comes from the user or the table first, and else from the
files, as far as their formats (:mod:`fusqa.cohorts.formats`) state it.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fusqa.cohorts.folders import find_cases, is_file
from fusqa.cohorts.formats import StoredImage, read_image, read_mask
from fusqa.cohorts.manifest import CASES, INFO, CaseRow, read_manifest
from fusqa.masks.labels import FETUS, SCHEMES, Renumbering, Scheme
from fusqa.masks.length import check_spacing
from fusqa.masks.measurement import Measurement, describe
from fusqa.problems import CohortError, Problem, message_and_fix

__all__ = ["Case", "Input", "RowFiles", "mask_faults", "read_files", "read_labels"]

SAME_SPACING = 0.02  # chosen: two statements of a spacing that differ by less agree


@dataclass(frozen=True, eq=False)
class Case:
    """One image with what is known of it.

    Attributes
    ----------
    case, patient, site : str
        Names; images of one `patient` never part.
    image : (H, W) uint8 or None
        The ultrasound image; None where only masks are to be judged, never in a cohort.
    mask : (H, W) uint8 or None
        The reference labels.
    spacing : (float, float)
        Millimetres from one row to the next, and from one column to the next.
    measure_mm : float or None
        What an expert measured: crown-rump length or head circumference, by the cohort's scheme.
    ga_days : float or None
        Gestational age in days.
    warnings : tuple of str
        What to beware of in its files.
    """

    case: str
    patient: str
    site: str
    image: np.ndarray | None
    mask: np.ndarray | None
    spacing: tuple[float, float]
    measure_mm: float | None = None
    ga_days: float | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Input:
    """The cases of a cohort, of a plain folder or of one file, and how to read one.

    Attributes
    ----------
    folder : Path
        Where the files lie.
    scheme : Scheme or None
        What the labels mean; None where ``cohort.json`` should say so and does not.
    rows : tuple of :class:`fusqa.cohorts.manifest.CaseRow`
        Every case, with what is wrong with it before a file is opened.
    labels : Renumbering or None
        For masks whose numbers are not the scheme's.
    info : mapping
        ``cohort.json``; empty for a plain folder.
    listed : bool
        Whether there is a table, ``cases.csv``.
    problems : tuple of :class:`fusqa.problems.Problem`
        Why it cannot be used as a whole; the rows have their own faults.
    """

    folder: Path
    scheme: Scheme | None
    rows: tuple[CaseRow, ...]
    labels: Renumbering | None
    info: Mapping[str, Any]
    listed: bool
    problems: tuple[Problem, ...]

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        scheme: Scheme | None = None,
        labels: str | None = None,
        spacing: tuple[float, float] | None = None,
    ) -> "Input":
        """Look through what a user names, without opening an image; what is wrong is kept in `problems`.

        Parameters
        ----------
        path : path
            A cohort, a plain folder, or a mask.
        scheme : Scheme, optional
            What the labels mean. By default a cohort's own, and :data:`fusqa.masks.labels.FETUS` without a cohort.
        labels : str, optional
            What the masks' own numbers stand for, as :meth:`fusqa.masks.labels.Renumbering.parse` reads it.
        spacing : (row_mm, col_mm), optional
            Of every image that no table lists; counts before what the files state.

        Raises
        ------
        ValueError
            If labels or spacing cannot be used, a cohort is of another scheme, or a spacing is given for a cohort,
            which has its own.
        """
        path, info = Path(path), {}
        listed = path.is_dir() and any((path / name).exists() for name in (CASES, INFO))
        if spacing and listed:
            raise ValueError(f"{path} gives the spacing of each image in {CASES}; leave out --spacing")
        if listed:
            info, rows, problems = read_manifest(path)
        else:
            rows, problems = find_cases(path)
        if spacing:
            given = dict(zip(("row_mm", "col_mm"), map(repr, check_spacing(spacing)), strict=True))
            rows = [replace(row, cells={**row.cells, **given}) for row in rows]
        own = SCHEMES.get(info.get("scheme")) if listed else scheme or FETUS
        if own and scheme not in (None, own):
            raise ValueError(
                f"{path} has labels of scheme '{own.name}', asked for was '{scheme.name}'; "
                "give a model, or --scheme, of the cohort's scheme"
            )
        numbers = Renumbering.parse(labels, own) if labels and own else None
        folder = path.parent if is_file(path) else path
        return cls(folder, own, tuple(rows), numbers, info, listed, tuple(problems))

    def __len__(self) -> int:
        return len(self.rows)

    def usable(self) -> "Input":
        """Return itself; :class:`CohortError` with all that is known to be wrong if there is nothing to go through."""
        if self.problems:
            raise CohortError(self.known_problems())
        return self

    def known_problems(self) -> list[Problem]:
        """Everything that is known to be wrong before a file is opened."""
        return [*self.problems, *(fault for row in self.rows for fault in row.faults)]

    def read(self, row: CaseRow) -> Case:
        """Read one of the cases; it may be without image or mask.

        Raises
        ------
        CohortError
            With all that is wrong with the row and its files.
        """
        files = read_files(self.folder, row, self.scheme, self.labels)
        if files.problems:
            raise CohortError(files.problems)
        return Case(
            case=row.case,
            patient=row.cells["patient"],
            site=row.cells["site"],
            image=files.image and files.image.pixels,
            mask=files.mask and files.mask.pixels,
            spacing=files.spacing,
            measure_mm=_known(row.number("measure_mm")),
            ga_days=_known(row.number("ga_days")),
            warnings=files.warnings,
        )

    def measure(self) -> Measurement:
        """Measure the one mask that was named; a head may be drawn in any number.

        Raises
        ------
        CohortError
            If it cannot be read, its spacing is not known, or nothing can be measured.
        ValueError
            If a folder was named.
        """
        row, *others = self.usable().rows
        if others or row.line or row.faults or row.cells["image"]:
            raise ValueError(f"{self.folder} is a folder; give one mask, or use fusqa assess")
        path = self.folder / row.cells["mask"]
        mask = read_labels(path, self.labels)
        try:
            spacing, warnings = _spacing(row, [mask])
            found = describe(mask.pixels, spacing, self.scheme)
        except ValueError as error:
            raise CohortError([Problem(None, str(path), *message_and_fix(error))]) from None
        return replace(found, warnings=(*warnings, *found.warnings))

    def digest(self) -> bytes:
        """Return a fingerprint of what is read: every row, and size and date of every file."""
        digest = hashlib.sha256(repr((self.scheme.name, self.labels)).encode())
        for row in self.rows:
            files = (self.folder / row.cells[kind] for kind in ("image", "mask") if row.cells[kind])
            dates = [(file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()]
            digest.update(repr((row, dates)).encode())
        return digest.digest()


@dataclass(frozen=True, eq=False)
class RowFiles:
    """What could be read of one row's files; `problems` says what could not, and what is wrong with the row."""

    image: StoredImage | None
    mask: StoredImage | None
    spacing: tuple[float, float] | None
    warnings: tuple[str, ...]
    problems: tuple[Problem, ...]


def read_files(folder: Path, row: CaseRow, scheme: Scheme | None, labels: Renumbering | None) -> RowFiles:
    """Read image and mask of a row, each as far as it can be read; a file that the row's faults name is left out."""
    problems, unusable = list(row.faults), {fault.file for fault in row.faults}
    read: dict[str, StoredImage | None] = {"image": None, "mask": None}
    for column, reader in (("image", read_image), ("mask", lambda path: read_labels(path, labels))):
        name = row.cells[column]
        if name and name not in unusable:
            try:
                read[column] = reader(folder / name)
            except CohortError as error:
                problems += [replace(problem, row=row.line, file=name) for problem in error.problems]
    image, mask = read.values()
    if mask is not None:
        faults = mask_faults(mask.pixels, image and image.pixels.shape, scheme)
        problems += [Problem(row.line, row.cells["mask"], *fault) for fault in faults]
    spacing, warnings = None, ()
    if not problems:  # a file that cannot be read states no spacing either
        try:
            spacing, warnings = _spacing(row, [image, mask])
        except ValueError as error:
            problems.append(Problem(row.line, row.cells["image"] or row.cells["mask"], *message_and_fix(error)))
    return RowFiles(image, mask, spacing, warnings, tuple(problems))


def read_labels(path: Path, labels: Renumbering | None) -> StoredImage:
    """Read a mask as ``uint8``, in the scheme's numbers where `labels` says what its own stand for.

    Raises
    ------
    CohortError
        If it cannot be read, or has a number that stands for nothing.
    """
    stored = read_mask(path)
    try:
        if labels:
            return replace(stored, pixels=labels(stored.pixels))
        if stored.pixels.max(initial=0) > 255:
            found = np.unique(stored.pixels[stored.pixels > 255])[:8].tolist()
            raise ValueError(f"labels {found} are in no scheme; say what they stand for with --labels")
    except ValueError as error:
        raise CohortError([Problem(None, str(path), *message_and_fix(error))]) from None
    return replace(stored, pixels=stored.pixels.astype(np.uint8, copy=False))


def mask_faults(
    mask: np.ndarray, image_shape: tuple[int, int] | None, scheme: Scheme | None
) -> Iterator[tuple[str, str]]:
    """Yield (what is wrong, fix) of a mask beside its image."""
    if image_shape not in (None, mask.shape):
        yield (
            f"is {mask.shape[1]} × {mask.shape[0]} pixels, its image {image_shape[1]} × {image_shape[0]}",
            "export both at one size: scaling either would change what is measured",
        )
    if not mask.any():
        yield "is empty: every pixel is background", "draw the structures, or leave the mask's cell empty"
    try:
        if scheme is not None:
            scheme.require(mask)
    except ValueError as error:
        yield message_and_fix(error)


def _spacing(row: CaseRow, files: Sequence[StoredImage | None]) -> tuple[tuple[float, float], tuple[str, ...]]:
    """Return the spacing in mm that counts, the row's before what a file states; and a warning if they differ."""
    given = row.number("row_mm"), row.number("col_mm")
    known = [] if np.isnan(given).any() else [given]
    known += [file.spacing for file in files if file and file.spacing]
    if not known:
        raise ValueError(
            "states no pixel spacing; give --spacing, or list the images with their row_mm and col_mm in a cases.csv"
        )
    used = check_spacing(known[0])
    return used, tuple(
        f"a file states a pixel spacing of {row_mm:g} × {col_mm:g} mm, {used[0]:g} × {used[1]:g} mm were used"
        for row_mm, col_mm in known[1:]
        if not np.allclose((row_mm, col_mm), used, rtol=SAME_SPACING)
    )


def _known(number: float) -> float | None:
    return None if np.isnan(number) else float(number)
