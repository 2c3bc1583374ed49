"""Whether a model looks at the image: its scores on masks that neither mask nor image alone can tell apart."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from fusqa.evaluation.comparison import TrainedRow
from fusqa.evaluation.scoring import figure
from fusqa.metrics import classification_report
from fusqa.study.sets import PLACED_A, PLACED_B

TELLING = ("paper", "errors", "both-labels", "both-varied")  # recipes that are shown map by map and curve by curve
OWN, OTHER, NO_IMAGE, NO_MASK = "as trained", "another's image", "no image", "no mask"  # as result files say
SHOWN = {OWN: "probability", OTHER: "other_image", NO_IMAGE: "no_image", NO_MASK: "no_mask"}
"""What masks are shown with, to the column of a row's scores."""
CHANCE = 0.5


def placed_table(rows: Mapping[str, TrainedRow], seed: int) -> pd.DataFrame:
    """Say for every row how far it tells a mask in its own place from one in another, as a table of text.

    A mask-only or image-only model is at one half by construction (:mod:`fusqa.study.mismatch`). A training compares if
    the lower end of its interval is above.

    Parameters
    ----------
    rows : mapping of str to TrainedRow
        Rows that were run.
    seed : int
        Of the bootstrap by patient.

    Returns
    -------
    DataFrame
        One line per row and site: AUROC of all pairs, mean over trainings, with the lowest and the highest end of their
        intervals; how many trainings compare; and the AUROC of each kind of pair.
    """
    lines = []
    for row in rows.values():
        for name in (PLACED_A, PLACED_B):
            parts = [table[table["set"] == name] for table in row.tables]
            if not parts or parts[0].empty:  # a result from before the question was asked, or no room to move anything
                continue
            reports = [classification_report(t["good"], t["probability"], t["patient"], seed=seed) for t in parts]
            low, high = zip(*(report.intervals["auroc"] for report in reports), strict=True)
            area = float(np.mean([report.auroc for report in reports]))
            kinds = {
                kind: np.mean([_auroc(table[table["name"] == kind]) for table in parts])
                for kind in parts[0]["name"].unique()
            }
            lines.append(
                {"model": row.title, "learnt?": row.verdict, "pairs": f"{name} ({len(parts[0])})"}
                | {"AUROC": figure(area, (min(low), max(high)))}
                | {"compares": f"{sum(end > CHANCE for end in low)} of {len(low)}"}
                | {kind: f"{value:.2f}" for kind, value in kinds.items()}
            )
    return pd.DataFrame(lines)


def _auroc(part: pd.DataFrame) -> float:
    return classification_report(part["good"], part["probability"], part["patient"], draws=1).auroc
