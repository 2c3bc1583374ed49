"""The published book, bound where nothing can be imported that the study computes with."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from conftest import ROOT, publishing
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from fusqa.files import write_json
from fusqa.publishing.binding import _shown, _with_first
from fusqa.publishing.contents import Source
from fusqa.publishing.tools import PublishingError
from fusqa.study.profile import Profile
from fusqa.study.shelf import FINDINGS, PLACE

EDITION, LARGER = "quick", "overnight"
ABSENT = yaml.safe_load((ROOT / "_config.yml").read_text())["sphinx"]["config"]["autodoc_mock_imports"]
FORBID = f"""
import importlib.abc, sys

class Forbidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {[*ABSENT, "fastai", "onnx", "snakemake"]}:
            raise ModuleNotFoundError(f"{{name}} is not part of the environment that reads", name=name)

sys.meta_path.insert(0, Forbidden())
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """The project with an edition that has two chapters, and one with more results, one chapter, and another cohort."""
    root = tmp_path_factory.mktemp("project")
    for name in ("_config.yml", "_toc.yml", "CHANGELOG.md", "CITATION.cff", "book", "notebooks", "profiles"):
        (root / name).symlink_to(ROOT / name)
    edition, row = root / f"results/{EDITION}", "single-resnet18-scratch__seed0"
    trained = json.loads(next(PLACE.glob("*/simulated/quality__single-resnet18-scratch__seed*.json")).read_text())
    larger = root / f"results/{LARGER}"
    for folder, name, chapter in (
        (edition / "simulated", "cohorts", "cohorts"),
        (edition / "simulated", f"quality__{row}", f"quality_model__{row}"),
        (larger / "simulated", "audit", "audit"),
        (larger / "hc18-early", "cohorts", "cohorts"),
    ):
        made = {"provenance": {"seed": 0, "commit": "ab" * 20}}
        write_json(folder / f"{name}.json", (trained if row in name else {}) | made)
        caption = '<span class="source">Data: <code>results/cohorts.json</code>.</span>'
        table = new_output("display_data", {"text/html": f"<figure><figcaption>{caption}</figcaption></figure>"})
        cells = [new_markdown_cell(f"# Published {name}"), new_code_cell("1", outputs=[table])]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        about = {"kernelspec": kernel, "language_info": {"name": "python"}}
        place = folder / f"notebooks/{chapter}.ipynb"
        place.parent.mkdir(exist_ok=True)
        nbformat.write(new_notebook(cells=cells, metadata=about), place)
    write_json(edition / FINDINGS, {f"notebooks/{page}": [f"About {page}: 1.5 days."] for page in ("cohorts", "risk")})
    for name in ("cohorts", "review", "risk"):
        write_json(root / f"results/{LARGER}/simulated/{name}.json", {})
    for name in (EDITION, LARGER):
        (root / f"results/{name}/{name}.yaml").write_bytes((ROOT / f"profiles/{name}.yaml").read_bytes())
    return root


@pytest.fixture(scope="module")
def html(project, tmp_path_factory) -> Path:
    """Folder of the bound book."""
    path = tmp_path_factory.mktemp("site")
    (path / "sitecustomize.py").write_text(FORBID)
    system = os.environ | {"PYTHONPATH": os.pathsep.join([str(path), str(ROOT)])}
    refused = subprocess.run([sys.executable, "-c", "import torch"], env=system, capture_output=True, text=True)
    assert "not part of the environment that reads" in refused.stderr
    command = [sys.executable, "-m", "fusqa.publishing", "read", "--source", project]
    done = subprocess.run(command, cwd=ROOT, env=system, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(project / "build/read/html/index.html") in done.stdout
    return project / "build/read/html"


def said(page: Path) -> str:
    """The text of a page."""
    return re.sub(r"<[^>]+>", "", page.read_text())


def test_published_chapters_are_bound_with_their_results(html):
    page = (html / "notebooks/cohorts.html").read_text()
    assert "Published cohorts" in page
    assert '<a href="../results/simulated/cohorts.json"><code>results/cohorts.json</code></a>' in page
    assert (html / "results/simulated/cohorts.json").is_file()
    assert "Published quality" in said(html / "notebooks/quality_model__single-resnet18-scratch__seed0.html")
    assert "All results are of one state of the code, ababababab." in said(html / "book/provenance.html")


def test_a_chapter_that_the_edition_lacks_says_so(html):
    page = said(html / "notebooks/dating.html")
    title = nbformat.read(ROOT / "notebooks/dating.ipynb", as_version=4).cells[0].source.partition("\n")[0]
    assert title.removeprefix("# ") in page
    assert f"The study {EDITION} does not have this chapter. A larger one has it: make book PROFILE=overnight." in page
    assert "does not have this chapter" not in said(html / "notebooks/cohorts.html")
    assert "compares the published results with a run of your own" in said(html / "notebooks/edition.html")


def test_a_chapter_that_another_edition_has_is_shown_instead(html):
    page = said(html / "notebooks/audit.html")
    assert f"The study {EDITION} does not have this chapter. Shown instead: the published edition {LARGER}." in page
    assert "Published audit" in page


def test_a_cohort_that_only_another_edition_has_is_shown_with_its_name(html):
    page = said(html / "hc18-early/cohorts.html")
    title = Profile.read(LARGER).title
    assert "Published cohorts" in page and f"From the published edition {LARGER}." in page
    shown = f"The edition {LARGER} ({title[0].lower()}{title[1:-1]}) has the pages on real fetal heads (HC18), second"
    assert shown in said(html / "book/intro.html")
    assert "From the published edition" not in said(html / "notebooks/cohorts.html")


def test_what_the_edition_shows_stands_on_its_pages(html):
    for page in ("cohorts", "risk"):  # one that was published, and one that was not
        told = said(html / f"notebooks/{page}.html")
        assert f"What the edition “{EDITION}” shows" in told and f"About {page}: 1.5 days." in told
    assert "What the edition" not in said(html / "notebooks/dating.html")


def test_the_reference_is_read_without_loading_what_it_documents(html):
    page = said(html / "book/api_models.html")
    assert "fusqa.models.networks" in page and "logit" in page
    assert "Number of its results" in said(html / "book/api_study.html")


def test_an_edition_that_is_not_there_is_refused_with_those_that_are(project):
    ended = publishing("read", "--source", project, "--edition", "paper")
    assert ended.exit_code == 1
    assert "no edition paper in" in ended.stderr and f"fetuses are {LARGER}, {EDITION}" in ended.stderr


def test_a_study_without_the_first_cohort_is_completed_by_an_edition(project, tmp_path):
    own = Source(tmp_path, Profile.read("quick"))
    completed = _with_first({"hc18": own}, project / "results")
    assert list(completed) == ["simulated", "hc18"] and completed["simulated"].folder.name == EDITION
    assert _with_first({"simulated": own}, tmp_path) == {"simulated": own}
    with pytest.raises(PublishingError, match="a book begins with simulated first-trimester fetuses"):
        _with_first({"hc18": own}, tmp_path / "results")


def test_an_edition_published_half_way_is_not_shown_for_its_many_trainings(tmp_path):
    """It has more pages, of more rows, and less to say."""
    whole = [f"{name}.ipynb" for name in ("cohorts", "risk", "quality_model__single-alexnet-scratch__seed0")]
    half = [f"quality_model__{row}__seed0.ipynb" for row in Profile.read(LARGER).cohorts["simulated"].rows]
    for name, pages in ((EDITION, whole), (LARGER, half)):
        folder = tmp_path / name / "simulated"
        (folder / "notebooks").mkdir(parents=True)
        for page in pages:
            (folder / "notebooks" / page).touch()
            write_json(folder / f"{Path(page).stem.replace('quality_model', 'quality')}.json", {})
        shutil.copy(ROOT / f"profiles/{name}.yaml", tmp_path / name)
    assert len(half) > len(whole)
    assert _shown("simulated", None, tmp_path).folder.name == EDITION
    assert _shown("simulated", LARGER, tmp_path).folder.name == LARGER
