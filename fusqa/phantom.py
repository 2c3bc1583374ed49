"""Simulated B-mode pictures of first-trimester fetuses from two hospitals, with masks and true crown-rump length.

The picture is made the way a machine makes it. Anatomy (:mod:`fusqa.anatomy`) is drawn on the grid of the probe's
beams; sub-resolution scatterers and smooth interfaces echo; the point-spread function widens away from the focus;
tissue attenuates and bone shadows; the envelope is log-compressed and only then converted from beams to the sector
that is seen on the screen. So resolution, shadows and speckle vary over the picture as they do in a clinic.

A case is a pure function of ``(site, seed, index)``: no state, no order, no process enters. Sites are rows of
:data:`SITES`; what makes hospital B hard for a segmenter trained in hospital A is written there and nowhere else.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy import ndimage

from fusqa import __version__
from fusqa.anatomy import Build, Fetus, Part, Pose, draw_fetus, ellipse, rotation, smooth_open, tube
from fusqa.biometry import gestational_age
from fusqa.cohort import Case, Cohort, write_cohort
from fusqa.labels import FETUS

__all__ = ["SITES", "Site", "draw_case", "simulate"]

Range = tuple[float, float]  # lowest and highest value of a uniform draw

CRL_MM: Range = (45.0, 84.0)  # the range in which the crown-rump length dates a pregnancy and is screened
IMAGES_PER_PATIENT = (0.35, 0.30, 0.20, 0.15)  # shares of patients with 1, 2, 3, 4 pictures
BEAMS, SAMPLES = 256, 512  # the grid of the machine: scan lines and echo samples along each


@dataclass(frozen=True)
class Tissue:
    """How a tissue looks: echogenicity and its patchiness in dB, attenuation in dB/(cm MHz), one way."""

    echo_db: float
    patchy_db: float
    attenuation: float


TISSUES = {
    "maternal": Tissue(-9.0, 4.0, 0.45),
    "myometrium": Tissue(-5.0, 3.5, 0.45),
    "decidua": Tissue(-1.0, 3.0, 0.40),
    "fluid": Tissue(-60.0, 0.0, 0.00),
    "vessel": Tissue(-22.0, 3.0, 0.10),
    "cord": Tissue(-5.0, 3.0, 0.30),
    "limb": Tissue(-3.0, 4.0, 0.50),
    "trunk": Tissue(-3.0, 4.5, 0.45),
    "lung": Tissue(-4.0, 4.0, 0.45),
    "heart": Tissue(-16.0, 5.0, 0.20),
    "liver": Tissue(-7.0, 3.5, 0.45),
    "bowel": Tissue(-1.0, 5.0, 0.50),
    "stomach": Tissue(-26.0, 2.0, 0.05),
    "bladder": Tissue(-30.0, 2.0, 0.02),
    "kidney": Tissue(-8.0, 3.0, 0.40),
    "face": Tissue(-1.0, 4.0, 0.60),
    "brain": Tissue(-7.0, 5.0, 0.30),
    "ventricle": Tissue(-21.0, 5.0, 0.10),
    "thalamus": Tissue(-13.0, 3.0, 0.30),
    "choroid": Tissue(3.0, 3.0, 0.40),
    "palate": Tissue(7.0, 3.0, 1.20),
    "bone": Tissue(7.0, 3.0, 2.00),
}
TISSUE_NUMBER = {name: number for number, name in enumerate(TISSUES)}

# Smooth interfaces mirror the pulse: strength in dB above mean tissue, and how fast the echo falls off as the surface
# turns away from the beam (power of the cosine).
INTERFACES = {"skull": (19.0, 4.0), "skin": (5.0, 2.0), "sac": (9.0, 3.0), "amnion": (-3.0, 5.0)}

# Layers of the uterus about the sac: outer distance in mm, tissue. Painted from the outermost inwards.
UTERUS = ((13.0, "myometrium"), (3.2, "decidua"), (0.0, "fluid"))

MIDLINE = frozenset({"palate", "ventricle", "thalamus", "choroid"})  # seen only close to the mid-sagittal plane
PALATE_PLANE_MM = 2.2  # farther than this from the mid-sagittal plane the palate is neither seen nor labelled
GAP_SHARE = 0.0007  # a wedge of less than this many squared CRL is closed: the chin lies on the chest


@dataclass(frozen=True)
class Site:
    """A hospital: its machines, its settings and how its sonographers hold the probe.

    Pairs are the ends of uniform distributions, one draw a picture.

    Attributes
    ----------
    name : str
        Key in :data:`SITES`.
    grid : (int, int)
        Height and width of a stored picture in pixels.
    frequency_mhz, pulse_mm, beam_mm : float
        Centre frequency; standard deviation of the point-spread function along the beam, and across it at the focus.
    focus_mm, focal_zone_mm : Range, float
        Depth of the focus below the top of the picture; distance from it at which the beam is √2 times as wide.
    slice_mm : float
        Standard deviation of the slice thickness, which blurs anatomy but not speckle.
    looks : int
        Frames or angles averaged: more is smoother speckle.
    dynamic_range_db, gain_db, gamma : Range
        Span of echo levels shown, their shift, and the exponent of the grey map.
    noise_db, clutter_db : Range
        Receiver noise, and side-lobe and reverberation haze, below the mean tissue level.
    attenuation : Range
        Share of the tissue's attenuation that the machine does not compensate.
    tgc_error_db : float
        Standard deviation of the depth-gain curve's error.
    dropout : float
        Chance of a wedge of beams without good contact.
    probe_mm, half_angle_deg, standoff_mm : Range
        Radius of the curved probe, half of its field of view, depth of the picture's upper edge below the probe.
    fill, small : Range, float
        Horizontal extent of the fetus as a share of the picture's width; chance that it is only 0.35–0.6.
    tilt_deg, oblique : float
        Standard deviation of the tilt from the horizontal; chance of an uncorrected lie (20–50 degrees).
    flexion_deg, chin_down, chin_up : float
        Standard deviation of neck flexion; chances of a hyper-flexed (22–38 degrees) and a hyper-extended (25–45) neck.
    prone : float
        Chance that the fetus lies with its face away from the probe.
    plane_mm : float
        Standard deviation of the distance of the slice from the mid-sagittal plane.
    off_centre : float
        How far the fetus may lie off the picture's centre, as a share of the free room.
    overlay : str
        Burned-in annotation: ``"corner"`` text, or ``"ruler"`` with a grey bar.
    """

    name: str
    grid: tuple[int, int]
    frequency_mhz: float
    pulse_mm: float
    beam_mm: float
    focus_mm: Range
    focal_zone_mm: float
    slice_mm: float
    looks: int
    dynamic_range_db: Range
    gain_db: Range
    gamma: Range
    noise_db: Range
    clutter_db: Range
    attenuation: Range
    tgc_error_db: float
    dropout: float
    probe_mm: Range
    half_angle_deg: Range
    standoff_mm: Range
    fill: Range
    small: float
    tilt_deg: float
    oblique: float
    flexion_deg: float
    chin_down: float
    chin_up: float
    prone: float
    plane_mm: float
    off_centre: float
    overlay: str


SITES = {
    "A": Site(
        name="A",
        grid=(420, 586),
        frequency_mhz=6.0,
        pulse_mm=0.30,
        beam_mm=0.58,
        focus_mm=(20.0, 40.0),
        focal_zone_mm=30.0,
        slice_mm=0.35,
        looks=3,
        dynamic_range_db=(38.0, 46.0),
        gain_db=(-5.0, 1.0),
        gamma=(1.15, 1.45),
        noise_db=(-46.0, -36.0),
        clutter_db=(-40.0, -30.0),
        attenuation=(0.20, 0.35),
        tgc_error_db=1.5,
        dropout=0.10,
        probe_mm=(45.0, 60.0),
        half_angle_deg=(30.0, 36.0),
        standoff_mm=(15.0, 40.0),
        fill=(0.64, 0.84),
        small=0.08,
        tilt_deg=6.0,
        oblique=0.08,
        flexion_deg=6.0,
        chin_down=0.08,
        chin_up=0.08,
        prone=0.08,
        plane_mm=1.3,
        off_centre=0.6,
        overlay="corner",
    ),
    "B": Site(
        name="B",
        grid=(344, 480),
        frequency_mhz=4.0,
        pulse_mm=0.38,
        beam_mm=0.72,
        focus_mm=(25.0, 70.0),
        focal_zone_mm=25.0,
        slice_mm=0.70,
        looks=2,
        dynamic_range_db=(40.0, 54.0),
        gain_db=(-7.0, 2.0),
        gamma=(0.9, 1.3),
        noise_db=(-36.0, -24.0),
        clutter_db=(-30.0, -19.0),
        attenuation=(0.30, 0.60),
        tgc_error_db=3.0,
        dropout=0.30,
        probe_mm=(40.0, 60.0),
        half_angle_deg=(28.0, 36.0),
        standoff_mm=(2.0, 25.0),
        fill=(0.52, 0.76),
        small=0.20,
        tilt_deg=10.0,
        oblique=0.18,
        flexion_deg=9.0,
        chin_down=0.14,
        chin_up=0.14,
        prone=0.20,
        plane_mm=2.0,
        off_centre=0.9,
        overlay="ruler",
    ),
}


# ---------------------------------------------------------------------------------------------------------------------
# Who is pictured, and how
# ---------------------------------------------------------------------------------------------------------------------


def generator(site: str, seed: int, *place: int) -> np.random.Generator:
    """Return the random numbers of one place (layout, patient, picture) of a cohort, independent of all others."""
    return np.random.default_rng(np.random.SeedSequence([seed, *site.encode(), *place]))


def patient_of(site: str, seed: int, index: int) -> tuple[int, int]:
    """Patient number and picture number within the patient of case `index`.

    Patients have 1–4 pictures. Their numbers come from one stream read from its start, so that the answer does not
    depend on how many cases are asked for.
    """
    draws = generator(site, seed, 0).random(index + 1)  # every patient has a picture: enough patients
    pictures = 1 + np.searchsorted(np.cumsum(IMAGES_PER_PATIENT)[:-1], draws, side="right")
    last = np.cumsum(pictures)
    patient = int(np.searchsorted(last, index, side="right"))
    return patient, index - int(last[patient] - pictures[patient])


def draw_build(rng: np.random.Generator) -> tuple[Build, float]:
    """Build of one patient's fetus and its crown-rump length in mm."""
    relief = tuple((name, rng.uniform(0.6, 1.5)) for name in ("forehead", "nose", "lips", "chin"))
    build = Build(head=rng.uniform(0.95, 1.04), features=relief, belly=rng.uniform(0.75, 1.2))
    return build, round(rng.uniform(*CRL_MM), 2)


def draw_pose(rng: np.random.Generator, site: Site) -> Pose:
    """How the fetus lies in one picture."""
    flexion = rng.normal(0.0, site.flexion_deg)
    fate = rng.random()
    if fate < site.chin_down:
        flexion = rng.uniform(22.0, 38.0)
    elif fate < site.chin_down + site.chin_up:
        flexion = rng.uniform(-45.0, -25.0)
    limbs = np.cumsum(rng.normal(0.0, 0.02, (4, 4, 2)) * np.arange(4)[:, None], axis=1)  # the ends stray farthest
    stretch = np.sort(rng.uniform(-0.3, 1.3, (4, 2)), axis=1).clip(0.0, 1.0)
    shown = tuple((float(first), float(last)) for first, last in stretch)
    return Pose(flexion, rng.uniform(-0.1, 0.5), limbs, shown)


@dataclass(frozen=True, eq=False)
class View:
    """The picture's place in the body: all lengths in mm, ``(x, z)`` from the picture's upper left corner, z down.

    Attributes
    ----------
    shape : (int, int)
        Height and width in pixels.
    spacing : float
        Side of a square pixel.
    apex : numpy.ndarray
        Centre of the probe's curvature, above the picture.
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

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Millimetres -> pixel coordinates (column, row), whole numbers at pixel centres."""
        return points / self.spacing - 0.5


def place(fetus: Fetus, site: Site, rng: np.random.Generator) -> tuple[Fetus, View]:
    """Turn the fetus as it lies and put picture and probe over it."""
    tilt = rng.normal(0.0, site.tilt_deg)
    if rng.random() < site.oblique:
        tilt = rng.choice([-1.0, 1.0]) * rng.uniform(20.0, 50.0)
    facing = rng.choice([-1.0, 1.0])  # head on the right or on the left
    up = 1.0 if rng.random() < site.prone else -1.0  # z points down
    lying = fetus.moved(rotation(tilt) @ np.diag([facing, up]), np.zeros(2))

    height, width = site.grid
    low, high = lying.surface.min(axis=0), lying.surface.max(axis=0)
    fill = rng.uniform(0.35, 0.60) if rng.random() < site.small else rng.uniform(*site.fill)
    wide = max((high[0] - low[0]) / fill, (high[1] - low[1]) / 0.86 * width / height)
    spacing = round(wide / width, 5)
    picture = np.array([width, height]) * spacing
    room = (picture - (high - low)) / 2 * 0.92
    shift = (picture - low - high) / 2 + room * rng.uniform(-1.0, 1.0, 2) * site.off_centre
    lying = lying.moved(np.eye(2), shift)

    probe = rng.uniform(*site.probe_mm)
    apex = np.array([picture[0] * rng.uniform(0.42, 0.58), -probe - rng.uniform(*site.standoff_mm)])
    across, down = (lying.surface - apex).T
    needed = np.abs(np.arctan2(across, down)).max() + np.radians(1.0)  # both ends of the fetus are in the sector
    half_angle = max(np.radians(rng.uniform(*site.half_angle_deg)), needed)
    return lying, View(site.grid, spacing, apex, probe, half_angle)


# ---------------------------------------------------------------------------------------------------------------------
# The uterus about the fetus
# ---------------------------------------------------------------------------------------------------------------------


def around(points: np.ndarray, clearance: np.ndarray) -> np.ndarray:
    """Closed curve ``(n, 2)`` about `points` at the distance `clearance` ``(n,)`` from their convex hull, by direction.

    The support function of the hull (how far it reaches in each direction) plus the clearance is the support function
    of the curve; its points follow from the function and its derivative. Corners of the hull are rounded off.
    """
    angle = np.linspace(0.0, 2 * np.pi, len(clearance), endpoint=False)
    normal = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    tangent = np.stack([-normal[:, 1], normal[:, 0]], axis=1)
    hull = (points @ normal.T).max(axis=0)
    rounded = ndimage.gaussian_filter1d(hull, len(clearance) / 36, mode="wrap")
    reach = rounded + max(0.0, float((hull - rounded).max())) * 0.8 + clearance
    slope = (np.roll(reach, -1) - np.roll(reach, 1)) / (2 * (angle[1] - angle[0]))
    return reach[:, None] * normal + slope[:, None] * tangent


def sac_clearance(rng: np.random.Generator, length: float, count: int = 180) -> np.ndarray:
    """Room in mm between fetus and sac wall in each direction ``(count,)``: none below, where the fetus lies."""
    angle = np.linspace(0.0, 2 * np.pi, count, endpoint=False)
    upwards = (1 - np.sin(angle + rng.normal(0.0, 0.25))) / 2  # z points down
    waves = sum(rng.normal(0.0, 0.10 / k) * np.sin(k * angle + rng.uniform(0, 2 * np.pi)) for k in (1, 2, 3))
    return length * np.clip(0.002 + rng.uniform(0.10, 0.34) * upwards**1.4 * (1 + waves), 0.004, None)


def vessels(points: np.ndarray, room: np.ndarray, rng: np.random.Generator) -> list[Part]:
    """Dark veins in the wall of the uterus, along the sac."""
    wall = around(points, room + 8.0)
    chosen = wall[rng.integers(0, len(wall), rng.integers(3, 9))]
    shapes = zip(rng.uniform(1.5, 6.0, len(chosen)), rng.uniform(0.6, 1.8, len(chosen)), strict=True)
    return [
        Part("vessel", ellipse(centre + rng.normal(0.0, 2.5, 2), axes, rng.normal(0.0, 25.0)))
        for centre, axes in zip(chosen, shapes, strict=True)
    ]


def cord(fetus: Fetus, rng: np.random.Generator) -> Part:
    """A loop of umbilical cord in the fluid in front of the belly."""
    centre = fetus.body.mean(axis=0)
    front = fetus.palate.mean(axis=0) - fetus.head.mean(axis=0)
    side = np.array([0.0, np.sign(front[1]) or -1.0])
    start = centre + side * 0.12 * fetus.length
    knots = start + np.cumsum(rng.normal(0.0, 0.045, (5, 2)) + 0.05 * side, axis=0) * fetus.length
    axis = smooth_open(knots, 40)
    return Part("cord", tube(axis, np.full(40, rng.uniform(0.9, 1.6))))


# ---------------------------------------------------------------------------------------------------------------------
# Beam space
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Beams:
    """Polar grid of echo samples (rows) and beams (columns) that covers the picture.

    Attributes
    ----------
    apex : numpy.ndarray
        Centre of the fan in the picture's mm.
    radius, angle : numpy.ndarray
        Distance from the apex in mm ``(SAMPLES,)``; angle from straight down in radians ``(BEAMS,)``.
    """

    apex: np.ndarray
    radius: np.ndarray
    angle: np.ndarray

    @classmethod
    def over(cls, view: View) -> "Beams":
        """Grid over the part of the sector that the picture shows."""
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


def fill(plane: np.ndarray, outline: np.ndarray, value: int) -> None:
    """Paint a closed outline (column, row) onto `plane`, with sixteenths of a pixel."""
    cv2.fillPoly(plane, [np.round(outline * 16).astype(np.int32)], value, shift=4)


def patches(rng: np.random.Generator, beams: Beams, along_mm: float, across_mm: float) -> np.ndarray:
    """Smooth random field of unit variance with the given grain, ``(SAMPLES, BEAMS)`` float32."""
    rows = max(4, round(SAMPLES * beams.step_mm / along_mm))
    columns = max(4, round(BEAMS * float(beams.pitch_mm.mean()) / across_mm))
    coarse = rng.standard_normal((rows, columns), np.float32)
    return cv2.resize(coarse, (BEAMS, SAMPLES), interpolation=cv2.INTER_CUBIC) * 1.4  # what interpolation smooths off


def blur(plane: np.ndarray, along: float, across: float) -> np.ndarray:
    """Gaussian blur with standard deviations in samples (along the beam) and beams (across); edges are mirrored."""
    return cv2.GaussianBlur(plane, (0, 0), sigmaX=max(across, 0.1), sigmaY=max(along, 0.1))


def paint_tissue(fetus: Fetus, uterus: list[Part], beams: Beams, plane_mm: float, loop: Part | None) -> np.ndarray:
    """Tissue numbers ``(SAMPLES, BEAMS)`` uint8 of the slice, `plane_mm` beside the mid-sagittal plane."""
    tissue = np.full((SAMPLES, BEAMS), TISSUE_NUMBER["maternal"], np.uint8)
    floating = [loop] if loop else []
    midline = [] if plane_mm > PALATE_PLANE_MM else [Part("palate", fetus.palate)]
    for part in [*uterus, *floating, *fetus.limbs, Part("trunk", fetus.body), *fetus.organs, *midline]:
        if part.tissue not in MIDLINE or plane_mm <= PALATE_PLANE_MM or part.tissue == "ventricle":
            fill(tissue, beams.index(part.outline), TISSUE_NUMBER[part.tissue])
    return tissue


def echogenicity(tissue: np.ndarray, beams: Beams, rng: np.random.Generator) -> np.ndarray:
    """Mean scatterer amplitude ``(SAMPLES, BEAMS)`` float32: tissue levels with patches, streaks and layers."""
    level = np.array([row.echo_db for row in TISSUES.values()], np.float32)[tissue]
    patchy = np.array([row.patchy_db for row in TISSUES.values()], np.float32)[tissue]
    grain = 0.75 * patches(rng, beams, 1.6, 2.6) + 0.55 * patches(rng, beams, 5.0, 9.0)
    outside = tissue <= TISSUE_NUMBER["decidua"]  # maternal tissue lies in sheets
    layers = 0.9 * patches(rng, beams, 2.0, 12.0) + 1.2 * patches(rng, beams, 14.0, 22.0)
    return np.exp((np.log(10) / 20) * (level + patchy * np.where(outside, 0.5 * grain + layers, grain)))


def mirror_echoes(
    plane: np.ndarray, curve: np.ndarray, kind: str, beams: Beams, tissue: np.ndarray | None, rng: np.random.Generator
) -> None:
    """Add the echo of a smooth interface to `plane`: bright where it faces the beam, broken where it turns away.

    With `tissue`, only where the interface touches fluid: skin against fluid mirrors, skin against skin does not.
    """
    strength_db, power = INTERFACES[kind]
    steps = np.hypot(*np.diff(curve, axis=0).T)
    travelled = np.concatenate([[0.0], np.cumsum(steps)])
    at = np.arange(0.0, travelled[-1], 0.12)  # mm: finer than the grid, so that the line has no holes
    points = np.stack([np.interp(at, travelled, axis) for axis in curve.T], axis=1)
    tangent = np.gradient(points, axis=0)
    beam = points - beams.apex
    facing = np.abs(tangent[:, 0] * beam[:, 1] - tangent[:, 1] * beam[:, 0])
    facing /= np.maximum(np.hypot(*tangent.T) * np.hypot(*beam.T), 1e-9)
    knots = rng.lognormal(-0.1, 0.6, max(2, int(at[-1] / 2.5)))
    uneven = np.interp(np.linspace(0, len(knots) - 1, len(at)), np.arange(len(knots)), knots)
    amplitude = 10 ** (strength_db / 20) * facing**power * uneven
    column, row = np.round(beams.index(points)).astype(int).T
    inside = (column >= 0) & (column < BEAMS) & (row >= 9) & (row < SAMPLES - 9)
    column, row, amplitude = column[inside], row[inside], amplitude[inside]
    if tissue is not None:
        fluid = TISSUE_NUMBER["fluid"]
        amplitude = amplitude * ((tissue[row - 9, column] == fluid) | (tissue[row + 9, column] == fluid))
    np.maximum.at(plane, (row, column), amplitude.astype(np.float32))


def interfaces(
    fetus: Fetus, sac: np.ndarray, membrane: np.ndarray, tissue: np.ndarray, beams: Beams, rng: np.random.Generator
) -> np.ndarray:
    """Amplitudes of all smooth interfaces, ``(SAMPLES, BEAMS)`` float32."""
    plane = np.zeros((SAMPLES, BEAMS), np.float32)
    mirror_echoes(plane, fetus.skull, "skull", beams, None, rng)
    for curve, kind in ((fetus.head, "skin"), (fetus.body, "skin"), (sac, "sac"), (membrane, "amnion")):
        mirror_echoes(plane, curve, kind, beams, tissue, rng)
    return plane


# ---------------------------------------------------------------------------------------------------------------------
# The machine
# ---------------------------------------------------------------------------------------------------------------------


def beam_width(site: Site, beams: Beams, focus_mm: float) -> np.ndarray:
    """Lateral standard deviation of the point-spread function in beams at each depth, ``(SAMPLES,)``."""
    depth = beams.radius - beams.radius[0]
    width_mm = site.beam_mm * np.sqrt(1 + ((depth - focus_mm) / site.focal_zone_mm) ** 2)
    return width_mm / beams.pitch_mm


def receive(reflectors: np.ndarray, mirrors: np.ndarray, site: Site, beams: Beams, focus_mm: float, rng) -> np.ndarray:
    """Echo intensity ``(SAMPLES, BEAMS)``: scatterers and mirrors through the point-spread function, mean of looks.

    The lateral width varies with depth: four widths are computed and each row takes its place between two of them.
    """
    pulse = site.pulse_mm / beams.step_mm
    width = beam_width(site, beams, focus_mm)
    widths = np.geomspace(width.min(), width.max() * 1.001, 4)
    place = np.interp(width, widths, np.arange(4.0))
    total = np.zeros((SAMPLES, BEAMS), np.float32)
    for _ in range(site.looks):
        scatter = rng.standard_normal((SAMPLES, BEAMS, 2), np.float32) * (reflectors * np.float32(0.5**0.5))[..., None]
        scatter = blur(scatter, pulse, 0.1) * np.float32(np.sqrt(2 * np.sqrt(np.pi) * pulse))
        field = np.zeros_like(scatter)
        for k, across in enumerate(widths):
            share = np.clip(1 - np.abs(place - k), 0, 1).astype(np.float32)
            rows = np.flatnonzero(share)
            if len(rows) == 0:
                continue
            band = slice(rows[0], rows[-1] + 1)
            unit = np.float32(np.sqrt(2 * np.sqrt(np.pi) * max(across, 0.3)))  # keeps the scatterers' power
            seen = blur(scatter[band], 0.1, across) * unit
            seen[..., 0] += blur(mirrors[band], 0.1, across)
            field[band] += share[band, None, None] * seen
        total += field[..., 0] ** 2 + field[..., 1] ** 2
    return total / site.looks


def transmission_db(tissue: np.ndarray, site: Site, beams: Beams, skull: np.ndarray, rng) -> np.ndarray:
    """Level in dB ``(SAMPLES, BEAMS)`` left by attenuation, shadows, depth-gain error and poor contact."""
    loss = np.array([row.attenuation for row in TISSUES.values()], np.float32)[tissue]
    loss = loss + 3.0 * (skull > 0)  # bone: one sample thick here, but lossy
    share = rng.uniform(*site.attenuation)
    passed = -2 * share * site.frequency_mhz * np.cumsum(loss, axis=0) * np.float32(beams.step_mm / 10)
    passed = blur(passed.astype(np.float32), 1.0, 2.5)  # a wide aperture sees round small obstacles
    passed -= passed.mean(axis=1, keepdims=True) * 0.8  # automatic depth gain: right on average
    sliders = np.interp(np.linspace(0, 7, SAMPLES), np.arange(8), rng.normal(0.0, site.tgc_error_db, 8))
    return passed + sliders[:, None].astype(np.float32) - contact_loss(site, rng)[None, :]


def contact_loss(site: Site, rng: np.random.Generator) -> np.ndarray:
    """Loss in dB of each beam ``(BEAMS,)``: a wedge without gel, and the fall-off at the ends of the probe."""
    beam = np.linspace(-1.0, 1.0, BEAMS)
    loss = 5.0 * np.clip(np.abs(beam) - 0.8, 0, None) / 0.2
    centre, half, depth = rng.uniform(-1, 1), rng.uniform(0.04, 0.15), rng.uniform(5.0, 16.0)
    if rng.random() < site.dropout:
        loss = loss + depth * np.exp(-(((beam - centre) / half) ** 4))
    return loss.astype(np.float32)


def haze(intensity: np.ndarray, site: Site, rng: np.random.Generator) -> np.ndarray:
    """Side lobes and reverberation: a smeared copy of the echoes that fills the fluid, ``(SAMPLES, BEAMS)``."""
    clutter = 10 ** (rng.uniform(*site.clutter_db) / 10)
    lobes = blur(np.minimum(intensity, 30.0), 4.0, 22.0)
    back = int(rng.uniform(0.08, 0.2) * SAMPLES)
    echo = np.zeros_like(intensity)
    echo[back:] = blur(np.minimum(intensity, 30.0), 3.0, 5.0)[:-back]
    return clutter * (lobes + 0.5 * echo) * rng.standard_exponential(intensity.shape, np.float32)


def receiver_noise(site: Site, rng: np.random.Generator) -> np.ndarray:
    """Electronic noise, which the depth gain lifts with depth, ``(SAMPLES, BEAMS)`` float32."""
    level_db = rng.uniform(*site.noise_db) + np.linspace(-6.0, 6.0, SAMPLES, dtype=np.float32)
    power = 10 ** (level_db / 10).astype(np.float32)
    return power[:, None] * rng.standard_exponential((SAMPLES, BEAMS), np.float32)


def compress(intensity: np.ndarray, site: Site, rng: np.random.Generator) -> np.ndarray:
    """Log compression to grey 0–255, ``(SAMPLES, BEAMS)`` float32; mean tissue lies in the lower half."""
    span, gain, gamma = (rng.uniform(*pair) for pair in (site.dynamic_range_db, site.gain_db, site.gamma))
    level = 10 * np.log10(intensity + np.float32(1e-9)) + np.float32(gain)
    return 255 * np.clip((level - 12.0 + span) / span, 0, 1) ** np.float32(gamma)


def scan_convert(grey: np.ndarray, beams: Beams, view: View) -> np.ndarray:
    """Beam grid -> picture ``(H, W)`` uint8; black outside the sector."""
    height, width = view.shape
    x = (np.arange(width) + 0.5) * view.spacing - view.apex[0]
    z = (np.arange(height) + 0.5) * view.spacing - view.apex[1]
    column = (np.arctan2(x[None, :], z[:, None]) - beams.angle[0]) / (beams.angle[1] - beams.angle[0])
    row = (np.hypot(x[None, :], z[:, None]) - beams.radius[0]) / beams.step_mm
    maps = column.astype(np.float32), row.astype(np.float32)
    seen = cv2.remap(grey, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return np.clip(np.round(seen), 0, 255).astype(np.uint8)


def burn_in(picture: np.ndarray, site: Site, view: View, rng: np.random.Generator) -> None:
    """Write the machine's annotation into the picture, as each maker does."""
    height, width = picture.shape
    numbers = rng.integers(10, 99, 6)
    if site.overlay == "corner":
        for line, number in enumerate(numbers):
            text = f"{'Gn FI DR PI Mi TI'.split()[line]} {number}"
            cv2.putText(picture, text, (width - 48, 12 + 11 * line), cv2.FONT_HERSHEY_PLAIN, 0.6, 170, 1)
        cv2.rectangle(picture, (width - 108, height - 52), (width - 1, height - 14), 0, cv2.FILLED)
    else:
        for mm in np.arange(0, height * view.spacing, 10):
            row = int(mm / view.spacing)
            picture[row : row + 1, width - (9 if mm % 50 == 0 else 5) : width - 1] = 190
        picture[40:168, 6:14] = np.linspace(255, 0, 128).astype(np.uint8)[:, None]


# ---------------------------------------------------------------------------------------------------------------------
# Cases and cohorts
# ---------------------------------------------------------------------------------------------------------------------


def draw_mask(fetus: Fetus, view: View, palate: bool) -> np.ndarray:
    """Label image ``(H, W)`` uint8 of the drawn fetus, in the scheme FETUS."""

    def layer(outline: np.ndarray) -> np.ndarray:
        plane = np.zeros(view.shape, np.uint8)
        fill(plane, view.pixels(outline), 1)
        return plane.astype(bool)

    layers = {"body": layer(fetus.body), "head": layer(fetus.head)}
    wedge = largest_piece(layer(fetus.gap) & ~layers["body"] & ~layers["head"])
    if wedge.sum() * view.spacing**2 > GAP_SHARE * fetus.length**2:
        layers["gap"] = wedge
    if palate:
        layers["palate"] = layer(fetus.palate) & layers["head"]
    return FETUS.paint(layers)


def largest_piece(mask: np.ndarray) -> np.ndarray:
    """Keep the largest connected piece of a boolean picture (all of an empty one)."""
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return mask if count < 2 else pieces == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()


def acquire(fetus: Fetus, view: View, site: Site, plane_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Scan the fetus in its uterus: the picture ``(H, W)`` uint8."""
    beams = Beams.over(view)
    room = sac_clearance(rng, fetus.length)
    points = np.concatenate([fetus.surface, *(limb.outline for limb in fetus.limbs)])
    uterus = [Part(tissue, around(points, room + mm)) for mm, tissue in UTERUS]
    uterus[1:1] = vessels(points, room, rng)
    sac, membrane = uterus[-1].outline, around(points, room * rng.uniform(0.55, 0.85))[: rng.integers(40, 120)]
    loop = cord(fetus, rng) if rng.random() < 0.35 else None
    tissue = paint_tissue(fetus, uterus, beams, plane_mm, loop)

    thickness = site.slice_mm + 0.15 * plane_mm
    pitch = float(beams.pitch_mm.mean())
    reflectors = blur(echogenicity(tissue, beams, rng), thickness / beams.step_mm, thickness / pitch)
    mirrors = interfaces(fetus, sac, membrane, tissue, beams, rng)
    skull = np.zeros_like(mirrors)
    mirror_echoes(skull, fetus.skull, "skull", beams, None, rng)
    pulse = site.pulse_mm / beams.step_mm
    mirrors = blur(mirrors, pulse, thickness / pitch / 2) * np.float32(np.sqrt(2 * np.pi) * pulse)

    intensity = receive(reflectors, mirrors, site, beams, rng.uniform(*site.focus_mm), rng)
    level = transmission_db(tissue, site, beams, skull, rng)
    intensity = intensity * np.exp(level * np.float32(np.log(10) / 10))
    noise = 10 ** (rng.uniform(*site.noise_db) / 10)
    intensity = (
        intensity + haze(intensity, site, rng) + noise * rng.standard_exponential(intensity.shape, np.float32)
    )
    picture = scan_convert(compress(intensity, site, rng), beams, view)
    burn_in(picture, site, view, rng)
    return picture


def draw_case(site: str, seed: int, index: int) -> Case:
    """Draw one case of the simulated cohort: a pure function of its arguments.

    Parameters
    ----------
    site : str
        Key of :data:`SITES`.
    seed : int
        Seed of the cohort, not negative.
    index : int
        Number of the case in the cohort, from 0.

    Returns
    -------
    Case
        Picture, mask, true pixel spacing in mm, true crown-rump length in mm, gestational age in days.

    Raises
    ------
    ValueError
        For a site that is not in :data:`SITES`, or a negative seed or index.
    """
    if site not in SITES:
        raise ValueError(f"there is no simulated site {site!r}; choose one of {', '.join(SITES)}")
    if seed < 0 or index < 0:
        raise ValueError(f"seed and index count from 0, got seed {seed} and index {index}")
    patient, picture = patient_of(site, seed, index)
    build, length = draw_build(generator(site, seed, 1, patient))
    rng = generator(site, seed, 2, patient, picture)
    drawn = draw_fetus(build, draw_pose(rng, SITES[site]), length)
    fetus, view = place(drawn, SITES[site], rng)
    plane_mm = abs(rng.normal(0.0, SITES[site].plane_mm))
    return Case(
        case=f"{site}{index:05d}",
        patient=f"{site}-{patient:04d}",
        site=site,
        image=acquire(fetus, view, SITES[site], plane_mm, rng),
        mask=draw_mask(fetus, view, palate=plane_mm <= PALATE_PLANE_MM),
        spacing=(view.spacing, view.spacing),
        measure_mm=length,
        ga_days=round(float(gestational_age(length).days), 3),
    )


def simulate(
    folder: str | Path, site: str, cases: int, seed: int, progress: Callable[[int, int], None] | None = None
) -> Cohort:
    """Write a simulated cohort: cases 0 … `cases` − 1 of a site, one at a time.

    Parameters
    ----------
    folder : path
        Where the cohort is written, see :func:`fusqa.cohort.write_cohort`.
    site : str
        Key of :data:`SITES`.
    cases, seed : int
        How many, and of which cohort.
    progress : callable, optional
        Called as ``progress(done, cases)`` after each case.

    Returns
    -------
    Cohort
        The cohort just written, opened.
    """

    def drawn() -> Iterator[Case]:
        for index in range(cases):
            yield draw_case(site, seed, index)
            if progress:
                progress(index + 1, cases)

    source = f"fusqa {__version__}, simulated B-mode, site {site}"
    return write_cohort(folder, drawn(), scheme=FETUS, source=source, licence="MIT", seed=seed, simulated=True)
