"""The import of HC18 finds open outlines, copies, several images of a patient, and missing files."""

import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.special import ellipe

from fusqa.cohorts.checking import check
from fusqa.cohorts.cohort import Cohort
from fusqa.cohorts.formats import read_mask
from fusqa.cohorts.hc18 import SPLITS, ImportReport, import_hc18
from fusqa.cohorts.hc18_layout import TABLE, read_table
from fusqa.masks.circumference import head_circumference
from fusqa.masks.labels import HEAD
from fusqa.problems import CohortError

# --- a small HC18, drawn ----------------------------------------------------------------------------------------

PIXEL_MM = 0.25
SHAPE = (300, 400)
# Name: centre x, y, half axes in pixels, angle in degrees.
HEADS = {
    "001_HC": (200, 150, 130, 100, 10),
    "001_2HC": (210, 140, 128, 98, 20),
    "002_HC": (190, 150, 60, 45, -30),  # below the range of the dating equation
    "003_HC": (180, 150, 140, 110, 0),  # a piece of its outline is rubbed out
    "004_HC": (200, 95, 135, 110, 0),  # extends beyond the image at the top
    "004_2HC": (200, 95, 135, 110, 0),  # the same image once more
    "005_HC": (200, 150, 120, 95, 45),
}


def circumference(name: str) -> float:
    """Perimeter by the elliptic integral, to all digits."""
    _, _, a, b, _ = HEADS[name]
    return 4 * a * float(ellipe(1 - (b / a) ** 2)) * PIXEL_MM


def rows() -> list[list[str]]:
    table = [[f"{name}.png", str(PIXEL_MM), f"{circumference(name):.2f}"] for name in HEADS]
    return [["filename", "pixel size(mm)", "head circumference (mm)"], *table]


def write_table(folder: Path, lines: list[list[str]]) -> None:
    with open(folder / TABLE, "w", newline="") as stream:
        csv.writer(stream).writerows(lines)


@pytest.fixture
def hc18(tmp_path: Path) -> Path:
    folder = tmp_path / "hc18"
    (folder / "training_set").mkdir(parents=True)
    write_table(folder, rows())
    for seed, (name, (x, y, a, b, angle)) in enumerate(HEADS.items()):
        image = np.random.default_rng(seed).integers(0, 256, SHAPE, np.uint8)
        outline = np.zeros(SHAPE, np.uint8)
        cv2.ellipse(outline, (x, y), (a, b), angle, 0, 360, 255, 3)
        cv2.imwrite(str(folder / f"training_set/{name}.png"), image)
        cv2.imwrite(str(folder / f"training_set/{name}_Annotation.png"), outline)
    rub_out = read_mask(folder / "training_set/003_HC_Annotation.png").pixels
    rub_out[140:160, :60] = 0
    cv2.imwrite(str(folder / "training_set/003_HC_Annotation.png"), rub_out)
    shutil.copy(folder / "training_set/004_HC.png", folder / "training_set/004_2HC.png")
    return folder


def test_flaws_of_the_set_are_found(hc18, tmp_path):
    (hc18 / "training_set/005_HC.png").unlink()
    report = import_hc18(hc18, tmp_path / "out")
    assert (len(report.cohort), report.cohort.table["patient"].nunique()) == (5, 4)
    assert report.unclosed == ("003_HC", "004_HC")
    assert report.duplicates == (("004_2HC", "004_HC"),)
    assert report.absent == ("005_HC.png",) and report.unlisted == ()
    assert report.worst_mm < 0.35 and report.worst_case in HEADS  # the line is drawn on whole pixels of 0.25 mm
    for word in ("5 images of 4 patients", "003_HC, 004_HC", "004_2HC", "005_HC.png", report.worst_case):
        assert word in str(report)


def test_the_cohort_holds_what_was_drawn(hc18, tmp_path):
    cohort = import_hc18(hc18, tmp_path / "out").cohort
    assert check(tmp_path / "out") == [] and cohort.scheme is HEAD
    for case in cohort:
        x, y, a, b, angle = HEADS[case.case]
        drawn = np.zeros(SHAPE, np.uint8)
        cv2.ellipse(drawn, (x, y), (a, b), angle, 0, 360, 1, cv2.FILLED)
        assert 2 * (drawn & case.mask).sum() / (drawn.sum() + case.mask.sum()) > 0.985  # half a line's width
        assert case.patient == case.case[:3] and case.spacing == (PIXEL_MM, PIXEL_MM)
        assert case.measure_mm == pytest.approx(circumference(case.case), abs=0.005)


def test_a_head_is_dated_where_the_equation_holds(hc18, tmp_path):
    table = import_hc18(hc18, tmp_path / "out").cohort.table
    ages = dict(zip(table["case"], table["ga_days"], strict=True))
    published = round(circumference("005_HC"), 2)
    by_hand = np.exp(0.05970 * np.log(published) ** 2 + 6.409e-9 * published**3 + 3.3258)
    assert ages.pop("005_HC") == pytest.approx(by_hand) and 7 * 15 < by_hand < 7 * 23
    assert np.isnan(ages.pop("002_HC")) and not np.isnan(list(ages.values())).any()


def test_the_cohort_records_what_was_decided(hc18, tmp_path):
    import_hc18(hc18, tmp_path / "out")
    info = json.loads((tmp_path / "out/cohort.json").read_text("utf-8"))
    assert "zenodo.1327317" in info["source"] and info["licence"] == "CC BY 4.0" and not info["simulated"]
    assert info["unclosed"] == ["003_HC", "004_HC"] and info["duplicates"] == [["004_2HC", "004_HC"]]
    assert "by hash" in info["sites"]


def test_the_folder_of_images_is_enough(hc18, tmp_path, monkeypatch):
    assert len(import_hc18(hc18 / "training_set", tmp_path / "one").cohort) == 6
    monkeypatch.chdir(hc18 / "training_set")
    assert len(import_hc18(".", tmp_path / "two").cohort) == 6


def test_a_part_of_the_set_is_split_as_the_whole_is(hc18, tmp_path):
    whole = import_hc18(hc18, tmp_path / "whole").cohort.table
    header, *table = rows()
    write_table(hc18, [header, *table[:1:-1]])
    part = import_hc18(hc18, tmp_path / "part").cohort.table
    sites = dict(zip(whole["patient"], whole["site"], strict=True))
    assert len(part) == 4 and all(sites[row.patient] == row.site for row in part.itertuples())


def test_trimesters_may_be_the_sites(hc18, tmp_path):
    report = import_hc18(hc18, tmp_path / "out", "trimester")
    sites = report.cohort.table.groupby("site")["case"].apply(list).to_dict()
    assert sites == {"A": ["001_HC", "001_2HC", "003_HC", "004_HC", "005_HC"], "B": ["002_HC"]}
    assert report.left_out == ()
    assert "second trimester" in json.loads((tmp_path / "out/cohort.json").read_text("utf-8"))["sites"]


@pytest.mark.parametrize(
    ("circumferences_mm", "site"),
    [([83.0], "B"), ([83.0, 90.0], "B"), ([180.0, 200.0], "A"), ([83.0, 180.0], None), ([320.0], None)],
)
def test_a_patient_of_two_trimesters_or_of_the_third_is_left_out(circumferences_mm, site):
    assert SPLITS["trimester"].site("007", circumferences_mm) == site


def test_cases_that_are_left_out_are_reported(hc18, tmp_path):
    header, *table = rows()
    table[2][2] = "320.00"  # a head of the third trimester
    write_table(hc18, [header, *table])
    report = import_hc18(hc18, tmp_path / "out", "trimester")
    assert report.left_out == ("002_HC",) and "002_HC" not in set(report.cohort.table["case"])
    assert "left out by the choice of sites: 1: 002_HC" in str(report)
    with pytest.raises(KeyError):
        import_hc18(hc18, tmp_path / "other", "weekday")


def test_what_the_table_does_not_list_is_reported(hc18, tmp_path):
    shutil.copy(hc18 / "training_set/001_HC.png", hc18 / "training_set/999_HC.png")
    assert import_hc18(hc18, tmp_path / "out").unlisted == ("999_HC.png",)


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (TABLE, rf"{TABLE}: is not there; give the folder .*zenodo"),
        ("training_set", r"training_set: is not there; give the folder"),
        ("training_set/003_HC_Annotation.png", r"003_HC_Annotation\.png: is not there; .*003_HC\.png"),
    ],
)
def test_missing_files(hc18, tmp_path, missing, words):
    (hc18 / missing).rename(tmp_path / "elsewhere")
    with pytest.raises(CohortError, match=words):
        import_hc18(hc18, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_image_of_the_table(hc18, tmp_path):
    shutil.rmtree(hc18 / "training_set")
    (hc18 / "training_set").mkdir()
    with pytest.raises(CohortError, match="holds no image"):
        import_hc18(hc18, tmp_path / "out")


def test_every_bad_line_is_named(hc18):
    header, first, *others = rows()
    bad = [
        ["001_HC.png", "0,25", "180"],
        ["../001_HC.png", "0.25", "180"],
        ["392HC.png", "0.25", "180"],
        ["006_HC.png", "0_1", "180"],
        ["006_HC.png", "nan", "180"],
        ["006_HC.png", "0.025", "180"],
        ["006_HC.png", "0.25", "-1"],
        ["006_HC.png", "0.25"],
        first,
    ]
    write_table(hc18, [header, first, *bad, *others])
    with pytest.raises(CohortError) as caught:
        read_table(hc18 / TABLE)
    said = [problem.message for problem in caught.value.problems]
    assert [message.split(":")[0] for message in said] == [f"line {line}" for line in range(3, 12)]
    words = (
        "0,25",
        "not a name",
        "'392HC.png' is not a name",
        "0_1",
        "row_mm = nan",
        "centimetres",
        "-1 mm",
        "2 cells",
        "listed twice",
    )
    assert all(word in message for word, message in zip(words, said, strict=True)), said


@pytest.mark.parametrize("text", ["", "a,b,c\n1,2,3\n", "filename;pixel size(mm);head circumference (mm)\n"])
def test_a_table_with_other_columns_is_refused(hc18, text):
    (hc18 / TABLE).write_text(text)
    with pytest.raises(CohortError, match="does not begin with the columns"):
        read_table(hc18 / TABLE)


def test_a_table_without_images(hc18):
    write_table(hc18, rows()[:1])
    with pytest.raises(CohortError, match="lists no image"):
        read_table(hc18 / TABLE)


@pytest.mark.parametrize("outline", [np.zeros(SHAPE), np.eye(*SHAPE) * 255, np.indices(SHAPE)[0] % 3])
def test_an_outline_that_is_not_one(hc18, tmp_path, outline):
    cv2.imwrite(str(hc18 / "training_set/002_HC_Annotation.png"), outline.astype(np.uint8))
    with pytest.raises(CohortError, match=r"002_HC_Annotation\.png: .*; unpack it again"):
        import_hc18(hc18, tmp_path / "out")
    assert not (tmp_path / "out/cases.csv").exists()


# --- the real one -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def imported(real_hc18: Path, tmp_path_factory) -> ImportReport:
    return import_hc18(real_hc18, tmp_path_factory.mktemp("hc18") / "cohort")


def test_every_real_image_is_imported_once(real_hc18, imported):
    images = {path.stem for path in (real_hc18 / "training_set").glob("*HC.png")}
    left_out = {name for name, _ in imported.duplicates}
    assert set(imported.cohort.table["case"]) == images - left_out
    assert imported.cohort.table["patient"].nunique() == len({name.partition("_")[0] for name in images})
    assert imported.absent == imported.unlisted == ()
    if {"392_HC", "392_2HC"} <= images:
        assert {"392_HC", "392_2HC"} in map(set, imported.duplicates)


def test_real_circumferences_are_the_published_ones(imported):
    assert imported.worst_mm < 0.2
    assert imported.cohort.table["measure_mm"].between(40, 360).all()


def test_real_masks_measure_as_their_outlines_do(real_hc18, imported):
    """All that do not close, and every twentieth."""
    table = imported.cohort.table
    chosen = np.flatnonzero(table["case"].isin(imported.unclosed) | (np.arange(len(table)) % 20 == 0))
    for case in imported.cohort.subset(chosen):
        outline = read_mask(real_hc18 / f"training_set/{case.case}_Annotation.png").pixels
        drawn = head_circumference(outline, case.spacing).mm
        assert head_circumference(case.mask, case.spacing).mm == pytest.approx(drawn, abs=0.1)
        rows, cols = np.nonzero(outline)
        assert case.mask[round(rows.mean()), round(cols.mean())] and not case.mask[:, 0].any()


def test_real_patients_are_at_one_site(imported):
    table = imported.cohort.table
    assert (table.groupby("patient")["site"].nunique() == 1).all()
    assert 0.25 < (table.drop_duplicates("patient")["site"] == "B").mean() < 0.42
    training, validation = imported.cohort.at_site("A").split(0.1)
    held_out = Cohort.open(imported.cohort.folder).at_site("B")
    parts = [set(part.table["patient"]) for part in (training, validation, held_out)]
    assert sum(map(len, parts)) == imported.cohort.table["patient"].nunique() == len(set().union(*parts))
