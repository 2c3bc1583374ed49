"""The audit: figures made from known counts lead back to them, and the paper's figures are judged as by hand."""

import math

import numpy as np
import pytest

from fusqa.evaluation.auditing import (
    GROUPS,
    PER_CLASS,
    PRINTED_ROWS,
    ROUNDINGS,
    Counts,
    audit,
    counts,
    criteria_sizes,
    denominators,
    differing_pairs,
    fits,
    groups,
    implied,
    least_good_share,
    length_of_slope,
    lengths,
    slope,
    wilson,
)
from fusqa.evaluation.paper import AUTOENCODER_PRINTED, PRINTED, PRINTED_ERRORS, Printed
from fusqa.figures.charts import printed_and_implied
from fusqa.masks.dating import gestational_age
from fusqa.study.rows import row_named

RESNET50 = PRINTED.get("single-resnet50-pretrained")


@pytest.fixture(scope="module")
def rows():
    return audit().set_index("model")


def cut(value, places):
    return math.floor(value * 10**places) / 10**places


@pytest.mark.parametrize(("tp", "fp"), [(113, 0), (1, 112), (111, 27), (64, 31), (100, 100)])
@pytest.mark.parametrize("how", [round, cut])
def test_a_row_printed_from_known_counts_gives_them_back(tp, fp, how):
    exact = Counts(tp, fp, "").figures
    assert exact.accuracy == pytest.approx((tp + PER_CLASS - fp) / 226)
    assert exact.f1 == pytest.approx(2 / (1 / exact.precision + 1 / exact.recall))
    printed = Printed(*(how(value, 4) for value in exact))
    assert (tp, fp) in [found[:2] for found in counts(printed)]
    for key, (low, high) in implied(printed).items():
        assert low <= getattr(exact, key) <= high


def test_all_counts_that_fit_are_given_and_only_these():
    printed = Printed(0.5, 1.0, 0.5, 0.66)
    assert [found[:2] for found in counts(printed)] == [(113, 113), (113, 112), (113, 111)]
    assert {found.how for found in counts(printed)} == {"rounded"}


def test_figures_that_were_cut_off_are_distinguished_from_rounded_ones():
    assert counts(PRINTED.get("single-vgg16-pretrained")) == [(107, 24, "cut off")]  # 107 / 113 = 0.9469
    assert counts(RESNET50) == [(111, 27, "rounded")]


def test_figures_that_no_counts_give_are_flagged_and_the_nearest_named():
    off = Printed(0.773, 0.825, 0.791, 0.798)  # 93 / 113 = 0.823, 94 / 113 = 0.832
    assert counts(off) == [(93, 27, "none")]


def test_a_short_figure_may_have_lost_its_zeros_or_its_decimals():
    assert fits(0.87, np.array([0.8695, 0.866]), 2, "rounded").all()
    assert (98, 23, "rounded") in counts(Printed(0.81, 0.87, 0, 0))  # 98 / 113 = 0.867: not 0.870, but 0.87


@pytest.mark.parametrize(("how", "expected"), [("rounded", "0110"), ("cut off", "0011"), ("rounded up", "1100")])
def test_ways_of_printing(how, expected):
    exact = np.array([0.2421, 0.2429, 0.2432, 0.2439])
    assert "".join(str(int(fit)) for fit in fits(0.243, exact, 3, how)) == expected
    assert fits(0.243, np.array([0.243]), 3, how).all()  # an exact value fits by every convention


def test_contradictions_of_the_printed_table(rows):
    resnet = rows.loc[row_named("single-resnet50-pretrained").title]
    assert resnet["accuracy_counted"] == pytest.approx(0.8717, abs=5e-5)
    assert resnet["accuracy_low"] < 0.871 < resnet["accuracy_high"] < 0.902
    assert resnet["accuracy_verdict"] == resnet["f1_verdict"] == "contradicts"
    coder = rows.loc["Autoencoder"]
    assert (coder["tp"], coder["fp"]) == (81, 0)
    assert coder["accuracy_counted"] == pytest.approx(0.86, abs=5e-3)
    assert (coder["accuracy_verdict"], coder["f1_verdict"]) == ("contradicts", "agrees")
    assert rows.loc[row_named("single-resnet18-pretrained").title, "accuracy_verdict"] == "agrees"


def test_ranges_hold_the_figures_of_counts_that_fit(rows):
    fit = rows[rows["how"] != "none"]
    for key in ("accuracy", "f1"):
        assert fit[f"{key}_counted"].between(fit[f"{key}_low"], fit[f"{key}_high"]).all()


def test_the_row_of_a_model_that_calls_all_good_is_found(rows):
    assert list(rows.index[rows["always_good"]]) == [row_named("siamese-resnet50-pretrained").title]
    assert rows.loc[rows["always_good"], "tn"].tolist() == [0]


def test_wilson_is_the_textbook_formula():
    hits, cases, z = 81, 113, 1.959964
    share = hits / cases
    middle = (share + z**2 / (2 * cases)) / (1 + z**2 / cases)
    half = z / (1 + z**2 / cases) * math.sqrt(share * (1 - share) / cases + z**2 / (4 * cases**2))
    assert wilson(hits, cases) == pytest.approx((middle - half, middle + half), abs=1e-6)


def test_models_that_differ_enough_are_counted():
    same = differing_pairs([180, 180, 181])
    assert same == {"pairs": 3, "intervals do not meet": 0, "p < 0.05": 0, "p < 0.05 / pairs": 0}
    far = differing_pairs([113, 113, 200])
    assert far == {"pairs": 3, "intervals do not meet": 2, "p < 0.05": 2, "p < 0.05 / pairs": 2}
    a, b = 150, 170  # z of two proportions, by hand
    z = (b - a) / 226 / math.sqrt(2 * (a + b) / 452 * (1 - (a + b) / 452) / 226)
    assert differing_pairs([a, b])["p < 0.05"] == int(abs(z) > 1.959964) == 1


def test_percentages_of_a_known_group_find_its_size():
    hits = [3, 17, 29, 40, 52, 66, 71, 88]
    found = denominators([round(100 * n / 89, 1) for n in hits], "rounded")
    assert found.index[found.all(axis=1)].tolist() == [89, 178]
    assert not denominators([33.4], "rounded").loc[3, 0]
    assert denominators([33.4], "rounded up").loc[3, 0]


def test_the_criteria_are_those_of_one_size_if_rounded_up():
    sizes = criteria_sizes().set_index(["called", "printed"])
    for called in ("poor", "good"):
        assert sizes.loc[(called, "rounded up"), "sizes"] == [108, 216]
        assert sizes.loc[(called, "rounded up"), "explained"] == 8
        assert set(GROUPS[called]) <= {math.ceil(1000 * n / 108) / 10 for n in range(109)}
    assert sizes.drop("rounded up", level="printed")["explained"].max() < 8


def test_groups_follow_from_the_counts(rows):
    table = groups().set_index("model")
    assert (table["called_poor"] + table["called_good"] == 2 * PER_CLASS).all()
    assert (table["called_good"] == rows["tp"] + rows["fp"]).all()
    line = table.loc[row_named("single-resnet18-pretrained").title]
    poor, good = (PRINTED_ERRORS["single CNN", called][0] for called in ("poor", "good"))
    assert line["mm"] == pytest.approx((84 * poor + 142 * good) / 226)
    assert line["missed"] == 0 and line["missed_least"] == math.ceil(0.3113 * 84)
    assert table.loc["Autoencoder", "mm"] == pytest.approx((145 * 17.71 + 81 * 5.01) / 226)
    assert table["mm"].isna().tolist() == [
        model.startswith("S") and not model.startswith("Single") for model in table.index
    ]


def test_a_group_with_the_least_share_of_good_masks_meets_as_many_criteria_as_printed():
    share = least_good_share()
    mean = sum(GROUPS["poor"]) / 100
    assert 4 * (1 - share) + 8 * share == pytest.approx(mean, abs=0.01)
    assert 0 < share < 1


@pytest.mark.parametrize("mm", [15.5, 40, 60, 94])
def test_the_length_of_a_slope_is_where_the_equation_has_it(mm):
    assert length_of_slope(slope(mm)) == pytest.approx(mm, abs=1e-3)
    difference = gestational_age(mm + 0.5).days - gestational_age(mm - 0.5).days
    assert slope(mm) == pytest.approx(difference, rel=1e-3)


def test_a_slope_outside_the_range_belongs_to_no_length():
    assert math.isnan(length_of_slope(2.0)) and math.isnan(length_of_slope(0.36))


def test_printed_errors_belong_to_lengths_in_the_range():
    table = lengths()
    assert table["length"].between(table["shortest"], table["longest"]).all()
    assert table["length"].between(15, 95).all()


def test_every_printed_row_is_audited_and_drawn(rows):
    assert list(rows.index) == list(PRINTED_ROWS) and PRINTED_ROWS["Autoencoder"] is AUTOENCODER_PRINTED
    assert set(rows["how"]) <= {*ROUNDINGS, "none"}
    ends = {"low": rows["accuracy_interval"].str[0], "high": rows["accuracy_interval"].str[1]}
    table = rows.reset_index().assign(printed=0.5, implied=0.6, **{k: v.to_numpy() for k, v in ends.items()})
    (axis,) = printed_and_implied(table).axes
    assert [label.get_text() for label in axis.get_yticklabels()] == list(rows.index)
