"""A B-mode machine: a slice of tissue goes in, the picture that a hospital stores comes out.

The slice is drawn on the grid of the probe's beams; sub-resolution scatterers and smooth interfaces echo; the
point-spread function widens away from the focus; tissue attenuates and bone shadows; the envelope is log-compressed
and only then converted from beams to the sector that is seen on the screen. So resolution, shadows and speckle vary
over the picture as they do in a clinic. Nothing here knows what a fetus is.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from fusqa.simulator.fetus import Part

__all__ = ["Machine", "Slice", "View", "fill", "scan"]

Range = tuple[float, float]  # lowest and highest value of a uniform draw

BEAMS, SAMPLES = 256, 512  # the grid of the machine: scan lines and echo samples along each


@dataclass(frozen=True)
class Tissue:
    """How a tissue looks: echogenicity and its patchiness in dB, attenuation in dB/(cm MHz), one way."""

    echo_db: float
    patchy_db: float
    attenuation: float


TISSUES = {
    "maternal": Tissue(-6.0, 4.5, 0.45),
    "myometrium": Tissue(-5.0, 4.0, 0.45),
    "decidua": Tissue(-3.0, 3.5, 0.40),
    "fluid": Tissue(-60.0, 0.0, 0.00),
    "vessel": Tissue(-22.0, 3.0, 0.10),
    "cord": Tissue(-5.0, 3.0, 0.30),
    "limb": Tissue(-1.0, 6.0, 0.50),
    "trunk": Tissue(-1.0, 5.5, 0.45),
    "viscera": Tissue(-5.0, 6.0, 0.45),
    "lung": Tissue(-8.0, 4.0, 0.45),
    "heart": Tissue(-15.0, 5.0, 0.20),
    "liver": Tissue(-9.0, 3.5, 0.45),
    "bowel": Tissue(-1.0, 5.0, 0.50),
    "stomach": Tissue(-26.0, 2.0, 0.05),
    "bladder": Tissue(-30.0, 2.0, 0.02),
    "kidney": Tissue(-8.0, 3.0, 0.40),
    "face": Tissue(2.0, 6.0, 0.70),
    "brain": Tissue(-6.0, 7.0, 0.30),
    "ventricle": Tissue(-22.0, 5.0, 0.10),
    "thalamus": Tissue(-13.0, 3.0, 0.30),
    "choroid": Tissue(7.0, 4.0, 0.40),
    "palate": Tissue(9.0, 3.0, 1.20),
    "bone": Tissue(9.0, 3.0, 2.00),
}
TISSUE_NUMBER = {name: number for number, name in enumerate(TISSUES)}
SHEETS = TISSUE_NUMBER["decidua"]  # tissues up to this one lie in sheets
RAGGED_MM = 0.30  # standard deviation of the unevenness of every border

# Smooth interfaces mirror the pulse: strength in dB above mean tissue, how fast the echo falls off as the surface
# turns away from the beam (power of the cosine), and how unevenly it reflects along its course (log-normal sigma).
INTERFACES = {
    "skull": (20.0, 7.0, 0.9),
    "skin": (8.0, 2.5, 0.8),
    "sac": (10.0, 10.0, 0.9),
    "amnion": (-4.0, 5.0, 0.6),
}
SKULL_SHADOW_DB = 5.0  # behind skull that faces the beam; at 12 weeks it has hardly turned to bone


@dataclass(frozen=True)
class Machine:
    """An ultrasound machine with its probe and the settings its users choose.

    Pairs are the ends of uniform distributions, one draw a picture.

    Attributes
    ----------
    frequency_mhz, pulse_mm, beam_mm : float
        Centre frequency; standard deviation of the point-spread function along the beam, and across it at the focus.
    focus_mm, focal_zone_mm : Range, float
        Depth of the focus below the top of the picture; distance from it at which the beam is √2 times as wide.
    slice_mm : float
        Standard deviation of the slice thickness, which blurs anatomy but not speckle.
    looks : int
        Frames or angles averaged: more is smoother speckle.
    dynamic_range_db, gain_db, gamma : Range
        Span of echo levels shown; level of mean tissue above the middle of it; exponent of the grey map.
    noise_db, clutter_db : Range
        Receiver noise, and side-lobe and reverberation haze, below the mean tissue level.
    attenuation : Range
        Share of the tissue's attenuation that the machine does not compensate.
    near_db, tgc_error_db : Range, float
        Level of the near field; standard deviation of the depth-gain curve's error.
    dropout : float
        Chance of a wedge of beams without good contact.
    probe_mm, half_angle_deg, standoff_mm : Range
        Radius of the curved probe, half of its field of view, depth of the picture's upper edge below the probe.
    overlay : str
        Burned-in annotation, a key of :data:`OVERLAYS`.
    """

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
    near_db: Range
    tgc_error_db: float
    dropout: float
    probe_mm: Range
    half_angle_deg: Range
    standoff_mm: Range
    overlay: str


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


@dataclass(frozen=True, eq=False)
class Slice:
    """What lies in the plane that is scanned; curves are ``(n, 2)`` in the picture's mm.

    Attributes
    ----------
    parts : tuple of Part
        Pieces of tissue from the bottom layer to the top, on a ground of maternal tissue.
    skull : numpy.ndarray
        A curve of bone: it mirrors and shadows.
    surfaces : tuple of (str, numpy.ndarray)
        Kind (key of :data:`INTERFACES`) and course of interfaces that mirror where they touch fluid.
    oblique_mm : float
        Extra blur of a plane that cuts its objects obliquely.
    """

    parts: tuple[Part, ...]
    skull: np.ndarray
    surfaces: tuple[tuple[str, np.ndarray], ...]
    oblique_mm: float


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


def ratio(level_db: np.ndarray, per: float = 10.0) -> np.ndarray:
    """Decibels -> power (`per` 10) or amplitude (`per` 20), float32.

    Computed in double precision: in single precision the last bit depends on the processor's vector unit, and one
    seed would not give the same bytes on another machine.
    """
    return (10.0 ** (np.asarray(level_db, float) / per)).astype(np.float32)


def paint_tissue(parts: tuple[Part, ...], beams: Beams, rng: np.random.Generator) -> np.ndarray:
    """Tissue numbers ``(SAMPLES, BEAMS)`` uint8 of the slice; no border in a body is as even as a drawn one."""
    tissue = np.full((SAMPLES, BEAMS), TISSUE_NUMBER["maternal"], np.uint8)
    for part in parts:
        fill(tissue, beams.index(part.outline), TISSUE_NUMBER[part.tissue])
    row, column = np.indices(tissue.shape, np.float32)
    column += patches(rng, beams, 1.5, 1.5) * (RAGGED_MM / beams.pitch_mm[:, None]).astype(np.float32)
    row += patches(rng, beams, 1.5, 1.5) * np.float32(RAGGED_MM / beams.step_mm)
    return cv2.remap(tissue, column, row, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)


def echogenicity(tissue: np.ndarray, beams: Beams, rng: np.random.Generator) -> np.ndarray:
    """Mean scatterer amplitude ``(SAMPLES, BEAMS)`` float32: tissue levels with patches, maternal sheets."""
    level = np.array([row.echo_db for row in TISSUES.values()], np.float32)[tissue]
    patchy = np.array([row.patchy_db for row in TISSUES.values()], np.float32)[tissue]
    grain = 0.75 * patches(rng, beams, 1.6, 2.6) + 0.65 * patches(rng, beams, 5.0, 7.0)
    sheets = patches(rng, beams, 1.0, 7.0) + 0.9 * patches(rng, beams, 2.5, 14.0)
    sheets += 1.1 * patches(rng, beams, 14.0, 22.0)
    return ratio(level + patchy * np.where(tissue <= SHEETS, 0.5 * grain + sheets, grain), 20.0)


def mirror_echoes(
    plane: np.ndarray, curve: np.ndarray, kind: str, beams: Beams, tissue: np.ndarray | None, rng: np.random.Generator
) -> None:
    """Add the echo of a smooth interface to `plane`: bright where it faces the beam, broken where it turns away.

    With `tissue`, only where the interface touches fluid: skin against fluid mirrors, skin against skin does not.
    """
    strength_db, power, sigma = INTERFACES[kind]
    steps = np.hypot(*np.diff(curve, axis=0).T)
    travelled = np.concatenate([[0.0], np.cumsum(steps)])
    at = np.arange(0.0, travelled[-1], 0.12)  # mm: finer than the grid, so that the line has no holes
    points = np.stack([np.interp(at, travelled, axis) for axis in curve.T], axis=1)
    tangent = np.gradient(points, axis=0)
    beam = points - beams.apex
    facing = np.abs(tangent[:, 0] * beam[:, 1] - tangent[:, 1] * beam[:, 0])
    facing /= np.maximum(np.hypot(*tangent.T) * np.hypot(*beam.T), 1e-9)
    knots = rng.lognormal(-0.2, sigma, max(2, int(at[-1] / 2.0)))
    uneven = np.interp(np.linspace(0, len(knots) - 1, len(at)), np.arange(len(knots)), knots)
    amplitude = 10 ** (strength_db / 20) * facing**power * uneven
    column, row = np.round(beams.index(points)).astype(int).T
    inside = (column >= 0) & (column < BEAMS) & (row >= 9) & (row < SAMPLES - 9)
    column, row, amplitude = column[inside], row[inside], amplitude[inside]
    if tissue is not None:
        fluid = TISSUE_NUMBER["fluid"]
        amplitude = amplitude * ((tissue[row - 9, column] == fluid) | (tissue[row + 9, column] == fluid))
    np.maximum.at(plane, (row, column), amplitude.astype(np.float32))


def interfaces(scene: Slice, tissue: np.ndarray, beams: Beams, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Amplitudes of the skull alone and of all smooth interfaces, ``(SAMPLES, BEAMS)`` float32 each."""
    skull = np.zeros((SAMPLES, BEAMS), np.float32)
    mirror_echoes(skull, scene.skull, "skull", beams, None, rng)
    everything = skull.copy()
    for kind, curve in scene.surfaces:
        mirror_echoes(everything, curve, kind, beams, tissue, rng)
    return skull, everything


# ---------------------------------------------------------------------------------------------------------------------
# The machine
# ---------------------------------------------------------------------------------------------------------------------


def beam_width(machine: Machine, beams: Beams, focus_mm: float) -> np.ndarray:
    """Lateral standard deviation of the point-spread function in beams at each depth, ``(SAMPLES,)``."""
    depth = beams.radius - beams.radius[0]
    width_mm = machine.beam_mm * np.sqrt(1 + ((depth - focus_mm) / machine.focal_zone_mm) ** 2)
    return width_mm / beams.pitch_mm


def receive(
    reflectors: np.ndarray, mirrors: np.ndarray, machine: Machine, beams: Beams, focus_mm: float, rng
) -> np.ndarray:
    """Echo intensity ``(SAMPLES, BEAMS)``: scatterers and mirrors through the point-spread function, mean of looks.

    The lateral width varies with depth: four widths are computed and each row takes its place between two of them.
    """
    pulse = machine.pulse_mm / beams.step_mm
    width = beam_width(machine, beams, focus_mm)
    widths = np.geomspace(width.min(), width.max() * 1.001, 4)
    place = np.interp(width, widths, np.arange(4.0))
    total = np.zeros((SAMPLES, BEAMS), np.float32)
    for _ in range(machine.looks):
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
    return total / machine.looks


def transmission_db(tissue: np.ndarray, machine: Machine, beams: Beams, skull: np.ndarray, rng) -> np.ndarray:
    """Level in dB ``(SAMPLES, BEAMS)`` left by attenuation, shadows, depth-gain error and poor contact."""
    loss = np.array([row.attenuation for row in TISSUES.values()], np.float32)[tissue]
    share = rng.uniform(*machine.attenuation)
    passed = -2 * share * machine.frequency_mhz * np.cumsum(loss, axis=0) * np.float32(beams.step_mm / 10)
    met = np.maximum.accumulate(skull, axis=0) / max(float(skull.max()), 1e-9)
    passed -= SKULL_SHADOW_DB * np.minimum(3 * met, 1)
    passed = blur(passed.astype(np.float32), 1.0, 2.5)  # a wide aperture sees round small obstacles
    passed -= 0.8 * passed.mean(axis=1, keepdims=True, dtype=float)  # automatic depth gain: right on average
    error = rng.normal(0.0, machine.tgc_error_db, 8) + rng.uniform(*machine.near_db) * np.exp(-np.arange(8) / 1.5)
    sliders = np.interp(np.linspace(0, 7, SAMPLES), np.arange(8), error)
    return passed + sliders[:, None].astype(np.float32) - contact_loss(machine, rng)[None, :]


def contact_loss(machine: Machine, rng: np.random.Generator) -> np.ndarray:
    """Loss in dB of each beam ``(BEAMS,)``: a wedge without gel, and the fall-off at the ends of the probe."""
    beam = np.linspace(-1.0, 1.0, BEAMS)
    loss = 5.0 * np.clip(np.abs(beam) - 0.8, 0, None) / 0.2
    centre, half, depth = rng.uniform(-1, 1), rng.uniform(0.04, 0.15), rng.uniform(4.0, 13.0)
    if rng.random() < machine.dropout:
        loss = loss + depth * np.exp(-(((beam - centre) / half) ** 4))
    return loss.astype(np.float32)


def haze(intensity: np.ndarray, machine: Machine, rng: np.random.Generator) -> np.ndarray:
    """Side lobes and reverberation: a smeared copy of the echoes that fills the fluid, ``(SAMPLES, BEAMS)``."""
    clutter = 10 ** (rng.uniform(*machine.clutter_db) / 10)
    lobes = blur(np.minimum(intensity, 30.0), 4.0, 22.0)
    back = int(rng.uniform(0.08, 0.2) * SAMPLES)
    echo = np.zeros_like(intensity)
    echo[back:] = blur(np.minimum(intensity, 30.0), 3.0, 5.0)[:-back]
    return clutter * (lobes + 0.5 * echo) * rng.standard_exponential(intensity.shape, np.float32)


def receiver_noise(machine: Machine, rng: np.random.Generator) -> np.ndarray:
    """Electronic noise, which the depth gain lifts with depth, ``(SAMPLES, BEAMS)`` float32."""
    level_db = rng.uniform(*machine.noise_db) + np.linspace(-6.0, 6.0, SAMPLES, dtype=np.float32)
    return ratio(level_db)[:, None] * rng.standard_exponential((SAMPLES, BEAMS), np.float32)


def compress(intensity: np.ndarray, machine: Machine, rng: np.random.Generator) -> np.ndarray:
    """Log compression to grey 0–255, ``(SAMPLES, BEAMS)`` float32; at a gain of 0 dB mean tissue is mid-grey."""
    span, gain, gamma = (rng.uniform(*pair) for pair in (machine.dynamic_range_db, machine.gain_db, machine.gamma))
    level = 10 * np.log10(intensity.astype(float) + 1e-9) + gain  # double precision for the reason given in `ratio`
    return (255 * np.clip(level / span + 0.5, 0, 1) ** gamma).astype(np.float32)


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


def corner_text(picture: np.ndarray, view: View, rng: np.random.Generator) -> None:
    """Settings in the upper right corner, and mostly a black box over the patient's data in the lower right."""
    height, width = picture.shape
    for line, name in enumerate(("Gn", "FI", "DR", "PI", "Mi", "TI")):
        at = (width - 48, 12 + 11 * line)
        cv2.putText(picture, f"{name} {rng.integers(10, 99)}", at, cv2.FONT_HERSHEY_PLAIN, 0.6, 170, 1)
    if rng.random() < 0.7:
        left, top, tall = width - rng.integers(90, 130), height - rng.integers(45, 65), rng.integers(26, 40)
        cv2.rectangle(picture, (int(left), int(top)), (width - 1, int(top + tall)), 0, cv2.FILLED)


def ruler(picture: np.ndarray, view: View, rng: np.random.Generator) -> None:
    """Depth ruler at the right edge, grey bar at the left."""
    width = picture.shape[1]
    for mm in range(0, int(picture.shape[0] * view.spacing), 10):
        row = int(mm / view.spacing)
        picture[row, width - (9 if mm % 50 == 0 else 5) : width - 1] = 190
    picture[40:168, 6:14] = np.linspace(255, 0, 128).astype(np.uint8)[:, None]


OVERLAYS = {"corner": corner_text, "ruler": ruler}


def scan(scene: Slice, view: View, machine: Machine, rng: np.random.Generator) -> np.ndarray:
    """Scan a slice of tissue.

    Parameters
    ----------
    scene : Slice
        What lies in the plane.
    view : View
        Which part of the plane the picture shows, and where the probe is.
    machine : Machine
        The machine; its settings are drawn from `rng`, as is the speckle.

    Returns
    -------
    (H, W) uint8
        The picture, black outside the sector.
    """
    beams = Beams.over(view)
    tissue = paint_tissue(scene.parts, beams, rng)
    thickness = machine.slice_mm + scene.oblique_mm
    pitch, pulse = float(beams.pitch_mm.mean()), machine.pulse_mm / beams.step_mm
    reflectors = blur(echogenicity(tissue, beams, rng), thickness / beams.step_mm, thickness / pitch)
    skull, mirrors = interfaces(scene, tissue, beams, rng)
    mirrors = blur(mirrors, pulse, thickness / pitch / 2) * np.float32(np.sqrt(2 * np.pi) * pulse)

    intensity = receive(reflectors, mirrors, machine, beams, rng.uniform(*machine.focus_mm), rng)
    level = transmission_db(tissue, machine, beams, skull, rng)
    intensity = intensity * ratio(level)
    intensity = intensity + haze(intensity, machine, rng) + receiver_noise(machine, rng)
    picture = scan_convert(compress(intensity, machine, rng), beams, view)
    OVERLAYS[machine.overlay](picture, view, rng)
    return picture
