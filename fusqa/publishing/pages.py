"""An executed notebook -> a page for readers.

The notebook stays as Papermill left it. Its copy in the book has its code folded, its figures and tables numbered, the
files behind them linked, and the answers to its exercises behind a click.
"""

import html
import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from fusqa.publishing.students import SOLUTION
from fusqa.publishing.tools import PublishingError

__all__ = ["absent_page", "page"]


def page(executed: Path, title: str, note: str, cohort: str, results: Path) -> NotebookNode:
    """Return the page of one executed notebook.

    Parameters
    ----------
    executed : Path
        The notebook as Papermill left it.
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
    first = next((cell for cell in notebook.cells if cell.cell_type == "markdown"), None)
    if first is None or not first.source.startswith("# "):
        raise PublishingError(f"{executed} has no title: its first text cell must begin with '# '")
    heading, newline, rest = first.source.partition("\n")
    first.source = heading + (f": {title}" if title else "") + newline + (f"\n{note}\n" if note else "") + rest
    for cell in notebook.cells:
        _fold(cell)
    counts = {"Figure": 0, "Table": 0}
    for output in outputs:
        if "text/html" in output.get("data", {}):
            output.data["text/html"] = _number(_link(output.data["text/html"], results, cohort), counts)
    return notebook


def absent_page(source: Path, profile: str) -> NotebookNode:
    """Return the page of a chapter that an edition does not have: how it begins, and a line that says so."""
    opening = nbformat.read(source, as_version=4).cells[0].source
    said = f"This chapter is not part of the published edition **{profile}**. A study of your own has it: `make book`."
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(f"{opening}\n\n```{{note}}\n{said}\n```")])


def _fold(cell: NotebookNode) -> None:
    """Hide code, and answers altogether; what the page was run with stays open."""
    tags = set(cell.metadata.get("tags", []))
    if cell.cell_type == "markdown":
        if SOLUTION in tags:
            cell.source = f"::::{{dropdown}} In words\n{cell.source}\n::::"
    elif SOLUTION in tags:
        cell.metadata.tags = sorted({*tags, "hide-cell"})
        cell.metadata.mystnb = {"code_prompt_show": "Show a solution", "code_prompt_hide": "Hide the solution"}
    elif "injected-parameters" not in tags:
        cell.metadata.tags = sorted({*tags, "hide-input"})


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
