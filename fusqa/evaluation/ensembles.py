"""Several trained networks that answer together, by the mean of their probabilities."""

from collections.abc import Mapping, Sequence

import numpy as np

from fusqa.evaluation.comparison import TrainedRow
from fusqa.evaluation.scoring import THRESHOLD
from fusqa.metrics import best_threshold
from fusqa.models.backbones import BACKBONES
from fusqa.study.learning import LEARNT, verdict_of
from fusqa.study.rows import RECIPES, TARGETS
from fusqa.study.sets import ERRORS

ASKED = "reviewed"  # what all of them predict: site B asks for it


def ensemble(title: str, members: Sequence[TrainedRow]) -> TrainedRow:
    """Average the probabilities of several rows, seed by seed (Lakshminarayanan et al. 2017).

    Parameters
    ----------
    title : str
        Name in print.
    members : sequence of TrainedRow
        Rows that predict :data:`ASKED` and have scored the same masks.

    Returns
    -------
    TrainedRow
        One training for each seed that all members have. Its second threshold is chosen on the segmenter's errors at
        site A's validation patients.

    Raises
    ------
    ValueError
        When members have scored different masks.
    """
    results, tables = [], []
    for seed in sorted(set.intersection(*(set(row.seeds) for row in members))):
        trainings = [row.seeds.index(seed) for row in members]
        scored = [row.tables[training] for row, training in zip(members, trainings, strict=True)]
        judged = [row.results[training] for row, training in zip(members, trainings, strict=True)]
        masks = [table[["case", "name", "set"]].to_numpy() for table in scored]
        if not all(np.array_equal(masks[0], other) for other in masks[1:]):
            raise ValueError(f"rows of an ensemble must have scored the same masks; with seed {seed} they have not")
        table = scored[0].assign(probability=np.mean([table["probability"] for table in scored], axis=0))
        known = table[table["set"] == ERRORS]
        chosen = best_threshold(known[TARGETS[ASKED].truth], known["probability"])
        tables.append(table)
        results.append(
            {
                "thresholds": {"paper": THRESHOLD, "validation": chosen},
                "provenance": {"seed": seed},
                "learnt": {"verdict": verdict_of(judged)},
            }
        )
    return TrainedRow(None, title, None, results, tables)


def possible_ensembles(rows: Mapping[str, TrainedRow]) -> dict[str, list[str]]:
    """Return the ensembles that a study can form without looking at site B: title to the keys of the members.

    Members are the rows that have learnt to predict the reviewers' verdict alone, which is what site B is asked for:
    those of each backbone, and all of them. One row is no ensemble.
    """
    able = [key for key, row in rows.items() if row.row and RECIPES[row.row.recipe].target == ASKED]
    able = [key for key in able if rows[key].tables and rows[key].verdict == LEARNT]
    found = {
        backbone.title: [key for key in able if rows[key].row.backbone == name] for name, backbone in BACKBONES.items()
    }
    if all(len(keys) < len(able) for keys in found.values()):
        found["all networks"] = able
    return {
        f"Mean of {len(keys)}: {name}, {TARGETS[ASKED].note}": keys for name, keys in found.items() if len(keys) > 1
    }
