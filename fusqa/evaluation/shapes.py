"""Features of a mask's shape: which labels are there, how large, where, in how many pieces.

They are a baseline for a quality model: if a logistic regression on them does as well, neither the image nor a deep
network was needed.
"""

import cv2
import numpy as np
import pandas as pd

from fusqa.masks.labels import Scheme


def shape_features(masks: np.ndarray, scheme: Scheme) -> pd.DataFrame:
    """Describe label masks, one row per mask.

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
        the image), ``_pieces``, ``_solidity`` (area over that of the convex hull), ``_row`` and ``_column`` (centre,
        from the middle of the image, as a share of its side). An absent label has zeros.
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
