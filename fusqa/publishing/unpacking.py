"""A published edition laid out as a study, so that a class can run the chapters that only read results.

An edition holds results and no images. Those of the simulated cohort are drawn again; the masks that its segmenter drew
of them are the edition's. The chapters that need networks are not laid out: they stay with those who train.
"""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from fusqa.publishing.tools import PublishingError, alone, scratch_in
from fusqa.simulator.cases import simulate
from fusqa.study.chapters import result_files
from fusqa.study.profile import Profile
from fusqa.study.results import Edition

DRAWN = "simulated"


def unpack(edition: Path, build: Path, images: int, progress: Callable[[range], Iterable[int]] = iter) -> Path:
    """Lay out a published edition below `build`; return the profile's file there.

    Parameters
    ----------
    edition : Path
        ``results/<edition>``.
    build : Path
        Where studies are kept.
    images : int
        How many images of site A to draw; a class seldom needs all. Site B is drawn whole, for its masks are compared
        with it.
    progress : callable
        Wraps the numbers of the images, as ``tqdm.tqdm`` does.

    Raises
    ------
    PublishingError
        Where there is no such edition, it has no simulated fetuses, or a study of that name lies in `build` already.
    """
    profile_file = edition / f"{edition.name}.yaml"
    if not profile_file.is_file():
        raise PublishingError(f"{edition} is no published edition: it has no {profile_file.name}")
    if not (edition / DRAWN).is_dir():
        raise PublishingError(f"{edition} has no simulated fetuses: its images cannot be drawn again")
    profile, study = Profile.read(str(profile_file)), build / edition.name
    if study.exists():
        raise PublishingError(f"{study} exists already; remove it first, or unpack into another folder: --build FOLDER")
    build.mkdir(parents=True, exist_ok=True)
    with alone(build, "unpacking"), scratch_in(build, ".unpacking-") as scratch:
        made = scratch / edition.name
        for cohort in (name for name in profile.cohorts if (edition / name).is_dir()):
            results = made / cohort / "results"
            results.mkdir(parents=True)
            for file in result_files(edition / cohort, profile, cohort):
                shutil.copy(file, results)
        _draw(Edition(edition, DRAWN), made / DRAWN, images, progress)
        shutil.copy(profile_file, made)
        made.rename(study)
    return study / profile_file.name


def _draw(edition: Edition, made: Path, images: int, progress: Callable[[range], Iterable[int]]) -> None:
    """Draw the images of the simulated cohort, and lay the masks of its first segmenter where chapters read them."""
    for site, most in (("A", min(images, edition.plan.A)), ("B", edition.plan.B)):
        simulate(made / "cohorts" / edition.kind.folders[site], site, most, edition.seed, progress)
    masks, review = edition.seeded("predictions"), edition.seeded("review")
    if edition.can_read(review):
        network = edition.seeded(f"segmentation__{edition.result(review)['chosen']}")
        shutil.copy(edition.path(f"{network}/predictions.npz"), made / f"{masks}.npz")
