"""Notebooks for a class: the chapters of the study with the answers to their exercises taken out.

::

    python -m fusqa.students build/students

An answer is any cell tagged "solution"; where answers stood, an empty cell waits for the student's own.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from fusqa.files import write_bytes
from fusqa.pages import SOLUTION

__all__ = ["main", "student", "write_students"]

PLACE = "# Your answer"


def student(notebook: NotebookNode) -> NotebookNode:
    """Return a copy of `notebook` without answers and outputs; one empty cell stands for each answer's cells."""
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
    """Write the student's copy of every notebook of a folder into another; return their paths, sorted."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for source in sorted(notebooks.glob("*.ipynb")):
        text = nbformat.writes(student(nbformat.read(source, as_version=4))) + "\n"
        write_bytes(folder / source.name, text.encode())
        written.append(folder / source.name)
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the students' notebooks into the folder that is named."""
    folder = Path((sys.argv[1:] if arguments is None else arguments)[0])
    written = write_students(Path(__file__).parents[1] / "notebooks", folder)
    print(f"{len(written)} notebooks without answers are in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
