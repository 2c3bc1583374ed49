"""Review: count the criteria that a mask meets; with enough of them, a careful reviewer would measure it.

A reviewer also sees the image, and so whether a caliper lies on the real crown. A reference mask, where there is one,
stands in for the image: calipers are compared with the true ends, a head with the true head.
"""

from dataclasses import dataclass

import numpy as np

from fusqa.masks.circumference import Ellipse
from fusqa.masks.criterion import Criterion, Rule
from fusqa.masks.fasp import FETUS_RULES, FetusView
from fusqa.masks.head_criteria import HEAD_RULES, HeadView
from fusqa.masks.labels import FETUS, HEAD, Scheme
from fusqa.masks.length import Length, check_spacing

RULES: dict[str, tuple[Rule, ...]] = {FETUS.name: FETUS_RULES, HEAD.name: HEAD_RULES}
_VIEWS = {FETUS.name: FetusView, HEAD.name: HeadView}


@dataclass(frozen=True)
class Review:
    """How many criteria a mask meets, and whether these are enough to call it good.

    Attributes
    ----------
    met, of : int
        Number of criteria met, and of all criteria.
    good : bool
        ``met`` is at least the scheme's ``review_minimum``, and against a reference every decisive criterion is met.
    criteria : dict
        The criteria by name, as :func:`criteria` returns them.
    """

    met: int
    of: int
    good: bool
    criteria: dict[str, Criterion]


def criteria(
    mask: np.ndarray,
    spacing: tuple[float, float],
    scheme: Scheme = FETUS,
    reference: np.ndarray | None = None,
    measured: Length | Ellipse | None = None,
) -> dict[str, Criterion]:
    """Answer every criterion of `scheme` for one mask, by the numbers of :class:`fusqa.masks.criterion.Thresholds`.

    Parameters
    ----------
    mask : (H, W) uint8
        Labels of `scheme`.
    spacing : (row_mm, col_mm)
        Pixel spacing in millimetres.
    scheme : Scheme
        :data:`fusqa.masks.labels.FETUS` (seven criteria) or :data:`fusqa.masks.labels.HEAD` (five).
    reference : (H, W) uint8, optional
        The true mask of the same image, in place of a reviewer who sees the image.
    measured : Length or Ellipse, optional
        The crown-rump line or the head's ellipse of `mask`, where it is known already.

    Returns
    -------
    dict
        Criterion by name, in the order of :data:`RULES`. In the mirror image (left and right exchanged) every
        criterion has the same value; only the two calipers exchange their names.

    Raises
    ------
    ValueError
        If `mask` or `reference` is not a mask of `scheme`, their sizes differ, or `spacing` is not plausible. What the
        mask *shows* never raises: a criterion that cannot be measured is not met, its value is NaN and its `why` says
        what is missing.

    Examples
    --------
    >>> empty = np.zeros((40, 60), np.uint8)
    >>> criteria(empty, (0.2, 0.2))["palate"].why
    'there is no palate'
    """
    view, spacing, truth = _VIEWS[scheme.name], check_spacing(spacing), None
    scheme.require(mask)
    if reference is not None:
        scheme.require(reference)
        if reference.shape != mask.shape:
            raise ValueError(f"the mask is {mask.shape} pixels and its reference {reference.shape}: of one image?")
        truth = view(np.ascontiguousarray(reference), spacing)
    shown = view(np.ascontiguousarray(mask), spacing, truth, measured)
    return {rule.name: rule.ask(shown) for rule in RULES[scheme.name]}


def review(
    mask: np.ndarray,
    spacing: tuple[float, float],
    scheme: Scheme = FETUS,
    reference: np.ndarray | None = None,
    measured: Length | Ellipse | None = None,
) -> Review:
    """Count the criteria that `mask` meets; a mask without anything to measure meets none.

    Parameters and errors are those of :func:`criteria`. Source of the rule "at least four of seven": Cengiz, Almakky
    & Yaqub, MIDL 2023; for the head, four of five is chosen, and against a reference it must also agree with the true
    head: a person who sees the image would not accept an oval beside it, or a much smaller one.
    """
    answers = criteria(mask, spacing, scheme, reference, measured)
    met = sum(answer.met for answer in answers.values())
    decisive = [rule.name for rule in RULES[scheme.name] if rule.decisive and reference is not None]
    good = met >= scheme.review_minimum and all(answers[name].met for name in decisive)
    return Review(met, len(answers), good, answers)
