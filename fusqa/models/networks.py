"""Quality networks (three topologies over any backbone) and the autoencoder.

Every quality network takes an image ``(B, 1, H, W)`` in [0, 1] and a label mask ``(B, H, W)``, and returns one number
``(B,)``: the logit of "good", or another of the answers of :mod:`fusqa.models.answers`. A backbone is an image
classifier without its last layer: it maps three channels ``(B, 3, H, W)`` to features ``(B, width)``. Backbones,
topologies, encodings and answers are tables; no code below depends on a name in them.
"""

import copy
import re

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse

from fusqa.models.answers import ANSWERS
from fusqa.models.backbones import BACKBONES, Backbone
from fusqa.models.losses import one_hot

# Channel statistics of ImageNet: pretrained backbones expect them, and those trained from scratch lose nothing.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MEAN_GREY = 0.3  # about the mean of a scan


class GreyLevels(nn.Module):
    """The paper's encoding (x, x, ŷ): label ``k`` is the grey level ``k / (classes - 1)``; the order means nothing.

    An image or mask that is given alone takes all three channels. They are normalised with ImageNet's statistics.
    """

    def __init__(self, classes: int):
        super().__init__()
        self.highest = classes - 1
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor | None, mask: Tensor | None) -> Tensor:
        """``(B, 1, H, W)`` image and ``(B, H, W)`` labels, or one of them -> ``(B, 3, H, W)``."""
        grey = None if mask is None else mask.unsqueeze(1).float() / self.highest
        given = [image if image is not None else grey] * 2 + [grey if grey is not None else image]
        return (torch.cat(given, 1) - self.mean) / self.std


class OneHot(nn.Module):
    """One channel for the image and one for each label, mixed into three by weights that are learnt."""

    def __init__(self, classes: int):
        super().__init__()
        self.mix = nn.Conv2d(classes, 3, 1)

    def forward(self, image: Tensor | None, mask: Tensor | None) -> Tensor:
        """``(B, 1, H, W)`` image and ``(B, H, W)`` labels, or one of them -> ``(B, 3, H, W)``."""
        if mask is None:
            mask = torch.zeros_like(image[:, 0], dtype=torch.uint8)  # background everywhere
        labels = one_hot(mask, self.mix.in_channels)[:, 1:]
        shown = torch.zeros_like(labels[:, :1]) if image is None else image - MEAN_GREY
        return self.mix(torch.cat([shown, labels], 1))


ENCODINGS = {"grey": GreyLevels, "one-hot": OneHot}


class _Quality(nn.Module):
    """What all topologies share: an encoding, features of image and mask, and the logit that follows from these."""

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return the logit of "good" ``(B,)``."""
        return self.head(self.features(image, mask)).squeeze(1)


class Single(_Quality):
    """One CNN that sees image and mask together, as channels of one input."""

    def __init__(self, backbone: Backbone, pretrained: bool, encode: nn.Module):
        super().__init__()
        self.encode = encode
        self.cnn, width = backbone.features(pretrained)
        self.head = nn.Linear(width, 1)

    def features(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return the features that decide the answer, ``(B, width)``."""
        return self.cnn(self.encode(image, mask))


class _TwoStreams(_Quality):
    """Features of the image and features of the mask, concatenated and fully connected to the answer."""

    towers: int  # 1: both streams share one CNN; 2: each has its own

    def __init__(self, backbone: Backbone, pretrained: bool, encode: nn.Module):
        super().__init__()
        self.encode = encode
        built = [backbone.features(pretrained) for _ in range(self.towers)]
        self.cnns = nn.ModuleList(cnn for cnn, _ in built)
        self.head = nn.Linear(2 * built[0][1], 1)

    def features(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return the features that decide the answer, ``(B, 2 width)``."""
        of_image = self.cnns[0](self.encode(image, None))  # (B, width)
        of_mask = self.cnns[-1](self.encode(None, mask))  # (B, width)
        return torch.cat([of_image, of_mask], 1)


class Siamese(_TwoStreams):
    """One CNN, with the same weights, for the image and for the mask."""

    towers = 1

    def features(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return the features that decide the answer, ``(B, 2 width)``.

        In training, images and masks go through the CNN as one batch: normalised each by its own statistics, they would
        be trained by other ones than the running mean of both, by which they are judged. Measured on the classroom's
        altered masks of validation patients, ResNet-18: a loss of .28 in place of .33.
        """
        if not self.training:
            return super().features(image, mask)
        of_both = self.cnns[0](torch.cat([self.encode(image, None), self.encode(None, mask)]))
        return torch.cat(of_both.chunk(2), 1)


class Synergic(_TwoStreams):
    """Two CNNs with weights of their own, one for the image and one for the mask."""

    towers = 2


TOPOLOGIES = {"single": Single, "siamese": Siamese, "synergic": Synergic}


def quality_model(
    topology: str,
    backbone: str,
    pretrained: bool,
    classes: int = 5,
    encoding: str = "grey",
    answer: str = "verdict",
) -> nn.Module:
    """Build a quality network.

    Parameters
    ----------
    topology : {"single", "siamese", "synergic"}
    backbone : str
        A key of :data:`BACKBONES`.
    pretrained : bool
        Start from ImageNet weights instead of random ones.
    classes : int
        Number of mask labels including background.
    encoding : {"grey", "one-hot"}
        How image and mask enter the network: as the paper's grey levels, or with one channel per label.
    answer : {"verdict", "overlap", "error"}
        What its number means.

    Returns
    -------
    nn.Module
        ``(image (B, 1, H, W) in [0, 1], mask (B, H, W)) -> (B,)``: the logit of "good", the logit of the mean Dice, or
        the error in units of :data:`fusqa.models.answers.ERROR_MM`; its attribute ``answer`` says which.

    Raises
    ------
    KeyError
        For an unknown topology, backbone, encoding or answer; the message lists the known ones.
    WeightsUnavailable
        When pretrained weights are unavailable on this machine.
    """
    named = ((topology, TOPOLOGIES), (backbone, BACKBONES), (encoding, ENCODINGS), (answer, ANSWERS))
    for name, table in named:
        if name not in table:
            raise KeyError(f"'{name}' is not one of {', '.join(table)}")
    network = TOPOLOGIES[topology](BACKBONES[backbone], pretrained, ENCODINGS[encoding](classes))
    network.answer = ANSWERS[answer]
    return network


def folded(model: nn.Module) -> nn.Module:
    """Return a copy of a trained network in which each batch normalisation is part of the convolution before it.

    It answers the same, to within rounding, and cannot be trained. ResNet-18 at 224 pixels takes a tenth less time. A
    network without batch normalisation is returned as it is.
    """
    if not any(isinstance(layer, nn.BatchNorm2d) for layer in model.modules()):
        return model
    copied = copy.deepcopy(model)
    for name, _ in model.named_modules():
        if re.fullmatch(r"cnn|cnns\.\d+", name):
            copied.set_submodule(name, fuse(copied.get_submodule(name), inplace=True))
    return copied


class Autoencoder(nn.Module):
    """Convolutional autoencoder of masks (Galati & Zuluaga 2021), trained on correct masks only.

    It takes label masks ``(B, H, W)`` and returns the class probabilities of their reconstructions,
    ``(B, classes, H, W)``. The encoder halves a mask six times, so masks are padded with background to a multiple of 64
    (224 to 256, where the authors' code cuts to 192), and reconstructions are cropped back.
    """

    # out channels, kernel, stride of the encoder's convolutions; the decoder mirrors them
    LAYERS = (
        (32, 4, 2), (32, 4, 2), (32, 4, 2), (32, 3, 1), (64, 4, 2),
        (64, 3, 1), (128, 4, 2), (64, 3, 1), (32, 3, 1), (100, 4, 2),
    )  # fmt: skip
    DIVISOR, DROPOUT = 64, 0.5

    def __init__(self, classes: int = 5):
        super().__init__()
        self.classes = classes
        ins = (classes, *(outs for outs, _, _ in self.LAYERS[:-1]))
        layers = [(i, *layer) for i, layer in zip(ins, self.LAYERS, strict=True)]
        down = [self._block(nn.Conv2d(i, o, k, s, padding=1), o) for i, o, k, s in layers[:-1]]
        code = nn.Conv2d(*layers[-1], padding=1)
        up = [self._block(nn.ConvTranspose2d(o, i, k, s, padding=1), i) for i, o, k, s in layers[:0:-1]]
        last = nn.ConvTranspose2d(self.LAYERS[0][0], classes, *self.LAYERS[0][1:], padding=1)
        self.layers = nn.Sequential(*down, code, *up, last)

    def _block(self, convolution: nn.Module, channels: int) -> nn.Sequential:
        return nn.Sequential(convolution, nn.BatchNorm2d(channels), nn.LeakyReLU(0.2), nn.Dropout(self.DROPOUT))

    def forward(self, mask: Tensor) -> Tensor:
        """Return class probabilities ``(B, classes, H, W)`` of the reconstruction."""
        height, width = mask.shape[-2:]
        bottom, right = -height % self.DIVISOR, -width % self.DIVISOR
        padded = F.pad(mask, (right // 2, right - right // 2, bottom // 2, bottom - bottom // 2))
        hot = one_hot(padded, self.classes)
        logits = self.layers(hot)
        return logits[..., bottom // 2 : bottom // 2 + height, right // 2 : right // 2 + width].softmax(1)


def anomaly_ratio(masks: Tensor, probability: Tensor) -> Tensor:
    """Share of pixels in which masks and their reconstructions differ, ``(B,)`` in 0 … 1.

    The paper does not say which pixels count. Here it is the union of both foregrounds, so that a small fetus in a
    large image is not called normal because of its background. The ratio is 1 where mask and reconstruction are both
    empty: there is nothing that could be good.

    Parameters
    ----------
    masks : Tensor
        Labels ``(B, H, W)``.
    probability : Tensor
        Their reconstructions by :class:`Autoencoder`, ``(B, classes, H, W)``.
    """
    rebuilt = probability.argmax(1)
    union = ((masks > 0) | (rebuilt > 0)).sum((1, 2))
    differ = (masks != rebuilt).sum((1, 2))
    return torch.where(union > 0, differ / union.clamp_min(1), 1.0)
