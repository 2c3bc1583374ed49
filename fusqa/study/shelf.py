"""Where the published editions lie, and which of them speaks for a cohort.

``results/<edition>/`` holds the profile of an edition, ``<edition>.yaml``, and a folder for each cohort: its result
files, and in ``notebooks/`` its chapters; ``models/<name>/`` holds a trained model, ``findings.json`` what it shows,
``problem.html`` a picture. Several editions may lie side by side.
"""

from pathlib import Path

from fusqa.files import ROOT, read_json

PLACE = ROOT / "results"
FINDINGS = "findings.json"  # in the folder of an edition: its sentences, by page of the book
PICTURE = "problem.html"  # there too: the picture that the page for ten minutes begins with


def edition_folders(cohort: str, place: Path = PLACE) -> list[Path]:
    """Return the folders of the editions that hold results of `cohort`.

    The first has the results of most chapters; then come those with most results, then by name. So many trainings of an
    edition that was published half-way do not put it before one that has something to say in every chapter.
    """
    held = {file.parent: [one.stem for one in (file.parent / cohort).glob("*.json")] for file in place.glob("*/*.yaml")}
    chapters = {folder: {name.partition("__")[0] for name in names} for folder, names in held.items()}
    return sorted(filter(held.get, held), key=lambda folder: (-len(chapters[folder]), -len(held[folder]), folder.name))


def told_findings(edition: Path) -> dict[str, list[str]]:
    """Return what the edition in a folder shows, in sentences by page; none where none were written."""
    file = edition / FINDINGS
    return read_json(file) if file.is_file() else {}


def told_picture(edition: Path) -> str:
    """Return the picture that the edition in a folder begins with, as HTML; empty where none was drawn."""
    file = edition / PICTURE
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def published_models(place: Path = PLACE) -> dict[str, Path]:
    """Return the folder of every published model by its short name: that of the edition with most results."""
    held = {file.parent: len(list(file.parent.glob("*/*.json"))) for file in place.glob("*/*.yaml")}
    smallest_first = sorted(held, key=lambda folder: (held[folder], folder.name))
    return {card.parent.name: card.parent for folder in smallest_first for card in folder.glob("models/*/card.json")}


def model_folder(name: str | Path, place: Path = PLACE) -> Path:
    """Return the folder of a model by its path, or of a published one by its short name; ValueError without either."""
    if (Path(name) / "card.json").exists():
        return Path(name)
    published = published_models(place)
    if str(name) in published:
        return published[str(name)]
    if not Path(name).exists():
        known = ", ".join(sorted(published)) or "none yet"
        raise ValueError(f"{name} holds no model; give a folder that does, or a published model: {known}")
    return Path(name)
