"""Masks of segmenters that are weaker than the one a study assesses: other mistakes than any model was trained on."""

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from fusqa.cohorts.cohort import Cohort
from fusqa.models.degradation import degrade
from fusqa.models.learner import pictures, reproducible
from fusqa.study.material import ErrorSet
from fusqa.study.profile import Segmenter
from fusqa.study.results import Study
from fusqa.study.segmentation import segment, train_segmenter

CASES = 24  # of site B; enough to see a trend
FEW_PATIENTS = 8  # one of them chooses the round
SHARE = 1 / 8  # of a network's budget, for a training that is cut short
WEAKER_BUDGETS = 1 + 2  # in such shares: trained briefly, and twice as long on few patients
AS_IT_IS, EARLY, FEW, DEGRADED = "as it is", "trained briefly", "few patients", "degraded images"
SEGMENTERS = (AS_IT_IS, EARLY, FEW, DEGRADED)  # as result files name them


def few_cases(study: Study) -> Cohort:
    """Return the few cases of site B that unseen errors and weaker segmenters are shown on."""
    return study.site("B").at_most(CASES)


def weaker_result(study: Study, network: str) -> str:
    """Name of the stored masks of a network's weaker versions; they are made for the study's own seed alone."""
    return f"{study.seeded(f'segmentation__{network}')}__weaker"


def weaker_masks(
    study: Study, network: str, trained: nn.Module, plan: Segmenter, seed: int, device: torch.device
) -> ErrorSet:
    """Segment :func:`few_cases` as the study does, and worse.

    The column ``segmenter`` of the table says by what: the trained network on the images as they are and on degraded
    ones, and the same network trained briefly, or on few patients.
    """
    site_a, few = study.site("A"), few_cases(study)
    patients = site_a.table["patient"]
    early = int(plan.budget * SHARE)
    parts = {EARLY: (site_a, early), FEW: (site_a.subset(patients.isin(patients.unique()[:FEW_PATIENTS])), 2 * early)}
    models = {AS_IT_IS: trained, DEGRADED: trained}
    for title, (part, budget) in parts.items():
        reproducible(seed, study.profile.threads)
        short = plan.model_copy(update={"budget": budget, "rounds": 2})
        halves = part.split(study.profile.validation, seed)
        models[title] = train_segmenter(network, *halves, short, seed, device, study.profile.learnt)[0]
    seen = _seen(few, plan.size, study.seed)
    made = [segment(models[title], seen[title], few, study.scheme, segmenter=title) for title in SEGMENTERS]
    table = pd.concat([one.table for one in made], ignore_index=True)
    return ErrorSet(_images(seen), np.concatenate([one.small for one in made]), table)


def with_weaker_images(study: Study, masks: np.ndarray, table: pd.DataFrame) -> ErrorSet:
    """Return masks ``(M, S, S)`` of :func:`weaker_masks` and their table with the images that led to them."""
    return ErrorSet(_images(_seen(few_cases(study), masks.shape[-1], study.seed)), masks, table)


def _seen(few: Cohort, size: int, seed: int) -> dict[str, Tensor]:
    """What each segmenter is shown, ``(N, 1, size, size)`` uint8."""
    images = pictures(few.stack(size)[0])
    return dict.fromkeys(SEGMENTERS, images) | {DEGRADED: degrade(images, torch.Generator().manual_seed(seed))}


def _images(seen: dict[str, Tensor]) -> np.ndarray:
    return torch.cat(list(seen.values()))[:, 0].numpy()
