"""What somebody wants to have judged: a documented cohort, a plain folder of pairs, or a folder of masks alone.

A folder with ``cases.csv`` is a cohort (:mod:`fusqa.cohorts.cohort`). Any other is looked through for files that
:mod:`fusqa.cohorts.formats` reads:

- ``images/`` and ``masks/``, a picture and its mask having one name but for the ending;
- pairs side by side, the mask's name being the picture's with one of :data:`ENDINGS`;
- ``masks/`` without ``images/``, or a folder in which no name has such an ending: masks alone.

A pixel spacing then comes from whoever gives one, or else from the files (DICOM and NIfTI state it).
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fusqa.cohorts.cohort import Case, check, entries, read_case
from fusqa.cohorts.formats import KINDS, ending_of
from fusqa.cohorts.manifest import CASES, COLUMNS, INFO, Row, path_faults
from fusqa.masks.labels import FETUS, Renumbering, Scheme
from fusqa.masks.length import check_spacing
from fusqa.problems import CohortError, Problem

__all__ = ["ENDINGS", "Intake", "check_folder"]

ENDINGS = ("_mask", "_seg", "_segmentation", "_label", "_labels", "_annotation")
"""How the name of a mask may end beside that of its picture, in small letters."""

Entry = tuple[Row, tuple[Problem, ...]]


@dataclass(frozen=True, eq=False)
class Intake:
    """The rows to judge, and how to read one.

    Attributes
    ----------
    folder : Path
        Where the files lie.
    scheme : Scheme
        What the labels mean.
    entries : tuple
        Every row, a pair of it (:class:`fusqa.cohorts.manifest.Row`) and what is wrong with it before an image is
        opened (a tuple of :class:`fusqa.problems.Problem`). A row of a plain folder has no line.
    labels : Renumbering or None
        For masks whose numbers are not the scheme's.
    listed : bool
        Whether there is a ``cases.csv``.
    """

    folder: Path
    scheme: Scheme
    entries: tuple[Entry, ...]
    labels: Renumbering | None
    listed: bool

    @classmethod
    def open(
        cls,
        folder: str | Path,
        scheme: Scheme | None = None,
        labels: str | None = None,
        spacing: tuple[float, float] | None = None,
    ) -> "Intake":
        """Look through a folder without opening a picture.

        Parameters
        ----------
        folder : path
            See the module's description.
        scheme : Scheme, optional
            What the labels mean. By default a cohort's own, and :data:`fusqa.masks.labels.FETUS` for a plain folder.
        labels : str, optional
            What the masks' own numbers stand for, as :meth:`fusqa.masks.labels.Renumbering.parse` reads it.
        spacing : (row_mm, col_mm), optional
            Of every picture of a plain folder; counts before what the files state.

        Raises
        ------
        CohortError
            If there is nothing to go through.
        ValueError
            If labels or spacing cannot be used, a cohort is of another scheme, or a spacing is given for a cohort,
            which has its own.
        """
        folder = Path(folder)
        if spacing:
            check_spacing(spacing)
        listed = _is_cohort(folder)
        if listed:
            own, rows = entries(folder)
            if spacing:
                raise ValueError(f"{folder} gives the spacing of each picture in {CASES}; leave out --spacing")
            if scheme not in (None, own):
                raise ValueError(
                    f"{folder} has labels of scheme '{own.name}', asked for was '{scheme.name}'; "
                    "give a model, or --scheme, of the cohort's scheme"
                )
        else:
            own, rows = scheme or FETUS, _pairs(folder, spacing)
        return cls(folder, own, tuple(rows), Renumbering.parse(labels, own) if labels else None, listed)

    def __len__(self) -> int:
        return len(self.entries)

    def read(self, entry: Entry) -> Case:
        """Read the case of one entry.

        Raises
        ------
        CohortError
            With all that is wrong with it.
        """
        row, faults = entry
        if faults:
            raise CohortError(faults)
        case = read_case(self.folder, row, self.scheme, self.labels)
        if case.mask is None:
            raise CohortError([Problem(row.line, CASES, "has no mask", "name one, or leave the row out")])
        return case

    def digest(self) -> bytes:
        """Return a fingerprint of what is judged: every row, and size and date of every file."""
        digest = hashlib.sha256(repr((self.scheme.name, self.labels)).encode())
        for row, faults in self.entries:
            files = (self.folder / row.cells[kind] for kind in ("image", "mask") if row.cells[kind])
            dates = [(file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()]
            digest.update(repr((row, faults, dates)).encode())
        return digest.digest()


def check_folder(
    folder: str | Path,
    scheme: Scheme | None = None,
    labels: str | None = None,
    spacing: tuple[float, float] | None = None,
    progress: Callable[[Iterable], Iterable] = iter,
) -> list[Problem]:
    """Return all that is wrong with what somebody wants to have judged, pictures included.

    Parameters
    ----------
    folder, scheme, labels, spacing
        As in :meth:`Intake.open`.
    progress : callable
        Wraps the list of rows, as ``tqdm.tqdm`` does.

    Raises
    ------
    CohortError
        If there is nothing to go through, with all the reasons.
    ValueError
        As in :meth:`Intake.open`.
    """
    folder = Path(folder)
    if _is_cohort(folder) and not (scheme or labels or spacing):
        problems = check(folder, progress)  # goes on where cohort.json cannot be used
        if not (folder / CASES).is_file():
            raise CohortError(problems)
        return problems
    intake = Intake.open(folder, scheme, labels, spacing)
    if intake.listed:
        return check(folder, progress, intake.labels)
    return [problem for entry in progress(intake.entries) for problem in _problems(intake, entry)]


def _problems(intake: Intake, entry: Entry) -> tuple[Problem, ...]:
    """Everything wrong with one pair."""
    try:
        intake.read(entry)
    except CohortError as error:
        return error.problems
    return ()


def _is_cohort(folder: Path) -> bool:
    """Whether a folder is meant to be a cohort; also one that is not there, to be told so in the same words."""
    return not folder.is_dir() or any((folder / name).exists() for name in (CASES, INFO))


def _pairs(folder: Path, spacing: tuple[float, float] | None) -> Iterator[Entry]:
    """Yield the entries of a plain folder, sorted by name."""
    images, masks, twice = _found(folder)
    if not masks:
        endings = ", ".join(KINDS)
        raise CohortError(
            [
                Problem(
                    None,
                    str(folder),
                    f"has neither {CASES} nor masks",
                    f"put masks into masks/ and pictures of the same names into images/ ({endings})",
                )
            ]
        )
    told = dict(zip(("row_mm", "col_mm"), map(repr, spacing), strict=True)) if spacing else {}
    for name in sorted(images.keys() | masks.keys()):
        files = {"image": images.get(name, ""), "mask": masks.get(name, "")}
        row = Row(None, dict.fromkeys(COLUMNS, "") | {"case": name} | files | told)
        yield row, tuple([*_missing(files, bool(images)), *_outside(folder, files), *twice.get(name, ())])


def _missing(files: Mapping[str, str], pictured: bool) -> Iterator[Problem]:
    """Yield why a name has no pair, in a folder that has pictures."""
    if not files["mask"]:
        yield Problem(None, files["image"], "has no mask", "add a mask of the same name, or take the picture away")
    if pictured and not files["image"]:
        yield Problem(None, files["mask"], "has no picture", "add a picture of the same name, or take the mask away")


def _outside(folder: Path, files: Mapping[str, str]) -> Iterator[Problem]:
    """Yield why a file may not be opened."""
    for name in filter(None, files.values()):
        for message, mend in path_faults(folder, name):
            yield Problem(None, name, message, mend)


def _found(folder: Path) -> tuple[dict[str, str], dict[str, str], dict[str, list[Problem]]]:
    """Return pictures and masks by the names of their cases, and the names that several files claim."""
    if (folder / "masks").is_dir():
        files = [(path, "images") for path in _files(folder / "images")]
        files += [(path, "masks") for path in _files(folder / "masks")]
        claims = [(_stem(path), kind, path) for path, kind in files]
    else:
        paths = [(path, *_case_of(_stem(path))) for path in _files(folder)]
        alone = not any(kind == "masks" for _, _, kind in paths)
        claims = [(name, "masks" if alone else kind, path) for path, name, kind in paths]
    found: dict[str, dict[str, str]] = {"images": {}, "masks": {}}
    twice: dict[str, list[Problem]] = {}
    for name, kind, path in claims:
        file = path.relative_to(folder).as_posix()
        first = found[kind].setdefault(name, file)
        if first != file:
            mend = "keep one of them: which is meant is not known"
            twice.setdefault(name, []).append(Problem(None, file, f"has the name of {first}", mend))
    return found["images"], found["masks"], twice


def _files(folder: Path) -> list[Path]:
    """Files of a folder that can be read, in the order of their names; what lies deeper is not looked for."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.name[0] != "." and ending_of(path))


def _stem(path: Path) -> str:
    """Name without the ending, of which ``.nii.gz`` is one."""
    return path.name[: -len(ending_of(path))]


def _case_of(stem: str) -> tuple[str, str]:
    """Name of the case that a file belongs to, and whether it is one of its "images" or "masks"."""
    for ending in sorted(ENDINGS, key=len, reverse=True):
        if stem.lower().endswith(ending) and len(stem) > len(ending):
            return stem[: -len(ending)], "masks"
    return stem, "images"
