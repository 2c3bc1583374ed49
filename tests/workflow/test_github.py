"""What GitHub runs: workflows of a known form, pinned, with few rights, calling commands that exist."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT, SMOKE, snakemake

from fusqa.publishing.inserts import clone_line

FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
WORKFLOWS = {path.stem: yaml.load(path.read_text(), Loader=yaml.BaseLoader) for path in FILES}  # `on` stays a word
JOBS = [(name, job) for name, workflow in WORKFLOWS.items() for job in workflow["jobs"].values()]
STEPS = [(name, step) for name, job in JOBS for step in job["steps"]]
PINNED = re.compile(r"uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def test_there_is_one_for_each_purpose():
    assert set(WORKFLOWS) == {"test", "book", "links", "colab", "pretrained"}
    assert "schedule" in WORKFLOWS["links"]["on"] and "schedule" in WORKFLOWS["colab"]["on"]
    assert set(WORKFLOWS["pretrained"]["on"]) == {"workflow_dispatch"}


def test_they_have_the_form_of_a_workflow():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", *FILES]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.skipif(not shutil.which("actionlint"), reason="actionlint is not installed; the workflow `test` brings it")
def test_actionlint_finds_nothing():
    checked = subprocess.run(["actionlint", *FILES], cwd=ROOT, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_actions_are_pinned_by_hash_with_their_version_beside_it():
    lines = [line for path in FILES for line in path.read_text().splitlines() if "uses:" in line]
    assert len(lines) > 5
    assert [line for line in lines if not PINNED.search(line)] == []
    pins = {}
    for line in lines:
        action, _, pin = line.partition("uses: ")[2].partition("@")
        pins.setdefault(action, set()).add(pin)
    assert {action: found for action, found in pins.items() if len(found) > 1} == {}


def test_they_may_only_read_except_where_the_site_is_deployed():
    assert all(workflow["permissions"] == {"contents": "read"} for workflow in WORKFLOWS.values())
    assert [job["permissions"] for _, job in JOBS if "permissions" in job] == [{"pages": "write", "id-token": "write"}]
    assert all("timeout-minutes" in job for _, job in JOBS)


def test_what_somebody_types_is_never_a_part_of_a_script():
    scripts = [step["run"] for _, step in STEPS if "run" in step]
    assert [script for script in scripts if "${{" in script] == []


def test_the_commands_that_they_call_exist():
    makefile = (ROOT / "Makefile").read_text()
    scripts = "\n".join(step["run"] for _, step in STEPS if "run" in step)
    targets = set(re.findall(r"(?:^|&& )make ([a-z-]+)", scripts, re.MULTILINE))
    assert targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    assert ".ci/run" in scripts
    assert (
        ROOT / f"notebooks/{WORKFLOWS['colab']['on']['workflow_dispatch']['inputs']['notebook']['default']}.ipynb"
    ).is_file()


def test_the_job_by_hand_runs_the_rows_that_start_from_weights_and_what_they_need(tmp_path):
    command = snakemake(tmp_path, "pretrained", options=("--dry-run", "--quiet", "host"))
    planned = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    rows = yaml.safe_load(SMOKE.read_text())["cohorts"]["simulated"]["rows"]
    run = set(re.findall(r"results/quality__(\S+)__seed0\.json", planned.stdout + planned.stderr))
    assert run == {row for row in rows if "-pretrained" in row} and run != set(rows)


def test_colab_installs_as_the_book_says():
    (script,) = (step["run"] for name, step in STEPS if name == "colab" and "run" in step)
    said = clone_line("").partition("&& ")[2].strip()
    assert said.removesuffix("./fusqa") in script


def test_badges_are_of_workflows_that_there_are_wherever_the_repository_lies():
    badges = re.findall(r"\]\((\S+/badge\.svg)\)", (ROOT / "README.md").read_text())
    assert badges == [f"../../actions/workflows/{name}.yml/badge.svg" for name in ("test", "book")]
    assert {"test", "book"} <= set(WORKFLOWS)


def test_zenodo_and_the_citation_say_the_same():
    archive = json.loads((ROOT / ".zenodo.json").read_text())
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert archive["title"] == citation["title"]
    assert archive["keywords"] == citation["keywords"]
    assert archive["license"] == citation["license"]
    assert archive["description"] == citation["abstract"]
    assert [creator["name"] for creator in archive["creators"]] == [author["name"] for author in citation["authors"]]
