"""The size of a study: what is trained, how long, on how many images; read from a file and checked."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from functools import reduce
from operator import or_
from pathlib import Path
from textwrap import shorten
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, Field, NonNegativeInt, PositiveInt, field_validator

from fusqa.files import ROOT
from fusqa.models.plan import Bar, Strict, Training
from fusqa.study.catalogue import COHORTS
from fusqa.study.rows import SEGMENTER_TITLES, Row, grid, row_named


def _each_once(given: tuple) -> tuple:
    """Refuse what is named twice: it would be trained once, and counted as two."""
    if twice := sorted({str(one) for one in given if given.count(one) > 1}):
        raise ValueError(f"{', '.join(twice)} is named twice; name each only once")
    return given


EachOnce = AfterValidator(_each_once)


class Segmenter(Training):
    """Training of one segmentation network, once per fold.

    Attributes
    ----------
    arguments : dict
        Of its constructor in :data:`fusqa.models.segmenters.SEGMENTERS`, beside classes and size.
    """

    arguments: dict[str, int | tuple[int, ...]] = Field(default_factory=dict)

    @field_validator("arguments")
    @classmethod
    def _in_one_order(cls, given: dict) -> dict:
        """Sort by name: the workflow compares settings as text, and the order of the settings does not matter."""
        return dict(sorted(given.items()))


class QualityTraining(Training):
    """Training of a quality model.

    Attributes
    ----------
    paired : bool
        Whether every mask is drawn with one of the other verdict beside it, of the same case where there is one
        (:class:`fusqa.models.learner.Paired`).
    """

    paired: bool = True


class CrossValidation(Strict):
    """What all segmentation networks of a study share.

    Attributes
    ----------
    folds : int
        Folds of the cross-validation by patient.
    degraded : int
        How many degraded versions of every image of site A are predicted, to collect the segmenter's errors.
    """

    folds: int = Field(ge=2)
    degraded: PositiveInt


class Request(Strict):
    """What a job may use; a cluster reserves it, and ends a job that uses more."""

    minutes: PositiveInt
    memory_mb: PositiveInt


class Grade(Strict):
    """How far the segmentation network is trained that draws a share of the masks to judge.

    Attributes
    ----------
    share : float
        Share of each site's images that it predicts.
    share_b : float, optional
        Share of site B's images, where it is another one: where the trained network fails there by itself, no weaker
        one is needed.
    samples : int, optional
        The network as it was after so many samples of its training; its whole budget where this is not given.
    images : int, optional
        At most so many training images, of whole patients; all of them where this is not given.
    """

    share: float = Field(gt=0, le=1)
    share_b: float | None = Field(None, ge=0, le=1)
    samples: PositiveInt | None = None
    images: PositiveInt | None = None

    def share_at(self, site: str) -> float:
        """Share of the images of site "A" or "B" that it predicts."""
        return self.share if site == "A" or self.share_b is None else self.share_b

    @property
    def trained(self) -> bool:
        """Whether it is the fully trained network."""
        return self.samples is None and self.images is None

    @property
    def title(self) -> str:
        """What to call it in print."""
        few = [f"on {self.images} images"] if self.images else []
        short = [f"for {self.samples} samples"] if self.samples else []
        return " ".join(["trained", *(few + short or ["to the end"])])


class CohortPlan(Strict):
    """One cohort of a study: how many cases of each site, which segmenters and which rows.

    Attributes
    ----------
    A, B : int
        Cases of each site, at most.
    segmenters, rows : tuple of str
        Segmentation networks and rows of the grid.
    grades : tuple of Grade
        Who draws the masks to judge: the trained network alone, or a mixture with weaker ones
        (:mod:`fusqa.study.grading`).
    """

    A: PositiveInt
    B: PositiveInt
    segmenters: Annotated[tuple[str, ...], EachOnce] = Field(min_length=1)
    rows: Annotated[tuple[str, ...], EachOnce]
    grades: tuple[Grade, ...] = (Grade(share=1),)

    @field_validator("grades")
    @classmethod
    def _whole(cls, grades: tuple[Grade, ...]) -> tuple[Grade, ...]:
        """Refuse shares that are not the whole, a grade named twice, or a mixture without the fully trained network."""
        for site in "AB":
            shares = [grade.share_at(site) for grade in grades]
            if abs(sum(shares) - 1) > 1e-6:
                raise ValueError(f"the shares of the grades at site {site} are {shares}; their sum must be 1")
        titles = [grade.title for grade in grades]
        if len(set(titles)) < len(titles):
            raise ValueError(f"the grades are {titles}; give each only once, with the whole of its share")
        if not any(grade.trained for grade in grades):
            raise ValueError("one grade must have neither samples nor images: the fully trained network")
        return grades


class PublishedModel(Strict):
    """A quality model that is published with the results: that of the first seed of a row, on one cohort."""

    cohort: str
    row: str


class Profile(Strict):
    """The size of a study, read from ``profiles/<name>.yaml``.

    Attributes
    ----------
    title : str
        One sentence for people.
    threads : int
        CPU threads of every training; part of the profile because results depend on it.
    seeds : tuple of int
        Every row is trained once per seed.
    once : tuple of str
        Networks that are trained with the first seed only, by a name of :attr:`fusqa.study.rows.Row.parts`.
    validation : float
        Share of site A's patients that is kept for validation.
    per_class : int
        Cases drawn from the good and from the poor predictions of site B for the test set.
    cohorts : dict of str to CohortPlan
        Key of :data:`COHORTS` to its plan.
    segmentation, segmenters
        What all segmentation networks share, and the training of each, by its name in
        :data:`fusqa.study.rows.SEGMENTER_TITLES`.
    quality : QualityTraining
        Training of every row of the grid: the same for all, so that rows can be compared.
    networks : dict of str to dict
        Settings of `quality` that a network learns better with, by a name of :attr:`fusqa.study.rows.Row.parts`
        ("vgg16", "siamese-resnet18"). Where several apply, the narrowest wins.
    omitted : dict
        Settings of `quality` for the models for which one kind of altered mask is left out. Without it none is trained.
    autoencoder : Training, optional
        Training of the autoencoder. Without it none is trained.
    error_map : Training, optional
        Training of the error map, and of its control without the image. Without it none is trained.
    learnt : Bar
        What a training must show before anything is concluded from it.
    models : dict of str to PublishedModel
        Models that an edition holds beside its results, by the short name that users give.
    requests : dict of str to Request
        What a job of a chapter may use; "other" for those without an entry of their own.
    """

    name: str
    title: str
    threads: PositiveInt
    seeds: Annotated[tuple[NonNegativeInt, ...], EachOnce] = Field(min_length=1)
    once: tuple[str, ...] = ()
    validation: float = Field(gt=0, lt=1)
    per_class: PositiveInt
    cohorts: dict[str, CohortPlan]
    segmentation: CrossValidation
    segmenters: dict[str, Segmenter]
    quality: QualityTraining
    networks: dict[str, dict[str, Any]] = Field(default_factory=dict)
    omitted: dict[str, Any] | None = None
    autoencoder: Training | None = None
    error_map: Training | None = None
    learnt: Bar = Bar()
    models: dict[str, PublishedModel] = Field(default_factory=dict)
    requests: dict[str, Request]

    @classmethod
    def read(cls, name: str | Path) -> "Profile":
        """Read a profile by its name or by the path of a YAML file.

        Raises
        ------
        FileNotFoundError
            For an unknown name; the message lists the known ones.
        ValueError
            When a setting is missing, misspelt or out of range, a cohort, a row or a segmenter is not known, the
            segmenters differ in the size of their images (their errors go into one set), or the quality models do
            (they are compared on the same masks), a network of `networks` is none of the grid, or a cohort has neither
            rows nor an autoencoder.
        """
        path = cls.file(name)
        if not path.is_file():
            known = ", ".join(sorted(file.stem for file in (ROOT / "profiles").glob("*.yaml")))
            raise FileNotFoundError(f"no profile '{name}': {path} is not a file; known profiles are {known}")
        with _naming(path):
            profile = cls(**{"name": path.stem} | (yaml.safe_load(path.read_text(encoding="utf-8")) or {}))
            profile._check()
        return profile

    def _check(self) -> None:
        """Raise ValueError where settings name something unknown or do not fit together."""
        plans = self.cohorts.values()
        _require_known("cohorts", set(self.cohorts), COHORTS)
        for key in sorted({row for plan in plans for row in plan.rows}):
            row_named(key)  # it names the nearest rows where there is none of that name
        _require_known("segmenters", set(self.segmenters), SEGMENTER_TITLES)
        _require_known("segmenters", {name for plan in plans for name in plan.segmenters}, self.segmenters)
        for cohort, plan in self.cohorts.items():
            if not plan.rows and self.autoencoder is None:
                raise ValueError(f"{cohort}: nothing would judge masks; give rows, or an autoencoder")
        for name, model in self.models.items():
            plan = self.cohorts.get(model.cohort)
            _require_known(f"model {name}: rows", {model.row}, plan.rows if plan else ())
        _require_one_size("segmenters", self.segmenters)
        for cohort, plan in self.cohorts.items():
            least = min(self.segmenters[name].seen for name in plan.segmenters)
            if late := [grade.samples for grade in plan.grades if (grade.samples or 0) > least]:
                raise ValueError(f"{cohort}: grades after {late} samples; a segmenter is trained with {least} only")
        parts = {part for row in grid().values() for part in row.parts}
        _require_known("networks", {*self.networks, *self.once}, parts)
        changed = {"omitted": self.omitted or {}, **self.networks}
        trainings = {name: self.quality_with(changes) for name, changes in changed.items()}
        _require_one_size("quality models", {"quality": self.quality, **trainings})
        if self.quality.size % 8:
            raise ValueError(f"quality: size {self.quality.size} is no multiple of 8, the side of the maps")
        if "other" not in self.requests:
            raise ValueError("requests need an entry 'other', for the rules without one of their own")

    def seeds_of(self, row: Row) -> tuple[int, ...]:
        """Return the seeds with which a row is trained."""
        return self.seeds[:1] if set(self.once) & set(row.parts) else self.seeds

    def quality_with(self, *changes: Mapping[str, Any]) -> QualityTraining:
        """Settings of `quality` with changes, of which a later one wins."""
        return QualityTraining(**reduce(or_, changes, self.quality.model_dump()))

    def training(self, row: Row, *changes: Mapping[str, Any]) -> QualityTraining:
        """How a row is trained: `quality`, with what its network needs otherwise, and with further changes."""
        return self.quality_with(*(self.networks[part] for part in row.parts if part in self.networks), *changes)

    def training_without(self, row: Row) -> QualityTraining:
        """How a row is trained when one kind of altered mask is left out."""
        return self.training(row, self.omitted or {})

    @staticmethod
    def file(name: str | Path) -> Path:
        """Return the file that a profile's name, or the path of a YAML file, stands for."""
        return Path(name) if Path(name).suffix == ".yaml" else ROOT / "profiles" / f"{name}.yaml"

    def request(self, rule: str) -> dict[str, int]:
        """Resources of a rule as Snakemake names them: ``runtime`` in minutes and ``mem_mb``."""
        asked = self.requests.get(rule, self.requests["other"])
        return {"runtime": asked.minutes, "mem_mb": asked.memory_mb}


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put the name of the file before what is wrong with it."""
    try:
        yield
    except (ValueError, TypeError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: {error}") from None


def _require_known(what: str, named: set[str], known: Iterable[str]) -> None:
    """Raise ValueError where a profile names something unknown."""
    if unknown := named - set(known):
        near = {other for one in unknown for other in get_close_matches(one, known)}
        names = shorten(", ".join(sorted(near or known)), 300)
        fix = f"did you mean {names}?" if near else f"known {what} are {names}"
        raise ValueError(f"{what} {sorted(unknown)} are not known; {fix}")


def _require_one_size(what: str, trainings: Mapping[str, Training]) -> None:
    """Raise ValueError where trainings differ in the size of their images."""
    sizes = {name: training.size for name, training in trainings.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"{what} of a study must share one size of image; theirs are {sizes}")
