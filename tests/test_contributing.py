"""The worked examples of CONTRIBUTING.md, executed as they stand."""

import re

import numpy as np
import pytest
import torch
from conftest import ROOT

import fusqa.masks.alterations
import fusqa.models.networks
from fusqa.cohorts.checking import check
from fusqa.simulator.cases import draw_case

EXAMPLES = dict(re.findall(r"```python\n# (\S+).*?\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.DOTALL))


def test_there_is_an_example_for_each():
    assert set(EXAMPLES) == {"fusqa/models/networks.py", "fusqa/masks/alterations.py", "anywhere"}


def test_a_backbone_is_one_line(monkeypatch):
    monkeypatch.setattr(fusqa.models.networks, "BACKBONES", dict(fusqa.models.networks.BACKBONES))
    before = set(fusqa.models.networks.BACKBONES)
    exec(EXAMPLES["fusqa/models/networks.py"], vars(fusqa.models.networks))
    (added,) = set(fusqa.models.networks.BACKBONES) - before
    for topology in fusqa.models.networks.TOPOLOGIES:
        model = fusqa.models.networks.quality_model(topology, added, pretrained=False).eval()
        assert model(torch.rand(2, 1, 64, 64), torch.zeros(2, 64, 64, dtype=torch.uint8)).shape == (2,)


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


def test_a_dataset_is_a_folder_that_check_accepts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(EXAMPLES["anywhere"], {})
    assert check(tmp_path / "my-cohort") == []


def test_every_file_and_command_that_it_names_exists():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for name in re.findall(r"`((?:fusqa|notebooks|workflow|tests|book)/[\w./]+|_toc\.yml)`", text):
        assert (ROOT / name).exists(), name
    assert not (ROOT / "my-cohort").exists()


@pytest.mark.parametrize("tool", ["pre-commit", "nbstripout", "ruff"])
def test_tools_of_the_hooks_are_in_the_environment(tool):
    assert re.search(rf"^{tool}==", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)
