"""Sentences about an edition: their numbers come from its results, and none stands that these do not support."""

import re
import shutil
from functools import partial

import pytest
import yaml
from conftest import ROOT

from fusqa.files import write_json
from fusqa.publishing.contents import COHORT_IN, FIRST
from fusqa.publishing.findings import findings, read_findings
from fusqa.publishing.problem import draw_problem
from fusqa.publishing.tools import PublishingError
from fusqa.study.chapters import read_chapters
from fusqa.study.results import Edition, Study
from fusqa.study.shelf import PICTURE, PLACE, edition_folders, told_findings, told_picture

WRITTEN = sorted((ROOT / "book/findings").glob("*.yaml"))
PICTURED = [folder for folder in edition_folders(FIRST) if told_findings(folder)]
PAGE = "notebooks/risk"
NUMBER = re.compile(r"\d")
LINES = [{"score": "shape", "site": site, "AUROC": area} for site, area in (("A", 0.97), ("B", 0.93))]
LINES += [{"score": "none", "AUROC": "nan"}, {"score": "dash", "AUROC": "–"}]
FIGURES = {verdict: {"result": "risk", "at": ["days", verdict]} for verdict in ("good", "poor")}


@pytest.fixture
def study(tmp_path):
    """A study of which two numbers are known."""
    profile = tmp_path / "least.yaml"
    plan = yaml.safe_load((ROOT / "tests/smoke.yaml").read_text())
    plan["cohorts"] = {"simulated": plan["cohorts"]["simulated"] | {"rows": []}}
    profile.write_text(yaml.safe_dump(plan))
    made = Study(str(profile), "simulated", tmp_path)
    write_json(made.path("results/autoencoder.json"), {"status": "not run", "reason": "not asked for"})
    write_json(
        made.path("results/risk.json"),
        {"days": {"good": "1.50\n1.2–1.9", "poor": 3.25}, "share": 0.31, "none": 0, "lines": LINES},
    )
    return made


def line(**named):
    """A figure in the line of a table with these entries."""
    return {"result": "risk", "at": ["lines", named, "AUROC"]}


def written(folder, **finding):
    """A file with one sentence about the risk."""
    one = {"says": "Good ones err by {good:.1f} days, poor ones by {poor:.2f}.", "figures": FIGURES}
    if "figures" in finding and "says" not in finding:
        one["says"] = " ".join(f"{{{name}}}" for name in finding["figures"])
    path = folder / "found.yaml"
    path.write_text(yaml.safe_dump({PAGE: [one | finding]}))
    return path


def test_numbers_come_from_the_results(study, tmp_path):
    said = findings(written(tmp_path, rising=[["good", "poor"]], within={"good": [1, 2]}), lambda cohort: study)
    assert said == {PAGE: ["Good ones err by 1.5 days, poor ones by 3.25."]}
    share = {"share": {"result": "risk", "at": ["share"], "scale": 100}}
    assert findings(written(tmp_path, says="{share:.0f} %", figures=share), lambda cohort: study) == {PAGE: ["31 %"]}
    ratio = {"share": {"result": "risk", "at": ["days", "good"], "per": FIGURES["poor"], "scale": 100}}
    assert findings(written(tmp_path, says="{share:.1f} %", figures=ratio), lambda cohort: study) == {PAGE: ["46.2 %"]}
    of_line = {"area": line(score="shape", site="B")}
    assert findings(written(tmp_path, says="{area}", figures=of_line), lambda cohort: study) == {PAGE: ["0.93"]}


@pytest.mark.parametrize(
    ("finding", "message"),
    [
        ({"rising": [["poor", "good"]]}, r"poor 3\.25 < good 1\.5 does not hold; write the sentence anew"),
        ({"within": {"poor": [0, 3]}}, r"poor is 3\.25, not within \(0\.0, 3\.0\)"),
        ({"figures": {"good": {"result": "risk", "at": ["days", "best"]}}}, "not in the edition: 'best'"),
        ({"figures": {"good": line(score="shape")}}, "2 lines with {'score': 'shape'}, and a figure is of one"),
        ({"figures": {"good": {"result": "risk", "at": ["share", "best"]}}}, "'best' of what has no entries"),
        ({"figures": {"good": {"result": "risk", "at": ["days", {"site": "B"}]}}}, "a line .* of what is no table"),
        ({"says": "{best:.1f} days"}, r"\['best'\] are none of its figures"),
        ({"rising": [["gap", "good"]], "figures": FIGURES | {"gap": line(score="none")}}, "nan < good 1.5 does not"),
        ({"figures": {"good": line(score="dash")}}, "'–' is no number"),
        ({"figures": {"good": FIGURES["good"] | {"per": line(score="size")}}}, "0 lines with {'score': 'size'}"),
        ({"figures": {"good": FIGURES["good"] | {"per": {"result": "risk", "at": ["none"]}}}}, "division by zero"),
        ({"figures": {"good": line(score="size")}}, "0 lines with {'score': 'size'}"),
        ({"figures": {"good": {"row": "autoencoder"}}}, "either row and merit, or result and at"),
        ({"figures": {"good": {"row": "autoencoder", "merit": "auroc"}}}, "nothing may be concluded from Autoencoder"),
        ({"raising": []}, r"found\.yaml: .*\n.*risk\.0\.raising"),
    ],
)
def test_a_sentence_that_its_numbers_do_not_support_is_refused(study, tmp_path, finding, message):
    with pytest.raises((PublishingError, ValueError), match=message):
        findings(written(tmp_path, **finding), lambda cohort: study)


def test_what_is_said_of_a_published_edition_holds():
    assert WRITTEN, "no edition has findings"
    for path in WRITTEN:
        edition = PLACE / path.stem
        assert edition.is_dir(), f"{path} is about an edition that is not published"
        said = findings(path, partial(Edition, edition))
        assert said == told_findings(edition), f"run: python -m fusqa.publishing tell {edition}"
        assert {page.partition("/")[2] for page in said} <= set(read_chapters())


def test_the_first_page_has_a_picture():
    assert PICTURED, "no edition has a picture of the problem"


@pytest.mark.parametrize("edition", PICTURED, ids=lambda edition: edition.name)
def test_the_picture_of_an_edition_is_of_its_masks(edition, tmp_path):
    """The same caption, with its days, from the same results; the pixels may differ with another matplotlib."""
    copy = tmp_path / edition.name
    shutil.copytree(edition, copy, ignore=shutil.ignore_patterns("models", "notebooks", "hc18*", "*.csv.gz"))
    (copy / PICTURE).unlink()
    draw_problem(copy)
    drawn, published = (told_picture(place).partition("<figcaption>") for place in (copy, edition))
    assert drawn[2] == published[2] and "simulated" in drawn[2] and "<img" in drawn[0]


# Chapters whose own text is what an edition shows, or that show how something is done.
SPEAK_FOR_THEMSELVES = {"advice", "edition", "own_data"}


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.stem)
def test_every_published_chapter_says_what_its_figures_show(path):
    """Pages of single trainings show what one line of a table sums up; they need no sentence of their own."""
    said = told_findings(PLACE / path.stem)
    for folder, cohort in COHORT_IN.items():
        files = (PLACE / path.stem / cohort / "notebooks").glob("*.ipynb")
        chapters = {file.stem.partition("__seed")[0] for file in files if "display_data" in file.read_text()}
        single = {name for name in chapters if "__" in name}
        silent = {name for name in chapters - single - SPEAK_FOR_THEMSELVES if f"{folder}/{name}" not in said}
        assert silent == set(), f"{folder}: {silent}"


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.stem)
def test_no_number_is_typed_into_a_sentence(path):
    for chapter, written_here in read_findings(path).items():
        for one in written_here:
            plain = re.sub(r"\{[^}]*\}|ResNet-\d+|VGG-\d+|DenseNet-\d+|Lite\d|\d mm", "", one.says)
            assert not NUMBER.search(plain), f"{chapter}: {one.says}"
