"""From executed notebooks, commands and results to what a reader of the book sees."""

import re
import shutil
import subprocess
import sys

import nbformat
import pytest
import yaml
from conftest import ROOT
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from fusqa.cli import app
from fusqa.publishing import inserts
from fusqa.publishing.inserts import citation
from fusqa.publishing.pages import add_findings, add_picture, page
from fusqa.publishing.students import student, write_students
from fusqa.publishing.tools import PublishingError

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CHAPTERS = [file for file in NOTEBOOKS if file.stem != "ten_minutes"]  # a summary asks no exercise
FIGURE = '<figure class="fusqa-{}"><figcaption>said</figcaption></figure>'


def written(tmp_path, *cells):
    path = tmp_path / "chapter.ipynb"
    nbformat.write(new_notebook(cells=list(cells)), path)
    return path


def shown(kind):
    return new_code_cell("1", outputs=[new_output("display_data", {"text/html": FIGURE.format(kind)})])


def test_figures_and_tables_are_counted_apart_and_can_be_linked_to(tmp_path):
    executed = written(tmp_path, new_markdown_cell("# T"), *map(shown, ("figure", "table", "figure fusqa-sweep")))
    cells = page(executed, executed, "", "", "simulated", tmp_path).cells[1:4]  # the last one shows the code
    found = [cell.outputs[0].data["text/html"] for cell in cells]
    assert [re.search(r'id="([\w-]+)"', one)[1] for one in found] == ["figure-1", "table-1", "figure-2"]
    assert '<span class="number">Figure 2.</span> said' in found[2] and "fusqa-figure fusqa-sweep" in found[2]


def test_answers_are_behind_a_click_and_questions_are_not(tmp_path):
    solution = {"tags": ["solution"]}
    question, words = new_markdown_cell("**1.** Why?"), new_markdown_cell("Because.", metadata=solution)
    executed = written(tmp_path, new_markdown_cell("# T"), question, new_code_cell("2", metadata=solution), words)
    cells = page(executed, executed, "", "", "simulated", tmp_path).cells
    assert cells[1].source == "**1.** Why?"
    assert cells[2].metadata.tags == ["hide-cell", "solution"]
    assert cells[3].source == "::::{dropdown} In words\nBecause.\n::::"


def test_a_row_and_a_note_stand_below_the_title(tmp_path):
    executed = written(tmp_path, new_markdown_cell("# T\n\n**Why?**"))
    first = page(executed, executed, "seed 0", "Elsewhere", "simulated", tmp_path).cells[0]
    assert first.source == "# T: seed 0\n\nElsewhere\n\n**Why?**"
    executed = written(tmp_path, new_markdown_cell("# Why?\n\n**What?**"))
    assert page(executed, executed, "seed 0", "", "simulated", tmp_path).cells[0].source.startswith("# Why? Seed 0\n")


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (["1 + 1", "2"], ["# New", "New", "New"]),
        (["1 + 1", "3"], ["# New", "Old", "Old"]),
        (["1 + 2", "2"], ["# Old", "Old", "New"]),
    ],
)
def test_todays_words_are_shown_where_the_code_beside_them_is_that_which_was_executed(tmp_path, codes, said):
    def cells(word: str, first: str, second: str, *given: NotebookNode) -> list[NotebookNode]:
        texts = [new_markdown_cell(f"{mark}{word}", id=f"text-{n}") for n, mark in enumerate(("# ", "", ""))]
        return [texts[0], new_code_cell(first, id="b"), *given, texts[1], new_code_cell(second, id="d"), texts[2]]

    (tmp_path / "today").mkdir()
    given = new_code_cell("seed = 2", metadata={"tags": ["injected-parameters"]})
    executed = written(tmp_path, *cells("Old", "1 + 1", "2", given))
    shown = page(executed, written(tmp_path / "today", *cells("New", *codes)), "", "", "simulated", tmp_path).cells
    assert [cell.source for cell in shown if cell.get("id", "").startswith("text-")] == said


def test_a_summary_begins_with_its_picture_and_with_what_an_edition_shows():
    def shown(*headings: str) -> list[str]:
        notebook = new_notebook(cells=[new_markdown_cell(f"{heading}\n\nText.") for heading in headings])
        add_findings(notebook, "large", ["One thing.", "Another."])
        add_picture(notebook, "<figure></figure>")
        return [cell.source.splitlines()[0] for cell in notebook.cells]

    said = "## What the edition “large” shows"
    assert shown("# T", "## A", "## B") == ["# T", "<figure></figure>", said, "## A", "## B"]
    assert shown("# T", "## A", "## Exercises") == ["# T", "<figure></figure>", "## A", said, "## Exercises"]


def test_a_published_code_cell_that_is_a_text_today_stays_as_it_was(tmp_path):
    (tmp_path / "today").mkdir()
    executed = written(tmp_path, new_markdown_cell("# T"), new_code_cell("1", id="b"))
    today = written(tmp_path / "today", new_markdown_cell("# T"), new_markdown_cell("Words.", id="b"))
    assert "Words." not in [cell.source for cell in page(executed, today, "", "", "simulated", tmp_path).cells]


def test_a_notebook_without_a_title_is_named(tmp_path):
    untitled = written(tmp_path, new_markdown_cell("T"))
    with pytest.raises(PublishingError, match=r"chapter\.ipynb has no title"):
        page(untitled, untitled, "", "", "simulated", tmp_path)


# Exercises ------------------------------------------------------------------------------------------------------------


def parts(notebook):
    """Text cells of a notebook by their heading of the second level, with the code cells that follow."""
    found, heading = {}, ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (match := re.match(r"## (.+)", cell.source)):
            heading = match[1]
        found.setdefault(heading, []).append(cell)
    return found


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_chapter_asks_exercises_runs_their_answers_and_ends_in_a_wrap_up(path):
    notebook = nbformat.read(path, as_version=4)
    assert re.match(r"# .+\n\n\*\*.+?\*\*\n", notebook.cells[0].source, re.S), "a title, then the question or the claim"
    found = parts(notebook)
    assert list(found)[-2:] == ["Exercises", "Wrap-up"]
    exercises = found["Exercises"]
    questions = [cell for cell in exercises if re.search(r"^\*\*\d\.", cell.source, re.M)]
    assert 2 <= len(questions) <= 4
    for question in questions:  # the next cell is code, and is an answer
        answer = exercises[exercises.index(question) + 1]
        assert answer.cell_type == "code" and "solution" in answer.metadata.tags, question.source
    outside = [cell for heading, cells in found.items() if heading != "Exercises" for cell in cells]
    assert not any("solution" in cell.metadata.get("tags", []) for cell in outside)


def test_students_get_the_same_notebooks_without_answers(tmp_path):
    assert [path.name for path in write_students(ROOT / "notebooks", tmp_path)] == [path.name for path in NOTEBOOKS]
    for path in CHAPTERS:
        full, mine = (nbformat.read(folder / path.name, as_version=4) for folder in (path.parent, tmp_path))
        nbformat.validate(mine)
        answers = [cell.source for cell in full.cells if "solution" in cell.metadata.get("tags", [])]
        kept = [cell.source for cell in mine.cells]
        assert answers and not set(answers) & set(kept)
        assert set(kept) == {cell.source for cell in full.cells} - set(answers) | {"# Your answer"}
        assert student(mine) == mine


def test_nobody_s_answers_are_written_over(tmp_path):
    first, *others = write_students(ROOT / "notebooks", tmp_path)
    assert write_students(ROOT / "notebooks", tmp_path) == [first, *others]  # the same copies may be written again
    first.write_text(first.read_text().replace("# Your answer", "1 + 1"))
    others[0].unlink()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(PublishingError, match=f"{first.name} exists and is another notebook; remove it"):
        write_students(ROOT / "notebooks", tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    mine = tmp_path / "originals"
    mine.mkdir()
    shutil.copy(ROOT / "notebooks/cohorts.ipynb", mine)
    with pytest.raises(PublishingError, match=r"cohorts\.ipynb exists"):
        write_students(mine, mine)


# What pages take from the code ----------------------------------------------------------------------------------------


def verbs_of(group, before=""):
    """Every verb of a command and of the groups in it by its name, hidden or not."""
    for name, verb in group.commands.items():
        yield f"{before}{name}", verb
        yield from verbs_of(verb, f"{before}{name} ") if isinstance(verb, TyperGroup) else ()


def test_the_page_of_the_command_has_every_verb_and_what_each_help_says():
    written = inserts.command_pages()
    verbs = re.findall(r"^#+ `fusqa (.+)`$", written, re.M)
    assert {"check", "segment", "measure", "simulate", "import hc18", "train", "export", "weights"} <= set(verbs)
    known = dict(verbs_of(get_command(app)))
    assert sorted(verbs) == sorted(known) and not [name for name, verb in known.items() if verb.hidden]
    for verb in verbs:
        said = CliRunner().invoke(app, [*verb.split(), "--help"], env={"COLUMNS": "200"}).output
        options = set(re.findall(r"--[a-z-]+", said))
        assert "--help" in options
        section = written.partition(f"# `fusqa {verb}`\n")[2].partition("\n#")[0]
        assert options <= set(re.findall(r"--[a-z-]+", section)), verb


def test_launch_links_come_from_one_setting():
    assert inserts.launch_links("", "main", "risk") == ""
    said = inserts.launch_links("https://github.com/a/b/", "main", "risk")
    assert "https://mybinder.org/v2/gh/a/b/main?urlpath=lab/tree/notebooks/risk.ipynb" in said
    assert "https://colab.research.google.com/github/a/b/blob/main/notebooks/risk.ipynb" in said
    assert (ROOT / "notebooks/risk.ipynb").is_file() and (ROOT / "environment.yml").is_file()


def test_nothing_but_one_setting_names_the_repository():
    repository = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout: nothing says which files belong to the project")
    hosts = re.compile(r"(?:github\.com|colab\.research\.google\.com/github|mybinder\.org/v2/gh)/[\w.-]+/[\w.-]+")
    named = {}
    for path in (
        ROOT / name for name in listed.stdout.split("\0") if name.endswith((".md", ".yml", ".cff", ".json", ".toml"))
    ):
        if path.is_file() and "results" not in path.parts and path.name != "_config.yml":
            named |= {found: path.name for found in hosts.findall(path.read_text(encoding="utf-8"))}
    own = repository["url"].removeprefix("https://") or "github.com/owner/name"
    assert own not in named
    assert not [found for found in named if "colab" in found or "mybinder" in found], named


def test_every_page_can_be_edited_where_its_source_is():
    sys.path.insert(0, str(ROOT / "book/_ext"))
    try:
        from edit import source_of
    finally:
        sys.path.pop(0)
    assert source_of("hc18/risk") == "notebooks/risk.ipynb"
    assert source_of("notebooks/quality_model__single-resnet18-scratch__seed0") == "notebooks/quality_model.ipynb"
    assert source_of("book/api_masks") is None and source_of("genindex") is None
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    pages = [toc["root"], *(entry["file"] for part in toc["parts"] for entry in part["chapters"] if "file" in entry)]
    assert len(pages) > 20
    assert [page for page in pages if not (ROOT / source_of(page)).is_file()] == []


def test_the_book_is_cited_with_its_doi_as_soon_as_it_has_one(tmp_path):
    file = tmp_path / "CITATION.cff"
    file.write_text((ROOT / "CITATION.cff").read_text())
    assert "without a DOI" in citation(file, "")
    file.write_text(file.read_text() + "\ndoi: 10.5281/zenodo.1\n")
    said = citation(file, "https://github.com/a/b")
    assert 'href="https://doi.org/10.5281/zenodo.1"' in said and 'href="https://github.com/a/b"' in said
    assert "without a DOI" not in said


FROM_ELSEWHERE = (  # messages of other programs that the page explains
    "Extra inputs are not permitted", "Field required", "Exiting because a job execution failed",
    "CUDA out of memory", "Kernel died", "Killed", "No space left on device", "Address already in use",
)  # fmt: skip


def test_every_error_that_the_book_explains_is_one_that_the_code_can_print():
    sources = [ROOT / "Makefile", *(ROOT / "fusqa").rglob("*.py"), *NOTEBOOKS, ROOT / "workflow/Snakefile"]
    text = re.sub(r'"\s+f?"', "", "".join(path.read_text() for path in sources))  # adjacent strings are one
    code = re.sub(r'["\'\s\\]+', "", text)
    titles = re.findall(r"^:::\{dropdown\} (.+)$", (ROOT / "book/troubleshooting.md").read_text(), re.M)
    messages = [message for title in titles for message in re.findall(r"`([^`]+)`", title)]
    assert len(messages) > 40
    fragments = [part for one in set(messages) - set(FROM_ELSEWHERE) for part in re.split(r"…|;|\[|\]", one)]
    bare = {part: re.sub(r'["\'\s\\]+', "", part).strip("()") for part in fragments}
    assert [part for part, text in bare.items() if len(text) >= 8 and text not in code] == []
