"""A network whose weights are not here is trained once more, as the study trained it."""

import shutil

import pytest
import torch
import yaml
from conftest import SMOKE

from fusqa.files import write_json
from fusqa.models.checkpoints import Card, load_model
from fusqa.models.learner import reproducible
from fusqa.models.networks import quality_model
from fusqa.simulator.cases import simulate
from fusqa.study import retraining
from fusqa.study.material import AlteredSet
from fusqa.study.pairs import learning_pairs
from fusqa.study.results import Study
from fusqa.study.rows import RECIPES, row_named
from fusqa.study.segmentation import contour_level, train_segmenter
from fusqa.study.training import train

SEED, OTHER = 3, 5  # of the study, and of another training of a row
NAME, ROW = f"segmentation__unet__seed{SEED}", "single-resnet18-scratch"
UNET = {"size": 32, "budget": 120, "rounds": 2, "batch": 4, "rate": 0.01, "arguments": {"width": 8}}
QUALITY = {"size": 32, "budget": 32, "rounds": 2, "batch": 16, "rate": 0.001}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Sixteen cases of site A."""
    folder = tmp_path_factory.mktemp("drawn") / "A"
    simulate(folder, "A", 16, 0)
    return folder


@pytest.fixture
def study(drawn, tmp_path):
    """A study of small trainings, with its cases and without anything that was trained."""
    plan = {"A": 16, "B": 6, "segmenters": ["unet"], "rows": [ROW]}
    sizes = {"segmenters": {"unet": UNET}, "quality": QUALITY, "networks": {}, "seeds": [SEED, OTHER]}
    settings = yaml.safe_load(SMOKE.read_text()) | {"cohorts": {"simulated": plan}} | sizes
    profile = tmp_path / "tiny.yaml"
    profile.write_text(yaml.safe_dump(settings))
    study = Study(str(profile), "simulated", tmp_path)
    shutil.copytree(drawn, study.path("cohorts/A"))
    return study


def calls(monkeypatch, name):
    """What a function of the module is called with from now on."""
    called, whole = [], getattr(retraining, name)
    monkeypatch.setattr(retraining, name, lambda *given: called.append(given) or whole(*given))
    return called


def require_same(one, other):
    first, second = one.state_dict(), other.state_dict()
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name].cpu(), second[name].cpu())] == []


def require_kept(study, name, trained, ask):
    """Whoever asks once more gets the network that was kept, and nothing is trained or written."""
    folder, (model, card) = study.path(f"models/{name}"), ask()
    assert len(trained) == 1
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    assert sorted(before) == ["card.json", "weights.safetensors"]
    later, same = ask()
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before
    assert len(trained) == 1 and same == card == load_model(folder)[1]
    require_same(later, model)
    return model, card


@pytest.mark.parametrize("fold", [0, 1])
def test_a_fold_is_trained_once_more_without_its_own_patients_and_kept(study, monkeypatch, capsys, fold):
    arguments = UNET["arguments"] | {"classes": 5, "size": 32}
    published = Card("unet", arguments, 32, "fetus", training={"contour_level": 0.123}, provenance={"seed": 99})
    write_json(study.path(f"models/{NAME}/card.json"), published)
    write_json(study.path(f"results/{NAME}.json"), {"best_fold": fold})
    trained, levels = (calls(monkeypatch, name) for name in ("train_segmenter", "contour_level"))
    model, card = require_kept(study, NAME, trained, lambda: retraining.segmenter_network(study, "unet"))
    assert capsys.readouterr().out == f"The weights of {NAME} are not published: fold {fold} is trained once more.\n"

    site_a, (_, *shown) = study.site("A"), trained[0][:3]
    outside = site_a.folds(study.profile.segmentation.folds, SEED) != fold
    assert sorted(case for part in shown for case in part.table["case"]) == sorted(site_a.table["case"][outside])
    assert not set(shown[0].table["patient"]) & set(shown[1].table["patient"])

    plan, device = study.profile.segmenters["unet"], reproducible(SEED, threads=1)
    parts = site_a.subset(outside).split(study.profile.validation, SEED)
    again = train_segmenter("unet", *parts, plan, SEED, device, study.profile.learnt)[0]
    require_same(model, again)
    assert [(list(shown.table["case"]), size) for _, shown, size in levels] == [(list(parts[1].table["case"]), 32)]
    assert card.training == {"contour_level": contour_level(again, parts[1], 32)}
    assert (card.kind, card.arguments, card.size, card.scheme) == ("unet", arguments, 32, "fetus")
    assert {"result": NAME, "profile": "tiny", "cohort": "simulated", "seed": SEED}.items() <= card.provenance.items()


def test_a_row_is_trained_once_more_and_keeps_the_figures_of_the_study(study, monkeypatch, capsys):
    row, name = row_named(ROW), f"quality__{ROW}__seed{OTHER}"
    altered = AlteredSet.make(study.site("A"), 32, SEED)
    altered.save(study.path("altered.npz"))
    told = {"thresholds": {"paper": 0.5, "validation": 0.37}, "learnt": {"verdict": "still learning"}}
    told["reports"] = {"validation": {"altered masks": {"auroc": 0.61}}, "paper": {"altered masks": {"auroc": 0.6}}}
    write_json(study.path(f"results/{name}.json"), told)
    trained = calls(monkeypatch, "train")
    model, card = require_kept(study, name, trained, lambda: retraining.quality_network(study, row, OTHER))
    assert capsys.readouterr().out == f"The weights of {row.title} are not published: it is trained once more.\n"

    device, parts = reproducible(OTHER, threads=1), study.site("A").split(study.profile.validation, SEED)
    again = quality_model("single", "resnet18", pretrained=False)
    shown = [learning_pairs({"altered": altered}, part, 32) for part in parts]
    train(again, RECIPES[row.recipe], *shown, study.profile.training(row), OTHER, device)
    require_same(model, again)
    assert (card.kind, card.size, card.threshold) == ("quality", 32, 0.37)
    assert card.training["learnt"] == "still learning" and card.metrics == {"altered masks": 0.61}
    assert card.training["masks"] == 10 * len(parts[0]) and card.training["row"] == ROW
    assert {"result": name, "profile": "tiny", "cohort": "simulated", "seed": OTHER}.items() <= card.provenance.items()
