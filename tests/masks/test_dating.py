"""Ages of one length under several equations, against the equations themselves, one length at a time."""

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
