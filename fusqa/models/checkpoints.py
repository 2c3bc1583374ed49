"""Trained networks on disk: weights as safetensors beside a JSON card; nothing is ever unpickled.

The card says how to build the network (`kind` and `arguments`), what it was made for (`size`, `scheme`), where it parts
good from poor (`threshold`), where it came from (`provenance`), and which weights it belongs to (`sha256`). The
distribution of its training pairs (:mod:`fusqa.models.familiarity`) is stored in the same file as the weights.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import nn

from fusqa.files import read_json, write_bytes, write_json
from fusqa.masks.labels import SCHEMES, Scheme
from fusqa.models.error_mapper import ErrorMapper
from fusqa.models.familiarity import Familiarity
from fusqa.models.networks import Autoencoder, quality_model
from fusqa.models.segmenters import SEGMENTERS

_WEIGHTS, _FAMILIARITY = "weights.safetensors", "familiarity."  # name of the file; first part of some tensors' names

KINDS = {"quality": quality_model, "autoencoder": Autoencoder, "error-map": ErrorMapper} | SEGMENTERS


@dataclass(frozen=True)
class Card:
    """What is known about a trained network.

    Attributes
    ----------
    kind : str
        A key of :data:`KINDS`.
    arguments : dict
        Keyword arguments of its constructor; pretrained weights are not loaded again, the trained ones replace them.
    size : int
        Side of the square images it was trained on, in pixels.
    scheme : str
        Label scheme of its masks.
    threshold : float or None
        Where it parts good from poor.
    sees : sequence of str
        What it is shown of a pair: "picture", "mask", or both.
    training : dict
        What it learnt from: ``material``, number of ``masks``, range of the true lengths ``length_mm`` (low, high),
        and on which masks the threshold was chosen, ``chosen_on``. Of a segmenter: the ``contour_level`` at which its
        lengths are measured between pixels (:func:`fusqa.study.segmentation.contour_level`).
    metrics : dict
        From a set of masks to the area under the ROC curve on it.
    provenance : dict
        See :func:`fusqa.study.provenance.origin`.
    sha256 : str
        Of the weights file; filled in by :func:`save_model`.
    """

    kind: str
    arguments: dict[str, Any]
    size: int
    scheme: str
    threshold: float | None = None
    sees: Sequence[str] = ("picture", "mask")
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float | None] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""


class TrainedNetwork:
    """A trained network with its card.

    Parameters
    ----------
    model : nn.Module
        The network, in evaluation mode.
    card : Card
        What is known of it.
    """

    def __init__(self, model: nn.Module, card: Card):
        self.model, self.card = model, card

    @property
    def scheme(self) -> Scheme:
        """What the labels of its masks mean."""
        return SCHEMES[self.card.scheme]


def save_model(model: nn.Module, folder: str | Path, card: Card, familiarity: Familiarity | None = None) -> None:
    """Write ``weights.safetensors`` and then ``card.json`` into `folder`, each whole or not at all."""
    folder = Path(folder)
    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    if familiarity:
        tensors |= {_FAMILIARITY + name: tensor.contiguous() for name, tensor in vars(familiarity).items()}
    weights = save(tensors)
    write_bytes(folder / _WEIGHTS, weights)
    write_json(folder / "card.json", asdict(card) | {"sha256": hashlib.sha256(weights).hexdigest()})


def load_model(folder: str | Path) -> tuple[nn.Module, Card]:
    """Read a trained network, in evaluation mode on the CPU, and its card.

    Raises
    ------
    FileNotFoundError
        When the folder holds no card, or no weights.
    ValueError
        When card and weights do not belong together, kind or scheme is unknown, or the card cannot be read.
    """
    folder = Path(folder)
    card = read_card(folder / "card.json")
    weights = (folder / _WEIGHTS).read_bytes()
    if hashlib.sha256(weights).hexdigest() != card.sha256:
        raise ValueError(f"{folder}: card.json does not belong to weights.safetensors; copy both files of one model")
    if card.kind not in KINDS:
        raise ValueError(f"{folder / 'card.json'}: kind '{card.kind}' is not one of {', '.join(KINDS)}")
    if card.scheme not in SCHEMES:
        raise ValueError(f"{folder / 'card.json'}: scheme '{card.scheme}' is not one of {', '.join(SCHEMES)}")
    try:
        tensors = {name: tensor for name, tensor in load(weights).items() if not name.startswith(_FAMILIARITY)}
    except SafetensorError as error:
        raise ValueError(f"{folder / _WEIGHTS} holds no weights ({error}); copy both files of one model") from None
    try:
        untrained = {"pretrained": False} if "pretrained" in card.arguments else {}
        model = KINDS[card.kind](**card.arguments | untrained)
        model.load_state_dict(tensors)
    except (KeyError, TypeError, RuntimeError) as error:
        said = str(error.args[0]).splitlines()[0]
        raise ValueError(f"{folder / 'card.json'} describes another network than its weights have ({said})") from None
    return model.to(memory_format=torch.channels_last).eval(), card


def load_kind(folder: str | Path, kinds: Collection[str]) -> tuple[nn.Module, Card]:
    """Read a trained network of one of some kinds, keys of :data:`KINDS`, that a user names.

    Raises
    ------
    ValueError
        As :func:`load_model`; and when the folder lacks card or weights, or holds a network of another kind.
    """
    if not all((Path(folder) / name).is_file() for name in ("card.json", _WEIGHTS)):
        raise ValueError(f"{folder} holds no model; give a folder with card.json and {_WEIGHTS}")
    model, card = load_model(folder)
    if card.kind not in kinds:
        raise ValueError(f"{folder} holds a network of kind '{card.kind}'; give one of {', '.join(kinds)}")
    return model, card


def read_card(path: Path) -> Card:
    """Read a card, or raise ``ValueError`` with the name of the file."""
    try:
        return Card(**read_json(path))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is not a model's card ({error}); copy both files of one model") from None


def load_familiarity(folder: str | Path) -> Familiarity | None:
    """Read the distribution of a model's training pairs; None where it was not kept."""
    with safe_open(Path(folder) / _WEIGHTS, "pt") as stored:
        names = [name for name in stored.keys() if name.startswith(_FAMILIARITY)]
        tensors = {name.removeprefix(_FAMILIARITY): stored.get_tensor(name) for name in names}
    return Familiarity(**tensors) if tensors else None
