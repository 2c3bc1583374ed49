"""What a network's number means: the loss of each kind of answer, and the score by which masks are trusted."""

import pytest
import torch

from fusqa.models.answers import ANSWERS, ERROR_MM
from fusqa.models.networks import quality_model

TARGETS = {"verdict": [0.0, 1.0], "overlap": [0.1, 0.9], "error": [-30.0, 0.0, 2.5]}


@pytest.mark.parametrize("name", ANSWERS)
def test_no_output_answers_better_than_the_perfect_one(name):
    answer, target = ANSWERS[name], torch.tensor(TARGETS[name], dtype=torch.float64)
    loss, perfect = answer.loss(), answer.perfect(target)
    least = loss(perfect, target)
    for step in (-0.1, 0.1):
        for place in range(len(target)):
            moved = perfect.clone()
            moved[place] += step
            assert loss(moved, target) > least - 1e-9
    assert answer.trust(perfect).min() >= 0 and answer.trust(perfect).max() <= 1


def test_an_error_to_either_side_costs_trust():
    error = ANSWERS["error"]
    mm = torch.tensor([0.0, ERROR_MM, -ERROR_MM, 4 * ERROR_MM])
    assert error.trust(error.perfect(mm)).tolist() == pytest.approx([1, 0.5, 0.5, 1 / 16])
    assert error.values["predicted_mm"](error.perfect(mm)).tolist() == pytest.approx(mm.tolist())


def test_a_gross_error_does_not_decide_what_is_learnt():
    loss, output = ANSWERS["error"].loss(), torch.zeros(3, requires_grad=True)
    loss(output, torch.tensor([1.0, 10.0, 100.0])).backward()
    small, large, gross = (-output.grad).tolist()
    assert 0 < small < large and gross == pytest.approx(large)


def test_a_network_knows_what_it_answers():
    assert quality_model("single", "resnet18", False).answer is ANSWERS["verdict"]
    assert quality_model("single", "resnet18", False, answer="error").answer is ANSWERS["error"]
    with pytest.raises(KeyError, match="'mm' is not one of verdict, overlap, error"):
        quality_model("single", "resnet18", False, answer="mm")
