"""What is drawn at each position of a slider."""

import numpy as np

from fusqa.cohorts.reading import Case
from fusqa.figures.interactive import altered_frame
from fusqa.masks.labels import HEAD
from fusqa.masks.measurement import measured_mm


def test_a_position_of_the_slider_shows_what_the_alteration_does():
    rows, columns = np.mgrid[:200, :260]
    mask = np.uint8(((rows - 100) / 50) ** 2 + ((columns - 130) / 60) ** 2 <= 1)
    case = Case("one", "p", "A", mask, mask, (0.5, 0.5))
    same = altered_frame(case, HEAD, "head", "grow", 0.0, (0.3, 0.6))
    grown = altered_frame(case, HEAD, "head", "grow", 0.4, (0.3, 0.6))
    assert np.array_equal(same.mask, mask) and same.step == "0.0 radii"
    assert same.facts["change of the HC"] == "+0.0 mm" and same.facts["Dice, head"] == "1.00"
    assert grown.step == "0.4 radii, as in poor masks" and grown.mask.sum() > mask.sum()
    longer = measured_mm(grown.mask, case.spacing, HEAD) - measured_mm(mask, case.spacing, HEAD)
    assert grown.facts["change of the HC"] == f"{longer:+.1f} mm"
