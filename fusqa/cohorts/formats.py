"""Images and masks in the formats that hospitals keep them in -> grey levels or labels, and what a file states.

The study itself writes 8-bit grey PNG alone. A hospital has JPEG stills, TIFF exports, DICOM from the archive, NIfTI,
NRRD or MetaImage from a segmentation tool, and polygons from an annotator. Every kind of file has one pair of readers,
a row of :data:`KINDS`. The kind is judged by a file's first bytes, and by its name only where they say nothing.
Whatever a reader of another project raises over a damaged file becomes a :class:`fusqa.problems.CohortError` that names
the file and the fix. Sizes are read from the header first: a forged one must not make us allocate what it claims.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import UnidentifiedImageError

from fusqa.cohorts.dicom import BARE_STARTS, dicom_image, dicom_mask
from fusqa.cohorts.polygons import file_and_member, polygon_image, polygon_mask
from fusqa.cohorts.raster import PNG_SIGNATURE, format_of, jpeg_image, jpeg_mask, png, tiff_image, tiff_mask
from fusqa.cohorts.stored import SAVE_IMAGE, SAVE_MASK, StoredImage, UnfitFile, in_words
from fusqa.cohorts.volumes import GZIP, META_START, NIFTI_SIZES, NRRD, holds_nifti, volume_image, volume_mask
from fusqa.files import write_bytes
from fusqa.problems import CohortError, Problem


def read_image(path: str | os.PathLike[str]) -> StoredImage:
    """Read an ultrasound image.

    Images that were stored in colour as JPEG or DICOM are turned to grey by their luminance.

    Raises
    ------
    CohortError
        If the file is missing, damaged, of another kind, in colour, of more than 8 bits without a window that says
        which of them to show, or of more than one frame.
    """
    path = Path(path)
    with _faults_reported(path):
        return _kind_of(path).image(path)


def read_mask(path: str | os.PathLike[str]) -> StoredImage:
    """Read a label image; its numbers are checked by the scheme, not here.

    A mask within a COCO file is named as :func:`fusqa.cohorts.polygons.file_and_member` takes it.

    Raises
    ------
    CohortError
        As :func:`read_image`; and for pixels that were compressed with loss, which does not keep numbers.
    """
    path = Path(path)
    with _faults_reported(path):
        return _kind_of(Path(file_and_member(str(path))[0])).mask(path)


def write_image(path: str | os.PathLike[str], pixels: np.ndarray) -> None:
    """Write an image or mask ``(H, W)`` ``uint8`` as PNG, whole or not at all."""
    _, encoded = cv2.imencode(".png", pixels)
    write_bytes(path, encoded.tobytes())


@contextmanager
def _faults_reported(path: Path) -> Iterator[None]:
    """Turn what readers raise over a file into a problem of that file."""
    try:
        yield
    except UnfitFile as error:
        fault = error.args
    except UnidentifiedImageError:
        fault = "is damaged (its header cannot be read)", "export the file again"
    except OSError as error:
        # Pillow and pydicom call a damaged file an OSError too; the system's own have a number.
        fault = f"is damaged ({in_words(error)})", "export the file again"
        if error.errno:
            fault = f"cannot be read ({error.strerror})", "check the name and the permissions"
    except Exception as error:  # foreign parsers over foreign bytes: no list of their exceptions is complete
        fault = f"is damaged ({in_words(error)})", "export the file again"
    else:
        return
    raise CohortError([Problem(None, str(path), *fault)])


@dataclass(frozen=True)
class Kind:
    """How a kind of file is read: its name in print, its endings in small letters, and its two readers."""

    name: str
    endings: tuple[str, ...]
    image: Callable[[Path], StoredImage]
    mask: Callable[[Path], StoredImage]


_PNG = Kind("PNG", (".png",), partial(png, save_as=SAVE_IMAGE), partial(png, save_as=SAVE_MASK))
_JPEG = Kind("JPEG", (".jpg", ".jpeg"), jpeg_image, jpeg_mask)
_TIFF = Kind("TIFF", (".tif", ".tiff"), tiff_image, tiff_mask)
_DICOM = Kind("DICOM", (".dcm", ".dicom"), dicom_image, dicom_mask)
_NIFTI = Kind("NIfTI", (".nii", ".nii.gz"), volume_image, volume_mask)
_NRRD = Kind("NRRD", (".nrrd",), volume_image, volume_mask)
_META = Kind("MetaImage", (".mha",), volume_image, volume_mask)
_POLYGONS = Kind("polygons", (".json",), polygon_image, polygon_mask)
_ALL = (_PNG, _JPEG, _TIFF, _DICOM, _NIFTI, _NRRD, _META, _POLYGONS)
KINDS = {ending: kind for kind in _ALL for ending in kind.endings}
"""Ending of a file's name, in small letters, to its kind, where the content does not tell another.

:meta hide-value:
"""

_STARTS = {
    PNG_SIGNATURE: _PNG,
    b"\xff\xd8\xff": _JPEG,
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), _TIFF),
    **dict.fromkeys(NIFTI_SIZES, _NIFTI),
    NRRD: _NRRD,
    **dict.fromkeys(BARE_STARTS, _DICOM),
}


def ending_of(name: str) -> str:
    """Ending of a file's name, a key of :data:`KINDS`; empty for another."""
    return next((ending for ending in KINDS if name.lower().endswith(ending)), "")


def kind_by_content(path: Path) -> Kind | None:
    """Kind of a file by its first bytes; None where they are of none, or cannot be read."""
    try:
        with open(path, "rb") as file:
            start = file.read(132)
    except OSError:
        return None
    if start[128:] == b"DICM":  # before the others: what stands in the preamble is free
        return _DICOM
    if start.startswith(GZIP):
        return _NIFTI if holds_nifti(path) else None
    if META_START.match(start):
        return _META
    return next((kind for first, kind in _STARTS.items() if start.startswith(first)), None)


def _kind_of(path: Path) -> Kind:
    """Readers of a file by its content; by its name where the content is of no kind, so that they say what is wrong.

    A name that contradicts the content is a fault: other programs go by the name, and show something else or nothing.
    """
    named, found = KINDS.get(ending_of(path.name)), kind_by_content(path)
    if named and found and named is not found:
        fix = f"export the file again as {named.name}, or give it the ending of what it is"
        raise UnfitFile(f"is a {found.name}, not a {named.name}, whatever its name says", fix)
    if not (named or found):
        with open(path, "rb") as file:
            content = format_of(file)
        raise UnfitFile(f"is {content}, which is not read", f"save it as one of {', '.join(KINDS)}")
    return found or named
