"""What an error map is worth: the wrong regions that it finds, and the caliper that it suspects.

A map says how surely each pixel of a mask is wrong, structure by structure. A reader sees spots, not pixels, so regions
are counted. A clinic looks at the two ends of the measured line: the second question is which of them is misplaced.
"""

from collections.abc import Mapping

import cv2
import numpy as np
import pandas as pd

from fusqa.cohorts.cohort import Cohort
from fusqa.masks.labels import FETUS, HEAD, Scheme
from fusqa.masks.length import Length, Unmeasurable, ends_apart_mm
from fusqa.masks.measurement import measure
from fusqa.metrics import bootstrap_weights, classification_report, interval, mean_interval
from fusqa.study.error_mapping import Checked

LEAST_PIXELS = 4  # chosen: a smaller spot is no region; at 96 pixels a side these are about 4 mm²
OVERLAP = 0.25  # chosen: share of a region that must coincide for a hit
CALIPER_MM = 5.0  # an end farther than this from the reference's is misplaced
COUNTS = ["wrong", "found", "marked", "right"]
ENDS = {FETUS.name: ("crown", "rump"), HEAD.name: ("left", "right")}  # of the measured line, in the order of its ends
SEGQC = {"recall": 0.77, "precision": 0.55}  # highest published, on fetal MRI (Specktor-Fadida et al. 2025)
_OF_ENDS = ("auroc", "recall", "precision")  # figures of merit for misplaced ends
_THRESHOLDS = np.linspace(0.05, 0.95, 19)  # that are tried


def count_regions(wrong: np.ndarray, marked: np.ndarray, overlap: float = OVERLAP) -> np.ndarray:
    """Count the wrong regions of one mask and those that a map marks, structure by structure.

    A region is connected, diagonally too, and has at least :data:`LEAST_PIXELS` pixels. A wrong region is found if at
    least the share `overlap` of its pixels is marked; a marked region is right if at least that share of its pixels is
    wrong.

    Parameters
    ----------
    wrong, marked : (K, H, W) bool
        Wrong pixels and marked pixels of K structures.
    overlap : float
        0 to 1.

    Returns
    -------
    (K, 4) int
        :data:`COUNTS`: wrong regions, those of them that are found, marked regions, those of them that are right.
    """
    return np.array([[*_hits(a, b, overlap), *_hits(b, a, overlap)] for a, b in zip(wrong, marked, strict=True)])


def _hits(layer: np.ndarray, other: np.ndarray, overlap: float) -> tuple[int, int]:
    """How many regions a layer has, and of how many of them the other layer covers the share `overlap` at least."""
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(np.uint8(layer), connectivity=8)
    area = stats[1:, cv2.CC_STAT_AREA]
    covered = np.bincount(numbers[other], minlength=len(stats))[1:]
    large = area >= LEAST_PIXELS
    return int(large.sum()), int((large & (covered >= overlap * area)).sum())


def region_table(checked: Checked, probability: np.ndarray, threshold: float, overlap: float = OVERLAP) -> pd.DataFrame:
    """Count regions of many masks.

    Parameters
    ----------
    checked : Checked
        M masks and their wrong pixels.
    probability : (M, K, S, S) float
        What a map says of them.
    threshold : float
        Pixels are marked from this probability on.
    overlap : float
        As for :func:`count_regions`.

    Returns
    -------
    DataFrame
        One row per mask and structure: ``case``, ``patient``, ``structure``, and :data:`COUNTS`.
    """
    pairs = zip(checked.wrong(), probability, strict=True)
    counts = np.concatenate([count_regions(wrong, map_ >= threshold, overlap) for wrong, map_ in pairs])
    names = checked.scheme.names
    table = checked.pairs.table[["case", "patient"]].loc[lambda t: t.index.repeat(len(names))].reset_index(drop=True)
    return table.assign(structure=list(names) * len(probability), **dict(zip(COUNTS, counts.T, strict=True)))


def region_figures(table: pd.DataFrame, seed: int = 0) -> dict[str, tuple[float, float, float]]:
    """Recall, precision and F1 over the regions of a :func:`region_table`, each with its 95 % interval by patient.

    Returns
    -------
    dict
        From "recall", "precision" and "f1" to value, lower and upper end; NaN where nothing was wrong, or marked.
    """
    counts = table[COUNTS].to_numpy(float)
    drawn = _ratios(bootstrap_weights(table["patient"], seed=seed) @ counts)
    whole = _ratios(counts.sum(0, keepdims=True))
    return {name: (float(whole[name][0]), *interval(drawn[name])) for name in whole}


def _ratios(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Figures of summed counts ``(draws, 4)``."""
    wrong, found, marked, right = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        recall, precision = found / wrong, right / marked
        return {"recall": recall, "precision": precision, "f1": 2 * recall * precision / (recall + precision)}


def mark_threshold(checked: Checked, probability: np.ndarray) -> float:
    """Choose the probability from which on pixels are marked: the one with the highest F1 of regions.

    Parameters
    ----------
    checked : Checked
        M validation masks.
    probability : (M, K, S, S) float
        What the map says of them.

    Returns
    -------
    float
        The lowest of the best; 0.5 where none finds a wrong region.
    """
    wrong = checked.wrong()
    sums = [
        sum(count_regions(a, p >= threshold).sum(0) for a, p in zip(wrong, probability, strict=True))
        for threshold in _THRESHOLDS
    ]
    f1 = np.nan_to_num(_ratios(np.array(sums, float))["f1"])
    return float(_THRESHOLDS[f1.argmax()]) if f1.any() else 0.5


def misplaced_mm(found: Length, true: Length, spacing: tuple[float, float]) -> np.ndarray:
    """How far each end of a measured line lies from the end of the true line that belongs to it.

    The ends are paired so that the farther pair is as near as possible: a line has no direction, and which of its ends
    comes first is not certain where a structure is missing.

    Parameters
    ----------
    found, true : Length
        The lines that were measured on a mask and on its reference.
    spacing : (row_mm, col_mm)
        Pixel spacing in millimetres.

    Returns
    -------
    (2,) float64
        Millimetres, in the order of the ends of `found`.
    """
    order = min((true.ends, true.ends[::-1]), key=lambda ends: ends_apart_mm(found.ends, ends, spacing))
    return np.array([ends_apart_mm((a,), (b,), spacing) for a, b in zip(found.ends, order, strict=True)])


def suspicion(
    probability: np.ndarray, found: Length, shape: tuple[int, int], spacing: tuple[float, float], scheme: Scheme
) -> np.ndarray:
    """How surely a mask is wrong around each end of its measured line.

    Parameters
    ----------
    probability : (K, S, S) float
        The map, on the network's square.
    found : Length
        The line that was measured on the mask, in pixels of the image's own grid.
    shape : (H, W)
        Of that grid.
    spacing : (row_mm, col_mm)
        Its pixel spacing in millimetres.
    scheme : Scheme
        Labels; only structures that belong to the measured body count.

    Returns
    -------
    (2,) float64
        The highest probability within :data:`CALIPER_MM` of each end.
    """
    solid = probability[[scheme.id(name) - 1 for name in scheme.solid]].max(0)
    rows, cols = ((np.arange(side) + 0.5) * full / side - 0.5 for side, full in zip(solid.shape, shape, strict=True))
    discs = [
        np.hypot((rows[:, None] - row) * spacing[0], (cols - col) * spacing[1]) <= CALIPER_MM for row, col in found.ends
    ]
    return np.array([solid[disc].max(initial=0.0) for disc in discs])


def caliper_table(cohort: Cohort, masks: Mapping[str, np.ndarray], probability: np.ndarray) -> pd.DataFrame:
    """Compare both ends of every measured line with the reference's, and with what a map says of them.

    Parameters
    ----------
    cohort : Cohort
        Cases with reference masks.
    masks : mapping of str to (H, W) uint8
        The mask of each case, on the image's own grid.
    probability : (N, K, S, S) float
        The map of each case, in the order of the cohort.

    Returns
    -------
    DataFrame
        One row per end: ``case``, ``patient``, ``end``, ``off_mm`` (its distance from the reference's) and
        ``suspicion``. A mask that cannot be measured has no row.
    """
    rows = []
    for case, map_ in zip(cohort, probability, strict=True):
        try:
            found, true = (measure(mask, case.spacing, cohort.scheme) for mask in (masks[case.case], case.mask))
        except Unmeasurable:
            continue
        off = misplaced_mm(found, true, case.spacing)
        suspected = suspicion(map_, found, case.image.shape, case.spacing, cohort.scheme)
        rows += zip([case.case] * 2, [case.patient] * 2, ENDS[cohort.scheme.name], off, suspected, strict=True)
    return pd.DataFrame(rows, columns=["case", "patient", "end", "off_mm", "suspicion"])


def caliper_figures(table: pd.DataFrame, threshold: float, seed: int = 0) -> dict[str, object]:
    """How well suspicion tells misplaced ends, each figure as value, lower and upper end of its interval by patient.

    Returns
    -------
    dict
        ``ends`` and ``misplaced``, how many; ``auroc``, ``recall`` and ``precision`` of misplaced ends, called so from
        `threshold` on; ``one_wrong``, the number of masks with exactly one misplaced end, and ``pointed``, the share of
        these in which the misplaced end is the more suspect one (chance: one half).
    """
    misplaced = table["off_mm"].to_numpy() > CALIPER_MM
    figures: dict[str, object] = {"ends": len(table), "misplaced": int(misplaced.sum())}
    if len(table):
        report = classification_report(misplaced, table["suspicion"], table["patient"], threshold, seed=seed)
        figures |= {name: (getattr(report, name), *report.intervals[name]) for name in _OF_ENDS}
    else:
        figures |= dict.fromkeys(_OF_ENDS, (np.nan,) * 3)
    of_mask, suspicions = misplaced.reshape(-1, 2), table["suspicion"].to_numpy().reshape(-1, 2)
    one = of_mask.sum(1) == 1
    ahead = np.where(of_mask[:, 0], -1, 1) * np.diff(suspicions)[:, 0]  # of the misplaced end before the other
    pointed = (1 + np.sign(ahead[one])) / 2  # ties count one half
    patients = table["patient"].to_numpy()[::2][one]
    return figures | {"one_wrong": int(one.sum()), "pointed": mean_interval(pointed, patients, seed)}
