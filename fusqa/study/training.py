"""Train one quality model, on the masks of a study or of a user, and write its card.

The notebook of the study and the command ``fusqa train`` differ only in the source of their pairs.
"""

import numpy as np
import pandas as pd
import torch
from torch import nn

from fusqa.masks.labels import Scheme
from fusqa.models.checkpoints import Card
from fusqa.models.familiarity import Familiarity, Features
from fusqa.models.learner import accuracy, fit, make_learner, predict
from fusqa.study.pairs import ALTERED, ERRORS, Pairs
from fusqa.study.profile import Training
from fusqa.study.rows import RECIPES, Recipe, Row

__all__ = ["FAMILIARITY_PAIRS", "VALIDATION", "fit_familiarity", "model_card", "network_arguments", "train"]

FAMILIARITY_PAIRS = 256  # at most so many training pairs for familiarity: enough for its few directions
VALIDATION = {"altered": ALTERED, "errors": ERRORS}  # name of the pairs on which a threshold is chosen, by material


def network_arguments(row: Row, scheme: Scheme) -> dict:
    """Return the arguments of :func:`fusqa.models.networks.quality_model` for a row of the grid."""
    return {
        "topology": row.topology,
        "backbone": row.backbone,
        "pretrained": row.pretrained,
        "classes": scheme.classes,
        "encoding": RECIPES[row.recipe].encoding,
    }


def train(
    model: nn.Module,
    recipe: Recipe,
    training: Pairs,
    validation: Pairs,
    plan: Training,
    seed: int,
    device: torch.device,
) -> pd.DataFrame:
    """Train `model` in place as `recipe` and `plan` say; return the history by round.

    `validation` chooses the round and has no other influence.
    """
    learnt = (pairs.exchanged(recipe.exchanged, seed) for pairs in (training, validation))
    shown = (pairs.only(recipe.sees).labelled(recipe.target, device) for pairs in learnt)
    settings = {"budget": plan.budget, "rounds": plan.rounds, "batch": plan.batch, "decay": plan.decay}
    return fit(
        make_learner(model, nn.BCEWithLogitsLoss(), *shown, **settings, seed=seed, metrics=[accuracy]), plan.rate
    )


def fit_familiarity(model: nn.Module, recipe: Recipe, training: Pairs, validation: Pairs) -> Familiarity:
    """Fit what the training pairs look like to a trained model, from at most :data:`FAMILIARITY_PAIRS` of them."""
    chosen = np.zeros(len(training.masks), bool)
    chosen[np.linspace(0, len(chosen) - 1, min(len(chosen), FAMILIARITY_PAIRS)).astype(int)] = True
    shown = (pairs.only(recipe.sees).inputs() for pairs in (training.where(chosen), validation))
    return Familiarity.fit(*(predict(Features(model), *inputs) for inputs in shown))


def model_card(
    row: Row,
    scheme: Scheme,
    size: int,
    threshold: float,
    auroc: dict[str, float | None],
    training: Pairs,
    lengths_mm: pd.Series,
    provenance: dict,
) -> Card:
    """Write the card of a quality model.

    Parameters
    ----------
    row, scheme, size
        What was trained, on which labels, at which side of its square image in pixels.
    threshold : float
        Chosen on the validation pairs.
    auroc : dict
        Name of a set of pairs to the area under the ROC curve on it.
    training : Pairs
        The pairs that it was trained on.
    lengths_mm : Series
        True lengths in the training images.
    provenance : dict
        From :func:`fusqa.study.provenance.origin`.
    """
    recipe = RECIPES[row.recipe]
    about = {
        "row": row.key,
        "material": recipe.material,
        "masks": len(training.masks),
        "patients": int(training.table["patient"].nunique()),
        "length_mm": [float(lengths_mm.min()), float(lengths_mm.max())],
        "chosen_on": VALIDATION[recipe.material],
    }
    return Card(
        "quality", network_arguments(row, scheme), size, scheme.name, threshold, recipe.sees, about, auroc, provenance
    )
