"""What a quality model looks at: how its verdict changes when a patch is hidden, and what gradients say (Grad-CAM)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusqa.models.learner import predict

PATCHES = 8  # along each side


def occlusion(model: nn.Module, image: Tensor, mask: Tensor) -> Tensor:
    """Compute how the logit of "good" changes when a patch is hidden (Zeiler & Fergus 2014).

    A hidden part of the image takes the image's mean grey, a hidden part of the mask becomes background.

    Parameters
    ----------
    model : nn.Module
        A quality network.
    image : (1, S, S) uint8
        Ultrasound image; S is a multiple of :data:`PATCHES`.
    mask : (S, S) uint8
        Label mask.

    Returns
    -------
    (2, P, P) float, with P = :data:`PATCHES`
        Logit with the patch hidden minus the logit without, for the image and for the mask.
    """
    count, scale = PATCHES**2, image.shape[-1] // PATCHES
    hidden = torch.eye(count).view(count, 1, PATCHES, PATCHES)
    hidden = F.interpolate(hidden, scale_factor=scale, mode="nearest").squeeze(1).bool()  # (count, S, S)
    images, masks = image.expand(2 * count + 1, -1, -1, -1).clone(), mask.expand(2 * count + 1, -1, -1).clone()
    images[:count, 0][hidden] = image.float().mean().byte()
    masks[count:-1][hidden] = 0
    logit = predict(model, images, masks)
    return (logit[:-1] - logit[-1]).view(2, PATCHES, PATCHES)


def grad_cam(model: nn.Module, layer: nn.Module, image: Tensor, mask: Tensor) -> Tensor:
    """Compute where features speak for "good": Grad-CAM (Selvaraju et al. 2017), at the size of the image.

    The maps of `layer` are weighted by how much each raises the logit, averaged over the image, and added. Image and
    mask are one input of a network with one branch, so the map cannot separate the two; :func:`occlusion` can.

    Parameters
    ----------
    model : nn.Module
        A quality network of topology "single".
    layer : nn.Module
        One of its convolutional stages.
    image : (1, S, S) uint8
        Ultrasound image.
    mask : (S, S) uint8
        Label mask.

    Returns
    -------
    (S, S) float
        Positive where the features speak for "good", negative where they speak for "poor"; not cut at zero as in the
        paper, because both verdicts are of interest here.
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
