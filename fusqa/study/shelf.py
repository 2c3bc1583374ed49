"""Where the published editions lie, and which of them speaks for a cohort.

``results/<edition>/`` holds the profile of an edition, ``<edition>.yaml``, and a folder for each cohort: its result
files, and in ``notebooks/`` its chapters; ``models/<name>/`` holds a trained model. Several editions may lie
side by side.
"""

from pathlib import Path

from fusqa.files import ROOT

__all__ = ["PLACE", "edition_folders", "published_models"]

PLACE = ROOT / "results"


def edition_folders(cohort: str, place: Path = PLACE) -> list[Path]:
    """Return the folders of the editions that hold results of `cohort`: that with most results first, then by name."""
    held = {file.parent: len(list((file.parent / cohort).glob("*.json"))) for file in place.glob("*/*.yaml")}
    return sorted(filter(held.get, held), key=lambda folder: (-held[folder], folder.name))


def published_models(place: Path = PLACE) -> dict[str, Path]:
    """Return the folder of every published model by its short name: that of the edition with most results."""
    held = {file.parent: len(list(file.parent.glob("*/*.json"))) for file in place.glob("*/*.yaml")}
    smallest_first = sorted(held, key=lambda folder: (held[folder], folder.name))
    return {card.parent.name: card.parent for folder in smallest_first for card in folder.glob("models/*/card.json")}
