"""Sheets of ultrasound images with masks and measurements.

Every function draws a new matplotlib figure and returns it; :func:`fusqa.figures.showing.show` publishes it.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from fusqa.cohorts.reading import Case
from fusqa.figures.showing import VERDICT_COLOURS, panels
from fusqa.masks.alterations import Altered
from fusqa.masks.criterion import Criterion
from fusqa.masks.crown_rump import near_longest
from fusqa.masks.labels import FETUS, Scheme
from fusqa.masks.length import Length, length_or_none, line_angle
from fusqa.masks.measurement import measure


def contact_sheet(cases: Sequence[Case], scheme: Scheme, titles: Sequence[str]) -> Figure:
    """Images of `cases`, four in a row, with the outlines of their masks and the measured line."""
    figure, axes = panels(len(cases), 4, _aspect(cases[0].image.shape, cases[0].spacing))
    for axis, case, title in zip(axes, cases, titles, strict=True):
        _image(axis, case.image, case.spacing)
        _outlines(axis, case.mask, scheme)
        _line(axis, length_or_none(measure, case.mask, case.spacing, scheme))
        axis.set_title(title, fontsize=8)
    _legend(figure, scheme)
    return figure


def problem_sheet(cases: Sequence[Case], drawn: Sequence[np.ndarray], titles: Sequence[str], scheme: Scheme) -> Figure:
    """Images side by side with the outlines of a network's masks, the line measured on them, and the true line."""
    figure, axes = panels(len(cases), len(cases), _aspect(cases[0].image.shape, cases[0].spacing), height=3.2)
    true = {"color": "violet", "linestyle": "-", "linewidth": 2}
    for axis, case, mask, title in zip(axes, cases, drawn, titles, strict=True):
        _image(axis, case.image, case.spacing)
        _outlines(axis, mask, scheme)
        _line(axis, length_or_none(measure, case.mask, case.spacing, scheme), **true)
        _line(axis, length_or_none(measure, mask, case.spacing, scheme))
        axis.set_title(title, fontsize=10)
    _legend(figure, scheme)
    return figure


def alteration_sheet(case: Case, masks: Sequence[Altered]) -> Figure:
    """Ten altered masks over their image: good ones in the upper row, poor ones in the lower."""
    figure, axes = panels(len(masks), 5, _aspect(case.image.shape, case.spacing))
    for axis, altered in zip(axes, masks, strict=True):
        effect = altered.effect(case.spacing)
        _image(axis, case.image, case.spacing)
        _fill(axis, altered.mask, altered.scheme)
        _line(axis, length_or_none(measure, altered.mask, case.spacing, altered.scheme))
        change = "not measurable" if np.isnan(effect.delta_mm) else f"{effect.delta_mm:+.1f} mm"
        axis.set_title(f"{altered.name}\n{change}", fontsize=8, color=VERDICT_COLOURS[altered.quality])
    _legend(figure, masks[0].scheme)
    return figure


def criteria_sheet(case: Case, criteria: Mapping[str, Criterion], scheme: Scheme) -> Figure:
    """One panel per criterion: the mask, what was measured on it, the value, the threshold and the verdict."""
    figure, axes = panels(len(criteria), 4, _aspect(case.image.shape, case.spacing), height=2.1)
    for axis, criterion in zip(axes, criteria.values(), strict=True):
        _image(axis, case.image, case.spacing)
        _outlines(axis, case.mask, scheme)
        colour = VERDICT_COLOURS["good" if criterion.met else "poor"]
        for line in criterion.marks:
            rows, columns = np.asarray(line, float).T
            axis.plot(columns, rows, "-o", color=colour, markersize=3, linewidth=1.5)
        verdict = "met" if criterion.met else "not met"
        value = "–" if np.isnan(criterion.value) else f"{criterion.value:.3g} {criterion.unit}"
        axis.set_title(
            f"{criterion.title}: {verdict}\n{value} (wanted {criterion.threshold})", fontsize=7, color=colour
        )
    return figure


def saliency_sheet(cases: Sequence[tuple[np.ndarray, ...]], titles: Sequence[str], scheme: Scheme) -> Figure:
    """One row per case: what the model sees, how hiding a patch of image or mask changes the logit, and Grad-CAM.

    Parameters
    ----------
    cases : sequence of (image (S, S), mask (S, S), of_image (P, P), of_mask (P, P), cam (S, S))
        Inputs and results of :func:`fusqa.evaluation.saliency.occlusion` and
        :func:`fusqa.evaluation.saliency.grad_cam`. Hiding what speaks for "good" lowers the logit, so the first two
        are drawn with the opposite sign: red speaks for "good" in all three maps.
    titles : sequence of str
        Title of each case.
    scheme : Scheme
        Labels of the masks.
    """
    names = ("", "hiding the image", "hiding the mask", "Grad-CAM")
    figure, axes = plt.subplots(len(cases), 4, figsize=(9.5, 2.5 * len(cases)), squeeze=False, layout="constrained")
    for row, (image, mask, *maps, cam), title in zip(axes, cases, titles, strict=True):
        side, most = image.shape[0], max(float(np.abs(part).max()) for part in maps) or 1.0
        for axis, name in zip(row, names, strict=True):
            axis.imshow(image, cmap="gray", vmin=0, vmax=255)
            axis.set(title=name or title, xticks=[], yticks=[])
            _outlines(axis, mask, scheme)
        spoken, limits = [-part for part in maps], (most, most, float(np.abs(cam).max()) or 1.0)
        for axis, part, limit in zip(row[1:], (*spoken, cam), limits, strict=True):
            span = (-0.5, side - 0.5, side - 0.5, -0.5)
            shown = axis.imshow(part, cmap="RdBu_r", vmin=-limit, vmax=limit, extent=span, alpha=0.6)
            if part is spoken[-1]:
                figure.colorbar(shown, ax=axis, shrink=0.8, label="logit lost by hiding")
    return figure


def error_sheet(
    cases: Sequence[tuple[Case, np.ndarray, np.ndarray]], titles: Sequence[str], scheme: Scheme, threshold: float
) -> Figure:
    """One row per case: the mask with its measured line, its wrong pixels, and how surely a map holds each for wrong.

    Parameters
    ----------
    cases : sequence of (Case, (K, S, S) bool, (K, S, S) float)
        Each case with the mask in question; wrong pixels and their probability, structure by structure.
    titles : sequence of str
        Title of each case.
    scheme : Scheme
        Labels of the masks.
    threshold : float
        Pixels are marked from this probability on; marked ones are outlined.
    """
    aspect = _aspect(cases[0][0].image.shape, cases[0][0].spacing)
    size = (7.2 * aspect + 1, 2.6 * len(cases) + 0.3)
    figure, axes = plt.subplots(len(cases), 3, figsize=size, squeeze=False, layout="constrained")
    for row, (case, wrong, probability), title in zip(axes, cases, titles, strict=True):
        for axis in row:
            _image(axis, case.image, case.spacing)
        _outlines(row[0], case.mask, scheme)
        _line(row[0], length_or_none(measure, case.mask, case.spacing, scheme))
        height, width = case.image.shape
        place = {"extent": (-0.5, width - 0.5, height - 0.5, -0.5), "aspect": row[0].get_aspect()}
        for label, layer in zip(scheme.labels, wrong, strict=True):
            row[1].imshow(
                layer, cmap=ListedColormap([(0, 0, 0, 0), to_rgba(label.colour, 0.7)]), vmin=0, vmax=1, **place
            )
        most = probability.max(0)
        shown = row[2].imshow(most, cmap="magma", vmin=0, vmax=1, alpha=0.65, **place)
        if (most >= threshold).any() and (most < threshold).any():
            row[2].contour(most, [threshold], colors="white", linewidths=1, extent=place["extent"], origin="upper")
        for axis, name in zip(row, (title, "wrong pixels", "error map"), strict=True):
            axis.set_title(name, fontsize=8)
    figure.colorbar(shown, ax=axes, shrink=0.6, label="probability that a pixel is wrong")
    _legend(figure, scheme)
    return figure


def stability(cases: Mapping[str, Case], within: float) -> Figure:
    """Two masks with lines that are nearly as long as the crown-rump length, and the longest line by direction.

    Parameters
    ----------
    cases : dict of str to Case
        Title to case with its mask; two of them.
    within : float
        Lines at most this share shorter than the longest are drawn.
    """
    aspects = [_aspect(case.image.shape, case.spacing) for case in cases.values()]
    figure, (*axes, hill) = plt.subplots(
        1, len(cases) + 1, figsize=(2.3 * (sum(aspects) + 1.5), 2.8), width_ratios=[*aspects, 1.5], layout="constrained"
    )
    for axis, (title, case), colour in zip(axes, cases.items(), ("#0072B2", "#CC79A7"), strict=True):
        _image(axis, case.image, case.spacing)
        _outlines(axis, case.mask, FETUS)
        lines = near_longest(case.mask, case.spacing, 5 * within)
        turned = line_angle(lines, case.spacing, against=lines[0])
        mm = np.hypot(*((lines[:, 0] - lines[:, 1]) * case.spacing).T)
        best = pd.DataFrame({"angle": np.round(turned), "percent": 100 * mm / mm[0]}).groupby("angle").max()
        hill.plot(best.index, best["percent"], color=colour, label=title.splitlines()[0])
        near = mm >= (1 - within) * mm[0]
        fan = lines[near][np.argsort(turned[near])[np.linspace(0, near.sum() - 1, 80).astype(int)]]
        axis.add_collection(LineCollection(fan[..., ::-1], colors=[colour], alpha=0.35, linewidths=0.8))
        _line(axis, Length(mm[0], tuple(map(tuple, lines[0]))))
        axis.set_title(title, fontsize=8)
    hill.axhline(100 * (1 - within), color="0.3", linestyle=":", linewidth=1)
    hill.set(xlabel="turned from the longest line / °", ylabel="longest line of this\ndirection / % of the longest")
    hill.legend(fontsize=7, loc="lower center")
    return figure


def _aspect(shape: tuple[int, int], spacing: tuple[float, float]) -> float:
    """Width over height of an image in millimetres."""
    return shape[1] * spacing[1] / (shape[0] * spacing[0])


def _image(axis: Axes, image: np.ndarray, spacing: tuple[float, float]) -> None:
    """Draw the image at one scale in both directions."""
    axis.set_axis_off()
    axis.imshow(image, cmap="gray", vmin=0, vmax=255, aspect=spacing[0] / spacing[1])


def _outlines(axis: Axes, mask: np.ndarray, scheme: Scheme) -> None:
    for label in scheme.labels:
        if (mask == label.id).any():
            axis.contour(mask == label.id, [0.5], colors=[label.colour], linewidths=1)


def _fill(axis: Axes, mask: np.ndarray, scheme: Scheme) -> None:
    colours = [(0, 0, 0, 0), *(to_rgba(label.colour, 0.55) for label in scheme.labels)]
    axis.imshow(mask, cmap=ListedColormap(colours), vmin=-0.5, vmax=len(colours) - 0.5, aspect=axis.get_aspect())


def _line(axis: Axes, length: Length | None, **style: object) -> None:
    if length is not None:
        (row, column), (other_row, other_column) = length.ends
        style = {"color": "white", "linestyle": "--", "linewidth": 1} | style
        axis.plot([column, other_column], [row, other_row], **style)


def _legend(figure: Figure, scheme: Scheme) -> None:
    patches = [Patch(color=label.colour, label=label.name) for label in scheme.labels]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches), fontsize=8, frameon=False)
