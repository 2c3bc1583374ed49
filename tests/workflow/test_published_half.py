"""Half a study, published, goes on in a fresh clone: what was trained is not trained again."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT, SMOKE, Checkout, snakemake

from fusqa.publishing.tools import TO_BE_EXECUTED
from fusqa.study.material import load_masks

FIRST, SECOND = "single-resnet18-scratch", "single-resnet18-scratch-both-labels"
PARTS = ("fusqa", "notebooks", "profiles", "workflow")
STUDY = "build/half/simulated"
TRAINED = ("segmentation__unet__seed0", f"quality__{FIRST}__seed0")


@pytest.fixture
def origin(tmp_path) -> Path:
    """A repository of the code as it is here, with a profile of one segmenter and two rows, committed."""
    folder = tmp_path / "origin"
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for file in (".gitignore", "requirements.lock"):
        shutil.copy(ROOT / file, folder)
    settings = yaml.safe_load(SMOKE.read_text())
    settings.pop("autoencoder")
    plan = {"A": 10, "B": 8, "segmenters": ["unet"], "rows": [FIRST, SECOND]}
    (folder / "profiles/half.yaml").write_text(yaml.safe_dump(settings | {"cohorts": {"simulated": plan}}))
    git(folder, "init", "--quiet")
    commit(folder)
    return folder


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", "-C", folder, *who, *arguments], check=True, capture_output=True)


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "as it is")


def clone(origin: Path, folder: Path) -> Checkout:
    subprocess.run(["git", "clone", "--quiet", origin, folder], check=True, capture_output=True)
    return Checkout(folder)


def result(checkout: Checkout, name: str) -> dict:
    return json.loads((checkout.folder / STUDY / f"results/{name}.json").read_text())


def test_a_published_half_is_finished_in_a_fresh_clone(origin, tmp_path):
    one = clone(origin, tmp_path / "one")
    one.run(snakemake("build", f"{STUDY}/results/{TRAINED[1]}.json", profile="half"))
    said = one.run([*snakemake("")[:2], "fusqa.publishing", "publish", "half"])
    assert "not there yet: simulated/cohorts.json, " in said and " and 13 more" in said
    published = one.folder / "results/half"
    assert not list(published.rglob("*.safetensors"))
    kept = [file for file in published.rglob("*.*") if file.suffix != ".ipynb"]
    assert sum(file.stat().st_size for file in kept) < 200_000
    commit(one.folder)

    two = clone(one.folder, tmp_path / "two")
    two.run(snakemake("build", f"{STUDY}/results/diagnosis.json", profile="half"))
    for name in TRAINED:
        assert result(two, name) == result(one, name)  # date, processor time and commit too
        page = (two.folder / STUDY / f"notebooks/{name.replace('quality__', 'quality_model__')}.ipynb").read_text()
        assert "Not run again" in page
    for name in (f"{TRAINED[0]}/predictions", f"{TRAINED[0]}/errors", f"results/{TRAINED[0]}__weaker"):
        here, there = (load_masks(each.folder / STUDY / f"{name}.npz") for each in (two, one))
        assert here.keys() == there.keys()
        assert all(np.array_equal(here[part], there[part]) for part in here)  # images that were drawn again, too
    assert not (two.folder / STUDY / f"models/{TRAINED[0]}/weights.safetensors").exists()

    assert (
        result(two, f"quality__{SECOND}__seed0")["provenance"]["date"] > result(one, TRAINED[1])["provenance"]["date"]
    )
    assert len(result(two, "diagnosis")["auroc"]) == 2  # both rows, one of which was trained elsewhere
    assert len(result(two, "diagnosis")["moved"]) == 2

    assert restored(two)
    settings, elsewhere = yaml.safe_load((two.folder / "profiles/half.yaml").read_text()), tmp_path / "half.yaml"
    elsewhere.write_text(yaml.safe_dump(settings))
    assert restored(two, elsewhere)  # wherever the profile lies
    settings["segmenters"]["unet"]["budget"] += 8
    elsewhere.write_text(yaml.safe_dump(settings))
    assert not restored(two, elsewhere)  # other settings
    cases = two.folder / STUDY / "cohorts/A/cases.csv"
    known = cases.read_bytes()
    cases.write_bytes(known + b"\n")
    assert not restored(two)  # other cases
    cases.write_bytes(known)
    assert restored(two)
    with (two.folder / "notebooks/segmentation.ipynb").open("a") as notebook:
        notebook.write("\n")
    assert not restored(two)  # code that differs from what was published is run


def restored(checkout: Checkout, profile: str | Path = "half") -> bool:
    """Whether the segmentation would be taken from the edition."""
    given = [f"profile={profile}", "build=build", "cohort=simulated", "network=unet", "seed=0"]
    places = ["notebooks/segmentation.ipynb", f"{STUDY}/notebooks/{TRAINED[0]}.ipynb"]
    command = [*snakemake("")[:2], "fusqa.publishing", "restore", *places, *given]
    system = os.environ | {"PYTHONPATH": str(checkout.folder)}
    done = subprocess.run(command, cwd=checkout.folder, capture_output=True, text=True, env=system)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode in (0, TO_BE_EXECUTED), done.stderr
    return done.returncode == 0
