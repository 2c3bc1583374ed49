"""How the rows of a study were trained: the settings of each network, and its quality against the samples seen."""

from collections.abc import Mapping

import pandas as pd

from fusqa.evaluation.comparison import TrainedRow

WANTED = 0.90  # AUROC on validation patients that a trained network should reach; chosen
_SETTINGS = {"size": "side, px", "rate": "rate", "batch": "batch", "precision": "precision", "budget": "samples"}


def quality_by_samples(rows: Mapping[str, TrainedRow]) -> pd.DataFrame:
    """AUROC on a row's own validation patients after every round, of every training.

    Returns
    -------
    DataFrame
        ``model`` (its title), ``seed``, ``samples`` (seen so far), ``auroc``. A row that does not learn a verdict, such
        as one that regresses the Dice, has none.
    """
    parts = [
        pd.DataFrame(result["history"])[["samples", "auroc"]].assign(model=row.title, seed=seed)
        for row in rows.values()
        for seed, result in zip(row.seeds, row.results, strict=True)
        if "auroc" in result["history"][0]
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["samples", "auroc", "model", "seed"])


def training_settings(rows: Mapping[str, TrainedRow]) -> pd.DataFrame:
    """Return how each row was trained, and after how many samples it reached :data:`WANTED`, as text: a line per row.

    Samples are the mean over the seeds that reached it, which are counted where not all did; a dash where none did.
    """
    curves = quality_by_samples(rows)
    there = curves[curves["auroc"] >= WANTED].groupby(["model", "seed"])["samples"].min().groupby("model")
    there = there.agg(["mean", "size"])
    lines = []
    for row in rows.values():
        plans = [result["plan"] for result in row.results if "plan" in result]
        if plans:
            ran = sorted({result["learnt"]["precision"] for result in row.results if "learnt" in result})
            line = {"model": row.title} | {title: str(plans[0][key]) for key, title in _SETTINGS.items()}
            line["precision"] = ", ".join(ran) or line["precision"]  # a graphics card has its own
            mean, seeds = there.loc[row.title] if row.title in there.index else (None, 0)
            some = f" ({seeds:.0f} of {len(plans)})" if seeds < len(plans) else ""
            reached = f"{mean:.0f}{some}" if seeds else "–"
            lines.append(line | {f"samples until\nAUROC {WANTED:.2f}": reached})
    return pd.DataFrame(lines)
