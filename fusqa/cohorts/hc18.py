"""Import the public HC18 set: real ultrasound of one structure, the fetal head.

As published (https://doi.org/10.5281/zenodo.1327317, CC BY 4.0; van den Heuvel et al., PLoS ONE 13(8):e0200412,
2018) it is a table, and a folder of images each with the *outline* of the head::

    training_set_pixel_size_and_HC.csv     filename, pixel size(mm), head circumference (mm)
    training_set/NNN_[k]HC.png             an image; the number NNN is all that identifies the patient
    training_set/NNN_[k]HC_Annotation.png  its outline, 0 or 255

Some heads extend beyond the image, so that their outlines do not close, and flooding those would fill the whole
image. So the mask of a head is the ellipse fitted to its outline; the perimeter of that ellipse is the published
circumference.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from fusqa.cohorts.cohort import Cohort
from fusqa.cohorts.formats import read_image, read_mask
from fusqa.cohorts.hc18_layout import Published, locate, read_table, require_annotations
from fusqa.cohorts.reading import Case, disagreement
from fusqa.cohorts.writing import write_cohort
from fusqa.masks.circumference import fit_head_ellipse, head_circumference
from fusqa.masks.dating import EQUATIONS
from fusqa.masks.labels import HEAD
from fusqa.problems import CohortError, Problem, message_and_fix

SOURCE = (
    "HC18 training set, https://doi.org/10.5281/zenodo.1327317; van den Heuvel, de Bruijn, de Korte and "
    "van Ginneken, PLoS ONE 13(8):e0200412, 2018"
)
LICENCE = "CC BY 4.0"
HELD_OUT = 1 / 3  # share of the patients at site B in the split by hash
SAME_ELLIPSE = 0.03  # chosen: share by which the published circumference and ours may differ, of one ellipse
TRIMESTER_DAYS = 14 * 7  # of gestational age: a trimester ends and the next begins, at 14 and at 28 weeks


@dataclass(frozen=True)
class Split:
    """A rule that divides patients into two sites; HC18 names no hospitals.

    Attributes
    ----------
    about : str
        The rule in words.
    site : callable
        From a patient's number and head circumferences (mm) to "A", "B", or None for a patient who is left out.
    """

    about: str
    site: Callable[[str, list[float]], str | None]


def _by_hash(patient: str, circumferences_mm: list[float]) -> str:
    """Choose by the patient's number alone, so that a part of HC18 is split as the whole is."""
    digest = hashlib.sha256(f"hc18:{patient}".encode()).digest()
    return "B" if int.from_bytes(digest[:8], "big") < HELD_OUT * 2**64 else "A"


def _by_trimester(patient: str, circumferences_mm: list[float]) -> str | None:
    """Second trimester to A, first to B; a patient with heads of another or of two trimesters is left out."""
    days = EQUATIONS[HEAD.equation].days(np.array(circumferences_mm))
    trimesters = set((days // TRIMESTER_DAYS).astype(int).tolist())
    return {(1,): "A", (0,): "B"}.get(tuple(trimesters))


SPLITS = {
    "hash": Split("about a third of the patients, by hash of their number, are B and held out, the others A", _by_hash),
    "trimester": Split(
        "heads of the second trimester are A, of the first B; patients with others, or with both, are left out",
        _by_trimester,
    ),
}


@dataclass(frozen=True, eq=False)
class ImportReport:
    """What an import found.

    Attributes
    ----------
    cohort : Cohort
        The imported cohort.
    unclosed : tuple of str
        Cases whose outline does not close within the image; their masks are filled like all others.
    duplicates : tuple of (str, str)
        Cases left out, each with the case kept instead: their images are identical.
    absent : tuple of str
        Images that are in the table and not in the folder.
    left_out : tuple of str
        Cases of patients whom the split puts at neither site.
    unlisted : tuple of str
        Images that are in the folder and not in the table.
    worst_mm : float
        Greatest difference between the published circumference and that of our mask.
    worst_case : str
        The case with that difference.
    """

    cohort: Cohort
    unclosed: tuple[str, ...]
    duplicates: tuple[tuple[str, str], ...]
    absent: tuple[str, ...]
    left_out: tuple[str, ...]
    unlisted: tuple[str, ...]
    worst_mm: float
    worst_case: str

    def __str__(self) -> str:
        table = self.cohort.table
        sites = ", ".join(f"{site}: {count}" for site, count in table["site"].value_counts().sort_index().items())
        undated = int(table["ga_days"].isna().sum())
        same = [f"{left_out} (the same image as {kept}, which was kept)" for left_out, kept in self.duplicates]
        return "\n".join(
            (
                f"{len(table)} images of {table['patient'].nunique()} patients ({sites})",
                f"outlines that do not close: {_count_and_names(self.unclosed)}",
                f"duplicates left out: {_count_and_names(same)}",
                f"left out by the choice of sites: {_count_and_names(self.left_out)}",
                f"in the table without a file: {_count_and_names(self.absent)}",
                f"files that the table does not list: {_count_and_names(self.unlisted)}",
                f"without gestational age, as the circumference is outside the equation's range: {undated}",
                f"worst |published - our| head circumference: {self.worst_mm:.3f} mm ({self.worst_case})",
            )
        )


def import_hc18(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    split: str = "hash",
    progress: Callable[[list[Published]], Iterable[Published]] = iter,
) -> ImportReport:
    """Turn HC18 into a cohort of the scheme *head*.

    Masks are filled on the image's own grid; `measure_mm` is the published circumference; `ga_days` follows from
    it by INTERGROWTH-21st (2016) within that equation's range, and is empty elsewhere.

    Parameters
    ----------
    folder : path
        HC18 as published: the folder of the table, or the folder ``training_set`` beside it.
    out : path
        Where the cohort is written.
    split : {"hash", "trimester"}
        The rule for the two sites, a key of :data:`SPLITS`.
    progress : callable
        Wraps the list of images, as ``tqdm.tqdm`` does, to show progress.

    Raises
    ------
    KeyError
        For an unknown split.
    CohortError
        With all that is missing, if the layout differs; if an image cannot be read; or with every outline whose
        circumference is not the published one.
    """
    chosen = SPLITS[split]
    table, images = locate(Path(folder))
    rows = read_table(table)
    files = {path.name for path in images.glob("*.png")}
    present = [row for row in rows if row.name in files]
    require_annotations(present, images, files)
    sites = _sites(present, chosen)
    taken = [row for row in present if sites[row.patient]]
    reading = _Reading(images, sites)
    cohort = write_cohort(
        out,
        reading.cases(progress(taken)),
        scheme=HEAD,
        source=SOURCE,
        licence=LICENCE,
        # The lists fill while the cases are written; cohort.json is written after them.
        notes={"sites": f"HC18 names no hospitals, so these sites are chosen: {chosen.about}"}
        | {"unclosed": reading.unclosed, "duplicates": reading.duplicates},
    )
    worst = max(reading.differences_mm, key=reading.differences_mm.__getitem__)
    listed = {name for row in rows for name in (row.name, row.annotation)}
    return ImportReport(
        cohort,
        unclosed=tuple(reading.unclosed),
        duplicates=tuple(reading.duplicates),
        absent=tuple(row.name for row in rows if row.name not in files),
        left_out=tuple(row.case for row in present if not sites[row.patient]),
        unlisted=tuple(sorted(files - listed)),
        worst_mm=reading.differences_mm[worst],
        worst_case=worst,
    )


@dataclass
class _Reading:
    """Reads the images one by one and collects what the report needs."""

    images: Path
    sites: dict[str, str | None]
    unclosed: list[str] = field(default_factory=list)
    duplicates: list[tuple[str, str]] = field(default_factory=list)
    differences_mm: dict[str, float] = field(default_factory=dict)
    faults: list[Problem] = field(default_factory=list)

    def cases(self, rows: Iterable[Published]) -> Iterator[Case]:
        kept: dict[bytes, str] = {}
        for row in rows:
            image = read_image(self.images / row.name).pixels
            first = kept.setdefault(hashlib.sha256(image).digest(), row.case)
            if first == row.case:
                yield self._case(row, image)
            else:
                self.duplicates.append((row.case, first))
        if self.faults:  # before the table is written, so that nobody takes for a cohort what is none
            raise CohortError(self.faults)

    def _case(self, row: Published, image: np.ndarray) -> Case:
        spacing, published = (row.pixel_mm, row.pixel_mm), row.circumference_mm
        outline = read_mask(self.images / row.annotation).pixels
        try:
            ellipse = fit_head_ellipse(outline, spacing)
            mask = ellipse.fill(outline.shape).astype(np.uint8)
            ours = head_circumference(mask, spacing)
        except ValueError as error:
            where = str(self.images / row.annotation)
            fix = "unpack it again, or draw the head's outline in one grey level on black"
            raise CohortError([Problem(None, where, message_and_fix(error)[0], fix)]) from None
        if said := disagreement(published, ours.mm, HEAD, SAME_ELLIPSE):
            fix = "were the images resized? Give them as published, or correct the pixel size in the table"
            self.faults.append(Problem(None, str(self.images / row.annotation), said, fix))
        if not _encloses(outline, ellipse.centre):
            self.unclosed.append(row.case)
        self.differences_mm[row.case] = abs(ours.mm - published)
        return Case(row.case, row.patient, self.sites[row.patient], image, mask, spacing, published, _age(published))


def _sites(rows: Sequence[Published], split: Split) -> dict[str, str | None]:
    """Site of every patient."""
    circumferences: dict[str, list[float]] = {}
    for row in rows:
        circumferences.setdefault(row.patient, []).append(row.circumference_mm)
    return {patient: split.site(patient, values) for patient, values in circumferences.items()}


def _encloses(outline: np.ndarray, centre: tuple[float, float]) -> bool:
    """Whether flooding the image from `centre` (row, col) is stopped by the outline."""
    free = np.pad(np.uint8(outline == 0), 1, constant_values=1)  # free pixels all around the image
    # A centre outside the image is moved to the free pixels around it, and so counts as outside.
    row, col = np.clip(np.round(centre).astype(int) + 1, 0, np.array(free.shape) - 1)
    # Four neighbours: a line that is one pixel thin and diagonal still closes.
    _, regions = cv2.connectedComponents(free, connectivity=4)
    return bool(regions[row, col] != regions[0, 0])


def _age(circumference_mm: float) -> float | None:
    """Gestational age in days, None outside the equation's range."""
    equation = EQUATIONS[HEAD.equation]
    low, high = equation.range_mm
    return float(equation.days(np.float64(circumference_mm))) if low <= circumference_mm <= high else None


def _count_and_names(names: Iterable[str]) -> str:
    """Their number and the names, or "none"."""
    names = list(names)
    return f"{len(names)}: {', '.join(names)}" if names else "none"
