"""DICOM: grey levels as the archive shows them, label numbers as they were stored, and the spacing that is stated.

Nothing about the patient is looked at. Decoders: pydicom's own, Pillow, and GDCM for lossless JPEG and JPEG-LS.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pydicom
from pydicom import uid
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, pixel_array

from fusqa.cohorts.space import Place
from fusqa.cohorts.stored import SAVE_MASK, Spacing, StoredImage, UnfitFile, alike, in_words, require_size

_FIRST_TAGS = ((2, 0x00), *((8, element) for element in (0x00, 0x01, 0x05, 0x08, 0x12, 0x13, 0x14, 0x16, 0x18)))
BARE_STARTS = tuple(bytes((group, 0, element, 0)) for group, element in _FIRST_TAGS)
"""First bytes of files without DICOM's preamble, which old machines leave out: the first tag of group 2 or 8."""

LOSSLESS = {
    uid.JPEGLossless, uid.JPEGLosslessSV1, uid.JPEGLSLossless, uid.JPEG2000Lossless,
    uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.RLELossless,
}  # fmt: skip
"""Compressed transfer syntaxes that keep every number."""

_LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"  # Label Map Segmentation Storage
_SEGMENTATIONS = (uid.SegmentationStorage, _LABEL_MAP)

_CENTIMETRE = 3  # of PhysicalUnitsXDirection, PS3.3 C.8.5.5.1.15
_PLANE = 1  # of RegionSpatialFormat: a 2D image, not a trace or a spectrum
_FAR = 1e9  # beyond every window: what lies there is shown as black, or as white


def dicom_image(path: Path) -> StoredImage:
    """Read a single frame through its own window, colours by their luminance."""
    data = _dicom(path)
    if _segments(data) is not None:
        raise UnfitFile("is a DICOM segmentation object, not an image", "put it among the masks")
    pixels, colours = _decoded(data), data.PhotometricInterpretation
    if colours == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, data)
        pixels = np.uint8(pixels >> 8) if pixels.dtype == np.uint16 else pixels
    if pixels.ndim == 3:
        if pixels.dtype != np.uint8:
            raise UnfitFile(f"has {data.BitsStored} bits a colour", "export it as 8-bit grey")
        return _placed(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), data)
    shown = _shown(pixels, data)
    return _placed(255 - shown if colours == "MONOCHROME1" else shown, data)


def dicom_mask(path: Path) -> StoredImage:
    """Read label numbers: of a grey frame, or of a segmentation object."""
    data = _dicom(path)
    if data.SamplesPerPixel != 1:
        raise UnfitFile("is a DICOM file in colour", "save the mask as label numbers, one a pixel")
    syntax = data.file_meta.TransferSyntaxUID
    if (syntax.is_encapsulated and syntax not in LOSSLESS) or data.get("LossyImageCompression") == "01":
        said = f"is, or was, compressed with loss ({syntax.name}), which changes label numbers at every edge"
        raise UnfitFile(said, SAVE_MASK)
    segments = _segments(data)
    if segments is None:
        return _placed(_decoded(data), data)
    return _placed(_labels(_decoded(data), data), data, names=segments)


def _dicom(path: Path) -> pydicom.Dataset:
    """Read the header of a file; its pixels are not decoded yet."""
    with open(path, "rb") as file:
        bare = file.read(4) in BARE_STARTS
    data = pydicom.dcmread(path, force=bare)
    if "PixelData" not in data:
        raise UnfitFile("is a DICOM file without an image", "export the image, not its report")
    if not getattr(data.file_meta, "TransferSyntaxUID", None):
        data.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian  # DICOM's default, PS3.5 10.1
    if int(data.get("NumberOfFrames") or 1) > 1 and _segments(data) is None:
        raise UnfitFile(f"holds {data.NumberOfFrames} frames", "export the one that is measured")
    require_size(data.Columns, data.Rows * int(data.get("NumberOfFrames") or 1))
    return data


def _decoded(data: pydicom.Dataset) -> np.ndarray:
    """Decode the pixels; colours of JPEG come back as red, green, blue."""
    syntax = data.file_meta.TransferSyntaxUID
    try:
        return pixel_array(data)
    except (RuntimeError, NotImplementedError) as error:
        if not syntax.is_encapsulated:
            raise
        said = f"is compressed as {syntax.name}, which cannot be decoded here ({in_words(error)})"
        raise UnfitFile(said, "decompress it first, for instance with gdcmconv --raw or dcmdjpeg") from None


# ---------------------------------------------------------------------------------------------------------------------
# Grey levels
# ---------------------------------------------------------------------------------------------------------------------


def _shown(pixels: np.ndarray, data: pydicom.Dataset) -> np.ndarray:
    """Grey levels as the archive shows them, ``(H, W)`` ``uint8``: rescaled, and then through the file's window."""
    if not _has_window(data):
        if data.BitsStored > 8 or data.get("PixelRepresentation"):
            raise UnfitFile(f"has {data.BitsStored} bits a pixel and no window", "export it as 8-bit grey")
        return np.uint8(pixels)
    # The two ends show what the window makes of black and of white, whatever its function and the rescaling.
    levels = np.append(apply_modality_lut(pixels, data).astype(np.float64), (-_FAR, _FAR))
    if data.get("VOILUTSequence"):
        levels = levels.astype(np.int64)  # a look-up table has whole numbers
    with np.errstate(over="ignore"):  # a sigmoid far from its centre
        shown = apply_voi_lut(levels, data)
    black, white = (float(end) for end in shown[-2:])
    grey = (shown[:-2] - black) / (white - black) * 255
    return np.uint8(np.clip(grey, 0, 255).round()).reshape(pixels.shape)


def _has_window(data: pydicom.Dataset) -> bool:
    """Whether there is a window, or a table in its place. Anonymisers leave tags that are empty: they are taken out."""
    for name in ("VOILUTFunction", "VOILUTSequence", "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept"):
        if name in data and not data.get(name) and not _numbers(data.get(name)):
            delattr(data, name)
    if "RescaleSlope" in data or "RescaleIntercept" in data:
        data.RescaleSlope, data.RescaleIntercept = data.get("RescaleSlope", 1), data.get("RescaleIntercept", 0)
    centre, width = (_numbers(data.get(name)) for name in ("WindowCenter", "WindowWidth"))
    narrowest = 1 if data.get("VOILUTFunction", "LINEAR") == "LINEAR" else 1e-6  # PS3.3 C.11.2.1.2
    if centre and width and width[0] >= narrowest:
        data.WindowCenter, data.WindowWidth = centre[0], width[0]  # the first of several is the one to start with
        return True
    return bool(data.get("VOILUTSequence"))


# ---------------------------------------------------------------------------------------------------------------------
# Segmentation objects
# ---------------------------------------------------------------------------------------------------------------------


def _segments(data: pydicom.Dataset) -> dict[int, str] | None:
    """Names of a segmentation object's segments by their numbers; None for another object.

    Read with pydicom: highdicom, which writes them, refuses objects without the coded categories that few programs
    write.
    """
    if data.get("SOPClassUID") not in _SEGMENTATIONS:
        return None
    return {
        int(one.SegmentNumber): str(one.get("SegmentLabel") or one.SegmentNumber)
        for one in data.get("SegmentSequence") or ()
        if "SegmentNumber" in one
    }


def _labels(frames: np.ndarray, data: pydicom.Dataset) -> np.ndarray:
    """Merge the frames of a segmentation object, one for each segment, into one label image."""
    frames = frames.reshape(-1, data.Rows, data.Columns)
    if data.get("SegmentationType") == "LABELMAP":
        if len(frames) > 1:
            raise UnfitFile(f"holds {len(frames)} frames", "export the one that is measured")
        return frames[0].astype(np.int64)
    full = int(data.get("MaximumFractionalValue") or 1)
    if not np.isin(frames, (0, full)).all():
        raise UnfitFile("holds shares of segments, not labels", "export a binary segmentation, or a label image")
    views = zip(*map(_view, data.PerFrameFunctionalGroupsSequence), strict=True)
    if any(len(set(filter(None, stated))) > 1 for stated in views):
        raise UnfitFile("shows segments of more than one slice or moment", "export the one that is measured")
    pixels, seen = np.zeros(frames.shape[1:], np.int64), []
    for frame, about in zip(frames, data.PerFrameFunctionalGroupsSequence, strict=True):
        number = _segment_of(about, data)
        if number in seen:
            raise UnfitFile(f"shows segment {number} in more than one frame", "export the one that is measured")
        if (pixels[frame > 0] > 0).any():
            raise UnfitFile("has segments that overlap", "export a label image, in which every pixel has one label")
        pixels[frame > 0] = number
        seen.append(number)
    return pixels


def _view(about: pydicom.Dataset) -> tuple[str, str]:
    """What a frame says of the plane that it lies in and of the image that it was drawn on; either may be empty."""
    planes = [_numbers(one.get("ImagePositionPatient")) for one in about.get("PlanePositionSequence", ())]
    derived = about.get("DerivationImageSequence", ())
    sources = [source for one in derived for source in one.get("SourceImageSequence", ())]
    images = [(one.get("ReferencedSOPInstanceUID"), one.get("ReferencedFrameNumber")) for one in sources]
    return str(planes or ""), str(images or "")


def _segment_of(about: pydicom.Dataset, data: pydicom.Dataset) -> int:
    """Number of the segment that a frame shows."""
    for groups in (about, *data.get("SharedFunctionalGroupsSequence", ())):
        for one in groups.get("SegmentIdentificationSequence", ()):
            return int(one.ReferencedSegmentNumber)
    raise UnfitFile("has a frame of which it does not say which segment it shows", "export a label image")


# ---------------------------------------------------------------------------------------------------------------------
# Spacing and place
# ---------------------------------------------------------------------------------------------------------------------


def _placed(pixels: np.ndarray, data: pydicom.Dataset, names: dict[int, str] | None = None) -> StoredImage:
    """Put together what a file states beside its pixels, which DICOM stores as they are shown."""
    stated = tuple(_spacings(data))
    return StoredImage(pixels, stated, _place(data, stated), names or {})


def _spacings(data: pydicom.Dataset) -> Iterator[Spacing]:
    """Yield every usable statement of the spacing, the most exact first: 2D ultrasound regions, then PixelSpacing.

    A statement that agrees with an earlier one is left out.
    """
    found: list[Spacing] = []
    for one in _all_spacings(data):
        if one.is_usable and not any(alike(one, other) for other in found):
            found.append(one)
            yield one


def _all_spacings(data: pydicom.Dataset) -> Iterator[Spacing]:
    for region in data.get("SequenceOfUltrasoundRegions") or ():
        units = {region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection")}
        deltas = [_numbers(region.get(name)) for name in ("PhysicalDeltaY", "PhysicalDeltaX")]
        if region.get("RegionSpatialFormat") == _PLANE and units == {_CENTIMETRE} and all(deltas):
            yield Spacing(*(round(abs(cm[0]) * 10, 6) for cm in deltas), "an ultrasound region")
    for holder in _holders(data, "PixelMeasuresSequence"):
        numbers = _numbers(holder.get("PixelSpacing"))
        if len(numbers) == 2:
            yield Spacing(*(round(mm, 6) for mm in numbers), "PixelSpacing")


def _holders(data: pydicom.Dataset, sequence: str) -> Iterator[pydicom.Dataset]:
    """Yield the places where a tag of one frame may stand: the file itself, and the groups of enhanced objects."""
    yield data
    for name in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for groups in data.get(name) or ():
            yield from groups.get(sequence) or ()


def _place(data: pydicom.Dataset, stated: tuple[Spacing, ...]) -> Place | None:
    """Where the frame lies in the patient; None where that is not stated, as in most ultrasound."""
    axes = _vector(data, "PlaneOrientationSequence", "ImageOrientationPatient", 6)
    at = _vector(data, "PlanePositionSequence", "ImagePositionPatient", 3)
    if not (axes and at):
        return None
    row_mm, col_mm = stated[0][:2] if stated else (1.0, 1.0)
    to_ras = np.array([-1.0, -1.0, 1.0])
    place = Place(np.array(at) * to_ras, np.array(axes[3:]) * to_ras * row_mm, np.array(axes[:3]) * to_ras * col_mm)
    return place if place.is_usable and not place.is_default else None


def _vector(data: pydicom.Dataset, sequence: str, name: str, length: int) -> list[float]:
    """Return the first complete vector of that name; empty if there is none."""
    found = (_numbers(holder.get(name)) for holder in _holders(data, sequence))
    return next((numbers for numbers in found if len(numbers) == length), [])


def _numbers(value: object) -> list[float]:
    """Numbers in a tag that may be absent, empty, single or multiple, or hold no number."""
    values = value if isinstance(value, pydicom.multival.MultiValue | list | tuple) else [value]
    numbers = []
    for one in values:
        try:
            numbers.append(float(one))
        except (TypeError, ValueError):
            continue
    return [number for number in numbers if np.isfinite(number)]
