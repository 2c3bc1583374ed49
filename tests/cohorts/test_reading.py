"""What somebody wants to have judged: folders as people keep them, and tables as spreadsheets write them."""

import json
import os
import string

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from test_formats import COLUMNS, GREY, MASK, ROWS, dicom, nifti
from typer.testing import CliRunner

from fusqa.cli import app
from fusqa.cohorts.manifest import COLUMNS as CELLS
from fusqa.cohorts.manifest import read_rows, row_problems, table_problems
from fusqa.cohorts.pictures import write_picture
from fusqa.cohorts.reading import ENDINGS, Intake, check_folder
from fusqa.masks.labels import FETUS, HEAD, Renumbering
from fusqa.masks.measurement import describe
from fusqa.problems import CohortError

SPACING = (0.5, 0.5)


def names(intake):
    return [row.cells["case"] for row, _ in intake.entries]


def faults(folder, **more):
    return [str(problem) for problem in check_folder(folder, FETUS, **more)]


@pytest.fixture
def folder(tmp_path):
    """Pairs as PNG in images/ and masks/."""
    for name in ("b", "a", "ü ж"):
        write_picture(tmp_path / f"images/{name}.png", GREY)
        write_picture(tmp_path / f"masks/{name}.png", MASK)
    return tmp_path


def test_pairs_in_two_folders(folder):
    intake = Intake.open(folder, FETUS, spacing=SPACING)
    assert names(intake) == ["a", "b", "ü ж"] and not intake.listed
    case = intake.read(intake.entries[0])
    np.testing.assert_array_equal(case.image, GREY)
    np.testing.assert_array_equal(case.mask, MASK)
    assert case.spacing == SPACING and case.warnings == ()
    assert faults(folder, spacing=SPACING) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_pairs_side_by_side(tmp_path, ending):
    write_picture(tmp_path / "7.png", GREY)
    write_picture(tmp_path / f"7{ending.upper()}.png", MASK)
    (tmp_path / "notes.txt").write_text("not looked at")
    (tmp_path / ".hidden.png").write_text("nor this")
    intake = Intake.open(tmp_path, FETUS, spacing=SPACING)
    assert names(intake) == ["7"] and intake.read(intake.entries[0]).image is not None


def test_pairs_of_unlike_kinds_and_sizes(tmp_path):
    """DICOM with its spacing beside a NIfTI mask; a JPEG of another size, whose spacing nobody knows."""
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    dicom(tmp_path / "images/one.dcm", GREY, PixelSpacing=[0.2, 0.15])
    nifti(tmp_path / "masks/one.nii.gz", MASK)
    Image.fromarray(GREY[:, :30]).save(tmp_path / "images/two.jpg")
    write_picture(tmp_path / "masks/two.png", MASK[:, :30])
    intake = Intake.open(tmp_path, FETUS)
    assert intake.read(intake.entries[0]).spacing == pytest.approx((0.2, 0.15))
    (said,) = faults(tmp_path)
    assert said.startswith("images/two.jpg: states no pixel spacing; give --spacing")
    told = Intake.open(tmp_path, FETUS, spacing=SPACING)
    first, second = (told.read(entry) for entry in told.entries)
    assert first.spacing == second.spacing == SPACING
    assert "states a pixel spacing of 0.2 × 0.15 mm, 0.5 × 0.5 mm were used" in first.warnings[0]
    assert second.warnings == ()


def test_a_spacing_in_centimetres_is_told_whoever_states_it(tmp_path):
    dicom(tmp_path / "one.dcm", GREY, PixelSpacing=[0.02, 0.015])
    write_picture(tmp_path / "one_mask.png", MASK)
    (problem,) = check_folder(tmp_path, FETUS)
    assert problem.file == "one.dcm" and "not a plausible pixel spacing" in problem.message
    assert problem.mend == "it looks like centimetres, write 0.2"


def test_masks_alone(tmp_path):
    for where in ("masks", ""):
        write_picture(tmp_path / f"x{where}" / where / "1.png", MASK)
        intake = Intake.open(tmp_path / f"x{where}", FETUS, spacing=SPACING)
        case = intake.read(intake.entries[0])
        assert case.image is None and case.mask.any()


def test_what_has_no_partner_or_two_is_told_and_the_others_go_on(folder):
    write_picture(folder / "images/lonely.png", GREY)
    write_picture(folder / "masks/orphan.png", MASK)
    nifti(folder / "masks/a.nii", MASK)
    intake = Intake.open(folder, FETUS, spacing=SPACING)
    assert [bool(found) for _, found in intake.entries] == [True, False, True, True, False]
    said = faults(folder, spacing=SPACING)
    assert "masks/a.png: has the name of masks/a.nii; keep one" in said[0]
    assert "images/lonely.png: has no mask" in said[1] and "masks/orphan.png: has no picture" in said[2]


@pytest.mark.parametrize("how", ["link", "folder"])
def test_nothing_outside_the_folder_is_opened(folder, tmp_path_factory, how):
    outside = tmp_path_factory.mktemp("outside")
    write_picture(outside / "secret.png", MASK)
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
    assert all("link to a file outside" in one or "has no picture" in one for one in said)


def test_masks_in_other_numbers(folder):
    for path in (folder / "masks").iterdir():
        write_picture(path, np.uint8([0, 200, 50, 255])[MASK])
    (said, *_) = faults(folder, spacing=SPACING)
    assert "labels [50, 200, 255] are not in scheme 'fetus'" in said
    labels = "200=head, 50=body, 255=palate"
    intake = Intake.open(folder, FETUS, labels, SPACING)
    np.testing.assert_array_equal(intake.read(intake.entries[0]).mask, MASK)
    assert faults(folder, labels=labels, spacing=SPACING) == []
    (said, *_) = faults(folder, labels="200=head,50=body", spacing=SPACING)
    assert "labels [255] are not named" in said


@pytest.mark.parametrize(
    ("labels", "said"),
    [("1=tail", "'1=tail'"), ("head", "'head'"), ("1=head,1=body", "twice"), ("-1=head", "'-1=head'")],
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
    (told,) = json.loads(done.output)
    assert told == {"row": None, "file": "masks/b.png", "message": "is empty (0 bytes)", "mend": told["mend"]}
    for name in ("nothing-here", "empty"):
        if name == "empty":
            (tmp_path / name).mkdir()
        done = run(app, ["check", str(tmp_path / name), "--json"])
        assert done.exit_code == 2 and json.loads(done.output)[0]["mend"]


def test_a_cohort_has_its_own_spacing_and_scheme(folder):
    lines = [",".join(CELLS), "a,p,A,images/a.png,masks/a.png,0.5,0.5,,"]
    (folder / "cases.csv").write_text("\n".join(lines) + "\n")
    (folder / "cohort.json").write_text('{"scheme": "fetus", "source": "s", "licence": "l"}')
    assert names(Intake.open(folder)) == ["a"]
    with pytest.raises(ValueError, match="leave out --spacing"):
        Intake.open(folder, spacing=SPACING)
    with pytest.raises(ValueError, match="scheme 'fetus', asked for was 'head'"):
        Intake.open(folder, HEAD)


def test_a_mask_is_measured_on_its_own_grid(folder):
    intake = Intake.open(folder, FETUS, spacing=(0.5, 0.25))
    case = intake.read(intake.entries[0])
    assert describe(case.mask, case.spacing, FETUS).mm == pytest.approx(describe(MASK, (0.5, 0.25), FETUS).mm)


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
    assert all(str(problem).strip() and problem.mend for problem in problems)


@settings(max_examples=30, deadline=None)
@given(content=st.binary(max_size=400))
def test_any_bytes_in_place_of_the_table_are_told(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("bytes")
    (folder / "cases.csv").write_bytes(content)
    (folder / "cohort.json").write_bytes(content)
    assert check_folder(folder)


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
    write_picture(tmp_path / "masks/m.png", mask)
    intake = Intake.open(tmp_path, FETUS, spacing=(row_mm, col_mm))
    try:
        case = intake.read(intake.entries[0])
    except CohortError as error:
        assert not mask.any() or mask.max() > 4
        assert all(problem.mend for problem in error.problems)
        return
    try:
        found = describe(case.mask, case.spacing, FETUS)
    except ValueError as error:  # nothing to measure
        assert ";" in str(error) or str(error)
    else:
        assert 0 < found.mm <= 2 * (ROWS * row_mm + COLUMNS * col_mm)
