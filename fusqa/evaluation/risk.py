"""A score in use: the risk among accepted masks, the cost of wrong verdicts, other prevalences.

A score orders masks from the most to the least trusted. *Coverage* is the share that is accepted, *risk* the mean
error among those. Masks with the same score have no order, so every figure here is the mean over all orders of tied
masks, and does not depend on the order of the cases. (A common implementation does, by a few per cent.)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fusqa.metrics import bootstrap_weights, interval


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """Risk among accepted cases as more and more of them are accepted.

    Attributes
    ----------
    coverage : (K,) float
        Share of the cases that is accepted at each possible threshold, rising to 1.
    risk : (K,) float
        Mean risk of the accepted cases.
    aurc : float
        Area under risk against coverage: the mean risk over all numbers of accepted cases (Geifman & El-Yaniv 2017).
    augrc : float
        The same for risk × coverage, the share of *all* cases that are accepted and wrong (Traub et al. 2024).
    """

    coverage: np.ndarray
    risk: np.ndarray
    aurc: float
    augrc: float

    def coverage_for(self, limit: float) -> float:
        """Largest coverage with a mean risk of at most `limit`; 0 if there is none."""
        return float(self.coverage[self.risk <= limit].max(initial=0.0))

    def risk_at(self, coverage: float) -> float:
        """Mean risk of the accepted where this share of the cases is accepted, from the nearest possible thresholds."""
        return float(np.interp(coverage, self.coverage, self.risk))


def risk_coverage(
    risk: Sequence[float], score: Sequence[float], weights: Sequence[float] | None = None
) -> RiskCoverage:
    """Compute risk against coverage.

    Parameters
    ----------
    risk : (N,) float
        What is lost by accepting each case: an error in days, or 1 for a failure.
    score : (N,) float
        Trust in each case; the highest is accepted first.
    weights : (N,) of whole numbers, optional
        How often each case counts (:func:`fusqa.metrics.bootstrap_weights`).

    Raises
    ------
    ValueError
        When lengths differ, nothing counts, or a number is not finite.
    """
    risk, score = np.asarray(risk, float), np.asarray(score, float)
    counts = np.ones(len(risk), int) if weights is None else np.asarray(weights).astype(int)
    if not len(risk) == len(score) == len(counts) or not counts.sum():
        raise ValueError(
            f"risk, score and weights must have one length above zero, not {len(risk)}, {len(score)} and {len(counts)}"
        )
    if not (np.isfinite(risk).all() and np.isfinite(score).all()):
        raise ValueError("risk and score must be numbers; leave out what cannot be measured, and say how many")
    levels, member = np.unique(-score, return_inverse=True)  # from the most trusted on
    size = np.bincount(member, counts)
    lost = np.bincount(member, counts * risk)
    levels, lost, size = levels[size > 0], lost[size > 0], size[size > 0]
    accepted, total = size.cumsum(), lost.cumsum()
    before, lost_before, each = accepted - size, total - lost, lost / size
    # Of n tied cases, j = 1 … n are accepted in any order: the expected loss is lost_before + j · each.
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, counts.sum() + 1))])
    between = harmonic[accepted.astype(int)] - harmonic[before.astype(int)]
    selective = size * each + (lost_before - each * before) * between
    generalised = size * lost_before + each * size * (size + 1) / 2
    cases = accepted[-1]
    aurc, augrc = float(selective.sum() / cases), float(generalised.sum() / cases**2)
    return RiskCoverage(accepted / cases, total / accepted, aurc, augrc)


def printed_aurc(risk: Sequence[float], score: Sequence[float], patients: Sequence, seed: int) -> str:
    """Format the area under risk against coverage; its 95 % interval, by 200 draws of patients, on a second line."""
    draws = bootstrap_weights(patients, draws=200, seed=seed)
    drawn = np.array([risk_coverage(risk, score, weights).aurc for weights in draws])
    return f"{risk_coverage(risk, score).aurc:.2f}\n" + "{:.2f}–{:.2f}".format(*interval(drawn))


def predictive_values(sensitivity: float, specificity: float, prevalence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of masks called good that are good, and of masks called poor that are poor, at other prevalences.

    Parameters
    ----------
    sensitivity, specificity : float
        Share of good masks called good, of poor masks called poor: properties of the model, at any prevalence.
    prevalence : float or array
        Share of good masks where the model is used.

    Returns
    -------
    float or array, float or array
        Positive and negative predictive value (Bayes); NaN where no mask is called good, or none poor.
    """
    prevalence = np.asarray(prevalence, float)
    right_good, wrong_good = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    right_poor, wrong_poor = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    with np.errstate(invalid="ignore", divide="ignore"):
        return right_good / (right_good + wrong_good), right_poor / (right_poor + wrong_poor)


def expected_cost(sensitivity: float, specificity: float, prevalence: np.ndarray, ratio: float) -> np.ndarray:
    """Cost of wrong verdicts per mask, divided by that of the better of "accept all" and "reject all".

    Parameters
    ----------
    sensitivity, specificity, prevalence
        As in :func:`predictive_values`.
    ratio : float
        Cost of a poor mask that is accepted, in units of a good mask that is rejected.

    Returns
    -------
    float or array
        Below 1 the model is useful; from 1 on, a rule without a model is as good or better.
    """
    prevalence = np.asarray(prevalence, float)
    cost = (1 - sensitivity) * prevalence + ratio * (1 - specificity) * (1 - prevalence)
    return cost / np.minimum(prevalence, ratio * (1 - prevalence))
