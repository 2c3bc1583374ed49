"""The worked examples of CONTRIBUTING.md, executed as they stand."""

import re
import shutil
from textwrap import dedent

import numpy as np
import pytest
import torch
import yaml
from conftest import ROOT, SMOKE, snakemake

import fusqa.masks.alterations
import fusqa.models.backbones
from fusqa.cohorts import check
from fusqa.models.networks import TOPOLOGIES, quality_model
from fusqa.simulator.cases import draw_case
from fusqa.study.rows import row_named

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
BLOCKS = re.findall(r"^( *)```(?:python|yaml)\n *# ([^\n]+)\n(.*?)^ *```", TEXT, flags=re.DOTALL | re.MULTILINE)
EXAMPLES = {place: dedent(code) for _, place, code in BLOCKS}
ROWS, PLANS = "profiles/quick.yaml, cohorts: simulated: rows:", "profiles/quick.yaml, cohorts:"


def test_every_step_has_its_example():
    code = {"fusqa/models/backbones.py", "fusqa/masks/alterations.py", "data/", "fusqa/study/catalogue.py"}
    assert set(EXAMPLES) == code | {ROWS, PLANS, "workflow/chapters.yaml", "_toc.yml"}


def test_a_backbone_is_one_line_and_a_row():
    backbones = fusqa.models.backbones.BACKBONES
    before = dict(backbones)
    exec(EXAMPLES["fusqa/models/backbones.py"], vars(fusqa.models.backbones))
    (added,) = set(backbones) - set(before)
    try:
        for topology in TOPOLOGIES:
            model = quality_model(topology, added, pretrained=False).eval()
            assert model(torch.rand(2, 1, 64, 64), torch.zeros(2, 64, 64, dtype=torch.uint8)).shape == (2,)
        (row,) = yaml.safe_load(EXAMPLES[ROWS])
        assert row_named(row).backbone == added
        assert row_named(row).title == "Single MobileNet-V2, from scratch"
    finally:
        del backbones[added]


def test_an_alteration_is_an_operation_and_a_recipe(monkeypatch):
    scope = dict(vars(fusqa.masks.alterations))
    for name in ("OPERATIONS", "POOR_RECIPES"):
        monkeypatch.setattr(fusqa.masks.alterations, name, dict(getattr(fusqa.masks.alterations, name)))
        scope[name] = getattr(fusqa.masks.alterations, name)
    scope["POOR_RECIPES"]["fetus"] = dict(scope["POOR_RECIPES"]["fetus"])
    exec(EXAMPLES["fusqa/masks/alterations.py"], scope)
    mask = draw_case("A", 0, 0).mask
    made = fusqa.masks.alterations.altered_masks(mask, np.random.default_rng(0))[-1]
    assert made.name == "turned-label" and made.quality == fusqa.masks.alterations.POOR
    assert (made.mask != mask).any()
    np.testing.assert_array_equal(fusqa.masks.alterations.replay(mask, made.recipe), made.mask)


def test_a_cohort_is_a_folder_and_two_lines(checkout, monkeypatch):
    data = checkout.folder / "data"
    data.mkdir()
    monkeypatch.chdir(data)
    exec(EXAMPLES["data/"], {})
    assert check(data / "my-cohort") == []
    with (checkout.folder / "fusqa/study/catalogue.py").open("a") as catalogue:
        catalogue.write(EXAMPLES["fusqa/study/catalogue.py"])
    settings = yaml.safe_load(SMOKE.read_text())
    settings["cohorts"] |= yaml.safe_load(EXAMPLES[PLANS])
    (checkout.folder / "profiles/ours.yaml").write_text(yaml.safe_dump(settings))
    planned = checkout.run(snakemake("build", "study", profile="ours", options=("--dry-run", "--quiet", "host")))
    assert "build/ours/my-cohort/notebooks/unseen.ipynb" in planned
    assert "build/ours/my-cohort/notebooks/dating.ipynb" not in planned  # which is about fetuses
    checkout.run(snakemake("build", "build/ours/my-cohort/results/cohorts.json", profile="ours"))


def test_a_chapter_is_a_notebook_and_two_lines(checkout):
    folder, command = checkout.folder, snakemake("build", "book", options=("--dry-run", "--quiet", "host"))
    before = checkout.run(command)
    (name,) = yaml.safe_load(EXAMPLES["workflow/chapters.yaml"])
    shutil.copy(folder / "notebooks/baselines.ipynb", folder / f"notebooks/{name}.ipynb")
    with (folder / "workflow/chapters.yaml").open("a") as table:
        table.write("  " + EXAMPLES["workflow/chapters.yaml"])
    contents = (folder / "_toc.yml").read_text()
    line = "      - file: notebooks/baselines\n"
    assert line in contents
    (folder / "_toc.yml").write_text(contents.replace(line, f"{line}      {EXAMPLES['_toc.yml']}"))
    after = checkout.run(command)
    rules = [re.findall(r"^rule (\w+):", text, flags=re.M) for text in (before, after)]
    assert sorted(rules[1]) == sorted([*rules[0], name])
    assert f"build/smoke/simulated/results/{name}.csv" in after
    read = "from fusqa.publishing.contents import notebooks_of; import yaml"
    code = f"{read}; print(*notebooks_of(yaml.safe_load(open('_toc.yml'))))"
    assert f"notebooks/{name}" in checkout.run([command[0], "-c", code]).split()


def test_every_file_and_command_that_it_names_exists():
    files = re.findall(r"`((?:fusqa|notebooks|workflow|tests|book)/[\w./]+|_toc\.yml)`", TEXT)
    assert len(files) > 5 and [name for name in files if not (ROOT / name).exists()] == []
    known = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    commands = set(re.findall(r"(?:^|`)make\s+([a-z-]+)", TEXT, flags=re.MULTILINE))
    assert {"setup", "test", "publish"} <= commands <= set(known)
    assert not (ROOT / "my-cohort").exists()


@pytest.mark.parametrize("tool", ["pre-commit", "nbstripout", "ruff"])
def test_tools_of_the_hooks_are_in_the_environment(tool):
    assert re.search(rf"^{tool}==", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)
