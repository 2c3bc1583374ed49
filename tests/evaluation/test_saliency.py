"""What a model looks at: only hiding a part that it uses changes its verdict."""

import torch
from torch import nn

from fusqa.evaluation.saliency import grad_cam, occlusion


class Looker(nn.Module):
    """Sums the upper left quarter of the image and the lower right quarter of label 2."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, image, mask):
        half = image.shape[-1] // 2
        seen = image[:, 0, :half, :half].sum((1, 2)) + (mask[:, half:, half:] == 2).sum((1, 2))
        return self.weight * seen


def test_only_the_patches_that_a_model_uses_move_it():
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (1, 64, 64), generator=generator, dtype=torch.uint8)
    mask = torch.full((64, 64), 2, dtype=torch.uint8)
    of_image, of_mask = occlusion(Looker(), image, mask)
    assert of_image.shape == of_mask.shape == (8, 8)
    assert (of_image[:4, :4] != 0).all()
    assert (of_image[4:] == 0).all() and (of_image[:, 4:] == 0).all()
    torch.testing.assert_close(of_mask[4:, 4:], torch.full((4, 4), -64.0))
    assert (of_mask[:4] == 0).all() and (of_mask[:, :4] == 0).all()


def test_image_and_mask_are_left_as_they_were():
    image, mask = torch.full((1, 32, 32), 9, dtype=torch.uint8), torch.ones(32, 32, dtype=torch.uint8)
    occlusion(Looker(), image, mask)
    assert (image == 9).all() and (mask == 1).all()


class Spots(nn.Module):
    """A convolution that keeps bright spots and dark ones apart; the bright speak for "good", the dark against."""

    def __init__(self):
        super().__init__()
        self.stage = nn.Conv2d(1, 2, 1)
        with torch.no_grad():
            self.stage.weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
            self.stage.bias.copy_(torch.tensor([-0.5, 0.5]))

    def forward(self, image, mask):
        bright, dark = self.stage(image).relu().mean((2, 3)).T
        return bright - dark


def test_grad_cam_points_at_what_speaks_for_either_verdict():
    image = torch.full((1, 16, 16), 128, dtype=torch.uint8)
    image[0, 2:6, 2:6], image[0, 10:14, 10:14] = 255, 0
    model = Spots()
    cam = grad_cam(model, model.stage, image, torch.zeros(16, 16, dtype=torch.uint8))
    assert cam.shape == (16, 16)
    assert cam[3:5, 3:5].min() > 0 > cam[11:13, 11:13].max()
    assert not model.stage._forward_hooks
