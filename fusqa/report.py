"""A table of verdicts -> one HTML page that opens anywhere: summary, table to sort and filter, the worst masks first.

Nothing is loaded: style, script and pictures are part of the file. Every text from outside is escaped.
"""

import html
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from string import Template

from fusqa.checkpoints import Card
from fusqa.cohort import CohortError, entries, read_case
from fusqa.files import whole
from fusqa.scorefile import read_scores
from fusqa.thumbnails import encoded, thumbnail

__all__ = ["write_report"]

PICTURES = 200  # of the least trusted masks; more would make the page heavy
HEIGHT = 170  # pixels of a picture
SHOWN = {
    "verdict": "verdict", "case": "case", "patient": "patient", "probability": "probability", "length_mm": "length, mm",
    "ga_days": "age, days", "ga_sd_days": "± days", "criteria_met": "criteria met", "reasons": "reasons",
    "warnings": "warnings", "faults": "faults",
}  # fmt: skip
NUMBERS = {"probability": "{:.3f}", "length_mm": "{:.1f}", "ga_days": "{:.1f}", "ga_sd_days": "{:.1f}"}


def write_report(scores: Path, cohort: Path, card: Card, out: Path) -> None:
    """Write the report of a table of verdicts, whole or not at all.

    Parameters
    ----------
    scores : Path
        Table of :func:`fusqa.scorefile.write_scores`.
    cohort : Path
        The cohort that was assessed; its pictures are read once more, one at a time.
    card : Card
        The model's.
    out : Path
        The HTML file.
    """
    rows = sorted(read_scores(scores), key=_trust)
    page = Template((Path(__file__).with_name("report.html")).read_text(encoding="utf-8"))
    head, body = page.safe_substitute(
        title=_text(cohort.resolve().name), summary=_summary(rows), model=_model(card), head=_head()
    ).split("$rows")
    middle, tail = body.split("$pictures")
    with whole(out) as part, part.open("w", encoding="utf-8") as stream:
        stream.write(head)
        stream.writelines(map(_row, rows))
        stream.write(middle)
        stream.writelines(_pictures(rows, cohort))
        stream.write(tail)


def _text(text: str) -> str:
    """Text from outside as it may stand in the template: neither markup nor a place to fill."""
    return html.escape(text).replace("$", "&#36;")


def _trust(row: dict[str, str]) -> float:
    """Order of the report: least trusted first, what has no verdict before everything."""
    return float(row["probability"] or -1)


def _summary(rows: Sequence[dict[str, str]]) -> str:
    """How many of each verdict, in words."""
    counts = Counter(row["verdict"] or "no verdict" for row in rows)
    said = [f"<li><b>{counts[name]}</b> {name}</li>" for name in ("good", "poor", "no verdict")]
    doubtful = sum(bool(row["warnings"]) for row in rows)
    return f"<ul>{''.join(said)}<li><b>{doubtful}</b> with warnings</li></ul>"


def _model(card: Card) -> str:
    """What is known of the model, as a list of terms."""
    facts = {
        "network": ", ".join(str(card.arguments.get(key, "")) for key in ("topology", "backbone")),
        "side of its pictures": f"{card.size} px",
        "sees": " and ".join(card.sees),
        "learnt from": str(card.training.get("material", "–")),
        "threshold": f"{card.threshold:.3f}, chosen on {card.training.get('chosen_on', 'validation')}",
        "commit": str(card.provenance.get("commit", "–"))[:10],
    }
    return "".join(f"<dt>{_text(what)}</dt><dd>{_text(much)}</dd>" for what, much in facts.items())


def _head() -> str:
    return "".join(f"<th scope='col'><button type='button'>{title}</button></th>" for title in SHOWN.values())


def _row(row: dict[str, str]) -> str:
    """One line of the table."""
    shown = (
        NUMBERS[name].format(float(row[name])) if name in NUMBERS and row[name] else html.escape(row[name])
        for name in SHOWN
    )
    return f"<tr class='{row['verdict'] or 'none'}'>{''.join(f'<td>{text}</td>' for text in shown)}</tr>\n"


def _pictures(rows: Iterable[dict[str, str]], cohort: Path) -> Iterator[str]:
    """Yield the pictures of the least trusted masks that can be read."""
    scheme, known = entries(cohort)
    at = {str(row.line): row for row, faults in known if not faults}
    left = PICTURES
    for row in rows:
        if not left or not row["verdict"]:
            continue
        try:
            case = read_case(cohort, at[row["line"]], scheme)
        except (CohortError, KeyError):
            continue
        left -= 1
        name, trust = html.escape(row["case"]), f"p = {float(row['probability']):.3f}"
        why = html.escape(row["reasons"] or "every criterion is met")
        yield (
            f"<figure class='{row['verdict']}'><img loading='lazy' src='{encoded(thumbnail(case, scheme, HEIGHT))}' "
            f"alt='Picture {name} with its mask and the measured line'><figcaption><b>{name}</b>: {row['verdict']}, "
            f"{trust}<br>{why}</figcaption></figure>\n"
        )
