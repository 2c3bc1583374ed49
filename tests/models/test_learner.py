"""Training: batches, joint augmentation, best weights kept, the same bits again; models saved and loaded elsewhere."""

import json
import socket
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from torch import nn

from fusqa.models import callbacks, learner
from fusqa.models.callbacks import Move, VaryGreyLevels
from fusqa.models.checkpoints import Card, load_model, save_model
from fusqa.models.learner import (
    AUROC,
    Paired,
    Resident,
    computes_in,
    fit,
    make_learner,
    pictures,
    predict,
    reproducible,
)
from fusqa.models.networks import Autoencoder, quality_model
from fusqa.models.plan import Training
from fusqa.models.segmenters import UNet


def squares(count=24, size=32):
    """Images of a bright square, and masks that lie on it (good) or beside it (poor)."""
    rng = np.random.default_rng(0)
    images, masks = np.zeros((2, count, size, size), np.uint8)
    good = np.arange(count) % 2 == 0
    for i in range(count):
        r, c = rng.integers(2, size // 2 - 4, 2)
        images[i, r : r + 8, c : c + 8] = 200
        shift = 0 if good[i] else size // 2 - 2
        masks[i, r : r + 8, c + shift : c + shift + 8] = 1
    return images, masks, good


def resident(images, masks, good):
    return Resident(pictures(images), torch.from_numpy(masks), torch.from_numpy(good.astype(np.float32)))


PLAN = Training(size=32, budget=96, rounds=2, batch=12, rate=1e-3)


def trained(seed, **changes):
    reproducible(seed, threads=1)
    samples = resident(*squares())
    model = quality_model("single", "resnet18", False, classes=2)
    plan = PLAN.model_copy(update=changes)
    return model, fit(make_learner(model, nn.BCEWithLogitsLoss(), samples, samples, plan, seed, metrics=[AUROC]))


def test_a_batch_is_gathered_through_the_index():
    images = pictures(np.arange(3, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8))
    samples = Resident((images, torch.tensor([2, 2, 0, 1])), torch.arange(4))
    picture, number = samples.__getitems__([3, 0])
    assert len(samples) == 4
    assert picture[:, 0, 0, 0].tolist() == [1, 2] and number.tolist() == [3, 0]


class Look(Callback):
    """Keep what the network was shown."""

    order = Move.order + 1

    def __init__(self):
        self.shown = []

    def before_batch(self):
        if self.training:
            self.shown.append((self.xb[0].clone(), self.xb[1].clone()))


def test_image_and_mask_move_together_and_no_label_is_invented():
    look = Look()
    reproducible(0, 1)
    rng = np.random.default_rng(0)
    masks = np.kron(rng.choice([0, 1, 3], (8, 4, 4)), np.ones((1, 16, 16))).astype(np.uint8)
    images = masks * 60
    samples = resident(images, masks, np.ones(8, bool))
    model = quality_model("single", "resnet18", False)
    plan = Training(size=64, budget=8, rounds=1, batch=8, rate=1e-4)
    fit(make_learner(model, nn.BCEWithLogitsLoss(), samples, samples, plan, 0, callbacks=[look]))
    ((image, mask),) = look.shown
    assert set(mask.unique().tolist()) <= {0, 1, 3}
    assert not {one.numpy().tobytes() for one in mask} & {one.tobytes() for one in masks}  # every one has moved
    error = (image[:, 0] * 255 - mask.float() * 60).abs()
    assert (error > 30).float().mean() < 0.08  # only the seams, where an image blends and a mask cannot


def no_move(monkeypatch, flip):
    """Neither scale nor turn from here on, and a flip always or never."""
    for name, value in {"SCALE": (1.0, 1.0), "DEGREES": 0.0, "FLIP": flip}.items():
        monkeypatch.setattr(callbacks, name, value)


def test_without_scale_flip_and_turn_nothing_moves(monkeypatch):
    no_move(monkeypatch, flip=0.0)
    torch.testing.assert_close(Move()._draw(2, "cpu"), torch.eye(3)[:2].expand(2, 2, 3))


def test_scale_turn_and_flip_stay_in_their_ranges_and_fill_them():
    torch.manual_seed(0)
    turned = Move()._draw(2000, "cpu")[:, :, :2]
    zoom, angle = turned.det().abs().rsqrt(), torch.rad2deg(torch.atan2(-turned[:, 0, 1], turned[:, 1, 1]))
    assert 0.899 < zoom.min() < 0.91 and 1.09 < zoom.max() < 1.101
    assert 9 < angle.max() < 10.01 and -10.01 < angle.min() < -9
    assert 0.45 < (turned.det() < 0).float().mean() < 0.55


def test_flipped_means_mirrored_left_to_right(monkeypatch):
    no_move(monkeypatch, flip=1.0)
    matrix = Move()._draw(1, "cpu")
    torch.testing.assert_close(matrix[0], torch.tensor([[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))


def test_training_learns_and_keeps_the_best_round():
    model, history = trained(seed=0, budget=480)
    assert list(history.columns) == ["round", "samples", "train_loss", "valid_loss", "auroc"]
    assert history["samples"].tolist() == [240, 480]
    images, masks, good = squares()
    p = predict(model, pictures(images), torch.from_numpy(masks)).sigmoid()
    assert ((p >= 0.5).numpy() == good).mean() > 0.8
    loss = nn.functional.binary_cross_entropy(p, torch.from_numpy(good.astype(np.float32))).item()
    assert loss == pytest.approx(history["valid_loss"].min(), abs=1e-4)


class Ruin(Callback):
    """Turns every answer round at the end of the last round, before that is validated."""

    def after_train(self):
        if self.epoch == self.n_epoch - 1:
            with torch.no_grad():
                self.model.head.weight.mul_(-5)


def test_a_last_round_that_is_worse_is_not_kept():
    reproducible(0, threads=1)
    images, masks, good = squares()
    samples, model = resident(images, masks, good), quality_model("single", "resnet18", False, classes=2)
    plan = PLAN.model_copy(update={"budget": 480, "rounds": 3})
    history = fit(make_learner(model, nn.BCEWithLogitsLoss(), samples, samples, plan, 0, callbacks=[Ruin()]))
    assert history["valid_loss"].idxmin() < 2
    answer = predict(model, pictures(images), torch.from_numpy(masks))
    loss = nn.functional.binary_cross_entropy_with_logits(answer, torch.from_numpy(good.astype(np.float32)))
    assert loss.item() == pytest.approx(history["valid_loss"].min(), abs=1e-4)


def test_same_seed_same_bits_and_another_seed_others():
    (first, history), (second, _), (other, _) = trained(0), trained(0), trained(1)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))
    assert history["round"].tolist() == [1, 2]


def test_a_pair_is_one_case_and_both_verdicts():
    good = np.array([True, True, False, False, True, False])
    case = ["a", "a", "a", "b", "b", "c"]
    drawn = list(Paired(good, case, 400, seed=0))
    pairs = np.array(drawn).reshape(-1, 2)
    assert len(drawn) == 400 and (good[pairs[:, 0]] != good[pairs[:, 1]]).all()
    alike = [case[i] == case[j] for i, j in pairs if "c" not in (case[i], case[j])]
    assert all(alike)  # c has no good mask: it is shown with one of another case
    assert set(drawn) == set(range(6))
    assert drawn == list(Paired(good, case, 400, seed=0)) != list(Paired(good, case, 400, seed=1))


def test_bfloat16_is_only_how_it_is_computed():
    """The same training, nearly the same numbers; weights, loss and predictions stay float32."""
    (exact, history), (rough, other) = trained(0), trained(0, precision="bfloat16")
    assert {p.dtype for p in rough.parameters()} == {torch.float32}
    np.testing.assert_allclose(other["train_loss"], history["train_loss"], atol=0.2)
    same = all(torch.equal(a, b) for a, b in zip(exact.parameters(), rough.parameters(), strict=True))
    assert same == (computes_in("bfloat16", "cpu") == "float32")
    assert computes_in("float32", "cpu") == "float32" and computes_in("float32", "cuda") == "bfloat16"


@pytest.mark.parametrize(("training", "share"), [(True, 0.0), (False, 1.0)])
def test_a_batch_of_which_no_image_is_drawn_stays_as_it_is_and_so_does_validation(monkeypatch, training, share):
    given = torch.full((2, 1, 8, 8), 90, dtype=torch.uint8), torch.ones(2, 8, 8, dtype=torch.uint8)
    monkeypatch.setattr(callbacks, "VARIED", share)
    vary = VaryGreyLevels(0)
    vary.learn = SimpleNamespace(training=training, xb=given)
    vary.before_batch()
    assert all(map(torch.equal, vary.learn.xb, given))


def test_half_of_the_images_get_other_grey_levels_and_no_mask_changes():
    images, masks, good = squares(64)
    samples = resident(images, masks, good)
    look, model = Look(), quality_model("single", "resnet18", False, classes=2)
    look.order = VaryGreyLevels.order + 0.5  # before the images become floats
    plan = Training(size=32, budget=64, rounds=1, batch=64, rate=1e-4)
    callbacks = [VaryGreyLevels(0), look]
    fit(make_learner(model, nn.BCEWithLogitsLoss(), samples, samples, plan, 0, callbacks=callbacks))
    ((shown, labels),) = look.shown
    known = {image.tobytes() for image in images}
    unchanged = sum(image.numpy().tobytes() in known for image in shown[:, 0])
    assert 16 < unchanged < 48 and shown.dtype == torch.uint8
    assert {mask.numpy().tobytes() for mask in labels} <= {mask.tobytes() for mask in masks}


def test_prediction_does_not_depend_on_the_batch(monkeypatch):
    model = quality_model("siamese", "resnet18", False, classes=2)
    images, masks, _ = squares(10)
    whole = predict(model, pictures(images), torch.from_numpy(masks))
    monkeypatch.setattr(learner, "PREDICTED", 3)
    parts = predict(model, pictures(images), torch.from_numpy(masks))
    torch.testing.assert_close(whole, parts, rtol=1e-4, atol=1e-5)


MODELS = {
    "quality": ({"topology": "synergic", "backbone": "resnet18", "pretrained": False, "classes": 2}, quality_model),
    "autoencoder": ({"classes": 2}, Autoencoder),
    "unet": ({"classes": 2, "size": 64, "width": 4}, UNet),
}
LOAD = """
import sys, numpy as np, torch
from fusqa.models.checkpoints import load_model
from fusqa.models.learner import pictures, predict
torch.set_num_threads(1)
with np.load(sys.argv[2]) as given:
    inputs = {"quality": (pictures(given["images"]), torch.from_numpy(given["masks"])),
              "autoencoder": (torch.from_numpy(given["masks"]),), "unet": (pictures(given["images"]),)}
for kind, columns in inputs.items():
    np.save(f"{sys.argv[1]}/{kind}.npy", predict(load_model(f"{sys.argv[1]}/{kind}")[0], *columns).numpy())
"""


def test_a_saved_model_gives_the_same_probabilities_in_another_process(tmp_path):
    reproducible(0, threads=1)
    images, masks, _ = squares(6, 64)
    np.savez(tmp_path / "in.npz", images=images, masks=masks)
    inputs = {
        "quality": (pictures(images), torch.from_numpy(masks)),
        "autoencoder": (torch.from_numpy(masks),),
        "unet": (pictures(images),),
    }
    here = {}
    for kind, (arguments, build) in MODELS.items():
        model = build(**arguments).to(memory_format=torch.channels_last)
        here[kind] = predict(model, *inputs[kind]).numpy()
        save_model(model, tmp_path / kind, Card(kind, arguments, 64, "head", 0.5, provenance={"seed": 0}))
    subprocess.run([sys.executable, "-c", LOAD, str(tmp_path), str(tmp_path / "in.npz")], check=True)
    for kind, expected in here.items():
        np.testing.assert_array_equal(np.load(tmp_path / f"{kind}.npy"), expected)


def test_a_model_that_began_with_imagenet_weights_loads_without_them(tmp_path, monkeypatch):
    arguments = {"topology": "single", "backbone": "resnet18", "classes": 2}
    model = quality_model(**arguments, pretrained=False)
    save_model(model, tmp_path, Card("quality", arguments | {"pretrained": True}, 64, "head"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))
    monkeypatch.setattr(socket, "socket", None)  # no network
    loaded, _ = load_model(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), loaded.parameters(), strict=True))


def test_card_and_weights_that_do_not_belong_together_are_refused(tmp_path):
    for name in "ab":
        save_model(UNet(2, 64, 4), tmp_path / name, Card("unet", {"classes": 2, "size": 64, "width": 4}, 64, "head"))
    (tmp_path / "a/weights.safetensors").write_bytes((tmp_path / "b/weights.safetensors").read_bytes())
    with pytest.raises(ValueError, match="does not belong"):
        load_model(tmp_path / "a")
    card = json.loads((tmp_path / "b/card.json").read_text())
    (tmp_path / "b/card.json").write_text(json.dumps(card | {"kind": "transformer"}))
    with pytest.raises(ValueError, match="transformer"):
        load_model(tmp_path / "b")
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "nowhere")
