"""The published edition: the result files of the largest study so far, kept with the code and shown in every book.

``python -m fusqa.edition PROFILE`` copies the results of a finished study from ``build/PROFILE`` to
``results/PROFILE``: JSON and CSV only, with the profile they were made with. One edition is published at a time.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fusqa.study import ROOT, Profile, Study, chapters

__all__ = ["PLACE", "Edition", "EditionError", "main", "publish", "published"]

PLACE = ROOT / "results"
LARGEST_MB = 20  # of a whole edition: what a repository carries without complaint


class EditionError(RuntimeError):
    """A study cannot be published; the message says why."""


class Edition(Study):
    """A published study: its results can be read, nothing can be made.

    Parameters
    ----------
    folder : Path
        ``results/<profile>``.
    cohort : str
        A key of :data:`fusqa.study.COHORTS`.
    """

    def __init__(self, folder: Path, cohort: str):
        super().__init__(str(folder / f"{folder.name}.yaml"), cohort)
        self.folder = folder / cohort

    def path(self, name: str) -> Path:
        """Where result file `name` lies."""
        return self.folder / name.removeprefix("results/")

    def need(self, name: str) -> Path:
        """Return the path of a result file; a published study makes none."""
        path = self.path(name)
        if not path.is_file():
            raise FileNotFoundError(f"{path} is not part of the published edition")
        return path


def published(cohort: str, place: Path = PLACE) -> Edition | None:
    """Return the published edition of `cohort`, None where there is none."""
    folders = [file.parent for file in place.glob("*/*.yaml") if (file.parent / cohort).is_dir()]
    return Edition(folders[0], cohort) if folders else None


def publish(name: str, build: Path, place: Path = PLACE) -> Path:
    """Copy the results of a finished study to `place`, whole or not at all, in place of what was published before.

    Returns
    -------
    Path
        The folder of the edition.

    Raises
    ------
    EditionError
        When the study is not finished, was made from code with uncommitted changes, or is too large.
    """
    profile = Profile.read(name)
    study = build / profile.name
    cohorts = [cohort for cohort in profile.cohorts if (study / cohort / "results").is_dir()]
    wanted = [f"{cohort}/results/{chapter}.json" for cohort in cohorts or ["simulated"] for chapter in chapters(cohort)]
    if missing := [file for file in wanted if not (study / file).is_file()]:
        found = f"{study} holds no finished study: {len(missing)} results are missing, such as {missing[0]}"
        raise EditionError(f"{found}; run: make study PROFILE={name}")
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
    return place / profile.name


def _require_sound(made: Path) -> None:
    """Raise :class:`EditionError` unless every file is small, a result, and says which commit it came from."""
    files = [path for path in made.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    if size > LARGEST_MB:
        raise EditionError(f"the results are {size:.0f} MB, more than the {LARGEST_MB} MB that an edition may have")
    for path in files:
        if path.suffix not in (".json", ".csv"):
            raise EditionError(f"{path.relative_to(made)} is neither JSON nor CSV")
        if path.suffix == ".json":
            commit = json.loads(path.read_text(encoding="utf-8"))["provenance"]["commit"]
            if not commit or "+" in commit:
                found = f"{path.relative_to(made)} was made from uncommitted code ({commit})"
                raise EditionError(f"{found}; commit, and run the study again")


def main(arguments: Sequence[str] | None = None) -> int:
    """Publish the study of one profile; return 1 and say why if that cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m fusqa.edition", description="Publish a finished study.")
    parser.add_argument("profile", help="profile whose study is published")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="where studies are kept (default: build)")
    chosen = parser.parse_args(arguments)
    try:
        folder = publish(chosen.profile, chosen.build)
    except EditionError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"published: {folder}; commit it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
