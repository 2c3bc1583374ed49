"""Tables of the published edition, where a run has none of its own."""

import pandas as pd

from fusqa.figures.showing import show_table
from fusqa.study.results import published


def show_published(cohort: str, result: str, part: str, caption: str) -> None:
    """Publish lines of the published edition as a table, or say that it has none.

    Parameters
    ----------
    cohort : str
        A key of :data:`fusqa.study.catalogue.COHORTS`.
    result, part : str
        The lines are entry `part` of ``results/<result>.json``.
    caption : str
        What the table shows; the name of the edition is put before it.
    """
    edition = published(cohort)
    lines = edition.result(result).get(part) if edition and edition.can_read(result) else None
    if lines:
        show_table(
            pd.DataFrame(lines), f"Published edition “{edition.profile.name}”: {caption}", edition.source(result)
        )
    else:
        print("No published edition has this table yet.")
