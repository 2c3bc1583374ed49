"""Where a quality model looks: hide a patch of the picture, or of the mask, and see how far the verdict moves."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusqa.learner import predict

__all__ = ["occlusion"]


def occlusion(model: nn.Module, image: Tensor, mask: Tensor, patches: int = 8) -> tuple[Tensor, Tensor]:
    """How the logit of "good" changes when a patch is hidden (Zeiler & Fergus 2014).

    A hidden part of the picture takes the picture's mean grey, a hidden part of the mask becomes background.

    Parameters
    ----------
    model : nn.Module
        A quality network.
    image : (1, S, S) uint8
        Picture; S is a multiple of `patches`.
    mask : (S, S) uint8
        Label mask.
    patches : int
        Patches along each side.

    Returns
    -------
    (patches, patches), (patches, patches) float
        Logit with the patch hidden less the logit without, for the picture and for the mask.
    """
    count, scale = patches**2, image.shape[-1] // patches
    hidden = torch.eye(count).view(count, 1, patches, patches)
    hidden = F.interpolate(hidden, scale_factor=scale, mode="nearest").squeeze(1).bool()  # (count, S, S)
    images, masks = image.expand(2 * count + 1, -1, -1, -1).clone(), mask.expand(2 * count + 1, -1, -1).clone()
    images[:count, 0][hidden] = image.float().mean().byte()
    masks[count:-1][hidden] = 0
    logit = predict(model, images, masks)
    change = (logit[:-1] - logit[-1]).view(2, patches, patches)
    return change[0], change[1]
