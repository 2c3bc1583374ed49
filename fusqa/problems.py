"""What is wrong with a user's files: where it is, what it is, and how to fix it.

A cohort is often written by hand, in a hospital, by somebody who has never read this code. So nothing fails with
a bare ``KeyError``: every fault becomes a :class:`Problem`, and an error carries all of them at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One fault in a cohort.

    Attributes
    ----------
    row : int or None
        Line of ``cases.csv`` (the header is line 1), None where the fault belongs to no row.
    file : str
        The file at fault, relative to the cohort where it lies inside.
    message : str
        What is wrong, with the value found.
    fix : str
        What to do about it.
    """

    row: int | None
    file: str
    message: str
    fix: str

    def __str__(self) -> str:
        line = [] if self.row is None else [f"cases.csv line {self.row}"]
        file = [] if line and self.file == "cases.csv" else [self.file]
        return ": ".join([*line, *file, f"{self.message}; {self.fix}"])


class CohortError(ValueError):
    """A cohort, or a file of it, that cannot be used; `problems` holds every fault found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def message_and_fix(error: ValueError) -> tuple[str, str]:
    """Split the message of one of our errors, which states fault and fix in one sentence, into the two."""
    message, _, fix = str(error).partition("; " if "; " in str(error) else ": ")
    return message, fix
