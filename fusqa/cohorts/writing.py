"""A cohort -> the disk: images, masks and a table, of which only what can be read back is written."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fusqa import __version__
from fusqa.cohorts.cohort import Cohort
from fusqa.cohorts.formats import write_image
from fusqa.cohorts.manifest import CASES, COLUMNS, INFO, NAME_FIX, CaseRow, is_file_name, row_problems, table_problems
from fusqa.cohorts.reading import Case, mask_faults
from fusqa.files import remove_unfinished, write_csv, write_json
from fusqa.masks.labels import Scheme
from fusqa.problems import CohortError, Problem

__all__ = ["write_cohort"]


def write_cohort(
    folder: str | os.PathLike[str],
    cases: Iterable[Case],
    *,
    scheme: Scheme,
    source: str,
    licence: str,
    seed: int | None = None,
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
    scheme, source, licence, seed, simulated
        Go into ``cohort.json``, with the version of this package.
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
    remove_unfinished(folder)
    about = {"scheme": scheme.name, "source": source, "licence": licence}
    about |= {"seed": seed, "version": __version__, "simulated": simulated}
    write_json(folder / INFO, about)  # a cohort from now on, if unfinished: nobody takes it for a plain folder of pairs
    rows = [_write_case(folder, case, scheme, line) for line, case in enumerate(cases, start=2)]
    problems = [problem for row in rows for problem in row_problems(folder, row)]
    problems += table_problems(rows) if rows else [Problem(None, str(folder), "no case to write", "give at least one")]
    if problems:
        raise CohortError(problems)
    write_json(folder / INFO, about | dict(notes or {}))
    write_csv(folder / CASES, pd.DataFrame([row.cells for row in rows], columns=list(COLUMNS)))
    return Cohort.open(folder)


def _write_case(folder: Path, case: Case, scheme: Scheme, line: int) -> CaseRow:
    """Write the files of a case and return its row of the table."""
    faults = list(_case_faults(case, scheme))
    if faults:
        raise CohortError(Problem(line, f"case {case.case!r}", *fault) for fault in faults)
    image, mask = f"images/{case.case}.png", f"masks/{case.case}.png"
    write_image(folder / image, case.image)
    if case.mask is None:
        mask = ""
    else:
        write_image(folder / mask, case.mask)
    numbers = (*case.spacing, case.measure_mm, case.ga_days)
    cells = (case.case, case.patient, case.site, image, mask, *map(_written, numbers))
    return CaseRow(line, dict(zip(COLUMNS, cells, strict=True)))


def _case_faults(case: Case, scheme: Scheme) -> Iterator[tuple[str, str]]:
    """Yield why the files of `case` could not be written, or not be read back."""
    if not (case.case and is_file_name(case.case)):
        yield "cannot name a file", NAME_FIX
    if case.image.ndim != 2 or case.image.dtype != np.uint8:
        yield f"has an image that is {case.image.shape} {case.image.dtype}", "give (H, W) uint8"
    elif case.mask is not None:
        yield from mask_faults(case.mask, case.image.shape, scheme)


def _written(number: float | None) -> str:
    """Render a number in full precision; nothing for what is not known."""
    return "" if number is None or np.isnan(number) else repr(float(number))
