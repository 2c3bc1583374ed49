"""The book on paper: all pages in one PDF file, printed by the Chromium or Chrome of this machine.

::

    python -m fusqa.publishing print build/quick/book      # build/quick/book/source -> build/quick/book/fusqa.pdf
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

__all__ = ["BROWSERS", "PrintError", "browser", "print_book"]

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MINUTES = 10  # that a browser may take to lay out all pages


class PrintError(RuntimeError):
    """The book cannot be printed; the message says why."""


def browser() -> str | None:
    """Return the path of the Chromium or Chrome of this machine, None where there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def print_book(book: Path) -> Path:
    """Print a laid-out book; the file appears whole or not at all.

    Parameters
    ----------
    book : Path
        ``build/<profile>/book``, with the folder ``source`` that :func:`fusqa.publishing.binding.assemble` laid out.

    Returns
    -------
    Path
        The PDF file.

    Raises
    ------
    PrintError
        Without a browser, without a laid-out book, or where one of the tools fails.
    """
    chromium = browser()
    if chromium is None:
        raise PrintError(f"none of {', '.join(BROWSERS)} is installed; on Debian: apt-get install chromium")
    if not (book / "source/_toc.yml").is_file():
        raise PrintError(f"{book} holds no book; make it first: make book PROFILE={book.parent.name}")
    with tempfile.TemporaryDirectory(dir=book, prefix=".printing-") as scratch:
        single = Path(scratch) / "html"
        sphinx = Path(sys.executable).with_name("jupyter-book")
        build = [sphinx, "build", book / "source", "--path-output", single, "--builder", "singlehtml", "--quiet"]
        _run(build, cwd=book / "source")
        page = single / "_build/singlehtml/book/intro.html"  # named after the first page, the root of _toc.yml
        printed = Path(scratch) / "fusqa.pdf"
        # root has no sandbox to run in, and /dev/shm is small in a container
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-pdf-header-footer"]
        _run([chromium, *options, f"--user-data-dir={scratch}/profile", f"--print-to-pdf={printed}", page.as_uri()])
        if not printed.is_file():
            raise PrintError(f"{chromium} printed nothing of {page}")
        os.replace(printed, book / "fusqa.pdf")
    return book / "fusqa.pdf"


def _run(command: Sequence[str | Path], cwd: Path | None = None) -> None:
    """Run a tool; raise :class:`PrintError` with what it said where it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=MINUTES * 60)
    if done.returncode:
        raise PrintError(f"{Path(command[0]).name} failed:\n{done.stdout}{done.stderr}")
