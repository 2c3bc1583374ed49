"""The simulated machine, scanned against scenes whose image is known beforehand."""

from dataclasses import replace

import numpy as np
import pytest

from fusqa.simulator.beams import BEAMS, SAMPLES, Beams, View
from fusqa.simulator.hospitals import SITES
from fusqa.simulator.machine import receive, scan
from fusqa.simulator.overlays import OVERLAYS, indices
from fusqa.simulator.shapes import ellipse
from fusqa.simulator.tissue import TISSUE_NUMBER, Part, Slice, mirrors

NOWHERE = np.array([[-90.0, -90.0], [-91.0, -90.0]])  # a curve outside every image
VIEW = View((420, 586), 0.16, np.array([46.9, -70.0]), 50.0, np.radians(34.0))
# A machine without whims: what it shows is due to the scene alone.
STEADY = replace(
    SITES["A"].machine,
    gain_db=(0.0, 0.0),
    dynamic_range_db=(44.0, 44.0),
    gamma=(1.0, 1.0),
    near_db=(0.0, 0.0),
    tgc_error_db=0.0,
    dropout=0.0,
    focus_mm=(20.0, 20.0),
    pulse_mm=(0.26, 0.26),
    beam_mm=(0.54, 0.54),
    looks=(2, 2),
    smoothing=(0.0, 0.0),
    veil_db=(-60.0, -60.0),
    noise_db=(-46.0, -40.0),
    overlay="settings column",
)


def scanned(parts=(), skull=NOWHERE, machine=STEADY, view=VIEW, seed=0) -> np.ndarray:
    """Scan a scene; float, so that levels can be subtracted."""
    scene = Slice(tuple(parts), surfaces=(("skull", skull),))
    return scan(scene, view, machine, np.random.default_rng(seed)).astype(float)


def mean(image: np.ndarray, x: float, z: float, half_mm: float = 3.0) -> float:
    """Mean grey level of a square about a place given in mm."""
    low = (np.array([z, x]) - half_mm) / VIEW.spacing
    high = (np.array([z, x]) + half_mm) / VIEW.spacing
    return float(image[int(low[0]) : int(high[0]), int(low[1]) : int(high[1])].mean())


def test_same_seed_same_bytes():
    assert np.array_equal(scanned(), scanned())
    assert not np.array_equal(scanned(), scanned(seed=1))


def test_fluid_is_black_and_brightens_what_lies_behind():
    image = scanned([Part("fluid", ellipse((47, 25), (14, 12), 0))])
    without = scanned()
    assert mean(image, 47, 25) < 10
    assert mean(image, 47, 55, 4) > mean(without, 47, 55, 4) + 10  # it attenuates nothing


def test_bone_is_bright_and_casts_a_shadow():
    arc = np.stack([np.linspace(37, 57, 50), np.full(50, 25.0)], axis=1)
    image, without = (np.mean([scanned(skull=s, seed=k) for k in range(4)], axis=0) for s in (arc, NOWHERE))
    row = int(25 / VIEW.spacing)
    assert image[row - 6 : row + 7, 260:326].max(axis=0).mean() > 150
    assert mean(image, 47, 40, 5) < mean(without, 47, 40, 5) - 10
    assert mean(image, 12, 40, 4) == pytest.approx(mean(without, 12, 40, 4), abs=10)  # beside it, nothing


def test_a_bone_that_is_hidden_casts_no_shadow():
    bone = np.stack([np.linspace(30, 60, 50), np.full(50, 30.0)], axis=1)
    scene, beams = Slice((), (("limb bone", bone),)), Beams.over(VIEW)
    for name, seen in (("limb", True), ("trunk", False)):
        tissue = np.full((SAMPLES, BEAMS), TISSUE_NUMBER[name], np.uint8)
        echo, shadow = mirrors(scene, tissue, beams, np.random.default_rng(0))
        assert echo.any() == seen and shadow.any() == seen, name


def test_bone_that_turns_away_from_the_beam_is_dim():
    steep = np.stack([np.full(50, 47.0), np.linspace(20, 40, 50)], axis=1)
    flat = np.stack([np.linspace(37, 57, 50), np.full(50, 30.0)], axis=1)
    behind, facing = (scanned([Part("fluid", ellipse((47, 30), (16, 14), 0))], skull=s) for s in (steep, flat))
    assert mean(behind, 47, 30, 0.8) < mean(facing, 47, 30, 0.8) - 50


def grain(image: np.ndarray, row: int) -> float:
    """Correlation of speckle with itself 1 mm aside, in a band of rows."""
    band = image[row - 25 : row + 25, 150:436]
    band = band - band.mean(axis=1, keepdims=True)
    lag = round(1.0 / VIEW.spacing)
    return float((band[:, lag:] * band[:, :-lag]).mean() / (band**2).mean())


def test_speckle_widens_away_from_the_focus():
    narrow = replace(STEADY, focal_zone_mm=8.0)
    ground = [Part("viscera", ellipse((47, 33), (90, 90), 0))]
    image = scanned(ground, machine=narrow)
    assert grain(image, int(50 / VIEW.spacing)) > grain(image, int(20 / VIEW.spacing)) + 0.1


@pytest.mark.parametrize("looks", [1, 2])
def test_speckle_is_fully_developed_before_compression(looks):
    """One look: the envelope is Rayleigh, its intensity exponential, with a variance of its squared mean."""
    even, none = np.ones((SAMPLES, BEAMS), np.float32), np.zeros((SAMPLES, BEAMS), np.float32)
    width = np.full(SAMPLES, 1.3)
    intensity = receive(even, none, 1.5, width, looks, np.random.default_rng(0))[20:-20, 20:-20]
    assert intensity.mean() == pytest.approx(1.0, rel=0.06)
    assert intensity.mean() ** 2 / intensity.var() == pytest.approx(looks, rel=0.1)


def test_a_speckle_filter_smooths_and_keeps_the_level():
    ground = [Part("placenta", ellipse((47, 33), (90, 90), 0))]
    raw, filtered = (scanned(ground, machine=replace(STEADY, smoothing=(s, s))) for s in (0.0, 1.0))
    block = np.s_[200:300, 200:380]
    assert filtered[block].std() < 0.85 * raw[block].std()
    assert filtered[block].mean() == pytest.approx(raw[block].mean(), rel=0.05)


def test_bone_hardens():
    """Harder bone echoes more and hides more of what lies behind it."""
    arc = np.stack([np.linspace(37, 57, 50), np.full(50, 25.0)], axis=1)
    scenes = [Slice((), (("skull", arc),), bone=bone) for bone in (0.0, 1.0)]
    soft, hard = (np.mean([scan(s, VIEW, STEADY, np.random.default_rng(k)) for k in range(4)], axis=0) for s in scenes)
    row = int(25 / VIEW.spacing)
    assert hard[row - 6 : row + 7, 260:326].max(axis=0).mean() > soft[row - 6 : row + 7, 260:326].max(axis=0).mean()
    assert mean(hard, 47, 40, 5) < mean(soft, 47, 40, 5) - 5


def test_a_border_echoes_only_where_it_meets_fluid():
    line = np.stack([np.linspace(20, 74, 80), np.full(80, 25.0)], axis=1)
    fluid = Part("fluid", ellipse((33, 25), (11, 9), 0))
    seen, without = (
        np.mean([scan(Slice((fluid,), sheet), VIEW, STEADY, np.random.default_rng(k)) for k in range(4)], axis=0)
        for sheet in ((("sac", line),), ())
    )
    change = (seen - without)[153:160]
    assert change[:, 170:240].mean() > 30
    assert abs(change[:, 330:450].mean()) < 10


def test_settings_do_what_they_say():
    dark, bright = (scanned(machine=replace(STEADY, gain_db=(db, db))) for db in (-10.0, 6.0))
    assert mean(dark, 47, 30, 8) < mean(bright, 47, 30, 8) - 40
    fluid = [Part("fluid", ellipse((47, 25), (14, 12), 0))]
    noisy = scanned(fluid, machine=replace(STEADY, noise_db=(-15.0, -15.0)))
    assert mean(noisy, 47, 25) > mean(scanned(fluid), 47, 25) + 15


def test_nothing_is_seen_outside_the_sector():
    image = scanned(view=replace(VIEW, half_angle=np.radians(20.0)))
    assert not image[:150, :70].any()
    assert not image[:150, -70:-50].any()
    assert image[200, 293] > 0


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_annotation_is_burnt_into_the_margins_only(overlay):
    image = scanned([Part("fluid", ellipse((47, 33), (120, 120), 0))], machine=replace(STEADY, overlay=overlay))
    assert (image > 150).any()
    assert not (image[100:300, 60:480] > 150).any()


def test_indices_are_those_of_obstetric_use():
    rng = np.random.default_rng(0)
    thermal, mechanical = zip(*(indices(rng) for _ in range(200)), strict=True)
    assert all(0 < float(text.split()[1]) < 1.0 for text in thermal)
    assert all(0 < float(text.split()[1]) < 1.3 for text in mechanical)
