"""Figures of the book: pictures with masks and measurements, training curves, verdicts, errors.

Every function draws into a new matplotlib figure and returns it; :func:`show` publishes it with a caption and an
alternative text, both written by code because the same notebook runs on simulated and on real pictures.
"""

import base64
import html
import io
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from fusqa.alterations import Altered
from fusqa.biometry import Length, Unmeasurable, measure
from fusqa.cohort import Case
from fusqa.criteria import Criterion
from fusqa.labels import Scheme

__all__ = [
    "alteration_sheet",
    "confusions",
    "contact_sheet",
    "criteria_met",
    "criteria_sheet",
    "curves",
    "errors_by_verdict",
    "forest",
    "occlusion_sheet",
    "probabilities",
    "roc_curves",
    "show",
    "show_table",
]

VERDICT_COLOURS = {"good": "#0072B2", "poor": "#D55E00"}  # Okabe & Ito, safe for colour-blind readers
sns.set_theme(context="notebook", style="whitegrid", palette="colorblind", font_scale=0.85)


def show(figure: Figure, caption: str, alt: str, source: str = "") -> None:
    """Publish `figure` with its caption, an alternative text, and the result file that it shows."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight", facecolor="white")
    plt.close(figure)
    encoded = base64.b64encode(buffer.getvalue()).decode()
    page = (
        f'<figure class="fusqa-figure"><img src="data:image/png;base64,{encoded}" alt="{html.escape(alt)}"/>'
        f"<figcaption>{html.escape(caption)}{_origin(source)}</figcaption></figure>"
    )
    display({"text/html": page, "image/png": encoded, "text/plain": caption}, raw=True)


def show_table(table: pd.DataFrame, caption: str, source: str = "") -> None:
    """Publish a table with its caption, and the result file that it shows; an empty place prints as a dash.

    A line break in a cell or a heading is kept.

    The table sits in a frame of its own that scrolls sideways, so that no page is wider than a phone.
    """
    marked = table.rename(columns=lambda heading: str(heading).replace("\n", "\\n"))  # as pandas marks those of cells
    body = marked.to_html(index=False, border=0, na_rep="–", justify="left", classes="table").replace("\\n", "<br>")
    page = (
        f'<figure class="fusqa-table"><div class="fusqa-scroll" tabindex="0">{body}</div>'
        f"<figcaption>{html.escape(caption)}{_origin(source)}</figcaption></figure>"
    )
    display({"text/html": page, "text/plain": f"{caption}\n{table.to_string(index=False)}"}, raw=True)


def _origin(source: str) -> str:
    """Name the file that a figure or table shows."""
    return f' <span class="source">Data: <code>{html.escape(source)}</code>.</span>' if source else ""


def contact_sheet(cases: Sequence[Case], scheme: Scheme, titles: Sequence[str]) -> Figure:
    """Pictures of `cases` side by side, four in a row, with mask outlines and the measured line."""
    figure, axes = _grid(len(cases), 4, _aspect(cases[0].image.shape, cases[0].spacing))
    for axis, case, title in zip(axes, cases, titles, strict=False):
        _picture(axis, case.image, case.spacing)
        _outlines(axis, case.mask, scheme)
        _line(axis, _measured(case.mask, case.spacing, scheme))
        axis.set_title(title, fontsize=8)
    _legend(figure, scheme)
    return figure


def alteration_sheet(case: Case, masks: Sequence[Altered]) -> Figure:
    """Ten altered masks over their picture: good ones in the upper row, poor ones in the lower."""
    figure, axes = _grid(len(masks), 5, _aspect(case.image.shape, case.spacing))
    for axis, altered in zip(axes, masks, strict=False):
        effect = altered.effect(case.spacing)
        _picture(axis, case.image, case.spacing)
        _fill(axis, altered.mask, altered.scheme)
        _line(axis, _measured(altered.mask, case.spacing, altered.scheme))
        change = "not measurable" if np.isnan(effect.delta_mm) else f"{effect.delta_mm:+.1f} mm"
        axis.set_title(f"{altered.name}\n{change}", fontsize=8, color=VERDICT_COLOURS[altered.quality])
    _legend(figure, masks[0].scheme)
    return figure


def criteria_sheet(case: Case, criteria: Mapping[str, Criterion], scheme: Scheme) -> Figure:
    """One panel a criterion: the mask, what was measured on it, the value, the threshold and the verdict."""
    figure, axes = _grid(len(criteria), 4, _aspect(case.image.shape, case.spacing), height=2.1)
    for axis, criterion in zip(axes, criteria.values(), strict=False):
        _picture(axis, case.image, case.spacing)
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


def curves(history: pd.DataFrame, title: str) -> Figure:
    """Training and validation loss, and every further column of `history`, by round."""
    figure, axis = plt.subplots(figsize=(5, 2.8))
    long = history.melt("round", var_name="figure", value_name="value")
    sns.lineplot(long, x="round", y="value", hue="figure", marker="o", ax=axis)
    axis.set(title=title, xlabel="round", ylabel="")
    axis.xaxis.get_major_locator().set_params(integer=True)
    return figure


def probabilities(scores: pd.DataFrame, threshold: float) -> Figure:
    """Histograms of the probability of "good", a panel a set of cases; columns ``set``, ``good``, ``probability``."""
    sets = list(dict.fromkeys(scores["set"]))
    figure, axes = plt.subplots(1, len(sets), figsize=(3.4 * len(sets), 2.6), squeeze=False)
    for axis, name in zip(axes[0], sets, strict=True):
        part = scores[scores["set"] == name]
        truth = np.where(part["good"].astype(bool), "good", "poor")
        sns.histplot(
            x=part["probability"], hue=truth, hue_order=list(VERDICT_COLOURS), palette=VERDICT_COLOURS,
            bins=np.linspace(0, 1, 21), element="step", ax=axis,
        )  # fmt: skip
        axis.axvline(threshold, color="black", linestyle=":", linewidth=1)
        axis.set(title=name, xlabel="probability of “good”", ylabel="cases")
    figure.tight_layout()
    return figure


def confusions(reports: Mapping[str, Mapping]) -> Figure:
    """Confusion matrices, a panel a report (as plain dictionaries with tp, fp, fn, tn)."""
    figure, axes = _grid(len(reports), 4, aspect=1.0, height=1.9)
    for axis, (title, report) in zip(axes, reports.items(), strict=False):
        table = pd.DataFrame(
            [[report["tp"], report["fn"]], [report["fp"], report["tn"]]],
            index=["good", "poor"],
            columns=["good", "poor"],
        )
        sns.heatmap(table, annot=True, fmt="d", cmap="Blues", cbar=False, square=True, ax=axis)
        note = "\n(one class only)" if report["collapsed"] else ""
        axis.set_title(title.replace(", ", "\n") + note, fontsize=7)
        axis.set_axis_on()
        axis.set_xlabel("called", fontsize=7)
        axis.set_ylabel("reviewed as", fontsize=7)
    return figure


def roc_curves(scores: Mapping[str, pd.DataFrame]) -> Figure:
    """Receiver operating characteristic of several classifiers; each table has ``good`` and ``probability``.

    Where only good or only poor cases occur there is no curve, and the table is left out.
    """
    from sklearn.metrics import roc_auc_score, roc_curve  # here: one second of import that most figures do not need

    figure, axis = plt.subplots(figsize=(5.2, 4.2))
    for title, table in scores.items():
        truth = table["good"].astype(bool)
        if truth.nunique() < 2:
            continue
        false, true, _ = roc_curve(truth, table["probability"])
        axis.plot(false, true, linewidth=1.4, label=f"{title} ({roc_auc_score(truth, table['probability']):.2f})")
    axis.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)
    axis.set(xlabel="poor masks called good", ylabel="good masks called good", aspect="equal")
    axis.legend(fontsize=7, loc="lower right", title="AUROC in brackets", title_fontsize=7)
    return figure


def criteria_met(table: pd.DataFrame, most: int, minimum: int) -> Figure:
    """Histograms of the criteria met (columns ``met``, ``good``, ``site``), a panel a site."""
    sites = sorted(table["site"].unique())
    figure, axes = plt.subplots(1, len(sites), figsize=(8, 2.8), layout="constrained", squeeze=False)
    for ax, site in zip(axes[0], sites, strict=True):
        part = table[table["site"] == site]
        verdict = part["good"].map({True: "good", False: "poor"})
        sns.histplot(
            x=part["met"], hue=verdict, hue_order=list(VERDICT_COLOURS), palette=VERDICT_COLOURS,
            bins=np.arange(most + 2) - 0.5, multiple="stack", shrink=0.85, ax=ax,
        )  # fmt: skip
        ax.axvline(minimum - 0.5, color="0.3", linestyle=":")
        ax.set(title=f"site {site}", xlabel="criteria met", ylabel="masks", xticks=range(most + 1))
    return figure


def errors_by_verdict(table: pd.DataFrame, errors: Mapping[str, str]) -> Figure:
    """Absolute errors among the cases called good and called poor, a panel an error.

    Parameters
    ----------
    table : DataFrame
        Columns ``model``, ``verdict`` ("good" or "poor") and those named in `errors`.
    errors : dict
        Column to axis label.
    """
    figure, axes = plt.subplots(1, len(errors), figsize=(4.6 * len(errors), 3), squeeze=False)
    for axis, (column, label) in zip(axes[0], errors.items(), strict=True):
        style = {"x": "model", "y": column, "hue": "verdict", "hue_order": list(VERDICT_COLOURS)}
        sns.boxplot(table, **style, palette=VERDICT_COLOURS, fill=False, showfliers=False, legend=False, ax=axis)
        sns.stripplot(table, **style, palette=VERDICT_COLOURS, dodge=True, size=2.5, alpha=0.5, ax=axis)
        axis.set(xlabel="", ylabel=label)
        axis.legend(title="called", fontsize=7, title_fontsize=7)
    figure.tight_layout()
    return figure


def forest(table: pd.DataFrame, label: str) -> Figure:
    """Points with intervals, a line a model and a colour a run.

    Parameters
    ----------
    table : DataFrame
        Columns ``model``, ``run``, ``value``, ``low``, ``high``.
    label : str
        What the values are.
    """
    models, runs = list(dict.fromkeys(table["model"])), list(dict.fromkeys(table["run"]))
    figure, axis = plt.subplots(figsize=(7.5, 0.8 + 0.32 * len(models)), layout="constrained")
    for number, (run, colour) in enumerate(zip(runs, sns.color_palette("colorblind"), strict=False)):
        part = table[table["run"] == run]
        at = np.array([models.index(model) for model in part["model"]]) + 0.3 * (number - (len(runs) - 1) / 2)
        axis.hlines(at, part["low"], part["high"], color=colour, linewidth=1.5)
        axis.plot(part["value"], at, "os"[number % 2], color=colour, markersize=5, label=run)
    axis.set(yticks=range(len(models)), yticklabels=models, xlabel=label)
    axis.invert_yaxis()
    axis.grid(axis="y", visible=False)
    axis.legend(fontsize=8)
    return figure


def occlusion_sheet(
    cases: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]], titles: Sequence[str], scheme: Scheme
) -> Figure:
    """A line a case: the picture with its mask, then the changes of the logit by hiding a patch of picture and mask.

    Parameters
    ----------
    cases : sequence of (image (S, S), mask (S, S), of_image (P, P), of_mask (P, P))
        What :func:`fusqa.saliency.occlusion` was given and what it returned.
    titles : sequence of str
        Title of each case.
    scheme : Scheme
        Labels of the masks.
    """
    names = ("", "hiding the picture", "hiding the mask")
    figure, axes = plt.subplots(len(cases), 3, figsize=(7.5, 2.5 * len(cases)), squeeze=False, layout="constrained")
    for line, (image, mask, *maps), title in zip(axes, cases, titles, strict=True):
        side, most = image.shape[0], max(float(np.abs(part).max()) for part in maps) or 1.0
        for axis, name in zip(line, names, strict=True):
            axis.imshow(image, cmap="gray", vmin=0, vmax=255)
            axis.set(title=name or title, xticks=[], yticks=[])
            _outlines(axis, mask, scheme)
        for axis, part in zip(line[1:], maps, strict=True):
            span = (-0.5, side - 0.5, side - 0.5, -0.5)
            shown = axis.imshow(part, cmap="RdBu_r", vmin=-most, vmax=most, extent=span, alpha=0.6)
        figure.colorbar(shown, ax=line[2], shrink=0.8, label="change of the logit")
    return figure


def _grid(panels: int, columns: int, aspect: float, height: float = 1.8) -> tuple[Figure, list[Axes]]:
    """A figure of `panels` axes without frames, `aspect` = width / height of each."""
    columns = min(columns, panels)
    rows = -(-panels // columns)
    size = (columns * height * aspect, rows * (height + 0.45))
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.set_axis_off()
    return figure, list(axes.flat)


def _aspect(shape: tuple[int, int], spacing: tuple[float, float]) -> float:
    """Width over height of a picture in millimetres."""
    return shape[1] * spacing[1] / (shape[0] * spacing[0])


def _picture(axis: Axes, image: np.ndarray, spacing: tuple[float, float]) -> None:
    """Draw the picture so that a millimetre has one length in both directions."""
    axis.imshow(image, cmap="gray", vmin=0, vmax=255, aspect=spacing[0] / spacing[1])


def _outlines(axis: Axes, mask: np.ndarray, scheme: Scheme) -> None:
    for label in scheme.labels:
        if (mask == label.id).any():
            axis.contour(mask == label.id, [0.5], colors=[label.colour], linewidths=1)


def _fill(axis: Axes, mask: np.ndarray, scheme: Scheme) -> None:
    colours = [(0, 0, 0, 0), *(to_rgba(label.colour, 0.55) for label in scheme.labels)]
    axis.imshow(mask, cmap=ListedColormap(colours), vmin=-0.5, vmax=len(colours) - 0.5, aspect=axis.get_aspect())


def _measured(mask: np.ndarray, spacing: tuple[float, float], scheme: Scheme) -> Length | None:
    try:
        return measure(mask, spacing, scheme)
    except Unmeasurable:
        return None


def _line(axis: Axes, length: Length | None) -> None:
    if length is not None:
        (row, column), (other_row, other_column) = length.ends
        axis.plot([column, other_column], [row, other_row], "w--", linewidth=1)


def _legend(figure: Figure, scheme: Scheme) -> None:
    patches = [Patch(color=label.colour, label=label.name) for label in scheme.labels]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches), fontsize=8, frameon=False)
