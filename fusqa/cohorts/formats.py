"""Pictures and masks in the formats that hospitals keep them in -> grey levels or labels, and the spacing a file knows.

The study itself knows 8-bit grey PNG alone. A hospital has JPEG stills, TIFF stacks of one, DICOM from the archive and
NIfTI from a segmentation tool. Every kind of file has one reader, a row of :data:`KINDS`; whatever a reader of another
project raises over a damaged file becomes a :class:`fusqa.problems.CohortError` that names the file and the mend.
Sizes are read from the header first: a forged one must not make us allocate what it claims.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pydicom
from PIL import Image
from pydicom.pixels import apply_modality_lut, apply_windowing, pixel_array

from fusqa.cohorts import pictures
from fusqa.cohorts.pictures import require_size
from fusqa.problems import CohortError, Problem

__all__ = ["KINDS", "Picture", "ending_of", "kind_of", "read_image", "read_mask"]


@dataclass(frozen=True, eq=False)
class Picture:
    """What a file holds.

    Attributes
    ----------
    pixels : (H, W)
        ``uint8`` grey levels of a picture, integers of any width of a mask.
    spacing : (row_mm, col_mm) or None
        Pixel spacing in millimetres, where the file states one.
    """

    pixels: np.ndarray
    spacing: tuple[float, float] | None = None


def read_image(path: str | os.PathLike[str]) -> Picture:
    """Read an ultrasound picture.

    Pictures that were stored in colour as JPEG or DICOM are turned to grey by their luminance.

    Raises
    ------
    CohortError
        If the file is missing, damaged, of another kind, in colour, of more than 8 bits without a window that says
        which of them to show, or of more than one frame.
    """
    path = Path(path)
    with _told(path):
        return kind_of(path).image(path)


def read_mask(path: str | os.PathLike[str]) -> Picture:
    """Read a label image; its numbers are judged by the scheme, not here.

    Raises
    ------
    CohortError
        As :func:`read_image`; and for a JPEG, which does not keep numbers.
    """
    path = Path(path)
    with _told(path):
        return kind_of(path).mask(path)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what readers raise over a file into a problem of that file."""
    try:
        yield
    except CohortError:
        raise
    except OSError as error:
        # Pillow and pydicom call a damaged file an OSError too; the system's own have a number.
        said = f"cannot be read ({error.strerror})" if error.errno else f"is damaged ({_first_line(error)})"
        mend = "check the name and the permissions" if error.errno else "export the file again"
        raise CohortError([Problem(None, str(path), said, mend)]) from None
    except _Unfit as error:
        raise CohortError([Problem(None, str(path), *error.args)]) from None
    except Exception as error:  # four foreign parsers over foreign bytes: no list of their exceptions is complete
        raise CohortError(
            [Problem(None, str(path), f"is damaged ({_first_line(error)})", "export the file again")]
        ) from None


class _Unfit(Exception):
    """A sound file that holds something else than is needed: (what is wrong, mend)."""


def _require_size(width: int, height: int) -> None:
    try:
        require_size(width, height)
    except ValueError as error:
        raise _Unfit(str(error), "export the picture in the size that the scanner stores") from None


def _first_line(error: Exception) -> str:
    """What a foreign reader says, short enough for one row of a table."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]


# ---------------------------------------------------------------------------------------------------------------------
# PNG, JPEG, TIFF
# ---------------------------------------------------------------------------------------------------------------------


def _png_image(path: Path) -> Picture:
    return Picture(pictures.read_image(path))


def _png_mask(path: Path) -> Picture:
    return Picture(pictures.read_mask(path))


@contextmanager
def _opened(path: Path, kind: str) -> Iterator[Image.Image]:
    """Open a file with Pillow, which reads the header alone until pixels are asked for."""
    with Image.open(path, formats=[kind]) as picture:
        _require_size(*picture.size)
        if getattr(picture, "n_frames", 1) > 1:
            raise _Unfit(f"holds {picture.n_frames} pictures", "export the one that is measured")
        yield picture


def _jpeg_image(path: Path) -> Picture:
    with _opened(path, "JPEG") as picture:
        if picture.mode not in ("L", "RGB"):
            raise _Unfit(f"is a JPEG in {picture.mode} colours", pictures.SAVE_IMAGE)
        return Picture(np.asarray(picture.convert("L")))


def _jpeg_mask(path: Path) -> Picture:
    raise _Unfit("is a JPEG, which changes label numbers at every edge", pictures.SAVE_MASK)


def _tiff(save_as: str) -> Callable[[Path], Picture]:
    def read(path: Path) -> Picture:
        with _opened(path, "TIFF") as picture:
            if picture.mode != "L":
                raise _Unfit(f"is no 8-bit grey TIFF (Pillow's mode {picture.mode!r})", save_as.replace("PNG", "TIFF"))
            return Picture(np.asarray(picture))

    return read


# ---------------------------------------------------------------------------------------------------------------------
# DICOM
# ---------------------------------------------------------------------------------------------------------------------

_CENTIMETRE = 3  # of PhysicalUnitsXDirection, PS3.3 C.8.5.5.1.15
_PLANE = 1  # of RegionSpatialFormat: a 2D picture, not a trace or a spectrum


def _dicom_image(path: Path) -> Picture:
    data = _dicom(path)
    colours = data.PhotometricInterpretation
    if colours == "PALETTE COLOR":
        raise _Unfit("is a DICOM file in palette colours", "export it in grey")
    pixels = pixel_array(data)  # colours of JPEG come back as red, green, blue
    if pixels.ndim == 3 and pixels.dtype == np.uint8:
        return Picture(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), _dicom_spacing(data))
    shown = _windowed(pixels, data)
    return Picture(255 - shown if colours == "MONOCHROME1" else shown, _dicom_spacing(data))


def _dicom_mask(path: Path) -> Picture:
    data = _dicom(path)
    if data.SamplesPerPixel != 1:
        raise _Unfit("is a DICOM file in colour", "save the mask as label numbers, one a pixel")
    return Picture(pixel_array(data), _dicom_spacing(data))


def _dicom(path: Path) -> pydicom.Dataset:
    """Read a single-frame DICOM file; its pixels are not decoded yet, and nothing about the patient is looked at."""
    data = pydicom.dcmread(path)
    if "PixelData" not in data:
        raise _Unfit("is a DICOM file without a picture", "export the picture, not its report")
    if int(data.get("NumberOfFrames") or 1) > 1:
        raise _Unfit(f"holds {data.NumberOfFrames} frames", "export the one that is measured")
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
        raise _Unfit(f"has {data.BitsStored} bits a pixel and no window", "export it as 8-bit grey")
    return pixels


def _dicom_spacing(data: pydicom.Dataset) -> tuple[float, float] | None:
    """Spacing that the header states: of the picture (PixelSpacing), or of its 2D ultrasound regions in centimetres."""
    stated = set()
    if data.get("PixelSpacing"):
        stated.add(tuple(round(float(mm), 6) for mm in data.PixelSpacing))
    for region in data.get("SequenceOfUltrasoundRegions", ()):
        units = {region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection")}
        if region.get("RegionSpatialFormat") == _PLANE and units == {_CENTIMETRE}:
            deltas = region.PhysicalDeltaY, region.PhysicalDeltaX
            stated.add(tuple(round(abs(float(cm)) * 10, 6) for cm in deltas))
    if len(stated) > 1:
        raise _Unfit(
            f"states more than one pixel spacing ({', '.join(map(str, sorted(stated)))} mm)",
            "export the region that is measured by itself",
        )
    return stated.pop() if stated else None


# ---------------------------------------------------------------------------------------------------------------------
# NIfTI
# ---------------------------------------------------------------------------------------------------------------------

_MM = {"mm": 1.0, "meter": 1000.0, "micron": 0.001, "unknown": 1.0}


def _nifti_image(path: Path) -> Picture:
    stored = _nifti(path)
    if not _whole_numbers(stored.pixels, 255):
        raise _Unfit("holds grey levels that are not whole numbers from 0 to 255", "save it as 8-bit grey")
    return Picture(stored.pixels.astype(np.uint8), stored.spacing)


def _nifti_mask(path: Path) -> Picture:
    stored = _nifti(path)
    if not _whole_numbers(stored.pixels, 2**31 - 1):
        raise _Unfit("holds labels that are not whole numbers", "save the label numbers, not probabilities")
    return Picture(stored.pixels.astype(np.int64), stored.spacing)


def _nifti(path: Path) -> Picture:
    """Read a picture of one slice; its first axis runs along a row, as tools that save pictures write it."""
    import nibabel  # here: a third of a second that no other reader needs

    file = nibabel.Nifti1Image.from_filename(path)
    axes = [axis for axis, length in enumerate(file.shape) if length != 1]
    if len(axes) != 2 or len(file.shape) < 2:
        raise _Unfit(f"holds {' × '.join(map(str, file.shape))} values, which is no single picture", "export one slice")
    _require_size(*(file.shape[axis] for axis in axes))
    if file.header.get_data_dtype().kind not in "uif":
        raise _Unfit(f"holds values of type {file.header.get_data_dtype()}", "save it as 8-bit grey")
    unit = _MM[file.header.get_xyzt_units()[0]]
    col_mm, row_mm = (float(file.header.get_zooms()[axis]) * unit for axis in axes)
    return Picture(np.asarray(file.dataobj).squeeze().T, (row_mm, col_mm))


def _whole_numbers(values: np.ndarray, highest: int) -> bool:
    """Whether all are whole numbers from 0 to `highest`; NaN is none."""
    return bool(((values >= 0) & (values <= highest) & (np.floor(values) == values)).all())


@dataclass(frozen=True)
class Kind:
    """How a kind of file is read."""

    image: Callable[[Path], Picture]
    mask: Callable[[Path], Picture]


_JPEG = Kind(_jpeg_image, _jpeg_mask)
_TIFF = Kind(_tiff(pictures.SAVE_IMAGE), _tiff(pictures.SAVE_MASK))
_DICOM = Kind(_dicom_image, _dicom_mask)
_NIFTI = Kind(_nifti_image, _nifti_mask)
KINDS = {
    ".png": Kind(_png_image, _png_mask),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".dcm": _DICOM,
    ".dicom": _DICOM,
    ".nii": _NIFTI,
    ".nii.gz": _NIFTI,
}
"""Ending of a file's name, in small letters, to its readers. Another ending is read as PNG, and so refused.

:meta hide-value:
"""


def ending_of(path: Path) -> str:
    """Ending of a file's name, a key of :data:`KINDS`; empty for another."""
    name = path.name.lower()
    return next((ending for ending in KINDS if name.endswith(ending)), "")


def kind_of(path: Path) -> Kind:
    """Readers of a file, by the ending of its name."""
    return KINDS.get(ending_of(path), KINDS[".png"])
