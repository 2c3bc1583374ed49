"""The chapters of the study: on which cohorts each notebook runs, what it needs, leaves and costs.

The table is ``workflow/chapters.yaml``: data, so that a new line there reruns nothing but its own notebook. Its head
says what each word means.
"""

import re
from collections.abc import Iterator
from functools import cache, reduce
from operator import getitem
from pathlib import Path
from typing import Any, Literal

import yaml

from fusqa.files import ROOT
from fusqa.models.plan import Strict
from fusqa.study.catalogue import COHORTS
from fusqa.study.profile import Profile
from fusqa.study.rows import REFERENCE_NETWORK, Row, row_named

TABLE = ROOT / "workflow/chapters.yaml"
CASES, PUBLISHED = "cases", "published"  # needs that no chapter leaves
TRAINING = "training"  # setting: how one row is trained, put together from several of the profile
SUFFIX = {"cohort": "", "seed": "__seed{seed}", "network": "__{network}__seed{seed}", "row": "__{row}__seed{seed}"}
"""How the files of one run are named behind the chapter, by what it is run once for."""


class Chapter(Strict):
    """One notebook of the study; the attributes are explained at the head of the table.

    Attributes
    ----------
    name : str
        Of its notebook, ``notebooks/<name>.ipynb``.
    only, per, needs, leaves, settings, threads, priority, modules, result, asks
        As in the table; lists of its ``together`` are written out, and tables have their folder.
    """

    name: str
    only: str = ""
    per: Literal["cohort", "seed", "network", "row"] = "cohort"
    needs: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    threads: bool = False
    priority: int = 0
    modules: tuple[str, ...] = ()
    result: str = ""
    asks: str = ""

    @property
    def notebook(self) -> str:
        """Its executed copy below the cohort's folder, with the wildcards of its runs."""
        return f"notebooks/{self.name}{SUFFIX[self.per]}.ipynb"

    @property
    def log(self) -> str:
        """Its log below the cohort's folder, with the wildcards of its runs."""
        return f"logs/{self.name}{SUFFIX[self.per]}.log"

    @property
    def results(self) -> str:
        """Its JSON result below the cohort's folder, with the wildcards of its runs."""
        return f"results/{self.result or self.name}{SUFFIX[self.per]}.json"

    def runs_on(self, cohort: str) -> bool:
        """Whether it is part of the study on a cohort."""
        return self.only in ("", cohort, COHORTS[cohort].scheme.name)

    def runs(self, profile: Profile, cohort: str) -> list[dict[str, Any]]:
        """Return what it is run for on a cohort, in the order of the profile: one dict of wildcards per run."""
        unasked = self.asks and getattr(profile, self.asks) is None
        if cohort not in profile.cohorts or not self.runs_on(cohort) or unasked:
            return []
        plan = profile.cohorts[cohort]
        if self.per == "seed":
            return [{"seed": seed} for seed in profile.seeds]
        if self.per == "network":
            return [{"network": network, "seed": seed} for network in plan.segmenters for seed in profile.seeds]
        if self.per == "row":
            return [{"row": row, "seed": seed} for row in plan.rows for seed in profile.seeds_of(row_named(row))]
        return [{}]

    def settings_of(self, profile: Profile, cohort: str, run: dict[str, Any]) -> dict[str, Any]:
        """Return the settings of the profile that concern a run, by their paths, and the study's own seed.

        Raises
        ------
        ValueError
            Where the profile has no such setting.
        """
        threads = ["threads"] if self.threads else []
        paths = [path.format(cohort=cohort, **run) for path in (*self.settings, *threads)]
        row = Row(*REFERENCE_NETWORK) if "row" not in run else row_named(run["row"])
        values = profile.model_dump() | {TRAINING: {row.key: profile.training(row).model_dump()}}
        try:
            own_seed = {"seeds.0": profile.seeds[0]}  # of folds, splits and test set, whatever the seed of the run
            return own_seed | {path: reduce(getitem, path.split("."), values) for path in paths}
        except (KeyError, TypeError) as error:  # TypeError: within a part that the profile lacks
            raise ValueError(f"{TABLE}: chapter {self.name}: a profile has no setting {error} of {paths}") from None

    def earlier(self, profile: Profile, cohort: str, run: dict[str, Any]) -> list[tuple["Chapter", dict[str, Any]]]:
        """Return the runs of chapters that leave what a run of this one needs, each once."""
        chapters = {_left(need)[0].name: _left(need)[0] for need in self.needs if need not in (CASES, PUBLISHED)}
        runs = [(chapter, other) for chapter in chapters.values() for other in chapter.runs(profile, cohort)]
        return [(chapter, other) for chapter, other in runs if _agree(run, other)]

    def needed(self, profile: Profile, cohort: str, run: dict[str, Any]) -> list[str]:
        """Return the files below the cohort's folder that must be there before a run.

        They are of all runs that leave such a file and agree with this one on the wildcards that both have: a row's
        seed is trained on the masks of that seed's segmenters. The published edition is not below the cohort's folder
        and not among them.
        """
        files = []
        for need in self.needs:
            if need == CASES:
                files += COHORTS[cohort].manifests
            elif need != PUBLISHED:
                chapter, pattern = _left(need)
                others = chapter.runs(profile, cohort)
                files += [pattern.format(**other) for other in others if _agree(run, other)]
        return files


def _agree(run: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two runs have the same value wherever they have the same wildcard; a workflow's are text."""
    return all(str(run[name]) == str(other[name]) for name in run.keys() & other.keys())


def result_names(profile: Profile, cohort: str) -> list[str]:
    """Return the name of the result of every run of a study on a cohort, such as ``review__seed0``."""
    pairs = [(chapter, run) for chapter in read_chapters().values() for run in chapter.runs(profile, cohort)]
    return [Path(chapter.results.format(**run)).stem for chapter, run in pairs]


def result_files(folder: Path, profile: Profile, cohort: str) -> Iterator[Path]:
    """Yield the result files in `folder` that belong to a profile's study; others are of earlier rows or seeds."""
    names = {*result_names(profile, cohort), "cohort"}  # an edition lists its cases
    yield from (file for file in sorted(folder.glob("*")) if file.is_file() and result_of(file.stem) in names)


def result_of(name: str) -> str:
    """Name of the result beside which a file lies: ``quality__ROW__seed0`` of ``quality__ROW__seed0__maps``.

    Where nothing is run for a seed, the first part is the result's name: ``where`` of ``where__calipers``.
    """
    return re.sub(r"(__seed\d+)__\w+$", r"\1", name) if "__seed" in name else name.partition("__")[0]


@cache
def read_chapters(path: Path = TABLE) -> dict[str, Chapter]:
    """Read the table of chapters.

    Raises
    ------
    ValueError
        Where a line has a misspelt word, or a chapter runs on, is run for or needs something that there is not.
    """
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    chapters = {}
    for name, line in written["chapters"].items():
        try:
            chapters[name] = _chapter(name, line or {}, written["together"])
        except ValueError as error:
            raise ValueError(f"{path}: {name}: {error}") from None
    places = {"", *COHORTS, *(kind.scheme.name for kind in COHORTS.values())}
    known = {CASES, PUBLISHED, *chapters, *(file for chapter in chapters.values() for file in chapter.leaves)}
    for chapter in chapters.values():
        if chapter.only not in places:
            raise ValueError(f"{path}: {chapter.name} runs only on '{chapter.only}', which is none of {sorted(places)}")
        if unknown := set(chapter.needs) - known:
            raise ValueError(f"{path}: {chapter.name} needs {sorted(unknown)}, which no chapter leaves")
        if unknown := {path.partition(".")[0] for path in chapter.settings} - {TRAINING, *Profile.model_fields}:
            raise ValueError(f"{path}: {chapter.name} names the settings {sorted(unknown)}, which no profile has")
    return chapters


def _chapter(name: str, line: dict[str, Any], together: dict[str, list[str]]) -> Chapter:
    """Build a chapter from its line, with its lists written out."""
    lists = {key: [*_written_out(line.get(key, ()), together)] for key in ("needs", "leaves", "settings")}
    return Chapter(**{"name": name, **line, **lists})


def _written_out(names: list[str], together: dict[str, list[str]]) -> Iterator[str]:
    """Put the names of a list of `together` in its place, and tables in their folder."""
    for name in names:
        for part in together.get(name, [name]):
            yield f"results/{part}" if part.endswith(".csv") else part


def _left(need: str) -> tuple[Chapter, str]:
    """Return the chapter that leaves what another one needs, and the file."""
    chapters = read_chapters()
    if need in chapters:
        return chapters[need], chapters[need].results
    return next((chapter, need) for chapter in chapters.values() if need in chapter.leaves)
