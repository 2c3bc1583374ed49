"""Charts that compare many models: every one is drawn, and no panel holds more than a reader can tell apart."""

import numpy as np
import pandas as pd
import pytest

from fusqa.evaluation.risk import expected_cost, risk_coverage
from fusqa.figures.charts import MOST_COST, MOST_CURVES, costs, errors_by_verdict, risk_curves, roc_curves
from fusqa.study.rows import RECIPES

pytestmark = pytest.mark.usefixtures("closed_figures")
TITLES = [f"Quality model, {recipe.title}" for recipe in RECIPES.values()]
GROUPS = {}
for recipe, name in zip(RECIPES.values(), TITLES, strict=True):
    GROUPS.setdefault(recipe.family, []).append(name)


def names(axis):
    """What the legend of a panel names, on one line each."""
    return [text.get_text().replace("\n", " ") for text in axis.get_legend().get_texts()]


def curves(axis):
    """The lines of a panel that its legend names."""
    return [line for line in axis.get_lines() if not line.get_label().startswith("_")]


def scores():
    """One random score per recipe, of 40 masks."""
    return {title: np.random.default_rng(number).random(40) for number, title in enumerate(TITLES)}


def test_roc_curves_of_every_recipe_are_shared_out_over_panels():
    good = np.arange(40) % 3 > 0
    tables = {title: pd.DataFrame({"good": good, "probability": p}) for title, p in scores().items()}
    axes = roc_curves(tables | {"one verdict": tables[TITLES[0]].assign(good=True)}).axes
    panels = [axis for axis in axes if axis.get_lines()]
    assert max(len(curves(axis)) for axis in panels) == MOST_CURVES < len(TITLES)
    drawn = [name for axis in panels for name in names(axis)]
    assert [name.rsplit(" (", 1)[0] for name in drawn] == TITLES


def test_a_roc_without_two_verdicts_is_empty():
    (axis,) = roc_curves({"one verdict": pd.DataFrame({"good": [True] * 3, "probability": [0.1, 0.2, 0.3]})}).axes
    assert curves(axis) == []


def test_risks_are_drawn_group_by_group_beside_what_all_are_held_against():
    days = np.random.default_rng(99).exponential(size=40)
    compared = scores() | {"review": np.round(-days), "perfect": -days}
    risks = {"days": days, "above one day": (days > 1).astype(float)}
    found = {risk: {t: risk_coverage(values, s) for t, s in compared.items()} for risk, values in risks.items()}
    axes = np.array(risk_curves(found, GROUPS).axes).reshape(len(GROUPS), len(risks))
    for line, titles in zip(axes, GROUPS.values(), strict=True):
        assert names(line[-1]) == [*titles, "review", "perfect"]
        for axis, risk in zip(line, risks, strict=True):
            for curve, title in zip(curves(axis), [*titles, "review", "perfect"], strict=True):
                np.testing.assert_array_equal(curve.get_ydata(), found[risk][title].risk)
    assert max(map(len, GROUPS.values())) <= MOST_CURVES


def test_risks_of_few_scores_share_one_row():
    days = np.arange(10.0)
    few = {"a score": risk_coverage(days, -days), "another": risk_coverage(days, days)}
    (axis,) = risk_curves({"days": few}).axes
    assert names(axis) == list(few)


def test_costs_have_one_panel_per_group():
    ratios = np.geomspace(0.1, 10, 20)
    spent = {group: {t: expected_cost(0.8, 0.7, 0.5, ratios) for t in titles} for group, titles in GROUPS.items()}
    panels = [axis for axis in costs(ratios, spent).axes if axis.get_lines()]
    assert [axis.get_title() for axis in panels] == list(GROUPS)
    assert [names(axis) for axis in panels] == list(GROUPS.values())


def test_a_chart_says_what_it_does_not_draw():
    for worst, said in ((MOST_COST, False), (MOST_COST + 0.1, True)):
        figure = costs(np.array([0.1, 10.0]), {"": {"one": np.array([0.5, worst])}})
        assert (f"above {MOST_COST} not drawn" in figure.get_supylabel()) is said
    for first, said in ((0.0, False), (9.0, True)):
        found = {"days": {"a score": risk_coverage(np.r_[first, np.ones(19)], -np.arange(20.0))}}
        assert ("not drawn)" in risk_curves(found).axes[0].get_title()) is said


def test_errors_have_one_line_per_model():
    table = pd.DataFrame({"model": np.repeat(TITLES, 4), "verdict": ["good", "good", "poor", "poor"] * len(TITLES)})
    figure = errors_by_verdict(table.assign(mm=1.0, days=2.0), {"mm": "mm", "days": "days"})
    figure.canvas.draw()
    shown = [label.get_text().replace("\n", " ") for label in figure.axes[0].get_yticklabels()]
    assert shown == TITLES
