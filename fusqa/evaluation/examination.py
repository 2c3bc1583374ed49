"""What a training stores for the chapters that examine it, so that they need no weights.

Of the network on which recipes are compared, the first seed of every row that has learnt, and of every control, is
asked more than the others: about the masks of its sets shown otherwise than in training, about the further sets of
:func:`further_sets`, and, by hiding parts of image and mask, about a small sample. All of it is stored in small files
beside its scores.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from fusqa.evaluation.looking import NO_IMAGE, NO_MASK, OTHER, OWN, SHOWN
from fusqa.evaluation.saliency import grad_cam, occlusion
from fusqa.evaluation.scoring import scores
from fusqa.evaluation.unseen import SEVERITIES, unseen_masks
from fusqa.files import significant
from fusqa.models.learner import pictures
from fusqa.study.learning import CONTROL, LEARNT
from fusqa.study.material import ErrorSet, Stored
from fusqa.study.pairs import Pairs, error_pairs, predicted_pairs
from fusqa.study.results import Study
from fusqa.study.rows import REFERENCE_NETWORK, Recipe, Row
from fusqa.study.sets import ALTERED, AT_B
from fusqa.study.weaker import few_cases, weaker_result

ASKED_OTHERWISE = (ALTERED, AT_B)
UNSEEN_ERRORS = "unseen errors"
SAMPLE = 6  # predictions of site B whose maps are averaged: each takes 129 verdicts


def is_examined(row: Row, verdict: str) -> bool:
    """Whether a training of this verdict (:mod:`fusqa.study.learning`) is asked more than for its scores."""
    return row.network == REFERENCE_NETWORK and verdict in (LEARNT, CONTROL)


def of_segmenter(network: str) -> str:
    """Name of the set of another segmentation network's predictions at site B."""
    return f"predictions of {network}, site B"


def of_weaker(title: str) -> str:
    """Name of the set of a weaker segmenter's masks."""
    return f"segmenter, {title}"


def further_sets(study: Study, size: int) -> dict[str, Pairs]:
    """Return the sets that only examined models are scored on, at network size.

    The predictions of the segmentation networks that the study did not choose, for all of site B; errors that no
    recipe shows (:mod:`fusqa.evaluation.unseen`); and masks of weaker segmenters (:mod:`fusqa.study.weaker`), both for
    a few of its cases.
    """
    site_b, few, chosen = study.site("B"), few_cases(study), study.result(study.seeded("review"))["chosen"]
    others = [network for network in study.plan.segmenters if network != chosen]
    sets = {of_segmenter(network): predicted_pairs(study, site_b, size, network) for network in others}
    masks, table = unseen_masks(few, size, SEVERITIES, study.seed)
    image_of = torch.from_numpy(pd.Index(few.table["case"]).get_indexer(table["case"]))
    sets[UNSEEN_ERRORS] = Pairs(pictures(few.stack(size)[0]), image_of, torch.from_numpy(masks), table)
    weaker = ErrorSet.load(study.need(f"results/{weaker_result(study, chosen)}.npz"))
    for title in dict.fromkeys(weaker.table["segmenter"]):
        part = (weaker.table["segmenter"] == title).to_numpy()
        one = ErrorSet(weaker.images[part], weaker.masks[part], weaker.table[part].reset_index(drop=True))
        sets[of_weaker(title)] = error_pairs(few, one, size)
    return sets


def further_scores(sets: Mapping[str, Pairs], answers: Callable[[Pairs], Mapping[str, Tensor]]) -> pd.DataFrame:
    """Score the further sets: ``set``, ``case``, ``name`` and ``severity`` of the error, ``probability`` of "good"."""
    return scores(sets, answers).reindex(columns=["set", "case", "name", "severity", "probability"])


def with_other_inputs(
    table: pd.DataFrame,
    sets: Mapping[str, Pairs],
    answers: Callable[[Pairs], Mapping[str, Tensor]],
    recipe: Recipe,
    seed: int,
) -> pd.DataFrame:
    """Add to a row's scores what it says of the same masks with other images, without an image, and without a mask.

    A control is asked only as it was trained. Where all pairs of a set are of one patient, no mask can be shown with
    another's image, and none is.

    Parameters
    ----------
    table : DataFrame
        From :func:`fusqa.evaluation.scoring.scores`.
    sets : dict of str to Pairs
        The sets that it is of.
    answers : callable
        What the model says of pairs (:func:`fusqa.study.training.answers`).
    recipe : Recipe
        How the model was trained.
    seed : int
        Which other patient's image each mask is shown with.
    """
    if recipe.control:
        return table
    asked = table.assign(**{column: np.nan for shown, column in SHOWN.items() if shown != OWN})
    for name in ASKED_OTHERWISE:
        pairs, rows = sets[name], asked["set"] == name
        otherwise = {NO_IMAGE: pairs.only(["mask"]), NO_MASK: pairs.only(["picture"])}
        if pairs.table["patient"].nunique() > 1:
            otherwise |= {OTHER: pairs.with_other_images(seed)}
        for shown, seen in otherwise.items():
            asked.loc[rows, SHOWN[shown]] = significant(answers(seen)["probability"].double())
    return asked


@dataclass(frozen=True, eq=False)
class Maps(Stored):
    """What changes a model's verdict of a sample of site B's predictions, in a file of some ten kilobytes.

    Attributes
    ----------
    of_image, of_mask : (M, P, P) float16
        From :func:`fusqa.evaluation.saliency.occlusion`.
    cams : (F, S, S) int8
        Grad-CAM of the first F, those that are shown, in parts of 127 of the largest value of each.
    table : DataFrame
        One row per prediction: ``number`` in the set, ``case``, whether it is ``good`` and ``called`` good.
    """

    of_image: np.ndarray
    of_mask: np.ndarray
    cams: np.ndarray
    table: pd.DataFrame


def saliency_maps(model: nn.Module, recipe: Recipe, pairs: Pairs, called: np.ndarray, seed: int) -> Maps:
    """Map what a model of the reference network looks at in a few predictions.

    They are the first that it calls right, the first that it calls wrong, and :data:`SAMPLE` that are drawn at random,
    the same for all models.

    Parameters
    ----------
    model : nn.Module
        The trained network.
    recipe : Recipe
        How it was trained.
    pairs : Pairs
        Predictions of site B.
    called : (M,) bool
        Whether the model calls each of them good.
    seed : int
        Of the sample.
    """
    shown, good = pairs.only(recipe.sees), pairs.table["good"].to_numpy(bool)
    few = [int(found[0]) for found in (np.flatnonzero(called == good), np.flatnonzero(called != good)) if len(found)]
    drawn = np.random.default_rng(seed).choice(len(good), min(SAMPLE, len(good)), replace=False).tolist()
    chosen = [*few, *sorted(drawn)]
    inputs = [(shown.images[shown.image_of[i]], shown.masks[i]) for i in chosen]
    hidden = torch.stack([occlusion(model, *given) for given in inputs]).half().numpy()
    cams = torch.stack([grad_cam(model, model.cnn.layer3, *given) for given in inputs[: len(few)]])
    most = cams.abs().amax((1, 2), keepdim=True).clamp_min(1e-12)
    parts = (127 * cams / most).round().to(torch.int8).numpy()
    table = pd.DataFrame({"number": chosen, "case": pairs.table["case"].iloc[chosen].to_numpy()})
    return Maps(hidden[:, 0], hidden[:, 1], parts, table.assign(good=good[chosen], called=called[chosen]))
