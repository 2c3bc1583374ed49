"""Everything that is wrong with what a user names, found in one go, every image opened."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from fusqa.cohorts.manifest import CASES, CaseRow
from fusqa.cohorts.reading import Input, read_files
from fusqa.problems import Problem

__all__ = ["check"]


def check(
    cases: str | os.PathLike[str] | Input, progress: Callable[[Iterable[CaseRow]], Iterable[CaseRow]] = iter
) -> list[Problem]:
    """Return everything that is wrong with a cohort, a plain folder or a mask; the empty list if nothing is.

    Parameters
    ----------
    cases : path or Input
        What to go through; :meth:`fusqa.cohorts.reading.Input.open` takes what the files do not say.
    progress : callable
        Wraps the rows, as ``tqdm.tqdm`` does, to show how far the reading is.
    """
    cases = cases if isinstance(cases, Input) else Input.open(cases)
    problems, first_with = list(cases.problems), {}
    for row in progress(cases.rows):
        files = read_files(cases.folder, row, cases.scheme, cases.labels)
        problems += files.problems
        if files.image is not None and cases.listed:
            problems += _copies(row, files.image.pixels, first_with)
            problems += _oversized(row, files.image.pixels)
    return sorted(problems, key=lambda problem: (problem.row or 0, problem.file)) if cases.listed else problems


def _copies(row: CaseRow, image: np.ndarray, first_with: dict[bytes, CaseRow]) -> Iterator[Problem]:
    """Yield a problem if another patient has the very same image, which would stand on both sides of a split."""
    first = first_with.setdefault(hashlib.sha256(image).digest() + str(image.shape).encode(), row)
    if first.cells["patient"] != row.cells["patient"]:
        yield Problem(
            row.line,
            row.cells["image"],
            f"is the same image as {first.cells['image']} on line {first.line}, of another patient",
            "keep one of them, or give both to one patient",
        )


def _oversized(row: CaseRow, image: np.ndarray) -> Iterator[Problem]:
    """Yield a problem if the measurement cannot fit into the image: one of the two is in another unit."""
    try:
        around = 2 * (image.shape[0] * row.number("row_mm") + image.shape[1] * row.number("col_mm"))
        measure = row.number("measure_mm")
    except ValueError:  # not a number: already reported
        return
    if measure > around > 0:
        yield Problem(
            row.line,
            CASES,
            f"measure_mm is {measure:g}, but once around the whole image is {around:.3g} mm",
            "check the units of row_mm, col_mm and measure_mm",
        )
