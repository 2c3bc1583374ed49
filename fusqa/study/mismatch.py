"""Right masks in the wrong place, or of the wrong size: what neither the mask nor the image alone can tell.

Two views of one case, or two images of one patient, have two images and two masks, and so four pairs: two fit, two do
not. Every mask is in one good and in one poor pair, and so is every image. Whoever is shown only one of the two gives
both pairs the same score: its AUROC is one half, exactly. Views are windows cut out of one image, so no edge, no black
margin and no moved border tells where the fetus should be.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from fusqa.cohorts.cohort import Cohort
from fusqa.masks.label_images import dice
from fusqa.models.learner import pictures
from fusqa.study.pairs import Pairs
from fusqa.study.results import Study
from fusqa.study.sets import PLACED_A, PLACED_B

SHIFTED, RESCALED, SIBLING = "shifted", "rescaled", "another image of the patient"  # kinds, as tables name them
# All chosen: room around the fetus, least shift as a share of the window, range of a smaller window's side.
MARGIN, LEAST_SHIFT, ZOOM = 1.03, 0.1, (0.65, 0.85)
CASES = 60  # of a site, at most, in the sets that score a model


class Windows(NamedTuple):
    """Square parts of N images, as shares of the frame: ``corner`` (N, 2) (row, column) and ``side`` (N,)."""

    corner: np.ndarray
    side: np.ndarray


def mismatched(pairs: Pairs, seed: int) -> Pairs:
    """Cross the pairs of every kind: shifted, rescaled, and with another image of the same patient.

    Parameters
    ----------
    pairs : Pairs
        Good masks with their images, and ``true_mm``, the true length, in the table. Masks that leave no room to be
        moved in are left out of that kind.
    seed : int
        Of the windows and of the order of a patient's images.

    Returns
    -------
    Pairs
        For every two views, four pairs. ``name`` of the table is the kind, ``dice`` of a poor pair the overlap of the
        two masks. ``delta_mm`` of a poor pair is the error of a mask that is drawn at the scale of the other view, or
        the mask's own where it is only shifted; it is not known for two images, whose scales have nothing in common.
    """
    rng, masks = np.random.default_rng(seed), pairs.masks.numpy()
    views = {}
    for kind, windows in ((SHIFTED, _shifted), (RESCALED, _rescaled)):
        *both, fits = windows(masks, rng)
        views[kind] = [(np.flatnonzero(fits), window) for window in both]
    views[SIBLING] = [(rows, _whole(len(masks))) for rows in _siblings(pairs.table, rng)]
    made = [_crossed(kind, pairs, both) for kind, both in views.items() if len(both[0][0])]
    return reduce(Pairs.joined, made) if made else pairs.where(np.zeros(len(masks), bool))


def with_mismatched(pairs: Pairs, share: float, seed: int) -> Pairs:
    """Add the crossed pairs of a share of the good masks, drawn at random."""
    good = np.flatnonzero(pairs.table["good"].to_numpy(bool))
    count = round(share * len(good))
    if not count:
        return pairs
    chosen = np.isin(np.arange(len(pairs.table)), np.random.default_rng(seed).choice(good, count, replace=False))
    return pairs.joined(mismatched(pairs.where(chosen), seed))


def placed_pairs(cohort: Cohort, size: int, seed: int) -> Pairs:
    """Cross the reference masks of a cohort, of :data:`CASES` cases at most."""
    part = cohort.at_most(CASES)
    images, masks = part.stack(size)
    truth = {"good": True, "reviewed": True, "delta_mm": np.nan, "delta_days": np.nan, "dice": 1.0, "test": False}
    named = part.table[["case", "patient", "measure_mm"]].rename(columns={"measure_mm": "true_mm"})
    table = named.reset_index(drop=True).assign(name="reference", **truth)
    made = mismatched(Pairs(pictures(images), torch.arange(len(part)), torch.from_numpy(masks), table), seed)
    return replace(made, table=made.table.drop(columns="true_mm"))


def placed_sets(study: Study, validation: Cohort, size: int) -> dict[str, Pairs]:
    """Return the sets that ask whether a model compares: of site A's validation patients, and of site B.

    One is left out where no fetus leaves room to be moved and no patient has two images.
    """
    parts = {PLACED_A: validation, PLACED_B: study.site("B")}
    made = {name: placed_pairs(part, size, study.seed) for name, part in parts.items()}
    return {name: pairs for name, pairs in made.items() if len(pairs.table)}


def _crossed(kind: str, pairs: Pairs, views: Sequence[tuple[np.ndarray, Windows]]) -> Pairs:
    """Show every mask with its own image, as it was labelled, and with that of its twin, as poor."""
    first, second = (_seen(pairs, *view) for view in views)
    count, images = len(first.table), torch.cat([first.images, second.images])
    here, there = torch.arange(count), torch.arange(count) + count
    classes = int(pairs.masks.max()) + 1
    both = zip(first.masks.numpy(), second.masks.numpy(), strict=True)
    overlap = [float(np.nanmean(dice(own, other, classes))) for own, other in both]
    one, other = (window.side[rows] for rows, window in views)
    scale = np.nan if kind == SIBLING else other / one  # of the other view's pixels beside this one's
    poor = {"good": False, "reviewed": False, "dice": overlap, "delta_days": np.nan}
    tables = [first.table, second.table]
    for table, drawn in ((first.table, scale), (second.table, 1 / scale)):
        off = (table["true_mm"] + table["delta_mm"]) * drawn - table["true_mm"]
        tables.append(table.assign(**poor, delta_mm=off))
    return Pairs(
        images,
        torch.cat([here, there, there, here]),
        torch.cat([first.masks, second.masks] * 2),
        pd.concat(tables, ignore_index=True).assign(name=kind),
    )


def _box(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last edge of what is drawn, along rows and columns, as shares of the frame: two arrays ``(N, 2)``.

    An empty mask counts as one that fills the frame.
    """
    drawn = masks > 0
    lines = np.stack([drawn.any(2), drawn.any(1)], 1)  # (N, 2, S)
    return lines.argmax(2) / lines.shape[2], 1 - lines[:, :, ::-1].argmax(2) / lines.shape[2]


def _whole(count: int) -> Windows:
    """The whole frame, so many times."""
    return Windows(np.zeros((count, 2)), np.ones(count))


def _centred(low: np.ndarray, high: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Corners ``(N, 2)`` of windows about a box, inside the frame."""
    return np.clip((low + high - side[:, None]) / 2, 0, np.maximum(1 - side, 0)[:, None])


def _shifted(masks: np.ndarray, rng: np.random.Generator) -> tuple[Windows, Windows, np.ndarray]:
    """Two windows of one size that hold the whole fetus, apart along the axis that leaves more room; which fit."""
    low, high = _box(masks)
    extent, each = high - low, np.arange(len(masks))
    axis = extent.argmin(1)
    side = np.maximum((1 + extent.min(1)) / 2, MARGIN * extent.max(1))
    least = np.maximum(high[each, axis] - side, 0)
    most = np.minimum(low[each, axis], 1 - side)
    step = (most - least) * rng.uniform(0.5, 1, len(masks))
    corners = []
    for sign in (-1, 1):
        corner = _centred(low, high, side)
        corner[each, axis] = (least + most + sign * step) / 2
        corners.append(corner)
    fits = (side <= 1) & (step / side >= LEAST_SHIFT)
    return Windows(corners[0], side), Windows(corners[1], side), fits


def _rescaled(masks: np.ndarray, rng: np.random.Generator) -> tuple[Windows, Windows, np.ndarray]:
    """The whole frame, and a smaller window that holds the whole fetus; which fit."""
    low, high = _box(masks)
    side = np.maximum(rng.uniform(*ZOOM, len(masks)), MARGIN * (high - low).max(1))
    return _whole(len(masks)), Windows(_centred(low, high, side), side), side <= ZOOM[1]


def _siblings(table: pd.DataFrame, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two rows each of one patient and of two of its cases: ``(C,)`` and ``(C,)``, no row twice."""
    first = table.iloc[rng.permutation(len(table))].drop_duplicates("case")
    by_patient = first.groupby("patient")["case"]
    first = first.assign(place=by_patient.cumcount(), of=by_patient.transform("size"))
    whole = first[first["place"] < first["of"] // 2 * 2]  # of an odd number one is left out
    couples = whole.sort_values(["patient", "place"]).index.to_numpy(copy=True)
    return couples[::2], couples[1::2]


def _seen(pairs: Pairs, rows: np.ndarray, windows: Windows) -> Pairs:
    """Cut windows out of images and masks and bring them back to the full size."""
    chosen = torch.from_numpy(rows)
    corner, side = (torch.from_numpy(part[rows]).float() for part in windows)
    middle = 2 * corner + side[:, None] - 1  # in -1 … 1, as grids count
    theta = torch.zeros(len(chosen), 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = side
    theta[:, :, 2] = middle.flip(1)
    images, masks = pairs.images[pairs.image_of[chosen]], pairs.masks[chosen].unsqueeze(1)
    return Pairs(
        _cut(images, theta, "bilinear"),
        torch.arange(len(chosen)),
        _cut(masks, theta, "nearest").squeeze(1),
        pairs.table.iloc[rows].reset_index(drop=True),
    )


def _cut(layers: Tensor, theta: Tensor, mode: str) -> Tensor:
    """Resample ``(N, 1, S, S)`` uint8 on maps ``(N, 2, 3)`` from output to input."""
    grid = F.affine_grid(theta, list(layers.shape), align_corners=False)
    cut = F.grid_sample(layers.float(), grid, mode=mode, padding_mode="border", align_corners=False)
    return cut.round().byte()
