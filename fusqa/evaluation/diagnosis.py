"""The models that the chapters examine: one network, trained once by each recipe."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from fusqa.evaluation.comparison import TrainedRow, trained_rows
from fusqa.models.checkpoints import load_model
from fusqa.models.learner import predict
from fusqa.study.pairs import Pairs
from fusqa.study.results import Study
from fusqa.study.rows import RECIPES, REFERENCE_NETWORK, Recipe

__all__ = ["RecipeModel", "recipe_models"]


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

    def probability(self, pairs: Pairs) -> np.ndarray:
        """Probability of "good" of every pair, ``(M,)``."""
        return predict(self.model, *pairs.only(self.recipe.sees).inputs()).sigmoid().numpy()


def recipe_models(study: Study, device: torch.device | str = "cpu") -> list[RecipeModel]:
    """Load the first seed of every recipe's single ResNet-18 from scratch, as far as `study` ran them."""
    found = []
    for key, row in trained_rows(study).items():
        about = row.row
        if row.tables and about and about.network == REFERENCE_NETWORK:
            folder = study.need(f"models/{about.result(study.profile.seeds[0])}/card.json").parent
            model, card = load_model(folder)
            recipe, threshold = RECIPES[about.recipe], row.thresholds("validation")[0]
            found.append(RecipeModel(row, key, recipe, model.to(device), card.size, threshold))
    return found
