"""A published edition as a class runs it: laid out as a study, without any library for networks."""

import shutil
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT, publishing

from fusqa.publishing.contents import FIRST
from fusqa.publishing.tools import PublishingError
from fusqa.publishing.unpacking import unpack
from fusqa.study.shelf import edition_folders

EDITIONS = edition_folders(FIRST)
WITHOUT_NETWORKS = """
import importlib.abc, json, sys
HEAVY = {"torch", "torchvision", "fastai", "safetensors", "snakemake", "sklearn", "nibabel", "SimpleITK"}
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HEAVY:
            raise ImportError(f"{name} is not installed here")
sys.meta_path.insert(0, Refuse())
import nbformat
notebook, profile, build = sys.argv[1:]
scope = {}
for cell in nbformat.read(notebook, as_version=4).cells:
    if cell.cell_type == "code":
        exec(cell.source, scope)
        if "parameters" in cell.metadata.get("tags", []):
            scope |= {"profile": profile, "build": build}
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    if not EDITIONS:
        pytest.skip("nothing is published yet")
    root, name = tmp_path_factory.mktemp("class"), EDITIONS[0].name
    shutil.copytree(EDITIONS[0], root / name, ignore=shutil.ignore_patterns("notebooks", "models", "hc18*"))
    settings = yaml.safe_load((root / name / f"{name}.yaml").read_text())
    settings["cohorts"]["simulated"]["B"] = 24  # all would take a minute to draw
    (root / name / f"{name}.yaml").write_text(yaml.safe_dump(settings))
    assert publishing("unpack", root / name, "--build", root / "build", "--images", "6").exit_code == 0
    return root / "build", root / "build" / name / f"{name}.yaml"


@pytest.mark.parametrize("chapter", ["altered_masks", "audit", "calibration", "dating", "risk"])
def test_a_chapter_runs_without_networks(study, chapter):
    build, profile = study
    command = [sys.executable, "-c", WITHOUT_NETWORKS, ROOT / f"notebooks/{chapter}.ipynb", profile, build]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert (build / profile.stem / f"simulated/results/{chapter}.json").is_file()


def test_an_edition_of_real_heads_alone_cannot_be_drawn_again(tmp_path):
    shutil.copytree(EDITIONS[0] / "hc18", tmp_path / "heads/hc18", ignore=shutil.ignore_patterns("*.npz", "models"))
    shutil.copy(EDITIONS[0] / f"{EDITIONS[0].name}.yaml", tmp_path / "heads/heads.yaml")
    with pytest.raises(PublishingError, match="has no simulated fetuses: its images cannot be drawn again"):
        unpack(tmp_path / "heads", tmp_path / "build", 6)
    assert not (tmp_path / "build").exists()


def test_what_lies_there_is_never_overwritten(study):
    build, profile = study
    with pytest.raises(PublishingError, match="exists already; remove it first"):
        unpack(EDITIONS[0], build, 6)
    with pytest.raises(PublishingError, match="is no published edition"):
        unpack(profile.parent / "simulated", build, 6)


def test_an_interrupted_call_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr("fusqa.publishing.unpacking.simulate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        unpack(EDITIONS[0], tmp_path / "build", 6)
    assert list((tmp_path / "build").iterdir()) == []
