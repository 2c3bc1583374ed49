"""What somebody wants to have judged: folders as people keep them, and tables as spreadsheets write them."""

import json
import os
import string
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from test_formats import COLUMNS, GREY, MASK, ROWS, dicom, faults, nifti
from typer.testing import CliRunner

from fusqa.cli import app
from fusqa.cohorts.checking import check
from fusqa.cohorts.cohort import Cohort
from fusqa.cohorts.folders import ENDINGS, files_by_name
from fusqa.cohorts.formats import write_image
from fusqa.cohorts.manifest import COLUMNS as CELLS
from fusqa.cohorts.manifest import read_rows, row_problems, table_problems
from fusqa.cohorts.reading import Input
from fusqa.masks.labels import FETUS, HEAD, Renumbering
from fusqa.masks.measurement import describe
from fusqa.problems import CohortError

SPACING = (0.5, 0.5)


def names(given):
    return [row.case for row in given.rows]


@pytest.fixture
def folder(tmp_path):
    """Pairs as PNG in images/ and masks/."""
    for name in ("b", "a", "ü ж"):
        write_image(tmp_path / f"images/{name}.png", GREY)
        write_image(tmp_path / f"masks/{name}.png", MASK)
    return tmp_path


def test_pairs_in_two_folders(folder):
    given = Input.open(folder, FETUS, spacing=SPACING)
    assert names(given) == ["a", "b", "ü ж"] and not given.listed
    case = given.read(given.rows[0])
    np.testing.assert_array_equal(case.image, GREY)
    np.testing.assert_array_equal(case.mask, MASK)
    assert case.spacing == SPACING and case.warnings == ()
    assert faults(folder, spacing=SPACING) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_pairs_side_by_side(tmp_path, ending):
    write_image(tmp_path / "7.png", GREY)
    write_image(tmp_path / f"7{ending.upper()}.png", MASK)
    (tmp_path / "notes.txt").write_text("not looked at")
    (tmp_path / ".hidden.png").write_text("nor this")
    given = Input.open(tmp_path, FETUS, spacing=SPACING)
    assert names(given) == ["7"] and given.read(given.rows[0]).image is not None


def test_pairs_of_unlike_kinds_and_sizes(tmp_path):
    """DICOM with its spacing beside a NIfTI mask; a JPEG of another size, whose spacing nobody knows."""
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    dicom(tmp_path / "images/one.dcm", GREY, PixelSpacing=[0.2, 0.15])
    nifti(tmp_path / "masks/one.nii.gz", MASK)
    Image.fromarray(GREY[:, :30]).save(tmp_path / "images/two.jpg")
    write_image(tmp_path / "masks/two.png", MASK[:, :30])
    given = Input.open(tmp_path, FETUS)
    assert given.read(given.rows[0]).spacing == pytest.approx((0.2, 0.15))
    (said,) = faults(tmp_path)
    assert said.startswith("images/two.jpg: states no pixel spacing; give --spacing")
    told = Input.open(tmp_path, FETUS, spacing=SPACING)
    first, second = (told.read(row) for row in told.rows)
    assert first.spacing == second.spacing == SPACING
    assert "states a pixel spacing of 0.2 × 0.15 mm, 0.5 × 0.5 mm were used" in first.warnings[0]
    assert second.warnings == ()


def test_a_spacing_in_centimetres_is_told_whoever_states_it(tmp_path):
    dicom(tmp_path / "one.dcm", GREY, PixelSpacing=[0.02, 0.015])
    write_image(tmp_path / "one_mask.png", MASK)
    (problem,) = check(Input.open(tmp_path, FETUS))
    assert problem.file == "one.dcm" and "not a plausible pixel spacing" in problem.message
    assert problem.fix == "it looks like centimetres, write 0.2"


def test_masks_alone(tmp_path):
    for where in ("masks", ""):
        write_image(tmp_path / f"x{where}" / where / "1.png", MASK)
        given = Input.open(tmp_path / f"x{where}", FETUS, spacing=SPACING)
        case = given.read(given.rows[0])
        assert case.image is None and case.mask.any()


def test_what_has_no_partner_or_two_is_told_and_the_others_go_on(folder):
    write_image(folder / "images/lonely.png", GREY)
    write_image(folder / "masks/orphan.png", MASK)
    nifti(folder / "masks/a.nii", MASK)
    given = Input.open(folder, FETUS, spacing=SPACING)
    assert [bool(row.faults) for row in given.rows] == [True, False, True, True, False]
    said = faults(folder, spacing=SPACING)
    assert "masks/a.png: has the name of masks/a.nii; keep one" in said[0]
    assert "images/lonely.png: has no mask" in said[1] and "masks/orphan.png: has no image" in said[2]


def test_a_name_that_two_patients_have_pairs_nothing(tmp_path):
    """An image without a mask and a mask without an image are two faults, and no pair."""
    for patient in ("p1", "p2", "p3"):
        write_image(tmp_path / f"images/{patient}/scan.png", GREY)
        write_image(tmp_path / f"masks/{patient.replace('3', '4')}/scan.png", MASK)
    said = faults(tmp_path, spacing=SPACING)
    assert len(said) == 2
    assert "images/p3/scan.png: has no mask" in said[0] and "masks/p4/scan.png: has no image" in said[1]


def test_a_folder_whose_files_are_not_seen_is_a_fault(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    for name in ("images", "masks"):
        (folder / name).rename(outside / name)
        (folder / name).mkdir()
        (folder / name / "p1").symlink_to(outside / name)
    given = Input.open(folder, FETUS, spacing=SPACING)
    assert [problem.file for problem in given.problems] == ["images/p1/"] and given.rows == ()
    assert "is a link to a folder; put the folder itself in its place" in str(given.problems[0])
    with pytest.raises(CohortError, match="masks/p1/: is a link to a folder"):
        files_by_name(folder)


def test_a_folder_that_may_not_be_read_is_a_fault():
    """Nothing is forbidden to root, who asks as somebody else."""
    own = os.geteuid()
    with tempfile.TemporaryDirectory() as made:
        os.chmod(made, 0o755)
        write_image(Path(made) / "masks/a.png", MASK)
        (Path(made) / "masks/p1").mkdir(mode=0o000)
        try:
            os.seteuid(own or 65534)
            (problem,) = Input.open(made, FETUS).problems
        finally:
            os.seteuid(own)
    assert str(problem) == "masks/p1/: cannot be read (Permission denied); allow it to be read, or take it away"


@pytest.mark.parametrize("how", ["link", "folder"])
def test_nothing_outside_the_folder_is_opened(folder, tmp_path_factory, how):
    outside = tmp_path_factory.mktemp("outside")
    write_image(outside / "secret.png", MASK)
    if how == "link":
        (folder / "masks/a.png").unlink()
        os.symlink(outside / "secret.png", folder / "masks/a.png")
    else:
        for path in (folder / "masks").iterdir():
            path.rename(outside / path.name)
        (folder / "masks").rmdir()
        os.symlink(outside, folder / "masks")
    said = faults(folder, spacing=SPACING)
    assert len(said) == (1 if how == "link" else 5)
    assert all("link to a file outside" in one or "has no image" in one for one in said)


def test_masks_in_other_numbers(folder):
    for path in (folder / "masks").iterdir():
        write_image(path, np.uint8([0, 200, 50, 255])[MASK])
    (said, *_) = faults(folder, spacing=SPACING)
    assert "labels [50, 200, 255] are not in scheme 'fetus'" in said
    labels = "200=head, 50=body, 255=palate"
    given = Input.open(folder, FETUS, labels, SPACING)
    np.testing.assert_array_equal(given.read(given.rows[0]).mask, MASK)
    assert faults(folder, labels=labels, spacing=SPACING) == []
    (said, *_) = faults(folder, labels="200=head,50=body", spacing=SPACING)
    assert "labels [255] are not named" in said


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ("1=tail", "'1=tail'"),
        ("head", "'head'"),
        ("1=head,1=body", "twice"),
        ("Kopf=head,kopf=background", "kopf is given twice"),
        ("-1=head", "'-1=head'"),
    ],
)
def test_labels_that_cannot_be_read_are_told(labels, said):
    with pytest.raises(ValueError, match=f"labels: .*{said}"):
        Renumbering.parse(labels, FETUS)


@pytest.mark.parametrize("mm", ["0", "nan", "-0.2", "0.02", "inf", "96"])
def test_a_spacing_that_no_scanner_has_is_told(folder, mm):
    done = CliRunner().invoke(app, ["check", str(folder), f"--spacing={mm}"])
    assert done.exit_code == 2 and "not a plausible pixel spacing" in done.output


def test_check_tells_by_table_json_and_status(folder, tmp_path):
    run = CliRunner().invoke
    assert run(app, ["check", str(folder), "--spacing", "0.5"]).exit_code == 0
    (folder / "masks/b.png").write_bytes(b"")
    done = run(app, ["check", str(folder), "--spacing", "0.5", "0.5", "--json"])
    assert done.exit_code == 1
    (told,) = json.loads(done.output)["problems"]
    assert told == {"row": None, "file": "masks/b.png", "message": "is empty (0 bytes)", "fix": told["fix"]}
    for name in ("nothing-here", "empty"):
        if name == "empty":
            (tmp_path / name).mkdir()
        done = run(app, ["check", str(tmp_path / name), "--json"])
        assert done.exit_code == 2 and json.loads(done.output)["problems"][0]["fix"]


def test_a_cohort_has_its_own_spacing_and_scheme(folder):
    lines = [",".join(CELLS), "a,p,A,images/a.png,masks/a.png,0.5,0.5,,"]
    (folder / "cases.csv").write_text("\n".join(lines) + "\n")
    (folder / "cohort.json").write_text('{"scheme": "fetus", "source": "s", "licence": "l"}')
    assert names(Input.open(folder)) == ["a"]
    with pytest.raises(ValueError, match="leave out --spacing"):
        Input.open(folder, spacing=SPACING)
    with pytest.raises(ValueError, match="scheme 'fetus', asked for was 'head'"):
        Input.open(folder, HEAD)


def test_a_mask_is_measured_on_its_own_grid(folder):
    given = Input.open(folder, FETUS, spacing=(0.5, 0.25))
    case = given.read(given.rows[0])
    assert describe(case.mask, case.spacing, FETUS).mm == pytest.approx(describe(MASK, (0.5, 0.25), FETUS).mm)


def measured(*arguments):
    return CliRunner().invoke(app, ["measure", *map(str, arguments)])


def test_a_mask_is_measured_in_every_format_at_the_spacing_that_counts(tmp_path):
    write_image(tmp_path / "m.png", MASK)
    Image.fromarray(MASK).save(tmp_path / "m.TIF", compression="tiff_lzw")
    dicom(tmp_path / "m.DCM", MASK, PixelSpacing=[0.5, 0.25])
    nifti(tmp_path / "m.nii.gz", MASK.astype(np.int16), zooms=(0.25, 0.5))
    write_image(tmp_path / "shown.PNG", np.uint8([0, 100, 200, 50])[MASK])
    expected = describe(MASK, (0.5, 0.25), FETUS).mm
    labels = ("--labels", "100=head,200=body,50=palate")
    given = ("--spacing", "0.5", "0.25")
    for name, more in (
        ("m.png", given),
        ("m.TIF", given),
        ("m.DCM", ()),
        ("m.nii.gz", ()),
        ("shown.PNG", labels + given),
    ):
        done = measured(tmp_path / name, *more)
        assert done.exit_code == 0, done.output
        assert json.loads(done.output)["mm"] == pytest.approx(expected), name
    other = json.loads(measured(tmp_path / "m.DCM", "--spacing", "0.5").output)
    assert other["mm"] == pytest.approx(describe(MASK, (0.5, 0.5), FETUS).mm)
    assert "states a pixel spacing of 0.5 × 0.25 mm, 0.5 × 0.5 mm were used" in other["warnings"][0]


def test_what_measure_cannot_use_is_refused_with_the_fix(folder, tmp_path):
    write_image(tmp_path / "m.png", MASK)
    for arguments, said in (
        ((tmp_path / "m.png",), "m.png: states no pixel spacing; give --spacing"),
        ((folder, "--spacing", "0.5"), "is a folder; give one mask"),
        ((tmp_path / "m.png", "--spacing", "0.5", "--labels", "1=tail"), "'1=tail'"),
        ((tmp_path / "gone.nii", "--spacing", "0.5"), "gone.nii: cannot be read"),
    ):
        done = measured(*arguments)
        assert done.exit_code == 2 and said in done.output, done.output


def test_one_mask_is_checked_and_read_like_a_folder_of_masks(tmp_path):
    write_image(tmp_path / "one.PNG", MASK)
    write_image(tmp_path / "another.png", MASK * 50)
    given = Input.open(tmp_path / "one.PNG", FETUS, spacing=SPACING)
    assert names(given) == ["one"]
    np.testing.assert_array_equal(given.read(given.rows[0]).mask, MASK)
    run = CliRunner().invoke
    assert run(app, ["check", str(tmp_path / "one.PNG"), "--spacing", "0.5"]).exit_code == 0
    done = run(app, ["check", str(tmp_path / "another.png"), "--spacing", "0.5"])
    assert done.exit_code == 1 and "labels [50, 100, 150] are not in scheme" in done.output


def test_a_cohort_s_masks_may_have_other_numbers(folder):
    lines = [",".join(CELLS), "a,p,A,images/a.png,masks/a.png,0.5,0.5,,"]
    (folder / "cases.csv").write_text("\n".join(lines) + "\n")
    (folder / "cohort.json").write_text('{"scheme": "fetus", "source": "s", "licence": "l"}')
    write_image(folder / "masks/a.png", np.uint8([0, 200, 50, 255])[MASK])
    assert "labels [50, 200, 255]" in str(check(folder)[0])
    labels = "200=head,50=body,255=palate"
    assert check(Input.open(folder, labels=labels)) == []
    np.testing.assert_array_equal(Cohort.open(folder, labels=labels)[0].mask, MASK)


def test_a_plain_folder_is_a_cohort_in_which_every_image_is_of_another_patient(folder):
    cohort = Cohort.open(folder, FETUS, spacing=SPACING)
    assert list(cohort.table["patient"]) == list(cohort.table["case"]) == ["a", "b", "ü ж"]
    assert cohort[1].spacing == SPACING and cohort[1].measure_mm is None
    np.testing.assert_array_equal(cohort.subset([2])[0].mask, MASK)
    for path in (folder / "images").iterdir():
        path.unlink()
    with pytest.raises(CohortError, match="has no image"):
        Cohort.open(folder, FETUS, spacing=SPACING)


# ---------------------------------------------------------------------------------------------------------------------
# Whatever comes: properties
# ---------------------------------------------------------------------------------------------------------------------

CELL = st.text(string.printable + "äж㎜\u202e\0", max_size=12) | st.sampled_from(
    ["", "nan", "-1", "0", "0.2", "1e309", "0,2", "../x.png", "/etc/passwd", "images/a.png", "=1+1", "C:\\x"]
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(CELL, min_size=0, max_size=11), max_size=4),
    separator=st.sampled_from([",", ";", "\t"]),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    bom=st.booleans(),
)
def test_any_table_yields_rows_or_problems(folder, rows, separator, newline, bom):
    text = newline.join(separator.join(cells) for cells in [list(CELLS), *rows])
    (folder / "cases.csv").write_text(text, encoding="utf-8-sig" if bom else "utf-8", newline="")
    found, problems = read_rows(folder)
    for row in found:
        problems += row_problems(folder, row)
    problems += table_problems(found)
    assert found or problems
    assert all(str(problem).strip() and problem.fix for problem in problems)


@settings(max_examples=30, deadline=None)
@given(content=st.binary(max_size=400))
def test_any_bytes_in_place_of_the_table_are_told(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("bytes")
    (folder / "cases.csv").write_bytes(content)
    (folder / "cohort.json").write_bytes(content)
    assert check(folder)


def rectangles():
    """Masks of any labels: a few rectangles, some of them a single pixel, some of no known label."""
    corner = st.tuples(st.integers(0, ROWS - 1), st.integers(0, COLUMNS - 1))
    return st.lists(st.tuples(corner, corner, st.integers(0, 6)), max_size=6)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=rectangles(), row_mm=st.floats(0.03, 5), col_mm=st.floats(0.03, 5))
def test_any_mask_is_measured_or_told(tmp_path, drawn, row_mm, col_mm):
    mask = np.zeros((ROWS, COLUMNS), np.uint8)
    for (top, left), (bottom, right), label in drawn:
        mask[min(top, bottom) : max(top, bottom) + 1, min(left, right) : max(left, right) + 1] = label
    write_image(tmp_path / "masks/m.png", mask)
    given = Input.open(tmp_path, FETUS, spacing=(row_mm, col_mm))
    try:
        case = given.read(given.rows[0])
    except CohortError as error:
        assert not mask.any() or mask.max() > 4
        assert all(problem.fix for problem in error.problems)
        return
    try:
        found = describe(case.mask, case.spacing, FETUS)
    except ValueError:  # nothing to measure
        assert not np.isin(case.mask, [FETUS.id(name) for name in FETUS.solid]).any()
    else:
        assert 0 < found.mm <= 2 * (ROWS * row_mm + COLUMNS * col_mm)
