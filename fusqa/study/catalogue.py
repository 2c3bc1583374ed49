"""The cohorts that a study can run on: where each lies, what its labels mean, and what to call it."""

import os
from dataclasses import dataclass
from pathlib import Path

from fusqa.files import ROOT
from fusqa.masks.labels import FETUS, HEAD, Scheme


@dataclass(frozen=True)
class CohortKind:
    """What differs between the cohorts that a study can run on.

    Attributes
    ----------
    title : str
        What to call it in captions; it says whether it is simulated.
    scheme : Scheme
        Its labels.
    data : str
        Folder of its files below ``data/`` or ``$FUSQA_DATA``: a cohort on disk with sites A and B, or HC18 as
        unpacked. Empty for the simulated cohort.
    split : str
        How HC18's patients become two sites, a key of :data:`fusqa.cohorts.hc18.SPLITS`; empty for other cohorts.
    """

    title: str
    scheme: Scheme
    data: str = ""
    split: str = ""

    @property
    def folders(self) -> dict[str, str]:
        """Where each site lies below ``cohorts/`` of a study; what comes as files comes as one folder with both."""
        return {"A": "all", "B": "all"} if self.data else {"A": "A", "B": "B"}

    @property
    def manifests(self) -> list[str]:
        """Files ``cases.csv`` of its sites, which are written last, below the folder of a study's cohort."""
        return [f"cohorts/{folder}/cases.csv" for folder in dict.fromkeys(self.folders.values())]

    @property
    def source(self) -> Path:
        """Folder of its files, whether or not it exists."""
        return Path(os.environ.get("FUSQA_DATA") or ROOT / "data") / self.data


COHORTS = {
    "simulated": CohortKind("simulated first-trimester fetuses", FETUS),
    "hc18": CohortKind("real fetal heads (HC18)", HEAD, "hc18", "hash"),
    "hc18-early": CohortKind("real fetal heads (HC18), second trimester to first", HEAD, "hc18", "trimester"),
}


def at_hand(cohort: str) -> bool:
    """Whether a cohort can be had here: it is simulated, or the folder of its files exists."""
    kind = COHORTS[cohort]
    return not kind.data or kind.source.is_dir()
