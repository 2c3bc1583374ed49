"""NIfTI, NRRD and MetaImage, of one slice: read the way up that their place in space says.

The first stored axis runs along a row and the second down a column, as tools that save images write them, unless the
file's affine matrix or directions say otherwise.
"""

import gzip
import re
import zlib
from pathlib import Path

import numpy as np

from fusqa.cohorts.space import Place, upright
from fusqa.cohorts.stored import Spacing, StoredImage, UnfitFile, alike, require_size, whole_numbers

GZIP = b"\x1f\x8b"
NRRD = b"NRRD000"
META_START = re.compile(rb"(ObjectType|NDims|Comment|CompressedData|BinaryData|DimSize)[ \t]*=")
NIFTI_SIZES = {size.to_bytes(4, order): size for size in (348, 540) for order in ("little", "big")}
"""First bytes of a NIfTI file of version 1 and 2, the size of the header, in both orders of bytes."""

_MM = {"mm": 1.0, "meter": 1000.0, "micron": 0.001, "unknown": 1.0}
_HEADER = 2**16  # bytes in which the text header of NRRD and MetaImage must end


def holds_nifti(path: Path) -> bool:
    """Whether a file packed by gzip, as archives and logs are too, begins inside as a NIfTI does."""
    try:
        with gzip.open(path) as stream:
            return stream.read(4) in NIFTI_SIZES
    except (OSError, EOFError, zlib.error):
        return False


def volume_image(path: Path) -> StoredImage:
    """Read grey levels, whole numbers from 0 to 255."""
    pixels, about = _slice(path)
    grey = whole_numbers(pixels, 255)
    if grey is None:
        raise UnfitFile("holds grey levels that are not whole numbers from 0 to 255", "save it as 8-bit grey")
    return StoredImage(grey.astype(np.uint8), **about)


def volume_mask(path: Path) -> StoredImage:
    """Read label numbers; they may have been stored with a scale, and so be off by a rounding error."""
    pixels, about = _slice(path)
    labels = whole_numbers(pixels, 2**31 - 1)
    if labels is None:
        raise UnfitFile("holds labels that are not whole numbers", "save the label numbers, not probabilities")
    return StoredImage(labels, **about)


def _slice(path: Path) -> tuple[np.ndarray, dict]:
    """Read the one slice of a file, upright, with what :class:`StoredImage` holds beside it."""
    with open(path, "rb") as file:
        start = file.read(132)
    by_itk = start.startswith(NRRD) or META_START.match(start) is not None
    pixels, place, pixdim, about = (_itk if by_itk else _nifti)(path)
    pixdim = tuple(one for one in pixdim if one.is_usable)
    if place is None:
        return pixels, about | {"stated": pixdim, "orientation": "order of axes"}
    kind, place_as_stored = "directions" if by_itk else "affine matrix", place
    pixels, place, turned = upright(pixels, place)
    other = (one for one in pixdim if not alike(one, place_as_stored.spacing))
    stated = (Spacing(*(round(mm, 6) for mm in place.spacing), kind), *other)
    known = None if place_as_stored.is_default else place
    return pixels, about | {"stated": stated, "place": known, "orientation": kind, "turned": turned}


def _in_plane(shape: tuple[int, ...]) -> list[int]:
    """Return the two axes that are longer than one pixel."""
    axes = [axis for axis, length in enumerate(shape) if length != 1]
    if len(axes) != 2 or max(axes) > 2:
        raise UnfitFile(f"holds {' × '.join(map(str, shape))} values, which is not a single image", "export one slice")
    require_size(*(shape[axis] for axis in axes))
    return axes


Read = tuple[np.ndarray, Place | None, list[Spacing], dict]
"""Pixels in the stored order of axes, their place where one is stated, other spacings, fields of `StoredImage`."""


def _nifti(path: Path) -> Read:
    import nibabel  # here: a third of a second that no other reader needs

    with open(path, "rb") as file:
        packed = file.read(2) == GZIP
    with gzip.open(path) if packed else open(path, "rb") as stream:
        second = NIFTI_SIZES.get(stream.read(4)) == 540
        stream.seek(0)
        file = (nibabel.Nifti2Image if second else nibabel.Nifti1Image).from_stream(stream)
        axes = _in_plane(file.shape)
        if file.header.get_data_dtype().kind not in "uif":
            raise UnfitFile(f"holds values of type {file.header.get_data_dtype()}", "save it as 8-bit grey")
        pixels = np.asarray(file.dataobj).squeeze().T
    header, unit = file.header, _MM[file.header.get_xyzt_units()[0]]
    pixdim = Spacing(*(float(header.get_zooms()[axis]) * unit for axis in axes[::-1]), "pixdim")
    matrices = [header.get_sform(coded=True)[0], header.get_qform(coded=True)[0]]
    places = [_column_place(matrix * unit, axes) for matrix in matrices if matrix is not None]
    about = {}
    if len(places) > 1 and not np.allclose(places[0].directions, places[1].directions, atol=0.02):
        about["warnings"] = ("its sform and its qform contradict each other, the sform was used",)
    return pixels, places[0] if places else None, [pixdim], about


def _column_place(matrix: np.ndarray, axes: list[int]) -> Place:
    """Place of a slice by an affine matrix whose columns belong to the stored axes."""
    right, down = (matrix[:3, axis] for axis in axes)
    place = Place(matrix[:3, 3], down, right)
    if not place.is_usable:
        raise UnfitFile("has an affine matrix that places no pixel", "export it again, with its spacing")
    return place


def _itk(path: Path) -> Read:
    import SimpleITK as sitk  # here: no other reader needs it

    _require_attached(path)
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    reader = sitk.ImageFileReader()
    with open(path, "rb") as file:
        reader.SetImageIO("NrrdImageIO" if file.read(7) == NRRD else "MetaImageIO")
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    if reader.GetNumberOfComponents() > 1:
        raise UnfitFile(f"holds {reader.GetNumberOfComponents()} values a pixel", "save one number a pixel")
    axes = _in_plane(reader.GetSize())
    image = reader.Execute()
    dimension = image.GetDimension()
    matrix = np.eye(4)
    matrix[:dimension, :dimension] = np.reshape(image.GetDirection(), (dimension, dimension)) * image.GetSpacing()
    matrix[:dimension, 3] = image.GetOrigin()
    matrix[:2] *= -1  # from ITK's left, posterior to right, anterior
    pixels = sitk.GetArrayViewFromImage(image).squeeze().copy()
    return pixels, _column_place(matrix, axes), [], {"names": _segment_names(reader)}


def _require_attached(path: Path) -> None:
    """Refuse a header whose pixels lie in another file, which may be any file of this machine."""
    with open(path, "rb") as file:
        start = file.read(_HEADER).replace(b"\r", b"")
    if start.startswith(NRRD):
        header, ended, _ = start.partition(b"\n\n")
        fields = header.lower().split(b"\n")
        apart = not ended or any(field.startswith((b"data file:", b"datafile:")) for field in fields)
    else:
        named = [b"".join(line.split()) for line in start.split(b"\n") if b"ElementDataFile" in line]
        apart = not named or any(line.upper() != b"ELEMENTDATAFILE=LOCAL" for line in named)
    if apart:
        raise UnfitFile("names another file for its pixels", "save it in one file, as .nrrd or .mha")


def _segment_names(reader: object) -> dict[int, str]:
    """Names of the segments that 3D Slicer writes into a ``.seg.nrrd``, by label number."""
    values = {key: reader.GetMetaData(key).strip() for key in reader.GetMetaDataKeys() if key.startswith("Segment")}
    named = {key.removesuffix("_Name"): name for key, name in values.items() if key.endswith("_Name")}
    numbers = {segment: values.get(f"{segment}_LabelValue", "") for segment in named}
    return {int(number): named[segment] for segment, number in numbers.items() if number.isdigit()}
