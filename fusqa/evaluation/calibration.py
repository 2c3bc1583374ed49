"""Whether a probability means what it says, and what can be promised of a threshold."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from fusqa.evaluation.scoring import figure
from fusqa.metrics import bootstrap_weights, interval

BINS = 10  # of equal width, into which probabilities are grouped
EDGE = 1e-6  # probabilities are kept this far from 0 and 1 before their logit is taken


def reliability(y: Sequence[bool], p: Sequence[float]) -> pd.DataFrame:
    """Group cases by their probability, in :data:`BINS` bins of equal width.

    Returns
    -------
    DataFrame
        One row per bin that is not empty: ``cases``, ``said`` (mean probability), ``found`` (share that is good).
    """
    p = np.asarray(p, float)
    table = pd.DataFrame({"bin": _bin(p, BINS), "said": p, "found": np.asarray(y, float)})
    return table.groupby("bin").agg(cases=("said", "size"), said=("said", "mean"), found=("found", "mean"))


def _bin(p: np.ndarray, bins: int) -> np.ndarray:
    """Number of the bin of each probability."""
    return np.minimum((p * bins).astype(int), bins - 1)


def expected_calibration_error(
    y: Sequence[bool], p: Sequence[float], weights: np.ndarray | None = None, bins: int = BINS
) -> float | np.ndarray:
    """Mean difference between the probability and the share of good cases, over bins weighted by their cases.

    Parameters
    ----------
    y, p : (N,)
        Whether each case is good, and its probability of being so.
    weights : (draws, N) float, optional
        How often each case counts in each draw (:func:`fusqa.metrics.bootstrap_weights`).
    bins : int
        Number of bins.

    Returns
    -------
    float, or (draws,) float with `weights`
    """
    y, p = np.asarray(y, float), np.asarray(p, float)
    within = np.arange(bins) == _bin(p, bins)[:, None]  # (N, bins)
    counts = np.ones((1, len(p))) if weights is None else np.asarray(weights, float)
    apart = np.abs(counts @ (within * (p - y)[:, None])).sum(1) / counts.sum(1)
    return float(apart[0]) if weights is None else apart


def brier_score(y: Sequence[bool], p: Sequence[float], weights: np.ndarray | None = None) -> float | np.ndarray:
    """Mean squared distance between probability and truth; parameters as :func:`expected_calibration_error`."""
    squared = (np.asarray(p, float) - np.asarray(y, float)) ** 2
    return float(squared.mean()) if weights is None else weights @ squared / np.sum(weights, axis=1)


def temperature(y: Sequence[bool], p: Sequence[float]) -> float:
    """Divisor of the logits that makes a validation set most likely (Guo et al. 2017); above 1 if overconfident.

    Searched between 0.05 and 20, where a validation set that is parted without error ends at the lower edge.
    """
    y, logits = np.asarray(y, bool), _logits(p)
    signed = np.where(y, -logits, logits)
    found = minimize_scalar(
        lambda log_t: np.logaddexp(0, signed / np.exp(log_t)).mean(), bounds=np.log((0.05, 20)), method="bounded"
    )
    return float(np.exp(found.x))


def rescaled(p: Sequence[float], temperature: float) -> np.ndarray:
    """Divide the logits of probabilities by `temperature`; the order of the probabilities stays."""
    return expit(_logits(p) / temperature)


def _logits(p: Sequence[float]) -> np.ndarray:
    return logit(np.clip(np.asarray(p, float), EDGE, 1 - EDGE))


def acceptance_threshold(poor: Sequence[float], alpha: float) -> float:
    """Threshold above which at most a share `alpha` of poor masks will be accepted (split conformal prediction).

    Parameters
    ----------
    poor : (n,) float
        Scores of the poor masks of a calibration set.
    alpha : float
        Share of poor masks that may be accepted, between 0 and 1.

    Returns
    -------
    float
        Accept a mask whose score is *above* it. Infinite where n is too small to promise anything: ``n < 1/alpha − 1``.

    Notes
    -----
    A new poor mask that is exchangeable with those of the calibration set is accepted with a probability of at most
    `alpha`, whatever the model and however few the cases (Vovk et al. 2005; Angelopoulos & Bates 2023). It is a promise
    on average over calibration sets, and it does not hold where the new masks come from elsewhere. Masks of one patient
    are not exchangeable with those of others: where patients have several, less is promised.

    Raises
    ------
    ValueError
        If `alpha` is not between 0 and 1.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, not {alpha}")
    poor = np.sort(np.asarray(poor, float))
    rank = int(np.ceil((len(poor) + 1) * (1 - alpha) - 1e-9))
    return float(poor[rank - 1]) if rank <= len(poor) else float("inf")


def calibration_errors(good: pd.Series, probability: pd.Series, patients: pd.Series, seed: int) -> dict[str, str]:
    """Return expected calibration error and Brier score as text, each with its 95 % interval by patient."""
    truth, weights = good.to_numpy(bool), bootstrap_weights(patients, seed=seed)
    measures = {"ECE": expected_calibration_error, "Brier score": brier_score}
    return {
        name: figure(of(truth, probability.to_numpy()), interval(of(truth, probability.to_numpy(), weights)))
        for name, of in measures.items()
    }


def patient_halves(patients: Sequence[str], splits: int, rng: np.random.Generator) -> np.ndarray:
    """Draw half of the patients `splits` times; return which cases are in the half, ``(splits, cases)`` bool."""
    names, member = np.unique(patients, return_inverse=True)
    return np.stack([rng.permutation(len(names)) < len(names) // 2 for _ in range(splits)])[:, member]


def promise_kept(
    elsewhere: Sequence[float], good: np.ndarray, scores: np.ndarray, halves: np.ndarray, alpha: float
) -> tuple[dict[str, float | None], list[float]]:
    """Check the promise to accept at most a share `alpha` of the poor masks.

    Parameters
    ----------
    elsewhere : sequence of float
        Scores of poor masks of another hospital.
    good, scores : (N,) bool, (N,) float
        Whether each mask of this hospital is good, and its score.
    halves : (S, N) bool
        Which masks a threshold is chosen on; the others check it.
    alpha : float
        The share that is promised.

    Returns
    -------
    dict
        Shares that pass: of the poor (``abroad``) and good masks (``abroad_good``) by the threshold from elsewhere, and
        on average over the halves by their own (``home``, ``home_good``); None where there is nothing to count.
    list of float
        Share of the poor masks that pass, for each half.
    """
    abroad = acceptance_threshold(elsewhere, alpha)
    poor_passed, good_passed = [], []
    for half in halves:
        if (~good & half).any() and (~good & ~half).any() and (good & ~half).any():
            threshold = acceptance_threshold(scores[~good & half], alpha)
            poor_passed.append((scores[~good & ~half] > threshold).mean())
            good_passed.append((scores[good & ~half] > threshold).mean())
    passed = {"abroad": scores[~good] > abroad, "abroad_good": scores[good] > abroad}
    passed |= {"home": poor_passed, "home_good": good_passed}
    return {place: float(np.mean(values)) if len(values) else None for place, values in passed.items()}, poor_passed
