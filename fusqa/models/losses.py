"""What segmenters, error maps and the autoencoder minimise; the quality networks use plain cross-entropy."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Turn label masks ``(B, H, W)`` into float channels ``(B, classes, H, W)``."""
    return F.one_hot(labels.long(), classes).movedim(-1, 1).float()


class SegmentationLoss(nn.Module):
    """½ cross-entropy + ½ soft Dice (as for Fetal-TransUNet), the cross-entropy weighted by class.

    Palate and gap cover less than half a per cent of an image. Without weights a short training never finds them, and
    every prediction would be reviewed as poor for want of them.

    Parameters
    ----------
    weights : sequence of float
        One weight per class; see :meth:`balanced`.
    """

    def __init__(self, weights):
        super().__init__()
        self.register_buffer("weights", torch.as_tensor(weights, dtype=torch.float32))

    @classmethod
    def balanced(cls, masks: Tensor, classes: int) -> "SegmentationLoss":
        """Weight each class by its frequency in `masks` to the power −¾, scaled to mean one over the pixels."""
        frequency = torch.bincount(masks.flatten().long(), minlength=classes).float().clamp_min(1)
        frequency /= frequency.sum()
        weights = frequency**-0.75
        return cls(weights / (weights * frequency).sum())

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of logits ``(B, classes, H, W)`` against labels ``(B, H, W)``."""
        entropy = F.cross_entropy(logits, target.long(), self.weights)
        return 0.5 * entropy + 0.5 * soft_dice_loss(logits.softmax(1), one_hot(target, logits.shape[1]))


def average_mask(masks: Tensor, classes: int) -> Tensor:
    """Share of each class at each pixel of masks ``(N, H, W)``: the answer ``(1, classes, H, W)`` that never looks."""
    return torch.stack([(masks == label).float().mean(0) for label in range(classes)])[None]


def soft_dice_loss(probability: Tensor, hot: Tensor, first: int = 1) -> Tensor:
    """1 − soft Dice, over the batch as one volume, averaged over the classes that are present in it.

    Parameters
    ----------
    probability, hot : Tensor
        ``(B, classes, H, W)``.
    first : int
        The first class that counts; class 0 is background in a segmentation.
    """
    overlap = (probability * hot).sum((0, 2, 3))[first:]
    size = (probability + hot).sum((0, 2, 3))[first:]
    present = hot.sum((0, 2, 3))[first:] > 0  # an absent class has no Dice and must not count
    dice = 2 * overlap / size.clamp_min(1e-6)
    return 1 - (dice * present).sum() / present.sum().clamp_min(1)


class ReconstructionLoss(nn.Module):
    """Mean squared error + soft Dice between a mask and its reconstruction (Galati & Zuluaga 2021)."""

    def forward(self, probability: Tensor, target: Tensor) -> Tensor:
        """Return the loss of class probabilities ``(B, classes, H, W)`` against labels ``(B, H, W)``."""
        hot = one_hot(target, probability.shape[1])
        return F.mse_loss(probability, hot) + soft_dice_loss(probability, hot)


def in_layers(bits: Tensor, layers: int) -> Tensor:
    """Turn pixels with one bit per layer, ``(B, H, W)`` uint8, into 0 and 1 ``(B, layers, H, W)`` uint8."""
    places = torch.arange(layers, device=bits.device, dtype=torch.uint8).view(-1, 1, 1)
    return bits.unsqueeze(1) >> places & 1


class ErrorMapLoss(nn.Module):
    """½ binary cross-entropy + ½ soft Dice between the pixels that a map marks and those that are wrong.

    One pixel in a hundred is wrong. A map that marks none has a cross-entropy near zero, but no Dice at all: a ratio of
    wrong pixels does not depend on how many are right (Milletari et al. 2016).
    """

    def forward(self, logits: Tensor, bits: Tensor) -> Tensor:
        """Return the loss of logits of "wrong" ``(B, structures, H, W)`` against ``(B, H, W)`` of bits."""
        wrong = in_layers(bits, logits.shape[1]).float()
        entropy = F.binary_cross_entropy_with_logits(logits, wrong)
        return 0.5 * entropy + 0.5 * soft_dice_loss(logits.sigmoid(), wrong, first=0)
