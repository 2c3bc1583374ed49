"""The uterus about a fetus: sac, amnion, placenta, veins, the cord, and the mother's layers above."""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from fusqa.simulator.beams import View
from fusqa.simulator.fetus import Fetus
from fusqa.simulator.machine import Range
from fusqa.simulator.shapes import around, ellipse, frame, smooth_open, travelled, tube
from fusqa.simulator.tissue import Part, Slice

DIRECTIONS = 180  # about the fetus, in which the room to the wall is given
DECIDUA_MM, MYOMETRIUM_MM = 2.6, 13.0
CORD_SEEN = 0.6  # chance that a loop of cord lies in the slice
STRANDS = 40
FURTHER_CUT = 0.3  # chance that another part of a limb is cut across in the fluid


Wall = Callable[[np.ndarray | float], np.ndarray]  # closed curve so many mm outside the sac's border, by direction


def directions() -> np.ndarray:
    """Angles in radians, from the x axis towards z (down)."""
    return np.linspace(0.0, 2 * np.pi, DIRECTIONS, endpoint=False)


def waves(rng: np.random.Generator, size: float, highest: int) -> np.ndarray:
    """Smooth closed random curve about 0, ``(DIRECTIONS,)``."""
    angle = directions()
    return sum(rng.normal(0.0, size / k) * np.sin(k * angle + rng.uniform(0, 2 * np.pi)) for k in range(1, highest + 1))


def sac_clearance(rng: np.random.Generator, length: float, fluid: Range) -> np.ndarray:
    """Room in mm between fetus and sac wall in each direction: hardly any below, where the fetus lies."""
    upwards = (1 - np.sin(directions() + rng.normal(0.0, 0.25))) / 2  # z points down
    room = 0.002 + rng.uniform(*fluid) * upwards * (1 + waves(rng, 0.12, 4))
    return length * np.clip(room, 0.004, None) + 0.4 * np.abs(waves(rng, 0.5, 9))


def front_of(fetus: Fetus) -> np.ndarray:
    """Unit vector in which the fetus looks, ``(2,)``."""
    front = fetus.palate.mean(axis=0) - fetus.head.mean(axis=0)
    return front / np.hypot(*front)


def cushion(fetus: Fetus, sac: np.ndarray, rng: np.random.Generator) -> list[Part]:
    """A hump of the wall under the fetus, which fills the hollow between its back and the sac more or less."""
    if front_of(fetus)[1] > 0:
        return []
    x, z = fetus.surface.T
    across = np.linspace(x.min() + 2.0, x.max() - 2.0, 70)
    under = ndimage.gaussian_filter1d([z[np.abs(x - at) < 1.5].max() for at in across], 4)
    lower = sac[sac[:, 1] > sac[:, 1].mean()]
    floor = np.interp(across, *lower[np.argsort(lower[:, 0])].T)
    middle = across[np.argmax(floor - under)] + rng.normal(0.0, 0.05) * fetus.length
    off = (across - middle) / (rng.uniform(0.18, 0.6) * fetus.length)
    top = floor - rng.uniform(0.4, 1.1) * np.exp(-(off**2)) * np.maximum(floor - under, 0.0)
    return [Part("decidua", np.vstack([np.stack([across, top], 1), np.stack([across, floor + 2.0], 1)[::-1]]))]


def placenta(wall: Wall, rng: np.random.Generator) -> tuple[Part, np.ndarray]:
    """The placenta on a stretch of the wall, and its smooth plate towards the fluid."""
    middle = rng.choice([-0.5, 0.5]) * np.pi + rng.normal(0.0, 0.5)  # on the front wall or the back wall
    span = rng.uniform(0.75, 1.25)
    off = np.abs((directions() - middle + np.pi) % (2 * np.pi) - np.pi) / span
    thick = rng.uniform(8.0, 14.0) * np.sqrt(np.clip(1 - off**2, 0.0, None)) * (1 + 0.5 * waves(rng, 0.15, 6))
    plate = np.roll(wall(0.0), -int(np.argmax(off)), axis=0)
    return Part("placenta", wall(thick)), plate[np.roll(off, -int(np.argmax(off))) < 1]


def veins(wall: Wall, rng: np.random.Generator) -> list[Part]:
    """Dark veins in the wall of the uterus, along the sac."""
    ring = wall(9.0)
    chosen = ring[rng.integers(0, len(ring), rng.integers(3, 9))]
    shapes = zip(rng.uniform(1.2, 5.0, len(chosen)), rng.uniform(0.5, 1.5, len(chosen)), strict=True)
    return [
        Part("vessel", ellipse(centre + rng.normal(0.0, 2.0, 2), axes, rng.normal(0.0, 25.0)))
        for centre, axes in zip(chosen, shapes, strict=True)
    ]


def cord(fetus: Fetus, rng: np.random.Generator) -> tuple[list[Part], list[np.ndarray]]:
    """The umbilical cord from the navel into the fluid: a wound tube whose vessels show as a chain of dark gaps."""
    front = front_of(fetus)
    steps = np.outer(rng.uniform(0.03, 0.07, 6), front) + rng.normal(0.0, 0.035, (6, 2))
    steps[0] = 0.05 * front
    axis = smooth_open(np.vstack([fetus.navel, fetus.navel + np.cumsum(steps, axis=0) * fetus.length]), 60)
    axis = axis[: rng.integers(18, 60)]
    half = rng.uniform(1.3, 2.2)
    turn = np.sin(2 * np.pi * travelled(axis) / (4.2 * half) + rng.uniform(0, 6))
    _, across = frame(axis)
    outline = tube(axis, half * (1 + 0.12 * turn))
    vein = tube(axis + 0.35 * half * turn[:, None] * across, 0.42 * half * (0.55 + 0.45 * np.abs(turn)))
    return [Part("cord", outline), Part("blood", vein)], [outline]


def loose_cut(fetus: Fetus, rng: np.random.Generator) -> tuple[list[Part], list[np.ndarray]]:
    """A hand or foot that comes back into the slice: a round piece with bone, in the fluid near the limbs."""
    centre = fetus.navel + fetus.length * (front_of(fetus) * rng.uniform(0.08, 0.20) + rng.normal(0.0, 0.10, 2))
    size = fetus.length * rng.uniform(0.016, 0.032)
    tilt = rng.uniform(-40.0, 40.0)
    bone = ellipse(centre, (0.6 * size, 0.1), tilt)[:19]
    return [Part("limb", ellipse(centre, (1.3 * size, 0.8 * size), tilt))], [bone]


def abdominal_wall(view: View, rng: np.random.Generator) -> list[np.ndarray]:
    """Sheets of fascia between probe and uterus: long, nearly parallel to the probe, and broken."""
    width = view.shape[1] * view.spacing
    curves = []
    for _ in range(rng.integers(2, 5)):
        depth = rng.uniform(3.0, 26.0)
        x = np.linspace(-0.05 * width, 1.05 * width, 60)
        first, last = np.sort(rng.integers(0, 60, 2))
        bend = np.sqrt(np.clip((view.probe + depth) ** 2 - (x - view.apex[0]) ** 2, 1.0, None))
        slope = rng.normal(0.0, 0.05) * (x - view.apex[0])
        curves.append(np.stack([x, view.apex[1] + bend + slope + rng.normal(0.0, 1.0)], axis=1)[first : last + 4])
    return curves


def strands(view: View, rng: np.random.Generator) -> list[np.ndarray]:
    """Short strands of connective tissue anywhere in the mother, nearly across the beam."""
    size = np.array(view.shape[::-1]) * view.spacing
    middle = rng.uniform(0.0, 1.0, (STRANDS, 2)) * size
    half = rng.lognormal(0.9, 0.6, STRANDS)
    across = middle - view.apex
    tilt = np.arctan2(-across[:, 0], across[:, 1]) + rng.normal(0.0, 0.22, STRANDS)
    step = half[:, None] * np.stack([np.cos(tilt), np.sin(tilt)], axis=1)
    bow = rng.normal(0.0, 0.25, STRANDS)[:, None] * np.array([0.0, 1.0])
    return [np.stack([m - s, m + b, m + s]) for m, s, b in zip(middle, step, bow, strict=True)]


def lay_out(fetus: Fetus, view: View, fluid: Range, plane_mm: float, palate: bool, rng: np.random.Generator) -> Slice:
    """Put the fetus into its uterus and its mother, cut `plane_mm` beside the mid-sagittal plane."""
    points = np.concatenate([fetus.surface, *(limb.outline for limb in fetus.limbs)])
    room = sac_clearance(rng, fetus.length, fluid)  # from the hull of the points to the wall

    def wall(beyond_mm: np.ndarray | float) -> np.ndarray:
        return around(points, room + beyond_mm)

    cake, plate = placenta(wall, rng)
    sac = wall(0.0)
    ground = [Part("myometrium", wall(MYOMETRIUM_MM + waves(rng, 2.0, 3))), *veins(wall, rng)]
    ground += [Part("decidua", wall(DECIDUA_MM * np.exp(waves(rng, 0.35, 6)))), cake, Part("fluid", sac)]
    floating, edges = cord(fetus, rng) if rng.random() < CORD_SEEN else ([], [])
    loose, loose_bones = loose_cut(fetus, rng) if rng.random() < FURTHER_CUT else ([], [])
    membrane = np.roll(around(points, room * rng.uniform(0.45, 0.8)), rng.integers(DIRECTIONS), axis=0)
    surfaces = [("skin", fetus.head), ("skin", fetus.body), ("sac", np.vstack([sac, sac[:1]])), ("chorion", plate)]
    surfaces += [("amnion", membrane[: rng.integers(30, 110)])]
    surfaces += [("skin", limb.outline) for limb in fetus.limbs]
    surfaces += [("cord", edge) for edge in edges]
    surfaces += [("wall", part.outline) for part in fetus.organs if part.tissue in ("stomach", "bladder")]
    surfaces += [("skull", plate) for plate in fetus.skull]
    surfaces += [("bone", bone) for bone in fetus.bones]
    surfaces += [("limb bone", bone) for bone in (*fetus.limb_bones, *loose_bones)]
    surfaces += [("fascia", sheet) for sheet in abdominal_wall(view, rng)]
    surfaces += [("strand", strand) for strand in strands(view, rng)]
    maxilla = [Part("palate", fetus.palate)] if palate else []
    fetal = (*fetus.limbs, Part("trunk", fetus.body), *fetus.organs, *maxilla)
    return Slice(
        parts=(*ground, *cushion(fetus, sac, rng), *floating, *loose, *fetal),
        surfaces=tuple(surfaces),
        dots=fetus.dots,
        bone=fetus.bone,
        oblique_mm=0.12 * plane_mm,
    )
