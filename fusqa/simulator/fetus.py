"""A fetus of 11–14 weeks near the mid-sagittal plane, drawn with smooth curves.

:mod:`fusqa.simulator.anatomy` says where everything lies, :mod:`fusqa.simulator.growth` how it grows. Here the head
turns about the neck, the rump tucks in, and limbs bend at their joints. When the pose is set, the whole drawing is
scaled so that the farthest pair of a head point and a body point has exactly the length asked for: the truth is known
by construction, not measured from pixels.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from fusqa.simulator import anatomy
from fusqa.simulator.growth import proportions
from fusqa.simulator.shapes import ellipse, farthest_pair, frame, polar, rotation, smooth_closed, smooth_open, tube
from fusqa.simulator.tissue import Part

Place = Callable[[np.ndarray], np.ndarray]  # head frame -> fetal coordinates


@dataclass(frozen=True)
class Build:
    """What one fetus is: sizes relative to others of its length, the same in all images of a patient.

    Attributes
    ----------
    head : float
        Radius of the head (1 = as growth has it).
    features : tuple of (str, float)
        Relief of forehead, nose, lips and chin: how far the outline departs from the circle (1 = the table's).
    belly : float
        Fullness of the belly (1 = the table's).
    nape : float
        Thickness of the nuchal translucency (1 = the median).
    """

    head: float = 1.0
    features: tuple[tuple[str, float], ...] = ()
    belly: float = 1.0
    nape: float = 1.0


@dataclass(frozen=True)
class Pose:
    """How one fetus lies in one image, apart from tilt and place (which belong to the image).

    Attributes
    ----------
    flexion : float
        Turn of the head about the neck in degrees: positive lowers the chin to the chest, negative raises it.
    curl : float
        Tuck of the rump, in CRL per squared CRL.
    joints : numpy.ndarray
        Departure of each limb's joints from the mean, in standard deviations, ``(4, 3)``.
    shown : tuple of float
        The share of each limb, from its root, that lies in the slice.
    plane_mm : float
        Distance of the slice from the mid-sagittal plane.
    """

    flexion: float = 0.0
    curl: float = 0.0
    joints: np.ndarray = field(default_factory=lambda: np.zeros((len(anatomy.LIMBS), 3)))
    shown: tuple[float, ...] = (1.0,) * len(anatomy.LIMBS)
    plane_mm: float = 0.0

    def sees(self, planes: tuple[float, float]) -> bool:
        """Whether the slice lies between two distances from the mid-sagittal plane."""
        return planes[0] <= self.plane_mm < planes[1]


@dataclass(frozen=True, eq=False)
class Fetus:
    """A drawn fetus; all curves are ``(n, 2)`` in the same length unit.

    Attributes
    ----------
    head, body, palate, gap : numpy.ndarray
        Outlines of the four labelled structures; the gap still overlaps its neighbours, which a mask
        takes from it.
    organs, limbs : tuple of Part
        What is seen inside the fetus and beside it, from the bottom layer to the top.
    skull, bones, limb_bones : tuple of numpy.ndarray
        Open curves of bone: the plates of the skull's vault, other bony lines of the head, those of the limbs.
    dots : numpy.ndarray
        Bone that is cut across, vertebrae and ribs, ``(n, 2)``.
    navel, crown, rump : numpy.ndarray
        Root of the cord, and the ends of the crown-rump length, ``(2,)`` each.
    bone : float
        How far bone has hardened, 0–1.
    """

    head: np.ndarray
    body: np.ndarray
    palate: np.ndarray
    gap: np.ndarray
    organs: tuple[Part, ...]
    limbs: tuple[Part, ...]
    skull: tuple[np.ndarray, ...]
    bones: tuple[np.ndarray, ...]
    limb_bones: tuple[np.ndarray, ...]
    dots: np.ndarray
    navel: np.ndarray
    crown: np.ndarray
    rump: np.ndarray
    bone: float

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

        def move(drawn: np.ndarray | Part | tuple) -> np.ndarray | Part | tuple:
            if isinstance(drawn, np.ndarray):
                return drawn @ matrix.T + shift
            return tuple(map(move, drawn)) if isinstance(drawn, tuple) else Part(drawn.tissue, move(drawn.outline))

        return replace(self, **{name: move(drawn) for name, drawn in vars(self).items() if name != "bone"})


def head_outline(build: Build) -> np.ndarray:
    """Outline of the head in its own frame, ``(n, 2)``."""
    relief = dict(build.features)
    sized = [(relief.get(feature, 1.0), point) for feature, *points in anatomy.HEAD_PROFILE for point in points]
    return smooth_closed(polar([(degrees, 1 + (radius - 1) * size) for size, (degrees, radius) in sized]), 240)


def trunk_outline(build: Build) -> np.ndarray:
    """Outline of the trunk in fetal coordinates, ``(n, 2)``."""
    points = np.array(anatomy.TRUNK)
    points[anatomy.BELLY, 1] = 0.22 + (points[anatomy.BELLY, 1] - 0.22) * build.belly
    return smooth_closed(points, 240)


def tuck(points: np.ndarray, curl: float) -> np.ndarray:
    """Bend the lower half of the trunk forwards, as a rump that tucks in."""
    lower = np.clip(0.42 - points[..., 0], 0.0, None)
    return points + np.stack([0.5 * curl * lower**2, curl * lower**2], axis=-1)


def organs_of(table, pose: Pose) -> Iterator[Part]:
    """Organs of a table that the slice meets, in the table's frame."""
    for tissue, centre, axes, degrees, planes in table:
        if pose.sees(planes):
            yield Part(tissue, ellipse(centre, axes, degrees))


def head_parts(outline: np.ndarray, pose: Pose) -> Iterator[Part]:
    """Tissues inside the head, in the head's frame."""
    yield Part("face", outline)
    yield Part("brain", smooth_closed(polar(anatomy.CRANIUM)))
    yield from organs_of(anatomy.HEAD_ORGANS, pose)


def skull_plates(outline: np.ndarray) -> Iterator[np.ndarray]:
    """Curves of the skull's plates, in the head's frame."""
    degrees = np.degrees(np.arctan2(outline[:, 1], outline[:, 0])) % 360
    order = np.argsort(degrees)
    ring = np.concatenate([degrees[order] - 360, degrees[order]])
    radius = np.tile(np.hypot(*outline[order].T), 2) * anatomy.SKULL_DEPTH
    for first, last in anatomy.SKULL_PLATES:
        angle = np.linspace(first, last, 40)
        yield polar(np.stack([angle, np.interp(angle, ring, radius)], axis=1))


def trunk_parts(outline: np.ndarray, pose: Pose) -> Iterator[Part]:
    """Tissues inside the trunk, in fetal coordinates: viscera within the wall, organs, the canal of the spine."""
    centre = outline.mean(axis=0) + np.array([0.0, 0.015])
    yield Part("viscera", centre + (outline - centre) * (0.84, 0.76))
    yield from organs_of(anatomy.TRUNK_ORGANS, pose)
    if pose.sees(anatomy.SPINE_PLANES):
        yield Part("canal", tube(smooth_open(np.array(anatomy.SPINE)), 0.008))


def bone_dots(pose: Pose) -> np.ndarray:
    """Vertebrae and ribs that the slice cuts, ``(n, 2)`` in fetal coordinates."""
    dots = [np.empty((0, 2))]
    if pose.sees(anatomy.SPINE_PLANES):
        axis = smooth_open(np.array(anatomy.SPINE), anatomy.VERTEBRAE)
        along, across = frame(axis)
        uneven = 0.10 * np.sin(2.4 * np.arange(anatomy.VERTEBRAE)[:, None]) * along * anatomy.SPINE_ROWS[0]
        dots += [axis + row * across + uneven for row in anatomy.SPINE_ROWS]
    if pose.sees(anatomy.RIB_PLANES):
        dots += [np.linspace(*ends, anatomy.RIB_COUNT) for ends in anatomy.RIBS]
    return np.concatenate(dots)


def nape(thickness: float, place: Place) -> np.ndarray:
    """Outline of the nuchal translucency; its upper end turns with the head."""
    axis = smooth_open(np.array(anatomy.NAPE), 40)
    upright = (axis - anatomy.HEAD_CENTRE) / anatomy.HEAD_RADIUS
    low, high = anatomy.NAPE_TURNS
    turned = np.clip((axis[:, :1] - low) / (high - low), 0.0, 1.0)
    share = turned * turned * (3 - 2 * turned)  # rises smoothly
    swell = np.sin(np.linspace(0.15, np.pi - 0.15, 40)) ** 0.7
    return tube((1 - share) * axis + share * place(upright), 0.5 * thickness * swell)


def limb_parts(pose: Pose, scale: float) -> tuple[list[Part], list[np.ndarray]]:
    """Soft tissue and bones of the limbs in the slice, in fetal coordinates."""
    parts, bones = [], []
    for (kind, root, lengths, radii), joints, shown in zip(anatomy.LIMBS, pose.joints, pose.shown, strict=True):
        turns = [mean + spread * at for (mean, spread), at in zip(anatomy.JOINTS[kind], joints, strict=True)]
        heading = np.radians(np.cumsum(turns))
        steps = scale * np.array(lengths)[:, None] * np.stack([np.cos(heading), np.sin(heading)], axis=1)
        corners = tuck(np.vstack([root, root + np.cumsum(steps, axis=0)]), pose.curl)
        path = np.interp(np.linspace(0, 3 * shown, 30), np.arange(4), np.arange(4.0))
        axis = np.stack([np.interp(path, np.arange(4), column) for column in corners.T], axis=1)
        width = np.interp(path, np.arange(4), np.array(radii)) * np.sqrt(scale)
        parts.append(Part("limb", tube(axis, width)))
        whole = min(int(3 * shown), 2)  # segments with a long bone that lie in the slice from end to end
        shaft = np.linspace(0.14, 0.86, 8)[:, None]
        bones += [start + (end - start) * shaft for start, end in list(pairwise(corners))[:whole]]
        if shown == 1.0:
            end_parts, end_bones = END[kind](corners[-2], corners[-1], scale)
            parts += end_parts
            bones += end_bones
    return parts, bones


def hand(wrist: np.ndarray, knuckles: np.ndarray, scale: float) -> tuple[list[Part], list[np.ndarray]]:
    """Palm and spread fingers beyond a wrist."""
    forward = (knuckles - wrist) / np.hypot(*(knuckles - wrist))
    fingers = []
    for turn in np.linspace(-38.0, 34.0, anatomy.DIGITS):
        direction = rotation(turn) @ forward
        start = knuckles + 0.014 * scale * (direction - forward)
        fingers.append(start + 0.046 * scale * np.linspace(0.0, 1.0, 6)[:, None] * direction)
    soft = [Part("limb", ellipse(knuckles, (0.020 * scale, 0.016 * scale), 0.0))]
    return soft + [Part("limb", tube(finger, 0.0062 * scale)) for finger in fingers], [f[1:5] for f in fingers]


def foot(ankle: np.ndarray, ball: np.ndarray, scale: float) -> tuple[list[Part], list[np.ndarray]]:
    """Heel, sole and a row of toes."""
    forward = (ball - ankle) / np.hypot(*(ball - ankle))
    heel = ankle - 0.024 * scale * forward
    side = np.array([-forward[1], forward[0]])
    toes = [ball + scale * (0.010 * forward * at + 0.009 * side * (at - 2)) for at in range(anatomy.DIGITS)]
    soft = [Part("limb", tube(np.linspace(heel, ball, 8), 0.018 * scale))]
    soft += [Part("limb", ellipse(toe, (0.010 * scale, 0.007 * scale), 0.0, 12)) for toe in toes]
    return soft, [np.linspace(ankle, ball, 5)[1:]]


END = {"arm": hand, "leg": foot}


def draw_fetus(build: Build, pose: Pose, length: float) -> Fetus:
    """Draw a fetus with a crown-rump length of exactly `length`.

    Parameters
    ----------
    build, pose : Build, Pose
        Whose body, and how it lies.
    length : float
        Crown-rump length in mm, which also decides how far it has grown.

    Returns
    -------
    Fetus
        Curves in mm, rump near the origin, crown at +x, front at +y.
    """
    grown, turn = proportions(length), rotation(pose.flexion)

    def place(points: np.ndarray) -> np.ndarray:
        """Head frame -> fetal coordinates, turned about the neck."""
        upright = anatomy.HEAD_CENTRE + np.asarray(points) * anatomy.HEAD_RADIUS * build.head * grown.head
        return anatomy.NECK + (upright - anatomy.NECK) @ turn.T

    profile, trunk = head_outline(build), trunk_outline(build)
    angles = np.degrees(np.arctan2(profile[:, 1], profile[:, 0])) % 360
    chin = place(profile[np.abs(angles - anatomy.CHIN_DEGREES).argmin()])
    head, body = place(profile), tuck(trunk, pose.curl)
    crown, rump = farthest_pair(head, body)
    organs = [Part(p.tissue, tuck(p.outline, pose.curl)) for p in trunk_parts(trunk, pose)]
    organs += [Part(p.tissue, place(p.outline)) for p in head_parts(profile, pose)]
    drawn = float(np.hypot(*(crown - rump)))  # what becomes `length` mm
    organs += [Part("nape", nape(build.nape * grown.nape_mm * drawn / length, place))]
    limbs, limb_bones = limb_parts(pose, grown.limbs)
    bones = [place(np.linspace(first, last, 8)) for first, last, planes in anatomy.HEAD_BONES if pose.sees(planes)]
    fetus = Fetus(
        head=head,
        body=body,
        palate=place(smooth_closed(np.array(anatomy.PALATE), 48)),
        gap=np.array([chin, anatomy.CHEST, anatomy.THROAT]),
        organs=tuple(organs),
        limbs=tuple(limbs),
        skull=tuple(place(plate) for plate in skull_plates(profile)),
        bones=tuple(bones),
        limb_bones=tuple(limb_bones),
        dots=tuck(bone_dots(pose), pose.curl),
        navel=tuck(anatomy.NAVEL, pose.curl),
        crown=crown,
        rump=rump,
        bone=grown.bone,
    )
    return fetus.moved(np.eye(2) * length / fetus.length, np.zeros(2))
