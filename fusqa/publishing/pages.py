"""An executed notebook -> a page for readers.

The notebook stays as Papermill left it. Its copy in the book has the code of each section in one fold, its figures and
tables numbered, the files behind them linked, and the answers to its exercises behind a click. Its words are those of
today's notebook where the code beside them is the same: a sentence can be improved without running the study again.
"""

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from fusqa.publishing.students import SOLUTION
from fusqa.publishing.tools import PublishingError

SECTION = "## "  # how a text cell begins that opens a section
MADE = "How this page was made"
GIVEN = "injected-parameters"  # how Papermill tags the cell of the parameters that it was given


def page(executed: Path, written: Path, title: str, note: str, cohort: str, results: Path) -> NotebookNode:
    """Return the page of one executed notebook.

    Parameters
    ----------
    executed : Path
        The notebook as Papermill left it.
    written : Path
        The same notebook as it is written today.
    title : str
        What to put behind its title, such as the row that it was run for; may be empty.
    note : str
        Markdown to put below its title, such as links that open the notebook elsewhere; may be empty.
    cohort : str
        Name of the cohort that it was run on.
    results : Path
        Folder of the published result files, one folder for each cohort.

    Raises
    ------
    PublishingError
        If the run ended in an exception, or the notebook has no title.
    """
    notebook = nbformat.read(executed, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    failed = [output for output in outputs if output.output_type == "error"]
    if failed:
        raise PublishingError(
            f"{executed} ended in {failed[0].ename}: {failed[0].evalue}; delete it and run the study again"
        )
    _reword(notebook, nbformat.read(written, as_version=4))
    first = next((cell for cell in notebook.cells if cell.cell_type == "markdown"), None)
    if first is None or not first.source.startswith("# "):
        raise PublishingError(f"{executed} has no title: its first text cell must begin with '# '")
    heading, newline, rest = first.source.partition("\n")
    first.source = _entitled(heading, title) + newline + (f"\n{note}\n" if note else "") + rest
    notebook.cells = list(_folded(notebook.cells))
    counts = {"Figure": 0, "Table": 0}
    for output in outputs:
        if "text/html" in output.get("data", {}):
            output.data["text/html"] = _number(_link(output.data["text/html"], results, cohort), counts)
    return notebook


def _reword(executed: NotebookNode, written: NotebookNode) -> None:
    """Take each text as it is written today, unless the code before or after it is not that which was executed."""
    today, then = _code_beside(written), _code_beside(executed)
    texts = {cell.id: cell.source for cell in written.cells if cell.cell_type == "markdown"}
    for cell in executed.cells:
        if cell.id in texts and today[cell.id] == then.get(cell.id):
            cell.source = texts[cell.id]


def _code_beside(notebook: NotebookNode) -> dict[str, list]:
    """Return the code cells, names and content, that stand right before and right after each text cell, by its name."""
    cells = [cell for cell in notebook.cells if GIVEN not in cell.metadata.get("tags", [])]
    runs = [(kind, list(run)) for kind, run in groupby(cells, key=lambda cell: cell.cell_type)]
    code = [[(cell.id, cell.source) for cell in run if kind == "code"] for kind, run in runs]
    return {
        cell.id: code[max(place - 1, 0) : place + 2]
        for place, (kind, run) in enumerate(runs)
        for cell in run
        if kind == "markdown"
    }


def add_findings(notebook: NotebookNode, edition: str, sentences: Sequence[str]) -> None:
    """Put what an edition shows, in sentences, before the exercises of a page; nothing where there are none.

    A page without exercises is a summary: there they come first.
    """
    if not sentences:
        return
    sections = [n for n, cell in enumerate(notebook.cells) if cell.source.startswith(SECTION)]
    exercises = (n for n in sections if notebook.cells[n].source.startswith("## Exercises"))
    place = next(exercises, sections[0] if sections else len(notebook.cells))
    said = "\n".join(f"- {sentence}" for sentence in sentences)
    notebook.cells.insert(place, new_markdown_cell(f"## What the edition “{edition}” shows\n\n{said}"))


def add_picture(notebook: NotebookNode, picture: str) -> None:
    """Put a picture, as HTML, below the first text of a page; nothing where there is none."""
    if picture:
        notebook.cells.insert(1, new_markdown_cell(picture))


def add_origin(notebook: NotebookNode, profile: str, edition: str) -> None:
    """Say below the title of a page that a study does not have this chapter, and which edition is shown instead."""
    note = _absent(profile, f"Shown instead: the published edition **{edition}**.")
    notebook.cells.insert(1, new_markdown_cell(note))


def add_edition(notebook: NotebookNode, edition: str) -> None:
    """Say below the title of a page which edition it shows, in a book of another one."""
    notebook.cells.insert(1, new_markdown_cell(f"From the published edition **{edition}**."))


def absent_page(source: Path, profile: str, instead: str) -> NotebookNode:
    """Return the page of a chapter that a study does not have: how it begins, and a line that says so."""
    opening = nbformat.read(source, as_version=4).cells[0].source
    note = _absent(profile, instead)
    return nbformat.v4.new_notebook(cells=[new_markdown_cell(f"{opening}\n\n{note}")])


def _absent(profile: str, instead: str) -> str:
    """Note that a study does not have a chapter, and what there is instead."""
    return f"```{{note}}\nThe study **{profile}** does not have this chapter. {instead}\n```"


def _entitled(heading: str, title: str) -> str:
    """Put `title` behind a heading; behind a question it begins anew."""
    if not title:
        return heading
    return f"{heading} {title[0].upper()}{title[1:]}" if heading.endswith("?") else f"{heading}: {title}"


def _folded(cells: Sequence[NotebookNode]) -> Iterator[NotebookNode]:
    """Yield the cells with answers hidden, and the code of each section in one fold at its end.

    Of the parameters it shows those that the page was run with, not the defaults that they replaced.
    """
    code: list[str] = []
    replaced = any(GIVEN in cell.metadata.get("tags", []) for cell in cells)
    for cell in cells:
        tags = set(cell.metadata.get("tags", []))
        if cell.cell_type == "markdown":
            if code and cell.source.startswith(SECTION):
                yield _fold(code)
                code = []
            if SOLUTION in tags:
                cell.source = f"::::{{dropdown}} In words\n{cell.source}\n::::"
        elif SOLUTION in tags:
            cell.metadata.tags = sorted({*tags, "hide-cell"})
            cell.metadata.mystnb = {"code_prompt_show": "Show a solution", "code_prompt_hide": "Hide the solution"}
        else:
            if not (replaced and "parameters" in tags):
                code.append(cell.source.strip())
            cell.metadata.tags = sorted({*tags - {"hide-input"}, "remove-input"})
        yield cell
    if code:
        yield _fold(code)


def _fold(code: Iterable[str]) -> NotebookNode:
    """Return a cell that shows the code of a section behind a click."""
    written = "\n\n".join(code)
    return new_markdown_cell(
        f"`````{{dropdown}} {MADE}\n:class-container: fusqa-made\n````python\n{written}\n````\n`````"
    )


def _link(page: str, results: Path, cohort: str) -> str:
    """Make a link of every file that a caption names (see :func:`fusqa.figures.showing.show`) and that is published."""

    def link(name: str) -> str:
        file = html.unescape(name).removeprefix("results/")
        code = f"<code>{name}</code>"
        return f'<a href="../results/{cohort}/{file}">{code}</a>' if (results / cohort / file).is_file() else code

    def links(match: re.Match) -> str:
        return ", ".join(map(link, match[1].split(", ")))

    return re.sub(r'(?<=<span class="source">Data: )<code>([^<]+)</code>', links, page)


def _number(page: str, counts: dict[str, int]) -> str:
    """Number the figures and tables of an output, on from `counts`, and make a place to link to of each."""

    def numbered(match: re.Match) -> str:
        kind = match[1].capitalize()
        counts[kind] += 1
        place = f'<figure id="{match[1]}-{counts[kind]}" class="fusqa-{match[1]}{match[2]}'
        return f'{place}<figcaption><span class="number">{kind} {counts[kind]}.</span> '

    return re.sub(r'<figure class="fusqa-(figure|table)(.*?)<figcaption>', numbered, page, flags=re.DOTALL)
