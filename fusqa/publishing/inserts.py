"""What the prose pages of the book take from the code and its results: tables that nobody has to keep by hand.

A page keeps a line ``{{ name }}`` for each; :func:`fusqa.publishing.binding.assemble` puts it there.
"""

import html
from collections.abc import Sequence
from pathlib import Path

import nbformat
import pandas as pd
import typer
import yaml
from papermill import inspect_notebook
from typer.cli import get_docs_for_click

from fusqa.cli import app
from fusqa.figures.framing import framed_table, html_table
from fusqa.files import read_json
from fusqa.study.catalogue import COHORTS
from fusqa.study.profile import CohortPlan, Profile
from fusqa.study.provenance import short, states_told
from fusqa.study.rows import title_of
from fusqa.study.sets import ALTERED, AT_B, ERRORS

RESOLVER = "https://doi.org"
PROVENANCE = ("seed", "date", "cpu_seconds", "commit", "code", "device", "threads")


def parameter_table(notebooks: Path) -> str:
    """Write what can be set in the notebooks, from their own cells: one row per parameter."""
    found: dict[tuple[str, str, str], list[str]] = {}
    files = sorted(notebooks.glob("*.ipynb"))
    for file in files:
        for name, about in inspect_notebook(str(file)).items():
            found.setdefault((name, about["default"], about["help"]), []).append(file.stem)
    rows = [
        [
            f"<code>{name}</code>",
            f"<code>{html.escape(default)}</code>",
            html.escape(meaning),
            "all" if len(owners) == len(files) else ", ".join(owners),
        ]
        for (name, default, meaning), owners in sorted(found.items(), key=lambda item: -len(item[1]))
    ]
    return table(["parameter", "default", "what it sets", "notebooks"], rows)


def cost_table(results: Path) -> str:
    """Write what every notebook took in this edition, from the provenance of its results: the most expensive first."""
    took: dict[str, list[dict]] = {}
    for file in results.glob("*.json"):
        provenance = _provenance(file) or {}
        if "peak_mb" in provenance:
            took.setdefault(file.stem.partition("__")[0], []).append(provenance)
    spent = {name: sum(one["cpu_seconds"] for one in runs) for name, runs in took.items()}
    rows = [
        [name, str(len(took[name])), f"{spent[name]:.0f}", _largest(took[name])]
        for name in sorted(spent, key=lambda name: -spent[name])
    ]
    return table(["notebook", "runs", "processor time, s, all runs", "largest memory, GB"], rows)


def profile_table(profiles: Path, *studies: Path) -> str:
    """Write how large each profile is and, where `studies` hold its results, what it took.

    Parameters
    ----------
    profiles : Path
        Folder of the profiles' YAML files.
    *studies : Path
        Folders with ``<cohort>/results`` or ``<cohort>`` of JSON results, such as a build and the published edition.
    """
    took: dict[str, list[dict]] = {}
    for study in studies:
        # a model's card repeats the result of its training, and a bound book holds copies of all of them
        files = (file for file in sorted(study.rglob("*.json")) if "book" not in file.relative_to(study).parts)
        results = (file for file in files if file.name != "card.json")
        found = [_provenance(file) for file in results]
        known = [one for one in found if one and {"profile", "peak_mb"} <= set(one)]
        for profile in {one["profile"] for one in known} - set(took):  # the first study that has it speaks
            took[profile] = [one for one in known if one["profile"] == profile]
    rows = []
    for profile in sorted(map(Profile.read, sorted(profiles.glob("*.yaml"))), key=_images):
        plan, seeds, runs = _first_plan(profile), len(profile.seeds), took.get(profile.name, [])
        spent = f"{sum(one['cpu_seconds'] for one in runs) / 3600:.1f}" if runs else "–"
        most = _largest(runs) if runs else "–"
        sizes = [str(plan.A), str(plan.B), str(len(plan.rows)), str(seeds)]
        rows.append([f"<code>{profile.name}</code>", *sizes, spent, most])
    header = ["profile", "images of A", "of B", "rows", "seeds", "processor hours", "largest memory, GB"]
    return table(header, rows)


def _largest(runs: Sequence[dict]) -> str:
    """Most memory that one of several runs held, in GB; they name it in MiB."""
    return f"{max(one['peak_mb'] for one in runs) * 2**20 / 1e9:.1f}"


def _first_plan(profile: Profile) -> CohortPlan:
    """What a profile plans for the simulated cohort, or for its first one where it goes without."""
    return profile.cohorts.get("simulated") or next(iter(profile.cohorts.values()))


def _images(profile: Profile) -> int:
    """Images of that cohort, by which profiles are ordered."""
    return _first_plan(profile).A + _first_plan(profile).B


def _provenance(result: Path) -> dict | None:
    """Provenance of a JSON result; None where it has none."""
    content = read_json(result)
    return content.get("provenance") if isinstance(content, dict) else None


def command_pages() -> str:
    """Write the help of the command ``fusqa``, one section per verb, as Typer documents a command."""
    command = typer.main.get_command(app)
    return get_docs_for_click(obj=command, ctx=typer.Context(command, info_name="fusqa"), name="fusqa", indent=1)


def model_cards(results: Path) -> str:
    """Write what is known of the models of an edition, one table for each cohort in a folder of their results."""
    cohorts = [cohort for cohort in COHORTS if (results / cohort).is_dir()]
    return "\n\n".join(f"**{_sentence(COHORTS[one].title)}**\n\n{_cards(results / one)}" for one in cohorts)


def _sentence(words: str) -> str:
    """Words as they stand at the beginning of a sentence."""
    return words[0].upper() + words[1:]


def _cards(results: Path) -> str:
    """Write what is known of every model of one cohort, first seed, from its result files: one line per model.

    The AUROC is against the truth of each set: by construction for altered masks, by the review for predictions.
    """
    keys = sorted({file.name.split("__")[1] for file in results.glob("quality__*__seed*.json")})
    titles = {f"quality__{key}": title_of(key) for key in keys} | {"autoencoder": "Autoencoder"}
    rows = []
    for stem, title in titles.items():
        found = [*results.glob(f"{stem}__seed*.json"), *results.glob(f"{stem}.json")]
        file = min(found, key=lambda file: (len(file.name), file.name), default=None)  # seed2 comes before seed10
        content = read_json(file) if file else {}
        if content.get("status") == "run":
            link = f'<a href="../results/{results.name}/{file.name}">{html.escape(title)}</a>'
            rows.append([link, *_card(content)])
    worth = ["AUROC, altered masks of A", "AUROC, errors at A", "AUROC, predictions of B"]
    made = ["threshold", "masks learnt from", "parameters", "side, px", "seed"]
    return table(["model", "learnt?", *worth, *made], rows)


def _card(content: dict) -> list[str]:
    """Entries of one model's card, from its result."""
    network, reports = content["network"], content["reports"]["validation"]
    found = [reports[name]["auroc"] if name in reports else None for name in (ALTERED, ERRORS, AT_B)]
    worth = ["–" if value is None else f"{value:.2f}" for value in found]
    made = [f"{network['masks']:,}", f"{network['parameters']:,}", network["size"], content["provenance"]["seed"]]
    return [content["learnt"]["verdict"], *worth, f"{content['thresholds']['validation']:.2f}", *map(str, made)]


def student_links(notebooks: Sequence[Path]) -> str:
    """Write a list of links to the students' notebooks, by the titles of their chapters."""
    sources = {file.name: nbformat.read(file, as_version=4).cells[0].source for file in notebooks}
    titles = {name: source.partition("\n")[0].removeprefix("# ") for name, source in sources.items()}
    items = [f'<li><a href="../students/{name}">{html.escape(title)}</a></li>' for name, title in titles.items()]
    return f"<ul>{''.join(items)}</ul>\n"


def clone_line(repository: str) -> str:
    """Write what a first cell in Colab must run; without a repository, with an address to be replaced.

    Editable, because notebooks, profiles and results are read from the project's folder.
    """
    return f"!git clone {repository or 'ADDRESS'} fusqa && pip install --quiet --editable ./fusqa\n"


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


def launch_links(repository: str, branch: str, notebook: str) -> str:
    """Markdown links that open a notebook in Binder and in Colab; empty without a repository.

    Parameters
    ----------
    repository : str
        ``https://github.com/owner/name``, or empty.
    branch : str
        Branch that holds the notebooks.
    notebook : str
        Name of the notebook, without folder or suffix.
    """
    if not repository:
        return ""
    owner_name = repository.removesuffix("/").removeprefix("https://github.com/")
    path = f"notebooks/{notebook}.ipynb"
    binder = f"https://mybinder.org/v2/gh/{owner_name}/{branch}?urlpath=lab/tree/{path}"
    colab = f"https://colab.research.google.com/github/{owner_name}/blob/{branch}/{path}"
    return f"Run this chapter elsewhere: [Binder]({binder}) · [Colab]({colab})"


def provenance_tables(results: Path) -> str:
    """Write the tables of the page "Where does each number come from?" from the published result files.

    A JSON result carries an object ``provenance``, written by :func:`fusqa.study.provenance.origin`; a CSV table of the
    same name shares it.
    """
    rows, others, versions, made = [], [], {}, []
    for path in sorted(path for path in results.rglob("*") if path.is_file()):
        name = html.escape(path.relative_to(results).as_posix())
        link = f'<a href="../results/{name}">{name}</a>'
        provenance = _provenance(path) if path.suffix == ".json" else None
        if provenance is None:
            others.append(f"- {link}")
            continue
        made.append(provenance)
        rows.append([link, *(shown(column, provenance.get(column)) for column in PROVENANCE)])
        for package, version in provenance.get("versions", {}).items():
            versions.setdefault(package, set()).add(str(version))
    text = "No result file was found for this edition.\n" if not rows + others else ""
    if rows:
        header = ["result", *(name.replace("_", " ") for name in PROVENANCE)]
        text += f"## Result files\n\n{states_told(made)}\n\n{table(header, rows)}"
    if versions:
        pairs = [[html.escape(package), ", ".join(sorted(versions[package]))] for package in sorted(versions)]
        text += "\n## Versions\n\n" + table(["package", "version"], pairs)
    if others:
        text += "\n## Tables beside them\n\n" + "\n".join(others) + "\n"
    return text


def shown(column: str, value: object) -> str:
    """One entry of the provenance table; of a commit, as much as names it."""
    if value is None:
        return "–"
    if column in ("commit", "code"):
        return short(str(value))
    return html.escape(str(value))


def table(header: list[str], rows: list[list[str]], words: bool = False) -> str:
    """Write a table of HTML cells, framed as every table of the book; the cells of one of `words` break their lines."""
    return framed_table(html_table(pd.DataFrame(rows, columns=header), words=words)) + "\n"
