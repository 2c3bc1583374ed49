"""Minutes and aims of the chapters, quizzes, slides and the handout: from their tables to what a reader sees."""

import re
import shutil

import nbformat
import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from conftest import ROOT
from nbformat.v4 import new_code_cell, new_notebook, new_output
from playwright.sync_api import sync_playwright

from fusqa.publishing.contents import notebooks_of
from fusqa.publishing.printing import browser as find_browser
from fusqa.publishing.printing import print_page
from fusqa.publishing.teaching import (
    Question,
    before_reading,
    chapter_plans,
    chapter_table,
    copy_reveal,
    handout,
    lesson_table,
    lessons,
    quiz,
    quizzes,
    slides,
    source_of,
)

TABLES = ROOT / "book/teaching"
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
NAMES = [file.partition("/")[2] for file in notebooks_of(TOC)]
PLANS, QUIZZES, LESSONS = chapter_plans(TABLES), quizzes(TABLES), lessons(TABLES)
FIGURED = next(slide for slide in LESSONS[0].slides if slide.figure)
FIGURED_AT = LESSONS[0].slides.index(FIGURED) + 1  # behind the title
CHROMIUM = find_browser()
needs_browser = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")


def test_every_chapter_has_its_minutes_and_aims_in_reading_order():
    assert list(PLANS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_what_is_to_be_read_first_comes_first_and_its_words_are_explained(name):
    pages = re.findall(r"file: (\S+)", (ROOT / "_toc.yml").read_text())
    plan = PLANS[name]
    here = pages.index(f"notebooks/{name}")
    assert all(pages.index(page) < here for page in plan.after)
    glossary = (ROOT / "book/glossary.md").read_text().lower()
    assert [word for word in plan.knows if not re.search(rf"^{word.lower()}$", glossary, re.MULTILINE)] == []
    assert (ROOT / source_of(plan.page or f"notebooks/{name}")).is_file()
    assert f"**{plan.minutes} minutes**" in before_reading(plan) and plan.aims[-1] in before_reading(plan)


def test_the_table_of_chapters_names_each_by_its_title():
    written = chapter_table(PLANS, ROOT)
    assert len(re.findall("<tr[ >]", written)) == len(PLANS) + 1
    assert '<a href="../notebooks/dating.html">What does a millimetre cost in days?</a>' in written
    assert '<a href="../book/segmenters.html">Segmentation</a>' in written


def test_a_misspelt_word_names_the_file_and_the_entry(tmp_path):
    (tmp_path / "chapters.yaml").write_text("risk: {minuets: 20, aims: [read a curve]}\n")
    with pytest.raises(ValueError, match=r"chapters\.yaml.*\n.*\n?risk\.minutes"):
        chapter_plans(tmp_path)


def last_page(part):
    """The page before the next part; None where it is that of a cohort, whose pages are not known here."""
    entry = part["chapters"][-1]
    while "sections" in entry:
        entry = entry["sections"][-1]
    return entry.get("file")


def test_every_part_that_a_reader_works_through_ends_with_a_quiz():
    ends = {part["caption"]: last_page(part) for part in TOC["parts"]}
    not_worked_through = {"The same study on other cohorts", "Reference"}
    assert not_worked_through < set(ends)
    quizzed = [page for caption, page in ends.items() if caption not in not_worked_through]
    assert sorted(quizzed) == sorted(f"book/{name}" for name in QUIZZES)
    assert all("{{ quiz }}" in (ROOT / f"book/{name}.md").read_text() for name in QUIZZES)


def test_a_question_has_one_right_answer():
    answers = [{"text": "a", "why": "b"}, {"text": "c", "why": "d"}]
    with pytest.raises(ValueError, match="one answer must be right: what"):
        Question(ask="what?", answers=answers)
    places = [[answer.right for answer in one.answers].index(True) for part in QUIZZES.values() for one in part]
    assert set(places) == {0, 1, 2}  # it does not always stand in the same place


def test_no_answer_names_a_figure_that_an_edition_could_change():
    said = [answer.why + answer.text for part in QUIZZES.values() for one in part for answer in one.answers]
    assert [text for text in said if re.search(r"\d\.\d|\d %", text)] == []


def test_lessons_name_pages_that_there_are():
    pages = [slide.page for lesson in LESSONS for slide in lesson.slides]
    assert [page for page in pages if not (ROOT / source_of(page)).is_file()] == []
    teach = (ROOT / "book/teach.md").read_text()
    for lesson in LESSONS:
        assert f"{{{{ {lesson.name} }}}}" in teach and f"../slides/{lesson.name}.html" in teach
        assert lesson_table(lesson, ROOT).count("<tr") == len(lesson.slides) + 1


@pytest.fixture
def site(tmp_path):
    """A folder as a built book lies, with slides of a lesson of which one shows a figure."""
    shutil.copytree(ROOT / "book/_static", tmp_path / "_static")
    image = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
    drawn = f'<figure id="figure-1" class="fusqa-figure"><img src="{image}" alt="dots" width="300" height="200">'
    drawn += "<figcaption>Drawn.</figcaption></figure>"
    (tmp_path / "notebooks").mkdir()
    for lesson in LESSONS:
        for slide in lesson.slides:
            outputs = [new_output("display_data", {"text/html": drawn})] if slide is FIGURED else []
            if slide.figure:
                notebook = new_notebook(cells=[new_code_cell("1", outputs=outputs)])
                nbformat.write(notebook, tmp_path / f"{slide.page}.ipynb")
    (tmp_path / "slides").mkdir()
    copy_reveal(tmp_path / "slides/revealjs")
    page = slides(LESSONS[0], PLANS, (TABLES / "slides.html").read_text(), tmp_path)
    (tmp_path / "slides/lesson.html").write_text(page)
    sheet = handout(LESSONS[0], PLANS, (TABLES / "handout.html").read_text())
    (tmp_path / "slides/handout.html").write_text(sheet)
    style = '<link rel="stylesheet" href="_static/fusqa.css"><script src="_static/fusqa.js"></script>'
    body = f'<main class="bd-article"><h1>Quiz</h1>{quiz("q", QUIZZES["quiz_study"])}</main>'
    (tmp_path / "quiz.html").write_text(
        f'<!doctype html><html lang="en"><title>Quiz</title>{style}<body>{body}</body></html>'
    )
    return tmp_path


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def test_slides_show_the_figures_that_the_book_shows(site):
    text = (site / "slides/lesson.html").read_text()
    assert text.count("<section") == len(LESSONS[0].slides) + 1
    assert text.count("Drawn.") == 1 and 'id="figure' not in text
    assert re.findall(r"(?:src|href)=\"(https?:[^\"]+)", text) == []


@needs_browser
def test_arrow_keys_turn_the_slides_and_a_figure_opens(site, chromium):
    page = chromium.new_page(viewport={"width": 1280, "height": 720})
    page.goto((site / "slides/lesson.html").as_uri())
    page.wait_for_function("() => window.Reveal?.isReady()")
    titles = [LESSONS[0].title, *(slide.ask for slide in LESSONS[0].slides)]
    last = len(titles) - 1
    for key, place in (("PageDown", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", last), ("Home", 0)):
        page.keyboard.press(key)
        assert page.locator("section.present :is(h1, h2)").inner_text() == titles[place]
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    for _ in range(FIGURED_AT):
        page.keyboard.press("Space")
    page.locator("section.present img").click()
    assert page.locator(".r-overlay img").is_visible()


@needs_browser
def test_the_speaker_sees_minutes_and_aims(site, chromium):
    page = chromium.new_page(viewport={"width": 1280, "height": 720})
    page.goto((site / "slides/lesson.html").as_uri() + f"#/{FIGURED_AT}")
    page.wait_for_function("() => window.Reveal?.isReady()")
    with page.expect_popup() as opened:
        page.keyboard.press("s")
    notes = opened.value.locator(".speaker-controls-notes .value")
    notes.get_by_text(PLANS[FIGURED.page.partition("/")[2]].aims[0]).wait_for()
    assert f"Minutes {FIGURED.minutes}." in notes.inner_text()
    assert not page.locator("section.present aside").is_visible()


@needs_browser
@pytest.mark.parametrize("width, script", [(390, True), (1280, False)])
def test_on_a_phone_or_without_scripts_the_slides_are_a_page_that_scrolls(site, chromium, width, script):
    context = chromium.new_context(viewport={"width": width, "height": 720}, java_script_enabled=script)
    page = context.new_page()
    page.goto((site / "slides/lesson.html").as_uri())
    assert page.locator("section:visible").count() == len(LESSONS[0].slides) + 1
    assert page.locator(".notes:visible").count() == 0
    context.close()


@needs_browser
@pytest.mark.parametrize("script", [True, False])
def test_a_quiz_answers_at_once_by_keyboard_with_and_without_a_script(site, chromium, script):
    context = chromium.new_context(java_script_enabled=script)
    page = context.new_page()
    page.goto((site / "quiz.html").as_uri())
    first = page.locator("fieldset").first
    assert first.locator(".why:visible").count() == 0
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    shown = first.locator(".why:visible")
    assert shown.count() == 1
    assert shown.inner_text().startswith(("Right.", "Not quite."))
    if script:
        assert first.get_by_role("status").text_content() == shown.text_content()
    context.close()


@needs_browser
def test_a_quiz_can_be_used_by_everybody(site, chromium):
    page = chromium.new_page()
    page.goto((site / "quiz.html").as_uri())
    for question in page.locator("fieldset").all():
        question.locator("input").first.check()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@needs_browser
def test_the_handout_is_one_page(site):
    print_page(CHROMIUM, site / "slides/handout.html", site / "handout.pdf")
    assert len(re.findall(rb"/Type\s*/Page\b", (site / "handout.pdf").read_bytes())) == 1
