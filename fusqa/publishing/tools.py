"""The programs that publishing calls, what keeps two calls apart, and the error that says in words what is missing."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

WEAKER = "weaker.npz"
DRAWN_AGAIN = ("errors.npz", WEAKER)
"""Ends of the names of files with images that are not published, since they follow from the cohort."""

TO_BE_EXECUTED = 3
"""Status of `restore` where the edition has nothing that a run could be taken from; no other fault ends with it."""

MINUTES = 60  # that a program may take


class PublishingError(RuntimeError):
    """Something cannot be bound, printed or published; the message says what is missing and what to do."""


@contextmanager
def alone(folder: Path, doing: str) -> Iterator[None]:
    """Let one call at a time work in a folder, which must exist; another one raises :class:`PublishingError`.

    The lock ends with the process that holds it, so a killed one locks nobody out.
    """
    held = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PublishingError(f"another call is {doing} in {folder}; wait for its end") from None
        yield
    finally:
        os.close(held)


@contextmanager
def scratch_in(folder: Path, prefix: str) -> Iterator[Path]:
    """Give a new folder inside `folder`, where the caller is :func:`alone`; what a killed call left goes first."""
    for left in folder.glob(f"{prefix}*"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=folder) as scratch:
        yield Path(scratch)


def put_in_place(made: Path, place: Path, aside: Path) -> None:
    """Move `made` to `place`, and what was there to `aside`; where that fails, what was there is put back."""
    if place.exists():
        place.rename(aside)
    try:
        made.rename(place)
    except BaseException:
        if aside.exists():
            aside.rename(place)
        raise


def run(command: Sequence[str | Path], failure: str, cwd: Path | None = None) -> None:
    """Run a program in silence.

    Raises
    ------
    PublishingError
        Where it fails: `failure`, and what the program said; where it takes longer than :data:`MINUTES`.
    """
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=MINUTES * 60)
    except subprocess.TimeoutExpired:
        raise PublishingError(f"{failure}: it was still at work after {MINUTES} minutes and was ended") from None
    if done.returncode:
        raise PublishingError(f"{failure}:\n{done.stdout}{done.stderr}")


def jupyter_book(source: Path, scratch: Path, builder: str) -> Path:
    """Build a laid-out book, every warning a failure; return the folder of its pages.

    Parameters
    ----------
    source : Path
        What :func:`fusqa.publishing.binding.assemble` laid out.
    scratch : Path
        Folder to build in.
    builder : {"html", "singlehtml", "epub"}
        A page for each chapter, one page with all, or a file for readers of electronic books.

    Raises
    ------
    PublishingError
        If Jupyter Book fails.
    """
    program = Path(sys.executable).with_name("jupyter-book")
    strict = ["--warningiserror", "--keep-going", "--quiet"]
    own = [builder] if builder != "epub" else ["custom", "--custom-builder", builder]  # it knows ePub by way of Sphinx
    places = [source.resolve(), "--path-output", scratch.resolve()]  # it is run in the folder of the source
    command = [program, "build", *places, "--builder", *own, *strict]
    run(command, f"Jupyter Book could not build {source}", cwd=source)
    return scratch / "_build" / builder
