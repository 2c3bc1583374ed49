"""Executed notebooks and prose pages -> one HTML book.

The book is what Papermill left behind, bound together: nothing is computed here. The table of contents (``_toc.yml``)
names each chapter once, as ``notebooks/<name>``. Behind such an entry stands an executed copy,
``build/<profile>/simulated/notebooks/<name>.ipynb``, which takes its place. Where one notebook was run once for each
row of the grid, several do, as ``<name>__<row>__seed<k>.ipynb``. An entry ``cohort: <name>`` stands for all these
chapters once more, as another cohort's study left them. ::

    python -m fusqa.publishing bind --profile quick          # build/quick/*/notebooks -> build/quick/book/html

The HTML appears whole or not at all: it is built beside its place and moved there at the end.
"""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import nbformat
import yaml

from fusqa.publishing import house_map, inserts
from fusqa.publishing.contents import COHORT_IN, FIRST, edition_toc, notebooks_of, row_title
from fusqa.publishing.pages import page
from fusqa.publishing.students import write_students
from fusqa.publishing.tools import PublishingError, jupyter_book
from fusqa.study.chapters import result_names
from fusqa.study.profile import Profile

__all__ = ["assemble", "bind", "bind_study"]

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
        As :func:`assemble` and :func:`bind`.
    """
    root = source.resolve()
    profile = Profile.read(name)
    study = root / build / profile.name
    out = study / "book"
    assemble(root, study, profile, out / "source")
    bind(out / "source", out / "html")
    return out / "html" / "index.html"


def assemble(root: Path, build: Path, profile: Profile, out: Path) -> None:
    """Lay out the sources of the book in `out`: configuration, pages, executed notebooks, result files.

    Parameters
    ----------
    root : Path
        The repository.
    build : Path
        Folder of the profile, with one folder for each cohort.
    profile : Profile
        The profile; what an earlier version of it left in `build`, other rows or seeds, is passed over.
    out : Path
        Folder to write; whatever lay there is replaced.

    Raises
    ------
    PublishingError
        If a notebook of the table of contents was not executed, or its run failed.
    """
    written = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    toc = edition_toc(written, root / "book", build, profile)

    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(root / "book", out / "book", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "CHANGELOG.md", out)
    (out / "_toc.yml").write_text(yaml.safe_dump(toc, sort_keys=False), encoding="utf-8")
    config = configure(root, profile, out)
    for cohort in profile.cohorts:
        results = out / "published" / "results" / cohort
        results.mkdir(parents=True)
        names = [f"{name}__" for name in result_names(profile, cohort)]
        for file in (build / cohort / "results").glob("*"):
            if "__" not in file.stem or f"{file.stem}__".startswith(tuple(names)):
                shutil.copy(file, results)
    write_students(root / "notebooks", out / "published" / "students")
    chapters = notebooks_of(toc)
    for chapter in chapters:
        copy_chapter(chapter, build, out, config["repository"])
    for absent in (root / "book").glob("*_absent.md"):  # what a part says of a cohort that the study was not run on
        cohort = absent.stem.removesuffix("_absent")
        if not any(chapter.startswith(f"{cohort}/") for chapter in chapters):
            shutil.copy(absent, out / "book" / f"{cohort}.md")
    write_inserts(root, build, out, [root / f"{file}.ipynb" for file in notebooks_of(written)])


def bind(source: Path, place: Path) -> None:
    """Build the laid-out book in `source` and put it at `place`, whole or not at all.

    Raises
    ------
    PublishingError
        If Jupyter Book fails, or warns of anything.
    """
    for left in place.parent.glob(f"{BINDING}*"):  # by a run that was killed
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=BINDING, dir=place.parent) as scratch:
        built = jupyter_book(source, Path(scratch), "html")
        if place.exists():
            place.rename(Path(scratch) / "replaced")
        built.rename(place)


def configure(root: Path, profile: Profile, out: Path) -> dict:
    """Copy the configuration and return it; pages may write ``{{ edition }}`` for the profile and what it says."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    config["parse"]["myst_substitutions"] = {"edition": f"**{profile.name}**. {profile.title}"}
    (out / "_config.yml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return config


def copy_chapter(chapter: str, build: Path, out: Path, repository: dict) -> None:
    """Copy one executed notebook, for readers: see :func:`fusqa.publishing.pages.page`.

    Raises
    ------
    PublishingError
        If the run ended in an exception, or the notebook has no title.
    """
    folder, _, name = chapter.partition("/")
    cohort = COHORT_IN[folder]
    executed = build / cohort / "notebooks" / f"{name}.ipynb"
    launch = inserts.launch_links(repository["url"], repository["branch"], name.partition("__")[0])
    notebook = page(executed, row_title(name), launch, cohort, out / "published" / "results")
    (out / folder).mkdir(exist_ok=True)
    nbformat.write(notebook, out / f"{chapter}.ipynb")


def write_inserts(root: Path, build: Path, out: Path, notebooks: Sequence[Path]) -> None:
    """Put what the code and its results say into the pages that keep a line for it; `notebooks` in reading order."""
    results = out / "published" / "results" / FIRST
    complete(out / "book" / "provenance.md", tables=inserts.provenance_tables(out / "published" / "results"))
    complete(
        out / "book" / "reexecute.md",
        parameters=inserts.parameter_table(root / "notebooks"),
        profiles=inserts.profile_table(root / "profiles", build, root / "results"),
        costs=inserts.cost_table(results),
    )
    complete(out / "book" / "command.md", commands=inserts.command_pages())
    complete(out / "book" / "model_cards.md", cards=inserts.model_cards(results))
    complete(out / "book" / "teach.md", students=inserts.student_links(notebooks))
    complete(out / "book" / "house.md", house=house_map.house())
    house_map.write_reference(out / "book")


def complete(page: Path, **parts: str) -> None:
    """Put each part in the place of the line ``{{ name }}`` that the page keeps for it."""
    text = page.read_text(encoding="utf-8")
    for name, part in parts.items():
        line = f"{{{{ {name} }}}}\n"
        if line not in text:
            raise PublishingError(f"{page} keeps no line {line.strip()}")
        text = text.replace(line, part)
    page.write_text(text, encoding="utf-8")
