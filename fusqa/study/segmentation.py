"""Train one segmentation network, and record the masks that it draws.

Networks see square images; a mask is measured and reviewed on its image's own grid only.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from fusqa.cohorts.cohort import Cohort
from fusqa.cohorts.reading import Case
from fusqa.masks.contour import contour_length
from fusqa.masks.dating import EQUATIONS
from fusqa.masks.labels import Scheme
from fusqa.masks.length import mm_or_nan
from fusqa.masks.measurement import measured_mm
from fusqa.models.drawing import drawn_probability, native_masks
from fusqa.models.learner import Callback, Resident, computes_in, fit, make_learner, pictures
from fusqa.models.losses import SegmentationLoss, average_mask
from fusqa.models.plan import Bar
from fusqa.models.segmenters import SEGMENTERS
from fusqa.models.uncertainty import VARIANTS, certainty, variants
from fusqa.study.learning import Evidence, evidence
from fusqa.study.material import prediction_record
from fusqa.study.profile import Segmenter

MASK_LEVEL = 0.5  # where a label mask of two classes ends
LEVELS = np.linspace(MASK_LEVEL, 0.95, 19)  # chosen: upwards, because class weights make a network see too much


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a segmentation network drew.

    Attributes
    ----------
    native : dict of str to (H, W) uint8
        Label masks on the images' own grids, by case.
    small : (N, S, S) uint8
        The same masks at the size of the network.
    table : DataFrame
        One row per mask: ``case``, ``patient``, its :func:`fusqa.study.material.prediction_record`, and the length
        between pixels (:func:`fusqa.masks.contour.contour_length`) with its error: ``subpixel_mm``,
        ``subpixel_delta_mm``, ``subpixel_delta_days``.
    """

    native: dict[str, np.ndarray]
    small: np.ndarray
    table: pd.DataFrame


def segmenter_arguments(plan: Segmenter, scheme: Scheme) -> dict:
    """Arguments of a network of :data:`fusqa.models.segmenters.SEGMENTERS` for a plan and the labels it draws."""
    return {"classes": scheme.classes, "size": plan.size} | plan.arguments


def train_segmenter(
    network: str,
    training: Cohort,
    validation: Cohort,
    plan: Segmenter,
    seed: int,
    device: torch.device,
    bar: Bar,
    callbacks: Sequence[Callback] = (),
) -> tuple[nn.Module, pd.DataFrame, Evidence]:
    """Train a segmentation network on the reference masks of `training`.

    Patients of `validation` choose the round, and nothing else.

    Parameters
    ----------
    network : str
        A key of :data:`fusqa.models.segmenters.SEGMENTERS`.
    training, validation : Cohort
        Cases with masks, without a patient in common.
    plan : Segmenter
        Size, budget and rates.
    seed : int
        Of the order of the cases; :func:`fusqa.models.learner.reproducible` seeds the weights.
    device : torch.device
        Where to train.
    bar : Bar
        What it must show to count as learnt.
    callbacks : sequence of Callback
        What else happens during the training, such as keeping early copies of the network.

    Returns
    -------
    nn.Module
        The trained network.
    DataFrame
        Its history by round.
    Evidence
        Whether it has learnt: its loss beside that of an answer that is the same for every image, the share of each
        label at each pixel of the training masks.
    """
    classes = training.scheme.classes
    model = SEGMENTERS[network](**segmenter_arguments(plan, training.scheme))
    images, masks = zip(*(part.stack(plan.size) for part in (training, validation)), strict=True)
    references = [torch.from_numpy(part) for part in masks]
    loss = SegmentationLoss.balanced(references[0], classes)
    shown = [Resident(pictures(x), y, device=device) for x, y in zip(images, references, strict=True)]
    history = fit(make_learner(model, loss, *shown, plan, seed, callbacks=callbacks))
    blind = average_mask(references[0], classes).clamp_min(1e-6).log().expand(len(references[1]), -1, -1, -1)
    constant = float(loss.cpu()(blind, references[1]))
    precision = computes_in(plan.precision, device)
    return model, history, evidence(history, plan, len(training), constant, bar=bar, precision=precision)


def contour_level(model: nn.Module, validation: Cohort, size: int) -> float:
    """Choose the level of probability at which lengths are neither too long nor too short.

    The loss gives rare structures more weight, so the network calls a pixel fetus although background is more likely:
    where its probability passes one half lies outside the true edge. Pixels of the network's grid add their share.

    Parameters
    ----------
    model : nn.Module
        A trained segmentation network.
    validation : Cohort
        Cases with a known length whose patients it did not learn from, as in :func:`train_segmenter`.
    size : int
        Side of the network's images in pixels.

    Returns
    -------
    float
        Of :data:`LEVELS`, the one with the median error nearest zero among those at which as many cases can be measured
        as at one half.
    """
    cases = list(validation)
    probability = drawn_probability(model, pictures(validation.stack(size)[0]))
    errors = {
        level: pd.Series(
            _subpixel_mm(classes.numpy(), case, validation.scheme, level) - case.measure_mm
            for classes, case in zip(probability, cases, strict=True)
        ).dropna()
        for level in LEVELS
    }
    whole = [level for level in LEVELS if 0 < len(errors[MASK_LEVEL]) <= len(errors[level])]
    return float(min(whole, key=lambda level: abs(errors[level].median()), default=MASK_LEVEL))


def segment(
    model: nn.Module, images: Tensor, cases: Iterable[Case], scheme: Scheme, level: float = MASK_LEVEL, **about: object
) -> Predictions:
    """Segment images and record every mask.

    Parameters
    ----------
    model : nn.Module
        A trained segmentation network.
    images : (N, 1, S, S) uint8
        What it is shown of each case, as it is or degraded.
    cases : iterable of Case
        The cases, with their reference masks.
    scheme : Scheme
        The labels that it draws.
    level : float
        At which lengths are measured between pixels, from :func:`contour_level`.
    **about
        More columns of the table, the same in every row; they stand between ``patient`` and the record.
    """
    cases = list(cases)
    probability = drawn_probability(model, images)
    masks = native_masks(probability, [case.image.shape for case in cases])
    native = {case.case: mask for case, mask in zip(cases, masks, strict=True)}
    rows = [
        {"case": case.case, "patient": case.patient}
        | about
        | prediction_record(case, native[case.case], scheme)
        | _subpixel_record(case, classes.numpy(), scheme, level)
        for case, classes in zip(cases, probability, strict=True)
    ]
    return Predictions(native, probability.argmax(1).byte().numpy(), pd.DataFrame(rows))


def _subpixel_record(case: Case, probability: np.ndarray, scheme: Scheme, level: float) -> dict[str, float]:
    """Length between pixels and its error in mm and days; NaN where there is nothing to measure."""
    mm, days = _subpixel_mm(probability, case, scheme, level), EQUATIONS[scheme.equation].days
    errors = {"mm": mm - case.measure_mm, "days": float(days(mm) - days(case.measure_mm))}
    return {"subpixel_mm": mm} | {f"subpixel_delta_{unit}": error for unit, error in errors.items()}


def _subpixel_mm(probability: np.ndarray, case: Case, scheme: Scheme, level: float) -> float:
    return mm_or_nan(contour_length, probability, case.image.shape, case.spacing, scheme, level=level)


def length_spread(drawn: Iterable[Tensor], cases: Sequence[Case], scheme: Scheme) -> np.ndarray:
    """How far the lengths of several masks of one image lie apart: their standard deviation, in mm.

    Parameters
    ----------
    drawn : iterable of (N, classes, S, S) float
        Class probabilities of the same N images, by several networks or of several variants. Each set of masks is
        measured on the images' own grids and then forgotten.
    cases : sequence of Case
        The N cases.
    scheme : Scheme
        Their labels.

    Returns
    -------
    (N,) float
        NaN where fewer than two of the masks can be measured.
    """
    shapes = [case.image.shape for case in cases]
    lengths = [
        [measured_mm(mask, case.spacing, scheme) for mask, case in zip(native_masks(one, shapes), cases, strict=True)]
        for one in drawn
    ]
    return pd.DataFrame(lengths).std().to_numpy()


def varied_uncertainty(
    model: nn.Module, images: Tensor, cases: Sequence[Case], scheme: Scheme
) -> dict[str, np.ndarray]:
    """How sure a network stays when its images are varied, in one pass over the variants.

    Returns
    -------
    dict of str to (N,) float
        ``certainty`` (:func:`fusqa.models.uncertainty.certainty` of the mean over the variants) and
        ``spread_varied_mm`` (:func:`length_spread`).
    """
    total: Tensor | float = 0

    def passing() -> Iterator[Tensor]:  # six sets of probabilities are too many to keep
        nonlocal total
        for probability in variants(model, images):
            total = total + probability
            yield probability

    spread = length_spread(passing(), cases, scheme)
    return {"certainty": certainty(total / VARIANTS), "spread_varied_mm": spread}
