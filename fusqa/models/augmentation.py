"""What is done to a training batch before the network sees it: moved about, and given the grey levels of others.

A tensor's dimensions say what it holds, as in :mod:`fusqa.models.learner`: images are ``(B, 1, H, W)``, masks
``(B, H, W)``.
"""

import torch
import torch.nn.functional as F
from fastai.callback.core import Callback
from torch import Tensor

from fusqa.models.degradation import degrade

SCALE, FLIP, DEGREES = (0.9, 1.1), 0.5, 10.0  # range of magnification, chance of a flip, largest turn to either side
VARIED = 0.5  # share of a batch whose grey levels change: the rest stays as the own machine records it


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
