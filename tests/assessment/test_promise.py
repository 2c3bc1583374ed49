"""How far lengths may be off: the interval by hand, too few patients, resumed runs, and whether the promise is kept."""

import json
import shutil
from fractions import Fraction
from itertools import chain

import numpy as np
import pytest
import torch
from conftest import Killed, read_table, stopped_after
from typer.testing import CliRunner

from fusqa.assessment.ledger import ledger
from fusqa.assessment.promise import ALPHA, Promise, patients_needed
from fusqa.assessment.scores import record
from fusqa.assessment.verdicts import Assessor
from fusqa.cli import app
from fusqa.cohorts.cohort import Cohort
from fusqa.cohorts.reading import Input
from fusqa.cohorts.writing import write_cohort
from fusqa.masks.dating import EQUATIONS
from fusqa.masks.labels import FETUS, HEAD
from fusqa.models.checkpoints import Card, save_model
from fusqa.models.networks import quality_model
from fusqa.simulator.cases import draw_case

CASES, POOR = 48, 6  # few called poor, so that nothing can be promised of them
UNMEASURED = 8


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A cohort of patients with one image or several; the last cases have no expert's length."""
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder, (draw_case("B", 0, i) for i in range(CASES)), scheme=FETUS, source="test", licence="MIT")
    return without_lengths(folder, folder, CASES - UNMEASURED)


@pytest.fixture(scope="module")
def model(measured, tmp_path_factory):
    """Folder of a quality model that has learnt nothing, with a threshold that calls a few masks poor."""
    torch.manual_seed(0)
    arguments = {"topology": "single", "backbone": "resnet18", "pretrained": False, "classes": FETUS.classes}
    network, folder = quality_model(**arguments).eval(), tmp_path_factory.mktemp("model")
    card = Card("quality", arguments, 64, "fetus", 0.5)
    probabilities = sorted(verdict.probability for verdict in Assessor(network, card)(measured))
    threshold = float(np.mean(probabilities[POOR - 1 : POOR + 1]))
    save_model(network, folder, Card("quality", arguments, 64, "fetus", threshold))
    return folder


def without_lengths(folder, out, kept):
    """Write the cohort again, with the expert's lengths of the first `kept` cases only."""
    if out != folder:
        shutil.copytree(folder, out)
    header, *lines = (folder / "cases.csv").read_text().splitlines()
    at = header.split(",").index("measure_mm")
    rows = [line.split(",") for line in lines]
    for row in rows[kept:]:
        row[at] = ""
    (out / "cases.csv").write_text("\n".join([header, *map(",".join, rows)]) + "\n")
    return out


def assess(cohort, model, out, *more):
    done = CliRunner().invoke(app, ["assess", str(cohort), "--model", str(model), "--out", str(out), *map(str, more)])
    assert done.exit_code == 0, done.output
    return done.output, read_table(out)


def by_hand(rows, row):
    """Half-width of a mask's interval, by sorting: None where the other measured patients are too few."""
    apart = {}
    for other in rows:
        if other["measure_mm"] and other["patient"] != row["patient"] and other["verdict"] == row["verdict"]:
            off = abs(float(other["length_mm"]) - float(other["measure_mm"]))
            apart.setdefault(other["patient"], []).append(off)
    needed = (1 - Fraction("0.1")) * (len(apart) + 1)
    for within in sorted(chain(*apart.values())):
        if sum(Fraction(sum(off <= within for off in offs), len(offs)) for offs in apart.values()) >= needed:
            return within
    return None


def test_the_interval_of_a_mask_is_learnt_from_the_other_patients_with_its_verdict(measured, model, tmp_path):
    said, rows = assess(measured, model, tmp_path / "scores.csv")
    assert sum(row["verdict"] == "poor" for row in rows) == POOR
    assert sum(not row["measure_mm"] for row in rows) == UNMEASURED
    days = EQUATIONS["intergrowth-21st"].days
    for row in rows:
        expected, mm = by_hand(rows, row), float(row["length_mm"])
        assert (row["verdict"] == "good") == (expected is not None)
        if expected is None:
            assert row["within_mm"] == row["within_days"] == ""
        else:
            assert float(row["within_mm"]) == pytest.approx(expected, abs=6e-4)
            assert float(row["within_days"]) == pytest.approx((days(mm + expected) - days(mm - expected)) / 2, abs=6e-3)
    assert len({row["within_mm"] for row in rows}) > 2  # a patient's own masks do not count for her
    checked = [row for row in rows if row["measure_mm"] and row["within_mm"]]
    kept = sum(
        abs(float(row["length_mm"]) - float(row["measure_mm"])) <= float(row["within_mm"]) + 1e-9 for row in checked
    )
    poor = len({row["patient"] for row in rows if row["verdict"] == "poor" and row["measure_mm"]})
    assert "90 % of masks called good are right within ±" in said and "at their median length" in said
    assert f"kept for {kept} of {len(checked)} measured masks" in said
    patients = "1 patient" if poor == 1 else f"{poor} patients"
    assert f"masks called poor: no promise, {patients} measured, 9 needed (column measure_mm of cases.csv)" in said


def test_json_and_report_say_the_same(measured, model, tmp_path):
    outputs = ("--json", tmp_path / "s.json", "--report", tmp_path / "r.html")
    said, rows = assess(measured, model, tmp_path / "scores.csv", *outputs)
    told = json.loads((tmp_path / "s.json").read_text())
    assert told["alpha"] == ALPHA
    for row, entry in zip(rows, told["verdicts"], strict=True):
        for name in ("within_mm", "within_days", "measure_mm"):
            assert entry[name] == (float(row[name]) if row[name] else None)
    page = (tmp_path / "r.html").read_text()
    assert said.splitlines()[1] in page
    good = sum(row["verdict"] == "good" for row in rows)
    assert page.count("of such masks are right within ±") == good
    assert page.count("with masks called poor must be measured") == len(rows) - good
    some = next(row for row in rows if row["within_mm"])
    assert f"<td>{float(some['within_mm']):.3f}</td><td>{float(some['within_days']):.3f}</td>" in page


def test_too_few_measured_patients_are_no_promise(measured, model, tmp_path):
    few = without_lengths(measured, tmp_path / "few", 8)
    said, rows = assess(few, model, tmp_path / "scores.csv")
    assert all(row["within_mm"] == row["within_days"] == "" for row in rows)
    known = len({row["patient"] for row in rows if row["measure_mm"] and row["verdict"] == "good"})
    assert 1 < known < 9
    assert f"Masks called good: no promise, {known} patients measured, 9 needed; masks called poor: no promise" in said
    assert said.count("column measure_mm") == 1
    assert "right within" not in said


def test_few_cases_are_told_one_by_one(model, tmp_path):
    few = tmp_path / "few"
    write_cohort(few, (draw_case("B", 0, i) for i in range(3)), scheme=FETUS, source="test", licence="MIT")
    said, rows = assess(few, model, tmp_path / "scores.csv")
    lines = said.splitlines()[1:]
    assert len(lines) == len(rows) == 3
    for line, row in zip(lines, rows, strict=True):
        others = {o["patient"] for o in rows if o["verdict"] == row["verdict"]} - {row["patient"]}
        more = patients_needed(ALPHA) - len(others)
        assert line == (
            f"{row['case']}: {float(row['length_mm']):.1f} mm, {float(row['ga_days']):.0f} days; no promise: {more} "
            f"more patients with masks called {row['verdict']} must be measured (column measure_mm of cases.csv)"
        )


def test_a_folder_without_a_table_is_told_to_have_one(measured, model, tmp_path):
    plain = tmp_path / "plain"
    table = Cohort.open(measured).table
    for count, note in ((2, "no promise: make a cohort"), (6, "No promise how far the lengths are off: make a cohort")):
        for kind in ("image", "mask"):
            (plain / f"{kind}s").mkdir(parents=True, exist_ok=True)
            for number, name in enumerate(table[kind][:count]):
                shutil.copy(measured / name, plain / f"{kind}s" / f"{number}.png")
        said, rows = assess(plain, model, tmp_path / "s.csv", "--spacing", "0.15")
        assert said.count(note) == (count if count == 2 else 1)
        assert all(row["within_mm"] == row["measure_mm"] == "" for row in rows)


def test_a_killed_run_that_goes_on_promises_the_same(measured, model, tmp_path):
    assess(measured, model, tmp_path / "whole.csv")
    out, half_way = tmp_path / "scores.csv", stopped_after(CASES // 2)
    with pytest.raises(Killed), ledger(Assessor.load(model), Input.open(measured), out, half_way, record):
        pass
    assert (tmp_path / ".scores.csv.partial").read_bytes().count(b"\n") == 1 + CASES // 2
    assess(measured, model, out)
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def entry(patient, verdict="good", length_mm=60.0, measure_mm=None, ga_days=86.75):
    return {
        "case": "c", "patient": patient, "verdict": verdict,
        "length_mm": length_mm, "measure_mm": measure_mm, "ga_days": ga_days,
    }  # fmt: skip


def off(errors, **more):
    """Measured masks, one of each patient, that are so far off."""
    return [entry(f"p{n}", measure_mm=60.0 + error, **more) for n, error in enumerate(errors)]


def test_one_patient_more_makes_the_promise():
    needed = patients_needed(ALPHA)
    for patients, promised in ((needed - 1, None), (needed, float(needed))):
        promise = Promise(off(range(1, patients + 1)), FETUS, True)
        assert promise(entry("new"))["within_mm"] == promised
    assert promise(entry("p0"))["within_mm"] is None  # she is one of them, so the others are too few
    assert "kept" not in promise.summary()  # and nothing could be checked
    told = promise(entry("new"))
    assert promise.sentence(told) == "60.0 mm, 87 days; 90 % of such masks are right within ±9.0 mm, ±6 days"
    assert promise.sentence(promise(entry("p0"))).startswith("60.0 mm, 87 days; no promise: 1 more patient with")


def test_patients_count_once_however_many_masks_they_have():
    same = [{**one, "patient": "p"} for one in off(range(9))]
    assert Promise(same, FETUS, True)(entry("new"))["within_mm"] is None
    twice = [*off(range(1, 10)), entry("p0", measure_mm=80.0)]
    assert Promise(twice, FETUS, True)(entry("new"))["within_mm"] == 20.0
    one_of_twenty = [*off([1] * 19), *[entry("p19", measure_mm=100.0)] * 30]
    assert Promise(one_of_twenty, FETUS, True)(entry("new"))["within_mm"] == 1.0


def test_verdicts_are_apart():
    promise = Promise([*off([1] * 20), *off([5] * 9, verdict="poor")], FETUS, True)
    assert [promise(entry("new", verdict))["within_mm"] for verdict in ("good", "poor", "")] == [1.0, 5.0, None]
    said = Promise([*off([1] * 8), *off([5] * 9, verdict="poor")], FETUS, True).summary()
    assert said.startswith("90 % of masks called poor are right within ±5.0 mm (±3 days at their median length); ")
    assert said.endswith("called good: no promise, 8 patients measured, 9 needed (column measure_mm of cases.csv)")


def test_what_has_no_length_or_no_date_gets_no_more_than_is_known():
    promise = Promise(off([1] * 9), FETUS, True)
    unmeasured = promise(entry("new", length_mm=None, ga_days=None))
    assert unmeasured["within_mm"] is unmeasured["within_days"] is None
    assert promise.sentence(unmeasured) == "not measured, so nothing is promised"
    undated = promise(entry("new", length_mm=130.0, ga_days=None))
    assert (undated["within_mm"], undated["within_days"]) == (1.0, None)
    assert promise.sentence(undated) == "130.0 mm, no date; 90 % of such masks are right within ±1.0 mm"


def test_without_a_verdict_nothing_is_promised():
    faulty = entry("p0", verdict="", length_mm=None, ga_days=None)
    for number in (1, 6):
        promise = Promise([faulty] * number, FETUS, True)
        assert (
            promise.lines(map(promise, [faulty] * number))
            == ["Nothing is promised: no mask has a verdict"][: number - 1]
        )


def test_a_gross_error_makes_a_useless_promise_and_no_fault():
    gross = [entry(f"p{n}", length_mm=20_000.0, measure_mm=200.0, ga_days=None) for n in range(9)]
    promise = Promise(gross, HEAD, True)
    told = promise(entry("new", length_mm=200.0))
    assert (told["within_mm"], told["within_days"]) == (19_800.0, None)
    json.dumps(told, allow_nan=False)
    assert promise.summary() == "90 % of masks called good are right within ±19800.0 mm"


@pytest.mark.parametrize("verdict", ["good", "poor"])
def test_the_promise_is_kept_for_new_patients(verdict):
    """Masks called poor are farther off, patients have several masks, and errors of one patient resemble each other."""
    rng = np.random.default_rng(0)

    def patients(count, first):
        for patient in range(first, first + count):
            own = rng.gamma(2.0)
            for _ in range(rng.integers(1, 4)):
                called = str(rng.choice(["good", "poor"]))
                error = own * rng.normal() * (3 if called == "poor" else 1)
                yield entry(f"p{patient}", called, 60.0 + error, 60.0)

    new, kept, wide = 0, 0, []
    for _ in range(150):
        promise = Promise(patients(40, 0), FETUS, True)
        for one in patients(20, 40):
            if one["verdict"] == verdict:
                within = promise(one)["within_mm"]
                wide.append(within)
                new, kept = new + 1, kept + (abs(one["length_mm"] - 60.0) <= within)
    assert new > 1000 and 1 - ALPHA - 0.015 <= kept / new < 0.98
    assert np.isfinite(wide).all()
