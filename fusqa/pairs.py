"""Image/mask pairs at network size: what a quality model or an autoencoder is trained on and judged by.

Three sets of pairs matter to a study, and every model is scored on the same three: altered masks of validation
patients, out-of-fold predictions at site A, and predictions at site B. Pictures are kept once, however many masks
share them.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fusqa.cohort import Cohort
from fusqa.datasets import AlteredSet, load_masks, resize_labels
from fusqa.learner import Resident, pictures
from fusqa.study import Study

__all__ = ["ALTERED", "AT_A", "AT_B", "Pairs", "altered_pairs", "judged_sets", "predicted_pairs"]

ALTERED, AT_A, AT_B = "altered masks, validation", "predictions, site A", "predictions, site B"


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pictures, masks, and what is known of each pair.

    Attributes
    ----------
    images : (P, 1, S, S) uint8
        Pictures.
    picture : (M,) int64
        Picture of each mask.
    masks : (M, S, S) uint8
        Label masks.
    table : DataFrame
        One row a mask: ``case``, ``patient``, ``name`` (what the mask is), ``good`` (by construction or by review),
        ``delta_mm``, ``delta_days`` (what it does to the measurement), ``test`` (drawn for the balanced test set).
    """

    images: Tensor
    picture: Tensor
    masks: Tensor
    table: pd.DataFrame

    def inputs(self) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Columns for :class:`fusqa.learner.Resident` and :func:`fusqa.learner.predict`."""
        return (self.images, self.picture), self.masks

    def labelled(self, device: torch.device) -> Resident:
        """Samples (picture, mask, 1 for good) in memory on `device`."""
        return Resident(*self.inputs(), torch.from_numpy(self.table["good"].to_numpy(np.float32)), device=device)


def altered_pairs(cohort: Cohort, altered: AlteredSet) -> Pairs:
    """Pair the altered masks of `cohort`'s cases with their pictures."""
    size = altered.masks.shape[-1]
    part = altered.of(cohort.table["case"])
    number = {case: row for row, case in enumerate(cohort.table["case"])}
    columns = ["case", "patient", "name", "good", "delta_mm", "delta_days"]
    return Pairs(
        pictures(cohort.stack(size)[0]),
        torch.tensor([number[case] for case in part.table["case"]]),
        torch.from_numpy(part.masks),
        part.table[columns].assign(test=False),
    )


def predicted_pairs(study: Study, site: str, size: int) -> Pairs:
    """Pair the segmenter's predictions at `site` with their pictures; site A's are out of fold."""
    cohort = study.site(site)
    table = study.table("segmentation").set_index("case").loc[cohort.table["case"]].reset_index()
    predicted = load_masks(study.need("predictions.npz"))
    masks = [resize_labels(predicted[case], (size, size)) for case in cohort.table["case"]]
    columns = ["case", "patient", "good", "delta_mm", "delta_days", "test"]
    return Pairs(
        pictures(cohort.stack(size)[0]),
        torch.arange(len(cohort)),
        torch.from_numpy(np.stack(masks)),
        table[columns].assign(name="prediction"),
    )


def judged_sets(study: Study, validation: Cohort, size: int) -> dict[str, Pairs]:
    """Return the three sets on which every model is judged; `validation` is site A's part that trained nothing."""
    return {
        ALTERED: altered_pairs(validation, AlteredSet.make(validation, size, study.seed)),
        AT_A: predicted_pairs(study, "A", size),
        AT_B: predicted_pairs(study, "B", size),
    }
