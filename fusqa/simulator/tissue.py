"""What echoes: kinds of tissue with their scatterers, and smooth interfaces that mirror the pulse.

A *slice* of tissue is drawn as outlines and curves in mm and painted onto the grid of the beams. Nothing here knows
what a fetus is, and nothing knows the machine.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np

from fusqa.masks.label_images import filled_polygon
from fusqa.simulator.beams import BEAMS, SAMPLES, Beams, patches
from fusqa.simulator.shapes import travelled


@dataclass(frozen=True)
class Tissue:
    """How a tissue looks: echogenicity and its patchiness in dB, attenuation in dB/(cm MHz), one way."""

    echo_db: float
    patchy_db: float
    attenuation: float


TISSUES = {
    "maternal": Tissue(-5.0, 3.6, 0.45),
    "myometrium": Tissue(-9.0, 3.0, 0.45),
    "decidua": Tissue(2.5, 3.0, 0.40),
    "placenta": Tissue(-2.5, 1.5, 0.35),
    "fluid": Tissue(-60.0, 0.0, 0.00),
    "vessel": Tissue(-20.0, 2.0, 0.10),
    "cord": Tissue(-3.0, 2.0, 0.30),
    "limb": Tissue(0.0, 3.5, 0.50),
    "trunk": Tissue(1.5, 3.5, 0.45),
    "viscera": Tissue(-3.0, 4.5, 0.45),
    "lung": Tissue(-4.0, 2.5, 0.45),
    "heart": Tissue(-7.0, 3.0, 0.20),
    "blood": Tissue(-22.0, 2.0, 0.10),
    "liver": Tissue(-7.0, 2.5, 0.45),
    "muscle": Tissue(-14.0, 2.0, 0.45),
    "bowel": Tissue(-2.0, 4.0, 0.50),
    "stomach": Tissue(-32.0, 1.0, 0.05),
    "bladder": Tissue(-36.0, 1.0, 0.02),
    "kidney": Tissue(-9.0, 2.0, 0.40),
    "canal": Tissue(-13.0, 2.0, 0.20),
    "nape": Tissue(-34.0, 1.0, 0.02),
    "face": Tissue(3.5, 4.5, 0.65),
    "tongue": Tissue(-6.0, 2.0, 0.45),
    "orbit": Tissue(-18.0, 2.0, 0.15),
    "brain": Tissue(-2.5, 5.0, 0.30),
    "cortex": Tissue(-7.0, 4.0, 0.30),
    "ventricle": Tissue(-18.0, 5.0, 0.10),
    "thalamus": Tissue(-9.0, 3.0, 0.30),
    "cerebellum": Tissue(-5.0, 3.0, 0.30),
    "choroid": Tissue(5.0, 4.0, 0.35),
    "palate": Tissue(9.0, 3.0, 1.20),
}
TISSUE_NUMBER = {name: number for number, name in enumerate(TISSUES)}
SHEETS = TISSUE_NUMBER["decidua"]  # tissues up to this one lie in sheets
RAGGED_MM = 0.25  # unevenness of every border: a standard deviation of 0.3 mm, since that of `patches` is 1.2


@dataclass(frozen=True)
class Interface:
    """How a smooth border mirrors the pulse.

    Attributes
    ----------
    echo_db : float
        Strength of the echo above mean tissue.
    power : float
        How fast it falls off as the surface turns away from the beam: power of the cosine.
    uneven : float
        How unevenly it reflects along its course: log-normal sigma.
    shadow_db : float
        Loss behind it.
    hardens_db : float
        How much stronger echo and shadow are in hard bone (1) than in cartilage (0); half of it either way.
    wet : bool
        Whether it echoes only against fluid: skin against fluid mirrors, skin against skin does not.
    ground : str
        The tissue in which alone it echoes; empty for any.
    """

    echo_db: float
    power: float
    uneven: float
    shadow_db: float = 0.0
    hardens_db: float = 0.0
    wet: bool = False
    ground: str = ""


INTERFACES = {
    "skull": Interface(27.0, 4.0, 0.8, 6.0, 8.0),
    "bone": Interface(20.0, 2.5, 0.5, 7.0, 8.0),
    "limb bone": Interface(20.0, 2.5, 0.5, 7.0, 8.0, ground="limb"),  # hidden where head or trunk lies before it
    "dot": Interface(19.0, 0.0, 0.8, 5.0, 8.0),
    "skin": Interface(11.0, 2.5, 0.8, wet=True),
    "sac": Interface(16.0, 6.0, 1.2, wet=True),
    "chorion": Interface(14.0, 4.0, 0.6, wet=True),
    "amnion": Interface(-3.0, 4.0, 0.6),
    "cord": Interface(4.0, 2.0, 0.5),
    "wall": Interface(5.0, 5.0, 0.6),  # of a hollow organ
    "fascia": Interface(12.0, 9.0, 1.0, ground="maternal"),
    "strand": Interface(8.0, 6.0, 0.9, ground="maternal"),
}


@dataclass(frozen=True, eq=False)
class Part:
    """One piece of tissue: its kind and its closed outline ``(n, 2)``."""

    tissue: str
    outline: np.ndarray


@dataclass(frozen=True, eq=False)
class Slice:
    """What lies in the plane of an image; all curves are ``(n, 2)`` in mm.

    Attributes
    ----------
    parts : tuple of Part
        Pieces of tissue from the bottom layer to the top, on a ground of maternal tissue.
    surfaces : tuple of (str, numpy.ndarray)
        Smooth interfaces: key of :data:`INTERFACES`, open curve.
    dots : numpy.ndarray
        Small bones that are cut across, ``(n, 2)``.
    bone : float
        How far bone has hardened, 0–1.
    oblique_mm : float
        How much the slice's tilt adds to its thickness.
    """

    parts: tuple[Part, ...]
    surfaces: tuple[tuple[str, np.ndarray], ...] = ()
    dots: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))
    bone: float = 0.5
    oblique_mm: float = 0.0


def ratio(level_db: np.ndarray | float, per: float = 10.0) -> np.ndarray:
    """Decibels -> power (`per` 10) or amplitude (`per` 20), float32.

    Computed in double precision: in single precision the last bit depends on the processor's vector unit, and one
    seed would not give the same bytes on another machine.
    """
    return (10.0 ** (np.asarray(level_db, float) / per)).astype(np.float32)


def paint(parts: tuple[Part, ...], beams: Beams, rng: np.random.Generator) -> np.ndarray:
    """Tissue numbers ``(SAMPLES, BEAMS)`` uint8 of the slice; no border in a body is as even as a drawn one."""
    tissue = np.full((SAMPLES, BEAMS), TISSUE_NUMBER["maternal"], np.uint8)
    for part in parts:
        tissue[filled_polygon(beams.index(part.outline), tissue.shape) > 0] = TISSUE_NUMBER[part.tissue]
    row, column = np.indices(tissue.shape, np.float32)
    column += patches(rng, beams, 1.5, 1.5) * (RAGGED_MM / beams.pitch_mm[:, None]).astype(np.float32)
    row += patches(rng, beams, 1.5, 1.5) * np.float32(RAGGED_MM / beams.step_mm)
    return cv2.remap(tissue, column, row, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)


def echogenicity(tissue: np.ndarray, beams: Beams, rng: np.random.Generator) -> np.ndarray:
    """Mean scatterer amplitude ``(SAMPLES, BEAMS)`` float32: tissue levels with patches, maternal sheets."""
    level = np.array([row.echo_db for row in TISSUES.values()], np.float32)[tissue]
    patchy = np.array([row.patchy_db for row in TISSUES.values()], np.float32)[tissue]
    grain = 0.8 * patches(rng, beams, 1.4, 1.8) + 0.7 * patches(rng, beams, 4.0, 5.0)
    sheets = 0.7 * patches(rng, beams, 1.6, 5.0) + 0.6 * patches(rng, beams, 3.0, 9.0)
    sheets += 1.0 * patches(rng, beams, 13.0, 16.0)
    # Few strong scatterers among many weak ones.
    grain, sheets = (np.minimum(field + 0.33 * (field * field - 1), 4.2) for field in (grain, sheets))
    return ratio(level + patchy * np.where(tissue <= SHEETS, sheets, grain), 20.0)


def mirrors(scene: Slice, tissue: np.ndarray, beams: Beams, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Echo amplitude of all smooth interfaces, and the loss in dB behind them: ``(SAMPLES, BEAMS)`` float32 each.

    A surface is bright where it faces the beam and breaks up where it turns away.
    """
    amplitude, shade = np.zeros((SAMPLES, BEAMS), np.float32), np.zeros((SAMPLES, BEAMS), np.float32)
    fluid = (tissue == TISSUE_NUMBER["fluid"]).astype(np.uint8)
    reach = round(1.3 / beams.step_mm)
    wet = cv2.dilate(fluid, np.ones((2 * reach + 1, 1), np.uint8)) > 0
    drawn = [(kind, *_facing(curve, beams)) for kind, curve in scene.surfaces]
    drawn += [("dot", scene.dots, np.ones(len(scene.dots)))] if len(scene.dots) else []
    for kind, points, facing in drawn:
        face = INTERFACES[kind]
        every = 1 if face.power == 0 else 22  # single bones differ one by one, surfaces slowly along their course
        knots = rng.lognormal(-(face.uneven**2) / 2, face.uneven, max(2, len(points) // every + 1))
        uneven = np.interp(np.linspace(0, len(knots) - 1, len(points)), np.arange(len(knots)), knots)
        harder = (scene.bone - 0.5) * face.hardens_db
        strength = 10 ** ((face.echo_db + harder) / 20) * facing**face.power * uneven
        column, row = np.round(beams.index(points)).astype(int).T
        inside = (column >= 0) & (column < BEAMS) & (row >= 0) & (row < SAMPLES)
        column, row, strength, facing = column[inside], row[inside], strength[inside], facing[inside]
        if face.wet:
            strength = strength * wet[row, column]
        there = np.ones(len(row), bool)  # what lies outside its tissue is hidden: it neither echoes nor casts a shadow
        if face.ground:
            there = tissue[row, column] == TISSUE_NUMBER[face.ground]
            strength = strength * there
        np.maximum.at(amplitude, (row, column), strength.astype(np.float32))
        if face.shadow_db:
            loss = max(0.0, face.shadow_db + harder) * facing**2 * there
            np.maximum.at(shade, (row, column), loss.astype(np.float32))
    return amplitude, shade


def _facing(curve: np.ndarray, beams: Beams) -> tuple[np.ndarray, np.ndarray]:
    """Points along a curve, finer than the grid so that the line has no holes, and how they face the beam (0–1)."""
    way = travelled(curve)
    at = np.arange(0.0, way[-1], 0.15)  # mm
    if len(at) < 2:
        return curve[:1], np.ones(1)
    points = np.stack([np.interp(at, way, axis) for axis in curve.T], axis=1)
    tangent = np.gradient(points, axis=0)
    beam = points - beams.apex
    across = np.abs(tangent[:, 0] * beam[:, 1] - tangent[:, 1] * beam[:, 0])
    return points, across / np.maximum(np.hypot(*tangent.T) * np.hypot(*beam.T), 1e-9)
