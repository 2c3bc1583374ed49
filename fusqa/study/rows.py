"""The rows of the grid of quality models: what is trained, from what, and what to call it."""

from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product

__all__ = ["RECIPES", "ROWS", "SEGMENTERS", "Recipe", "Row", "row_named"]


SEGMENTERS = {"fetal-transunet": "Fetal-TransUNet", "unet": "U-Net"}  # the paper's, and ours beside it


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
        How the mask enters the network, a key of :data:`fusqa.models.networks.ENCODINGS`.
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


_TITLES = {
    "single": "Single",
    "siamese": "Siamese",
    "synergic": "Synergic",
    "resnet18": "ResNet-18",
    "resnet50": "ResNet-50",
    "densenet121": "DenseNet-121",
    "alexnet": "AlexNet",
    "vgg16": "VGG-16",
    "efficientnet-lite0": "EfficientNet-Lite0",
}


@dataclass(frozen=True)
class Row:
    """One row of the grid of quality models.

    Attributes
    ----------
    topology, backbone, pretrained
        Arguments of :func:`fusqa.models.networks.quality_model`.
    recipe : str
        What it learns from, a key of :data:`fusqa.study.rows.RECIPES`.
    """

    topology: str
    backbone: str
    pretrained: bool
    recipe: str = "paper"

    @property
    def key(self) -> str:
        """Name of the row in profiles and files, such as ``single-resnet18-scratch``."""
        start = "pretrained" if self.pretrained else "scratch"
        return "-".join([self.topology, self.backbone, start] + [self.recipe] * (self.recipe != "paper"))

    @property
    def title(self) -> str:
        """Name of the row in print, such as "Single ResNet-18, from scratch"."""
        start = "pretrained" if self.pretrained else "from scratch"
        network = f"{_TITLES.get(self.topology, self.topology)} {_TITLES.get(self.backbone, self.backbone)}"
        return ", ".join([network, start, *RECIPES[self.recipe].notes])

    def result(self, seed: int) -> str:
        """Name of its result files when trained with `seed`, such as ``quality__single-resnet18-scratch__seed0``."""
        return f"quality__{self.key}__seed{seed}"


_GRID = (  # the paper's networks, and EfficientNet-Lite0: the one pretrained backbone that needs no download
    ("siamese", "resnet18"),
    ("siamese", "resnet50"),
    ("synergic", "resnet18"),
    ("synergic", "resnet50"),
    ("single", "resnet18"),
    ("single", "resnet50"),
    ("single", "densenet121"),
    ("single", "alexnet"),
    ("single", "vgg16"),
    ("single", "efficientnet-lite0"),
    ("siamese", "efficientnet-lite0"),
    ("synergic", "efficientnet-lite0"),
)
ROWS = {row.key: row for network in _GRID for row in (Row(*network, False), Row(*network, True))}
ROWS |= {row.key: row for row in (Row("single", "resnet18", False, recipe=key) for key in RECIPES if key != "paper")}


def row_named(key: str) -> Row:
    """Return the row of a name such as ``single-resnet18-scratch-errors``: any topology, backbone, start and recipe.

    Raises
    ------
    ValueError
        For another name; the message has the nearest ones.
    """
    from fusqa.models.networks import BACKBONES, TOPOLOGIES  # here: it loads PyTorch

    rows = (Row(*parts[:3], recipe=parts[3]) for parts in product(TOPOLOGIES, BACKBONES, (False, True), RECIPES))
    known = {row.key: row for row in rows}
    if key not in known:
        near = ", ".join(get_close_matches(key, known, 4, 0)) if key else ", ".join(list(known)[:4])
        raise ValueError(f"there is no row '{key}'; those with the nearest names are {near}")
    return known[key]
