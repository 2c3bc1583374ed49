"""Label schemes: which structures a mask shows, how they are drawn, and what is measured on them.

A mask is a label image, ``(H, W)`` ``uint8``: every pixel holds the number of one structure, 0 is background.
Everything that differs between the crown-rump study and the fetal-head study is a field of the scheme, so that the rest
of the package serves both.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from itertools import islice

import numpy as np

NUMBERS_SHOWN = 8  # unknown numbers that a message names


@dataclass(frozen=True)
class Label:
    """One structure of a scheme: its number in the mask, its name, and the colour of its overlay."""

    id: int
    name: str
    colour: str


@dataclass(frozen=True)
class Scheme:
    """What the labels of a cohort mean.

    Attributes
    ----------
    name : str
        Key of the scheme in :data:`SCHEMES`, as written in ``cohort.json``.
    labels : tuple of Label
        The structures, numbered 1 … n without gaps.
    paint_order : tuple of str
        Names from the bottom layer to the top: where two structures overlap, the later one shows.
    solid : tuple of str
        The structures that belong to the measured body (the gap between chin and chest is fluid).
    measurement, symbol : str
        What is measured, in words and as an abbreviation.
    equation : str
        Default dating equation, a key of :data:`fusqa.masks.dating.EQUATIONS`.
    review_minimum : int
        How many image criteria a mask must meet to be reviewed as good; some may have to be among them
        (:attr:`fusqa.masks.criterion.Rule.decisive`).
    """

    name: str
    labels: tuple[Label, ...]
    paint_order: tuple[str, ...]
    solid: tuple[str, ...]
    measurement: str
    symbol: str
    equation: str
    review_minimum: int

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the structures in the order of their numbers."""
        return tuple(label.name for label in self.labels)

    @property
    def classes(self) -> int:
        """Number of classes including background."""
        return len(self.labels) + 1

    def id(self, name: str) -> int:
        """Return the number of the structure called `name`."""
        return self.names.index(name) + 1

    def layers(self, mask: np.ndarray) -> dict[str, np.ndarray]:
        """Split a label image into one boolean array ``(H, W)`` per structure."""
        return {label.name: mask == label.id for label in self.labels}

    def paint(self, layers: Mapping[str, np.ndarray]) -> np.ndarray:
        """Merge boolean arrays into a label image, in paint order; a structure left out is absent."""
        mask = np.zeros(next(iter(layers.values())).shape, np.uint8)
        for name in self.paint_order:
            if name in layers:
                mask[layers[name]] = self.id(name)
        return mask

    def body(self, mask: np.ndarray) -> np.ndarray:
        """Boolean array ``(H, W)`` of the measured body: the union of the solid structures."""
        # One comparison per structure: a look-up by OpenCV takes twice as long, np.isin many times.
        return reduce(np.bitwise_or, (mask == self.id(name) for name in self.solid))

    def require(self, mask: np.ndarray) -> None:
        """Raise ``ValueError`` unless `mask` is a ``uint8`` array ``(H, W)``, not empty, of this scheme's labels."""
        if mask.ndim != 2 or mask.dtype != np.uint8 or not mask.size:
            said = f"a mask is a (H, W) uint8 label image, this one is {mask.shape} {mask.dtype}"
            raise ValueError(f"{said}; save it as 8-bit single-channel PNG with one label number per pixel")
        if mask.max(initial=0) >= self.classes:
            unknown = _in_brackets(np.unique(mask[mask >= self.classes]))
            known = ", ".join(f"{label.id} {label.name}" for label in self.labels)
            said = f"labels {unknown} are not in scheme '{self.name}' (0 background, {known})"
            raise ValueError(f"{said}; renumber the mask or name the right scheme")


def _in_brackets(numbers: Iterable[int]) -> str:
    """Write a list of numbers, cut after the first few: a grey image taken for a mask has hundreds."""
    first = [str(int(number)) for number in islice(numbers, NUMBERS_SHOWN + 1)]
    return f"[{', '.join(first[:NUMBERS_SHOWN] + ['…'] * (len(first) > NUMBERS_SHOWN))}]"


FETUS = Scheme(
    name="fetus",
    labels=(
        Label(1, "head", "#D55E00"),
        Label(2, "body", "#009E73"),
        Label(3, "palate", "#F0E442"),
        Label(4, "gap", "#56B4E9"),
    ),
    paint_order=("body", "head", "gap", "palate"),
    solid=("head", "body", "palate"),
    measurement="crown-rump length",
    symbol="CRL",
    equation="intergrowth-21st",
    review_minimum=4,
)

HEAD = Scheme(
    name="head",
    labels=(Label(1, "head", "#D55E00"),),
    paint_order=("head",),
    solid=("head",),
    measurement="head circumference",
    symbol="HC",
    equation="intergrowth-21st-hc",
    review_minimum=4,
)

SCHEMES = {scheme.name: scheme for scheme in (FETUS, HEAD)}


@dataclass(frozen=True)
class Renumbering:
    """What the numbers in somebody else's masks stand for.

    Attributes
    ----------
    numbers : dict of int to int
        From the number in their masks to the number in the scheme. 0 is background unless it is given another meaning.
    names : dict of str to int
        The same for names, in small letters, of structures in files that name them.

    Examples
    --------
    >>> Renumbering.parse("255=head", HEAD)(np.array([[0, 255]])).tolist()
    [[0, 1]]
    """

    numbers: Mapping[int, int]
    names: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str, scheme: Scheme) -> "Renumbering":
        """Read ``1=body,2=head,7=background``, or ``Kopf=head`` for files that name their structures.

        Raises
        ------
        ValueError
            If a part is not ``number=name``, a number or a file's name comes twice, or the scheme has no such name.
        """
        known = {"background": 0} | {label.name: label.id for label in scheme.labels}
        numbers: dict[int, int] = {}
        names: dict[str, int] = {}
        for part in text.split(","):
            number, _, name = (piece.strip() for piece in part.partition("="))
            if name in known and number[:1].isalpha():
                if number.casefold() in names:
                    raise ValueError(f"labels: the name {number} is given twice; write every name once")
                names[number.casefold()] = known[name]
                continue
            if not (number.isascii() and number.isdigit()) or name not in known:
                said = f"labels: '{part.strip()}' is not number=name with a name among {', '.join(known)}"
                raise ValueError(f"{said}; write for example 1={scheme.names[0]}")
            if int(number) in numbers:
                raise ValueError(f"labels: the number {int(number)} is given twice; name every number once")
            numbers[int(number)] = known[name]
        return cls({0: 0} | numbers, names)

    @classmethod
    def of_names(cls, stated: Mapping[int, str], scheme: Scheme, given: "Renumbering | None") -> "Renumbering":
        """Return what the numbers of a file stand for that names its structures itself.

        Parameters
        ----------
        stated : mapping
            Names by number, as the file has them.
        scheme : Scheme
            The scheme; a name of it needs no further word.
        given : Renumbering or None
            What the user said, by number or by name; it counts first.

        See Also
        --------
        by_name : for files that have names alone.

        Raises
        ------
        ValueError
            If a name stands for nothing.
        """
        known = {"background": 0} | {label.name: label.id for label in scheme.labels}
        known |= given.names if given else {}
        numbers = dict(given.numbers) if given else {0: 0}
        unknown = []
        for number, name in stated.items():
            if number in numbers:
                continue
            if (meant := known.get(name.strip().casefold())) is None:
                unknown.append(f"'{name}'")
            else:
                numbers[number] = meant
        if unknown:
            said = f"names structures {', '.join(unknown)} that are not in scheme '{scheme.name}'"
            example = f"{unknown[0].strip(chr(39))}={scheme.names[0]}"
            raise ValueError(f"{said}; say what they stand for, such as --labels {example}")
        return cls(numbers)

    def by_name(self) -> "Renumbering":
        """Return the same for files that have names and no numbers, in which a number can only be a name."""
        return Renumbering({0: 0}, {str(number): label for number, label in self.numbers.items()} | dict(self.names))

    def __call__(self, mask: np.ndarray) -> np.ndarray:
        """Return the mask in the scheme's numbers, ``(H, W)`` ``uint8``.

        Raises
        ------
        ValueError
            If the mask has a number that was not named.
        """
        found, place = np.unique(mask, return_inverse=True)
        if unknown := [int(number) for number in found if int(number) not in self.numbers]:
            said = f"labels {_in_brackets(unknown)} are not named (named: {', '.join(map(str, sorted(self.numbers)))})"
            raise ValueError(f"{said}; name every number of the masks, those without meaning as background")
        return np.uint8([self.numbers[int(number)] for number in found])[place].reshape(mask.shape)
