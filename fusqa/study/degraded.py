"""The degraded images of site A that segmenters are shown: drawn from the cohort and a seed, so never published."""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fusqa.models.degradation import degrade
from fusqa.models.learner import pictures
from fusqa.study.material import ErrorSet
from fusqa.study.results import Study


def degraded_versions(images: np.ndarray, fold_of: np.ndarray, versions: int, seed: int) -> dict[tuple, Tensor]:
    """Draw what the segmenter of each fold is shown of the patients that it has not seen.

    Parameters
    ----------
    images : (N, S, S) uint8
        Images at the segmenter's size.
    fold_of : (N,) int
        Fold of each image.
    versions : int
        How many of each, the image as it is included.
    seed : int
        Of all degraded versions.

    Returns
    -------
    dict of (fold, version) to (n, 1, S, S) uint8
        The images of the fold; version 0 is the image as it is.
    """
    chance, drawn = torch.Generator().manual_seed(seed), {}
    for fold in np.unique(fold_of).tolist():
        held_out = pictures(images[fold_of == fold])
        for version in range(versions):
            drawn[fold, version] = degrade(held_out, chance) if version else held_out
    return drawn


def with_images(study: Study, masks: np.ndarray, table: pd.DataFrame) -> ErrorSet:
    """Return a segmenter's errors with the images that led to them, from its masks ``(M, S, S)`` and their table.

    On the kind of processor that drew them first, the images are the same to the last bit.
    """
    site_a = study.site("A")
    fold_of = site_a.folds(study.profile.segmentation.folds, study.seed)
    images = site_a.stack(masks.shape[-1])[0]
    versions = 1 + study.profile.segmentation.degraded
    seen = np.empty((versions, *images.shape), np.uint8)
    for (fold, version), drawn in degraded_versions(images, fold_of, versions, study.seed).items():
        seen[version, fold_of == fold] = drawn[:, 0].numpy()
    number = pd.Index(site_a.table["case"]).get_indexer(table["case"])
    return ErrorSet(seen[table["degraded"], number], masks, table)
