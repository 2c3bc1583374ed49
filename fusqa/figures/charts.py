"""Charts of the book: training, scores, verdicts, risk, calibration, dating.

As in :mod:`fusqa.figures.sheets`, every function draws a new matplotlib figure and returns it.
"""

from collections.abc import Mapping, Sequence
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from fusqa.evaluation.risk import RiskCoverage
from fusqa.figures.showing import VERDICT_COLOURS, panels
from fusqa.masks.dating import ages, equations_of, spread
from fusqa.masks.labels import Scheme

MOST_COST = 2.5  # relative to no model; a dearer model is of no use
SETTLED = 0.1  # share accepted from which on a risk curve sets the scale; a steeper start is cut off
REACH = 0.98  # share of the values that sets the scale of predicted errors; what lies beyond is drawn at the edge
MOST_DAYS = 14  # where the axis of errors of the date ends
MOST_CURVES = 7  # in one panel, besides those that all panels share: more cannot be told apart


def _side_by_side(count: int, width: float, height: float, **shared: bool) -> tuple[Figure, Sequence[Axes]]:
    """Return a figure with `count` axes in one row, each of `width` × `height` inches."""
    figure, axes = plt.subplots(
        1, count, figsize=(count * width, height), squeeze=False, layout="constrained", **shared
    )
    return figure, axes[0]


def _one_line_each(models: Sequence[str], label: str) -> tuple[Figure, Axes]:
    """Return a figure with one horizontal line per model, the first on top; long names take two lines."""
    names = [fill(model, 48) for model in models]
    height = 0.38 if any("\n" in name for name in names) else 0.3
    figure, axis = plt.subplots(figsize=(7.5, 0.9 + height * len(models)), layout="constrained")
    axis.set_yticks(range(len(models)), names, fontsize=8)
    axis.set_xlabel(label)
    axis.invert_yaxis()
    axis.grid(axis="y", visible=False)
    return figure, axis


def _histogram(axis: Axes, values: pd.Series, good: pd.Series, **style: object) -> None:
    """Draw one histogram of the good and one of the poor cases; :func:`_verdicts_below` names their colours."""
    verdict = np.where(good.astype(bool), "good", "poor")
    colours = {"hue_order": list(VERDICT_COLOURS), "palette": VERDICT_COLOURS}
    sns.histplot(x=values, hue=verdict, **colours, **style, legend=False, ax=axis)


def _verdicts_below(figure: Figure, title: str = "") -> None:
    """Say below the panels which colour is which verdict: inside them a legend would cover bars."""
    patches = [Patch(facecolor=colour, label=verdict) for verdict, colour in VERDICT_COLOURS.items()]
    figure.legend(
        handles=patches, title=title, loc="outside lower center", ncols=2, fontsize=8, title_fontsize=8, frameon=False
    )


def _diagonal(axis: Axes) -> None:
    axis.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)


def _legend_below(figure: Figure, axis: Axes, columns: int, **style: str) -> None:
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8, frameon=False, **style)


def _legend_beside(axis: Axes, **style: object) -> None:
    """Put the legend to the right of the axes, long names on several lines."""
    handles, labels = axis.get_legend_handles_labels()
    labels = [fill(label, 32) for label in labels]
    axis.legend(handles, labels, loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=7, frameon=False, **style)


def curves(history: pd.DataFrame, title: str, constant: float) -> Figure:
    """Training and validation loss against the samples seen, and every further column of `history` below them.

    A dotted line marks the loss of a constant answer, ln 2 for as many good as poor masks: what lies on it has learnt
    nothing. Losses far above it, as an untrained network may have, are cut off.
    """
    losses = ["train_loss", "valid_loss"]
    further = [column for column in history if column not in ("round", "samples", *losses)]
    figure, axes = plt.subplots(
        1 + len(further), 1, figsize=(5, 2.6 + 1.4 * len(further)), sharex=True, squeeze=False, layout="constrained",
        height_ratios=[2] + [1] * len(further),
    )  # fmt: skip
    for axis, columns in zip(axes[:, 0], [losses, *[[column] for column in further]], strict=True):
        for column, marker in zip(columns, "os", strict=False):
            axis.plot(history["samples"], history[column], marker=marker, label=_CURVES.get(column, column))
    loss, last = axes[0, 0], axes[-1, 0]
    loss.axhline(constant, color="black", linestyle=":", linewidth=1, label=f"constant answer, {constant:.3f}")
    loss.set(title=title, ylabel="loss", ylim=(0, 2 * constant))
    loss.legend(fontsize=8)
    for axis, column in zip(axes[1:, 0], further, strict=True):
        axis.set(ylabel=_CURVES.get(column, column))
    last.set(xlabel="samples seen")
    return figure


_CURVES = {"train_loss": "training", "valid_loss": "validation", "auroc": "AUROC"}


def learning_curves(table: pd.DataFrame, wanted: float, least: float) -> Figure:
    """AUROC on validation patients against the samples seen, one panel per model and one curve per seed.

    Parameters
    ----------
    table : DataFrame
        Columns ``model``, ``seed``, ``samples``, ``auroc``.
    wanted, least : float
        Where a dotted line is drawn in every panel: the AUROC aimed at, and the least with which a model has learnt.
    """
    models = list(table.groupby("model", sort=False))
    figure, axes = panels(len(models), 4, aspect=1.2, height=1.7, sharex=True, sharey=True)
    for axis, (model, part) in zip(axes, models, strict=True):
        for seed, curve in part.groupby("seed"):
            axis.plot(curve["samples"] / 1000, curve["auroc"], label=f"seed {seed}")
        for level in (wanted, least):
            axis.axhline(level, color="grey", linestyle=":", linewidth=1)
        axis.set(ylim=(0.4, 1.0))
        axis.set_title(fill(model, 24), fontsize=9)
    for axis in axes[-4:]:
        axis.set_xlabel("thousand samples", fontsize=8)
    for axis in axes[::4]:
        axis.set_ylabel("AUROC", fontsize=8)
    if table["seed"].nunique() > 1:
        _legend_below(figure, max(axes, key=lambda axis: len(axis.get_lines())), 5)
    return figure


def probabilities(scores: pd.DataFrame, threshold: float) -> Figure:
    """Histograms of the probability of "good", one panel per set; columns ``set``, ``good``, ``probability``."""
    sets = scores.groupby("set", sort=False)
    figure, axes = panels(len(sets), 3, aspect=1.4, height=1.8)
    for axis, (name, part) in zip(axes, sets, strict=True):
        _histogram(axis, part["probability"], part["good"], bins=np.linspace(0, 1, 21), element="step")
        axis.axvline(threshold, color="black", linestyle=":", linewidth=1)
        axis.set_title(name, fontsize=9)
        axis.set_xlabel("probability of “good”", fontsize=8)
        axis.set_ylabel("cases", fontsize=8)
    _verdicts_below(figure)
    return figure


def confusions(reports: Mapping[str, Mapping]) -> Figure:
    """Confusion matrices, one panel per report (a dictionary with tp, fp, fn, tn, collapsed)."""
    figure, axes = panels(len(reports), 4, aspect=1.0, height=1.9)
    for axis, (title, report) in zip(axes, reports.items(), strict=True):
        counts = [[report["tp"], report["fn"]], [report["fp"], report["tn"]]]
        table = pd.DataFrame(counts, index=["good", "poor"], columns=["good", "poor"])
        sns.heatmap(table, annot=True, fmt="d", cmap="Blues", cbar=False, square=True, ax=axis)
        note = "\n(one class only)" if report["collapsed"] else ""
        axis.set_title(title.replace(", ", "\n") + note, fontsize=7)
        axis.set_xlabel("called", fontsize=7)
        axis.set_ylabel("reviewed as", fontsize=7)
    return figure


def roc_curves(scores: Mapping[str, pd.DataFrame]) -> Figure:
    """Receiver operating characteristic of several classifiers; each table has ``good`` and ``probability``.

    At most :data:`MOST_CURVES` share a panel, in the order given. A table with only good or only poor cases has no
    curve and is left out.
    """
    from sklearn.metrics import roc_auc_score, roc_curve  # here: one second of import that most figures do not need

    drawn = [item for item in scores.items() if item[1]["good"].nunique() == 2]
    groups = [drawn[first : first + MOST_CURVES] for first in range(0, max(1, len(drawn)), MOST_CURVES)]
    figure, axes = panels(len(groups), 1, aspect=2.0, height=3.4)
    for axis, group in zip(axes, groups, strict=True):
        for title, table in group:
            truth, p = table["good"].astype(bool), table["probability"]
            false, true, _ = roc_curve(truth, p)
            axis.plot(false, true, linewidth=1.4, label=f"{title} ({roc_auc_score(truth, p):.2f})")
        _diagonal(axis)
        axis.set(xlabel="poor masks called good", ylabel="good masks called good", aspect="equal")
        _legend_beside(axis, title="AUROC in brackets", title_fontsize=7)
    return figure


def criteria_met(table: pd.DataFrame, most: int, minimum: int) -> Figure:
    """Histograms of the criteria met (columns ``met``, ``good``, ``site``), one panel per site."""
    sites = table.groupby("site")
    figure, axes = _side_by_side(len(sites), 4, 2.8)
    for axis, (site, part) in zip(axes, sites, strict=True):
        _histogram(axis, part["met"], part["good"], bins=np.arange(most + 2) - 0.5, multiple="stack", shrink=0.85)
        axis.axvline(minimum - 0.5, color="0.3", linestyle=":")
        axis.set(title=f"site {site}", xlabel="criteria met", ylabel="masks", xticks=range(most + 1))
    _verdicts_below(figure)
    return figure


def errors_by_verdict(table: pd.DataFrame, errors: Mapping[str, str]) -> Figure:
    """Absolute errors among the cases called good and called poor: one panel per error, one line per model.

    Parameters
    ----------
    table : DataFrame
        Columns ``model``, ``verdict`` ("good" or "poor") and those named in `errors`.
    errors : dict
        Column to axis label.
    """
    table = table.assign(model=[fill(model, 30) for model in table["model"]])
    figure, axes = _side_by_side(len(errors), 4.6, 1 + 0.6 * table["model"].nunique(), sharey=True)
    for axis, (column, label) in zip(axes, errors.items(), strict=True):
        style = {"y": "model", "x": column, "hue": "verdict", "hue_order": list(VERDICT_COLOURS), "orient": "y"}
        style |= {"palette": VERDICT_COLOURS, "legend": False, "ax": axis}
        sns.boxplot(table, **style, fill=False, showfliers=False)
        sns.stripplot(table, **style, dodge=True, size=2.5, alpha=0.5)
        axis.set(ylabel="", xlabel=label)
        axis.tick_params(axis="y", labelsize=8)
    _verdicts_below(figure, "called")
    return figure


def forest(table: pd.DataFrame, label: str) -> Figure:
    """Points with intervals, one line per model and one colour per run.

    Parameters
    ----------
    table : DataFrame
        Columns ``model``, ``run``, ``value``, ``low``, ``high``.
    label : str
        What the values are.
    """
    models, runs = list(dict.fromkeys(table["model"])), list(dict.fromkeys(table["run"]))
    figure, axis = _one_line_each(models, label)
    for number, (run, colour) in enumerate(zip(runs, sns.color_palette("colorblind"), strict=False)):
        part = table[table["run"] == run]
        at = np.array([models.index(model) for model in part["model"]]) + 0.3 * (number - (len(runs) - 1) / 2)
        axis.hlines(at, part["low"], part["high"], color=colour, linewidth=1.5)
        axis.plot(part["value"], at, "osD^v"[number % 5], color=colour, markersize=5, label=run)
    _legend_below(figure, axis, 3)
    return figure


def equations(scheme: Scheme) -> Figure:
    """Dating equations of `scheme` over the lengths that they are valid for: their ages, and their days per millimetre.

    The ages are drawn minus those of the scheme's own equation, over a band of its standard deviation.
    """
    compared = equations_of(scheme)
    own, *_ = compared.values()
    lowest, highest = (pick(e.range_mm[i] for e in compared.values()) for i, pick in enumerate((min, max)))
    mm = np.arange(lowest, highest + 0.1, 0.1)
    table = ages(mm, scheme)
    figure, (left, right) = _side_by_side(2, 4.75, 3.6, sharex=True)
    valid = table[own.key].notna()
    left.fill_between(mm, -own.sd(mm), own.sd(mm), where=valid, color="0.9", linewidth=0, label=f"± SD of {own.title}")
    for (key, equation), colour in zip(compared.items(), ["black", *sns.color_palette("colorblind")], strict=False):
        left.plot(mm, table[key] - table[own.key], color=colour, linewidth=1.8, label=equation.title)
        right.plot(mm, np.gradient(table[key], mm), color=colour, linewidth=1.8)
    left.set(xlabel=f"{scheme.symbol} / mm", ylabel=f"age minus that by\n{own.title} / days")
    right.set(xlabel=f"{scheme.symbol} / mm", ylabel="days per mm", ylim=(0, 1.2), xlim=own.range_mm)
    _legend_below(figure, left, 3)
    return figure


def errors_and_spread(table: pd.DataFrame, scheme: Scheme) -> Figure:
    """Error of the age due to the mask, one point per case, with the spread of the dating equations at the true length.

    Parameters
    ----------
    table : DataFrame
        Columns ``true_mm``, ``days`` (absolute error of the age; what is below 0.03 is drawn at 0.03) and ``good``
        (the review's verdict).
    scheme : Scheme
        What was measured.
    """
    figure, axis = plt.subplots(figsize=(7.5, 3.8), layout="constrained")
    for verdict, colour in VERDICT_COLOURS.items():
        part = table[table["good"].astype(bool) == (verdict == "good")]
        style = {"color": colour, "alpha": 0.7, "label": f"error by the mask, reviewed as {verdict}"}
        axis.plot(part["true_mm"], part["days"].clip(lower=0.03), ".", **style)
    mm = np.linspace(table["true_mm"].min(), table["true_mm"].max(), 500)
    axis.plot(mm, spread(mm, scheme), color="black", linewidth=2, label="between the equations, true length")
    axis.set(xlabel=f"true {scheme.symbol} / mm", ylabel="days", yscale="log", ylim=(0.028, None))
    axis.yaxis.set_major_formatter("{x:g}")
    _legend_below(figure, axis, 3)
    return figure


def sweeps(table: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Score against error in days as an error grows, one panel per kind of error and one curve per model.

    Parameters
    ----------
    table : DataFrame
        Columns ``name``, ``model``, ``severity``, ``days``, ``probability``; ``name`` "none" is where all curves begin.
    titles : dict of str to str
        Kinds of error to show, and their titles.
    """
    figure, axes = panels(len(titles), 4, aspect=1.3, height=1.9, sharey=True)
    models = table.groupby("model", sort=False)
    for axis, (name, title) in zip(axes, titles.items(), strict=True):
        for model, part in models:
            curve = part[part["name"].isin(["none", name])].sort_values("severity")
            axis.plot(curve["days"], curve["probability"], marker="o", markersize=3, label=model)
        axis.set(title=title, ylim=(0, 1))
        axis.set_xlabel("mean |ΔGA| / days", fontsize=8)
    for axis in axes[::4]:
        axis.set_ylabel("mean score", fontsize=8)
    _legend_below(figure, axes[0], len(models))
    return figure


def printed_and_implied(table: pd.DataFrame) -> Figure:
    """Printed accuracies beside those that the printed precision and recall imply, one line per model.

    Parameters
    ----------
    table : DataFrame
        Columns ``model``, ``printed``, ``implied``, and ``low`` and ``high`` of the interval of the latter.
    """
    at, blue, orange = np.arange(len(table)), *VERDICT_COLOURS.values()
    figure, axis = _one_line_each(table["model"], "accuracy")
    axis.hlines(at, table["low"], table["high"], color=blue, linewidth=1.5, label="its 95 % interval")
    axis.plot(table["implied"], at, "o", color=blue, markersize=6, label="implied by precision and recall")
    axis.plot(table["printed"], at, "D", color=orange, fillstyle="none", markersize=6, label="printed")
    _legend_below(figure, axis, 3)
    return figure


def risk_curves(
    curves: Mapping[str, Mapping[str, RiskCoverage]], groups: Mapping[str, Sequence[str]] | None = None
) -> Figure:
    """Risk among accepted cases against the share accepted: one column per risk, one curve per score.

    Parameters
    ----------
    curves : dict of str to dict of str to RiskCoverage
        Risk to score to its curve.
    groups : dict of str to sequence of str, optional
        Scores that share a row of panels; those in no group are drawn in grey in every row. All in one row if left out.
    """
    scores = list(next(iter(curves.values())))
    groups = groups or {"": scores}
    everywhere = [score for score in scores if not any(score in group for group in groups.values())]
    shape, size = (len(groups), len(curves)), (3 * len(curves) + 2.2, 2.7 * len(groups) + 0.3)
    figure, axes = plt.subplots(*shape, figsize=size, squeeze=False, sharex=True, sharey="col", layout="constrained")
    for line, (name, group) in zip(axes, groups.items(), strict=True):
        for axis, found in zip(line, curves.values(), strict=True):
            for title in group:
                axis.plot(found[title].coverage, found[title].risk, linewidth=1.4, label=title)
            for title, dash in zip(everywhere, ("--", ":", "-."), strict=False):
                axis.plot(found[title].coverage, found[title].risk, dash, color="0.45", linewidth=1.2, label=title)
            axis.set(xlim=(0, 1))
        line[0].set_ylabel(fill(name, 30), fontsize=8)
        _legend_beside(line[-1])
    for axis, (risk, found) in zip(axes[0], curves.items(), strict=True):
        # the first few masks make a curve jump: the scale is that of where it has settled
        settled = [curve.risk[curve.coverage >= SETTLED].max(initial=0.0) for curve in found.values()]
        highest = 1.1 * max(settled)
        steep = any(curve.risk.max(initial=0.0) > highest > 0 for curve in found.values())
        cut = f"\n(above {highest:.2g} not drawn)" if steep else ""
        axis.set(title=f"{risk}{cut}", ylim=(0, highest or None))
    for axis in axes[-1]:
        axis.set_xlabel("share accepted")
    return figure


def costs(ratios: np.ndarray, spent: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """Relative cost of wrong verdicts against the ratio of their costs; below 1 a model is useful.

    Parameters
    ----------
    ratios : (R,) float
        Cost of a poor mask that is accepted over that of a good one that is rejected.
    spent : dict of str to dict of str to (R,) float
        Group of models, which share a panel, to model to its relative cost.
    """
    figure, axes = panels(len(spent), 2, aspect=1.9, height=2.6, sharex=True, sharey=True)
    for axis, (group, models) in zip(axes, spent.items(), strict=True):
        for title, values in models.items():
            axis.plot(ratios, values, linewidth=1.4, label=title)
        axis.axhline(1, color="0.3", linestyle=":")
        axis.set(xscale="log", ylim=(0, MOST_COST))
        axis.set_title(group, fontsize=9)
        _legend_beside(axis)
    figure.supxlabel("cost of a poor mask accepted / of a good mask rejected", fontsize=9)
    dearest = max(values.max() for models in spent.values() for values in models.values())
    cut = f"; above {MOST_COST} not drawn" if dearest > MOST_COST else ""
    figure.supylabel(f"cost, relative to no model{cut}", fontsize=9)
    return figure


def promised_and_kept(shares: pd.DataFrame) -> Figure:
    """Share of intervals that hold the truth against the share that was promised; columns ``way, promised, kept``."""
    figure, axis = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
    _diagonal(axis)
    sns.lineplot(shares, x="promised", y="kept", hue="way", style="way", markers=True, dashes=False, ax=axis)
    low = shares[["promised", "kept"]].min(axis=None) - 0.02
    axis.set(xlabel="share promised", ylabel="share of true lengths within", xlim=(low, 1.01), ylim=(low, 1.01))
    _legend_beside(axis)
    return figure


def reliability_diagram(diagrams: Mapping[str, Mapping[str, pd.DataFrame]]) -> Figure:
    """Share of good masks against their probability: one panel per model, one series per version of the probabilities.

    Parameters
    ----------
    diagrams : dict of str to dict of str to DataFrame
        Model to version to the table of :func:`fusqa.evaluation.calibration.reliability`.
    """
    figure, axes = panels(len(diagrams), 4, aspect=1.0, height=2.4)
    for axis, (model, versions) in zip(axes, diagrams.items(), strict=True):
        _diagonal(axis)
        for (version, table), colour in zip(versions.items(), sns.color_palette("colorblind"), strict=False):
            axis.plot(table["said"], table["found"], color=colour, linewidth=1, alpha=0.6)
            area = 6 + 120 * table["cases"] / table["cases"].sum()
            axis.scatter(table["said"], table["found"], s=area, color=colour, alpha=0.8, label=version)
        axis.set(xlim=(0, 1), ylim=(-0.02, 1.02), aspect="equal")
        axis.set_title(model.replace(", ", "\n"), fontsize=8)
        axis.set_xlabel("probability of “good”", fontsize=8)
        axis.set_ylabel("share found good", fontsize=8)
    _legend_below(figure, axes[0], 2)
    return figure


def slipped(table: pd.DataFrame) -> Figure:
    """Share of poor masks accepted over many splits (columns ``model``, ``alpha``, ``slipped``), beside the promise."""
    promises = table.groupby("alpha")
    figure, axes = _side_by_side(len(promises), 3, 1.6 + 0.35 * table["model"].nunique(), sharey=True)
    mean = {"marker": "o", "markerfacecolor": "black", "markeredgecolor": "black", "markersize": 4}
    style = {"color": VERDICT_COLOURS["poor"], "fill": False, "showfliers": False, "width": 0.5, "linewidth": 1}
    for axis, (alpha, part) in zip(axes, promises, strict=True):
        sns.boxplot(part, x="slipped", y="model", **style, showmeans=True, meanprops=mean, ax=axis)
        axis.axvline(alpha, color="0.3", linestyle=":")
        axis.set(title=f"at most {100 * alpha:.0f} % promised", xlabel="poor masks accepted", ylabel="", xlim=(0, None))
    return figure


def unfamiliarity(table: pd.DataFrame) -> Figure:
    """Cumulative distribution of the column ``unfamiliar`` in every hospital (column ``where``)."""
    figure, axis = plt.subplots(figsize=(5.2, 3.4))
    for name, masks in table.groupby("where", sort=False):  # not seaborn's hue: its legend shows no dashes
        sns.ecdfplot(x=masks["unfamiliar"], label=name, linewidth=1.6, ax=axis)
    _diagonal(axis)
    axis.set(xlim=(-0.02, 1.02), xlabel="share of validation pairs that are nearer", ylabel="share of masks")
    axis.legend()
    return figure


def predicted_against_true(
    errors: Mapping[str, tuple[Sequence[float], Sequence[float]]], limit_mm: float, symbol: str
) -> Figure:
    """Predicted against true error of a length, one panel for each set of masks.

    Parameters
    ----------
    errors : mapping of str to ((M,), (M,)) float
        Set to true and predicted errors in mm.
    limit_mm : float
        Dotted lines mark errors of this size.
    symbol : str
        What is measured, such as "CRL".
    """
    figure, axes = panels(len(errors), 3, aspect=1.1, height=2.9)
    for axis, (name, both) in zip(axes, errors.items(), strict=True):
        true, predicted = (np.asarray(part, float) for part in both)
        far = np.quantile(np.abs(np.concatenate([true, predicted])), REACH) if len(true) else 0.0
        far = max(1.1 * far, 2 * limit_mm)
        axis.plot(true.clip(-far, far), predicted.clip(-far, far), "o", markersize=3, alpha=0.5)
        axis.plot([-far, far], [-far, far], color="0.3", linewidth=1)
        for at in (-limit_mm, limit_mm):
            axis.axhline(at, color="0.5", linestyle=":", linewidth=1)
            axis.axvline(at, color="0.5", linestyle=":", linewidth=1)
        axis.set(xlim=(-far, far), ylim=(-far, far), xlabel=f"true error of the {symbol} / mm")
        axis.set_title(f"{name} ({len(true)})", fontsize=9)
    axes[0].set_ylabel("predicted / mm")
    return figure


def dated_within(left: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """Share of the masks whose date is within some days, one panel for each set of masks, one curve per correction.

    Parameters
    ----------
    left : mapping of str to mapping of str to (M,) float
        Set to correction to the absolute error of the date that is left, in days.
    """
    figure, axes = panels(len(left), 3, aspect=1.1, height=2.9, sharey=True)
    for axis, (name, ways) in zip(axes, left.items(), strict=True):
        for (title, days), dash in zip(ways.items(), ("-", ":", "-.", "--"), strict=False):
            sns.ecdfplot(x=days, ax=axis, label=title, linestyle=dash)
        axis.axvline(7, color="0.5", linestyle=":", linewidth=1)
        axis.set(xlim=(0, MOST_DAYS), ylim=(0, 1), xlabel="days", ylabel="")
        axis.set_title(name, fontsize=9)
    axes[0].set_ylabel("share of masks dated within")
    _legend_below(figure, axes[0], 2, title="taken off")
    return figure
