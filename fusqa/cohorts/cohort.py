"""A cohort: cases of one scheme, every one of them usable, that are split by patient.

::

    cohort.json    scheme, source, licence, seed, version, simulated
    cases.csv      case, patient, site, image, mask, row_mm, col_mm, measure_mm, ga_days
    images/*.png   8-bit grey
    masks/*.png    8-bit label numbers
                   (or another format of fusqa.cohorts.formats)

Patients are split, never images: two images of one fetus look alike, and a model that has seen the one has nearly
seen the other. `mask`, `measure_mm` and `ga_days` may be empty.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from fusqa.cohorts.manifest import CASES, COLUMNS, NUMBERS, legible
from fusqa.cohorts.reading import Case, Input
from fusqa.masks.label_images import resize_image, resize_labels
from fusqa.masks.labels import Scheme
from fusqa.masks.length import Point
from fusqa.problems import CohortError, Problem


@dataclass(frozen=True, eq=False)
class Cohort(Input):
    """The cases of a folder, or some of them, when all are usable; images are read when they are asked for.

    For a plain folder `info` holds its name as `source`.

    Examples
    --------
    >>> cohort = Cohort.open("build/simulated/A")                     # doctest: +SKIP
    >>> training, validation = cohort.split(validation=0.1, seed=0)   # doctest: +SKIP
    """

    @classmethod
    def open(
        cls, path: str | Path, scheme: Scheme | None = None, labels: str | None = None, spacing: Point | None = None
    ) -> "Cohort":
        """Open a cohort, or a plain folder of pairs, checking all but the contents of the images.

        A plain folder names no patients: every image counts as one of a patient of its own.

        Parameters
        ----------
        path, scheme, labels, spacing
            As in :meth:`fusqa.cohorts.reading.Input.open`.

        Raises
        ------
        CohortError
            With every problem of ``cases.csv`` and ``cohort.json``, or of the folder.
        ValueError
            As :meth:`fusqa.cohorts.reading.Input.open`.
        """
        found = super().open(path, scheme, labels, spacing)
        problems = found.known_problems()
        if not found.listed:
            rows = tuple(replace(row, cells={**row.cells, "patient": row.case}) for row in found.rows)
            alone = [row.cells["mask"] for row in rows if not (row.faults or row.cells["image"])]
            problems += [Problem(None, mask, "has no image", "add an image of the same name") for mask in alone]
            found = replace(found, rows=rows, info={"source": legible(found.folder.resolve().name)})
        if problems:
            raise CohortError(problems)
        return found

    @cached_property
    def table(self) -> pd.DataFrame:
        """``cases.csv``: text as `str` ("" where empty), numbers as `float64` (NaN where empty), rows from 0."""
        columns = {column: [row.cells[column] for row in self.rows] for column in COLUMNS}
        columns |= {column: np.array([row.number(column) for row in self.rows]) for column in NUMBERS}
        return pd.DataFrame(columns, columns=list(COLUMNS))

    def __iter__(self) -> Iterator[Case]:
        return map(self.read, self.rows)

    def __getitem__(self, index: int) -> Case:
        """Read case number `index`; :class:`CohortError` with all that is wrong with its files."""
        return self.read(self.rows[index])

    def subset(self, chosen: np.ndarray) -> "Cohort":
        """Return the cohort of some cases: their numbers, or one boolean for each case."""
        numbers = np.arange(len(self))[np.asarray(chosen)]
        return replace(self, rows=tuple(self.rows[number] for number in numbers))

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

    def at_most(self, cases: int) -> "Cohort":
        """Return the patients, in :func:`patient_order`, whose images together are not more than `cases`."""
        images = self.table["patient"].value_counts()
        order = patient_order(self.table["patient"], seed=0)
        taken = [patient for patient, total in zip(order, images[order].cumsum(), strict=True) if total <= cases]
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

        The patients whom :meth:`split` holds out, which are those of the same order, are spread over all folds.

        Raises
        ------
        ValueError
            If `k` is below 2 or there are fewer patients than folds.
        """
        if k < 2:
            raise ValueError(f"{k} folds cannot be cross-validated; give 2 or more")
        order = patient_order(self.table["patient"], seed)
        _require_patients(len(order), k)
        fold = {patient: rank % k for rank, patient in enumerate(order)}
        return self.table["patient"].map(fold).to_numpy(int)

    def stack(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Read the whole cohort into memory at network size.

        Parameters
        ----------
        size : int
            Side of the square that every image is squeezed to, in pixels. The aspect is not kept (as in the
            paper), so nothing may be measured on the result.

        Returns
        -------
        images, masks : (N, size, size) uint8
            Images averaged over the area of each new pixel, labels taken from the nearest old one.

        Raises
        ------
        CohortError
            If a case has no mask.
        """
        images = np.empty((len(self), size, size), np.uint8)
        masks = np.empty_like(images)
        for index, case in enumerate(self):
            if case.mask is None:
                fix = "add one, or leave the case out with subset"
                raise CohortError([Problem(self.rows[index].line, CASES, "has no mask", fix)])
            images[index] = resize_image(case.image, size)
            masks[index] = resize_labels(case.mask, (size, size))
        return images, masks


def patient_order(patients: Iterable[str], seed: int) -> list[str]:
    """Put the different `patients` into an order that is random, yet depends on their names and the seed alone.

    A shuffled list would change for everybody when rows are sorted or one patient is added.
    """
    return sorted(set(patients), key=lambda patient: hashlib.sha256(f"{seed}:{patient}".encode()).digest())


def _require_patients(found: int, needed: int) -> None:
    if found < needed:
        raise ValueError(f"{found} patients cannot be parted into {needed}; give more patients or fewer parts")
