"""How long a study will take on this machine: a few steps of every training are timed, and multiplied.

``python -m fusqa.publishing estimate PROFILE OUT.csv`` writes one row per job: ``file`` (its result below the profile's
folder), ``seconds`` (of one processor, or of the GPU). The workflow runs it first, prints the sum, and weighs its
progress by it. Figures, and jobs that slow each other down, are left out of the estimate.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from fusqa.files import write_csv
from fusqa.masks.alterations import POOR_RECIPES, SLIGHT_MASKS
from fusqa.masks.label_images import to_native
from fusqa.masks.labels import FETUS
from fusqa.models.backbones import WeightsUnavailable
from fusqa.models.error_mapper import ErrorMapper
from fusqa.models.learner import Resident, fit, make_learner, predict, reproducible
from fusqa.models.losses import ErrorMapLoss, ReconstructionLoss, SegmentationLoss
from fusqa.models.networks import Autoencoder, quality_model
from fusqa.models.plan import Training
from fusqa.models.segmenters import SEGMENTERS
from fusqa.simulator.cases import draw_case
from fusqa.study.catalogue import COHORTS, at_hand
from fusqa.study.chapters import result_names
from fusqa.study.material import prediction_record
from fusqa.study.profile import CohortPlan, Profile
from fusqa.study.rows import RECIPES, REFERENCE_NETWORK, Row, row_named
from fusqa.study.training import FAMILIARITY_PAIRS
from fusqa.study.weaker import SHARE, WEAKER_BUDGETS

STEPS = 2  # timed steps of a training, after one that warms up


def write_estimate(name: str, out: Path) -> None:
    """Write the table of :func:`estimate` for the profile `name`, whole or not at all."""
    write_csv(out, estimate(Profile.read(name)))


def estimate(profile: Profile) -> pd.DataFrame:
    """Time what the jobs of `profile` are made of and multiply.

    Returns
    -------
    DataFrame
        ``file``, ``seconds``; one row per job.
    """
    device = reproducible(profile.seeds[0], profile.threads)
    start, case, judging = _start_seconds(), *_case_seconds()
    jobs = {}
    for cohort, plan in profile.cohorts.items():
        if not at_hand(cohort):
            continue
        if not COHORTS[cohort].data:
            jobs |= {f"simulated/cohorts/{site}/cases.csv": case * getattr(plan, site) for site in "AB"}
        work = dict.fromkeys(result_names(profile, cohort), 0.0)
        work |= _segmentations(profile, plan, cohort, device, judging) | _models(profile, plan, cohort, device)
        jobs |= {f"{cohort}/results/{name}.json": start + seconds for name, seconds in work.items()}
    return pd.DataFrame({"file": jobs.keys(), "seconds": np.round(list(jobs.values()), 1)})


def _segmentations(
    profile: Profile, plan: CohortPlan, cohort: str, device: torch.device, judging: float
) -> dict[str, float]:
    """Seconds of every segmentation network and seed: its folds, weaker ones, and its predictions of both sites."""
    shared, classes = profile.segmentation, COHORTS[cohort].scheme.classes
    seconds = {}
    for name in plan.segmenters:
        training = profile.segmenters[name]
        model = SEGMENTERS[name](classes, training.size, **training.arguments)
        loss, size = SegmentationLoss(torch.ones(classes)), training.size
        columns = _noise(size), torch.randint(0, classes, (1, size, size), dtype=torch.uint8)
        step, forward = _rates(model, loss, training, columns, device)
        predictions = plan.A * (len(plan.grades) + shared.degraded) + plan.B
        few = sum(grade.samples or training.budget for grade in plan.grades if grade.images)
        trained = shared.folds * (training.budget + few)
        once = trained * step + predictions * (forward + judging)
        seconds |= {f"segmentation__{name}__seed{seed}": once for seed in profile.seeds}
        seconds[f"segmentation__{name}__seed{profile.seeds[0]}"] += WEAKER_BUDGETS * training.budget * SHARE * step
    return seconds


def _models(profile: Profile, plan: CohortPlan, cohort: str, device: torch.device) -> dict[str, float]:
    """Seconds of every row and seed, of the alterations left out, of the autoencoder, and of the error map.

    A row whose weights are unavailable takes none.
    """
    classes, target = COHORTS[cohort].scheme.classes, torch.ones(1)

    def mask(size: int) -> Tensor:
        return torch.randint(0, classes, (1, size, size), dtype=torch.uint8)

    kept = _kept(profile, plan, cohort)
    judged = sum(kept.values()) + profile.validation * plan.A + plan.B  # every set, once the model is trained

    @cache
    def of(network: tuple[str, str, bool], encoding: str, training: Training, material: tuple[str, ...]) -> float:
        try:
            model = quality_model(*network, classes, encoding)
        except WeightsUnavailable:
            return 0.0
        columns = _noise(training.size), mask(training.size), target
        step, forward = _rates(model, nn.BCEWithLogitsLoss(), training, columns, device)
        # After every round, and for what is familiar.
        validated = (training.rounds + 1) * sum(kept[kind] for kind in material)
        return training.budget * step + (validated + judged + FAMILIARITY_PAIRS) * forward

    seconds = {}
    for row in (row_named(key) for key in plan.rows):
        learns = RECIPES[row.recipe]
        once = of(row.network, learns.encoding, profile.training(row), learns.material)
        seconds |= {row.result(seed): once for seed in profile.seeds_of(row)}
    if profile.omitted is not None:
        trainings = 1 + len(POOR_RECIPES[COHORTS[cohort].scheme.name])  # with every alteration, and without each
        reference, paper = Row(*REFERENCE_NETWORK), RECIPES["paper"]
        training = profile.training_without(reference)
        seconds["unseen"] = trainings * of(reference.network, paper.encoding, training, paper.material)
    if training := profile.autoencoder:
        columns = mask(training.size), mask(training.size)
        step, forward = _rates(Autoencoder(classes), ReconstructionLoss(), training, columns, device)
        seconds["autoencoder"] = training.budget * step + plan.B * forward
    if training := profile.error_map:
        columns = _noise(training.size), mask(training.size), mask(training.size)
        step, forward = _rates(ErrorMapper(classes, training.size), ErrorMapLoss(), training, columns, device)
        once = training.budget * step + ((training.rounds + 1) * sum(kept.values()) + plan.B) * forward
        seconds["where"] = 2 * once  # with the image and without
    return seconds


def _kept(profile: Profile, plan: CohortPlan, cohort: str) -> dict[str, float]:
    """Masks of the patients who validate, by what a recipe learns from."""
    images = profile.validation * plan.A
    alterations = 1 + SLIGHT_MASKS + len(POOR_RECIPES[COHORTS[cohort].scheme.name])
    predictions = len(plan.segmenters) * (len(plan.grades) + profile.segmentation.degraded)
    return {"altered": alterations * images, "errors": predictions * images}


def _noise(size: int) -> Tensor:
    """One image of noise."""
    return torch.randint(0, 256, (1, 1, size, size), dtype=torch.uint8)


def _rates(
    model: nn.Module, loss: nn.Module, training: Training, columns: tuple[Tensor, ...], device: torch.device
) -> tuple[float, float]:
    """Seconds that a sample takes in training and in prediction; `columns` are those of one sample."""
    many = [torch.cat([column] * 2 * training.batch) for column in columns]
    samples = Resident(*many, device=device)
    one = Resident(*columns, device=device)

    def train(steps: int) -> None:
        short = training.model_copy(update={"rounds": 1, "budget": steps * training.batch})
        fit(make_learner(model, loss, samples, one, short, seed=0))

    train(1)
    step = _seconds(lambda: train(STEPS)) / (STEPS * training.batch)
    forward = _seconds(lambda: predict(model, *many[:-1])) / len(many[0])
    return step, forward


def _case_seconds() -> tuple[float, float]:
    """Seconds to simulate a case, and to bring a prediction of it back to its grid and judge it."""
    case = draw_case("A", 0, 0)
    probability = np.eye(FETUS.classes, dtype=np.float32)[case.mask[::2, ::2]].transpose(2, 0, 1)
    drawing = _seconds(lambda: draw_case("A", 0, 1))
    return drawing, _warm_seconds(lambda: prediction_record(case, to_native(probability, case.image.shape), FETUS))


def _start_seconds() -> float:
    """Seconds that a notebook needs before it does anything."""
    starting = [sys.executable, "-c", "import papermill, fusqa.models.learner, fusqa.figures.sheets"]
    return _warm_seconds(lambda: subprocess.run(starting))


def _warm_seconds(work: Callable[[], object]) -> float:
    """Seconds that `work` takes once what it needs was read from the disk."""
    work()
    return _seconds(work)


def _seconds(work: Callable[[], object]) -> float:
    """Seconds that `work` takes, once."""
    begin = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begin
