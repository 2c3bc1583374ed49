"""A trained model -> what an edition keeps of it: its weights in half precision, and its card."""

from pathlib import Path

import torch

from fusqa.models.checkpoints import load_familiarity, load_model, save_model
from fusqa.publishing.tools import PublishingError

LARGEST_MB = 8  # chosen: a repository holds a few of these


def write_small(model: Path, place: Path) -> None:
    """Copy the model in a folder to another one, its weights as float16; a network reads them as float32 again.

    Raises
    ------
    PublishingError
        When a weight is too large for float16, or the model stays too large.
    """
    network, card = load_model(model)
    network.half()
    if not all(tensor.isfinite().all() for tensor in network.state_dict().values()):
        raise PublishingError(f"{model} has weights beyond {torch.finfo(torch.float16).max:.0f}, the largest float16")
    save_model(network, place, card, load_familiarity(model))
    size = sum(file.stat().st_size for file in place.iterdir()) / 1e6
    if size > LARGEST_MB:
        raise PublishingError(f"{model} is {size:.1f} MB in half precision, more than the {LARGEST_MB} MB of a model")
