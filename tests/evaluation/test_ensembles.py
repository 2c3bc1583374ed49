"""Several networks that answer together: the mean of their probabilities, of seeds and masks that they share."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fusqa.evaluation.comparison import TrainedRow, compare, table_3
from fusqa.evaluation.ensembles import ensemble, possible_ensembles
from fusqa.metrics import best_threshold
from fusqa.study.learning import LEARNT, NOT_LEARNT, STILL_LEARNING
from fusqa.study.rows import row_named
from fusqa.study.sets import AT_B, ERRORS

RESNET, BOTH = "single-resnet18-scratch-reviewed", "single-resnet18-scratch-both-reviewed"
LITE, PAPER = "single-efficientnet-lite0-pretrained-reviewed", "single-resnet18-scratch"


def row(key, seeds=(0, 1, 2), verdict=LEARNT):
    """A row whose scores are the verdict and noise of its own, on 200 masks of each site."""
    results, tables = [], []
    for seed in seeds:
        of_seed, own = np.random.default_rng(seed), np.random.default_rng([seed, len(key)])
        good = of_seed.random(400) < 0.5
        masks = np.arange(400)
        table = pd.DataFrame({"case": masks, "name": "prediction", "patient": masks // 2, "good": good})
        table = table.assign(
            reviewed=good ^ (masks % 20 == 0), set=np.where(masks < 200, ERRORS, AT_B), test=masks >= 200
        )
        tables.append(table.assign(probability=np.clip(0.3 * good + own.normal(0.35, 0.25, 400), 0, 1)))
        results.append(
            {
                "thresholds": {"paper": 0.5, "validation": 0.5},
                "provenance": {"seed": seed},
                "learnt": {"verdict": verdict},
            }
        )
    return TrainedRow(row_named(key), row_named(key).title, None, results, tables)


def test_an_ensemble_answers_with_the_mean_and_orders_masks_better_than_its_members():
    members = [row(RESNET), row(BOTH)]
    found = ensemble("both", members)
    assert found.seeds == [0, 1, 2] and found.verdict == LEARNT and found.testable
    for training, table in enumerate(found.tables):
        expected = (members[0].tables[training]["probability"] + members[1].tables[training]["probability"]) / 2
        assert np.allclose(table["probability"], expected)
        known = table[table["set"] == ERRORS]
        assert found.thresholds("validation")[training] == best_threshold(known["reviewed"], known["probability"])
    area = found.report("validation").mean["auroc"]
    assert all(area > member.report("validation").mean["auroc"] for member in members)
    table = table_3({"both": found}, "validation")
    assert list(table["model"]) == ["both"] and table["AUROC"].str.startswith(f"{area:.3f}").all()


def test_an_ensemble_has_the_seeds_that_its_members_share_and_is_compared_with_them():
    rows = {RESNET: row(RESNET), LITE: row(LITE, seeds=(2, 1))}
    rows["both"] = ensemble("both", list(rows.values()))
    assert rows["both"].seeds == [1, 2]
    compared = compare(rows, [("number of networks", "both", key) for key in (RESNET, LITE)])
    assert list(compared["trainings"]) == [2, 2] and compared["Δ AUROC"].str.startswith("+").all()


def test_members_must_have_scored_the_same_masks():
    other = row(BOTH)
    other = replace(other, tables=[table.iloc[::-1] for table in other.tables])
    with pytest.raises(ValueError, match="the same masks; with seed 0"):
        ensemble("both", [row(RESNET), other])


def test_ensembles_are_of_the_rows_that_have_learnt_what_site_b_is_asked_for():
    rows = {key: row(key) for key in (RESNET, PAPER, BOTH, LITE)}
    assert possible_ensembles(rows) == {
        "Mean of 2: ResNet-18, by review alone": [RESNET, BOTH],
        "Mean of 3: all networks, by review alone": [RESNET, BOTH, LITE],
    }
    for verdict in (NOT_LEARNT, STILL_LEARNING):
        assert possible_ensembles(rows | {BOTH: row(BOTH, verdict=verdict), LITE: row(LITE, verdict=verdict)}) == {}
    assert list(possible_ensembles({key: rows[key] for key in (RESNET, BOTH)})) == [
        "Mean of 2: ResNet-18, by review alone"
    ]
    assert possible_ensembles({}) == {}
