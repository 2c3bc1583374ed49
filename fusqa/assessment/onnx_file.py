"""A trained model as one ONNX file, for programs that are not written in Python; it is checked before it is kept.

The file takes what an image library gives, grey levels and label numbers as ``uint8`` at the model's size, and
returns the probability of "good": scaling, one-hot encoding and sigmoid are inside. Its metadata hold the card.
"""

import logging
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from fusqa.assessment.probabilities import WRAPPERS
from fusqa.files import to_json, write_bytes
from fusqa.masks.labels import SCHEMES
from fusqa.models.checkpoints import Card

TOLERANCE = 1e-4  # chosen: largest difference of a probability; thresholds are read to three digits
PROBES = 9  # pairs on which both are compared, in batches of unequal size


def export(model: nn.Module, card: Card, out: Path) -> float:
    """Write a model as ONNX; return by how much its probabilities differ from PyTorch's at most.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode on the CPU.
    card : Card
        Its card.
    out : Path
        The file, which is written whole or not at all.

    Raises
    ------
    ValueError
        If the packages of the extra ``onnx`` are missing, the network is of a kind that judges nothing, or the file
        does not answer as the model does.
    """
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401  PyTorch's exporter needs it
    except ImportError as error:
        raise ValueError(f"{error.name} is not installed; add it with pip install 'fusqa[onnx]'") from None
    if card.kind not in WRAPPERS:
        raise ValueError(f"a network of kind '{card.kind}' judges no mask; give one of {', '.join(WRAPPERS)}")
    wrapped = WRAPPERS[card.kind](model, card).eval()
    probes = dict(zip(("image", "mask"), sample(card, PROBES), strict=True))
    given = {name: torch.from_numpy(probes[name]) for name in wrapped.inputs}
    program = onnx.load_from_string(_exported(wrapped, given))
    for key, value in (("card", to_json(card)), ("threshold", repr(card.threshold))):
        program.metadata_props.add(key=key, value=value)
    content = program.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        expected = wrapped(*given.values()).numpy()
    apart = 0.0
    for part in (slice(0, 1), slice(1, PROBES)):
        (answer,) = session.run(["probability"], {name: probes[name][part] for name in given})
        apart = float(np.maximum(apart, np.abs(answer - expected[part]).max()))  # NaN stays one
    if not apart <= TOLERANCE:
        raise ValueError(f"the ONNX file differs from the model by {apart:g}; it was not written")
    write_bytes(out, content)
    return apart


def sample(card: Card, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw images and masks ``(count, S, S)`` ``uint8`` of a model's size: noise, and blocks of every label."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, card.size, card.size), np.uint8)
    blocks = rng.integers(0, SCHEMES[card.scheme].classes, (count, 8, 8), np.uint8)
    nearest = np.arange(card.size) * 8 // card.size
    return images, np.ascontiguousarray(blocks[:, nearest][:, :, nearest])


def _exported(model: nn.Module, given: dict[str, Tensor]) -> bytes:
    """Let PyTorch write the program, for any number of pairs at once."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    batch = torch.export.Dim("batch", min=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch about itself
        made = torch.onnx.export(
            model,
            tuple(given.values()),
            dynamo=True,
            verbose=False,
            input_names=list(given),
            output_names=["probability"],
            dynamic_shapes=tuple({0: batch} for _ in given),
        )
    return made.model_proto.SerializeToString()
