"""What several tests share: the real data where it lies, and one small study run for real."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with ``hc18/`` and ``crl_case/``: real pictures, which the project may read and not hold."""
    given = os.environ.get("FUSQA_DATA")
    folder = Path(given) if given else ROOT.parent / "shared/data"
    if not (folder / "hc18").is_dir() or not (folder / "crl_case").is_dir():
        pytest.skip(f"no hc18/ and crl_case/ in {folder}: set FUSQA_DATA to the folder that holds them")
    return folder
