"""``python -m fusqa.publishing VERB``: what the workflow and the Makefile call.

Modules are imported by the verb that needs them: the process that executes a notebook waits for its kernel, which
loads the study itself.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer
import yaml

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def fail(error: Exception) -> None:
    """Say why, without a traceback, and end with status 1."""
    print(error, file=sys.stderr)
    raise typer.Exit(1) from None


@app.command()
def execute(
    notebook: Annotated[Path, typer.Argument(help="Notebook to execute.")],
    output: Annotated[Path, typer.Argument(help="Its executed copy.")],
    settings: Annotated[list[str] | None, typer.Argument(help="Parameters, as name=value.")] = None,
) -> None:
    """Execute one notebook, whole or not at all."""
    from fusqa.publishing.execution import execute

    given = (setting.partition("=") for setting in settings or [])
    execute(notebook, output, {key: yaml.safe_load(value) for key, _, value in given})


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
    build: Annotated[Path, typer.Option(help="Where studies are kept.")] = Path("build"),
) -> None:
    """Bind the executed notebooks of a study into its book."""
    from fusqa.publishing.binding import BookError, bind_study

    try:
        place = bind_study(profile, source, build)
    except BookError as error:
        fail(error)
    typer.echo(f"The book is at {place}")


@app.command("print")
def print_pdf(book: Annotated[Path, typer.Argument(help="Folder of a bound book: build/PROFILE/book.")]) -> None:
    """Print a bound book into one PDF file."""
    from fusqa.publishing.printing import PrintError, print_book

    try:
        file = print_book(book)
    except PrintError as error:
        fail(error)
    typer.echo(f"printed: {file}")


@app.command()
def publish(
    profile: Annotated[str, typer.Argument(help="Profile whose study is published.")],
    build: Annotated[Path, typer.Option(help="Where studies are kept.")] = Path("build"),
) -> None:
    """Make a finished study the published edition."""
    from fusqa.publishing.editions import EditionError, publish

    try:
        folder = publish(profile, build)
    except EditionError as error:
        fail(error)
    typer.echo(f"published: {folder}; commit it")


@app.command()
def students(folder: Annotated[Path, typer.Argument(help="Folder to write to.")]) -> None:
    """Write the notebooks without the answers to their exercises."""
    from fusqa.files import ROOT
    from fusqa.publishing.pages import write_students

    written = write_students(ROOT / "notebooks", folder)
    typer.echo(f"{len(written)} notebooks without answers are in {folder}")


if __name__ == "__main__":
    app(prog_name="python -m fusqa.publishing")
