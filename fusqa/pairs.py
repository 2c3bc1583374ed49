"""Image/mask pairs at network size: what a quality model or an autoencoder is trained on and judged by.

Four sets of pairs matter to a study, and every model is scored on the same four: of site A's validation patients the
altered masks, the segmenter's errors on spoilt pictures, and its predictions, all out of fold; and its predictions at
site B. Pictures are kept once, however many masks share them.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fusqa.cohort import Cohort
from fusqa.datasets import AlteredSet, ErrorSet, load_masks, resize_labels
from fusqa.learner import Resident, pictures
from fusqa.study import Study

__all__ = [
    "ALTERED",
    "AT_A",
    "AT_B",
    "ERRORS",
    "Pairs",
    "altered_pairs",
    "error_pairs",
    "judged_sets",
    "predicted_pairs",
]

ALTERED, ERRORS = "altered masks, validation", "segmenter's errors, validation"
AT_A, AT_B = "predictions, validation", "predictions, site B"
ACCEPTED_DAYS = 3.0  # chosen: within the standard deviation of the dating equation itself


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

    def blind(self) -> "Pairs":
        """Return the same masks with black pictures: whoever judges them has nothing but the mask."""
        return replace(self, images=torch.zeros_like(self.images))

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


def error_pairs(cohort: Cohort, errors: ErrorSet, size: int) -> Pairs:
    """Pair the segmenter's errors on `cohort`'s cases with the pictures, spoilt or not, that led to them.

    Good is what the review accepts *and* what dates the pregnancy within :data:`ACCEPTED_DAYS`.
    """
    chosen = errors.table["case"].isin(cohort.table["case"]).to_numpy()
    table = errors.table[chosen].reset_index(drop=True)
    accepted = table["good"].astype(bool) & (table["delta_days"].abs() <= ACCEPTED_DAYS)
    resized = [cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA) for image in errors.images[chosen]]
    masks = [resize_labels(mask, (size, size)) for mask in errors.masks[chosen]]
    return Pairs(
        pictures(np.stack(resized)),
        torch.arange(len(table)),
        torch.from_numpy(np.stack(masks)),
        table[["case", "patient", "delta_mm", "delta_days"]].assign(name="error", good=accepted, test=False),
    )


def predicted_pairs(study: Study, cohort: Cohort, size: int) -> Pairs:
    """Pair the segmenter's predictions for `cohort` with their pictures; site A's are out of fold."""
    table = study.table("review").set_index("case").loc[cohort.table["case"]].reset_index()
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
    """Return the sets on which every model is judged; `validation` is site A's part that trained nothing."""
    return {
        ALTERED: altered_pairs(validation, AlteredSet.make(validation, size, study.seed)),
        ERRORS: error_pairs(validation, ErrorSet.load(study.need("errors.npz")), size),
        AT_A: predicted_pairs(study, validation, size),
        AT_B: predicted_pairs(study, study.site("B"), size),
    }
