"""A cohort -> the disk: images, masks and a table, of which only what can be read back is written."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fusqa import __version__
from fusqa.cohorts import manifest
from fusqa.cohorts.cohort import Cohort
from fusqa.cohorts.formats import write_image
from fusqa.cohorts.manifest import CASES, COLUMNS, INFO, CaseRow
from fusqa.cohorts.reading import Case, mask_faults
from fusqa.files import remove_unfinished, write_csv, write_json
from fusqa.masks.labels import Scheme
from fusqa.problems import CohortError, Problem

IMAGES, MASKS = "images", "masks"
NAMED = 4  # files in the way that an error names


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

    ``cases.csv`` is written last: a cohort that was interrupted cannot be opened, and can be written again. Nothing
    else is written over.

    Parameters
    ----------
    folder : path
        A folder that is empty, is not there, or holds what an interrupted run for the same cohort left.
    cases : iterable of Case
        May be a generator; one case is in memory at a time.
    scheme, source, licence, seed, simulated
        Go into ``cohort.json``, with the version of this package.
    notes : mapping, optional
        Further entries of ``cohort.json``.

    Raises
    ------
    CohortError
        If `folder` already holds a cohort, or anything else, or a case could not be read back.
    """
    folder = Path(folder)
    about = {"scheme": scheme.name, "source": source, "licence": licence}
    about |= {"seed": seed, "version": __version__, "simulated": simulated}
    _require_free(folder, about)
    for where in (folder, folder / IMAGES, folder / MASKS):
        remove_unfinished(where, below=False)
    write_json(folder / INFO, about)  # a cohort from now on, if unfinished: nobody takes it for a plain folder of pairs
    rows = [_write_case(folder, case, scheme, line) for line, case in enumerate(cases, start=2)]
    problems = [problem for row in rows for problem in manifest.row_problems(folder, row)]
    none = Problem(None, str(folder), "no case to write", "give at least one")
    problems += manifest.table_problems(rows) if rows else [none]
    if problems:
        raise CohortError(problems)
    write_json(folder / INFO, about | dict(notes or {}))
    write_csv(folder / CASES, pd.DataFrame([row.cells for row in rows], columns=list(COLUMNS)))
    return Cohort.open(folder)


def _require_free(folder: Path, about: Mapping[str, Any]) -> None:
    """Raise :class:`CohortError` where somebody's files are in the way; hidden ones, as of a file manager, are not."""
    there = sorted(path.name for path in folder.iterdir() if path.name[0] != ".") if folder.is_dir() else []
    if CASES in there:
        where, message = folder / CASES, "is there already"
    elif there and not (_is_unfinished(folder, about) and {INFO, IMAGES, MASKS}.issuperset(there)):
        named = ", ".join(there[:NAMED]) + ", …" * (len(there) > NAMED)
        where, message = folder, f"holds files already that an unfinished run for this cohort did not leave ({named})"
    else:
        return
    raise CohortError([Problem(None, str(where), message, "choose another folder or remove this one")])


def _is_unfinished(folder: Path, about: Mapping[str, Any]) -> bool:
    """Whether a folder without a table is described as the cohort that is to be written; notes may have been added."""
    try:
        info = json.loads((folder / INFO).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(info, dict) and all(name in info and info[name] == value for name, value in about.items())


def _write_case(folder: Path, case: Case, scheme: Scheme, line: int) -> CaseRow:
    """Write the files of a case and return its row of the table."""
    faults = list(_case_faults(case, scheme))
    if faults:
        raise CohortError(Problem(line, f"case {case.case!r}", *fault) for fault in faults)
    names = [manifest.composed(name) for name in (case.case, case.patient, case.site)]
    image, mask = f"{IMAGES}/{names[0]}.png", f"{MASKS}/{names[0]}.png"
    write_image(folder / image, case.image)
    if case.mask is None:
        mask = ""
    else:
        write_image(folder / mask, case.mask)
    numbers = (*case.spacing, case.measure_mm, case.ga_days)
    cells = (*names, image, mask, *map(_written, numbers))
    return CaseRow(line, dict(zip(COLUMNS, cells, strict=True)))


def _case_faults(case: Case, scheme: Scheme) -> Iterator[tuple[str, str]]:
    """Yield why the files of `case` could not be written, or not be read back."""
    if not (case.case and manifest.is_file_name(case.case)):
        yield "cannot name a file", manifest.NAME_FIX
    if case.image is None:
        yield "has no image", "give one, (H, W) uint8"
    elif case.image.ndim != 2 or case.image.dtype != np.uint8:
        yield f"has an image that is {case.image.shape} {case.image.dtype}", "give (H, W) uint8"
    elif case.mask is not None:
        yield from mask_faults(case.mask, case.image.shape, scheme)


def _written(number: float | None) -> str:
    """Render a number in full precision; nothing for what is not known."""
    return "" if number is None or np.isnan(number) else repr(float(number))
