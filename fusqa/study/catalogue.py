"""The cohorts that a study can run on: where each lies, what its labels mean, and what to call it."""

import os
from dataclasses import dataclass
from pathlib import Path

from fusqa.files import ROOT
from fusqa.masks.labels import FETUS, HEAD, Scheme

__all__ = ["COHORTS", "CohortKind", "chapters", "hc18_folder"]


@dataclass(frozen=True)
class CohortKind:
    """What differs between the cohorts a study can run on.

    Attributes
    ----------
    title : str
        What to call it in captions; it says whether it is simulated.
    scheme : Scheme
        Its labels.
    folders : dict of str to str
        Where each site lies below ``cohorts/``; HC18 comes as one folder with both.
    split : str
        How HC18's patients become two sites, a key of :data:`fusqa.cohorts.hc18.SPLITS`; empty for simulated ones.
    """

    title: str
    scheme: Scheme
    folders: dict[str, str]
    split: str = ""


_ONE_FOLDER = {"A": "all", "B": "all"}
COHORTS = {
    "simulated": CohortKind("simulated first-trimester fetuses", FETUS, {"A": "A", "B": "B"}),
    "hc18": CohortKind("real fetal heads (HC18)", HEAD, _ONE_FOLDER, "hash"),
    "hc18-early": CohortKind("real fetal heads (HC18), second trimester to first", HEAD, _ONE_FOLDER, "trimester"),
}


_EVERYWHERE = (
    "cohorts", "altered_masks", "review", "autoencoder", "classification", "gestational_age",
    "diagnosis", "unseen", "baselines", "risk", "calibration", "advice", "own_data", "edition",
)  # fmt: skip
_ONCE = ("dating", "audit", "ten_minutes")  # about the crown-rump length, the paper's own tables, the whole study


def chapters(cohort: str) -> tuple[str, ...]:
    """Names of the notebooks that are run once on `cohort`, in no order; others are run once a network or row."""
    return _EVERYWHERE + (_ONCE if COHORTS[cohort].scheme is FETUS else ())


def hc18_folder() -> Path | None:
    """Folder of the public HC18 data: ``$FUSQA_DATA/hc18``, else ``data/hc18``; None if absent."""
    given = os.environ.get("FUSQA_DATA")
    place = (Path(given) if given else ROOT / "data") / "hc18"
    return place if place.is_dir() else None
