"""Executed notebooks and prose pages -> one HTML book.

The book is what Papermill left behind, bound together: nothing is computed here. The table of contents is written
once (``_toc.yml``) and names notebooks as ``notebooks/<name>`` and, run on the HC18 data, ``hc18/<name>``. Behind such
an entry stands an executed copy, ``build/<profile>/<cohort>/notebooks/<name>.ipynb``, which takes its place. Where one
notebook was run once for each row of the grid, several do, as ``<name>__<row>__seed<k>.ipynb``. ::

    python -m fusqa.book --profile quick          # build/quick/*/notebooks -> build/quick/book/html

The HTML appears whole or not at all: it is built beside its place and moved there at the end.
"""

import argparse
import html
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat
import yaml
from papermill import inspect_notebook

from fusqa.paper import ROWS, SEGMENTERS
from fusqa.study import Profile

__all__ = ["BookError", "assemble", "bind", "main"]

COHORTS = {"notebooks": "simulated", "hc18": "hc18", "hc18-early": "hc18-early"}
"""Folder of the book -> the cohort whose executed notebooks lie in it."""

BINDING = ".binding-"
"""How the name of the folder begins in which a book is built before it takes its place."""

PROVENANCE = ("seed", "date", "cpu_seconds", "commit", "device", "threads")


class BookError(RuntimeError):
    """The book cannot be bound; the message says what is missing and the command that makes it."""


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
    configure(root, profile, out)
    for cohort in COHORTS.values():
        results = out / "published" / "results" / cohort
        results.mkdir(parents=True)
        for file in (build / cohort / "results").glob("*"):
            if belongs(file.stem, profile, cohort):
                shutil.copy(file, results)
    for chapter in chapters:
        copy_chapter(chapter, build, out)
    if not any(chapter.startswith("hc18/") for chapter in chapters):
        shutil.copy(root / "book" / "hc18_absent.md", out / "book" / "hc18.md")
    complete(out / "book" / "provenance.md", tables=provenance_tables(out / "published"))
    costs = cost_table(out / "published" / "results" / COHORTS["notebooks"])
    complete(out / "book" / "reexecute.md", parameters=parameter_table(root / "notebooks"), costs=costs)


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
    """Files of the book that stand behind entry `file`: the executed copies, in the order of the paper's tables."""
    folder, _, name = file.partition("/")
    executed = build / COHORTS[folder] / "notebooks"
    lone = [executed / f"{name}.ipynb"]
    rows = sorted(executed.glob(f"{name}__*.ipynb"))
    known = [*SEGMENTERS, *ROWS]
    rows.sort(key=lambda path: known.index(row_of(path.stem)[0]) if row_of(path.stem)[0] in known else len(known))
    known_here = [path for path in lone + rows if path.is_file() and belongs(path.stem, profile, COHORTS[folder])]
    return [f"{folder}/{path.stem}" for path in known_here]


def row_of(name: str) -> tuple[str, str]:
    """Row and seed in the name of an executed copy, ``("", "")`` where it has none."""
    row, _, seed = name.partition("__")[2].partition("__seed")
    return row, seed


def row_title(name: str) -> str:
    """Row and seed in words, "Single ResNet-18, from scratch, seed 0"; empty for a notebook that is run once."""
    row, seed = row_of(name)
    titles = SEGMENTERS | {key: known.title for key, known in ROWS.items()}
    return ", ".join(part for part in (titles.get(row, row), seed and f"seed {seed}") if part)


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


def configure(root: Path, profile: Profile, out: Path) -> None:
    """Copy the configuration; pages may write ``{{ edition }}`` for the profile and what it says of itself."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    config["parse"]["myst_substitutions"] = {"edition": f"**{profile.name}**. {profile.title}"}
    (out / "_config.yml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def copy_chapter(chapter: str, build: Path, out: Path) -> None:
    """Copy one executed notebook, for readers: code folded, row behind the title, captions that lead to their files.

    Raises
    ------
    BookError
        If the run ended in an exception, or the notebook has no title.
    """
    folder, _, name = chapter.partition("/")
    cohort = COHORTS[folder]
    executed = build / cohort / "notebooks" / f"{name}.ipynb"
    notebook = nbformat.read(executed, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    failed = [output for output in outputs if output.output_type == "error"]
    if failed:
        raise BookError(f"{executed} ended in {failed[0].ename}: {failed[0].evalue}; delete it and run the study again")
    first = next((cell for cell in notebook.cells if cell.cell_type == "markdown"), None)
    if first is None or not first.source.startswith("# "):
        raise BookError(f"{executed} has no title: its first text cell must begin with '# '")
    title, newline, rest = first.source.partition("\n")
    first.source = title + (f": {row_title(name)}" if row_title(name) else "") + newline + rest
    for cell in notebook.cells:
        tags = cell.metadata.setdefault("tags", [])
        if cell.cell_type == "code" and "injected-parameters" not in tags:  # what this page was run with stays open
            cell.metadata.tags = sorted({*tags, "hide-input"})
    for output in outputs:
        if "text/html" in output.get("data", {}):
            output.data["text/html"] = link_sources(output.data["text/html"], out / "published" / "results", cohort)
    (out / folder).mkdir(exist_ok=True)
    nbformat.write(notebook, out / f"{chapter}.ipynb")


def link_sources(page: str, results: Path, cohort: str) -> str:
    """Make a link of every file that a caption names (see :func:`fusqa.figures.show`) and that is published."""

    def link(name: str) -> str:
        file = html.unescape(name).removeprefix("results/")
        code = f"<code>{name}</code>"
        return f'<a href="../results/{cohort}/{file}">{code}</a>' if (results / cohort / file).is_file() else code

    def links(match: re.Match) -> str:
        return ", ".join(map(link, match[1].split(", ")))

    return re.sub(r'(?<=<span class="source">Data: )<code>([^<]+)</code>', links, page)


def complete(page: Path, **parts: str) -> None:
    """Put each part in the place of the line ``{{ name }}`` that the page keeps for it."""
    text = page.read_text(encoding="utf-8")
    for name, part in parts.items():
        text = text.replace(f"{{{{ {name} }}}}\n", part)
    page.write_text(text, encoding="utf-8")


def parameter_table(notebooks: Path) -> str:
    """Write what can be set in the notebooks, from their own cells: a row a parameter, with who has it."""
    found: dict[tuple[str, str, str], list[str]] = {}
    files = sorted(notebooks.glob("*.ipynb"))
    for file in files:
        for name, about in inspect_notebook(str(file)).items():
            found.setdefault((name, about["default"], about["help"]), []).append(file.stem)
    rows = [
        [
            f"<code>{name}</code>",
            f"<code>{html.escape(default)}</code>",
            html.escape(meaning),
            "all" if len(owners) == len(files) else ", ".join(owners),
        ]
        for (name, default, meaning), owners in sorted(found.items(), key=lambda item: -len(item[1]))
    ]
    return table(["parameter", "default", "what it sets", "notebooks"], rows)


def cost_table(results: Path) -> str:
    """Write what every notebook took in this edition, from the provenance of its results: the dearest first."""
    took: dict[str, list[dict]] = {}
    for file in results.glob("*.json"):
        provenance = json.loads(file.read_text(encoding="utf-8")).get("provenance", {})
        if "peak_mb" in provenance:
            took.setdefault(file.stem.partition("__")[0], []).append(provenance)
    spent = {name: sum(one["cpu_seconds"] for one in runs) for name, runs in took.items()}
    rows = [
        [name, str(len(took[name])), f"{spent[name]:.0f}", f"{max(one['peak_mb'] for one in took[name]) / 1000:.1f}"]
        for name in sorted(spent, key=lambda name: -spent[name])
    ]
    return table(["notebook", "runs", "processor time, s, all runs", "largest memory, GB"], rows)


def provenance_tables(published: Path) -> str:
    """Write the tables of the page "Where does each number come from?" from the published result files.

    A JSON result carries an object ``provenance``, written by :func:`fusqa.study.provenance`; a CSV table of the same
    name shares it.
    """
    rows, others, versions = [], [], {}
    for path in sorted(path for path in published.rglob("*") if path.is_file()):
        name = path.relative_to(published).as_posix()
        link = f'<a href="../{html.escape(name)}">{html.escape(name.removeprefix("results/"))}</a>'
        content = json.loads(path.read_text(encoding="utf-8")) if path.suffix == ".json" else {}
        provenance = content.get("provenance") if isinstance(content, dict) else None
        if provenance is None:
            others.append(f"- {link}")
            continue
        rows.append([link, *(shown(column, provenance.get(column)) for column in PROVENANCE)])
        for package, version in provenance.get("versions", {}).items():
            versions.setdefault(package, set()).add(str(version))
    text = "No result file was found for this edition.\n" if not rows + others else ""
    if rows:
        text += "## Result files\n\n" + table(["result", *(name.replace("_", " ") for name in PROVENANCE)], rows)
    if versions:
        pairs = [[html.escape(package), ", ".join(sorted(versions[package]))] for package in sorted(versions)]
        text += "\n## Versions\n\n" + table(["package", "version"], pairs)
    if others:
        text += "\n## Tables beside them\n\n" + "\n".join(others) + "\n"
    return text


def shown(column: str, value: object) -> str:
    """One entry of the provenance table; of a commit, as much as names it."""
    if value is None:
        return "–"
    if column == "commit":
        head, plus, changes = str(value).partition("+")
        return head[:10] + plus + changes
    return html.escape(str(value))


def table(header: list[str], rows: list[list[str]]) -> str:
    """Write a table in a frame that scrolls sideways, as :func:`fusqa.figures.show_table` does."""
    lines = ["".join(f"<td>{value}</td>" for value in row) for row in rows]
    head = "".join(f"<th>{name}</th>" for name in header)
    body = "".join(f"<tr>{line}</tr>\n" for line in lines)
    return (
        f'<figure class="fusqa-table"><div class="fusqa-scroll" tabindex="0"><table class="dataframe table">\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div></figure>\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Bind the book of one profile; return 1 and say why if that cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m fusqa.book", description="Bind executed notebooks into a book.")
    parser.add_argument("--profile", default="quick", help="profile whose study is bound (default: %(default)s)")
    parser.add_argument("--source", type=Path, default=Path("."), help="the repository (default: here)")
    parser.add_argument("--build", type=Path, default=Path("build"), help="where studies are kept (default: build)")
    chosen = parser.parse_args(arguments)
    root = chosen.source.resolve()
    profile = Profile.read(chosen.profile)
    study = root / chosen.build / profile.name
    out = study / "book"
    try:
        assemble(root, study, profile, out / "source")
        bind(out / "source", out / "html")
    except BookError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The book is at {out / 'html' / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
