"""A plain folder of images and masks, or one mask, without a table -> the rows that a table would have.

- ``images/`` and ``masks/``, an image and its mask having one name but for the ending;
- pairs side by side, the mask's name being the image's with one of :data:`ENDINGS`;
- ``masks/`` without ``images/``, or a folder in which no name has such an ending: masks alone.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from fusqa.cohorts.formats import KINDS, ending_of
from fusqa.cohorts.manifest import CASES, COLUMNS, INFO, CaseRow, path_faults
from fusqa.problems import Problem

__all__ = ["ENDINGS", "files_by_name", "find_cases", "is_file"]

ENDINGS = ("_mask", "_seg", "_segmentation", "_label", "_labels", "_annotation")
"""How the name of a mask may end beside that of its image, in small letters."""


def is_file(path: Path) -> bool:
    """Whether somebody names a file rather than a folder, by its name if it is not there."""
    return path.is_file() or (ending_of(path.name) != "" and not path.is_dir())


def find_cases(path: Path) -> tuple[list[CaseRow], list[Problem]]:
    """List the cases of a folder, sorted by name, without opening a file; what lies deeper is not looked for.

    A file is a mask of its own.

    Returns
    -------
    rows, problems : list of CaseRow, list of Problem
        Rows without a line, a patient and numbers; and why there is no row.
    """
    if is_file(path):
        return [_row(_name(path), mask=path.name)], []
    if not path.is_dir():
        return [], [Problem(None, str(path), "is not a folder", f"give the folder that holds {CASES} and {INFO}")]
    images, masks, duplicates = _found(path)
    if not masks:
        fix = f"put masks into masks/ and images of the same names into images/ ({', '.join(KINDS)})"
        return [], [Problem(None, str(path), f"has neither {CASES} nor masks", fix)]
    rows = []
    for name in sorted(images.keys() | masks.keys()):
        files = {"image": images.get(name, ""), "mask": masks.get(name, "")}
        faults = *_missing(files, bool(images)), *_outside(path, files), *duplicates.get(name, ())
        rows.append(_row(name, faults, **files))
    return rows, []


def files_by_name(folder: Path) -> dict[str, list[Path]]:
    """Files of a folder that can be read, by their names without the ending, both in order."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if ending_of(path.name) and not path.name.startswith("."):
            found.setdefault(_name(path), []).append(path)
    return found


def _name(path: Path) -> str:
    """Name of a file without its ending, of which ``.nii.gz`` is one."""
    return path.name[: len(path.name) - len(ending_of(path.name))]


def _row(name: str, faults: tuple[Problem, ...] = (), **files: str) -> CaseRow:
    """Row of a case of which nothing but its files is known."""
    return CaseRow(None, dict.fromkeys(COLUMNS, "") | {"case": name} | files, faults)


def _found(folder: Path) -> tuple[dict[str, str], dict[str, str], dict[str, list[Problem]]]:
    """Return images and masks by the names of their cases, and the names that several files claim."""
    if (folder / "masks").is_dir():
        claims = [
            (name, kind, paths) for kind in ("images", "masks") for name, paths in files_by_name(folder / kind).items()
        ]
    else:
        claims = [(*_case_of(name), paths) for name, paths in files_by_name(folder).items()]
        if not any(kind == "masks" for _, kind, _ in claims):
            claims = [(name, "masks", paths) for name, _, paths in claims]
    found: dict[str, dict[str, str]] = {"images": {}, "masks": {}}
    duplicates: dict[str, list[Problem]] = {}
    for name, kind, paths in claims:
        for file in (path.relative_to(folder).as_posix() for path in paths):
            first = found[kind].setdefault(name, file)
            if first != file:
                fix = "keep one of them: which is meant is not known"
                duplicates.setdefault(name, []).append(Problem(None, file, f"has the name of {first}", fix))
    return found["images"], found["masks"], duplicates


def _case_of(name: str) -> tuple[str, str]:
    """Name of the case that a file belongs to, and whether it is one of its "images" or "masks"."""
    for ending in sorted(ENDINGS, key=len, reverse=True):
        if name.lower().endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)], "masks"
    return name, "images"


def _missing(files: Mapping[str, str], with_images: bool) -> Iterator[Problem]:
    """Yield why a name has no pair, in a folder that has images."""
    if not files["mask"]:
        yield Problem(None, files["image"], "has no mask", "add a mask of the same name, or take the image away")
    if with_images and not files["image"]:
        yield Problem(None, files["mask"], "has no image", "add an image of the same name, or take the mask away")


def _outside(folder: Path, files: Mapping[str, str]) -> Iterator[Problem]:
    """Yield why a file may not be opened."""
    for name in filter(None, files.values()):
        for message, fix in path_faults(folder, name):
            yield Problem(None, name, message, fix)
