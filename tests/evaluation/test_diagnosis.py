"""What a model makes of an image: the same masks with their own image, with a wrong one, and with one of the two."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from fusqa.evaluation.comparison import TrainedRow
from fusqa.evaluation.diagnosis import RecipeModel, image_use, telling
from fusqa.study.learning import CONTROL, LEARNT, NOT_LEARNT
from fusqa.study.pairs import Pairs
from fusqa.study.rows import RECIPES, row_named

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
    table = pd.DataFrame({"patient": patients, "good": np.tile([True, False], PATIENTS)})
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


def judge(network, recipe="errors", verdict=LEARNT):
    row = row_named("-".join(["single-resnet18-scratch"] + [recipe] * (recipe != "paper")))
    trained = TrainedRow(row, row.title, None, [{"learnt": {"verdict": verdict}}], [pd.DataFrame()])
    return RecipeModel(trained, row.key, RECIPES[recipe], network, SIDE, 0.5)


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
    compares, judges_shape = image_use([judge(Comparer()), judge(Shape())], pairs, seed=0)
    assert set(compares.scored) == {"as trained", "another's picture", "no picture", "no mask"}
    for use in (compares, judges_shape):
        for shown, report in use.reports(good, seed=0).items():
            assert report.auroc == pytest.approx(roc_auc_score(good, use.scored[shown]))
    lost = compares.lost(good)
    assert lost.value == pytest.approx(1 - compares.reports(good, 0)["another's picture"].auroc)
    assert lost.low > 0 and lost.p < 0.05
    assert judges_shape.lost(good).value == 0 and judges_shape.lost(good).p == 1
    trust = compares.of_good(good)
    assert trust["another's picture"] < trust["as trained"] == pytest.approx(1 / (1 + np.exp(-0.5)), abs=1e-3)
    same = judges_shape.of_good(good)
    assert same["another's picture"] == same["as trained"] == same["no picture"] > same["no mask"]


def test_what_cannot_be_asked_is_not_answered(pairs):
    good = pairs.table["good"]
    control, other = image_use([judge(Shape(), "blind", CONTROL), judge(Comparer())], pairs, seed=0)
    assert set(control.scored) == {"as trained"} and control.lost(good) is None
    assert other.lost(np.ones(len(good), bool)) is None
    assert np.isnan(other.of_good(np.zeros(len(good), bool))["as trained"])
    alone = image_use([judge(Comparer())], pairs.where(pairs.table["patient"] == "p0"), seed=0)[0]
    assert "another's picture" not in alone.scored and alone.lost([True, False]) is None


def test_maps_are_drawn_of_few_models_that_have_learnt():
    panel = [judge(Shape(), "paper"), judge(Shape(), "errors", NOT_LEARNT), judge(Shape(), "dice")]
    panel += [judge(Shape(), "both-labels"), judge(Shape(), "blind", CONTROL)]
    assert [one.row.row.recipe for one in telling(panel)] == ["paper", "both-labels"]
