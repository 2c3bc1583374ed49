"""A cohort on disk: pictures, masks and a table, opened, checked, written, and split by patient.

::

    cohort.json    scheme, source, licence, seed, version, simulated
    cases.csv      case, patient, site, image, mask, row_mm, col_mm, measure_mm, ga_days
    images/*.png   8-bit grey
    masks/*.png    8-bit label numbers
                   (or another format of fusqa.cohorts.formats)

Patients are split, never images: two pictures of one fetus look alike, and a model that has seen the one has nearly
seen the other. `mask`, `measure_mm` and `ga_days` may be empty.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from fusqa import __version__
from fusqa.cohorts.formats import Picture, read_image, read_mask
from fusqa.cohorts.manifest import (
    CASES,
    COLUMNS,
    INFO,
    NUMBERS,
    Row,
    is_file_name,
    read_info,
    read_rows,
    row_problems,
    table_problems,
)
from fusqa.cohorts.pictures import write_picture
from fusqa.files import write_csv, write_json
from fusqa.masks.labels import SCHEMES, Renumbering, Scheme
from fusqa.masks.length import check_spacing
from fusqa.problems import CohortError, Problem

__all__ = [
    "Case",
    "Cohort",
    "CohortError",
    "Problem",
    "check",
    "entries",
    "patient_order",
    "read_case",
    "renumbered",
    "write_cohort",
]

SAME_SPACING = 0.02  # chosen: two statements of a spacing that differ by less agree


@dataclass(frozen=True, eq=False)
class Case:
    """One picture with what is known of it.

    Attributes
    ----------
    case, patient, site : str
        Names; pictures of one `patient` never part.
    image : (H, W) uint8 or None
        The ultrasound picture; None where only masks are to be judged, never in a cohort.
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
class Cohort:
    """The cases of a folder, or some of them; pictures are read when they are asked for.

    Attributes
    ----------
    folder : Path
        Where the cohort lies.
    info : dict
        ``cohort.json``.
    table : DataFrame
        ``cases.csv``: text as `str` ("" where empty), numbers as `float64` (NaN where empty), rows numbered from 0.
    lines : (N,) int
        The line of ``cases.csv`` that each case stands on, for messages.

    Examples
    --------
    >>> cohort = Cohort.open("build/simulated/A")                     # doctest: +SKIP
    >>> training, validation = cohort.split(validation=0.1, seed=0)   # doctest: +SKIP
    """

    folder: Path
    info: Mapping[str, Any]
    table: pd.DataFrame
    lines: np.ndarray

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> "Cohort":
        """Open the cohort in `folder`, checking all but the pictures' contents.

        Raises
        ------
        CohortError
            With every problem of ``cases.csv`` and ``cohort.json``.
        """
        folder = Path(folder)
        info, rows, problems = _read_manifest(folder)
        if problems:
            raise CohortError(problems)
        return cls(folder, info, _table(rows), np.array([row.line for row in rows]))

    @property
    def scheme(self) -> Scheme:
        """What the masks name and what is measured on them."""
        return SCHEMES[self.info["scheme"]]

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[Case]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, index: int) -> Case:
        """Read case number `index`; :class:`CohortError` with all that is wrong with its pictures."""
        return _case(self.folder, int(self.lines[index]), self.table.iloc[index], self.scheme)

    def subset(self, rows: np.ndarray) -> "Cohort":
        """Return the cohort of some rows: their numbers, or one boolean for each row."""
        numbers = np.arange(len(self))[np.asarray(rows)]
        return replace(self, table=self.table.iloc[numbers].reset_index(drop=True), lines=self.lines[numbers])

    def at_site(self, site: str) -> "Cohort":
        """Return the cases of one site.

        Raises
        ------
        ValueError
            If no case is from there.
        """
        chosen = (self.table["site"] == site).to_numpy()
        if not chosen.any():
            raise ValueError(f"{self.folder} has no case of site '{site}', only of {sorted(set(self.table['site']))}")
        return self.subset(chosen)

    def at_most(self, cases: int, seed: int = 0) -> "Cohort":
        """Return the patients, in :func:`patient_order`, whose pictures together are not more than `cases`."""
        pictures = self.table["patient"].value_counts()
        order = patient_order(self.table["patient"], seed)
        taken = [patient for patient, total in zip(order, pictures[order].cumsum(), strict=True) if total <= cases]
        return self.subset(self.table["patient"].isin(taken).to_numpy())

    def split(self, validation: float = 0.1, seed: int = 0) -> tuple["Cohort", "Cohort"]:
        """Part the patients into a training and a validation cohort.

        Parameters
        ----------
        validation : float
            Share of the patients, 0 … 1, that go to the validation cohort: rounded, at least one, never all.
        seed : int
            Another seed, another split.

        Raises
        ------
        ValueError
            If `validation` is not between 0 and 1, or there are fewer than two patients.
        """
        if not 0 < validation < 1:
            raise ValueError(f"validation is {validation}; give a share of the patients between 0 and 1")
        order = patient_order(self.table["patient"], seed)
        _require_patients(len(order), 2)
        held_out = order[: min(max(round(validation * len(order)), 1), len(order) - 1)]
        chosen = self.table["patient"].isin(held_out).to_numpy()
        return self.subset(~chosen), self.subset(chosen)

    def folds(self, k: int, seed: int = 0) -> np.ndarray:
        """Give every case its fold in a `k`-fold cross-validation, ``(N,)`` ``int``; a patient lies in one fold.

        Raises
        ------
        ValueError
            If `k` is below 2 or there are fewer patients than folds.
        """
        if k < 2:
            raise ValueError(f"{k} folds cannot be cross-validated; give 2 or more")
        order = patient_order(self.table["patient"], seed)
        _require_patients(len(order), k)
        fold = {patient: rank * k // len(order) for rank, patient in enumerate(order)}
        return self.table["patient"].map(fold).to_numpy(int)

    def stack(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Read the whole cohort into memory at network size.

        Parameters
        ----------
        size : int
            Side of the square that every picture is squeezed to, in pixels. The aspect is not kept (as in the
            paper), so nothing may be measured on the result.

        Returns
        -------
        images, masks : (N, size, size) uint8
            Pictures averaged over the area of each new pixel, labels taken from the nearest old one.

        Raises
        ------
        CohortError
            If a case has no mask.
        """
        images = np.empty((len(self), size, size), np.uint8)
        masks = np.empty_like(images)
        for index, case in enumerate(self):
            if case.mask is None:
                line = int(self.lines[index])
                raise CohortError([Problem(line, CASES, "has no mask", "add one, or leave the case out with subset")])
            images[index] = cv2.resize(case.image, (size, size), interpolation=cv2.INTER_AREA)
            # Not INTER_NEAREST: it takes a corner of each new pixel, and so shifts the labels against the picture.
            masks[index] = cv2.resize(case.mask, (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
        return images, masks


def entries(folder: str | os.PathLike[str]) -> tuple[Scheme, list[tuple[Row, tuple[Problem, ...]]]]:
    """Return a cohort's scheme and every row of its table with what is wrong with it, for those who go on past faults.

    Raises
    ------
    CohortError
        If ``cohort.json`` cannot be used or ``cases.csv`` has no row that can be read.
    """
    info, rows, problems = _read_manifest(Path(folder))
    if not (info and rows):
        raise CohortError(problems)
    faults: dict[int | None, list[Problem]] = {}
    for problem in problems:
        faults.setdefault(problem.row, []).append(problem)
    known = {row.line: row for row in rows}
    broken = {line: Row(line, dict.fromkeys(COLUMNS, "")) for line in faults if line is not None and line not in known}
    found = sorted((known | broken).items())
    return SCHEMES[info["scheme"]], [(row, tuple(faults.get(line, ()))) for line, row in found]


def read_case(folder: Path, row: Row, scheme: Scheme, labels: Renumbering | None = None) -> Case:
    """Read the case of one sound row; :class:`CohortError` with all that is wrong with its pictures.

    Parameters
    ----------
    folder, row, scheme
        Where, what, and what its labels mean.
    labels : Renumbering, optional
        For masks whose numbers are not the scheme's.
    """
    return _case(folder, row.line, row.cells | {column: row.number(column) for column in NUMBERS}, scheme, labels)


def _case(
    folder: Path, line: int | None, record: Mapping[str, Any], scheme: Scheme, labels: Renumbering | None = None
) -> Case:
    """Read one case; `record` has its columns, numbers as numbers, and `line` is for messages."""
    image, mask, problems = _read_pictures(folder, record["image"], record["mask"], scheme, labels)
    told = (record["row_mm"], record["col_mm"])
    try:
        spacing, warnings = _spacing(told, [picture.spacing for picture in (image, mask) if picture])
    except ValueError as error:
        if not problems:  # a file that cannot be read states no spacing either
            problems.append(Problem.told(record["image"] or record["mask"], error))
    if problems:
        raise CohortError(replace(problem, row=line) for problem in problems)
    return Case(
        case=record["case"],
        patient=record["patient"],
        site=record["site"],
        image=image and image.pixels,
        mask=mask and mask.pixels,
        spacing=spacing,
        measure_mm=_known(record["measure_mm"]),
        ga_days=_known(record["ga_days"]),
        warnings=warnings,
    )


def _spacing(
    told: tuple[float, float], stated: Iterable[tuple[float, float] | None]
) -> tuple[tuple[float, float], tuple[str, ...]]:
    """Return the spacing in mm that counts, what was told before what a file states; and a warning if they differ."""
    known = [] if np.isnan(told).any() else [told]
    known += [spacing for spacing in stated if spacing]
    if not known:
        raise ValueError(
            "states no pixel spacing; give --spacing, or list the pictures with their row_mm and col_mm in a cases.csv"
        )
    used = check_spacing(known[0])
    return used, tuple(
        f"a file states a pixel spacing of {row:g} × {col:g} mm, {used[0]:g} × {used[1]:g} mm were used"
        for row, col in known[1:]
        if not np.allclose((row, col), used, rtol=SAME_SPACING)
    )


def patient_order(patients: Iterable[str], seed: int) -> list[str]:
    """Put the different `patients` into an order that is random, yet hangs on their names and the seed alone.

    A shuffled list would change for everybody when rows are sorted or one patient is added.
    """
    return sorted(set(patients), key=lambda patient: hashlib.sha256(f"{seed}:{patient}".encode()).digest())


def check(
    folder: str | os.PathLike[str],
    progress: Callable[[Iterable[Row]], Iterable[Row]] = iter,
    labels: Renumbering | None = None,
) -> list[Problem]:
    """Return everything that is wrong with a cohort, its pictures included; the empty list if nothing is.

    Parameters
    ----------
    folder : path
        The cohort.
    progress : callable
        Wraps the list of rows, as ``tqdm.tqdm`` does, to show how far the reading is.
    labels : Renumbering, optional
        For masks whose numbers are not the scheme's.
    """
    folder = Path(folder)
    info, rows, problems = _read_manifest(folder)
    scheme = SCHEMES.get(info.get("scheme"))
    unusable = {(problem.row, problem.file) for problem in problems}
    seen: dict[bytes, Row] = {}
    for row in progress(rows):
        names = [row.cells[column] for column in ("image", "mask")]
        image_name, mask_name = ("" if (row.line, name) in unusable else name for name in names)
        image, _, faults = _read_pictures(folder, image_name, mask_name, scheme, labels)
        problems += [replace(fault, row=row.line) for fault in faults]
        if image is not None:
            problems += _copies(row, image.pixels, seen)
            problems += _oversized(row, image.pixels)
    return sorted(problems, key=lambda problem: (problem.row or 0, problem.file))


def write_cohort(
    folder: str | os.PathLike[str],
    cases: Iterable[Case],
    *,
    scheme: Scheme,
    source: str,
    licence: str,
    seed: int | None = None,
    version: str = __version__,
    simulated: bool = False,
    notes: Mapping[str, Any] | None = None,
) -> Cohort:
    """Write `cases`, one at a time as they come, and open the result.

    ``cases.csv`` is written last: a cohort that was interrupted cannot be opened, and can be written again.

    Parameters
    ----------
    folder : path
        A folder that holds no ``cases.csv``.
    cases : iterable of Case
        May be a generator; one case is in memory at a time.
    scheme, source, licence, seed, version, simulated
        Go into ``cohort.json``; `version` is that of the program that made the cohort.
    notes : mapping, optional
        Further entries of ``cohort.json``.

    Raises
    ------
    CohortError
        If `folder` already holds a cohort, or a case could not be read back.
    """
    folder = Path(folder)
    if (folder / CASES).exists():
        raise CohortError(
            [Problem(None, str(folder / CASES), "is there already", "choose another folder or remove this one")]
        )
    about = {"scheme": scheme.name, "source": source, "licence": licence}
    about |= {"seed": seed, "version": version, "simulated": simulated}
    write_json(folder / INFO, about)  # a cohort from now on, if unfinished: nobody takes it for a plain folder of pairs
    rows = [_write_case(folder, case, scheme, line) for line, case in enumerate(cases, start=2)]
    problems = [problem for row in rows for problem in row_problems(folder, row)]
    problems += table_problems(rows) if rows else [Problem(None, str(folder), "no case to write", "give at least one")]
    if problems:
        raise CohortError(problems)
    write_json(folder / INFO, about | dict(notes or {}))
    write_csv(folder / CASES, pd.DataFrame([row.cells for row in rows], columns=list(COLUMNS)))
    return Cohort.open(folder)


def _read_manifest(folder: Path) -> tuple[dict[str, Any], list[Row], list[Problem]]:
    """Read ``cohort.json`` and ``cases.csv``, each as far as it can be read, with the problems of both."""
    if not folder.is_dir():
        mend = f"give the folder that holds {CASES} and {INFO}"
        return {}, [], [Problem(None, str(folder), "is no folder", mend)]
    info, problems = read_info(folder)
    rows, faults = read_rows(folder)
    problems += faults
    for row in rows:
        problems += row_problems(folder, row)
    problems += table_problems(rows)
    return info, rows, problems


def _table(rows: list[Row]) -> pd.DataFrame:
    text = [column for column in COLUMNS if column not in NUMBERS]
    columns = {column: [row.cells[column] for row in rows] for column in text}
    columns |= {column: np.array([row.number(column) for row in rows]) for column in NUMBERS}
    return pd.DataFrame(columns, columns=list(COLUMNS))


def _read_pictures(
    folder: Path, image_name: str, mask_name: str, scheme: Scheme | None, labels: Renumbering | None
) -> tuple[Picture | None, Picture | None, list[Problem]]:
    """Read the two pictures of a case, each as far as it can be read; an empty name is a picture left out."""
    pictures: list[Picture | None] = [None, None]
    problems: list[Problem] = []
    for number, (name, read) in enumerate(((image_name, read_image), (mask_name, read_mask))):
        try:
            pictures[number] = read(folder / name) if name else None
        except CohortError as error:
            problems += [replace(problem, file=name) for problem in error.problems]
    image, mask = pictures
    if mask is not None:
        try:
            mask = replace(mask, pixels=renumbered(mask.pixels, labels))
        except ValueError as error:
            problems.append(Problem.told(mask_name, error))
        else:
            shape = image and image.pixels.shape
            problems += [Problem(None, mask_name, *fault) for fault in _mask_faults(mask.pixels, shape, scheme)]
    return image, mask, problems


def renumbered(mask: np.ndarray, labels: Renumbering | None) -> np.ndarray:
    """Mask as ``uint8``, in the scheme's numbers where `labels` says what its own stand for."""
    if labels:
        return labels(mask)
    if mask.max(initial=0) > 255:
        found = np.unique(mask[mask > 255])[:8].tolist()
        raise ValueError(f"labels {found} are in no scheme; say what they stand for with --labels")
    return mask.astype(np.uint8, copy=False)


def _mask_faults(
    mask: np.ndarray, image_shape: tuple[int, int] | None, scheme: Scheme | None
) -> Iterator[tuple[str, str]]:
    """Yield (what is wrong, mend) of a mask beside its picture."""
    if image_shape not in (None, mask.shape):
        yield (
            f"is {mask.shape[1]} × {mask.shape[0]} pixels, its picture {image_shape[1]} × {image_shape[0]}",
            "export both at one size: scaling either would change what is measured",
        )
    if not mask.any():
        yield "is empty: every pixel is background", "draw the structures, or leave the mask's cell empty"
    try:
        if scheme is not None:
            scheme.require(mask)
    except ValueError as error:
        fault = Problem.told("", error)
        yield fault.message, fault.mend


def _copies(row: Row, image: np.ndarray, seen: dict[bytes, Row]) -> Iterator[Problem]:
    """Yield a problem if another patient has the very same picture, which would stand on both sides of a split."""
    first = seen.setdefault(hashlib.sha256(image).digest() + str(image.shape).encode(), row)
    if first.cells["patient"] != row.cells["patient"]:
        yield Problem(
            row.line,
            row.cells["image"],
            f"is the same picture as {first.cells['image']} on line {first.line}, of another patient",
            "keep one of them, or give both to one patient",
        )


def _oversized(row: Row, image: np.ndarray) -> Iterator[Problem]:
    """Yield a problem if the measurement cannot fit into the picture: one of the two is in another unit."""
    try:
        around = 2 * (image.shape[0] * row.number("row_mm") + image.shape[1] * row.number("col_mm"))
        measure = row.number("measure_mm")
    except ValueError:  # no number: already reported
        return
    if measure > around > 0:
        yield Problem(
            row.line,
            CASES,
            f"measure_mm is {measure:g}, but once around the whole picture is {around:.3g} mm",
            "check the units of row_mm, col_mm and measure_mm",
        )


def _write_case(folder: Path, case: Case, scheme: Scheme, line: int) -> Row:
    """Write the pictures of a case and return its row of the table."""
    faults = list(_case_faults(case, scheme))
    if faults:
        raise CohortError(Problem(line, f"case {case.case!r}", *fault) for fault in faults)
    image, mask = f"images/{case.case}.png", f"masks/{case.case}.png"
    write_picture(folder / image, case.image)
    if case.mask is None:
        mask = ""
    else:
        write_picture(folder / mask, case.mask)
    numbers = (*case.spacing, case.measure_mm, case.ga_days)
    cells = (case.case, case.patient, case.site, image, mask, *map(_written, numbers))
    return Row(line, dict(zip(COLUMNS, cells, strict=True)))


def _case_faults(case: Case, scheme: Scheme) -> Iterator[tuple[str, str]]:
    """Yield why the pictures of `case` could not be written, or not be read back."""
    if not (case.case and is_file_name(case.case)):
        yield "cannot name a file", "use no slash, backslash or control character"
    if case.image.ndim != 2 or case.image.dtype != np.uint8:
        yield f"has a picture that is {case.image.shape} {case.image.dtype}", "give (H, W) uint8"
    elif case.mask is not None:
        yield from _mask_faults(case.mask, case.image.shape, scheme)


def _written(number: float | None) -> str:
    """Render a number in full precision; nothing for what is not known."""
    return "" if number is None or np.isnan(number) else repr(float(number))


def _known(number: float) -> float | None:
    return None if np.isnan(number) else float(number)


def _require_patients(found: int, needed: int) -> None:
    if found < needed:
        raise ValueError(f"{found} patients cannot be parted into {needed}; give more patients or fewer parts")
