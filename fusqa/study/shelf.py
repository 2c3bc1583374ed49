"""Where the published editions lie, and which of them speaks for a cohort.

``results/<edition>/`` holds the profile of an edition, ``<edition>.yaml``, and a folder for each cohort: its result
files, and in ``notebooks/`` its chapters. Several editions may lie side by side.
"""

from pathlib import Path

from fusqa.files import ROOT

__all__ = ["PLACE", "edition_folders"]

PLACE = ROOT / "results"


def edition_folders(cohort: str, place: Path = PLACE) -> list[Path]:
    """Return the folders of the editions that hold results of `cohort`: that with most results first, then by name."""
    held = {file.parent: len(list((file.parent / cohort).glob("*.json"))) for file in place.glob("*/*.yaml")}
    return sorted(filter(held.get, held), key=lambda folder: (-held[folder], folder.name))
