"""The table of contents of one edition: executed copies in place of the notebooks that ``_toc.yml`` names."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import nbformat

from fusqa.files import read_json
from fusqa.publishing.tools import PublishingError
from fusqa.study.catalogue import COHORTS
from fusqa.study.chapters import read_chapters
from fusqa.study.profile import Profile
from fusqa.study.rows import title_of

FIRST, FIRST_FOLDER = "simulated", "notebooks"
"""The cohort whose chapters the table of contents names, and the folder of the book that they lie in."""

SUMMARY = f"{FIRST_FOLDER}/ten_minutes"
"""The page for those who have ten minutes: what an edition shows comes first there."""

OTHERS = "others"
"""What stands in the table of contents for every cohort that it does not name."""

COHORT_IN = {FIRST_FOLDER: FIRST} | {cohort: cohort for cohort in COHORTS if cohort != FIRST}
"""Folder of the book -> the cohort whose executed notebooks lie in it."""


class Source(NamedTuple):
    """A study or a published edition whose executed chapters become pages.

    ``folder`` has one for each cohort, with the result files in ``results`` of it. Other rows and seeds than those of
    ``profile``, which an earlier version of it left there, are passed over.
    """

    folder: Path
    profile: Profile
    results: str = "results"


def edition_toc(written: dict, pages: Path, sources: Mapping[str, Source]) -> dict:
    """Return the table of contents of an edition; a chapter that was not executed stays in it under its own name.

    Parameters
    ----------
    written : dict
        The content of ``_toc.yml``.
    pages : Path
        Folder of the prose pages.
    sources : dict
        Whose chapters each cohort has; none of a cohort that is not in it.

    Raises
    ------
    PublishingError
        If a notebook that it names is not a chapter.
    """
    if unknown := [file for file in notebooks_of(written) if file.partition("/")[2] not in read_chapters()]:
        raise PublishingError(f"_toc.yml names {', '.join(unknown)}, which workflow/chapters.yaml does not")
    filled = [{**part, "chapters": list(_with_cohorts(part["chapters"], written, pages))} for part in written["parts"]]
    parts = [{**part, "chapters": list(_executed(part["chapters"], sources))} for part in filled]
    return {**written, "parts": [part for part in parts if part["chapters"]]}


def missing_chapters(written: dict, sources: Mapping[str, Source]) -> list[str]:
    """Return the notebooks of ``_toc.yml`` that were not executed on the simulated cohort; others may be absent."""
    return [file for file in notebooks_of(written) if not _runs(file, sources)]


def notebooks_of(toc: dict) -> list[str]:
    """Return the notebooks of a table of contents, nested ones included, in reading order."""
    files = (file for part in toc["parts"] for file in _named(part["chapters"], "file"))
    return [file for file in files if _is_notebook(file)]


def row_title(name: str) -> str:
    """Row and seed in words, "Single ResNet-18, from scratch, seed 0"; empty for a notebook that is run once."""
    row, _, seed = name.removeprefix(name.partition("__")[0]).partition("__seed")
    named = row and title_of(row.removeprefix("__"))
    return ", ".join(part for part in (named, seed and f"seed {seed}") if part)


def executed_copy(file: str, source: Source) -> Path:
    """Where the executed notebook behind a page of the book lies."""
    folder, _, name = file.partition("/")
    chapter = read_chapters().get(name)
    if chapter and chapter.per == "seed":
        name += f"__seed{source.profile.seeds[0]}"
    return source.folder / COHORT_IN[folder] / "notebooks" / f"{name}.ipynb"


def _named(entries: Iterable[dict], word: str) -> Iterator[str]:
    """Yield what entries name by a word, ``file`` or ``cohort``, nested ones included."""
    for entry in entries:
        if word in entry:
            yield entry[word]
        yield from _named(entry.get("sections", []), word)


def _is_notebook(file: str) -> bool:
    """Whether an entry stands for executed notebooks."""
    return file.partition("/")[0] in COHORT_IN


def _with_cohorts(entries: Iterable[dict], toc: dict, pages: Path) -> Iterator[dict]:
    """Yield entries with chapters in place of each ``cohort: <name>``."""
    written = [entry for part in toc["parts"] for entry in part["chapters"]]
    named = set(_named(written, "cohort"))
    for entry in entries:
        if entry.get("cohort") == OTHERS:
            for cohort in (other for other in COHORTS if other not in named | {FIRST}):
                yield from _again(written, cohort, pages)
        elif "cohort" in entry:
            yield from _again(written, entry["cohort"], pages)
        elif "sections" in entry:
            yield {**entry, "sections": list(_with_cohorts(entry["sections"], toc, pages))}
        else:
            yield entry


def _again(entries: Iterable[dict], cohort: str, pages: Path) -> Iterator[dict]:
    """Yield the entries of the chapters that another cohort's study has too.

    A page with chapters below it, ``book/<page>``, becomes ``book/<cohort>_<page>``; where there is no such page, the
    chapters stand for themselves.
    """
    for entry in entries:
        folder, _, name = entry.get("file", "").partition("/")
        below = list(_again(entry.get("sections", []), cohort, pages))
        if folder == FIRST_FOLDER and read_chapters()[name].runs_on(cohort):
            yield {"file": f"{cohort}/{name}"} | ({"sections": below} if below else {})
        elif below and (pages / f"{cohort}_{name}.md").is_file():
            yield {"file": f"book/{cohort}_{name}", "sections": below}
        else:
            yield from below


def _runs(file: str, sources: Mapping[str, Source]) -> list[str]:
    """Files of the book that stand behind entry `file`: the executed copies, in the order of the profile.

    Of what is run once per seed, the first has the plain name of the chapter, so that prose can link to it.
    """
    folder, _, name = file.partition("/")
    if COHORT_IN[folder] not in sources:
        return []
    source, chapter = sources[COHORT_IN[folder]], read_chapters()[name]
    first = f"__seed{source.profile.seeds[0]}"
    names = [Path(chapter.notebook.format(**run)).stem for run in chapter.runs(source.profile, COHORT_IN[folder])]
    pages = [f"{folder}/{one.removesuffix(first) if chapter.per == 'seed' else one}" for one in names]
    return [page for page in pages if executed_copy(page, source).is_file()]


def _with_results(files: list[str], sources: Mapping[str, Source]) -> list[str]:
    """Leave out rows that were not run, unless none was: the table of all rows names them in one line."""
    return [file for file in files if not _was_left(file, sources)] or files


def _was_left(file: str, sources: Mapping[str, Source]) -> bool:
    """Whether the page of a row stands for one that was not run, as those are whose weights are not at hand."""
    folder, _, name = file.partition("/")
    chapter, _, run = name.partition("__")
    kind, source = read_chapters()[chapter], sources[COHORT_IN[folder]]
    result = source.folder / COHORT_IN[folder] / source.results / f"{kind.result or chapter}__{run}.json"
    if kind.per != "row" or not result.is_file():
        return False
    return read_json(result)["status"] != "run"


def _shows_nothing(file: str, sources: Mapping[str, Source]) -> bool:
    """Whether an executed chapter has only printed that there is nothing to show, for want of the rows it is about."""
    notebook = nbformat.read(executed_copy(file, sources[COHORT_IN[file.partition("/")[0]]]), as_version=4)
    kinds = {output.output_type for cell in notebook.cells for output in cell.get("outputs", [])}
    return kinds == {"stream"}


def _executed(entries: Iterable[dict], sources: Mapping[str, Source]) -> Iterator[dict]:
    """Yield the executed copies in place of their entries; a page whose sections are all absent goes with them.

    A chapter that was not executed on the simulated cohort stays: other pages lead to it. One that has nothing to show
    of another cohort is left out.
    """
    for entry in entries:
        if _is_notebook(entry["file"]):
            below = list(_executed(entry.get("sections", []), sources))
            first = entry["file"].startswith(f"{FIRST_FOLDER}/")
            executed = _with_results(_runs(entry["file"], sources), sources)
            executed = [file for file in executed if first or not _shows_nothing(file, sources)]
            for file in executed or [entry["file"]] * first:
                title = row_title(file)
                yield {"file": file} | ({"title": title} if title else {}) | ({"sections": below} if below else {})
                below = []
        elif "sections" not in entry:
            yield entry
        elif sections := list(_executed(entry["sections"], sources)):
            yield {**entry, "sections": sections}
