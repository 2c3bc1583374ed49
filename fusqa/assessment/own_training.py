"""Train a quality model on one's own cohort, by a row of the study's grid."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from fusqa.assessment.images import mask_of
from fusqa.cohorts.cohort import Cohort
from fusqa.cohorts.folders import files_by_name
from fusqa.cohorts.reading import Case, beside, read_labels
from fusqa.evaluation.scoring import scores
from fusqa.files import write_bytes, write_csv
from fusqa.masks.label_images import resize_image, resize_labels
from fusqa.masks.labels import Renumbering, Scheme
from fusqa.masks.measurement import measured_mm
from fusqa.metrics import best_threshold, classification_report
from fusqa.models.checkpoints import Card, save_model
from fusqa.models.learner import reproducible
from fusqa.models.networks import quality_model
from fusqa.problems import CohortError, Problem, message_and_fix
from fusqa.study.learning import Evidence
from fusqa.study.material import AlteredSet, ErrorSet, Progress, prediction_record
from fusqa.study.pairs import learning_pairs
from fusqa.study.profile import Profile
from fusqa.study.provenance import origin
from fusqa.study.rows import RECIPES, Recipe, Row
from fusqa.study.sets import own_sets
from fusqa.study.training import (
    answers,
    evidence_of,
    fit_familiarity,
    learnt_from,
    model_card,
    network_arguments,
    train,
)

TABLES = "validation.csv", "history.csv"  # written beside the model


@dataclass(frozen=True)
class TrainingResult:
    """The result of a training on a cohort.

    Attributes
    ----------
    card : Card
        As written.
    history : DataFrame
        Losses by round, and the validation AUROC of a model that tells good from poor.
    report : dict
        Figures of merit on the validation patients at the chosen threshold
        (:class:`fusqa.metrics.Report` as a dictionary).
    learnt : Evidence
        Whether it learnt its task.
    out : Path
        Folder of the model.
    """

    card: Card
    history: pd.DataFrame
    report: dict
    learnt: Evidence
    out: Path

    def __str__(self) -> str:
        low, high = self.report["intervals"]["auroc"]
        return (
            f"{self.history.round(3).to_string(index=False)}\n{self.out}: AUROC {self.report['auroc']:.3f} "
            f"({low:.2f} to {high:.2f}) on {self.card.training['chosen_on']}, threshold {self.card.threshold:.3f}\n"
            f"{self.learnt}"
        )


def train_on(
    cohort: Cohort,
    row: Row,
    out: Path,
    profile: Profile,
    seed: int = 0,
    predictions: Path | None = None,
    prediction_labels: str | None = None,
    progress: Progress = iter,
) -> TrainingResult:
    """Train one row of the grid on a cohort with expert masks, and write the model to `out`.

    Parameters
    ----------
    cohort : Cohort
        Cases without a mask are left out.
    row : fusqa.study.rows.Row
        Topology, backbone and recipe.
    out : Path
        Folder for ``card.json``, ``weights.safetensors``, ``validation.csv`` (score of every validation pair) and
        ``history.csv``.
    profile : Profile
        How long, at which size, and which share of the patients validates.
    seed : int
        Of everything that chance enters.
    predictions : Path, optional
        Folder of a segmenter's masks, one per case and named as the case; for recipes that learn from its errors. They
        should be out of fold: a segmenter makes other errors on images that it was trained on.
    prediction_labels : str, optional
        What the numbers in `predictions` stand for, if not for what the cohort's own numbers stand for.
    progress : callable
        Wraps the cases while their masks are made or read, as ``tqdm.tqdm`` does.

    Raises
    ------
    ValueError
        If `out` holds a model, or tables named like those that are written beside it, predictions are missing or not
        needed, there are too few patients, or the training or validation masks are all good or all poor.
    CohortError
        With every prediction that cannot be used.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file; give the name of a folder for the model")
    if (out / "card.json").exists():
        raise ValueError(f"{out} holds a model already; give another folder, or remove this one")
    if others := [name for name in TABLES if (out / name).exists()]:
        raise ValueError(f"{out} holds {' and '.join(others)}, which would be lost; give another folder")
    recipe = RECIPES[row.recipe]
    plan = profile.training(row)
    known = cohort.subset((cohort.table["mask"] != "").to_numpy())
    if not len(known):
        raise ValueError("no case of the cohort has a mask; a model learns from expert masks, so add them")
    parts = known.split(profile.validation, seed)  # first: it refuses too few patients before the long work
    made = _material(known, recipe, plan.size, seed, predictions, prediction_labels, progress)
    training, validation = (learning_pairs(made, part, plan.size) for part in parts)
    for name, pairs in (("training", training), ("validation", validation)):
        for told in dict.fromkeys(("good", recipe.truth)):
            _require_both(name, pairs.table[told])
    write_bytes(out / ".writable", b"")  # before the long work, not after it
    (out / ".writable").unlink()
    device = reproducible(seed, profile.threads)
    model = quality_model(**network_arguments(row, cohort.scheme))
    history = train(model, recipe, training, validation, plan, seed, device)
    own = ", ".join(own_sets(recipe))
    table = scores({own: validation}, lambda pairs: answers(model, recipe, pairs))
    probability = table["probability"].to_numpy()
    learnt = evidence_of(recipe, plan, history, training, validation, probability, device, seed, profile.learnt)
    threshold = best_threshold(table[recipe.truth], probability)
    report = classification_report(table["good"], probability, table["patient"], threshold, seed=seed).as_dict()
    about = origin(row.result(seed), profile, str(cohort.info["source"]), seed)
    auroc = {own: report["auroc"]}
    learnt_pairs = learnt_from(recipe, training, seed)
    lengths = _lengths(parts[0])
    card = model_card(row, cohort.scheme, plan.size, threshold, learnt.verdict, auroc, learnt_pairs, lengths, about)
    for name, rows in zip(TABLES, (table, history), strict=True):
        write_csv(out / name, rows)
    save_model(model, out, card, fit_familiarity(model, recipe, training, validation))
    return TrainingResult(card, history, report, learnt, out)


def _material(
    cohort: Cohort,
    recipe: Recipe,
    size: int,
    seed: int,
    predictions: Path | None,
    prediction_labels: str | None,
    progress: Progress,
) -> dict[str, AlteredSet | ErrorSet]:
    """Make the masks that a recipe learns from: expert masks altered, a segmenter's with their errors, or both."""
    if "errors" in recipe.material and predictions is None:
        raise ValueError(
            "this row learns from a segmenter's errors; give --predictions, a folder of its masks of these images, "
            "or a row without the recipe's name"
        )
    if "errors" not in recipe.material and predictions is not None:
        raise ValueError(
            "this row learns from altered masks; leave out --predictions, or give a row that ends in -errors or -both"
        )
    labels = Renumbering.parse(prediction_labels, cohort.scheme) if prediction_labels else cohort.labels
    made = {
        "altered": lambda: AlteredSet.make(cohort, size, seed, progress),
        "errors": lambda: _segmenter_errors(cohort, predictions, labels, size, progress),
    }
    return {name: made[name]() for name in recipe.material}


def _segmenter_errors(
    cohort: Cohort, folder: Path, labels: Renumbering | None, size: int, progress: Progress
) -> ErrorSet:
    """Read a segmenter's mask of every case and compare it with the expert's."""
    files = files_by_name(folder)
    images, masks, rows, problems = [], [], [], []
    for case in progress(cohort):
        try:
            predicted = _prediction(mask_of(case.case, folder, files), case, cohort.scheme, labels)
        except CohortError as error:
            problems += error.problems
            continue
        images.append(resize_image(case.image, size))
        masks.append(resize_labels(predicted, (size, size)))
        measured = replace(case, measure_mm=_length(case, cohort.scheme))
        about = {"case": case.case, "patient": case.patient}
        rows.append(about | prediction_record(measured, predicted, cohort.scheme))
    if problems:
        raise CohortError(problems)
    return ErrorSet(np.stack(images), np.stack(masks), pd.DataFrame(rows))


def _prediction(path: Path, case: Case, scheme: Scheme, labels: Renumbering | None) -> np.ndarray:
    """Read the predicted mask of one case, in the scheme's labels and the image's size."""
    try:
        mask = beside(read_labels(path, scheme, labels), case.file)[0].pixels
        if mask.shape != case.mask.shape:
            size = " × ".join(map(str, case.mask.shape[::-1]))
            raise ValueError(f"has another size than its image; bring it to {size} pixels")
        scheme.require(mask)
    except CohortError:
        raise
    except ValueError as error:
        raise CohortError([Problem(None, str(path), *message_and_fix(error))]) from None
    return mask


def _length(case: Case, scheme: Scheme) -> float:
    """What an expert measured, or else what the expert's mask measures, in mm."""
    return measured_mm(case.mask, case.spacing, scheme) if case.measure_mm is None else case.measure_mm


def _lengths(cohort: Cohort) -> pd.Series:
    """Length of every case in mm, in no order; only the masks that no expert measured are opened for it."""
    known = cohort.table["measure_mm"]
    unknown = cohort.subset(known.isna().to_numpy())
    return pd.concat([known.dropna(), pd.Series([_length(case, cohort.scheme) for case in unknown], dtype=float)])


def _require_both(name: str, told: pd.Series) -> None:
    good = told.astype(bool)
    if good.all() or not good.any():
        verdict = "good" if len(good) and good.all() else "poor"
        raise ValueError(
            f"all {len(good)} {name} masks are {verdict}, so nothing can be learnt from them; "
            "give more patients, or predictions of a segmenter that does well and badly"
        )
