"""How certain segmenters are of their masks: whether several agree, and whether one is sure of itself.

Both are baselines that need no quality model. Larger is better, as for the probability of "good".
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import torch
from torch import Tensor, nn

from fusqa.masks.label_images import dice
from fusqa.models.drawing import drawn_probability

GAMMAS = (1.0, 0.7, 1.4)  # chosen: grey levels as another setting of the machine might show them
VARIANTS = 2 * len(GAMMAS)  # of an image: each as it is and mirrored


def agreement(masks: np.ndarray, classes: int) -> np.ndarray:
    """Mean Dice between the masks that several networks made from one image, over all pairs of networks.

    Parameters
    ----------
    masks : (networks, N, H, W) uint8
        Label masks of the same N images.
    classes : int
        Classes including background.

    Returns
    -------
    (N,) float
        A label that only one of two masks has counts as 0; one that neither has does not count. 1 if no mask has any.
    """
    pairs = combinations(masks, 2)
    overlaps = [np.stack([dice(a, b, classes) for a, b in zip(*pair, strict=True)], 1) for pair in pairs]
    overlaps = np.array(overlaps).reshape(-1, masks.shape[1])  # (pairs · labels, N)
    known = np.isfinite(overlaps)
    return np.where(known.any(0), np.where(known, overlaps, 0).sum(0) / known.sum(0).clip(1), 1.0)


def variants(model: nn.Module, images: Tensor) -> Iterator[Tensor]:
    """Class probabilities for every variant of an image: mirrored or not, under three gammas; the first is as usual.

    Parameters
    ----------
    model : nn.Module
        A segmentation network.
    images : (N, 1, S, S) uint8
        Images.

    Yields
    ------
    (N, classes, S, S) float
        On the CPU, turned back where the image was mirrored.
    """
    for gamma in GAMMAS:
        shown = ((images / 255) ** gamma * 255).round().byte()
        yield drawn_probability(model, shown)
        yield drawn_probability(model, shown.flip(-1)).flip(-1)


def certainty(probability: Tensor) -> np.ndarray:
    """One minus the mean entropy, as a share of its largest value, over the pixels that are probably not background.

    Parameters
    ----------
    probability : (N, classes, S, S) float
        Class probabilities.

    Returns
    -------
    (N,) float
        From 0 to 1; 0 for an image in which nothing was found.
    """
    classes = probability.shape[1]
    entropy = torch.special.entr(probability).sum(1) / np.log(classes)
    found = (probability[:, 0] < 0.5).float()
    mean = (entropy * found).sum((1, 2)) / found.sum((1, 2)).clamp(min=1)
    return torch.where(found.sum((1, 2)) > 0, 1 - mean, 0.0).numpy()
