"""Time to quality: processor seconds until a network orders validation patients' altered masks with an AUROC of .90.

``make bench`` runs it, ``python benchmarks/learning.py resnet18 alexnet`` for some backbones. Each is trained several
times in this process, one after the other: as this study did at first (batches of 32 in random order, float32,
convolutions as PyTorch computes them), and as profiles say now, which see more samples: a longer training ends higher
and passes .90 later, since its rate falls later. All see the same images of 64 px on one thread, and their
validation is timed with them. Seconds depend on the machine, their ratio hardly does.
"""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch
from fastai.callback.core import Callback
from fastai.learner import Learner
from torch import nn

from fusqa.models.backbones import BACKBONES
from fusqa.models.learner import AUROC, Paired, fit, history, make_learner, reproducible
from fusqa.models.networks import quality_model
from fusqa.simulator.cases import simulate
from fusqa.study.material import AlteredSet
from fusqa.study.pairs import Pairs, altered_pairs
from fusqa.study.profile import Profile, QualityTraining
from fusqa.study.rows import Row

CASES, SIZE, WANTED, SEED = 696, 64, 0.90, 0
AT_FIRST = QualityTraining(size=SIZE, budget=19200, rounds=16, batch=32, rate=0.001, paired=False)
PROFILES = {"resnet18": ("classroom", "overnight")}  # the others: overnight
SLOW = {"vgg16": {"rate": 0.0003}, "alexnet": {"rate": 0.0003}}  # rates with which they learnt at first


class Clock(Callback):
    """Processor seconds at the end of every round."""

    order = 70  # after the recorder

    def before_fit(self):
        self.start, self.seconds = time.process_time(), []

    def after_epoch(self):
        self.seconds.append(time.process_time() - self.start)


def parts() -> list[Pairs]:
    """Altered masks of the training and of the validation patients of a simulated site A."""
    with TemporaryDirectory() as folder:
        cohort = simulate(Path(folder) / "A", "A", CASES, SEED)
        masks = AlteredSet.make(cohort, SIZE, SEED)
        return [altered_pairs(part, masks) for part in cohort.split(0.1, SEED)]


def fit_at_first(learn: Learner) -> pd.DataFrame:
    """Train as :func:`fusqa.models.learner.fit` did at first: no convolution is computed as a matrix product.

    The statistics of batch normalisation are fresh as they are now, which was not so at first.
    """
    with learn.no_logging(), learn.no_bar():
        learn.fit_one_cycle(learn.plan.rounds, learn.plan.rate)
    return history(learn)


def learning_curve(
    backbone: str, plan: QualityTraining, fitted: Callable[[Learner], pd.DataFrame], pairs: list[Pairs]
) -> pd.DataFrame:
    """Train the single network of a backbone from scratch: samples, processor seconds and AUROC by round."""
    device = reproducible(SEED, 1)
    model, clock = quality_model("single", backbone, False), Clock()
    table = pairs[0].table
    order = Paired(table["good"], table["case"], plan.of_a_round, SEED) if plan.paired else None
    samples = (part.labelled("good", device) for part in pairs)
    made = make_learner(
        model, nn.BCEWithLogitsLoss(), *samples, plan, SEED, order=order, callbacks=[clock], metrics=[AUROC]
    )
    return fitted(made).assign(seconds=clock.seconds)[["samples", "seconds", "auroc"]]


def rows(backbones: list[str]) -> Iterator[dict]:
    """One line per training: how long it took at first, and how long it takes by a profile."""
    pairs = parts()
    for backbone in backbones:
        plans = {"at first": (AT_FIRST.model_copy(update=SLOW.get(backbone, {})), fit_at_first)}
        for name in PROFILES.get(backbone, ("overnight",)):
            plan = Profile.read(name).training(Row("single", backbone, False))
            plans[name] = plan.model_copy(update={"size": SIZE}), fit
        at_first = np.nan
        for name, (plan, fitted) in plans.items():
            curve = learning_curve(backbone, plan, fitted, pairs)
            there = curve[curve["auroc"] >= WANTED]
            needed = there["seconds"].iloc[0] if len(there) else np.nan
            at_first = needed if name == "at first" else at_first
            line = {"backbone": BACKBONES[backbone].title, "trained": name, "samples": plan.budget}
            line |= {"AUROC": round(curve["auroc"].max(), 3), f"s to {WANTED}": round(needed, 1)}
            yield line | {"ratio": round(at_first / needed, 2)}


def main() -> None:
    """Print the table line by line."""
    torch.set_num_threads(1)
    asked = sys.argv[1:] or ["resnet18"]
    print(f"Simulated site A, {CASES} images, {SIZE} px, one thread; {Path(__file__).name}")
    for line in rows(asked):
        print(pd.DataFrame([line]).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()
