"""Interactive figures: alterations by severity, verdicts by threshold, predictions by score.

Each is one ``<figure>`` with its first state drawn in plain HTML and the other states beside it as JSON;
``book/_static/fusqa.js`` adds the controls. Without the script, on paper or in Jupyter, the first state is shown.
"""

import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import pandas as pd
from IPython.display import display

from fusqa.cohorts.reading import Case
from fusqa.figures.page_images import encoded, measured_line, narrowed, overlay, thumbnail
from fusqa.masks.alterations import POOR, Altered, replay
from fusqa.masks.dating import EQUATIONS
from fusqa.masks.labels import Scheme

THUMBNAIL_HEIGHT = 130  # pixels, of an image in a gallery
BINS = 20  # of the histogram above a threshold


def altered_frame(
    case: Case, scheme: Scheme, label: str, operation: str, radii: float, poor: tuple[float, float]
) -> dict[str, Any]:
    """Alter a label for one position of a slider, with the effect on the measurement.

    Parameters
    ----------
    case, scheme
        The mask to alter, and the meaning of its labels.
    label : str
        The label that is altered.
    operation : {"grow", "shrink"}
        As in a recipe of :mod:`fusqa.masks.alterations`.
    radii : float
        By how much, in radii of the disc that has the label's area.
    poor : (low, high)
        What poor masks are drawn from, as in :class:`fusqa.masks.alterations.Severities`: to grow, a range of `radii`;
        to shrink, of radii of the largest disc inside the label.

    Returns
    -------
    dict
        ``step``, the label of the position; ``mask`` (H, W) uint8, on the image's own grid; ``facts`` as text.
    """
    layer = np.uint8(case.mask == scheme.id(label))
    radius = np.sqrt(np.count_nonzero(layer) / np.pi)
    inscribed = cv2.distanceTransform(layer, cv2.DIST_L2, cv2.DIST_MASK_PRECISE).max()
    drawn_by = {"grow": radius, "shrink": inscribed}[operation]
    recipe = {"operation": operation, "label": label, "radius_px": radii * radius}
    altered = Altered(label, POOR, replay(case.mask, recipe, scheme), case.mask, recipe, scheme)
    effect = altered.effect(case.spacing)
    days = float(EQUATIONS[scheme.equation].days(effect.length_mm))
    facts = {
        scheme.symbol: _known(effect.length_mm, ".1f", "mm"),
        f"change of the {scheme.symbol}": _known(effect.delta_mm, "+.1f", "mm"),
        "gestational age": _known(days, ".1f", "days"),
        "its change": _known(effect.delta_days, "+.1f", "days"),
        f"Dice, {label}": f"{effect.dice[label]:.2f}",
        "criteria lost": str(len(effect.criteria_lost)),
    }
    within = ", as in poor masks" if poor[0] <= radii * radius / drawn_by <= poor[1] else ""
    return {"step": f"{radii:.1f} radii{within}", "mask": altered.mask, "facts": facts}


def _known(value: float, form: str, unit: str) -> str:
    """Value with its unit; a dash where nothing could be measured."""
    return "–" if np.isnan(value) else f"{value:{form}} {unit}"


def show_sweep(
    case: Case, sweeps: Mapping[str, Sequence[Mapping[str, Any]]], scheme: Scheme, caption: str, alt: str
) -> None:
    """Publish an image whose mask changes step by step: a choice of sweeps, a slider, the measured line.

    Parameters
    ----------
    case : Case
        The image, and its spacing.
    sweeps : dict of str to sequence of dict
        Title of a sweep to its positions, from :func:`altered_frame`.
    scheme : Scheme
        Labels of the masks.
    caption, alt : str
        As of :func:`fusqa.figures.showing.show`.
    """
    height, width = case.image.shape

    def shown(step: str, mask: np.ndarray, facts: Mapping[str, str]) -> dict[str, Any]:
        coloured, line = encoded(overlay(mask, scheme), lossless=True), measured_line(mask, case.spacing, scheme)
        return {"step": step, "mask": coloured, "line": line, "facts": facts}

    data = {title: [shown(**frame) for frame in frames] for title, frames in sweeps.items()}
    first = next(iter(data.values()))[0]
    (x1, y1), (x2, y2) = first["line"] or ((0, 0), (0, 0))
    facts = "".join(
        f"<div><dt>{html.escape(what)}</dt><dd>{html.escape(much)}</dd></div>" for what, much in first["facts"].items()
    )
    aspect = width * case.spacing[1] / (height * case.spacing[0])
    _publish(
        "sweep",
        f'<div class="fusqa-canvas" style="aspect-ratio: {aspect:.4f}">'
        f'<img class="picture" src="{encoded(narrowed(case.image))}" alt="{html.escape(alt)}">'
        f'<img class="mask" src="{first["mask"]}" alt="Mask of the image, as coloured areas">'
        f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" aria-hidden="true">'
        f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/></svg></div><dl class="facts">{facts}</dl>',
        data,
        caption,
    )


def show_threshold(
    cases: pd.DataFrame,
    scores: Mapping[str, Sequence[float]],
    thresholds: Mapping[str, Mapping[str, float]],
    caption: str,
) -> None:
    """Publish the confusion matrix of a model at a threshold; the reader chooses both.

    Parameters
    ----------
    cases : DataFrame
        Columns ``good`` (the review's verdict) and ``delta_days`` (error of the age, NaN where it cannot be measured).
    scores : dict of str to sequence of float
        Model to the probabilities of "good", in the order of `cases`.
    thresholds : dict of str to dict of str to float
        Model to its named thresholds; the first is shown at the start.
    caption : str
        What the cases are.
    """
    good, days = cases["good"].astype(bool).to_numpy(), cases["delta_days"].abs().to_numpy()
    title, score = next(iter(scores.items()))
    at = next(iter(thresholds[title].values()))
    called = np.asarray(score) >= at
    body = "".join(
        f"<tr><th>reviewed as {name}</th><td>{(truth & called).sum()}</td><td>{(truth & ~called).sum()}</td></tr>"
        for name, truth in (("good", good), ("poor", ~good))
    )
    data = {
        "bins": BINS,
        "good": good.astype(int).tolist(),
        "days": [None if np.isnan(value) else round(float(value), 3) for value in days],
        "models": {
            name: {
                # not rounded, so that a score near a threshold stays on its side
                "probability": np.asarray(values, float).tolist(),
                "thresholds": {key: float(value) for key, value in thresholds[name].items()},
            }
            for name, values in scores.items()
        },
    }
    _publish(
        "threshold",
        f'<table class="matrix"><caption>{html.escape(title)}, threshold {at:.2f}</caption><thead><tr><th></th>'
        f"<th>called good</th><th>called poor</th></tr></thead><tbody>{body}</tbody></table>",
        data,
        caption,
    )


def show_gallery(
    cases: Sequence[Case], scheme: Scheme, good: Sequence[bool], days: Sequence[float],
    scores: Mapping[str, Sequence[float]], caption: str,
) -> None:  # fmt: skip
    """Publish small images with their masks and measured lines, to be sorted by a score or by their error.

    Parameters
    ----------
    cases : sequence of Case
        The images, each with the mask to show.
    scheme : Scheme
        Labels of the masks.
    good, days : sequence of bool, of float
        The review's verdict and the absolute error of the age in days, NaN where nothing can be measured; one per case.
    scores : dict of str to sequence of float
        Model to the probability of "good", by case.
    caption : str
        What the cases are.
    """
    known = [None if np.isnan(value) else float(value) for value in days]  # rounded once, where it is printed
    items = []
    for case, accepted, error in zip(cases, good, known, strict=True):
        verdict = "good" if accepted else "poor"
        said = "not measurable" if error is None else f"{error:.1f} days"
        alt = f"Ultrasound image {case.case} with its predicted mask: reviewed as {verdict}, {said}"
        line = measured_line(case.mask, case.spacing, scheme)
        image = encoded(thumbnail(case, scheme, THUMBNAIL_HEIGHT, line))
        items.append(
            f'<li class="{verdict}"><img src="{image}" alt="{html.escape(alt)}"><span>{verdict}, {said}</span></li>'
        )
    data = {
        "good": [int(value) for value in good],
        "days": known,
        "scores": {name: np.round(np.asarray(values, float), 3).tolist() for name, values in scores.items()},
    }
    _publish("gallery", f'<ol tabindex="0">{"".join(items)}</ol>', data, caption)


def _publish(kind: str, body: str, data: object, caption: str) -> None:
    """Publish one figure: its first state, its data, its caption."""
    packed = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")
    page = (
        f'<figure class="fusqa-figure fusqa-{kind}">{body}<script type="application/json">{packed}</script>'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )
    display({"text/html": page, "text/plain": caption}, raw=True)
