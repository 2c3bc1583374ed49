"""Pieces of a structure and their outlines: what all criteria ask of a mask, whichever label it is."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from fusqa.masks.length import Point

Polyline = tuple[Point, ...]


@dataclass(frozen=True, eq=False)
class Piece:
    """The largest connected piece of a structure, cut out of the mask; stray islands are left out."""

    pixels: np.ndarray  # (h, w) uint8, 0 and 1
    corner: np.ndarray  # (2,) row and column of its upper left pixel in the mask

    @classmethod
    def largest(cls, layer: np.ndarray) -> "Piece | None":
        """Largest piece of an array of 0 and 1, None if there is nothing."""
        left, top, width, height = cv2.boundingRect(layer)
        if not width:
            return None
        pixels, corner = layer[top : top + height, left : left + width], np.array([top, left])
        if cv2.connectedComponents(pixels, connectivity=8)[0] == 2:  # background and one piece, as nearly always
            return cls(pixels, corner)
        _, pieces, stats, _ = cv2.connectedComponentsWithStats(pixels, connectivity=8)  # takes six times as long
        largest = 1 + stats[1:, cv2.CC_STAT_AREA].argmax()
        return cls(np.uint8(pieces == largest), corner)

    @cached_property
    def moments(self) -> dict[str, float]:
        """OpenCV's moments: of order 0 the area in pixels, of order 1 the centre, of order 2 the spread."""
        return cv2.moments(self.pixels, binaryImage=True)

    @property
    def area(self) -> float:
        """Number of pixels."""
        return self.moments["m00"]

    @property
    def centre(self) -> np.ndarray:
        """Centroid (2,) in pixels of the mask."""
        return self.corner + np.array([self.moments["m01"], self.moments["m10"]]) / self.area

    @property
    def outline(self) -> Polyline:
        """Closed outline in pixels of the mask."""
        return tuple((row + self.corner[0], col + self.corner[1]) for row, col in outlines(self.pixels)[0])

    def touches(self, end: Point) -> bool:
        """Whether the pixel `end`, or one of the eight around it, belongs to the piece."""
        row, col = np.array(end, int) - self.corner
        return bool(self.pixels[max(row - 1, 0) : max(row + 2, 0), max(col - 1, 0) : max(col + 2, 0)].any())


def outlines(layer: np.ndarray) -> tuple[Polyline, ...]:
    """Closed outlines of the pieces of an array of 0 and 1, in pixels."""
    contours, _ = cv2.findContours(layer, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    corners = [cv2.approxPolyDP(contour, 2.0, closed=True) for contour in contours]  # 2 pixels: a figure shows no more
    return tuple(closed(points.reshape(-1, 2)[:, ::-1]) for points in corners)


def closed(points: np.ndarray) -> Polyline:
    """Closed polyline through points (n, 2)."""
    return tuple((float(row), float(col)) for row, col in (*points, points[0]))
