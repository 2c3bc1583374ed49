"""Image/mask pairs at network size: what a quality model or an autoencoder is trained and scored on.

Every model is scored on the same four sets. Three are of site A's validation patients: their altered masks, the
segmenter's errors on degraded images, and its predictions, the latter two out of fold. The fourth is the segmenter's
predictions at site B. Images are kept once, however many masks share them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fusqa.cohorts.cohort import Cohort
from fusqa.masks.label_images import resize_image, resize_labels, shrink_labels
from fusqa.models.learner import Resident, pictures
from fusqa.study.material import AlteredSet, ErrorSet, load_masks
from fusqa.study.results import Study
from fusqa.study.sets import ACCEPTED_DAYS, ALTERED, AT_A, AT_B, ERRORS

_EFFECT = ["delta_mm", "delta_days"]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Images, masks, and a table of the pairs.

    Attributes
    ----------
    images : (P, 1, S, S) uint8
        Images.
    image_of : (M,) int64
        Number of each mask's image.
    masks : (M, S, S) uint8
        Label masks.
    table : DataFrame
        One row per mask: ``case``, ``patient``, ``name`` (what the mask is), ``good`` (by construction, by review and
        date, or by review), ``reviewed`` (the same without the date), ``delta_mm``, ``delta_days`` (error against the
        true length, or against the reference mask where that is not known), ``dice`` (with the reference mask, mean
        over labels), ``test`` (drawn for the balanced test set).
    """

    images: Tensor
    image_of: Tensor
    masks: Tensor
    table: pd.DataFrame

    def inputs(self) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Columns for :class:`fusqa.models.learner.Resident` and :func:`fusqa.models.learner.predict`."""
        return (self.images, self.image_of), self.masks

    def only(self, sees: Sequence[str]) -> "Pairs":
        """Blacken the images unless `sees` names "picture", and the masks unless it names "mask"."""
        images = self.images if "picture" in sees else torch.zeros_like(self.images)
        return replace(self, images=images, masks=self.masks if "mask" in sees else torch.zeros_like(self.masks))

    def where(self, chosen: np.ndarray) -> "Pairs":
        """Keep the pairs that a boolean array ``(M,)`` chooses."""
        kept = torch.from_numpy(np.array(chosen, bool))
        return Pairs(self.images, self.image_of[kept], self.masks[kept], self.table[chosen].reset_index(drop=True))

    def with_known(self, column: str) -> "Pairs":
        """Keep the pairs of which `column` of the table is known."""
        return self.where(self.table[column].notna().to_numpy())

    def joined(self, others: "Pairs") -> "Pairs":
        """These pairs and then the others, with the columns that both tables have."""
        columns = [column for column in self.table if column in others.table]
        return Pairs(
            torch.cat([self.images, others.images]),
            torch.cat([self.image_of, others.image_of + len(self.images)]),
            torch.cat([self.masks, others.masks]),
            pd.concat([self.table[columns], others.table[columns]], ignore_index=True),
        )

    def exchanged(self, share: float, seed: int) -> "Pairs":
        """Add a share of the good masks once more, as poor: each with an image of another patient.

        If all pairs are of one patient, nothing is added.
        """
        rng, patients = np.random.default_rng(seed), self.table["patient"].to_numpy()
        good = np.flatnonzero(self.table["good"].to_numpy(bool))
        count = round(share * len(good)) if len(set(patients)) > 1 else 0
        if not count:
            return self
        chosen = rng.choice(good, count, replace=False)
        strangers = _of_another_patient(patients, chosen, rng)
        wrong = self.table.iloc[chosen].assign(
            name="exchanged", good=False, reviewed=False, dice=0.0, **dict.fromkeys(_EFFECT, np.nan)
        )
        return Pairs(
            self.images,
            torch.cat([self.image_of, self.image_of[strangers]]),
            torch.cat([self.masks, self.masks[torch.from_numpy(chosen)]]),
            pd.concat([self.table, wrong], ignore_index=True),
        )

    def with_other_images(self, seed: int) -> "Pairs":
        """Show every mask with the image of another patient, drawn at random.

        Raises
        ------
        ValueError
            When all pairs are of one patient.
        """
        patients = self.table["patient"].to_numpy()
        if len(set(patients)) < 2:
            raise ValueError(f"all {len(patients)} pairs are of one patient: there is no other patient's image")
        strangers = _of_another_patient(patients, range(len(patients)), np.random.default_rng(seed))
        return replace(self, image_of=self.image_of[strangers])

    def labelled(self, target: str, device: torch.device) -> Resident:
        """Samples (image, mask, column `target` of the table) in memory on `device`."""
        return Resident(*self.inputs(), torch.from_numpy(self.table[target].to_numpy(np.float32)), device=device)


def _of_another_patient(patients: np.ndarray, rows: Iterable[int], rng: np.random.Generator) -> Tensor:
    """Draw for each of `rows` a row of another patient, ``(len(rows),)`` int64."""
    drawn = [rng.choice(np.flatnonzero(patients != patients[row])) for row in rows]
    return torch.tensor(drawn, dtype=torch.int64)


def altered_pairs(cohort: Cohort, altered: AlteredSet) -> Pairs:
    """Pair the altered masks of `cohort`'s cases with their images."""
    size = altered.masks.shape[-1]
    part = altered.of(cohort.table["case"])
    return Pairs(
        pictures(cohort.stack(size)[0]),
        torch.from_numpy(pd.Index(cohort.table["case"]).get_indexer(part.table["case"])),
        torch.from_numpy(part.masks),
        part.table[["case", "patient", "name", "good"]].assign(
            delta_mm=part.table["error_mm"],  # of the true length, as a segmenter's errors
            delta_days=part.table["error_days"],
            reviewed=part.table["good"],
            dice=_mean_dice(part.table),
            test=False,
        ),
    )


def error_pairs(cohort: Cohort, errors: ErrorSet, size: int) -> Pairs:
    """Pair the segmenter's errors on `cohort`'s cases with the images, degraded or not, that led to them.

    A mask is good if the review accepts it *and* its error of the age is at most
    :data:`fusqa.study.sets.ACCEPTED_DAYS`.
    """
    chosen = errors.table["case"].isin(cohort.table["case"]).to_numpy()
    table = errors.table[chosen].reset_index(drop=True)
    accepted = table["good"].astype(bool) & (table["delta_days"].abs() <= ACCEPTED_DAYS)
    resized = [resize_image(image, size) for image in errors.images[chosen]]
    masks = [shrink_labels(mask, size, cohort.scheme.classes) for mask in errors.masks[chosen]]
    return Pairs(
        pictures(np.stack(resized)),
        torch.arange(len(table)),
        torch.from_numpy(np.stack(masks)),
        table[["case", "patient", *_EFFECT]].assign(
            name="error", good=accepted, reviewed=table["good"].astype(bool), dice=_mean_dice(table), test=False
        ),
    )


def predicted_pairs(
    study: Study, cohort: Cohort, size: int, network: str | None = None, seed: int | None = None
) -> Pairs:
    """Pair a segmenter's predictions for `cohort` with their images; site A's are out of fold.

    They are those of the segmenter that the review chose, or of another `network`, trained with `seed` or with the
    study's own; the masks of another are in no test set.
    """
    if network is None:
        table, masks = study.table(study.seeded("review", seed)), study.seeded("predictions", seed) + ".npz"
    else:
        name = study.seeded(f"segmentation__{network}", seed)
        table, masks = study.table(name).assign(test=False), f"{name}/predictions.npz"
    table = table.set_index("case").loc[cohort.table["case"]].reset_index()
    predicted = load_masks(study.need(masks))
    resized = [resize_labels(predicted[case], (size, size)) for case in cohort.table["case"]]
    return Pairs(
        pictures(cohort.stack(size)[0]),
        torch.arange(len(cohort)),
        torch.from_numpy(np.stack(resized)),
        table[["case", "patient", "good", *_EFFECT, "test"]].assign(
            name="prediction", reviewed=table["good"].astype(bool), dice=_mean_dice(table)
        ),
    )


def _mean_dice(table: pd.DataFrame) -> pd.Series:
    """Mean over the labels that are in the mask or in its reference; 0 for a mask that shares nothing with it."""
    return table.filter(regex="^dice_").mean(axis=1).fillna(0.0)


def study_material(study: Study, names: Sequence[str], seed: int) -> dict[str, AlteredSet | ErrorSet]:
    """Load what a recipe learns from (:attr:`fusqa.study.rows.Recipe.material`): errors of the segmenters of `seed`."""
    errors = study.seeded("errors", seed) + ".npz"
    stored = {"altered": (AlteredSet, "altered.npz"), "errors": (ErrorSet, errors)}
    return {name: stored[name][0].load(study.need(stored[name][1])) for name in names}


def learning_pairs(material: Mapping[str, AlteredSet | ErrorSet], part: Cohort, size: int) -> Pairs:
    """Pair all masks of a recipe's material that belong to `part` with their images; ``true_mm`` is added."""
    made = [
        altered_pairs(part, masks) if isinstance(masks, AlteredSet) else error_pairs(part, masks, size)
        for masks in material.values()
    ]
    joined, true_mm = reduce(Pairs.joined, made), part.table.set_index("case")["measure_mm"]
    return replace(joined, table=joined.table.assign(true_mm=joined.table["case"].map(true_mm)))


def scored_sets(study: Study, validation: Cohort, size: int, seed: int) -> dict[str, Pairs]:
    """Return the sets on which every model is scored; `validation` is the part of site A that trained nothing.

    A segmenter's masks are those of the segmenters of `seed`, so that the spread over seeds is also theirs.
    """
    altered = AlteredSet.load(study.need("altered.npz"))
    if altered.masks.shape[-1] != size:
        altered = AlteredSet.make(validation, size, study.seed)
    return {
        ALTERED: altered_pairs(validation, altered),
        ERRORS: error_pairs(validation, ErrorSet.load(study.need(study.seeded("errors", seed) + ".npz")), size),
        AT_A: predicted_pairs(study, validation, size, seed=seed),
        AT_B: predicted_pairs(study, study.site("B"), size, seed=seed),
    }
