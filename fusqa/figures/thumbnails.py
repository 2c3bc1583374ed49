"""Small pictures with their masks, inside a page: nothing is loaded from anywhere."""

import base64
from collections.abc import Sequence

import cv2
import numpy as np
from matplotlib.colors import to_rgb

from fusqa.cohorts.reading import Case
from fusqa.masks.labels import Scheme
from fusqa.masks.length import Unmeasurable
from fusqa.masks.measurement import measure

__all__ = ["encoded", "line_between", "measured_line", "thumbnail"]


def measured_line(mask: np.ndarray, spacing: tuple[float, float], scheme: Scheme) -> tuple | None:
    """Ends of the measured line, ((x, y), (x, y)) from the picture's upper left corner, None where there is none."""
    try:
        ends = measure(mask, spacing, scheme).ends
    except Unmeasurable:
        return None
    return line_between(ends)


def line_between(ends: Sequence[Sequence[float]]) -> tuple:
    """Turn the ends of a line, (row, col) in pixels, into ((x, y), (x, y)) from the upper left corner of the image."""
    return tuple((round(float(col) + 0.5, 1), round(float(row) + 0.5, 1)) for row, col in ends)


def thumbnail(case: Case, scheme: Scheme, height: int, line: tuple | None) -> np.ndarray:
    """Image with outlines and a line of :func:`measured_line`, (h, w, 3) uint8, BGR, at one scale in both directions.

    A mask without an image is drawn on black.
    """
    rows, columns = case.mask.shape
    size = (max(1, round(columns * height / rows * case.spacing[1] / case.spacing[0])), height)
    image = np.zeros_like(case.mask) if case.image is None else case.image
    small = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_GRAY2BGR)
    mask = cv2.resize(case.mask, size, interpolation=cv2.INTER_NEAREST_EXACT)
    for label in scheme.labels:
        outlines, _ = cv2.findContours(np.uint8(mask == label.id), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(small, outlines, -1, [255 * part for part in to_rgb(label.colour)[::-1]], 1)
    if line:
        ends = np.round(np.array(line) * (size[0] / columns, size[1] / rows)).astype(int)
        cv2.line(small, ends[0].tolist(), ends[1].tolist(), (255, 255, 255), 1, cv2.LINE_AA)
    return small


def encoded(picture: np.ndarray, *, lossless: bool = False) -> str:
    """WebP of a picture as a ``data:`` address."""
    _, coded = cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, 101 if lossless else 60])
    return "data:image/webp;base64," + base64.b64encode(coded.tobytes()).decode()
