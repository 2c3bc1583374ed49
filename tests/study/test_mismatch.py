"""Right masks in the wrong place: who sees the mask alone, or the image alone, is at chance; who compares is not."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score

from fusqa.cohorts.writing import write_cohort
from fusqa.masks.labels import FETUS
from fusqa.simulator.cases import draw_case
from fusqa.study.mismatch import LEAST_SHIFT, RESCALED, SHIFTED, SIBLING, mismatched, placed_pairs, with_mismatched
from fusqa.study.pairs import Pairs

SIDE = 40


@pytest.fixture
def pairs():
    """Bright blocks of two labels on a dark ground, each with its mask; two images a patient, and one empty mask."""
    masks = torch.zeros(9, SIDE, SIDE, dtype=torch.uint8)
    for number in range(8):
        masks[number, 10 + number : 20 + number, 8:30] = 1
        masks[number, 12 + number : 16 + number, 10 + number : 14 + number] = 2
    table = pd.DataFrame(
        {"case": [f"c{i}" for i in range(9)], "patient": [f"p{i // 2}" for i in range(9)]}
        | {"name": "reference", "good": [True] * 8 + [False], "reviewed": True, "dice": 1.0}
        | {"delta_mm": 0.0, "delta_days": 0.0, "true_mm": np.arange(9) + 50.0, "test": False}
    )
    return Pairs((masks * 90).unsqueeze(1), torch.arange(9), masks, table)


def image_of(made):
    return made.images[made.image_of, 0]


def test_every_mask_and_every_image_is_once_right_and_once_wrong(pairs):
    made = mismatched(pairs, seed=0)
    assert set(made.table["name"]) == {SHIFTED, RESCALED, SIBLING}
    good = made.table["good"].to_numpy()
    assert good.mean() == 0.5
    for shown in (made.masks, image_of(made)):
        right, wrong = (sorted(part.numpy().tobytes() for part in shown[torch.tensor(of)]) for of in (good, ~good))
        assert right == wrong
    area = (made.masks > 0).float().mean((1, 2)).numpy()
    grey = image_of(made).float().mean((1, 2)).numpy()
    assert roc_auc_score(good, area) == roc_auc_score(good, grey) == 0.5


def test_who_compares_image_and_mask_is_right_every_time(pairs):
    made = mismatched(pairs, seed=0)
    apart = (image_of(made).float() / 90 - made.masks.float()).abs().mean((1, 2)).numpy()
    good = made.table["good"].to_numpy()
    assert roc_auc_score(good, -apart) == 1.0
    assert made.table.loc[good, ["delta_mm", "delta_days"]].notna().all(axis=None)
    wrong = made.table[~good]
    assert wrong["delta_days"].isna().all() and (wrong["dice"] < 1).all()
    by_kind = wrong.groupby("name")["delta_mm"]
    assert by_kind.count()[SIBLING] == 0 and (by_kind.get_group(SHIFTED) == 0).all()


def test_a_mask_at_the_scale_of_another_view_is_wrong_by_the_ratio_of_the_two(pairs):
    made = mismatched(pairs, seed=0)
    rescaled = made.where(made.table["name"] == RESCALED)
    count = len(rescaled.table) // 4
    width = [(mask > 0).any(0).sum().item() for mask in rescaled.masks]
    for row in range(2 * count, 4 * count):
        one = rescaled.table.iloc[row]
        fits = row + count if row < 3 * count else row - count  # the mask that belongs to the image it is shown with
        ratio = width[row] / width[fits - 2 * count]
        assert 1 + one["delta_mm"] / one["true_mm"] == pytest.approx(ratio, abs=0.06)
        assert abs(one["delta_mm"]) > 0.15 * one["true_mm"]


def test_a_view_holds_the_whole_fetus_and_moves_it_far_enough(pairs):
    made = mismatched(pairs, seed=0)
    shifted = made.where((made.table["name"] == SHIFTED) & made.table["good"])
    centre = [np.argwhere(mask.numpy() > 0).mean(0) for mask in shifted.masks]
    half = len(centre) // 2
    far = np.abs(np.array(centre[:half]) - np.array(centre[half:])).max(1) / SIDE
    assert (far > LEAST_SHIFT - 0.05).all()
    assert not (shifted.masks[:, [0, -1]] > 0).any() and not (shifted.masks[:, :, [0, -1]] > 0).any()
    rescaled = made.where((made.table["name"] == RESCALED) & made.table["good"])
    area = (rescaled.masks > 0).float().sum((1, 2)).numpy().reshape(2, -1)
    assert (area[1] > 1.2 * area[0]).all()


def test_siblings_are_of_one_patient_and_of_two_cases(pairs):
    made = mismatched(pairs, seed=0)
    crossed = made.where((made.table["name"] == SIBLING) & ~made.table["good"])
    assert sorted(crossed.table["case"]) == [f"c{i}" for i in range(8)]  # p4 has one image only
    own = {pairs.images[i, 0].numpy().tobytes(): pairs.table.loc[i] for i in range(9)}
    shown = [own[image.numpy().tobytes()] for image in image_of(crossed)]
    assert [one["patient"] for one in shown] == crossed.table["patient"].tolist()
    assert all(one["case"] != case for one, case in zip(shown, crossed.table["case"], strict=True))


def test_nothing_is_made_where_nothing_can_be_moved(pairs):
    full = Pairs(pairs.images, pairs.image_of, torch.ones_like(pairs.masks), pairs.table.assign(patient=range(9)))
    assert mismatched(full, seed=0).table.empty
    assert with_mismatched(full, 1.0, seed=0).table["name"].eq("reference").all()


def test_training_pairs_are_added_for_a_share_of_the_good_masks(pairs):
    more, known = with_mismatched(pairs, 0.5, seed=0), len(pairs.table)
    assert more.table.iloc[:known].equals(pairs.table) and torch.equal(more.masks[:known], pairs.masks)
    added = more.table.iloc[known:]
    assert added["case"].nunique() == 4 and added["good"].mean() == 0.5
    assert torch.equal(more.masks, with_mismatched(pairs, 0.5, seed=0).masks)
    assert with_mismatched(pairs, 0.0, seed=0) is pairs


def test_reference_masks_of_a_cohort_are_crossed(tmp_path):
    cases = [draw_case("A", 0, number) for number in range(6)]
    made = placed_pairs(write_cohort(tmp_path, cases, scheme=FETUS, source="test", licence="MIT"), 64, seed=0)
    assert len(made.table) >= 4 and made.masks.shape[1:] == (64, 64) and made.table["good"].mean() == 0.5
    assert set(made.table) >= {"case", "patient", "name", "good", "reviewed", "dice", "delta_mm", "test"}
