"""Which speaks on a page that shows one study: the run just made, or a published edition."""

from pathlib import Path

from fusqa.study.chapters import result_names
from fusqa.study.results import Study, published
from fusqa.study.shelf import PLACE


def larger(study: Study, place: Path = PLACE) -> Study:
    """Return the published edition of a study's cohort where it holds more results than the study has, else the study.

    So a study that is about to be published speaks for itself, also where an older edition of it lies in `place`.
    """
    edition = published(study.cohort, place)
    return edition if edition and edition.size > len(result_names(study.profile, study.cohort)) else study
