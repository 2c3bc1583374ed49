"""What can be said of a mask without a network: which labels are there, how large, where, in how many pieces.

The baselines that a quality model has to beat: if a logistic regression on these does as well, neither the picture nor
anything deep was needed.
"""

import cv2
import numpy as np
import pandas as pd

from fusqa.masks.label_images import dice, resize_labels
from fusqa.masks.labels import Scheme

__all__ = ["presence_columns", "shape_features"]


def shape_features(masks: np.ndarray, scheme: Scheme) -> pd.DataFrame:
    """Describe label masks, one row a mask.

    Parameters
    ----------
    masks : (N, S, S) uint8
        Label masks.
    scheme : Scheme
        Their labels.

    Returns
    -------
    DataFrame
        For every label and for the whole measured body (``all``): ``<label>_present`` (0 or 1), ``_area`` (share of
        the picture), ``_pieces``, ``_solidity`` (area over that of the convex hull), ``_row`` and ``_column`` (centre,
        from the middle of the picture, as a share of its side). An absent label has zeros.
    """
    return pd.DataFrame([_features(mask, scheme) for mask in masks])


def presence_columns(features: pd.DataFrame) -> list[str]:
    """Names of the features that only say whether a label is there."""
    return [name for name in features if name.endswith("_present")]


def _features(mask: np.ndarray, scheme: Scheme) -> dict[str, float]:
    layers = scheme.layers(mask) | {"all": scheme.body(mask)}
    described = {name: _describe(layer.astype(np.uint8)) for name, layer in layers.items()}
    return {f"{name}_{key}": value for name, about in described.items() for key, value in about.items()}


def _describe(layer: np.ndarray) -> dict[str, float]:
    """Describe one label, ``(S, S)`` of 0 and 1."""
    pieces, _, stats, _ = cv2.connectedComponentsWithStats(layer)
    area = float(stats[1:, cv2.CC_STAT_AREA].sum())
    if not area:
        return dict.fromkeys(("present", "area", "pieces", "solidity", "row", "column"), 0.0)
    points = np.argwhere(layer)
    # corners of pixels, so that the hull of a convex shape has its area
    corners = np.concatenate([points + shift for shift in ((0, 0), (0, 1), (1, 0), (1, 1))]).astype(np.int32)
    row, column = points.mean(0) / layer.shape - 0.5
    return {
        "present": 1.0,
        "area": area / layer.size,
        "pieces": float(pieces - 1),
        "solidity": area / max(cv2.contourArea(cv2.convexHull(corners)), 1.0),
        "row": float(row),
        "column": float(column),
    }


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
