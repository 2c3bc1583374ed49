"""Train one quality model, on the masks of a study or of a user, and write its card.

The notebook of the study and the command ``fusqa train`` differ only in the source of their pairs.
"""

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from fusqa.masks.labels import Scheme
from fusqa.models.answers import ANSWERS, constant_loss
from fusqa.models.callbacks import VaryGreyLevels
from fusqa.models.checkpoints import Card
from fusqa.models.familiarity import Familiarity, Features
from fusqa.models.learner import AUROC, Paired, computes_in, fit, make_learner, predict
from fusqa.models.plan import Bar
from fusqa.models.small_maps import as_products
from fusqa.study.learning import Evidence, evidence
from fusqa.study.mismatch import with_mismatched
from fusqa.study.pairs import Pairs
from fusqa.study.profile import QualityTraining
from fusqa.study.rows import RECIPES, Recipe, Row
from fusqa.study.sets import own_sets

FAMILIARITY_PAIRS = 256  # at most so many training pairs for familiarity: enough for its few directions


def network_arguments(row: Row, scheme: Scheme) -> dict:
    """Return the arguments of :func:`fusqa.models.networks.quality_model` for a row of the grid."""
    recipe = RECIPES[row.recipe]
    network = {"topology": row.topology, "backbone": row.backbone, "pretrained": row.pretrained}
    return network | {"classes": scheme.classes, "encoding": recipe.encoding, "answer": recipe.answer}


def train(
    model: nn.Module,
    recipe: Recipe,
    training: Pairs,
    validation: Pairs,
    plan: QualityTraining,
    seed: int,
    device: torch.device,
) -> pd.DataFrame:
    """Train `model` in place as `recipe` and `plan` say; return the history by round.

    `validation` chooses the round and has no other influence.
    """
    learnt = [learnt_from(recipe, pairs, seed) for pairs in (training, validation)]
    shown = (pairs.only(recipe.sees).labelled(recipe.target, device) for pairs in learnt)
    order, table, answer = None, learnt[0].table, ANSWERS[recipe.answer]
    verdict = table[recipe.truth]
    if plan.paired and verdict.nunique() == 2:
        order = Paired(verdict, table["case"], plan.of_a_round, seed)
    varied = [VaryGreyLevels(seed)] if recipe.varied else []
    metrics = [AUROC] if answer.classifies else []
    return fit(make_learner(model, answer.loss(), *shown, plan, seed, order=order, callbacks=varied, metrics=metrics))


def learnt_from(recipe: Recipe, pairs: Pairs, seed: int) -> Pairs:
    """Return pairs as a recipe learns from them: with those that it adds, without those whose target is not known."""
    more = with_mismatched(pairs.exchanged(recipe.exchanged, seed), recipe.mismatched, seed)
    return more.with_known(recipe.target)


def answers(model: nn.Module, recipe: Recipe, pairs: Pairs) -> dict[str, Tensor]:
    """Ask a trained quality model about pairs.

    Returns
    -------
    dict of str to (M,) Tensor
        Columns of a table of scores: ``probability``, by which masks are ordered, and what the model says in a unit of
        its own (:attr:`fusqa.models.answers.Answer.values`), such as ``predicted_mm``.
    """
    with as_products(model):
        output, answer = predict(model, *pairs.only(recipe.sees).inputs()), ANSWERS[recipe.answer]
    return {"probability": answer.trust(output)} | {name: of(output) for name, of in answer.values.items()}


def evidence_of(
    recipe: Recipe,
    plan: QualityTraining,
    history: pd.DataFrame,
    training: Pairs,
    validation: Pairs,
    probability: np.ndarray,
    device: torch.device,
    seed: int,
    bar: Bar,
) -> Evidence:
    """Judge whether a quality model has learnt, from its `probability` of "good" of the `validation` pairs.

    The loss of a constant answer is that on the validation pairs that chose the round, exchanged ones included.
    """
    answer = ANSWERS[recipe.answer]
    constant, floor = constant_loss(learnt_from(recipe, validation, seed).table[recipe.target], answer)
    scored = validation.table.assign(good=validation.table[recipe.truth], probability=probability)
    masks = len(learnt_from(recipe, training, seed).masks)
    about = {"bar": bar, "floor": floor, "precision": computes_in(plan.precision, device), "control": recipe.control}
    return evidence(history, plan, masks, constant, scored=scored if answer.classifies else None, seed=seed, **about)


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
    learnt: str,
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
    learnt : str
        What its training showed, a verdict of :mod:`fusqa.study.learning`.
    auroc : dict
        Name of a set of pairs to the area under the ROC curve on it.
    training : Pairs
        The pairs that it was trained on, from :func:`learnt_from`.
    lengths_mm : Series
        True lengths in the training images.
    provenance : dict
        From :func:`fusqa.study.provenance.origin`.
    """
    recipe = RECIPES[row.recipe]
    about = {
        "row": row.key,
        "learnt": learnt,
        "material": " and ".join(recipe.material),
        "masks": len(training.masks),
        "patients": int(training.table["patient"].nunique()),
        "length_mm": [float(lengths_mm.min()), float(lengths_mm.max())],
        "chosen_on": ", ".join(own_sets(recipe)),
    }
    return Card(
        "quality", network_arguments(row, scheme), size, scheme.name, threshold, recipe.sees, about, auroc, provenance
    )
