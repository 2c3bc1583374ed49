"""Statistics of batch normalisation: those of the round's last batches, with the weights that are validated."""

import numpy as np
import torch
from fastai.callback.core import Callback
from torch import nn

from fusqa.models.callbacks import BATCHES, FreshStatistics
from fusqa.models.learner import Resident, fit, make_learner, pictures, reproducible
from fusqa.models.plan import Training

PLAN = Training(size=16, budget=160, rounds=1, batch=8, rate=0.05)  # a high rate: the weights of a step differ much


class Net(nn.Sequential):
    """One convolution, its normalisation, one number."""

    def __init__(self, norm=True):
        middle = [nn.BatchNorm2d(4, momentum=0.01)] if norm else []
        super().__init__(nn.Conv2d(1, 4, 3), *middle, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1))

    def forward(self, image):
        return super().forward(image).squeeze(1)


class Seen(Callback):
    """Keep what the network was shown, and its statistics when the validation begins."""

    order = FreshStatistics.order + 100

    def before_fit(self):
        self.batches = []

    def after_batch(self):
        if self.training:
            self.batches.append(self.xb[0].clone())

    def before_validate(self):
        norms = [part for part in self.model.modules() if isinstance(part, nn.BatchNorm2d)]
        self.norms = [(norm.running_mean.clone(), norm.running_var.clone()) for norm in norms]
        self.convolution = [weight.detach().clone() for weight in self.model[0].parameters()]


def trained(model):
    device = reproducible(0, 1)
    images = np.random.default_rng(0).integers(0, 255, (40, 16, 16)).astype(np.uint8)
    data = Resident(pictures(images), torch.arange(40) % 2.0, device=device)
    seen = Seen()
    fit(make_learner(model, nn.BCEWithLogitsLoss(), data, data, PLAN, 0, callbacks=[seen]))
    return seen


def test_statistics_are_those_of_the_last_batches_with_the_last_weights():
    torch.manual_seed(0)
    model = Net()
    seen = trained(model)
    assert len(seen.batches) == PLAN.budget // PLAN.batch > BATCHES
    maps = [torch.conv2d(batch, *seen.convolution) for batch in seen.batches[-BATCHES:]]
    (mean, variance), *others = seen.norms
    torch.testing.assert_close(mean, torch.stack([m.mean((0, 2, 3)) for m in maps]).mean(0), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(variance, torch.stack([m.var((0, 2, 3)) for m in maps]).mean(0), rtol=1e-3, atol=1e-4)
    assert not others and model[1].momentum == 0.01


def test_a_network_without_batch_normalisation_trains_too():
    assert trained(Net(norm=False)).norms == []
