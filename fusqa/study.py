"""A study: its size (profile), where its files lie, and where every number came from.

``Study("quick", "simulated")`` is what each notebook opens first. It knows the folder ``build/quick/simulated``, hands
out the cohorts, and reads and writes result files, each with its provenance.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, field_validator

from fusqa.cohort import Cohort
from fusqa.files import write_csv, write_json
from fusqa.labels import FETUS, HEAD, Scheme
from fusqa.paper import ROWS, SEGMENTERS, Row

__all__ = ["COHORTS", "Profile", "Study", "Training", "chapters", "hc18_folder", "origin", "provenance"]

ROOT = Path(__file__).resolve().parents[1]


class _Strict(BaseModel):
    """Settings that refuse a misspelt name."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Training(_Strict):
    """How a network is trained.

    Attributes
    ----------
    size : int
        Side of its square picture in pixels.
    budget, rounds, batch : int
        Samples seen in all, rounds with a validation each, samples a step.
    rate : float
        Peak learning rate of the one-cycle schedule.
    decay : float
        Weight decay.
    """

    size: PositiveInt
    budget: PositiveInt
    rounds: PositiveInt
    batch: PositiveInt
    rate: PositiveFloat
    decay: float = Field(default=0.01, ge=0)


class Segmenter(Training):
    """Training of one segmentation network, once a fold.

    Attributes
    ----------
    arguments : dict
        Of its constructor in :data:`fusqa.segmenters.SEGMENTERS`, beside classes and size.
    """

    arguments: dict[str, int | tuple[int, ...]] = {}

    @field_validator("arguments")
    @classmethod
    def _in_one_order(cls, given: dict) -> dict:
        """Sort by name: the workflow compares settings as text, and another order is no other setting."""
        return dict(sorted(given.items()))


class Quality(_Strict):
    """Training of quality models, by what they learn from (:attr:`fusqa.recipes.Recipe.material`).

    Attributes
    ----------
    altered, errors : Training
        Of every row whose recipe has this material.
    omitted : Training
        Of the models for which one kind of altered mask is left out, to see what they make of it.
    """

    altered: Training
    errors: Training
    omitted: Training


class CrossValidation(_Strict):
    """What all segmentation networks of a study share.

    Attributes
    ----------
    folds : int
        Folds of the cross-validation by patient.
    spoilt : int
        How many spoilt versions of every picture of site A are predicted, to collect the segmenter's errors.
    """

    folds: int = Field(ge=2)
    spoilt: PositiveInt


class Request(_Strict):
    """What a job may take; a cluster reserves it, and ends the job that takes more."""

    minutes: PositiveInt
    memory_mb: PositiveInt


class CohortPlan(_Strict):
    """One cohort of a study: how many cases of each site, which segmenters and which rows are run on it."""

    A: PositiveInt
    B: PositiveInt
    segmenters: tuple[str, ...] = Field(min_length=1)
    rows: tuple[str, ...]


class Profile(_Strict):
    """The size of a study, read from ``profiles/<name>.yaml``.

    Attributes
    ----------
    title : str
        One sentence for people.
    threads : int
        CPU threads of every training; part of the profile because results depend on it.
    seeds : tuple of int
        Every row is trained once a seed.
    validation : float
        Share of site A's patients that is kept for validation.
    per_class : int
        Cases drawn from the good and from the poor predictions of site B for the test set.
    cohorts : dict of str to CohortPlan
        Key of :data:`COHORTS` to its plan.
    segmentation, segmenters
        What all segmentation networks share, and the training of each, by its name in :data:`fusqa.paper.SEGMENTERS`.
    quality, autoencoder
        Training of the quality models, of the autoencoder.
    requests : dict of str to Request
        What a job of a rule of the workflow may take; "other" for the rules without an entry of their own.
    """

    name: str
    title: str
    threads: PositiveInt
    seeds: tuple[int, ...] = Field(min_length=1)
    validation: float = Field(gt=0, lt=1)
    per_class: PositiveInt
    cohorts: dict[str, CohortPlan]
    segmentation: CrossValidation
    segmenters: dict[str, Segmenter]
    quality: Quality
    autoencoder: Training
    requests: dict[str, Request]

    @classmethod
    def read(cls, name: str | Path) -> "Profile":
        """Read a profile by its name or by the path of a YAML file.

        Raises
        ------
        FileNotFoundError
            For an unknown name; the message lists the known ones.
        ValueError
            When a setting is missing, misspelt or out of range, a cohort, a row or a segmenter is not known, the
            segmenters differ in the size of their pictures (their errors go into one set), or the quality models do
            (they are compared on the same masks).
        """
        path = cls.file(name)
        if not path.is_file():
            known = ", ".join(sorted(file.stem for file in (ROOT / "profiles").glob("*.yaml")))
            raise FileNotFoundError(f"no profile '{name}': {path} is not a file; known profiles are {known}")
        profile = cls(name=path.stem, **yaml.safe_load(path.read_text(encoding="utf-8")))
        plans = profile.cohorts.values()
        _require_known(path, "cohorts", set(profile.cohorts), COHORTS)
        _require_known(path, "rows", {row for plan in plans for row in plan.rows}, ROWS)
        _require_known(path, "segmenters", set(profile.segmenters), SEGMENTERS)
        _require_known(path, "segmenters", {name for plan in plans for name in plan.segmenters}, profile.segmenters)
        _require_one_size(path, "segmenters", profile.segmenters)
        _require_one_size(path, "quality models", dict(profile.quality))
        if "other" not in profile.requests:
            raise ValueError(f"{path}: requests need an entry 'other', for the rules without one of their own")
        return profile

    @staticmethod
    def file(name: str | Path) -> Path:
        """Return the file that a profile's name, or the path of a YAML file, stands for."""
        return Path(name) if Path(name).suffix == ".yaml" else ROOT / "profiles" / f"{name}.yaml"

    def request(self, rule: str) -> dict[str, int]:
        """Resources of a rule as Snakemake names them: ``runtime`` in minutes and ``mem_mb``."""
        asked = self.requests.get(rule, self.requests["other"])
        return {"runtime": asked.minutes, "mem_mb": asked.memory_mb}


def _require_known(path: Path, what: str, named: set[str], known: Iterable[str]) -> None:
    """Raise ValueError where a profile names something that there is not."""
    if unknown := named - set(known):
        raise ValueError(f"{path}: {what} {sorted(unknown)} are not known; known {what} are {', '.join(known)}")


def _require_one_size(path: Path, what: str, trainings: Mapping[str, Training]) -> None:
    """Raise ValueError where trainings differ in the size of their pictures."""
    sizes = {name: training.size for name, training in trainings.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"{path}: {what} of a study must share one size of picture; theirs are {sizes}")


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
        How HC18's patients become two sites, a key of :data:`fusqa.hc18.SPLITS`; empty for simulated ones.
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
    """Folder of the public HC18 data: ``$FUSQA_DATA/hc18``, ``data/hc18``, ``../shared/data/hc18``; None if absent."""
    given = os.environ.get("FUSQA_DATA")
    places = [Path(given) / "hc18"] if given else [ROOT / "data/hc18", ROOT.parent / "shared/data/hc18"]
    return next((place for place in places if place.is_dir()), None)


class Study:
    """One profile on one cohort: the folder ``<build>/<profile>/<cohort>`` and what is in it.

    Parameters
    ----------
    profile : str
        Name of a profile or path of its YAML file.
    cohort : str
        A key of :data:`COHORTS`.
    build : str or Path
        Where studies are kept; a relative path counts from the project's folder.
    """

    def __init__(self, profile: str = "quick", cohort: str = "simulated", build: str | Path = "build"):
        self._profile = str(Path(profile).resolve() if Path(profile).suffix == ".yaml" else profile)
        self.profile = Profile.read(profile)
        if cohort not in self.profile.cohorts:
            raise KeyError(f"profile '{self.profile.name}' has no cohort '{cohort}', only {list(self.profile.cohorts)}")
        self.cohort = cohort
        self.build = ROOT / build
        self.folder = self.build / self.profile.name / cohort
        self.plan = self.profile.cohorts[cohort]
        self.kind = COHORTS[cohort]
        self.scheme = self.kind.scheme

    @cached_property
    def rows(self) -> list[Row]:
        """The rows of the grid that this study runs."""
        return [ROWS[key] for key in self.plan.rows]

    @property
    def seed(self) -> int:
        """Seed of everything but training: cohorts, alterations, splits, the test set. The first of the profile's."""
        return self.profile.seeds[0]

    def site(self, site: str) -> Cohort:
        """Open site "A" or "B", cut to the number of cases that the profile asks for (whole patients)."""
        folder = self.need(f"cohorts/{self.kind.folders[site]}/cases.csv").parent
        return Cohort.open(folder).at_site(site).at_most(getattr(self.plan, site))

    def path(self, name: str) -> Path:
        """Where file `name` of this study lies, whether or not it exists."""
        return self.folder / name

    def need(self, name: str) -> Path:
        """Return the path of a file that another notebook makes; where it is missing, Snakemake makes it first.

        This is what lets every notebook run alone. Inside a Snakemake run the inputs are always there already.
        """
        path = self.path(name)
        if not path.exists():
            print(f"{path.relative_to(self.build)} is not there yet: Snakemake makes it first")
            command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow/Snakefile")]
            command += ["--profile", str(ROOT / "workflow/profiles/local"), "--directory", str(ROOT), "--cores", "all"]
            build, target = (_from_root(place) for place in (self.build, path))
            command += ["--config", f"profile={self._profile}", f"build={build}", "--", target]
            subprocess.run(command, check=True)
        return path

    def save(self, name: str, result: dict[str, Any], seed: int) -> Path:
        """Write ``results/<name>.json`` with its provenance."""
        path = self.path(f"results/{name}.json")
        write_json(path, result | {"provenance": provenance(self, name, seed)})
        return path

    def save_table(self, name: str, table: pd.DataFrame) -> Path:
        """Write ``results/<name>.csv``; the JSON file of the same name carries the provenance."""
        path = self.path(f"results/{name}.csv")
        write_csv(path, table)
        return path

    def result(self, name: str) -> dict[str, Any]:
        """Read ``results/<name>.json``, made first where it is missing."""
        return json.loads(self.need(f"results/{name}.json").read_text(encoding="utf-8"))

    def table(self, name: str) -> pd.DataFrame:
        """Read ``results/<name>.csv``, made first where it is missing; identifiers stay text."""
        path = self.need(f"results/{name}.csv")
        return pd.read_csv(path, dtype={"case": str, "patient": str, "site": str})


def _from_root(path: Path) -> str:
    """Name of `path` as the workflow, which runs in the project's folder, spells it."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def provenance(study: Study, name: str, seed: int) -> dict[str, Any]:
    """Where a result of a study came from."""
    return origin(name, study.profile, study.cohort, seed)


def origin(name: str, profile: Profile, cohort: str, seed: int) -> dict[str, Any]:
    """Where a result came from: profile, cohort, seed, versions, device, commit, date, processor time, memory."""
    import torch  # here, so that reading a profile does not load it

    gpu = torch.cuda.is_available()
    processor = f"CPU, {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"
    packages = ("fusqa", "torch", "torchvision", "fastai", "numpy", "opencv-python-headless", "scikit-learn")
    return {
        "result": name,
        "profile": profile.name,
        "cohort": cohort,
        "seed": seed,
        "versions": {"python": platform.python_version()} | {package: version(package) for package in packages},
        "device": torch.cuda.get_device_name() if gpu else processor,
        "threads": profile.threads,
        "commit": _commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu_seconds": round(time.process_time(), 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _commit() -> str | None:
    """Commit of the project's folder, with "+changes" where files differ from it; None outside a checkout."""
    git = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        dirty = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+changes" if dirty else "")
