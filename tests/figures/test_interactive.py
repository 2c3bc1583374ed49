"""What is drawn at each position of a slider."""

import numpy as np
import pandas as pd

from fusqa.cohorts.reading import Case
from fusqa.figures import interactive
from fusqa.figures.interactive import altered_frame, show_gallery, show_threshold
from fusqa.masks.labels import HEAD
from fusqa.masks.measurement import measured_mm


def test_a_position_of_the_slider_shows_what_the_alteration_does():
    rows, columns = np.mgrid[:200, :260]
    mask = np.uint8(((rows - 100) / 50) ** 2 + ((columns - 130) / 60) ** 2 <= 1)
    case = Case("one", "p", "A", mask, mask, (0.5, 0.5))
    same = altered_frame(case, HEAD, "head", "grow", 0.0, (0.3, 0.6))
    grown = altered_frame(case, HEAD, "head", "grow", 0.4, (0.3, 0.6))
    assert np.array_equal(same["mask"], mask) and same["step"] == "0.0 radii"
    assert same["facts"]["change of the HC"] == "+0.0 mm" and same["facts"]["Dice, head"] == "1.00"
    assert grown["step"] == "0.4 radii, as in poor masks" and grown["mask"].sum() > mask.sum()
    longer = measured_mm(grown["mask"], case.spacing, HEAD) - measured_mm(mask, case.spacing, HEAD)
    assert grown["facts"]["change of the HC"] == f"{longer:+.1f} mm"


def test_what_cannot_be_measured_has_a_dash_in_place_of_a_number():
    mask = np.zeros((40, 40), np.uint8)
    mask[19:21, 19:21] = 1
    gone = altered_frame(Case("one", "p", "A", mask, mask, (0.5, 0.5)), HEAD, "head", "shrink", 5.0, (0.3, 0.6))
    assert not gone["mask"].any()
    assert {gone["facts"][name] for name in ("HC", "change of the HC", "gestational age", "its change")} == {"–"}


def test_no_range_of_poor_masks_erases_a_label():
    """A long label has a much smaller disc inside it than the disc of its area."""
    mask = np.zeros((200, 300), np.uint8)
    mask[80:120, 30:270] = 1
    case = Case("one", "p", "A", mask, mask, (0.5, 0.5))
    marked = [
        frame
        for radii in np.arange(0, 0.81, 0.05)
        if "poor" in (frame := altered_frame(case, HEAD, "head", "shrink", radii, (0.35, 0.75)))["step"]
    ]
    assert marked and all(frame["mask"].any() for frame in marked)


def test_a_score_next_to_the_threshold_stays_on_its_side(monkeypatch):
    published = []
    monkeypatch.setattr(interactive, "_publish", lambda kind, body, data, caption: published.append((body, data)))
    cases = pd.DataFrame({"good": [True, False], "delta_days": [0.1, 3.0]})
    score, at = [0.762615, 0.762612], 0.76261249
    show_threshold(cases, {"one": score}, {"one": {"validation": at}}, "two masks")
    ((body, data),) = published
    model = data["models"]["one"]
    assert [p >= model["thresholds"]["validation"] for p in model["probability"]] == [True, False]
    assert "<td>1</td><td>0</td>" in body and "<td>0</td><td>1</td>" in body


def test_an_error_is_rounded_once(monkeypatch):
    published = []
    monkeypatch.setattr(interactive, "_publish", lambda kind, body, data, caption: published.append((body, data)))
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30, 10:50] = 1
    case = Case("one", "p", "A", mask, mask, (0.5, 0.5))
    show_gallery([case, case], HEAD, [True, False], [0.548, np.nan], {"one": [0.5, 0.4]}, "two masks")
    ((body, data),) = published
    assert "0.5 days" in body and "not measurable" in body and data["days"] == [0.548, None]
