"""Somebody's own masks: verdicts that agree with the study's, bad input that costs one row, runs that go on."""

import csv
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from fusqa.assess import Assessor
from fusqa.checkpoints import Card, save_model
from fusqa.cli import app
from fusqa.cohort import Cohort, write_cohort
from fusqa.labels import FETUS
from fusqa.learner import pictures, predict
from fusqa.networks import quality_model
from fusqa.phantom import draw_case
from fusqa.printing import browser as find_browser
from fusqa.scorefile import ScoresBusy, read_scores, write_scores

SIZE = 64
NAMES = ("=1+1", "<img src=x onerror=alert(1)>", "$rows", "c3", "c4", "c5", "c6", "c7")


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


@pytest.fixture
def cohort(tmp_path):
    cases = (replace(draw_case("B", 0, i), case=name) for i, name in enumerate(NAMES))
    write_cohort(tmp_path / "cohort", cases, scheme=FETUS, source="test", licence="MIT")
    return tmp_path / "cohort"


def assess(cohort, model, out, *more):
    return CliRunner().invoke(app, ["assess", str(cohort), "--model", str(model), "--out", str(out), *map(str, more)])


def plainly(rows, done):
    return rows


def test_probabilities_are_those_of_the_network_on_the_same_pairs(cohort, model, tmp_path):
    assert assess(cohort, model, tmp_path / "scores.csv").exit_code == 0
    rows = list(read_scores(tmp_path / "scores.csv"))
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
    blind = Assessor.load(model)
    object.__setattr__(blind.card, "sees", ["mask"])
    before = [verdict.probability for verdict in blind(cohort)]
    table = Cohort.open(cohort).table
    for name in table["image"][1:]:
        shutil.copy(cohort / table["image"][0], cohort / name)
    sizes = {Cohort.open(cohort)[i].image.shape for i in range(len(table))}
    assert len(sizes) == 1
    assert [verdict.probability for verdict in blind(cohort)] == before


SPOILT = {
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:200]), "export the file again"),
    "empty file": (lambda path: path.write_bytes(b""), "is empty"),
    "a text": (lambda path: path.write_text("mask"), "not a PNG"),
    "gone": (lambda path: path.unlink(), "no such file; check the name"),
}


@pytest.mark.parametrize("fault", SPOILT)
def test_a_bad_file_costs_its_own_row_only(cohort, model, tmp_path, fault):
    spoil, said = SPOILT[fault]
    spoil(cohort / Cohort.open(cohort).table["mask"][3])
    done = assess(cohort, model, tmp_path / "scores.csv", "--report", tmp_path / "report.html")
    assert done.exit_code == 1, done.output
    assert "7 verdicts, 1 cases without one" in done.output
    rows = list(read_scores(tmp_path / "scores.csv"))
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
    rows = list(read_scores(tmp_path / "scores.csv"))
    assert [row["line"] for row in rows if not row["verdict"]] == ["5", "7"]
    assert "has no mask" in rows[3]["faults"] and "cells" in rows[5]["faults"]


def test_a_killed_run_goes_on_where_it_stopped(cohort, model, tmp_path):
    assessor, out = Assessor.load(model), tmp_path / "scores.csv"
    write_scores(assessor, cohort, tmp_path / "whole.csv", plainly)

    class Killed(BaseException):
        pass

    def three(rows, done):
        for number, row in enumerate(rows):
            if number == 3:
                raise Killed
            yield row

    with pytest.raises(Killed):
        write_scores(assessor, cohort, out, three)
    assert not out.exists()
    partial = tmp_path / ".scores.csv.partial"
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
    assert len(list(read_scores(tmp_path / "scores.csv"))) == len(NAMES)


def test_two_runs_do_not_write_one_table(cohort, model, tmp_path):
    assessor, out = Assessor.load(model), tmp_path / "scores.csv"

    def meanwhile(rows, done):
        with pytest.raises(ScoresBusy, match="another run"):
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


def test_the_report_is_one_file_that_can_be_sorted_and_filtered(cohort, model, tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = find_browser()
    if chromium is None:
        pytest.skip("no Chromium to read the report with: apt-get install chromium")
    assess(cohort, model, tmp_path / "scores.csv", "--report", tmp_path / "report.html")
    rows = list(read_scores(tmp_path / "scores.csv"))
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
        page.get_by_role("button", name="length, mm").click()
        lengths = [float(text) for text in page.locator("tbody td:nth-child(5)").all_inner_texts()]
        assert lengths == sorted(lengths)
        assert page.evaluate("() => [...document.images].every(image => image.naturalWidth > 0)")
        for width in (390, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
        browser.close()
    assert faults == []


def test_what_cannot_be_assessed_is_said_without_a_traceback(cohort, model, tmp_path):
    for given, said in (
        ((cohort, tmp_path, tmp_path / "s.csv"), "holds no model; give a folder with card.json"),
        ((tmp_path / "nowhere", model, tmp_path / "s.csv"), "is no folder"),
    ):
        done = assess(*given)
        assert done.exit_code == 2 and said in done.output and "Traceback" not in done.output
    about = json.loads((cohort / "cohort.json").read_text())
    (cohort / "cohort.json").write_text(json.dumps(about | {"scheme": "head"}))
    done = assess(cohort, model, tmp_path / "s.csv")
    assert done.exit_code == 2 and "trained on 'fetus'" in done.output
