"""Ages against published tables; several equations side by side, against each equation by itself."""

import math

import numpy as np
import pytest

from fusqa.masks.dating import EQUATIONS, ages, equations_of, gestational_age, in_days, spread
from fusqa.masks.labels import FETUS, HEAD

MM = np.array([3.0, 15, 45, 60, 65, 65.1, 84, 95, 100, 121, 130, np.nan])


def one_by_one(mm, key):
    try:
        return gestational_age(mm, key).days
    except ValueError:
        return np.nan


def test_equations_of_a_scheme_measure_what_it_measures_and_begin_with_its_own():
    assert next(iter(equations_of(FETUS))) == "intergrowth-21st"
    assert len(equations_of(FETUS)) == 5
    assert list(equations_of(HEAD)) == ["intergrowth-21st-hc"]


@pytest.mark.parametrize("scheme", [FETUS, HEAD])
def test_ages_are_those_of_each_equation_where_it_holds(scheme):
    table = ages(MM, scheme)
    assert table.shape == (len(MM), len(equations_of(scheme)))
    for key in table:
        assert EQUATIONS[key].measurement == scheme.measurement
        np.testing.assert_array_equal(table[key], [one_by_one(mm, key) for mm in MM])


def test_an_error_counts_only_where_both_lengths_can_be_dated():
    table = in_days([61.0, 66.0, 60.0, np.nan], [60.0, 60.0, 120.0, 60.0])
    assert table["intergrowth-21st"][0] == pytest.approx(gestational_age(61).days - gestational_age(60).days)
    assert table["verburg-2008"].notna().tolist() == [True, False, False, False]
    assert table["hadlock-1992"].notna().tolist() == [True, True, True, False]


def test_spread_is_from_the_smallest_to_the_largest_age_and_needs_two_equations():
    found = spread(MM)
    for mm, days in zip(MM, found, strict=True):
        held = [day for key in equations_of(FETUS) if not np.isnan(day := one_by_one(mm, key))]
        assert days == pytest.approx(max(held) - min(held)) if len(held) > 1 else np.isnan(days)
    assert np.isnan(spread([100.0], HEAD)).all()
    assert spread([]).shape == (0,)


# --- one equation ---


@pytest.mark.parametrize(
    ("key", "low", "high"),
    [  # mm
        ("intergrowth-21st", 15, 95),
        ("robinson-1975", 6, 84),
        ("hadlock-1992", 2, 121),
        ("verburg-2008", 20, 65),
        ("sahota-2009", 5, 100),
        ("intergrowth-21st-hc", 95, 350),
    ],
)
def test_an_equation_holds_to_both_ends_of_its_range_and_no_further(key, low, high):
    assert np.isfinite(gestational_age([low, high], key).days).all()
    for outside in (low - 0.1, high + 0.1):
        with pytest.raises(ValueError, match="mm"):
            gestational_age(outside, key)


def test_the_spread_of_hadlock_s_ages_is_half_of_eight_per_cent():
    assert gestational_age(60, "hadlock-1992").sd == pytest.approx(0.04 * gestational_age(60, "hadlock-1992").days)


# worked out by hand from the printed formulas
ANCHORS = [
    ("intergrowth-21st", 45, 78.18),
    ("intergrowth-21st", 60, 86.75),
    ("intergrowth-21st", 84, 99.69),
    ("robinson-1975", 60, 87.24),
    ("hadlock-1992", 50, 11.733 * 7),  # the published table has 11.7 weeks
    ("hadlock-1992", 80, 13.990 * 7),  # 14.0 weeks
    ("verburg-2008", 60, 86.70),
    ("sahota-2009", 60, 87.23),
    ("intergrowth-21st-hc", 100, 99.32),
    ("intergrowth-21st-hc", 200, 156.49),
]


@pytest.mark.parametrize(("key", "mm", "days"), ANCHORS)
def test_published_equations_at_anchors(key, mm, days):
    assert gestational_age(mm, key).days == pytest.approx(days, abs=0.006)


def test_every_equation_has_an_anchor_and_rises_over_its_range():
    assert {key for key, *_ in ANCHORS} == set(EQUATIONS)
    for key, equation in EQUATIONS.items():
        mm = np.linspace(*equation.range_mm, 200)
        days = gestational_age(mm, key).days
        assert days.shape == mm.shape
        assert (np.diff(days) > 0).all(), key
        assert 5 * 7 < days[0] < days[-1] < 43 * 7, key


def test_standard_deviation_where_the_source_gives_one():
    assert gestational_age(60).sd == pytest.approx(2.39102 + 0.0193474 * 60)
    assert gestational_age(60, "robinson-1975").sd == pytest.approx(2.35)
    assert math.isnan(gestational_age(60, "verburg-2008").sd)


def test_numbers_give_numbers_and_arrays_arrays():
    assert type(gestational_age(60).days) is float
    many = gestational_age(np.array([[45.0, 60.0]]))
    assert many.days.shape == many.sd.shape == (1, 2)
    assert many.days[0, 1] == gestational_age(60).days


@pytest.mark.parametrize(
    ("mm", "said"),
    [
        (6.0, "centimetres, give 60 mm"),
        (14.9, "15 to 95 mm"),
        (95.1, "outside"),
        (float("nan"), "not a number"),
        (float("inf"), "not a number"),
        (-60, "outside"),
        (np.array([60, 6.5, 7.0]), r"6.5 mm \(and 1 more\).*give 65 mm"),
    ],
)
def test_lengths_outside_the_range_are_refused_with_the_fix(mm, said):
    with pytest.raises(ValueError, match=said):
        gestational_age(mm)


def test_an_unknown_equation_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="intergrowth-21st, robinson-1975"):
        gestational_age(60, "hadlock")
