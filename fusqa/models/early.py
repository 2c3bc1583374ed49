"""Keep a network as it was early in its training: its mistakes are graded, and cost nothing but the copies."""

from collections.abc import Iterable
from copy import deepcopy

from torch import nn

from fusqa.models.learner import Callback


class KeepEarly(Callback):
    """Copy the network after given numbers of samples.

    Parameters
    ----------
    samples : iterable of int
        How many samples of the training a copy has seen; the first batch that reaches a number makes its copy.

    Attributes
    ----------
    kept : dict of int to nn.Module
        The copies, by their number of samples.
    """

    order = 20  # after the step

    def __init__(self, samples: Iterable[int]):
        self.samples, self.seen = sorted(set(samples)), 0
        self.kept: dict[int, nn.Module] = {}

    def after_batch(self):
        """Copy the network where a number is reached."""
        if not self.training:
            return
        self.seen += len(self.y)
        for due in self.samples:
            if due <= self.seen and due not in self.kept:
                self.kept[due] = deepcopy(self.model)
