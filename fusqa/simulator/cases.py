"""Simulated B-mode pictures of first-trimester fetuses from two hospitals, with masks and true crown-rump length.

A fetus (:mod:`fusqa.simulator.fetus`) lies in its uterus as fetuses do, and a machine
(:mod:`fusqa.simulator.machine`) scans it. A case is
a pure function of ``(site, seed, index)``: no state, no order, no process enters. Sites are rows of :data:`SITES`;
what makes hospital B hard for a segmenter trained in hospital A is written there and nowhere else.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy import ndimage

from fusqa import __version__
from fusqa.cohorts.cohort import Cohort
from fusqa.cohorts.reading import Case
from fusqa.cohorts.writing import write_cohort
from fusqa.masks.dating import gestational_age
from fusqa.masks.labels import FETUS
from fusqa.simulator.fetus import Build, Fetus, Part, Pose, draw_fetus, ellipse, rotation, smooth_open, tube
from fusqa.simulator.machine import Machine, Range, Slice, View, fill, scan

__all__ = ["SITES", "Site", "draw_case", "simulate"]

CRL_MM: Range = (45.0, 84.0)  # the range in which the crown-rump length dates a pregnancy and is screened
IMAGES_PER_PATIENT = (0.35, 0.30, 0.20, 0.15)  # shares of patients with 1, 2, 3, 4 pictures

# Layers of the uterus about the sac: outer distance in mm, tissue. Painted from the outermost inwards.
UTERUS = ((13.0, "myometrium"), (3.2, "decidua"), (0.0, "fluid"))

MIDLINE = frozenset({"thalamus", "choroid"})  # seen only close to the mid-sagittal plane, as is the palate
PALATE_PLANE_MM = 2.2  # farther than this from the mid-sagittal plane the palate is neither seen nor labelled
GAP_SHARE = 0.0007  # a wedge of less than this many squared CRL is closed: the chin lies on the chest


@dataclass(frozen=True)
class Site:
    """A hospital: its machine, and how its sonographers hold the probe.

    Pairs are the ends of uniform distributions, one draw a picture.

    Attributes
    ----------
    grid : (int, int)
        Height and width of a stored picture in pixels.
    machine : Machine
        What it scans with.
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
    fluid : Range
        Greatest room between fetus and sac wall, in CRL: with little, head and rump touch the wall.
    off_centre, at_edge : float
        How far the fetus may lie off the picture's centre, as a share of the free room; chance that one of its ends
        is 0.3–3 mm from the picture's edge.
    """

    grid: tuple[int, int]
    machine: Machine
    fill: Range
    small: float
    tilt_deg: float
    oblique: float
    flexion_deg: float
    chin_down: float
    chin_up: float
    prone: float
    plane_mm: float
    fluid: Range
    off_centre: float
    at_edge: float


SITES = {
    "A": Site(
        grid=(420, 586),
        machine=Machine(
            frequency_mhz=6.0,
            pulse_mm=0.26,
            beam_mm=0.54,
            focus_mm=(25.0, 45.0),
            focal_zone_mm=30.0,
            slice_mm=0.35,
            looks=2,
            dynamic_range_db=(38.0, 44.0),
            gain_db=(-3.5, 2.5),
            gamma=(1.3, 1.6),
            noise_db=(-46.0, -36.0),
            clutter_db=(-40.0, -30.0),
            attenuation=(0.20, 0.35),
            near_db=(-12.0, -3.0),
            tgc_error_db=1.5,
            dropout=0.10,
            probe_mm=(45.0, 60.0),
            half_angle_deg=(30.0, 36.0),
            standoff_mm=(15.0, 40.0),
            overlay="corner",
        ),
        fill=(0.68, 0.84),
        small=0.04,
        tilt_deg=6.0,
        oblique=0.05,
        flexion_deg=6.0,
        chin_down=0.08,
        chin_up=0.08,
        prone=0.05,
        plane_mm=1.3,
        fluid=(0.14, 0.28),
        off_centre=0.6,
        at_edge=0.05,
    ),
    "B": Site(
        grid=(344, 480),
        machine=Machine(
            frequency_mhz=4.0,
            pulse_mm=0.38,
            beam_mm=0.72,
            focus_mm=(25.0, 70.0),
            focal_zone_mm=25.0,
            slice_mm=0.60,
            looks=2,
            dynamic_range_db=(42.0, 54.0),
            gain_db=(-7.0, 2.0),
            gamma=(1.0, 1.4),
            noise_db=(-36.0, -24.0),
            clutter_db=(-32.0, -22.0),
            attenuation=(0.30, 0.55),
            near_db=(-9.0, 3.0),
            tgc_error_db=3.0,
            dropout=0.20,
            probe_mm=(40.0, 60.0),
            half_angle_deg=(28.0, 36.0),
            standoff_mm=(2.0, 25.0),
            overlay="ruler",
        ),
        fill=(0.54, 0.78),
        small=0.12,
        tilt_deg=9.0,
        oblique=0.12,
        flexion_deg=9.0,
        chin_down=0.14,
        chin_up=0.14,
        prone=0.10,
        plane_mm=2.0,
        fluid=(0.06, 0.24),
        off_centre=0.9,
        at_edge=0.12,
    ),
    # Neither of the two: a small portable machine at low frequency, few grey levels between black and white, much haze,
    # and sonographers who seldom zoom. Nothing is trained or tuned here.
    "C": Site(
        grid=(368, 512),
        machine=Machine(
            frequency_mhz=2.8,
            pulse_mm=0.44,
            beam_mm=0.70,
            focus_mm=(50.0, 90.0),
            focal_zone_mm=40.0,
            slice_mm=0.70,
            looks=1,
            dynamic_range_db=(28.0, 36.0),
            gain_db=(-4.0, 3.0),
            gamma=(0.8, 1.1),
            noise_db=(-32.0, -22.0),
            clutter_db=(-32.0, -24.0),
            attenuation=(0.35, 0.55),
            near_db=(-3.0, 6.0),
            tgc_error_db=3.5,
            dropout=0.35,
            probe_mm=(20.0, 30.0),
            half_angle_deg=(38.0, 44.0),
            standoff_mm=(5.0, 25.0),
            overlay="corner",
        ),
        fill=(0.50, 0.76),
        small=0.15,
        tilt_deg=16.0,
        oblique=0.25,
        flexion_deg=10.0,
        chin_down=0.15,
        chin_up=0.15,
        prone=0.25,
        plane_mm=2.2,
        fluid=(0.06, 0.22),
        off_centre=1.0,
        at_edge=0.10,
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
    spacing = round(float(wide / width), 5)
    picture = np.array([width, height]) * spacing
    room = (picture - (high - low)) / 2 * 0.92
    shift = (picture - low - high) / 2 + room * rng.uniform(-1.0, 1.0, 2) * site.off_centre
    if rng.random() < site.at_edge:
        margin = rng.uniform(0.3, 3.0)
        shift[0] = rng.choice([margin - low[0], picture[0] - margin - high[0]])
    lying = lying.moved(np.eye(2), shift)

    probe = rng.uniform(*site.machine.probe_mm)
    apex = np.array([picture[0] * rng.uniform(0.42, 0.58), -probe - rng.uniform(*site.machine.standoff_mm)])
    across, down = (lying.surface - apex).T
    needed = np.abs(np.arctan2(across, down)).max() + np.radians(1.0)  # both ends of the fetus are in the sector
    half_angle = max(np.radians(rng.uniform(*site.machine.half_angle_deg)), needed)
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


def sac_clearance(rng: np.random.Generator, length: float, fluid: Range, count: int = 180) -> np.ndarray:
    """Room in mm between fetus and sac wall in each direction ``(count,)``: none below, where the fetus lies."""
    angle = np.linspace(0.0, 2 * np.pi, count, endpoint=False)
    upwards = (1 - np.sin(angle + rng.normal(0.0, 0.25))) / 2  # z points down
    waves = sum(rng.normal(0.0, 0.10 / k) * np.sin(k * angle + rng.uniform(0, 2 * np.pi)) for k in (1, 2, 3))
    return length * np.clip(0.002 + rng.uniform(*fluid) * upwards * (1 + waves), 0.004, None)


def front_of(fetus: Fetus) -> np.ndarray:
    """Direction in which the fetus looks, ``(2,)``."""
    return fetus.palate.mean(axis=0) - fetus.head.mean(axis=0)


def cushion(fetus: Fetus, rng: np.random.Generator) -> list[Part]:
    """The wall under a fetus on its back, which fills the hollow of the nape more or less."""
    if front_of(fetus)[1] > 0:
        return []
    x, z = fetus.surface.T
    ends = [part[part[:, 1].argmax(), 0] for part in (fetus.head, fetus.body)]
    across = np.linspace(min(ends), max(ends), 40)
    profile = np.array([z[np.abs(x - at) < 1.5].max() for at in across])
    lowest = np.interp(across, across[[0, -1]], profile[[0, -1]])
    top = lowest + rng.uniform(0.5, 1.1) * (ndimage.gaussian_filter1d(profile, 4) - lowest)
    return [Part("decidua", np.vstack([np.stack([across, top], 1), np.stack([across, lowest + 3.0], 1)[::-1]]))]


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
    side = np.array([0.0, np.sign(front_of(fetus)[1]) or -1.0])
    start = centre + side * 0.12 * fetus.length
    knots = start + np.cumsum(rng.normal(0.0, 0.045, (5, 2)) + 0.05 * side, axis=0) * fetus.length
    axis = smooth_open(knots, 40)
    return Part("cord", tube(axis, np.full(40, rng.uniform(0.9, 1.6))))


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


def lay_out(fetus: Fetus, fluid: Range, plane_mm: float, rng: np.random.Generator) -> Slice:
    """Put the fetus into its uterus and cut both `plane_mm` beside the mid-sagittal plane."""
    room = sac_clearance(rng, fetus.length, fluid)
    points = np.concatenate([fetus.surface, *(limb.outline for limb in fetus.limbs)])
    uterus = [Part(tissue, around(points, room + mm)) for mm, tissue in UTERUS]
    sac, membrane = uterus[-1].outline, around(points, room * rng.uniform(0.55, 0.85))[: rng.integers(40, 120)]
    uterus[1:1] = vessels(points, room, rng)
    loops = [cord(fetus, rng)] if rng.random() < 0.35 else []
    near = plane_mm <= PALATE_PLANE_MM
    organs = [part for part in fetus.organs if near or part.tissue not in MIDLINE]
    palate = [Part("palate", fetus.palate)] if near else []
    return Slice(
        parts=(*uterus, *cushion(fetus, rng), *loops, *fetus.limbs, Part("trunk", fetus.body), *organs, *palate),
        skull=fetus.skull,
        surfaces=(("skin", fetus.head), ("skin", fetus.body), ("sac", sac), ("amnion", membrane)),
        oblique_mm=0.15 * plane_mm,
    )


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
    hospital = SITES[site]
    patient, picture = patient_of(site, seed, index)
    build, length = draw_build(generator(site, seed, 1, patient))
    rng = generator(site, seed, 2, patient, picture)
    fetus, view = place(draw_fetus(build, draw_pose(rng, hospital), length), hospital, rng)
    plane_mm = abs(rng.normal(0.0, hospital.plane_mm))
    return Case(
        case=f"{site}{index:05d}",
        patient=f"{site}-{patient:04d}",
        site=site,
        image=scan(lay_out(fetus, hospital.fluid, plane_mm, rng), view, hospital.machine, rng),
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
        Where the cohort is written, see :func:`fusqa.cohorts.cohort.write_cohort`.
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
