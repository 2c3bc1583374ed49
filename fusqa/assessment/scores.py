"""A verdict as one row of a table, and verdicts as a JSON file for a program."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fusqa.assessment.ledger import measured, rounded
from fusqa.assessment.verdicts import Verdict
from fusqa.files import to_json, whole
from fusqa.masks.reviewing import RULES


def columns(scheme: str) -> list[str]:
    """Names of the table's columns for masks of a scheme, in order."""
    rules = [rule.name for rule in RULES[scheme]]
    return [
        *("line", "case", "patient", "probability", "verdict", "threshold", "unfamiliar"),
        *("length_mm", "ga_days", "ga_sd_days", "within_mm", "within_days", "measure_mm"),
        *("criteria_met", "criteria", *rules),
        *("reasons", "warnings", "faults"),
    ]


def record(verdict: Verdict) -> dict[str, Any]:
    """One verdict as plain values, None for what is not known.

    How far the length may be off is not among them: it is known when all cases are
    (:class:`fusqa.assessment.promise.Promise`).
    """
    found = verdict.found
    row = {
        "line": verdict.line,
        "case": verdict.case,
        "patient": verdict.patient,
        "probability": rounded(verdict.probability, 6),
        "verdict": verdict.verdict,
        "threshold": rounded(verdict.threshold, 6),
        "unfamiliar": rounded(verdict.unfamiliar, 4),
        **measured(found),
        "measure_mm": rounded(verdict.measure_mm, 3),
        "criteria_met": found.met if found else None,
        "criteria": found.of if found else None,
    }
    if found:
        row |= {name: one["met"] for name, one in found.criteria.items()}
    said = {"reasons": verdict.reasons, "warnings": verdict.warnings, "faults": verdict.faults}
    return row | {name: [str(sentence) for sentence in sentences] for name, sentences in said.items()}


def write_json_scores(records: Iterable[Mapping[str, Any]], about: Mapping[str, Any], out: Path) -> None:
    """Write the verdicts for a program to read, whole or not at all: `about` the run, and ``verdicts``, a list."""
    head = to_json(dict(about)).removesuffix("\n}")
    with whole(out) as part, part.open("w", encoding="utf-8") as stream:
        stream.write(head + ',\n  "verdicts": [')
        for number, entry in enumerate(records):
            stream.write((",\n    " if number else "\n    ") + json.dumps(entry, ensure_ascii=False))
        stream.write("\n  ]\n}\n")
