"""Segmentation networks: an image ``(B, 1, H, W)`` in [0, 1] goes in, class logits ``(B, classes, H, W)`` come out."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["SEGMENTERS", "SegmentationLoss", "UNet"]


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


class SegmentationLoss(nn.Module):
    """½ cross-entropy + ½ soft Dice (as for Fetal-TransUNet), the cross-entropy weighted by class.

    Palate and gap cover less than half a per cent of a picture: unweighted, a short training never finds them, and
    every prediction would then be reviewed as poor for the same dull reason.

    Parameters
    ----------
    weights : sequence of float
        One weight a class; see :meth:`balanced`.
    """

    def __init__(self, weights):
        super().__init__()
        self.register_buffer("weights", torch.as_tensor(weights, dtype=torch.float32))

    @classmethod
    def balanced(cls, masks: Tensor, classes: int) -> "SegmentationLoss":
        """Weight each class by its frequency in `masks` to the power −½, scaled to mean one over the pixels."""
        frequency = torch.bincount(masks.flatten().long(), minlength=classes).float().clamp_min(1)
        frequency /= frequency.sum()
        weights = frequency.rsqrt()
        return cls(weights / (weights * frequency).sum())

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of logits ``(B, classes, H, W)`` against labels ``(B, H, W)``."""
        target = target.long()
        entropy = F.cross_entropy(logits, target, self.weights)
        hot = F.one_hot(target, logits.shape[1]).movedim(-1, 1).to(logits.dtype)
        return 0.5 * entropy + 0.5 * soft_dice_loss(logits.softmax(1), hot)


def soft_dice_loss(probability: Tensor, hot: Tensor) -> Tensor:
    """1 − soft Dice, over the batch as one volume, averaged over the foreground classes that are present in it.

    Parameters
    ----------
    probability, hot : Tensor
        ``(B, classes, H, W)``; class 0 is background and does not count.
    """
    overlap = (probability * hot).sum((0, 2, 3))[1:]
    size = (probability + hot).sum((0, 2, 3))[1:]
    present = (
        hot.sum((0, 2, 3))[1:] > 0
    )  # an absent class has no Dice: it must not count as a perfect or a lost one
    dice = 2 * overlap / size.clamp_min(1e-6)
    return 1 - (dice * present).sum() / present.sum().clamp_min(1)


SEGMENTERS = {"unet": UNet}
