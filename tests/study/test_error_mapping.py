"""Training an error map: targets that move with their masks, and a network that finds faults no mask shows."""

import numpy as np
import pandas as pd
import torch

from fusqa.cohorts.reading import Case
from fusqa.cohorts.writing import write_cohort
from fusqa.evaluation.error_maps import region_figures, region_table
from fusqa.masks.labels import HEAD
from fusqa.models.learner import pictures, reproducible
from fusqa.models.plan import Bar, Training
from fusqa.study.error_mapping import Checked, train_error_map, wrong_probability
from fusqa.study.learning import CONTROL
from fusqa.study.pairs import Pairs

SIZE = 32


def heads(tmp_path, count=32):
    """A bright square in each image; the mask has it, and every other mask one more where the image is dark."""
    rng = np.random.default_rng(0)
    cases, masks = [], []
    for number in range(count):
        mask = np.zeros((SIZE, SIZE), np.uint8)
        (top, left), (other, beside) = rng.permutation([(2, 2), (2, 18), (18, 2), (18, 18)])[:2]
        mask[top : top + 10, left : left + 10] = 1
        cases.append(Case(f"c{number}", f"p{number}", "A", 40 + 160 * mask, mask, (1.0, 1.0), 10.0))
        drawn = mask.copy()
        drawn[other : other + 10, beside : beside + 10] = 1
        masks.append(drawn)
    cohort = write_cohort(tmp_path / "heads", cases, scheme=HEAD, source="made up", licence="none")
    table = pd.DataFrame({"case": cohort.table["case"], "patient": cohort.table["patient"], "name": "error"})
    images = pictures(np.stack([case.image for case in cases]))
    return Checked.against(cohort, Pairs(images, torch.arange(count), torch.from_numpy(np.stack(masks)), table))


def test_wrong_is_what_the_reference_does_not_have(tmp_path):
    checked = heads(tmp_path)
    expected = (checked.pairs.masks.numpy() == 1) & (checked.pairs.images[:, 0].numpy() < 100)
    assert np.array_equal(checked.wrong()[:, 0], expected)
    some = checked.where(np.arange(32) % 5 == 0)
    assert np.array_equal(some.wrong()[:, 0], expected[::5]) and len(some.pairs.table) == 7


def test_only_with_the_image_can_the_wrong_square_be_found(tmp_path):
    """Which of two squares is wrong cannot be seen in the mask, so the control stays where chance puts it."""
    checked, plan = heads(tmp_path), Training(size=SIZE, budget=960, rounds=3, batch=8, rate=0.01)
    found = {}
    for sees in (("picture", "mask"), ("mask",)):
        device = reproducible(0, threads=1)
        model, history, learnt = train_error_map(
            checked, checked, plan, sees=sees, seed=0, device=device, bar=Bar(explained=0.5, late_gain=1.0)
        )
        assert len(history) == 3
        probability = wrong_probability(model, checked, sees)
        figures = region_figures(region_table(checked, probability, 0.5))
        found[sees] = learnt, np.nan_to_num(figures["f1"][0])
    assert found["picture", "mask"][0].verdict == "learnt" and found["picture", "mask"][1] > 0.9
    assert found[("mask",)][0].verdict == CONTROL and found[("mask",)][1] < 0.8
    assert found[("mask",)][0].loss > found["picture", "mask"][0].loss + 0.1
