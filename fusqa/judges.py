"""The trained models that chapters ask for a verdict: one topology and backbone, a recipe each."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from fusqa.checkpoints import load_model
from fusqa.grid import Trained, trained
from fusqa.learner import predict
from fusqa.pairs import Pairs
from fusqa.paper import ROWS
from fusqa.recipes import RECIPES, Recipe
from fusqa.study import Study

__all__ = ["Judge", "judges"]


@dataclass(frozen=True, eq=False)
class Judge:
    """A model and what belongs to it.

    Attributes
    ----------
    row : Trained
        Its row of the study, with all seeds; the model is that of the first.
    key : str
        Name of the row.
    recipe : Recipe
        How it was trained.
    model : nn.Module
        The network.
    size : int
        Side of its pictures in pixels.
    threshold : float
        Chosen on validation; a mask is called good from this probability on.
    """

    row: Trained
    key: str
    recipe: Recipe
    model: nn.Module
    size: int
    threshold: float

    @property
    def title(self) -> str:
        """Its recipe in words, since that is what sets one judge apart from another."""
        return self.recipe.title

    def probability(self, pairs: Pairs) -> np.ndarray:
        """Probability of "good" of every pair, ``(M,)``."""
        return predict(self.model, *pairs.only(self.recipe.sees).inputs()).sigmoid().numpy()


def judges(study: Study, device: torch.device | str = "cpu") -> list[Judge]:
    """Load the first seed of every recipe's single ResNet-18 from scratch, as far as `study` ran them."""
    found = []
    for key, row in trained(study).items():
        about = ROWS.get(key)
        if row.tables and about and (about.topology, about.backbone, about.pretrained) == ("single", "resnet18", False):
            folder = study.need(f"models/{about.result(study.profile.seeds[0])}/card.json").parent
            model, card = load_model(folder)
            recipe, threshold = RECIPES[about.recipe], row.thresholds("validation")[0]
            found.append(Judge(row, key, recipe, model.to(device), card.size, threshold))
    return found
