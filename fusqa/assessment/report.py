"""Verdicts -> one HTML page that opens anywhere: summary, table to sort and filter, thumbnails of the worst masks.

Nothing is loaded: style, script and images are part of the file. Every text from outside is escaped.
"""

import html
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from fusqa.assessment.ledger import Ledger
from fusqa.assessment.marking import Marker
from fusqa.assessment.promise import Promise
from fusqa.cohorts.manifest import legible
from fusqa.cohorts.reading import Case, Input
from fusqa.figures.page_images import MARKED, encoded, line_between, thumbnail
from fusqa.files import whole
from fusqa.masks.labels import Scheme
from fusqa.models.checkpoints import Card
from fusqa.problems import CohortError

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
RIGHT = (
    "Right within: no farther than that from an expert's length. It holds as far as the measured patients are like the "
    "others, as when they were drawn at random."
)


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
    page = Template((Path(__file__).with_name("report.html")).read_text(encoding="utf-8"))
    head, body = page.safe_substitute(
        title=_text(legible(cases.folder.resolve().name)),
        summary=_summary(verdicts, promise),
        model=_model(card),
        head=_head(),
        legend=_legend(cases.scheme, marker),
    ).split("$rows")
    middle, tail = body.split("$pictures")
    with whole(out) as part, part.open("w", encoding="utf-8") as stream:
        stream.write(head)
        stream.writelines(_row(promise(verdicts.at(place))) for _, _, place in order)
        stream.write(middle)
        stream.writelines(_pictures(verdicts, promise, order, cases, marker))
        stream.write(tail)


def _text(text: str) -> str:
    """Text from outside, made safe for the template: neither markup nor a placeholder."""
    return html.escape(text).replace("$", "&#36;")


def _summary(verdicts: Ledger, promise: Promise) -> str:
    """How many of each verdict, and how far their lengths may be off, in words."""
    counts: Counter[str] = Counter()
    for entry in verdicts:
        counts[entry["verdict"] or "no verdict"] += 1
        counts["with warnings"] += bool(entry["warnings"])
    named = ("good", "poor", "no verdict", "with warnings")
    listed = "".join(f"<li><b>{counts[name]}</b> {name}</li>" for name in named)
    return f"<ul>{listed}</ul><p>{_text(promise.summary())}.</p><p>{RIGHT}</p>"


def _model(card: Card) -> str:
    """What is known of the model, as a list of terms."""
    facts = {
        "network": ", ".join(str(card.arguments[key]) for key in ("topology", "backbone") if key in card.arguments)
        or card.kind,
        "side of its images": f"{card.size} px",
        "sees": " and ".join(card.sees),
        "learnt from": str(card.training.get("material", "–")),
        "threshold": f"{card.threshold:.3f}, chosen on {card.training.get('chosen_on', 'validation')}",
        "commit": str(card.provenance.get("commit") or "–")[:10],
    }
    return "".join(f"<dt>{_text(what)}</dt><dd>{_text(much)}</dd>" for what, much in facts.items())


def _legend(scheme: Scheme, marker: Marker | None) -> str:
    """What the colours in the thumbnails mean, and how many thumbnails there are at most."""
    colours = "".join(f"<span style='border-color: {label.colour}'>{label.name}</span>" for label in scheme.labels)
    marks = f"<span style='border-color: {MARKED}'>probably wrong, by the error map</span>" if marker else ""
    return f"{colours}{marks} white: the measured line; the {PICTURES} least trusted masks at most"


def _head() -> str:
    return "".join(f"<th scope='col'><button type='button'>{title}</button></th>" for title in SHOWN.values())


def _row(entry: Mapping[str, Any]) -> str:
    """One line of the table."""
    cells = "".join(f"<td>{_shown(name, entry[name])}</td>" for name in SHOWN)
    return f"<tr class='{entry['verdict'] or 'none'}'>{cells}</tr>\n"


def _shown(name: str, value: Any) -> str:
    """One cell: numbers rounded, sentences joined, markup escaped."""
    if value is None:
        return ""
    return NUMBERS[name].format(value) if name in NUMBERS else html.escape(_joined(value))


def _joined(value: Any) -> str:
    return "; ".join(value) if isinstance(value, list) else str(value)


def _seen(case: Case, line: bool, marked: bool) -> str:
    """What a thumbnail shows, in words."""
    kind, own = ("Image", ["its mask"]) if case.image is not None else ("Mask", [])
    extras = own + ["the measured line"] * line + ["what the error map marks as wrong"] * marked
    return f"{kind} {html.escape(case.case)}" + (f" with {', '.join(extras)}" if extras else "")


def _pictures(
    verdicts: Ledger, promise: Promise, order: Sequence[tuple[float, int, int]], cases: Input, marker: Marker | None
) -> Iterator[str]:
    """Yield thumbnails of the least trusted masks that can be read."""
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
        name, trust = html.escape(entry["case"]), f"p = {entry['probability']:.3f}"
        why = html.escape(_joined(entry["reasons"]) or "every criterion is met")
        yield (
            f"<figure class='{entry['verdict']}'><img loading='lazy' "
            f"src='{encoded(thumbnail(case, cases.scheme, HEIGHT, line, marked))}' "
            f"alt='{_seen(case, line is not None, marked is not None)}'><figcaption><b>{name}</b>: {entry['verdict']}, "
            f"{trust}<br>{html.escape(promise.sentence(entry))}<br>{why}</figcaption></figure>\n"
        )
