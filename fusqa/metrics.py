"""Figures of merit from predictions, each with a 95 % interval by patient.

"Good" is the positive class throughout. Images of one patient resemble each other, so the bootstrap draws patients, not
images: a case counts as often as its patient was drawn. The bootstrap is then a matrix of case weights
``(draws, cases)``, and every figure of merit is an expression over its rows.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest

DRAWS, LEVEL = 1000, 0.95  # of the bootstrap, of its intervals
MERITS = ("precision", "recall", "accuracy", "f1", "balanced_accuracy", "auroc")


@dataclass(frozen=True)
class Report:
    """Figures of merit of one classifier on one set of cases.

    Attributes
    ----------
    cases, patients : int
        Number of each.
    threshold : float
        Probability from which a case is called good.
    tp, fp, fn, tn : int
        Confusion matrix with "good" as positive.
    precision, recall, accuracy, f1, balanced_accuracy, auroc : float
        NaN where a denominator is empty.
    intervals : dict of str to (float, float)
        95 % percentile interval of each figure, bootstrap by patient.
    collapsed : bool
        Whether every case got the same verdict; the figures then say nothing about the classifier.
    """

    cases: int
    patients: int
    threshold: float
    tp: int
    fp: int
    fn: int
    tn: int
    precision: float
    recall: float
    accuracy: float
    f1: float
    balanced_accuracy: float
    auroc: float
    intervals: dict[str, tuple[float, float]]
    collapsed: bool

    def as_dict(self) -> dict:
        """Return plain numbers for JSON."""
        return asdict(self)


def classification_report(
    y: Sequence[bool],
    p: Sequence[float],
    groups: Sequence,
    threshold: float = 0.5,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Report:
    """Compare probabilities of "good" with the truth.

    Parameters
    ----------
    y : (N,) bool
        Whether each case is good.
    p : (N,) float
        Its probability of being good.
    groups : (N,)
        Its patient.
    threshold : float
        A case is called good from this probability on.
    draws, seed : int
        Number of draws of the bootstrap, and its seed.

    Raises
    ------
    ValueError
        When lengths differ, nothing is given, a truth is neither true nor false, or a probability is not a number.
    """
    if not np.isin(np.asarray(y), (0, 1)).all():
        raise ValueError("y must be true or false, or 1 or 0, for every case")
    y, p, groups = np.asarray(y, bool), np.asarray(p, float), np.asarray(groups)
    if not len(y) == len(p) == len(groups) or not len(y):
        raise ValueError(f"y, p and groups must have one length above zero, not {len(y)}, {len(p)} and {len(groups)}")
    if not np.isfinite(p).all():
        raise ValueError(f"p holds {int((~np.isfinite(p)).sum())} values that are not numbers")
    called = p >= threshold
    whole, draws_of = np.ones((1, len(y))), bootstrap_weights(groups, draws, seed)
    figures = _figures(y, called, p, whole)
    spread = _figures(y, called, p, draws_of)
    return Report(
        cases=len(y),
        patients=len(np.unique(groups)),
        threshold=float(threshold),
        **{name: int(count) for name, count in zip(("tp", "fp", "fn", "tn"), _cells(y, called).sum(0), strict=True)},
        **{name: float(values[0]) for name, values in figures.items()},
        intervals={name: interval(values) for name, values in spread.items()},
        collapsed=bool(called.all() or not called.any()),
    )


def fewest_patients(good: Sequence[bool], patients: Sequence) -> int:
    """Return how many patients have a good case, or a poor one, whichever are fewer."""
    good, patients = np.asarray(good, bool), np.asarray(patients)
    return min(len(np.unique(patients[good == verdict])) for verdict in (True, False))


def _cells(y: np.ndarray, called: np.ndarray) -> np.ndarray:
    """Which cases are true positives, false positives, false negatives, true negatives: ``(cases, 4)`` bool."""
    return np.stack([y & called, ~y & called, y & ~called, ~y & ~called], 1)


def _figures(y: np.ndarray, called: np.ndarray, p: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Every figure of merit under each row of case weights ``(draws, cases)``."""
    tp, fp, fn, tn = (weights @ _cells(y, called).astype(float)).T
    with np.errstate(invalid="ignore", divide="ignore"):
        recall, specificity = tp / (tp + fn), tn / (tn + fp)
        return {
            "precision": tp / (tp + fp),
            "recall": recall,
            "accuracy": (tp + tn) / (tp + fp + fn + tn),
            "f1": 2 * tp / (2 * tp + fp + fn),
            "balanced_accuracy": (recall + specificity) / 2,
            "auroc": weighted_auroc(y, p, weights),
        }


class Scored(NamedTuple):
    """Scores of one training: truth, probability of "good" and patient of every case, each ``(N,)``, and the threshold.

    A case is called good from the threshold on.
    """

    good: np.ndarray
    probability: np.ndarray
    patients: np.ndarray
    threshold: float

    @property
    def called(self) -> np.ndarray:
        """Which cases are called good, ``(N,)`` bool."""
        return self.probability >= self.threshold


@dataclass(frozen=True)
class SeedsReport:
    """Figures of merit of one model over several trainings, each with another seed.

    A training has cases of its own: where the segmenter is trained with the same seed, its masks and the review of them
    differ from seed to seed.

    Attributes
    ----------
    seeds : int
        Number of trainings.
    confusion : (tp, fn, fp, tn)
        Mean counts.
    collapsed : int
        Trainings that give every case the same verdict.
    mean, sd : dict of str to float
        Mean and standard deviation of every figure over the trainings; the standard deviation of one training is NaN.
    intervals : dict of str to (float, float)
        95 % percentile interval of the mean: bootstrap by patient, the same for all trainings, and wider by what a few
        trainings leave open where there are several.
    """

    seeds: int
    confusion: tuple[float, float, float, float]
    collapsed: int
    mean: dict[str, float]
    sd: dict[str, float]
    intervals: dict[str, tuple[float, float]]


def report_over_seeds(trainings: Sequence[Scored]) -> SeedsReport:
    """Compare the probabilities of several trainings of one model with the truth, each on its own cases."""
    values = _each(trainings, [np.ones((1, len(one.good))) for one in trainings])
    drawn = _each(trainings, _joint_weights(trainings))
    counts = np.mean([_cells(one.good, one.called).sum(0) for one in trainings], axis=0)
    return SeedsReport(
        seeds=len(trainings),
        confusion=tuple(float(counts[cell]) for cell in (0, 2, 1, 3)),
        collapsed=sum(bool(one.called.all() or not one.called.any()) for one in trainings),
        mean={name: float(v.mean()) for name, v in values.items()},
        sd={name: float(v.std(ddof=1)) if v.size > 1 else float("nan") for name, v in values.items()},
        intervals={name: interval(_over_trainings(v, values[name][0]).clip(0, 1)) for name, v in drawn.items()},
    )


class Difference(NamedTuple):
    """Difference between two models, the ends of its 95 % interval, and its p.

    The latter is two-sided: twice the share of bootstrap draws on the other side of zero.
    """

    value: float
    low: float
    high: float
    p: float


def difference(ours: Sequence[Scored], theirs: Sequence[Scored], draws: int = DRAWS) -> dict[str, Difference]:
    """Difference between two models: of every figure, with its 95 % interval.

    The bootstrap draws the same patients for both models, and trainings of the same seed are subtracted, so that
    difficulties which they share cancel: a patient's, and those of the masks that one seed's segmenter drew.

    Parameters
    ----------
    ours, theirs : sequence of Scored
        The trainings of each model, in one order of seeds; both of a seed are scored on the same cases.
    draws : int
        Number of draws of the bootstrap.

    Returns
    -------
    dict
        From a figure to its :class:`Difference`; an interval that holds 0 ranks neither model above the other.
    """
    for one, other in zip(ours, theirs, strict=True):
        if not (np.array_equal(one.good, other.good) and np.array_equal(one.patients, other.patients)):
            raise ValueError("both models must be scored on the same cases, in the same order")
    once, weights = [np.ones((1, len(one.good))) for one in ours], _joint_weights(ours, draws)
    found, drawn = ([_each(trainings, of_cases) for trainings in (ours, theirs)] for of_cases in (once, weights))
    apart = {}
    for name in MERITS:
        (each,), redrawn = (values[0][name] - values[1][name] for values in (found, drawn))
        moved = _over_trainings(redrawn, each)
        apart[name] = Difference(float(each.mean()), *interval(moved), _two_sided(moved))
    return apart


def _two_sided(values: np.ndarray) -> float:
    """Twice the share of bootstrap differences on the rarer side of zero, one draw added so that it is never zero."""
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan")
    rarer = min((values <= 0).sum(), (values >= 0).sum())
    return float(min(1.0, 2 * (rarer + 1) / (len(values) + 1)))


def holm(p: Sequence[float]) -> np.ndarray:
    """Correct p values for their number (Holm 1979): the chance of any false claim stays below the level.

    Parameters
    ----------
    p : (N,) of float
        Of N comparisons; NaN where one could not be made.

    Returns
    -------
    (N,) float
        The smallest is multiplied by N, the next by N − 1 and so on; none becomes smaller than one before it.
    """
    p = np.asarray(p, float)
    order, known = np.argsort(p), int(np.isfinite(p).sum())
    corrected = np.full(len(p), np.nan)
    raised = np.minimum(p[order[:known]] * np.arange(known, 0, -1), 1.0)
    corrected[order[:known]] = np.maximum.accumulate(raised)
    return corrected


def _each(trainings: Sequence[Scored], weights: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Every figure of every training under every row of its case weights: ``(draws, S)``."""
    each = [_figures(one.good, one.called, one.probability, w) for one, w in zip(trainings, weights, strict=True)]
    return {name: np.stack([figures[name] for figures in each], 1) for name in MERITS}


def _joint_weights(trainings: Sequence[Scored], draws: int = DRAWS) -> list[np.ndarray]:
    """Case weights of every training ``(draws, cases)``: in each draw the same patients for all of them."""
    weights = bootstrap_weights(np.concatenate([one.patients for one in trainings]), draws)
    return np.split(weights, np.cumsum([len(one.patients) for one in trainings])[:-1], axis=1)


def _over_trainings(drawn: np.ndarray, each: np.ndarray) -> np.ndarray:
    """Mean of a figure over S trainings in every draw of patients, moved by what other trainings might have given.

    A mean over S trainings is off by its standard error times Student's t with S − 1 degrees of freedom. Redrawing the
    trainings themselves would do so by far too little where there are two or three.

    Parameters
    ----------
    drawn : (draws, S)
        The figure of each training in each draw.
    each : (S,)
        The same with all patients.
    """
    trainings = len(each)
    if trainings == 1:
        return drawn[:, 0]
    standard_error = each.std(ddof=1) / np.sqrt(trainings)
    student = np.random.default_rng(1).standard_t(trainings - 1, len(drawn))  # not the numbers that draw the patients
    return drawn.mean(1) + standard_error * student


def mcnemar(ours: Sequence[bool], theirs: Sequence[bool]) -> tuple[int, int, float]:
    """McNemar's exact test of whether two classifiers are right equally often on the same cases.

    Parameters
    ----------
    ours, theirs : (N,) bool
        Which cases each classifier gets right. Cases of one patient count as independent, which makes p a little too
        small where patients have several.

    Returns
    -------
    int, int, float
        Number of cases that only the first gets right, number that only the second gets right, two-sided p.
    """
    ours, theirs = np.asarray(ours, bool), np.asarray(theirs, bool)
    only, other = int((ours & ~theirs).sum()), int((~ours & theirs).sum())
    return only, other, float(binomtest(only, only + other).pvalue) if only + other else 1.0


def weighted_auroc(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under the ROC curve for every row of case weights ``(draws, cases)``; ties count one half.

    The area is the probability that a good case scores above a poor one. With cases grouped by score, each good weight
    is multiplied by the poor weight below it and half of the poor weight at the same score.

    Raises
    ------
    ValueError
        When a score is not a number.
    """
    if np.isnan(p).any():
        raise ValueError(f"p holds {int(np.isnan(p).sum())} values that are not numbers")
    order = np.argsort(p, kind="stable")
    _, first = np.unique(p[order], return_index=True)  # where the cases of each score begin
    good, poor = (np.add.reduceat((weights * truth)[:, order], first, axis=1) for truth in (y, ~y))
    below = np.cumsum(poor, 1) - poor / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return (good * below).sum(1) / (good.sum(1) * poor.sum(1))


def bootstrap_weights(groups: Sequence, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """How often each case counts in each draw of patients with replacement: ``(draws, cases)``; needs a patient."""
    if not len(groups):
        raise ValueError("there are no cases to draw patients from")
    patients, member = np.unique(np.asarray(groups), return_inverse=True)
    counts = np.random.default_rng(seed).multinomial(
        len(patients), np.full(len(patients), 1 / len(patients)), size=draws
    )
    return counts[:, member].astype(float)


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % percentile interval of bootstrap `values`; draws in which a figure is undefined are left out."""
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def mean_interval(values: Sequence[float], groups: Sequence, seed: int = 0) -> tuple[float, float, float]:
    """Mean of `values` and its 95 % interval, bootstrap by patient; values that are not numbers are left out."""
    values, groups = np.asarray(values, float), np.asarray(groups)
    known = np.isfinite(values)
    if not known.any():
        return (float("nan"),) * 3
    weights = bootstrap_weights(groups[known], seed=seed)
    return float(values[known].mean()), *interval(weights @ values[known] / weights.sum(1))


def best_threshold(y: Sequence[bool], p: Sequence[float]) -> float:
    """Threshold with the highest balanced accuracy on a validation set, midway between neighbouring scores.

    Where only one class occurs there is nothing to choose, and the threshold is 0.5.
    """
    y, p = np.asarray(y, bool), np.asarray(p, float)
    if y.all() or not y.any():
        return 0.5
    scores, place = np.unique(p, return_inverse=True)
    cuts = np.concatenate([scores[:1], (scores[1:] + scores[:-1]) / 2])
    good, poor = (np.bincount(place[truth], minlength=len(scores)) for truth in (y, ~y))
    accepted, rejected = good[::-1].cumsum()[::-1], poor.cumsum() - poor  # by each cut
    return float(cuts[np.argmax(accepted / good.sum() + rejected / poor.sum())])
