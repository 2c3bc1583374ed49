"""The models that the chapters examine: one network, trained once by each recipe; and what each makes of an image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from fusqa.evaluation.comparison import TrainedRow, learnt_rows, trained_rows
from fusqa.metrics import Difference, Report, Scored, classification_report, difference
from fusqa.models.checkpoints import load_model
from fusqa.study.learning import LEARNT
from fusqa.study.pairs import Pairs
from fusqa.study.results import Study
from fusqa.study.rows import RECIPES, REFERENCE_NETWORK, Recipe
from fusqa.study.training import answers

__all__ = [
    "NO_IMAGE",
    "NO_MASK",
    "OTHER",
    "OWN",
    "TELLING",
    "ImageUse",
    "RecipeModel",
    "example_model",
    "image_use",
    "recipe_models",
    "telling",
]

TELLING = ("paper", "errors", "both-labels", "both-varied")  # recipes that are shown map by map and curve by curve
OWN, OTHER, NO_IMAGE, NO_MASK = "as trained", "another's picture", "no picture", "no mask"  # as result files say


@dataclass(frozen=True, eq=False)
class RecipeModel:
    """The model of one recipe, with what belongs to it.

    Attributes
    ----------
    row : TrainedRow
        Its row of the study, with all seeds; the model is that of the first.
    key : str
        Name of the row.
    recipe : Recipe
        How it was trained.
    model : nn.Module
        The network.
    size : int
        Side of its images in pixels.
    threshold : float
        Chosen on validation; a mask is called good from this probability on.
    """

    row: TrainedRow
    key: str
    recipe: Recipe
    model: nn.Module
    size: int
    threshold: float

    @property
    def title(self) -> str:
        """Its recipe in words, in which alone the models differ."""
        return self.recipe.title

    @property
    def learnt(self) -> bool:
        """Whether it has learnt its task; a control has not, and need not."""
        return self.row.verdict == LEARNT

    def probability(self, pairs: Pairs) -> np.ndarray:
        """Probability of "good" of every pair, ``(M,)``; the score that stands for it where a number is predicted."""
        return answers(self.model, self.recipe, pairs)["probability"].numpy()


def recipe_models(study: Study, device: torch.device | str = "cpu") -> list[RecipeModel]:
    """Load the first seed of every recipe's single ResNet-18 from scratch that has learnt, and of the controls.

    Controls are there to be compared with: where nothing has learnt, there are none either.
    """
    rows = _of_the_network(learnt_rows(trained_rows(study)))
    if LEARNT not in {row.verdict for row in rows.values()}:
        return []
    return [_load(study, key, row, device) for key, row in rows.items()]


def telling(panel: Sequence[RecipeModel]) -> list[RecipeModel]:
    """Keep the few models that are shown one by one: those of :data:`TELLING` that have learnt."""
    return [one for one in panel if one.row.row.recipe in TELLING and one.learnt]


def example_model(study: Study) -> RecipeModel:
    """Load the model with which a chapter shows what the command prints.

    It is one that has learnt, from a segmenter's errors if possible; where none has, any that was run.

    Raises
    ------
    LookupError
        Where the study ran no model of the reference network.
    """
    rows = _of_the_network({key: row for key, row in trained_rows(study).items() if row.tables})
    if not rows:
        raise LookupError(f"profile '{study.profile.name}' ran no single ResNet-18 from scratch; add such a row to it")
    key = max(rows, key=lambda key: (rows[key].verdict == LEARNT, rows[key].row.recipe == "errors"))
    return _load(study, key, rows[key], "cpu")


def _of_the_network(rows: Mapping[str, TrainedRow]) -> dict[str, TrainedRow]:
    """Keep the rows of the network on which recipes are compared."""
    return {key: row for key, row in rows.items() if row.row and row.row.network == REFERENCE_NETWORK}


def _load(study: Study, key: str, row: TrainedRow, device: torch.device | str) -> RecipeModel:
    folder = study.need(f"models/{row.row.result(study.profile.seeds[0])}/card.json").parent
    model, card = load_model(folder)
    recipe, threshold = RECIPES[row.row.recipe], row.thresholds("validation")[0]
    return RecipeModel(row, key, recipe, model.to(device), card.size, threshold)


@dataclass(frozen=True, eq=False)
class ImageUse:
    """What one model says of the same masks, shown with their own image, with a wrong one, and with one input hidden.

    Attributes
    ----------
    model : RecipeModel
        Who was asked.
    patients : (M,)
        Patient of each mask.
    scored : dict of str to (M,) float
        Probability of "good" by what was shown: "as trained", "another's picture", "no picture", "no mask". A control
        is asked only as it was trained.
    """

    model: RecipeModel
    patients: np.ndarray
    scored: dict[str, np.ndarray]

    def reports(self, truth: Sequence[bool], seed: int) -> dict[str, Report]:
        """Report on the scores against a truth ``(M,)``, by what was shown."""
        return {
            shown: classification_report(truth, score, self.patients, seed=seed) for shown, score in self.scored.items()
        }

    def of_good(self, truth: Sequence[bool]) -> dict[str, float]:
        """Mean probability of the masks that are good, by what was shown; NaN where there are none."""
        good = np.asarray(truth, bool)
        return {shown: float(score[good].mean()) if good.any() else np.nan for shown, score in self.scored.items()}

    def lost(self, truth: Sequence[bool]) -> Difference | None:
        """AUROC with the right image minus AUROC with another patient's, on the same draws of patients.

        None where the model was not asked both ways, or where the truth ``(M,)`` is the same for all masks.
        """
        truth = np.asarray(truth, bool)
        if OTHER not in self.scored or truth.all() or not truth.any():
            return None
        ours, theirs = (
            [Scored(truth, self.scored[shown], self.patients, self.model.threshold)] for shown in (OWN, OTHER)
        )
        return difference(ours, theirs)["auroc"]


def image_use(panel: Sequence[RecipeModel], pairs: Pairs, seed: int) -> list[ImageUse]:
    """Ask every model about the same masks with other images, without an image, and without a mask.

    Where all pairs are of one patient, no mask can be shown with another's image, and none is.
    """
    patients = pairs.table["patient"].to_numpy()
    otherwise = {NO_IMAGE: pairs.only(["mask"]), NO_MASK: pairs.only(["picture"])}
    if len(set(patients)) > 1:
        otherwise = {OTHER: pairs.with_other_images(seed)} | otherwise
    asked = [{OWN: pairs} | ({} if one.recipe.control else otherwise) for one in panel]
    return [
        ImageUse(one, patients, {title: one.probability(shown) for title, shown in ways.items()})
        for one, ways in zip(panel, asked, strict=True)
    ]
