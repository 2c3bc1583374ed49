"""Charts of predicted errors: against the true ones, and of the dates before and after they are taken off."""

from collections.abc import Mapping, Sequence

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from fusqa.figures.showing import panels

REACH = 0.98  # share of the values that sets the scale; what lies beyond is drawn at the edge
MOST_DAYS = 14  # where the axis of errors of the date ends


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
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8, frameon=False, title="taken off")
    return figure
