"""The rows of the grid of quality models: what is trained, how, and what to call it."""

from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product
from typing import NamedTuple

from fusqa.models.backbones import BACKBONES

TOPOLOGIES = ("single", "siamese", "synergic")  # keys of fusqa.models.networks.TOPOLOGIES, which loads PyTorch
SEGMENTER_TITLES = {"fetal-transunet": "Fetal-TransUNet", "unet": "U-Net"}  # the paper's, and ours beside it


PICTURE, MASK = "picture", "mask"
GREY, LABELS = "grey", "one-hot"


class Target(NamedTuple):
    """What a quality model is asked for.

    ``answer`` is the kind of number that its network ends in, a key of :data:`fusqa.models.answers.ANSWERS`, which has
    the loss; ``truth`` the verdict by which its threshold is chosen; ``note`` what is added to a row's name in print.
    """

    answer: str
    truth: str
    note: str = ""


TARGETS = {
    "good": Target("verdict", "good"),
    "reviewed": Target("verdict", "reviewed", "by review alone"),
    "dice": Target("overlap", "good", "Dice regression"),
    "delta_mm": Target("error", "good", "signed error in mm"),
}
"""Targets by their column in a table of pairs: the verdict by review and date; that by the review alone, by which all
models are tested; the mean Dice with the reference mask; the error of the length, above zero where it is too long."""


@dataclass(frozen=True)
class Recipe:
    """One way to train a quality model.

    Attributes
    ----------
    material : tuple of {"altered", "errors"}
        Altered masks, good or poor by construction; or out-of-fold predictions, most of degraded images or by weaker
        networks, good if the review accepts them and the measurement dates the pregnancy right; or both.
    encoding : str
        How the mask enters the network, a key of :data:`fusqa.models.networks.ENCODINGS`.
    sees : tuple of {"picture", "mask"}
        What the model is shown. A model that is shown only one of the two shows how far that one leads.
    target : {"good", "reviewed", "dice", "delta_mm"}
        What it predicts, a key of :data:`TARGETS`. Masks without it, such as one that cannot be measured and so has no
        error, are not learnt from.
    exchanged : float
        Share of the good masks that it learns from a second time, labelled poor, beside another patient's image: only
        a comparison of image and mask can tell these apart.
    mismatched : float
        Share of the good masks that it learns from once more, moved and resized together with their image, and so
        crossed that mask or image alone tell nothing (:mod:`fusqa.study.mismatch`).
    varied : bool
        Whether the grey levels of half of the training images are changed, as another machine might record them.
    """

    material: tuple[str, ...]
    encoding: str = GREY
    sees: tuple[str, ...] = (PICTURE, MASK)
    target: str = "good"
    exchanged: float = 0.0
    mismatched: float = 0.0
    varied: bool = False

    @property
    def control(self) -> bool:
        """Whether the image or the mask is hidden on purpose: such a model is not expected to learn."""
        return len(self.sees) < 2

    @property
    def truth(self) -> str:
        """The verdict by which its threshold is chosen: the one that it predicts; "good" if it predicts a number."""
        return TARGETS[self.target].truth

    @property
    def answer(self) -> str:
        """Kind of number that its network ends in, a key of :data:`fusqa.models.answers.ANSWERS`."""
        return TARGETS[self.target].answer

    @property
    def learns_from(self) -> str:
        """Its material, in print."""
        return _LEARNS_FROM[self.material]

    @property
    def family(self) -> str:
        """Recipes that are drawn together, in print: by their material; those with another target, of any, apart."""
        if self.answer != TARGETS["good"].answer:
            return "quality models, a number predicted"
        return f"quality models, {TARGETS[self.target].note or self.learns_from}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What differs from the paper's recipe, in the words that are added to a row's name in print."""
        differs = {
            self.learns_from: self.material != (ALTERED_MASKS,),
            "a channel per label": self.encoding == LABELS,
            "grey levels varied": self.varied,
            "mask only": self.sees == (MASK,),
            "image only": self.sees == (PICTURE,),
            "images exchanged": self.exchanged > 0,
            "wrong places and sizes": self.mismatched > 0,
            TARGETS[self.target].note: self.target != "good",
        }
        return tuple(note for note, holds in differs.items() if holds)

    @property
    def title(self) -> str:
        """What sets it apart from the other recipes, in print."""
        return ", ".join(self.notes) or "paper's recipe"


ALTERED_MASKS, OWN_ERRORS = "altered", "errors"
_LEARNS_FROM = {
    (ALTERED_MASKS,): "altered masks",
    (OWN_ERRORS,): "segmenter's errors",
    (ALTERED_MASKS, OWN_ERRORS): "altered masks and errors",
}
_ALTERED, _ERRORS, _BOTH = _LEARNS_FROM
RECIPES = {
    # One thing at a time: what it learns from, how the mask enters the network, whether the image is seen.
    "paper": Recipe(_ALTERED),
    "paper-blind": Recipe(_ALTERED, sees=(MASK,)),
    "paper-labels": Recipe(_ALTERED, LABELS),
    "paper-varied": Recipe(_ALTERED, varied=True),
    "errors-grey": Recipe(_ERRORS),
    "errors": Recipe(_ERRORS, LABELS),
    "blind": Recipe(_ERRORS, LABELS, sees=(MASK,)),
    "both": Recipe(_BOTH),
    "both-labels": Recipe(_BOTH, LABELS),
    "both-blind": Recipe(_BOTH, LABELS, sees=(MASK,)),
    "both-varied": Recipe(_BOTH, varied=True),
    # Other tasks for the same network.
    "maskless": Recipe(_ERRORS, LABELS, sees=(PICTURE,)),
    "exchanged": Recipe(_ERRORS, LABELS, exchanged=0.5),
    "mismatched": Recipe(_ERRORS, LABELS, mismatched=0.5),
    "reviewed": Recipe(_ERRORS, LABELS, target="reviewed"),
    "reviewed-varied": Recipe(_ERRORS, LABELS, target="reviewed", varied=True),
    "both-reviewed": Recipe(_BOTH, LABELS, target="reviewed"),
    "dice": Recipe(_ERRORS, LABELS, target="dice"),
    "both-dice": Recipe(_BOTH, LABELS, target="dice"),
    "signed": Recipe(_ERRORS, LABELS, target="delta_mm"),
    "signed-blind": Recipe(_ERRORS, LABELS, sees=(MASK,), target="delta_mm"),
    "signed-mismatched": Recipe(_ERRORS, LABELS, mismatched=0.5, target="delta_mm"),
    "both-signed": Recipe(_BOTH, LABELS, target="delta_mm"),
    "both-signed-blind": Recipe(_BOTH, LABELS, sees=(MASK,), target="delta_mm"),
}
"""Every way to train, by the last part of a row's name. A recipe differs from another one in as little as possible."""


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
    def parts(self) -> tuple[str, ...]:
        """Names by which a profile can set how the row is trained, from the broadest to the narrowest."""
        start = "pretrained" if self.pretrained else "scratch"
        network = f"{self.topology}-{self.backbone}"
        return self.backbone, f"{self.backbone}-{start}", self.topology, network, f"{network}-{start}", self.key

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
    rows = (Row(*parts) for parts in product(TOPOLOGIES, BACKBONES, (False, True), RECIPES))
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
