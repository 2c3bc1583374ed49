"""The command ``fusqa``: every verb reads its arguments, calls one function, and prints what that returns.

Exit status: 0 all is well; 1 the cohort has problems; 2 the command was misused, or a file cannot be used.
Modules are imported by the verb that needs them, so that ``fusqa --help`` answers at once.
"""

import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from fusqa.assessment.verdicts import Verdict
    from fusqa.problems import Problem

__all__ = ["app"]

PROBLEMS, UNUSABLE = 1, 2  # exit status


class Site(StrEnum):
    """Sites of :mod:`fusqa.simulator.hospitals`."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"


class SplitName(StrEnum):
    """Splits of :mod:`fusqa.cohorts.hc18`."""

    HASH = "hash"
    TRIMESTER = "trimester"


class SchemeName(StrEnum):
    """Schemes of :mod:`fusqa.masks.labels`."""

    fetus = "fetus"
    head = "head"


CASES = {Site.A: 696, Site.B: 226, Site.C: 100, Site.D: 226}  # the paper's, and chosen

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback is for a fault of ours, and then plain and whole
)
importing = typer.Typer(help="Turn a public data set into a cohort.", no_args_is_help=True)
app.add_typer(importing, name="import")


@contextmanager
def _mistakes(file: Path | None = None) -> Iterator[None]:
    """Tell a user's mistake in words, without a traceback; `file` is named where the words do not name it.

    By contract every ``ValueError`` of the package, :class:`fusqa.problems.CohortError` among them, tells the mend.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        said = str(error) if file is None or str(file) in str(error) else f"{file}: {error}"
        typer.echo(f"fusqa: {said}", err=True)
        raise typer.Exit(UNUSABLE) from None


def _bar(rows: Iterable, **more: object) -> Iterable:
    """Go through rows behind a progress bar, where somebody may watch; none is left at the end."""
    from tqdm import tqdm

    return tqdm(rows, disable=None, leave=False, **more)


def _version(wanted: bool) -> None:
    if wanted:
        from fusqa import __version__

        typer.echo(f"fusqa {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Fetal ultrasound segmentation quality assessment."""
    # What other readers remark on a strange file is for programmers; what is wrong with it we say ourselves.
    warnings.filterwarnings("ignore", module=r"PIL|pydicom|nibabel")
    for reader in ("PIL", "pydicom", "nibabel"):
        logging.getLogger(reader).setLevel(logging.CRITICAL)


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to write the cohort to.")],
    site: Annotated[
        Site, typer.Option(help="A simulated hospital: the paper's two; C, like neither; D, for development.")
    ] = Site.A,
    cases: Annotated[
        int | None,
        typer.Option(min=1, help="How many images; as many as the paper had if not given, 100 of C, 226 of D."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another cohort.")] = 0,
) -> None:
    """Draw a simulated cohort of first-trimester fetuses, with masks and true crown-rump lengths."""
    from tqdm import tqdm

    from fusqa.simulator.cases import simulate

    count = cases or CASES[site]
    with _mistakes(), tqdm(total=count, disable=None, leave=False) as bar:
        cohort = simulate(out, str(site), count, seed, progress=lambda done, total: bar.update())
    typer.echo(f"{out}: {len(cohort)} cases of {cohort.table['patient'].nunique()} patients")


@importing.command()
def hc18(
    folder: Annotated[Path, typer.Argument(help="HC18 as unpacked from doi.org/10.5281/zenodo.1327317.")],
    out: Annotated[Path, typer.Argument(help="Folder to write the cohort to.")],
    split: Annotated[
        SplitName, typer.Option(help="Site B: a third of the patients (hash), or the first trimester (trimester).")
    ] = SplitName.HASH,
) -> None:
    """Import HC18, real pictures of fetal heads, and report what was odd about them."""
    from fusqa.cohorts.hc18 import import_hc18

    with _mistakes():
        report = import_hc18(folder, out, str(split), progress=_bar)
    typer.echo(report)


class _Spacing(TyperCommand):
    """A command whose ``--spacing`` takes one number or two, while an option as such takes always as many."""

    def parse_args(self, ctx: object, args: list[str]) -> list[str]:
        """Write the option again before a number that follows another: ``--spacing 0.2 --spacing 0.15``."""
        written: list[str] = []
        follows = False  # whether the last argument was a number of --spacing
        for arg in args:
            written += ["--spacing", arg] if follows and _is_number(arg) else [arg]
            follows = written[-2:-1] == ["--spacing"] or arg.startswith("--spacing=")
        return super().parse_args(ctx, written)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


LabelsOption = Annotated[
    str | None,
    typer.Option(metavar="NUMBER=NAME,…", help="What the masks' own numbers stand for, such as 1=body,2=head."),
]
SpacingOption = Annotated[
    list[str] | None,
    typer.Option(metavar="ROW [COL]", help="Millimetres a pixel, in a folder whose files do not say."),
]


@app.command(cls=_Spacing)
def check(
    cohort: Annotated[Path, typer.Argument(help="Folder with cases.csv and cohort.json, or with pictures and masks.")],
    scheme: Annotated[SchemeName | None, typer.Option(help="What the labels mean; a cohort says so itself.")] = None,
    labels: LabelsOption = None,
    spacing: SpacingOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print the problems as JSON.")] = False,
) -> None:
    """Read a cohort, or a folder of pictures and masks, every file of it, and list all that is wrong."""
    from fusqa.cohorts.reading import check_folder
    from fusqa.files import to_json
    from fusqa.masks.labels import SCHEMES
    from fusqa.problems import CohortError

    meant, pixel, status = scheme and SCHEMES[scheme], _spacing(spacing) if spacing else None, PROBLEMS
    with _mistakes():
        try:
            problems = check_folder(cohort, meant, labels, pixel, _bar)
        except CohortError as error:
            problems, status = list(error.problems), UNUSABLE
    if json:
        typer.echo(to_json(problems))
    else:
        typer.echo(_table(problems) if problems else f"{cohort}: nothing is wrong")
    if problems:
        raise typer.Exit(status)


@app.command(cls=_Spacing)
def assess(
    cohort: Annotated[Path, typer.Argument(help="Folder with cases.csv and cohort.json, or with pictures and masks.")],
    model: Annotated[Path, typer.Option(help="Folder of a model: card.json and weights.safetensors.")],
    out: Annotated[Path, typer.Option(help="Table to write, a row a case.")] = Path("scores.csv"),
    report: Annotated[Path | None, typer.Option(help="HTML page to write, one file for reading offline.")] = None,
    json: Annotated[Path | None, typer.Option(help="The same for a program, with the model's card.")] = None,
    labels: LabelsOption = None,
    spacing: SpacingOption = None,
) -> None:
    """Judge every mask of a folder by a trained model; a run that was cut off goes on where it stopped."""
    import cv2

    from fusqa.assessment.ledger import ledger, write_json_scores, write_table
    from fusqa.assessment.report import write_report
    from fusqa.assessment.verdicts import Assessor
    from fusqa.cohorts.reading import Intake

    cv2.setNumThreads(1)  # batches are judged side by side: threads within one of them would be in the way
    with _mistakes():
        assessor = Assessor.load(model)
        card, pixel = assessor.card, _spacing(spacing) if spacing else None
        intake = Intake.open(cohort, assessor.scheme, labels, pixel)

        def progress(verdicts: Iterable["Verdict"], done: int) -> Iterable["Verdict"]:
            return _bar(verdicts, total=len(intake), initial=done)

        with ledger(assessor, intake, out, progress) as verdicts:
            faulty = write_table(verdicts, card.scheme, out)
            if json:
                write_json_scores(verdicts, {"cohort": cohort.resolve().name, "model": card}, json)
            if report:
                write_report(verdicts, intake, card, report)
    typer.echo(f"{out}: {len(intake) - faulty} verdicts, {faulty} cases without one")
    if faulty:
        typer.echo("Why, stands in the column 'faults'.")
        raise typer.Exit(PROBLEMS)


@app.command()
def train(
    cohort: Annotated[Path, typer.Argument(help="Folder with cases.csv and cohort.json; masks are an expert's.")],
    out: Annotated[Path, typer.Option(help="Folder to write the model to.")],
    row: Annotated[
        str, typer.Option(help="Row of the grid: topology-backbone-scratch or -pretrained, and a recipe.")
    ] = "single-resnet18-scratch",
    predictions: Annotated[
        Path | None, typer.Option(help="Folder of a segmenter's masks of the same cases, for rows that end in -errors.")
    ] = None,
    labels: LabelsOption = None,
    profile: Annotated[
        str, typer.Option(help="How long, how large: quick or classroom to try it, paper to use it, or a file.")
    ] = "classroom",
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another split and another model.")] = 0,
) -> None:
    """Train a quality model on a cohort of your own."""
    from fusqa.assessment.own_training import train_on
    from fusqa.cohorts.cohort import Cohort
    from fusqa.models.backbones import WeightsUnavailable
    from fusqa.study.profile import Profile
    from fusqa.study.rows import row_named

    with _mistakes():
        try:
            trained = train_on(
                Cohort.open(cohort), row_named(row), out, Profile.read(profile), seed, predictions, labels,
                lambda cases: _bar(cases, desc="masks"),
            )  # fmt: skip
        except WeightsUnavailable as error:
            raise ValueError(str(error)) from None
    card, report = trained.card, trained.report
    low, high = report["intervals"]["auroc"]
    typer.echo(trained.history.round(3).to_string(index=False))
    typer.echo(
        f"{out}: AUROC {report['auroc']:.3f} ({low:.2f} to {high:.2f}) on {card.training['chosen_on']}, "
        f"threshold {card.threshold:.3f}"
    )
    typer.echo(f"Use it: fusqa assess COHORT --model {out} --out scores.csv --report report.html")


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="Folder of a model: card.json and weights.safetensors.")],
    out: Annotated[Path, typer.Argument(help="ONNX file to write.")],
) -> None:
    """Write a model as ONNX, for programs that are not written in Python, and check that it answers alike."""
    from fusqa.assessment.onnx_file import export
    from fusqa.assessment.verdicts import Assessor

    with _mistakes():
        assessor = Assessor.load(model)
        apart = export(assessor.model, assessor.card, out)
    typer.echo(f"{out}: probabilities differ from the model's by {apart:.1g} at most; the card is in its metadata")


def _table(problems: "Sequence[Problem]") -> str:
    """Lay problems out in three columns, one a line whatever the terminal's width, so that `grep` can be used."""
    cells = [("line", "file", "problem")]
    cells += [(str(item.row or ""), item.file, f"{item.message}; {item.mend}") for item in problems]
    wide = max(len(file) for _, file, _ in cells)
    return "\n".join(f"{line:>5}  {file:<{wide}}  {text}" for line, file, text in cells)


@app.command(cls=_Spacing)
def measure(
    mask: Annotated[Path, typer.Argument(help="Labels as 8-bit grey PNG, in the picture's own size.")],
    spacing: Annotated[
        list[str],
        typer.Option(metavar="ROW [COL]", help="Millimetres a pixel; two numbers if they differ."),
    ],
    scheme: Annotated[SchemeName, typer.Option(help="What the labels mean.")] = SchemeName.fetus,
) -> None:
    """Measure one mask and print the length, the gestational age and the image criteria as JSON."""
    from fusqa.cohorts.pictures import read_mask
    from fusqa.files import to_json
    from fusqa.masks.labels import SCHEMES
    from fusqa.masks.measurement import describe

    numbers = _spacing(spacing)
    with _mistakes(mask):
        found = describe(read_mask(mask), numbers, SCHEMES[scheme])
    typer.echo(to_json(found))


def _spacing(values: Sequence[str]) -> tuple[float, float]:
    """Turn ``["0.2"]``, ``["0.2,0.15"]`` or ``["0.2", "0.15"]`` into (row_mm, col_mm)."""
    texts = [text for value in values for text in value.split(",")]
    if not (1 <= len(texts) <= 2 and all(map(_is_number, texts))):
        raise typer.BadParameter("give one number or two, such as 0.2 or 0.2 0.15", param_hint="--spacing")
    row_mm, col_mm = map(float, (texts[0], texts[-1]))
    return row_mm, col_mm
