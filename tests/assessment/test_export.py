"""ONNX: the same answers outside Python, for any number of pairs, with the card inside."""

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from fusqa.assessment.onnx_file import sample
from fusqa.assessment.verdicts import Assessor
from fusqa.cli import app
from fusqa.masks.labels import SCHEMES
from fusqa.models.checkpoints import Card, save_model
from fusqa.models.learner import pictures, predict
from fusqa.models.networks import Autoencoder, anomaly_ratio, quality_model

onnxruntime = pytest.importorskip("onnxruntime")
MODELS = {
    "single": {},
    "single, of errors": {"answer": "error"},  # a card of verdicts may have no word of its answer, as older ones have
    "single, blind": {},
    "siamese, grey": {"topology": "siamese", "encoding": "grey"},
    "synergic": {"topology": "synergic"},
    "autoencoder": {},
}


@pytest.fixture(params=MODELS)
def folder(request, tmp_path):
    torch.manual_seed(0)
    if request.param == "autoencoder":
        model, card = Autoencoder(2), Card("autoencoder", {"classes": 2}, 64, "head", 0.9, ("mask",))
    else:
        arguments = {"topology": "single", "backbone": "resnet18", "pretrained": False, "classes": 5}
        arguments |= {"encoding": "one-hot"} | MODELS[request.param]
        sees = ("mask",) if request.param.endswith("blind") else ("picture", "mask")
        model, card = quality_model(**arguments), Card("quality", arguments, 64, "fetus", 0.37, sees)
    images, masks = map(torch.from_numpy, sample(card, 8))
    given = (masks,) if card.kind == "autoencoder" else (images.unsqueeze(1).float() / 255, masks)
    with torch.no_grad():  # batch normalisation has to have seen something: a new network answers everything alike
        for _ in range(20):
            model.train()(*given)
    save_model(model, tmp_path / "model", card)
    return tmp_path / "model"


def test_it_answers_as_the_model_does(folder, tmp_path):
    out = tmp_path / "model.onnx"
    done = CliRunner().invoke(app, ["export", str(folder), str(out)])
    assert done.exit_code == 0, done.output
    assessor = Assessor.load(folder)
    images, masks = sample(assessor.card, 13)
    labels = torch.from_numpy(masks)
    if assessor.card.kind == "autoencoder":
        expected = 1 - anomaly_ratio(labels, predict(assessor.model, labels))
    else:
        output = predict(assessor.model, pictures(images * ("picture" in assessor.card.sees)), labels)
        expected = 0.5 ** output.abs() if "answer" in assessor.card.arguments else output.sigmoid()
    session = onnxruntime.InferenceSession(out)
    given = {"image": images, "mask": masks}
    (answer,) = session.run(None, {one.name: given[one.name] for one in session.get_inputs()})
    np.testing.assert_allclose(answer, expected, atol=1e-4)
    assert np.ptp(answer) > 1e-4, "the probes must be told apart, or equality says nothing"
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["card"])["sha256"] == assessor.card.sha256
    assert float(about["threshold"]) == assessor.card.threshold
    done = CliRunner().invoke(app, ["export", str(folder), str(folder / "weights.safetensors")])
    assert done.exit_code == 2 and "would be lost; give another name" in done.output
    assert Assessor.load(folder).card == assessor.card


def test_probes_have_every_label():
    _, masks = sample(Card("quality", {}, 64, "fetus"), 9)
    assert set(np.unique(masks)) == set(range(SCHEMES["fetus"].classes))


def test_what_judges_nothing_is_refused(tmp_path):
    done = CliRunner().invoke(app, ["export", str(tmp_path), str(tmp_path / "x.onnx")])
    assert done.exit_code == 2 and "holds no model" in done.output
    assert not (tmp_path / "x.onnx").exists()
