"""The graph: resumed after a kill, idle when nothing changed, rerun only where something did."""

import os
import re
import shutil
import subprocess

import pytest
import yaml
from conftest import ROOT, SMOKE, changed, run, snakemake


def planned(build, profile):
    """Rules that a run of `profile` into `build` would execute, and why."""
    text = run(snakemake(build, "study", profile=profile, options=("--dry-run", "--quiet", "host")))
    return set(re.findall(r"^(?:local)?rule (\w+):", text, flags=re.M)) - {"study"}


def test_a_killed_run_goes_on_where_it_stopped(small_study):
    assert small_study.survived, "the run was killed before anything was done"
    assert changed(small_study.survived) == small_study.survived  # finished before the kill, not touched after it


def test_nothing_half_written_is_left(small_study):
    left = [p for p in small_study.folder.rglob("*") if p.name.startswith(".part-")]
    assert not left
    for cohort in small_study.folder.glob("*/results"):
        assert {p.stem for p in cohort.glob("*.json")} > {"cohorts", "altered_masks", "review__seed0", "autoencoder"}


def test_a_second_run_does_nothing_and_says_so(small_study):
    before = changed(p for p in small_study.folder.rglob("*") if p.is_file())
    assert "Nothing to be done" in run(snakemake(small_study.build, "book"))
    assert changed(before) == before


OF_SEGMENTATION = {"segmentation", "review", "quality_model", "autoencoder", "dating", "intervals", "where"}


@pytest.mark.parametrize(
    ("section", "setting", "value", "concerned"),
    [
        ("autoencoder", "budget", 72, {"autoencoder"}),
        ("quality", "budget", 80, {"quality_model"}),
        ("networks", "efficientnet-lite0", {"rate": 0.002}, {"quality_model"}),
        ("segmentation", "degraded", 3, OF_SEGMENTATION),
    ],
)
def test_a_changed_setting_reruns_what_it_concerns(small_study, tmp_path, section, setting, value, concerned):
    settings = yaml.safe_load(SMOKE.read_text())
    settings[section][setting] = value
    profile = tmp_path / "smoke.yaml"
    profile.write_text(yaml.safe_dump(settings))
    always = {"classification", "gestational_age", "diagnosis", "unseen", "baselines", "risk", "calibration"}
    always |= {"advice", "edition", "error_in_mm", "estimate", "own_data", "ten_minutes"}
    assert planned(small_study.build, profile) == concerned | always


def test_a_segmenter_that_was_lost_is_trained_again_for_who_asks_it(small_study, tmp_path):
    shutil.copytree(small_study.folder, tmp_path / "smoke", copy_function=os.link, ignore=lambda *_: ["book"])
    lost = tmp_path / "smoke/simulated"
    (lost / "notebooks/own_data.ipynb").unlink()
    assert "segmentation" not in planned(tmp_path, SMOKE)
    next(lost.glob("models/segmentation__*/card.json")).unlink()
    assert "segmentation" in planned(tmp_path, SMOKE)


def test_an_unchanged_profile_elsewhere_reruns_nothing(small_study, tmp_path):
    (tmp_path / "smoke.yaml").write_text(SMOKE.read_text())
    assert planned(small_study.build, tmp_path / "smoke.yaml") == set()


def test_a_wrong_profile_is_refused_before_anything_runs(tmp_path):
    (tmp_path / "odd.yaml").write_text(SMOKE.read_text().replace("budget", "bugdet"))
    done = subprocess.run(
        snakemake(tmp_path, "study", profile=tmp_path / "odd.yaml"), cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "bugdet" in done.stdout + done.stderr
    assert not list(tmp_path.rglob("*.ipynb"))
