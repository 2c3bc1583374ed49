"""Coverage-guided fuzzing of everything that reads a foreign file: ``make fuzz FUZZ=60`` (seconds).

Whatever the bytes are, a reader returns a picture of a sane size or raises a ``CohortError`` with a fix; any other
exception, a hang, or memory beyond the limit is a finding. The first byte chooses the kind of file. The corpus starts
from one sound file of each kind.
"""

import logging
import sys
import tempfile
import warnings
from pathlib import Path

import atheris

LOOKED_INTO = [f"fusqa.cohorts.{name}" for name in ("formats", "raster", "dicom", "volumes", "polygons", "manifest")]
LOOKED_INTO += ["PIL", "pydicom", "nibabel"]
with atheris.instrument_imports(include=LOOKED_INTO):
    from test_formats import SAMPLES, read_or_told

    from fusqa.cohorts.formats import KINDS
    from fusqa.cohorts.manifest import CASES, COLUMNS, read_rows, row_problems, table_problems

TABLE = len(KINDS)  # the byte after the last kind of picture
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-"))


def picture(ending: str, content: bytes) -> None:
    """Read one file as a picture and as a mask."""
    path = FOLDER / f"x{ending}"
    path.write_bytes(content)
    read_or_told(path)


def table(content: bytes) -> None:
    """Read one manifest and judge its rows."""
    (FOLDER / CASES).write_bytes(content)
    rows, problems = read_rows(FOLDER)
    for row in rows:
        problems += row_problems(FOLDER, row)
    problems += table_problems(rows)
    assert all(str(problem) and problem.fix for problem in problems)


def one(data: bytes) -> None:
    """Feed one input to the reader that its first byte names."""
    if data:
        kind = data[0] % (TABLE + 1)
        table(data[1:]) if kind == TABLE else picture(list(KINDS)[kind], data[1:])


def seeds(corpus: Path) -> None:
    """Write one sound file of each kind, and a table."""
    for number, ending in enumerate(KINDS):
        alike = {".jpeg": ".jpg", ".tiff": ".tif", ".dicom": ".dcm"}.get(ending, ending)
        SAMPLES[alike](FOLDER / f"seed{alike}")
        (corpus / f"seed{number}").write_bytes(bytes([number]) + (FOLDER / f"seed{alike}").read_bytes())
    row = ",".join(COLUMNS) + "\nc,p,A,images/c.png,masks/c.png,0.2,0.15,61.5,86\n"
    (corpus / f"seed{TABLE}").write_bytes(bytes([TABLE]) + row.encode())


if __name__ == "__main__":
    corpus = Path(tempfile.mkdtemp(prefix="corpus-"))
    seeds(corpus)
    warnings.simplefilter("ignore")  # what readers remark on strange files is not what is looked for
    logging.disable()
    atheris.Setup([sys.argv[0], str(corpus), "-rss_limit_mb=2048", "-timeout=20", *sys.argv[1:]], one)
    atheris.Fuzz()
