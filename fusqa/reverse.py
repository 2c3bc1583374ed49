"""Reverse classification accuracy: how well this mask, carried over to other pictures, fits their expert masks.

The mask is carried by registration of the pictures. If it fits none of them, it was probably wrong (Valindria et al.,
IEEE Trans Med Imaging 2017, single-atlas form).
"""

import cv2
import numpy as np

from fusqa.datasets import resize_labels
from fusqa.metrics import dice

__all__ = ["References", "reverse_accuracy"]

SIDE = 96  # pixels: pictures are registered at this size
BLUR_PX = 2.0  # speckle does not correspond between two pictures; anatomy does


class References:
    """Reference pictures with expert masks, prepared once.

    Parameters
    ----------
    images, masks : (R, H, W) uint8
        Pictures and label masks; each is used as it is and mirrored.
    """

    def __init__(self, images: np.ndarray, masks: np.ndarray):
        flips = (slice(None), slice(None, None, -1))
        self.images = [_smooth(image)[:, flip] for image in images for flip in flips]
        self.masks = [resize_labels(mask, (SIDE, SIDE))[:, flip] for mask in masks for flip in flips]


def _smooth(image: np.ndarray) -> np.ndarray:
    """Picture of ``SIDE`` pixels without speckle, equalised, so that two machines look alike."""
    small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return cv2.equalizeHist(cv2.GaussianBlur(small, (0, 0), BLUR_PX))


def reverse_accuracy(image: np.ndarray, mask: np.ndarray, references: References, classes: int) -> float:
    """Highest mean Dice that the mask reaches on any reference picture.

    Parameters
    ----------
    image, mask : (H, W) uint8
        Picture and predicted label mask.
    references : References
        What it is tried on.
    classes : int
        Classes including background.

    Returns
    -------
    float
        From 0 to 1; 0 for an empty mask.
    """
    moving, labels = _smooth(image), resize_labels(mask, (SIDE, SIDE))
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    scores = []
    for fixed, expert in zip(references.images, references.masks, strict=True):
        move = flow.calc(np.ascontiguousarray(fixed), moving, None)  # (S, S, 2): where each reference pixel came from
        carried = cv2.remap(labels, columns + move[..., 0], rows + move[..., 1], cv2.INTER_NEAREST)
        scores.append(np.nanmean(dice(expert, carried, classes)))
    return float(max(scores))
