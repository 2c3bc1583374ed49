"""Everything that is wrong with what a user names, found in one go, every image opened; and what was looked at."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fusqa.cohorts.manifest import CASES, CaseRow
from fusqa.cohorts.reading import FAR_OFF, Input, RowFiles, disagreement, read_files
from fusqa.masks.measurement import measured_mm
from fusqa.problems import Problem

NAMED = 8  # files left aside that a table names
SEVERAL = 3  # chosen: masks that can say together that a cohort is on another scale


@dataclass
class Findings:
    """What was looked at, and what is wrong with it.

    Attributes
    ----------
    images, masks : int
        Files that could be read.
    aside : tuple of str
        Files and folders that were not looked at.
    spacing, orientation : Counter of str
        How many cases have their spacing from where, and how many files were turned by what.
    labels : Counter of str
        How many masks show each structure.
    warnings : list of (file, text)
        What to beware of.
    problems : list of Problem
        What is wrong.
    """

    images: int = 0
    masks: int = 0
    aside: tuple[str, ...] = ()
    spacing: Counter = field(default_factory=Counter)
    orientation: Counter = field(default_factory=Counter)
    labels: Counter = field(default_factory=Counter)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def add(self, files: RowFiles, names: Mapping[int, str]) -> None:
        """Count what one row's files hold."""
        read = [file for file in (files.image, files.mask) if file is not None]
        self.images += files.image is not None
        self.masks += files.mask is not None
        self.orientation.update(file.orientation for file in read)
        self.spacing.update([files.source] if files.source else [])
        if files.mask is not None:
            self.labels.update(names.get(number, str(number)) for number in np.unique(files.mask.pixels).tolist())

    def __str__(self) -> str:
        named = ", ".join(self.aside[:NAMED]) + ", …" * (len(self.aside) > NAMED)
        return "\n".join(
            (
                f"looked at: {self.images} image{'s' * (self.images != 1)}, {self.masks} mask{'s' * (self.masks != 1)}",
                f"left aside: {len(self.aside)}" + f" ({named})" * bool(self.aside),
                f"spacing from: {_counts(self.spacing)}",
                f"orientation from: {_counts(self.orientation)}",
                f"labels found: {_counts(self.labels)}",
            )
        )


def _counts(counter: Counter) -> str:
    return ", ".join(f"{what} ({count})" for what, count in counter.most_common()) or "none"


def check(cases: str | os.PathLike[str] | Input) -> list[Problem]:
    """Return everything that is wrong with a cohort, a plain folder or a mask: see :func:`look_through`."""
    return look_through(cases).problems


def look_through(
    cases: str | os.PathLike[str] | Input, progress: Callable[[Iterable[CaseRow]], Iterable[CaseRow]] = iter
) -> Findings:
    """Read every file of a cohort, a plain folder or a mask.

    Parameters
    ----------
    cases : path or Input
        What to go through; :meth:`fusqa.cohorts.reading.Input.open` takes what the files do not say.
    progress : callable
        Wraps the rows, as ``tqdm.tqdm`` does, to show how far the reading is.
    """
    cases = cases if isinstance(cases, Input) else Input.open(cases)
    found = Findings(aside=cases.aside, problems=list(cases.problems))
    names = {0: "background"} | {label.id: label.name for label in cases.scheme.labels} if cases.scheme else {}
    first_with: dict[bytes, CaseRow] = {}
    ratios: list[float] = []  # of what the mask measures to what the expert did, 1 where the two agree
    for row in progress(cases.rows):
        files = read_files(cases.folder, row, cases.scheme, cases.labels)
        found.add(files, names)
        found.problems += files.problems
        found.warnings += [(row.cells["image"] or row.cells["mask"], warning) for warning in files.warnings]
        if files.image is not None and cases.listed:
            found.problems += _copies(row, files.image.pixels, first_with)
            found.problems += _oversized(row, files.image.pixels)
        known = cases.scheme and not files.problems and files.mask is not None
        if known and not np.isnan(row.number("measure_mm")):
            expert_mm, own_mm = row.number("measure_mm"), measured_mm(files.mask.pixels, files.spacing, cases.scheme)
            said = disagreement(expert_mm, own_mm, cases.scheme)
            if not np.isnan(own_mm):
                ratios.append(own_mm / expert_mm if said else 1.0)
            if said:
                found.warnings.append((row.cells["mask"], said))
    found.problems += _other_scale(ratios)
    if cases.listed:
        found.problems.sort(key=lambda problem: (problem.row or 0, problem.file))
    return found


def _other_scale(ratios: Sequence[float]) -> Iterator[Problem]:
    """Yield a problem if the masks as a whole contradict the experts' lengths: then one of the two is on another scale.

    One mask alone may be poor, and two may: a warning for each does for them.
    """
    usual = float(np.median(ratios)) if len(ratios) >= SEVERAL else 1.0
    if abs(usual - 1) > FAR_OFF:
        more = f"{abs(usual - 1):.0%} {'above' if usual > 1 else 'below'}"
        fix = "were the images resized? Check row_mm, col_mm and measure_mm"
        yield Problem(None, CASES, f"its masks measure {more} measure_mm, half of them at least", fix)


def _copies(row: CaseRow, image: np.ndarray, first_with: dict[bytes, CaseRow]) -> Iterator[Problem]:
    """Yield a problem if another patient has the very same image, which would stand on both sides of a split."""
    first = first_with.setdefault(hashlib.sha256(np.ascontiguousarray(image)).digest() + str(image.shape).encode(), row)
    if first.cells["patient"] != row.cells["patient"]:
        said = f"is the same image as {first.cells['image']} on line {first.line}, of another patient"
        yield Problem(row.line, row.cells["image"], said, "keep one of them, or give both to one patient")


def _oversized(row: CaseRow, image: np.ndarray) -> Iterator[Problem]:
    """Yield a problem if the measurement cannot fit into the image: one of the two is in another unit."""
    try:
        around = 2 * (image.shape[0] * row.number("row_mm") + image.shape[1] * row.number("col_mm"))
        measure = row.number("measure_mm")
    except ValueError:  # not a number: already reported
        return
    if measure > around > 0:
        said = f"measure_mm is {measure:g}, but once around the whole image is {around:.3g} mm"
        yield Problem(row.line, CASES, said, "check the units of row_mm, col_mm and measure_mm")
