"""A plain folder of images and masks, or one mask, without a table -> the rows that a table would have.

- ``images/`` and ``masks/``, and folders within them, an image and its mask having one name but for the ending;
- pairs side by side, the mask's name being the image's with one of :data:`ENDINGS`;
- ``masks/`` without ``images/``, or a folder in which no name has such an ending: masks alone.

What is not looked at is named: a file that nobody mentions is a file that somebody misses.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from fusqa.cohorts.formats import KINDS, ending_of, kind_by_content
from fusqa.cohorts.manifest import CASES, COLUMNS, INFO, CaseRow, composed, legible, path_faults
from fusqa.cohorts.polygons import annotated_images, file_and_member, is_annotation, member_stem
from fusqa.problems import CohortError, Problem

ENDINGS = ("_mask", "_seg", "_segmentation", "_label", "_labels", "_annotation")
"""How the name of a mask may end beside that of its image, in small letters."""

KEEP_ONE = "keep one of them: which is meant is not known"

Claims = dict[str, list[str]]
"""Files, by their paths from the folder, under the name of the case that they claim."""


def is_file(path: Path) -> bool:
    """Whether somebody names a file rather than a folder, by its name if it is not there."""
    return path.is_file() or (ending_of(path.name) != "" and not path.is_dir())


def find_cases(path: Path) -> tuple[list[CaseRow], list[Problem], list[str]]:
    """List the cases of a folder, sorted by name. Files without a known ending are judged by their first bytes.

    A single file counts as a mask without an image.

    Returns
    -------
    rows, problems, aside : list of CaseRow, list of Problem, list of str
        Rows without a line, a patient and numbers; why there is none; files and folders that were not looked at.
    """
    if is_file(path):
        name = path.name
        unprintable = tuple(_outside(path.parent, {"mask": name})) if legible(name) != name else ()
        return [_row(legible(_name(name)), unprintable, mask=legible(name))], [], []
    if not path.is_dir():
        fix = f"give the folder that holds {CASES} and {INFO}"
        return [], [Problem(None, str(path), "is not a folder", fix)], []
    two = _two_folders(path)
    try:
        images, masks = _claims_of_two(path, *two) if two else _claims_side_by_side(path)
    except CohortError as error:
        return [], list(error.problems), []
    used = [file for claims in (images, masks) for files in claims.values() for file in files]
    aside = left_aside(path, used, [where for where in two if where] if two else [""])
    if not masks:
        fix = f"put masks into masks/ and images of the same names into images/ ({', '.join(KINDS)})"
        return [], [Problem(None, str(path), f"has neither {CASES} nor masks", fix)], aside
    with_images = bool(two[0] if two else images)
    return list(_rows(path, images, masks, with_images)), [], aside


def find_images(path: Path) -> Claims:
    """List the images of a folder under the names that their cases have in :func:`find_cases`, sorted by name.

    They are those of ``images/``, or of the folder itself; what is a mask by its name or its place is left out.

    Raises
    ------
    CohortError
        If a folder within is a link, or may not be read.
    """
    folders = inner_folders(path)
    if "images" not in folders:
        images = _by_role(path)[0]
    elif "masks" in folders:
        images = _claims_of_two(path, folders["images"], folders["masks"])[0]
    else:
        (images,) = _in_short(_claims(path, _readable(path, folders["images"], deep=True), folders["images"]))
    listed = {name: [file for file in files if not _is_json(file)] for name, files in sorted(images.items())}
    return {name: files for name, files in listed.items() if files}


def files_by_name(folder: Path) -> dict[str, list[Path]]:
    """Files of a folder, and of folders within, that can be read, by their names without the ending, both in order.

    A file has the name of its path within the folder; its own name is enough where no path is the same.

    Raises
    ------
    CohortError
        If it is no folder, and as :func:`find_images`.
    """
    if not folder.is_dir():
        raise CohortError([Problem(None, str(folder), "is not a folder", "give the folder that holds the masks")])
    own: dict[str, list[Path]] = {}
    within: dict[str, list[Path]] = {}
    for file in _readable(folder, "", deep=True):
        name = composed(_name(file))
        own.setdefault(name.rpartition("/")[2], []).append(folder / file)
        within.setdefault(name, []).append(folder / file)
    return own | within


def left_aside(folder: Path, used: Sequence[str], looked_through: Sequence[str]) -> list[str]:
    """Name what lies in a folder and is not used: files of the folders looked through, and other folders as such."""
    taken = {CASES, INFO}
    taken |= {PurePosixPath(file_and_member(name)[0]).as_posix() for name in used}  # ./images//1.png is images/1.png
    deep = [where for where in looked_through if where]
    found = [file for where in looked_through for file in _files(folder, where, deep=bool(where))]
    found += [problem.file for where in deep for problem in _closed(folder, where)]
    if deep:
        found += _files(folder, "", deep=False)
    within = {where.partition("/")[0] for where in deep}
    found += [f"{entry.name}/" for entry in os.scandir(folder) if entry.is_dir() and entry.name not in within]
    return sorted({legible(name) for name in found if name not in taken and not name.startswith(".")})


def _name(file: str) -> str:
    """Name of a file without its ending, of which ``.nii.gz`` is one."""
    return file[: len(file) - len(ending_of(file))]


def _is_json(file: str) -> bool:
    """Whether a file, or that in which a member lies, holds polygons by its name."""
    return file_and_member(file)[0].lower().endswith(".json")


def _row(name: str, faults: tuple[Problem, ...] = (), **files: str) -> CaseRow:
    """Row of a case of which nothing but its files is known."""
    return CaseRow(None, dict.fromkeys(COLUMNS, "") | {"case": name} | files, faults)


def inner_folders(path: Path) -> dict[str, str]:
    """Names of the folders in a folder, by their names in small letters."""
    return {name.lower(): name for name in sorted(entry.name for entry in os.scandir(path) if entry.is_dir())}


def _two_folders(path: Path) -> tuple[str, str] | None:
    """Names of the folders of images and of masks, in small or capital letters; None without one of masks."""
    folders = inner_folders(path)
    return (folders.get("images", ""), folders["masks"]) if "masks" in folders else None


def _files(folder: Path, where: str, deep: bool) -> Iterator[str]:
    """Yield the files in a folder, by their paths from `folder`, without those of :func:`_closed` folders."""
    for at, folders, files in os.walk(folder / where):
        folders[:] = sorted(name for name in folders if deep and not name.startswith("."))
        inner = Path(at).relative_to(folder)
        yield from ((inner / name).as_posix() for name in sorted(files) if not name.startswith("."))


def _closed(folder: Path, where: str) -> Iterator[Problem]:
    """Yield the inner folders whose files are not seen: links, which might lead anywhere, and forbidden ones."""
    refused: list[OSError] = []
    for at, folders, _ in os.walk(folder / where, onerror=refused.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for link in (inner for name in folders if (inner := Path(at, name)).is_symlink()):
            fix = "put the folder itself in its place"
            yield Problem(None, legible(f"{link.relative_to(folder).as_posix()}/"), "is a link to a folder", fix)
    for error in refused:
        name = legible(f"{Path(error.filename).relative_to(folder).as_posix()}/")
        yield Problem(None, name, f"cannot be read ({error.strerror})", "allow it to be read, or take it away")


def _readable(folder: Path, where: str, deep: bool) -> Iterator[str]:
    """Yield the files that a reader is there for: by their ending, or by their content in JSON and without one.

    Raises
    ------
    CohortError
        If there are folders within whose files are not seen: a cohort would seem to be complete.
    """
    if deep and (closed := list(_closed(folder, where))):
        raise CohortError(closed)
    for file in _files(folder, where, deep):
        name = file.rpartition("/")[2]
        if name in (CASES, INFO) or name.upper() == "DICOMDIR":
            continue
        ending = ending_of(name)
        if is_annotation(folder / file) if ending == ".json" else ending or kind_by_content(folder / file):
            yield file


def _claims(folder: Path, files: Iterator[str], inside: str) -> Claims:
    """Put files under the names of their cases: their paths within `inside`, without the ending."""
    claims: Claims = {}
    for file in files:
        members = annotated_images(folder / file) if file.lower().endswith(".json") else None
        if members is None:
            claims.setdefault(composed(_name(file.removeprefix(f"{inside}/"))), []).append(file)
        for member in members or ():
            claims.setdefault(composed(member_stem(member)), []).append(f"{file}#{member}")
    return claims


def _claims_of_two(folder: Path, images: str, masks: str) -> tuple[Claims, Claims]:
    """Images and masks by name; where the folders within the two differ, the files' own names pair them."""
    pictures = _claims(folder, _readable(folder, images, deep=True), images) if images else {}
    drawn = _claims(folder, _readable(folder, masks, deep=True), masks)
    alone = [{name for name in one if name not in other} for one, other in ((pictures, drawn), (drawn, pictures))]
    short = [Counter(name.rpartition("/")[2] for name in names) for names in (pictures, drawn)]
    by_short = {name.rpartition("/")[2]: name for name in alone[0]}
    for name in alone[1]:
        own = name.rpartition("/")[2]
        if short[0][own] == short[1][own] == 1:
            drawn[by_short[own]] = drawn.pop(name)
    return _in_short(pictures, drawn)


def _in_short(*found: Claims) -> tuple[Claims, ...]:
    """Name cases by their files' own names, where no two of all are the same."""
    names = Counter(name.rpartition("/")[2] for name in set().union(*found))
    return tuple({own if names[own := name.rpartition("/")[2]] == 1 else name: files for name, files in claims.items()}
                 for claims in found)  # fmt: skip


def _claims_side_by_side(folder: Path) -> tuple[Claims, Claims]:
    """Images and masks of one folder; where none is a mask by its name, all are."""
    images, masks = _by_role(folder)
    return (images, masks) if masks else ({}, images)


def _by_role(folder: Path) -> tuple[Claims, Claims]:
    """Images and masks of one folder, told apart by the endings of their names; polygons are always masks."""
    images: Claims = {}
    masks: Claims = {}
    for name, files in _claims(folder, _readable(folder, "", deep=False), "").items():
        case, is_mask = _case_of(name)
        for file in files:
            (masks if is_mask or _is_json(file) else images).setdefault(case, []).append(file)
    return images, masks


def _case_of(name: str) -> tuple[str, bool]:
    """Name of the case that a file belongs to, and whether it is a mask by its name."""
    for ending in sorted(ENDINGS, key=len, reverse=True):
        if name.lower().endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)], True
    return name, False


def _rows(folder: Path, images: Claims, masks: Claims, with_images: bool) -> Iterator[CaseRow]:
    for name in sorted(images.keys() | masks.keys()):
        found = {"image": images.get(name, []), "mask": masks.get(name, [])}
        files = {column: claimed[0] if claimed else "" for column, claimed in found.items()}
        faults = [*_missing(files, with_images), *_outside(folder, files)]
        for first, *others in filter(None, found.values()):
            faults += [Problem(None, legible(file), f"has the name of {legible(first)}", KEEP_ONE) for file in others]
        # A name that is no text is not opened, and only its legible form goes into tables.
        yield _row(legible(name), tuple(faults), **{column: legible(file) for column, file in files.items()})


def _missing(files: Mapping[str, str], with_images: bool) -> Iterator[Problem]:
    """Yield why a name has no pair, in a folder that has images."""
    if not files["mask"]:
        fix = "add a mask of the same name, or take the image away"
        yield Problem(None, legible(files["image"]), "has no mask", fix)
    if with_images and not files["image"]:
        fix = "add an image of the same name, or take the mask away"
        yield Problem(None, legible(files["mask"]), "has no image", fix)


def _outside(folder: Path, files: Mapping[str, str]) -> Iterator[Problem]:
    """Yield why a file may not be opened."""
    for name in filter(None, files.values()):
        for message, fix in path_faults(folder, name):
            yield Problem(None, legible(name), message, fix)
