"""Somebody's own masks: verdicts that agree with the study's, bad input that costs one row, runs that go on."""

import csv
import hashlib
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import LONG_NAME, Killed, comes_true, plainly, read_table, stopped_after
from PIL import Image
from typer.testing import CliRunner

import fusqa.masks.fasp
import fusqa.masks.measurement
from fusqa.assessment.batches import BATCH, WORKERS, side_by_side
from fusqa.assessment.ledger import TableBusy, ledger, ledger_path, run_key, write_table
from fusqa.assessment.marking import Marker
from fusqa.assessment.scores import columns, record
from fusqa.assessment.verdicts import Assessor
from fusqa.cli import app
from fusqa.cohorts.cohort import Cohort
from fusqa.cohorts.formats import read_image, write_image
from fusqa.cohorts.reading import Input
from fusqa.cohorts.writing import write_cohort
from fusqa.masks.labels import FETUS, HEAD, SCHEMES
from fusqa.masks.measurement import describe, describe_drawing
from fusqa.masks.reviewing import review
from fusqa.models.checkpoints import Card, load_model, save_model
from fusqa.models.error_mapper import ErrorMapper
from fusqa.models.familiarity import Familiarity, Features
from fusqa.models.learner import pictures, predict
from fusqa.models.networks import Autoencoder, anomaly_ratio, quality_model
from fusqa.publishing.printing import browser as find_browser
from fusqa.simulator.cases import draw_case

SIZE = 64
NAMES = ("=1+1", "<img src=x onerror=alert(1)>", "$rows", "c3", "c4", "c5", "c6", LONG_NAME)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Folder of a quality model that has learnt nothing, whose threshold parts the cohort."""
    torch.manual_seed(0)
    arguments = {"topology": "single", "backbone": "resnet18", "pretrained": False, "classes": FETUS.classes}
    training = {"material": "errors", "masks": 10, "length_mm": [45.0, 60.0], "chosen_on": "nothing"}
    network = quality_model(**arguments)
    folder = tmp_path_factory.mktemp("model")
    save_model(network, folder, Card("quality", arguments, SIZE, "fetus", 0.5, training=training))
    return folder


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    cases = (replace(draw_case("B", 0, i), case=name) for i, name in enumerate(NAMES))
    folder = tmp_path_factory.mktemp("drawn")
    write_cohort(folder, cases, scheme=FETUS, source="test", licence="MIT")
    return folder


@pytest.fixture
def cohort(drawn, tmp_path):
    """A copy of one cohort, to break."""
    return shutil.copytree(drawn, tmp_path / "cohort")


def assess(cohort, model, out, *more):
    return CliRunner().invoke(app, ["assess", str(cohort), "--model", str(model), "--out", str(out), *map(str, more)])


def write_scores(assessor, cohort, out, progress):
    with ledger(assessor, Input.open(cohort), out, progress, record) as verdicts:
        return write_table(verdicts, columns("fetus"), out)


def test_probabilities_are_those_of_the_network_on_the_same_pairs(cohort, model, tmp_path):
    assert assess(cohort, model, tmp_path / "scores.csv").exit_code == 0
    rows = read_table(tmp_path / "scores.csv")
    assessor, whole = Assessor.load(model), Cohort.open(cohort)
    images, masks = whole.stack(SIZE)
    expected = predict(assessor.model, pictures(images), torch.from_numpy(masks)).sigmoid().numpy()
    np.testing.assert_allclose([float(row["probability"]) for row in rows], expected, atol=2e-6)
    assert [row["verdict"] for row in rows] == ["good" if p >= 0.5 else "poor" for p in expected]
    lengths = whole.table["measure_mm"].to_numpy()
    np.testing.assert_allclose([float(row["length_mm"]) for row in rows], lengths, atol=1.5)
    outside = [("outside the lengths" in row["warnings"]) for row in rows]
    assert outside == [not 45 <= float(row["length_mm"]) <= 60 for row in rows]


def test_what_the_model_was_never_shown_does_not_matter(cohort, model):
    loaded = Assessor.load(model)
    blind = Assessor(loaded.model, replace(loaded.card, sees=("mask",)))
    before = [verdict.probability for verdict in blind(cohort)]
    table = Cohort.open(cohort).table
    for name in table["image"][1:]:
        shutil.copy(cohort / table["image"][0], cohort / name)
    sizes = {Cohort.open(cohort)[i].image.shape for i in range(len(table))}
    assert len(sizes) == 1
    assert [verdict.probability for verdict in blind(cohort)] == before


def changed(change):
    """Break a mask by a function of its labels that returns what Pillow can save."""
    return lambda path: change(np.array(Image.open(path))).save(path)


def outside(path):
    path.rename(path.parents[2] / path.name)
    path.symlink_to(path.parents[2] / path.name)


BROKEN = {
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:200]), "export the file again"),
    "empty file": (lambda path: path.write_bytes(b""), "is empty"),
    "a text": (lambda path: path.write_text("mask"), "not a PNG"),
    "gone": (lambda path: path.unlink(), "no such file; check the name"),
    "16 bits": (changed(lambda mask: Image.fromarray(mask.astype(np.uint16))), "is a 16-bit grey PNG; save the mask"),
    "transparent": (changed(lambda mask: Image.fromarray(np.dstack([mask] * 4))), "colour with transparency PNG"),
    "palette": (changed(lambda mask: Image.fromarray(mask).convert("P")), "palette PNG; save the mask"),
    "1 bit": (changed(lambda mask: Image.fromarray(mask > 0)), "is a 1-bit grey PNG"),
    "another size": (changed(lambda mask: Image.fromarray(mask[::2])), "export both at one size"),
    "unknown labels": (changed(lambda mask: Image.fromarray(mask * 60)), r"labels \[.*\] are not in scheme"),
    "nothing drawn": (changed(lambda mask: Image.fromarray(mask * 0)), "is empty: every pixel is background"),
    "a bomb": (changed(lambda mask: Image.new("L", (8000, 8000))), "claims 8000 × 8000 pixels"),
    "a link out": (outside, "is a link to a file outside the cohort"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_bad_file_costs_its_own_row_only(cohort, model, tmp_path, fault):
    harm, said = BROKEN[fault]
    harm(cohort / Cohort.open(cohort).table["mask"][3])
    done = assess(cohort, model, tmp_path / "scores.csv", "--report", tmp_path / "report.html")
    assert done.exit_code == 1, done.output
    assert "7 verdicts, 1 cases without one" in done.output
    rows = read_table(tmp_path / "scores.csv")
    assert [bool(row["verdict"]) for row in rows] == [True, True, True, False, True, True, True, True]
    assert re.search(said, rows[3]["faults"]) and rows[3]["line"] == "5"
    assert "<td>c3</td>" in (tmp_path / "report.html").read_text()


def test_a_row_that_is_too_short_and_one_without_a_mask_are_told(cohort, model, tmp_path):
    lines = (cohort / "cases.csv").read_text().splitlines()
    cells = lines[4].split(",")
    cells[4] = ""
    lines[4], lines[6] = ",".join(cells), "c5,too short"
    (cohort / "cases.csv").write_text("\n".join(lines) + "\n")
    assert assess(cohort, model, tmp_path / "scores.csv").exit_code == 1
    rows = read_table(tmp_path / "scores.csv")
    assert [row["line"] for row in rows if not row["verdict"]] == ["5", "7"]
    assert "has no mask" in rows[3]["faults"] and "cells" in rows[5]["faults"]


def test_a_killed_run_goes_on_where_it_stopped(cohort, model, tmp_path):
    assessor, out = Assessor.load(model), tmp_path / "scores.csv"
    write_scores(assessor, cohort, tmp_path / "whole.csv", plainly)

    with pytest.raises(Killed):
        write_scores(assessor, cohort, out, stopped_after(3))
    assert not out.exists()
    partial = tmp_path / ".scores.csv.partial"
    assert partial.read_bytes().isascii()  # so that no cut goes through a character
    partial.write_bytes(partial.read_bytes() + b'{"line": 5, "ca')  # cut in the midst of a line
    taken = []
    write_scores(assessor, cohort, out, lambda rows, done: taken.append(done) or rows)
    assert taken == [3]
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert not partial.exists()


def test_another_model_begins_anew(cohort, model, tmp_path):
    assessor = Assessor.load(model)
    (tmp_path / ".scores.csv.partial").write_text("another key\n{}\n{}\n")
    taken = []
    write_scores(assessor, cohort, tmp_path / "scores.csv", lambda rows, done: taken.append(done) or rows)
    assert taken == [0]
    assert len(read_table(tmp_path / "scores.csv")) == len(NAMES)


def test_two_runs_do_not_write_one_table(cohort, model, tmp_path):
    assessor, out = Assessor.load(model), tmp_path / "scores.csv"

    def meanwhile(rows, done):
        with pytest.raises(TableBusy, match="another run"):
            write_scores(assessor, cohort, out, plainly)
        return rows

    assert write_scores(assessor, cohort, out, meanwhile) == 0


def test_names_are_text_in_a_spreadsheet_and_in_a_browser(cohort, model, tmp_path):
    assess(cohort, model, tmp_path / "scores.csv", "--report", tmp_path / "report.html")
    with (tmp_path / "scores.csv").open(newline="") as stream:
        cells = [cell for row in csv.reader(stream) for cell in row]
    assert "'=1+1" in cells and not any(cell.startswith(("=", "@", "\t")) for cell in cells)
    page = (tmp_path / "report.html").read_text()
    assert "<img src=x" not in page and "&lt;img src=x onerror=alert(1)&gt;" in page


@pytest.mark.parametrize(("begin", "written"), [*((one, f"'{one}") for one in "=+-@\t"), ("\r", "\\r")])
def test_no_text_is_a_formula_and_numbers_stay_numbers(tmp_path, begin, written):
    from fusqa.assessment.ledger import write_table

    row = {"case": f"{begin}cmd", "length_mm": -1.5, "faults": [f"{begin}a", "b"]}
    write_table([row], list(row), tmp_path / "x.csv")
    (read,) = csv.DictReader((tmp_path / "x.csv").open(newline=""))
    assert read == {"case": f"{written}cmd", "length_mm": "-1.5", "faults": f"{written}a; b"}


def test_the_report_is_one_file_that_can_be_sorted_and_filtered(cohort, model, tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = find_browser()
    if chromium is None:
        pytest.skip("no Chromium to read the report with: apt-get install chromium")
    assess(cohort, model, tmp_path / "scores.csv", "--report", tmp_path / "report.html")
    rows = read_table(tmp_path / "scores.csv")
    faults = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("console", lambda message: message.type == "error" and faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: request.url.startswith("http") and faults.append(request.url))
        page.goto((tmp_path / "report.html").as_uri())
        trust = page.locator("tbody tr td:nth-child(4)").all_inner_texts()
        assert trust == sorted(trust) and len(trust) == len(rows)
        page.locator("#verdict").select_option("good")
        good = sum(row["verdict"] == "good" for row in rows)
        assert page.locator("tbody tr:visible").count() == good
        assert page.locator("figure:visible").count() == good
        page.locator("#verdict").select_option("")
        page.locator("#text").fill("C3")
        found = [page.locator(which).all_inner_texts() for which in ("tr:visible td:nth-child(2)", "figure:visible b")]
        assert found == [["c3"], ["c3"]]
        page.locator("#text").fill("")
        page.get_by_role("button", name="length, mm").click()
        lengths = [float(text) for text in page.locator("tbody td:nth-child(5)").all_inner_texts()]
        assert lengths == sorted(lengths)
        for image in page.locator("img").all():  # they are decoded when they come into view
            image.scroll_into_view_if_needed()
        page.wait_for_function("() => [...document.images].every(image => image.naturalWidth > 0)")
        for width in (390, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
        browser.close()
    assert faults == []


def test_a_model_that_has_not_learnt_is_told_and_the_report_says_what_a_model_is_worth(cohort, model, tmp_path):
    network, card = load_model(model)
    known = {"material": "errors", "learnt": "still learning"}
    card = replace(card, training=known, metrics={"predictions, site B": 0.61}, provenance={"cohort": "hc18"})
    save_model(network, tmp_path / "model", card)
    done = assess(cohort, tmp_path / "model", tmp_path / "scores.csv", "--report", tmp_path / "report.html")
    assert "Do not trust what follows: the training of this model ended as “still learning”." in done.output
    page = (tmp_path / "report.html").read_text()
    for told in ("real fetal heads (HC18)", "still learning", "predictions, site B 0.61"):
        assert f"<dd>{told}</dd>" in page
    assert "Do not trust" not in assess(cohort, model, tmp_path / "other.csv").output


def test_what_cannot_be_assessed_is_said_without_a_traceback(cohort, model, tmp_path):
    for given, said in (
        ((cohort, tmp_path, tmp_path / "s.csv"), "holds no model; give a folder with card.json"),
        ((tmp_path / "nowhere", model, tmp_path / "s.csv"), "is not a folder"),
    ):
        done = assess(*given)
        assert done.exit_code == 2 and said in done.output and "Traceback" not in done.output
    about = json.loads((cohort / "cohort.json").read_text())
    (cohort / "cohort.json").write_text(json.dumps(about | {"scheme": "head"}))
    done = assess(cohort, model, tmp_path / "s.csv")
    assert done.exit_code == 2 and "labels of scheme 'head', asked for was 'fetus'" in done.output


def test_the_same_for_a_program(cohort, model, tmp_path):
    assert assess(cohort, model, tmp_path / "scores.csv", "--json", tmp_path / "scores.json").exit_code == 0
    told = json.loads((tmp_path / "scores.json").read_text())
    assert told["model"]["scheme"] == "fetus" and told["model"]["threshold"] == 0.5
    for row, entry in zip(read_table(tmp_path / "scores.csv"), told["verdicts"], strict=True):
        assert row["case"].removeprefix("'") == entry["case"]
        assert float(row["probability"]) == entry["probability"]
        assert float(row["length_mm"]) == entry["length_mm"]
        (top, left), (bottom, right) = entry["ends"]
        case = next(case for case in Cohort.open(cohort) if case.case == entry["case"])
        apart = np.hypot((bottom - top) * case.spacing[0], (right - left) * case.spacing[1])
        assert apart == pytest.approx(entry["length_mm"], abs=0.1)


def settled(grows, expected):
    """How long a list is that others append to, as soon as it has `expected` entries and gets no more."""
    comes_true(lambda: len(grows) >= expected, 60)
    length = -1
    while length < len(grows):
        length = len(grows)
        time.sleep(0.2)
    return length


@pytest.mark.parametrize(("threads", "batches"), [(1, 2), (4, 2 + 2 * 4), (3 * WORKERS, 2 + 2 * WORKERS)])
def test_only_a_few_batches_are_begun_ahead(threads, batches):
    """What is in memory does not grow with the cohort: work waits for whoever takes its results."""
    torch.set_num_threads(threads)
    rows, begun = range(50 * BATCH), []
    results = side_by_side(rows, lambda batch: begun.append(batch) or [10 * row for row in batch])
    taken = [next(results) for _ in range(2 * BATCH)]
    assert settled(begun, batches) == batches < 50
    assert [*taken, *results] == [10 * row for row in rows] and len(begun) == 50


def test_only_a_few_cases_are_read_ahead(cohort, model, monkeypatch):
    """Of a folder, too: reading waits for the network."""
    torch.set_num_threads(2)
    given, read = Input.open(cohort), []
    many = replace(given, rows=given.rows * 50)
    monkeypatch.setattr(Input, "read", lambda self, row, whole=Input.read: read.append(1) or whole(self, row))
    verdicts = Assessor.load(model)(many)
    for _ in range(2 * BATCH):
        next(verdicts)
    assert settled(read, (2 + 2 * 2) * BATCH) == (2 + 2 * 2) * BATCH < len(many)
    verdicts.close()


def test_a_run_that_is_killed_leaves_nothing_half_written_and_goes_on(cohort, model, tmp_path):
    """SIGKILL, the real one, in the midst of a run."""
    table = Cohort.open(cohort).table
    plain = tmp_path / "plain"
    for kind in ("images", "masks"):
        (plain / kind).mkdir(parents=True)
        for copy in range(60):
            for number in range(3, len(table)):
                source = cohort / table["image" if kind == "images" else "mask"][number]
                shutil.copy(source, plain / kind / f"{copy}-{number}.png")
    out, partial = tmp_path / "scores.csv", tmp_path / ".scores.csv.partial"
    command = [sys.executable, "-m", "fusqa", "assess", str(plain), "--model", str(model), "--out", str(out)]
    command += ["--spacing", "0.15", "--json", str(tmp_path / "scores.json")]
    run = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert comes_true(
        lambda: (partial.exists() and partial.read_bytes().count(b"\n") > 40) or run.poll() is not None, 120
    )
    os.killpg(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL, "it was done before it could be killed"
    assert not out.exists() and not (tmp_path / "scores.json").exists()
    before = partial.read_bytes().count(b"\n") - 1
    given, taken = Input.open(plain, spacing=(0.15, 0.15)), []
    with ledger(Assessor.load(model), given, out, lambda rows, done: taken.append(done) or rows, record) as verdicts:
        assert write_table(verdicts, columns("fetus"), out) == 0
    assert taken == [before] and 0 < before < len(given)
    names = [row["case"] for row in read_table(out)]
    assert names == sorted(names) and len(set(names)) == len(given)


def test_a_run_goes_on_only_over_unchanged_masks(cohort, model):
    card, path = Assessor.load(model).card, cohort / Cohort.open(cohort).table["mask"][3]
    before = run_key(card, Input.open(cohort))
    assert run_key(card, Input.open(cohort)) == before
    os.utime(path, ns=(1, 1))
    assert run_key(card, Input.open(cohort)) != before


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one quarter of a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small disk needs another user or system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_told_and_leaves_no_half_file(cohort, model, small_disk):
    (small_disk / "filler").write_bytes(bytes(230_000))
    done = assess(cohort, model, small_disk / "scores.csv", "--report", small_disk / "report.html")
    assert done.exit_code == 2 and "No space left" in done.output and "Traceback" not in done.output
    assert "free some space and run it again" in done.output and str(small_disk) in done.output
    assert not (small_disk / "report.html").exists() and not list(small_disk.glob(".part-*"))
    (small_disk / "filler").unlink()
    done = assess(cohort, model, small_disk / "scores.csv")
    assert done.exit_code == 0 and len(read_table(small_disk / "scores.csv")) == len(NAMES)


def test_no_output_may_take_the_place_of_what_is_read_or_of_another_output(cohort, model, tmp_path):
    before = {path: path.read_bytes() for folder in (cohort, model) for path in folder.rglob("*") if path.is_file()}
    image, card = cohort / Cohort.open(cohort).table["image"][0], model / "card.json"
    for out, *more in (
        [cohort / "cases.csv"],
        [model / "weights.safetensors"],
        *([tmp_path / "s.csv", option, path] for option, path in (("--report", image), ("--json", card))),
    ):
        done = assess(cohort, model, out, *more)
        assert done.exit_code == 2 and "is among the files that are read, and would be lost" in done.output
    done = assess(cohort, model, tmp_path / "x", "--json", tmp_path / "x")
    assert done.exit_code == 2 and "are the same file; give each output a name of its own" in done.output
    assert {path: path.read_bytes() for path in before} == before


def test_a_call_that_is_refused_leaves_nothing_behind(model, tmp_path):
    done = assess(tmp_path / "nowhere", model, tmp_path / "out/scores.csv")
    assert done.exit_code == 2 and not list(tmp_path.rglob("*"))


def test_a_mistaken_call_keeps_an_unfinished_run(cohort, model, tmp_path):
    assessor, out = Assessor.load(model), tmp_path / "scores.csv"
    for kind in ("images", "masks"):
        shutil.copytree(cohort / kind, tmp_path / "plain" / kind)

    def interrupted(rows, done):
        for number, row in enumerate(rows):
            if number == 2:
                raise KeyboardInterrupt
            yield row

    given = Input.open(tmp_path / "plain", FETUS, spacing=(0.15, 0.15))
    with pytest.raises(KeyboardInterrupt), ledger(assessor, given, out, interrupted, record):
        pass
    kept = ledger_path(out).read_bytes()
    done = assess(given.folder, model, out, "--scheme", "head", "--spacing", "0.15")
    assert done.exit_code == 2 and "leave out --scheme, or give a model of 'head'" in " ".join(done.output.split())
    assert kept.count(b"\n") == 3 and ledger_path(out).read_bytes() == kept


def test_a_run_goes_on_only_with_the_card_that_it_began_with(cohort, model):
    card, cases = Assessor.load(model).card, Input.open(cohort)
    assert run_key(card, cases) == run_key(replace(card), cases)
    for change in ({"threshold": 0.4}, {"sees": ("mask",)}, {"training": {}}):
        assert run_key(replace(card, **change), cases) != run_key(card, cases)


def test_a_very_wide_image_has_a_place_in_the_report(model, tmp_path):
    for kind, label in (("images", 90), ("masks", 1)):
        wide = np.zeros((40, 4000), np.uint8)
        wide[10:30, 500:3500] = label
        write_image(tmp_path / f"pairs/{kind}/one.png", wide)
    done = assess(tmp_path / "pairs", model, tmp_path / "s.csv", "--report", tmp_path / "r.html", "--spacing", "0.05")
    assert done.exit_code == 0, done.output
    assert "data:image/webp" in (tmp_path / "r.html").read_text()


def test_a_head_in_fragments_is_judged_as_it_was_drawn():
    mask = np.zeros((300, 400), np.uint8)
    for angle in np.arange(6) * np.pi / 3:
        at = int(200 + 120 * np.cos(angle)), int(150 + 90 * np.sin(angle))
        cv2.circle(mask, at, 18, 1, cv2.FILLED)
    found, judged = describe(mask, (0.3, 0.3), HEAD), review(mask, (0.3, 0.3), HEAD)
    assert found.met == judged.met < found.of and not any("outline" in warning for warning in found.warnings)
    assert describe_drawing(mask, (0.3, 0.3), HEAD).met == found.met  # discs are no line, however they lie
    assert found.areas_mm2["head"] == pytest.approx(np.count_nonzero(mask) * 0.09)


def test_a_folder_in_place_of_a_file_is_told_before_the_work(cohort, model, tmp_path):
    (tmp_path / "folder").mkdir()
    for given in (
        (tmp_path / "folder",),
        *((tmp_path / "s.csv", way, tmp_path / "folder") for way in ("--report", "--json")),
    ):
        done = assess(cohort, model, *given)
        assert done.exit_code == 2 and "folder is a folder; give the name of a file" in done.output
        assert not list(tmp_path.glob("**/*.csv*.partial"))
    done = assess(cohort, model, "/dev/null")
    assert done.exit_code == 2 and "/dev/null is a device or a pipe; give the name of a file" in done.output


def test_a_name_that_is_not_text_costs_its_own_row(cohort, model, tmp_path):
    plain = tmp_path / "plain"
    for kind in ("images", "masks"):
        shutil.copytree(cohort / kind, plain / kind)
        shutil.copy(plain / kind / "c3.png", os.fsencode(plain / kind) + b"/f\xe9tus.png")
    more = ("--spacing", "0.15", "--report", tmp_path / "r.html", "--json", tmp_path / "s.json")
    done = assess(plain, model, tmp_path / "s.csv", *more)
    assert done.exit_code == 1 and f"{len(NAMES)} verdicts, 1 cases without one" in done.output, done.output
    (row,) = (row for row in read_table(tmp_path / "s.csv") if not row["verdict"])
    assert row["case"] == r"f\xe9tus" and "not UTF-8 text" in row["faults"]


def test_an_expert_s_length_is_compared_with_the_mask_s(cohort, model):
    table = cohort / "cases.csv"
    lines = table.read_text().splitlines()
    cells = lines[4].split(",")
    cells[-2] = "75.0" if float(cells[-2]) < 60 else "45.0"
    lines[4] = ",".join(cells)
    table.write_text("\n".join(lines) + "\n")
    warned = [
        verdict.case for verdict in Assessor.load(model)(cohort) if "the expert's CRL" in " ".join(verdict.warnings)
    ]
    assert warned == ["c3"]


def test_an_output_that_cannot_be_written_is_told(cohort, model, tmp_path):
    (tmp_path / "file").write_text("no folder")
    done = assess(cohort, model, tmp_path / "file" / "scores.csv")
    assert done.exit_code == 2 and str(tmp_path / "file") in done.output and "Traceback" not in done.output


def test_a_read_only_folder_is_told(cohort, model, tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=256k", "tmpfs", str(tmp_path / "locked")]
    (tmp_path / "locked").mkdir()
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a read-only disk needs another user or system")
    try:
        done = assess(cohort, model, tmp_path / "locked" / "scores.csv")
        assert done.exit_code == 2 and "Read-only file system" in done.output and "Traceback" not in done.output
    finally:
        subprocess.run(["umount", str(tmp_path / "locked")], check=True)


def save_error_map(folder, bias, scheme="fetus"):
    """An error map that sees every structure everywhere, or nowhere."""
    classes = SCHEMES[scheme].classes
    network = ErrorMapper(classes, SIZE)
    torch.nn.init.zeros_(network.unet.head.weight)
    torch.nn.init.constant_(network.unet.head.bias, bias)
    save_model(network, folder, Card("error-map", {"classes": classes, "size": SIZE}, SIZE, scheme, 0.5))


def test_an_error_map_beside_the_model_marks_what_is_wrong_in_the_report(cohort, model, tmp_path):
    beside, report = tmp_path / "models/error_map", tmp_path / "r.html"
    shutil.copytree(model, tmp_path / "models/quality")
    case = Cohort.open(cohort)[0]

    def page():
        done = assess(cohort, tmp_path / "models/quality", tmp_path / "s.csv", "--report", report)
        assert done.exit_code == 0, done.output
        return report.read_text()

    assert Marker.beside(tmp_path / "models/quality", "fetus") is None
    plain = page()
    assert "alt='Image c3 with its mask, the measured line'" in plain
    save_error_map(beside, bias=-5.0)
    marked = Marker.beside(tmp_path / "models/quality", "fetus").marked(case)
    assert marked[case.mask > 0].mean() > 0.9 and marked[case.mask == 0].mean() < 0.1  # whatever was drawn
    assert "by the error map" in page()
    assert "alt='Image c3 with its mask, the measured line, what the error map marks as wrong'" in page()
    save_error_map(beside, bias=5.0)
    marked = Marker.beside(tmp_path / "models/quality", "fetus").marked(case)
    assert marked.shape == case.mask.shape and marked.all()
    drawn = [re.findall("src='(.*?)'", text) for text in (plain, page())]
    assert len(drawn[0]) == len(drawn[1]) == len(NAMES) and not set(drawn[0]) & set(drawn[1])
    save_error_map(beside, bias=5.0, scheme="head")  # of another study: it knows nothing of these labels
    assert page() == plain


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("autoencoder")
    torch.manual_seed(0)
    card = Card("autoencoder", {"classes": FETUS.classes}, SIZE, "fetus", 0.9, ("mask",))
    save_model(Autoencoder(FETUS.classes), folder, card)
    return folder


def test_an_autoencoder_judges_masks_without_pictures(cohort, model, autoencoder, tmp_path):
    masks = tmp_path / "masks-alone"
    masks.mkdir()
    for number, name in enumerate(Cohort.open(cohort).table["mask"]):
        shutil.copy(cohort / name, masks / f"{number}.png")
    done = assess(masks, autoencoder, tmp_path / "s.csv", "--spacing", "0.15", "0.15", "--report", tmp_path / "r.html")
    assert done.exit_code == 0, done.output
    rows = read_table(tmp_path / "s.csv")
    loaded = Assessor.load(autoencoder)
    small = torch.from_numpy(Cohort.open(cohort).stack(SIZE)[1])
    expected = 1 - anomaly_ratio(small, predict(loaded.model, small))
    np.testing.assert_allclose([float(row["probability"]) for row in rows], expected, atol=1e-5)
    report = (tmp_path / "r.html").read_text()
    assert report.count("<figure") == len(NAMES) and "alt='Mask 0 with the measured line'" in report
    assert assess(masks / "0.png", autoencoder, tmp_path / "one.csv", "--spacing", "0.15").exit_code == 0
    (one,) = read_table(tmp_path / "one.csv")
    assert one == next(row for row in rows if row["case"] == "0")
    refused = assess(masks, model, tmp_path / "t.csv", "--spacing", "0.15")
    assert refused.exit_code == 1 and "0 verdicts" in refused.output
    assert "has no image, which the model sees" in read_table(tmp_path / "t.csv")[0]["faults"]


def test_a_mask_is_measured_once_for_verdict_criteria_and_report(cohort, model, tmp_path, monkeypatch):
    measured = []
    for module in (fusqa.masks.measurement, fusqa.masks.fasp):
        once = module.crown_rump_length
        monkeypatch.setattr(module, "crown_rump_length", lambda *args, once=once: measured.append(1) or once(*args))
    monkeypatch.setitem(
        fusqa.masks.measurement._MEASUREMENTS, "crown-rump length", fusqa.masks.measurement.crown_rump_length
    )
    assert assess(cohort, model, tmp_path / "s.csv", "--report", tmp_path / "r.html").exit_code == 0
    assert (tmp_path / "r.html").read_text().count("<figure") == len(measured) == len(NAMES)


def test_card_and_weights_that_do_not_belong_together_are_refused(cohort, model, autoencoder, tmp_path):
    for name, said in (("mixed", "does not belong"), ("edited", "another network"), ("torn", "not a model's card")):
        shutil.copytree(model, tmp_path / name)
        card = tmp_path / name / "card.json"
        if name == "mixed":
            shutil.copy(autoencoder / "weights.safetensors", tmp_path / name)
        elif name == "edited":
            card.write_text(card.read_text().replace("resnet18", "resnet50"))
        else:
            card.write_text(card.read_text()[:40])
        done = assess(cohort, tmp_path / name, tmp_path / "s.csv")
        assert done.exit_code == 2 and said in done.output and "Traceback" not in done.output, done.output


def test_loading_a_model_runs_no_code(model, tmp_path):
    """A pickle in place of the weights is refused for what it is, and nothing in it is run."""
    shutil.copytree(model, tmp_path / "evil")

    class Evil:
        def __reduce__(self):
            return (Path(tmp_path / "ran").touch, ())

    content = pickle.dumps(Evil())
    (tmp_path / "evil/weights.safetensors").write_bytes(content)
    card = json.loads((tmp_path / "evil/card.json").read_text())
    card["sha256"] = hashlib.sha256(content).hexdigest()
    (tmp_path / "evil/card.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match="weights"):
        Assessor.load(tmp_path / "evil")
    assert not (tmp_path / "ran").exists()


def test_what_is_unlike_the_training_pairs_gets_a_warning(cohort, model, tmp_path):
    loaded, whole = Assessor.load(model), Cohort.open(cohort)
    images, masks = whole.stack(SIZE)
    seen = predict(Features(loaded.model), pictures(images), torch.from_numpy(masks))
    known = Familiarity.fit(seen, seen)
    save_model(loaded.model, tmp_path / "model", replace(loaded.card), known)
    knowing = Assessor.load(tmp_path / "model")
    near = sorted(verdict.unfamiliar for verdict in knowing(cohort))
    told = {verdict.unfamiliar: any("unlike what" in one for one in verdict.warnings) for verdict in knowing(cohort)}
    assert all(warned == (unfamiliar >= 0.99) for unfamiliar, warned in told.items()) and not all(told.values())
    assert near[0] < near[-2] < 1  # the last is the farthest pair itself: rounding decides on which side of it it falls
    for name in whole.table["image"]:
        write_image(cohort / name, 255 - read_image(cohort / name).pixels)
    far = list(knowing(cohort))
    assert all(verdict.unfamiliar == 1 for verdict in far)
    assert all("unlike what the model was trained on" in verdict.warnings[-1] for verdict in far)
