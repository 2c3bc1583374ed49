"""Label images: resized, made from class probabilities, and compared by Dice."""

import cv2
import numpy as np

__all__ = ["dice", "resize_labels", "to_native"]


def dice(reference: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Dice of each foreground class ``(classes - 1,)``; NaN where a class is in neither mask.

    Counting an absent class as 1 would reward a segmenter for cases without the structure.
    """
    pairs = np.bincount(reference.ravel().astype(np.intp) * classes + predicted.ravel(), minlength=classes**2)
    table = pairs.reshape(classes, classes).astype(float)
    size = table.sum(0) + table.sum(1)
    with np.errstate(invalid="ignore"):
        return (2 * table.diagonal() / size)[1:]


def resize_labels(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize a label image to `shape` (rows, columns); every pixel takes the label of the nearest old one."""
    # INTER_NEAREST would take a corner of each new pixel, and so shift the labels against the image.
    return cv2.resize(mask, shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def to_native(probability: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Turn class probabilities ``(classes, S, S)`` into labels on the image's own grid of `shape` ``(H, W)``."""
    most = np.full(shape, -np.inf, np.float32)
    labels = np.zeros(shape, np.uint8)
    for label, channel in enumerate(probability):  # one at a time: np.argmax over an outer axis takes ten times longer
        native = cv2.resize(channel, shape[::-1], interpolation=cv2.INTER_LINEAR)
        labels[native > most] = label
        np.maximum(most, native, out=most)
    return labels
