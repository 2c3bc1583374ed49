"""Models that are published with an edition: small, found by their short names, and as good as they were."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from conftest import SMOKE
from typer.testing import CliRunner

from fusqa.assessment.verdicts import Assessor
from fusqa.cli import app
from fusqa.masks.labels import FETUS
from fusqa.models.checkpoints import Card, load_model, save_model
from fusqa.models.networks import quality_model
from fusqa.publishing.editions import publish
from fusqa.publishing.small_models import LARGEST_MB, write_small
from fusqa.publishing.tools import PublishingError
from fusqa.study.learning import LEARNT, NOT_LEARNT
from fusqa.study.profile import Profile
from fusqa.study.shelf import published_models

ROW = "single-efficientnet-lite0-pretrained"
NETWORK = {"topology": "single", "backbone": "efficientnet-lite0", "pretrained": False, "classes": FETUS.classes}


@pytest.fixture(scope="module")
def profile(tmp_path_factory) -> Path:
    """The small profile, with a model that it publishes."""
    settings = yaml.safe_load(SMOKE.read_text())
    settings["cohorts"]["simulated"]["rows"].append(ROW)
    path = tmp_path_factory.mktemp("profile") / "smoke.yaml"
    path.write_text(yaml.safe_dump(settings | {"models": {"fetus": {"cohort": "simulated", "row": ROW}}}))
    return path


@pytest.fixture(scope="module")
def build(tmp_path_factory) -> Path:
    """A study whose one result is a model, of weights drawn at random."""
    torch.manual_seed(0)
    study = tmp_path_factory.mktemp("build") / "smoke/simulated"
    card, network = Card("quality", NETWORK, 64, "fetus", 0.5), quality_model(**NETWORK)
    for layer in network.modules():  # with the statistics of what it is asked: a new network answers all alike
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.no_grad():
        network.train()(*asked())
    save_model(network, study / f"models/quality__{ROW}__seed0", card)
    told(study.parent.parent, LEARNT)
    return study.parent.parent


def asked() -> tuple[torch.Tensor, torch.Tensor]:
    """Sixteen images and masks of noise."""
    chance = torch.Generator().manual_seed(0)
    return torch.rand(16, 1, 64, 64, generator=chance), torch.randint(0, FETUS.classes, (16, 64, 64), generator=chance)


def told(build: Path, verdict: str) -> None:
    """Write the result of the training with a verdict on it."""
    result = {"status": "run", "learnt": {"verdict": verdict}, "provenance": {"commit": "a" * 40}}
    place = build / f"smoke/simulated/results/quality__{ROW}__seed0.json"
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps(result))


def test_a_folder_of_the_same_name_does_not_hide_a_published_model(profile, build, tmp_path, monkeypatch):
    publish(str(profile), build, tmp_path)
    (tmp_path / "elsewhere/fetus").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert Assessor.load("fetus", tmp_path).card.scheme == "fetus"


def test_a_published_model_is_small_and_answers_as_before(profile, build, tmp_path):
    publish(str(profile), build, tmp_path)
    kept = published_models(tmp_path)["fetus"]
    assert kept == tmp_path / "smoke/models/fetus"
    assert sum(file.stat().st_size for file in kept.iterdir()) < LARGEST_MB * 1e6
    before, after = load_model(build / f"smoke/simulated/models/quality__{ROW}__seed0")[0], load_model(kept)[0]
    assert {value.dtype for value in after.parameters()} == {torch.float32}
    with torch.no_grad():
        answers = before(*asked())
        assert answers.max() - answers.min() > 0.1
        torch.testing.assert_close(after(*asked()), answers, atol=0.02, rtol=0.02)
    assert Assessor.load("fetus", tmp_path).card.scheme == "fetus"
    with pytest.raises(ValueError, match="heads holds no model; give a folder that does, or a published model: fetus"):
        Assessor.load("heads", tmp_path)


def test_a_model_is_kept_with_the_results_of_its_code_and_goes_with_them(profile, build, tmp_path):
    publish(str(profile), build, tmp_path)
    later = tmp_path / "later"
    result = later / "smoke/simulated/results/review__seed0.json"
    result.parent.mkdir(parents=True)
    result.write_text(json.dumps({"provenance": {"commit": "a" * 40}}))
    publish(str(profile), later, tmp_path)
    assert "fetus" in published_models(tmp_path)
    result.write_text(json.dumps({"provenance": {"commit": "b" * 40}}))
    publish(str(profile), later, tmp_path)
    assert published_models(tmp_path) == {}


def test_a_model_that_has_not_learnt_is_not_published(profile, build, tmp_path):
    told(build, NOT_LEARNT)
    publish(str(profile), build, tmp_path)
    told(build, LEARNT)
    assert published_models(tmp_path) == {}


def test_a_weight_that_half_precision_does_not_hold_is_refused(tmp_path):
    network = quality_model(**NETWORK)
    with torch.no_grad():
        next(network.parameters()).flatten()[0] = 1e6
    save_model(network, tmp_path / "model", Card("quality", NETWORK, 64, "fetus", 0.5))
    with pytest.raises(PublishingError, match="the largest float16"):
        write_small(tmp_path / "model", tmp_path / "small")


def test_a_profile_names_models_of_its_own_rows(profile, tmp_path):
    settings = yaml.safe_load(profile.read_text())
    settings["models"]["heads"] = {"cohort": "hc18", "row": ROW}
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(yaml.safe_dump(settings))
    with pytest.raises(ValueError, match=f"model heads: rows \\['{ROW}'\\] are not known"):
        Profile.read(wrong)


def test_the_command_says_which_models_there_are(tmp_path):
    done = CliRunner().invoke(app, ["assess", str(tmp_path), "--model", "a-fetus-of-mars"])
    assert done.exit_code == 2 and "holds no model" in done.output and "published model:" in done.output
