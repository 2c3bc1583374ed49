"""Where a probe looks: the part of the plane that an image shows, and the grid of beams that cross it."""

from dataclasses import dataclass

import cv2
import numpy as np

BEAMS, SAMPLES = 320, 512  # the grid of the machine: scan lines and echo samples along each


@dataclass(frozen=True, eq=False)
class View:
    """The image's place in the body: all lengths in mm, ``(x, z)`` from the image's upper left corner, z down.

    Attributes
    ----------
    shape : (int, int)
        Height and width in pixels.
    spacing : float
        Side of a square pixel.
    apex : numpy.ndarray
        Centre of the probe's curvature, above the image.
    probe : float
        Radius of the probe's surface about the apex.
    half_angle : float
        Half of the field of view in radians.
    """

    shape: tuple[int, int]
    spacing: float
    apex: np.ndarray
    probe: float
    half_angle: float


@dataclass(frozen=True, eq=False)
class Beams:
    """The grid of scan lines over a view: ``(SAMPLES, BEAMS)`` in depth and angle.

    Attributes
    ----------
    apex : numpy.ndarray
        Where the beams meet, ``(2,)`` in mm.
    radius, angle : numpy.ndarray
        Distance from the apex of each sample in mm ``(SAMPLES,)``; direction of each beam in radians ``(BEAMS,)``.
    """

    apex: np.ndarray
    radius: np.ndarray
    angle: np.ndarray

    @classmethod
    def over(cls, view: View) -> "Beams":
        """Grid over the part of the sector that the image shows."""
        height, width = np.array(view.shape) * view.spacing
        border = np.array([(x, z) for x in np.linspace(0, width, 9) for z in (0.0, height)]) - view.apex
        angles = np.arctan2(*border.T)
        left, right = max(angles.min(), -view.half_angle), min(angles.max(), view.half_angle)
        near, far = max(-view.apex[1], view.probe), np.hypot(*border.T).max()
        return cls(view.apex, np.linspace(near, far, SAMPLES), np.linspace(left, right, BEAMS))

    @property
    def step_mm(self) -> float:
        """Distance between echo samples."""
        return float(self.radius[1] - self.radius[0])

    @property
    def pitch_mm(self) -> np.ndarray:
        """Distance between beams at each depth, ``(SAMPLES,)``."""
        return self.radius * (self.angle[1] - self.angle[0])

    def index(self, points: np.ndarray) -> np.ndarray:
        """Millimetres ``(n, 2)`` -> grid coordinates (column, row), ``(n, 2)``."""
        across, down = (points - self.apex).T
        column = (np.arctan2(across, down) - self.angle[0]) / (self.angle[1] - self.angle[0])
        row = (np.hypot(across, down) - self.radius[0]) / self.step_mm
        return np.stack([column, row], axis=1)


def patches(rng: np.random.Generator, beams: Beams, along_mm: float, across_mm: float) -> np.ndarray:
    """Smooth random field with a standard deviation of about 1.2 and the given grain, ``(SAMPLES, BEAMS)`` float32."""
    rows = max(4, round(SAMPLES * beams.step_mm / along_mm))
    columns = max(4, round(BEAMS * float(beams.pitch_mm.mean()) / across_mm))
    coarse = rng.standard_normal((rows, columns), np.float32)
    return cv2.resize(coarse, (BEAMS, SAMPLES), interpolation=cv2.INTER_CUBIC) * 1.4  # interpolation smooths


def blur(plane: np.ndarray, along: float, across: float) -> np.ndarray:
    """Gaussian blur with standard deviations in samples (along the beam) and beams (across); edges are mirrored."""
    return cv2.GaussianBlur(plane, (0, 0), sigmaX=max(across, 0.1), sigmaY=max(along, 0.1))
