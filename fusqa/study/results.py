"""Where the files of a study lie, how they are read and written, and the published edition of one."""

import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from fusqa.cohorts.cohort import Cohort
from fusqa.files import ROOT, read_json, significant, write_csv, write_json
from fusqa.study.catalogue import COHORTS
from fusqa.study.chapters import result_names
from fusqa.study.profile import Profile
from fusqa.study.provenance import origin
from fusqa.study.rows import Row, row_named
from fusqa.study.shelf import PLACE, edition_folders


class Study:
    """One profile on one cohort: the folder ``<build>/<profile>/<cohort>`` and its files.

    Parameters
    ----------
    profile : str
        Name of a profile or path of its YAML file.
    cohort : str
        A key of :data:`fusqa.study.catalogue.COHORTS`.
    build : str or Path
        Where studies are kept; a relative path counts from the project's folder.
    """

    def __init__(self, profile: str = "quick", cohort: str = "simulated", build: str | Path = "build"):
        file = Path(str(profile))  # a profile named 2026 comes as a number from Papermill's command line
        self._profile = str(file.resolve() if file.suffix == ".yaml" else profile)
        self.profile = Profile.read(str(profile))
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
        return [row_named(key) for key in self.plan.rows]

    @property
    def seed(self) -> int:
        """Seed of everything but training: cohorts, alterations, splits, the test set. The first of the profile's."""
        return self.profile.seeds[0]

    def seeded(self, name: str, seed: int | None = None) -> str:
        """Name of what is made once per seed, such as ``review__seed0``; without a seed, of the study's own."""
        return f"{name}__seed{self.seed if seed is None else seed}"

    def site(self, site: str) -> Cohort:
        """Open site "A" or "B", cut to the number of cases that the profile asks for (whole patients).

        Raises
        ------
        ValueError
            If a case lacks its mask or what an expert measured: a study judges by both, and says so before it trains.
        """
        folder = self.need(f"cohorts/{self.kind.folders[site]}/cases.csv").parent
        part = Cohort.open(folder).at_site(site).at_most(getattr(self.plan, site))
        lacking = part.table.loc[(part.table["mask"] == "") | part.table["measure_mm"].isna(), "case"]
        if len(lacking):
            raise ValueError(
                f"{folder}: {len(lacking)} cases of site {site} have no mask or no measure_mm, such as "
                f"{lacking.iloc[0]}; a study needs both, so add them or leave these cases out"
            )
        return part

    def path(self, name: str) -> Path:
        """Where file `name` of this study lies, whether or not it exists."""
        return self.folder / name

    def need(self, name: str) -> Path:
        """Return the path of a file that another notebook makes; where it is missing, Snakemake makes it first.

        So every notebook runs alone. Inside a Snakemake run the inputs are always there already.
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
        write_json(path, result | {"provenance": self.provenance(name, seed)})
        return path

    def provenance(self, name: str, seed: int) -> dict[str, Any]:
        """Where result `name` of this study comes from."""
        return origin(name, self.profile, self.cohort, seed)

    def save_table(self, name: str, table: pd.DataFrame) -> Path:
        """Write ``results/<name>.csv``, rounded; the JSON file of the same name carries the provenance."""
        path = self.path(f"results/{name}.csv")
        rounded = {column: significant(table[column]) for column in table.select_dtypes("floating")}
        write_csv(path, table.assign(**rounded))  # all 17 digits would double its size
        return path

    def can_read(self, result: str) -> bool:
        """Whether a result can be read: that of a study always, since a missing one is made first."""
        return True

    def result(self, name: str) -> dict[str, Any]:
        """Read ``results/<name>.json``, made first where it is missing."""
        return read_json(self.need(f"results/{name}.json"))

    def source(self, result: str) -> str:
        """Name of a JSON result as captions give it."""
        return f"results/{result}.json"

    def table(self, name: str) -> pd.DataFrame:
        """Read ``results/<name>.csv``, made first where it is missing; identifiers stay text."""
        path = self.need(f"results/{name}.csv")
        identifiers = {"case": str, "patient": str, "site": str}
        return pd.read_csv(path, dtype=identifiers, keep_default_na=False, na_values=[""])  # "NA" may name a patient


def _from_root(path: Path) -> str:
    """Name of `path` as the workflow, which runs in the project's folder, spells it."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


class Edition(Study):
    """A published study: its results can be read, nothing can be made.

    Parameters
    ----------
    folder : Path
        ``results/<profile>``.
    cohort : str
        A key of :data:`fusqa.study.catalogue.COHORTS`.
    """

    def __init__(self, folder: Path, cohort: str):
        super().__init__(str(folder / f"{folder.name}.yaml"), cohort)
        self.folder = folder / cohort

    @property
    def size(self) -> int:
        """Number of its results."""
        return len(list(self.folder.glob("*.json")))

    def source(self, result: str) -> str:
        """Name of a JSON result as captions give it: that of a run is another file."""
        return f"results/{self.profile.name}/{self.cohort}/{result}.json"

    def path(self, name: str) -> Path:
        """Where result file `name` lies."""
        return self.folder / name.removeprefix("results/")

    def can_read(self, result: str) -> bool:
        """Whether a result has been published: an edition that was published half-way lacks some."""
        return self.path(f"results/{result}.json").is_file()

    def need(self, name: str) -> Path:
        """Return the path of a result file; a published study makes none."""
        path = self.path(name)
        if not path.is_file():
            raise FileNotFoundError(f"{_from_root(path)} is not part of the published edition")
        return path


def editions(cohort: str, place: Path = PLACE) -> list[Edition]:
    """Return the published editions of `cohort`: that with most chapters first, then most results, then by name."""
    return [Edition(folder, cohort) for folder in edition_folders(cohort, place)]


def published(cohort: str, place: Path = PLACE) -> Edition | None:
    """Return the published edition of `cohort` that comes first, None where there is none."""
    return next(iter(editions(cohort, place)), None)


def larger(study: Study, place: Path = PLACE) -> Study:
    """Return the published edition of a study's cohort where it holds more results than the study has, else the study.

    So a study that is about to be published speaks for itself, also where an older edition of it lies in `place`.
    """
    edition = published(study.cohort, place)
    return edition if edition and edition.size > len(result_names(study.profile, study.cohort)) else study
