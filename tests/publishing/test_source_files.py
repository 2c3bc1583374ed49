"""Which files a notebook or module runs: doors are passed through, and count as nothing themselves."""

import json

import pytest
from conftest import ROOT

from fusqa.publishing.source_files import behind_door, imported_modules, sources


@pytest.fixture
def found(tmp_path):
    """Function that says which files of the package the lines of a notebook run."""

    def of(*lines: str) -> set[str]:
        cells = [{"cell_type": "markdown", "source": ["import fusqa.cli"]}]
        cells += [{"cell_type": "code", "source": [f"{line}\n"]} for line in lines]
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.ipynb"  # what a file imports is read once
        path.write_text(json.dumps({"cells": cells}))
        return set(sources(path)[1:])

    return of


def test_sources_are_a_notebook_and_all_it_imports():
    found = sources("notebooks/autoencoder.ipynb")
    assert found[0] == "notebooks/autoencoder.ipynb"
    indirect = {"fusqa/models/losses.py", "fusqa/masks/length.py"}
    assert {"fusqa/models/networks.py", *indirect} <= set(found)
    assert not {"fusqa/simulator/cases.py", "fusqa/cli.py", "fusqa/cohorts/hc18.py"} & set(found)
    assert all((ROOT / name).is_file() for name in found)


def test_a_name_through_a_door_counts_as_its_module_and_the_door_as_nothing(found):
    through = found("from fusqa.masks import SCHEMES")
    assert through == found("from fusqa.masks.labels import SCHEMES")
    assert "fusqa/masks/labels.py" in through
    assert not {"fusqa/masks/__init__.py", "fusqa/masks/dating.py", "fusqa/masks/alterations.py"} & through


def test_what_that_module_imports_counts_too(found):
    assert "fusqa/masks/labels.py" in found("from fusqa.masks import altered_masks")
    assert "fusqa/models/backbones.py" in found("from fusqa.study import Profile")


def test_an_import_inside_a_function_counts(found):
    assert "fusqa/masks/dating.py" in found("def age():\n    from fusqa.masks import gestational_age")


def test_a_module_that_is_named_counts_however_it_is_named(found):
    wanted = found("from fusqa.masks.dating import ages")
    assert found("import fusqa.masks.dating") == found("from fusqa.masks import dating") == wanted


def test_an_import_that_is_relative_counts_from_its_room():
    room = ROOT / "fusqa/masks"
    assert imported_modules("from .labels import FETUS", room / "x.py") == {room / "labels.py"}
    assert imported_modules("from ..files import ROOT", room / "x.py") == {ROOT / "fusqa/files.py"}
    assert imported_modules("from . import dating, dice", room / "x.py") == {
        room / "dating.py",
        room / "label_images.py",
    }


def test_a_whole_room_counts_with_everything_that_it_offers(found):
    whole = found("import fusqa.masks")
    assert {str(file.relative_to(ROOT)) for file in behind_door(ROOT / "fusqa/masks").values()} <= whole
    assert "fusqa/masks/__init__.py" not in whole
    assert found("from fusqa import masks") == found("from fusqa.masks import *") == whole


def test_names_that_are_not_ours_count_as_nothing(found):
    package = {"fusqa/__init__.py"}
    assert found("import numpy as np", "from pandas import DataFrame", "from fusqa.masks import nothing") == package


def test_the_door_of_a_room_lists_names_of_modules_that_exist():
    for room in sorted(path.parent for path in (ROOT / "fusqa").glob("*/__init__.py")):
        offered = behind_door(room)
        assert offered, room
        assert all(file.is_file() for file in offered.values()), room


def test_a_module_is_not_its_own_source():
    assert "fusqa/masks/labels.py" not in sources("fusqa/masks/labels.py")[1:]
