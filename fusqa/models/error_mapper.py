"""The network that says where a mask is wrong: an image and its mask -> wrong pixels, structure by structure."""

import torch
from torch import Tensor, nn

from fusqa.models.losses import one_hot
from fusqa.models.segmenters import UNet

RARE = 3.0  # chosen: before anything is learnt, a pixel is wrong with a probability of about 1 in 20


class ErrorMapper(nn.Module):
    """A U-Net over the image and one channel per label, with one output per structure (after Specktor-Fadida 2025).

    An output says whether the structure is wrong at a pixel. It need not say in which way, because the mask does: a
    wrong pixel inside it is one too many, a wrong one outside it is missing. The U-Net therefore
    learns where the structure is, as a segmenter does, and a pixel is suspect where its answer contradicts the mask.

    Parameters
    ----------
    classes : int
        Classes of the masks including background.
    size : int
        Side of the image in pixels, a multiple of 16.
    width : int
        Channels of the U-Net's first level.
    """

    def __init__(self, classes: int, size: int, width: int = 8):
        super().__init__()
        self.classes = classes
        self.unet = UNet(classes - 1, size, width, channels=classes)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """``(B, 1, H, W)`` image in [0, 1] and ``(B, H, W)`` labels -> logits of "wrong" ``(B, classes - 1, H, W)``."""
        layers = one_hot(mask, self.classes)[:, 1:]
        there = self.unet(torch.cat([image, layers], 1))
        return (1 - 2 * layers) * there - RARE
