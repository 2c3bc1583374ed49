"""The notebooks as students get them: without the answers to their exercises."""

from pathlib import Path

import nbformat
from nbformat import NotebookNode

from fusqa.files import write_bytes
from fusqa.publishing.tools import PublishingError

SOLUTION = "solution"
"""Tag of the cells that answer an exercise."""
PLACE = "# Your answer"


def student(notebook: NotebookNode) -> NotebookNode:
    """Return a copy of `notebook` without answers and outputs; one empty cell stands for the cells of each answer."""
    copy = nbformat.from_dict(notebook)
    cells, answered = [], False
    for cell in copy.cells:
        answer = SOLUTION in cell.metadata.get("tags", [])
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if not answer:
            cells.append(cell)
        elif not answered:
            cells.append(nbformat.v4.new_code_cell(PLACE, id=cell.id))
        answered = answer
    copy.cells = cells
    return copy


def write_students(notebooks: Path, folder: Path) -> list[Path]:
    """Write the student's copy of every notebook of a folder into another; return their paths, sorted.

    Raises
    ------
    PublishingError
        Before anything is written, where a notebook of that name lies there with other content: somebody's answers.
    """
    copies = {}
    for source in sorted(notebooks.glob("*.ipynb")):
        copies[folder / source.name] = (nbformat.writes(student(nbformat.read(source, as_version=4))) + "\n").encode()
    for place, content in copies.items():
        if place.exists() and place.read_bytes() != content:
            raise PublishingError(f"{place} exists and is another notebook; remove it, or give another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for place, content in copies.items():
        write_bytes(place, content)
    return list(copies)
