"""Executed notebooks and prose pages -> one HTML book.

The book is what Papermill left behind, bound together: nothing is computed here. The table of contents is written
once (``_toc.yml``) and names every notebook by the name it has in the repository. Behind such a name stand the
executed copies, ``build/<profile>/<cohort>/notebooks/<name>.ipynb``, or ``<name>__<row>.ipynb`` where one notebook was
run once for each row of the grid; they take its place.

    python -m fusqa.book --profile quick --source . --out build/quick/book

The HTML appears whole or not at all: it is built beside its place and moved there at the end.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import nbformat
import yaml

__all__ = ["BookError", "assemble", "bind", "main", "provenance_page", "sources"]

COHORTS = {"simulated": "notebooks", "hc18": "hc18"}
"""Cohort -> the folder of its chapters in the book."""

PROVENANCE = ("profile", "cohort", "seed", "device", "commit", "date", "cpu_seconds")


class BookError(RuntimeError):
    """The book cannot be bound; the message says what is missing and the command that makes it."""


def sources(root: Path) -> list[Path]:
    """List every file under `root`, notebooks and results apart, that the book is made of."""
    pages = [path for path in sorted((root / "book").rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    return [root / "_config.yml", root / "_toc.yml", root / "CHANGELOG.md", root / "fusqa" / "book.py", *pages]


def runs(executed: Path, name: str) -> list[str]:
    """Names of the executed copies of notebook `name`: itself, then its rows in alphabetical order."""
    own = [name] if (executed / f"{name}.ipynb").is_file() else []
    return own + sorted(path.stem for path in executed.glob(f"{name}__*.ipynb"))


def files_of(chapters: list[dict]) -> Iterator[str]:
    """Yield the file of every entry, nested ones included, in reading order."""
    for entry in chapters:
        yield entry["file"]
        yield from files_of(entry.get("sections", []))


def copies(toc: dict, build: Path, profile: str) -> dict[str, list[str]]:
    """Say which files stand behind an entry of the written table of contents.

    Every ``notebooks/`` entry stands for the runs of that notebook on the simulated cohort. ``book/hc18`` is followed
    by whatever was run on the HC18 data: which chapters run there is the workflow's decision, so none is asked for.

    Raises
    ------
    BookError
        If a notebook of the table of contents was not executed on the simulated cohort.
    """
    entries = [file for part in toc["parts"] for file in files_of(part["chapters"])]
    names = [file.removeprefix("notebooks/") for file in entries if file.startswith("notebooks/")]
    simulated, real = (build / cohort / "notebooks" for cohort in COHORTS)
    missing = [name for name in names if not runs(simulated, name)]
    if missing:
        raise BookError(
            f"not executed yet: {', '.join(missing)} (nothing in {simulated}); run: make study PROFILE={profile}"
        )
    behind = {f"notebooks/{name}": [f"notebooks/{run}" for run in runs(simulated, name)] for name in names}
    return behind | {"book/hc18": ["book/hc18", *(f"hc18/{run}" for name in names for run in runs(real, name))]}


def expand(chapters: list[dict], behind: Mapping[str, list[str]]) -> list[dict]:
    """Put the files that stand `behind` an entry in its place; an entry that stands for itself stays."""
    expanded = []
    for entry in chapters:
        nested = {"sections": expand(entry["sections"], behind)} if "sections" in entry else {}
        expanded += [{**entry, **nested, "file": file} for file in behind.get(entry["file"], [entry["file"]])]
    return expanded


def describe_figures(notebook: nbformat.NotebookNode) -> None:
    """Give every figure without a description the heading it stands under, for those who do not see it.

    A notebook describes a figure itself by the cell metadata ``{"mystnb": {"image": {"alt": "..."}}}``.
    """
    heading = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            headings = [line.lstrip("# ") for line in cell.source.splitlines() if line.startswith("#")]
            heading = headings[-1] if headings else heading
            continue
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
            image = cell.metadata.setdefault("mystnb", {}).setdefault("image", {})
            image.setdefault("alt", f"Figure to the section '{heading}'")


def copy_chapter(executed: Path, copy: Path, cohort: str) -> None:
    """Copy one executed notebook; what tells it from its other runs (row, real data) goes behind its title.

    Raises
    ------
    BookError
        If the run ended in an exception, or the notebook has no title.
    """
    notebook = nbformat.read(executed, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    failed = [output for output in outputs if output.output_type == "error"]
    if failed:
        raise BookError(f"{executed} ended in {failed[0].ename}: {failed[0].evalue}; delete it and run the study again")
    first = next((cell for cell in notebook.cells if cell.cell_type == "markdown"), None)
    if first is None or not first.source.startswith("# "):
        raise BookError(f"{executed} has no title: its first text cell must begin with '# '")
    title, newline, rest = first.source.partition("\n")
    row = executed.stem.partition("__")[2]
    first.source = title + (f": {row}" if row else "") + (", HC18" if cohort == "hc18" else "") + newline + rest
    describe_figures(notebook)
    copy.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, copy)


def table(header: list[str], rows: list[list[str]]) -> str:
    """Write a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def provenance_page(results: Path) -> str:
    """Write the tables of the page "Where each number comes from" from the result files under `results`.

    `results` holds one folder for each cohort; a JSON result carries an object ``provenance`` with the profile, cohort,
    seed, versions, device, commit, date and CPU seconds of the run that wrote it.
    """
    rows, others, versions = [], [], {}
    for path in sorted(path for path in results.rglob("*") if path.is_file()):
        name = path.relative_to(results).as_posix()
        link = f"{{download}}`{name} <../results/{name}>`"
        content = json.loads(path.read_text()) if path.suffix == ".json" else {}
        provenance = content.get("provenance") if isinstance(content, dict) else None
        if provenance is None:
            others.append(f"- {link}")
            continue
        rows.append([link, *(str(provenance.get(column, "–")) for column in PROVENANCE)])
        for package, version in provenance.get("versions", {}).items():
            versions.setdefault(package, set()).add(str(version))
    if not rows and not others:
        return "No result file was found for this edition.\n"
    text = "## Result files\n\n" + table(["result", *(name.replace("_", " ") for name in PROVENANCE)], rows)
    if versions:
        pairs = [[package, ", ".join(sorted(versions[package]))] for package in sorted(versions)]
        text += "\n## Versions\n\n" + table(["package", "version"], pairs)
    if others:
        text += "\n## Tables beside them\n\n" + "\n".join(others) + "\n"
    return text


def assemble(root: Path, build: Path, profile: str, out: Path) -> None:
    """Lay out the sources of the book in `out`: configuration, pages, executed notebooks, result files.

    Parameters
    ----------
    root : Path
        The repository.
    build : Path
        Folder of the profile, with one folder for each cohort.
    profile : str
        Name of the profile.
    out : Path
        Folder to write; whatever lay there is replaced.

    Raises
    ------
    BookError
        If a notebook of the table of contents was not executed, or its run failed.
    """
    toc = yaml.safe_load((root / "_toc.yml").read_text())
    behind = copies(toc, build, profile)
    parts = [{**part, "chapters": expand(part["chapters"], behind)} for part in toc["parts"]]

    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(root / "book", out / "book", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "_config.yml", out)
    shutil.copy(root / "CHANGELOG.md", out)
    (out / "_toc.yml").write_text(yaml.safe_dump({**toc, "parts": parts}, sort_keys=False))
    for cohort, folder in COHORTS.items():
        for file in (file for files in behind.values() for file in files if file.startswith(f"{folder}/")):
            copy_chapter(build / cohort / "notebooks" / f"{Path(file).name}.ipynb", out / f"{file}.ipynb", cohort)
        if (build / cohort / "results").is_dir():
            shutil.copytree(build / cohort / "results", out / "results" / cohort)
    if behind["book/hc18"] == ["book/hc18"]:
        shutil.copy(root / "book" / "hc18_absent.md", out / "book" / "hc18.md")
    with (out / "book" / "provenance.md").open("a") as page:
        page.write("\n" + provenance_page(out / "results"))


def bind(source: Path, html: Path) -> None:
    """Build the laid-out book in `source` and put it at `html`, whole or not at all.

    Raises
    ------
    BookError
        If Jupyter Book fails; every warning of its is a failure.
    """
    with tempfile.TemporaryDirectory(prefix=".binding-", dir=html.parent) as scratch:
        command = [Path(sys.executable).with_name("jupyter-book"), "build", source, "--path-output", scratch]
        done = subprocess.run(
            [*command, "--warningiserror", "--keep-going", "--quiet"], cwd=source, capture_output=True, text=True
        )
        if done.returncode:
            raise BookError(f"Jupyter Book could not build {source}:\n{done.stdout}{done.stderr}")
        built = Path(scratch) / "_build" / "html"
        if html.exists():
            html.rename(Path(scratch) / "replaced")
        built.rename(html)


def main(arguments: Sequence[str] | None = None) -> int:
    """Bind the book of one profile; return 1 and say why if that cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m fusqa.book", description="Bind executed notebooks into a book.")
    parser.add_argument("--profile", default="quick", help="profile whose study is published (default: %(default)s)")
    parser.add_argument("--source", type=Path, default=Path("."), help="the repository (default: here)")
    parser.add_argument("--out", type=Path, help="folder of the book, beside the cohorts (default: build/PROFILE/book)")
    chosen = parser.parse_args(arguments)
    root = chosen.source.resolve()
    out = (chosen.out or root / "build" / chosen.profile / "book").resolve()
    try:
        assemble(root, out.parent, chosen.profile, out / "source")
        bind(out / "source", out / "html")
    except BookError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The book is at {out / 'html' / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
