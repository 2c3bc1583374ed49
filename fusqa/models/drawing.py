"""What a segmentation network says of images -> label masks on the images' own grids.

Networks see square images. The class probabilities, not the labels, are brought back to each image's own grid: an edge
then lies between the pixels of the network's square, and a length can be measured on the result.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from fusqa.masks.label_images import SQUARE_3X3, to_native
from fusqa.models.learner import predict

SPECK = 0.05  # chosen: a piece is a speck if its area is a smaller share of the largest piece's


def drawn_probability(model: nn.Module, images: Tensor) -> Tensor:
    """Class probabilities of a segmentation network, ``(N, classes, S, S)`` on the CPU, without specks.

    Parameters
    ----------
    model : nn.Module
        A segmentation network.
    images : (N, 1, S, S) uint8
        Images.
    """
    return without_specks(predict(model, images).softmax(1))


def without_specks(probability: Tensor) -> Tensor:
    """Give specks to the background: a few pixels far from the rest would move the end of a length.

    Programs that measure drop them too. Pieces of at least :data:`SPECK` stay: whether they belong there is what a
    quality model is asked.

    Parameters
    ----------
    probability : (N, classes, S, S) float
        Of a segmentation network, on the CPU; changed in place.
    """
    for classes, found in zip(probability, (probability.argmax(1) > 0).byte().numpy(), strict=True):
        count, pieces, about, _ = cv2.connectedComponentsWithStats(found, connectivity=8)
        areas = about[1:, cv2.CC_STAT_AREA]
        if count > 2 and (small := areas < SPECK * areas.max()).any():
            specks = np.uint8(np.isin(pieces, 1 + np.flatnonzero(small)))
            # their rim too: background is likeliest there, and still the labels together may be likelier
            gone = torch.from_numpy(cv2.dilate(specks, SQUARE_3X3) > 0)
            classes[:, gone] = 0
            classes[0, gone] = 1
    return probability


def native_masks(probability: Tensor, shapes: Sequence[tuple[int, int]]) -> list[np.ndarray]:
    """Turn class probabilities into label masks on the images' own grids.

    Parameters
    ----------
    probability : (N, classes, S, S) float
        Of a segmentation network, on the CPU.
    shapes : sequence of (H, W)
        The images' own sizes.

    Returns
    -------
    list of (H, W) uint8

    Raises
    ------
    ValueError
        If there are more or fewer shapes than images.
    """
    return [to_native(classes.numpy(), shape) for classes, shape in zip(probability, shapes, strict=True)]
