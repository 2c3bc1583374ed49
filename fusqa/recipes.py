"""What a quality model learns from: the paper's altered masks, or a segmenter's own errors."""

from dataclasses import dataclass

__all__ = ["RECIPES", "Recipe"]


@dataclass(frozen=True)
class Recipe:
    """One way to train a quality model.

    Attributes
    ----------
    material : {"altered", "errors"}
        Altered masks, good or poor by construction; or out-of-fold predictions of spoilt pictures, good if the review
        accepts them and the measurement dates the pregnancy right.
    encoding : str
        How the mask enters the network, a key of :data:`fusqa.networks.ENCODINGS`.
    picture : bool
        Whether the model sees the picture; where it does not, what it still knows it knows from the mask alone.
    notes : tuple of str
        What to add to a row's name.
    """

    material: str
    encoding: str
    picture: bool
    notes: tuple[str, ...] = ()


RECIPES = {
    "paper": Recipe("altered", "grey", picture=True),
    "errors": Recipe("errors", "one-hot", picture=True, notes=("segmenter's errors",)),
    "blind": Recipe("errors", "one-hot", picture=False, notes=("segmenter's errors", "mask only")),
}
