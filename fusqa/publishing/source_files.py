"""Which of the project's own files a notebook or module runs: itself and every ``fusqa`` module that it imports.

The workflow takes these as inputs, so that a change reruns what it concerns and nothing else, and nobody has to keep a
list by hand. A name that comes through the door of a room (``from fusqa.masks import dice``) counts as the module
behind the door, and the door itself as nothing: it is a list of names, and everything would depend on it.
"""

import ast
import json
from functools import cache
from pathlib import Path

from fusqa.files import ROOT

PACKAGE = ROOT / "fusqa"


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
    own = (ROOT / path).resolve()
    return [str(path), *sorted(str(module.relative_to(ROOT)) for module in found - {own})]


@cache
def behind_door(room: Path) -> dict[str, Path]:
    """Return what the door of a room offers: each name with the file of the module that defines it."""
    tree = ast.parse((room / "__init__.py").read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    lists = [word.value for call in calls for word in call.keywords if word.arg == "submod_attrs"]
    offered = ast.literal_eval(lists[0]) if lists else {}
    return {name: room / f"{module}.py" for module, names in offered.items() for name in names}


@cache  # most modules are imported by most notebooks, and the workflow asks for all of these
def _imported(path: Path) -> frozenset[Path]:
    """Files of the ``fusqa`` modules that one file names."""
    always = {PACKAGE / "__init__.py"} if path.suffix == ".ipynb" else set()
    return frozenset(always | imported_modules(_code(path), ROOT / path))


def imported_modules(code: str, path: Path) -> set[Path]:
    """Return the files of the ``fusqa`` modules that the Python code of the file `path` names."""
    pairs = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            above = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            pairs += [(module, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            pairs += [alias.name.rpartition(".")[::2] for alias in node.names]
    return {file for module, name in pairs for file in _files(module, name)}


def _files(module: str, name: str) -> set[Path]:
    """Files that ``from module import name`` runs: of a whole room, all that it offers; none where it is not ours."""
    package, *parts = module.split(".") if module else [name]
    if package != "fusqa":
        return set()
    place = PACKAGE.joinpath(*parts)
    if place.with_suffix(".py").is_file():
        return {place.with_suffix(".py")}
    if (place / name / "__init__.py").is_file():
        return set(behind_door(place / name).values())
    if name == "*":
        return set(behind_door(place).values())
    behind = behind_door(place).get(name, place / f"{name}.py")
    return {behind} if behind.is_file() else set()


def _code(path: Path) -> str:
    """Python code of a file; of a notebook, that of its cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code")
