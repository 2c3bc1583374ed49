"""What a quality model learns from, what it is shown of it, and what it is asked."""

from dataclasses import dataclass

__all__ = ["RECIPES", "Recipe"]

PICTURE, MASK = "picture", "mask"


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
    sees : tuple of {"picture", "mask"}
        What the model is shown. What one that lacks either still knows, it knows from the other alone.
    target : {"good", "dice"}
        What it predicts: the verdict, or the mean Dice with the reference mask.
    exchanged : float
        Share of the good masks that it learns from once more, as poor, with another patient's picture: nothing but a
        comparison of the two can tell these.
    notes : tuple of str
        What to add to a row's name.
    """

    material: str
    encoding: str
    sees: tuple[str, ...] = (PICTURE, MASK)
    target: str = "good"
    exchanged: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What sets it apart from the other recipes, in print."""
        return self.notes[-1] if self.notes else "paper's recipe"


_ERRORS = "segmenter's errors"
RECIPES = {
    "paper": Recipe("altered", "grey"),
    "errors": Recipe("errors", "one-hot", notes=(_ERRORS,)),
    "blind": Recipe("errors", "one-hot", sees=(MASK,), notes=(_ERRORS, "mask only")),
    "maskless": Recipe("errors", "one-hot", sees=(PICTURE,), notes=(_ERRORS, "picture only")),
    "exchanged": Recipe("errors", "one-hot", exchanged=0.5, notes=(_ERRORS, "pictures exchanged")),
    "dice": Recipe("errors", "one-hot", target="dice", notes=(_ERRORS, "Dice regression")),
}
