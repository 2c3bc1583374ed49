"""How far the length of a mask may be off, from what an expert has measured of other patients of the same cohort.

Masks whose length an expert knows calibrate a conformal prediction interval for the others
(:mod:`fusqa.evaluation.intervals`), separately for masks called good and poor (Mondrian: Vovk et al. 2005). It is a
promise about masks that are exchangeable with the measured ones, as when the measured patients were drawn at random.
One that was learnt at another hospital would be none.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import numpy as np
import pandas as pd

from fusqa.assessment.ledger import rounded
from fusqa.cohorts.manifest import CASES
from fusqa.evaluation.intervals import half_days, radius
from fusqa.masks.dating import EQUATIONS
from fusqa.masks.labels import Scheme

ALPHA = 0.1  # chosen: share of the masks that may be farther off than promised
FEW = 5  # chosen: up to so many cases are told one by one
SHARE = f"{100 * (1 - ALPHA):.0f} %"
WHERE = f"column measure_mm of {CASES}"
NO_TABLE = f"make a cohort with a table, and write an expert's lengths into {WHERE}"


@dataclass(frozen=True)
class Group:
    """What an expert's lengths say of the masks with one verdict.

    Attributes
    ----------
    radius_mm : float
        Of the interval of a mask whose patient is not measured; infinite where nothing can be promised.
    own_mm : dict of str to float
        The same by measured patient, each from the other patients alone.
    checked, kept : int
        Measured masks that have an interval, and those whose expert's length lies within. With one mask per patient
        the share is close to what was promised by construction: it checks the sum, not whether other masks are alike.
    median_mm : float
        Length of the measured masks.
    """

    radius_mm: float
    own_mm: Mapping[str, float]
    checked: int
    kept: int
    median_mm: float

    @classmethod
    def of(cls, measured: pd.DataFrame) -> "Group":
        """Learn from the measured masks of one verdict, a table ``patient, mm, score``."""
        patient, score = measured["patient"].to_numpy(), measured["score"].to_numpy(float)
        patients, index, masks = np.unique(patient, return_inverse=True, return_counts=True)
        share = 1 / masks[index]

        def learnt_from(some: np.ndarray) -> float:
            return float(radius(score[some], ALPHA, share[some]))

        own_mm = {one: learnt_from(index != number) for number, one in enumerate(patients)}
        within = np.array([own_mm[one] for one in patient])
        checked = np.isfinite(within)
        kept = checked & (score <= within)
        everybody = learnt_from(np.ones(len(patient), bool))
        return cls(everybody, own_mm, int(checked.sum()), int(kept.sum()), float(measured["mm"].median()))


class Promise:
    """Prediction intervals around the lengths of one run, by verdict.

    The score of a measured mask is the distance of its length from the expert's, in mm. Patients are exchangeable,
    not masks: each patient counts once per verdict, shared among her masks, and the promise is about one mask of
    another patient (hierarchical conformal prediction: Lee, Barber & Willett 2023). The interval of a mask comes from
    the other patients alone, so that those of measured masks can be checked.

    Parameters
    ----------
    verdicts : iterable of mapping
        Every record of the run, as :func:`fusqa.assessment.scores.record` makes them. They are gone through once; of
        each measured mask a few numbers stay in memory.
    scheme : Scheme
        What is measured; its own equation gives the days.
    listed : bool
        Whether there is a table in which an expert's lengths can stand.
    """

    def __init__(self, verdicts: Iterable[Mapping[str, Any]], scheme: Scheme, listed: bool):
        self._scheme, self._listed = scheme, listed
        rows, called = [], set()
        for entry in verdicts:
            called.add(entry["verdict"])
            mm, expert_mm = entry["length_mm"], entry["measure_mm"]
            if entry["verdict"] and mm is not None and expert_mm is not None:
                rows.append((entry["verdict"], entry["patient"], mm, abs(mm - expert_mm)))
        measured = pd.DataFrame(rows, columns=["verdict", "patient", "mm", "score"])
        self._groups = {name: Group.of(measured[measured["verdict"] == name]) for name in sorted(called - {""})}

    def __call__(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Return a record with ``within_mm`` and ``within_days``, None where nothing is promised.

        The days are half of those between both ends of the interval; None as well where the mask has no date.
        """
        within_mm = within_days = None
        mm, group = entry["length_mm"], self._groups.get(entry["verdict"])
        if group and mm is not None:
            radius_mm = group.own_mm.get(entry["patient"], group.radius_mm)
            if math.isfinite(radius_mm):
                within_mm = rounded(radius_mm, 3)
                within_days = None if entry["ga_days"] is None else self._half_days(mm, radius_mm)
        return {**entry, "within_mm": within_mm, "within_days": within_days}

    def _half_days(self, mm: float, radius_mm: float) -> float | None:
        """Half of the days between both ends; None where one end is outside the range of the equation."""
        low, high = EQUATIONS[self._scheme.equation].range_mm
        inside = low <= mm - radius_mm and mm + radius_mm <= high
        return rounded(float(half_days(mm, radius_mm, self._scheme)), 2) if inside else None

    def lines(self, entries: Iterable[Mapping[str, Any]]) -> list[str]:
        """Return what to print after a run: a sentence per case where they are few, else the summary."""
        few = list(islice(entries, FEW + 1))
        if len(few) <= FEW:
            return [f"{entry['case']}: {self.sentence(entry)}" for entry in few if entry["verdict"]]
        return [self.summary()]

    def sentence(self, entry: Mapping[str, Any]) -> str:
        """Say length, date and promise of a mask with a verdict; `entry` is what calling this returned."""
        if entry["length_mm"] is None:
            return "not measured, so nothing is promised"
        age, days = entry["ga_days"], entry["within_days"]
        said = f"{entry['length_mm']:.1f} mm, {'no date' if age is None else _days(round(age))}"
        if entry["within_mm"] is None:
            return f"{said}; no promise: {self._why_not(entry)}"
        in_days = "" if days is None else f", ±{_days(math.ceil(days))}"
        return f"{said}; {SHARE} of such masks are right within ±{_tenths(entry['within_mm'])} mm{in_days}"

    def _why_not(self, entry: Mapping[str, Any]) -> str:
        """Say how many more patients must be measured, and where their lengths are written."""
        if not self._listed:
            return NO_TABLE
        own_mm, called = self._groups[entry["verdict"]].own_mm, entry["verdict"]
        missing = patients_needed(ALPHA) - len(own_mm.keys() - {entry["patient"]})
        return f"{_counted(missing, 'more patient')} with masks called {called} must be measured ({WHERE})"

    def summary(self) -> str:
        """Say what is promised of the masks with each verdict, and how many measured masks it was kept for."""
        if not self._groups:
            return "Nothing is promised: no mask has a verdict"
        if not self._listed:
            return f"No promise how far the lengths are off: {NO_TABLE}"
        groups = sorted(self._groups.items(), key=lambda item: math.isinf(item[1].radius_mm))  # the promises first
        said = "; ".join(self._of_group(*item) for item in groups)
        where = f" ({WHERE})" if math.isinf(groups[-1][1].radius_mm) else ""
        return f"{said[0].upper()}{said[1:]}{where}"

    def _of_group(self, called: str, group: Group) -> str:
        if not math.isfinite(group.radius_mm):
            known, needed = _counted(len(group.own_mm), "patient"), patients_needed(ALPHA)
            return f"masks called {called}: no promise, {known} measured, {needed} needed"
        days = self._half_days(group.median_mm, group.radius_mm)
        in_days = "" if days is None else f" (±{_days(math.ceil(days))} at their median length)"
        kept = f", kept for {group.kept} of {_counted(group.checked, 'measured mask')}" if group.checked else ""
        return f"{SHARE} of masks called {called} are right within ±{_tenths(group.radius_mm)} mm{in_days}{kept}"


def patients_needed(alpha: float) -> int:
    """Fewest measured patients from which anything can be promised.

    Examples
    --------
    >>> patients_needed(0.1), patients_needed(0.05)
    (9, 19)
    """
    return next(number for number in count() if np.isfinite(radius(np.zeros(number), alpha)))


def _tenths(mm: float) -> str:
    """A distance to one decimal, rounded up: rounded down it would promise too much."""
    return f"{math.ceil(round(10 * mm, 6)) / 10:.1f}"


def _days(number: int) -> str:
    return _counted(number, "day")


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
