"""A B-mode machine: a slice of tissue goes in, the image that a hospital stores comes out.

Sub-resolution scatterers and smooth interfaces echo on the grid of the beams; the point-spread function widens away
from the focus; tissue attenuates and bone shadows; the envelope, which has Rayleigh statistics where a tissue is even,
is log-compressed and only then converted from beams to the sector that is seen on the screen. So resolution, shadows
and speckle vary over the image as they do in a clinic.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from fusqa.simulator.beams import BEAMS, SAMPLES, Beams, View, blur
from fusqa.simulator.overlays import OVERLAYS
from fusqa.simulator.tissue import TISSUES, Slice, echogenicity, mirrors, paint, ratio

Range = tuple[float, float]  # lowest and highest value of a uniform draw


@dataclass(frozen=True)
class Machine:
    """An ultrasound machine with its probe and the settings its users choose.

    Pairs are the ends of uniform distributions, one draw per image.

    Attributes
    ----------
    frequency_mhz : float
        Centre frequency, which scales attenuation.
    pulse_mm, beam_mm : Range
        Standard deviation of the point-spread function along the beam, and across it at the focus.
    focus_mm, focal_zone_mm : Range, float
        Depth of the focus below the top of the image; distance from it at which the beam is √2 times as wide.
    slice_mm : float
        Standard deviation of the slice thickness, which blurs anatomy but not speckle.
    looks : (int, int)
        Fewest and most frames or angles averaged: more is smoother speckle.
    smoothing : Range
        Share of a blurred copy in the compressed image: the speckle filter of the machine.
    dynamic_range_db, gain_db, gamma : Range
        Span of echo levels shown; level of mean tissue above the middle of it; exponent of the grey map.
    noise_db, clutter_db, veil_db : Range
        Receiver noise, side-lobe and reverberation haze, and the veil close to the probe, below mean tissue.
    attenuation : Range
        Share of the tissue's attenuation that the machine does not compensate.
    near_db, tgc_error_db : Range, float
        Level of the near field; standard deviation of the depth-gain curve's error.
    dropout : float
        Chance of a wedge of beams without good contact.
    probe_mm, half_angle_deg, standoff_mm : Range
        Radius of the curved probe, half of its field of view, depth of the image's upper edge below the probe.
    overlay : str
        Burned-in annotation, a key of :data:`fusqa.simulator.overlays.OVERLAYS`.
    """

    frequency_mhz: float
    pulse_mm: Range
    beam_mm: Range
    focus_mm: Range
    focal_zone_mm: float
    slice_mm: float
    looks: tuple[int, int]
    smoothing: Range
    dynamic_range_db: Range
    gain_db: Range
    gamma: Range
    noise_db: Range
    clutter_db: Range
    veil_db: Range
    attenuation: Range
    near_db: Range
    tgc_error_db: float
    dropout: float
    probe_mm: Range
    half_angle_deg: Range
    standoff_mm: Range
    overlay: str


def speckle(rng: np.random.Generator, along: float, across: float) -> np.ndarray:
    """Complex random echoes of unit mean power as two planes ``(SAMPLES, BEAMS, 2)``, blurred in samples and beams."""
    noise = rng.standard_normal((SAMPLES, BEAMS, 2), np.float32) * np.float32(0.5**0.5)
    return blur(noise, along, across) * np.float32(np.sqrt(4 * np.pi * max(along, 0.3) * max(across, 0.3)))


def beam_width(beam_mm: float, machine: Machine, beams: Beams, focus_mm: float) -> np.ndarray:
    """Lateral standard deviation of the point-spread function in beams at each depth, ``(SAMPLES,)``."""
    depth = beams.radius - beams.radius[0]
    width_mm = beam_mm * np.sqrt(1 + ((depth - focus_mm) / machine.focal_zone_mm) ** 2)
    return width_mm / beams.pitch_mm


def receive(
    reflectors: np.ndarray, echoes: np.ndarray, pulse: float, width: np.ndarray, looks: int, rng: np.random.Generator
) -> np.ndarray:
    """Echo intensity ``(SAMPLES, BEAMS)``: scatterers and mirrors through the point-spread function, mean of looks.

    The lateral width varies with depth: three widths are computed and each row takes its place between two of them.
    """
    widths = np.geomspace(width.min(), width.max() * 1.001, 3)
    place = np.interp(width, widths, np.arange(3.0))
    total = np.zeros((SAMPLES, BEAMS), np.float32)
    for _ in range(looks):
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
            seen[..., 0] += blur(echoes[band], 0.1, across)
            field[band] += share[band, None, None] * seen
        total += field[..., 0] ** 2 + field[..., 1] ** 2
    return total / looks


def transmission_db(tissue: np.ndarray, shade: np.ndarray, machine: Machine, beams: Beams, rng) -> np.ndarray:
    """Level in dB ``(SAMPLES, BEAMS)`` left by attenuation, shadows, depth-gain error and poor contact."""
    loss = np.array([row.attenuation for row in TISSUES.values()], np.float32)[tissue]
    share = rng.uniform(*machine.attenuation)
    passed = -2 * share * machine.frequency_mhz * np.cumsum(loss, axis=0) * np.float32(beams.step_mm / 10)
    passed -= blur(np.maximum.accumulate(cv2.dilate(shade, np.ones((1, 3), np.uint8)), axis=0), 0.1, 1.2)
    passed = blur(passed.astype(np.float32), 1.0, 1.5)  # a wide aperture sees round small obstacles
    passed -= 0.8 * passed.mean(axis=1, keepdims=True, dtype=float)  # automatic depth gain: right on average
    error = rng.normal(0.0, machine.tgc_error_db, 8) + rng.uniform(*machine.near_db) * np.exp(-np.arange(8) / 1.5)
    sliders = np.interp(np.linspace(0, 7, SAMPLES), np.arange(8), error)
    return passed + sliders[:, None].astype(np.float32) - contact_loss(machine, rng)[None, :]


def contact_loss(machine: Machine, rng: np.random.Generator) -> np.ndarray:
    """Loss in dB of each beam ``(BEAMS,)``: a wedge without gel, and the fall-off at the ends of the probe."""
    beam = np.linspace(-1.0, 1.0, BEAMS)
    loss = 5.0 * np.clip(np.abs(beam) - 0.8, 0, None) / 0.2
    centre, half, depth = rng.uniform(-1, 1), rng.uniform(0.05, 0.2), rng.uniform(4.0, 13.0)
    if rng.random() < machine.dropout:
        loss = loss + depth * np.exp(-(((beam - centre) / half) ** 2))
    return loss.astype(np.float32)


def haze(intensity: np.ndarray, machine: Machine, beams: Beams, rng: np.random.Generator) -> np.ndarray:
    """Side lobes, reverberation below bright layers, and a veil close to the probe, ``(SAMPLES, BEAMS)``."""
    clutter = 10 ** (rng.uniform(*machine.clutter_db) / 10)
    coarse = cv2.resize(np.minimum(intensity, 30.0), (BEAMS // 2, SAMPLES // 4), interpolation=cv2.INTER_AREA)
    lobes = blur(coarse, 1.0, 11.0)
    keep = np.float32(np.exp(-4 * beams.step_mm / rng.uniform(4.0, 10.0)))
    tail = np.zeros_like(coarse)
    for row in range(1, len(coarse)):
        tail[row] = keep * tail[row - 1] + (1 - keep) * coarse[row - 1]
    smeared = cv2.resize(lobes + blur(tail, 1.0, 3.0), (BEAMS, SAMPLES), interpolation=cv2.INTER_LINEAR)
    depth = beams.radius - beams.radius[0]
    veil = ratio(rng.uniform(*machine.veil_db) - 10 * depth / rng.uniform(8.0, 16.0))
    return clutter * smeared + veil[:, None]


def compress(intensity: np.ndarray, machine: Machine, rng: np.random.Generator) -> np.ndarray:
    """Log compression to grey 0–255, ``(SAMPLES, BEAMS)`` float32.

    At a gain of 0 dB and a gamma of 1, mean tissue is mid-grey.
    """
    span, gain, gamma, smooth = (
        rng.uniform(*pair) for pair in (machine.dynamic_range_db, machine.gain_db, machine.gamma, machine.smoothing)
    )
    level = 10 * np.log10(intensity.astype(float) + 1e-9) + gain  # double precision for the reason given in `ratio`
    grey = (255 * np.clip(level / span + 0.5, 0, 1) ** gamma).astype(np.float32)
    return (1 - np.float32(smooth)) * grey + np.float32(smooth) * blur(grey, 1.7, 1.3)


def scan_convert(grey: np.ndarray, beams: Beams, view: View) -> np.ndarray:
    """Beam grid -> image ``(H, W)`` uint8; black outside the sector."""
    height, width = view.shape
    x = (np.arange(width) + 0.5) * view.spacing - view.apex[0]
    z = (np.arange(height) + 0.5) * view.spacing - view.apex[1]
    column = (np.arctan2(x[None, :], z[:, None]) - beams.angle[0]) / (beams.angle[1] - beams.angle[0])
    row = (np.hypot(x[None, :], z[:, None]) - beams.radius[0]) / beams.step_mm
    maps = column.astype(np.float32), row.astype(np.float32)
    seen = cv2.remap(grey, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return np.clip(np.round(seen), 0, 255).astype(np.uint8)


def scan(scene: Slice, view: View, machine: Machine, rng: np.random.Generator) -> np.ndarray:
    """Scan a slice of tissue.

    Parameters
    ----------
    scene : Slice
        What lies in the plane.
    view : View
        Which part of the plane the image shows, and where the probe is.
    machine : Machine
        The machine; its settings are drawn from `rng`, as is the speckle.

    Returns
    -------
    (H, W) uint8
        The image, black outside the sector.
    """
    beams = Beams.over(view)
    tissue = paint(scene.parts, beams, rng)
    pulse_mm, beam_mm, focus_mm = (rng.uniform(*r) for r in (machine.pulse_mm, machine.beam_mm, machine.focus_mm))
    pulse, pitch = pulse_mm / beams.step_mm, float(beams.pitch_mm.mean())
    width = beam_width(beam_mm, machine, beams, focus_mm)
    thickness = machine.slice_mm + scene.oblique_mm
    reflectors = blur(echogenicity(tissue, beams, rng), thickness / beams.step_mm, thickness / pitch)
    echoes, shade = mirrors(scene, tissue, beams, rng)
    echoes = blur(echoes, pulse, 0.4 * thickness / pitch) * np.float32(np.sqrt(2 * np.pi) * max(pulse, 0.4))

    looks = int(rng.integers(machine.looks[0], machine.looks[1] + 1))
    intensity = receive(reflectors, echoes, pulse, width, looks, rng)
    intensity = intensity * ratio(transmission_db(tissue, shade, machine, beams, rng))
    noise = ratio(rng.uniform(*machine.noise_db) + np.linspace(-6.0, 6.0, SAMPLES))  # the depth gain lifts it
    random = speckle(rng, pulse, 0.8)
    steady = 0.6 + 0.4 * (random[..., 0] ** 2 + random[..., 1] ** 2)  # what persists from frame to frame, and what not
    intensity = intensity + (haze(intensity, machine, beams, rng) + noise[:, None]) * steady
    image = scan_convert(compress(intensity, machine, rng), beams, view)
    OVERLAYS[machine.overlay](image, view, focus_mm, rng)
    return image
