"""Convolutions over small maps as matrix products: the same answers and gradients, and only where they are faster."""

import numpy as np
import pytest
import torch
from torch import nn

from fusqa.models.learner import pictures, predict
from fusqa.models.networks import quality_model
from fusqa.models.small_maps import as_products

LAYERS = {
    "3 x 3": (nn.Conv2d(24, 32, 3, padding=1), (2, 2)),
    "stride 2": (nn.Conv2d(24, 32, 3, stride=2, padding=1, bias=False), (5, 4)),
    "1 x 1, stride 2": (nn.Conv2d(24, 32, 1, stride=2), (4, 4)),
    "unequal sides": (nn.Conv2d(24, 32, (3, 1), stride=(1, 2), padding=(1, 0)), (2, 4)),
    "too many places": (nn.Conv2d(24, 32, 3, padding=1), (5, 5)),
}
LEFT_ALONE = {
    "groups": nn.Conv2d(24, 48, 3, padding=1, groups=24),
    "gaps": nn.Conv2d(24, 48, 3, padding=2, dilation=2),
    "same": nn.Conv2d(24, 48, 3, padding="same"),
    "reflected": nn.Conv2d(24, 48, 3, padding=1, padding_mode="reflect"),
}


@pytest.fixture
def convolved(monkeypatch):
    """Return the layers that were computed as convolutions since the test began."""
    seen, plain = [], nn.Conv2d._conv_forward
    monkeypatch.setattr(nn.Conv2d, "_conv_forward", lambda self, *args: seen.append(self) or plain(self, *args))
    return seen


def answer_and_gradients(network, maps):
    """What a network says of maps, and the gradients of the maps and the weights."""
    maps = maps.clone().requires_grad_()
    answer = network(maps)
    return [answer, *torch.autograd.grad((answer**2).sum(), [maps, *network.parameters()])]


@pytest.mark.parametrize("kind", LAYERS)
def test_a_product_answers_as_the_convolution_and_has_its_gradients(kind, convolved):
    layer, size = LAYERS[kind]
    layer = layer.to(memory_format=torch.channels_last)
    maps = torch.randn(4, 24, *size, generator=torch.Generator().manual_seed(0))
    expected = answer_and_gradients(layer, maps)
    convolved.clear()
    with as_products(layer):
        found = answer_and_gradients(layer, maps)
    assert [len(convolved), type(layer)] == [kind == "too many places", nn.Conv2d]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", LEFT_ALONE)
def test_other_convolutions_are_left_alone(kind, convolved):
    layer, maps = LEFT_ALONE[kind], torch.randn(2, 24, 3, 3)
    expected = layer(maps)
    with as_products(layer):
        assert torch.equal(layer(maps), expected)
    assert len(convolved) == 2


def test_a_resnet_computes_its_last_layers_as_products_and_keeps_its_weights(convolved):
    torch.manual_seed(0)
    model = quality_model("single", "resnet18", False).to(memory_format=torch.channels_last)
    image, mask = torch.rand(8, 1, 64, 64), torch.randint(0, 5, (8, 64, 64), dtype=torch.uint8)
    expected, before = model(image, mask), dict(model.named_parameters())
    everywhere = len(convolved)
    convolved.clear()
    with as_products(model):
        torch.testing.assert_close(model(image, mask), expected, rtol=1e-3, atol=1e-3)
    assert 0 < len(convolved) < everywhere
    after = dict(model.named_parameters())
    assert list(before) == list(after) and all(before[name] is after[name] for name in before)


def test_convolutions_come_back_after_an_error():
    layer = nn.Conv2d(24, 32, 3)
    with pytest.raises(RuntimeError, match="stop"), as_products(layer):
        raise RuntimeError("stop")
    assert type(layer) is nn.Conv2d


def test_predictions_leave_a_network_alone_that_several_threads_may_ask(convolved):
    model = quality_model("single", "resnet18", False)
    predict(model, pictures(np.zeros((2, 64, 64), np.uint8)), torch.zeros(2, 64, 64, dtype=torch.uint8))
    assert len(convolved) == sum(isinstance(part, nn.Conv2d) for part in model.modules())
