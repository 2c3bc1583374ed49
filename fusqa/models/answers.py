"""What the single number means in which a quality network ends: a verdict, an overlap, or an error in millimetres.

Each kind of answer has its loss, and a score from 0 to 1 by which masks are trusted. For a verdict that is its
probability; so whatever orders masks, chooses a threshold or draws a curve works for all kinds alike.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

ERROR_MM = 5.0  # chosen: the unit in which a network states an error; a predicted error of this size has score ½


@dataclass(frozen=True)
class Answer:
    """One kind of answer.

    Attributes
    ----------
    loss : function of nothing to nn.Module
        Makes what is minimised, ``(output (B,), target (B,)) -> scalar``.
    perfect : function of Tensor to Tensor
        The outputs that answer targets ``(N,)`` as well as they can be answered.
    trust : function of Tensor to Tensor
        Scores in 0 … 1 of outputs ``(N,)``; larger for a mask that is trusted more.
    classifies : bool
        Whether the target is a verdict, good or poor.
    values : mapping of str to function of Tensor to Tensor
        What the outputs say in a unit of their own, by the name of its column in a table of scores.
    """

    loss: Callable[[], nn.Module]
    perfect: Callable[[Tensor], Tensor]
    trust: Callable[[Tensor], Tensor]
    classifies: bool = False
    values: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)


class ErrorLoss(nn.Module):
    """Huber's loss of an error in millimetres, which the network states in units of :data:`ERROR_MM`.

    Squared up to one unit and linear beyond (Huber, Ann Math Stat 1964): a mask without its head is off by 30 mm, and
    few such masks must not decide alone what is learnt.
    """

    def forward(self, output: Tensor, target_mm: Tensor) -> Tensor:
        """Return the mean loss of outputs ``(B,)`` against errors in mm ``(B,)``."""
        return nn.functional.huber_loss(output, target_mm / ERROR_MM)


def _logit(share: Tensor) -> Tensor:
    return share.clamp(1e-12, 1 - 1e-12).logit()


ANSWERS = {
    "verdict": Answer(nn.BCEWithLogitsLoss, _logit, torch.sigmoid, classifies=True),
    "overlap": Answer(nn.BCEWithLogitsLoss, _logit, torch.sigmoid),
    "error": Answer(
        ErrorLoss,
        perfect=lambda mm: mm / ERROR_MM,
        trust=lambda output: 0.5 ** output.abs(),
        values={"predicted_mm": lambda output: output * ERROR_MM},
    ),
}
"""Kinds of answer, by the name that the card of a model keeps."""


def constant_loss(target: Iterable[float], answer: Answer) -> tuple[float, float]:
    """Loss of the best constant answer to targets, and of the best possible one.

    The first is ln 2 for as many good as poor masks. The second is zero for verdicts and errors; a share of overlap has
    an entropy of its own that no answer can undercut.
    """
    known, loss = torch.tensor(list(target), dtype=torch.float64), answer.loss()
    perfect = answer.perfect(known)
    same = lambda output: float(loss(torch.full_like(known, output), known))  # noqa: E731
    best = minimize_scalar(same, bounds=(float(perfect.min()), float(perfect.max())), method="bounded")
    return float(best.fun), float(loss(perfect, known))
