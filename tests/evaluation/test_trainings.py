"""How rows were trained: settings and learning curves from their results."""

import pandas as pd

from fusqa.evaluation.comparison import TrainedRow
from fusqa.evaluation.trainings import WANTED, quality_by_samples, training_settings
from fusqa.figures.charts import learning_curves
from fusqa.study.rows import row_named

PLAN = {"size": 64, "rate": 0.002, "batch": 16, "precision": "bfloat16", "budget": 300}


def row(key, *curves):
    """A row with one training per learning curve, of a round each hundred samples."""
    results = [
        {"plan": PLAN, "provenance": {"seed": seed}}
        | {"history": [{"samples": 100 * (k + 1), "auroc": area} for k, area in enumerate(curve)]}
        for seed, curve in enumerate(curves)
    ]
    return TrainedRow(row_named(key), row_named(key).title, None, results, [pd.DataFrame()] * len(curves))


def test_settings_say_when_the_seeds_reached_the_aim():
    fast, slow = (
        row("single-resnet18-scratch", [0.6, 0.91, 0.9], [0.6, 0.7, WANTED]),
        row("single-vgg16-scratch", [0.5]),
    )
    table = training_settings({"fast": fast, "slow": slow, "not run": row("single-alexnet-pretrained")})
    assert table["model"].tolist() == [fast.title, slow.title]
    assert table["samples until\nAUROC 0.90"].tolist() == ["250", "–"]
    assert table["rate"].tolist() == ["0.002"] * 2
    half = row("single-resnet18-scratch", [0.6, 0.91], [0.6, 0.7])
    assert training_settings({"half": half})["samples until\nAUROC 0.90"].tolist() == ["200 (1 of 2)"]


def test_every_seed_has_a_curve_and_a_regression_has_none():
    told = row("single-resnet18-scratch", [0.6, 0.9], [0.5, 0.8])
    regression = row("single-resnet18-scratch-dice", [0.0])
    del regression.results[0]["history"][0]["auroc"]
    table = quality_by_samples({"told": told, "regression": regression})
    assert set(table["model"]) == {told.title} and table.groupby("seed")["samples"].max().tolist() == [200, 200]
    (axis,) = (axis for axis in learning_curves(table, WANTED, 0.75).axes if axis.get_lines())
    drawn = [line for line in axis.get_lines() if line.get_label().startswith("seed")]
    assert [line.get_ydata().tolist() for line in drawn] == [[0.6, 0.9], [0.5, 0.8]]
    (legend,) = axis.get_figure().legends
    assert [text.get_text() for text in legend.get_texts()] == ["seed 0", "seed 1"]
    assert quality_by_samples({"regression": regression}).empty
