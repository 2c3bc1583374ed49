"""Questions at the end of each part, from ``book/teaching/quizzes.yaml``: a page answers at once, without a server."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from fusqa.publishing.teaching import Entry, read_table


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
