"""Trained networks on disk: weights as safetensors beside a JSON card; nothing is ever unpickled.

The card says how to build the network (`kind` and `arguments`), what it was made for (`size`, `scheme`), how it
was judged (`threshold`), where it came from (`provenance`), and which weights it belongs to (`sha256`).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import nn

from fusqa.files import write_bytes, write_json
from fusqa.networks import Autoencoder, quality_model
from fusqa.segmenters import SEGMENTERS

__all__ = ["KINDS", "Card", "load_model", "save_model"]

KINDS = {"quality": quality_model, "autoencoder": Autoencoder} | SEGMENTERS


@dataclass(frozen=True)
class Card:
    """What is known of a trained network.

    Attributes
    ----------
    kind : str
        A key of :data:`KINDS`.
    arguments : dict
        Keyword arguments of its constructor; pretrained weights are never loaded again, the trained ones follow.
    size : int
        Side of the square picture it was trained on, in pixels.
    scheme : str
        Label scheme of its masks.
    threshold : float or None
        Where it parts good from poor.
    sees : sequence of str
        What it is shown of a pair: "picture", "mask", or both.
    training : dict
        What it learnt from: ``material``, number of ``masks``, range of the true lengths ``length_mm`` (low, high),
        and on which masks the threshold was chosen, ``chosen_on``.
    metrics : dict
        Set of masks to the area under the ROC curve on it.
    provenance : dict
        See :func:`fusqa.study.provenance`.
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


def save_model(model: nn.Module, folder: str | Path, card: Card) -> None:
    """Write ``weights.safetensors`` and, last, ``card.json`` into `folder`, each whole or not at all."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = save({key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()})
    write_bytes(folder / "weights.safetensors", weights)
    write_json(folder / "card.json", asdict(card) | {"sha256": hashlib.sha256(weights).hexdigest()})


def load_model(folder: str | Path) -> tuple[nn.Module, Card]:
    """Read a trained network, in evaluation mode on the CPU, and its card.

    Raises
    ------
    FileNotFoundError
        When the folder holds no card.
    ValueError
        When card and weights do not belong together, or the kind is unknown.
    """
    folder = Path(folder)
    card = Card(**json.loads((folder / "card.json").read_text(encoding="utf-8")))
    weights = (folder / "weights.safetensors").read_bytes()
    if hashlib.sha256(weights).hexdigest() != card.sha256:
        raise ValueError(f"{folder}: card.json does not belong to weights.safetensors; copy both files of one model")
    if card.kind not in KINDS:
        raise ValueError(f"{folder / 'card.json'}: kind '{card.kind}' is not one of {', '.join(KINDS)}")
    arguments = dict(card.arguments)
    if "pretrained" in arguments:
        arguments["pretrained"] = False
    model = KINDS[card.kind](**arguments)
    model.load_state_dict(load(weights))
    return model.to(memory_format=torch.channels_last).eval(), card
