"""A trained quality model on somebody's own masks: a verdict each, the reasons in words, and what to beware of.

::

    assessor = Assessor.load("build/quick/simulated/models/quality__single-resnet18-scratch-errors__seed0")
    for verdict in assessor("my-cohort"):
        print(verdict.case, verdict.verdict, *verdict.reasons)

Nothing here stops at the first fault: a case that cannot be read gets a verdict without a probability that says why,
and the others go on. Reading and measuring run beside the network, and only a few cases are in memory at a time.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from fusqa.biometry import Unmeasurable
from fusqa.checkpoints import Card, load_model
from fusqa.cohort import Case, entries, read_case
from fusqa.datasets import resize_labels
from fusqa.labels import Scheme
from fusqa.learner import pictures, predict
from fusqa.manifest import Row
from fusqa.measurement import Measurement, describe
from fusqa.problems import CohortError, Problem

__all__ = ["Assessor", "Verdict"]

BATCH = 32  # cases that the network sees at once; twice as many are read ahead
READERS = 2  # threads that decode and measure


@dataclass(frozen=True)
class Verdict:
    """What is said of one row of a cohort.

    Attributes
    ----------
    line : int
        Its line in ``cases.csv``.
    case, patient : str
        As the row has them.
    probability : float
        Of "good", by the model; NaN where the case could not be read.
    verdict : str
        "good" or "poor", by the threshold; empty where there is none.
    threshold : float
        A mask is called good from this probability on.
    found : Measurement or None
        What was measured on the mask; None where nothing could be.
    reasons : tuple of str
        Criteria that the mask does not meet, as sentences with their numbers.
    warnings : tuple of str
        Why to doubt the measurement, or the verdict.
    faults : tuple of :class:`fusqa.problems.Problem`
        Why there is no verdict.
    """

    line: int
    case: str
    patient: str
    probability: float
    verdict: str
    threshold: float
    found: Measurement | None = None
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    faults: tuple[Problem, ...] = ()


@dataclass(frozen=True, eq=False)
class _Ready:
    """One case, read, measured and brought to the network's size."""

    verdict: Verdict
    image: np.ndarray | None = None
    mask: np.ndarray | None = None


class Assessor:
    """A quality model with its card.

    Parameters
    ----------
    model : nn.Module
        The network, in evaluation mode.
    card : Card
        What is known of it.
    """

    def __init__(self, model: nn.Module, card: Card):
        self.model, self.card = model, card

    @classmethod
    def load(cls, folder: str | Path) -> "Assessor":
        """Read a model that a study has left.

        Raises
        ------
        ValueError
            If the folder holds no model, no quality model, or files that do not belong together.
        """
        if not (Path(folder) / "card.json").is_file():
            raise ValueError(f"{folder} holds no model; give a folder with card.json and weights.safetensors")
        model, card = load_model(folder)
        if card.kind != "quality" or card.threshold is None:
            raise ValueError(f"{folder} holds a network of kind '{card.kind}'; give one of kind 'quality'")
        return cls(model, card)

    def __call__(self, cohort: str | Path, skip: int = 0) -> Iterator[Verdict]:
        """Yield a verdict for each row of a cohort, in its order.

        Parameters
        ----------
        cohort : path
            Folder with ``cases.csv`` and ``cohort.json``.
        skip : int
            Rows to pass over, because they have their verdict already.

        Raises
        ------
        CohortError
            If there is no cohort to go through.
        ValueError
            If the cohort's labels are not those that the model was trained on.
        """
        scheme, rows = entries(cohort)
        if scheme.name != self.card.scheme:
            raise ValueError(
                f"{cohort} has labels of scheme '{scheme.name}', the model was trained on '{self.card.scheme}'; "
                "give a model of the cohort's scheme"
            )
        with ThreadPoolExecutor(READERS) as pool:
            waiting = iter(rows[skip:])
            ahead = deque(pool.submit(self._read, Path(cohort), *one, scheme) for one in islice(waiting, 2 * BATCH))
            while ahead:
                ready = [ahead.popleft().result() for _ in range(min(BATCH, len(ahead)))]
                ahead.extend(pool.submit(self._read, Path(cohort), *one, scheme) for one in islice(waiting, BATCH))
                yield from self._judge(ready)

    def _read(self, folder: Path, row: Row, faults: tuple[Problem, ...], scheme: Scheme) -> _Ready:
        """Read one case and measure its mask; faults become part of its verdict."""
        blank = Verdict(row.line, row.cells["case"], row.cells["patient"], float("nan"), "", self.card.threshold)
        try:
            if faults:
                raise CohortError(faults)
            case = read_case(folder, row, scheme)
            if case.mask is None:
                raise CohortError([Problem(row.line, "cases.csv", "has no mask", "name one, or leave the row out")])
        except CohortError as error:
            return _Ready(replace(blank, faults=error.problems))
        side = self.card.size
        image = cv2.resize(case.image, (side, side), interpolation=cv2.INTER_AREA)
        return _Ready(self._measured(blank, case, scheme), image, resize_labels(case.mask, (side, side)))

    def _measured(self, blank: Verdict, case: Case, scheme: Scheme) -> Verdict:
        """Measure the mask; give its unmet criteria as reasons and what is doubtful as warnings."""
        try:
            found = describe(case.mask, case.spacing, scheme)
        except Unmeasurable as error:
            return replace(blank, reasons=(str(error),))
        reasons = tuple(f"{one['title']}: {one['why']}" for one in found.criteria.values() if not one["met"])
        warnings = [*found.warnings, *filter(None, [found.gestational_age.reason])]
        low, high = self.card.training.get("length_mm") or (None, None)
        if low is not None and not low <= found.mm <= high:
            warnings.append(
                f"{found.mm:.1f} mm is outside the lengths that the model was trained on, {low:.0f} to {high:.0f} mm"
            )
        return replace(blank, found=found, reasons=reasons, warnings=tuple(warnings))

    def _judge(self, ready: list[_Ready]) -> Iterator[Verdict]:
        """Ask the network about one batch."""
        seen = [one for one in ready if one.image is not None]
        probabilities = iter(self._probabilities(seen) if seen else ())
        for one in ready:
            if one.image is None:
                yield one.verdict
            else:
                probability = float(next(probabilities))
                called = "good" if probability >= self.card.threshold else "poor"
                yield replace(one.verdict, probability=probability, verdict=called)

    def _probabilities(self, seen: list[_Ready]) -> np.ndarray:
        """Probability of "good" of every case, ``(M,)``; what the model was never shown stays black."""
        shown = {"picture": np.stack([one.image for one in seen]), "mask": np.stack([one.mask for one in seen])}
        images, masks = (shown[part] * (part in self.card.sees) for part in ("picture", "mask"))
        with torch.inference_mode():
            return predict(self.model, pictures(images), torch.from_numpy(masks), batch=BATCH).sigmoid().numpy()
