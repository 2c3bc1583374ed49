"""Reverse classification accuracy: trust a mask if it segments a reference image well after registration.

A mask that fits its image fits one of the reference images too, once its image has been registered to that one
(Valindria et al., IEEE TMI 36(8), 2017). It needs no quality model, only a few images with expert masks.
"""

import cv2
import numpy as np

from fusqa.masks.label_images import dice, resize_image, resize_labels

SIDE = 96  # pixels: images are registered at this size
BLUR_PX = 2.0  # speckle does not correspond between two images; anatomy does


class References:
    """Reference images with expert masks, prepared once.

    Parameters
    ----------
    images, masks : (R, H, W) uint8
        Images and label masks; each is used as it is and mirrored.
    """

    def __init__(self, images: np.ndarray, masks: np.ndarray):
        flips = (slice(None), slice(None, None, -1))
        self.images = [_smooth(image)[:, flip] for image in images for flip in flips]
        self.masks = [resize_labels(mask, (SIDE, SIDE))[:, flip] for mask in masks for flip in flips]


def _smooth(image: np.ndarray) -> np.ndarray:
    """Image of ``SIDE`` pixels without speckle, equalised so that images of two machines look alike."""
    small = resize_image(image, SIDE)
    return cv2.equalizeHist(cv2.GaussianBlur(small, (0, 0), BLUR_PX))


def reverse_accuracy(image: np.ndarray, mask: np.ndarray, references: References, classes: int) -> float:
    """Highest mean Dice that the mask reaches on any reference image.

    Parameters
    ----------
    image, mask : (H, W) uint8
        Image and predicted label mask.
    references : References
        Images to carry the mask over to.
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
