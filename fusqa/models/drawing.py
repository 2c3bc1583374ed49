"""A trained segmentation network and images -> label masks on the images' own grids.

Networks see square images. The class probabilities, not the labels, are brought back to each image's own grid: an edge
then lies between the pixels of the network's square, and a length can be measured on the result.
"""

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from fusqa.masks.label_images import to_native
from fusqa.models.learner import predict

__all__ = ["draw", "native_masks"]


def draw(model: nn.Module, images: Tensor, shapes: Sequence[tuple[int, int]]) -> tuple[Tensor, list[np.ndarray]]:
    """Segment images.

    Parameters
    ----------
    model : nn.Module
        A trained segmentation network.
    images : (N, 1, S, S) uint8
        Images at the network's size.
    shapes : sequence of (H, W)
        Their own sizes, one for each image.

    Returns
    -------
    probability : (N, classes, S, S) float
        Class probabilities, on the CPU.
    masks : list of (H, W) uint8
        Label masks on the images' own grids.

    Raises
    ------
    ValueError
        If there are more or fewer shapes than images.
    """
    probability = predict(model, images).softmax(1)
    return probability, native_masks(probability, shapes)


def native_masks(probability: Tensor, shapes: Sequence[tuple[int, int]]) -> list[np.ndarray]:
    """Turn class probabilities ``(N, classes, S, S)`` into label masks of these `shapes`; errors as :func:`draw`."""
    return [to_native(classes.numpy(), shape) for classes, shape in zip(probability, shapes, strict=True)]
