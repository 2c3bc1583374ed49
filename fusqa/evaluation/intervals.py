"""How far a length may be off: conformal prediction intervals around the length of each predicted mask.

An interval is length ± radius. The radius comes from the errors of calibration cases whose true length is known, and
holds for new cases that are *exchangeable* with them (Vovk et al. 2005). Where the new cases come from elsewhere, the
calibration cases can be weighted by how much they resemble the new ones (Tibshirani et al. 2019).

Tables have one row per mask, with the columns of a segmentation table: ``patient``, ``mm``, ``subpixel_mm``, and their
errors ``delta_mm``, ``subpixel_delta_mm``.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fusqa.masks.dating import EQUATIONS
from fusqa.masks.labels import Scheme
from fusqa.metrics import mean_interval

RULERS = {"mask": ("mm", "delta_mm"), "between pixels": ("subpixel_mm", "subpixel_delta_mm")}
"""Two ways to measure a mask: the columns of its length and of the length's error."""

SIGNALS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "none": lambda table: 0 * table["mm"],
    "two rulers": lambda table: (table["mm"] - table["subpixel_mm"]).abs(),
    "uncertainty": lambda table: 1 - table["certainty"],
}
"""What may say, without the truth, that a mask is hard to measure; larger is harder."""


def radius(
    scores: Sequence[float], alpha: float, weights: Sequence[float] | None = None, own: Sequence[float] | float = 1.0
) -> np.ndarray:
    """Smallest number that a new score does not exceed with a probability of at least 1 − `alpha`.

    Parameters
    ----------
    scores : (N,) float
        Of the calibration cases, such as the size of the error.
    alpha : float
        Between 0 and 1.
    weights : (N,) float, optional
        How much each calibration case counts; 1 where they are not given.
    own : (M,) float
        How much each new case counts.

    Returns
    -------
    (M,) float
        Infinite where nothing can be promised: the calibration cases that resemble the new one are too few.

    Examples
    --------
    >>> radius([1.0, 2.0, 3.0, 4.0], 0.25).item(), radius([1.0, 2.0, 3.0, 4.0], 0.1).item()
    (4.0, inf)
    """
    order = np.argsort(scores)
    ranked = np.append(np.asarray(scores, float)[order], np.inf)
    counted = np.cumsum(np.ones(len(order)) if weights is None else np.asarray(weights, float)[order])
    own = np.asarray(own, float)
    total = counted[-1] if len(counted) else 0.0
    return ranked[np.searchsorted(counted, (1 - alpha) * (total + own) * (1 - 1e-12))]


def density_ratio(known: pd.DataFrame, new: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """How much more frequent each case is among the new cases than among the known ones.

    A logistic regression tells the two apart by length, by both signals of :data:`SIGNALS`, and by nothing that needs
    the truth; its odds, divided by the odds of the sizes, are the ratio.

    Returns
    -------
    (N,) float, (M,) float
        Of the known and of the new cases.
    """
    seen, unseen = _features(known), _features(new)
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(np.concatenate([seen, unseen]), np.repeat([0, 1], [len(seen), len(unseen)]))
    size = len(seen) / len(unseen)
    return tuple(size * np.exp(model.decision_function(part)) for part in (seen, unseen))


def effective_number(weights: Sequence[float]) -> float:
    """How many cases of one weight would say as much as these: the squared sum over the sum of squares (Kish 1965)."""
    weights = np.asarray(weights, float)
    return float(weights.sum() ** 2 / (weights**2).sum())


def _features(table: pd.DataFrame) -> np.ndarray:
    return np.stack([table["subpixel_mm"], *(np.log(1e-3 + of(table)) for of in list(SIGNALS.values())[1:])], 1)


def prediction_intervals(
    known: pd.DataFrame,
    new: pd.DataFrame,
    scheme: Scheme,
    alpha: float = 0.1,
    *,
    ruler: str = "between pixels",
    signal: str = "none",
    weighted: bool = False,
) -> pd.DataFrame:
    """Give every new case an interval from the errors of known cases.

    Parameters
    ----------
    known, new : DataFrame
        Cases that can be measured. The errors of the new ones are used only to check the intervals.
    scheme : Scheme
        What was measured; its own equation gives the days.
    alpha : float
        Share of the intervals that may miss the truth.
    ruler, signal : str
        Keys of :data:`RULERS` and :data:`SIGNALS`. A radius is proportional to the signal plus its median among the
        known cases, so that no case gets an interval of no width.
    weighted : bool
        Whether known cases count by :func:`density_ratio`. Where the two kinds of cases hardly overlap, a few known
        ones get all the weight: with an :func:`effective_number` below 1 / `alpha` − 1, nothing is promised of any
        case.

    Returns
    -------
    DataFrame
        One row per new case, with its index: ``patient``, ``covered`` (the true length lies within), ``radius_mm``,
        ``radius_days`` (half of the days between both ends).
    """
    length, error = RULERS[ruler]
    hard = [SIGNALS[signal](table).to_numpy(float) for table in (known, new)]
    middle = float(np.median(hard[0])) or 1.0
    scores = known[error].abs() / (hard[0] + middle)
    weights, own = density_ratio(known, new) if weighted else (None, np.ones(len(new)))
    if weighted and effective_number(weights) < 1 / alpha - 1:
        own = np.full(len(new), np.inf)
    radius_mm = radius(scores, alpha, weights, own) * (hard[1] + middle)
    days = half_days(new[length].to_numpy(float), radius_mm, scheme)
    return new[["patient"]].assign(covered=new[error].abs() <= radius_mm, radius_mm=radius_mm, radius_days=days)


def half_days(mm: float | np.ndarray, radius_mm: float | np.ndarray, scheme: Scheme) -> float | np.ndarray:
    """Half of the days between both ends of intervals ``mm ± radius_mm``, by the scheme's own equation.

    The equation's range is not checked: an end may lie outside where the length itself does not.
    """
    days = EQUATIONS[scheme.equation].days
    shortest = np.clip(mm - radius_mm, 1.0, None)  # mm; no equation knows a length of zero
    return (days(mm + radius_mm) - days(shortest)) / 2


def coverage_line(found: Iterable[pd.DataFrame], seed: int) -> dict[str, str]:
    """Sum up intervals of one split, or of several splits of the same cases, as printed text.

    Returns
    -------
    dict
        Share of true lengths within, with its 95 % interval by patient; median radius in mm and days; share of the
        cases of which nothing can be promised, because their interval is infinite.
    """
    together = pd.concat(found)
    each = together.groupby(level=0).agg({"covered": "mean", "patient": "first"})
    share, low, high = (100 * x for x in mean_interval(each["covered"], each["patient"], seed))
    return {
        "true length within, %": f"{share:.0f}\n{low:.0f}–{high:.0f}",
        "± mm\nmedian": _finite(together["radius_mm"].median()),
        "± days\nmedian": _finite(together["radius_days"].median()),
        "no promise, %": f"{100 * np.isinf(together['radius_mm']).mean():.0f}",
    }


def _finite(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "∞"
