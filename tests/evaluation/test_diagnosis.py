"""What a model makes of an image: the same masks with their own image, with a wrong one, and with one of the two."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from fusqa.evaluation.comparison import TrainedRow
from fusqa.evaluation.diagnosis import RecipeModel, image_use, telling
from fusqa.evaluation.examination import Maps, is_examined, saliency_maps, with_other_inputs
from fusqa.evaluation.scoring import scores
from fusqa.models.networks import quality_model
from fusqa.study.learning import CONTROL, LEARNT, NOT_LEARNT
from fusqa.study.pairs import Pairs
from fusqa.study.rows import RECIPES, row_named
from fusqa.study.sets import ALTERED, AT_B
from fusqa.study.training import answers

PATIENTS, SIDE = 12, 16


@pytest.fixture
def pairs():
    """A bright bar per patient, at a place of its own, with one mask that covers it and one that covers half of it."""
    images = torch.zeros(PATIENTS, 1, SIDE, SIDE, dtype=torch.uint8)
    masks = torch.zeros(2 * PATIENTS, SIDE, SIDE, dtype=torch.uint8)
    for number in range(PATIENTS):
        images[number, 0, number + 2 : number + 4] = 255
        masks[2 * number, number + 2 : number + 4] = 1
        masks[2 * number + 1, number + 2 : number + 4, : SIDE // 2] = 1
    patients = np.repeat([f"p{number}" for number in range(PATIENTS)], 2)
    table = pd.DataFrame({"case": patients, "patient": patients, "good": np.tile([True, False], PATIENTS)})
    return Pairs(images, torch.arange(PATIENTS).repeat_interleave(2), masks, table)


class Comparer(nn.Module):
    """Trusts a mask by the share of the bright pixels that it covers."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, image, mask):
        covered = (image[:, 0] * (mask > 0)).sum((1, 2)) / (image[:, 0].sum((1, 2)) + 1e-6)
        return self.weight * (covered - 0.5)


class Shape(Comparer):
    """Trusts a mask by its size, whatever the image shows."""

    def forward(self, image, mask):
        return self.weight * (mask > 0).float().mean((1, 2))


def judge(network, pairs, recipe="errors", verdict=LEARNT):
    """A model of one recipe, with what its training would have stored of its answers about `pairs`."""
    row, how = row_named("-".join(["single-resnet18-scratch"] + [recipe] * (recipe != "paper"))), RECIPES[recipe]

    def ask(pairs):
        return answers(network, how, pairs)

    sets = {AT_B: pairs, ALTERED: pairs}
    table = with_other_inputs(scores(sets, ask), sets, ask, how, seed=0)
    result = {"learnt": {"verdict": verdict}, "thresholds": {"validation": 0.5}}
    return RecipeModel(None, TrainedRow(row, row.title, None, [result], [table]))


def test_a_mask_is_shown_with_the_image_of_another_patient(pairs):
    away = pairs.with_other_images(seed=0)
    assert torch.equal(away.masks, pairs.masks) and away.table.equals(pairs.table)
    shown = np.array([f"p{number}" for number in away.image_of.tolist()])
    assert (shown != pairs.table["patient"]).all()
    assert torch.equal(away.image_of, pairs.with_other_images(seed=0).image_of)
    with pytest.raises(ValueError, match="all 2 pairs are of one patient"):
        pairs.where(pairs.table["patient"] == "p0").with_other_images(seed=0)


def test_only_a_model_that_compares_loses_by_a_wrong_image(pairs):
    good = pairs.table["good"]
    compares, judges_shape = image_use([judge(Comparer(), pairs), judge(Shape(), pairs)], AT_B)
    assert set(compares.scored) == {"as trained", "another's image", "no image", "no mask"}
    for use in (compares, judges_shape):
        for shown, report in use.reports(good, seed=0).items():
            assert report.auroc == pytest.approx(roc_auc_score(good, use.scored[shown]))
    lost = compares.lost(good)
    assert lost.value == pytest.approx(1 - compares.reports(good, 0)["another's image"].auroc)
    assert lost.low > 0 and lost.p < 0.05
    assert compares.lost(good, comparisons=16).p < lost.p  # more draws: it survives a correction for sixteen
    assert judges_shape.lost(good).value == 0 and judges_shape.lost(good).p == 1
    trust = compares.of_good(good)
    assert trust["another's image"] < trust["as trained"] == pytest.approx(1 / (1 + np.exp(-0.5)), abs=1e-3)
    same = judges_shape.of_good(good)
    assert same["another's image"] == same["as trained"] == same["no image"] > same["no mask"]


def test_what_cannot_be_asked_is_not_answered(pairs):
    good = pairs.table["good"]
    control, other = image_use([judge(Shape(), pairs, "blind", CONTROL), judge(Comparer(), pairs)], AT_B)
    assert set(control.scored) == {"as trained"} and control.lost(good) is None
    assert other.lost(np.ones(len(good), bool)) is None
    assert np.isnan(other.of_good(np.zeros(len(good), bool))["as trained"])
    alone = image_use([judge(Comparer(), pairs.where(pairs.table["patient"] == "p0"))], AT_B)[0]
    assert "another's image" not in alone.scored and alone.lost([True, False]) is None


def test_maps_are_drawn_of_few_models_that_have_learnt(pairs):
    asked = {"paper": LEARNT, "errors": NOT_LEARNT, "dice": LEARNT, "both-labels": LEARNT, "blind": CONTROL}
    panel = [judge(Shape(), pairs, recipe, verdict) for recipe, verdict in asked.items()]
    assert [one.row.row.recipe for one in telling(panel)] == ["paper", "both-labels"]


def test_maps_of_a_small_sample_are_stored_in_a_small_file(pairs, tmp_path):
    torch.manual_seed(0)
    model, recipe = quality_model("single", "resnet18", pretrained=False, classes=2), RECIPES["paper"]
    called = np.resize([True, True, False], len(pairs.masks))
    maps = saliency_maps(model, recipe, pairs, called, seed=0)
    maps.save(tmp_path / "maps.npz")
    assert (tmp_path / "maps.npz").stat().st_size < 20_000
    stored = Maps.load(tmp_path / "maps.npz")
    assert stored.of_image.shape == stored.of_mask.shape == (len(stored.table), 8, 8)
    assert stored.cams.shape == (2, SIDE, SIDE) and (np.abs(stored.cams).max(axis=(1, 2)) == 127).all()
    right, wrong, *_ = stored.table.itertuples()
    assert right.called == right.good and wrong.called != wrong.good
    first = [int(np.flatnonzero((called == pairs.table["good"]) == same)[0]) for same in (True, False)]
    assert stored.table["number"].tolist()[:2] == first and stored.table["number"][2:].is_unique
    others = saliency_maps(model, recipe, pairs, called ^ (np.arange(len(called)) < 2), seed=0).table["number"]
    assert others.tolist()[:2] != first
    assert others.tolist()[2:] == stored.table["number"].tolist()[2:]  # the same sample, whatever a model says


def test_only_models_that_later_chapters_examine_are_asked_more():
    row = row_named("single-resnet18-scratch-errors")
    assert [is_examined(row, verdict) for verdict in (LEARNT, CONTROL, NOT_LEARNT)] == [True, True, False]
    assert not is_examined(row_named("single-resnet50-scratch"), LEARNT)
