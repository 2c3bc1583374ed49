"""Files of hospitals: what is read of each kind, and what is said of those that hold something else."""

import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, UltrasoundImageStorage

from fusqa.cohorts.checking import check
from fusqa.cohorts.formats import KINDS, read_image, read_mask, write_image
from fusqa.cohorts.reading import Input
from fusqa.masks.labels import FETUS, HEAD, Renumbering
from fusqa.problems import CohortError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
ROWS, COLUMNS = 40, 56
GREY = np.random.default_rng(0).integers(0, 256, (ROWS, COLUMNS), np.uint8)
MASK = np.zeros((ROWS, COLUMNS), np.uint8)
MASK[10:30, 5:20], MASK[12:28, 20:50], MASK[15:18, 18:24] = 1, 2, 3


def dicom(path, pixels, **more):
    """Write a single-frame ultrasound picture with the tags `more`."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UltrasoundImageStorage, "1.2.3"
    meta.TransferSyntaxUID = more.pop("syntax", ExplicitVRLittleEndian)
    data = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = UltrasoundImageStorage, "1.2.3", "US"
    data.Rows, data.Columns = pixels.shape[:2]
    data.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    data.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    if pixels.ndim == 3:
        data.PlanarConfiguration = 0
    data.BitsAllocated = data.BitsStored = 8 * pixels.dtype.itemsize
    data.HighBit, data.PixelRepresentation = data.BitsStored - 1, 0
    data.PixelData = pixels.tobytes()
    for name, value in more.items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)


def region(delta_x, delta_y, units=3, form=1):
    one = Dataset()
    one.RegionSpatialFormat, one.PhysicalUnitsXDirection, one.PhysicalUnitsYDirection = form, units, units
    one.PhysicalDeltaX, one.PhysicalDeltaY = delta_x, delta_y
    return one


def nifti(path, array, zooms=(0.15, 0.2), unit="mm"):
    """Write a picture as tools do that put the columns first."""
    image = nibabel.Nifti1Image(np.ascontiguousarray(array.T), np.diag([*zooms, 1.0, 1.0][:4]))
    image.header.set_xyzt_units(unit)
    nibabel.save(image, path)


def faults(folder, **more):
    """What a check of a folder finds wrong, each problem as a sentence."""
    return [str(problem) for problem in check(Input.open(folder, FETUS, **more))]


def fault(read, path):
    with pytest.raises(CohortError) as told:
        read(path)
    (problem,) = told.value.problems
    assert problem.file == str(path) and problem.fix
    return problem.message


# ---------------------------------------------------------------------------------------------------------------------
# What is read
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".png", ".tif", ".TIFF", ".nii", ".nii.gz", ".dcm"])
def test_every_kind_keeps_every_level_and_every_label(tmp_path, ending):
    for pixels, read in ((GREY, read_image), (MASK, read_mask)):
        path = tmp_path / f"{read.__name__}{ending}"
        if ending == ".png":
            write_image(path, pixels)
        elif ending == ".dcm":
            dicom(path, pixels)
        elif "nii" in ending:
            nifti(path, pixels)
        else:
            Image.fromarray(pixels).save(path, compression="tiff_lzw")
        np.testing.assert_array_equal(read(path).pixels, pixels)


def test_a_jpeg_is_a_picture_and_never_a_mask(tmp_path):
    smooth = np.uint8(np.add.outer(np.arange(ROWS), np.arange(COLUMNS)))
    Image.fromarray(smooth).save(tmp_path / "grey.jpg", quality=98)
    Image.fromarray(np.dstack([smooth] * 3)).save(tmp_path / "colour.JPEG", quality=98)
    for name in ("grey.jpg", "colour.JPEG"):
        assert np.abs(read_image(tmp_path / name).pixels.astype(int) - smooth).max() <= 3
    assert "changes label numbers" in fault(read_mask, tmp_path / "grey.jpg")


def test_dicom_states_its_spacing_row_first(tmp_path):
    dicom(tmp_path / "a.dcm", GREY, PixelSpacing=[0.2, 0.15])
    assert read_image(tmp_path / "a.dcm").spacing == (0.2, 0.15)
    regions = Sequence([region(0.015, -0.02), region(0.1, 0.1, units=4), region(0.5, 0.5, form=3)])
    dicom(tmp_path / "b.dcm", GREY, SequenceOfUltrasoundRegions=regions)  # centimetres, and others that are no lengths
    assert read_image(tmp_path / "b.dcm").spacing == (0.2, 0.15)
    dicom(tmp_path / "c.dcm", GREY)
    assert read_image(tmp_path / "c.dcm").spacing is None
    dicom(tmp_path / "d.dcm", GREY, SequenceOfUltrasoundRegions=Sequence([region(0.015, 0.02), region(0.03, 0.04)]))
    assert [one[:2] for one in read_image(tmp_path / "d.dcm").stated] == [(0.2, 0.15), (0.4, 0.3)]


def test_dicom_shows_what_the_archive_shows(tmp_path):
    deep = (GREY.astype(np.uint16) * 16) + 1000
    window = {"WindowCenter": 1000 + 128 * 16, "WindowWidth": 256 * 16}
    dicom(tmp_path / "deep.dcm", deep, **window)
    assert np.abs(read_image(tmp_path / "deep.dcm").pixels.astype(int) - GREY).max() <= 1
    dicom(tmp_path / "bare.dcm", deep)
    assert "no window" in fault(read_image, tmp_path / "bare.dcm")
    dicom(tmp_path / "inverted.dcm", 255 - GREY, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(read_image(tmp_path / "inverted.dcm").pixels, GREY)
    dicom(tmp_path / "colour.dcm", np.dstack([GREY] * 3))
    np.testing.assert_array_equal(read_image(tmp_path / "colour.dcm").pixels, GREY)
    assert "in colour" in fault(read_mask, tmp_path / "colour.dcm")


def test_dicom_of_a_scanner_that_compresses(tmp_path):
    from io import BytesIO

    from pydicom.encaps import encapsulate

    smooth = np.uint8(np.add.outer(np.arange(ROWS), np.arange(COLUMNS)) * 2)
    packed = BytesIO()
    Image.fromarray(smooth).save(packed, "JPEG", quality=98)
    dicom(tmp_path / "j.dcm", smooth, syntax=JPEGBaseline8Bit, PixelData=encapsulate([packed.getvalue()]))
    assert np.abs(read_image(tmp_path / "j.dcm").pixels.astype(int) - smooth).max() <= 3


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1), ("meter", 1000), ("micron", 0.001), ("unknown", 1)])
def test_nifti_states_its_spacing_in_its_unit(tmp_path, unit, factor):
    nifti(tmp_path / "a.nii.gz", GREY, zooms=(0.15 / factor, 0.2 / factor), unit=unit)
    assert read_image(tmp_path / "a.nii.gz").spacing == pytest.approx((0.2, 0.15), rel=1e-5)


def test_nifti_labels_may_be_stored_as_floats_and_be_large(tmp_path):
    nifti(tmp_path / "f.nii", MASK.astype(np.float32))
    np.testing.assert_array_equal(read_mask(tmp_path / "f.nii").pixels, MASK)
    nifti(tmp_path / "l.nii", MASK.astype(np.int32) * 1000)
    labels = Renumbering.parse("1000=head,2000=background,3000=head", HEAD)
    np.testing.assert_array_equal(labels(read_mask(tmp_path / "l.nii").pixels), np.isin(MASK, (1, 3)))
    nifti(tmp_path / "p.nii", MASK / np.float32(3))
    assert "not whole numbers" in fault(read_mask, tmp_path / "p.nii")


# ---------------------------------------------------------------------------------------------------------------------
# What is refused
# ---------------------------------------------------------------------------------------------------------------------


def png(width, height, depth, colour, rows):
    """Bytes of a PNG with the given header and pixel rows."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def test_masks_of_another_kind_of_png_are_named(tmp_path):
    kinds = {
        "16-bit": (Image.fromarray(MASK.astype(np.uint16)), "a 16-bit grey PNG"),
        "rgba": (Image.fromarray(np.dstack([MASK] * 4), "RGBA"), "colour with transparency"),
        "palette": (Image.fromarray(MASK).convert("P"), "palette"),
        "1-bit": (Image.fromarray(MASK > 0), "a 1-bit grey PNG"),
    }
    for name, (image, said) in kinds.items():
        image.save(tmp_path / f"{name}.png")
        assert said in fault(read_mask, tmp_path / f"{name}.png"), name


def test_a_size_that_no_scanner_has_is_refused_before_anything_is_allocated(tmp_path):
    for name, size in (("bomb", (60_000, 60_000)), ("huge", (8192, 8192)), ("none", (0, 10))):
        (tmp_path / f"{name}.png").write_bytes(png(*size, 8, 0, b""))
        assert "claims" in fault(read_mask, tmp_path / f"{name}.png")
    Image.new("L", (8192, 8192)).save(tmp_path / "huge.tif", compression="tiff_deflate")
    assert "claims 8192" in fault(read_mask, tmp_path / "huge.tif")
    dicom(tmp_path / "huge.dcm", GREY, Rows=60_000, Columns=60_000)
    assert "claims 60000" in fault(read_image, tmp_path / "huge.dcm")
    header = nibabel.Nifti1Header()
    header.set_data_shape((30_000, 30_000))
    (tmp_path / "huge.nii").write_bytes(header.binaryblock + bytes(4))
    assert "30000" in fault(read_image, tmp_path / "huge.nii")


def test_more_than_one_picture_is_refused(tmp_path):
    frames = [Image.fromarray(GREY)] * 3
    frames[0].save(tmp_path / "many.tif", save_all=True, append_images=frames[1:])
    assert "holds 3 images" in fault(read_image, tmp_path / "many.tif")
    dicom(tmp_path / "many.dcm", np.concatenate([GREY, GREY]), NumberOfFrames=2, Rows=ROWS)
    assert "holds 2 frames" in fault(read_image, tmp_path / "many.dcm")
    nifti(tmp_path / "many.nii", np.stack([GREY, GREY]))
    assert "not a single image" in fault(read_image, tmp_path / "many.nii")
    report = Dataset()
    report.file_meta, report.Modality = FileMetaDataset(), "SR"
    report.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    pydicom.dcmwrite(tmp_path / "report.dcm", report)
    assert fault(read_image, tmp_path / "report.dcm")


def test_tiff_of_another_kind_is_named(tmp_path):
    Image.fromarray(GREY.astype(np.uint16)).save(tmp_path / "deep.tif")
    Image.fromarray(np.dstack([GREY] * 3)).save(tmp_path / "colour.tif")
    for name in ("deep", "colour"):
        assert "not an 8-bit grey TIFF" in fault(read_mask, tmp_path / f"{name}.tif")


@pytest.mark.parametrize("ending", KINDS)
@pytest.mark.parametrize("content", [b"", b"not a picture", bytes(2000)], ids=["empty", "text", "zeros"])
def test_what_is_no_picture_is_told_for_every_ending(tmp_path, ending, content):
    path = tmp_path / f"x{ending}"
    path.write_bytes(content)
    assert fault(read_image, path)
    assert fault(read_mask, path)


@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif", ".nii", ".nii.gz", ".dcm"])
def test_a_missing_file_and_a_folder_are_told(tmp_path, ending):
    assert "cannot be read" in fault(read_image, tmp_path / f"gone{ending}")
    (tmp_path / f"folder{ending}").mkdir()
    assert "cannot be read" in fault(read_image, tmp_path / f"folder{ending}")


def read_or_told(path):
    """Read a file as a picture and as a mask: what comes back is of a sane size, or a problem has a fix."""
    for read in (read_image, read_mask):
        try:
            picture = read(path)
        except CohortError as error:
            assert all(problem.message and problem.fix for problem in error.problems)
        else:
            assert picture.pixels.ndim == 2 and picture.pixels.size <= 2**25


SAMPLES = {
    ".png": lambda path: write_image(path, GREY),
    ".jpg": lambda path: Image.fromarray(GREY).save(path),
    ".tif": lambda path: Image.fromarray(GREY).save(path, compression="tiff_lzw"),
    ".nii": lambda path: nifti(path, GREY),
    ".nii.gz": lambda path: nifti(path, GREY),
    ".dcm": lambda path: dicom(path, GREY, PixelSpacing=[0.2, 0.15]),
    ".nrrd": lambda path: sitk.WriteImage(sitk.GetImageFromArray(GREY), str(path)),
    ".mha": lambda path: sitk.WriteImage(sitk.GetImageFromArray(GREY), str(path)),
    ".json": lambda path: path.write_text(json.dumps(LABELME)),
}

LABELME = {
    "imageHeight": ROWS,
    "imageWidth": COLUMNS,
    "shapes": [{"label": "head", "shape_type": "polygon", "points": [[5, 5], [30, 6], [12, 30]]}],
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Bytes of one sound file of each kind."""
    folder, files = tmp_path_factory.mktemp("sound"), {}
    for ending, write in SAMPLES.items():
        write(folder / f"x{ending}")
        files[ending] = (folder / f"x{ending}").read_bytes()
    return files


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ending=st.sampled_from(sorted(SAMPLES)), data=st.data())
def test_a_damaged_file_is_read_or_told_and_nothing_else(sound, tmp_path, ending, data):
    """Cut off, or some bytes changed: either a picture of a sane size comes back, or a problem with a fix."""
    content = bytearray(sound[ending][: data.draw(st.integers(0, len(sound[ending])), label="kept")])
    for _ in range(data.draw(st.integers(0, 4), label="changes") if content else 0):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / f"x{ending}"
    path.write_bytes(content)
    read_or_told(path)


@pytest.mark.skipif(sys.platform != "linux", reason="the fuzzer runs on Linux")
def test_the_fuzz_target_finds_nothing_in_a_few_hundred_inputs(tmp_path):
    """What `make fuzz` does for longer, so that the target itself does not rot."""
    target = Path(__file__).with_name("fuzz_readers.py")
    fuzz = [sys.executable, target, "-runs=400", "-seed=1", f"-artifact_prefix={tmp_path}/"]
    # Through a shell: on Linux a program starts with its parent's peak of memory, which the fuzzer takes for its own,
    # and a test process that has trained networks is beyond the fuzzer's limit before the first input.
    run = subprocess.run(["sh", "-c", '"$@"; exit', "sh", *fuzz], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    assert "Done 400 runs" in run.stderr
