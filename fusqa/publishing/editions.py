"""The published edition: the result files of the largest study so far, kept with the code and shown in every book.

``python -m fusqa.publishing publish PROFILE`` copies the results of a study from ``build/PROFILE`` to
``results/PROFILE``: JSON, CSV and small arrays, with the profile they were made with, and no weights. One edition is
published at a time. With it lies what a later run needs to go on from there (:mod:`fusqa.publishing.restoring`).
"""

import json
import shlex
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple
from zipfile import ZIP_LZMA, ZipFile

import numpy as np

from fusqa.files import write_csv
from fusqa.publishing.restoring import COHORT, DRAWN_AGAIN, cohort_table, files_of, is_restorable
from fusqa.publishing.tools import PublishingError
from fusqa.study.chapters import read_chapters, result_names
from fusqa.study.material import load_masks
from fusqa.study.profile import Profile
from fusqa.study.results import PLACE, Study

__all__ = ["Publication", "publish"]

LARGEST_MB = 40  # of a whole edition; chosen so that a repository stays small


class Publication(NamedTuple):
    """Folder of an edition, how many results of the study it holds, and names of those that it lacks so far."""

    folder: Path
    results: int
    missing: list[str]


def publish(name: str, build: Path, place: Path = PLACE) -> Publication:
    """Copy the results of a study to `place`, whole or not at all, in place of what was published before.

    A study may be published half-way, so that what took hours is kept; a later call publishes more of it.

    Raises
    ------
    PublishingError
        When the study has no results, was made from code with uncommitted changes, or is too large.
    """
    profile = Profile.read(name)
    study = build / profile.name
    cohorts = [cohort for cohort in profile.cohorts if any((study / cohort / "results").glob("*.json"))]
    if not cohorts:
        raise PublishingError(f"{study} holds no results; run: make study PROFILE={shlex.quote(name)}")
    wanted = [f"{cohort}/results/{result}.json" for cohort in cohorts for result in result_names(profile, cohort)]
    missing = [file for file in wanted if not (study / file).is_file()]
    place.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".publishing-", dir=place) as scratch:
        made = Path(scratch) / profile.name
        for cohort in cohorts:
            shutil.copytree(study / cohort / "results", made / cohort, ignore=shutil.ignore_patterns("edition.*"))
            _add_what_trainings_left(Study(name, cohort, build.resolve()), made / cohort)
        _require_sound(made)
        shutil.copy(Profile.file(name), made / f"{profile.name}.yaml")
        for old in place.glob("*/*.yaml"):
            shutil.rmtree(old.parent)
        made.rename(place / profile.name)
    return Publication(place / profile.name, len(wanted) - len(missing), missing)


def _add_what_trainings_left(study: Study, folder: Path) -> None:
    """Add to an edition the masks and cards that finished trainings of a cohort left, and of which cases they are."""
    for chapter in filter(is_restorable, read_chapters().values()):
        for run in chapter.runs(study.profile, study.cohort):
            result, *others = files_of(chapter, run, study)
            for file in others if study.path(result).is_file() else ():
                if not file.startswith("results/") and study.path(file).is_file():
                    (folder / file).parent.mkdir(parents=True, exist_ok=True)
                    _copy_small(study.path(file), folder / file)
    if all(study.path(file).is_file() for file in study.kind.manifests):
        write_csv(folder / COHORT, cohort_table(study))


def _copy_small(source: Path, target: Path) -> None:
    """Copy a file; arrays packed as small as possible, and without images, which can be drawn again."""
    if source.suffix != ".npz":
        shutil.copy(source, target)
        return
    arrays = load_masks(source)
    if source.name in DRAWN_AGAIN:
        arrays["images"] = arrays["images"][:0]
    with ZipFile(target, "w", ZIP_LZMA) as packed:  # label masks take half of what NumPy's own compression leaves
        for name, array in arrays.items():
            with packed.open(f"{name}.npy", "w") as stream:
                np.lib.format.write_array(stream, array)


def _require_sound(made: Path) -> None:
    """Raise :class:`PublishingError` unless every file is small, a result, and says which commit it came from."""
    files = [path for path in made.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    if size > LARGEST_MB:
        raise PublishingError(f"the results are {size:.0f} MB, more than the {LARGEST_MB} MB that an edition may have")
    for path in files:
        if path.suffix not in (".json", ".csv", ".npz"):
            raise PublishingError(f"{path.relative_to(made)} is neither JSON nor CSV nor NPZ")
        if path.suffix == ".json":
            commit = json.loads(path.read_text(encoding="utf-8"))["provenance"]["commit"]
            if not commit or "+" in commit:
                found = f"{path.relative_to(made)} was made from uncommitted code ({commit})"
                raise PublishingError(f"{found}; commit, and run the study again")
