"""The rooms of the package: imports only downward, and doors that cost nothing and lead where they say."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGE = ROOT / "fusqa"
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def test_rooms_import_only_rooms_below_them():
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_at_most_ten_rooms_and_few_modules_beside_them():
    assert len(ROOMS) <= 10
    assert {module.name for module in pkgutil.iter_modules([str(PACKAGE)])} - set(ROOMS) <= {
        "__main__",
        "cli",
        "files",
        "metrics",
        "problems",
    }


@pytest.mark.parametrize("room", ROOMS)
def test_a_door_has_one_sentence_and_nothing_but_names(room):
    tree = ast.parse((PACKAGE / room / "__init__.py").read_text())
    said = ast.get_docstring(tree)
    assert said.endswith(".") and said.count(".") == 1 and "\n" not in said
    assert len(tree.body) == 3  # the sentence, lazy_loader, and the list


@pytest.mark.parametrize("room", ROOMS)
def test_every_name_of_a_door_leads_somewhere_and_none_is_that_of_a_module(room):
    door = importlib.import_module(f"fusqa.{room}")
    assert door.__all__ and all(getattr(door, name) is not None for name in door.__all__)
    assert set(dir(door)) >= set(door.__all__)
    modules = {module.name for module in pkgutil.iter_modules(door.__path__)}
    assert not modules & set(door.__all__)


def test_what_other_programs_import_stays_at_the_doors():
    from fusqa.assessment import Assessor
    from fusqa.cohorts import Cohort
    from fusqa.evaluation import classification_report
    from fusqa.masks import GOOD, POOR, altered_masks, criteria, crown_rump_length, gestational_age, head_circumference
    from fusqa.models import quality_model

    measures = [crown_rump_length, head_circumference, gestational_age, criteria, altered_masks]
    assert all(map(callable, [*measures, Assessor, Cohort, classification_report, quality_model]))
    assert (GOOD, POOR) == ("good", "poor")


def test_no_door_loads_pytorch_before_a_name_is_used():
    doors = "; ".join(f"import fusqa.{room}" for room in ROOMS)
    code = f"import sys; import fusqa; {doors}; print({{'torch', 'fastai', 'matplotlib', 'pandas'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_profile_is_read_without_pytorch():
    code = "import sys; from fusqa.study.profile import Profile; Profile.read('quick'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
