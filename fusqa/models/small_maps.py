"""Convolutions over maps of a few pixels, computed as matrix products on a processor.

The last layers of a ResNet see maps of 2 x 2 pixels where its image has 64. The library of convolutions that PyTorch
calls on a processor then takes two to nine times as long as one product of the same numbers, most of all for the
gradient of the weights.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch.nn.functional as F
from torch import Tensor, nn


class _Product(nn.Conv2d):
    """A convolution that becomes a matrix product where its weights outweigh the places that it looks at.

    Measured on layers of ResNet-18, ResNet-50, AlexNet, VGG-16 and DenseNet-121 at 64 to 128 px, forward and backward:
    faster where at least as many channels come out as there are places in the batch, slower in some layers with fewer.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """``(B, C, H, W)`` -> ``(B, out_channels, h, w)``, as :class:`torch.nn.Conv2d` to within rounding."""
        sizes = zip(maps.shape[2:], self.kernel_size, self.padding, self.stride, strict=True)
        h, w = ((side + 2 * pad - kernel) // step + 1 for side, kernel, pad, step in sizes)
        if len(maps) * h * w > self.out_channels:
            return super().forward(maps)
        (top, left), (height, width), (down, right) = self.padding, self.kernel_size, self.stride
        padded = F.pad(maps.permute(0, 2, 3, 1), (0, 0, left, left, top, top))  # (B, H, W, C)
        patches = padded.unfold(1, height, down).unfold(2, width, right)  # (B, h, w, C, height, width)
        rows = patches.permute(0, 1, 2, 4, 5, 3).reshape(len(maps) * h * w, -1)
        weight = self.weight.permute(0, 2, 3, 1).reshape(self.out_channels, -1)  # the order of a channels-last weight
        return F.linear(rows, weight, self.bias).view(len(maps), h, w, -1).permute(0, 3, 1, 2)


def _is_plain(part: nn.Module) -> bool:
    """Tell whether a module is a convolution without groups, gaps, or other padding than zeros."""
    return (
        type(part) is nn.Conv2d
        and (part.groups, part.dilation, part.padding_mode) == (1, (1, 1), "zeros")
        and isinstance(part.padding, tuple)  # not "same"
    )


@contextmanager
def as_products(network: nn.Module) -> Iterator[None]:
    """Compute the convolutions of `network` over small maps as matrix products, on a processor, as long as this lasts.

    Its weights and their names stay as they are. It is for the thread that owns the network: of several that ask it at
    once, one would end the products while another computes, and the last digits would differ from run to run.
    """
    on_processor = next(network.parameters()).device.type == "cpu"
    plain = [part for part in network.modules() if on_processor and _is_plain(part)]
    for part in plain:
        part.__class__ = _Product
    try:
        yield
    finally:
        for part in plain:
            part.__class__ = nn.Conv2d
