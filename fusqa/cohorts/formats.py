"""Images and masks in the formats that hospitals keep them in -> grey levels or labels, and the spacing a file states.

The study itself writes 8-bit grey PNG alone. A hospital has JPEG stills, TIFF exports, DICOM from the archive and NIfTI
from a segmentation tool. Every kind of file has one reader, a row of :data:`KINDS`. Whatever a reader of another
project raises over a damaged file becomes a :class:`fusqa.problems.CohortError` that names the file and the fix.
Sizes are read from the header first: a forged one must not make us allocate what it claims.
"""

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pydicom
from PIL import Image, UnidentifiedImageError
from pydicom.pixels import apply_modality_lut, apply_windowing, pixel_array

from fusqa.files import write_bytes
from fusqa.problems import CohortError, Problem

__all__ = ["KINDS", "StoredImage", "ending_of", "read_image", "read_mask", "write_image"]

LARGEST = 2**25  # pixels: sixteen times what a scanner stores, less than what a forged header could make us allocate
SAVE_IMAGE = "save the image as an 8-bit grey PNG without transparency"
SAVE_MASK = "save the mask as an 8-bit grey PNG whose pixel values are the label numbers (no palette, no colours)"


@dataclass(frozen=True, eq=False)
class StoredImage:
    """What a file holds.

    Attributes
    ----------
    pixels : (H, W)
        ``uint8`` grey levels of an ultrasound image, integers of any width of a mask.
    spacing : (row_mm, col_mm) or None
        Pixel spacing in millimetres, where the file states one.
    """

    pixels: np.ndarray
    spacing: tuple[float, float] | None = None


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

    Raises
    ------
    CohortError
        As :func:`read_image`; and for a JPEG, which does not keep numbers.
    """
    path = Path(path)
    with _faults_reported(path):
        return _kind_of(path).mask(path)


def write_image(path: str | os.PathLike[str], pixels: np.ndarray) -> None:
    """Write an image or mask ``(H, W)`` ``uint8`` as PNG, whole or not at all."""
    _, encoded = cv2.imencode(".png", pixels)
    write_bytes(path, encoded.tobytes())


class _UnfitFile(Exception):
    """A file that is not what is needed: (what is wrong, fix)."""


@contextmanager
def _faults_reported(path: Path) -> Iterator[None]:
    """Turn what readers raise over a file into a problem of that file."""
    try:
        yield
    except _UnfitFile as error:
        fault = error.args
    except UnidentifiedImageError:
        fault = "is damaged (its header cannot be read)", "export the file again"
    except OSError as error:
        # Pillow and pydicom call a damaged file an OSError too; the system's own have a number.
        if error.errno:
            fault = f"cannot be read ({error.strerror})", "check the name and the permissions"
        else:
            fault = f"is damaged ({_first_line(error)})", "export the file again"
    except Exception as error:  # four foreign parsers over foreign bytes: no list of their exceptions is complete
        fault = f"is damaged ({_first_line(error)})", "export the file again"
    else:
        return
    raise CohortError([Problem(None, str(path), *fault)])


def _first_line(error: Exception) -> str:
    """What a foreign reader says, short enough for one row of a table."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]


def _require_size(width: int, height: int) -> None:
    """Refuse a header that claims a size which no image has."""
    if not 0 < width * height <= LARGEST or min(width, height) < 1:
        raise _UnfitFile(
            f"claims {width} × {height} pixels, and no more than {LARGEST} in all are read",
            "export the image in the size that the scanner stores",
        )


# ---------------------------------------------------------------------------------------------------------------------
# PNG, JPEG, TIFF
# ---------------------------------------------------------------------------------------------------------------------

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_COLOURS = {0: "grey", 2: "colour", 3: "palette", 4: "grey with transparency", 6: "colour with transparency"}
_RENAMED = ("JPEG", "GIF", "BMP", "TIFF", "WEBP")  # formats that are found under the name of a PNG
_PNG_HEADER = 33  # bytes, up to the checksum of the first chunk


def _png(path: Path, save_as: str) -> StoredImage:
    """Read an 8-bit grey PNG of which every chunk is intact; `save_as` is the fix for a PNG of another kind.

    OpenCV alone returns a half-black image for a truncated file and turns palettes and 16-bit files into something
    else, and a mask altered that way is a wrong measurement rather than an error.
    """
    data, again = path.read_bytes(), "export the file again as PNG"
    truncated = f"is truncated ({len(data)} bytes, the rest is missing)", again
    if not data:
        raise _UnfitFile("is empty (0 bytes)", again)
    if not data.startswith(_PNG_SIGNATURE):
        raise _UnfitFile(f"is {_format_of(data)}, not a PNG, whatever its name says", again)
    if len(data) < _PNG_HEADER:
        raise _UnfitFile(*truncated)
    # https://www.w3.org/TR/png-3/, section 11.2.1. Pillow's mode does not tell grey levels of 2, 4 and 8 bits apart.
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    _require_size(width, height)
    with Image.open(BytesIO(data), formats=["PNG"]) as file:
        transparent = " with a transparent level" * (colour == 0 and "transparency" in file.info)
        try:
            file.verify()
        except OSError:
            raise _UnfitFile(*truncated) from None
    kind = f"{depth}-bit {_PNG_COLOURS[colour]}{transparent}"
    if kind != "8-bit grey":
        raise _UnfitFile(f"is {'an' if depth == 8 else 'a'} {kind} PNG", save_as)
    # Not Pillow: it takes missing rows for black ones where the chunks are intact.
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.shape != (height, width):
        raise _UnfitFile("has pixels that cannot be decoded", again)
    return StoredImage(pixels)


def _format_of(data: bytes) -> str:
    """Name what lies under the name of a PNG."""
    try:
        with Image.open(BytesIO(data), formats=_RENAMED) as file:
            return f"a {file.format}"
    except Exception:  # as in _faults_reported
        return "something else"


@contextmanager
def _opened(path: Path, kind: str) -> Iterator[Image.Image]:
    """Open a file with Pillow, which reads the header alone until pixels are asked for."""
    with Image.open(path, formats=[kind]) as file:
        _require_size(*file.size)
        if getattr(file, "n_frames", 1) > 1:
            raise _UnfitFile(f"holds {file.n_frames} images", "export the one that is measured")
        yield file


def _jpeg_image(path: Path) -> StoredImage:
    with _opened(path, "JPEG") as file:
        if file.mode not in ("L", "RGB"):
            raise _UnfitFile(f"is a JPEG in {file.mode} colours", SAVE_IMAGE)
        return StoredImage(np.asarray(file.convert("L")))


def _jpeg_mask(path: Path) -> StoredImage:
    raise _UnfitFile("is a JPEG, which changes label numbers at every edge", SAVE_MASK)


def _tiff(path: Path, save_as: str) -> StoredImage:
    with _opened(path, "TIFF") as file:
        if file.mode != "L":
            fix = save_as.replace("PNG", "TIFF")
            raise _UnfitFile(f"is not an 8-bit grey TIFF (Pillow's mode {file.mode!r})", fix)
        return StoredImage(np.asarray(file))


# ---------------------------------------------------------------------------------------------------------------------
# DICOM
# ---------------------------------------------------------------------------------------------------------------------

_CENTIMETRE = 3  # of PhysicalUnitsXDirection, PS3.3 C.8.5.5.1.15
_PLANE = 1  # of RegionSpatialFormat: a 2D image, not a trace or a spectrum


def _dicom_image(path: Path) -> StoredImage:
    data = _dicom(path)
    colours = data.PhotometricInterpretation
    if colours == "PALETTE COLOR":
        raise _UnfitFile("is a DICOM file in palette colours", "export it in grey")
    pixels = pixel_array(data)  # colours of JPEG come back as red, green, blue
    if pixels.ndim == 3 and pixels.dtype == np.uint8:
        return StoredImage(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), _dicom_spacing(data))
    shown = _windowed(pixels, data)
    return StoredImage(255 - shown if colours == "MONOCHROME1" else shown, _dicom_spacing(data))


def _dicom_mask(path: Path) -> StoredImage:
    data = _dicom(path)
    if data.SamplesPerPixel != 1:
        raise _UnfitFile("is a DICOM file in colour", "save the mask as label numbers, one a pixel")
    return StoredImage(pixel_array(data), _dicom_spacing(data))


def _dicom(path: Path) -> pydicom.Dataset:
    """Read a single-frame DICOM file; its pixels are not decoded yet, and nothing about the patient is looked at."""
    data = pydicom.dcmread(path)
    if "PixelData" not in data:
        raise _UnfitFile("is a DICOM file without an image", "export the image, not its report")
    if int(data.get("NumberOfFrames") or 1) > 1:
        raise _UnfitFile(f"holds {data.NumberOfFrames} frames", "export the one that is measured")
    _require_size(data.Columns, data.Rows)
    return data


def _windowed(pixels: np.ndarray, data: pydicom.Dataset) -> np.ndarray:
    """Grey levels as the archive shows them: through the window that the file names."""
    if "WindowWidth" in data:
        levels = apply_windowing(apply_modality_lut(pixels, data), data)
        if data.get("PixelRepresentation"):
            levels = levels + 2 ** (data.BitsStored - 1)
        return np.uint8(np.clip(levels / (2**data.BitsStored - 1) * 255, 0, 255).round())
    if pixels.dtype != np.uint8:
        raise _UnfitFile(f"has {data.BitsStored} bits a pixel and no window", "export it as 8-bit grey")
    return pixels


def _dicom_spacing(data: pydicom.Dataset) -> tuple[float, float] | None:
    """Spacing that the header states: of the image (PixelSpacing), or of its 2D ultrasound regions in centimetres."""
    stated = set()
    if data.get("PixelSpacing"):
        stated.add(tuple(round(float(mm), 6) for mm in data.PixelSpacing))
    for region in data.get("SequenceOfUltrasoundRegions", ()):
        units = {region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection")}
        if region.get("RegionSpatialFormat") == _PLANE and units == {_CENTIMETRE}:
            deltas = region.PhysicalDeltaY, region.PhysicalDeltaX
            stated.add(tuple(round(abs(float(cm)) * 10, 6) for cm in deltas))
    if len(stated) > 1:
        raise _UnfitFile(
            f"states more than one pixel spacing ({', '.join(map(str, sorted(stated)))} mm)",
            "export the region that is measured by itself",
        )
    return stated.pop() if stated else None


# ---------------------------------------------------------------------------------------------------------------------
# NIfTI
# ---------------------------------------------------------------------------------------------------------------------

_MM = {"mm": 1.0, "meter": 1000.0, "micron": 0.001, "unknown": 1.0}


def _nifti_image(path: Path) -> StoredImage:
    stored = _nifti(path)
    if not _whole_numbers(stored.pixels, 255):
        raise _UnfitFile("holds grey levels that are not whole numbers from 0 to 255", "save it as 8-bit grey")
    return StoredImage(stored.pixels.astype(np.uint8), stored.spacing)


def _nifti_mask(path: Path) -> StoredImage:
    stored = _nifti(path)
    if not _whole_numbers(stored.pixels, 2**31 - 1):
        raise _UnfitFile("holds labels that are not whole numbers", "save the label numbers, not probabilities")
    return StoredImage(stored.pixels.astype(np.int64), stored.spacing)


def _nifti(path: Path) -> StoredImage:
    """Read an image of one slice; its first axis runs along a row, as tools that save images write it."""
    import nibabel  # here: a third of a second that no other reader needs

    file = nibabel.Nifti1Image.from_filename(path)
    axes = [axis for axis, length in enumerate(file.shape) if length != 1]
    if len(axes) != 2 or len(file.shape) < 2:
        raise _UnfitFile(
            f"holds {' × '.join(map(str, file.shape))} values, which is not a single image", "export one slice"
        )
    _require_size(*(file.shape[axis] for axis in axes))
    if file.header.get_data_dtype().kind not in "uif":
        raise _UnfitFile(f"holds values of type {file.header.get_data_dtype()}", "save it as 8-bit grey")
    unit = _MM[file.header.get_xyzt_units()[0]]
    col_mm, row_mm = (float(file.header.get_zooms()[axis]) * unit for axis in axes)
    return StoredImage(np.asarray(file.dataobj).squeeze().T, (row_mm, col_mm))


def _whole_numbers(values: np.ndarray, highest: int) -> bool:
    """Whether all are whole numbers from 0 to `highest`; NaN is none."""
    return bool(((values >= 0) & (values <= highest) & (np.floor(values) == values)).all())


@dataclass(frozen=True)
class Kind:
    """How a kind of file is read."""

    image: Callable[[Path], StoredImage]
    mask: Callable[[Path], StoredImage]


_PNG = Kind(partial(_png, save_as=SAVE_IMAGE), partial(_png, save_as=SAVE_MASK))
_JPEG = Kind(_jpeg_image, _jpeg_mask)
_TIFF = Kind(partial(_tiff, save_as=SAVE_IMAGE), partial(_tiff, save_as=SAVE_MASK))
_DICOM = Kind(_dicom_image, _dicom_mask)
_NIFTI = Kind(_nifti_image, _nifti_mask)
KINDS = {
    ".png": _PNG,
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".dcm": _DICOM,
    ".dicom": _DICOM,
    ".nii": _NIFTI,
    ".nii.gz": _NIFTI,
}
"""Ending of a file's name, in small letters, to its readers. A file with another ending is read as PNG, and so refused.

:meta hide-value:
"""


def ending_of(name: str) -> str:
    """Ending of a file's name, a key of :data:`KINDS`; empty for another."""
    return next((ending for ending in KINDS if name.lower().endswith(ending)), "")


def _kind_of(path: Path) -> Kind:
    """Readers of a file, by the ending of its name."""
    return KINDS.get(ending_of(path.name), _PNG)
