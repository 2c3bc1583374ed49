"""The same graph on a real SLURM cluster of one node, which dies while it works."""

import os
import re
import shutil
import subprocess
import sys
import time

import pytest
import yaml
from conftest import ROOT, SMOKE, comes_true

CLUSTER = ROOT / "tests/workflow/one_node_slurm.sh"


@pytest.fixture
def cluster(tmp_path):
    """Function that does something to a running cluster: ``kill-node``, ``revive``."""
    if os.geteuid() or not all(map(shutil.which, ("slurmctld", "slurmd", "munged"))):
        pytest.skip("a cluster needs root and Debian's slurm-wlm and munge")
    folder = tmp_path / "cluster"

    def do(action: str) -> None:
        done = subprocess.run([CLUSTER, action, folder], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    do("start")
    yield do
    do("stop")


@pytest.fixture
def profile(tmp_path):
    """The least study: one segmenter, one row, a handful of cases; no autoencoder, and no alteration left out."""
    settings = yaml.safe_load(SMOKE.read_text())
    network = settings["segmenters"]["unet"] | {"budget": 8}
    settings["cohorts"] = {"simulated": {"A": 8, "B": 6, "segmenters": ["unet"], "rows": ["single-resnet18-scratch"]}}
    settings["segmenters"] = {"unet": network}
    for part in ("autoencoder", "omitted"):
        del settings[part]
    path = tmp_path / "least.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def running() -> list[str]:
    """Comments of the jobs that run on the cluster: names of the rules."""
    queue = subprocess.run(["squeue", "--noheader", "--states=R", "--format=%k"], capture_output=True, text=True)
    return queue.stdout.split()


def segmenting() -> bool:
    """Whether a segmenter trains on it."""
    return any("segmentation" in name for name in running())


def state() -> str:
    """State of the one node."""
    return subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True).stdout.strip()


def test_a_study_goes_on_when_its_node_dies(cluster, profile, tmp_path):
    command = [sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile"]
    command += ["--profile", "workflow/profiles/slurm", "--jobs", "8"]
    command += ["--config", f"profile={profile}", f"build={tmp_path / 'build'}", "--", "study"]
    log = tmp_path / "log"
    with log.open("w") as out:
        study = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)
        assert comes_true(lambda: study.poll() is not None or segmenting(), 300, every=0.5), log.read_text()
        assert study.poll() is None, log.read_text()
        time.sleep(4)  # in the midst of it
        cluster("kill-node")
        # until the controller notices; "down*" of a node that does not answer
        assert comes_true(lambda: state().startswith("down"), 120, every=0.5), state()
        cluster("revive")
        assert study.wait(timeout=1200) == 0, log.read_text()  # a guard: it takes six minutes on two cores
    said = log.read_text()
    assert re.search(r"Trying to restart job", said)
    assert said.count("rule_segmentation") >= 2  # it was submitted again
    results = {path.stem for path in (tmp_path / "build/least/simulated/results").glob("*.json")}
    assert {"review__seed0", "classification", "gestational_age", "quality__single-resnet18-scratch__seed0"} <= results
