"""Did it learn? The evidence that a training gives of itself, and one verdict from it.

Nothing is concluded from a network that has not learnt its own task. So every training is held against an answer that
never looks: the same number for every mask. A quality model must beat it on validation patients' masks of the kind it
learnt from, and its curve must have become flat.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from fusqa.metrics import classification_report, fewest_patients
from fusqa.models.plan import Bar, Training

LEARNT, STILL_LEARNING, NOT_LEARNT, CONTROL = "learnt", "still learning", "not learnt", "control"
LATE = 1 / 8  # of the samples, at the end of a training: there the curve must be flat


@dataclass(frozen=True)
class Evidence:
    """What shows whether a training learnt its task.

    Attributes
    ----------
    verdict : str
        :data:`LEARNT`: it beats a constant answer clearly and its curve is flat. :data:`STILL_LEARNING`: it beats it,
        but the curve is not flat or the lead is small and growing. :data:`NOT_LEARNT`: the rest. :data:`CONTROL`: the
        image or the mask was hidden on purpose, so nothing is expected of it.
    samples, steps : int
        Seen in training.
    epochs : float
        Samples seen over samples there are.
    loss, constant, floor : float
        Lowest validation loss, that of the best constant answer, and the least possible one.
    flat : bool
        Whether more samples brought no more at the end: of the AUROC where verdicts are learnt, else of the loss. A
        classifier's loss also moves with how sure it is, long after it has stopped ordering the masks better.
    auroc, low, high : float or None
        On the validation material, with its 95 % interval by patient; None for a regression.
    patients : int or None
        How many validation patients have a good mask, or a poor one, whichever are fewer; None for a regression.
    precision : str
        In which the network was trained.
    """

    verdict: str
    samples: int
    steps: int
    epochs: float
    loss: float
    constant: float
    floor: float
    flat: bool
    auroc: float | None
    low: float | None
    high: float | None
    patients: int | None
    precision: str

    @property
    def explained(self) -> float:
        """Share of the constant answer's avoidable loss that the network avoids; 1 is perfect, 0 no better."""
        avoidable = self.constant - self.floor
        return (self.constant - self.loss) / avoidable if avoidable > 0 else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a result file."""
        return asdict(self) | {"explained": round(self.explained, 4)}

    def __str__(self) -> str:
        scored = ""
        if self.auroc is not None:
            scored = f"; AUROC {self.auroc:.3f} ({self.low:.2f}–{self.high:.2f})"
            scored += f", at least {self.patients} validation patients with each verdict"
        curve = "flat" if self.flat else "not flat yet"
        return (
            f"{self.verdict}: {self.samples} samples in {self.steps} steps ({self.epochs:.1f} epochs); validation loss "
            f"{self.loss:.3f}, {self.constant:.3f} for a constant answer; curve {curve}{scored}"
        )


def is_flat(samples: pd.Series, error: pd.Series, constant: float, late_gain: float) -> bool:
    """Whether an error gained little in the rounds that end in the last eighth of the samples (in the last at least).

    Parameters
    ----------
    samples, error : Series
        By round: samples seen so far, and the error on validation, a loss or 1 − AUROC.
    constant : float
        Error of the best constant answer: the gain is measured from there.
    late_gain : float
        Share of the whole gain that may come so late. A curve that never gained has not become flat, unless all of the
        gain may come late.
    """
    late = samples > (1 - LATE) * samples.max()
    late.iloc[-1] = True
    before = min(constant, error[~late].min())
    best = min(before, error.min())
    return bool(before - best <= late_gain * (constant - best)) if best < constant else late_gain >= 1


def evidence(
    history: pd.DataFrame,
    plan: Training,
    masks: int,
    constant: float,
    *,
    bar: Bar,
    precision: str,
    floor: float = 0.0,
    scored: pd.DataFrame | None = None,
    control: bool = False,
    seed: int = 0,
) -> Evidence:
    """Judge one training.

    Parameters
    ----------
    history : DataFrame
        Losses by round, and the AUROC where verdicts are learnt: from :func:`fusqa.models.learner.fit`.
    plan : Training
        How it was trained.
    masks : int
        How many samples there were to learn from.
    constant, floor : float
        Validation loss of the best constant answer and of the best possible one, from
        :func:`fusqa.models.answers.constant_loss`.
    bar : Bar
        What it must show.
    precision : str
        In which it was trained.
    scored : DataFrame, optional
        ``good``, ``probability`` and ``patient`` of its own validation material; left out for a regression.
    control : bool
        Whether it was trained without the image, or without the mask, on purpose.
    seed : int
        Of the bootstrap.
    """
    error, unskilled = (history["valid_loss"], constant) if scored is None else (1 - history["auroc"], 0.5)
    flat, loss = is_flat(history["samples"], error, unskilled, bar.late_gain), float(history["valid_loss"].min())
    area, patients = (None, None, None), None
    if scored is not None:
        patients = fewest_patients(scored["good"], scored["patient"])
    if patients:
        report = classification_report(scored["good"], scored["probability"], scored["patient"], seed=seed)
        area = report.auroc, *report.intervals["auroc"]
    seen = int(history["samples"].iloc[-1])
    found = Evidence(
        CONTROL, seen, seen // plan.batch, seen / masks, loss, constant, floor, flat, *area, patients, precision
    )
    return found if control else replace(found, verdict=_verdict(found, bar, scored is not None))


def _verdict(found: Evidence, bar: Bar, classifies: bool) -> str:
    """Judge by the area under the curve where verdicts are learnt, by the loss avoided where a number is."""
    if classifies:
        known = found.low is not None and found.patients >= bar.patients
        enough, any_skill = known and found.low >= bar.auroc, known and found.low > 0.5
    else:
        enough, any_skill = found.explained >= bar.explained, found.explained > 0
    if enough and found.flat:
        return LEARNT
    return STILL_LEARNING if any_skill and not found.flat else NOT_LEARNT


def verdict_of(results: Iterable[Mapping[str, Any]]) -> str:
    """Verdict on several trainings of one row: the worst of them."""
    order = (NOT_LEARNT, STILL_LEARNING, LEARNT, CONTROL)
    verdicts = [result.get("learnt", {}).get("verdict", NOT_LEARNT) for result in results]
    return min(verdicts, key=order.index) if verdicts else NOT_LEARNT
