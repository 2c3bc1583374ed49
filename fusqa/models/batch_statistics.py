"""Statistics of batch normalisation, taken anew at the end of every round.

The running mean follows a network that learns fast only some steps later. Its validation is then that of no network
there ever was: the AUROC of a ResNet-18 fell from .82 to .79 and rose to .94 within a few rounds.
"""

from collections import deque

import torch
from fastai.callback.core import Callback
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["FreshStatistics", "batch_norms"]

BATCHES = 8  # the last ones of a round


def batch_norms(model: nn.Module) -> list[nn.Module]:
    """Return the batch normalisations of a network."""
    return [part for part in model.modules() if isinstance(part, _BatchNorm)]


class FreshStatistics(Callback):
    """Average the statistics of the round's last batches, with the weights that the validation is about to see.

    Parameters
    ----------
    cast : bool
        Whether the network computes in bfloat16.
    """

    def __init__(self, cast: bool):
        self.cast = cast

    def before_train(self):
        """Begin a round."""
        self.recent = deque(maxlen=BATCHES)

    def after_batch(self):
        """Keep what the network has just seen: moved, and in floats."""
        if self.training:
            self.recent.append(self.xb)

    @torch.no_grad()
    def after_train(self):
        """Show the batches once more; a momentum of None averages them all alike."""
        norms = batch_norms(self.model)
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        with torch.autocast(next(self.model.parameters()).device.type, torch.bfloat16, self.cast):
            for seen in self.recent if norms else ():
                self.model(*seen)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
