"""A fetus of 11–14 weeks in the mid-sagittal plane, drawn with smooth closed curves.

Everything is given in *fetal coordinates*, as fractions of the crown-rump length: ``x`` runs from the rump (0) to the
crown (1), ``y`` from the back (0) to the front, so that a fetus on its back with its head on the right looks as in
the picture of a textbook. The head is a circle with a face profile; it turns about the neck, the rump tucks in. When
the pose is set, the whole drawing is scaled so that the farthest pair of a head point and a body point has exactly
the length asked for: the truth is known by construction, not measured from pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.spatial import ConvexHull

__all__ = [
    "Build",
    "Fetus",
    "Part",
    "Pose",
    "draw_fetus",
    "ellipse",
    "farthest_pair",
    "rotation",
    "smooth_closed",
    "smooth_open",
    "tube",
]

HEAD_CENTRE = np.array([0.765, 0.225])
HEAD_RADIUS = 0.235
NECK = np.array([0.655, 0.085])  # the head turns about the top of the cervical spine

# Polar outline of the head about its centre: degrees from the crown over the forehead to the chin and round by the
# neck; radius in head radii; the feature whose size `Build` varies. Read off the growth of a profile at 12 weeks:
# the forehead bulges, the nose is a short bump, the chin recedes.
HEAD_PROFILE = (
    (0, 1.000, "skull"),
    (25, 1.005, "skull"),
    (50, 1.000, "skull"),
    (75, 1.005, "forehead"),
    (95, 1.020, "forehead"),
    (112, 0.990, "forehead"),
    (124, 0.890, "skull"),
    (133, 0.835, "skull"),  # nasion
    (141, 0.905, "nose"),
    (148, 1.010, "nose"),  # tip of the nose
    (154, 0.985, "nose"),
    (159, 0.975, "lips"),
    (164, 1.020, "lips"),  # upper lip
    (169, 0.985, "lips"),
    (174, 1.000, "lips"),  # lower lip
    (179, 0.935, "chin"),
    (185, 0.930, "chin"),  # chin
    (192, 0.830, "chin"),
    (203, 0.720, "skull"),  # throat
    (222, 0.820, "skull"),
    (243, 0.960, "skull"),  # nape
    (265, 1.010, "skull"),
    (290, 1.015, "skull"),
    (315, 1.005, "skull"),
    (340, 1.000, "skull"),
)

# The trunk from the back of the rump over the belly to the neck (which lies under the head) and along the back.
TRUNK = (
    (0.030, 0.055),
    (0.004, 0.110),
    (0.000, 0.165),
    (0.030, 0.215),  # rump with the root of the thigh
    (0.090, 0.235),
    (0.150, 0.262),
    (0.220, 0.298),
    (0.295, 0.310),  # belly
    (0.370, 0.290),
    (0.440, 0.245),
    (0.500, 0.205),  # breast
    (0.555, 0.175),
    (0.610, 0.160),
    (0.680, 0.140),  # neck, inside the head
    (0.690, 0.060),
    (0.640, 0.012),
    (0.540, -0.008),
    (0.430, -0.020),
    (0.310, -0.024),
    (0.190, -0.014),
    (0.095, 0.010),
)
BELLY = slice(4, 10)  # the trunk points that a fuller belly pushes forwards
CHEST = np.array([0.485, 0.213])  # where the fluid wedge under the chin ends on the breast
THROAT = np.array([0.630, 0.135])
LIP_DEGREES = 172.0

# The maxilla with the hard palate: a bent band inside the face (head frame: head radii, crown +u, front +v).
PALATE = ((-0.86, 0.22), (-0.76, 0.30), (-0.64, 0.27), (-0.52, 0.12), (-0.45, -0.04), (-0.54, -0.07), (-0.66, 0.08))

# Cavity of the skull in polar form, as HEAD_PROFILE: the vault follows the outline, the base runs from nasion to nape.
CRANIUM = (
    (0, 0.93), (40, 0.93), (80, 0.94), (104, 0.93), (120, 0.82), (138, 0.56), (165, 0.33),
    (200, 0.36), (232, 0.62), (258, 0.88), (285, 0.94), (325, 0.93),
)  # fmt: skip

# What lies inside the head: tissue, centre, half axes (head radii), turn in degrees.
HEAD_ORGANS = (
    ("ventricle", (-0.24, 0.62), (0.27, 0.19), 35),
    ("ventricle", (0.30, 0.52), (0.30, 0.13), -28),
    ("ventricle", (0.02, 0.10), (0.17, 0.10), 20),
    ("ventricle", (0.18, -0.46), (0.25, 0.15), 15),
    ("choroid", (0.10, 0.66), (0.20, 0.09), -5),
    ("choroid", (-0.22, 0.36), (0.10, 0.06), 10),
    ("choroid", (0.30, 0.02), (0.14, 0.07), 50),
    ("thalamus", (-0.10, -0.06), (0.26, 0.17), 30),
    ("bone", (-0.56, 0.46), (0.09, 0.025), 128),  # nasal bone
    ("bone", (-0.70, -0.12), (0.10, 0.04), 120),  # jaw
    ("bone", (-0.28, -0.20), (0.22, 0.025), -28),  # base of the skull
)
# What lies inside the trunk, in fetal coordinates.
TRUNK_ORGANS = (
    ("lung", (0.430, 0.115), (0.085, 0.070), -20),
    ("heart", (0.425, 0.165), (0.042, 0.032), -30),
    ("liver", (0.295, 0.185), (0.085, 0.085), -20),
    ("bowel", (0.180, 0.165), (0.075, 0.070), 10),
    ("stomach", (0.325, 0.120), (0.024, 0.015), -15),
    ("bladder", (0.095, 0.165), (0.020, 0.014), 20),
    ("kidney", (0.230, 0.075), (0.048, 0.022), 5),
)
SPINE = ((0.075, 0.085), (0.160, 0.045), (0.280, 0.030), (0.400, 0.038), (0.510, 0.055), (0.620, 0.080))
VERTEBRAE = 18

# Limbs as chains of joints with the half thickness at each, CRL units; each picture moves the joints.
LIMBS = (
    ("leg", ((0.060, 0.190), (0.120, 0.330), (0.040, 0.300), (0.020, 0.380)), (0.052, 0.040, 0.026, 0.034)),
    ("leg", ((0.080, 0.200), (0.170, 0.340), (0.120, 0.400), (0.070, 0.440)), (0.048, 0.038, 0.026, 0.032)),
    ("arm", ((0.480, 0.170), (0.420, 0.280), (0.480, 0.340), (0.510, 0.365)), (0.034, 0.028, 0.019, 0.030)),
    ("arm", ((0.450, 0.170), (0.360, 0.300), (0.400, 0.390), (0.430, 0.420)), (0.032, 0.027, 0.019, 0.030)),
)


@dataclass(frozen=True)
class Build:
    """What one fetus is: sizes relative to the drawing, the same in all pictures of a patient.

    Attributes
    ----------
    head : float
        Radius of the head (1 = the table's).
    features : dict
        Relief of forehead, nose, lips and chin: how far the outline departs from the circle (1 = the table's).
    belly : float
        Fullness of the belly (1 = the table's).
    """

    head: float = 1.0
    features: tuple[tuple[str, float], ...] = ()
    belly: float = 1.0


@dataclass(frozen=True)
class Pose:
    """How one fetus lies in one picture, apart from tilt and place (which belong to the picture).

    Attributes
    ----------
    flexion : float
        Turn of the head about the neck in degrees: positive lowers the chin to the chest, negative raises it.
    curl : float
        Tuck of the rump, in CRL per squared CRL.
    limbs : numpy.ndarray
        Shift of each limb's joints, ``(4, 4, 2)`` in CRL.
    shown : tuple of (float, float)
        The stretch of each limb that lies in the slice, from its root (0) to its end (1); empty if both are equal.
    """

    flexion: float = 0.0
    curl: float = 0.0
    limbs: np.ndarray | None = None
    shown: tuple[tuple[float, float], ...] = ((0.0, 1.0),) * len(LIMBS)


@dataclass(frozen=True, eq=False)
class Part:
    """One piece of tissue: its kind and its closed outline ``(n, 2)``."""

    tissue: str
    outline: np.ndarray


@dataclass(frozen=True, eq=False)
class Fetus:
    """A drawn fetus; all curves are ``(n, 2)`` in the same length unit.

    Attributes
    ----------
    head, body, palate, gap : numpy.ndarray
        Outlines of the four labelled structures; the gap still overlaps its neighbours, which are painted over it.
    organs, limbs : tuple of Part
        What is seen inside the fetus and beside it, from the bottom layer to the top.
    skull : numpy.ndarray
        The vault of the skull, an open curve.
    crown, rump : numpy.ndarray
        The ends of the crown-rump length, ``(2,)`` each.
    """

    head: np.ndarray
    body: np.ndarray
    palate: np.ndarray
    gap: np.ndarray
    organs: tuple[Part, ...]
    limbs: tuple[Part, ...]
    skull: np.ndarray
    crown: np.ndarray
    rump: np.ndarray

    @property
    def length(self) -> float:
        """Crown-rump length in the unit of the drawing."""
        return float(np.hypot(*(self.crown - self.rump)))

    @property
    def surface(self) -> np.ndarray:
        """All points of the outline of head and body, ``(n, 2)``."""
        return np.concatenate([self.head, self.body])

    def moved(self, matrix: np.ndarray, shift: np.ndarray) -> "Fetus":
        """Map every curve by ``p -> matrix @ p + shift``; `matrix` is ``(2, 2)``, `shift` ``(2,)``."""

        def move(points: np.ndarray) -> np.ndarray:
            return points @ matrix.T + shift

        curves = {name: move(getattr(self, name)) for name in CURVES}
        parts = {name: tuple(Part(p.tissue, move(p.outline)) for p in getattr(self, name)) for name in PARTS}
        return Fetus(**curves, **parts)


CURVES = ("head", "body", "palate", "gap", "skull", "crown", "rump")
PARTS = ("organs", "limbs")


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


def tube(axis: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Closed outline of a tube of half thickness `radius` ``(n,)`` about the open curve `axis` ``(n, 2)``."""
    along = np.gradient(axis, axis=0)
    along /= np.maximum(np.hypot(*along.T), 1e-9)[:, None]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) * np.asarray(radius)[:, None]
    start, end = axis[0] - along[0] * radius[0], axis[-1] + along[-1] * radius[-1]
    return np.vstack([start, axis + across, end, (axis - across)[::-1]])


def farthest_pair(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Farthest pair with one point of `first` ``(n, 2)`` and one of `second` ``(m, 2)``: both are hull points."""
    a, b = first[ConvexHull(first).vertices], second[ConvexHull(second).vertices]
    distance = np.hypot(*(a[:, None] - b[None]).transpose(2, 0, 1))
    i, j = np.unravel_index(distance.argmax(), distance.shape)
    return a[i], b[j]


def head_outline(build: Build) -> np.ndarray:
    """Outline of the head in its own frame (head radii, crown +u, front +v), ``(n, 2)``."""
    relief = dict(build.features)
    rows = [(angle, 1 + (radius - 1) * relief.get(feature, 1.0)) for angle, radius, feature in HEAD_PROFILE]
    return smooth_closed(polar(rows), 240)


def trunk_outline(build: Build) -> np.ndarray:
    """Outline of the trunk in fetal coordinates, ``(n, 2)``."""
    points = np.array(TRUNK)
    points[BELLY, 1] = 0.22 + (points[BELLY, 1] - 0.22) * build.belly
    return smooth_closed(points, 240)


def tuck(points: np.ndarray, curl: float) -> np.ndarray:
    """Bend the lower half of the trunk forwards, as a rump that tucks in."""
    lower = np.clip(0.42 - points[..., 0], 0.0, None)
    return points + np.stack([0.5 * curl * lower**2, curl * lower**2], axis=-1)


def head_parts(outline: np.ndarray) -> Iterator[Part]:
    """Tissues inside the head, in the head's frame."""
    yield Part("face", outline)
    yield Part("brain", smooth_closed(polar(CRANIUM)))
    for tissue, centre, axes, degrees in HEAD_ORGANS:
        yield Part(tissue, ellipse(centre, axes, degrees))


def trunk_parts(outline: np.ndarray) -> Iterator[Part]:
    """Tissues inside the trunk, in fetal coordinates: viscera within the wall, organs, the vertebrae one by one."""
    centre = outline.mean(axis=0) + np.array([0.0, 0.015])
    yield Part("viscera", centre + (outline - centre) * (0.80, 0.72))
    for tissue, centre, axes, degrees in TRUNK_ORGANS:
        yield Part(tissue, ellipse(centre, axes, degrees))
    for x, y in smooth_open(np.array(SPINE), VERTEBRAE):
        yield Part("bone", ellipse((x, y), (0.0105, 0.0075), 0, 10))


def limb_parts(pose: Pose) -> Iterator[Part]:
    """The limbs that lie in the slice: soft tissue with a bone in each segment."""
    shifts = np.zeros((len(LIMBS), 4, 2)) if pose.limbs is None else pose.limbs
    for (_, joints, radii), shift, shown in zip(LIMBS, shifts, pose.shown, strict=True):
        seen = slice(*np.round(np.array(shown) * 32).astype(int))
        axis = tuck(smooth_open(np.array(joints) + shift, 32), pose.curl)[seen]
        if len(axis) >= 4:
            yield Part("limb", tube(axis, smooth_open(np.array(radii), 32)[seen]))
        for first in range(2, len(axis) - 7, 10):
            yield Part("bone", tube(axis[first : first + 7], np.full(7, 0.007)))


def draw_fetus(build: Build, pose: Pose, length: float) -> Fetus:
    """Draw a fetus with a crown-rump length of exactly `length`.

    Parameters
    ----------
    build, pose : Build, Pose
        Whose body, and how it lies.
    length : float
        Crown-rump length in the unit wanted for the drawing, for example mm.

    Returns
    -------
    Fetus
        Curves in that unit, rump near the origin, crown at +x, front at +y.
    """
    turn = rotation(pose.flexion)

    def place(points: np.ndarray) -> np.ndarray:
        """Head frame -> fetal coordinates, turned about the neck."""
        upright = HEAD_CENTRE + np.asarray(points) * HEAD_RADIUS * build.head
        return NECK + (upright - NECK) @ turn.T

    profile = head_outline(build)
    angles = np.degrees(np.arctan2(profile[:, 1], profile[:, 0])) % 360
    lip = place(profile[np.abs(angles - LIP_DEGREES).argmin()])
    vault = place(profile[(angles < 128) | (angles > 285)] * 0.965)
    vault = np.roll(vault, -int(np.argmax(np.hypot(*(vault - np.roll(vault, 1, axis=0)).T))), axis=0)
    trunk = trunk_outline(build)
    head, body = place(profile), tuck(trunk, pose.curl)
    crown, rump = farthest_pair(head, body)
    organs = [Part(p.tissue, tuck(p.outline, pose.curl)) for p in trunk_parts(trunk)]
    organs += [Part(p.tissue, place(p.outline)) for p in head_parts(profile)]
    drawn = Fetus(
        head=head,
        body=body,
        palate=place(smooth_closed(np.array(PALATE), 48)),
        gap=np.array([lip, CHEST, THROAT]),
        organs=tuple(organs),
        limbs=tuple(limb_parts(pose)),
        skull=vault,
        crown=crown,
        rump=rump,
    )
    scale = length / drawn.length
    return drawn.moved(np.eye(2) * scale, np.zeros(2))
