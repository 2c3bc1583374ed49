"""The book on paper: all pages in one PDF file, printed by the Chromium or Chrome of this machine.

::

    python -m fusqa.publishing print build/quick/book      # build/quick/book/source -> build/quick/book/fusqa.pdf
"""

import os
import shlex
import shutil
import tempfile
from pathlib import Path

from fusqa.publishing.tools import PublishingError, jupyter_book, run

__all__ = ["browser", "print_book"]

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


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
    PublishingError
        Without a browser, without a laid-out book, or where one of the tools fails.
    """
    chromium = browser()
    if chromium is None:
        raise PublishingError(f"none of {', '.join(BROWSERS)} is installed; on Debian: apt-get install chromium")
    if not (book / "source/_toc.yml").is_file():
        raise PublishingError(f"{book} holds no book; make it first: make book PROFILE={shlex.quote(book.parent.name)}")
    with tempfile.TemporaryDirectory(dir=book, prefix=".printing-") as scratch:
        page = jupyter_book(book / "source", Path(scratch), "singlehtml") / "book/intro.html"  # the root of _toc.yml
        printed = Path(scratch) / "fusqa.pdf"
        # root has no sandbox to run in, and /dev/shm is small in a container
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-pdf-header-footer"]
        places = [f"--user-data-dir={scratch}/profile", f"--print-to-pdf={printed}", page.as_uri()]
        run([chromium, *options, *places], f"{chromium} failed")
        if not printed.is_file():
            raise PublishingError(f"{chromium} printed nothing of {page}")
        os.replace(printed, book / "fusqa.pdf")
    return book / "fusqa.pdf"
