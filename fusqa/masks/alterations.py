"""Ten masks made from one: five good and five poor by construction, and what each alteration did.

A quality model learns from an expert's masks that were altered on purpose. Drawing a recipe and following it are two
steps: :func:`altered_masks` draws, and writes every number drawn into the mask's recipe; :func:`replay` follows a
recipe and draws nothing. Good and poor say how a mask was *made*. What an alteration does to overlap, length and review
is measured by :meth:`Altered.effect`, and the two need not agree.

Everything happens on the image's own grid: on a small square of 224 pixels a 3×3 erosion removes most of a palate.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product

import cv2
import numpy as np

from fusqa.masks.dating import EQUATIONS
from fusqa.masks.label_images import SQUARE_3X3, dice
from fusqa.masks.labels import FETUS, HEAD, Scheme
from fusqa.masks.length import Point, check_spacing
from fusqa.masks.measurement import measured_mm
from fusqa.masks.reviewing import criteria

GOOD, POOR = "good", "poor"
SLIGHT_MASKS = 4
SLIGHT_STEPS = (1, 2, 3)  # pixels by which a label changes, the next where one pixel gives too few masks

Box = tuple[slice, slice]
EVERYWHERE = (slice(None), slice(None))


@dataclass(frozen=True)
class Severities:
    """How strong the alterations are. Ranges are the ends of uniform draws; sizes are relative to the label.

    The paper names the alterations but gives no sizes: all numbers are chosen. The *equivalent radius* is that of a
    disc with the label's area, the *inscribed radius* that of the largest disc inside the label.

    Attributes
    ----------
    slight_dice : float
        Least Dice between the changed label and the original in a good mask; a change that leaves less is not drawn.
        A 3×3 erosion that removes most of a small label is not slight.
    over_dilation : (low, high)
        Width of the added rim, in equivalent radii of the label; at least two pixels, because one is slight.
    over_erosion : (low, high)
        Width of the removed rim, in inscribed radii of the label; below 1, so that something of it remains.
    cut : (low, high)
        Share of the label's area that is lost.
    shift : (low, high)
        Distance, in equivalent radii.
    leak : (low, high)
        Radius of the lobe, in equivalent radii.
    """

    slight_dice: float = 0.5
    over_dilation: tuple[float, float] = (0.25, 0.60)
    over_erosion: tuple[float, float] = (0.35, 0.75)
    cut: tuple[float, float] = (0.10, 0.40)
    shift: tuple[float, float] = (0.15, 0.50)
    leak: tuple[float, float] = (0.30, 0.60)


SEVERITIES = {
    FETUS.name: Severities(),
    # The head is the only label, and the circumference grows with its radius: 10 % more is already over ten days.
    HEAD.name: Severities(over_dilation=(0.08, 0.30), over_erosion=(0.08, 0.40)),
}


@dataclass(frozen=True)
class Effect:
    """What an alteration did: altered minus reference.

    Attributes
    ----------
    dice : dict
        Dice of each label between altered mask and reference, NaN where the label is in neither.
    length_mm : float
        The length measured on the altered mask; NaN where it cannot be.
    delta_mm, delta_days : float
        Change of the measured length and of the gestational age by the scheme's equation (its bare formula, outside
        its range too); NaN where one of the masks cannot be measured.
    criteria_lost : tuple of str
        Image criteria that the reference meets and the altered mask does not.
    """

    dice: dict[str, float]
    length_mm: float
    delta_mm: float
    delta_days: float
    criteria_lost: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Altered:
    """One altered mask.

    Attributes
    ----------
    name : str
        "unaltered", "slight-1" … "slight-4", or the poor alteration's name.
    quality : str
        :data:`GOOD` or :data:`POOR`, by construction.
    mask, reference : (H, W) uint8
        The altered mask, and the mask that it was made from.
    recipe : dict
        Operation, label and every number drawn; plain values that JSON can hold. :func:`replay` follows it.
    scheme : Scheme
        What the labels mean.
    """

    name: str
    quality: str
    mask: np.ndarray
    reference: np.ndarray
    recipe: dict
    scheme: Scheme
    _of_reference: dict = field(default_factory=dict, repr=False)  # length and criteria by spacing, shared by the ten

    def effect(self, spacing: tuple[float, float]) -> Effect:
        """Measure what the alteration did; `spacing` is (row_mm, col_mm)."""
        spacing = check_spacing(spacing)
        if spacing not in self._of_reference:
            self._of_reference[spacing] = _length_and_criteria(self.reference, spacing, self.scheme)
        before, met = self._of_reference[spacing]
        after, still_met = _length_and_criteria(self.mask, spacing, self.scheme)
        days = EQUATIONS[self.scheme.equation].days
        overlap = dice(self.reference, self.mask, self.scheme.classes)
        return Effect(
            dice=dict(zip(self.scheme.names, overlap.tolist(), strict=True)),
            length_mm=after,
            delta_mm=after - before,
            delta_days=float(days(after) - days(before)),
            criteria_lost=tuple(name for name in met if name not in still_met),
        )


def altered_masks(mask: np.ndarray, rng: np.random.Generator, scheme: Scheme = FETUS) -> tuple[Altered, ...]:
    """Make five good and five poor masks from one, as strongly altered as :data:`SEVERITIES` says.

    Good are the mask itself and four in which one label, drawn at random, is dilated or eroded by 3×3 pixels while the
    other labels stay as they were. The four differ; where there are too few labels for that, some change by more than
    one pixel. Poor, for a fetus: one random label strongly dilated, or eroded; the palate tagged as head; one random
    label deleted; one random label turned upside down within the image. Poor, for a head: strongly dilated, or eroded;
    a part cut off, as by a shadow; shifted; a lobe of neighbouring tissue added.

    A dilated label covers a neighbour where the scheme's paint order puts it above that neighbour. Without a palate the
    gap is tagged as body instead; without either, the head as body, or the body as head.

    Parameters
    ----------
    mask : (H, W) uint8
        Labels of `scheme`.
    rng : numpy.random.Generator
        Source of all randomness: the same state gives the same bytes.
    scheme : Scheme
        What the labels mean, and which alterations make sense.

    Returns
    -------
    tuple of Altered
        Ten: "unaltered", "slight-1" … "slight-4", and the five poor ones. None shares memory with `mask`.

    Raises
    ------
    ValueError
        If `mask` is empty or not a mask of `scheme`.

    Notes
    -----
    Source for the fetus: Cengiz, Almakky & Yaqub, MIDL 2023, appendix C; the list for the head is chosen.

    Examples
    --------
    >>> mask = np.zeros((60, 90), np.uint8)
    >>> mask[20:40, 10:40], mask[20:40, 40:70] = 2, 1
    >>> [altered.name for altered in altered_masks(mask, np.random.default_rng(0))][-3:]
    ['wrong-label', 'deleted-label', 'mirrored-label']
    """
    scheme.require(mask)
    if not mask.any():
        raise ValueError("the mask is empty, there is nothing to alter; leave this image out")
    reference = mask.copy()
    draw = _Draw(reference, rng, scheme, SEVERITIES[scheme.name])
    recipes = [("unaltered", GOOD, {"operation": "keep"})]
    recipes += [(f"slight-{i}", GOOD, recipe) for i, recipe in enumerate(draw.slight(), start=1)]
    recipes += [(name, POOR, recipe(draw)) for name, recipe in POOR_RECIPES[scheme.name].items()]
    shared: dict = {}
    return tuple(
        Altered(name, quality, replay(reference, recipe, scheme), reference, recipe, scheme, shared)
        for name, quality, recipe in recipes
    )


def replay(mask: np.ndarray, recipe: dict, scheme: Scheme = FETUS) -> np.ndarray:
    """Follow a recipe: the altered mask (H, W) uint8, the same every time and on every machine."""
    scheme.require(mask)
    numbers = {key: value for key, value in recipe.items() if key != "operation"}
    return OPERATIONS[recipe["operation"]](mask, scheme, **numbers)


def _length_and_criteria(mask: np.ndarray, spacing: Point, scheme: Scheme) -> tuple[float, tuple[str, ...]]:
    """Measured length in mm, NaN where there is none, and the names of the criteria met."""
    met = tuple(name for name, found in criteria(mask, spacing, scheme).items() if found.met)
    return measured_mm(mask, spacing, scheme), met


def uneven_edges(
    mask: np.ndarray, spacing: Point, rng: np.random.Generator, count: int, strength_mm: float, coarse_mm: float
) -> list[np.ndarray]:
    """Bend a mask by smooth random fields, as a careful hand would draw its edge each time anew.

    Parameters
    ----------
    mask : (H, W) uint8
        Label mask.
    spacing : (row_mm, col_mm)
        Pixel spacing in millimetres.
    rng : numpy.random.Generator
        Where all chance comes from.
    count : int
        Number of masks to return.
    strength_mm, coarse_mm : float
        Standard deviation of the displacement, and of the Gaussian that smooths it, in millimetres.
    """
    cells = np.ceil(4 * np.multiply(mask.shape, spacing) / coarse_mm).astype(int)
    bent = []
    for _ in range(count):
        places = []
        for place, step in zip(np.indices(mask.shape, np.float32), spacing, strict=True):
            field = cv2.GaussianBlur(rng.standard_normal(cells, np.float32), (0, 0), 4)  # coarse_mm is four cells
            field = cv2.resize(field, mask.shape[::-1], interpolation=cv2.INTER_CUBIC)
            places.append(place + field * (strength_mm / step / field.std()))
        bent.append(cv2.remap(mask, places[1], places[0], cv2.INTER_NEAREST))
    return bent


# ---------------------------------------------------------------------------------------------------------------
# Following: from a mask and the numbers of a recipe to the altered mask
# ---------------------------------------------------------------------------------------------------------------


def _keep(mask: np.ndarray, scheme: Scheme) -> np.ndarray:
    """The mask itself."""
    return mask.copy()


def _dilate(mask: np.ndarray, scheme: Scheme, label: str, steps: int) -> np.ndarray:
    """Dilate by 3×3 `steps` times."""
    box, layer = _boxed(mask, scheme, label, steps)
    return _repaint(mask, scheme, label, cv2.dilate(layer, SQUARE_3X3, iterations=steps), box)


def _erode(mask: np.ndarray, scheme: Scheme, label: str, steps: int) -> np.ndarray:
    """Erode by 3×3 `steps` times; the image's border is not an edge."""
    box, layer = _boxed(mask, scheme, label, 1)
    return _repaint(mask, scheme, label, cv2.erode(layer, SQUARE_3X3, iterations=steps), box)


def _grow(mask: np.ndarray, scheme: Scheme, label: str, radius_px: float) -> np.ndarray:
    """Add everything within `radius_px` pixels of the label."""
    box, layer = _boxed(mask, scheme, label, int(np.ceil(radius_px)))
    # The distance to the label, once, instead of a dilation whose cost grows with the square of the radius.
    near = cv2.distanceTransform(1 - layer, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= radius_px
    return _repaint(mask, scheme, label, near.view(np.uint8), box)


def _shrink(mask: np.ndarray, scheme: Scheme, label: str, radius_px: float) -> np.ndarray:
    """Remove everything within `radius_px` pixels of the label's edge; the image's border is not an edge."""
    box, layer = _boxed(mask, scheme, label, 1)
    return _repaint(mask, scheme, label, (_depth(layer, mask.shape) > radius_px).view(np.uint8), box)


def _relabel(mask: np.ndarray, scheme: Scheme, label: str, to: str) -> np.ndarray:
    """Tag one label as another."""
    out = mask.copy()
    np.copyto(out, scheme.id(to), where=mask == scheme.id(label))
    return out


def _delete(mask: np.ndarray, scheme: Scheme, label: str) -> np.ndarray:
    """Remove a label."""
    return mask * (mask != scheme.id(label))


def _mirror(mask: np.ndarray, scheme: Scheme, label: str) -> np.ndarray:
    """Turn a label upside down within the image."""
    (_, cols), _ = _boxed(mask, scheme, label, 0)
    box = slice(None), cols
    return _repaint(mask, scheme, label, _layer(mask[box], scheme, label)[::-1], box)


def _cut(mask: np.ndarray, scheme: Scheme, label: str, angle_deg: float, share: float) -> np.ndarray:
    """Cut off a share of the label's area by a straight line, at the side to which `angle_deg` points."""
    layer = _layer(mask, scheme, label)
    rows, cols = np.nonzero(layer)
    along = rows * np.sin(np.radians(angle_deg)) + cols * np.cos(np.radians(angle_deg))
    lost = along > np.quantile(along, 1 - share)
    layer[rows[lost], cols[lost]] = 0
    return _repaint(mask, scheme, label, layer)


def _shift(mask: np.ndarray, scheme: Scheme, label: str, rows: int, cols: int) -> np.ndarray:
    """Move a label by whole pixels; what leaves the image is lost."""
    layer, move = _layer(mask, scheme, label), np.float32([[1, 0, cols], [0, 1, rows]])
    return _repaint(mask, scheme, label, cv2.warpAffine(layer, move, layer.shape[::-1], flags=cv2.INTER_NEAREST))


def _leak(mask: np.ndarray, scheme: Scheme, label: str, row: int, col: int, radius_px: int) -> np.ndarray:
    """Add a disc about a pixel."""
    lobe = cv2.circle(_layer(mask, scheme, label), (col, row), radius_px, 1, cv2.FILLED)
    return _repaint(mask, scheme, label, lobe)


OPERATIONS: dict[str, Callable[..., np.ndarray]] = {
    follow.__name__.removeprefix("_"): follow
    for follow in (_keep, _dilate, _erode, _grow, _shrink, _relabel, _delete, _mirror, _cut, _shift, _leak)
}


def _layer(mask: np.ndarray, scheme: Scheme, label: str) -> np.ndarray:
    """One label as an array of 0 and 1, (H, W) uint8."""
    return (mask == scheme.id(label)).view(np.uint8)


def _boxed(mask: np.ndarray, scheme: Scheme, label: str, margin: int) -> tuple[Box, np.ndarray]:
    """Box around a label, with a margin as far as the image reaches, and the label in it as 0 and 1, uint8."""
    layer = _layer(mask, scheme, label)
    left, top, width, height = cv2.boundingRect(layer)
    rows = slice(max(top - margin, 0), top + height + margin)
    box = rows, slice(max(left - margin, 0), left + width + margin)
    return box, layer[box]


def _depth(layer: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Distance in pixels of every pixel of a label, in its box, to the nearest one outside."""
    depth = cv2.distanceTransform(layer, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.minimum(depth, max(shape))  # a label that fills the image has no outside


def _repaint(mask: np.ndarray, scheme: Scheme, label: str, layer: np.ndarray, box: Box = EVERYWHERE) -> np.ndarray:
    """Replace a label by `layer`, 0 and 1 within a box that holds both, under the scheme's paint order."""
    out = mask.copy()
    inside, number = out[box], scheme.id(label)
    inside *= inside != number
    shown = layer.astype(bool)
    for above in scheme.paint_order[scheme.paint_order.index(label) + 1 :]:
        shown &= inside != scheme.id(above)
    np.copyto(inside, number, where=shown)  # np.where and indexing by a boolean array take several times as long
    return out


# ---------------------------------------------------------------------------------------------------------------
# Drawing: from a mask and a generator to the numbers of a recipe
# ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Draw:
    """Draws recipes for one mask."""

    mask: np.ndarray
    rng: np.random.Generator
    scheme: Scheme
    severities: Severities

    @cached_property
    def layers(self) -> dict[str, np.ndarray]:
        """Labels that the mask has, each as 0 and 1 in its box, with a margin in which a slight dilation has room."""
        return {name: _boxed(self.mask, self.scheme, name, SLIGHT_STEPS[-1])[1] for name in self.present}

    @cached_property
    def areas(self) -> dict[str, int]:
        """Pixels of each label."""
        return {name: np.count_nonzero(self.mask == self.scheme.id(name)) for name in self.scheme.names}

    @cached_property
    def present(self) -> list[str]:
        """Labels that the mask has."""
        return [name for name, pixels in self.areas.items() if pixels]

    def one_of(self, names: list[str]) -> str:
        """Draw one name."""
        return names[self.rng.integers(len(names))]

    def within(self, limits: tuple[float, float]) -> float:
        """Draw one number."""
        return float(self.rng.uniform(*limits))

    def equivalent_radius(self, label: str) -> float:
        """Radius in pixels of the disc with the label's area."""
        return float(np.sqrt(self.areas[label] / np.pi))

    def inscribed_radius(self, label: str) -> float:
        """Radius in pixels of the largest disc inside the label."""
        return float(_depth(self.layers[label], self.mask.shape).max())

    def slight(self) -> list[dict]:
        """Draw the recipes of the slight changes, all different if the mask allows it."""
        options: list[dict] = []
        for steps in SLIGHT_STEPS:
            options += [option for option in self._changes(steps) if self._is_slight(option)]
            if len(options) >= SLIGHT_MASKS:
                break
        # For specks of a pixel or two no change is slight, but a dilation at least does not erase them.
        options = options or [option for option in self._changes(1) if option["operation"] == "dilate"]
        drawn = self.rng.choice(len(options), SLIGHT_MASKS, replace=len(options) < SLIGHT_MASKS)
        return [options[i] for i in drawn]

    def _changes(self, steps: int) -> list[dict]:
        """Every label dilated and eroded."""
        pairs = product(("dilate", "erode"), self.present)
        return [{"operation": operation, "label": label, "steps": steps} for operation, label in pairs]

    def _is_slight(self, change: dict) -> bool:
        """Whether the changed label has enough Dice with the original, neighbours that cover it left aside."""
        morphology = {"dilate": cv2.dilate, "erode": cv2.erode}[change["operation"]]
        changed = morphology(self.layers[change["label"]], SQUARE_3X3, iterations=change["steps"])
        small, large = sorted((self.areas[change["label"]], cv2.countNonZero(changed)))
        return 2 * small / (small + large) >= self.severities.slight_dice


def _over_dilation(draw: _Draw) -> dict:
    label = draw.one_of(draw.present)
    radius = draw.within(draw.severities.over_dilation) * draw.equivalent_radius(label)
    return {"operation": "grow", "label": label, "radius_px": round(max(radius, 2.0), 2)}


def _over_erosion(draw: _Draw) -> dict:
    """Erode a label that has an inside; a label that is all edge would be deleted, so it is the last choice."""
    # A pixel is two or more from the nearest one outside where a 3×3 erosion leaves it: most labels need no distances.
    deep = [label for label, layer in draw.layers.items() if cv2.countNonZero(cv2.erode(layer, SQUARE_3X3))]
    label = draw.one_of(deep or [max(draw.present, key=draw.inscribed_radius)])
    radius = draw.within(draw.severities.over_erosion) * draw.inscribed_radius(label)
    return {"operation": "shrink", "label": label, "radius_px": round(max(radius, 1.5), 2)}  # less may remove nothing


def _wrong_label(draw: _Draw) -> dict:
    label, to = next(pair for pair in CONFUSIONS if pair[0] in draw.present)
    return {"operation": "relabel", "label": label, "to": to}


def _head_cut(draw: _Draw) -> dict:
    angle, share = draw.within((0, 360)), draw.within(draw.severities.cut)
    return {"operation": "cut", "label": "head", "angle_deg": round(angle, 1), "share": round(share, 3)}


def _head_shift(draw: _Draw) -> dict:
    distance = draw.within(draw.severities.shift) * draw.equivalent_radius("head")
    angle = draw.within((0, 2 * np.pi))
    rows, cols = round(distance * np.sin(angle)), round(distance * np.cos(angle))
    return {"operation": "shift", "label": "head", "rows": rows, "cols": cols}


def _head_leak(draw: _Draw) -> dict:
    contours, _ = cv2.findContours(_layer(draw.mask, HEAD, "head"), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    rim = np.concatenate(contours).reshape(-1, 2)
    col, row = (int(value) for value in rim[draw.rng.integers(len(rim))])
    radius = draw.within(draw.severities.leak) * draw.equivalent_radius("head")
    return {"operation": "leak", "label": "head", "row": row, "col": col, "radius_px": max(round(radius), 1)}


# Which label is tagged as which other: the first pair whose first label is present. The first pair is the paper's.
CONFUSIONS = (("palate", "head"), ("gap", "body"), ("head", "body"), ("body", "head"))

POOR_RECIPES: dict[str, dict[str, Callable[[_Draw], dict]]] = {
    FETUS.name: {
        "over-dilation": _over_dilation,
        "over-erosion": _over_erosion,
        "wrong-label": _wrong_label,
        "deleted-label": lambda draw: {"operation": "delete", "label": draw.one_of(draw.present)},
        "mirrored-label": lambda draw: {"operation": "mirror", "label": draw.one_of(draw.present)},
    },
    HEAD.name: {
        "over-dilation": _over_dilation,
        "over-erosion": _over_erosion,
        "cut": _head_cut,
        "shift": _head_shift,
        "leak": _head_leak,
    },
}
