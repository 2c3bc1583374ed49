"""A trained segmenter and a user's own images -> a mask of each on its own grid, and a table of what was drawn.

::

    segmenter = TrainedSegmenter.load("build/quick/simulated/models/segmentation__unet__seed0")
    for drawn in segmenter("my-images"):
        print(drawn.case, drawn.certainty)

As with verdicts, nothing stops at the first fault: an image that cannot be read has its line in the table, with the
reason, and the others go on.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fusqa.assessment.batches import side_by_side
from fusqa.assessment.images import open_images
from fusqa.assessment.ledger import Progress, ledger, ledger_path, measured, rounded, run_key, write_table
from fusqa.cohorts.formats import write_image
from fusqa.cohorts.manifest import CaseRow
from fusqa.cohorts.reading import Input, RowFiles, read_files
from fusqa.masks.label_images import resize_image
from fusqa.masks.length import Unmeasurable
from fusqa.masks.measurement import Measurement, describe
from fusqa.models.checkpoints import TrainedNetwork, load_kind
from fusqa.models.drawing import native_masks
from fusqa.models.learner import pictures
from fusqa.models.segmenters import SEGMENTERS
from fusqa.models.uncertainty import VARIANTS, certainty, variants
from fusqa.problems import Problem

TABLE = "segmented.csv"
COLUMNS = (
    *("line", "case", "patient", "file", "certainty", "length_mm", "ga_days", "ga_sd_days"),
    *("warnings", "faults"),
)


@dataclass(frozen=True, eq=False)
class DrawnMask:
    """The mask of one case.

    Attributes
    ----------
    line : int or None
        Its line in ``cases.csv``; None in a folder without one.
    case, patient : str
        As the row has them.
    mask : (H, W) uint8 or None
        Labels on the image's own grid; None where the image could not be read.
    certainty : float
        How sure the segmenter is of it, from 0 to 1, by :func:`fusqa.models.uncertainty.certainty`; NaN without a mask.
    found : Measurement or None
        What was measured; None where nothing could be, or the pixel spacing is not known.
    warnings : tuple of str
        Why there is no measurement, or why it is doubtful.
    faults : tuple of :class:`fusqa.problems.Problem`
        Why there is no mask.
    """

    line: int | None
    case: str
    patient: str
    mask: np.ndarray | None = None
    certainty: float = float("nan")
    found: Measurement | None = None
    warnings: tuple[str, ...] = ()
    faults: tuple[Problem, ...] = ()


class TrainedSegmenter(TrainedNetwork):
    """A network that draws masks, with its card."""

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "TrainedSegmenter":
        """Read a segmenter that a study has left.

        Raises
        ------
        ValueError
            If the folder holds no model, none that draws masks, or files that do not belong together.
        """
        return cls(*load_kind(folder, SEGMENTERS))

    def __call__(self, cases: str | os.PathLike[str] | Input, skip: int = 0) -> Iterator[DrawnMask]:
        """Return an iterator over the mask of each case, in order.

        Parameters
        ----------
        cases : path or Input
            A cohort, a folder of images, or an image; :func:`fusqa.assessment.images.open_images` takes what a plain
            folder does not say.
        skip : int
            Cases to pass over, because they have their mask already.

        Raises
        ------
        CohortError
            If it cannot be used as a whole.
        """
        cases = (cases if isinstance(cases, Input) else open_images(cases, self.scheme)).usable()
        return side_by_side(cases.rows[skip:], partial(self._drawn, cases))

    def _drawn(self, cases: Input, batch: Sequence[CaseRow]) -> list[DrawnMask]:
        """Read one batch and let the network draw."""
        ready = [self._read(cases, row) for row in batch]
        answers = iter(self._ask([files.image.pixels for blank, files in ready if not blank.faults]))
        return [blank if blank.faults else self._answered(blank, files, *next(answers)) for blank, files in ready]

    def _read(self, cases: Input, row: CaseRow) -> tuple[DrawnMask, RowFiles]:
        """Read one image; an unknown spacing is no fault here, for a mask can be drawn without it."""
        blank, files = DrawnMask(row.line, row.case, row.cells["patient"]), read_files(cases.folder, row, None, None)
        return replace(blank, faults=files.problems if row.faults or files.image is None else ()), files

    def _ask(self, images: Sequence[np.ndarray]) -> list[tuple[np.ndarray, float]]:
        """Draw the masks of images ``(H, W)``, and say how certain each is."""
        if not images:
            return []
        small = pictures(np.stack([resize_image(image, self.card.size) for image in images]))
        varied = variants(self.model, small)
        usual = next(varied)  # the images as they are
        masks = native_masks(usual, [image.shape for image in images])
        return list(zip(masks, certainty(sum(varied, usual) / VARIANTS).tolist(), strict=True))

    def _answered(self, blank: DrawnMask, files: RowFiles, mask: np.ndarray, sure: float) -> DrawnMask:
        """Put the network's answer into a result, and measure the mask where its spacing is known."""
        drawn = replace(blank, mask=mask, certainty=sure, warnings=files.warnings)
        if files.spacing is None:
            why = (f"not measured: {one.message}; {one.fix}" for one in files.problems)
            return replace(drawn, warnings=(*drawn.warnings, *why))
        try:
            found = describe(mask, files.spacing, self.scheme)
        except Unmeasurable as error:
            return replace(drawn, warnings=(*drawn.warnings, str(error)))
        reasons = filter(None, [found.gestational_age.reason])
        return replace(drawn, found=found, warnings=(*drawn.warnings, *found.warnings, *reasons))


def write_masks(segmenter: TrainedSegmenter, cases: Input, folder: Path, progress: Progress[DrawnMask]) -> int:
    """Write a mask of every case and, when all are drawn, the table; an unfinished run goes on where it stopped.

    A mask is on the disk before its line is in the ledger (:mod:`fusqa.assessment.ledger`); neither is half-written.

    Parameters
    ----------
    segmenter : TrainedSegmenter
        What draws.
    cases : Input
        From :func:`fusqa.assessment.images.open_images`.
    folder : Path
        For ``<case>.png``, 8-bit labels, and ``segmented.csv`` with :data:`COLUMNS`. It may hold an unfinished run of
        the same segmenter over the same images, and else nothing.
    progress : callable
        As in :func:`fusqa.assessment.ledger.ledger`.

    Returns
    -------
    int
        How many cases have no mask.

    Raises
    ------
    ValueError
        If the folder holds something else, or another run is writing there.
    CohortError
        If it cannot be used as a whole.
    """
    table = folder / TABLE
    _require_free(folder, ledger_path(table), run_key(segmenter.card, cases))

    def kept(drawn: DrawnMask) -> dict[str, Any]:
        if drawn.mask is not None:
            write_image(folder / _file_name(drawn), drawn.mask)
        return record(drawn)

    with ledger(segmenter, cases, table, progress, kept) as records:
        return write_table(records, COLUMNS, table)


def record(drawn: DrawnMask) -> dict[str, Any]:
    """One mask as plain values, None for what is not known."""
    return {
        "line": drawn.line,
        "case": drawn.case,
        "patient": drawn.patient,
        "file": "" if drawn.mask is None else _file_name(drawn),
        "certainty": rounded(drawn.certainty, 4),
        **measured(drawn.found),
        "warnings": list(drawn.warnings),
        "faults": [str(fault) for fault in drawn.faults],
    }


def _file_name(drawn: DrawnMask) -> str:
    return f"{drawn.case}.png"


def _require_free(folder: Path, unfinished: Path, key: str) -> None:
    """Raise ``ValueError`` unless a folder is empty, not there, or holds an unfinished run of the same name."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; give the name of a folder")
    if unfinished.is_file():
        with unfinished.open(encoding="utf-8") as lines:
            if lines.readline().rstrip("\n") not in ("", key):  # empty: it was killed before it wrote its name
                raise ValueError(
                    f"{folder} holds an unfinished run of another model, or of images that have changed; "
                    "give another folder, or remove this one"
                )
    elif folder.is_dir() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
        raise ValueError(f"{folder} holds files already; give another folder, or remove this one")
