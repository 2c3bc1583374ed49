"""What happens around a training batch, as fastai's callbacks: augmentation, fresh statistics, early copies.

A tensor's dimensions say what it holds, as in :mod:`fusqa.models.learner`: images are ``(B, 1, H, W)``, masks
``(B, H, W)``.
"""

from collections import deque
from collections.abc import Iterable
from copy import deepcopy

import torch
import torch.nn.functional as F
from fastai.callback.core import Callback
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from fusqa.models.degradation import degrade

SCALE, FLIP, DEGREES = (0.9, 1.1), 0.5, 10.0  # range of magnification, chance of a flip, largest turn to either side
VARIED = 0.5  # share of a batch whose grey levels change: the rest stays as the own machine records it
BATCHES = 8  # the last ones of a round, over which statistics are averaged


class VaryGreyLevels(Callback):
    """Change gain, dynamic range, gamma, sharpness and speckle of half of the images, as :func:`degrade` does.

    Another hospital's images differ in these; the masks stay valid.
    """

    order = 0  # before the images become floats

    def __init__(self, seed: int):
        self.chance = torch.Generator().manual_seed(seed)

    def before_batch(self):
        """Draw which images change, and how."""
        if not self.training:
            return
        images, *others = self.xb
        chosen = torch.rand(len(images), generator=self.chance) < VARIED
        varied = images.clone()
        if chosen.any():
            varied[chosen] = degrade(images[chosen].cpu(), self.chance).to(images.device)
        self.learn.xb = (varied, *others)


class Move(Callback):
    """Scale, flip and turn the images and masks of a training batch together: the paper's three augmentations.

    Images are interpolated bilinearly. A mask takes the nearest pixel, so it never gains a label that it did not have.
    """

    order = 2

    def before_batch(self):
        """Draw one transform per sample and apply it to its inputs and its target."""
        if not self.training:
            return
        like = self.xb[0]
        grid = F.affine_grid(self._draw(len(like), like.device), [len(like), 1, *like.shape[-2:]], align_corners=False)
        self.learn.xb = tuple(_resampled(x, grid) for x in self.xb)
        self.learn.yb = tuple(_resampled(y, grid) for y in self.yb)

    def _draw(self, samples: int, device: torch.device) -> Tensor:
        """Random maps from output to input coordinates, ``(B, 2, 3)``."""
        zoom = 1 / torch.empty(samples).uniform_(*SCALE)
        angle = torch.deg2rad(torch.empty(samples).uniform_(-DEGREES, DEGREES))
        mirror = 1 - 2 * (torch.rand(samples) < FLIP).float()
        cos, sin, zero = zoom * angle.cos(), zoom * angle.sin(), torch.zeros(samples)
        rows = [torch.stack([mirror * cos, -sin, zero], 1), torch.stack([mirror * sin, cos, zero], 1)]
        return torch.stack(rows, 1).to(device)


def _resampled(tensor: Tensor, grid: Tensor) -> Tensor:
    """Resample images or masks on `grid` ``(B, H, W, 2)``; leave what is not spatial."""
    if tensor.ndim == 4:
        return F.grid_sample(tensor, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    if tensor.ndim == 3:
        moved = F.grid_sample(tensor.unsqueeze(1).float(), grid, mode="nearest", align_corners=False)
        return moved.squeeze(1).to(tensor.dtype)
    return tensor


class _OfOneInput(nn.Module):
    """A network whose inputs come as one tuple: PyTorch's function passes on no more than one."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        return self.network(*inputs)


class FreshStatistics(Callback):
    """Average batch normalisation's statistics anew at the end of every round, with the weights that are validated.

    The running mean follows a network that learns fast only some steps later. Its validation is then that of no network
    there ever was: the AUROC of a ResNet-18 fell from .82 to .79 and rose to .94 within a few rounds. That of
    EfficientNet follows over thousands of steps, more than a training has.

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

    def after_train(self):
        """Show the batches once more, and average them all alike."""
        with torch.autocast(next(self.model.parameters()).device.type, torch.bfloat16, self.cast):
            update_bn([[seen] for seen in self.recent], _OfOneInput(self.model))


class KeepEarly(Callback):
    """Copy the network after given numbers of samples: its early mistakes are graded, and cost nothing but the copies.

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
