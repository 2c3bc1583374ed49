"""Images with their masks as parts of an HTML page, which then needs no other file."""

import base64
from collections.abc import Sequence

import cv2
import numpy as np
from matplotlib.colors import to_rgb

from fusqa.cohorts.reading import Case
from fusqa.masks.labels import Scheme
from fusqa.masks.length import length_or_none
from fusqa.masks.measurement import measure

MARKED = "#CC79A7"  # outline of what an error map marks; no structure has this colour
MOST_WIDTH = 480  # pixels, of an image under a slider


def measured_line(mask: np.ndarray, spacing: tuple[float, float], scheme: Scheme) -> tuple | None:
    """Ends of the measured line, ((x, y), (x, y)) from the upper left corner of the image; None if unmeasurable."""
    found = length_or_none(measure, mask, spacing, scheme)
    return found and line_between(found.ends)


def line_between(ends: Sequence[Sequence[float]]) -> tuple:
    """Turn the ends of a line, (row, col) in pixels, into ((x, y), (x, y)) from the upper left corner of the image."""
    return tuple((round(float(col) + 0.5, 1), round(float(row) + 0.5, 1)) for row, col in ends)


def thumbnail(
    case: Case, scheme: Scheme, height: int, line: tuple | None, marked: np.ndarray | None = None
) -> np.ndarray:
    """Image with outlines and a line of :func:`measured_line`, (h, w, 3) uint8, BGR, at one scale in both directions.

    A mask without an image is drawn on black. Pixels that an error map marks, ``(H, W)`` bool, are outlined too.
    """
    rows, columns = case.mask.shape
    width = max(1.0, columns * height / rows * case.spacing[1] / case.spacing[0])
    scale = min(1.0, MOST_WIDTH / width)  # of a very wide one the height is reduced too
    size = (round(width * scale), max(1, round(height * scale)))
    image = np.zeros_like(case.mask) if case.image is None else case.image
    small = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_GRAY2BGR)
    mask = cv2.resize(case.mask, size, interpolation=cv2.INTER_NEAREST_EXACT)
    for label in scheme.labels:
        _outline(small, mask == label.id, label.colour, 1)
    if marked is not None:
        _outline(small, cv2.resize(np.uint8(marked), size, interpolation=cv2.INTER_NEAREST_EXACT), MARKED, 2)
    if line:
        ends = np.round(np.array(line) * (size[0] / columns, size[1] / rows)).astype(int)
        cv2.line(small, ends[0].tolist(), ends[1].tolist(), (255, 255, 255), 1, cv2.LINE_AA)
    return small


def _outline(image: np.ndarray, layer: np.ndarray, colour: str, width: int) -> None:
    """Draw the outlines of a layer (h, w) on an image (h, w, 3), BGR."""
    outlines, _ = cv2.findContours(np.uint8(layer), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(image, outlines, -1, [255 * part for part in to_rgb(colour)[::-1]], width)


def overlay(mask: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Mask as a transparent image (h, w, 4) uint8, BGRA, at most :data:`MOST_WIDTH` wide."""
    table = np.zeros((256, 4), np.uint8)
    for label in scheme.labels:
        table[label.id] = [*(np.array(to_rgb(label.colour))[::-1] * 255).round(), 130]
    return table[narrowed(mask, cv2.INTER_NEAREST_EXACT)]


def narrowed(image: np.ndarray, interpolation: int = cv2.INTER_AREA) -> np.ndarray:
    """Reduce an image to :data:`MOST_WIDTH` if it is wider."""
    height, width = image.shape
    scale = min(1.0, MOST_WIDTH / width)
    return cv2.resize(image, (round(width * scale), round(height * scale)), interpolation=interpolation)


def encoded(image: np.ndarray, *, lossless: bool = False) -> str:
    """WebP of an image as a ``data:`` address."""
    made, coded = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, 101 if lossless else 60])
    if not made:
        raise ValueError(f"an image of {image.shape[1]} × {image.shape[0]} pixels cannot be packed as WebP")
    return "data:image/webp;base64," + base64.b64encode(coded.tobytes()).decode()
