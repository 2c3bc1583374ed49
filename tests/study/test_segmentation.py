"""One way to train a segmenter, to bring its masks to their images' own grids, and to record them."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from fusqa.masks.label_images import resize_labels
from fusqa.masks.labels import FETUS
from fusqa.masks.measurement import measured_mm
from fusqa.models.degradation import degrade
from fusqa.models.drawing import native_masks
from fusqa.models.learner import pictures, reproducible
from fusqa.models.plan import Bar
from fusqa.models.segmenters import SEGMENTERS
from fusqa.models.uncertainty import VARIANTS, certainty, variants
from fusqa.study.material import prediction_record
from fusqa.study.profile import Segmenter
from fusqa.study.segmentation import (
    contour_level,
    length_spread,
    segment,
    segmenter_arguments,
    train_segmenter,
    varied_uncertainty,
)

SIZE = 32
PLAN = Segmenter(size=SIZE, budget=480, rounds=3, batch=4, rate=0.01, arguments={"width": 8})


@pytest.fixture(scope="module")
def trained(eight_cases):
    return fitted(eight_cases)


def fitted(eight_cases, plan=PLAN):
    device = reproducible(0, threads=1)
    return train_segmenter("unet", *eight_cases.split(0.25, 0), plan, 0, device, Bar())


def one_hot(masks):
    """Probabilities of a network that is sure of `masks` ``(N, S, S)``."""
    return nn.functional.one_hot(torch.from_numpy(masks).long(), FETUS.classes).permute(0, 3, 1, 2).float()


class Certain(nn.Module):
    """A network that draws the masks it was given, whatever it is shown."""

    def __init__(self, masks):
        super().__init__()
        self.logits = nn.Parameter(50 * one_hot(masks))

    def forward(self, images):
        return self.logits[: len(images)]


def test_a_segmenter_learns_and_its_history_has_every_round(trained):
    model, history, learnt = trained
    assert learnt.constant > 0 and learnt.loss == history["valid_loss"].min() and learnt.auroc is None
    assert history["round"].tolist() == [1, 2, 3]
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]
    assert learnt.loss < learnt.constant  # on images that it did not learn from
    untrained = SEGMENTERS["unet"](**segmenter_arguments(PLAN, FETUS))
    assert {name: p.shape for name, p in model.named_parameters()} == {
        name: p.shape for name, p in untrained.named_parameters()
    }


def test_the_same_seed_gives_the_same_segmenter(eight_cases, trained):
    again, history, _ = fitted(eight_cases)
    pd.testing.assert_frame_equal(history, trained[1])
    for name, weights in trained[0].state_dict().items():
        assert torch.equal(again.state_dict()[name], weights)


def test_a_smaller_budget_is_another_training(eight_cases, trained):
    _, history, _ = fitted(eight_cases, PLAN.model_copy(update={"budget": 8, "rounds": 1}))
    assert len(history) == 1 and history["valid_loss"].iloc[-1] > trained[1]["valid_loss"].iloc[-1]


def test_predictions_lie_on_their_images_own_grids(eight_cases, trained):
    images = pictures(eight_cases.stack(SIZE)[0])
    drawn = segment(trained[0], images, eight_cases, FETUS)
    assert list(drawn.native) == list(eight_cases.table["case"])
    assert all(drawn.native[case.case].shape == case.image.shape for case in eight_cases)
    assert drawn.small.shape == (8, SIZE, SIZE) and drawn.small.dtype == np.uint8
    degraded = segment(trained[0], degrade(images, torch.Generator().manual_seed(0)), eight_cases, FETUS)
    assert not np.array_equal(drawn.small, degraded.small)


def test_every_prediction_is_recorded_against_its_own_case(eight_cases):
    cases = list(eight_cases)
    _, masks = eight_cases.stack(128)
    images = torch.zeros(len(cases), 1, 128, 128, dtype=torch.uint8)
    drawn = segment(Certain(masks), images, cases, FETUS, site="A", fold=3)
    assert list(drawn.table)[:4] == ["case", "patient", "site", "fold"]
    assert (drawn.table["fold"] == 3).all() and (drawn.table[["dice_head", "dice_body"]] > 0.9).all(axis=None)
    np.testing.assert_array_equal(drawn.small, masks)
    for case, row in zip(cases, drawn.table.to_dict("records"), strict=True):
        expected = prediction_record(case, drawn.native[case.case], FETUS)
        assert {name: row[name] for name in expected} == pytest.approx(expected, nan_ok=True)
        assert (row["case"], row["patient"]) == (case.case, case.patient)


def test_probabilities_that_are_sure_give_the_labels_back(eight_cases):
    cases = list(eight_cases)[:2]
    _, masks = eight_cases.subset(np.arange(2)).stack(SIZE)
    native = native_masks(one_hot(masks), [case.image.shape for case in cases])
    for case, small, large in zip(cases, masks, native, strict=True):
        assert large.shape == case.image.shape and set(np.unique(large)) <= set(np.unique(case.mask))
        assert (resize_labels(large, (SIZE, SIZE)) == small).mean() > 0.97


def test_as_many_predictions_as_cases(eight_cases):
    with pytest.raises(ValueError, match="zip"):
        native_masks(torch.zeros(3, FETUS.classes, SIZE, SIZE), [case.image.shape for case in eight_cases][:2])


def test_the_level_undoes_what_class_weights_did(eight_cases):
    size = 128
    soft = nn.functional.avg_pool2d(one_hot(eight_cases.stack(size)[1]), 3, 1, 1, count_include_pad=False)
    seen = soft * torch.tensor([1.0, 6, 6, 6, 6]).reshape(1, -1, 1, 1)  # structures count six times as much
    model = Certain(eight_cases.stack(size)[1])
    model.logits.data = (seen / seen.sum(1, keepdim=True)).clamp_min(1e-6).log()
    level = contour_level(model, eight_cases, size)
    images = torch.zeros(len(eight_cases), 1, size, size, dtype=torch.uint8)
    plain, levelled = (segment(model, images, eight_cases, FETUS, at).table for at in (0.5, level))
    assert level > 0.6
    assert abs(levelled["subpixel_delta_mm"].median()) < abs(plain["subpixel_delta_mm"].median())
    assert (plain["subpixel_mm"] > levelled["subpixel_mm"]).all()
    assert levelled["delta_mm"].equals(plain["delta_mm"])  # the mask and the paper's length stay


def test_a_segmenter_that_finds_nothing_has_the_level_of_a_mask(eight_cases):
    model = Certain(np.zeros((len(eight_cases), SIZE, SIZE), np.uint8))
    assert contour_level(model, eight_cases, SIZE) == 0.5
    table = segment(model, torch.zeros(len(eight_cases), 1, SIZE, SIZE, dtype=torch.uint8), eight_cases, FETUS).table
    assert table[["mm", "subpixel_mm", "subpixel_delta_days"]].isna().all(axis=None)


def test_the_spread_of_lengths_is_that_of_masks_measured_on_the_images_own_grids(eight_cases):
    cases = list(eight_cases)
    _, masks = eight_cases.stack(64)
    whole, none = one_hot(masks), one_hot(np.zeros_like(masks))
    shrunk = one_hot(np.stack([np.where(np.arange(64) < 32, mask, 0) for mask in masks]))
    spread = length_spread([whole, shrunk, none], cases, FETUS)  # masks with nothing in them are left out
    drawn = [native_masks(part, [case.image.shape for case in cases]) for part in (whole, shrunk)]
    mm = [[measured_mm(mask, case.spacing, FETUS) for mask, case in zip(part, cases, strict=True)] for part in drawn]
    np.testing.assert_allclose(spread, np.std(mm, axis=0, ddof=1))
    assert (spread > 1).all()
    assert (
        np.isnan(length_spread([whole, none], cases, FETUS)).all()
        and not length_spread([whole] * 2, cases, FETUS).any()
    )


def test_one_pass_over_the_varied_images_gives_both_uncertainties(eight_cases):
    torch.manual_seed(0)
    model, cases = SEGMENTERS["unet"](**segmenter_arguments(PLAN, FETUS)), list(eight_cases)
    images = pictures(eight_cases.stack(SIZE)[0])
    found = varied_uncertainty(model, images, cases, FETUS)
    np.testing.assert_array_equal(found["certainty"], certainty(sum(variants(model, images)) / VARIANTS))
    np.testing.assert_array_equal(found["spread_varied_mm"], length_spread(variants(model, images), cases, FETUS))
