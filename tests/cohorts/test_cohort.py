"""A cohort survives the disk, is split by patient, and says row, file and fix of everything that is wrong with it."""

import json
import subprocess
import sys
import unicodedata
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusqa.cohorts.checking import check
from fusqa.cohorts.cohort import Cohort, patient_order
from fusqa.cohorts.formats import read_mask
from fusqa.cohorts.reading import Case, Input
from fusqa.cohorts.writing import write_cohort
from fusqa.masks.label_images import resize_image
from fusqa.masks.labels import FETUS
from fusqa.problems import CohortError

HEADER = "case,patient,site,image,mask,row_mm,col_mm,measure_mm,ga_days"
PATIENTS = ("anna", "anna", "berta", "cora", "cora", "cora", "dora", "emma")


def made_up_cases(patients=PATIENTS, shape=(40, 60)):
    """One case for each patient named; every picture is another one."""
    for number, patient in enumerate(patients, start=1):
        image = np.random.default_rng(number).integers(0, 256, shape, np.uint8)
        mask = np.zeros(shape, np.uint8)
        mask[10:20, 10:20], mask[10:20, 20:50], mask[14, 14], mask[21, 25] = 1, 2, 3, 4
        site = "B" if patient == "emma" else "A"
        yield Case(f"c{number}", patient, site, image, mask, (0.5, 0.8), 33.0 + number / 8, 70.25)


def write(folder: Path, cases=None) -> Cohort:
    return write_cohort(folder, cases or made_up_cases(), scheme=FETUS, source="made up", licence="none", seed=3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "cohort")
    return tmp_path / "cohort"


# --- the disk ---------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_back(tmp_path):
    cases = list(made_up_cases())
    cohort = write(tmp_path / "new/cohort", cases)
    assert len(cohort) == len(cases)
    for written, read in zip(cases, cohort, strict=True):
        assert np.array_equal(written.image, read.image) and np.array_equal(written.mask, read.mask)
        names = ("case", "patient", "site", "spacing", "measure_mm", "ga_days")
        assert [getattr(read, name) for name in names] == [getattr(written, name) for name in names]
    assert cohort.scheme is FETUS
    assert cohort.info | {"version": None} == {
        "scheme": "fetus",
        "source": "made up",
        "licence": "none",
        "seed": 3,
        "version": None,
        "simulated": False,
    }
    assert check(tmp_path / "new/cohort") == []


def test_numbers_keep_every_digit(tmp_path):
    case = next(made_up_cases())
    spacing = (0.062032563, 1 / 3)
    cohort = write(tmp_path, [Case("c", "p", "A", case.image, case.mask, spacing, 68.75, 0.1 + 86)])
    assert cohort[0].spacing == spacing and cohort[0].ga_days == 0.1 + 86


def test_mask_measure_and_age_may_be_unknown(tmp_path):
    case = next(made_up_cases())
    cohort = write(tmp_path, [Case("c", "p", "A", case.image, None, case.spacing)])
    assert (cohort[0].mask, cohort[0].measure_mm, cohort[0].ga_days) == (None, None, None)
    assert check(tmp_path) == []
    with pytest.raises(CohortError, match=r"line 2: .*no mask"):
        cohort.stack(16)


def test_names_that_look_like_numbers_stay_names(folder):
    replace_in(folder, "anna", "007")
    assert Cohort.open(folder)[0].patient == "007"


def test_an_existing_cohort_is_not_written_over(folder):
    with pytest.raises(CohortError, match="there already"):
        write(folder)


def test_a_broken_off_cohort_cannot_be_opened_and_can_be_written_again(tmp_path):
    def broken_off():
        yield next(made_up_cases())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, broken_off())
    assert (tmp_path / "images/c1.png").exists() and not (tmp_path / "cases.csv").exists()
    with pytest.raises(CohortError, match=r"cases\.csv"):
        Cohort.open(tmp_path)
    assert len(write(tmp_path)) == len(PATIENTS) and check(tmp_path) == []


BY_HAND = {"scheme": "fetus", "source": "our hospital", "licence": "ours", "seed": None, "version": "1"}


@pytest.mark.parametrize(
    "there",
    [
        {"images/c1.png": b"a scan", "masks/c1.png": b"hours of work"},
        {"cohort.json": json.dumps(BY_HAND | {"simulated": False}).encode(), "images/c1.png": b"a scan"},
        {"cohort.json": b"[]"},
        {"cohort.json": b"{"},
        {"notes.txt": b"of the clinic"},
    ],
)
def test_files_of_others_are_not_written_over(tmp_path, there):
    for name, data in there.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    with pytest.raises(CohortError, match=r"holds files already .*; choose another folder") as told:
        write(tmp_path)
    assert all(name.partition("/")[0] in str(told.value) for name in there)
    assert {name: (tmp_path / name).read_bytes() for name in there} == there


def test_only_an_unfinished_run_for_the_same_cohort_goes_on(folder):
    """Killed before its table, or before its description; notes may have been added to the latter."""
    (folder / "cases.csv").unlink()
    replace_in(folder, "{", '{"note": 1,', "cohort.json", 1)
    for name in (".part-1.json", "images/.part-2.png", "masks/.part-3.png", "images/deep/.part-4.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("half")
    for more in ({"seed": 4}, {"licence": "other"}, {"simulated": True}):
        with pytest.raises(CohortError, match="unfinished run"):
            given = {"scheme": FETUS, "source": "made up", "licence": "none", "seed": 3} | more
            write_cohort(folder, made_up_cases(), **given)
    assert len(write(folder)) == len(PATIENTS)
    assert [path.name for path in folder.rglob(".part-*")] == [".part-4.png"]
    for path in folder.rglob("*.*"):
        path.unlink()
    (folder / ".part-5.json").write_text("half")
    for name in ("images/deep", "images", "masks"):
        (folder / name).rmdir()
    assert len(write(folder)) == len(PATIENTS)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"case": "../out"}, "cannot name a file"),
        ({"case": ".c1"}, "cannot name a file"),
        ({"case": "é" * 118}, "235 bytes"),
        ({"image": np.zeros((4, 4, 3), np.uint8)}, "an image that"),
        ({"image": np.zeros((40, 60))}, "float64"),
        ({"mask": np.full((40, 60), 9, np.uint8)}, "labels \\[9\\]"),
        ({"mask": np.ones((40, 61), np.uint8)}, "61 × 40"),
        ({"mask": np.zeros((40, 60), np.uint8)}, "empty"),
        ({"spacing": (0.5, np.nan)}, "col_mm"),
        ({"patient": ""}, "patient is missing"),
    ],
)
def test_a_case_that_could_not_be_read_back_is_not_written(tmp_path, change, words):
    case = next(made_up_cases())
    with pytest.raises(CohortError, match=words):
        write(tmp_path, [Case(**(vars(case) | change))])
    assert not (tmp_path / "cases.csv").exists()


def test_names_that_differ_in_capitals_alone_make_no_cohort(tmp_path):
    """On a Mac the second would have been written over the first."""
    cases = [replace(case, case=name) for case, name in zip(made_up_cases(), ("a", "b", "A"), strict=False)]
    with pytest.raises(CohortError, match=r"line 4: .*'A' is already on line 2 as 'a'"):
        write(tmp_path, cases)
    assert not (tmp_path / "cases.csv").exists()


def test_rows_without_a_patient_are_not_of_one_patient(folder):
    for line, site in ((2, "A"), (3, "B")):
        set_cell(folder, line, "patient", "")
        set_cell(folder, line, "site", site)
    told = [str(problem) for problem in check(folder)]
    assert len(told) == 2 and all("patient is missing" in one for one in told)


def test_no_case_is_no_cohort(tmp_path):
    with pytest.raises(CohortError, match="no case"):
        write(tmp_path, iter(()))


# --- what hospitals send ----------------------------------------------------------------------------------------


def replace_in(folder: Path, old: str, new: str, name: str = "cases.csv", count: int = -1) -> None:
    path = folder / name
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, count), "utf-8")


def set_cell(folder: Path, line: int, column: str, value: str) -> None:
    lines = (folder / "cases.csv").read_text("utf-8").splitlines()
    cells = lines[line - 1].split(",")
    cells[HEADER.split(",").index(column)] = value
    lines[line - 1] = ",".join(cells)
    (folder / "cases.csv").write_text("\n".join(lines) + "\n", "utf-8")


def cell(line: int, column: str, value: str) -> Callable[[Path], None]:
    return lambda folder: set_cell(folder, line, column, value)


def png(name: str, picture: np.ndarray) -> Callable[[Path], None]:
    return lambda folder: cv2.imwrite(str(folder / name), picture)


def text(old: str, new: str, name: str = "cases.csv") -> Callable[[Path], None]:
    return lambda folder: replace_in(folder, old, new, name)


def gone(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def content(name: str, data: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(data)


def truncate(folder: Path) -> None:
    path = folder / "images/c2.png"
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(folder: Path) -> None:
    data = bytearray((folder / "images/c2.png").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "images/c2.png").write_bytes(data)


def forge_pixels(folder: Path) -> None:
    """Chunks that are sound, with pixels inside that do not unpack."""
    path = folder / "images/c2.png"
    data = path.read_bytes()
    start = data.index(b"IDAT")
    size = int.from_bytes(data[start - 4 : start], "big")
    chunk = b"IDAT" + b"\x00" * size
    path.write_bytes(data[:start] + chunk + zlib.crc32(chunk).to_bytes(4, "big") + data[start + 8 + size :])


def as_jpeg(folder: Path) -> None:
    picture = cv2.imread(str(folder / "images/c2.png"))
    (folder / "images/c2.png").write_bytes(cv2.imencode(".jpg", picture)[1].tobytes())


def copy_picture(folder: Path) -> None:
    """The picture of anna (line 2) once more, as that of berta (line 4)."""
    (folder / "images/c3.png").write_bytes((folder / "images/c1.png").read_bytes())


def link_outside(folder: Path) -> None:
    outside = folder.parent / "outside.png"
    (folder / "images/c2.png").rename(outside)
    (folder / "images/c2.png").symlink_to(outside)


WIDE = np.ones((40, 50), np.uint8)
GREY16 = np.zeros((40, 60), np.uint16)
COLOUR = np.zeros((40, 60, 3), np.uint8)

# What is done to a sound cohort; line and file that must be named, words of the message and of the fix.
FAULTS = {
    "truncated picture": (truncate, 3, "images/c2.png", "truncated", "export"),
    "damaged picture": (flip_a_bit, 3, "images/c2.png", "damaged", "export"),
    "undecodable picture": (forge_pixels, 3, "images/c2.png", "decoded", "export"),
    "empty file": (content("images/c2.png", b""), 3, "images/c2.png", "0 bytes", "PNG"),
    "JPEG by another name": (as_jpeg, 3, "images/c2.png", "a JPEG", "PNG"),
    "16-bit picture": (png("images/c2.png", GREY16), 3, "images/c2.png", "16-bit grey", "8-bit grey"),
    "colour picture": (png("images/c2.png", COLOUR), 3, "images/c2.png", "colour", "8-bit grey"),
    "colour mask": (png("masks/c2.png", COLOUR), 3, "masks/c2.png", "colour", "label numbers"),
    "mask of another size": (png("masks/c2.png", WIDE), 3, "masks/c2.png", "50 × 40", "one size"),
    "unknown labels": (png("masks/c2.png", np.full((40, 60), 255, np.uint8)), 3, "masks/c2.png", "[255]", "renumber"),
    "empty mask": (png("masks/c2.png", np.zeros((40, 60), np.uint8)), 3, "masks/c2.png", "empty", "cell empty"),
    "missing picture": (gone("images/c2.png"), 3, "images/c2.png", "no such file", "name"),
    "missing mask": (gone("masks/c2.png"), 3, "masks/c2.png", "no such file", "name"),
    "picture of another patient": (copy_picture, 4, "images/c3.png", "same image as images/c1.png", "one patient"),
    "case twice": (cell(3, "case", "c1"), 3, "cases.csv", "'c1' is already on line 2", "name of its own"),
    "picture twice": (cell(3, "image", "images/c1.png"), 3, "cases.csv", "already on line 2", "once"),
    "picture twice, spelled otherwise": (cell(3, "image", "./images//c1.png"), 3, "cases.csv", "on line 2", "once"),
    "name that no disk has": (cell(3, "image", "c" * 256 + ".png"), 3, "c" * 256 + ".png", "no such file", "name"),
    "mask twice": (cell(3, "mask", "masks/c1.png"), 3, "cases.csv", "already on line 2", "of its own"),
    "no patient": (cell(3, "patient", ""), 3, "cases.csv", "patient is missing", "fill in"),
    "no site": (cell(3, "site", " "), 3, "cases.csv", "site is missing", "fill in"),
    "no picture": (cell(3, "image", ""), 3, "cases.csv", "image is missing", "fill in"),
    "patient at two sites": (cell(3, "site", "B"), 3, "cases.csv", "'anna' is at site 'B' here", "one site"),
    "patient in capitals": (
        text("berta", "Anna"), 4, "cases.csv", "patient 'Anna' is 'anna' on another line", "in one way"),
    "NUL in a name": (cell(3, "image", "images/c\0.png"), 3, "images/c\0.png", "not a plain path", "control"),
    "case in capitals": (cell(3, "case", "C1"), 3, "cases.csv", "'C1' is already on line 2 as 'c1'", "name of its own"),
    "case with a long name": (cell(3, "case", "é" * 118), 3, "cases.csv", "cannot name a file", "235 bytes"),
    "case with a hidden name": (cell(3, "case", ".c2"), 3, "cases.csv", "cannot name a file", "no dot in front"),
    "case with a slash": (cell(3, "case", "a/b"), 3, "cases.csv", "cannot name a file", "slash"),
    "no spacing": (cell(3, "row_mm", ""), 3, "cases.csv", "row_mm is missing", "DICOM"),
    "spacing zero": (cell(3, "row_mm", "0"), 3, "cases.csv", "row_mm is 0", "positive"),
    "spacing negative": (cell(3, "col_mm", "-0.2"), 3, "cases.csv", "col_mm is -0.2", "positive"),
    "spacing NaN": (cell(3, "row_mm", "NaN"), 3, "cases.csv", "row_mm is NaN", "positive"),
    "spacing infinite": (cell(3, "row_mm", "inf"), 3, "cases.csv", "row_mm is inf", "positive"),
    "spacing in words": (cell(3, "row_mm", "0.2 mm"), 3, "cases.csv", "not a number", "no unit"),
    "spacing with a typing error": (cell(3, "row_mm", "0_1"), 3, "cases.csv", "'0_1' is not a number", "decimal point"),
    "spacing in other digits": (cell(3, "row_mm", "٠.٢"), 3, "cases.csv", "'٠.٢' is not a number", "decimal point"),
    "spacing in cm": (cell(3, "row_mm", "0.005"), 3, "cases.csv", "0.005", "multiply by 10"),
    "coarse spacing in cm": (cell(3, "row_mm", "0.0167"), 3, "cases.csv", "0.0167", "multiply by 10"),
    "spacing in dpi": (cell(3, "row_mm", "96"), 3, "cases.csv", "96", "mm a pixel"),
    "length in cm": (cell(3, "measure_mm", "6.5"), 3, "cases.csv", "6.5", "multiply by 10"),
    "length beyond the picture": (cell(3, "measure_mm", "450"), 3, "cases.csv", "whole image", "units"),
    "age in weeks": (cell(3, "ga_days", "12.5"), 3, "cases.csv", "12.5", "multiply by 7"),
    "path upwards": (cell(3, "image", "../outside.png"), 3, "../outside.png", "outside", "copy"),
    "absolute path": (cell(3, "mask", "/etc/passwd"), 3, "/etc/passwd", "outside", "copy"),
    "drive letter": (cell(3, "image", "C:/a.png"), 3, "C:/a.png", "outside", "copy"),
    "backslashes": (cell(3, "image", "images\\c2.png"), 3, "images\\c2.png", "not a plain path", "/"),
    "link outwards": (link_outside, 3, "images/c2.png", "link", "copy"),
    "cell too many": (lambda folder: replace_in(folder, "c2,", "c2,,"), 3, "cases.csv", "10 cells", "quote"),
    "decimal comma": (cell(3, "row_mm", "0,5"), 3, "cases.csv", "10 cells", "decimal points"),
    "open quote": (cell(3, "case", '"c2'), 3, "cases.csv", "cannot be split", "quotes"),
    "semicolons": (text(",", ";"), 1, "cases.csv", "semicolons", "commas"),
    "tabs": (text(",", "\t"), 1, "cases.csv", "tabs", "commas"),
    "column too many": (text("ga_days", "ga_days,name"), 1, "cases.csv", "'name'", "columns"),
    "column missing": (text("row_mm", "rowmm"), 1, "cases.csv", "'row_mm' is miss", "columns"),
    "column twice": (text("col_mm", "row_mm"), 1, "cases.csv", "twice", "columns"),
    "no UTF-8": (content("cases.csv", b"\xff\xfe"), None, "cases.csv", "UTF-8", "save"),
    "no rows": (content("cases.csv", HEADER.encode()), 1, "cases.csv", "no case", "line"),
    "empty table": (content("cases.csv", b""), 1, "cases.csv", "empty", "columns"),
    "no table": (gone("cases.csv"), None, "cases.csv", "No such file", "folder"),
    "no description": (gone("cohort.json"), None, "cohort.json", "No such file", "folder"),
    "no JSON": (text("{", "", "cohort.json"), None, "cohort.json", "not JSON", "correct"),
    "JSON list": (content("cohort.json", b"[]"), None, "cohort.json", "hold an object", "scheme"),
    "no licence": (text("licence", "x", "cohort.json"), None, "cohort.json", "licence", "add"),
    "no scheme": (text("fetus", "cat", "cohort.json"), None, "cohort.json", "'cat'", "fetus"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_names_row_file_and_fix(folder, name):
    harm, row, file, message, fix = FAULTS[name]
    harm(folder)
    found = [problem for problem in check(folder) if problem.row == row and problem.file == file]
    assert [problem for problem in found if message in problem.message and fix in problem.fix], check(folder)


@pytest.mark.parametrize("name", sorted(set(FAULTS) - {"picture of another patient", "length beyond the picture"}))
def test_no_fault_reaches_the_study(folder, name):
    """What `check` finds without pictures stops `open`; what is wrong with a picture stops the reading of it.

    Only what takes all pictures, or a judgement, is left to `check`.
    """
    harm, *_, message, _ = FAULTS[name]
    harm(folder)
    Input.open(folder).files()  # what may not be written over can be told whatever is wrong
    with pytest.raises(CohortError) as caught:
        list(Cohort.open(folder))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("mm", "days", "faults"),
    [
        ("8.5", "47", []),
        ("2", "40", []),
        ("8.5", "", ["measure_mm"]),
        ("6.5", "92", ["measure_mm"]),  # 65 mm in centimetres
        ("2.1", "60", ["measure_mm"]),
        ("1.2", "52", ["measure_mm"]),  # 12 mm in centimetres
        ("6.5", "13.1", ["measure_mm", "ga_days"]),  # and in weeks
        ("8.5", "47 d", ["measure_mm", "ga_days"]),
        ("-8.5", "47", ["measure_mm"]),
    ],
)
def test_a_small_length_is_that_of_an_embryo_where_the_age_says_so(folder, mm, days, faults):
    set_cell(folder, 3, "measure_mm", mm)
    set_cell(folder, 3, "ga_days", days)
    assert [problem.message.split()[0] for problem in check(folder)] == faults


def test_all_problems_come_at_once(folder):
    for name in ("truncated picture", "no patient", "colour mask", "no licence"):
        FAULTS[name][0](folder)
    set_cell(folder, 5, "row_mm", "0")
    set_cell(folder, 7, "image", "images/none.png")
    found = {(problem.row, problem.file) for problem in check(folder)}
    assert found == {
        (None, "cohort.json"),
        (3, "cases.csv"),
        (3, "images/c2.png"),
        (3, "masks/c2.png"),
        (5, "cases.csv"),
        (7, "images/none.png"),
    }
    with pytest.raises(CohortError) as caught:
        Cohort.open(folder)
    assert {(problem.row, problem.file) for problem in caught.value.problems} == {
        (None, "cohort.json"),
        (3, "cases.csv"),
        (5, "cases.csv"),
        (7, "images/none.png"),
    }


def test_rows_are_lines_of_the_file_even_below_blank_ones(folder):
    replace_in(folder, "\nc3", "\n\n,,,,,,,,\nc3")
    (folder / "images/c3.png").unlink()
    assert [problem.row for problem in check(folder)] == [6]


def test_what_spreadsheets_add_is_accepted(folder):
    before = Cohort.open(folder).table
    text = (folder / "cases.csv").read_text("utf-8").replace("\n", "\r\n").replace(",A,", ", A ,")
    (folder / "cases.csv").write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n,,,,,,,,\r\n")
    pd.testing.assert_frame_equal(Cohort.open(folder).table, before)
    assert check(folder) == []


def test_a_patient_in_two_unicode_forms_is_one(folder, tmp_path):
    """A Mac takes é apart into a letter and an accent (NFD), other systems do not (NFC)."""
    one, other = (unicodedata.normalize(form, "Renée") for form in ("NFC", "NFD"))
    for line, name in ((2, one), (3, other), (4, one)):
        set_cell(folder, line, "patient", name)
    set_cell(folder, 3, "site", other)
    set_cell(folder, 2, "site", one)
    set_cell(folder, 4, "site", other)
    cohort = Cohort.open(folder)
    assert list(cohort.table["patient"][:3]) == list(cohort.table["site"][:3]) == [one] * 3
    assert len(set(cohort.folds(2)[:3])) == 1 and len(cohort.at_site(one)) == 3
    set_cell(folder, 2, "case", one)
    set_cell(folder, 3, "case", other)
    assert [str(problem) for problem in check(folder)] == [
        f"cases.csv line 3: case {one!r} is already on line 2; give every case a name of its own"
    ]
    written = write(tmp_path / "new", [replace(case, patient=other) for case in made_up_cases(["p", "p"])])
    assert set(written.table["patient"]) == {one}


def test_columns_may_come_in_another_order(folder):
    table = pd.read_csv(folder / "cases.csv")
    table[table.columns[::-1]].to_csv(folder / "cases.csv", index=False)
    assert list(Cohort.open(folder).table.columns) == HEADER.split(",") and check(folder) == []


def test_a_cohort_written_by_hand(tmp_path):
    case = next(made_up_cases())
    cv2.imwrite(str(tmp_path / "scan é.png"), case.image)
    (tmp_path / "cases.csv").write_text(f"{HEADER}\n1,p,here,scan é.png,,0.2,0.2,,\n", "utf-8")
    about = {"scheme": "fetus", "source": "our hospital", "licence": "ours"}
    (tmp_path / "cohort.json").write_text(json.dumps(about))
    assert np.array_equal(Cohort.open(tmp_path)[0].image, case.image) and check(tmp_path) == []


def test_no_folder():
    (problem,) = check("no/such/folder")
    assert problem.message == "is not a folder"


def test_a_palette_mask_is_refused(tmp_path):
    """OpenCV would turn its indices into the grey of their colours: other labels, and no error."""
    from PIL import Image

    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    picture.save(tmp_path / "mask.png")
    with pytest.raises(CohortError, match="palette"):
        read_mask(tmp_path / "mask.png")


# --- splits -----------------------------------------------------------------------------------------------------


def patients_of(cohort: Cohort) -> set[str]:
    return set(cohort.table["patient"])


def test_no_patient_is_on_both_sides(tmp_path):
    names = [f"p{number % 17}" for number in range(60)]
    cohort = write(tmp_path, made_up_cases(names, shape=(24, 52)))
    for seed in range(50):
        training, validation = cohort.split(0.2, seed)
        assert not patients_of(training) & patients_of(validation)
        assert len(training) + len(validation) == 60 and len(patients_of(validation)) == 3
        folds = cohort.folds(5, seed)
        parts = [set(cohort.table["patient"][folds == fold]) for fold in range(5)]
        assert sum(map(len, parts)) == 17 and set().union(*parts) == patients_of(cohort)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
    splits = {tuple(sorted(patients_of(cohort.split(0.2, seed)[1]))) for seed in range(50)}
    assert len(splits) > 40


@given(st.lists(st.text("ab1 é", min_size=1), min_size=1, max_size=12), st.integers(0, 9), st.randoms())
@settings(max_examples=50, deadline=None)
def test_the_order_of_patients_depends_on_names_and_seed_alone(patients, seed, random):
    order = patient_order(patients, seed)
    assert sorted(order) == sorted(set(patients))
    shuffled = random.sample(patients, len(patients))
    assert patient_order(shuffled, seed) == order
    assert patient_order(patients[1:], seed) == [name for name in order if name in patients[1:]]


def test_splits_do_not_depend_on_the_order_of_rows(folder):
    before = Cohort.open(folder)
    chosen, folds = (
        set(before.split(0.3, 4)[1].table["case"]),
        dict(zip(before.table["case"], before.folds(3), strict=True)),
    )
    header, *rows = (folder / "cases.csv").read_text().splitlines()
    (folder / "cases.csv").write_text("\n".join([header, *reversed(rows)]))
    after = Cohort.open(folder)
    assert list(after.table["case"]) == list(before.table["case"])[::-1]
    assert set(after.split(0.3, 4)[1].table["case"]) == chosen
    assert dict(zip(after.table["case"], after.folds(3), strict=True)) == folds


@pytest.mark.parametrize("k", [2, 3])
def test_patients_who_are_held_out_lie_in_every_fold(tmp_path, k):
    """Else out-of-fold masks of them would all be by one network, of those that draw site B."""
    cohort = write(tmp_path, made_up_cases([f"p{number}" for number in range(40)]))
    held_out = set(cohort.split(0.2, 3)[1].table["case"])
    folds = pd.Series(cohort.folds(k, 3), index=cohort.table["case"])
    counts = folds[list(held_out)].value_counts()
    assert len(counts) == k and counts.max() - counts.min() <= 1
    assert folds.value_counts().max() - folds.value_counts().min() <= 1


def test_another_process_splits_alike(folder):
    program = (
        "import sys; from fusqa.cohorts.cohort import Cohort; print(Cohort.open(sys.argv[1]).folds(3, 5).tolist())"
    )
    there = subprocess.run([sys.executable, "-c", program, folder], capture_output=True, text=True, check=True)
    assert json.loads(there.stdout) == Cohort.open(folder).folds(3, 5).tolist()


def test_splits_that_cannot_be(folder):
    cohort = Cohort.open(folder)
    for share in (0, 1, -0.1, np.nan):
        with pytest.raises(ValueError, match="between 0 and 1"):
            cohort.split(share)
    with pytest.raises(ValueError, match="2 or more"):
        cohort.folds(1)
    with pytest.raises(ValueError, match="5 patients cannot be parted into 6"):
        cohort.folds(6)
    with pytest.raises(ValueError, match="1 patients"):
        cohort.at_site("B").split()
    assert [len(patients_of(part)) for part in cohort.split(0.999)] == [1, 4]


# --- parts and stacks -------------------------------------------------------------------------------------------


def test_a_subset_and_a_site_are_cohorts(folder):
    cohort = Cohort.open(folder)
    assert list(cohort.subset([2, 0]).table["case"]) == ["c3", "c1"]
    assert list(cohort.subset(np.array([True] + [False] * 7)).table["case"]) == ["c1"]
    assert cohort.subset([5])[0].case == "c6"
    assert list(cohort.at_site("B").table["patient"]) == ["emma"]
    with pytest.raises(ValueError, match="no case of site 'C'"):
        cohort.at_site("C")


def test_a_fault_in_a_part_names_the_line_in_the_whole(folder):
    truncate(folder)
    with pytest.raises(CohortError, match=r"line 3: images/c2\.png"):
        Cohort.open(folder).subset([4, 1])[1]


@pytest.mark.parametrize("cases", range(9))
def test_at_most_takes_whole_patients(folder, cases):
    cohort = Cohort.open(folder)
    part = cohort.at_most(cases)
    assert len(part) <= cases and (cases < 8 or len(part) == 8)
    taken = patients_of(part)
    assert len(part) == sum(name in taken for name in PATIENTS)
    assert taken == set(patient_order(PATIENTS, 0)[: len(taken)])


def test_stack(folder):
    cohort = Cohort.open(folder)
    images, masks = cohort.stack(20)
    assert images.shape == masks.shape == (8, 20, 20) and images.dtype == masks.dtype == np.uint8
    assert set(np.unique(masks)) <= {0, 1, 2, 3, 4}
    # Shrunk exactly by 2 and 3, a pixel of the picture is the mean of its six.
    expected = cohort[0].image.reshape(20, 2, 20, 3).mean((1, 3))
    assert np.abs(images[0] - expected).max() <= 0.5


def test_stacked_labels_lie_where_the_picture_does(tmp_path):
    """A mask that equals its picture still does after both were shrunk, without the half pixel of a naive resize."""
    mask = np.zeros((210, 330), np.uint8)
    cv2.ellipse(mask, (165, 105), (120, 70), 20, 0, 360, 1, cv2.FILLED)
    cohort = write(tmp_path, [Case("c", "p", "A", mask * 200, mask, (0.2, 0.2))])
    images, masks = cohort.stack(64)
    centres = [np.argwhere(picture > 0.5 * picture.max()).mean(0) for picture in (images[0], masks[0])]
    assert np.abs(centres[0] - centres[1]).max() < 0.1


@pytest.mark.parametrize("shape", [(200, 600), (210, 1000), (900, 64), (40, 90)])
def test_an_image_is_not_shifted_where_one_side_grows_and_the_other_shrinks(shape):
    """Grey levels that rise linearly along a side are linear in the small image, about the same middle."""
    for axis in (0, 1):
        ramp = np.float32(np.linspace(0, 1, shape[axis]))
        image = np.broadcast_to(ramp[:, None] if axis == 0 else ramp, shape)
        small = resize_image(np.ascontiguousarray(image), 224).mean(axis=1 - axis)
        middle = (np.arange(224) + 0.5) / 224 * shape[axis] - 0.5  # pixels of the image
        inner = slice(4, -4)
        np.testing.assert_allclose(small[inner], (middle / (shape[axis] - 1))[inner], atol=0.3 / shape[axis])
