"""A score that predicts a Dice, held against the true one, beside what others have published.

A rank says whether the better of two masks is found. A predicted Dice claims more: how large the overlap is. Where
masks of every quality occur, a high correlation is easy, because a failure looks like one; so the correlation is also
given among masks that are acceptable already.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fusqa.evaluation.scoring import figure
from fusqa.metrics import bootstrap_weights, interval, weighted_auroc

GOOD_DICE, ACCEPTABLE = 0.9, 0.8  # as in the published figures that stand beside
NOTHING = 1e-12  # a product of standard deviations that is rounding, not spread

_PEARSON, _ERROR = "Pearson's r", "mean absolute\nerror"
_AREA, _UPPER = f"AUROC,\nDice ≥ {GOOD_DICE}", f"Pearson's r\namong Dice > {ACCEPTABLE}"


class PublishedDice(NamedTuple):
    """What others report of predicted against true Dice: the lowest and the highest figure of their variants.

    ``title`` is the method in print, ``data`` the public set of images as
    :attr:`fusqa.study.catalogue.CohortKind.data` names it, and ``predictions`` how many masks it was tried on, its own,
    of another segmenter. The pairs are correlation, mean absolute error, area for a Dice of :data:`GOOD_DICE`, and
    correlation above :data:`ACCEPTABLE`.
    """

    title: str
    data: str
    predictions: int
    pearson: tuple[float, float]
    error: tuple[float, float]
    auroc: tuple[float, float]
    acceptable: tuple[float, float]

    def line(self) -> dict[str, str | int]:
        """One line of the table of :func:`dice_figures`."""
        spans = {_PEARSON: self.pearson, _ERROR: self.error, _AREA: self.auroc, _UPPER: self.acceptable}
        return {"masks": self.predictions} | {name: f"{low:.2f} to {high:.2f}" for name, (low, high) in spans.items()}


PUBLISHED_DICE = (
    # Cosarinsky et al., arXiv:2503.04522, 2025. Computed from the files of results that the authors publish beside
    # their code, for their variants' common test set of HC18.
    PublishedDice(
        "Conformal In-Context RCA, published", "hc18", 317, (0.64, 0.69), (0.15, 0.19), (0.87, 0.94), (0.36, 0.58)
    ),
)


def dice_figures(
    truth: Sequence[float], predicted: Sequence[float], patients: Sequence, seed: int = 0
) -> dict[str, str | int]:
    """Compare predicted with true Dice, each figure with its 95 % interval by patient.

    Parameters
    ----------
    truth, predicted : (N,) float
        True and predicted Dice of each mask, 0 … 1.
    patients : (N,)
        Whose mask it is.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        Number of masks; Pearson's correlation; mean absolute error; area under the ROC curve for a Dice of at least
        :data:`GOOD_DICE`; the correlation among masks whose true Dice is above :data:`ACCEPTABLE`. A dash where a
        figure is undefined: nothing varies, or there is no mask of one kind.
    """
    truth, predicted, patients = np.asarray(truth, float), np.asarray(predicted, float), np.asarray(patients)
    drawn, once = bootstrap_weights(patients, seed=seed), np.ones((1, len(truth)))
    upper = truth > ACCEPTABLE

    def printed(values) -> str:
        return figure(float(values(once)[0]), interval(values(drawn)))

    return {
        "masks": len(truth),
        _PEARSON: printed(lambda weights: _pearson(truth, predicted, weights)),
        _ERROR: printed(lambda weights: weights @ np.abs(predicted - truth) / weights.sum(1)),
        _AREA: printed(lambda weights: weighted_auroc(truth >= GOOD_DICE, predicted, weights)),
        _UPPER: printed(lambda weights: _pearson(truth, predicted, weights * upper)),
    }


def _pearson(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Pearson's correlation under every row of case weights ``(draws, cases)``; NaN where nothing varies."""
    with np.errstate(invalid="ignore", divide="ignore"):
        share = weights / weights.sum(1, keepdims=True)
        x, y = x - (share @ x)[:, None], y - (share @ y)[:, None]
        spread = np.sqrt((share * x**2).sum(1) * (share * y**2).sum(1))
        return (share * x * y).sum(1) / np.where(spread > NOTHING, spread, np.nan)
