"""What a segmentation network says of images -> label masks on the images' own grids.

Networks see square images. The class probabilities, not the labels, are brought back to each image's own grid: an edge
then lies between the pixels of the network's square, and a length can be measured on the result.
"""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from fusqa.masks.label_images import to_native


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
