"""Smooth plane curves: everything that the simulator draws is made of these. Curves are ``(n, 2)`` in any unit."""

import numpy as np
from scipy import ndimage
from scipy.interpolate import CubicSpline
from scipy.spatial import ConvexHull


def smooth_closed(points: np.ndarray, count: int = 180) -> np.ndarray:
    """Closed cubic spline through `points` ``(k, 2)``, sampled at `count` places: ``(count, 2)``."""
    ring = np.vstack([points, points[:1]])
    steps = np.sqrt(np.hypot(*np.diff(ring, axis=0).T))  # centripetal: no loops between uneven knots
    knots = np.concatenate([[0.0], np.cumsum(steps)])
    return CubicSpline(knots, ring, bc_type="periodic")(np.linspace(0.0, knots[-1], count, endpoint=False))


def smooth_open(points: np.ndarray, count: int = 60) -> np.ndarray:
    """Open cubic spline through `points` ``(k, ...)``, sampled at `count` places."""
    knots = np.linspace(0.0, 1.0, len(points))
    return CubicSpline(knots, points)(np.linspace(0.0, 1.0, count))


def ellipse(centre, axes, degrees: float, count: int = 36) -> np.ndarray:
    """Outline of an ellipse, ``(count, 2)``."""
    angle = np.linspace(0.0, 2 * np.pi, count, endpoint=False)
    flat = np.stack([axes[0] * np.cos(angle), axes[1] * np.sin(angle)], axis=1)
    return flat @ rotation(degrees).T + np.asarray(centre)


def polar(rows) -> np.ndarray:
    """Points ``(n, 2)`` from rows of (degrees, radius)."""
    degrees, radius = np.array(rows, float).T
    return radius[:, None] * np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1)


def rotation(degrees: float) -> np.ndarray:
    """Matrix ``(2, 2)`` of a turn from the first axis to the second."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s], [s, c]])


def frame(curve: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors along a curve ``(n, 2)``, and across it: to the left, as the second axis is to the first."""
    along = np.gradient(curve, axis=0)
    along /= np.maximum(np.hypot(*along.T), 1e-9)[:, None]
    return along, np.stack([-along[:, 1], along[:, 0]], axis=1)


def travelled(curve: np.ndarray) -> np.ndarray:
    """Way along a curve from its first point to each, ``(n,)``."""
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(curve, axis=0).T))])


def tube(axis: np.ndarray, radius: np.ndarray | float) -> np.ndarray:
    """Closed outline of a tube with round ends, of half thickness `radius` about the open curve `axis` ``(n, 2)``."""
    radius = np.broadcast_to(np.asarray(radius, float), len(axis))
    along, across = frame(axis)
    half = np.linspace(0.0, np.pi, 7)[1:-1]
    start, end = (
        axis[at] + radius[at] * (np.cos(half)[:, None] * across[at] * side + np.sin(half)[:, None] * along[at] * side)
        for at, side in ((0, -1), (-1, 1))
    )
    side = across * radius[:, None]
    return np.vstack([start, axis + side, end, (axis - side)[::-1]])


def farthest_pair(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Farthest pair with one point of `first` ``(n, 2)`` and one of `second` ``(m, 2)``: both are hull points."""
    a, b = first[ConvexHull(first).vertices], second[ConvexHull(second).vertices]
    distance = np.hypot(*(a[:, None] - b[None]).transpose(2, 0, 1))
    i, j = np.unravel_index(distance.argmax(), distance.shape)
    return a[i], b[j]


def around(points: np.ndarray, clearance: np.ndarray) -> np.ndarray:
    """Closed curve ``(n, 2)`` about `points` at the distance `clearance` ``(n,)`` from their convex hull, by direction.

    The support function of the hull (how far it reaches in each direction) plus the clearance is the support function
    of the curve; its points follow from the function and its derivative. Corners of the hull are rounded off.
    """
    angle = np.linspace(0.0, 2 * np.pi, len(clearance), endpoint=False)
    normal = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    tangent = np.stack([-normal[:, 1], normal[:, 0]], axis=1)
    hull = (points @ normal.T).max(axis=0)
    rounded = ndimage.gaussian_filter1d(hull, len(clearance) / 20, mode="wrap")
    cut_off = ndimage.maximum_filter1d(np.maximum(hull - rounded, 0.0), len(clearance) // 12, mode="wrap")
    reach = rounded + 0.7 * ndimage.gaussian_filter1d(cut_off, len(clearance) / 24, mode="wrap") + clearance
    slope = (np.roll(reach, -1) - np.roll(reach, 1)) / (2 * (angle[1] - angle[0]))
    return reach[:, None] * normal + slope[:, None] * tangent
