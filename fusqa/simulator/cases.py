"""Simulated B-mode images of first-trimester fetuses, with masks and true crown-rump length.

A fetus (:mod:`fusqa.simulator.fetus`) lies in its uterus (:mod:`fusqa.simulator.uterus`) as fetuses do, and the machine
(:mod:`fusqa.simulator.machine`) of a hospital (:mod:`fusqa.simulator.hospitals`) scans it. A case is a pure function of
``(site, seed, index)``: no state, no order, no process enters.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np

from fusqa import __version__
from fusqa.cohorts.cohort import Cohort
from fusqa.cohorts.reading import Case
from fusqa.cohorts.writing import write_cohort
from fusqa.masks.dating import gestational_age
from fusqa.masks.label_images import filled_polygon
from fusqa.masks.labels import FETUS
from fusqa.simulator.beams import View
from fusqa.simulator.fetus import Build, Fetus, Pose, draw_fetus
from fusqa.simulator.growth import CRL_MM
from fusqa.simulator.hospitals import SITES, Site
from fusqa.simulator.machine import scan
from fusqa.simulator.shapes import rotation
from fusqa.simulator.uterus import lay_out

IMAGES_PER_PATIENT = (0.35, 0.30, 0.20, 0.15)  # shares of patients with 1, 2, 3, 4 images
FLEXED_DEG, EXTENDED_DEG = (22.0, 38.0), (-78.0, -36.0)
PALATE_PLANE_MM = 2.2  # farther than this from the mid-sagittal plane the palate is neither seen nor labelled
GAP_SHARE = 0.0007  # a wedge of less than this many squared CRL is closed: the chin lies on the chest


# ---------------------------------------------------------------------------------------------------------------------
# Who is scanned, and how
# ---------------------------------------------------------------------------------------------------------------------


def generator(site: str, seed: int, *place: int) -> np.random.Generator:
    """Return the random numbers of one place (layout, patient, image) of a cohort, independent of all others."""
    return np.random.default_rng([seed, *site.encode(), *place])


def patient_of(site: str, seed: int, index: int) -> tuple[int, int]:
    """Patient number and image number within the patient of case `index`.

    Patients have 1–4 images. Their numbers come from one stream read from its start, so that the answer does not
    depend on how many cases are asked for.
    """
    draws = generator(site, seed, 0).random(index + 1)  # every patient has an image: enough patients
    images = 1 + np.searchsorted(np.cumsum(IMAGES_PER_PATIENT)[:-1], draws, side="right")
    last = np.cumsum(images)
    patient = int(np.searchsorted(last, index, side="right"))
    return patient, index - int(last[patient] - images[patient])


def draw_build(rng: np.random.Generator) -> tuple[Build, float]:
    """Build of one patient's fetus and its crown-rump length in mm."""
    relief = tuple((name, rng.uniform(0.7, 1.4)) for name in ("forehead", "nose", "lips", "chin"))
    build = Build(
        head=rng.uniform(0.96, 1.04), features=relief, belly=rng.uniform(0.75, 1.2), nape=rng.uniform(0.6, 1.4)
    )
    return build, round(rng.uniform(*CRL_MM), 2)


def draw_pose(rng: np.random.Generator, site: Site) -> Pose:
    """How the fetus lies in one image."""
    flexion = rng.normal(0.0, site.flexion_deg)
    fate = rng.random()
    if fate < site.chin_down:
        flexion = rng.uniform(*FLEXED_DEG)
    elif fate < site.chin_down + site.chin_up:
        flexion = rng.uniform(*EXTENDED_DEG)
    joints = rng.normal(0.0, 1.0, (4, 3)).clip(-2.0, 2.0)
    shown = tuple(float(share) for share in rng.uniform(0.0, 1.8, 4).clip(0.12, 1.0))
    return Pose(flexion, rng.uniform(-0.1, 0.5), joints, shown, abs(rng.normal(0.0, site.plane_mm)))


def place(fetus: Fetus, site: Site, rng: np.random.Generator) -> tuple[Fetus, View]:
    """Turn the fetus as it lies and put image and probe over it."""
    tilt = rng.normal(0.0, site.tilt_deg)
    if rng.random() < site.oblique:
        tilt = rng.choice([-1.0, 1.0]) * rng.uniform(20.0, 50.0)
    facing = rng.choice([-1.0, 1.0])  # head on the right or on the left
    up = 1.0 if rng.random() < site.prone else -1.0  # z points down
    lying = fetus.moved(rotation(tilt) @ np.diag([facing, up]), np.zeros(2))

    height, width = site.grid
    low, high = lying.surface.min(axis=0), lying.surface.max(axis=0)
    share = rng.uniform(0.35, 0.60) if rng.random() < site.small else rng.uniform(*site.fill)
    wide = max((high[0] - low[0]) / share, (high[1] - low[1]) / 0.86 * width / height)
    spacing = round(float(wide / width), 5)
    image = np.array([width, height]) * spacing
    room = (image - (high - low)) / 2 * 0.92
    shift = (image - low - high) / 2 + room * rng.uniform(-1.0, 1.0, 2) * site.off_centre
    if rng.random() < site.at_edge:
        margin = rng.uniform(0.3, 3.0)
        shift[0] = rng.choice([margin - low[0], image[0] - margin - high[0]])
    lying = lying.moved(np.eye(2), shift)

    probe = rng.uniform(*site.machine.probe_mm)
    apex = np.array([image[0] * rng.uniform(0.42, 0.58), -probe - rng.uniform(*site.machine.standoff_mm)])
    across, down = (lying.surface - apex).T
    needed = np.abs(np.arctan2(across, down)).max() + np.radians(1.0)  # both ends of the fetus are in the sector
    half_angle = max(np.radians(rng.uniform(*site.machine.half_angle_deg)), needed)
    return lying, View(site.grid, spacing, apex, probe, half_angle)


# ---------------------------------------------------------------------------------------------------------------------
# Cases and cohorts
# ---------------------------------------------------------------------------------------------------------------------


def draw_mask(fetus: Fetus, view: View, palate: bool) -> np.ndarray:
    """Label image ``(H, W)`` uint8 of the drawn fetus, in the scheme FETUS."""

    def layer(outline: np.ndarray) -> np.ndarray:
        # millimetres -> pixels, whose centres are whole numbers
        return filled_polygon(outline / view.spacing - 0.5, view.shape).astype(bool)

    layers = {"body": layer(fetus.body), "head": layer(fetus.head)}
    wedge = largest_piece(layer(fetus.gap) & ~layers["body"] & ~layers["head"])
    if wedge.sum() * view.spacing**2 > GAP_SHARE * fetus.length**2:
        layers["gap"] = wedge
    if palate:
        layers["palate"] = layer(fetus.palate) & layers["head"]
    return FETUS.paint(layers)


def largest_piece(mask: np.ndarray) -> np.ndarray:
    """Keep the largest connected piece of a boolean image (all of an empty one)."""
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return mask if count < 2 else pieces == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()


def draw_case(site: str, seed: int, index: int) -> Case:
    """Draw one case of the simulated cohort: a pure function of its arguments.

    Parameters
    ----------
    site : str
        Key of :data:`fusqa.simulator.hospitals.SITES`.
    seed : int
        Seed of the cohort, not negative.
    index : int
        Number of the case in the cohort, from 0.

    Returns
    -------
    Case
        Image, mask, true pixel spacing in mm, true crown-rump length in mm, gestational age in days.

    Raises
    ------
    ValueError
        For an unknown site, or a negative seed or index.
    """
    if site not in SITES:
        raise ValueError(f"there is no simulated site {site!r}; choose one of {', '.join(SITES)}")
    if seed < 0 or index < 0:
        raise ValueError(f"seed and index count from 0, got seed {seed} and index {index}")
    hospital = SITES[site]
    patient, number = patient_of(site, seed, index)
    build, length = draw_build(generator(site, seed, 1, patient))
    rng = generator(site, seed, 2, patient, number)
    pose = draw_pose(rng, hospital)
    fetus, view = place(draw_fetus(build, pose, length), hospital, rng)
    palate = pose.plane_mm <= PALATE_PLANE_MM
    scene = lay_out(fetus, view, hospital.fluid, pose.plane_mm, palate, rng)
    return Case(
        case=f"{site}{index:05d}",
        patient=f"{site}-{patient:04d}",
        site=site,
        image=scan(scene, view, hospital.machine, rng),
        mask=draw_mask(fetus, view, palate),
        spacing=(view.spacing, view.spacing),
        measure_mm=length,
        ga_days=round(float(gestational_age(length).days), 3),
    )


def simulate(
    folder: str | Path, site: str, cases: int, seed: int, progress: Callable[[range], Iterable[int]] = iter
) -> Cohort:
    """Write a simulated cohort: cases 0 … `cases` − 1 of a site, one at a time.

    Parameters
    ----------
    folder : path
        Where the cohort is written, see :func:`fusqa.cohorts.writing.write_cohort`.
    site : str
        Key of :data:`fusqa.simulator.hospitals.SITES`.
    cases, seed : int
        How many, and of which cohort.
    progress : callable
        Wraps the numbers of the cases, as ``tqdm.tqdm`` does, to show how many are drawn.

    Returns
    -------
    Cohort
        The cohort just written, opened.
    """
    drawn = (draw_case(site, seed, index) for index in progress(range(cases)))
    source = f"fusqa {__version__}, simulated B-mode, site {site}"
    return write_cohort(folder, drawn, scheme=FETUS, source=source, licence="MIT", seed=seed, simulated=True)
