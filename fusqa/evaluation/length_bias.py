"""Where a length gets its systematic error: the contour, the network's grid, the network, or the way it is measured.

Every case is measured in several ways, from its reference mask to a network's prediction. What the mean error gains
from one way to the next of the same contour belongs to that step.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from fusqa.cohorts.cohort import Cohort
from fusqa.evaluation.scoring import mean_figure
from fusqa.masks.crown_rump import crown_rump_length
from fusqa.masks.dating import EQUATIONS
from fusqa.masks.label_images import resize_labels
from fusqa.masks.labels import Scheme
from fusqa.masks.length import mm_or_nan

CONTOURS = ("outer", "boundary")
PAPER = "prediction, outer"  # the way of the paper


def measured_ways(
    cohort: Cohort, predictions: Mapping[str, np.ndarray], subpixel_mm: Mapping[str, float], size: int
) -> pd.DataFrame:
    """Measure the crown-rump length of every case in several ways.

    Parameters
    ----------
    cohort : Cohort
        Cases with reference masks.
    predictions : mapping of str to (H, W) uint8
        A network's label masks on the images' own grids, by case.
    subpixel_mm : mapping of str to float
        Lengths of the same predictions, measured between pixels, by case.
    size : int
        Side of the network's square in pixels.

    Returns
    -------
    DataFrame
        One row per case: ``site``, ``patient``, ``true_mm``, and one column of millimetres per way; NaN where nothing
        can be measured.
    """
    rows = []
    for case in cohort:
        small = resize_labels(case.mask, (size, size))
        masks = {
            "reference mask": case.mask,
            f"reference mask through {size} px and back": resize_labels(small, case.mask.shape),
            "prediction": predictions[case.case],
        }
        ways = {
            f"{name}, {contour}": mm_or_nan(crown_rump_length, mask, case.spacing, contour=contour)
            for name, mask in masks.items()
            for contour in CONTOURS
        }
        about = {"site": case.site, "patient": case.patient, "true_mm": case.measure_mm}
        rows.append(about | ways | {"prediction, between pixels": subpixel_mm[case.case]})
    return pd.DataFrame(rows)


def bias_table(ways: pd.DataFrame, scheme: Scheme, seed: int, within_mm: float = np.inf) -> pd.DataFrame:
    """Signed and absolute mean error of every way at every site, in mm and days, with intervals by patient.

    Parameters
    ----------
    ways : DataFrame
        From :func:`measured_ways`, of one site or several.
    scheme : Scheme
        What was measured; its own equation gives the days.
    seed : int
        Of the bootstrap.
    within_mm : float
        Only cases whose prediction, measured as in the paper, is off by at most this: the same cases for every way.

    Returns
    -------
    DataFrame
        One row per site and way, of printed text.
    """
    days = EQUATIONS[scheme.equation].days
    kept = ways[(ways[PAPER] - ways["true_mm"]).abs().fillna(np.inf) <= within_mm]
    lines = []
    for site, part in kept.groupby("site"):
        for way in part.columns.drop(["site", "patient", "true_mm"]):
            errors = {"mm": part[way] - part["true_mm"], "days": days(part[way]) - days(part["true_mm"])}
            line = {"site": site, "cases": int(part[way].notna().sum()), "measured": way}
            for unit, error in errors.items():
                line[f"mean error, {unit}"] = mean_figure(error, part["patient"], seed)
                line[f"mean size of it, {unit}"] = mean_figure(error.abs(), part["patient"], seed)
            lines.append(line)
    return pd.DataFrame(lines)
