"""The rows of the grid of quality models: what is trained, how, and what to call it."""

from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product

from fusqa.models.backbones import BACKBONES

__all__ = [
    "RECIPES",
    "REFERENCE_NETWORK",
    "SEGMENTER_TITLES",
    "TOPOLOGIES",
    "Recipe",
    "Row",
    "grid",
    "row_named",
    "title_of",
]

TOPOLOGIES = ("single", "siamese", "synergic")  # keys of fusqa.models.networks.TOPOLOGIES, which loads PyTorch
SEGMENTER_TITLES = {"fetal-transunet": "Fetal-TransUNet", "unet": "U-Net"}  # the paper's, and ours beside it


PICTURE, MASK = "picture", "mask"


@dataclass(frozen=True)
class Recipe:
    """One way to train a quality model.

    Attributes
    ----------
    material : {"altered", "errors"}
        Altered masks, good or poor by construction; or out-of-fold predictions of degraded images, good if the review
        accepts them and the measurement dates the pregnancy right.
    encoding : str
        How the mask enters the network, a key of :data:`fusqa.models.networks.ENCODINGS`.
    sees : tuple of {"picture", "mask"}
        What the model is shown. A model that is shown only one of the two shows how far that one leads.
    target : {"good", "dice"}
        What it predicts: the verdict, or the mean Dice with the reference mask.
    exchanged : float
        Share of the good masks that it learns from a second time, labelled poor, beside another patient's image: only
        a comparison of image and mask can tell these apart.
    notes : tuple of str
        What is added to a row's name in print.
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


@dataclass(frozen=True)
class Row:
    """One row of the grid of quality models.

    Attributes
    ----------
    topology, backbone, pretrained
        Arguments of :func:`fusqa.models.networks.quality_model`.
    recipe : str
        How it is trained, a key of :data:`RECIPES`.
    """

    topology: str
    backbone: str
    pretrained: bool
    recipe: str = "paper"

    @property
    def network(self) -> tuple[str, str, bool]:
        """Topology, backbone and start: what two rows share that differ in their recipe."""
        return self.topology, self.backbone, self.pretrained

    @property
    def key(self) -> str:
        """Name of the row in profiles and files, such as ``single-resnet18-scratch``."""
        start = "pretrained" if self.pretrained else "scratch"
        return "-".join([self.topology, self.backbone, start] + [self.recipe] * (self.recipe != "paper"))

    @property
    def title(self) -> str:
        """Name of the row in print, such as "Single ResNet-18, from scratch"."""
        start = "pretrained" if self.pretrained else "from scratch"
        network = f"{self.topology.capitalize()} {BACKBONES[self.backbone].title}"
        return ", ".join([network, start, *RECIPES[self.recipe].notes])

    def result(self, seed: int) -> str:
        """Name of its result files when trained with `seed`, such as ``quality__single-resnet18-scratch__seed0``."""
        return f"quality__{self.key}__seed{seed}"


REFERENCE_NETWORK = ("single", "resnet18", False)
"""The network on which recipes are compared."""


def grid() -> dict[str, Row]:
    """Return every row that can be named, by its key: any topology, backbone, start and recipe."""
    rows = (Row(*parts[:3], recipe=parts[3]) for parts in product(TOPOLOGIES, BACKBONES, (False, True), RECIPES))
    return {row.key: row for row in rows}


def row_named(key: str) -> Row:
    """Return the row of a name such as ``single-resnet18-scratch-errors``.

    Raises
    ------
    ValueError
        For another name; the message has the nearest ones.
    """
    known = grid()
    if key not in known:
        near = ", ".join(get_close_matches(key, known, 4, 0)) if key else ", ".join(list(known)[:4])
        raise ValueError(f"there is no row '{key}'; those with the nearest names are {near}")
    return known[key]


def title_of(key: str) -> str:
    """Return the name in print of a segmenter or of a row; `key` itself where it names neither."""
    try:
        return SEGMENTER_TITLES.get(key) or row_named(key).title
    except ValueError:
        return key
