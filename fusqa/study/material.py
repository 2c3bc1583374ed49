"""The sets of masks that a study passes from notebook to notebook: altered ones, predictions, a segmenter's errors."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pandas as pd

from fusqa.cohorts.cohort import Cohort
from fusqa.cohorts.reading import Case
from fusqa.files import whole
from fusqa.masks.alterations import GOOD, Effect, altered_masks, replay
from fusqa.masks.dating import EQUATIONS
from fusqa.masks.label_images import dice, resize_labels
from fusqa.masks.labels import Scheme
from fusqa.masks.measurement import measured_mm
from fusqa.masks.reviewing import review

Progress = Callable[[Iterable[Case]], Iterable[Case]]  # wraps the cases, as ``tqdm.tqdm`` does


class Stored:
    """A table and the arrays that belong to it, kept in one ``.npz`` file."""

    table: pd.DataFrame

    def save(self, path: Path) -> None:
        """Write the table and its arrays into one file, so that they stay together."""
        arrays = {name: value for name, value in vars(self).items() if name != "table"}
        with whole(path) as part:
            np.savez_compressed(part, table=np.frombuffer(self.table.to_json().encode(), np.uint8), **arrays)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote."""
        arrays = load_masks(path)
        table = pd.DataFrame(json.loads(arrays.pop("table").tobytes())).reset_index(drop=True)
        empty = [name for name in table if table[name].isna().all()]  # JSON does not say that they held numbers
        return cls(**arrays, table=table.astype(dict.fromkeys(empty, float)))


@dataclass(frozen=True, eq=False)
class AlteredSet(Stored):
    """Altered masks of a cohort at network size.

    Attributes
    ----------
    masks : (M, S, S) uint8
        Ten per case, made on the image's own grid and then resized.
    table : DataFrame
        One row per mask: ``case``, ``patient``, ``name``, ``good``,
        ``dice_<label>``, ``delta_mm``, ``delta_days`` (against the reference mask), ``error_mm``, ``error_days``
        (against the true length), ``criteria_lost``, ``recipe`` (JSON).
    """

    masks: np.ndarray
    table: pd.DataFrame

    @classmethod
    def make(cls, cohort: Cohort, size: int, seed: int, progress: Progress = iter) -> Self:
        """Alter every mask of `cohort`; each case draws from its own generator, so order does not matter."""
        masks, rows = [], []
        for case in progress(cohort):
            for altered in altered_masks(case.mask, case_generator(seed, case.case), cohort.scheme):
                effect = altered.effect(case.spacing)
                masks.append(resize_labels(altered.mask, (size, size)))
                rows.append(
                    {"case": case.case, "patient": case.patient, "name": altered.name}
                    | {"good": altered.quality == GOOD}
                    | {f"dice_{label}": value for label, value in effect.dice.items()}
                    | {"delta_mm": effect.delta_mm, "delta_days": effect.delta_days}
                    | _true_error(effect, case, cohort.scheme)
                    | {"criteria_lost": " ".join(effect.criteria_lost), "recipe": json.dumps(altered.recipe)}
                )
        return cls(np.stack(masks), pd.DataFrame(rows))

    def of(self, cases: Iterable[str]) -> Self:
        """Keep the masks of the named cases."""
        chosen = self.table["case"].isin(list(cases)).to_numpy()
        return AlteredSet(self.masks[chosen], self.table[chosen].reset_index(drop=True))

    def at(self, size: int, cohort: Cohort) -> Self:
        """Make the masks of `cohort`'s cases once more, by their recipes, at another size."""
        part = self.of(cohort.table["case"])
        recipes = part.table["recipe"].map(json.loads).groupby(part.table["case"])
        masks = np.empty((len(part.table), size, size), np.uint8)
        for case in cohort:
            for place, recipe in recipes.get_group(case.case).items():
                masks[place] = resize_labels(replay(case.mask, recipe, cohort.scheme), (size, size))
        return AlteredSet(masks, part.table)


@dataclass(frozen=True, eq=False)
class ErrorSet(Stored):
    """Masks that segmenters predicted out of fold for site A's images, as they are and degraded.

    Attributes
    ----------
    images, masks : (M, S, S) uint8
        Images and predicted masks, at the segmenter's size.
    table : DataFrame
        One row per prediction: ``case``, ``patient``, ``degraded`` (0 for the image as it is), and its
        :func:`prediction_record`.
    """

    images: np.ndarray
    masks: np.ndarray
    table: pd.DataFrame

    @classmethod
    def joined(cls, sets: Mapping[str, Self]) -> Self:
        """Join the errors of several segmenters; the column ``network`` of the table names them.

        Raises
        ------
        ValueError
            When their images differ in size.
        """
        sizes = {name: errors.masks.shape[1:] for name, errors in sets.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"segmenters of a study must share one size of image; theirs are {sizes}")
        tables = [errors.table.assign(network=name) for name, errors in sets.items()]
        parts = [(errors.images, errors.masks) for errors in sets.values()]
        return cls(*map(np.concatenate, zip(*parts, strict=True)), pd.concat(tables, ignore_index=True))


def case_generator(seed: int, name: str) -> np.random.Generator:
    """Return a random generator that depends only on the seed and the name of a case."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def save_masks(path: Path, masks: Mapping[str, np.ndarray], packing: int = ZIP_DEFLATED) -> None:
    """Write label masks of any size, named by their cases, as an ``.npz`` file.

    NumPy's own function takes the names for arguments, so none could be called "file". `packing` is a method of
    :mod:`zipfile`.
    """
    with whole(path) as part, ZipFile(part, "w", packing) as packed:
        for name, array in masks.items():
            with packed.open(f"{name}.npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asanyarray(array), allow_pickle=False)


def load_masks(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of an ``.npz`` file by name, such as :func:`save_masks` writes."""
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}


def prediction_record(case: Case, predicted: np.ndarray, scheme: Scheme) -> dict:
    """Compare a predicted mask with its case: Dice, measurement error, error in days, review.

    Returns
    -------
    dict
        ``dice_<label>``; ``mm``, ``delta_mm``, ``delta_days`` against the case's own measurement (NaN where the mask
        cannot be measured); one boolean per criterion; ``met``, how many; ``good``, the verdict of the review, for
        which the case's own mask replaces a reviewer who sees the image.
    """
    days = EQUATIONS[scheme.equation].days
    mm = measured_mm(predicted, case.spacing, scheme)
    verdict = review(predicted, case.spacing, scheme, reference=case.mask)
    overlap = dice(case.mask, predicted, scheme.classes)
    return (
        {f"dice_{name}": float(value) for name, value in zip(scheme.names, overlap, strict=True)}
        | {"mm": mm, "delta_mm": mm - case.measure_mm, "delta_days": float(days(mm) - days(case.measure_mm))}
        | {name: criterion.met for name, criterion in verdict.criteria.items()}
        | {"met": verdict.met, "good": verdict.good}
    )


def _true_error(effect: Effect, case: Case, scheme: Scheme) -> dict[str, float]:
    """Error of an altered mask's length and date; against the reference mask where the true length is not known."""
    if case.measure_mm is None:
        return {"error_mm": effect.delta_mm, "error_days": effect.delta_days}
    days = EQUATIONS[scheme.equation].days
    error_days = float(days(effect.length_mm) - days(case.measure_mm))
    return {"error_mm": effect.length_mm - case.measure_mm, "error_days": error_days}


def balanced_sample(good: np.ndarray, per_class: int, seed: int) -> np.ndarray:
    """Draw as many good as poor cases, `per_class` of each or as many as the rarer class has.

    Returns
    -------
    (N,) bool
        Which cases are drawn.
    """
    good = np.asarray(good, bool)
    count = min(per_class, good.sum(), (~good).sum())
    rng = np.random.default_rng(seed)
    drawn = np.zeros(len(good), bool)
    for members in (np.flatnonzero(good), np.flatnonzero(~good)):
        drawn[rng.choice(members, count, replace=False)] = True
    return drawn
