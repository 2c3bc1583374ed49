"""Read and write the pictures of a cohort: 8-bit grey PNG, and nothing that merely looks like it.

OpenCV returns a half-black picture for a truncated file and quietly turns palettes and 16-bit files into something
else, and a mask altered that way is a wrong measurement rather than an error. So the file's own structure is read
first (signature, header, checksum of every chunk: PNG specification, https://www.w3.org/TR/png-3/, sections 5 and
11), and OpenCV is handed only files that are sound.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from fusqa.files import write_bytes
from fusqa.problems import CohortError, Problem

__all__ = ["read_image", "read_mask", "require_size", "write_picture"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
OTHER_FORMATS = {
    b"\xff\xd8\xff": "a JPEG",
    b"GIF8": "a GIF",
    b"BM": "a BMP",
    b"II*\0": "a TIFF",
    b"MM\0*": "a TIFF",
    b"RIFF": "a WebP",
    b"\x93NUMPY": "a NumPy array",
    b"\x1f\x8b": "a gzip archive",
}
COLOUR_TYPES = {0: "grey", 2: "colour", 3: "palette", 4: "grey with transparency", 6: "colour with transparency"}
LARGEST = 2**25  # pixels: sixteen times what a scanner stores, less than what a forged header could make us allocate

SAVE_IMAGE = "save the picture as an 8-bit grey PNG without transparency"
SAVE_MASK = "save the mask as an 8-bit grey PNG whose pixel values are the label numbers (no palette, no colours)"


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an ultrasound picture ``(H, W)`` ``uint8`` from an 8-bit grey PNG.

    Raises
    ------
    CohortError
        If the file is missing, damaged, or another kind of file; the problem names the file and the mend.
    """
    return _read(Path(path), SAVE_IMAGE)


def read_mask(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a label image ``(H, W)`` ``uint8`` from an 8-bit grey PNG; labels are checked by the scheme, not here.

    Raises
    ------
    CohortError
        As :func:`read_image`.
    """
    return _read(Path(path), SAVE_MASK)


def write_picture(path: str | os.PathLike[str], picture: np.ndarray) -> None:
    """Write a picture or mask ``(H, W)`` ``uint8`` as PNG, whole or not at all."""
    _, encoded = cv2.imencode(".png", picture)
    write_bytes(path, encoded.tobytes())


def require_size(width: int, height: int) -> None:
    """Raise ``ValueError`` unless a header claims a size that a picture can have."""
    if not 0 < width * height <= LARGEST or min(width, height) < 1:
        raise ValueError(f"claims {width} × {height} pixels, and no more than {LARGEST} in all are read")


def _read(path: Path, save_as: str) -> np.ndarray:
    """Read an 8-bit grey PNG; `save_as` is the mend for a file of another kind."""
    try:
        data = path.read_bytes()
        kind = _kind(data)
    except OSError as error:
        raise _fault(path, f"cannot be read ({error.strerror})", "check the name and the permissions") from None
    except ValueError as error:
        raise _fault(path, str(error), "export the file again as PNG") from None
    if kind != "8-bit grey":
        raise _fault(path, f"is {'an' if kind.startswith('8') else 'a'} {kind} PNG", save_as)
    return _decode(path, data, save_as)


def _decode(path: Path, data: bytes, save_as: str) -> np.ndarray:
    """Decode a sound file; what is still possible is a pixel stream that does not unpack."""
    try:
        # From memory, because OpenCV cannot open non-ASCII names on every system.
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        picture = None
    if picture is None:
        raise _fault(path, "has pixels that cannot be decoded", "copy or export the file again")
    if picture.ndim != 2 or picture.dtype != np.uint8:
        raise _fault(path, f"decodes to {picture.shape} {picture.dtype}", save_as)
    return picture


def _kind(data: bytes) -> str:
    """Say what kind of PNG `data` is, such as "8-bit grey"; ``ValueError`` unless every chunk is sound."""
    if not data:
        raise ValueError("is empty (0 bytes)")
    if not data.startswith(SIGNATURE):
        found = next((name for magic, name in OTHER_FORMATS.items() if data.startswith(magic)), "something else")
        raise ValueError(f"is {found}, not a PNG, whatever its name says")
    chunks = dict(_chunks(data))
    if len(chunks.get(b"IHDR", b"")) != 13:
        raise ValueError("is damaged (no PNG header)")
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    require_size(width, height)
    # A transparent grey level is a chunk of its own, and OpenCV would return four channels.
    transparent = " with a transparent level" if b"tRNS" in chunks and colour == 0 else ""
    return f"{depth}-bit {COLOUR_TYPES.get(colour, 'unknown')}{transparent}"


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (type, content) of every PNG chunk after checking its length and checksum."""
    position, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        length, kind = struct.unpack(">I4s", data[position : position + 8].ljust(8, b"\0"))
        end = position + 12 + length
        if end > len(data):
            raise ValueError(f"is truncated ({len(data)} bytes, the rest is missing)")
        checksum = int.from_bytes(data[end - 4 : end], "big")
        if zlib.crc32(data[position + 4 : end - 4]) != checksum:
            raise ValueError(f"is damaged (checksum of its {kind.decode('latin-1')} chunk at byte {position})")
        yield kind, data[position + 8 : end - 4]
        position = end


def _fault(path: Path, message: str, mend: str) -> CohortError:
    return CohortError([Problem(None, str(path), message, mend)])
