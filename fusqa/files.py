"""Files are written whole or not at all.

A run may be killed at any moment, and the next one trusts whatever files it finds. So a file is first written
under a temporary name in the same folder (a rename across disks would be a copy), forced to the disk, and only then
renamed, which the operating system does in one step: a reader sees the old file or the new one, never half of it.

>>> with whole("figure.png") as part:          # doctest: +SKIP
...     figure.savefig(part)                   # the temporary name ends in .png as well
"""

import errno
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pydantic_core import to_jsonable_python

ROOT = Path(__file__).resolve().parents[1]
"""Folder of the project: notebooks, profiles and results lie there."""

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # the disk, one's share of it, or the largest file is reached
UNFINISHED = ".part-"  # how temporary names begin


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path to write to; it takes the name `path` once the block ends without an error.

    Missing folders are made. A link stays one, to the file that is written, and a file keeps its permissions. After an
    error the temporary file is removed and `path` is as it was before.

    Raises
    ------
    FileNotFoundError
        If the block wrote nothing to the temporary path.
    OSError
        If `path` is a folder, a device or a pipe, or there is no room.
    """
    require_writable_as_file(path)
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    # The ending is kept because savefig and np.savez choose the format, or add an ending, by it.
    part = path.with_name(f"{UNFINISHED}{secrets.token_hex(4)}{path.suffix}")
    try:
        with no_room_named(path):
            yield part
            with open(part, "rb+") as stream:
                os.fsync(stream.fileno())
            if path.exists():
                shutil.copymode(path, part)
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def require_writable_as_file(path: str | os.PathLike[str]) -> None:
    """Raise ``OSError`` where something lies at `path` that is no file: a folder, a device or a pipe."""
    if os.path.isdir(path):
        raise IsADirectoryError(f"{path} is a folder; give the name of a file in it")
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(f"{path} is a device or a pipe; give the name of a file")


@contextmanager
def no_room_named(path: Path) -> Iterator[None]:
    """Name the file, as its user knows it, in the error of a full disk, which names none."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise OSError(error.errno, f"{error.strerror}; free some space and run it again", str(path)) from error


def remove_unfinished(folder: str | os.PathLike[str], older_than_s: float = 0, below: bool = True) -> None:
    """Remove what writers that were killed left in `folder`, and below it.

    Parameters
    ----------
    folder : path
        A folder, whether or not it exists.
    older_than_s : float
        What was written to within so many seconds is left alone: where others may be writing, it may be theirs.
    below : bool
        Whether folders within are gone through too.
    """
    now = time.time()
    for part in Path(folder).glob(f"{'**/' * below}{UNFINISHED}*"):
        with suppress(FileNotFoundError):  # it has just taken its own name
            if now - part.stat().st_mtime >= older_than_s:
                part.unlink()


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with whole(path) as part:
        part.write_bytes(data)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` to `path` as :func:`to_json` renders it, whole or not at all."""
    write_bytes(path, (to_json(value) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_csv(path: str | os.PathLike[str], table: pd.DataFrame) -> None:
    """Write a table to `path` without its index, whole or not at all: UTF-8, LF, numbers in full precision."""
    write_bytes(path, table.to_csv(index=False, lineterminator="\n").encode())


def significant(values: ArrayLike) -> np.ndarray:
    """Round to seven significant digits, as many as single precision has.

    A fixed number of decimals would make equal what differs: all small probabilities, whose order counts.

    >>> significant([1.23456789e-9, 123.456789])
    array([1.234568e-09, 1.234568e+02])
    """
    values = np.asarray(values, float)
    return np.array([float(f"{value:.7g}") for value in values.ravel()]).reshape(values.shape)


def to_json(value: Any) -> str:
    """Render `value` as indented JSON: dataclasses and NumPy values too, NaN and infinities as null.

    JSON has no NaN, and readers in other languages refuse it.
    """
    plain = to_jsonable_python(value, fallback=_from_numpy, inf_nan_mode="null")
    return json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False)


def _from_numpy(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")
