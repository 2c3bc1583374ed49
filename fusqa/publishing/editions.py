"""The published editions: results and chapters of a study, kept with the code and shown in every book.

``python -m fusqa.publishing publish PROFILE`` copies what a study in ``build/PROFILE`` has to ``results/PROFILE``: its
result files (JSON, CSV and small arrays), its executed chapters made small, the models that the profile names under
``models``, in half precision, and the profile itself. With it lies what a later run needs to go on from there
(:mod:`fusqa.publishing.restoring`). An edition is of one state of the code. Publishing again adds to it; other editions
are left alone.
"""

import shlex
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from zipfile import ZIP_LZMA

from fusqa.files import read_json, write_bytes, write_csv
from fusqa.publishing.restoring import COHORT, cohort_table, files_of, is_restorable
from fusqa.publishing.shrinking import shrunk
from fusqa.publishing.tools import DRAWN_AGAIN, PublishingError, alone, put_in_place
from fusqa.study.chapters import read_chapters, result_files, result_names, result_of
from fusqa.study.learning import LEARNT, verdict_of
from fusqa.study.material import load_masks, save_masks
from fusqa.study.profile import Profile
from fusqa.study.provenance import code_of
from fusqa.study.results import Study
from fusqa.study.rows import row_named
from fusqa.study.shelf import PLACE

LARGEST_MB = 120  # result files of one edition; chosen so that a repository stays small
CHAPTERS_MB = 30  # chapters of all editions together; chosen likewise
SCRATCH, BEFORE = ".publishing-", "before"  # where an edition is laid out, and the older one while it is replaced
COMPARING = "edition"  # the chapter that compares a run with the editions: no part of one


class Publication(NamedTuple):
    """What publishing did.

    ``folder`` is the edition's, ``results`` counts its results, ``missing`` names those that it lacks so far, and
    ``replaced`` counts older ones, of other code or settings, that are no longer part of it.
    """

    folder: Path
    results: int
    missing: list[str]
    replaced: int


def publish(name: str, build: Path, place: Path = PLACE) -> Publication:
    """Copy the results and chapters of a study to its edition in `place`, all of them or none.

    A study may be published half-way, so that what took hours is kept. A later call adds to the edition: what was
    published of the same code and the same profile stays where the study does not have it.

    Raises
    ------
    PublishingError
        When the study has no results, its results name several states of the code or one with uncommitted changes, or
        the edition becomes too large.
    """
    profile = Profile.read(name)
    study, edition = build / profile.name, place / profile.name
    place.mkdir(exist_ok=True)
    with _alone(place), tempfile.TemporaryDirectory(prefix=SCRATCH, dir=place) as scratch:
        made = Path(scratch) / profile.name
        for cohort in profile.cohorts:
            _lay_out(study / cohort, made / cohort, profile, cohort)
            _lay_out_trainings(Study(name, cohort, build.resolve()), made / cohort)
        _lay_out_models(study, made, profile)
        if not any(made.glob("*/*.json")):
            raise PublishingError(f"{study} holds no results; run: make study PROFILE={shlex.quote(name)}")
        code = _one_state(made, name)
        _require_plans(made, profile, name)
        shutil.copy(Profile.file(name), made / f"{profile.name}.yaml")
        replaced = _keep(edition, made, profile, code)
        _require_small(made, place)
        older = Path(scratch) / BEFORE / profile.name
        older.parent.mkdir()
        put_in_place(made, edition, older)
    # the cohorts that it holds: another one may not have been at hand
    held = [cohort for cohort in profile.cohorts if any((edition / cohort).glob("*.json"))]
    wanted = [f"{cohort}/{result}.json" for cohort in held for result in result_names(profile, cohort)]
    missing = [file for file in wanted if not (edition / file).is_file() and Path(file).stem != COMPARING]
    return Publication(edition, len(_states(edition)), missing, replaced)


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Let one call publish at a time, which first clears away what a killed one left.

    Where that one was about to replace an edition, the edition is put back.
    """
    with alone(place, "publishing"):
        for scratch in place.glob(f"{SCRATCH}*"):
            for older in scratch.glob(f"{BEFORE}/*"):
                if not (place / older.name).exists():
                    older.rename(place / older.name)
            shutil.rmtree(scratch)
        yield


def _lay_out(study: Path, made: Path, profile: Profile, cohort: str) -> None:
    """Copy the results and the chapters of a study on one cohort.

    Of a row, the chapter of the first seed: the others show the same figures of another training. A row that was not
    run has none.
    """
    for file in result_files(study / "results", profile, cohort):
        if file.stem != COMPARING:
            if file.suffix not in (".json", ".csv", ".npz"):
                raise PublishingError(f"{file} is neither JSON nor CSV nor NPZ")
            if file.with_name(f"{result_of(file.stem)}.json").is_file():  # written last: without it, a run was cut off
                _copy_small(file, made / file.name)
    for chapter in read_chapters().values():
        for run in chapter.runs(profile, cohort):
            result = made / Path(chapter.results.format(**run)).name
            notebook = study / chapter.notebook.format(**run)
            first = run.get("seed", profile.seeds[0]) == profile.seeds[0]
            if first and notebook.is_file() and result.is_file() and read_json(result).get("status") != "not run":
                write_bytes(made / "notebooks" / notebook.name, shrunk(notebook, profile.name))


def _lay_out_trainings(study: Study, made: Path) -> None:
    """Copy the masks and cards that finished trainings of a cohort left, and say of which cases they are."""
    for chapter in filter(is_restorable, read_chapters().values()):
        for run in chapter.runs(study.profile, study.cohort):
            result, *others = files_of(chapter, run, study)
            for file in others if study.path(result).is_file() else ():
                if not file.startswith("results/") and study.path(file).is_file():
                    _copy_small(study.path(file), made / file)
    if made.is_dir() and all(study.path(file).is_file() for file in study.kind.manifests):
        write_csv(made / COHORT, cohort_table(study))


def _copy_small(source: Path, target: Path) -> None:
    """Copy a file; arrays packed as small as possible, and without images, which can be drawn again."""
    if source.suffix != ".npz":
        write_bytes(target, source.read_bytes())
        return
    arrays = load_masks(source)
    if source.name.endswith(DRAWN_AGAIN):
        arrays["images"] = arrays["images"][:0]
    save_masks(target, arrays, ZIP_LZMA)  # half of what the usual compression leaves


def _lay_out_models(study: Path, made: Path, profile: Profile) -> None:
    """Copy the models that the profile names, those that have learnt their task."""
    from fusqa.publishing.small_models import write_small  # loads PyTorch

    for name, model in profile.models.items():
        result = _model_result(profile, name)
        file, trained = made / f"{result}.json", study / model.cohort / "models" / result.name
        if file.is_file() and trained.is_dir() and verdict_of([read_json(file)]) == LEARNT:
            write_small(trained, made / "models" / name)


def _model_result(profile: Profile, name: str) -> Path:
    """Return the result of a published model's training, ``<cohort>/<result>``, without its ending."""
    model = profile.models[name]
    return Path(model.cohort) / row_named(model.row).result(profile.seeds[0])


def _keep(edition: Path, made: Path, profile: Profile, code: str) -> int:
    """Add what was published of the same code and profile and is not in `made`; count the results that are given up."""
    settings = f"{made.name}.yaml"
    if not (edition / settings).is_file():
        return 0
    states = _states(edition)
    same = (edition / settings).read_bytes() == (made / settings).read_bytes()
    kept = {file.with_suffix("") for file, state in states.items() if same and state == code}
    replaced = 0
    for file in sorted(file for file in edition.glob("*/**/*") if file.is_file()):
        name = file.relative_to(edition)
        if (made / name).exists():
            continue
        if _result_of(name, profile) in kept or (same and file.name == COHORT):
            write_bytes(made / name, file.read_bytes())
        elif file.suffix == ".json" and len(name.parts) == 2:
            replaced += 1
    return replaced


def _result_of(name: Path, profile: Profile) -> Path | None:
    """Return the result, ``<cohort>/<result>`` without its ending, that a file of an edition goes with, if any."""
    cohort, *folders, _ = name.parts
    if cohort == "models":
        return _model_result(profile, folders[0]) if folders[0] in profile.models else None
    if not folders:
        return name.with_name(result_of(name.stem))
    if folders != ["notebooks"]:  # masks, or the card, of a training
        return Path(cohort, folders[-1])
    chapter, mark, run = name.stem.partition("__")
    known = read_chapters().get(chapter)
    return Path(cohort, f"{known.result or chapter}{mark}{run}") if known else None


def _one_state(made: Path, name: str) -> str:
    """Return the state of the code that every result names.

    Raises
    ------
    PublishingError
        Where they name several, or one with uncommitted changes.
    """
    files = defaultdict(list)
    for file, state in _states(made).items():
        if not state or "+" in state:
            raise PublishingError(
                f"{file} was made from uncommitted code ({state}); commit, delete it, and run the study again"
            )
        files[state].append(file.as_posix())
    if len(files) > 1:
        named = "\n".join(f"{state[:10]}: {', '.join(those)}" for state, those in files.items())
        raise PublishingError(
            f"the results name {len(files)} states of the code, and an edition is of one:\n{named}\n"
            f"delete those of the other states and run: make study PROFILE={shlex.quote(name)}"
        )
    return next(iter(files))


def _require_plans(made: Path, profile: Profile, name: str) -> None:
    """Raise :class:`PublishingError` where a quality model was trained by other settings than the profile has now."""
    for file in sorted(made.glob("*/quality__*.json")):
        found = read_json(file)
        plan = found.get("plan")  # of what was run
        if plan and plan != profile.training(row_named(found["row"])).model_dump():
            raise PublishingError(
                f"{file.relative_to(made)} was trained by other settings than those of the profile; delete it and run: "
                f"make study PROFILE={shlex.quote(name)}"
            )


def _states(edition: Path) -> dict[Path, str | None]:
    """Return the state of the code of every result in the folder of an edition."""
    results = sorted(edition.glob("*/*.json"))
    return {file.relative_to(edition): code_of(read_json(file)["provenance"]) for file in results}


def _require_small(made: Path, place: Path) -> None:
    """Raise :class:`PublishingError` where an edition, or the chapters of all editions, are too large."""
    results = _megabytes([*made.glob("*/*.*"), *made.glob("*/segmentation__*/*")])
    if results > LARGEST_MB:
        raise PublishingError(f"the results are {results:.0f} MB, more than the {LARGEST_MB} MB of an edition")
    others = [file for file in place.glob("*/*/notebooks/*") if file.relative_to(place).parts[0] != made.name]
    chapters = _megabytes([*made.glob("*/notebooks/*"), *others])
    if chapters > CHAPTERS_MB:
        found = f"the chapters of all editions in {place} are {chapters:.0f} MB"
        raise PublishingError(f"{found}, more than the {CHAPTERS_MB} MB that they may have; remove an older edition")


def _megabytes(files: Iterable[Path]) -> float:
    """Size of files together, in MB (10⁶ bytes)."""
    return sum(file.stat().st_size for file in files) / 1e6
