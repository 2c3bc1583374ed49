"""Verdicts -> one CSV table, whole or not at all; a run that was killed goes on where it stopped.

While a run is at work its verdicts lie, a line each, in a hidden file beside the table. The next run of the same model
over the same cohort takes them over; another model, or a changed cohort, begins anew.
"""

import csv
import fcntl
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from fusqa.assess import Assessor, Verdict
from fusqa.criteria import RULES
from fusqa.files import whole
from fusqa.manifest import CASES, INFO

__all__ = ["ScoresBusy", "columns", "read_scores", "write_scores"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would run."""


class ScoresBusy(ValueError):
    """Another run writes the same table."""


def columns(scheme: str) -> list[str]:
    """Names of the table's columns for cohorts of a scheme, in order."""
    rules = [rule.name for rule in RULES[scheme]]
    measured = ["length_mm", "ga_days", "ga_sd_days", "criteria_met", "criteria", *rules]
    return [
        "line",
        "case",
        "patient",
        "probability",
        "verdict",
        "threshold",
        *measured,
        "reasons",
        "warnings",
        "faults",
    ]


def write_scores(
    assessor: Assessor, cohort: Path, out: Path, progress: Callable[[Iterable[Verdict], int], Iterable[Verdict]]
) -> int:
    """Write the verdicts on every row of a cohort; return how many rows have none.

    Parameters
    ----------
    assessor : Assessor
        The model.
    cohort : Path
        Folder of the cohort.
    out : Path
        The CSV file to write; what lies there is replaced at the end.
    progress : callable
        Wraps the verdicts, told how many are there already, as ``tqdm.tqdm`` does with ``initial``.

    Raises
    ------
    ScoresBusy
        If another run is writing `out`.
    ValueError
        As :meth:`fusqa.assess.Assessor.__call__`.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    kept = out.with_name(f".{out.name}.partial")
    with kept.open("a+", encoding="utf-8") as lines:
        try:
            fcntl.flock(lines, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ScoresBusy(f"{out} is being written by another run; wait for it, or give another name") from None
        done = _take_over(lines, _key(assessor, cohort))
        for verdict in progress(assessor(cohort, skip=done), done):
            lines.write(json.dumps(_record(verdict), ensure_ascii=False) + "\n")
            lines.flush()
        faulty = _publish(lines, out, columns(assessor.card.scheme))
        kept.unlink(missing_ok=True)
    return faulty


def read_scores(out: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a table that :func:`write_scores` wrote, as text."""
    with out.open(encoding="utf-8", newline="") as rows:
        yield from csv.DictReader(rows)


def _key(assessor: Assessor, cohort: Path) -> str:
    """What verdicts depend on: the weights, and the two files that say what the cohort is."""
    digest = hashlib.sha256(assessor.card.sha256.encode())
    for name in (CASES, INFO):
        if (cohort / name).is_file():
            digest.update((cohort / name).read_bytes())
    return digest.hexdigest()


def _take_over(lines: TextIO, key: str) -> int:
    """Keep the whole lines of an earlier run with the same key, else begin anew; return how many verdicts are kept."""
    lines.seek(0)
    if lines.readline().rstrip("\n") != key:
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


def _record(verdict: Verdict) -> dict[str, Any]:
    """One verdict as a row: plain values, None where there is none."""
    found = verdict.found
    age = found.gestational_age if found else None
    row = {
        "line": verdict.line,
        "case": verdict.case,
        "patient": verdict.patient,
        "probability": _number(verdict.probability, 6),
        "verdict": verdict.verdict,
        "threshold": _number(verdict.threshold, 6),
        "length_mm": _number(found.mm, 3) if found else None,
        "ga_days": _number(age.days, 2) if age else None,
        "ga_sd_days": _number(age.sd, 2) if age else None,
        "criteria_met": found.met if found else None,
        "criteria": found.of if found else None,
    }
    if found:
        row |= {name: "yes" if one["met"] else "no" for name, one in found.criteria.items()}
    said = {"reasons": verdict.reasons, "warnings": verdict.warnings, "faults": verdict.faults}
    return row | {name: "; ".join(map(str, sentences)) for name, sentences in said.items()}


def _number(value: float | None, decimals: int) -> float | None:
    return None if value is None or math.isnan(value) else round(float(value), decimals)


def _publish(lines: TextIO, out: Path, names: list[str]) -> int:
    """Turn the finished lines into the table; return how many rows have no verdict."""
    lines.seek(0)
    lines.readline()
    faulty = 0
    with whole(out) as part, part.open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, names, lineterminator="\n")
        table.writeheader()
        for line in lines:
            row = json.loads(line)
            faulty += not row["verdict"]
            table.writerow({name: _safe(row.get(name)) for name in names})
    return faulty


def _safe(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
