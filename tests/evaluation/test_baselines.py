"""Baselines without a quality model: shape features, a segmenter's uncertainty, reverse classification accuracy."""

import numpy as np
import pytest
import torch
from torch import nn

from fusqa.evaluation.reverse_classification import References, reverse_accuracy
from fusqa.evaluation.shapes import presence_columns, shape_features
from fusqa.masks.labels import FETUS, HEAD
from fusqa.models.uncertainty import VARIANTS, agreement, certainty, variants
from fusqa.simulator.cases import draw_case


def square(side=64):
    mask = np.zeros((side, side), np.uint8)
    mask[16:48, 8:24] = 1
    return mask


def test_features_of_a_known_mask():
    mask = square()
    mask[2:4, 50:54] = 1  # an island
    found = shape_features(np.stack([mask, square()]), FETUS)
    assert found["head_present"].tolist() == [1, 1] and found["palate_present"].tolist() == [0, 0]
    assert found["head_pieces"].tolist() == [2, 1]
    assert found["head_area"].tolist() == [(512 + 8) / 4096, 512 / 4096]
    assert found["head_solidity"].iat[1] == pytest.approx(1)
    assert found["head_solidity"].iat[0] < 0.6
    assert found["head_row"].iat[1] == pytest.approx(31.5 / 64 - 0.5)
    assert (found.filter(like="gap_") == 0).all(axis=None)
    assert found["all_area"].tolist() == found["head_area"].tolist()


def test_presence_is_one_column_per_label():
    found = shape_features(square()[None], HEAD)
    assert presence_columns(found) == ["head_present", "all_present"]
    assert np.isfinite(shape_features(np.zeros((1, 8, 8), np.uint8), FETUS)).all(axis=None)


def test_agreement_is_the_mean_dice_over_pairs_of_networks():
    one, other = square(), square()
    other[16:48, 8:16] = 0  # half of it
    votes = np.stack([np.stack([one]), np.stack([one]), np.stack([other])])
    half = 2 * 256 / (512 + 256)
    assert agreement(votes, 5) == pytest.approx([(1 + half + half) / 3])
    empty = np.zeros_like(votes)
    assert agreement(empty, 5) == pytest.approx([1.0])
    assert agreement(np.stack([np.stack([one]), np.stack([np.zeros_like(one)])]), 5) == pytest.approx([0.0])


def test_certainty_falls_from_sure_to_undecided():
    sure, undecided = torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 8, 8)
    sure[:, 1], undecided[:, 1] = 1.0, 0.51
    undecided[:, 0] = 0.49
    assert certainty(sure) == pytest.approx([1.0])
    assert certainty(undecided) == pytest.approx([0.0], abs=1e-3)
    nothing = torch.zeros(1, 2, 8, 8)
    nothing[:, 0] = 1.0
    assert certainty(nothing) == pytest.approx([0.0])


def test_variants_of_an_image_are_undone_before_they_are_averaged():
    class Brighter(nn.Module):
        """Calls every pixel foreground that is brighter than the middle: mirrors with its image."""

        def __init__(self):
            super().__init__()
            self.none = nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return torch.cat([0.5 - x, x - 0.5], 1) * 1000

    image = torch.zeros(1, 1, 16, 16, dtype=torch.uint8)
    image[..., :4] = 255
    mean = sum(variants(Brighter(), image)) / VARIANTS
    assert mean.shape == (1, 2, 16, 16)
    assert mean[0, 1, :, :4].min() > 0.99 and mean[0, 1, :, 4:].max() < 0.01


def test_variants_are_six_images_of_which_half_are_mirrored():
    shown = []

    class Looks(nn.Module):
        def __init__(self):
            super().__init__()
            self.none = nn.Parameter(torch.zeros(1))

        def forward(self, x):
            shown.append(x.clone())
            return torch.cat([x, x], 1)

    image = torch.arange(16, dtype=torch.uint8).repeat(16, 1)[None, None] * 8 + 40  # darker on the left
    list(variants(Looks(), image))
    images = [one[0, 0] for one in torch.cat(shown)[:, None]]
    assert len(images) == VARIANTS == len({one.numpy().tobytes() for one in images})
    assert sum(bool(one[0, 0] > one[0, -1]) for one in images) == VARIANTS // 2


def test_a_mask_that_fits_its_image_fits_the_references_better():
    """Registration is rough: on most cases, not on all, the right mask does better than one turned upside down."""
    cases = [draw_case("A", 0, i) for i in range(14)]
    references = References(*(np.stack([getattr(case, what) for case in cases[8:]]) for what in ("image", "mask")))
    right = [reverse_accuracy(case.image, case.mask, references, 5) for case in cases[:8]]
    wrong = [reverse_accuracy(case.image, case.mask[::-1].copy(), references, 5) for case in cases[:8]]
    empty = reverse_accuracy(cases[0].image, np.zeros_like(cases[0].mask), references, 5)
    assert all(0 <= value <= 1 for value in right + wrong)
    assert empty == 0
    assert np.mean(right) > np.mean(wrong)


def test_an_image_that_is_its_own_reference_scores_high():
    case = draw_case("A", 0, 0)
    references = References(case.image[None], case.mask[None])
    assert reverse_accuracy(case.image, case.mask, references, 5) > 0.9
