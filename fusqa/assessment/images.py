"""What a user names -> its images alone, and the masks that somebody's segmenter drew of them.

``fusqa segment`` needs images and no masks; ``fusqa assess`` and ``fusqa train`` take a segmenter's masks from a folder
of their own, in which each is named as its case.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fusqa.cohorts.folders import KEEP_ONE, files_by_name, find_images, is_file
from fusqa.cohorts.formats import KINDS
from fusqa.cohorts.manifest import CASES, COLUMNS, CaseRow, composed, legible, path_faults, spacing_cells
from fusqa.cohorts.reading import Input
from fusqa.masks.labels import Scheme
from fusqa.problems import CohortError, Problem


def open_images(
    path: str | os.PathLike[str],
    scheme: Scheme | None = None,
    labels: str | None = None,
    spacing: tuple[float, float] | None = None,
) -> Input:
    """Look through what a user names for images, without opening one; masks, there or not, are not looked at.

    Parameters
    ----------
    path : path
        A cohort, a folder of images, a folder with ``images/``, or an image.
    scheme, labels, spacing
        As in :meth:`fusqa.cohorts.reading.Input.open`; `labels` are those of masks that are added later.

    Returns
    -------
    Input
        Its rows name no mask.

    Raises
    ------
    ValueError
        As :meth:`fusqa.cohorts.reading.Input.open`.
    """
    path, found = Path(path), Input.open(path, scheme, labels, spacing)
    if found.listed:
        return replace(found, rows=tuple(map(_without_mask, found.rows)))
    if is_file(path):
        (row,) = found.rows
        return replace(found, rows=(replace(row, cells={**row.cells, "image": path.name, "mask": ""}),))
    if not path.is_dir():
        return found  # it has the problem
    rows = tuple(_row(path, name, files, spacing) for name, files in find_images(path).items())
    fix = f"put images into it, or into images/ inside it ({', '.join(KINDS)})"
    problems = () if rows else (Problem(None, str(path), "holds no images", fix),)
    return replace(found, rows=rows, problems=problems)


def _without_mask(row: CaseRow) -> CaseRow:
    """Leave out the mask of a row, and what is wrong with its file or with its cell of the table."""
    image, mask = row.cells["image"], row.cells["mask"]

    def is_of_mask(fault: Problem) -> bool:
        of_cell = fault.file == CASES and fault.message.startswith("mask ")
        return of_cell or (fault.file == mask and fault.file != image)

    faults = tuple(fault for fault in row.faults if not is_of_mask(fault))
    return replace(row, cells={**row.cells, "mask": ""}, faults=faults)


def _row(folder: Path, case: str, files: list[str], spacing: tuple[float, float] | None) -> CaseRow:
    """Row of an image of which nothing but its file is known, and perhaps its spacing."""
    name, *others = files
    faults = [Problem(None, legible(name), *fault) for fault in path_faults(folder, name)]
    faults += [Problem(None, legible(other), f"has the name of {legible(name)}", KEEP_ONE) for other in others]
    known = {"case": legible(case), "image": legible(name)} | spacing_cells(spacing)
    return CaseRow(None, dict.fromkeys(COLUMNS, "") | known, tuple(faults))


def with_masks(cases: Input, folder: str | os.PathLike[str]) -> Input:
    """Give every case the mask that a segmenter drew of it; a case without one gets a fault.

    Parameters
    ----------
    cases : Input
        From :func:`open_images`.
    folder : path
        Masks named as the cases, as ``fusqa segment`` writes them.

    Raises
    ------
    ValueError
        If the folder holds no masks.
    """
    folder = Path(folder).absolute()  # else it would be looked for inside the cohort
    files = files_by_name(folder)
    if not files:
        raise ValueError(f"{folder} holds no masks; give the folder that fusqa segment, or another segmenter, wrote")
    return replace(cases, rows=tuple(_with_mask(row, folder, files) for row in cases.rows))


def _with_mask(row: CaseRow, folder: Path, files: Mapping[str, list[Path]]) -> CaseRow:
    """Give a row its mask."""
    if row.faults:
        return row
    try:
        return replace(row, cells={**row.cells, "mask": str(mask_of(row.case, folder, files))})
    except CohortError as error:
        return replace(row, faults=tuple(replace(problem, row=row.line) for problem in error.problems))


def mask_of(case: str, folder: Path, files: Mapping[str, list[Path]]) -> Path:
    """Find the mask of a case among the `files` of a folder, which :func:`files_by_name` lists.

    Raises
    ------
    CohortError
        If there is none, or more than one.
    """
    path, *others = files.get(composed(case)) or [None]
    if path is None:
        fix = f"add the mask of this case under its name ({', '.join(KINDS)})"
        raise CohortError([Problem(None, str(folder / case), "is not there", fix)])
    if others:
        raise CohortError([Problem(None, str(path), f"has the name of {others[0].name}", KEEP_ONE)])
    return path
