"""Minutes, prerequisites and aims of every chapter, from ``book/teaching/chapters.yaml``."""

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveInt

from fusqa.publishing.inserts import table
from fusqa.publishing.teaching import Entry, page_link, read_table, source_of


class ChapterPlan(Entry):
    """What a chapter takes and gives; the words are explained at the head of ``book/teaching/chapters.yaml``."""

    minutes: PositiveInt
    aims: Annotated[tuple[str, ...], Field(min_length=1)]
    page: str = ""
    after: tuple[str, ...] = ()
    knows: tuple[str, ...] = ()


def chapter_plans(folder: Path) -> dict[str, ChapterPlan]:
    """Read ``chapters.yaml``; the key is the name of the notebook."""
    return read_table(folder / "chapters.yaml", dict[str, ChapterPlan])


def before_reading(plan: ChapterPlan) -> str:
    """Write the box below a chapter's title, as MyST."""
    lines = [f"**{plan.minutes} minutes**, without the exercises."]
    if plan.after:
        lines.append(f"First: {', '.join(f'[](/{source_of(page)})' for page in plan.after)}.")
    if plan.knows:
        lines.append(f"Words to know: {', '.join(f'{{term}}`{term}`' for term in plan.knows)}.")
    lines.append(f"Afterwards you can {'; '.join(plan.aims)}.")
    return ":::{div} fusqa-aims\n" + " ".join(lines) + "\n:::"


def chapter_table(plans: Mapping[str, ChapterPlan], root: Path) -> str:
    """Write a table of chapters with minutes, what comes first, and aims; `root` holds the pages."""
    rows = []
    for name, plan in plans.items():
        chapter = page_link(plan.page or f"notebooks/{name}", root, title_of=f"notebooks/{name}")
        first = ", ".join(page_link(page, root) for page in plan.after) or "–"
        rows.append([chapter, str(plan.minutes), first, html.escape("; ".join(plan.aims))])
    return table(["chapter", "minutes", "read first", "afterwards you can"], rows, words=True)
