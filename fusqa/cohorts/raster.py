"""PNG, JPEG and TIFF: turned as their orientation tag says, and never a mask out of lossy pixels."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageOps

from fusqa.cohorts.stored import SAVE_IMAGE, SAVE_MASK, StoredImage, UnfitFile, require_size

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_COLOURS = {0: "grey", 2: "colour", 3: "palette", 4: "grey with transparency", 6: "colour with transparency"}
_NAMEABLE = ("JPEG", "GIF", "BMP", "TIFF", "WEBP", "JPEG2000", "ICO", "PPM")  # what may lie under another name
_PNG_HEADER = 33  # bytes, up to the checksum of the first chunk
_PNG_REMARKS = (b"eXIf", b"iTXt", b"tEXt", b"zTXt")  # chunks in which programs keep an orientation

LOSSLESS_TIFF = {
    "raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "lzma", "zstd",
    "group3", "group4", "tiff_ccitt", "tiff_raw_16",
}  # fmt: skip
"""Compressions of TIFF, in Pillow's words, that keep every number."""


def png(path: Path, save_as: str) -> StoredImage:
    """Read an 8-bit grey PNG of which every chunk is intact; `save_as` is the fix for a PNG of another kind.

    OpenCV alone returns a half-black image for a truncated file and turns palettes and 16-bit files into something
    else, and a mask altered that way is a wrong measurement rather than an error.
    """
    data, again = path.read_bytes(), "export the file again as PNG"
    truncated = f"is truncated ({len(data)} bytes, the rest is missing)", again
    if not data:
        raise UnfitFile("is empty (0 bytes)", again)
    if not data.startswith(PNG_SIGNATURE):
        raise UnfitFile(f"is {format_of(BytesIO(data))}, not a PNG, whatever its name says", again)
    if len(data) < _PNG_HEADER:
        raise UnfitFile(*truncated)
    # https://www.w3.org/TR/png-3/, section 11.2.1. Pillow's mode does not tell grey levels of 2, 4 and 8 bits apart.
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    require_size(width, height)
    with Image.open(BytesIO(data), formats=["PNG"]) as file:
        transparent = " with a transparent level" * (colour == 0 and "transparency" in file.info)
        try:
            file.verify()
        except OSError:
            raise UnfitFile(*truncated) from None
    kind = f"{depth}-bit {_PNG_COLOURS[colour]}{transparent}"
    if kind != "8-bit grey":
        raise UnfitFile(f"is {'an' if depth == 8 else 'a'} {kind} PNG", save_as)
    # Not Pillow: it takes missing rows for black ones where the chunks are intact.
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.shape != (height, width):
        raise UnfitFile("has pixels that cannot be decoded", again)
    if not any(chunk in data for chunk in _PNG_REMARKS):
        return StoredImage(pixels)
    with Image.open(BytesIO(data), formats=["PNG"]) as file:
        file.load()  # decodes the pixels again, but remarks may stand behind them
        turn = _orientation(file)
    return _turned(Image.fromarray(pixels), turn)


def format_of(file: BinaryIO) -> str:
    """Name what lies under the name of something else, from its first bytes."""
    try:
        with Image.open(file, formats=_NAMEABLE) as image:
            return f"a {image.format}"
    except Exception:  # a foreign parser over foreign bytes: no list of its exceptions is complete
        return "something else"


@contextmanager
def _opened(path: Path, kind: str) -> Iterator[Image.Image]:
    """Open a file with Pillow, which reads the header alone until pixels are asked for.

    As a stream: given a path, Pillow maps a TIFF without compression into memory, and scrambles one that is turned.
    """
    with path.open("rb") as stream, Image.open(stream, formats=[kind]) as file:
        require_size(*file.size)
        if getattr(file, "n_frames", 1) > 1:
            raise UnfitFile(f"holds {file.n_frames} images", "export the one that is measured")
        yield file


def _orientation(file: Image.Image) -> int:
    """EXIF's or TIFF's orientation: 1 as stored, 2 to 8 turned or mirrored."""
    found = file.getexif().get(ExifTags.Base.Orientation, 1)
    return found if found in range(1, 9) else 1


def _turned(file: Image.Image, orientation: int) -> StoredImage:
    """Turn grey pixels as viewers show them."""
    if orientation == 1:
        return StoredImage(np.array(file))
    file.getexif()[ExifTags.Base.Orientation] = orientation
    return StoredImage(np.array(ImageOps.exif_transpose(file)), orientation=f"orientation tag {orientation}")


def jpeg_image(path: Path) -> StoredImage:
    """Read a JPEG in grey or colour, by its luminance."""
    with _opened(path, "JPEG") as file:
        if file.mode not in ("L", "RGB"):
            raise UnfitFile(f"is a JPEG in {file.mode} colours", SAVE_IMAGE)
        return _turned(file.convert("L"), _orientation(file))


def jpeg_mask(path: Path) -> StoredImage:
    """Refuse: a JPEG is never a mask."""
    raise UnfitFile("is a JPEG, which changes label numbers at every edge", SAVE_MASK)


def tiff_image(path: Path) -> StoredImage:
    """Read an 8-bit grey TIFF of one image."""
    with _opened(path, "TIFF") as file:
        return _tiff(file, SAVE_IMAGE)


def tiff_mask(path: Path) -> StoredImage:
    """Read label numbers from a TIFF whose compression keeps them."""
    with _opened(path, "TIFF") as file:
        packed = file.info.get("compression", "raw")
        if packed not in LOSSLESS_TIFF:
            raise UnfitFile(f"is a TIFF compressed as {packed}, which changes label numbers at every edge", SAVE_MASK)
        return _tiff(file, SAVE_MASK)


def _tiff(file: Image.Image, save_as: str) -> StoredImage:
    if file.mode != "L":
        fix = save_as.replace("PNG", "TIFF")
        raise UnfitFile(f"is not an 8-bit grey TIFF (Pillow's mode {file.mode!r})", fix)
    orientation = _orientation(file)
    said = "as stored" if orientation == 1 else f"orientation tag {orientation}"
    return StoredImage(np.array(file), orientation=said)  # Pillow itself turns the pixels of a TIFF
