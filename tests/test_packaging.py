"""What stands around the package: environment, commands, citation, and what may not be in the repository."""

import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import fusqa

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()
LOCKED = [Requirement(line.rstrip(" \\")) for line in LOCK.splitlines() if re.match(r"[a-zA-Z0-9]", line)]
EXTRAS = [line for extra in PROJECT["optional-dependencies"].values() for line in extra]
WANTED = [Requirement(line) for line in PROJECT["dependencies"] + EXTRAS if not line.startswith("fusqa[")]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def on(python: str) -> dict[str, str]:
    """Markers of Debian with `python`."""
    system = {"platform_system": "Linux", "sys_platform": "linux", "os_name": "posix", "platform_machine": "x86_64"}
    interpreter = {"implementation_name": "cpython", "platform_python_implementation": "CPython", "extra": ""}
    return system | interpreter | {"python_version": python, "python_full_version": f"{python}.5"}


def make(*arguments: str, where: Path = ROOT) -> subprocess.CompletedProcess:
    variables = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PROFILE", "JOBS", "PYTHON")  # `make test` runs these tests
    free = {name: value for name, value in os.environ.items() if name not in variables}
    return subprocess.run(["make", *arguments], cwd=where, capture_output=True, text=True, env=free)


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a git checkout: nothing says which files belong to the project")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def test_every_locked_package_has_hashes_and_nothing_names_an_index():
    entries = re.split(r"\n(?=[a-zA-Z0-9])", LOCK.strip())
    assert len(entries) == len(LOCKED) > 100
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert [line for line in LOCK.splitlines() if re.search(r"https?:|--(extra-)?index|--find-links", line)] == []


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_lock_gives_every_wanted_package_one_version_in_its_range(python):
    assert SpecifierSet(PROJECT["requires-python"]).contains(f"{python}.5")
    versions = {}
    for locked in LOCKED:
        if locked.marker is None or locked.marker.evaluate(on(python)):
            versions.setdefault(canonical(locked.name), []).append(str(locked.specifier).removeprefix("=="))
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}
    for wanted in WANTED:
        assert wanted.specifier.contains(versions[canonical(wanted.name)][0]), wanted


def test_what_reads_the_book_has_the_versions_of_the_study_and_no_pytorch():
    text = (ROOT / "requirements-read.lock").read_text()
    entries = re.split(r"\n(?=[a-zA-Z0-9])", text.strip())
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert not re.search(r"https?:|--(extra-)?index|--find-links", text)
    pinned = {entry.split()[0] for entry in entries}
    assert pinned < {line.split()[0] for line in LOCK.splitlines() if line}
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["read"]
    names = {entry.partition("==")[0] for entry in entries}
    assert not names & {"torch", "torchvision", "fastai", "snakemake"}
    assert names >= {canonical(line) for line in wanted}


def test_conda_has_the_same_python_and_the_same_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python = [Requirement(entry) for entry in environment["dependencies"] if str(entry).startswith("python")]
    assert [entry.specifier for entry in python] == [SpecifierSet(PROJECT["requires-python"])]
    assert environment["dependencies"][-1] == {"pip": ["--requirement requirements.lock"]}


def test_help_lists_every_command():
    makefile = (ROOT / "Makefile").read_text()
    commands = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()
    listed = [line.split()[1] for line in make().stdout.splitlines()]
    assert listed == commands


def test_commands_pass_profile_and_jobs_on():
    planned = make("-n", "study", "PROFILE=some-profile", "JOBS=3")
    assert planned.returncode == 0, planned.stderr
    assert "--config profile='some-profile' --cores '3' -- study" in planned.stdout
    for command in ("setup", "read", "lock", "book", "test", "serve", "clean"):
        assert make("-n", command).returncode == 0, command


def test_commands_quote_what_a_user_names():
    planned = make("-n", "study", "PROFILE=it's 5 $$HOME").stdout
    assert "profile=it's 5 $HOME" in shlex.split(planned[planned.rindex("--config") : planned.rindex(" || ")])
    served = make("-n", "serve", "PROFILE=/a b/it's.yaml").stdout.splitlines()[-1]
    folder = served.partition("--directory ")[2].partition(" >")[0]
    assert subprocess.check_output(["bash", "-c", f"printf %s {folder}"], text=True) == "build/it's/book/html"


@pytest.mark.parametrize(
    ("version", "said"), [(None, "does not run"), ("3.10", "Python 3.10 was found"), ("3.14", "Python 3.14 was found")]
)
def test_setup_refuses_another_python_and_leaves_nothing_behind(tmp_path, version, said):
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / "python"
    if version:
        numbers = version.replace(".", ", ")
        python.write_text(
            f'#!/bin/sh\n[ "$1" = -V ] && echo "Python {version}" && exit\n'
            f'case "$2" in *executable*) echo "$0";; *"<= sys.version_info <"*) '
            f'python3 -c "import sys; sys.version_info = ({numbers}); $2";; esac\n'
        )
        python.chmod(0o755)
    refused = make("setup", f"PYTHON={python}", where=tmp_path)
    assert refused.returncode != 0
    assert said in refused.stderr
    assert "make setup PYTHON=" in refused.stderr
    assert not (tmp_path / ".venv").exists()


def test_serve_says_how_to_make_a_book_that_is_not_there(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    ready = tmp_path / ".venv/.set-up"
    for name in ("requirements.lock", "pyproject.toml", ".venv/.set-up"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    os.utime(ready)
    refused = make("serve", "PROFILE=quick", where=tmp_path)
    assert refused.returncode != 0
    assert "make book PROFILE=quick" in refused.stderr


def test_one_version_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"] == fusqa.__version__
    assert re.search(rf"^## {re.escape(fusqa.__version__)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert citation["license"] == PROJECT["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")


def test_no_file_names_a_machine_or_an_index():
    # In pieces, so that this file does not name them either.
    places = ["/" + "root/", "/" + "home/", "/" + "Users/", "/" + "work/main", "/" + "opt/"]
    hosts = ["pypi" + ".org", "files.python" + "hosted", "download.py" + "torch", "conda.ana" + "conda"]
    named = []
    for path in tracked():
        text = path.read_bytes().decode("utf-8", "replace")
        named += [f"{path.relative_to(ROOT)}: {name}" for name in places + hosts if name in text]
    assert named == []


def test_the_machine_check_is_a_strict_script_that_runs_the_tests():
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", script]).returncode == 0
    text = script.read_text()
    assert "set -euo pipefail" in text
    assert text.rstrip().endswith("make test")


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert [cell["metadata"].get("tags") for cell in code].count(["parameters"]) == 1
    assert "".join(cells[0]["source"]).startswith("# ")
