"""The state of the code that a result names, and how several are told."""

import platform
import subprocess
import sys

import pytest
import torch
from conftest import ROOT

from fusqa.study.provenance import code_of, code_state, commit_of, states_told


@pytest.fixture
def project(tmp_path):
    """A project under git with one file of code and one of prose; returns git's command for it."""

    def git(*command: str) -> str:
        who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        return subprocess.run(
            ["git", "-C", tmp_path, *who, *command], capture_output=True, text=True, check=True
        ).stdout

    git("init", "--quiet")
    for name in ("fusqa/a.py", "results/r.json", "requirements.lock"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    git("add", "--all")
    git("commit", "--quiet", "--message", "first")
    return git


def test_the_state_of_the_code_moves_with_the_code_alone(project, tmp_path):
    first = project("rev-parse", "HEAD").strip()
    assert code_state(tmp_path) == first
    (tmp_path / "results/r.json").write_text("published half-way")
    assert code_state(tmp_path) == first  # uncommitted, and not code
    project("commit", "--quiet", "--all", "--message", "results")
    assert project("rev-parse", "HEAD").strip() != first and code_state(tmp_path) == first
    (tmp_path / "requirements.lock").write_text("another version")
    assert code_state(tmp_path) == f"{first}+changes"
    project("commit", "--quiet", "--all", "--message", "versions")
    assert code_state(tmp_path) == project("rev-parse", "HEAD").strip()
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/new.yaml").write_text("title: new")
    assert code_state(tmp_path).endswith("+changes")


def test_published_results_do_not_change_the_commit(project, tmp_path):
    first = project("rev-parse", "HEAD").strip()
    (tmp_path / "results/r.json").write_text("published half-way")
    (tmp_path / "results/new.json").write_text("published half-way")
    assert commit_of(tmp_path) == first
    (tmp_path / "README.md").write_text("not a result")
    assert commit_of(tmp_path) == f"{first}+changes"


def test_outside_a_checkout_there_is_no_state(tmp_path):
    assert code_state(tmp_path) is None and commit_of(tmp_path) is None


def test_a_project_within_another_checkout_has_no_state(project, tmp_path):
    """A package installed below somebody's repository is not of that repository's commit."""
    assert code_state(tmp_path) and code_state(tmp_path / "fusqa") is None


def test_older_results_count_by_their_commit():
    assert code_of({"commit": "b" * 40}) == "b" * 40
    assert code_of({"commit": "b" * 40, "code": "a" * 40}) == "a" * 40


def test_results_of_several_states_are_told_plainly():
    one, other = {"commit": "a" * 40}, {"commit": "c" * 40, "code": "b" * 40}
    assert states_told([one, one]) == f"All results are of one state of the code, {'a' * 10}."
    told = states_told([one, other, other])
    assert "of 2 states of the code" in told and f"{'b' * 10} (2 results), {'a' * 10} (1 result)" in told
    changed = states_told([one, {"commit": "a" * 40 + "+changes"}])
    assert "of 2 states of the code" in changed and f"{'a' * 10}+changes (1 result)" in changed


def test_a_process_without_networks_names_the_processor_as_pytorch_does():
    code = "from fusqa.study.provenance import _device; import sys; print(_device()); assert 'torch' not in sys.modules"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    known = torch.backends.cpu.get_cpu_capability()
    assert told.strip().rpartition(", ")[2] == (known if known in ("AVX2", "AVX512") else platform.machine())
