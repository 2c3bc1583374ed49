"""Who looks at the image is told from who does not, training by training."""

import numpy as np
import pandas as pd

from fusqa.evaluation.comparison import TrainedRow
from fusqa.evaluation.looking import placed_table
from fusqa.study.learning import CONTROL, LEARNT
from fusqa.study.mismatch import RESCALED, SHIFTED
from fusqa.study.rows import row_named
from fusqa.study.sets import PLACED_A, PLACED_B


def scored(gain, seed):
    """Forty patients, each mask once right and once wrong; a right one scores higher by `gain`."""
    rng = np.random.default_rng(seed)
    once = pd.DataFrame({"patient": np.repeat(np.arange(40), 2), "name": [SHIFTED, RESCALED] * 40})
    own = rng.normal(size=80)
    both = [once.assign(good=good, probability=1 / (1 + np.exp(-own - gain * good))) for good in (True, False)]
    return pd.concat([part.assign(set=name) for name in (PLACED_A, PLACED_B) for part in both], ignore_index=True)


def row(key, verdict, gains):
    made = row_named(f"single-resnet18-scratch-{key}")
    results = [{"learnt": {"verdict": verdict}}] * len(gains)
    return TrainedRow(made, made.title, None, results, [scored(gain, seed) for seed, gain in enumerate(gains)])


def test_a_training_compares_if_its_interval_lies_above_one_half():
    rows = {"a": row("mismatched", LEARNT, [3.0, 3.0, 0.0]), "b": row("blind", CONTROL, [0.0])}
    table = placed_table(rows, seed=0)
    assert table["compares"].tolist() == ["2 of 3"] * 2 + ["0 of 1"] * 2
    assert table["pairs"].tolist() == [f"{PLACED_A} (160)", f"{PLACED_B} (160)"] * 2
    blind = table[table["learnt?"] == CONTROL]
    assert blind["AUROC"].str.startswith("0.500").all() and (blind[SHIFTED] == "0.50").all()


def test_results_without_such_pairs_are_passed_over():
    old = row("errors", LEARNT, [1.0])
    tables = [table[table["set"] == "predictions, site B"] for table in old.tables]
    assert placed_table({"a": TrainedRow(old.row, old.title, None, old.results, tables)}, seed=0).empty
