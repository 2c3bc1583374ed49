"""From arrays in memory to trained networks, with fastai: batches, their order, fitting, predicting.

Images stay ``uint8`` in memory (or on the device), and whole batches are gathered, converted and augmented as arrays:
no Python runs per image. A tensor's dimensions say what it holds: ``(B, 1, H, W)`` is a batch of images, ``(B, H, W)``
of label masks, and everything else is not spatial.
"""

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial

import numpy as np
import pandas as pd
import torch
from IPython import get_ipython
from IPython.display import clear_output
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler, Sampler

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # fastai 2.8 still calls torch.jit.script when imported
    from fastai.callback import schedule  # noqa: F401  adds fit_one_cycle to Learner
    from fastai.callback.core import Callback
    from fastai.callback.tracker import TrackerCallback
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.metrics import AccumMetric
    from fastai.optimizer import OptimWrapper
    from fastai.torch_core import set_seed

    from fusqa.models.callbacks import FreshStatistics, Move  # loads fastai too

from fusqa.models.plan import Training
from fusqa.models.small_maps import as_products

PREDICTED = 64  # samples that are predicted at a time

# Adam with decoupled weight decay, of norms and biases too, and fastai's other defaults, in PyTorch's fused form:
# fastai's own goes over the weights several times, which takes an eighth of a ResNet-18 step at 64 px and a third of an
# AlexNet or VGG-16 step.
ADAM = partial(OptimWrapper, opt=partial(torch.optim.AdamW, betas=(0.9, 0.99), eps=1e-5, fused=True))


def reproducible(seed: int, threads: int) -> torch.device:
    """Seed every random generator, set the number of CPU threads, and return the device to train on.

    On a CPU, a seed and a number of threads together give the same bits every time. Another number of threads gives
    others, so it is part of a study's profile and not left to the machine.
    """
    torch.set_num_threads(threads)
    set_seed(seed, reproducible=True)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Resident(Dataset):
    """A data set in memory that is read a whole batch at a time.

    Parameters
    ----------
    *columns : tensor or (tensor, index)
        The inputs, one column each, and the target last. Row ``i`` of a column belongs to sample ``i``. If an `index`
        ``(N,)`` is given with the tensor, row ``index[i]`` does: ten masks can share one image that way.
    device : torch.device
        Where the tensors are kept.
    """

    def __init__(self, *columns: Tensor | tuple[Tensor, Tensor], device: torch.device | str = "cpu"):
        pairs = [column if isinstance(column, tuple) else (column, None) for column in columns]
        self.columns = [(t.to(device), i if i is None else i.to(device)) for t, i in pairs]
        tensor, index = self.columns[-1]
        self.size = len(tensor if index is None else index)
        self.device = device

    def __len__(self) -> int:
        return self.size

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, ...]:
        """Gather the batch with these sample numbers."""
        rows = torch.as_tensor(indices, device=self.device)
        return tuple(tensor[rows if index is None else index[rows]] for tensor, index in self.columns)


def pictures(array: np.ndarray) -> Tensor:
    """Turn images ``(N, S, S)`` ``uint8`` into the tensor ``(N, 1, S, S)``: four dimensions mark them as images."""
    return torch.from_numpy(array).unsqueeze(1)


def auroc(target: np.ndarray, logit: np.ndarray) -> float:
    """Area under the ROC curve of logits ``(N,)`` against targets ``(N,)`` in 0 … 1; NaN where all have one verdict."""
    good = target > 0.5
    return float(roc_auc_score(good, logit)) if good.any() and not good.all() else float("nan")


AUROC = AccumMetric(auroc, to_np=True, invert_arg=True)
"""Metric of a training: :func:`auroc` over the whole validation set."""


def _unit(tensor: Tensor) -> Tensor:
    """Turn images into floats in [0, 1]; leave everything else as it is."""
    return tensor.float() / 255 if tensor.ndim == 4 else tensor


class ToUnit(Callback):
    """Convert the images of every batch from ``uint8`` to floats in [0, 1], channels last."""

    order = 1

    def before_batch(self):
        """Convert."""
        self.learn.xb = tuple(
            x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x for x in map(_unit, self.xb)
        )


class Precision(Callback):
    """Run the network in bfloat16 where that is faster; the loss and the weights stay in float32."""

    order = 10

    def before_batch(self):
        """Begin to compute in bfloat16."""
        self.autocast = torch.autocast(next(self.model.parameters()).device.type, torch.bfloat16)
        self.autocast.__enter__()

    def after_pred(self):
        """Go back to float32 for the loss."""
        self.autocast.__exit__(None, None, None)
        self.learn.pred = self.pred.float()


def computes_in(precision: str, device: torch.device | str) -> str:
    """Return the precision in which `device` runs a training that asks for `precision`: "float32" or "bfloat16"."""
    if torch.device(device).type == "cuda":
        return "bfloat16"
    return precision if torch.cpu.get_capabilities().get("avx512_bf16") else "float32"


class KeepBest(TrackerCallback):
    """End the training with the weights of the round that had the lowest validation loss."""

    order = 61  # after the recorder, as fastai's own SaveModelCallback

    def after_epoch(self):
        """Copy the weights when this round is the best so far."""
        super().after_epoch()
        if self.new_best:
            self.weights = {key: value.detach().clone() for key, value in self.model.state_dict().items()}

    def after_fit(self):
        """Put the best weights back."""
        if hasattr(self, "weights"):
            self.model.load_state_dict(self.weights)


class Paired(Sampler):
    """Draw each mask with one of the other verdict beside it, of the same case where there is one.

    The two then differ in what makes a mask good or poor, and in little else: a network learns that in half of the
    samples (measured on altered masks). Both verdicts are seen equally often.

    Parameters
    ----------
    good : (N,) bool
        Verdict of every sample; both must occur.
    case : (N,) str
        Whose sample it is.
    samples, seed : int
        How many are drawn, and the seed of their order.
    """

    def __init__(self, good: Sequence[bool], case: Sequence[str], samples: int, seed: int):
        self.good, self.samples, self.rng = np.asarray(good, bool), samples, np.random.default_rng(seed)
        of_verdict = {verdict: np.flatnonzero(self.good == verdict) for verdict in (True, False)}
        of_case = pd.DataFrame({"case": np.asarray(case), "good": self.good}).groupby(["case", "good"]).indices
        self.partners = [
            of_case.get((name, not verdict), of_verdict[not verdict])
            for name, verdict in zip(case, self.good.tolist(), strict=True)
        ]

    def __len__(self) -> int:
        return self.samples

    def __iter__(self) -> Iterator[int]:
        drawn: list[int] = []
        while len(drawn) < self.samples:
            for sample in self.rng.permutation(len(self.good)):
                drawn += [int(sample), int(self.rng.choice(self.partners[sample]))]
        return iter(drawn[: self.samples])


def make_learner(
    model: nn.Module,
    loss: nn.Module,
    train: Resident,
    validation: Resident,
    plan: Training,
    seed: int,
    *,
    order: Sampler | None = None,
    callbacks: Sequence[Callback] = (),
    metrics: Sequence = (),
) -> Learner:
    """Make a fastai Learner that sees ``plan.budget`` samples in equal rounds and validates after each.

    A budget of samples, unlike a number of epochs, makes trainings on data sets of unequal size comparable and the
    duration of a study predictable.

    Parameters
    ----------
    model, loss : nn.Module
        The network and what it minimises.
    train, validation : Resident
        Samples; the module says what a tensor's dimensions mean.
    plan : Training
        Samples, rounds, batch, rate, weight decay, precision.
    seed : int
        Seed of the order of the samples.
    order : Sampler, optional
        Which samples a round draws; random ones, each once before any is drawn again, where it is not given.
    callbacks : sequence of Callback
        More of what is done to a batch.
    metrics : sequence
        fastai metrics, or functions ``(prediction, target) -> float`` that are averaged over the validation batches.
    """
    if order is None:
        chance = torch.Generator().manual_seed(seed)
        order = RandomSampler(train, num_samples=plan.of_a_round, generator=chance)
    gather = {"collate_fn": lambda samples: samples}
    loaders = DataLoaders(
        DataLoader(train, sampler=order, drop_last=True, batch_size=plan.batch, **gather),
        DataLoader(validation, batch_size=PREDICTED, **gather),
    )
    model = model.to(train.device, memory_format=torch.channels_last)
    cast = computes_in(plan.precision, train.device) == "bfloat16"
    cbs = [ToUnit(), Move(), FreshStatistics(cast), KeepBest(monitor="valid_loss"), *callbacks]
    if cast:
        cbs.append(Precision())
    made = Learner(loaders, model, loss.to(train.device), ADAM, wd=plan.decay, metrics=list(metrics), cbs=cbs)
    made.plan = plan
    return made


def fit(learn: Learner) -> pd.DataFrame:
    """Train with a one-cycle schedule that peaks at the plan's learning rate; return :func:`history`.

    The progress bar is cleared at the end, so that none stays in an executed notebook.
    """
    with learn.no_logging(), _bar(learn), as_products(learn.model):
        learn.fit_one_cycle(learn.plan.rounds, learn.plan.rate)
    return history(learn)


@contextmanager
def _bar(learn: Learner):
    """Show fastai's progress bar only where somebody may watch: in a terminal, and in a notebook until the end."""
    notebook = get_ipython() is not None
    with nullcontext() if notebook or sys.stdout.isatty() else learn.no_bar():
        yield
    if notebook:
        clear_output()


def history(learn: Learner) -> pd.DataFrame:
    """Return losses and metrics by round.

    Columns ``round``, ``samples`` (seen until then), ``train_loss``, ``valid_loss`` and the metrics.
    """
    names = learn.recorder.metric_names[1:-1]
    table = pd.DataFrame([list(row) for row in learn.recorder.values], columns=names)
    rounds = np.arange(1, len(table) + 1)
    table.insert(0, "round", rounds)
    table.insert(1, "samples", rounds * len(learn.dls.train) * learn.plan.batch)
    return table


@torch.inference_mode()
def predict(model: nn.Module, *inputs: Tensor | tuple[Tensor, Tensor]) -> Tensor:
    """Run `model` in evaluation mode over `inputs`, columns as of :class:`Resident`; the output is on the CPU."""
    device = next(model.parameters()).device
    model.eval()
    samples = Resident(*inputs, device=device)
    batches = torch.arange(len(samples)).split(PREDICTED)
    return torch.cat([model(*map(_unit, samples.__getitems__(batch))).cpu() for batch in batches])
