"""Anatomy as drawn: it grows, it turns, and what the plane does not meet is not there."""

import cv2
import numpy as np
import pytest

from fusqa.masks.label_images import filled_polygon
from fusqa.simulator import anatomy
from fusqa.simulator.beams import View
from fusqa.simulator.fetus import Build, Pose, draw_fetus
from fusqa.simulator.growth import CRL_MM, proportions
from fusqa.simulator.hospitals import SITES
from fusqa.simulator.shapes import ellipse, rotation, smooth_closed
from fusqa.simulator.tissue import INTERFACES, TISSUES
from fusqa.simulator.uterus import lay_out

VIEW = View((420, 586), 0.16, np.array([46.9, -70.0]), 50.0, np.radians(34.0))


def area(outline: np.ndarray) -> float:
    x, y = outline.T
    return abs(float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))) / 2


def drawn(length=63.0, **pose):
    return draw_fetus(Build(), Pose(**pose), length)


def tissues(fetus) -> set[str]:
    return {part.tissue for part in fetus.organs}


def test_head_share_falls_limbs_and_bone_grow():
    young, old = (proportions(mm) for mm in CRL_MM)
    assert young.head > old.head and young.limbs < old.limbs and young.bone < old.bone
    early, late = (drawn(mm) for mm in CRL_MM)
    share = [area(f.head) / f.length**2 for f in (early, late)]
    assert share[0] > 1.1 * share[1]
    thigh = [np.hypot(*np.ptp(f.limb_bones[0], axis=0)) / f.length for f in (early, late)]
    assert thigh[1] > 1.25 * thigh[0]
    assert late.bone > early.bone


def test_proportions_stay_within_the_charted_range():
    assert proportions(20.0) == proportions(CRL_MM[0])
    assert proportions(120.0) == proportions(CRL_MM[1])


def test_femur_is_about_as_long_as_charts_say():
    """About 5-7 mm at 45 mm and 11-15 mm at 84 mm."""
    femur = [np.hypot(*np.diff(drawn(mm).limb_bones[0][[0, -1]], axis=0)[0]) for mm in CRL_MM]
    assert 3.5 < femur[0] < 7.0
    assert 9.0 < femur[1] < 15.0


def test_what_is_seen_depends_on_the_plane():
    middle, beside = drawn(plane_mm=0.2), drawn(plane_mm=3.5)
    assert {"bladder", "tongue"} <= tissues(middle) - tissues(beside)
    assert {"stomach", "kidney", "orbit"} <= tissues(beside) - tissues(middle)
    assert len(middle.dots) == 2 * anatomy.VERTEBRAE
    assert len(beside.dots) == anatomy.RIB_COUNT


def test_limbs_are_attached_and_end_in_digits():
    whole, cut = drawn(), drawn(shown=(0.3,) * 4)
    assert len(whole.limbs) > 4 + 2 * anatomy.DIGITS
    assert len(cut.limbs) == 4
    for limb in cut.limbs:
        assert np.hypot(*(limb.outline[:, None] - whole.body[None]).transpose(2, 0, 1)).min() < 2.0


def test_head_and_nape_turn_together():
    """The nuchal translucency follows the neck: it stays under the skin of nape and back."""
    upper = []
    for flexion in (-60.0, -30.0, 0.0, 20.0, 60.0):
        fetus = drawn(flexion=flexion)
        nape = next(part.outline for part in fetus.organs if part.tissue == "nape")
        surface = fetus.surface
        gap = np.hypot(*(nape[:, None] - surface[None]).transpose(2, 0, 1)).min(axis=1)
        assert np.median(gap) < 3.5
        assert gap.max() < 3.0, flexion  # no part of it: one that stays behind departs at one end only
        occiput = nape[0]  # the outline begins at its upper end
        upper.append(np.hypot(*(occiput - fetus.head.mean(axis=0))) / np.sqrt(area(fetus.head)))
    # The upper end turns as far as the head does, and so stays where it is beneath the occiput, in sizes of the head.
    np.testing.assert_allclose(upper, upper[2], rtol=0.01)


@pytest.mark.parametrize("pose", [Pose(), Pose(flexion=30.0, curl=0.8), Pose(flexion=-30.0)])
def test_the_nape_is_as_thick_as_it_is_asked_for(pose):
    fetus = draw_fetus(Build(nape=1.3), pose, 60.0)
    nape = next(part.outline for part in fetus.organs if part.tissue == "nape")
    pixel = 0.02  # mm
    outline = (nape - nape.min(axis=0)) / pixel + 1
    inside = filled_polygon(outline, tuple(np.int32(outline.max(axis=0))[::-1] + 2))
    widest = 2 * pixel * cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE).max()
    assert widest == pytest.approx(1.3 * proportions(60.0).nape_mm, rel=0.05)


@pytest.mark.parametrize("site", SITES)
def test_everything_drawn_has_a_tissue_or_an_interface(site):
    rng = np.random.default_rng(0)
    for plane in (0.0, 4.0):
        fetus = drawn(plane_mm=plane).moved(np.diag([1.0, -1.0]), np.array([15.0, 45.0]))
        scene = lay_out(fetus, VIEW, SITES[site].fluid, plane, plane < 2, rng)
        assert {part.tissue for part in scene.parts} <= set(TISSUES)
        assert {kind for kind, _ in scene.surfaces} <= set(INTERFACES)
        assert {"placenta", "decidua", "myometrium", "fluid"} <= {part.tissue for part in scene.parts}
        assert {"sac", "chorion", "amnion"} <= {kind for kind, _ in scene.surfaces}
        assert all(np.isfinite(part.outline).all() for part in scene.parts)


def test_curves_have_their_known_sizes():
    circle = ellipse((1.0, 2.0), (3.0, 3.0), 20.0, count=90)
    np.testing.assert_allclose(np.hypot(*(circle - (1.0, 2.0)).T), 3.0)
    assert area(smooth_closed(circle[::10])) == pytest.approx(9 * np.pi, rel=0.01)
    np.testing.assert_allclose(rotation(90.0) @ (1.0, 0.0), (0.0, 1.0), atol=1e-12)
