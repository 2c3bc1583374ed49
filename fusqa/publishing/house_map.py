"""The map of the package for the book, and its reference pages: both are read from the code, none is kept by hand.

The order of the rooms is that of the layers in ``pyproject.toml``, their sentences are the first lines of their
docstrings, and the arrows are the imports.
"""

import ast
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fusqa.files import ROOT

PACKAGE = ROOT / "fusqa"
ROW, BOX, HEIGHT = 38, 112, 26  # distance of two rooms in the drawing, width and height of a room
REACH = 26  # how far an arrow swings out for each row that it goes down


@dataclass(frozen=True)
class Room:
    """A sub-package, or a module that lies beside them.

    Attributes
    ----------
    name, sentence : str
        Its name below ``fusqa``, and the first line of its docstring.
    modules : tuple of str
        Full names of its modules.
    imports : dict of str to int
        Rooms that it imports, each with the number of import statements.
    """

    name: str
    sentence: str
    modules: tuple[str, ...]
    imports: dict[str, int]

    @property
    def alone(self) -> bool:
        """Whether it is a module beside the rooms."""
        return f"fusqa.{self.name}" in self.modules

    @property
    def page(self) -> str:
        """Name of its reference page, which the modules beside the rooms share."""
        return f"api_{'top' if self.alone else self.name}"


def rooms() -> list[Room]:
    """Rooms of the package from top to bottom: each imports only rooms that come later."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = next(contract["layers"] for contract in settings["contracts"] if contract["type"] == "layers")
    return [_room(name.strip()) for layer in layers for name in layer.split(":") if not name.startswith("_")]


def _room(name: str) -> Room:
    """Read one room."""
    folder = PACKAGE / name
    door = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    files = sorted(folder.glob("*.py")) if folder.is_dir() else [door]
    trees = {file: ast.parse(file.read_text(encoding="utf-8")) for file in files}
    held = [file.relative_to(ROOT).with_suffix("") for file in files if not file.stem.startswith("_")]
    imported = Counter(other for tree in trees.values() for other in _imported_rooms(tree) if other != name)
    sentence = ast.get_docstring(trees[door]).partition("\n")[0]
    return Room(name, sentence, tuple(".".join(file.parts) for file in held), dict(imported))


def _imported_rooms(tree: ast.Module) -> Iterator[str]:
    """Rooms that a module imports, one for each statement."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fusqa."):
            yield node.module.split(".")[1]


def house() -> str:
    """Write the map: a drawing of the rooms and their imports, and a list of the rooms with sentence and modules."""
    shown = rooms()
    return "\n\n".join([_drawing(shown), *map(_entry, shown)]) + "\n"


def _entry(room: Room) -> str:
    """What one room is for and what it holds, with a link to its reference page."""
    held = "" if room.alone else f" *{', '.join(module.rpartition('.')[2] for module in room.modules)}*"
    return f"[`{room.name}`]({room.page})\n: {room.sentence}{held}"


def _drawing(shown: list[Room]) -> str:
    """Draw the rooms one below the other, with an arrow from each to every room that it imports."""
    place = {room.name: number for number, room in enumerate(shown)}
    arrows = [(place[room.name], place[other], count) for room in shown for other, count in room.imports.items()]
    width = BOX + 0.75 * REACH * max(end - start for start, end, _ in arrows) + 12
    held = [len(room.modules) for room in shown if not room.alone]
    said = (
        f"{len(held)} rooms with {sum(held)} modules, and {len(shown) - len(held)} modules beside them. "
        f"Each of the {len(arrows)} arrows leads from a room to one that it imports, and none leads upwards."
    )
    groups = [
        f"<g>{_box(room, start)}{''.join(_arrow(*arrow) for arrow in arrows if arrow[0] == start)}</g>\n"
        for start, room in enumerate(shown)
    ]
    svg = f'<svg viewBox="0 0 {width:.0f} {ROW * len(shown)}" role="img" aria-label="{said}">\n{"".join(groups)}</svg>'
    return f'<figure class="fusqa-house">\n{svg}\n<figcaption>{said}</figcaption>\n</figure>'


def _box(room: Room, row: int) -> str:
    """Draw a room; a module beside the rooms is rounder."""
    radius = HEIGHT // 2 if room.alone else 4
    box = f'<rect x="1" y="{ROW * row + 6}" width="{BOX}" height="{HEIGHT}" rx="{radius}"/>'
    return f'{box}<text x="{BOX / 2 + 1}" y="{ROW * row + 24}">{room.name}</text>'


def _arrow(start: int, end: int, count: int) -> str:
    """Draw an arrow between two rows as a bow on their right side, the thicker the more statements import."""
    top, bottom, swing = ROW * start + 24, ROW * end + 14, BOX + 4 + REACH * (end - start)
    bow = f"M{BOX + 2} {top}C{swing} {top} {swing} {bottom} {BOX + 9} {bottom}"
    tip = f"M{BOX + 3} {bottom}l7-3.5v7z"
    return f'<path d="{bow}" stroke-width="{0.6 + count**0.5 / 3:.1f}"/><path class="tip" d="{tip}"/>'


def write_reference(folder: Path) -> None:
    """Write a reference page for every room, and one for the modules beside them, from the docstrings."""
    pages: dict[str, list[Room]] = {}
    for room in rooms():
        pages.setdefault(room.page, []).append(room)
    for name, shown in pages.items():
        title = "Modules beside the rooms" if shown[0].alone else f"`fusqa.{shown[0].name}`"
        parts = [f"# {title}\n", *(f"{room.sentence}\n" for room in shown if not room.alone)]
        parts += [_documented(module) for room in shown for module in room.modules]
        (folder / f"{name}.md").write_text("\n".join(parts), encoding="utf-8")


def _documented(module: str) -> str:
    """Section of one module; what it defines without an underscore is documented, exported or not."""
    return f"## `{module}`\n\n```{{eval-rst}}\n.. automodule:: {module}\n   :members:\n   :ignore-module-all:\n```\n"
