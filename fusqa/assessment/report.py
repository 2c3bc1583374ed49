"""Verdicts -> one HTML page that opens anywhere: summary, table to sort and filter, thumbnails of the worst masks.

Nothing is loaded: style, script and images are part of the file. Jinja escapes every text.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment

from fusqa.assessment.ledger import Ledger
from fusqa.assessment.marking import Marker
from fusqa.assessment.promise import Promise
from fusqa.cohorts.manifest import legible
from fusqa.cohorts.reading import Case, Input
from fusqa.figures.page_images import MARKED, encoded, line_between, thumbnail
from fusqa.files import whole
from fusqa.models.checkpoints import Card
from fusqa.problems import CohortError
from fusqa.study.catalogue import COHORTS

PICTURES = 200  # of the least trusted masks; more would make the page heavy
HEIGHT = 170  # pixels of each
SHOWN = {
    "verdict": "verdict", "case": "case", "patient": "patient", "probability": "probability", "length_mm": "length, mm",
    "ga_days": "age, days", "ga_sd_days": "± days", "within_mm": "right within, mm",
    "within_days": "right within, days", "criteria_met": "criteria met", "unfamiliar": "unfamiliar",
    "reasons": "reasons", "warnings": "warnings", "faults": "faults",
}  # fmt: skip
NUMBERS = {
    "probability": "{:.3f}", "length_mm": "{:.1f}", "ga_days": "{:.1f}", "ga_sd_days": "{:.1f}",
    "within_mm": "{:.3f}", "within_days": "{:.3f}", "unfamiliar": "{:.2f}",
}  # fmt: skip


def write_report(
    verdicts: Ledger, promise: Promise, cases: Input, card: Card, out: Path, marker: Marker | None = None
) -> None:
    """Write the report of a run, whole or not at all.

    Parameters
    ----------
    verdicts : Ledger
        What was said of every case.
    promise : Promise
        How far their lengths may be off.
    cases : Input
        What was judged; its images are read once more, one at a time.
    card : Card
        The model's.
    out : Path
        The HTML file.
    marker : Marker, optional
        An error map, which outlines what is probably wrong in each image.
    """
    order = verdicts.by_trust()
    template = Path(__file__).with_name("report.html").read_text(encoding="utf-8")
    page = Environment(autoescape=True, trim_blocks=True).from_string(template)
    parts = page.generate(
        title=legible(cases.folder.resolve().name),
        counts=_counts(verdicts),
        promised=promise.summary(),
        facts=_facts(card),
        labels=cases.scheme.labels,
        marked=MARKED if marker else "",
        most=PICTURES,
        columns=SHOWN,
        cell=_cell,
        rows=(promise(verdicts.at(place)) for _, _, place in order),
        pictures=_pictures(verdicts, promise, order, cases, marker),
    )
    with whole(out) as part, part.open("w", encoding="utf-8") as stream:
        stream.writelines(parts)


def _counts(verdicts: Ledger) -> dict[str, int]:
    """How many of each verdict."""
    counts = dict.fromkeys(("good", "poor", "no verdict", "with warnings"), 0)
    for entry in verdicts:
        counts[entry["verdict"] or "no verdict"] += 1
        counts["with warnings"] += bool(entry["warnings"])
    return counts


def _facts(card: Card) -> dict[str, str]:
    """What is known of the model, and what it is worth."""
    trained_on = COHORTS.get(str(card.provenance.get("cohort")))
    return {
        "network": ", ".join(str(card.arguments[key]) for key in ("topology", "backbone") if key in card.arguments)
        or card.kind,
        "side of its images": f"{card.size} px",
        "sees": " and ".join(card.sees),
        "trained on": trained_on.title if trained_on else str(card.provenance.get("cohort", "–")),
        "learnt from": str(card.training.get("material", "–")),
        "has it learnt its task?": str(card.training.get("learnt", "–")),
        "AUROC": "; ".join(f"{on} {value:.2f}" for on, value in card.metrics.items() if value is not None) or "–",
        "threshold": f"{card.threshold:.3f}, chosen on {card.training.get('chosen_on', 'validation')}",
        "commit": str(card.provenance.get("commit") or "–")[:10],
    }


def _cell(name: str, value: Any) -> str:
    """One cell: numbers rounded, sentences joined."""
    if value is None:
        return ""
    return "; ".join(value) if isinstance(value, list) else NUMBERS.get(name, "{}").format(value)


def _seen(case: Case, line: bool, marked: bool) -> str:
    """What a thumbnail shows, in words."""
    kind, own = ("Image", ["its mask"]) if case.image is not None else ("Mask", [])
    extras = own + ["the measured line"] * line + ["what the error map marks as wrong"] * marked
    return f"{kind} {case.case}" + (f" with {', '.join(extras)}" if extras else "")


def _pictures(
    verdicts: Ledger, promise: Promise, order: Sequence[tuple[float, int, int]], cases: Input, marker: Marker | None
) -> Iterator[dict[str, Any]]:
    """Yield what is shown of the least trusted masks that can be read."""
    left = PICTURES
    for _, number, place in order:
        if not left:
            return
        entry = promise(verdicts.at(place))
        if not entry["verdict"]:
            continue
        try:
            case = cases.read(cases.rows[number])
        except CohortError:
            continue
        left -= 1
        line = entry["ends"] and line_between(entry["ends"])
        marked = marker.marked(case) if marker and case.image is not None else None
        image = encoded(thumbnail(case, cases.scheme, HEIGHT, line, marked))
        seen = _seen(case, line is not None, marked is not None)
        yield {"entry": entry, "image": image, "seen": seen, "said": promise.sentence(entry)}
