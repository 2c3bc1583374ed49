"""HC18 as its authors publish it: its files and its table.

Nothing here opens an image. As with a cohort's own table (:mod:`fusqa.cohorts.manifest`), all problems are reported
at once.
"""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fusqa.cohorts.manifest import decimal
from fusqa.masks.length import check_spacing
from fusqa.problems import CohortError, Problem

TABLE = "training_set_pixel_size_and_HC.csv"
IMAGES = "training_set"
COLUMNS = "filename", "pixel size(mm)", "head circumference (mm)"
NAME = re.compile(r"[0-9]+_[0-9]*HC\.png")  # 010_HC.png, and 010_2HC.png of the same patient
LAYOUT = f"give the folder that holds {TABLE} and {IMAGES}/, as unpacked from doi.org/10.5281/zenodo.1327317"


@dataclass(frozen=True)
class Published:
    """One row of the published table: name of the image, mm per pixel, head circumference in mm."""

    name: str
    pixel_mm: float
    circumference_mm: float

    @property
    def case(self) -> str:
        """Name of the case, such as "392_2HC"."""
        return Path(self.name).stem

    @property
    def patient(self) -> str:
        """Number before the first underscore, which the images of a patient share."""
        return self.case.partition("_")[0]

    @property
    def annotation(self) -> str:
        """Name of the file with the outline."""
        return f"{self.case}_Annotation.png"


def locate(folder: Path) -> tuple[Path, Path]:
    """Return the path of the table and that of the folder of images.

    Parameters
    ----------
    folder : Path
        The folder of the table, or the folder ``training_set`` beside it.

    Raises
    ------
    CohortError
        If either is missing.
    """
    if folder.resolve().name == IMAGES and not (folder / TABLE).exists():
        folder = folder.resolve().parent
    table, images = folder / TABLE, folder / IMAGES
    absent = [path for path, there in ((table, table.is_file()), (images, images.is_dir())) if not there]
    if absent:
        raise CohortError(Problem(None, str(path), "is not there", LAYOUT) for path in absent)
    return table, images


def read_table(path: Path) -> list[Published]:
    """Read the published table.

    Raises
    ------
    CohortError
        With every line that cannot be read.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        lines = [(line, cells) for line, cells in enumerate(csv.reader(io.StringIO(text)), start=1) if any(cells)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CohortError([Problem(None, str(path), f"cannot be read ({error})", LAYOUT)]) from None
    if not lines or [cell.strip() for cell in lines[0][1]] != list(COLUMNS):
        raise CohortError([Problem(None, str(path), f"does not begin with the columns {', '.join(COLUMNS)}", LAYOUT)])
    rows: dict[str, Published] = {}  # by name, which identifies a case
    problems: list[Problem] = []
    for line, cells in lines[1:]:
        try:
            row = _published(cells)
            if rows.setdefault(row.name, row) is not row:
                raise ValueError(f"{row.name} is listed twice")
        except ValueError as error:
            problems.append(Problem(None, str(path), f"line {line}: {error}", "unpack the published table again"))
    if problems or not rows:
        raise CohortError(problems or [Problem(None, str(path), "lists no image", LAYOUT)])
    return list(rows.values())


def require_annotations(rows: Sequence[Published], images: Path, files: set[str]) -> None:
    """Raise :class:`CohortError` unless there is at least one image, and an outline for each of `rows`."""
    if not rows:
        raise CohortError([Problem(None, str(images), f"holds no image that {TABLE} lists", LAYOUT)])
    problems = [
        Problem(None, str(images / row.annotation), "is not there", f"unpack it again, or remove {row.name} as well")
        for row in rows
        if row.annotation not in files
    ]
    if problems:
        raise CohortError(problems)


def _published(cells: Sequence[str]) -> Published:
    """Make a row of its cells, or raise ``ValueError`` with what is wrong."""
    if len(cells) != len(COLUMNS):
        raise ValueError(f"has {len(cells)} cells instead of {len(COLUMNS)}")
    name, pixel, circumference = (cell.strip() for cell in cells)
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a name of an HC18 image")
    row = Published(name, decimal(pixel), decimal(circumference))
    check_spacing((row.pixel_mm, row.pixel_mm))
    if not 0 < row.circumference_mm < float("inf"):
        raise ValueError(f"a head circumference of {circumference} mm")
    return row
