"""Train an error map: on masks that segmenters drew wrong and on altered ones, with the reference mask as the truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fusqa.cohorts.cohort import Cohort
from fusqa.masks.label_images import wrong_pixels
from fusqa.masks.labels import Scheme
from fusqa.models.error_mapper import ErrorMapper
from fusqa.models.learner import Resident, computes_in, fit, make_learner, predict
from fusqa.models.losses import ErrorMapLoss, in_layers
from fusqa.models.plan import Bar, Training
from fusqa.study.learning import Evidence, evidence
from fusqa.study.material import AlteredSet, ErrorSet
from fusqa.study.pairs import Pairs, altered_pairs, error_pairs
from fusqa.study.results import Study


@dataclass(frozen=True, eq=False)
class Checked:
    """Masks with their images, compared with the reference masks.

    Attributes
    ----------
    pairs : Pairs
        The masks.
    bits : (M, S, S) uint8
        Wrong pixels, one bit per structure, the first the lowest. A target of bytes moves together with its mask.
    scheme : Scheme
        Labels of the masks.
    """

    pairs: Pairs
    bits: Tensor
    scheme: Scheme

    @classmethod
    def against(cls, cohort: Cohort, pairs: Pairs) -> Self:
        """Compare masks of `cohort`'s cases with the reference masks, at the size of the network."""
        size, classes = pairs.masks.shape[-1], cohort.scheme.classes
        references = dict(zip(cohort.table["case"], cohort.stack(size)[1], strict=True))
        packed = [
            np.packbits(wrong_pixels(mask, references[case], classes), axis=0, bitorder="little")[0]
            for mask, case in zip(pairs.masks.numpy(), pairs.table["case"], strict=True)
        ]
        return cls(pairs, torch.from_numpy(np.stack(packed)), cohort.scheme)

    def wrong(self) -> np.ndarray:
        """Wrong pixels of each structure, ``(M, classes - 1, S, S)`` bool."""
        return in_layers(self.bits, self.scheme.classes - 1).bool().numpy()

    def where(self, chosen: np.ndarray) -> Self:
        """Keep the masks that a boolean array ``(M,)`` chooses."""
        return Checked(self.pairs.where(chosen), self.bits[torch.from_numpy(np.array(chosen, bool))], self.scheme)

    def samples(self, sees: Sequence[str], device: torch.device) -> Resident:
        """Samples (image, mask, wrong pixels) in memory; what `sees` does not name is black."""
        return Resident(*self.pairs.only(sees).inputs(), self.bits, device=device)


def error_map_material(study: Study, part: Cohort, size: int) -> Checked:
    """Return all that an error map learns from in a part of site A: segmenters' errors, then altered masks.

    The errors are out of fold. The name of a mask in the table of the pairs is "error" or that of its alteration.
    """
    errors = error_pairs(part, ErrorSet.load(study.need(study.seeded("errors") + ".npz")), size)
    altered = AlteredSet.load(study.need("altered.npz")).at(size, part)
    return Checked.against(part, errors.joined(altered_pairs(part, altered)))


def train_error_map(
    training: Checked,
    validation: Checked,
    plan: Training,
    *,
    sees: Sequence[str],
    seed: int,
    device: torch.device,
    bar: Bar,
) -> tuple[ErrorMapper, pd.DataFrame, Evidence]:
    """Train a network that marks wrong pixels.

    Parameters
    ----------
    training, validation : Checked
        Masks of different patients; those of `validation` choose the round, and nothing else.
    plan : Training
        Size, budget and rates.
    sees : sequence of str
        "picture", "mask", or both; without the image it is a control.
    seed : int
        Of the order of the masks; :func:`fusqa.models.learner.reproducible` seeds the weights.
    device : torch.device
        Where to train.
    bar : Bar
        What it must show to count as learnt.

    Returns
    -------
    ErrorMapper
        The trained network.
    DataFrame
        Its history by round.
    Evidence
        Whether it has learnt: its loss beside that of an answer that is the same for every mask, the share of wrong
        pixels of the training masks at each place.
    """
    model = ErrorMapper(training.scheme.classes, plan.size)
    loss = ErrorMapLoss()
    learn = make_learner(model, loss, *(part.samples(sees, device) for part in (training, validation)), plan, seed)
    history = fit(learn)
    blind = _average_map(training).clamp(1e-6, 1 - 1e-6).logit().expand(len(validation.bits), -1, -1, -1)
    constant = float(loss(blind, validation.bits))
    about = {"bar": bar, "precision": computes_in(plan.precision, device), "control": "picture" not in sees}
    return model, history, evidence(history, plan, len(training.bits), constant, **about)


def wrong_probability(model: ErrorMapper, checked: Checked, sees: Sequence[str]) -> np.ndarray:
    """How surely each pixel of each structure is wrong, ``(M, classes - 1, S, S)`` float; `sees` as in training."""
    return predict(model, *checked.pairs.only(sees).inputs()).sigmoid().numpy()


def _average_map(checked: Checked) -> Tensor:
    """Share of the masks that are wrong at each place, structure by structure: ``(1, classes - 1, S, S)``."""
    layers = range(checked.scheme.classes - 1)
    return torch.stack([(checked.bits >> layer & 1).float().mean(0) for layer in layers])[None]
