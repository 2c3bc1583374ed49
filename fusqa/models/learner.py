"""From arrays in memory to trained networks, with fastai: batches, joint augmentation, fitting, predicting.

Images stay ``uint8`` in memory (or on the device), and whole batches are gathered, converted and augmented as arrays:
no Python runs per image. A tensor's dimensions say what it holds: ``(B, 1, H, W)`` is a batch of images, ``(B, H, W)``
of label masks, and everything else is not spatial.
"""

import sys
import warnings
from collections.abc import Sequence
from contextlib import contextmanager, nullcontext
from functools import partial

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from IPython import get_ipython
from IPython.display import clear_output
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # fastai 2.8 still calls torch.jit.script when imported
    from fastai.callback import schedule  # noqa: F401  adds fit_one_cycle to Learner
    from fastai.callback.core import Callback
    from fastai.callback.fp16 import MixedPrecision
    from fastai.callback.tracker import TrackerCallback
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.optimizer import OptimWrapper
    from fastai.torch_core import set_seed

__all__ = ["Resident", "accuracy", "fit", "make_learner", "pictures", "predict", "reproducible"]

SCALE, FLIP, DEGREES = (0.9, 1.1), 0.5, 10.0  # range of magnification, chance of a flip, largest turn to either side
PREDICTED = 64  # samples that are predicted at a time

# Adam with decoupled weight decay and fastai's defaults, in PyTorch's fused form: fastai's own goes over the weights
# several times, which takes an eighth of a ResNet-18 step at 64 px and a third of an AlexNet or VGG-16 step.
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


def accuracy(logit: Tensor, target: Tensor) -> Tensor:
    """Share of samples whose logit ``(B,)`` has the sign that the target ``(B,)``, 0 or 1, requires."""
    return ((logit >= 0) == (target > 0.5)).float().mean()


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


class Augment(Callback):
    """Scale, flip and turn the images and masks of a training batch together: the paper's three augmentations.

    Images are interpolated bilinearly. A mask takes the nearest pixel, so it never gains a label that it did not have.
    """

    order = 2

    def before_batch(self):
        """Draw one transform per sample and apply it to its inputs and its target."""
        if not self.training:
            return
        like = self.xb[0]
        grid = F.affine_grid(self._draw(len(like), like.device), [len(like), 1, *like.shape[-2:]], align_corners=False)
        self.learn.xb = tuple(_move(x, grid) for x in self.xb)
        self.learn.yb = tuple(_move(y, grid) for y in self.yb)

    def _draw(self, samples: int, device: torch.device) -> Tensor:
        """Random maps from output to input coordinates, ``(B, 2, 3)``."""
        zoom = 1 / torch.empty(samples).uniform_(*SCALE)
        angle = torch.deg2rad(torch.empty(samples).uniform_(-DEGREES, DEGREES))
        mirror = 1 - 2 * (torch.rand(samples) < FLIP).float()
        cos, sin, zero = zoom * angle.cos(), zoom * angle.sin(), torch.zeros(samples)
        rows = [torch.stack([mirror * cos, -sin, zero], 1), torch.stack([mirror * sin, cos, zero], 1)]
        return torch.stack(rows, 1).to(device)


def _move(tensor: Tensor, grid: Tensor) -> Tensor:
    """Resample images or masks on `grid` ``(B, H, W, 2)``; leave what is not spatial."""
    if tensor.ndim == 4:
        return F.grid_sample(tensor, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    if tensor.ndim == 3:
        moved = F.grid_sample(tensor.unsqueeze(1).float(), grid, mode="nearest", align_corners=False)
        return moved.squeeze(1).to(tensor.dtype)
    return tensor


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


def make_learner(
    model: nn.Module,
    loss: nn.Module,
    train: Resident,
    validation: Resident,
    *,
    budget: int,
    rounds: int,
    batch: int,
    seed: int,
    decay: float = 0.01,
    metrics: Sequence = (),
) -> Learner:
    """Make a fastai Learner that sees `budget` samples in `rounds` equal rounds and validates after each.

    A budget of samples, unlike a number of epochs, makes trainings on data sets of unequal size comparable and the
    duration of a study predictable.

    Parameters
    ----------
    model, loss : nn.Module
        The network and what it minimises.
    train, validation : Resident
        Samples; the module says what a tensor's dimensions mean.
    budget, rounds, batch : int
        Samples seen in all, number of rounds, samples per step.
    seed : int
        Seed of the order of the samples.
    decay : float
        Weight decay of Adam, decoupled; the default is fastai's.
    metrics : sequence of callable
        ``(prediction, target) -> float``, averaged over the validation batches.
    """
    order = torch.Generator().manual_seed(seed)
    sampler = RandomSampler(train, num_samples=max(batch, budget // rounds), generator=order)
    gather = {"batch_size": batch, "collate_fn": lambda samples: samples}
    loaders = DataLoaders(
        DataLoader(train, sampler=sampler, drop_last=True, **gather), DataLoader(validation, **gather)
    )
    model = model.to(train.device, memory_format=torch.channels_last)
    callbacks = [ToUnit(), Augment(), KeepBest(monitor="valid_loss")]
    if torch.device(train.device).type == "cuda":
        callbacks.append(MixedPrecision(amp_mode="bf16"))  # a CPU gains nothing by it
    made = Learner(loaders, model, loss.to(train.device), ADAM, wd=decay, metrics=list(metrics), cbs=callbacks)
    made.rounds = rounds
    return made


def fit(learn: Learner, rate: float) -> pd.DataFrame:
    """Train with a one-cycle schedule that peaks at the learning rate `rate`; return :func:`history`.

    The progress bar is cleared at the end, so that none stays in an executed notebook.
    """
    with learn.no_logging(), _bar(learn):
        learn.fit_one_cycle(learn.rounds, rate)
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
    """Return losses and metrics by round: columns ``round``, ``train_loss``, ``valid_loss`` and the metrics."""
    names = learn.recorder.metric_names[1:-1]
    table = pd.DataFrame([list(row) for row in learn.recorder.values], columns=names)
    table.insert(0, "round", np.arange(1, len(table) + 1))
    return table


@torch.inference_mode()
def predict(model: nn.Module, *inputs: Tensor | tuple[Tensor, Tensor]) -> Tensor:
    """Run `model` in evaluation mode over `inputs`, columns as of :class:`Resident`; the output is on the CPU."""
    device = next(model.parameters()).device
    model.eval()
    samples = Resident(*inputs, device=device)
    batches = torch.arange(len(samples)).split(PREDICTED)
    return torch.cat([model(*map(_unit, samples.__getitems__(batch))).cpu() for batch in batches])
