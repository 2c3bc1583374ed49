"""``python -m fusqa.publishing VERB``: what the workflow and the Makefile call.

Modules are imported by the verb that needs them: the process that executes a notebook waits for its kernel, which
loads the study itself.
"""

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer
import yaml
from click import Context
from typer.core import TyperGroup

from fusqa.files import ROOT
from fusqa.publishing.tools import TO_BE_EXECUTED, PublishingError


class Verbs(TyperGroup):
    """Verbs that say in words what a user can put right, without a traceback, and end with status 1."""

    def invoke(self, context: Context) -> object:
        """Run one verb."""
        try:
            return super().invoke(context)
        except (PublishingError, OSError, ValueError, yaml.YAMLError) as error:
            typer.echo(error, err=True)
            raise typer.Exit(1) from None


app = typer.Typer(cls=Verbs, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
SHOWN = 5  # missing results that are named
BuildOption = Annotated[Path, typer.Option(help="Where studies are kept.")]


def parameters(settings: list[str] | None) -> dict:
    """Parameters of a notebook from words name=value."""
    given = (setting.partition("=") for setting in settings or [])
    return {key: yaml.safe_load(value) for key, _, value in given}


@app.command()
def execute(
    notebook: Annotated[Path, typer.Argument(help="Notebook to execute.")],
    output: Annotated[Path, typer.Argument(help="Its executed copy.")],
    settings: Annotated[list[str] | None, typer.Argument(help="Parameters, as name=value; a value is YAML.")] = None,
) -> None:
    """Execute one notebook, whole or not at all."""
    from fusqa.publishing.execution import execute

    execute(notebook, output, parameters(settings))


@app.command()
def restore(
    notebook: Annotated[Path, typer.Argument(help="Notebook of a chapter.")],
    output: Annotated[Path, typer.Argument(help="Where its executed copy is wanted.")],
    settings: Annotated[list[str] | None, typer.Argument(help="Parameters, as name=value; a value is YAML.")] = None,
) -> None:
    """Take a run from the published edition; end with a status of its own where it must be executed."""
    from fusqa.publishing.restoring import restore

    if not restore(notebook, output, parameters(settings)):
        raise typer.Exit(TO_BE_EXECUTED)


@app.command()
def estimate(
    profile: Annotated[str, typer.Argument(help="Profile of the study.")],
    out: Annotated[Path, typer.Argument(help="CSV table to write, one row per job.")],
) -> None:
    """Time what the jobs of a study are made of, and say how long it will take."""
    from fusqa.publishing.estimation import write_estimate

    write_estimate(profile, out)


@app.command()
def bind(
    profile: Annotated[str, typer.Option(help="Profile whose study is bound.")] = "quick",
    source: Annotated[Path, typer.Option(help="The project's folder.")] = Path("."),
    build: BuildOption = Path("build"),
) -> None:
    """Bind the executed notebooks of a study into its book."""
    from fusqa.publishing.binding import bind_study

    typer.echo(f"The book is at {bind_study(profile, source, build)}")


@app.command()
def read(
    edition: Annotated[str | None, typer.Option(help="Published edition; the largest where none is named.")] = None,
    source: Annotated[Path, typer.Option(help="The project's folder.")] = Path("."),
    build: BuildOption = Path("build"),
) -> None:
    """Bind a published edition into its book; nothing is computed."""
    from fusqa.publishing.binding import bind_edition

    typer.echo(f"The book is at {bind_edition(edition or None, source, build)}")


@app.command("print")
def print_pdf(book: Annotated[Path, typer.Argument(help="Folder of a bound book: build/PROFILE/book.")]) -> None:
    """Print a bound book into one PDF file."""
    from fusqa.publishing.printing import print_book

    typer.echo(f"printed: {print_book(book)}")


@app.command()
def epub(book: Annotated[Path, typer.Argument(help="Folder of a bound book: build/PROFILE/book.")]) -> None:
    """Pack a bound book into one ePub file."""
    from fusqa.publishing.printing import write_epub

    typer.echo(f"packed: {write_epub(book)}")


@app.command()
def publish(
    profile: Annotated[str, typer.Argument(help="Profile whose study is published.")],
    build: BuildOption = Path("build"),
    place: Annotated[Path, typer.Option(help="Where editions are kept.")] = Path("results"),
) -> None:
    """Publish a study, finished or half-way, as the edition of its profile."""
    from fusqa.publishing.editions import publish

    made = publish(profile, build, place)
    typer.echo(f"published: {made.folder}, {made.results} results; commit it")
    if (ROOT / f"book/findings/{made.folder.name}.yaml").is_file():
        typer.echo(f"write its findings anew: python -m fusqa.publishing tell {made.folder}")
    if made.replaced:
        typer.echo(f"no longer part of it, since of other code or settings: {made.replaced}")
    if made.missing:
        more = len(made.missing) - SHOWN
        typer.echo(f"not there yet: {', '.join(made.missing[:SHOWN])}" + f" and {more} more" * (more > 0))


@app.command("tell")
def tell_findings(
    edition: Annotated[Path, typer.Argument(help="Folder of a published edition: results/EDITION.")],
) -> None:
    """Write what an edition shows, the sentences of book/findings with their numbers, and draw its picture."""
    from fusqa.publishing.findings import tell
    from fusqa.publishing.problem import draw_problem

    made = filter(None, (tell(edition), draw_problem(edition)))
    typer.echo(f"written: {', '.join(map(str, made))}")


@app.command()
def unpack(
    edition: Annotated[Path, typer.Argument(help="Folder of a published edition: results/EDITION.")],
    build: BuildOption = Path("build"),
    images: Annotated[int, typer.Option(min=1, help="How many images of site A to draw again.")] = 100,
) -> None:
    """Lay out a published edition as a study, for a class that runs chapters without training."""
    from tqdm import tqdm

    from fusqa.publishing.unpacking import unpack

    profile = unpack(edition, build, images, lambda numbers: tqdm(numbers, unit="image", disable=None))
    given = (f"-p {name} {quote(str(path.resolve()))}" for name, path in (("profile", profile), ("build", build)))
    typer.echo(f"unpacked; run notebooks with: {' '.join(given)}")


@app.command()
def students(folder: Annotated[Path, typer.Argument(help="Folder to write to.")]) -> None:
    """Write the notebooks without the answers to their exercises."""
    from fusqa.publishing.students import write_students

    written = write_students(ROOT / "notebooks", folder)
    typer.echo(f"{len(written)} notebooks without answers are in {folder}")


if __name__ == "__main__":
    app(prog_name="python -m fusqa.publishing")
