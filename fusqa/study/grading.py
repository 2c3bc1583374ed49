"""Predictions of graded quality: by a trained segmenter, by what it was early on, and by ones that saw few images.

A trained U-Net hardly fails on fetal heads, so that its masks cannot show whether anybody notices a failure. A cohort's
plan therefore names the *grades* of network that draw the masks to judge, and the share of the images that each gets.

The shares may differ between the sites: where the trained network fails at site B by itself, it draws all masks there.

Every image is drawn at random one grade, and has one mask. Masks of all grades for every image would be more masks, but
not more patients: they would repeat the same images, and a score that tells an easy image from a hard one would be
counted several times. With one mask each, masks are as independent as the images are; intervals are still by patient.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from fusqa.cohorts.cohort import Cohort
from fusqa.models.callbacks import KeepEarly
from fusqa.models.drawing import drawn_probability
from fusqa.models.plan import Bar
from fusqa.models.uncertainty import agreement
from fusqa.study.learning import Evidence
from fusqa.study.profile import Grade, Segmenter
from fusqa.study.segmentation import Predictions, length_spread, segment, train_segmenter, varied_uncertainty


class Trained(NamedTuple):
    """A trained segmentation network, how its training went, and one network per grade.

    Where a grade is the trained network, its network is `model`.
    """

    model: nn.Module
    history: pd.DataFrame
    learnt: Evidence
    by_grade: list[nn.Module]


def train_grades(
    network: str,
    training: Cohort,
    validation: Cohort,
    plan: Segmenter,
    grades: Sequence[Grade],
    seed: int,
    device: torch.device,
    bar: Bar,
) -> Trained:
    """Train a segmentation network, and keep or train the weaker ones of other grades.

    Parameters
    ----------
    network, training, validation, plan, seed, device, bar
        As for :func:`fusqa.study.segmentation.train_segmenter`, which this function calls.
    grades : sequence of Grade
        The grades. Those that see all images are the network at that point of its own training.

    Returns
    -------
    Trained
        The networks, and how the full training went.

    Raises
    ------
    ValueError
        If a grade asks for so few images that not one patient can be taken whole.
    """
    early = KeepEarly(grade.samples for grade in grades if grade.samples and not grade.images)
    model, history, learnt = train_segmenter(network, training, validation, plan, seed, device, bar, callbacks=[early])

    def of(grade: Grade) -> nn.Module:
        if grade.images:
            short = plan.model_copy(update={"budget": grade.samples or plan.budget, "rounds": 1})
            few = training.at_most(grade.images)
            if not len(few):
                raise ValueError(f"grade '{grade.title}': the first patient has more; give a larger number")
            return train_segmenter(network, few, validation, short, seed, device, bar)[0]
        return early.kept[grade.samples] if grade.samples else model

    return Trained(model, history, learnt, [of(grade) for grade in grades])


def draw_grades(images: int, shares: Sequence[float], seed: int) -> np.ndarray:
    """Draw a grade for each of `images` images, ``(images,)`` int: in random order, in exactly these shares."""
    places = (np.random.default_rng(seed).permutation(images) + 0.5) / images
    return np.searchsorted(np.cumsum(shares)[:-1], places)


def graded_predictions(
    networks: Sequence[Sequence[nn.Module]],
    best: int,
    images: Tensor,
    cohort: Cohort,
    grades: Sequence[Grade],
    drawn: np.ndarray,
    level: float,
    **about: object,
) -> tuple[Predictions, np.ndarray]:
    """Predict every image of a site with the best fold's network of the grade that it has drawn.

    Parameters
    ----------
    networks : sequence of sequence of nn.Module
        Networks by fold and grade.
    best : int
        Number of the fold whose networks predict.
    images : (N, 1, S, S) uint8
        The images of `cohort` at the size of the networks.
    cohort : Cohort
        The site.
    grades : sequence of Grade
        The grades.
    drawn : (N,) int
        The grade of each image.
    level : float
        At which lengths are measured between pixels (:func:`fusqa.study.segmentation.contour_level`).
    **about
        More columns of the table.

    Returns
    -------
    Predictions
        One mask per image, in the order of the site. Its table names the ``grade``, and holds two measures of
        uncertainty: how far the networks of all folds agree that have this grade, and how sure the best one is; and
        both as the spread of the measured lengths in mm.
    (folds, N, S, S) uint8
        The masks of the networks of every fold, of the same grade.
    """
    votes = np.zeros((len(networks), *images[:, 0].shape), np.uint8)
    native, tables = {}, []
    for number in np.unique(drawn):
        chosen = drawn == number
        shown, of_grade = images[torch.from_numpy(chosen)], [fold[number] for fold in networks]
        cases, scheme = list(cohort.subset(chosen)), cohort.scheme
        drawn_by = [drawn_probability(model, shown) for model in of_grade]
        votes[:, chosen] = [probability.argmax(1).byte().numpy() for probability in drawn_by]
        part = segment(of_grade[best], shown, cases, scheme, level, **about, grade=grades[number].title)
        native |= part.native
        agree = agreement(votes[:, chosen], scheme.classes)
        apart = length_spread(drawn_by, cases, scheme)
        varied = varied_uncertainty(of_grade[best], shown, cases, scheme)
        tables.append(part.table.assign(agreement=agree, spread_folds_mm=apart, **varied))
    table = pd.concat(tables).set_index("case").loc[cohort.table["case"]].reset_index()
    return Predictions(native, votes[best], table), votes
