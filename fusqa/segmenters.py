"""Segmentation networks: an image ``(B, 1, H, W)`` in [0, 1] goes in, class logits ``(B, classes, H, W)`` come out."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["UNet"]


def _double(ins: int, outs: int) -> nn.Sequential:
    """Two 3×3 convolutions, each normalised and rectified."""
    layers = []
    for i in (ins, outs):
        layers += [nn.Conv2d(i, outs, 3, padding=1, bias=False), nn.BatchNorm2d(outs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """U-Net (Ronneberger et al. 2015) with batch normalisation and bilinear up-sampling.

    Parameters
    ----------
    classes : int
        Number of classes including background.
    width : int
        Channels of the first level; every deeper level doubles them.
    depth : int
        Number of times the picture is halved; its side must be a multiple of ``2 ** depth``.
    """

    def __init__(self, classes: int, width: int = 16, depth: int = 4):
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(_double(i, o) for i, o in zip([1, *widths[:-1]], widths, strict=True))
        self.up = nn.ModuleList(_double(i + o, o) for o, i in zip(widths[-2::-1], widths[:0:-1], strict=True))
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Return class logits ``(B, classes, H, W)``."""
        x, skips = self.down[0](image - 0.5), []
        for level in self.down[1:]:
            skips.append(x)
            x = level(F.max_pool2d(x, 2))
        for level in self.up:
            skip = skips.pop()
            x = F.interpolate(x, size=skip.shape[-2:], mode="bilinear", align_corners=False)
            x = level(torch.cat([x, skip], 1))
        return self.head(x)
