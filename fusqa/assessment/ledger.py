"""Verdicts -> a CSV table and a JSON file, whole or not at all; a run that was killed continues where it stopped.

During a run its verdicts are kept in a hidden file beside the table, one per line: the ledger. The next run of the same
model over the same files takes them over; with another model or changed files it starts again. Memory does not grow
with the cohort, because the ledger is on the disk.
"""

import csv
import fcntl
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from fusqa.assessment.verdicts import Assessor, Verdict
from fusqa.cohorts.reading import Input
from fusqa.files import to_json, whole
from fusqa.masks.reviewing import RULES

__all__ = ["Ledger", "ScoresBusy", "columns", "ledger", "record", "write_json_scores", "write_table"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters of a cell that a spreadsheet would run as a formula."""

Progress = Callable[[Iterable[Verdict], int], Iterable[Verdict]]


class ScoresBusy(ValueError):
    """Another run writes the same table."""


class Ledger:
    """The verdicts of a run, one JSON record per line of a file.

    Parameters
    ----------
    lines : text file
        Open for reading and writing; its first line is the key.
    """

    def __init__(self, lines: TextIO):
        self._lines = lines

    def take_over(self, key: str) -> int:
        """Keep the complete lines of an earlier run with the same key, else start again; return how many are kept."""
        lines = self._lines
        if self._rewind() != key:
            lines.seek(0)
            lines.truncate()
            lines.write(key + "\n")
            lines.flush()
            return 0
        done, end = 0, lines.tell()
        while lines.readline().endswith("\n"):
            done, end = done + 1, lines.tell()
        lines.seek(end)
        lines.truncate()  # a line that a kill cut short
        return done

    def add(self, entry: Mapping[str, Any]) -> None:
        """Write one record down at once."""
        self._lines.write(json.dumps(entry, ensure_ascii=False) + "\n")
        self._lines.flush()

    def _rewind(self) -> str:
        """Go to the first record; return the key, which is the line before it."""
        self._lines.seek(0)
        return self._lines.readline().rstrip("\n")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self._rewind()
        yield from map(json.loads, self._lines)

    def by_trust(self) -> list[tuple[float, int, int]]:
        """Return (probability, number, place in the file) of every record: least trusted first, unread ones before."""
        self._rewind()
        order, place = [], self._lines.tell()
        while line := self._lines.readline():
            probability = json.loads(line)["probability"]
            order.append((-1.0 if probability is None else probability, len(order), place))
            place = self._lines.tell()
        return sorted(order)

    def at(self, place: int) -> dict[str, Any]:
        """Read the record at a place that :meth:`by_trust` named."""
        self._lines.seek(place)
        return json.loads(self._lines.readline())


@contextmanager
def ledger(assessor: Assessor, cases: Input, out: Path, progress: Progress) -> Iterator[Ledger]:
    """Judge every case, and give the finished ledger to write files from; afterwards it is removed.

    Parameters
    ----------
    assessor : Assessor
        The model.
    cases : Input
        What to judge.
    out : Path
        The table that will be written; the ledger lies beside it.
    progress : callable
        Wraps the verdicts and takes how many are there already, as ``tqdm.tqdm`` does with ``initial``.

    Raises
    ------
    ScoresBusy
        If another run is writing `out`.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    kept = out.with_name(f".{out.name}.partial")
    with kept.open("a+", encoding="utf-8") as lines:
        try:
            fcntl.flock(lines, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ScoresBusy(f"{out} is being written by another run; wait for it, or give another name") from None
        verdicts = Ledger(lines)
        done = verdicts.take_over(hashlib.sha256(assessor.card.sha256.encode() + cases.usable().digest()).hexdigest())
        for verdict in progress(assessor(cases, skip=done), done):
            verdicts.add(record(verdict))
        yield verdicts
        kept.unlink(missing_ok=True)


def columns(scheme: str) -> list[str]:
    """Names of the table's columns for masks of a scheme, in order."""
    rules = [rule.name for rule in RULES[scheme]]
    return [
        *("line", "case", "patient", "probability", "verdict", "threshold", "unfamiliar"),
        *("length_mm", "ga_days", "ga_sd_days", "criteria_met", "criteria", *rules),
        *("reasons", "warnings", "faults"),
    ]


def record(verdict: Verdict) -> dict[str, Any]:
    """One verdict as plain values, None for what is not known."""
    found = verdict.found
    age = found.gestational_age if found else None
    row = {
        "line": verdict.line,
        "case": verdict.case,
        "patient": verdict.patient,
        "probability": _number(verdict.probability, 6),
        "verdict": verdict.verdict,
        "threshold": _number(verdict.threshold, 6),
        "unfamiliar": _number(verdict.unfamiliar, 4),
        "length_mm": _number(found.mm, 3) if found else None,
        "ends": [[round(float(at), 2) for at in end] for end in found.ends] if found else None,
        "ga_days": _number(age.days, 2) if age else None,
        "ga_sd_days": _number(age.sd, 2) if age else None,
        "criteria_met": found.met if found else None,
        "criteria": found.of if found else None,
    }
    if found:
        row |= {name: one["met"] for name, one in found.criteria.items()}
    said = {"reasons": verdict.reasons, "warnings": verdict.warnings, "faults": verdict.faults}
    return row | {name: [str(sentence) for sentence in sentences] for name, sentences in said.items()}


def _number(value: float | None, decimals: int) -> float | None:
    return None if value is None or math.isnan(value) else round(float(value), decimals)


def write_table(records: Iterable[Mapping[str, Any]], scheme: str, out: Path) -> int:
    """Write the CSV table, whole or not at all; return how many rows have no verdict."""
    names, faulty = columns(scheme), 0
    with whole(out) as part, part.open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, names, lineterminator="\n")
        table.writeheader()
        for entry in records:
            faulty += not entry["verdict"]
            table.writerow({name: _cell(entry.get(name)) for name in names})
    return faulty


def _cell(value: Any) -> Any:
    """A value as a cell: sentences joined, yes or no, and an apostrophe before what a spreadsheet would run."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = "; ".join(value) if isinstance(value, list) else value
    return f"'{text}" if isinstance(text, str) and text.startswith(_FORMULA) else text


def write_json_scores(records: Iterable[Mapping[str, Any]], about: Mapping[str, Any], out: Path) -> None:
    """Write the verdicts for a program to read, whole or not at all: `about` the run, and ``verdicts``, a list."""
    head = to_json(dict(about)).removesuffix("\n}")
    with whole(out) as part, part.open("w", encoding="utf-8") as stream:
        stream.write(head + ',\n  "verdicts": [')
        for number, entry in enumerate(records):
            stream.write((",\n    " if number else "\n    ") + json.dumps(entry, ensure_ascii=False))
        stream.write("\n  ]\n}\n")
