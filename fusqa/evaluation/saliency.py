"""Where a quality model looks: hide a patch and see how far the verdict moves, or ask the gradients."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusqa.models.learner import predict

__all__ = ["grad_cam", "occlusion"]


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


def grad_cam(model: nn.Module, layer: nn.Module, image: Tensor, mask: Tensor) -> Tensor:
    """Where features speak for "good": Grad-CAM (Selvaraju et al. 2017), at the size of the picture.

    The maps of `layer` are weighed by how much each raises the logit, averaged over the picture, and added. Picture and
    mask are one input to a single network, so the map cannot say which of the two spoke; :func:`occlusion` can.

    Parameters
    ----------
    model : nn.Module
        A quality network of topology "single".
    layer : nn.Module
        Its last convolutional stage.
    image : (1, S, S) uint8
        Picture.
    mask : (S, S) uint8
        Label mask.

    Returns
    -------
    (S, S) float
        Positive where the features speak for "good", negative where they speak for "poor"; not cut at nought as in the
        paper, because here both verdicts are asked about.
    """
    kept = {}
    hook = layer.register_forward_hook(lambda module, given, made: kept.update(maps=made))
    device = next(model.parameters()).device
    model.eval()
    try:
        with torch.enable_grad():
            logit = model(image[None].to(device).float() / 255, mask[None].to(device))
            (slope,) = torch.autograd.grad(logit.sum(), kept["maps"])
    finally:
        hook.remove()
    weighed = (slope.mean((2, 3), keepdim=True) * kept["maps"]).sum(1, keepdim=True).detach()
    return F.interpolate(weighed, size=image.shape[-2:], mode="bilinear", align_corners=False)[0, 0].cpu()
