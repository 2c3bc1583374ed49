"""The command ``fusqa``: every verb reads its arguments, calls one function, and prints what that returns.

Exit status: 0 all is well; 1 the cohort has problems, or weights are missing; 2 the command was misused, or a file
cannot be used.
Modules are imported by the verb that needs them, so that ``fusqa --help`` answers at once.
"""

import io
import logging
import re
import shlex
import socket
import sys
import warnings
from collections.abc import Callable, Container, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from fusqa.cohorts.reading import Input
    from fusqa.models.weights import ImageNetWeights
    from fusqa.problems import Problem

PROBLEMS, UNUSABLE = 1, 2  # exit status
PATIENCE_S = 30  # chosen: after so many silent seconds a server counts as unreachable


# The names are repeated here, so that --help need not load the modules that define them.
Site = Literal["A", "B", "C", "D"]  # fusqa.simulator.hospitals
SplitName = Literal["hash", "trimester"]  # fusqa.cohorts.hc18
SchemeName = Literal["fetus", "head"]  # fusqa.masks.labels

CASES = {"A": 696, "B": 226, "C": 100, "D": 226}  # the paper's, and chosen


class _Verbs(TyperGroup):
    """Verbs that report a user's mistake in words, without a traceback.

    By contract every ``ValueError`` of the package, :class:`fusqa.problems.CohortError` among them, states the fix.
    """

    def invoke(self, context: typer.Context) -> object:
        """Run one verb."""
        try:
            return super().invoke(context)
        except BrokenPipeError:  # nobody reads on: click ends in silence
            raise
        except (ValueError, OSError) as error:
            typer.echo(f"fusqa: {error}", err=True)
            raise typer.Exit(UNUSABLE) from None


app = typer.Typer(
    cls=_Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # only a fault of ours shows a traceback, plain and whole
)
importing = typer.Typer(help="Turn a public data set into a cohort.", no_args_is_help=True)
app.add_typer(importing, name="import")


def _bar(rows: Iterable, **more: object) -> Iterable:
    """Go through rows with a progress bar on a terminal; it is removed at the end."""
    from tqdm import tqdm

    return tqdm(rows, disable=None, leave=False, **more)


def _bar_over(cases: "Input") -> Callable[[Iterable, int], Iterable]:
    """Return a progress bar for a run over cases, of which some may have been done before."""
    return lambda results, done: _bar(results, total=len(cases), initial=done)


def _require_files(*outputs: Path | None) -> None:
    """Refuse what is no file, or one file for two things, before the work and not after."""
    from fusqa.files import require_writable_as_file

    given = [path for path in outputs if path]
    for path in given:
        require_writable_as_file(path)
    if len({path.resolve() for path in given}) < len(given):
        raise ValueError(f"{' and '.join(map(str, given))} are the same file; give each output a name of its own")


def _require_no_input(read: Container[Path], *outputs: Path | None) -> None:
    """Refuse to write over what is read."""
    for path in filter(None, outputs):
        if path.resolve() in read:
            raise ValueError(f"{path} is among the files that are read, and would be lost; give another name")


def _model_files(model: Path) -> set[Path]:
    """Files of a model, given by its folder or its published name."""
    from fusqa.study.shelf import model_folder

    return {file.resolve() for file in model_folder(model).iterdir()}


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
    for stream in (sys.stdout, sys.stderr):  # a file's name may hold what a terminal's encoding does not
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # What other readers log about a strange file is for programmers; our own messages say what is wrong with it.
    warnings.filterwarnings("ignore", module=r"PIL|pydicom|nibabel")
    for reader in ("PIL", "pydicom", "nibabel"):
        logging.getLogger(reader).setLevel(logging.CRITICAL)


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to write the cohort to.")],
    site: Annotated[
        Site, typer.Option(help="A simulated hospital: the paper's two; C, like neither; D, for development.")
    ] = "A",
    cases: Annotated[
        int | None,
        typer.Option(min=1, help="How many images; as many as the paper had if not given, 100 for C, 226 for D."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another cohort.")] = 0,
) -> None:
    """Draw a simulated cohort of first-trimester fetuses, with masks and true crown-rump lengths."""
    from fusqa.simulator.cases import simulate

    cohort = simulate(out, site, cases or CASES[site], seed, _bar)
    typer.echo(f"{out}: {len(cohort)} cases of {cohort.table['patient'].nunique()} patients")


@importing.command()
def hc18(
    folder: Annotated[Path, typer.Argument(help="HC18 as unpacked from doi.org/10.5281/zenodo.1327317.")],
    out: Annotated[Path, typer.Argument(help="Folder to write the cohort to.")],
    split: Annotated[
        SplitName, typer.Option(help="Site B: a third of the examinations (hash), or the first trimester (trimester).")
    ] = "hash",
) -> None:
    """Import HC18, real images of fetal heads, and report what was odd about them."""
    from fusqa.cohorts.hc18 import import_hc18

    report = import_hc18(folder, out, split, progress=_bar)
    typer.echo(report)


class _Spacing(TyperCommand):
    """A command whose ``--spacing`` takes one number or two; Typer's own options take a fixed number of values."""

    def parse_args(self, ctx: object, args: list[str]) -> list[str]:
        """Write the option again before a number that follows another: ``--spacing 0.2 --spacing 0.15``.

        A number that is the name of a folder or file here stays what it is.
        """
        written: list[str] = []
        follows = False  # whether the last argument was a number of --spacing
        for arg in args:
            written += ["--spacing", arg] if follows and _is_number(arg) and not Path(arg).exists() else [arg]
            follows = written[-2:-1] == ["--spacing"] or arg.startswith("--spacing=")
        return super().parse_args(ctx, written)


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return text.isascii() and "_" not in text  # as fusqa.cohorts.manifest.decimal, which --help need not load


SchemeOption = Annotated[
    SchemeName | None, typer.Option(help="What the labels mean: a cohort states it; fetus if nothing does.")
]
LabelsOption = Annotated[
    str | None,
    typer.Option(metavar="NUMBER=NAME,…", help="What the masks' own numbers stand for, such as 1=body,2=head."),
]
SpacingOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ROW [COL]", help="Millimetres per pixel, where no table lists the images; before the files'."
    ),
]
InputArgument = Annotated[
    Path, typer.Argument(help="Cohort (folder with cases.csv and cohort.json), folder of images and masks, or a mask.")
]


def _given(scheme: str | None, labels: str | None, spacing: list[str] | None) -> tuple:
    """Return what a user says of the files, as :meth:`fusqa.cohorts.reading.Input.open` takes it after the path."""
    from fusqa.masks.labels import SCHEMES

    return scheme and SCHEMES[scheme], labels, _spacing(spacing) if spacing else None


@app.command(cls=_Spacing)
def check(
    cohort: InputArgument,
    scheme: SchemeOption = None,
    labels: LabelsOption = None,
    spacing: SpacingOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print what was looked at and the problems as JSON.")] = False,
) -> None:
    """Read every image and mask, say what was looked at, and list all that is wrong."""
    from fusqa.cohorts.checking import look_through
    from fusqa.cohorts.reading import Input
    from fusqa.files import to_json

    cases = Input.open(cohort, *_given(scheme, labels, spacing))
    found = look_through(cases, _bar)
    problems = found.problems
    if json:
        typer.echo(to_json(found))
    else:
        typer.echo(found)
        for file, warning in found.warnings:
            typer.echo(f"beware: {file}: {warning}")
        typer.echo(_table(problems) if problems else f"{cohort}: nothing is wrong")
    if problems:
        raise typer.Exit(PROBLEMS if cases.rows or (cohort / "cases.csv").is_file() else UNUSABLE)


@app.command(cls=_Spacing)
def segment(
    cohort: Annotated[
        Path, typer.Argument(help="Cohort (folder with cases.csv and cohort.json), folder of images, or an image.")
    ],
    model: Annotated[Path, typer.Option(help="Folder of a segmenter: card.json and weights.safetensors.")],
    out: Annotated[Path, typer.Option(help="Folder to write the masks and the table segmented.csv to.")],
    spacing: SpacingOption = None,
) -> None:
    """Draw a mask of every image by a trained segmenter; a run that was cut off continues where it stopped."""
    import cv2

    from fusqa.assessment.images import open_images
    from fusqa.assessment.segmenting import TABLE, TrainedSegmenter, write_masks

    cv2.setNumThreads(1)  # as in assess
    segmenter = TrainedSegmenter.load(model)
    cases = open_images(cohort, *_given(segmenter.card.scheme, None, spacing))
    faulty = write_masks(segmenter, cases, out, _bar_over(cases))
    typer.echo(f"{out}: {len(cases) - faulty} masks, {faulty} cases without one; {TABLE} lists them")
    judged = ["fusqa", "assess", str(cohort), "--predictions", str(out), "--model", "QUALITY_MODEL"]
    typer.echo(f"Judge them: {shlex.join([*judged, *(['--spacing', *spacing] if spacing else [])])}")
    if faulty:
        typer.echo("The column 'faults' says why.")
        raise typer.Exit(PROBLEMS)


@app.command(cls=_Spacing)
def assess(
    cohort: InputArgument,
    model: Annotated[
        Path, typer.Option(help="Folder of a model, card.json and weights.safetensors, or name of a published one.")
    ],
    out: Annotated[Path, typer.Option(help="Table to write, one row per case.")] = Path("scores.csv"),
    report: Annotated[Path | None, typer.Option(help="HTML page to write, one file for reading offline.")] = None,
    json: Annotated[Path | None, typer.Option(help="The same for a program, with the model's card.")] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(help="Folder of a segmenter's masks, named as the cases: judged in place of COHORT's."),
    ] = None,
    scheme: SchemeOption = None,
    labels: LabelsOption = None,
    spacing: SpacingOption = None,
) -> None:
    """Judge every mask by a trained model; a run that was cut off continues where it stopped."""
    import cv2

    from fusqa.assessment.images import open_images, with_masks
    from fusqa.assessment.ledger import ledger, write_table
    from fusqa.assessment.marking import Marker
    from fusqa.assessment.promise import ALPHA, Promise
    from fusqa.assessment.report import write_report
    from fusqa.assessment.scores import columns, record, write_json_scores
    from fusqa.assessment.segmenting import TABLE
    from fusqa.assessment.verdicts import Assessor
    from fusqa.cohorts.manifest import legible
    from fusqa.cohorts.reading import Input
    from fusqa.study.learning import NOT_LEARNT, STILL_LEARNING
    from fusqa.study.shelf import model_folder

    _require_files(out, report, json)
    cv2.setNumThreads(1)  # batches are judged side by side: threads within one of them would be in the way
    assessor = Assessor.load(model)
    if (verdict := assessor.card.training.get("learnt")) in (STILL_LEARNING, NOT_LEARNT):
        typer.echo(f"Do not trust what follows: the training of this model ended as “{verdict}”.", err=True)
    given = cohort, *_given(scheme or assessor.card.scheme, labels, spacing)
    cases = Input.open(*given)
    read = cases.files() | _model_files(model)
    if predictions:
        cases = with_masks(open_images(*given), predictions)
        read |= cases.files() | {(predictions / TABLE).resolve()}
    _require_no_input(read, out, report, json)
    with ledger(assessor, cases, out, _bar_over(cases), record) as verdicts:
        promise = Promise(verdicts, assessor.scheme, cases.listed)
        faulty = write_table(map(promise, verdicts), columns(assessor.card.scheme), out)
        if json:
            about = {"cohort": legible(cohort.resolve().name), "model": assessor.card, "alpha": ALPHA}
            write_json_scores(map(promise, verdicts), about, json)
        if report:
            marker = Marker.beside(model_folder(model), assessor.card.scheme)
            write_report(verdicts, promise, cases, assessor.card, report, marker)
        promised = promise.lines(map(promise, verdicts))
    for line in (f"{out}: {len(cases) - faulty} verdicts, {faulty} cases without one", *promised):
        typer.echo(line)
    if faulty:
        typer.echo("The column 'faults' says why.")
        raise typer.Exit(PROBLEMS)


@app.command(cls=_Spacing)
def train(
    cohort: InputArgument,
    out: Annotated[Path, typer.Option(help="Folder to write the model to.")],
    row: Annotated[
        str, typer.Option(help="Row of the grid: topology-backbone-scratch or -pretrained, and a recipe.")
    ] = "single-resnet18-scratch",
    predictions: Annotated[
        Path | None,
        typer.Option(help="Folder of a segmenter's masks of the same cases, for rows that learn from its errors."),
    ] = None,
    prediction_labels: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER=NAME,…", help="What the numbers of the predictions stand for; as --labels if not given."
        ),
    ] = None,
    scheme: SchemeOption = None,
    labels: LabelsOption = None,
    spacing: SpacingOption = None,
    profile: Annotated[
        str,
        typer.Option(
            help="How long to train: quick or classroom to try it, paper on a graphics card for serious use; or a file."
        ),
    ] = "classroom",
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another split and another model.")] = 0,
) -> None:
    """Train a quality model on images and expert masks of your own."""
    from fusqa.assessment.own_training import train_on
    from fusqa.cohorts.cohort import Cohort
    from fusqa.study.profile import Profile
    from fusqa.study.rows import row_named

    cases = Cohort.open(cohort, *_given(scheme, labels, spacing))
    if not (cohort / "cases.csv").is_file():
        typer.echo("No table names the patients: every image counts as one of a patient of its own.", err=True)
    result = train_on(
        cases, row_named(row), out, Profile.read(profile), seed, predictions, prediction_labels,
        lambda cases: _bar(cases, desc="masks"),
    )  # fmt: skip
    typer.echo(result)
    typer.echo(f"Use it: fusqa assess COHORT --model {shlex.quote(str(out))} --out scores.csv --report report.html")


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="Folder of a model, or the name of a published one, such as fetus.")],
    out: Annotated[Path, typer.Argument(help="ONNX file to write.")],
) -> None:
    """Write a model as ONNX, for programs that are not written in Python, and check that it answers alike."""
    from fusqa.assessment.onnx_file import export
    from fusqa.assessment.verdicts import Assessor

    _require_files(out)
    assessor = Assessor.load(model)
    _require_no_input(_model_files(model), out)
    apart = export(assessor.model, assessor.card, out)
    typer.echo(f"{out}: probabilities differ from the model's by {apart:.1g} at most; the card is in its metadata")


@app.command()
def weights(
    folder: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FOLDER",
            exists=True,
            file_okay=False,
            help="Copy the files from here, where somebody has put them under their own names, instead of downloading.",
        ),
    ] = None,
) -> None:
    """Fetch the ImageNet weights of every backbone, check each file, and say what is missing."""
    from fusqa.models.backbones import BACKBONES
    from fusqa.models.weights import READY, fetch

    socket.setdefaulttimeout(PATIENCE_S)
    watched = sys.stderr.isatty()
    faults = []
    for backbone in BACKBONES.values():
        if watched:
            typer.echo(backbone.title, err=True)  # torch's bar does not say what it fetches
        try:
            fetch(backbone.source.weights(), folder, progress=watched)
        except OSError as error:
            faults.append(f"{backbone.title}: {error}")
    found = {backbone.title: backbone.source.weights() for backbone in BACKBONES.values()}
    cells = [(title, one.file.name, f"{one.mebibytes:.0f}", one.where, one.state) for title, one in found.items()]
    typer.echo(_columns([("backbone", "file", "MiB", "where", "state"), *cells]))
    if not faults:
        return
    typer.echo("\n".join(["", *faults]), err=True)
    if lacking := [one for one in found.values() if one.url and one.state != READY]:
        typer.echo(_by_hand(lacking), err=True)
    raise typer.Exit(PROBLEMS)


def _by_hand(lacking: "Sequence[ImageNetWeights]") -> str:
    """Say how files that could not be fetched come into torch's cache."""
    addresses = "\n".join(f"    {one.url}" for one in lacking)
    return (
        f"\nBy hand: download these where there is a network, and bring them here in one folder.\n{addresses}\n"
        f"This checks them and copies them to {lacking[0].file.parent}:\n    fusqa weights --from FOLDER"
    )


def _columns(rows: Sequence[Sequence[str]]) -> str:
    """Lay rows of text out in columns, each as wide as its widest cell."""
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, wide)).rstrip() for row in rows)


def _table(problems: "Sequence[Problem]") -> str:
    """Lay problems out in three columns, one line per problem at any terminal width, so that `grep` can be used."""
    cells = ((str(item.row or ""), item.file, f"{item.message}; {item.fix}") for item in problems)
    return _columns([("line", "file", "problem"), *cells])


@app.command(cls=_Spacing)
def measure(
    mask: Annotated[Path, typer.Argument(help="Mask in any format, in the image's own size.")],
    scheme: SchemeOption = None,
    labels: LabelsOption = None,
    spacing: SpacingOption = None,
) -> None:
    """Measure one mask and print the length, the gestational age and the image criteria as JSON."""
    from fusqa.cohorts.reading import Input
    from fusqa.files import to_json

    found = Input.open(mask, *_given(scheme, labels, spacing)).measure()
    typer.echo(to_json(found))


def _spacing(values: Sequence[str]) -> tuple[float, float]:
    """Turn ``["0.2"]``, ``["0.2,0.15"]`` or ``["0.2", "0.15"]`` into (row_mm, col_mm).

    ``0,68`` is a number with a decimal comma: no spacing is 0, so it can be nothing else. ``1,2`` can be either.
    """
    values = [re.sub(r"^0,(\d+)$", r"0.\1", value.strip()) for value in values]
    texts = [text for value in values for text in value.split(",")]
    unclear = any(re.fullmatch(r"\d+,\d+", value) for value in values)
    if unclear or not (1 <= len(texts) <= 2 and all(map(_is_number, texts))):
        hint = "give one number or two, with decimal points, such as 0.2 or 0.2 0.15"
        raise typer.BadParameter(hint, param_hint="--spacing")
    row_mm, col_mm = map(float, (texts[0], texts[-1]))
    return row_mm, col_mm
