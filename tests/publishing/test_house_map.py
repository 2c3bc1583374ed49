"""The map of the package and its reference pages: they say what the code is now, by another reader of imports."""

import re
from xml.etree import ElementTree

import grimp
import pytest
from conftest import ROOT

from fusqa.publishing.house_map import house, rooms, write_reference

MODULES = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for file in (ROOT / "fusqa").rglob("*.py")
    if not file.stem.startswith("__")
)


@pytest.fixture(scope="module")
def imported():
    """Rooms that each room imports, by grimp."""
    graph, found = grimp.build_graph("fusqa", cache_dir=None), {}
    for module in graph.modules - {"fusqa", "fusqa.__main__"}:
        others = {other.split(".")[1] for other in graph.find_modules_directly_imported_by(module) - {"fusqa"}}
        found[room] = found.get(room := module.split(".")[1], set()) | others - {room}
    return found


def test_every_room_is_drawn_with_all_that_it_imports(imported):
    assert {room.name: set(room.imports) for room in rooms()} == imported


def test_every_arrow_is_drawn_and_leads_downwards(imported):
    drawing = ElementTree.fromstring(house().partition("<svg")[2].join(["<svg", ""]).partition("</svg>")[0] + "</svg>")
    arrows = [path.get("d") for path in drawing.iter("path") if path.get("class") != "tip"]
    assert len(arrows) == sum(map(len, imported.values()))
    for arrow in arrows:
        _, start, *_, end = map(float, re.findall(r"[\d.]+", arrow))
        assert start < end
    assert sorted(text.text for text in drawing.iter("text")) == sorted(imported)


def test_the_map_names_every_room_with_its_sentence_and_its_modules():
    text = house()
    for room in rooms():
        entry = text.partition(f"[`{room.name}`]({room.page})\n: ")[2].partition("\n")[0]
        assert entry.startswith(room.sentence) and len(room.sentence) > 20
        held = {name.split(".")[2] for name in MODULES if name.startswith(f"fusqa.{room.name}.")}
        assert set(re.findall(r"\w+", entry.removeprefix(room.sentence))) == held


def test_every_module_has_one_place_in_the_reference(tmp_path):
    write_reference(tmp_path)
    pages = {page.stem: page.read_text() for page in tmp_path.iterdir()}
    named = re.findall(r"automodule:: ([\w.]+)", "".join(pages.values()))
    assert sorted(named) == MODULES
    listed = re.findall(r"file: book/(api_\w+)", (ROOT / "_toc.yml").read_text())
    assert listed == [*(room.page for room in rooms() if not room.alone), "api_top"]
    assert sorted(listed) == sorted(pages)
