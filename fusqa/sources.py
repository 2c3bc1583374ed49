"""Which of the project's own files a notebook or module runs: itself and every ``fusqa`` module that it imports.

The workflow takes these as inputs, so that a change reruns what it concerns and nothing else, and nobody has to keep a
list by hand.
"""

import ast
import json
from functools import cache
from pathlib import Path

__all__ = ["sources"]

PACKAGE = Path(__file__).parent


def sources(path: str | Path) -> list[str]:
    """Return `path` and, sorted, the files of all ``fusqa`` modules that it imports, directly or not.

    Parameters
    ----------
    path : path
        A notebook or a Python file. An import anywhere in it counts, those inside functions too.
    """
    found, waiting = set(), [Path(path)]
    while waiting:
        for module in _imported(waiting.pop()) - found:
            found.add(module)
            waiting.append(module)
    root = PACKAGE.parent
    return [str(path), *sorted(str(module.relative_to(root)) for module in found - {PACKAGE / Path(path).name})]


@cache  # most modules are imported by most notebooks, and the workflow asks for all of these
def _imported(path: Path) -> frozenset[Path]:
    """Files of the ``fusqa`` modules that one file names."""
    names = {"fusqa"} if path.suffix == ".ipynb" else set()
    for node in ast.walk(ast.parse(_code(path))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    ours = [name.split(".")[1:] for name in names if name.split(".")[0] == "fusqa"]
    files = {PACKAGE.joinpath(*parts).with_suffix(".py") if parts else PACKAGE / "__init__.py" for parts in ours}
    return frozenset(filter(Path.is_file, files))


def _code(path: Path) -> str:
    """Python code of a file; of a notebook, that of its cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code")
