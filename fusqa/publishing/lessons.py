"""Lessons, from ``book/teaching/lessons.yaml``: a table of what happens when, slides, and a handout of one page.

The slides take their figures from the executed notebooks, so they show what the book shows.
"""

import html
import re
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Annotated

import nbformat
from pydantic import Field

from fusqa.publishing.chapter_plans import ChapterPlan
from fusqa.publishing.inserts import table
from fusqa.publishing.teaching import Entry, page_link, read_table


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


def slides(lesson: Lesson, template: str, book: Path) -> str:
    """Write the slides of a lesson: one HTML page that needs no other host.

    Parameters
    ----------
    lesson : Lesson
        The lesson.
    template : str
        Page with the places ``$title`` and ``$slides``.
    book : Path
        The laid-out book, with the chapters that the figures are taken from.
    """
    first = f'<section class="first"><h1>{html.escape(lesson.title)}</h1><p>{html.escape(lesson.about)}</p></section>\n'
    pages = "".join(_slide(slide, book) for slide in lesson.slides)
    return Template(template).substitute(title=html.escape(lesson.title), slides=first + pages)


def _slide(slide: Slide, book: Path) -> str:
    """One slide: question, what happens, and the figure of its page where there is one."""
    what = "".join(f"<li>{_code(line)}</li>" for line in slide.do)
    link = f'<a href="../{slide.page}.html">to the page</a>'
    text = f'<div><ul>{what}</ul><p class="when">{slide.minutes} minutes, {link}</p></div>'
    figure = _figure(book / f"{slide.page}.ipynb", slide.figure) if slide.figure else ""
    return f'<section><h2>{html.escape(slide.ask)}</h2><div class="body">{text}{figure}</div></section>\n'


def _figure(notebook: Path, number: int) -> str:
    """HTML of a figure of an executed notebook by its number; empty where the chapter did not draw it."""
    outputs = [
        output.data.get("text/html", "")
        for cell in nbformat.read(notebook, as_version=4).cells
        for output in cell.get("outputs", [])
        if "data" in output
    ]
    found = re.findall(rf'<figure id="figure-{number}".*?</figure>', "".join(outputs), flags=re.DOTALL)
    return found[0].replace(f'id="figure-{number}" ', "") if found else ""


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
    chapters = [plans[name] for slide in lesson.slides if (name := slide.page.partition("/")[2]) in plans]
    aims = "".join(f"<li>{html.escape(aim)}</li>" for plan in chapters for aim in plan.aims)
    return Template(template).substitute(title=html.escape(lesson.title), questions=questions, aims=aims)


def _code(line: str) -> str:
    """HTML of a line in which backquotes mark code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(line))
