"""Executed notebooks and prose pages -> one HTML book.

The book is what Papermill left behind, bound together: nothing is computed here. The table of contents (``_toc.yml``)
names each chapter once, as ``notebooks/<name>``. Behind such an entry stands an executed copy,
``build/<profile>/simulated/notebooks/<name>.ipynb``, which takes its place. Where one notebook was run once for each
row of the grid, several do, as ``<name>__<row>__seed<k>.ipynb``. An entry ``cohort: <name>`` stands for all these
chapters once more, as another cohort's study left them. ::

    python -m fusqa.publishing bind --profile quick          # build/quick/*/notebooks -> build/quick/book/html
    python -m fusqa.publishing read                          # results/*/*/notebooks -> build/read/html

A published edition is bound like a study. It needs no package that the study computes with, and may lack chapters. Each
cohort is shown as the edition with most chapters of it has it.

The HTML appears whole or not at all: it is built beside its place and moved there at the end.
"""

import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat
import yaml
from nbformat import NotebookNode

from fusqa import __version__
from fusqa.publishing import contents, house_map, inserts, teaching
from fusqa.publishing.contents import FIRST, Source
from fusqa.publishing.pages import absent_page, add_edition, add_findings, add_origin, add_picture, page
from fusqa.publishing.students import write_students
from fusqa.publishing.tools import DRAWN_AGAIN, PublishingError, alone, jupyter_book, put_in_place, scratch_in
from fusqa.study.catalogue import COHORTS
from fusqa.study.chapters import PUBLISHED, read_chapters, result_files
from fusqa.study.profile import Profile
from fusqa.study.shelf import edition_folders, told_findings, told_picture

BINDING = ".binding-"
"""How the name of the folder begins in which a book is built before it takes its place."""


def bind_study(name: str, source: Path, build: Path) -> Path:
    """Lay out and build the book of a profile's study; return the path of its first page.

    Parameters
    ----------
    name : str
        The profile.
    source : Path
        The project's folder.
    build : Path
        Where studies are kept; a relative path counts from `source`.

    Raises
    ------
    PublishingError
        If a chapter was not executed; and as :func:`assemble` and :func:`bind`.
    """
    root = source.resolve()
    profile = Profile.read(name)
    study = Source(root / build / profile.name, profile)
    sources, out = _with_first(dict.fromkeys(profile.cohorts, study), root / "results"), study.folder / "book"
    absent = contents.missing_chapters(_written_toc(root), sources)
    if missing := [file for file in absent if read_chapters()[Path(file).name].runs(profile, FIRST)]:
        named = ", ".join(file.partition("/")[2] for file in missing)
        found = f"not executed: {named} (looked in {study.folder / FIRST / 'notebooks'})"
        raise PublishingError(f"{found}; run: make book PROFILE={shlex.quote(profile.name)}")
    return _bound(root, sources, out)


def bind_edition(name: str | None, source: Path, build: Path) -> Path:
    """Lay out and build the book of a published edition; return the path of its first page.

    Parameters
    ----------
    name : str or None
        The edition, which other editions complete by the cohorts that it was not run on. None: of each cohort the
        edition that has most chapters of it.
    source : Path
        The project's folder, with the editions in ``results/``.
    build : Path
        Folder to build in; a relative path counts from `source`.

    Raises
    ------
    PublishingError
        If there is no such edition; and as :func:`assemble` and :func:`bind`.
    """
    root = source.resolve()
    place = root / "results"
    sources = {cohort: shown for cohort in COHORTS if (shown := _shown(cohort, name, place))}
    if FIRST not in sources or name not in (None, sources[FIRST].folder.name):
        names = ", ".join(folder.name for folder in edition_folders(FIRST, place))
        known = f"editions on simulated fetuses are {names}" if names else "there is none yet"
        raise PublishingError(f"no edition {name or ''} in {place}: {known}")
    return _bound(root, sources, root / build / "read")


def _bound(root: Path, sources: Mapping[str, Source], out: Path) -> Path:
    """Lay out and build a book in `out`, one call at a time; return its first page."""
    out.mkdir(parents=True, exist_ok=True)
    with alone(out, "binding a book"):
        assemble(root, sources, out / "source")
        bind(out / "source", out / "html")
    return out / "html" / "index.html"


def _with_first(sources: dict[str, Source], place: Path) -> dict[str, Source]:
    """Add the published edition of the cohort that a book begins with, to a study that goes without it."""
    if FIRST in sources:
        return sources
    first = _shown(FIRST, None, place)
    if not first:
        raise PublishingError(
            f"a book begins with {COHORTS[FIRST].title}, and neither the study nor an edition in {place} has chapters "
            f"of them; add '{FIRST}' to the cohorts of the profile"
        )
    return {FIRST: first, **sources}


def _shown(cohort: str, wanted: str | None, place: Path) -> Source | None:
    """Return the edition `wanted` if it has chapters of `cohort`, and else that with most; None where none has any."""
    pages = {folder: (folder / cohort / "notebooks").glob("*") for folder in edition_folders(cohort, place)}
    # one published half-way may have more pages of single trainings, and nothing to say in the other chapters
    chapters = {folder: {page.name.partition("__")[0] for page in found} for folder, found in pages.items()}
    having = filter(chapters.get, chapters)
    best = max(having, key=lambda folder: (folder.name == wanted, len(chapters[folder])), default=None)
    return best and _edition(best)


def _edition(folder: Path) -> Source:
    """Return a published edition as a source of chapters."""
    return Source(folder, Profile.read(folder / f"{folder.name}.yaml"), results=".")


def _written_toc(root: Path) -> dict:
    """Return the table of contents as it is written, for every edition."""
    return yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))


def assemble(root: Path, sources: Mapping[str, Source], out: Path) -> None:
    """Lay out the sources of the book in `out`: configuration, pages, executed notebooks, result files.

    A chapter that was not executed on the simulated cohort is shown as a published edition has it. Where none has it,
    its page says that it is absent.

    Parameters
    ----------
    root : Path
        The repository.
    sources : dict
        The study or the edition that each cohort's chapters come from; that of the simulated cohort names the book.
    out : Path
        Folder to write; whatever lay there is replaced.

    Raises
    ------
    PublishingError
        If the run of a notebook failed.
    """
    written = _written_toc(root)
    toc = contents.edition_toc(written, root / "book", sources)

    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(root / "book", out / "book", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "CHANGELOG.md", out)
    (out / "_toc.yml").write_text(yaml.safe_dump(toc, sort_keys=False), encoding="utf-8")
    config, first = configure(root, sources, out), sources[FIRST]
    _copy_results(sources, out / "published" / "results")
    write_students(root / "notebooks", out / "published" / "students")
    plans = teaching.chapter_plans(root / "book/teaching")
    if unplanned := {file.partition("/")[2] for file in contents.notebooks_of(written)} - set(plans):
        raise PublishingError(f"book/teaching/chapters.yaml has no entry for {', '.join(sorted(unplanned))}")
    chapters, missing = contents.notebooks_of(toc), contents.missing_chapters(written, sources)
    summed_up = _summed_up(root, first.folder)
    said = {folder: told_findings(folder) for folder in {summed_up, *(source.folder for source in sources.values())}}
    for chapter in chapters:
        source = sources[contents.COHORT_IN[chapter.partition("/")[0]]]
        if chapter in missing:
            notebook = published_page(chapter, first.profile.name, root, out, config["repository"], plans)
            notebook = notebook or absent_page(root / f"{chapter}.ipynb", first.profile.name, _to_have(chapter))
        else:
            executed = contents.executed_copy(chapter, source)
            notebook = chapter_page(chapter, executed, root, out, config["repository"], plans)
            if source.folder != first.folder:
                add_edition(notebook, source.profile.name)
        speaks = summed_up if chapter == contents.SUMMARY else source.folder
        add_findings(notebook, speaks.name, said[speaks].get(chapter, []))
        if chapter == contents.SUMMARY:
            add_picture(notebook, told_picture(speaks))
        place = out / f"{chapter}.ipynb"
        place.parent.mkdir(exist_ok=True)
        nbformat.write(notebook, place)
    for absent in (root / "book").glob("*_absent.md"):  # what a part says of a cohort that the study was not run on
        cohort = absent.stem.removesuffix("_absent")
        if not any(chapter.startswith(f"{cohort}/") for chapter in chapters):
            shutil.copy(absent, out / "book" / f"{cohort}.md")
    write_teaching(root, out, plans)
    notebooks = [root / f"{file}.ipynb" for file in contents.notebooks_of(written)]
    write_inserts(root, first.folder, out, config["repository"]["url"], notebooks)


def _copy_results(sources: Mapping[str, Source], place: Path) -> None:
    """Copy the result files that pages link to, one folder for each cohort."""
    for cohort, source in sources.items():
        (place / cohort).mkdir(parents=True)
        for file in result_files(source.folder / cohort / source.results, source.profile, cohort):
            if not file.name.endswith(DRAWN_AGAIN):
                shutil.copy(file, place / cohort)


def _summed_up(root: Path, first: Path) -> Path:
    """Return the folder of the edition that the summary quotes: the book's own, or else the published one."""
    folders = (first, *edition_folders(FIRST, root / "results"))
    return next(filter(told_findings, folders), first)


def bind(source: Path, place: Path) -> None:
    """Build the laid-out book in `source` and put it at `place`, whole or not at all.

    Raises
    ------
    PublishingError
        If Jupyter Book fails, or warns of anything.
    """
    with scratch_in(place.parent, BINDING) as scratch:
        put_in_place(jupyter_book(source, scratch, "html"), place, scratch / "replaced")


def configure(root: Path, sources: Mapping[str, Source], out: Path) -> dict:
    """Copy the configuration and return it; pages may write ``{{ edition }}`` for the profiles and what they say."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    cohorts: dict[str, list[str]] = {}
    for cohort, source in sources.items():
        cohorts.setdefault(_named(source.profile), []).append(COHORTS[cohort].title)
    first, *others = cohorts
    told = [f"The edition {edition} has the pages on {' and on '.join(cohorts[edition])}." for edition in others]
    config["parse"]["myst_substitutions"] = {"edition": " ".join([f"{first}.", *told])}
    config["sphinx"]["config"]["version"] = __version__  # an ePub has one
    (out / "_config.yml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return config


def _to_have(chapter: str) -> str:
    """Say how a reader comes by a chapter that a study does not have."""
    if PUBLISHED in read_chapters()[Path(chapter).name.partition("__")[0]].needs:
        return "It compares the published results with a run of your own, which `make book` makes."
    return "A larger one has it: `make book PROFILE=overnight`."


def _named(edition: Profile) -> str:
    """Name an edition and, in brackets, what it is."""
    return f"**{edition.name}** ({edition.title[:1].lower()}{edition.title[1:].rstrip('.')})"


def chapter_page(
    chapter: str, executed: Path, root: Path, out: Path, repository: dict, plans: Mapping[str, teaching.ChapterPlan]
) -> NotebookNode:
    """Return the page of one executed notebook, for readers: see :func:`fusqa.publishing.pages.page`.

    Raises
    ------
    PublishingError
        If the run ended in an exception, or the notebook has no title.
    """
    folder, _, name = chapter.partition("/")
    cohort = contents.COHORT_IN[folder]
    source = name.partition("__")[0]
    launch = inserts.launch_links(repository["url"], repository["branch"], source)
    plan = teaching.before_reading(plans[source]) if cohort == FIRST else ""  # other cohorts' ask the same
    note = "\n\n".join(filter(None, (launch, plan)))
    told = [contents.row_title(name), COHORTS[cohort].title if cohort != FIRST else ""]  # no two pages of one title
    title, written = ", ".join(filter(None, told)), root / f"notebooks/{source}.ipynb"
    return page(executed, written, title, note, cohort, out / "published" / "results")


def published_page(
    chapter: str, study: str, root: Path, out: Path, repository: dict, plans: Mapping[str, teaching.ChapterPlan]
) -> NotebookNode | None:
    """Return the page of a chapter that a study is without, as the first edition that has it; None where none has."""
    for edition in edition_folders(FIRST, root / "results"):
        executed = contents.executed_copy(chapter, _edition(edition))
        if executed.is_file():
            notebook = chapter_page(chapter, executed, root, out, repository, plans)
            add_origin(notebook, study, edition.name)
            return notebook
    return None


def write_inserts(root: Path, study: Path, out: Path, repository: str, notebooks: Sequence[Path]) -> None:
    """Put what the code and its results say into the pages that keep a line for it; `notebooks` in reading order."""
    results = out / "published" / "results" / FIRST
    complete(out / "book" / "provenance.md", tables=inserts.provenance_tables(out / "published" / "results"))
    complete(
        out / "book" / "reexecute.md",
        parameters=inserts.parameter_table(root / "notebooks"),
        profiles=inserts.profile_table(root / "profiles", study, root / "results"),
        costs=inserts.cost_table(results),
        clone=inserts.clone_line(repository),
    )
    complete(out / "book" / "command.md", commands=inserts.command_pages())
    complete(out / "book" / "model_cards.md", cards=inserts.model_cards(out / "published" / "results"))
    complete(out / "book" / "teach.md", students=inserts.student_links(notebooks))
    complete(out / "book" / "references.md", citation=inserts.citation(root / "CITATION.cff", repository))
    complete(out / "book" / "house.md", house=house_map.house())
    house_map.write_reference(out / "book")


def write_teaching(root: Path, out: Path, plans: Mapping[str, teaching.ChapterPlan]) -> None:
    """Put plans and quizzes into their pages, and write slides and the handout beside the published files."""
    tables, place = root / "book/teaching", out / "published/slides"
    place.mkdir(parents=True)
    taught = teaching.lessons(tables)
    template = (tables / "slides.html").read_text(encoding="utf-8")
    teaching.copy_reveal(place / "revealjs")
    for lesson in taught:
        (place / f"{lesson.name}.html").write_text(teaching.slides(lesson, plans, template, out), encoding="utf-8")
    sheet = teaching.handout(taught[0], plans, (tables / "handout.html").read_text(encoding="utf-8"))
    (place / "handout.html").write_text(sheet, encoding="utf-8")
    plan = {lesson.name: teaching.lesson_table(lesson, root) for lesson in taught}
    complete(out / "book" / "teach.md", chapters=teaching.chapter_table(plans, root), **plan)
    for name, questions in teaching.quizzes(tables).items():
        complete(out / "book" / f"{name}.md", quiz=teaching.quiz(name, questions))


def complete(page: Path, **parts: str) -> None:
    """Put each part in the place of the line ``{{ name }}`` that the page keeps for it."""
    text = page.read_text(encoding="utf-8")
    for name, part in parts.items():
        line = f"{{{{ {name} }}}}\n"
        if line not in text:
            raise PublishingError(f"{page} keeps no line {line.strip()}")
        text = text.replace(line, part)
    page.write_text(text, encoding="utf-8")
