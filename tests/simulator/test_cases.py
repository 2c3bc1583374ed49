"""The simulated cohort: reproducible to the byte, true to its known lengths, varied, and unlike at its two sites."""

import hashlib
from collections import Counter

import cv2
import numpy as np
import pytest
from conftest import python_on

from fusqa.cohorts.checking import check
from fusqa.cohorts.cohort import Cohort
from fusqa.masks.crown_rump import crown_rump_length
from fusqa.masks.labels import FETUS
from fusqa.masks.reviewing import review
from fusqa.simulator import cases as phantom
from fusqa.simulator.cases import draw_case, simulate
from fusqa.simulator.fetus import Build, Pose, draw_fetus
from fusqa.simulator.hospitals import SITES

HEAD, BODY, PALATE, GAP = (FETUS.id(name) for name in ("head", "body", "palate", "gap"))
ASPECT = 925 / 663  # of the one public image of the kind


def digest(case) -> str:
    """Fingerprint of everything that a case holds."""
    told = (case.case, case.patient, case.site, case.spacing, case.measure_mm, case.ga_days)
    return hashlib.sha256(case.image.tobytes() + case.mask.tobytes() + repr(told).encode()).hexdigest()


@pytest.fixture(scope="module")
def drawn() -> dict[str, list]:
    """Eight images a site."""
    return {site: [draw_case(site, 3, index) for index in range(8)] for site in SITES}


@pytest.fixture(scope="module")
def outlined() -> dict[str, list]:
    """Eighty cases a site at mask level: the machine, which takes nine tenths of the time, is switched off."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phantom, "scan", lambda scene, view, machine, rng: np.zeros(view.shape, np.uint8))
        return {site: [draw_case(site, 0, index) for index in range(80)] for site in SITES}


def test_same_bytes_in_another_process_order_and_processor(drawn):
    there = python_on(
        "with AVX2",
        "from test_cases import digest, draw_case\n"
        "for site, index in (('B', 3), ('A', 3), ('A', 0)): print(digest(draw_case(site, 3, index)))",
    )
    assert there.split() == [digest(drawn["B"][3]), digest(drawn["A"][3]), digest(drawn["A"][0])]


def test_an_old_processor_rounds_a_pixel_otherwise_and_draws_the_same_masks(drawn, tmp_path):
    """OpenCV interpolates and blurs with other instructions there; masks and lengths come from no such step."""
    python_on(
        "with SSE3",
        "import numpy as np\nfrom test_cases import draw_case\n"
        "for index in range(8):\n"
        "    case = draw_case('A', 3, index)\n"
        f"    np.savez(f'{tmp_path}/{{index}}', image=case.image, mask=case.mask, mm=case.measure_mm)",
    )
    for index, case in enumerate(drawn["A"]):
        there = np.load(tmp_path / f"{index}.npz")
        np.testing.assert_array_equal(there["mask"], case.mask)
        assert there["mm"] == case.measure_mm
        apart = np.abs(there["image"].astype(int) - case.image)
        assert apart.max() <= 1 and apart.sum() <= 10


def test_every_case_site_and_seed_is_another_image(drawn):
    cases = [*drawn["A"], *drawn["B"], draw_case("A", 4, 0)]
    assert len({digest(case) for case in cases}) == len(cases)
    assert len({case.measure_mm for case in (drawn["A"][0], drawn["B"][0], cases[-1])}) == 3


def test_simulated_cohort_is_what_was_drawn(tmp_path, drawn):
    told = []
    cohort = simulate(tmp_path / "A", "A", 4, 3, progress=lambda numbers: (told.append(at) or at for at in numbers))
    assert told == [0, 1, 2, 3]
    assert check(tmp_path / "A") == []
    for stored, case in zip(Cohort.open(tmp_path / "A"), drawn["A"], strict=False):
        assert digest(stored) == digest(case)
    assert cohort.info["simulated"] is True
    assert cohort.info["seed"] == 3
    assert cohort.scheme is FETUS


def test_patients_have_one_to_four_images_however_many_are_asked_for(outlined):
    for cases in outlined.values():
        names = [case.patient for case in cases]
        counts = Counter(names[:-4])  # the last patient may go on
        assert set(counts.values()) == {1, 2, 3, 4}
        assert names == sorted(names)
        # The images of one patient show one fetus, differently.
        lengths = {name: {case.measure_mm for case in cases if case.patient == name} for name in counts}
        assert all(len(length) == 1 for length in lengths.values())
        assert len({case.mask.tobytes() for case in cases}) == len(cases)


@pytest.mark.parametrize("site", SITES)
def test_patient_of_agrees_with_a_count_from_the_start(site):
    pairs = [phantom.patient_of(site, 9, index) for index in range(60)]
    expected, patient, image = [], 0, 0
    for following in [*pairs[1:], (None, None)]:
        expected.append((patient, image))
        patient, image = (patient, image + 1) if following[0] == patient else (patient + 1, 0)
    assert pairs == expected


def test_known_length_is_the_mask_s(outlined):
    """To a pixel at either end on the mask's own boundary; two more a pixel outside it, as the paper has it."""
    for case in (case for cases in outlined.values() for case in cases):
        pixel = case.spacing[0]
        boundary = crown_rump_length(case.mask, case.spacing, contour="boundary").mm
        outer = crown_rump_length(case.mask, case.spacing, contour="outer").mm
        assert abs(boundary - case.measure_mm) < 1.5 * pixel
        assert 0.5 * pixel < outer - case.measure_mm < 3.5 * pixel


def test_masks_are_on_average_neither_too_long_nor_too_short(outlined):
    cases = [case for cases in outlined.values() for case in cases]
    lengths = [crown_rump_length(case.mask, case.spacing, contour="boundary").mm for case in cases]
    pixels = [(mm - case.measure_mm) / case.spacing[0] for mm, case in zip(lengths, cases, strict=True)]
    assert -0.6 < np.mean(pixels) < 0.1  # the outermost centres of pixels lie a little inside the outline


def test_ends_of_the_known_length_are_on_head_and_body():
    for flexion in (-45.0, 0.0, 38.0):
        fetus = draw_fetus(Build(), Pose(flexion=flexion, curl=0.4), 63.0)
        assert fetus.length == pytest.approx(63.0)
        assert np.hypot(*(fetus.head - fetus.crown).T).min() < 1e-9
        assert np.hypot(*(fetus.body - fetus.rump).T).min() < 1e-9
        apart = np.hypot(*(fetus.head[:, None] - fetus.body[None]).transpose(2, 0, 1))
        assert apart.max() == pytest.approx(63.0)


def test_grid_spacing_and_age(outlined):
    for case in (case for cases in outlined.values() for case in cases):
        height, width = case.mask.shape
        assert case.image.shape == case.mask.shape
        assert height >= 320 and width >= 448
        assert width / height == pytest.approx(ASPECT, rel=0.03)
        assert 45 <= case.measure_mm <= 84
        assert 0.05 < case.spacing[0] == case.spacing[1] < 0.6
        mm = case.measure_mm  # Papageorghiou 2014
        assert case.ga_days == pytest.approx(40.9041 + 3.21585 * mm**0.5 + 0.348956 * mm, abs=1e-3)
        assert 11 * 7 < case.ga_days < 15 * 7


def test_lengths_fill_the_range(outlined):
    lengths = [case.measure_mm for cases in outlined.values() for case in cases]
    assert min(lengths) < 50
    assert max(lengths) > 79


def test_labels_head_and_body_always_palate_and_gap_sometimes(outlined):
    for cases in outlined.values():
        present = Counter(int(label) for case in cases for label in np.unique(case.mask))
        assert present[HEAD] == present[BODY] == len(cases)
        for label in (PALATE, GAP):
            assert 0.4 * len(cases) < present[label] < len(cases)
        for case in cases:
            head, body = (case.mask == HEAD).sum(), (case.mask == BODY).sum()
            assert 0.4 < head / body < 2.0  # a head about as large as the trunk
            for label in (PALATE, GAP):
                assert (case.mask == label).mean() < 0.02


def test_fetus_lies_inside_the_image_and_in_one_piece(outlined):
    for case in (case for cases in outlined.values() for case in cases):
        fetus = (case.mask > 0).astype(np.uint8)
        assert not fetus[[0, -1]].any() and not fetus[:, [0, -1]].any()
        assert cv2.connectedComponents(fetus)[0] == 2


def test_every_criterion_is_sometimes_met_and_sometimes_not(outlined):
    reviews = {site: [review(case.mask, case.spacing) for case in cases] for site, cases in outlined.items()}
    for site, judged in reviews.items():
        met = {name: np.mean([r.criteria[name].met for r in judged]) for name in judged[0].criteria}
        assert all(share > 0.25 for share in met.values()), (site, met)
        assert all(met[name] < 1 for name in met if "caliper" not in name), (site, met)
    for name in ("left_caliper", "right_caliper"):
        assert not all(r.criteria[name].met for judged in reviews.values() for r in judged), name
    good = {site: np.mean([r.good for r in judged]) for site, judged in reviews.items()}
    assert 0.5 < good["B"] < good["A"]  # B's sonographers take more images that break the rules


def test_hyper_extension_occurs_in_a_fair_share(outlined):
    """A palate at 90 degrees or more to the crown-rump line."""
    findings = [review(c.mask, c.spacing).criteria["neutral_position"] for cases in outlined.values() for c in cases]
    assert 0.02 < np.mean([f.value >= 90 for f in findings]) < 0.09
    assert 0.15 < np.mean([np.isnan(f.value) for f in findings]) < 0.6  # hyper-flexed, or no palate in the plane


def rim_and_inside(case) -> tuple[np.ndarray, np.ndarray]:
    """Grey levels of the head's rim where it meets what is not fetus, and of the middle of the head."""
    head = (case.mask == HEAD).astype(np.uint8)
    mm = round(1.6 / case.spacing[0])
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * mm + 1, 2 * mm + 1))
    core = cv2.erode(head, disc, iterations=3)
    other = cv2.dilate((case.mask == BODY).astype(np.uint8), disc, iterations=3)
    return case.image[(head - cv2.erode(head, disc) > 0) & (other == 0)], case.image[core > 0]


def test_skull_is_brighter_than_brain(drawn):
    for cases in drawn.values():
        brighter = []
        for case in cases:
            rim, inside = rim_and_inside(case)
            brighter.append(np.percentile(rim, 90) - np.percentile(inside, 50))
        assert np.mean(brighter) > 40


def surroundings(case) -> np.ndarray:
    """Where the image shows what lies within 20 pixels of the fetus, boolean."""
    fetus = (case.mask > 0).astype(np.uint8)
    return (cv2.dilate(fetus, np.ones((41, 41), np.uint8)) > 0) & (fetus == 0)


def test_there_is_fluid_darker_than_the_fetus(drawn):
    for site, cases in drawn.items():
        for case in cases:
            dark = np.percentile(cv2.blur(case.image, (5, 5))[surroundings(case)], 5)
            assert dark < 0.45 * np.median(case.image[case.mask > 0]), (site, case.case)


def grain_mm(case) -> float:
    """Lateral width of the speckle in the fetus: where its autocorrelation falls below one half, in mm."""
    inside = (case.mask == HEAD) | (case.mask == BODY)
    image = case.image.astype(np.float32)
    image -= cv2.GaussianBlur(image, (0, 0), 3.0 / case.spacing[1])
    power = np.mean(image[inside] ** 2)
    lags = range(1, 40)
    falls = [np.mean((image * np.roll(image, lag, axis=1))[inside]) / power for lag in lags]
    return (1 + int(np.argmax(np.array(falls) < 0.5))) * case.spacing[1]


def test_sites_differ_as_machines_do(drawn):
    grain = {site: np.mean([grain_mm(case) for case in cases]) for site, cases in drawn.items()}
    assert grain["B"] > 1.15 * grain["A"]
    black = {
        site: np.mean([(case.image[surroundings(case)] == 0).mean() for case in cases]) for site, cases in drawn.items()
    }
    assert black["A"] > 1.3 * black["B"]  # haze in what should be black
    assert len({cases[0].image.shape for cases in drawn.values()}) == len(drawn)
    assert grain["D"] < grain["B"]  # D differs from A too, but not as B does: by light, not by grain
    light = {site: np.mean([case.image[case.mask > 0].mean() for case in cases]) for site, cases in drawn.items()}
    assert light["D"] > 1.3 * light["A"]


def test_site_a_has_the_grey_levels_of_a_real_image(real_case):
    image, mask = (cv2.imread(str(real_case / f"{name}.png"), 0) for name in ("image", "mask"))
    cases = [draw_case("A", 11, index) for index in range(12)]
    for label in (HEAD, BODY):
        real = np.percentile(image[mask == label], [25, 50, 75])
        ours = np.mean([np.percentile(case.image[case.mask == label], [25, 50, 75]) for case in cases], axis=0)
        assert np.abs(ours - real).max() < 30, (label, real, ours)


@pytest.mark.parametrize(("site", "seed", "index"), [("E", 0, 0), ("A", -1, 0), ("A", 0, -1)])
def test_what_cannot_be_drawn_is_refused(site, seed, index):
    with pytest.raises(ValueError, match=r"site|count from 0"):
        draw_case(site, seed, index)
