"""The book away from a browser: one PDF file, printed by the Chromium or Chrome of this machine, and one ePub.

::

    python -m fusqa.publishing print build/quick/book      # build/quick/book/source -> fusqa.pdf and handout.pdf there
    python -m fusqa.publishing epub build/quick/book       # build/quick/book/source -> fusqa.epub there
"""

import os
import shlex
import shutil
import tempfile
from pathlib import Path

from fusqa.files import whole
from fusqa.publishing.tools import PublishingError, alone, jupyter_book, run, scratch_in

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def browser() -> str | None:
    """Return the path of the Chromium or Chrome of this machine, None where there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def print_book(book: Path) -> Path:
    """Print a laid-out book, and beside it ``handout.pdf``; each file appears whole or not at all.

    Parameters
    ----------
    book : Path
        ``build/<profile>/book``, with the folder ``source`` that :func:`fusqa.publishing.binding.assemble` laid out.

    Returns
    -------
    Path
        The PDF file of the book.

    Raises
    ------
    PublishingError
        Without a browser, without a laid-out book, or where one of the tools fails.
    """
    chromium = browser()
    if chromium is None:
        raise PublishingError(f"none of {', '.join(BROWSERS)} is installed; on Debian: apt-get install chromium")
    _require_laid_out(book)
    with alone(book, "printing"), scratch_in(book, ".printing-") as scratch:
        pages = jupyter_book(book / "source", scratch, "singlehtml")
        print_page(chromium, pages / "book/intro.html", book / "fusqa.pdf")  # the root of _toc.yml
        print_page(chromium, pages / "slides/handout.html", book / "handout.pdf")
    return book / "fusqa.pdf"


def write_epub(book: Path) -> Path:
    """Pack a laid-out book into ``fusqa.epub`` beside it, whole or not at all.

    Raises
    ------
    PublishingError
        As :func:`print_book`; no browser is needed.
    """
    _require_laid_out(book)
    with alone(book, "printing"), scratch_in(book, ".printing-") as scratch:
        made = jupyter_book(book / "source", scratch, "epub")
        packed = next(made.glob("*.epub"), None)
        if packed is None:
            raise PublishingError(f"Jupyter Book ended without an error and made no ePub of {book / 'source'}")
        os.replace(packed, book / "fusqa.epub")
    return book / "fusqa.epub"


def _require_laid_out(book: Path) -> None:
    """Raise :class:`PublishingError` where no book was laid out."""
    if not (book / "source/_toc.yml").is_file():
        raise PublishingError(f"{book} holds no book; make it first: make book PROFILE={shlex.quote(book.parent.name)}")


def print_page(chromium: str, page: Path, place: Path) -> None:
    """Print one HTML page into the PDF file `place`.

    Raises
    ------
    PublishingError
        Where the browser fails, or prints nothing.
    """
    with tempfile.TemporaryDirectory() as profile, whole(place) as printed:
        # root has no sandbox to run in, and /dev/shm is small in a container
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-pdf-header-footer"]
        places = [f"--user-data-dir={profile}", f"--print-to-pdf={printed}", page.resolve().as_uri()]
        run([chromium, *options, *places], f"{chromium} failed")
        if not printed.is_file():
            raise PublishingError(f"{chromium} printed nothing of {page}")
