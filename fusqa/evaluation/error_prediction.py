"""How near predicted errors of a length are, which failures they find, and whether a date is better without them.

A mask that cannot be measured has no error, and nobody needs a model to find it: it is left out, and counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fusqa.evaluation.comparison import TrainedRow
from fusqa.evaluation.risk import printed_aurc
from fusqa.evaluation.scoring import auroc_columns, mean_figure
from fusqa.masks.dating import EQUATIONS
from fusqa.metrics import mean_interval

SHORTEST_MM = 1.0  # a corrected length is never below: dating equations hold roots and logarithms

FAILURES = {"|error| > 5 mm": ("delta_mm", 5.0), "|ΔGA| > 7 days": ("delta_days", 7.0)}
"""A failure's name to the column that shows it and the limit; seven days: ACOG, Committee Opinion 700 (2017)."""


def measured_cases(row: TrainedRow, name: str, true_mm: Mapping[str, float]) -> pd.DataFrame:
    """Return the measurable masks of a scored set, with what the first training of a row says of them.

    Parameters
    ----------
    row : TrainedRow
        A row that was run, of any target. Each seed has segmenters of its own, and some rows were trained with the
        first seed only: what is set beside each other here is about the same masks.
    name : str
        Name of the scored set.
    true_mm : mapping of str to float
        Case to the length that an expert measured, in mm.

    Returns
    -------
    DataFrame
        The columns of the table of scores, and ``true_mm``. ``predicted_mm`` is above zero where the mask is said to
        measure too long.
    """
    table = row.tables[0]
    known = table[(table["set"] == name) & table["delta_mm"].notna()].reset_index(drop=True)
    return known.assign(true_mm=known["case"].map(true_mm))


def days_left(cases: pd.DataFrame, removed_mm: np.ndarray | float, equation: str) -> np.ndarray:
    """Error of the date once something is taken off the measured length, in days ``(M,)``, whatever its sign.

    Parameters
    ----------
    cases : DataFrame
        ``delta_mm`` and ``true_mm``.
    removed_mm : (M,) float or float
        In mm; 0 gives the error as it is.
    equation : str
        A key of :data:`fusqa.masks.dating.EQUATIONS`.
    """
    days, true_mm = EQUATIONS[equation].days, cases["true_mm"].to_numpy()
    mm = true_mm + cases["delta_mm"].to_numpy() - removed_mm
    return np.abs(days(np.maximum(mm, SHORTEST_MM)) - days(true_mm))


def failure_columns(cases: pd.DataFrame, score: Sequence[float], seed: int) -> dict[str, str]:
    """Say how well a score finds failures and orders errors of the date, as columns of a table.

    Parameters
    ----------
    cases : DataFrame
        ``patient``, ``delta_mm``, ``delta_days``; all of them known.
    score : (cases,) float
        Larger for a mask that is trusted more.
    seed : int
        Of the bootstrap by patient.

    Returns
    -------
    dict of str to str
        AUROC for each of :data:`FAILURES`, a dash where all masks fail or none; and the area under risk against
        coverage in days. Below each its 95 % interval.
    """
    patients = cases["patient"]
    within = {failure: cases[column].abs() <= limit for failure, (column, limit) in FAILURES.items()}
    area = printed_aurc(cases["delta_days"].abs(), score, patients, seed)
    return auroc_columns(within, score, patients, seed) | {"AURC\ndays": area}


@dataclass(frozen=True, eq=False)
class Correction:
    """One way to put dates right, on one set of masks.

    Attributes
    ----------
    title : str
        What is taken off the measured length.
    days : (cases,) float
        Absolute error of the date that is left.
    change : (float, float, float)
        Mean change of that error against the date as it is, in days, with its 95 % interval by patient: below zero
        where the correction helps.
    """

    title: str
    days: np.ndarray
    change: tuple[float, float, float]

    @property
    def verdict(self) -> str:
        """Whether it helps: the interval of the change decides."""
        _, low, high = self.change
        return "helps" if high < 0 else "makes dates worse" if low > 0 else "not told apart"


def corrections(cases: pd.DataFrame, constant_mm: float, limit_mm: float, equation: str, seed: int) -> list[Correction]:
    """Correct the dates of a set: by nothing, by a constant, by every predicted error, and by large ones only.

    Parameters
    ----------
    cases : DataFrame
        From :func:`measured_cases`.
    constant_mm : float
        What a correction that looks at nothing takes off, such as the median error at home.
    limit_mm : float
        A predicted error counts as large above it.
    equation : str
        A key of :data:`fusqa.masks.dating.EQUATIONS`.
    seed : int
        Of the bootstrap by patient.
    """
    predicted = cases["predicted_mm"].to_numpy()
    removed = {
        "nothing": 0.0,
        f"{constant_mm:+.1f} mm from every length": constant_mm,
        "the predicted error": predicted,
        f"the predicted error where above {limit_mm:g} mm": np.where(np.abs(predicted) > limit_mm, predicted, 0.0),
    }
    left = {title: days_left(cases, mm, equation) for title, mm in removed.items()}
    change = {title: mean_interval(days - left["nothing"], cases["patient"], seed) for title, days in left.items()}
    return [Correction(title, days, change[title]) for title, days in left.items()]


def correction_table(
    made: Mapping[str, Sequence[Correction]], cases: Mapping[str, pd.DataFrame], seed: int
) -> pd.DataFrame:
    """Return corrections, by the set of masks, as a table of text: days left, their change, and whether it helps."""
    lines = []
    for name, (before, *ways) in made.items():
        for one in (before, *ways):
            change = "–" if one is before else "{:+.2f}\n{:+.2f} to {:+.2f}".format(*one.change)
            lines.append(
                {"masks": f"{name} ({len(one.days)})", "taken off the length": one.title}
                | {"mean |ΔGA|\ndays": mean_figure(one.days, cases[name]["patient"], seed)}
                | {"above 7 days %": f"{100 * (one.days > 7).mean():.0f}"}
                | {"change\ndays": change, "verdict": "–" if one is before else one.verdict}
            )
    return pd.DataFrame(lines)
