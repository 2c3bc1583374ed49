"""What a user names -> its cases: the one door that check, assess, train and measure read through.

A user names a documented cohort (:mod:`fusqa.cohorts.manifest`), a plain folder (:mod:`fusqa.cohorts.folders`), or one
mask. :class:`Input` lists its cases and reads them one by one, whichever it is; it carries what the user said of the
files: scheme, label numbers and pixel spacing. A spacing comes from the user or the table first, and else from the
files, as far as their formats (:mod:`fusqa.cohorts.formats`) state it.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from fusqa.cohorts.folders import find_cases, is_file, left_aside
from fusqa.cohorts.formats import StoredImage, read_image, read_mask
from fusqa.cohorts.manifest import CASES, INFO, CaseRow, path_of, read_manifest, spacing_cells
from fusqa.cohorts.space import laid_onto, lie_across
from fusqa.cohorts.stored import Spacing, alike
from fusqa.masks.labels import FETUS, SCHEMES, Renumbering, Scheme
from fusqa.masks.length import Point, check_spacing
from fusqa.masks.measurement import Measurement, describe_drawing
from fusqa.problems import CohortError, Problem, message_and_fix

_VOLUME = ("affine matrix", "directions", "order of axes")  # orientations of formats whose axes have no fixed order
FAR_OFF, FAR_OFF_MM = 0.1, 2  # chosen: an expert's length and the mask's that differ by more, by share and mm, disagree


@dataclass(frozen=True, eq=False)
class Case:
    """One image with what is known of it.

    Attributes
    ----------
    case, patient, site : str
        Names; images of one `patient` never part.
    image : (H, W) uint8 or None
        The ultrasound image; None where only masks are to be judged, never in a cohort.
    mask : (H, W) uint8 or None
        The reference labels.
    spacing : (float, float)
        Millimetres from one row to the next, and from one column to the next.
    measure_mm : float or None
        What an expert measured: crown-rump length or head circumference, by the cohort's scheme.
    ga_days : float or None
        Gestational age in days.
    warnings : tuple of str
        What to beware of in its files.
    file : StoredImage or None
        The image with what its file states, to lay other masks beside it.
    """

    case: str
    patient: str
    site: str
    image: np.ndarray | None
    mask: np.ndarray | None
    spacing: tuple[float, float]
    measure_mm: float | None = None
    ga_days: float | None = None
    warnings: tuple[str, ...] = ()
    file: StoredImage | None = None


@dataclass(frozen=True, eq=False)
class Input:
    """The cases of a cohort, of a plain folder or of one file, and how to read one.

    Attributes
    ----------
    folder : Path
        Where the files lie.
    scheme : Scheme or None
        What the labels mean; None where ``cohort.json`` should say so and does not.
    rows : tuple of :class:`fusqa.cohorts.manifest.CaseRow`
        Every case, with what is wrong with it before a file is opened.
    labels : Renumbering or None
        For masks whose numbers are not the scheme's.
    info : mapping
        ``cohort.json``; empty for a plain folder.
    listed : bool
        Whether there is a table, ``cases.csv``.
    problems : tuple of :class:`fusqa.problems.Problem`
        Why it cannot be used as a whole; the rows have their own faults.
    aside : tuple of str
        Files and folders within that no row names.
    """

    folder: Path
    scheme: Scheme | None
    rows: tuple[CaseRow, ...]
    labels: Renumbering | None
    info: Mapping[str, Any]
    listed: bool
    problems: tuple[Problem, ...]
    aside: tuple[str, ...] = ()

    @classmethod
    def open(
        cls, path: str | Path, scheme: Scheme | None = None, labels: str | None = None, spacing: Point | None = None
    ) -> "Input":
        """Look through what a user names, without opening an image; what is wrong is kept in `problems`.

        Parameters
        ----------
        path : path
            A cohort, a plain folder, or a mask.
        scheme : Scheme, optional
            What the labels mean. By default a cohort's own, and :data:`fusqa.masks.labels.FETUS` without a cohort.
        labels : str, optional
            What the masks' own numbers stand for, as :meth:`fusqa.masks.labels.Renumbering.parse` reads it.
        spacing : (row_mm, col_mm), optional
            Of every image that no table lists; counts before what the files state.

        Raises
        ------
        ValueError
            If labels or spacing cannot be used, a cohort is of another scheme, or a spacing is given for a cohort,
            which has its own.
        """
        path, info = Path(path), {}
        listed = path.is_dir() and any((path / name).exists() for name in (CASES, INFO))
        if spacing and listed:
            raise ValueError(f"{path} gives the spacing of each image in {CASES}; leave out --spacing")
        if listed:
            info, rows, problems = read_manifest(path)
            used = [(row, row.cells[column]) for row in rows for column in ("image", "mask") if row.cells[column]]
            read = [PurePosixPath(name).parts for row, name in used if name not in {one.file for one in row.faults}]
            aside = left_aside(path, [name for _, name in used], sorted({where for where, *own in read if own}))
        else:
            rows, problems, aside = find_cases(path)
        rows = [replace(row, cells=row.cells | spacing_cells(spacing)) for row in rows]
        own = SCHEMES.get(info.get("scheme")) if listed else scheme or FETUS
        if own and scheme not in (None, own):
            said = f"{path} has labels of scheme '{own.name}', asked for was '{scheme.name}'"
            raise ValueError(f"{said}; give a model, or --scheme, of the cohort's scheme")
        numbers = Renumbering.parse(labels, own) if labels and own else None
        folder = path.parent if is_file(path) else path
        return cls(folder, own, tuple(rows), numbers, info, listed, tuple(problems), tuple(aside))

    def __len__(self) -> int:
        return len(self.rows)

    def usable(self) -> "Input":
        """Return itself; :class:`CohortError` with all that is known to be wrong if it cannot be used as a whole."""
        if self.problems:
            raise CohortError(self.known_problems())
        return self

    def usable_by(self, scheme: Scheme) -> "Input":
        """Return itself for a model of a scheme; as :meth:`usable`, and ``ValueError`` if it is of another one."""
        if self.usable().scheme is not scheme:
            raise ValueError(
                f"{self.folder} was opened with scheme '{self.scheme.name}', and the model was trained on "
                f"'{scheme.name}'; leave out --scheme, or give a model of '{self.scheme.name}'"
            )
        return self

    def known_problems(self) -> list[Problem]:
        """Everything that is known to be wrong before a file is opened."""
        return [*self.problems, *(fault for row in self.rows for fault in row.faults)]

    def read(self, row: CaseRow) -> Case:
        """Read one of the cases; it may be without image or mask.

        Raises
        ------
        CohortError
            With all that is wrong with the row and its files.
        """
        files = read_files(self.folder, row, self.scheme, self.labels)
        if files.problems:
            raise CohortError(files.problems)
        return Case(
            case=row.case,
            patient=row.cells["patient"],
            site=row.cells["site"],
            image=files.image and files.image.pixels,
            mask=files.mask and files.mask.pixels,
            spacing=files.spacing,
            measure_mm=_known(row.number("measure_mm")),
            ga_days=_known(row.number("ga_days")),
            warnings=files.warnings,
            file=files.image,
        )

    def measure(self) -> Measurement:
        """Measure the one mask that was named; a head may be drawn in any number.

        Raises
        ------
        CohortError
            If it cannot be read, its spacing is not known, or nothing can be measured.
        ValueError
            If a folder was named.
        """
        row, *others = self.usable().rows
        if row.faults and not (others or row.line):
            raise CohortError(row.faults)
        if others or row.line or row.cells["image"]:
            raise ValueError(f"{self.folder} is a folder; give one mask, or use fusqa assess")
        path = self.folder / row.cells["mask"]
        mask = read_labels(path, self.scheme, self.labels)
        try:
            (*spacing, _), warnings = _spacing(row, [mask])
            found = describe_drawing(mask.pixels, tuple(spacing), self.scheme)
        except ValueError as error:
            raise CohortError([Problem(None, str(path), *message_and_fix(error))]) from None
        return replace(found, warnings=(*mask.warnings, *warnings, *found.warnings))

    def files(self) -> set[Path]:
        """Return every file that is read: those that the rows name, and those that say what they are."""
        named = {path for row in self.rows for path in self._files_of(row)}
        return {path.resolve() for path in (*named, self.folder / CASES, self.folder / INFO)}

    def _files_of(self, row: CaseRow) -> list[Path]:
        named = (row.cells[kind] for kind in ("image", "mask"))
        return [path_of(self.folder, name) for name in named if name and "\0" not in name]

    def digest(self) -> bytes:
        """Return a fingerprint of what is read: every row, and size and date of every file."""
        digest = hashlib.sha256(repr((self.scheme.name, self.labels)).encode())
        for row in self.rows:
            files = self._files_of(row)
            dates = [(file.stat().st_size, file.stat().st_mtime_ns) for file in files if os.path.isfile(file)]
            digest.update(repr((row, dates)).encode())
        return digest.digest()


@dataclass(frozen=True, eq=False)
class RowFiles:
    """What could be read of one row's files; `problems` says what could not, and what is wrong with the row.

    `source` is where the spacing comes from, in words.
    """

    image: StoredImage | None
    mask: StoredImage | None
    spacing: tuple[float, float] | None
    source: str
    warnings: tuple[str, ...]
    problems: tuple[Problem, ...]


def read_files(folder: Path, row: CaseRow, scheme: Scheme | None, labels: Renumbering | None) -> RowFiles:
    """Read image and mask of a row, each as far as it can be read; a file that the row's faults name is left out."""
    problems, unusable = list(row.faults), {fault.file for fault in row.faults}
    read: dict[str, StoredImage | None] = {"image": None, "mask": None}
    for column, reader in (("image", read_image), ("mask", lambda path: read_labels(path, scheme, labels))):
        name = row.cells[column]
        if name and name not in unusable:
            try:
                read[column] = reader(folder / name)
            except CohortError as error:
                problems += [replace(problem, row=row.line, file=name) for problem in error.problems]
    image, mask = read.values()
    warnings: list[str] = []
    if mask is not None:
        try:
            mask, warnings = beside(mask, image)
            shape = image and image.pixels.shape
        except ValueError as error:
            problems.append(Problem(row.line, row.cells["mask"], *message_and_fix(error)))
            shape = None  # their sizes need not agree along other axes
        faults = mask_faults(mask.pixels, shape, scheme)
        problems += [Problem(row.line, row.cells["mask"], *fault) for fault in faults]
    spacing, source = None, ""
    if not problems:  # a file that cannot be read states no spacing either
        try:
            (*spacing, source), contradictions = _spacing(row, [image, mask])
            warnings = [*contradictions, *warnings]
        except ValueError as error:
            problems.append(Problem(row.line, row.cells["image"] or row.cells["mask"], *message_and_fix(error)))
    said = [f"{name}: {one}" for name, file in read.items() if file for one in file.warnings]
    return RowFiles(image, mask, spacing and tuple(spacing), source, (*warnings, *said), tuple(problems))


def beside(mask: StoredImage, image: StoredImage | None) -> tuple[StoredImage, list[str]]:
    """Lay a mask onto its image by the places of both.

    Returns
    -------
    mask, warnings : StoredImage, list of str
        The mask in the order of the image's pixels.

    Raises
    ------
    ValueError
        If the two lie apart in space, or at another angle.
    """
    look = "compare it with the screen once"
    doubts = [
        f"the {name} is stored mirrored or transposed by its {file.orientation}, and was turned; {look}"
        for name, file in (("image", image), ("mask", mask))
        if file and file.turned and (file is image or not (image and image.place))
    ]
    if image is None:
        return mask, doubts
    if not (mask.place and image.place):
        if (mask.orientation in _VOLUME) != (image.orientation in _VOLUME):
            doubts.append(f"one of image and mask states no orientation, so they cannot be compared in space; {look}")
        return mask, doubts
    if lie_across(mask.place, image.place):
        mask = mask.transposed()
    compare_mm = bool(image.spacing and mask.spacing and alike(image.spacing, mask.spacing))
    laid = laid_onto(mask.pixels, mask.place, image.place, compare_mm)
    return replace(mask, pixels=np.ascontiguousarray(laid)), doubts


def read_labels(path: Path, scheme: Scheme | None, labels: Renumbering | None) -> StoredImage:
    """Read a mask as ``uint8``, in the scheme's numbers where `labels`, or the file itself, says what its own mean.

    Raises
    ------
    CohortError
        If it cannot be read, or has a number that stands for nothing.
    """
    stored = read_mask(path)
    try:
        if stored.names and scheme:
            given = labels if stored.numbered or not labels else labels.by_name()
            labels = Renumbering.of_names(stored.names, scheme, given)
        if labels:
            return replace(stored, pixels=labels(stored.pixels))
        outside = stored.pixels[(stored.pixels < 0) | (stored.pixels > 255)]
        if outside.size:
            found = np.unique(outside)[:8].tolist()
            raise ValueError(f"labels {found} are in no scheme; say what they stand for with --labels")
    except ValueError as error:
        raise CohortError([Problem(None, str(path), *message_and_fix(error))]) from None
    return replace(stored, pixels=stored.pixels.astype(np.uint8, copy=False))


def mask_faults(
    mask: np.ndarray, image_shape: tuple[int, int] | None, scheme: Scheme | None
) -> Iterator[tuple[str, str]]:
    """Yield (what is wrong, fix) of a mask beside its image."""
    if image_shape not in (None, mask.shape):
        said = f"is {mask.shape[1]} × {mask.shape[0]} pixels, its image {image_shape[1]} × {image_shape[0]}"
        yield said, "export both at one size: scaling either would change what is measured"
    if not mask.any():
        yield "is empty: every pixel is background", "draw the structures, or leave the mask's cell empty"
    try:
        if scheme is not None:
            scheme.require(mask)
    except ValueError as error:
        yield message_and_fix(error)


def _spacing(row: CaseRow, files: Sequence[StoredImage | None]) -> tuple[Spacing, tuple[str, ...]]:
    """Return the spacing in mm that counts, the row's before what a file states; and a warning if they differ."""
    given = row.number("row_mm"), row.number("col_mm")
    stated = [list(file.spacings) for file in files if file]
    if not np.isnan(given).any():
        used = Spacing(*given, CASES if row.line else "--spacing")
    else:
        used = _stated_alone(files, stated)
    check_spacing(used[:2])
    return used, tuple(
        f"{one.source} states a pixel spacing of {one.row_mm:g} × {one.col_mm:g} mm, "
        f"{used[0]:g} × {used[1]:g} mm were used"
        for spacings in stated
        for one in spacings
        if not alike(one, used)
    )


def _stated_alone(files: Sequence[StoredImage | None], stated: Sequence[Sequence[Spacing]]) -> Spacing:
    """Return the spacing of the first file that states one; ``ValueError`` if none does, or it states several."""
    fix = "give --spacing, or list the images with their row_mm and col_mm in a cases.csv"
    for spacings in filter(None, stated):
        if any(not alike(spacings[0], one) for one in spacings):
            several = " and ".join(f"{one.row_mm:g} × {one.col_mm:g} mm ({one.source})" for one in spacings)
            raise ValueError(f"states more than one pixel spacing, {several}; export the measured region, or {fix}")
        return spacings[0]
    if any(file.stated for file in files if file):
        raise ValueError(f"states no pixel spacing but 1 × 1 mm, which programs write where nobody has; {fix}")
    raise ValueError(f"states no pixel spacing; {fix}")


def disagreement(measure_mm: float | None, found_mm: float, scheme: Scheme, share: float = FAR_OFF) -> str:
    """Say how far an expert's length and that of the mask lie apart; empty where they agree or one is not known."""
    apart = abs(found_mm - (np.nan if measure_mm is None else measure_mm))
    if not apart > FAR_OFF_MM or not apart > share * measure_mm:  # also of NaN
        return ""
    more = f"{apart / measure_mm:.0%} {'above' if found_mm > measure_mm else 'below'}"
    return f"measures {found_mm:.1f} mm, {more} the expert's {scheme.symbol} of {measure_mm:.1f} mm"


def _known(number: float) -> float | None:
    return None if np.isnan(number) else float(number)
