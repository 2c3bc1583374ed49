"""What a network says of every case -> a CSV table, whole or not at all; a killed run continues where it stopped.

During a run its results are kept in a hidden file beside the table, one per line: the ledger. The next run of the same
model over the same files takes them over; with another model or changed files it starts again. Memory does not grow
with the cohort, because the ledger is on the disk.
"""

import csv
import fcntl
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, TypeVar

from fusqa import __version__
from fusqa.cohorts.reading import Input
from fusqa.files import no_room_named, to_json, whole
from fusqa.masks.labels import SCHEMES
from fusqa.masks.measurement import Measurement
from fusqa.models.checkpoints import Card, TrainedNetwork

RECORDS = b"2"  # counts the changes of what a record holds: an unfinished run with other records starts again
_FORMULA = ("=", "+", "-", "@", "\t")
"""First characters of a cell that a spreadsheet would run as a formula."""

Result = TypeVar("Result")
Progress = Callable[[Iterable[Result], int], Iterable[Result]]


class TableBusy(ValueError):
    """Another run writes the same table."""


class Ledger:
    """The results of a run, one JSON record per line of a file.

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
        with no_room_named(Path(self._lines.name)):
            self._lines.write(json.dumps(entry) + "\n")
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
def ledger(
    model: TrainedNetwork,
    cases: Input,
    out: Path,
    progress: Progress[Result],
    record: Callable[[Result], Mapping[str, Any]],
) -> Iterator[Ledger]:
    """Let a model go through every case, and give the finished ledger to write files from; afterwards it is removed.

    Parameters
    ----------
    model : TrainedNetwork
        Called with `cases` and how many to `skip`, it yields a result for each of the others, in order.
    cases : Input
        What it goes through.
    out : Path
        The table that will be written; the ledger lies beside it.
    progress : callable
        Wraps the results and takes how many are there already, as ``tqdm.tqdm`` does with ``initial``.
    record : callable
        One result as plain values, as :func:`fusqa.assessment.scores.record`.

    Raises
    ------
    TableBusy
        If another run is writing `out`.
    """
    key = run_key(model.card, cases)  # first: it refuses what cannot be read, and then leaves nothing behind
    out.parent.mkdir(parents=True, exist_ok=True)
    kept = ledger_path(out)
    with kept.open("a+", encoding="utf-8") as lines:
        try:
            fcntl.flock(lines, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TableBusy(f"{out} is being written by another run; wait for it, or give another name") from None
        records = Ledger(lines)
        done = records.take_over(key)
        for result in progress(model(cases, skip=done), done):
            records.add(record(result))
        yield records
        kept.unlink(missing_ok=True)


def ledger_path(out: Path) -> Path:
    """Where the ledger of a table lies while it is not finished."""
    return out.with_name(f".{out.name}.partial")


def run_key(card: Card, cases: Input) -> str:
    """Name a run by its model and by what is read: the first line of its ledger; errors as :meth:`Input.usable_by`."""
    about = f"{__version__} {to_json(card)}".encode()  # the card: its threshold may have been changed by hand
    return hashlib.sha256(RECORDS + about + cases.usable_by(SCHEMES[card.scheme]).digest()).hexdigest()


def measured(found: Measurement | None) -> dict[str, Any]:
    """Length and gestational age as plain values, None for what is not known."""
    age = found.gestational_age if found else None
    return {
        "length_mm": rounded(found.mm, 3) if found else None,
        "ends": [[round(float(at), 2) for at in end] for end in found.ends] if found else None,
        "ga_days": rounded(age.days, 2) if age else None,
        "ga_sd_days": rounded(age.sd, 2) if age else None,
    }


def rounded(value: float | None, decimals: int) -> float | None:
    """Round a number for a table; None for NaN."""
    return None if value is None or math.isnan(value) else round(float(value), decimals)


def write_table(records: Iterable[Mapping[str, Any]], names: Sequence[str], out: Path) -> int:
    """Write the CSV table with the named columns, whole or not at all; return how many rows have faults."""
    faulty = 0
    with whole(out) as part, part.open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, names, lineterminator="\n")
        table.writeheader()
        for entry in records:
            faulty += bool(entry["faults"])
            table.writerow({name: _cell(entry.get(name)) for name in names})
    return faulty


def _cell(value: Any) -> Any:
    """A value as a cell: sentences joined, yes or no, and an apostrophe before what a spreadsheet would run.

    A carriage return is written out: Python's writer does not quote it, and readers end the row at it.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = "; ".join(value) if isinstance(value, list) else value
    if not isinstance(text, str):
        return text
    return ("'" * text.startswith(_FORMULA) + text).replace("\r", "\\r")
