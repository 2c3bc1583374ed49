"""An executed notebook -> what a repository keeps of it: everything that its page shows, in few bytes.

Papermill leaves every output in several forms, and times, paths and texts that no page shows.
"""

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from fusqa.publishing.pages import GIVEN

SHOWN = ("text/html", "image/svg+xml", "image/png", "text/markdown", "text/latex", "text/plain")
"""Forms of an output, in the order in which the book prefers them."""


def shrunk(executed: Path, profile: str) -> bytes:
    """Return an executed notebook as small as its page allows: one form of each output.

    Its parameters name the `profile` in place of its file, and the usual build folder: both may lie anywhere.
    """
    notebook = nbformat.read(executed, as_version=4)
    kept = ("kernelspec", "language_info")
    notebook.metadata = NotebookNode({name: notebook.metadata[name] for name in kept if name in notebook.metadata})
    for cell in notebook.cells:
        cell.metadata = NotebookNode({"tags": cell.metadata["tags"]} if "tags" in cell.metadata else {})
        if GIVEN in cell.metadata.get("tags", ()):
            for name, value in {"profile": profile, "build": "build"}.items():
                cell.source = re.sub(rf"^{name} = .*$", f'{name} = "{value}"', cell.source, flags=re.MULTILINE)
        if cell.cell_type == "code":
            cell.outputs = [_small(output) for output in cell.outputs if output.get("name") != "stderr"]
    return (nbformat.writes(notebook) + "\n").encode()


def _small(output: NotebookNode) -> NotebookNode:
    """Keep of an output the form that the book shows."""
    if "data" in output:
        shown = next((form for form in SHOWN if form in output.data), None)
        output.data = NotebookNode({shown: output.data[shown]} if shown else {})
        output.metadata = NotebookNode()
    return output
