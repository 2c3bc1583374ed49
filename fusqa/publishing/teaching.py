"""What is written for teachers in ``book/teaching``: chapter plans, lessons and quizzes, and what pages make of them.

The slides take their figures from the executed notebooks, so they show what the book shows. A quiz answers at once,
without a server.
"""

import html
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Annotated

import nbformat
import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, TypeAdapter, model_validator

from fusqa.publishing.inserts import table

REVEAL = ("dist/reveal.js", "dist/reveal.css", "plugin/notes/notes.js", "LICENSE")
"""What the slides need of reveal.js, as the package sphinx-revealjs brings it."""


class Entry(BaseModel):
    """One entry of a table; a misspelt word in it is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_table(file: Path, kind: type) -> object:
    """Read and check one table.

    Raises
    ------
    ValueError
        Where it is no YAML, or an entry lacks something or has a misspelt word; it names the file and the entry.
    """
    try:
        return TypeAdapter(kind).validate_python(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{file}: {error}") from None


def source_of(page: str) -> Path:
    """Path of the source of a page, ``book/<name>`` or ``notebooks/<name>``, from the project's folder."""
    return Path(f"{page}.md" if page.startswith("book/") else f"{page}.ipynb")


def page_link(page: str, root: Path, title_of: str = "") -> str:
    """HTML link from a page in ``book/`` to another `page`, by its title or by that of the page `title_of`."""
    source = root / source_of(title_of or page)
    text = source.read_text(encoding="utf-8")
    if source.suffix == ".ipynb":
        text = "".join(json.loads(text)["cells"][0]["source"])
    return f'<a href="../{page}.html">{html.escape(text.partition("# ")[2].splitlines()[0])}</a>'


class ChapterPlan(Entry):
    """What a chapter takes and gives; the words are explained at the head of ``book/teaching/chapters.yaml``."""

    minutes: PositiveInt
    aims: Annotated[tuple[str, ...], Field(min_length=1)]
    page: str = ""
    after: tuple[str, ...] = ()
    knows: tuple[str, ...] = ()


def chapter_plans(folder: Path) -> dict[str, ChapterPlan]:
    """Read ``chapters.yaml``; the key is the name of the notebook."""
    return read_table(folder / "chapters.yaml", dict[str, ChapterPlan])


def before_reading(plan: ChapterPlan) -> str:
    """Write the box below a chapter's title, as MyST."""
    lines = [f"**{plan.minutes} minutes** to read."]
    if plan.after:
        lines.append(f"First: {', '.join(f'[](/{source_of(page)})' for page in plan.after)}.")
    if plan.knows:
        lines.append(f"Words to know: {', '.join(f'{{term}}`{term}`' for term in plan.knows)}.")
    lines.append(f"Afterwards you can {'; '.join(plan.aims)}.")
    return ":::{div} fusqa-aims\n" + " ".join(lines) + "\n:::"


def chapter_table(plans: Mapping[str, ChapterPlan], root: Path) -> str:
    """Write a table of chapters with minutes, what comes first, and aims; `root` holds the pages."""
    rows = []
    for name, plan in plans.items():
        chapter = page_link(plan.page or f"notebooks/{name}", root, title_of=f"notebooks/{name}")
        first = ", ".join(page_link(page, root) for page in plan.after) or "–"
        rows.append([chapter, str(plan.minutes), first, html.escape("; ".join(plan.aims))])
    return table(["chapter", "minutes", "read first", "afterwards you can"], rows, words=True)


class Slide(Entry):
    """One slide; the words are explained at the head of ``book/teaching/lessons.yaml``."""

    minutes: str
    ask: str
    do: Annotated[tuple[str, ...], Field(min_length=1)]
    page: str
    figure: int | None = None


class Lesson(Entry):
    """A lesson: its name in addresses, its title, one sentence about it, and its slides."""

    name: str
    title: str
    about: str
    slides: Annotated[tuple[Slide, ...], Field(min_length=1)]


def lessons(folder: Path) -> tuple[Lesson, ...]:
    """Read ``lessons.yaml``."""
    return read_table(folder / "lessons.yaml", tuple[Lesson, ...])


def lesson_table(lesson: Lesson, root: Path) -> str:
    """Write the plan of a lesson as a table: minutes, question, what happens, page; `root` holds the pages."""
    rows = [
        [slide.minutes, html.escape(slide.ask), _code(" ".join(slide.do)), page_link(slide.page, root)]
        for slide in lesson.slides
    ]
    return table(["minutes", "question", "what happens", "where"], rows, words=True)


def slides(lesson: Lesson, plans: Mapping[str, ChapterPlan], template: str, book: Path) -> str:
    """Write the slides of a lesson: one HTML page, shown with reveal.js, that needs no other host.

    Parameters
    ----------
    lesson : Lesson
        The lesson.
    plans : mapping
        As :func:`chapter_plans` reads them; the speaker's notes of a slide name the aims of its chapter.
    template : str
        Page with the places ``$title`` and ``$slides``.
    book : Path
        The laid-out book, with the chapters that the figures are taken from.
    """
    first = f'<section class="first"><h1>{html.escape(lesson.title)}</h1><p>{html.escape(lesson.about)}</p></section>\n'
    pages = "".join(_slide(slide, plans, book) for slide in lesson.slides)
    return Template(template).substitute(title=html.escape(lesson.title), slides=first + pages)


def copy_reveal(place: Path) -> None:
    """Copy reveal.js into the new folder `place`, so that slides find it without another host."""
    place.mkdir()
    source = Path(find_spec("sphinx_revealjs").origin).parent / "_static/revealjs"
    for name in REVEAL:
        shutil.copy(source / name, place)


def _slide(slide: Slide, plans: Mapping[str, ChapterPlan], book: Path) -> str:
    """One slide: question, what happens, the figure of its page where there is one, and notes for the speaker."""
    what = "".join(f"<li>{_code(line)}</li>" for line in slide.do)
    link = f'<a href="../{slide.page}.html">to the page</a>'
    text = f'<div><ul>{what}</ul><p class="when">{slide.minutes} minutes, {link}</p></div>'
    figure = _figure(book / f"{slide.page}.ipynb", slide.figure) if slide.figure else ""
    body = f'<div class="body{" figured" if figure else ""}">{text}{figure}</div>'
    aims = "".join(f"<li>{html.escape(aim)}</li>" for aim in _aims(slide, plans))
    notes = f"<p>Minutes {slide.minutes}.</p>" + (f"<p>Afterwards they can:</p><ul>{aims}</ul>" if aims else "")
    return f'<section><h2>{html.escape(slide.ask)}</h2>{body}<aside class="notes">{notes}</aside></section>\n'


def _aims(slide: Slide, plans: Mapping[str, ChapterPlan]) -> tuple[str, ...]:
    """What the chapter behind a slide teaches; nothing where the page shows no chapter."""
    behind = [plan for name, plan in plans.items() if slide.page == (plan.page or f"notebooks/{name}")]
    return tuple(aim for plan in behind for aim in plan.aims)


def _figure(notebook: Path, number: int) -> str:
    """HTML of a figure of an executed notebook by its number, a click enlarges it; empty where there is none."""
    outputs = [
        output.data.get("text/html", "")
        for cell in nbformat.read(notebook, as_version=4).cells
        for output in cell.get("outputs", [])
        if "data" in output
    ]
    found = re.findall(rf'<figure id="figure-{number}".*?</figure>', "".join(outputs), flags=re.DOTALL)
    return found[0].replace(f'id="figure-{number}" ', "").replace("<img ", "<img data-preview-image ") if found else ""


def handout(lesson: Lesson, plans: Mapping[str, ChapterPlan], template: str) -> str:
    """Write the handout of a lesson, one printed page: its questions with room to write, and its aims.

    Parameters
    ----------
    lesson : Lesson
        The lesson.
    plans : mapping
        As :func:`chapter_plans` reads them.
    template : str
        Page with the places ``$title``, ``$questions`` and ``$aims``.
    """
    questions = "".join(f"<li>{html.escape(slide.ask)}</li>" for slide in lesson.slides)
    taught = dict.fromkeys(aim for slide in lesson.slides for aim in _aims(slide, plans))  # two slides may share a page
    aims = "".join(f"<li>{html.escape(aim)}</li>" for aim in taught)
    return Template(template).substitute(title=html.escape(lesson.title), questions=questions, aims=aims)


def _code(line: str) -> str:
    """HTML of a line in which backquotes mark code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(line))


class Answer(Entry):
    """One answer of a question, and what is said to somebody who chose it."""

    text: str
    why: str
    right: bool = False


class Question(Entry):
    """A question of which one answer is right."""

    ask: str
    answers: Annotated[tuple[Answer, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _one_is_right(self) -> "Question":
        if sum(answer.right for answer in self.answers) != 1:
            raise ValueError(f"one answer must be right: {self.ask}")
        return self


def quizzes(folder: Path) -> dict[str, tuple[Question, ...]]:
    """Read ``quizzes.yaml``; the key is the page that keeps the quiz."""
    return read_table(folder / "quizzes.yaml", dict[str, tuple[Question, ...]])


def quiz(name: str, questions: Sequence[Question]) -> str:
    """Write questions as HTML that needs no script: what is said of an answer appears when it is chosen.

    Each question is a group of radio buttons with the question as its legend; the arrow keys choose.
    """
    return "".join(_question(f"{name}-{number}", number, one) for number, one in enumerate(questions, 1))


def _question(name: str, number: int, question: Question) -> str:
    """One question; no line of it is empty, since an empty line would end the HTML within a page of Markdown."""
    lines = [
        f'<div class="answer"><input type="radio" name="{name}" id="{name}-{i}">'
        f'<label for="{name}-{i}">{html.escape(answer.text)}</label>'
        f'<p class="why {"right" if answer.right else "wrong"}">'
        f"<strong>{'Right' if answer.right else 'Not quite'}.</strong> {html.escape(answer.why)}</p></div>"
        for i, answer in enumerate(question.answers, 1)
    ]
    legend = f"<legend>{number}. {html.escape(question.ask)}</legend>"
    return f'<fieldset class="fusqa-quiz">{legend}{"".join(lines)}<p class="said" role="status"></p></fieldset>\n'
