"""Segmentation networks: from an image ``(B, 1, H, W)`` in [0, 1] to class logits ``(B, classes, H, W)``.

Every network of :data:`SEGMENTERS` is built as ``network(classes, size, **arguments)`` for square images of `size`
pixels a side.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck
from torchvision.ops import Conv2dNormActivation


def _double(ins: int, outs: int) -> nn.Sequential:
    """Two 3×3 convolutions, each normalised and rectified."""
    return nn.Sequential(*Conv2dNormActivation(ins, outs), *Conv2dNormActivation(outs, outs))


def _require_multiple(size: int, of: int) -> None:
    """Raise ValueError unless the network's halvings leave whole pixels."""
    if size % of:
        raise ValueError(f"pictures of {size} pixels cannot be halved down to 1/{of}; take a multiple of {of}")


class UNet(nn.Module):
    """U-Net (Ronneberger et al. 2015), batch-normalised, and padded so that its answer has the image's size.

    Parameters
    ----------
    classes : int
        Number of classes including background.
    size : int
        Side of the image in pixels, a multiple of ``2 ** depth``.
    width : int
        Channels of the first level; each deeper level has twice as many.
    depth : int
        Number of times the image is halved.
    channels : int
        Channels of the image, each in [0, 1].
    """

    def __init__(self, classes: int, size: int, width: int = 16, depth: int = 4, channels: int = 1):
        super().__init__()
        _require_multiple(size, 2**depth)
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(_double(i, o) for i, o in zip([channels, *widths[:-1]], widths, strict=True))
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(2 * o, o, 2, stride=2) for o in widths[-2::-1])
        self.up = nn.ModuleList(_double(2 * o, o) for o in widths[-2::-1])
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Return class logits ``(B, classes, H, W)``."""
        x, skips = self.down[0](image - 0.5), []
        for level in self.down[1:]:
            skips.append(x)
            x = level(F.max_pool2d(x, 2))
        for enlarge, level in zip(self.enlarge, self.up, strict=True):
            x = level(torch.cat([enlarge(x), skips.pop()], 1))
        return self.head(x)


class FetalTransUNet(nn.Module):
    """CNN and vision transformer encoder, cascaded decoder with three skips (Chen et al. 2021; Cengiz et al. 2022).

    The first three stages of a ResNet shrink the image to 1/16. Each pixel of the result is a token of a transformer,
    which sees the whole image. A decoder enlarges its answer four times, with the CNN's features at 1/8, 1/4 and 1/2.
    The defaults are the published R50-ViT-B/16, except for batch normalisation in place of group normalisation with
    standardised weights, and for pretrained weights, of which there are none.

    Parameters
    ----------
    classes : int
        Number of classes including background.
    size : int
        Side of the image in pixels, a multiple of 16. The positions of the tokens are learnt, so no other size fits.
    width : int
        Channels after the CNN's first convolution; all others of CNN and decoder are multiples of it.
    blocks : (int, int, int)
        Bottleneck blocks of the CNN's stages.
    dim, layers, heads : int
        Features of a token; layers and heads of the transformer.
    """

    PATCH = 16  # pixels per token, along each side
    DROPOUT = 0.1  # in the transformer

    def __init__(
        self,
        classes: int,
        size: int,
        width: int = 64,
        blocks: tuple[int, int, int] = (3, 4, 9),
        dim: int = 768,
        layers: int = 12,
        heads: int = 12,
    ):
        super().__init__()
        _require_multiple(size, self.PATCH)
        self.root = Conv2dNormActivation(1, width, 7, stride=2)
        outs = [Bottleneck.expansion * width * 2**stage for stage in range(3)]
        self.stages = nn.ModuleList(
            _stage(i, o, count, stride)
            for i, o, count, stride in zip([width, *outs[:-1]], outs, blocks, (1, 2, 2), strict=True)
        )
        self.embed = nn.Conv2d(outs[-1], dim, 1)
        self.position = nn.Parameter(torch.zeros(1, (size // self.PATCH) ** 2, dim).normal_(std=0.02))
        layer = nn.TransformerEncoderLayer(
            dim, heads, 4 * dim, self.DROPOUT, activation="gelu", batch_first=True, norm_first=True
        )
        self.transformer = nn.TransformerEncoder(layer, layers, nn.LayerNorm(dim), enable_nested_tensor=False)
        self.neck = Conv2dNormActivation(dim, 8 * width)
        ups = [4 * width, 2 * width, width, max(width // 4, 8)]
        skips = [outs[1], outs[0], width, 0]
        self.up = nn.ModuleList(_double(i + s, o) for i, s, o in zip([8 * width, *ups[:-1]], skips, ups, strict=True))
        self.head = nn.Conv2d(ups[-1], classes, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Return class logits ``(B, classes, H, W)``."""
        skips = [self.root(image - 0.5)]  # (B, width, H/2, W/2)
        x = F.max_pool2d(skips[0], 3, stride=2, padding=1)
        for stage in self.stages:
            x = stage(x)
            skips.append(x)
        tokens = self.embed(skips.pop())  # (B, dim, H/16, W/16)
        seen = self.transformer(tokens.flatten(2).transpose(1, 2) + self.position)  # (B, H/16 · W/16, dim)
        x = self.neck(seen.transpose(1, 2).reshape(tokens.shape))
        for level in self.up:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = level(torch.cat([x, skips.pop()], 1) if skips else x)
        return self.head(x)


def _stage(ins: int, outs: int, blocks: int, stride: int) -> nn.Sequential:
    """Build one stage of a ResNet: bottleneck blocks, the first of which changes channels and resolution."""
    shrink = Conv2dNormActivation(ins, outs, 1, stride, activation_layer=None)
    inner = outs // Bottleneck.expansion
    first = Bottleneck(ins, inner, stride, downsample=shrink)
    return nn.Sequential(first, *(Bottleneck(outs, inner) for _ in range(blocks - 1)))


SEGMENTERS = {"unet": UNet, "fetal-transunet": FetalTransUNet}
