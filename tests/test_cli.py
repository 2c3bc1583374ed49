"""The command as a user meets it, judged by its output and exit status: every verb as a process of its own.

What differs only in its arguments is called in this process, which spares starting Python some thirty times.
"""

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import comes_true
from typer.main import get_command
from typer.testing import CliRunner

from fusqa import __version__
from fusqa.cli import app
from fusqa.cohorts.checking import check
from fusqa.cohorts.cohort import Cohort
from fusqa.cohorts.formats import read_mask
from fusqa.files import write_bytes

VERBS = ("simulate", "import", "check", "segment", "assess", "measure", "train", "export", "weights")


def fusqa(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fusqa", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def called(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The same in this process; an error that the command does not turn into words is raised here."""
    run = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    return subprocess.CompletedProcess(arguments, run.exit_code, run.stdout, run.stderr)


def refused(*arguments: object, run=called) -> str:
    """Run a command that must fail as a user's mistake does; return what it says, unwrapped."""
    run = run(*arguments)
    assert run.returncode == 2 and "Traceback" not in run.stderr and run.stdout == "", run
    return " ".join(run.stderr.replace("│", " ").split())


def kill_after_two_pictures(out: Path, *arguments: object) -> None:
    running = subprocess.Popen([sys.executable, "-m", "fusqa", *map(str, arguments)], stdout=subprocess.PIPE)
    comes_true(lambda: len(list(out.glob("images/*.png"))) >= 2 or running.poll() is not None, 120)
    there = len(list(out.glob("images/*.png")))
    running.kill()
    running.communicate()
    assert running.returncode == -signal.SIGKILL, "it ended before it was killed"
    assert there >= 2, "it drew too little in two minutes"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> Path:
    """A cohort of three cases; nobody changes it."""
    folder = tmp_path_factory.mktemp("simulated") / "A"
    run = fusqa("simulate", folder, "--site", "A", "--cases", 3, "--seed", 5)
    assert run.returncode == 0 and "3 cases" in run.stdout, run
    assert "\r" not in run.stderr and "%" not in run.stderr  # a progress bar is for terminals
    return folder


def head_and_body(folder: Path, half_axes=(100, 30), spacing=(0.3, 0.3)) -> tuple[Path, float]:
    """An ellipse, head on the left, body on the right; return its path and its true length between pixel centres."""
    mask = np.zeros((160, 320), np.uint8)
    cv2.ellipse(mask, (160, 80), half_axes, 0, 0, 360, 2, cv2.FILLED)
    mask[:, :140][mask[:, :140] > 0] = 1
    cv2.imwrite(str(folder / "mask.png"), mask)
    return folder / "mask.png", 2 * half_axes[0] * spacing[1]


# --- the command itself -----------------------------------------------------------------------------------------


def test_version_and_help():
    assert fusqa("--version").stdout == f"fusqa {__version__}\n"
    said = fusqa("--help")
    assert said.returncode == 0
    listed = re.findall(r"^\W*([a-z]+)\s{2,}\S", said.stdout, re.MULTILINE)
    assert sorted(set(VERBS) - set(listed)) == [] and sorted(VERBS) == sorted(get_command(app).commands)
    assert called("measure", "--help").returncode == 0


def test_help_loads_nothing_heavy():
    program = (
        "import sys; sys.argv = ['fusqa', '--help']\n"
        "from fusqa.cli import app\n"
        "try: app()\n"
        "except SystemExit: print([name for name in ('torch', 'cv2', 'pandas', 'numpy') if name in sys.modules])\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "[]"


def test_misuse():
    assert "No such command" in refused("simulat")
    assert "'E'" in refused("simulate", "out", "--site", "E")
    assert "--cases" in refused("simulate", "out", "--cases", 0)
    assert "--seed" in refused("simulate", "out", "--seed", -1)
    assert "Missing" in refused("measure")


# --- simulate ---------------------------------------------------------------------------------------------------


def test_simulate_is_reproducible(simulated, tmp_path):
    again = fusqa("simulate", tmp_path / "A", "--cases", 2, "--seed", 5)
    assert again.returncode == 0
    assert len(Cohort.open(simulated)) == 3
    for name in ("images", "masks"):
        for path in (tmp_path / "A" / name).iterdir():
            assert path.read_bytes() == (simulated / name / path.name).read_bytes()


def test_simulate_does_not_write_over_a_cohort(simulated):
    said = refused("simulate", simulated, "--cases", 1, run=fusqa)
    assert "cases.csv" in said and "there already" in said and "another folder" in said


def test_a_killed_simulation_is_no_cohort_and_is_begun_again(tmp_path):
    out = tmp_path / "A"
    kill_after_two_pictures(out, "simulate", out, "--cases", 500)
    assert not (out / "cases.csv").exists()
    assert fusqa("check", out).returncode == 2
    assert fusqa("simulate", out, "--cases", 2).returncode == 0
    assert len(Cohort.open(out)) == 2 and check(out) == []


# --- check ------------------------------------------------------------------------------------------------------


def test_check_a_sound_cohort(simulated):
    run = fusqa("check", simulated)
    assert (run.returncode, run.stderr) == (0, "") and "nothing is wrong" in run.stdout
    told = json.loads(called("check", simulated, "--json").stdout)
    assert told["problems"] == told["warnings"] == told["aside"] == []
    assert (told["images"], told["masks"], told["spacing"]) == (3, 3, {"cases.csv": 3})
    assert told["labels"]["head"] == 3 and told["orientation"] == {"as stored": 6}
    said = run.stdout.splitlines()
    assert said[0] == "looked at: 3 images, 3 masks" and said[-1].endswith("nothing is wrong")
    assert "spacing from: cases.csv (3)" in said and "left aside: 0" in said


def test_check_lists_all_problems(simulated, tmp_path):
    for path in simulated.rglob("*.*"):
        target = tmp_path / path.relative_to(simulated)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())
    lines = (tmp_path / "cases.csv").read_text().splitlines()
    image, mask = lines[1].split(",")[3], lines[2].split(",")[4]
    (tmp_path / image).write_bytes((tmp_path / image).read_bytes()[:500])
    cv2.imwrite(str(tmp_path / mask), np.full((9, 9), 77, np.uint8))
    run = fusqa("check", tmp_path)
    assert run.returncode == 1
    assert all(word in run.stdout for word in (image, "truncated", "export", mask, "[77]", "renumber"))
    lines = run.stdout.splitlines()
    table = lines[next(number for number, line in enumerate(lines) if "problem" in line) :]
    told = json.loads(called("check", tmp_path, "--json").stdout)["problems"]
    assert {(problem["row"], problem["file"]) for problem in told} == {(2, image), (3, mask)}
    assert all(problem["message"] and problem["fix"] for problem in told)
    assert len(table) == 1 + len(told)


def test_check_what_is_no_cohort(tmp_path):
    for folder, run in ((tmp_path, fusqa), (tmp_path / "none", called)):
        run = run("check", folder)
        assert run.returncode == 2 and "cases.csv" in run.stdout and "Traceback" not in run.stderr


# --- measure ----------------------------------------------------------------------------------------------------


def test_measure_a_known_length(tmp_path):
    mask, true_mm = head_and_body(tmp_path)
    run = fusqa("measure", mask, "--spacing", 0.3)
    assert run.returncode == 0 and run.stderr == "", run
    found = json.loads(run.stdout)
    assert (found["scheme"], found["measurement"]) == ("fetus", "crown-rump length")
    assert found["mm"] == pytest.approx(true_mm + 2 * 0.3, abs=0.1)  # the outer contour: a pixel more at each end
    assert found["ends"][0] == pytest.approx([80, 59], abs=5) and found["ends"][1] == pytest.approx([80, 261], abs=5)
    assert "outer" in found["contour"] and found["spacing"] == [0.3, 0.3]
    mm = found["mm"]
    assert found["gestational_age"]["days"] == pytest.approx(40.9041 + 3.21585 * mm**0.5 + 0.348956 * mm)
    assert found["gestational_age"]["sd"] == pytest.approx(2.39102 + 0.0193474 * mm)
    assert found["gestational_age"]["reason"] is None
    assert found["areas_mm2"]["head"] + found["areas_mm2"]["body"] == pytest.approx(np.pi * 30.15 * 9.15, rel=0.01)
    assert found["areas_mm2"]["palate"] == 0
    assert found["of"] == len(found["criteria"]) == 7
    assert found["met"] == sum(criterion["met"] for criterion in found["criteria"].values())
    assert found["good"] == (found["met"] >= 4)
    assert {"no palate in the mask", "no gap in the mask"} <= set(found["warnings"])


@pytest.mark.parametrize(
    "spacing",
    [
        ["--spacing", "0.4", "0.2"],
        ["--spacing", "0.4,0.2"],
        ["--spacing", "0,4", "0,2"],
        ["--spacing=0.4", "0.2"],
        ["--spacing", "0.4", "--spacing", "0.2"],
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_rows_and_columns_may_have_a_spacing_each(tmp_path, spacing, first):
    mask, true_mm = head_and_body(tmp_path, spacing=(0.4, 0.2))
    run = called("measure", *([mask, *spacing] if first else [*spacing, mask]), "--scheme", "fetus")
    found = json.loads(run.stdout)
    assert found["spacing"] == [0.4, 0.2] and found["mm"] == pytest.approx(true_mm + 2 * 0.2, abs=0.2)


def test_a_folder_may_have_a_number_for_its_name(simulated, tmp_path, monkeypatch):
    for kind in ("images", "masks"):
        shutil.copytree(simulated / kind, tmp_path / "2024" / kind)
    monkeypatch.chdir(tmp_path)
    assert called("check", "--spacing", "0.2", "2024").returncode == 0


@pytest.mark.parametrize(
    ("spacing", "words"),
    [
        (["0.02"], "centimetres"),
        (["96"], "dots per inch"),
        (["nan"], "nan"),
        (["0"], "row_mm = 0"),
        (["-0.2"], "row_mm = -0.2"),
        (["0.2", "0.2", "0.2"], "one number or two"),
        (["0.2mm"], "one number or two"),
        (["0_1"], "one number or two"),
        (["1,2"], "with decimal points"),  # a number with a decimal comma, or two
        (["٠.٢"], "one number or two"),
        ([], "requires an argument"),
    ],
)
def test_a_spacing_that_cannot_be_meant_is_refused(tmp_path, spacing, words):
    mask, _ = head_and_body(tmp_path)
    assert words in refused("measure", mask, "--spacing", *spacing)


def test_a_length_that_cannot_be_dated(tmp_path):
    mask, _ = head_and_body(tmp_path)
    age = json.loads(called("measure", mask, "--spacing", 0.6).stdout)["gestational_age"]
    assert (age["days"], age["sd"]) == (None, None) and "outside 15 to 95 mm" in age["reason"]


def test_islands_and_edges_are_warned_of(tmp_path):
    path, _ = head_and_body(tmp_path)
    mask = read_mask(path).pixels
    mask[:3, 300:303] = 2
    cv2.imwrite(str(path), mask)
    warnings = " ".join(json.loads(called("measure", path, "--spacing", 0.2).stdout)["warnings"])
    assert "2 pieces" in warnings and "edge" in warnings


@pytest.mark.parametrize("thickness", [cv2.FILLED, 2])
def test_measure_a_head_filled_or_drawn(tmp_path, thickness):
    mask = np.zeros((300, 400), np.uint8)
    cv2.ellipse(mask, (200, 150), (120, 90), 25, 0, 360, 255, thickness)
    cv2.imwrite(str(tmp_path / "head.png"), mask)
    found = json.loads(called("measure", tmp_path / "head.png", "--spacing", 0.3, "--scheme", "head").stdout)
    assert found["measurement"] == "head circumference"
    assert found["mm"] == pytest.approx(663.2 * 0.3, abs=1)  # 4 a E(1 - b²/a²) pixels
    assert found["areas_mm2"]["head"] == pytest.approx(np.pi * 120 * 90 * 0.09, rel=0.02)
    assert found["gestational_age"]["sd"] is None and found["gestational_age"]["days"] > 100
    assert found["of"] == len(found["criteria"])
    assert any("outline" in warning for warning in found["warnings"]) == (thickness == 2)


def test_masks_that_cannot_be_measured(tmp_path):
    cv2.imwrite(str(tmp_path / "empty.png"), np.zeros((9, 9), np.uint8))
    cv2.imwrite(str(tmp_path / "other.png"), np.full((9, 9), 9, np.uint8))
    cv2.imwrite(str(tmp_path / "colour.png"), np.zeros((9, 9, 3), np.uint8))
    (tmp_path / "text.png").write_text("no picture")
    for name, words in {
        "none.png": "No such file",
        "empty.png": "no head, body or palate",
        "other.png": "renumber the mask",
        "colour.png": "8-bit grey PNG",
        "text.png": "not a PNG",
    }.items():
        said = refused("measure", tmp_path / name, "--spacing", 0.2, run=fusqa if name == "none.png" else called)
        assert name in said and words in said


def test_measure_the_real_case(real_case):
    found = json.loads(fusqa("measure", real_case / "mask.png", "--spacing", 0.1, 0.15).stdout)
    assert found["mm"] == pytest.approx(60.06, abs=0.01) and found["warnings"] == []
    assert all(area > 0 for area in found["areas_mm2"].values()) and found["good"]


# --- import -----------------------------------------------------------------------------------------------------


def draw_hc18(folder: Path, count: int) -> None:
    (folder / "training_set").mkdir(parents=True)
    lines = ["filename,pixel size(mm),head circumference (mm)"]
    for number in range(count):
        image = np.random.default_rng(number).integers(0, 256, (270, 400), np.uint8)
        outline = cv2.ellipse(np.zeros_like(image), (200, 135), (120, 90), 0, 0, 360, 255, 3)
        cv2.imwrite(str(folder / f"training_set/{number:03}_HC.png"), image)
        cv2.imwrite(str(folder / f"training_set/{number:03}_HC_Annotation.png"), outline)
        lines.append(f"{number:03}_HC.png,0.3,198.96")
    (folder / "training_set_pixel_size_and_HC.csv").write_text("\n".join(lines))


def test_import_hc18(tmp_path):
    draw_hc18(tmp_path / "hc18", 3)
    run = fusqa("import", "hc18", tmp_path / "hc18", tmp_path / "out")
    assert run.returncode == 0 and run.stderr == "", run
    assert "3 images of 3 patients" in run.stdout and "worst" in run.stdout
    assert fusqa("check", tmp_path / "out").returncode == 0
    said = refused("import", "hc18", tmp_path / "hc18", tmp_path / "out", run=fusqa)
    assert said.startswith(f"fusqa: {tmp_path}/out/cases.csv: is there already")


@pytest.mark.parametrize("share", [0.75, 0.95, 1.1])
def test_an_import_of_resized_pictures_is_refused(tmp_path, share):
    """The table is as published, and pixels are of another size than it says."""
    draw_hc18(tmp_path / "hc18", 2)
    for path in (tmp_path / "hc18/training_set").iterdir():
        pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), cv2.resize(pixels, None, fx=share, fy=share, interpolation=cv2.INTER_NEAREST))
    said = refused("import", "hc18", tmp_path / "hc18", tmp_path / "out")
    assert said.count("were the images resized?") == 2 and "000_HC_Annotation.png: measures" in said
    assert not (tmp_path / "out/cases.csv").exists()


def test_import_from_elsewhere(tmp_path):
    said = refused("import", "hc18", tmp_path, tmp_path / "out")
    assert "training_set_pixel_size_and_HC.csv" in said and "is not there" in said and "zenodo" in said


def test_a_killed_import_is_no_cohort(tmp_path):
    draw_hc18(tmp_path / "hc18", 60)
    out = tmp_path / "out"
    kill_after_two_pictures(out, "import", "hc18", tmp_path / "hc18", out)
    assert not (out / "cases.csv").exists()
    write_bytes(out / "masks/.part-of-a-mask.png", b"half")  # the kill seldom falls into the writing of a file
    assert fusqa("import", "hc18", tmp_path / "hc18", out).returncode == 0
    assert len(Cohort.open(out)) == 60 and not list(out.rglob(".part-*"))
