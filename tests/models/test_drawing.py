"""What a segmentation network draws: specks are dropped, and what may be a piece of the fetus stays."""

import pytest
import torch
from torch import nn

from fusqa.models.drawing import SPECK, drawn_probability, without_specks

SIZE = 48


class Draws(nn.Module):
    """A network that sees label 1 where the image is dark grey and label 2 where it is bright."""

    def __init__(self):
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(9.0))

    def forward(self, images):
        grey = images[:, 0]
        return self.sharpness * torch.stack([grey < 0.3, (grey >= 0.3) & (grey < 0.7), grey >= 0.7], 1).float()


def image(side):
    """A fetus of 400 pixels with two labels, and a piece of `side` pixels squared far from it."""
    drawn = torch.zeros(1, 1, SIZE, SIZE, dtype=torch.uint8)
    drawn[..., 20:40, 10:20], drawn[..., 20:40, 20:30] = 128, 255
    drawn[..., 2 : 2 + side, 40 : 40 + side] = 128
    return drawn


@pytest.mark.parametrize(("side", "kept"), [(0, False), (1, False), (4, False), (5, True), (6, True)])
def test_only_small_pieces_are_dropped(side, kept):
    labels = drawn_probability(Draws(), image(side)).argmax(1)
    assert labels[0, :, 10:30].count_nonzero() == 400
    assert labels[0, :12].count_nonzero() == kept * side**2
    assert kept == (side**2 >= SPECK * 400)


def test_what_is_dropped_is_background_for_certain_and_all_else_is_as_it_was():
    before = Draws()(image(2) / 255).softmax(1).detach()
    before[0, 0, :12] *= 0.6  # where a rim is likelier to be something than background
    after = without_specks(before.clone())
    rim = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    rim[1:5, 39:43] = True
    assert (after[0, 0, rim] == 1).all() and (after[0, 1:, rim] == 0).all()
    assert torch.equal(after[0, :, ~rim], before[0, :, ~rim])


def test_a_mask_without_anything_stays_empty():
    nothing = torch.zeros(1, 1, SIZE, SIZE, dtype=torch.uint8)
    assert drawn_probability(Draws(), nothing).argmax(1).count_nonzero() == 0
