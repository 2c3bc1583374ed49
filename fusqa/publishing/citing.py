"""How to cite the book: from ``CITATION.cff``, which is the only place that names authors, version and DOI."""

import html
from pathlib import Path

import yaml

RESOLVER = "https://doi.org"


def citation(file: Path, repository: str) -> str:
    """Write how to cite the book, as HTML.

    Parameters
    ----------
    file : Path
        ``CITATION.cff``; its field ``doi`` is there once a release is archived.
    repository : str
        Address of the repository, or empty.
    """
    cff = yaml.safe_load(file.read_text(encoding="utf-8"))
    authors = "; ".join(
        author.get("name") or f"{author['family-names']}, {author['given-names']}" for author in cff["authors"]
    )
    where = [f"Version {cff['version']}"]
    if repository:
        where.append(f'<a href="{html.escape(repository)}">{html.escape(repository.removeprefix("https://"))}</a>')
    if "doi" in cff:
        where.append(f'<a href="{RESOLVER}/{html.escape(cff["doi"])}">doi:{html.escape(cff["doi"])}</a>')
    else:
        where.append("not yet archived, so without a DOI: name the commit that the page on provenance prints")
    return f"<p>{html.escape(authors)}. <em>{html.escape(cff['title'])}</em>. {'; '.join(where)}.</p>\n"
