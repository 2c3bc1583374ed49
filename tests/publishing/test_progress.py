"""What a study says of itself while it runs: an estimate from timed steps, and progress weighed by it."""

import os
import time

import nbformat
import pandas as pd
import pytest
from conftest import SMOKE

from fusqa.publishing.progress import Progress, failures
from fusqa.study.catalogue import at_hand
from fusqa.study.chapters import read_chapters
from fusqa.study.profile import Profile
from fusqa.study.rows import row_named


@pytest.fixture
def study(tmp_path):
    """A study of three jobs, 100 s each by its estimate, of which one was done long ago."""
    pd.DataFrame({"file": ["a", "b", "c"], "seconds": [100, 100, 100]}).to_csv(tmp_path / "estimate.csv", index=False)
    (tmp_path / "a").touch()
    os.utime(tmp_path / "a", (0, 0))
    return tmp_path


def test_a_failed_notebook_is_named_with_its_cause_and_its_log(tmp_path):
    folder = tmp_path / "hc18/notebooks"
    folder.mkdir(parents=True)
    error = nbformat.v4.new_output("error", ename="ValueError", evalue="no such row", traceback=[])
    for name, outputs in (("review", [error]), ("risk", [])):
        cells = [nbformat.v4.new_markdown_cell("# T"), nbformat.v4.new_code_cell("1", outputs=outputs)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / f"{name}.failed.ipynb")
    (folder / "written.failed.ipynb").write_text('{"cells": [')  # its process was killed while it wrote
    first, second, third = failures(tmp_path)
    assert first.startswith("failed: review on hc18: ValueError: no such row\n")
    assert f"log: {tmp_path / 'hc18/logs/review'}.log" in first
    assert "risk on hc18: it was ended from outside" in second
    assert "written on hc18: it was ended from outside" in third


def test_nothing_is_said_before_there_is_an_estimate(tmp_path):
    assert Progress(tmp_path / "estimate.csv", 2).line() is None


def test_a_line_tells_what_is_done_and_what_is_left_and_is_not_repeated(study, monkeypatch):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    progress = Progress(study / "estimate.csv", 2)
    assert progress.line() == (
        "study: estimate for this machine: 2 min with 2 at once; 1 of 3 jobs done, 0 s so far, about 2 min left"
    )
    assert progress.line() is None
    (study / "b").touch()
    assert progress.line().startswith("study: 2 of 3 jobs done, 0 s so far, about ")


def test_the_time_left_follows_the_pace_of_this_run_and_not_of_the_estimate(study):
    progress = Progress(study / "estimate.csv", 1)
    progress.line()
    progress.begin = time.time() - 1000  # the estimate said 100 s for the job that took 1000
    (study / "b").touch()
    left = int(progress.line().split("about ")[1].split(" min")[0])
    assert 10 <= left <= 14  # (100 + 60) s of work in 1060 s, 100 s are left: 11 min


def test_an_estimate_that_is_made_anew_counts(study):
    progress = Progress(study / "estimate.csv", 1)
    assert progress.line().startswith("study: estimate for this machine: 5 min with 1 at once; 1 of 3 jobs done")
    (study / "estimate.csv").unlink()  # as Snakemake does before it runs a job again
    assert progress.line() is None
    pd.DataFrame({"file": ["a", "d"], "seconds": [100, 600]}).to_csv(study / "estimate.csv", index=False)
    assert progress.line().startswith("study: estimate for this machine: 12 min with 1 at once; 1 of 2 jobs done")


def test_every_job_of_a_study_has_an_estimate_and_leaves_the_file_it_names(small_study):
    profile = Profile.read(SMOKE)
    table = pd.read_csv(small_study.folder / "estimate.csv").set_index("file")["seconds"]
    assert (table > 0).all()
    assert all((small_study.folder / file).is_file() for file in table.index)
    for cohort, plan in profile.cohorts.items():
        if not at_hand(cohort):
            continue
        wanted = [row_named(key).result(seed) for key in plan.rows for seed in profile.seeds]
        wanted += [f"segmentation__{name}__seed{seed}" for seed in profile.seeds for name in plan.segmenters]
        wanted += [name for name, chapter in read_chapters().items() if chapter.runs(profile, cohort) == [{}]]
        assert {f"{cohort}/results/{name}.json" for name in wanted} <= set(table.index)
    trained = table["simulated/results/segmentation__unet__seed0.json"]
    assert trained > table["simulated/results/review__seed0.json"]  # which trains nothing
