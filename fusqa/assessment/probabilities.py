"""Network -> the probability that a mask is good, by the kind of network: for verdicts and for ONNX alike.

A wrapper takes what an image library gives, grey levels and label numbers as ``uint8`` at the model's size. Scaling,
one-hot encoding and sigmoid are inside.
"""

import torch
from torch import Tensor, nn

from fusqa.models.checkpoints import Card
from fusqa.models.networks import anomaly_ratio


class _Wrapper(nn.Module):
    """A network that sees what its card says; what it was never shown stays black, whatever is given."""

    def __init__(self, model: nn.Module, card: Card):
        super().__init__()
        self.model = model
        self.image_seen, self.mask_seen = ("picture" in card.sees), ("mask" in card.sees)


class QualityProbability(_Wrapper):
    """A quality network: ``image, mask (B, S, S) uint8 -> probability (B,)``."""

    inputs = ("image", "mask")

    def features(self, image: Tensor, mask: Tensor) -> Tensor:
        """What the network decides by, ``(B, F)``; familiarity is judged by it, too."""
        seen, drawn = image * self.image_seen, mask * self.mask_seen
        unit = (seen.unsqueeze(1).float() / 255).contiguous(memory_format=torch.channels_last)
        return self.model.features(unit, drawn)

    def decide(self, features: Tensor) -> Tensor:
        """Probability ``(B,)`` by the features; where the network predicts an error or a Dice, the score by it."""
        return self.model.answer.trust(self.model.head(features).squeeze(1))

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Probability ``(B,)``."""
        return self.decide(self.features(image, mask))


class IntactProbability(_Wrapper):
    """An autoencoder: ``mask (B, S, S) uint8 -> one minus the anomaly ratio (B,)``; it looks at no image."""

    inputs = ("mask",)

    def features(self, mask: Tensor) -> Tensor:
        """Anomaly ratio ``(B,)``: what an autoencoder is judged by."""
        return anomaly_ratio(mask, self.model(mask))

    def decide(self, features: Tensor) -> Tensor:
        """Probability ``(B,)`` by the features."""
        return 1 - features

    def forward(self, mask: Tensor) -> Tensor:
        """Probability ``(B,)``."""
        return self.decide(self.features(mask))


WRAPPERS: dict[str, type[_Wrapper]] = {
    "quality": QualityProbability,
    "autoencoder": IntactProbability,
}
"""Kinds of network that can judge a mask, and what makes a probability of each one's output."""
