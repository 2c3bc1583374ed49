"""Degraded images: the same scan as another machine, or a hasty hand, might have recorded it.

On degraded images a segmenter errs as it does in another hospital, but here the truth is known: this is where training
masks with a segmenter's own errors come from. Only grey levels change, never geometry, so the reference mask stays
valid. All ranges are chosen.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

BLUR_PX = (2.2, 1.4)  # greatest standard deviation of the blur across and along the beam, at network size
GAMMA = (0.6, 1.7)
UNEVEN, HAZE, SPECKLE = 0.45, 0.25, 0.5  # greatest share of patchy gain, of haze in dark places, of new speckle
DEPTH_GAIN = 0.5  # greatest error of the depth-gain curve at the upper and lower edge
CONTRAST, BRIGHTNESS = (0.7, 1.3), (-0.08, 0.06)


def degrade(images: Tensor, generator: torch.Generator) -> Tensor:
    """Add blur, uneven gain, haze and speckle, and change gain and contrast, with new numbers for every image.

    Parameters
    ----------
    images : (N, 1, H, W) uint8
        Images.
    generator : torch.Generator
        Source of all randomness.

    Returns
    -------
    (N, 1, H, W) uint8
        The degraded images.
    """
    count, _, height, width = images.shape

    def drawn(low: float, high: float) -> Tensor:
        return torch.empty(count, 1, 1, 1).uniform_(low, high, generator=generator)

    def field(rows: int, columns: int) -> Tensor:
        """Smooth random fields from a coarse grid."""
        coarse = torch.randn(count, 1, rows, columns, generator=generator)
        return F.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=False)

    image = _blur(images.float() / 255, drawn(0.01, BLUR_PX[0]), drawn(0.01, BLUR_PX[1]))
    image = image.clamp(0, 1) ** drawn(*GAMMA)
    image = image * (1 + drawn(0, UNEVEN) * field(6, 6))
    image = image + drawn(0, HAZE**0.5) ** 2 * field(5, 5).abs()  # squared: strong haze is rare
    image = image * (1 + drawn(-DEPTH_GAIN, DEPTH_GAIN) * torch.linspace(-1, 1, height).view(1, 1, -1, 1))
    image = image * (1 + drawn(0, SPECKLE) * field(height // 2, width // 3))
    image = image * drawn(*CONTRAST) + drawn(*BRIGHTNESS)
    return (image.clamp(0, 1) * 255).round().byte()


def _blur(image: Tensor, across: Tensor, along: Tensor) -> Tensor:
    """Gaussian blur of each image ``(N, 1, H, W)`` by its own widths ``(N, 1, 1, 1)`` in pixels."""
    reach = torch.arange(-6, 7).float()
    for sigma, axis in ((across, -1), (along, -2)):
        kernel = torch.exp(-0.5 * (reach / sigma) ** 2)  # (N, 1, 1, 13)
        kernel = (kernel / kernel.sum(-1, keepdim=True)).transpose(-1, axis)
        # every image is a channel of its own: one grouped convolution for the whole batch
        image = F.conv2d(image.transpose(0, 1), kernel, padding="same", groups=len(image)).transpose(0, 1)
    return image
