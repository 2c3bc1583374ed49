"""A trained quality model and a user's own masks -> a verdict on each, with reasons and warnings.

::

    assessor = Assessor.load("build/quick/simulated/models/quality__single-resnet18-scratch-errors__seed0")
    for verdict in assessor("my-cohort"):
        print(verdict.case, verdict.verdict, *verdict.reasons)

Nothing here stops at the first fault: a case that cannot be read gets a verdict without a probability, with the reason,
and the others go on. Batches are read and judged side by side, and only a few cases are in memory at a time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fusqa.assessment.batches import side_by_side
from fusqa.assessment.probabilities import WRAPPERS
from fusqa.cohorts.manifest import CASES, CaseRow
from fusqa.cohorts.reading import Case, Input, disagreement
from fusqa.masks.label_images import resize_image, resize_labels
from fusqa.masks.length import Unmeasurable
from fusqa.masks.measurement import Measurement, describe
from fusqa.models.checkpoints import Card, TrainedNetwork, load_familiarity, load_kind
from fusqa.models.familiarity import UNFAMILIAR, Familiarity
from fusqa.models.networks import folded
from fusqa.problems import CohortError, Problem
from fusqa.study.shelf import PLACE, model_folder


@dataclass(frozen=True)
class Verdict:
    """The verdict on one case.

    Attributes
    ----------
    line : int or None
        Its line in ``cases.csv``; None in a folder without one.
    case, patient : str
        As the row has them.
    probability : float
        Of "good", by the model, or one minus the anomaly ratio of an autoencoder; NaN where the case could not be
        read.
    verdict : str
        "good" or "poor", by the threshold; empty where there is none.
    threshold : float
        A mask is called good from this probability on.
    unfamiliar : float
        Share of the model's own validation pairs that are nearer to what it was trained on, from 0 to 1; NaN where
        the model does not know.
    found : Measurement or None
        What was measured on the mask; None where nothing could be.
    reasons : tuple of str
        Criteria that the mask does not meet, as sentences with their numbers.
    warnings : tuple of str
        Why the measurement or the verdict is doubtful.
    faults : tuple of :class:`fusqa.problems.Problem`
        Why there is no verdict.
    measure_mm : float or None
        Length by an expert, as the row has it; None where it is not known.
    """

    line: int | None
    case: str
    patient: str
    probability: float
    verdict: str
    threshold: float
    unfamiliar: float = float("nan")
    found: Measurement | None = None
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    faults: tuple[Problem, ...] = ()
    measure_mm: float | None = None


class Assessor(TrainedNetwork):
    """A model that judges masks, with its card.

    Parameters
    ----------
    model : nn.Module
        The network, in evaluation mode.
    card : Card
        What is known of it.
    familiarity : Familiarity, optional
        What its training pairs looked like.
    """

    def __init__(self, model: nn.Module, card: Card, familiarity: Familiarity | None = None):
        super().__init__(model, card)
        self.familiarity = familiarity
        self._wrapped = WRAPPERS[card.kind](folded(model), card)

    @classmethod
    def load(cls, folder: str | Path, place: Path = PLACE) -> "Assessor":
        """Read a model that a study or ``fusqa train`` has left in a folder, or a published one by its short name.

        Raises
        ------
        ValueError
            If there is no such model, none that judges masks, one without a threshold, or files that do not belong
            together.
        """
        folder = model_folder(folder, place)
        model, card = load_kind(folder, WRAPPERS)
        if card.threshold is None:
            raise ValueError(f"{folder} holds a model without a threshold; give one of a study, or of fusqa train")
        return cls(model, card, load_familiarity(folder))

    def __call__(self, cases: str | Path | Input, skip: int = 0) -> Iterator[Verdict]:
        """Yield a verdict for each case, in order.

        Parameters
        ----------
        cases : path or Input
            A cohort, a folder of pairs, or masks alone; :meth:`fusqa.cohorts.reading.Input.open` takes what a plain
            folder does not say.
        skip : int
            Cases to pass over, because they have their verdict already.

        Raises
        ------
        CohortError
            If it cannot be used as a whole.
        ValueError
            If the labels are not those that the model was trained on.
        """
        cases = (cases if isinstance(cases, Input) else Input.open(cases, self.scheme)).usable_by(self.scheme)
        return side_by_side(cases.rows[skip:], partial(self._verdicts, cases))

    def _read(self, cases: Input, row: CaseRow) -> tuple[Verdict, dict[str, np.ndarray]]:
        """Read one case and measure its mask; its pixels at the network's size, none where it could not be read."""
        blank = Verdict(row.line, row.case, row.cells["patient"], float("nan"), "", self.card.threshold)
        try:
            case = cases.read(row)
            if case.mask is None:
                raise CohortError([Problem(row.line, CASES, "has no mask", "name one, or leave the row out")])
            if case.image is None and "picture" in self.card.sees:
                fix = "add it, or give a model that sees masks alone"
                raise CohortError([Problem(row.line, row.cells["mask"], "has no image, which the model sees", fix)])
        except CohortError as error:
            return replace(blank, faults=error.problems), {}
        shape = (self.card.size, self.card.size)
        mask = resize_labels(case.mask, shape)
        black = np.zeros_like(mask)
        image = black if case.image is None else resize_image(case.image, self.card.size)
        return self._measured(blank, case), {"image": image, "mask": mask}

    def _measured(self, blank: Verdict, case: Case) -> Verdict:
        """Measure the mask; its unmet criteria become reasons, what is doubtful becomes warnings."""
        blank = replace(blank, measure_mm=case.measure_mm)
        try:
            found = describe(case.mask, case.spacing, self.scheme)
        except Unmeasurable as error:
            return replace(blank, reasons=(str(error),), warnings=case.warnings)
        reasons = tuple(f"{one['title']}: {one['why']}" for one in found.criteria.values() if not one["met"])
        expert = disagreement(case.measure_mm, found.mm, self.scheme)
        warnings = [*case.warnings, *found.warnings, *filter(None, [found.gestational_age.reason])]
        if expert:
            warnings.append(f"the mask {expert}")
        low, high = self.card.training.get("length_mm") or (None, None)
        if low is not None and not low <= found.mm <= high:
            warnings.append(
                f"{found.mm:.1f} mm is outside the lengths that the model was trained on, {low:.1f} to {high:.1f} mm"
            )
        return replace(blank, found=found, reasons=reasons, warnings=tuple(warnings))

    def _verdicts(self, cases: Input, batch: Sequence[CaseRow]) -> list[Verdict]:
        """Read one batch and ask the network about it."""
        ready = [self._read(cases, row) for row in batch]
        seen = [pixels for _, pixels in ready if pixels]
        answers = iter(zip(*self._ask(seen), strict=True) if seen else ())
        return [self._answered(verdict, *next(answers)) if pixels else verdict for verdict, pixels in ready]

    def _ask(self, seen: list[dict[str, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        """Probability and unfamiliarity of every case, ``(B,)`` each."""
        shown = [torch.from_numpy(np.stack([one[name] for one in seen])) for name in self._wrapped.inputs]
        with torch.inference_mode():
            features = self._wrapped.features(*shown)
            probability = self._wrapped.decide(features).numpy()
        unknown = np.full(len(seen), np.nan)
        return probability, self.familiarity.share(features) if self.familiarity else unknown

    def _answered(self, verdict: Verdict, probability: float, unfamiliar: float) -> Verdict:
        """Put the network's answer into a verdict."""
        warnings = verdict.warnings
        if unfamiliar >= UNFAMILIAR:
            warnings += (
                f"unlike what the model was trained on: {unfamiliar:.0%} of its own "
                f"{len(self.familiarity.validation)} validation pairs are less so",
            )
        called = "good" if probability >= self.card.threshold else "poor"
        return replace(
            verdict, probability=float(probability), verdict=called, unfamiliar=float(unfamiliar), warnings=warnings
        )
