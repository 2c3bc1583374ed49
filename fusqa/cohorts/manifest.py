"""Read and check what describes a cohort, ``cases.csv`` and ``cohort.json``, without opening an image.

What a row may hold is data (:data:`COLUMNS`, :data:`NUMBERS`, :data:`UNIQUE`). Every rule yields problems and none
stops at the first, so that a hospital fixes its table in one go rather than in twenty.
"""

import csv
import io
import json
import math
import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from fusqa.cohorts.polygons import file_and_member
from fusqa.masks.labels import SCHEMES
from fusqa.masks.length import SPACING_RANGE_MM, check_spacing
from fusqa.problems import CohortError, Problem

CASES = "cases.csv"
INFO = "cohort.json"
NAMES = ("case", "patient", "site")
COLUMNS = (*NAMES, "image", "mask", "row_mm", "col_mm", "measure_mm", "ga_days")


@dataclass(frozen=True)
class Number:
    """A column of numbers: its unit, its plausible range, and what a value outside usually means."""

    unit: str
    low: float
    high: float
    optional: bool
    below: str
    above: str


# The ranges catch another unit, not an unusual fetus: wide enough for any scanner and any week.
_CENTIMETRES, _WEEKS = "that looks like centimetres: multiply by 10", "that looks like weeks: multiply by 7"
_OF_EMBRYO = f"{_CENTIMETRES}, or fill in ga_days if it is an embryo's"
_SPACING = Number("mm", *SPACING_RANGE_MM, False, _CENTIMETRES, "that looks like another unit: give mm a pixel")
NUMBERS = {
    "row_mm": _SPACING,
    "col_mm": _SPACING,
    "measure_mm": Number("mm", 10, 500, True, _OF_EMBRYO, "that looks like pixels: give mm"),
    "ga_days": Number("days", 35, 315, True, _WEEKS, "give days since the last menstrual period"),
}

# An embryo may be smaller. By Hadlock's equation, which begins at 2 mm, 2 cm are reached at 60 days: a length of 2 to
# 10 before that day is not in centimetres.
EMBRYO_MM, EMBRYO_DAYS = 2, 60

LONGEST_NAME = 235  # bytes: disks take 255, and _segmentation.nii.gz behind the name of a case needs the others
NAME_FIX = f"use at most {LONGEST_NAME} bytes, no slash, backslash or control character, and no dot in front"

# A column whose values may occur once only, and why a second one is a fault.
UNIQUE = {
    "case": "give every case a name of its own",
    "image": "list every image once: listed twice it counts double",
    "mask": "give every image a mask of its own",
}

_REQUIRED_INFO = {
    "scheme": f'add "scheme": one of {", ".join(SCHEMES)}',
    "source": 'add "source": where the images come from, in words',
    "licence": 'add "licence": what may be done with them, in words',
}


@dataclass(frozen=True)
class CaseRow:
    """One case before its files are opened.

    Attributes
    ----------
    line : int or None
        Line of ``cases.csv`` on which it starts (the header is line 1); None for a case found without a table.
    cells : mapping
        Text by column, :data:`COLUMNS`; empty for what is not known.
    faults : tuple of :class:`fusqa.problems.Problem`
        What is wrong with the row itself.
    """

    line: int | None
    cells: Mapping[str, str]
    faults: tuple[Problem, ...] = ()

    @property
    def case(self) -> str:
        """Name of the case."""
        return self.cells["case"]

    def number(self, column: str) -> float:
        """Return the number in `column`, NaN where the cell is empty; ``ValueError`` if it is not a number."""
        return decimal(self.cells[column] or "nan")


def read_manifest(folder: Path) -> tuple[dict[str, Any], list[CaseRow], list[Problem]]:
    """Read ``cohort.json`` and ``cases.csv``, each as far as it can be read.

    Returns
    -------
    info : dict
        ``cohort.json``; empty where it cannot be used.
    rows : list of CaseRow
        Every row with its faults; a row that cannot be split into cells has empty ones.
    problems : list of Problem
        What is wrong with the two files as such.
    """
    info, problems = _read_info(folder)
    rows, faults = read_rows(folder)
    files = [{column: as_on_disk(folder, row.cells[column]) for column in ("image", "mask")} for row in rows]
    rows = [replace(row, cells={**row.cells, **named}) for row, named in zip(rows, files, strict=True)]
    if not rows:
        return info, [], problems + faults
    by_line: dict[int, list[Problem]] = {row.line: list(row_problems(folder, row)) for row in rows}
    for fault in (*faults, *table_problems(rows)):
        by_line.setdefault(fault.row, []).append(fault)
    cells = {row.line: row.cells for row in rows}
    blank = dict.fromkeys(COLUMNS, "")
    found = [CaseRow(line, cells.get(line, blank), tuple(faults)) for line, faults in sorted(by_line.items())]
    return info, found, problems


def read_rows(folder: Path) -> tuple[list[CaseRow], list[Problem]]:
    """Read the rows of ``cases.csv`` as text, without judging what they hold.

    A byte-order mark, CRLF line ends and blank lines, as spreadsheets leave them, change nothing and are accepted.
    Names are composed, so that a patient whose accents two systems write in two ways is one.

    Returns
    -------
    rows, problems : list of CaseRow, list of Problem
        The rows that can be read, and why others cannot: no file, no UTF-8, another separator, wrong columns,
        broken quotes, too many or too few cells, no row at all.
    """
    try:
        lines = _split(_text(folder, CASES))
    except CohortError as error:
        return [], list(error.problems)
    if not lines:
        return [], [_fault(1, "is empty", f"begin with a line that names the columns: {', '.join(COLUMNS)}")]
    (first, header), *body = lines
    problems = list(_header_problems(first, header))
    if not (problems or body):
        problems = [_fault(first, "lists no case", "add a line for every image")]
    if problems:
        return [], problems
    whole = [(line, dict(zip(header, cells, strict=True))) for line, cells in body if len(cells) == len(header)]
    rows = [CaseRow(line, cells | {column: composed(cells[column]) for column in NAMES}) for line, cells in whole]
    fix = "leave a cell empty rather than out, use decimal points, and quote text that has a comma"
    uneven = [(line, len(cells)) for line, cells in body if len(cells) != len(header)]
    return rows, [_fault(line, f"has {found} cells, the header has {len(header)}", fix) for line, found in uneven]


def _read_info(folder: Path) -> tuple[dict[str, Any], list[Problem]]:
    """Read ``cohort.json``; the optional `seed`, `version` and `simulated` are filled in.

    Returns
    -------
    info, problems : dict, list of Problem
        `info` is empty where there are problems: no file, no JSON object, no source or licence, unknown scheme.
    """
    try:
        info = json.loads(_text(folder, INFO))
    except CohortError as error:
        return {}, list(error.problems)
    except json.JSONDecodeError as error:
        return {}, [Problem(None, INFO, f"is not JSON ({error})", "correct it at that place")]
    if not isinstance(info, dict):
        return {}, [Problem(None, INFO, "does not hold an object", 'write { "scheme": …, "source": …, "licence": … }')]
    problems = list(_info_problems(info))
    return ({} if problems else {"seed": None, "version": None, "simulated": False} | info), problems


def row_problems(folder: Path, row: CaseRow) -> Iterator[Problem]:
    """Yield what is wrong with one row by itself."""
    for column in ("case", "patient", "site", "image"):
        if not row.cells[column]:
            yield _fault(row.line, f"{column} is missing", f"fill in the {column}")
    if not is_file_name(row.cells["case"]):
        yield _fault(row.line, f"case {row.cells['case']!r} cannot name a file", NAME_FIX)
    for column in NUMBERS:
        if column == "measure_mm" and _is_of_embryo(row):
            continue
        for message, fix in _number_faults(column, row.cells[column]):
            yield _fault(row.line, message, fix)
    for column in ("image", "mask"):
        name = row.cells[column]
        for message, fix in path_faults(folder, name) if name else ():
            yield Problem(row.line, name, message, fix)


def table_problems(rows: Sequence[CaseRow]) -> Iterator[Problem]:
    """Yield what is wrong between rows: names used twice, one patient in two spellings or at two sites."""
    for column, fix in UNIQUE.items():
        seen: dict[str, CaseRow] = {}
        for row in rows:
            value = row.cells[column]
            first = seen.setdefault(_meant(column, value), row) if value else row
            if first is not row:
                other = first.cells[column]
                alike = f" as {other!r}, and some systems take the two for one" * (column == "case" and value != other)
                yield _fault(row.line, f"{column} {value!r} is already on line {first.line}{alike}", fix)
    patients: dict[str, str] = {}
    named = [row for row in rows if row.cells["patient"]]
    for row in named:
        first = patients.setdefault(row.cells["patient"].casefold(), row.cells["patient"])
        if first != row.cells["patient"]:
            message = f"patient {row.cells['patient']!r} is {first!r} on another line"
            yield _fault(row.line, message, "write it in one way; if these are two people, give one another number")
    sites: dict[str, CaseRow] = {}
    for row in named:
        first = sites.setdefault(row.cells["patient"], row)
        if first.cells["site"] != row.cells["site"]:
            yield _fault(
                row.line,
                f"patient {row.cells['patient']!r} is at site {row.cells['site']!r} here "
                f"and at site {first.cells['site']!r} on line {first.line}",
                "keep a patient at one site; if these are two people, put the site before their numbers",
            )


def _meant(column: str, value: str) -> str:
    """What a cell names: ``images//1.png`` and ``./images/1.png`` are one file, and of cases a and A may become one."""
    return value.casefold() if column == "case" else str(PurePosixPath(value))


def _text(folder: Path, name: str) -> str:
    """Read a text file of the cohort as UTF-8, with or without byte-order mark."""
    try:
        return (folder / name).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        fault = f"is not UTF-8 text (byte {error.start})", "save it as UTF-8 text"
    except OSError as error:
        fault = f"cannot be read ({error.strerror})", f"give the folder that holds {CASES} and {INFO}"
    raise CohortError([Problem(None, name, *fault)])


def _split(text: str) -> list[tuple[int, list[str]]]:
    """Split CSV text into (line it starts on, stripped cells), without the blank rows that spreadsheets leave."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines, start = [], 1
    try:
        for cells in reader:
            lines.append((start, [cell.strip() for cell in cells]))
            start = reader.line_num + 1  # a quoted cell may span lines
    except csv.Error as error:
        raise CohortError([_fault(start, f"cannot be split into cells ({error})", "check its quotes")]) from None
    return [(line, cells) for line, cells in lines if any(cells)]


def _fault(line: int, message: str, fix: str) -> Problem:
    return Problem(line, CASES, message, fix)


def _header_problems(line: int, header: Sequence[str]) -> Iterator[Problem]:
    for separator, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(header) < 3 and separator in "".join(header):
            fix = "save it with commas, and decimal points in its numbers"
            yield _fault(line, f"its columns are separated by {name}", fix)
            return
    for column in COLUMNS:
        if header.count(column) != 1:
            found = "missing" if column not in header else "there twice"
            yield _fault(line, f"column {column!r} is {found}", f"the columns are {', '.join(COLUMNS)}")
    for column in header:
        if column not in COLUMNS:
            yield _fault(line, f"column {column!r} is not known", f"the columns are {', '.join(COLUMNS)}")


def _info_problems(info: Mapping[str, Any]) -> Iterator[Problem]:
    for key, fix in _REQUIRED_INFO.items():
        if not (isinstance(info.get(key), str) and info[key].strip()):
            yield Problem(None, INFO, f"{key} is missing", fix)
        elif key == "scheme" and info[key] not in SCHEMES:
            yield Problem(None, INFO, f"scheme {info[key]!r} is not known", f"use one of {', '.join(SCHEMES)}")


def _number_faults(column: str, text: str) -> Iterator[tuple[str, str]]:
    rule = NUMBERS[column]
    if not text:
        if not rule.optional:
            yield f"{column} is missing", "fill in the mm a pixel; the scanner's export or the DICOM header has it"
        return
    try:
        value = decimal(text)
    except ValueError:
        yield f"{column} {text!r} is not a number", "write digits with a decimal point and no unit"
        return
    if not math.isfinite(value) or value <= 0:
        empty = ", or leave the cell empty" if rule.optional else ""
        yield f"{column} is {text}", f"give a positive number of {rule.unit}{empty}"
    elif not rule.low <= value <= rule.high:
        yield f"{column} is {text} {rule.unit}", rule.below if value < rule.low else rule.above


def _is_of_embryo(row: CaseRow) -> bool:
    """Whether the age of a row says that its length, which is small for millimetres, is in millimetres."""
    try:
        mm, days = row.number("measure_mm"), row.number("ga_days")
    except ValueError:
        return False
    return EMBRYO_MM <= mm < NUMBERS["measure_mm"].low and NUMBERS["ga_days"].low <= days < EMBRYO_DAYS


def decimal(text: str) -> float:
    """Read a number; ``ValueError`` also for what `float` takes beyond it: 0_1, and the digits of other scripts."""
    if "_" in text or not text.isascii():
        raise ValueError(f"could not convert string to float: {text!r}")
    return float(text)


def path_faults(folder: Path, name: str) -> Iterator[tuple[str, str]]:
    """Yield why `name` is not a file of the cohort; only what lies inside may be opened."""
    inside = "copy the file into the cohort and give its path from there, such as images/001.png"
    path = PurePosixPath(name)
    if legible(name) != name:
        yield "has a name that is not UTF-8 text, as in old archives", "rename it, for instance with convmv"
    elif "\\" in name or not name.isprintable():
        yield "is not a plain path", "write folders with / and leave out control characters"
    elif path.is_absolute() or ".." in path.parts or name[1:2] == ":":
        yield "lies outside the cohort", inside
    elif not os.path.isfile(path_of(folder, name)):  # False for a name that is too long, where Path raises
        yield "no such file", "check the name, or remove the line"
    elif not _is_inside(folder, path_of(folder, name)):
        yield "is a link to a file outside the cohort", inside


def spacing_cells(spacing: tuple[float, float] | None) -> dict[str, str]:
    """Cells of a row that a spacing in mm fills; ValueError if it cannot be used."""
    return dict(zip(("row_mm", "col_mm"), map(repr, check_spacing(spacing)), strict=True)) if spacing else {}


def composed(name: str) -> str:
    """One form for a name that a Mac takes apart into letters and accents, and other systems do not (NFD, NFC)."""
    return unicodedata.normalize("NFC", name)


def legible(name: str) -> str:
    """Return a name as text that can be printed and written: bytes that are no UTF-8 are shown by their numbers."""
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half a character, which JSON can hold
        return name.encode("utf-8", "backslashreplace").decode()


def path_of(folder: Path, name: str) -> Path:
    """File in which an image or a mask of the cohort lies: one of COCO's files holds many."""
    return folder / file_and_member(name)[0]


def as_on_disk(folder: Path, name: str) -> str:
    """Return a path of the table in the form that the disk has it: a Mac writes accents as letters of their own."""
    path = PurePosixPath(name)
    if not name or "\0" in name or path.is_absolute() or ".." in path.parts or os.path.lexists(folder / name):
        return name
    found = PurePosixPath()
    for part in path.parts:
        try:
            others = os.listdir(folder / found)
        except OSError:
            return name
        found /= next((other for other in others if composed(other) == composed(part)), part)
    return str(found)


def _is_inside(folder: Path, path: Path) -> bool:
    root = os.path.realpath(folder)
    return os.path.commonpath([root, os.path.realpath(path)]) == root


def is_file_name(name: str) -> bool:
    """Whether `name`, with an ending, can stand as a file's name on Linux and on a Mac, and is not a hidden one."""
    plain = name.isprintable() and "/" not in name and "\\" not in name and not name.startswith(".")
    return plain and len(name.encode()) <= LONGEST_NAME  # what is printable can be encoded
