"""Executed notebooks and prose pages -> one HTML book.

The book is what Papermill left behind, bound together: nothing is computed here. The table of contents is written
once (``_toc.yml``) and names notebooks as ``notebooks/<name>`` and, run on the HC18 data, ``hc18/<name>``. Behind such
an entry stands an executed copy, ``build/<profile>/<cohort>/notebooks/<name>.ipynb``, which takes its place. Where one
notebook was run once for each row of the grid, several do, as ``<name>__<row>__seed<k>.ipynb``. ::

    python -m fusqa.publishing bind --profile quick          # build/quick/*/notebooks -> build/quick/book/html

The HTML appears whole or not at all: it is built beside its place and moved there at the end.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat
import yaml

from fusqa.publishing import house_map, inserts
from fusqa.publishing.pages import FailedRun, page, write_students
from fusqa.study.profile import Profile
from fusqa.study.rows import title_of

__all__ = ["BookError", "assemble", "bind", "bind_study"]

COHORTS = {"notebooks": "simulated", "hc18": "hc18", "hc18-early": "hc18-early"}
"""Folder of the book -> the cohort whose executed notebooks lie in it."""

BINDING = ".binding-"
"""How the name of the folder begins in which a book is built before it takes its place."""


class BookError(RuntimeError):
    """The book cannot be bound; the message says what is missing and the command that makes it."""


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
    BookError
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
    BookError
        If a notebook of the table of contents was not executed, or its run failed.
    """
    written = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    require_executed(written, build, profile)
    parts = [{**part, "chapters": expand(part["chapters"], build, profile)} for part in written["parts"]]
    chapters = [file for part in parts for file in files_of(part["chapters"]) if is_notebook(file)]

    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(root / "book", out / "book", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "CHANGELOG.md", out)
    (out / "_toc.yml").write_text(yaml.safe_dump({**written, "parts": parts}, sort_keys=False), encoding="utf-8")
    config = configure(root, profile, out)
    for cohort in COHORTS.values():
        results = out / "published" / "results" / cohort
        results.mkdir(parents=True)
        for file in (build / cohort / "results").glob("*"):
            if belongs(file.stem, profile, cohort):
                shutil.copy(file, results)
    write_students(root / "notebooks", out / "published" / "students")
    for chapter in chapters:
        copy_chapter(chapter, build, out, config["repository"])
    if not any(chapter.startswith("hc18/") for chapter in chapters):
        shutil.copy(root / "book" / "hc18_absent.md", out / "book" / "hc18.md")
    asked = [root / f"{file}.ipynb" for part in written["parts"] for file in files_of(part["chapters"])]
    write_inserts(root, build, out, [file for file in asked if file.is_file()])


def bind(source: Path, place: Path) -> None:
    """Build the laid-out book in `source` and put it at `place`, whole or not at all.

    Raises
    ------
    BookError
        If Jupyter Book fails; every warning of its is a failure.
    """
    for left in place.parent.glob(f"{BINDING}*"):  # by a run that was killed
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=BINDING, dir=place.parent) as scratch:
        command = [Path(sys.executable).with_name("jupyter-book"), "build", source, "--path-output", scratch]
        strict = ["--warningiserror", "--keep-going", "--quiet"]
        done = subprocess.run([*command, *strict], cwd=source, capture_output=True, text=True)
        if done.returncode:
            raise BookError(f"Jupyter Book could not build {source}:\n{done.stdout}{done.stderr}")
        if place.exists():
            place.rename(Path(scratch) / "replaced")
        (Path(scratch) / "_build" / "html").rename(place)


# The table of contents ------------------------------------------------------------------------------------------------


def is_notebook(file: str) -> bool:
    """Whether an entry of the table of contents stands for executed notebooks."""
    return file.partition("/")[0] in COHORTS


def files_of(chapters: list[dict]) -> Iterator[str]:
    """Yield the file of every entry, nested ones included, in reading order."""
    for entry in chapters:
        yield entry["file"]
        yield from files_of(entry.get("sections", []))


def belongs(name: str, profile: Profile, cohort: str) -> bool:
    """Whether a file of a study is of a row, network and seed that the profile has; files of no row always are."""
    row, seed = row_of(name)
    plan = profile.cohorts.get(cohort)
    return bool(plan) and (not row or row in plan.segmenters or (row in plan.rows and seed in map(str, profile.seeds)))


def runs(build: Path, file: str, profile: Profile) -> list[str]:
    """Files of the book that stand behind entry `file`: the executed copies, in the order of the profile."""
    folder, _, name = file.partition("/")
    executed = build / COHORTS[folder] / "notebooks"
    lone = [executed / f"{name}.ipynb"]
    rows = [path for path in sorted(executed.glob(f"{name}__*.ipynb")) if belongs(path.stem, profile, COHORTS[folder])]
    if rows:
        plan = profile.cohorts[COHORTS[folder]]
        order = [*plan.segmenters, *plan.rows]
        rows.sort(key=lambda path: order.index(row_of(path.stem)[0]))
    return [f"{folder}/{path.stem}" for path in lone + rows if path.is_file()]


def row_of(name: str) -> tuple[str, str]:
    """Row and seed in the name of an executed copy, ``("", "")`` where it has none."""
    row, _, seed = name.partition("__")[2].partition("__seed")
    return row, seed


def row_title(name: str) -> str:
    """Row and seed in words, "Single ResNet-18, from scratch, seed 0"; empty for a notebook that is run once."""
    row, seed = row_of(name)
    return ", ".join(part for part in (title_of(row), seed and f"seed {seed}") if part)


def require_executed(toc: dict, build: Path, profile: Profile) -> None:
    """Raise :class:`BookError` unless every notebook was executed on the simulated cohort; HC18 may be absent."""
    files = [file for part in toc["parts"] for file in files_of(part["chapters"]) if file.startswith("notebooks/")]
    missing = [file.removeprefix("notebooks/") for file in files if not runs(build, file, profile)]
    if missing:
        place = build / COHORTS["notebooks"] / "notebooks"
        raise BookError(
            f"not executed: {', '.join(missing)} (looked in {place}); run: make book PROFILE={profile.name}"
        )


def expand(chapters: list[dict], build: Path, profile: Profile) -> list[dict]:
    """Put the executed copies in place of their entries; a page whose sections are all absent goes with them."""
    expanded = []
    for entry in chapters:
        if is_notebook(entry["file"]):
            for file in runs(build, entry["file"], profile):
                title = row_title(file)
                expanded.append({"file": file, "title": title} if title else {"file": file})
        elif "sections" in entry:
            sections = expand(entry["sections"], build, profile)
            expanded += [{**entry, "sections": sections}] if sections else []
        else:
            expanded.append(entry)
    return expanded


# Pages ----------------------------------------------------------------------------------------------------------------


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
    BookError
        If the run ended in an exception, or the notebook has no title.
    """
    folder, _, name = chapter.partition("/")
    cohort = COHORTS[folder]
    executed = build / cohort / "notebooks" / f"{name}.ipynb"
    launch = inserts.launch_links(repository["url"], repository["branch"], name.partition("__")[0])
    try:
        notebook = page(executed, row_title(name), launch, cohort, out / "published" / "results")
    except FailedRun as error:
        raise BookError(str(error)) from None
    (out / folder).mkdir(exist_ok=True)
    nbformat.write(notebook, out / f"{chapter}.ipynb")


def write_inserts(root: Path, build: Path, out: Path, notebooks: Sequence[Path]) -> None:
    """Put what the code and its results say into the pages that keep a line for it; `notebooks` in reading order."""
    results = out / "published" / "results" / COHORTS["notebooks"]
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
            raise BookError(f"{page} keeps no line {line.strip()}")
        text = text.replace(line, part)
    page.write_text(text, encoding="utf-8")
