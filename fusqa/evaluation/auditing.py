"""What follows from the paper's printed tables alone: counts, sizes of groups, lengths and contradictions.

As many good as poor masks were tested. So precision and recall determine the confusion matrix, apart from rounding,
and with it accuracy, F1 and the sizes of the groups in Table 2. A printed figure may have been rounded, cut off or
rounded up, and it may have lost trailing zeros (0.87 may stand for 0.870). Where readings differ the widest is taken,
so what is called a contradiction here is one under every reading. All intervals treat cases as independent, because
nothing is known of patients; true intervals are wider.
"""

from collections.abc import Sequence
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import binomtest, chi2_contingency

from fusqa.evaluation.paper import AUTOENCODER_PRINTED, PRINTED, PRINTED_CRITERIA, PRINTED_ERRORS, Printed
from fusqa.masks.dating import EQUATIONS
from fusqa.study.rows import row_named

PER_CLASS = 113  # good masks in the paper's test set, and poor ones
PRINTED_ROWS = {row_named(key).title: printed for key, printed in PRINTED.items()} | {
    "Autoencoder": AUTOENCODER_PRINTED
}
SLACK = 1e-6  # of the last decimal, for floating point
ROUNDINGS = {
    "rounded": (-0.5 - SLACK, 0.5 + SLACK),
    "cut off": (-1 + SLACK, SLACK),
    "rounded up": (-SLACK, 1 - SLACK),
}  # range of (printed − exact) in units of the last decimal
GROUPS = dict(zip(("poor", "good"), zip(*PRINTED_CRITERIA.values(), strict=True), strict=True))  # per cent of each row
DATING = EQUATIONS["intergrowth-21st"]


def decimals(printed: float) -> int:
    """Decimals of a printed figure: those that are visible, but at least two because trailing zeros are lost."""
    return max(2, len(repr(printed).partition(".")[2]))


def fits(printed: float, exact: np.ndarray, places: int, how: str) -> np.ndarray:
    """Return which `exact` values are printed as `printed` with `places` decimals by convention `how`."""
    low, high = ROUNDINGS[how]
    off = (printed - exact) * 10**places
    return (low < off) & (off < high)


class Counts(NamedTuple):
    """Good (tp) and poor (fp) masks that are called good, of :data:`PER_CLASS` each, and how they are printed."""

    tp: int
    fp: int
    how: str

    @property
    def called(self) -> dict[str, int]:
        """Masks that are called poor and good."""
        return {"poor": 2 * PER_CLASS - self.tp - self.fp, "good": self.tp + self.fp}

    @property
    def correct(self) -> int:
        """Masks that are called correctly."""
        return self.tp + PER_CLASS - self.fp

    @property
    def figures(self) -> Printed:
        """Precision (0 where nothing is called good), recall, accuracy and F1 without rounding."""
        positive = self.called["good"]
        f1 = 2 * self.tp / (positive + PER_CLASS)
        return Printed(self.tp / max(positive, 1), self.tp / PER_CLASS, self.correct / (2 * PER_CLASS), f1)


def counts(printed: Printed) -> list[Counts]:
    """Find the counts whose precision and recall would be printed as `printed` is, both by one convention.

    Returns
    -------
    list of Counts
        All that fit by the first convention (rounding, cutting off, rounding up) by which any fit, nearest to the
        printed figures first. Where none fit: the nearest alone, with "none" as its ``how``.
    """
    tp, fp = np.mgrid[: PER_CLASS + 1, : PER_CLASS + 1].reshape(2, -1)
    pairs = [(printed.precision, tp / np.maximum(tp + fp, 1)), (printed.recall, tp / PER_CLASS)]
    off = np.max([np.abs(value - exact) * 10 ** decimals(value) for value, exact in pairs], axis=0)
    order = np.argsort(off, kind="stable")
    for how in ROUNDINGS:
        fit = np.all([fits(value, exact, decimals(value), how) for value, exact in pairs], axis=0)
        if fit.any():
            return [Counts(int(tp[i]), int(fp[i]), how) for i in order[fit[order]]]
    return [Counts(int(tp[order[0]]), int(fp[order[0]]), "none")]


def _window(printed: float, places: int) -> tuple[float, float]:
    """Range of the exact value, by whichever convention it was printed."""
    return printed - 10.0**-places, printed + 10.0**-places


def implied(printed: Printed) -> dict[str, tuple[float, float]]:
    """Range of accuracy and of F1 on any balanced test set, given the printed precision and recall."""
    windows = [_window(value, decimals(value)) for value in (printed.precision, printed.recall)]
    corners = [Printed(min(q, 1), min(r, 1), np.nan, np.nan).implied() for q, r in product(*windows)]
    return {key: (min(c[key] for c in corners), max(c[key] for c in corners)) for key in ("accuracy", "f1")}


def wilson(hits: int, cases: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share, for independent cases."""
    found = binomtest(hits, cases).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def audit() -> pd.DataFrame:
    """List what each row of Table 3 implies.

    Returns
    -------
    DataFrame
        ``model``; ``tp``, ``fn``, ``fp``, ``tn`` of the counts nearest to the printed figures, ``how`` these are
        printed and how many ``others`` fit; ``correct`` masks; for accuracy and f1 the ``_printed`` figure, the
        one ``_counted``, the range ``_low`` to ``_high`` of :func:`implied` and the ``_verdict``; for precision,
        recall and accuracy Wilson's ``_interval`` at the counts; ``always_good``, whether precision and recall are
        printed as those of a model that calls every mask good.
    """
    lines = []
    for model, printed in PRINTED_ROWS.items():
        best, *others = counts(printed)
        line = {"model": model, "tp": best.tp, "fn": PER_CLASS - best.tp, "fp": best.fp, "tn": PER_CLASS - best.fp}
        line |= {"how": best.how, "others": len(others), "correct": best.correct}
        line["always_good"] = (printed.precision, printed.recall) == (0.5, 1.0)
        for key, (low, high) in implied(printed).items():
            value = getattr(printed, key)
            least, most = _window(value, decimals(value))
            verdict = "agrees" if least <= high and most >= low else "contradicts"
            line |= {f"{key}_printed": value, f"{key}_counted": getattr(best.figures, key)}
            line |= {f"{key}_low": low, f"{key}_high": high, f"{key}_verdict": verdict}
        line["precision_interval"] = wilson(best.tp, best.called["good"])
        line["recall_interval"] = wilson(best.tp, PER_CLASS)
        line["accuracy_interval"] = wilson(best.correct, 2 * PER_CLASS)
        lines.append(line)
    return pd.DataFrame(lines)


def differing_pairs(correct: Sequence[int]) -> dict[str, int]:
    """Count the pairs of models whose accuracies differ, from the ``correct`` masks of each, of all that were tested.

    The comparison of two proportions (χ² without correction) treats the models as tested on different masks. They were
    tested on the same ones. McNemar's test would use that, but it needs every mask's verdict, which is not printed.
    """
    total = 2 * PER_CLASS
    pairs = list(combinations(map(int, correct), 2))
    tables = [[[a, total - a], [b, total - b]] for a, b in pairs]
    p = np.array([chi2_contingency(table, correction=False).pvalue for table in tables])
    spans = [sorted((wilson(a, total), wilson(b, total))) for a, b in pairs]
    return {
        "pairs": len(pairs),
        "intervals do not meet": sum(lower[1] < upper[0] for lower, upper in spans),
        "p < 0.05": int((p < 0.05).sum()),
        "p < 0.05 / pairs": int((p < 0.05 / len(pairs)).sum()),
    }


def denominators(percentages: Sequence[float], how: str) -> pd.DataFrame:
    """Find which sizes of a group reproduce which percentages, printed with one decimal.

    Returns
    -------
    DataFrame of bool
        Index ``size``, from 1 to the number of tested masks; one column per percentage, in their order.
    """
    size, hits = np.mgrid[1 : 2 * PER_CLASS + 1, : 2 * PER_CLASS + 1]
    exact = np.where(hits <= size, 100 * hits / size, np.nan)
    found = {i: fits(value, exact, 1, how).any(axis=1) for i, value in enumerate(percentages)}
    return pd.DataFrame(found, index=pd.Index(size[:, 0], name="size"))


def criteria_sizes() -> pd.DataFrame:
    """Find the sizes of Table 2's groups that reproduce most of its criteria, and how many a size would by chance."""
    lines = []
    for (group, percentages), how in product(GROUPS.items(), ROUNDINGS):
        explained = denominators(percentages, how).sum(axis=1)
        sizes = [int(size) for size in explained.index[explained == explained.max()]]
        chance = len(percentages) * (max(sizes) + 1) / 1001  # share of the prints 0.0 … 100.0 that the size can give
        line = {"called": group, "printed": how, "explained": int(explained.max()), "rows": len(percentages)}
        lines.append(line | {"sizes": sizes, "by_chance": chance})
    return pd.DataFrame(lines)


def least_good_share() -> float:
    """Smallest possible share of good masks among those called poor, given the criteria that these meet by Table 2.

    A poor mask meets at most three of seven criteria. Table 2 has eight rows: if they are the seven and one more, or
    one of the seven is printed as two, a poor mask meets at most four rows, and a good one at most all. A group that
    meets more than four on average therefore holds good masks.
    """
    most_poor, rows = 4, len(PRINTED_CRITERIA)
    mean = sum(value - 0.1 for value in GROUPS["poor"]) / 100  # less a last decimal: the least that is printed so
    return max(0.0, (mean - most_poor) / (rows - most_poor))


def groups() -> pd.DataFrame:
    """Compare the sizes of groups that Table 3 implies with Table 2, which is about a single CNN and the autoencoder.

    Returns
    -------
    DataFrame
        ``model``; ``called_poor`` and ``called_good`` masks by Table 3; ``explained_poor`` and ``explained_good``, how
        many of the criteria these sizes reproduce, by whatever convention is best; ``missed`` good masks among those
        called poor, by Table 3, and ``missed_least`` by Table 2 if it is about this model (:func:`least_good_share`);
        ``mm`` and ``days``, mean errors of all masks if Table 2's errors are of groups of these sizes (NaN for models
        with two branches).
    """
    by_size = {
        group: pd.concat([denominators(values, how).sum(axis=1) for how in ROUNDINGS], axis=1).max(axis=1)
        for group, values in GROUPS.items()
    }
    lines = []
    for model, printed in PRINTED_ROWS.items():
        best = counts(printed)[0]
        line = {"model": model} | {f"called_{group}": size for group, size in best.called.items()}
        line |= {f"explained_{group}": int(by_size[group].get(size, 0)) for group, size in best.called.items()}
        line |= {"missed": PER_CLASS - best.tp, "missed_least": int(np.ceil(least_good_share() * best.called["poor"]))}
        named = {"Single": "single CNN", "Autoencoder": "autoencoder"}.get(model.split()[0])
        errors = [PRINTED_ERRORS.get((named, group), (np.nan, np.nan)) for group in best.called]
        line |= dict(zip(("mm", "days"), np.average(errors, axis=0, weights=list(best.called.values())), strict=True))
        lines.append(line)
    return pd.DataFrame(lines)


def slope(mm: float) -> float:
    """Days that one millimetre adds to the gestational age at a crown-rump length of `mm` (INTERGROWTH-21st)."""
    step = 1e-4
    return float(np.diff(DATING.days(np.array([mm - step, mm + step])))[0] / (2 * step))


def length_of_slope(days_per_mm: float) -> float:
    """Crown-rump length in mm at which :func:`slope` is `days_per_mm`, NaN where none in the range has it."""
    low, high = DATING.range_mm
    if not slope(high) <= days_per_mm <= slope(low):
        return float("nan")
    return float(brentq(lambda mm: slope(mm) - days_per_mm, low, high))


def lengths() -> pd.DataFrame:
    """Crown-rump lengths in mm that Table 2's errors in days and in mm imply by the INTERGROWTH-21st equation.

    Returns
    -------
    DataFrame
        ``model``, ``called``, ``mm``, ``days``, their ratio ``slope``, and the ``length`` at which the equation has it,
        with the ``shortest`` and ``longest`` that the printed figures allow; NaN outside the equation's range.
    """
    lines = []
    for (model, group), (mm, days) in PRINTED_ERRORS.items():
        (mm_low, mm_high), (days_low, days_high) = _window(mm, 2), _window(days, 2)
        slopes = {"length": days / mm, "shortest": days_high / mm_low, "longest": days_low / mm_high}
        line = {"model": model, "called": group, "mm": mm, "days": days, "slope": days / mm}
        lines.append(line | {key: length_of_slope(value) for key, value in slopes.items()})
    return pd.DataFrame(lines)
