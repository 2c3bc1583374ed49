"""Files as hospitals have them: each test is a kind of fault that once passed as "nothing is wrong".

Everything is drawn here. Every picture is asymmetric, so that no turn of it looks like another.
"""

import gzip
import json
import os
import unicodedata

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Polygon
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    SegmentationStorage,
)
from test_formats import COLUMNS, GREY, MASK, ROWS, dicom, faults, nifti, region

from fusqa.cohorts.checking import check, look_through
from fusqa.cohorts.formats import read_image, read_mask, write_image
from fusqa.cohorts.reading import Input
from fusqa.masks.labels import FETUS
from fusqa.masks.measurement import measured_mm
from fusqa.problems import CohortError

SPACING = (0.2, 0.15)
DIHEDRAL = [
    (transposed, rows, columns) for transposed in (False, True) for rows in (False, True) for columns in (False, True)
]
"""Every way to store a picture: mirrored along rows or columns or both, and then transposed or not."""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    return tmp_path


def only(folder, **more):
    """Read the one case of a folder."""
    cases = Input.open(folder, FETUS, **more)
    (row,) = cases.rows
    return cases.read(row)


def stored(array, transposed, rows, columns):
    """Store (H, W) pixels in another order; return the array and its affine matrix, columns of the picture first."""
    affine = np.diag([SPACING[1], SPACING[0], 1.0, 1.0])
    out = array.T
    for axis, mirrored in ((1, rows), (0, columns)):
        if mirrored:
            out = np.flip(out, axis)
            affine[:3, 3] += (out.shape[axis] - 1) * affine[:3, axis]
            affine[:3, axis] *= -1
    if transposed:
        out, affine = out.T, affine[:, [1, 0, 2, 3]]
    return np.ascontiguousarray(out), affine


# ---------------------------------------------------------------------------------------------------------------------
# The header that places the pixels
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "more"),
    [(".png", {}), (".jpg", {"quality": 98}), (".tif", {"compression": "tiff_lzw"}), (".tif", {"compression": "raw"})],
    ids=["png", "jpg", "packed tif", "plain tif"],
)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_viewers_show_it(folder, ending, more, orientation):
    """EXIF and TIFF say how the camera was held, in eight ways: the mask is drawn on what is seen."""
    ways = {1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: np.transpose}
    ways |= {6: lambda a: np.rot90(a, 1), 7: lambda a: np.rot90(a, 2).T, 8: lambda a: np.rot90(a, -1)}
    smooth = np.uint8(np.add.outer(np.arange(ROWS) * 4, np.arange(COLUMNS) // 2))
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name, pixels in (("images", smooth), ("masks", MASK)):
        kind, options = (".png", {}) if (name, ending) == ("masks", ".jpg") else (ending, more)
        held = Image.fromarray(np.ascontiguousarray(ways[orientation](pixels)))
        held.save(folder / f"{name}/0001{kind}", exif=exif, **options)
    case = only(folder, spacing=SPACING)
    assert np.abs(case.image.astype(int) - smooth).max() <= (3 if ending == ".jpg" else 0)
    np.testing.assert_array_equal(case.mask, MASK)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("chunk", ["XML:com.adobe.xmp", "Raw profile type exif"])
def test_a_png_is_turned_as_its_text_says(folder, chunk, packed):
    """Programs older than the chunk eXIf keep the orientation in texts, some of them packed."""
    exif = Image.Exif()
    exif[0x0112] = 6
    words = {
        "XML:com.adobe.xmp": '<x tiff:Orientation="6"/>',
        "Raw profile type exif": f"\nexif\n{len(exif.tobytes()):8}\n{exif.tobytes().hex()}\n",
    }
    for name in ("images", "masks"):
        texts = PngInfo()
        adder = texts.add_itxt if chunk.startswith("XML") else texts.add_text
        adder(chunk, words[chunk], zip=packed)
        Image.fromarray(np.ascontiguousarray(np.rot90(MASK, 1))).save(folder / f"{name}/0001.png", pnginfo=texts)
    case = only(folder, spacing=SPACING)
    np.testing.assert_array_equal(case.image, MASK)
    np.testing.assert_array_equal(case.mask, MASK)


@pytest.mark.parametrize("image_is", DIHEDRAL)
@pytest.mark.parametrize("mask_is", DIHEDRAL)
def test_a_mask_is_laid_onto_its_image_in_space(folder, image_is, mask_is):
    """Each of the two is stored in any of eight ways: what lay under a label lies under it again."""
    lit = np.uint8(MASK * 50)
    for name, array, way in (("images", lit, image_is), ("masks", MASK, mask_is)):
        nibabel.save(nibabel.Nifti1Image(*stored(array, *way)), folder / f"{name}/0001.nii.gz")
    case = only(folder)
    np.testing.assert_array_equal(case.image, case.mask * 50)
    assert case.spacing == pytest.approx(SPACING)
    if image_is == (False, False, False):
        np.testing.assert_array_equal(case.image, lit)
        assert case.warnings == ()


def test_an_oblique_pair_is_compared_along_its_own_axes(folder):
    turn = np.eye(4)
    turn[:3, :3] = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    for name, array, way in (("images", MASK * 50, DIHEDRAL[0]), ("masks", MASK, DIHEDRAL[6])):
        data, affine = stored(array, *way)
        nibabel.save(nibabel.Nifti1Image(data, turn @ affine), folder / f"{name}/0001.nii")
    case = only(folder)
    np.testing.assert_array_equal(case.image, case.mask * 50)
    nibabel.save(nibabel.Nifti1Image(data, affine), folder / "masks/0001.nii")
    (fault,) = faults(folder)
    assert "lies at another angle in space than its image" in fault


@pytest.mark.parametrize("axes", [[1, 0, 0, 0, 1, 0], [0, 0, 1, 1, 0, 0]], ids=["axial", "sideways"])
def test_a_mask_states_its_spacing_by_the_rows_of_its_image(folder, axes):
    """The image states none, and the mask may come with rows for columns: NIfTI has an order of its own."""
    dicom(folder / "images/0001.dcm", GREY, ImageOrientationPatient=axes, ImagePositionPatient=[9, 9, 9])
    place = read_image(folder / "images/0001.dcm").place
    affine = np.eye(4)
    affine[:3, :2] = np.stack([place.down * SPACING[0], place.right * SPACING[1]], axis=1)
    affine[:3, 2], affine[:3, 3] = np.cross(place.down, place.right), place.origin
    nibabel.save(nibabel.Nifti1Image(MASK[:, :, None], affine), folder / "masks/0001.nii")
    case = only(folder)
    np.testing.assert_array_equal(case.mask, MASK)
    assert case.spacing == pytest.approx(SPACING)


def test_a_mask_elsewhere_in_space_is_a_fault(folder):
    nifti(folder / "images/0001.nii", GREY)
    data, affine = stored(MASK, False, False, False)
    affine[0, 3] = 5
    nibabel.save(nibabel.Nifti1Image(data, affine), folder / "masks/0001.nii")
    (fault,) = faults(folder)
    assert "masks/0001.nii: lies 5 mm away from its image in space; copy the image's header" in fault


@pytest.mark.parametrize("ending", [".nrrd", ".mha"])
@pytest.mark.parametrize("flip", [(False, False), (True, False), (False, True)])
def test_nrrd_and_metaimage_state_spacing_and_directions(folder, ending, flip):
    """What 3D Slicer and ITK-SNAP write, beside an image in another format of the same space."""
    for name, array, mirrored in (("images", MASK * 50, (False, False)), ("masks", MASK, flip)):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(SPACING[::-1])
        image = sitk.Flip(image, mirrored)
        sitk.WriteImage(image, str(folder / f"{name}/0001{ending if name == 'masks' else '.nii'}"))
    case = only(folder)
    np.testing.assert_array_equal(case.image, MASK * 50)
    np.testing.assert_array_equal(case.mask, MASK)
    assert case.spacing == pytest.approx(SPACING) and case.warnings == ()


def test_where_one_of_the_two_states_nothing_there_is_a_warning(folder):
    write_image(folder / "images/0001.png", GREY)
    nifti(folder / "masks/0001.nii.gz", MASK)
    assert "cannot be compared in space" in only(folder).warnings[0]


def test_pixels_in_another_file_are_not_looked_for(folder):
    (folder / "images").rmdir()
    (folder / "masks/0001.mha").write_text("ObjectType = Image\nNDims = 2\nDimSize = 4 4\nElementType = MET_UCHAR\n"
                                           "ElementDataFile = /etc/passwd\n")  # fmt: skip
    (folder / "masks/0002.nrrd").write_bytes(b"NRRD0004\ntype: uint8\ndimension: 2\nsizes: 4 4\nencoding: raw\n"
                                             b"data file: /etc/passwd\n\n")  # fmt: skip
    # The line that counts is the last in the one kind; in the other the header goes on behind what is looked through.
    header = "ObjectType = Image\nNDims = 2\nDimSize = 4 4\nElementType = MET_UCHAR\nElementDataFile = secret.raw\n"
    (folder / "masks/0003.mha").write_text("Comment = ElementDataFile = LOCAL\n" + header)
    (folder / "masks/0004.nrrd").write_bytes(b"NRRD0004\ntype: uint8\ndimension: 2\nsizes: 4 4\nencoding: raw\n"
                                             + b"# no end\n" * 8000 + b"data file: secret.raw\n\n")  # fmt: skip
    (folder / "masks/secret.raw").write_bytes(bytes([1, 1, 1, 1] * 4))
    found = faults(folder, spacing=SPACING)
    assert len(found) == 4 and all("names another file for its pixels" in fault for fault in found)


def test_negative_labels_are_a_fault(folder):
    write_image(folder / "images/0001.png", GREY)
    signed = MASK.astype(np.int16)
    signed[signed == 2] = -254
    dicom(folder / "masks/0001.dcm", signed, PixelRepresentation=1)
    assert any("labels [-254] are in no scheme" in fault for fault in faults(folder, spacing=SPACING))


def test_a_transposed_image_is_compared_with_the_others(folder):
    for name in ("0001", "0002"):
        nibabel.save(nibabel.Nifti1Image(*stored(GREY, *DIHEDRAL[4])), folder / f"images/{name}.nii.gz")
        nibabel.save(nibabel.Nifti1Image(*stored(MASK, *DIHEDRAL[4])), folder / f"masks/{name}.nii.gz")
    rows = [f"{name},p{name},A,images/{name}.nii.gz,masks/{name}.nii.gz,0.2,0.15,," for name in ("0001", "0002")]
    (folder / "cases.csv").write_text(
        "\n".join(["case,patient,site,image,mask,row_mm,col_mm,measure_mm,ga_days", *rows])
    )
    (folder / "cohort.json").write_text('{"scheme": "fetus", "source": "s", "licence": "l"}')
    assert any("is the same image as images/0001.nii.gz" in str(problem) for problem in look_through(folder).problems)


# ---------------------------------------------------------------------------------------------------------------------
# Content, not ending or container
# ---------------------------------------------------------------------------------------------------------------------


def test_a_lossy_tiff_is_never_a_mask(folder):
    write_image(folder / "images/0001.png", GREY)
    Image.fromarray(MASK).save(folder / "masks/0001.tif", compression="jpeg")
    (fault,) = faults(folder, spacing=SPACING)
    assert "is a TIFF compressed as jpeg, which changes label numbers" in fault


def test_a_dicom_that_was_ever_lossy_is_never_a_mask(tmp_path):
    dicom(tmp_path / "a.dcm", MASK, LossyImageCompression="01")
    packed = tmp_path / "m.jpg"
    Image.fromarray(MASK).save(packed)
    dicom(tmp_path / "b.dcm", MASK, syntax="1.2.840.10008.1.2.4.50", PixelData=encapsulate([packed.read_bytes()]))
    for name in ("a.dcm", "b.dcm"):
        with pytest.raises(CohortError, match="compressed with loss"):
            read_mask(tmp_path / name)
        read_image(tmp_path / name)


@pytest.mark.parametrize("bare", [False, True])
def test_dicom_is_known_by_its_content(folder, bare):
    """Archives export IM0001; old machines leave the preamble out as well."""
    for name, array in (("images", GREY), ("masks", MASK)):
        path = folder / f"{name}/IM0001"
        dicom(path, array, PixelSpacing=list(SPACING), syntax=ImplicitVRLittleEndian)
        if bare:
            data = dcmread(path)
            data.preamble, data.file_meta = None, FileMetaDataset()
            data.save_as(path, enforce_file_format=False, implicit_vr=True, little_endian=True)
            assert path.read_bytes()[128:132] != b"DICM"
    case = only(folder)
    np.testing.assert_array_equal(case.image, GREY)
    np.testing.assert_array_equal(case.mask, MASK)


def segmentation(path, segments, numbers, views=()):
    """Write a segmentation object: a binary frame for each segment, {number: name}; `views` are of its frames."""
    frames = np.stack([MASK == numbers[number] for number in segments])
    data = Dataset()
    data.PixelSpacing = list(SPACING)
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence([data])
    about = []
    for number, name in segments.items():
        one = Dataset()
        one.SegmentNumber, one.SegmentLabel, one.SegmentAlgorithmType = number, name, "AUTOMATIC"
        about.append(one)
    groups = []
    for number in segments:
        reference, group = Dataset(), Dataset()
        reference.ReferencedSegmentNumber = number
        group.SegmentIdentificationSequence = Sequence([reference])
        groups.append(group)
    for group, view in zip(groups, views, strict=False):
        group.update(view)
    packed = np.packbits(frames.ravel(), bitorder="little").tobytes()
    dicom(
        path, np.uint8(frames[0]), SOPClassUID=SegmentationStorage, Modality="SEG", NumberOfFrames=len(frames),
        BitsAllocated=1, BitsStored=1, HighBit=0, SegmentationType="BINARY", SegmentSequence=Sequence(about),
        SharedFunctionalGroupsSequence=Sequence([shared]), PerFrameFunctionalGroupsSequence=Sequence(groups),
        PixelData=packed + b"\0" * (len(packed) % 2),
    )  # fmt: skip


def test_a_segmentation_object_is_read_by_the_names_of_its_segments(folder):
    dicom(folder / "images/0001.dcm", GREY, PixelSpacing=list(SPACING))
    segmentation(folder / "masks/0001.dcm", {2: "body"}, {2: 2})
    np.testing.assert_array_equal(only(folder).mask, np.where(MASK == 2, 2, 0))
    segmentation(folder / "masks/0001.dcm", {1: "Body"}, {1: 2})  # the standard numbers segments from 1
    np.testing.assert_array_equal(only(folder).mask, np.where(MASK == 2, 2, 0))
    segmentation(folder / "masks/0001.dcm", {1: "palate", 2: "Kopf", 3: "body"}, {1: 3, 2: 1, 3: 2})
    (fault,) = faults(folder)
    assert "names structures 'Kopf' that are not in scheme 'fetus'" in fault
    for labels in ("Kopf=head", "2=head"):
        np.testing.assert_array_equal(only(folder, labels=labels).mask, MASK)
    assert only(folder, labels="Kopf=head").spacing == SPACING


def plane(z):
    view, position = Dataset(), Dataset()
    position.ImagePositionPatient = [0, 0, z]
    view.PlanePositionSequence = Sequence([position])
    return view


def moment(frame):
    view, source, derived = Dataset(), Dataset(), Dataset()
    source.ReferencedSOPInstanceUID, source.ReferencedFrameNumber = "1.2.3", frame
    derived.SourceImageSequence = Sequence([source])
    view.DerivationImageSequence = Sequence([derived])
    return view


@pytest.mark.parametrize("view", [plane, moment])
def test_segments_of_two_slices_or_moments_make_no_mask(folder, view):
    dicom(folder / "images/0001.dcm", GREY, PixelSpacing=list(SPACING))
    segments = {1: "head", 2: "body"}
    segmentation(folder / "masks/0001.dcm", segments, {1: 1, 2: 2}, [view(12), view(12)])
    assert set(np.unique(only(folder).mask)) == {0, 1, 2}
    segmentation(folder / "masks/0001.dcm", segments, {1: 1, 2: 2}, [view(0), view(12)])
    (fault,) = faults(folder)
    assert "shows segments of more than one slice or moment; export the one" in fault


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, RLELossless])
def test_lossless_transfer_syntaxes_keep_every_number(tmp_path, syntax):
    for pixels, read in ((GREY, read_image), (MASK, read_mask)):
        path = tmp_path / "x.dcm"
        dicom(path, pixels)
        transcode(path, syntax)
        assert dcmread(path).file_meta.TransferSyntaxUID == syntax
        np.testing.assert_array_equal(read(path).pixels, pixels)


def transcode(path, syntax):
    """Compress a file as GDCM does."""
    import gdcm

    types = {
        JPEGLosslessSV1: gdcm.TransferSyntax.JPEGLosslessProcess14_1,
        JPEGLSLossless: gdcm.TransferSyntax.JPEGLSLossless,
        JPEG2000Lossless: gdcm.TransferSyntax.JPEG2000Lossless,
        RLELossless: gdcm.TransferSyntax.RLELossless,
    }
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(types[syntax]))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()


def test_a_syntax_without_a_decoder_is_named_and_never_called_damage(tmp_path):
    dicom(tmp_path / "x.dcm", GREY, syntax="1.2.840.10008.1.2.4.201", PixelData=encapsulate([b"\xff\x4f\xff\x51" * 9]))
    with pytest.raises(CohortError) as told:
        read_image(tmp_path / "x.dcm")
    assert "High-Throughput JPEG 2000" in str(told.value) and "cannot be decoded here" in str(told.value)
    assert "gdcmconv" in str(told.value) and "damaged" not in str(told.value)


# ---------------------------------------------------------------------------------------------------------------------
# Grey levels, tags that are empty
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID", None, ""])
@pytest.mark.parametrize(("slope", "intercept"), [(0.5, 0), (1, -128), (2, 10), (1, 0)])
def test_the_window_counts_in_rescaled_units(tmp_path, function, slope, intercept):
    """PS3.3 C.11.2.1: a window around everything that the rescaling makes shows the levels as they were stored."""
    more = {} if function is None else {"VOILUTFunction": function}
    window = {"WindowCenter": [128 * slope + intercept, 40], "WindowWidth": [256 * slope, 80]}
    dicom(tmp_path / "x.dcm", GREY, RescaleSlope=slope, RescaleIntercept=intercept, **window, **more)
    shown = read_image(tmp_path / "x.dcm").pixels
    if function == "SIGMOID":
        assert 20 < shown.min() < 40 and 215 < shown.max() < 235  # 255 / (1 + exp(±2))
        assert (np.diff(shown.ravel()[np.argsort(GREY.ravel())].astype(int)) >= 0).all()
    else:
        assert np.abs(shown.astype(int) - GREY).max() <= 2


@pytest.mark.parametrize("empty", [None, "", []])
def test_empty_tags_are_no_statement(tmp_path, empty):
    names = ("WindowCenter", "WindowWidth", "RescaleSlope", "RescaleIntercept", "PixelSpacing", "VOILUTFunction")
    dicom(tmp_path / "x.dcm", GREY, **dict.fromkeys(names, empty))
    read = read_image(tmp_path / "x.dcm")
    np.testing.assert_array_equal(read.pixels, GREY)
    assert read.spacing is None


@pytest.mark.parametrize("width", [0, -5, 0.5])
def test_a_window_without_width_is_none(tmp_path, width):
    dicom(tmp_path / "x.dcm", GREY, WindowCenter=100, WindowWidth=width)
    np.testing.assert_array_equal(read_image(tmp_path / "x.dcm").pixels, GREY)


# ---------------------------------------------------------------------------------------------------------------------
# What a spacing may come from
# ---------------------------------------------------------------------------------------------------------------------


def no_delta():
    one = region(0.015, 0.02)
    del one.PhysicalDeltaX
    return one


ODD = {
    "one value": {"PixelSpacing": 0.68},
    "no delta": {"SequenceOfUltrasoundRegions": Sequence([no_delta()])},
    "zero": {"SequenceOfUltrasoundRegions": Sequence([region(0, 0)])},
    "1 mm": {"PixelSpacing": [1, 1]},
    "negative": {"PixelSpacing": [-0.2, 0.2]},
    "two scales": {"SequenceOfUltrasoundRegions": Sequence([region(0.015, 0.02), region(0.03, 0.04)])},
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_spacing_is_asked_for_and_what_the_user_says_counts(folder, odd):
    dicom(folder / "images/0001.dcm", GREY, **ODD[odd])
    write_image(folder / "masks/0001.png", MASK)
    (fault,) = faults(folder)
    assert "pixel spacing" in fault and "give --spacing" in fault and "damaged" not in fault
    case = only(folder, spacing=(0.2, 0.15))
    assert case.spacing == (0.2, 0.15)
    assert len(case.warnings) == (odd == "two scales")


def test_rounded_statements_agree_and_the_exact_one_counts(folder):
    regions = Sequence([region(0.0680460, 0.0678488), region(0.0680461, 0.0678489)])
    dicom(folder / "images/0001.dcm", GREY, PixelSpacing=[0.68, 0.68], SequenceOfUltrasoundRegions=regions)
    write_image(folder / "masks/0001.png", MASK)
    case = only(folder)
    assert case.spacing == (0.678488, 0.68046) and case.warnings == ()


@pytest.mark.parametrize("sign", [1, -1])
def test_an_affine_matrix_that_nobody_stated_is_no_spacing(folder, sign):
    for name, array in (("images", GREY), ("masks", MASK)):
        image = nibabel.Nifti1Image(np.ascontiguousarray(array.T), np.diag([sign, sign, 1, 1]))
        nibabel.save(image, folder / f"{name}/0001.nii.gz")
    (fault,) = faults(folder)
    assert "states no pixel spacing but 1 × 1 mm" in fault
    np.testing.assert_array_equal(only(folder, spacing=SPACING).mask, MASK)


def test_the_sform_counts_before_pixdim(tmp_path):
    image = nibabel.Nifti1Image(np.ascontiguousarray(MASK.T), np.diag([0.15, 0.2, 1, 1]))
    image.header["pixdim"][1:4] = 1
    nibabel.save(image, tmp_path / "m.nii")
    assert read_mask(tmp_path / "m.nii").spacing == pytest.approx(SPACING)
    image.header["pixdim"][1:4] = 0.5
    nibabel.save(image, tmp_path / "m.nii")
    assert ["affine matrix", "pixdim"] == [one.source for one in read_mask(tmp_path / "m.nii").stated]


@pytest.mark.parametrize("largest", [3, 51, 255])
def test_labels_that_were_stored_with_a_scale_are_whole_again(tmp_path, largest):
    image = nibabel.Nifti1Image(np.ascontiguousarray((MASK * (largest // 3)).T), np.diag([0.15, 0.2, 1, 1]))
    image.header.set_slope_inter(1 / (largest // 3), 0)
    nibabel.save(image, tmp_path / "m.nii")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.nii").pixels, MASK)


# ---------------------------------------------------------------------------------------------------------------------
# Folders and names
# ---------------------------------------------------------------------------------------------------------------------


def test_folders_within_are_looked_through_and_the_rest_is_named(folder):
    for number, patient in enumerate(("p0", "p1")):
        (folder / f"images/{patient}").mkdir()
        write_image(folder / f"images/{patient}/000{number}.png", GREY)
        write_image(folder / f"masks/000{number}.png", MASK)
    (folder / "images/notes.txt").write_text("left aside")
    (folder / "old").mkdir()
    found = look_through(Input.open(folder, FETUS, spacing=SPACING))
    assert (found.images, found.masks, found.problems) == (2, 2, [])
    assert found.aside == ("images/notes.txt", "old/")
    for patient in ("p0", "p1"):  # one name in two folders: pairs have the same folder
        (folder / f"masks/{patient}").mkdir()
        write_image(folder / f"images/{patient}/same.png", GREY)
        write_image(folder / f"masks/{patient}/same.png", MASK)
    cases = Input.open(folder, FETUS, spacing=SPACING)
    assert [row.case for row in cases.rows] == ["0000", "0001", "p0/same", "p1/same"] and not check(cases)


def listed(folder, *cells):
    """Write a table of one case with these cells for the image and the mask, and open it."""
    lines = ["case,patient,site,image,mask,row_mm,col_mm,measure_mm,ga_days", f"a,p,A,{','.join(cells)},0.2,0.15,,"]
    (folder / "cases.csv").write_text("\n".join(lines), encoding="utf-8")
    (folder / "cohort.json").write_text('{"scheme": "fetus", "source": "s", "licence": "l"}')
    return Input.open(folder)


@pytest.mark.parametrize("wrong", ["a\0b/1.png", "../2.png", "gone/1.png", "a\\b/1.png", "/etc/1.png"])
def test_only_folders_of_files_that_can_be_read_are_looked_through(folder, wrong):
    write_image(folder / "images/1.png", GREY)
    write_image(folder.parent / "2.png", MASK)
    found = listed(folder, "images/1.png", wrong)
    assert found.aside == ("masks/",) and found.known_problems()


def test_a_file_may_be_named_by_a_roundabout_path(folder):
    write_image(folder / "images/1.png", GREY)
    write_image(folder / "masks/1.png", MASK)
    found = listed(folder, "./images/1.png", "masks//1.png")
    assert found.aside == () and faults(folder) == []


def test_a_name_with_json_in_its_middle_is_no_polygon(folder):
    write_image(folder / "a.json.png", GREY)
    write_image(folder / "a.json_mask.png", MASK)
    for inner in ("images", "masks"):
        (folder / inner).rmdir()
    assert only(folder, spacing=SPACING).case == "a.json"


@pytest.mark.parametrize("where", ["", "images/", "masks/"])
def test_what_only_begins_like_an_image_is_left_aside(folder, where):
    """Beside pairs, and among images or masks: archives, notes, and what other programs, or this one, wrote."""
    if where:
        write_image(folder / "images/0001.png", GREY)
        write_image(folder / "masks/0001.png", MASK)
    else:
        (folder / "images").rmdir()
        (folder / "masks").rmdir()
        write_image(folder / "0001.png", GREY)
        write_image(folder / "0001_mask.png", MASK)
    for name, content in {
        "backup.tar.gz": gzip.compress(b"0001.png" + bytes(504)),
        "cut.log.gz": gzip.compress(b"a log")[:9],
        "notes.txt": b"Comments about the images = none",
        "check.json": json.dumps({"images": 1, "masks": 1, "aside": []}).encode(),
        "scores.json": json.dumps({"model": {}, "verdicts": [{"case": "0001"}]}).encode(),
        "list.json": b"[1, 2]",
    }.items():
        (folder / where / name).write_bytes(content)
    found = look_through(Input.open(folder, FETUS, spacing=SPACING))
    assert (found.images, found.masks, found.problems) == (1, 1, [])
    names = ("backup.tar.gz", "check.json", "cut.log.gz", "list.json", "notes.txt", "scores.json")
    assert found.aside == tuple(f"{where}{name}" for name in names)


def test_volumes_are_known_without_an_ending(folder):
    """By what is packed inside, and by a key of MetaImage with what follows it."""
    nifti(folder / "x.nii.gz", GREY)
    (folder / "x.nii.gz").rename(folder / "images/0001")
    sitk.WriteImage(sitk.GetImageFromArray(MASK), str(folder / "x.mha"))
    (folder / "x.mha").rename(folder / "masks/0001")
    np.testing.assert_array_equal(only(folder, spacing=SPACING).mask, MASK)


@pytest.mark.parametrize("content", [b'{"shapes": [{"label": "he', b'{"shapes": [], "version": "5"}'])
def test_annotations_that_are_damaged_are_told_and_not_left_aside(folder, content):
    write_image(folder / "images/0001.png", GREY)
    (folder / "masks/0001.json").write_bytes(content)
    (fault,) = faults(folder, spacing=SPACING)
    assert fault.startswith("masks/0001.json: is ") and "JSON" in fault


def test_an_unknown_format_in_images_is_not_passed_over(folder):
    Image.fromarray(GREY).save(folder / "images/0001.gif")
    write_image(folder / "masks/0001.png", MASK)
    cases = Input.open(folder, FETUS, spacing=SPACING)
    assert "has no image" in str(check(cases)[0]) and cases.aside == ("images/0001.gif",)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_pair_in_any_unicode_form(folder, form):
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    write_image(folder / f"images/{unicodedata.normalize(form, 'fétus ö')}.png", GREY)
    write_image(folder / f"masks/{unicodedata.normalize(other, 'fétus ö')}.png", MASK)
    assert only(folder, spacing=SPACING).case == unicodedata.normalize("NFC", "fétus ö")
    name = unicodedata.normalize("NFC", "fétus ö")
    listed(folder, f"images/{name}.png", f"masks/{name}.png")
    assert faults(folder) == []
    (folder / "images").rename(folder / unicodedata.normalize(form, "Übung"))
    listed(folder, f"{unicodedata.normalize(other, 'Übung')}/{name}.png", f"masks/{name}.png")
    assert faults(folder) == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.binary(min_size=1, max_size=40).filter(lambda name: not {0, ord("/")} & set(name)))
def test_any_name_that_a_disk_takes_costs_at_most_its_own_row(tmp_path_factory, name):
    folder = os.fsencode(tmp_path_factory.mktemp("names"))
    for kind, array in ((b"images", GREY), (b"masks", MASK)):
        os.mkdir(os.path.join(folder, kind))
        write_image(os.path.join(os.fsdecode(folder), kind.decode(), "good.png"), array)
        with open(os.path.join(os.fsdecode(folder), kind.decode(), "good.png"), "rb") as good:
            content = good.read()
        with open(os.path.join(folder, kind, name + b".png"), "wb") as other:
            other.write(content)
    found = look_through(Input.open(os.fsdecode(folder), FETUS, spacing=SPACING))
    found_cases = Input.open(os.fsdecode(folder), FETUS, spacing=SPACING)
    assert found_cases.read(next(row for row in found_cases.rows if row.case == "good")).mask is not None
    assert all("good.png" not in problem.file for problem in found.problems)
    json.dumps([str(problem) for problem in found.problems], ensure_ascii=False).encode()  # can be written


@pytest.mark.parametrize("ending", [".PNG", ".Png", ".NII.GZ", ".Nii.gz", ".DCM", ".TIF", ".Nrrd", ".MHA"])
def test_endings_are_known_in_all_cases(folder, ending):
    write_image(folder / "images/0001.png", GREY)
    path = folder / f"masks/0001{ending}"
    write = {"png": write_image, "gz": nifti, "dcm": dicom}.get(ending.lower().rpartition(".")[2])
    if write is nifti:
        nifti(folder / "x.nii.gz", MASK)
        (folder / "x.nii.gz").rename(path)
    elif write:
        write(path, MASK)
    elif ending == ".TIF":
        Image.fromarray(MASK).save(path)
    else:
        sitk.WriteImage(sitk.GetImageFromArray(MASK), str(folder / f"x{ending.lower()}"))
        (folder / f"x{ending.lower()}").rename(path)
    np.testing.assert_array_equal(only(folder, spacing=SPACING).mask, MASK)


# ---------------------------------------------------------------------------------------------------------------------
# Polygons
# ---------------------------------------------------------------------------------------------------------------------

BOXES = {"body": (20, 12, 49, 27), "head": (5, 10, 19, 29), "palate": (8, 15, 12, 17)}
"""Left, top, right, bottom of rectangles, whose corners are pixel centres."""


def corners(left, top, right, bottom):
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def painted(boxes=BOXES):
    mask = np.zeros((ROWS, COLUMNS), np.uint8)
    for name, (left, top, right, bottom) in boxes.items():
        mask[top : bottom + 1, left : right + 1] = FETUS.id(name)
    return mask


def test_labelme_polygons_are_a_mask_and_small_shapes_show(tmp_path):
    write_image(tmp_path / "0001.png", GREY)
    shapes = [{"label": name, "shape_type": "polygon", "points": corners(*box)} for name, box in BOXES.items()]
    about = {"version": "5", "imagePath": "0001.png", "imageHeight": ROWS, "imageWidth": COLUMNS}
    (tmp_path / "0001.json").write_text(json.dumps(about | {"shapes": shapes[::-1]}))
    np.testing.assert_array_equal(only(tmp_path, spacing=SPACING).mask, painted())


def test_one_coco_file_holds_the_masks_of_all_images(folder):
    annotations, images = [], []
    for number in (1, 2):
        write_image(folder / f"images/000{number}.png", GREY)
        images.append({"id": number, "file_name": f"000{number}.png", "height": ROWS, "width": COLUMNS})
        annotations += [
            {"id": 1, "image_id": number, "category_id": FETUS.id(name),
             "segmentation": [[value + 0.5 for corner in corners(*box) for value in corner]]}
            for name, box in list(BOXES.items())[: 4 - number]
        ]  # fmt: skip
    categories = [{"id": label.id, "name": label.name} for label in FETUS.labels]
    about = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "masks/all.json").write_text(json.dumps(about))
    cases = Input.open(folder, FETUS, spacing=SPACING)
    assert [row.case for row in cases.rows] == ["0001", "0002"] and cases.aside == ()
    np.testing.assert_array_equal(cases.read(cases.rows[0]).mask, painted())
    assert set(np.unique(cases.read(cases.rows[1]).mask)) == {0, 1, 2}
    assert check(cases) == []
    (folder / "masks/all.json").rename(folder / "masks/ALL.JSON")
    assert check(Input.open(folder, FETUS, spacing=SPACING)) == []


def labelme(path, boxes):
    """Write rectangles, by name, as LabelMe does."""
    shapes = [{"label": name, "shape_type": "polygon", "points": corners(*box)} for name, box in boxes.items()]
    path.write_text(json.dumps({"imageHeight": ROWS, "imageWidth": COLUMNS, "shapes": shapes}))


def test_polygons_have_names_alone_and_a_number_given_is_a_name(tmp_path):
    """Which shapes a file happens to have must not decide what they are."""
    labels = "1=head,2=body,3=palate,4=gap"
    write_image(tmp_path / "0001.png", GREY)
    for part in (BOXES, {name: BOXES[name] for name in ("body", "palate")}):
        expected = painted(part)
        for named in (part, {str(FETUS.id(name)): box for name, box in part.items()}):
            labelme(tmp_path / "0001.json", named)
            np.testing.assert_array_equal(only(tmp_path, labels=labels, spacing=SPACING).mask, expected)
    labelme(tmp_path / "0001.json", {"Kopf": BOXES["head"]})
    (fault,) = faults(tmp_path, labels=labels, spacing=SPACING)
    assert "names structures 'Kopf' that are not in scheme 'fetus'; say what they stand for, such as" in fault


def test_a_polygon_takes_the_pixels_whose_centres_lie_inside(folder):
    """OpenCV alone fills half a pixel more all round."""
    angles = np.linspace(0, 2 * np.pi, 240)
    oval = np.stack([30.3 + 21.6 * np.cos(angles), 20.1 + 14.4 * np.sin(angles)], axis=1)  # corner of a pixel: 0
    y, x = np.indices((ROWS, COLUMNS))
    inside = Polygon(oval - 0.5).contains_points(np.stack([x, y], axis=-1).reshape(-1, 2)).reshape(ROWS, COLUMNS)
    write_image(folder / "images/0001.png", GREY)
    for outline, expected in (([10, 10, 20, 10, 20, 20, 10, 20], 100), (oval.ravel().tolist(), inside.sum())):
        about = harmed(COCO, "annotations", segmentation=[outline])
        (folder / "masks/all.json").write_text(json.dumps(about))
        assert np.count_nonzero(only(folder, spacing=SPACING).mask) == expected


COCO = {
    "images": [{"id": 1, "file_name": "0001.png", "height": ROWS, "width": COLUMNS}],
    "annotations": [{"id": 7, "image_id": 1, "category_id": 1, "segmentation": [[5, 10, 19, 10, 19, 29]]}],
    "categories": [{"id": 1, "name": "head"}],
}
SHAPE = {"label": "head", "points": [[5, 10], [19, 10], [19, 29]]}
LABELME = {"imageHeight": ROWS, "imageWidth": COLUMNS, "shapes": [SHAPE, SHAPE]}


def harmed(about, where, /, **change):
    """The annotations with another last entry in one of their lists; None takes a key out."""
    entry = about[where][-1] | change
    return about | {where: [*about[where][:-1], {key: value for key, value in entry.items() if value is not None}]}


@pytest.mark.parametrize(
    ("about", "message"),
    [
        (harmed(COCO, "annotations", category_id=9), "its annotation 7 names a category 9 that it does not list"),
        (harmed(COCO, "annotations", category_id=None), "its annotation 7 has no 'category_id'"),
        (harmed(COCO, "annotations", image_id=None), "entry 1 of its annotations has no 'image_id'"),
        (harmed(COCO, "annotations", segmentation=None), "its annotation 7 has no 'segmentation'"),
        (harmed(COCO, "annotations", segmentation={"counts": "x"}), "its annotation 7 has a run-length mask"),
        (
            harmed(COCO, "annotations", segmentation=[[1, 2, 3, 4, 5]]),
            "its annotation 7 has an outline of 5 numbers, which",
        ),
        (harmed(COCO, "annotations", segmentation=[["a", 2]]), "its annotation 7 has coordinates that are no numbers"),
        (harmed(COCO, "images", width="wide"), "its image 0001.png has a 'width' that is no number"),
        (harmed(COCO, "images", height=None), "its image 0001.png has no 'height'"),
        (harmed(COCO, "categories", name=None), "its category 1 has no 'name'"),
        (COCO | {"categories": {}}, "has no list as its 'categories'"),
        (COCO | {"annotations": [3]}, "entry 1 of its annotations has no 'image_id'"),
        (LABELME | {"imageWidth": None}, "has no 'imageWidth'"),
        (harmed(LABELME, "shapes", label=None), "its shape 2 has no 'label'"),
        (
            harmed(LABELME, "shapes", points=[[1, 2], [3], [4, 5]]),
            "its shape 2 has coordinates that are no numbers, or not in pairs",
        ),
        (
            harmed(LABELME, "shapes", points=[[1, 2], [None, 3], [4, 5]]),
            "its shape 2 has coordinates that are no numbers, or not in pairs",
        ),
        (harmed(LABELME, "shapes", points=[1, 2, 3]), "its shape 2 has points that are not pairs of x and y"),
        (harmed(LABELME, "shapes", shape_type="line"), "its shape 2 is of type 'line' with 3 points"),
    ],
)
def test_annotations_that_cannot_be_used_are_told_by_their_number(folder, about, message):
    write_image(folder / "images/0001.png", GREY)
    name = "0001.json" if "shapes" in about else "all.json"
    (folder / "masks" / name).write_text(json.dumps(about))
    (fault,) = faults(folder, spacing=SPACING)
    assert fault.startswith(f"masks/{name}") and message in fault and "damaged" not in fault


def test_json_that_only_resembles_coco_is_a_mask_of_its_own(folder):
    write_image(folder / "images/all.png", GREY)
    for about in ({"images": [{"file_name": "0001.png"}]}, {"images": [{"file_name": "0001.png"}], "info": {}}):
        (folder / "masks/all.json").write_text(json.dumps(about))
        assert any("neither LabelMe's nor COCO's" in fault for fault in faults(folder, spacing=SPACING))


# ---------------------------------------------------------------------------------------------------------------------
# Known numbers
# ---------------------------------------------------------------------------------------------------------------------


def with_table(folder, share, mm_a_pixel=1.0):
    """Make a cohort of a case for each `share`, of which an expert measured that times what the mask measures."""
    lines = ["case,patient,site,image,mask,row_mm,col_mm,measure_mm,ga_days"]
    mm = measured_mm(MASK, (mm_a_pixel, mm_a_pixel), FETUS)
    spacing = f"{mm_a_pixel},{mm_a_pixel}"
    for number, factor in enumerate(share):
        write_image(folder / f"images/{number}.png", GREY + np.uint8(number))
        write_image(folder / f"masks/{number}.png", MASK)
        lines.append(f"{number},p{number},A,images/{number}.png,masks/{number}.png,{spacing},{mm * factor:.2f},")
    (folder / "cases.csv").write_text("\n".join(lines))
    (folder / "cohort.json").write_text('{"scheme": "fetus", "source": "s", "licence": "l"}')


def test_masks_on_another_scale_than_the_lengths_are_a_fault_and_one_that_is_off_is_a_warning(folder):
    with_table(folder, (1.0, 1.02, 4 / 3))
    found = look_through(folder)
    assert found.problems == []
    ((file, warning),) = found.warnings
    assert file == "masks/2.png" and "25% below the expert's CRL" in warning
    with_table(folder, (4 / 3, 1.3, 4 / 3))
    (fault,) = faults(folder)
    assert fault.startswith("cases.csv: its masks measure 25% below measure_mm") and "resized?" in fault


@pytest.mark.parametrize(
    ("share", "mm_a_pixel", "wrong"),
    [
        ([4 / 3], 1.0, 0),  # one mask says nothing of the others
        ([4 / 3, 4 / 3], 1.0, 0),
        ([0.887] * 3, 0.3375, 0),  # 14.9 mm by the expert, 16.8 mm by the mask: a pixel or two at each end
        ([0.8] * 3, 0.3375, 1),
        ([1.0] * 4 + [0.7] * 3, 1.0, 0),  # three poor masks among sound ones
        ([1.0] * 3 + [0.7] * 4, 1.0, 1),
        ([1.25] * 3, 1.0, 1),
    ],
)
def test_another_scale_takes_several_masks_that_disagree_by_share_and_by_millimetres(folder, share, mm_a_pixel, wrong):
    with_table(folder, share, mm_a_pixel)
    assert sum("resized?" in fault for fault in faults(folder)) == len(faults(folder)) == wrong
