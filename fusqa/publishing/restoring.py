"""Go on from what is published: a training whose result lies in the edition of its profile is not run again.

A run is taken from the edition where nothing that it depends on has changed: the code, the settings that concern it,
the cohort, and the results of the earlier trainings that it was given, which must lie here as they were published.
Chapters without a training are cheap, and are run. Weights are not published; who needs them trains that network
(:mod:`fusqa.study.retraining`).
"""

from hashlib import sha256
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd

from fusqa.files import ROOT, read_json, whole, write_bytes
from fusqa.publishing.tools import DRAWN_AGAIN, WEAKER
from fusqa.study.chapters import CASES, PUBLISHED, Chapter, read_chapters
from fusqa.study.material import ErrorSet
from fusqa.study.profile import Profile
from fusqa.study.provenance import code_state
from fusqa.study.results import Edition, Study
from fusqa.study.rows import Row
from fusqa.study.shelf import PLACE

RESTORED = "restored"  # tag of the cell that says so
COHORT = "cohort.csv"
"""File of an edition that says of which cases it is, without publishing them."""


def is_restorable(chapter: Chapter) -> bool:
    """Whether a chapter's runs can be taken from an edition: those that train, and do not read the edition."""
    return chapter.threads and PUBLISHED not in chapter.needs


def files_of(chapter: Chapter, run: dict[str, Any], study: Study) -> list[str]:
    """Return what a run has left: its result, the files of the table of chapters, and what lies beside its result."""
    result = chapter.results.format(**run)
    declared = [file.format(**run) for file in chapter.leaves]
    beside = [f"results/{file.name}" for file in sorted(study.path(result).parent.glob(f"{Path(result).stem}__*"))]
    return list(dict.fromkeys([result, *declared, *beside]))


def cohort_table(study: Study) -> pd.DataFrame:
    """Return the fingerprint of each of a study's tables of cases: ``file``, ``sha256``."""
    files = study.kind.manifests
    return pd.DataFrame(
        {"file": files, "sha256": [sha256(study.path(file).read_bytes()).hexdigest() for file in files]}
    )


def restore(notebook: Path, output: Path, given: dict[str, Any]) -> bool:
    """Take a chapter's run from the published edition, if that can be done; its page says so.

    Parameters
    ----------
    notebook : Path
        The chapter's notebook.
    output : Path
        Where its executed copy is wanted.
    given : dict
        Parameters of the notebook: ``profile``, ``cohort``, ``build``, and those of the run.

    Returns
    -------
    bool
        Whether it was taken; if not, it must be run.
    """
    chapter = read_chapters().get(notebook.stem)
    profile = Profile.read(str(given["profile"]))
    folder = PLACE / profile.name
    if not chapter or not is_restorable(chapter) or not (folder / given["cohort"] / COHORT).is_file():
        return False
    run = _run(chapter, given)
    if not _made_by_this_code(folder / given["cohort"] / Path(chapter.results.format(**run)).name):
        return False
    study, edition = Study(str(given["profile"]), given["cohort"], given["build"]), Edition(folder, given["cohort"])
    if study.seed != edition.seed or not _nothing_changed(chapter, run, study, edition):
        return False
    _copy(chapter, run, study, edition)
    _write_page(notebook, output, edition, chapter.results.format(**run))
    print(f"{output.stem} is taken from the published edition “{profile.name}” and is not run again")
    return True


def _run(chapter: Chapter, given: dict[str, Any]) -> dict[str, Any]:
    """Wildcards of a run, from the parameters of its notebook."""
    if chapter.per != "row":
        return {name: given[name] for name in ("network", "seed") if name in given}
    row = Row(given["topology"], given["backbone"], given["pretrained"], given["recipe"])
    return {"row": row.key, "seed": given["seed"]}


def _made_by_this_code(result: Path) -> bool:
    """Whether a published result is of a run, by the code as it is here, without uncommitted changes."""
    if not result.is_file():
        return False
    found, code = read_json(result), code_state(ROOT)
    return found.get("status", "run") == "run" and found["provenance"].get("code") == code and "+" not in (code or "+")


def _nothing_changed(chapter: Chapter, run: dict[str, Any], study: Study, edition: Edition) -> bool:
    """Whether settings, cohort and earlier trainings of a run are those of the edition."""
    here, there = (chapter.settings_of(one.profile, study.cohort, run) for one in (study, edition))
    if here != there or (CASES in chapter.needs and not _same_cases(study, edition)):
        return False
    earlier = chapter.earlier(study.profile, study.cohort, run)
    return all(_as_published(before, of, study, edition) for before, of in earlier)


def _same_cases(study: Study, edition: Edition) -> bool:
    return cohort_table(study).to_dict("list") == pd.read_csv(edition.path(COHORT), dtype=str).to_dict("list")


def _as_published(chapter: Chapter, run: dict[str, Any], study: Study, edition: Edition) -> bool:
    """Whether an earlier run's result here is that of the edition; without a training, whether what it is given is."""
    if not is_restorable(chapter):
        return _nothing_changed(chapter, run, study, edition)
    files = [one.path(chapter.results.format(**run)) for one in (study, edition)]
    return all(file.is_file() for file in files) and files[0].read_bytes() == files[1].read_bytes()


def _copy(chapter: Chapter, run: dict[str, Any], study: Study, edition: Edition) -> None:
    """Copy a run's files, its result last; images are drawn again."""
    from fusqa.study.degraded import with_images  # here: they load PyTorch
    from fusqa.study.weaker import with_weaker_images

    result, *others = files_of(chapter, run, edition)
    for file in (*others, result):
        source, target = edition.need(file), study.path(file)
        if file.endswith(DRAWN_AGAIN):
            stored, draw = ErrorSet.load(source), with_weaker_images if file.endswith(WEAKER) else with_images
            draw(study, stored.masks, stored.table).save(target)
        else:
            write_bytes(target, source.read_bytes())


def _write_page(notebook: Path, output: Path, edition: Edition, result: str) -> None:
    """Write the published chapter as the executed notebook; where there is none, what it asks. Both say where from."""
    published = edition.folder / "notebooks" / output.name
    page = nbformat.read(published if published.is_file() else notebook, as_version=4)
    origin = edition.result(Path(result).stem)["provenance"]
    made = f"made on {origin['date'][:10]} by commit {origin['commit'][:10]} ({origin['device']})"
    said = (
        f"**Not run again.** This training's result was taken from the published edition “{edition.profile.name}”: "
        f"{made}, from the same code, settings and cases. Its files are `{result}` and those beside it."
    )
    first, *others = (cell for cell in page.cells if RESTORED not in cell.metadata.get("tags", ()))
    told = nbformat.v4.new_markdown_cell(said, metadata={"tags": [RESTORED]})
    page.cells = [first, told, *(others if published.is_file() else ())]
    with whole(output) as part:
        nbformat.write(page, part)
