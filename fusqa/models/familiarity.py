"""How unlike the training pairs of a quality network a new pair is: a network answers for any input, also strange ones.

The features that decide the verdict (the inputs of the network's last layer) are taken as normally distributed. Their
covariance comes from a probabilistic principal component analysis of the training pairs (Tipping & Bishop, J R Stat Soc
B 1999), and the distance is Mahalanobis's (Lee et al., NeurIPS 2018). A bare distance says nothing to a reader, so it
is turned into a share: how many of the model's validation pairs, other patients of the same hospital, lie nearer.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

UNFAMILIAR = 0.99  # chosen: one in a hundred of the pairs that the model was meant for is as strange
COMPONENTS = 16  # directions with a variance of their own; the rest share one


class Features(nn.Module):
    """A quality network without its last layer: the features that decide the verdict, ``(B, F)``."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return the features of image and mask."""
        return self.model.features(image, mask).float()


@dataclass(frozen=True, eq=False)
class Familiarity:
    """Distribution of the training pairs among features of width ``F``, with ``K`` principal directions.

    Attributes
    ----------
    mean : (F,) float32
        Their mean.
    axes : (K, F) float32
        Principal directions, each divided by its standard deviation.
    rest : (1,) float32
        Standard deviation in every other direction.
    validation : (V,) float32
        Distances of the validation pairs, sorted.
    """

    mean: Tensor
    axes: Tensor
    rest: Tensor
    validation: Tensor

    @classmethod
    def fit(cls, training: Tensor, validation: Tensor) -> "Familiarity":
        """Fit to the features of training pairs ``(N, F)`` and of validation pairs ``(V, F)``.

        Raises
        ------
        ValueError
            With fewer than three training pairs, which have no covariance.
        """
        from sklearn.decomposition import PCA  # here, because a verdict does not need its two seconds of import

        if len(training) < 3:
            raise ValueError(f"{len(training)} training pairs have no covariance; give three or more")
        count = min(COMPONENTS, len(training) - 2, training.shape[1] - 1)
        pca = PCA(count, random_state=0).fit(training.numpy().astype(np.float64))
        spread = np.sqrt(np.maximum(pca.explained_variance_, 1e-12))
        # scikit-learn shares the rest of the variance among the directions that so few pairs span, and not among all
        spanned, others = min(training.shape) - count, training.shape[1] - count
        rest = np.sqrt(max(pca.noise_variance_ * spanned / others, 1e-12))
        arrays = (pca.mean_, pca.components_ / spread[:, None], np.array([rest]))
        fitted = cls(*(torch.from_numpy(np.float32(array)) for array in arrays), torch.zeros(0))
        return cls(fitted.mean, fitted.axes, fitted.rest, fitted.distance(validation).sort().values)

    def distance(self, seen: Tensor) -> Tensor:
        """Mahalanobis distance ``(M,)`` of features ``(M, F)`` from the training pairs."""
        offset = seen - self.mean
        along = offset @ self.axes.T  # (M, K), in standard deviations
        spread = self.axes.norm(dim=1) ** -1
        outside = (offset.square().sum(1) - (along * spread).square().sum(1)).clamp_min(0)
        return (along.square().sum(1) + outside / self.rest.square()).sqrt()

    def share(self, seen: Tensor) -> np.ndarray:
        """Share of the validation pairs that are nearer to the training pairs, ``(M,)`` from 0 to 1."""
        nearer = torch.searchsorted(self.validation, self.distance(seen).contiguous())
        return nearer.numpy() / max(len(self.validation), 1)
