"""A segmenter on somebody's own images: the study's masks, every format, faults that cost one image, resumed runs."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import nibabel
import numpy as np
import pandas as pd
import pytest
import torch
from conftest import LONG_NAME, Killed, comes_true, plainly, read_table, stopped_after
from PIL import Image
from typer.testing import CliRunner

from fusqa.assessment.images import open_images
from fusqa.assessment.ledger import TableBusy
from fusqa.assessment.segmenting import COLUMNS, TABLE, TrainedSegmenter, write_masks
from fusqa.cli import app
from fusqa.cohorts.cohort import Cohort
from fusqa.cohorts.formats import read_mask, write_image
from fusqa.cohorts.reading import Input
from fusqa.cohorts.writing import write_cohort
from fusqa.masks.labels import FETUS
from fusqa.masks.measurement import measured_mm
from fusqa.models.checkpoints import Card, save_model
from fusqa.models.learner import pictures, reproducible
from fusqa.models.losses import SegmentationLoss
from fusqa.models.networks import quality_model
from fusqa.models.segmenters import UNet
from fusqa.models.uncertainty import VARIANTS, certainty, variants
from fusqa.simulator.cases import draw_case
from fusqa.study.segmentation import segment

SIZE = 32


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Images of several sizes and spacings, one with a long name."""
    cases = [replace(draw_case("B", 0, i), case=f"c{i}" if i else LONG_NAME) for i in range(10)]
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder, cases, scheme=FETUS, source="test", licence="MIT")
    return folder


@pytest.fixture(scope="module")
def model(cohort, tmp_path_factory):
    """Folder of a U-Net that was trained for a few steps, as a study leaves it."""
    reproducible(0, threads=1)
    images, masks = Cohort.open(cohort).stack(SIZE)
    shown, target = pictures(images) / 255, torch.from_numpy(masks)
    arguments = {"classes": FETUS.classes, "size": SIZE, "width": 8}
    network, loss = UNet(**arguments), SegmentationLoss.balanced(target, FETUS.classes)
    step = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(120):
        step.zero_grad()
        loss(network(shown), target).backward()
        step.step()
    folder = tmp_path_factory.mktemp("unet")
    save_model(network, folder, Card("unet", arguments, SIZE, "fetus"))
    return folder


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """Folder of a quality model that has learnt nothing."""
    torch.manual_seed(0)
    arguments = {"topology": "single", "backbone": "resnet18", "pretrained": False, "classes": FETUS.classes}
    folder = tmp_path_factory.mktemp("judge")
    save_model(quality_model(**arguments), folder, Card("quality", arguments, 64, "fetus", 0.5))
    return folder


@pytest.fixture
def own(cohort, tmp_path):
    """A copy of the cohort, to break."""
    return shutil.copytree(cohort, tmp_path / "own")


def fusqa(verb, *arguments):
    return CliRunner().invoke(app, [verb, *map(str, arguments)])


def everything(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_masks_and_certainty_are_those_of_the_study(cohort, model, tmp_path):
    done = fusqa("segment", cohort, "--model", model, "--out", tmp_path / "drawn")
    assert done.exit_code == 0 and "10 masks, 0 cases without one" in done.output, done.output
    assert f"fusqa assess {cohort} --predictions {tmp_path / 'drawn'}" in done.output
    network, whole = TrainedSegmenter.load(model).model, Cohort.open(cohort)
    images = pictures(whole.stack(SIZE)[0])
    made = segment(network, images, whole, FETUS)
    rows = read_table(tmp_path / "drawn" / TABLE)
    assert tuple(rows[0]) == COLUMNS and [row["case"] for row in rows] == list(whole.table["case"])
    assert [row["line"] for row in rows] == [str(line) for line in range(2, 12)]
    for row, case, mm in zip(rows, whole, made.table["mm"], strict=True):
        assert row["file"] == f"{case.case}.png" and row["patient"] == case.patient and row["faults"] == ""
        mask = read_mask(tmp_path / "drawn" / row["file"]).pixels
        np.testing.assert_array_equal(mask, made.native[case.case])
        assert mask.shape == case.image.shape and float(row["length_mm"]) == pytest.approx(mm, abs=1e-3)
    sure = certainty(sum(variants(network, images)) / VARIANTS)
    np.testing.assert_allclose([float(row["certainty"]) for row in rows], sure, atol=1e-3)
    assert len(set(sure.round(3))) > 1
    assert any(row["ga_days"] for row in rows) and any(row["length_mm"] for row in rows)
    assert not list((tmp_path / "drawn").glob(".*"))


def test_what_was_drawn_is_judged(cohort, model, judge, tmp_path):
    """Without masks in the folder, and in the formats of hospitals: segment, then assess."""
    folder = tmp_path / "hospital"
    (folder / "images").mkdir(parents=True)
    cases = list(Cohort.open(cohort))[1:5]
    for case, ending in zip(cases, ("png", "jpg", "tif", "nii.gz"), strict=True):
        path = folder / f"images/{case.case}.{ending}"
        if ending == "nii.gz":
            stored = nibabel.Nifti1Image(np.ascontiguousarray(case.image.T), np.diag([*case.spacing[::-1], 1, 1]))
            stored.header.set_xyzt_units("mm")
            nibabel.save(stored, path)
        else:
            Image.fromarray(case.image).save(path)
    drawn, scores = tmp_path / "drawn", tmp_path / "scores.csv"
    assert fusqa("segment", folder, "--model", model, "--out", drawn).exit_code == 0
    rows = read_table(drawn / TABLE)
    assert [bool(row["length_mm"]) for row in rows] == [False, False, False, True]
    assert ["not measured: states no pixel spacing; give --spacing" in row["warnings"] for row in rows] == [1, 1, 1, 0]
    mask = read_mask(drawn / f"{cases[3].case}.png").pixels
    assert float(rows[3]["length_mm"]) == pytest.approx(measured_mm(mask, cases[3].spacing, FETUS), abs=0.01)
    judged = ("--model", judge, "--out", scores, "--predictions", drawn, "--report", tmp_path / "report.html")
    assert fusqa("assess", folder, *judged, "--spacing", "0.2", "0.15").exit_code == 0
    assert [row["case"] for row in read_table(scores)] == [case.case for case in cases]
    assert all(row["verdict"] for row in read_table(scores))
    assert (tmp_path / "report.html").read_text().count("<figure") == 4
    # The masks may also be written to where a plain folder has them.
    assert fusqa("segment", folder, "--model", model, "--out", folder / "masks", "--spacing", "0.2,0.15").exit_code == 0
    assert [float(row["length_mm"]) for row in read_table(folder / "masks" / TABLE)] == pytest.approx(
        [float(row["length_mm"]) for row in read_table(scores)]
    )
    beside = tmp_path / "beside.csv"
    assert fusqa("assess", folder, "--model", judge, "--out", beside, "--spacing", "0.2", "0.15").exit_code == 0
    assert [row["probability"] for row in read_table(beside)] == [row["probability"] for row in read_table(scores)]


def test_predictions_stand_in_place_of_a_cohort_s_own_masks(own, judge, model, tmp_path):
    drawn, scores = tmp_path / "drawn", tmp_path / "scores.csv"
    assert fusqa("segment", own, "--model", model, "--out", drawn).exit_code == 0
    (drawn / "c3.png").unlink()
    shutil.copy(drawn / "c4.png", drawn / "c4.tif")
    done = fusqa("assess", own, "--model", judge, "--out", scores, "--predictions", drawn)
    assert done.exit_code == 1 and "8 verdicts, 2 cases without one" in done.output
    rows = {row["case"]: row for row in read_table(scores)}
    assert f"{drawn / 'c3'}: is not there; add the mask of this case" in rows["c3"]["faults"]
    assert "has the name of c4.tif; keep one" in rows["c4"]["faults"]
    for mistaken in (tmp_path / "nowhere", scores):
        done = fusqa("assess", own, "--model", judge, "--out", tmp_path / "s.csv", "--predictions", mistaken)
        assert done.exit_code == 2 and f"{mistaken.name}: is not a folder" in done.output
    expert = own / Cohort.open(own).table["mask"][0]
    for kept in (drawn / TABLE, drawn / "c1.png", expert):
        before = kept.read_bytes()
        done = fusqa("assess", own, "--model", judge, "--out", kept, "--predictions", drawn)
        assert done.exit_code == 2 and "would be lost; give another name" in done.output
        assert kept.read_bytes() == before
    lengths = {row["case"]: row["length_mm"] for row in read_table(drawn / TABLE)}
    assert all(row["length_mm"] == lengths[name] for name, row in rows.items() if row["verdict"])
    (tmp_path / "nothing").mkdir()
    done = fusqa("assess", own, "--model", judge, "--out", scores, "--predictions", tmp_path / "nothing")
    assert done.exit_code == 2 and "holds no masks; give the folder that fusqa segment" in done.output


def test_a_bad_image_costs_its_own_mask_only(own, model, tmp_path):
    table = Cohort.open(own).table
    for number, harm in {
        2: lambda path: path.write_bytes(path.read_bytes()[:200]),
        4: lambda path: path.unlink(),
        5: lambda path: path.rename(tmp_path / "away.png") and path.symlink_to(tmp_path / "away.png"),
    }.items():
        harm(own / table["image"][number])
    for name in table["mask"][6:9]:  # masks are not looked at
        (own / name).write_text("no mask")
    (own / table["mask"][9]).unlink()
    done = fusqa("segment", own, "--model", model, "--out", tmp_path / "drawn")
    assert done.exit_code == 1 and "7 masks, 3 cases without one" in done.output and "'faults'" in done.output
    rows = read_table(tmp_path / "drawn" / TABLE)
    assert [number for number, row in enumerate(rows) if row["faults"]] == [2, 4, 5]
    assert "cases.csv line 4: images/c2.png: is truncated" in rows[2]["faults"]
    assert "no such file" in rows[4]["faults"] and "outside the cohort" in rows[5]["faults"]
    assert all((row["file"] == "") == bool(row["faults"]) for row in rows)
    assert {path.name for path in (tmp_path / "drawn").glob("*.png")} == {row["file"] for row in rows} - {""}


def test_a_plain_folder_of_images(cohort, model, tmp_path):
    folder = tmp_path / "plain"
    for number, case in enumerate(Cohort.open(cohort)):
        write_image(folder / f"{number}.png", case.image)
    write_image(folder / "1_mask.png", np.zeros((5, 5), np.uint8))
    Image.fromarray(np.zeros((50, 50), np.uint8)).save(folder / "2.tif")
    (folder / "notes.txt").write_text("not looked at")
    done = fusqa("segment", folder, "--model", model, "--out", folder / "drawn", "--spacing", "0.2")
    assert done.exit_code == 1, done.output
    rows = read_table(folder / "drawn" / TABLE)
    assert [row["case"] for row in rows] == [str(number) for number in range(10)]
    assert "2.tif: has the name of 2.png; keep one" in rows[2]["faults"]
    assert all(row["length_mm"] or row["warnings"] for row in rows if not row["faults"])
    assert fusqa("segment", folder / "0.png", "--model", model, "--out", tmp_path / "one").exit_code == 0
    (one,) = read_table(tmp_path / "one" / TABLE)
    assert one["file"] == "0.png" and one["length_mm"] == ""
    assert (tmp_path / "one/0.png").read_bytes() == (folder / "drawn/0.png").read_bytes()


def test_what_lies_beside_images_is_no_image(cohort, model, judge, tmp_path):
    """Polygons of the same name, masks/ without images/, and masks that an earlier call drew into the folder."""
    folder = tmp_path / "plain"
    for number, case in enumerate(Cohort.open(cohort).subset([1, 2])):
        write_image(folder / f"{number}.png", case.image)
        write_image(folder / f"masks/{number}.png", case.mask)
        polygons = {"shapes": [], "imageHeight": 9, "imageWidth": 9, "imagePath": f"{number}.png"}
        (folder / f"{number}.json").write_text(json.dumps(polygons))
    coco = {"images": [{"id": 1, "file_name": "0.png"}], "annotations": [], "categories": []}
    (folder / "all.json").write_text(json.dumps(coco))
    done = fusqa("segment", folder, "--model", model, "--out", folder / "drawn", "--spacing", "0.2")
    assert done.exit_code == 0 and "2 masks, 0 cases without one" in done.output, done.output
    more = ("--predictions", folder / "drawn", "--spacing", "0.2")
    done = fusqa("assess", folder, "--model", judge, "--out", tmp_path / "s.csv", *more)
    assert done.exit_code == 0 and "2 verdicts, 0 cases without one" in done.output, done.output


def test_one_name_in_two_folders_is_two_cases(cohort, model, judge, tmp_path):
    folder = tmp_path / "plain"
    for number, case in enumerate(Cohort.open(cohort).subset([1, 2])):
        write_image(folder / f"images/{'ab'[number]}/1.png", case.image)
        write_image(folder / f"masks/{'ab'[number]}/1.png", case.mask)
    assert fusqa("check", folder, "--spacing", "0.2").exit_code == 0
    done = fusqa("segment", folder, "--model", model, "--out", tmp_path / "drawn", "--spacing", "0.2")
    assert done.exit_code == 0 and "2 masks" in done.output, done.output
    assert (tmp_path / "drawn/a/1.png").is_file() and (tmp_path / "drawn/b/1.png").is_file()
    more = ("--predictions", tmp_path / "drawn", "--spacing", "0.2")
    done = fusqa("assess", folder, "--model", judge, "--out", tmp_path / "s.csv", *more)
    assert done.exit_code == 0 and "2 verdicts, 0 cases without one" in done.output, done.output


def test_a_mask_that_two_rows_name_hinders_no_drawing(cohort, model, tmp_path):
    folder = shutil.copytree(cohort, tmp_path / "twice")
    table = pd.read_csv(folder / "cases.csv", dtype=str)
    table.loc[1, "mask"] = table.loc[0, "mask"]
    table.to_csv(folder / "cases.csv", index=False)
    assert "is already on line 2" in fusqa("check", folder).output
    done = fusqa("segment", folder, "--model", model, "--out", tmp_path / "drawn")
    assert done.exit_code == 0, done.output


def test_folders_in_capitals_and_names_that_are_not_text(cohort, model, judge, tmp_path):
    folder = tmp_path / "plain"
    for number, case in enumerate(Cohort.open(cohort).subset([1, 2])):
        write_image(folder / f"Images/{number}.png", case.image)
        write_image(folder / f"Masks/{number}.png", case.mask)
    shutil.copy(folder / "Images/0.png", os.fsencode(folder / "Images") + b"/f\xe9tus.png")
    done = fusqa("segment", folder, "--model", model, "--out", tmp_path / "drawn", "--spacing", "0.2")
    assert done.exit_code == 1 and "2 masks, 1 cases without one" in done.output, done.output
    (row,) = (row for row in read_table(tmp_path / "drawn" / TABLE) if row["faults"])
    assert row["case"] == r"f\xe9tus" and "not UTF-8 text" in row["faults"]
    more = ("--predictions", tmp_path / "drawn", "--spacing", "0.2")
    done = fusqa("assess", folder, "--model", judge, "--out", tmp_path / "s.csv", *more)
    assert done.exit_code == 1 and "2 verdicts, 1 cases without one" in done.output, done.output


def test_an_image_in_which_nothing_is_found_gets_an_empty_mask_and_a_warning(model, tmp_path):
    segmenter = TrainedSegmenter.load(model)
    with torch.no_grad():
        segmenter.model.head.bias[0] = 1000.0  # all is background
    write_image(tmp_path / "images/one.png", np.full((60, 80), 90, np.uint8))
    (drawn,) = segmenter(open_images(tmp_path, FETUS, spacing=(0.5, 0.5)))
    assert drawn.mask.shape == (60, 80) and not drawn.mask.any() and drawn.certainty == 0
    assert drawn.found is None and "there is no crown-rump length" in drawn.warnings[0] and not drawn.faults


def test_what_cannot_be_segmented_is_said_without_a_traceback(cohort, model, judge, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("no folder")
    head = shutil.copytree(cohort, tmp_path / "head")
    (head / "cohort.json").write_text((head / "cohort.json").read_text().replace('"fetus"', '"head"'))
    strange = shutil.copytree(model, tmp_path / "strange")
    (strange / "card.json").write_text((strange / "card.json").read_text().replace('"fetus"', '"hand"'))
    for folder, given, said in (
        (cohort, judge, "holds a network of kind 'quality'; give one of unet, fetal-transunet"),
        (cohort, tmp_path / "empty", "holds no model; give a folder with card.json"),
        (cohort, strange, "scheme 'hand' is not one of fetus, head"),
        (tmp_path / "empty", model, "holds no images; put images into it"),
        (tmp_path / "nowhere", model, "is not a folder"),
        (head, model, "labels of scheme 'head', asked for was 'fetus'"),
    ):
        done = fusqa("segment", folder, "--model", given, "--out", tmp_path / "out")
        assert done.exit_code == 2 and said in done.output and "Traceback" not in done.output, done.output
        assert not (tmp_path / "out").exists()
    done = fusqa("segment", cohort, "--model", model, "--out", tmp_path / "out", "--spacing", "0.2")
    assert done.exit_code == 2 and "leave out --spacing" in done.output
    done = fusqa("segment", cohort, "--model", model, "--out", tmp_path / "text")
    assert done.exit_code == 2 and str(tmp_path / "text") in done.output and "Traceback" not in done.output
    done = fusqa("assess", cohort, "--model", model, "--out", tmp_path / "scores.csv")
    assert done.exit_code == 2 and "kind 'unet'; give one of quality, autoencoder" in done.output


def test_nothing_is_written_over_what_a_folder_holds(cohort, model, tmp_path):
    out = tmp_path / "out"
    assert fusqa("segment", cohort, "--model", model, "--out", out).exit_code == 0
    before = everything(out)
    for folder in (out, cohort / "masks"):
        done = fusqa("segment", cohort, "--model", model, "--out", folder)
        assert done.exit_code == 2 and "holds files already; give another folder" in done.output
    assert everything(out) == before
    (tmp_path / "file").touch()
    done = fusqa("segment", cohort, "--model", model, "--out", tmp_path / "file")
    assert done.exit_code == 2 and "file is a file; give the name of a folder" in done.output
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden/.DS_Store").touch()  # a Mac's, in a folder that looks empty
    assert fusqa("segment", cohort, "--model", model, "--out", tmp_path / "hidden").exit_code == 0


def test_an_unfinished_run_goes_on_where_it_stopped(cohort, model, tmp_path):
    segmenter, cases, out = TrainedSegmenter.load(model), open_images(cohort), tmp_path / "out"
    assert write_masks(segmenter, cases, tmp_path / "whole", plainly) == 0
    with pytest.raises(Killed):
        write_masks(segmenter, cases, out, stopped_after(3))
    unfinished = out / f".{TABLE}.partial"
    assert not (out / TABLE).exists() and len(list(out.glob("*.png"))) == 3
    unfinished.write_bytes(unfinished.read_bytes() + b'{"line": 5, "ca')  # cut in the midst of a line
    drawn = {path: path.stat().st_mtime_ns for path in out.glob("*.png")}
    taken = []
    write_masks(segmenter, cases, out, lambda rows, done: taken.append(done) or rows)
    assert taken == [3]
    assert {path: path.stat().st_mtime_ns for path in drawn} == drawn
    assert everything(out) == everything(tmp_path / "whole")


def test_an_unfinished_run_of_something_else_is_kept(own, model, tmp_path):
    segmenter, out = TrainedSegmenter.load(model), tmp_path / "out"
    with pytest.raises(Killed):
        write_masks(segmenter, open_images(own), out, stopped_after(3))
    before = everything(out)
    os.utime(own / "images/c5.png", ns=(1, 1))
    with pytest.raises(ValueError, match="unfinished run of another model, or of images that have changed"):
        write_masks(segmenter, open_images(own), out, plainly)
    assert everything(out) == before


def test_two_runs_do_not_write_into_one_folder(cohort, model, tmp_path):
    segmenter, cases = TrainedSegmenter.load(model), open_images(cohort)

    def meanwhile(rows, done):
        with pytest.raises(TableBusy, match="another run"):
            write_masks(segmenter, cases, tmp_path / "out", plainly)
        return rows

    assert write_masks(segmenter, cases, tmp_path / "out", meanwhile) == 0


def test_a_run_that_is_killed_leaves_only_whole_masks_and_goes_on(cohort, model, tmp_path):
    """SIGKILL, the real one, in the midst of a run."""
    folder, out, whole = tmp_path / "many", tmp_path / "out", "[!.]*.png"  # what is being written is hidden
    folder.mkdir()
    for copy in range(20):
        for case in list(Cohort.open(cohort).table["image"][1:6]):
            shutil.copy(cohort / case, folder / f"{copy:02}-{case.removeprefix('images/')}")
    command = [sys.executable, "-m", "fusqa", "segment", folder, "--model", model, "--out", out, "--spacing", "0.15"]
    run = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert comes_true(lambda: len(list(out.glob(whole))) >= 20 or run.poll() is not None, 120)
    os.kill(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL, "it was done before it could be killed"
    kept = {path: path.stat().st_mtime_ns for path in out.glob(whole)}
    assert not (out / TABLE).exists() and 20 <= len(kept) < 100
    assert all(read_mask(path).pixels.max() < FETUS.classes for path in kept)
    assert fusqa("segment", folder, "--model", model, "--out", out, "--spacing", "0.15").exit_code == 0
    rows = read_table(out / TABLE)
    assert [row["file"] for row in rows] == sorted(path.name for path in folder.iterdir())
    assert all((out / row["file"]).is_file() for row in rows)
    again = [path for path, time in kept.items() if path.stat().st_mtime_ns != time]
    assert len(again) <= 1  # the mask whose line the kill came before


def test_help_names_what_it_takes():
    said = fusqa("segment", "--help").output
    assert all(word in said for word in ("--model", "--out", "--spacing"))


def test_from_python(cohort, model):
    drawn = list(TrainedSegmenter.load(model)(cohort))
    assert [one.case for one in drawn] == [row.case for row in Input.open(cohort).rows]
    assert all(one.mask.dtype == np.uint8 and one.found for one in drawn)
