"""Speed, side by side: each row runs both sides in this process, one after the other, and prints their ratio.

``make bench`` runs it. Times are the best of several, on one thread; they say nothing across machines, ratios do.
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pandas as pd
import torch
from scipy import ndimage
from scipy.spatial.distance import pdist
from skimage.measure import regionprops
from torch import nn

from fusqa.alterations import altered_masks
from fusqa.biometry import crown_rump_length
from fusqa.datasets import resize_labels
from fusqa.labels import FETUS
from fusqa.learner import Resident, fit, learner, pictures
from fusqa.networks import quality_model
from fusqa.phantom import draw_case, simulate

SIZE, BATCH, STEPS = 64, 32, 30


def best(call: Callable[[], object], repeats: int) -> float:
    """Shortest of `repeats` runs in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def row(what: str, ours: float, other: str, theirs: float, unit: float = 1e3) -> dict:
    """One line of the table; times in ms, and how many times as long the other side takes."""
    return {"what": what, "ours ms": ours * unit, "beside": other, "its ms": theirs * unit, "ratio": theirs / ours}


def samples(count: int = 256) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pictures, masks and labels of network size; a few cases repeated."""
    cases = [draw_case("A", 0, index) for index in range(8)]
    images = np.stack([cv2.resize(case.image, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for case in cases])
    masks = np.stack([resize_labels(case.mask, (SIZE, SIZE)) for case in cases])
    pick = np.arange(count) % len(cases)
    return images[pick], masks[pick], (np.arange(count) % 2).astype(np.float32)


def training() -> Iterator[dict]:
    """A step through our Learner (augmentation included) against a bare loop, and against a DataBlock of PNG files."""
    images, masks, good = samples()
    x, y, t = pictures(images), torch.from_numpy(masks), torch.from_numpy(good)

    def through_learner():
        data = Resident(x, y, t)
        few = Resident(x[:BATCH], y[:BATCH], t[:BATCH])
        model = quality_model("single", "resnet18", False)
        settings = {"budget": BATCH * STEPS, "rounds": 1, "batch": BATCH, "seed": 0}
        fit(learner(model, nn.BCEWithLogitsLoss(), data, few, **settings), 1e-3)

    def bare():
        model = quality_model("single", "resnet18", False).to(memory_format=torch.channels_last).train()
        optimiser, loss = torch.optim.Adam(model.parameters(), 1e-3), nn.BCEWithLogitsLoss()
        for step in range(STEPS):
            at = torch.arange(BATCH) + BATCH * (step % 8)
            image = (x[at].float() / 255).contiguous(memory_format=torch.channels_last)
            optimiser.zero_grad()
            loss(model(image, y[at]), t[at]).backward()
            optimiser.step()

    ours, theirs = best(through_learner, 2) / STEPS, best(bare, 2) / STEPS
    yield row(f"training step, ResNet-18, {SIZE} px, batch {BATCH}", ours, "bare PyTorch loop, no augmentation", theirs)
    yield row("training step, as above", ours, "fastai DataBlock of PNG files", datablock(images, masks, good))


def datablock(images: np.ndarray, masks: np.ndarray, good: np.ndarray) -> float:
    """Seconds a step of fastai's usual path: a PNG file an image, opened, resized and augmented one by one."""
    from fastai.vision.all import (
        CategoryBlock,
        DataBlock,
        ImageBlock,
        Learner,
        RandomSplitter,
        aug_transforms,
        resnet18,
    )  # fmt: skip

    with TemporaryDirectory() as folder:
        for number, (image, mask) in enumerate(zip(images, masks, strict=True)):
            cv2.imwrite(f"{folder}/{number}.png", np.dstack([image, image, mask * 60]))
        block = DataBlock(
            (ImageBlock, CategoryBlock(vocab=["0.0", "1.0"])),
            get_items=lambda path: sorted(Path(path).glob("*.png")),
            get_y=lambda path: str(good[int(path.stem)]),
            splitter=RandomSplitter(0.125, seed=0),
            batch_tfms=aug_transforms(size=SIZE, max_rotate=10),
        )
        loaders = block.dataloaders(folder, bs=BATCH, num_workers=0)
        learn = Learner(loaders, resnet18(num_classes=2), loss_func=nn.CrossEntropyLoss())
        with learn.no_bar(), learn.no_logging():
            learn.fit(1)
            steps = len(loaders.train)
            return best(lambda: learn.fit(1), 2) / steps


def alterations() -> Iterator[dict]:
    """Ten altered masks, against the same morphology by scipy.ndimage on the whole picture."""
    mask = draw_case("A", 0, 0).mask
    body = mask == FETUS.id("body")
    cross = np.ones((3, 3), bool)

    def with_scipy():
        for _ in range(2):
            ndimage.binary_dilation(body, cross)
            ndimage.binary_erosion(body, cross)
        ndimage.binary_dilation(body, cross, iterations=30)
        ndimage.binary_erosion(body, cross, iterations=30)

    ours = best(lambda: altered_masks(mask, np.random.default_rng(0)), 10)
    yield row(
        f"ten altered masks, {mask.shape[1]}×{mask.shape[0]}",
        ours,
        "scipy.ndimage, the six morphological ones",
        best(with_scipy, 3),
    )


def lengths() -> Iterator[dict]:
    """Crown-rump length against three ways to the same number."""
    case = draw_case("A", 0, 0)
    for side in (224, 1024):
        mask = resize_labels(case.mask, (side, side))
        spacing = tuple(0.2 * n / side for n in case.mask.shape)
        fetus = FETUS.body(mask).astype(np.uint8)
        outline = np.argwhere(cv2.dilate(fetus, np.ones((3, 3), np.uint8)) - fetus) * np.array(spacing)

        def all_pairs(points=outline):
            return max(np.sqrt(((points - point) ** 2).sum(1).max()) for point in points)

        sides = {
            "all pairs of contour pixels": all_pairs,
            "SciPy pdist of the contour": lambda points=outline: pdist(points).max(),
            "scikit-image feret_diameter_max": lambda fetus=fetus: regionprops(fetus)[0].feret_diameter_max,
        }
        ours = best(lambda mask=mask, spacing=spacing: crown_rump_length(mask, spacing), 20)
        for name, call in sides.items():
            yield row(f"crown-rump length, {side} px", ours, name, best(call, 3))


def simulation() -> Iterator[dict]:
    """Drawing cases, against drawing and writing them as a cohort."""
    drawn = best(lambda: [draw_case("A", 0, index) for index in range(10)], 2) / 10
    with TemporaryDirectory() as folder:
        written = best(lambda: simulate(Path(folder) / str(time.perf_counter_ns()), "A", 10, 0), 2) / 10
    yield row("one simulated case", drawn, "the same, written and checked", written)


if __name__ == "__main__":
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    table = pd.DataFrame([line for part in (lengths, alterations, simulation, training) for line in part()])
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3g}"))
    Path("build").mkdir(exist_ok=True)
    Path("build/benchmarks.json").write_text(json.dumps(table.to_dict("records"), indent=2, ensure_ascii=False))
