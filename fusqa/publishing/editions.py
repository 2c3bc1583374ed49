"""The published edition: the result files of the largest study so far, kept with the code and shown in every book.

``python -m fusqa.publishing publish PROFILE`` copies the results of a study from ``build/PROFILE`` to
``results/PROFILE``: JSON and CSV only, with the profile they were made with. One edition is published at a time.
"""

import json
import shlex
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from fusqa.publishing.tools import PublishingError
from fusqa.study.chapters import result_names
from fusqa.study.profile import Profile
from fusqa.study.results import PLACE

__all__ = ["Publication", "publish"]

LARGEST_MB = 20  # of a whole edition; chosen so that a repository stays small


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
        _require_sound(made)
        shutil.copy(Profile.file(name), made / f"{profile.name}.yaml")
        for old in place.glob("*/*.yaml"):
            shutil.rmtree(old.parent)
        made.rename(place / profile.name)
    return Publication(place / profile.name, len(wanted) - len(missing), missing)


def _require_sound(made: Path) -> None:
    """Raise :class:`PublishingError` unless every file is small, a result, and says which commit it came from."""
    files = [path for path in made.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    if size > LARGEST_MB:
        raise PublishingError(f"the results are {size:.0f} MB, more than the {LARGEST_MB} MB that an edition may have")
    for path in files:
        if path.suffix not in (".json", ".csv"):
            raise PublishingError(f"{path.relative_to(made)} is neither JSON nor CSV")
        if path.suffix == ".json":
            commit = json.loads(path.read_text(encoding="utf-8"))["provenance"]["commit"]
            if not commit or "+" in commit:
                found = f"{path.relative_to(made)} was made from uncommitted code ({commit})"
                raise PublishingError(f"{found}; commit, and run the study again")
