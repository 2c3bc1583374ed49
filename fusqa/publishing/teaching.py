"""Tables of ``book/teaching``: read, checked, and what their pages have in common."""

import html
import json
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter


class Entry(BaseModel):
    """One entry of a table; a misspelt word in it is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_table(file: Path, kind: type) -> object:
    """Read and check one table.

    Raises
    ------
    ValueError
        Where an entry lacks something or has a misspelt word; it names the file and the entry.
    """
    try:
        return TypeAdapter(kind).validate_python(yaml.safe_load(file.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def source_of(page: str) -> Path:
    """Path of the source of a page, ``book/<name>`` or ``notebooks/<name>``, from the project's folder."""
    return Path(f"{page}.md" if page.startswith("book/") else f"{page}.ipynb")


def page_link(page: str, root: Path, title_of: str = "") -> str:
    """HTML link from a page in ``book/`` to another `page`, by its title or by that of the page `title_of`."""
    source = root / source_of(title_of or page)
    text = source.read_text(encoding="utf-8")
    if source.suffix == ".ipynb":
        text = "".join(json.loads(text)["cells"][0]["source"])
    return f'<a href="../{page}.html">{html.escape(text.partition("# ")[2].splitlines()[0])}</a>'
