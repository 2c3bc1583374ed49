"""Names that are hard to quote: a build folder and profiles with blanks, quotes, accents and dollar signs."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, SMOKE, run, snakemake

from fusqa.study.results import Study

ODD = "it's 5 $HOME of größe"
WORD = re.compile(r"\w+")


@pytest.fixture
def profile(tmp_path) -> Path:
    """A small study on the simulated cohort alone, with a name of two words."""
    settings = yaml.safe_load(SMOKE.read_text())
    plan = {"A": 8, "B": 6, "segmenters": ["unet"], "rows": ["single-resnet18-scratch"]}
    settings |= {"cohorts": {"simulated": plan}}
    path = tmp_path / "my sizes.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


@pytest.fixture
def build(tmp_path) -> Path:
    """A folder whose name is hard to quote, among files that a badly quoted command would empty."""
    build = tmp_path / ODD / "b"
    for name in (ODD.split()[0], "it", f"{ODD.split()[0]} 5", "my"):
        (tmp_path / name).write_text("must stay")
    return build


def badly_quoted() -> set[str]:
    """Names in the project's folder, where the commands run, that have a word of the odd names.

    Other programs write there meanwhile, and what they write has other words.
    """
    odd = {word for name in (ODD, "b", "my sizes") for word in WORD.findall(name)}
    return {path.name for path in ROOT.iterdir() if odd.intersection(WORD.findall(path.name))}


def test_a_study_runs_under_names_that_are_hard_to_quote(profile, build, tmp_path):
    outside = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    before = badly_quoted()
    study = build / "my sizes/simulated"
    wanted = [str(study / f"results/{name}.json") for name in ("audit", "cohorts")]
    said = run(snakemake(build, *wanted, profile=profile))
    assert "Finished jobid" in said
    result = json.loads(Path(wanted[1]).read_text())
    assert result["provenance"]["profile"] == "my sizes"
    assert (study / "logs/simulate_A.log").is_file() and (study / "logs/audit.log").is_file()
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == outside
    assert sorted(path.name for path in build.iterdir()) == ["my sizes"]
    assert badly_quoted() == before
    assert "Nothing to be done" in run(snakemake(build, *wanted, profile=profile))


def test_a_notebook_asks_snakemake_for_what_it_needs_under_such_names(profile, build, tmp_path):
    outside = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert Study(str(profile), build=build).result("audit")["provenance"]["profile"] == "my sizes"
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == outside


@pytest.mark.parametrize("name", ["2026", "on", "1e3", "a: b", "my sizes"])
def test_a_profile_named_like_a_number_or_a_switch_is_a_name(name, checkout):
    shutil.copy(SMOKE, checkout.folder / f"profiles/{name}.yaml")
    command = snakemake("build", "study", profile=name, options=("--dry-run", "--quiet", "host"))
    assert f"build/{name}/simulated/notebooks/audit.ipynb" in checkout.run(command)


def test_a_notebook_of_a_profile_named_like_a_number_reads_its_results(checkout):
    shutil.copy(SMOKE, checkout.folder / "profiles/2026.yaml")
    checkout.run(snakemake("build", "build/2026/simulated/results/audit.json", profile="2026"))
    result = json.loads((checkout.folder / "build/2026/simulated/results/audit.json").read_text())
    assert result["provenance"]["profile"] == "2026"


def test_a_build_folder_with_braces_is_refused_in_words(tmp_path):
    done = subprocess.run(snakemake(tmp_path / "{x}", "study"), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert "may not have braces in its name" in done.stdout + done.stderr
    assert not any(tmp_path.iterdir())
