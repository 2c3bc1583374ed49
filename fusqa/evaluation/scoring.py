"""From the scores of one model to reports: on every set of pairs, at the paper's threshold and at one chosen here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from fusqa.files import significant
from fusqa.metrics import Report, best_threshold, classification_report, fewest_patients, mean_interval
from fusqa.study.sets import ALTERED, AT_B

if TYPE_CHECKING:
    from torch import Tensor

    from fusqa.study.pairs import Pairs

THRESHOLD = 0.5  # the paper's, for a network that ends in a probability
TEST = "test set, site B"  # the balanced sample of its predictions
FIGURES = {
    "precision": "precision",
    "recall": "recall",
    "accuracy": "accuracy",
    "f1": "F1",
    "balanced_accuracy": "balanced accuracy",
    "auroc": "AUROC",
}  # fields of fusqa.metrics.Report that tables print
DECIMALS = {"dice": 4, "delta_mm": 3, "delta_days": 3, "predicted_mm": 3}  # of columns of a table of scores
CONFUSION = "TP FN\nFP TN"  # heading of the confusion matrix, laid out as the matrix is


def scores(sets: Mapping[str, Pairs], answers: Callable[[Pairs], Mapping[str, Tensor]]) -> pd.DataFrame:
    """Score every pair of every set: its table with the column ``set`` and those of a model's answers added.

    The answers hold ``probability`` of "good" (:func:`fusqa.study.training.answers`). Numbers are rounded to what is
    known of them, so that a published study stays small; in double precision, in which a table is read again: a
    threshold may be one of them.
    """
    parts = [
        pairs.table.assign(set=name, **{column: value.double().numpy() for column, value in answers(pairs).items()})
        for name, pairs in sets.items()
    ]
    table = pd.concat(parts, ignore_index=True).round(DECIMALS)
    return table.assign(probability=significant(table["probability"]))


def reports(
    table: pd.DataFrame, fixed: float, seed: int, validation: Sequence[str] = (ALTERED,), truth: str = "good"
) -> dict:
    """Report on the scores of one model on every set, at a fixed threshold and at one chosen on validation.

    Parameters
    ----------
    table : DataFrame
        From :func:`scores`.
    fixed : float
        The paper's threshold.
    seed : int
        Of the bootstrap.
    validation : sequence of str
        The sets on which the second threshold is chosen: the kinds of masks that the model was trained on.
    truth : str
        The column of `table` for which it is chosen there: what the model learnt to tell.

    Returns
    -------
    dict
        ``thresholds``: name to value; ``reports``: threshold name to set name to
        :class:`fusqa.metrics.Report` as a dictionary. Site B is reported on its balanced test set (:data:`TEST`) and
        on all its predictions (its own name); a set without cases has no report.
    """
    known = table[table["set"].isin(validation)]
    thresholds = {"paper": fixed, "validation": best_threshold(known[truth], known["probability"])}
    sets = dict(list(table.groupby("set", sort=False))) | {TEST: table[table["test"] & (table["set"] == AT_B)]}
    scored = {part: (t["good"], t["probability"], t["patient"]) for part, t in sets.items() if len(t)}
    found = {
        name: {part: classification_report(*cases, limit, seed=seed).as_dict() for part, cases in scored.items()}
        for name, limit in thresholds.items()
    }
    return {"thresholds": thresholds, "reports": found}


def report_table(reports: Mapping[str, Mapping[str, Mapping]]) -> pd.DataFrame:
    """Return reports (threshold name to set name to report) as a table of text."""
    return pd.DataFrame(
        {"threshold": f"{report['threshold']:.2f} ({threshold})", "set": name} | printed(report)
        for threshold, sets in reports.items()
        for name, report in sets.items()
    )


def printed(report: Mapping) -> dict[str, str]:
    """Return the columns of a table row: confusion matrix, figures with their intervals on a second line."""
    collapsed = "\none class only" if report["collapsed"] else ""
    return {
        CONFUSION: f"{report['tp']} {report['fn']}\n{report['fp']} {report['tn']}{collapsed}",
    } | {title: figure(report[key], report["intervals"][key]) for key, title in FIGURES.items()}


def printed_auroc(good: Sequence[bool], score: Sequence[float], patients: Sequence, seed: int, fewest: int = 1) -> str:
    """AUROC of a score ``(M,)``, with its interval, as :func:`figure` prints it.

    A dash where fewer than `fewest` patients have good masks, or poor ones: of a handful of patients an AUROC of 1 has
    the interval 1 to 1.
    """
    if fewest_patients(good, patients) < fewest:
        return "–"
    report = classification_report(good, score, patients, seed=seed)
    return figure(report.auroc, report.intervals["auroc"])


def report_columns(reports: Mapping[str, Report]) -> dict[str, str]:
    """AUROC of several reports: one column of a table for each, under its name."""
    return {f"AUROC,\n{title}": figure(one.auroc, one.intervals["auroc"]) for title, one in reports.items()}


def auroc_columns(
    truths: Mapping[str, Sequence[bool]], score: Sequence[float], patients: Sequence, seed: int
) -> dict[str, str]:
    """AUROC of one score against several truths: one column of a table per truth."""
    reports = {title: classification_report(truth, score, patients, seed=seed) for title, truth in truths.items()}
    return report_columns(reports)


def figure(value: float | None, interval: Sequence[float | None], sd: float = math.nan) -> str:
    """Format a figure, ± its spread over seeds where known, with its interval on a second line.

    A dash if the figure is undefined (NaN, which JSON keeps as null).
    """
    if value is None or math.isnan(value):
        return "–"
    spread = "" if math.isnan(sd) else f" ± {sd:.3f}"
    return f"{value:.3f}{spread}\n" + "{:.2f}–{:.2f}".format(*interval)


def printed_p(p: float) -> str:
    """Format a p-value with three decimals; one that would print as zero as below the smallest, none as a dash."""
    if math.isnan(p):
        return "–"
    return "<0.001" if p < 0.0005 else f"{p:.3f}"


def mean_figure(values: Sequence[float], patients: Sequence, seed: int) -> str:
    """Format a mean with its 95 % interval by patient on a second line; a dash where there are no values."""
    mean, *limits = mean_interval(values, patients, seed)
    return "–" if math.isnan(mean) else f"{mean:.2f}\n" + "{:.2f}–{:.2f}".format(*limits)


def median_and_largest(values: pd.Series, digits: int) -> str:
    """Format the median and the largest value."""
    return f"{values.median():.{digits}f}, {values.max():.{digits}f}"
