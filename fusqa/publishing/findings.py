"""What an edition shows, in sentences: each with numbers from its result files, and with what must hold of them.

The sentences of an edition are written in ``book/findings/<edition>.yaml``, page by page; those of a page
``notebooks/…`` are about simulated fetuses, those of ``hc18/…`` about that cohort. No number is typed into them:
a sentence names its figures. ``python -m fusqa.publishing tell EDITION`` looks them up and writes the sentences to
``results/<edition>/findings.json``, from where the book takes them. It refuses a sentence that its figures do not
support, and a test finds sentences that have parted from their results.
"""

from collections.abc import Callable
from functools import cache, partial, reduce
from itertools import pairwise
from pathlib import Path
from string import Formatter
from typing import Any

from pydantic import Field, model_validator

from fusqa.evaluation.comparison import TrainedRow, trained_rows
from fusqa.files import ROOT, write_json
from fusqa.publishing.contents import COHORT_IN
from fusqa.publishing.teaching import Entry, read_table
from fusqa.publishing.tools import PublishingError
from fusqa.study.learning import CONTROL, LEARNT
from fusqa.study.results import Edition, Study
from fusqa.study.shelf import FINDINGS

THRESHOLD = "validation"  # a row's figures are at the threshold that was chosen on site A


class Figure(Entry):
    """Where one number comes from: a figure of merit of a row on the test set, or an entry of a result file.

    Attributes
    ----------
    row, merit : str
        A row of the edition, or "autoencoder", and one of :data:`fusqa.metrics.MERITS`: the mean over its seeds.
    result, at : str and tuple
        Name of a result file, and what leads to the number in it: keys, and of a table the line with these entries,
        ``{score: Shape features}``, as text.
    scale : float
        What the number is multiplied with, such as 100 for per cent.
    per : Figure, optional
        What the number is divided by, such as the number of all masks.
    """

    row: str | None = None
    merit: str | None = None
    result: str | None = None
    at: tuple[str | dict[str, str], ...] = ()
    scale: float = 1.0
    per: "Figure | None" = None

    @model_validator(mode="after")
    def _one_source(self) -> "Figure":
        if bool(self.row and self.merit) == bool(self.result and self.at):
            raise ValueError("a figure names either row and merit, or result and at")
        return self


class Finding(Entry):
    """One sentence of a chapter, and what must hold for it.

    Attributes
    ----------
    says : str
        The sentence, with the names of its figures in braces: ``{paper:.2f}``.
    figures : dict of str to Figure
        Where each number comes from.
    rising : tuple of tuples of str
        Figures of each are in rising order.
    within : dict of str to (float, float)
        Least and largest value of a figure for which the sentence is still right.
    """

    says: str
    figures: dict[str, Figure] = Field(min_length=1)
    rising: tuple[tuple[str, ...], ...] = ()
    within: dict[str, tuple[float, float]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _every_name_has_a_figure(self) -> "Finding":
        named = {name for _, name, _, _ in Formatter().parse(self.says) if name} | set().union(
            *self.rising, self.within
        )
        if unknown := named - set(self.figures):
            raise ValueError(f"{sorted(unknown)} are none of its figures")
        return self

    def wrong(self, values: dict[str, float]) -> list[str]:
        """Return what does not hold of `values`, in words; empty where all does."""
        fallen = [order for order in self.rising if not all(values[a] < values[b] for a, b in pairwise(order))]
        outside = [name for name, (low, high) in self.within.items() if not low <= values[name] <= high]
        return [
            *(" < ".join(f"{name} {values[name]:.4g}" for name in order) + " does not hold" for order in fallen),
            *(f"{name} is {values[name]:.4g}, not within {self.within[name]}" for name in outside),
        ]


def tell(edition: Path) -> Path:
    """Write the sentences of the edition in a folder, with its numbers in them; return the file.

    Raises
    ------
    PublishingError
        As :func:`findings`.
    """
    written, made = ROOT / f"book/findings/{edition.name}.yaml", edition / FINDINGS
    write_json(made, findings(written, partial(Edition, edition)))
    return made


def read_findings(path: Path) -> dict[str, tuple[Finding, ...]]:
    """Read the findings of an edition by page; errors as :func:`fusqa.publishing.teaching.read_table`."""
    return read_table(path, dict[str, tuple[Finding, ...]])


def findings(path: Path, edition_of: Callable[[str], Study]) -> dict[str, list[str]]:
    """Return the sentences of an edition by page, with its numbers in them.

    Parameters
    ----------
    path : Path
        The file of the sentences.
    edition_of : callable
        Returns the edition's results on a cohort.

    Raises
    ------
    PublishingError
        Where a number is not there, is of a row that has not learnt, or does not support its sentence.
    """
    edition_of = cache(edition_of)
    rows_of = cache(lambda cohort: trained_rows(edition_of(cohort)))
    said: dict[str, list[str]] = {}
    for chapter, written in read_findings(path).items():
        cohort = COHORT_IN[chapter.partition("/")[0]]
        for one in written:
            where = f"{path}: {chapter}: “{one.says}”"
            try:
                values = {name: _value(figure, edition_of(cohort), rows_of) for name, figure in one.figures.items()}
            except (LookupError, FileNotFoundError, ZeroDivisionError) as error:
                raise PublishingError(f"{where}: not in the edition: {error}") from None
            if wrong := one.wrong(values):
                raise PublishingError(f"{where}: {'; '.join(wrong)}; write the sentence anew")
            said.setdefault(chapter, []).append(one.says.format(**values))
    return said


def _value(figure: Figure, edition: Study, rows_of: Callable[[str], dict[str, TrainedRow]]) -> float:
    """Look a figure up, and what it is divided by."""
    number = figure.scale * _number(figure, edition, rows_of)
    return number / _value(figure.per, edition, rows_of) if figure.per else number


def _number(figure: Figure, edition: Study, rows_of: Callable[[str], dict[str, TrainedRow]]) -> float:
    """Find a figure's number in a result, or as the mean over a row's trainings."""
    if figure.result:
        found: Any = reduce(_part, figure.at, edition.result(figure.result))
        try:
            # a printed figure has its interval on a second line, and a small p an upper limit
            return float(str(found).split()[0].lstrip("<"))
        except ValueError:
            raise LookupError(f"{figure.result}: {figure.at}: {found!r} is no number") from None
    row = rows_of(edition.cohort)[figure.row]
    if not row.testable or row.verdict not in (LEARNT, CONTROL):
        raise PublishingError(f"nothing may be concluded from {row.title}: {row.verdict}")
    return row.report(THRESHOLD).mean[figure.merit]


def _part(found: Any, step: str | dict[str, str]) -> Any:
    """Go one step into a result: to an entry by its key, or to the line of a table by what stands in it."""
    if isinstance(step, str):
        if not isinstance(found, dict):
            raise LookupError(f"{step!r} of what has no entries")
        return found[step]
    if not isinstance(found, list):
        raise LookupError(f"a line with {step} of what is no table")
    lines = [line for line in found if all(str(line.get(key)) == entry for key, entry in step.items())]
    if len(lines) != 1:
        raise LookupError(f"{len(lines)} lines with {step}, and a figure is of one")
    return lines[0]
