"""Charts of the book: training, scores, verdicts, risk, calibration, dating.

Like :mod:`fusqa.figures.sheets`, every function draws into a new matplotlib figure and returns it.
"""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from fusqa.evaluation.risk import RiskCoverage
from fusqa.figures.showing import VERDICT_COLOURS, panels
from fusqa.masks.dating import ages, equations_of, spread
from fusqa.masks.labels import Scheme

__all__ = [
    "confusions",
    "costs",
    "criteria_met",
    "curves",
    "equations",
    "errors_and_spread",
    "errors_by_verdict",
    "forest",
    "printed_and_implied",
    "probabilities",
    "reliability_diagram",
    "risk_curves",
    "roc_curves",
    "slipped",
    "sweeps",
    "unfamiliarity",
]


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
    figure, axes = panels(len(reports), 4, aspect=1.0, height=1.9)
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
        axis.tick_params(axis="x", labelrotation=25, labelsize=8)
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


def equations(scheme: Scheme) -> Figure:
    """Dating equations of `scheme` over the lengths that they hold for: their ages, and their days per millimetre.

    The ages are drawn minus those of the scheme's own equation, in a band of its standard deviation.
    """
    compared = equations_of(scheme)
    own, *_ = compared.values()
    lowest, highest = (pick(e.range_mm[i] for e in compared.values()) for i, pick in enumerate((min, max)))
    mm = np.arange(lowest, highest + 0.1, 0.1)
    table = ages(mm, scheme)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained", sharex=True)
    held = table[own.key].notna()
    left.fill_between(mm, -own.sd(mm), own.sd(mm), where=held, color="0.9", linewidth=0, label=f"± SD of {own.title}")
    for (key, equation), colour in zip(compared.items(), ["black", *sns.color_palette("colorblind")], strict=False):
        left.plot(mm, table[key] - table[own.key], color=colour, linewidth=1.8, label=equation.title)
        right.plot(mm, np.gradient(table[key], mm), color=colour, linewidth=1.8)
    left.set(xlabel=f"{scheme.symbol} / mm", ylabel=f"age minus that by\n{own.title} / days")
    right.set(xlabel=f"{scheme.symbol} / mm", ylabel="days per mm", ylim=(0, 1.2), xlim=own.range_mm)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def errors_and_spread(table: pd.DataFrame, scheme: Scheme) -> Figure:
    """Error of the age by the mask, a point a case, with the spread of the dating equations at the true length.

    Parameters
    ----------
    table : DataFrame
        Columns ``true_mm``, ``days`` (absolute error of the age; less than 0.03 is drawn there) and ``good`` (the
        review's verdict).
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
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def sweeps(table: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Score against error in days as an error grows, a panel an error and a curve a model.

    Parameters
    ----------
    table : DataFrame
        Columns ``name``, ``model``, ``severity``, ``days``, ``probability``; ``name`` "none" is where all curves begin.
    titles : dict of str to str
        Errors to show, and what to call them.
    """
    columns = min(4, len(titles))
    rows = -(-len(titles) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(2.5 * columns, 2.3 * rows), sharey=True, squeeze=False, layout="constrained"
    )
    models = list(dict.fromkeys(table["model"]))
    for axis, (name, title) in zip(axes.flat, titles.items(), strict=False):
        for model, colour in zip(models, sns.color_palette("colorblind"), strict=False):
            curve = table[(table["model"] == model) & table["name"].isin(["none", name])].sort_values("severity")
            axis.plot(curve["days"], curve["probability"], "o-", color=colour, markersize=3, label=model)
        axis.set(title=title, ylim=(0, 1))
        axis.set_xlabel("mean |ΔGA| / days", fontsize=8)
    for axis in axes.flat[len(titles) :]:
        axis.set_axis_off()
    for axis in axes[:, 0]:
        axis.set_ylabel("mean score", fontsize=8)
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(models), fontsize=8)
    return figure


def printed_and_implied(table: pd.DataFrame) -> Figure:
    """Printed accuracies beside those that the printed precision and recall imply, a line a model.

    Parameters
    ----------
    table : DataFrame
        Columns ``model``, ``printed``, ``implied``, and ``low`` and ``high`` of the interval of the latter.
    """
    at, blue, orange = np.arange(len(table)), *VERDICT_COLOURS.values()
    figure, axis = plt.subplots(figsize=(7.5, 1 + 0.26 * len(table)), layout="constrained")
    axis.hlines(at, table["low"], table["high"], color=blue, linewidth=1.5, label="its 95 % interval")
    axis.plot(table["implied"], at, "o", color=blue, markersize=6, label="implied by precision and recall")
    axis.plot(table["printed"], at, "D", color=orange, fillstyle="none", markersize=6, label="printed")
    axis.set(yticks=at, yticklabels=table["model"], xlabel="accuracy")
    axis.invert_yaxis()
    axis.grid(axis="y", visible=False)
    figure.legend(loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    return figure


def risk_curves(curves: Mapping[str, Mapping[str, RiskCoverage]]) -> Figure:
    """Risk among accepted cases against the share accepted: a panel a risk, a curve a score."""
    figure, axes = plt.subplots(1, len(curves), figsize=(3.6 * len(curves), 3.6), squeeze=False, layout="constrained")
    titles = list(next(iter(curves.values())))
    looks = dict(zip(titles, _looks(len(titles)), strict=True))
    for axis, (risk, found) in zip(axes[0], curves.items(), strict=True):
        for title, curve in found.items():
            axis.plot(curve.coverage, curve.risk, linewidth=1.4, label=title, **looks[title])
        axis.set(title=risk, xlabel="share accepted", xlim=(0, 1), ylim=(0, None))
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=7)
    return figure


def _looks(count: int) -> list[dict]:
    """Colours, and another dash where the ten colours begin anew."""
    colours, dashes = sns.color_palette("colorblind"), ("-", "--", ":")
    return [{"color": colours[i % len(colours)], "linestyle": dashes[i // len(colours)]} for i in range(count)]


def costs(ratios: np.ndarray, spent: Mapping[str, np.ndarray]) -> Figure:
    """Relative cost of wrong verdicts against the ratio of their costs, a curve a model; at 1 a model is useless."""
    figure, axis = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
    for (title, values), look in zip(spent.items(), _looks(len(spent)), strict=True):
        axis.plot(ratios, values, linewidth=1.4, label=title, **look)
    axis.axhline(1, color="0.3", linestyle=":")
    axis.set(xscale="log", ylim=(0, 2.5), ylabel="cost, relative to no model")
    axis.set_xlabel("cost of a poor mask accepted / of a good mask rejected")
    axis.legend(fontsize=7)
    return figure


def reliability_diagram(diagrams: Mapping[str, Mapping[str, pd.DataFrame]]) -> Figure:
    """Share found good against probability said: a panel a model, a series a version of its probabilities.

    Parameters
    ----------
    diagrams : dict of str to dict of str to DataFrame
        Model to version to the table of :func:`fusqa.evaluation.calibration.reliability`.
    """
    figure, axes = panels(len(diagrams), 4, aspect=1.0, height=2.4)
    for axis, (model, versions) in zip(axes, diagrams.items(), strict=False):
        axis.set_axis_on()
        axis.plot([0, 1], [0, 1], color="0.4", linestyle=":", linewidth=1)
        for (version, table), colour in zip(versions.items(), sns.color_palette("colorblind"), strict=False):
            axis.plot(table["said"], table["found"], color=colour, linewidth=1, alpha=0.6)
            area = 6 + 120 * table["cases"] / table["cases"].sum()
            axis.scatter(table["said"], table["found"], s=area, color=colour, alpha=0.8, label=version)
        axis.set(xlim=(0, 1), ylim=(-0.02, 1.02), aspect="equal")
        axis.set_title(model.replace(", ", "\n"), fontsize=8)
        axis.set_xlabel("said", fontsize=8)
        axis.set_ylabel("found", fontsize=8)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8)
    return figure


def slipped(table: pd.DataFrame) -> Figure:
    """Share of poor masks accepted over many splits (columns ``model``, ``alpha``, ``slipped``), beside the promise."""
    models, alphas = list(dict.fromkeys(table["model"])), sorted(table["alpha"].unique())
    figure, axes = plt.subplots(
        1, len(alphas), figsize=(9, 1.6 + 0.35 * len(models)), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, alpha in zip(axes[0], alphas, strict=True):
        part = table[table["alpha"] == alpha]
        mean = {"marker": "o", "markerfacecolor": "black", "markeredgecolor": "black", "markersize": 4}
        sns.boxplot(
            part, x="slipped", y="model", color=VERDICT_COLOURS["poor"], fill=False, showfliers=False,
            showmeans=True, meanprops=mean, width=0.5, linewidth=1, ax=axis,
        )  # fmt: skip
        axis.axvline(alpha, color="0.3", linestyle=":")
        axis.set(title=f"at most {100 * alpha:.0f} % promised", xlabel="poor masks accepted", ylabel="", xlim=(0, None))
    return figure


def unfamiliarity(table: pd.DataFrame) -> Figure:
    """Cumulative distribution of the column ``unfamiliar`` in every hospital (column ``where``)."""
    figure, axis = plt.subplots(figsize=(5.2, 3.4))
    sns.ecdfplot(table, x="unfamiliar", hue="where", linewidth=1.6, ax=axis)
    axis.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)
    axis.set(xlim=(-0.02, 1.02), xlabel="share of validation pairs that are nearer", ylabel="share of masks")
    axis.get_legend().set_title(None)
    return figure
