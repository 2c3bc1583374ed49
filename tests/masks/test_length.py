"""Pixel spacings that are plausible or not, and the direction of a line."""

import math

import numpy as np
import pytest

from fusqa.masks.crown_rump import crown_rump_length
from fusqa.masks.length import check_spacing, ends_apart_mm, line_angle


@pytest.mark.parametrize(
    ("spacing", "said"),
    [
        ((0.2, 0), "col_mm = 0 is not a plausible"),
        ((float("nan"), 0.2), "row_mm = nan"),
        ((0.0085, 0.0085), "centimetres, write 0.085"),
        ((0.0002, 0.0002), "metres, write 0.2"),
        ((96, 96), "dots per inch"),
        ((-0.2, 0.2), "give millimetres per pixel"),
        (0.2, "not a pair of numbers"),
        (("a", "b"), "not a pair of numbers"),
        ((0.2, 0.2, 0.2), "not a pair of numbers"),
    ],
)
def test_wrong_spacing_is_refused_with_the_fix(spacing, said):
    with pytest.raises(ValueError, match=said):
        crown_rump_length(np.ones((5, 5), np.uint8), spacing)


def test_spacing_of_a_file_is_taken_as_it_is():
    assert check_spacing(np.array([0.2, 0.1])) == (0.2, 0.1)
    assert check_spacing(("0.2", 0.1)) == (0.2, 0.1)


def test_angle_of_a_line_is_seen_in_millimetres_whichever_end_comes_first():
    line = ((0.0, 0.0), (2.0, 1.0))
    assert line_angle(line, (0.5, 1.0)) == pytest.approx(45)
    assert line_angle(line[::-1], (0.5, 1.0)) == pytest.approx(45)
    assert type(line_angle(line, (0.5, 1.0))) is float
    steep = [((0, 0), (10, 1)), ((0, 0), (10, -1))]
    turned = line_angle(np.array(steep), (1, 1), against=steep[0])
    np.testing.assert_allclose(turned, [0, 2 * math.degrees(math.atan(0.1))], atol=1e-9)


def test_the_farther_end_counts_when_lines_are_compared():
    lines = np.array([[[0, 0], [5, 0]], [[3, 4], [5, 5]]])
    assert ends_apart_mm(lines, ((0, 0), (2, 4)), (1.0, 1.0)).tolist() == pytest.approx([5.0, 5.0])
    assert ends_apart_mm(lines[0], lines[0], (0.2, 0.3)) == 0
    assert ends_apart_mm(lines[0], ((0, 0), (5, 10)), (0.2, 0.3)) == pytest.approx(3.0)
