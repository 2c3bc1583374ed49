"""The rows of a study side by side: all their trainings, the paper's Tables 2 and 3, and tests of differences."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from operator import itemgetter
from pathlib import Path

import numpy as np
import pandas as pd

from fusqa.evaluation.paper import AUTOENCODER_PRINTED, PRINTED, Printed
from fusqa.evaluation.scoring import CONFUSION, FIGURES, figure, mean_figure, printed_p
from fusqa.masks.labels import Scheme
from fusqa.metrics import DRAWS, Scored, SeedsReport, difference, holm, mcnemar, report_over_seeds
from fusqa.study.learning import CONTROL, LEARNT, verdict_of
from fusqa.study.results import Study, published
from fusqa.study.rows import RECIPES, REFERENCE_NETWORK, Row, row_named
from fusqa.study.sets import ALTERED, AT_B
from fusqa.study.shelf import PLACE

SIGNIFICANT = 0.05  # of p, corrected
NOT_APART, ONE_TRAINING = "not told apart", "one seed in common"  # in place of a verdict
# A bootstrap cannot find a p below two in its number of draws. Multiplied by the number of comparisons, that must stay
# well below SIGNIFICANT: here it is 0.01.
DRAWS_PER_COMPARISON = 200
NOTHING_LEARNT = "No model of this chapter has learnt its task in this run: nothing is concluded from them."


@dataclass(frozen=True, eq=False)
class TrainedRow:
    """All trainings of one row.

    Attributes
    ----------
    row : fusqa.study.rows.Row or None
        What was trained; None for the autoencoder.
    title : str
        Name in print.
    printed : Printed or None
        The paper's figures.
    results : list of dict
        ``results/<row>.json`` of every seed that was run.
    tables : list of DataFrame
        Their scores, one row per scored pair.
    reason : str
        Why nothing was run; empty where something was.
    """

    row: Row | None
    title: str
    printed: Printed | None
    results: list[dict]
    tables: list[pd.DataFrame]
    reason: str = ""

    @property
    def verdict(self) -> str:
        """Whether it has learnt its task, in every seed (:mod:`fusqa.study.learning`)."""
        return verdict_of(self.results)

    @property
    def reference(self) -> bool:
        """Whether it is of the network on which recipes are compared."""
        return self.row is not None and self.row.network == REFERENCE_NETWORK

    @property
    def testable(self) -> bool:
        """Whether it was run and the test set is not empty: only then are there figures."""
        return bool(self.tables) and not any(self.cases(training=n).empty for n in range(len(self.tables)))

    @property
    def seeds(self) -> list[int]:
        """Seed of every training."""
        return [result["provenance"]["seed"] for result in self.results]

    def cases(self, test: bool = True, training: int = 0) -> pd.DataFrame:
        """Scores of one training on site B's predictions, beside their truth: of the balanced test set, or of all."""
        table = self.tables[training]
        return table[(table["set"] == AT_B) & (table["test"].astype(bool) | (not test))]

    def scored(
        self, threshold: str, test: bool = True, truth: Callable[[pd.DataFrame], pd.Series] = itemgetter("good")
    ) -> list[Scored]:
        """Return what figures of merit at site B are computed from, one per training.

        Parameters
        ----------
        threshold : str
            "paper" or "validation".
        test : bool
            Whether on the balanced test set alone, or on all predictions.
        truth : function of DataFrame
            What counts as good in a table of :meth:`cases`; the review, unless something else is asked.
        """
        parts = [self.cases(test, training) for training in range(len(self.tables))]
        return [
            Scored(truth(part).to_numpy(bool), part["probability"].to_numpy(float), part["patient"].to_numpy(), limit)
            for part, limit in zip(parts, self.thresholds(threshold), strict=True)
        ]

    def thresholds(self, name: str) -> list[float]:
        """Threshold "paper" or "validation" of every training."""
        return [result["thresholds"][name] for result in self.results]

    def report(self, threshold: str) -> SeedsReport:
        """Report on the balanced test set over all trainings, at the threshold "paper" or "validation"."""
        return report_over_seeds(self.scored(threshold))


def trained_rows(study: Study) -> dict[str, TrainedRow]:
    """Read every row of the paper's table and of the study's, and the autoencoder, as far as `study` ran them."""
    runs = {row.key: [row.result(seed) for seed in study.profile.seeds_of(row)] for row in study.rows}
    if study.profile.autoencoder:
        runs["autoencoder"] = ["autoencoder"]
    rows = {key: row_named(key) for key in dict.fromkeys([*PRINTED, *study.plan.rows])} | {"autoencoder": None}
    found = {}
    for key, row in rows.items():
        title, printed = (row.title, PRINTED.get(key)) if row else ("Autoencoder", AUTOENCODER_PRINTED)
        results = {name: study.result(name) for name in runs.get(key, ()) if study.can_read(name)}
        ran = {name: result for name, result in results.items() if result["status"] == "run"}
        reasons = [result["reason"] for result in results.values() if result["status"] != "run"]
        other = "not published yet" if key in runs else f"not among the rows of profile “{study.profile.name}”"
        reason = (reasons or [other])[0]
        tables = [study.table(name) for name in ran]
        found[key] = TrainedRow(row, title, printed, list(ran.values()), tables, "" if ran else reason)
    return found


def learnt_rows(rows: Mapping[str, TrainedRow]) -> dict[str, TrainedRow]:
    """Return the rows from which something may be concluded: those that have learnt their task, and the controls."""
    return {key: row for key, row in rows.items() if row.tables and row.verdict in (LEARNT, CONTROL)}


def left_out(rows: Mapping[str, TrainedRow]) -> str:
    """Say which rows were run and have not learnt: they are printed, and nothing is concluded from them."""
    if not any(row.tables for row in rows.values()):
        return "No row was run."
    named = [f"{row.title} ({row.verdict})" for row in rows.values() if row.tables and not learnt_rows({"": row})]
    if not named:
        return "Every row examined here has learnt its task, or is a control."
    count = "one row that has" if len(named) == 1 else f"{len(named)} rows that have"
    return f"Nothing is concluded from {count} not learnt the task: {'; '.join(named)}."


@dataclass(frozen=True, eq=False)
class Telling:
    """Rows from which something may be concluded, and the study that trained them.

    Attributes
    ----------
    study : Study
        This run; or the published edition, where no row of this run has learnt.
    rows : dict of str to TrainedRow
        Those that have learnt, and the controls beside them. Empty where none has learnt: a control shows something
        only beside a model that sees everything.
    prefix : str
        How a caption about them begins: it names the edition; empty for this run.
    said : str
        Which rows of this run are left out, and whose are shown instead.
    """

    study: Study
    rows: dict[str, TrainedRow]
    prefix: str
    said: str

    def caption(self, text: str) -> str:
        """Caption of a figure or table about these rows."""
        return f"{self.prefix}{text[0].lower()}{text[1:]}" if self.prefix else text


def telling_rows(study: Study, asked: Callable[[TrainedRow], bool], place: Path = PLACE) -> Telling:
    """Return the rows that a chapter asks for and may conclude from, of this run or else of the published edition.

    Parameters
    ----------
    study : Study
        This run.
    asked : function of TrainedRow to bool
        Which rows the chapter is about.
    place : Path
        Where editions are published.
    """
    rows = {key: row for key, row in trained_rows(study).items() if asked(row)}
    if own := _concluded(rows):
        return Telling(study, own, "", left_out(rows))
    ran = [f"{row.title} ({row.verdict})" for row in rows.values() if row.tables]
    if ran:
        said = f"{NOTHING_LEARNT} What was run: {'; '.join(ran)}."
    else:
        said = "None of the rows that this chapter is about was run: there are no figures of its own."
    edition = published(study.cohort, place)
    shown = _concluded({key: row for key, row in trained_rows(edition).items() if asked(row)}) if edition else {}
    if not edition or not shown:
        return Telling(study, {}, "", said)
    name = f"Published edition “{edition.profile.name}”"
    return Telling(edition, shown, f"{name}: ", f"{said} Shown instead: {name}.")


def _concluded(rows: Mapping[str, TrainedRow]) -> dict[str, TrainedRow]:
    """Rows that have learnt, with the controls; none where all that is left are controls."""
    told = learnt_rows(rows)
    return told if any(row.verdict == LEARNT for row in told.values()) else {}


def learning_table(rows: Mapping[str, TrainedRow]) -> pd.DataFrame:
    """Return the evidence of every training that was run, as text: one line per row, means over its seeds.

    The loss stands beside that of a constant answer; the AUROC is on the row's own validation material, its interval
    the lowest and the highest end over seeds.
    """
    lines = []
    for row in rows.values():
        found = pd.DataFrame([result["learnt"] for result in row.results if "learnt" in result])
        if found.empty:
            continue
        area = "–"
        if found["auroc"].notna().all():
            area = figure(found["auroc"].mean(), (found["low"].min(), found["high"].max()))
        lines.append(
            {"model": row.title, "verdict": row.verdict, "trainings": len(found)}
            | {"samples": f"{found['samples'].mean():.0f}", "epochs": f"{found['epochs'].mean():.1f}"}
            | {"loss": f"{found['loss'].mean():.3f}", "constant\nanswer": f"{found['constant'].mean():.3f}"}
            | {"curve flat": f"{found['flat'].sum()} of {len(found)}", "AUROC,\nown validation": area}
        )
    return pd.DataFrame(lines)


def table_3(rows: Mapping[str, TrainedRow], threshold: str) -> pd.DataFrame:
    """Return the paper's Table 3 at a threshold, "paper" or "validation", as text.

    A figure is the mean over seeds, ± its standard deviation where there are several; below it the 95 % interval. Rows
    that were not run share the last line; their names would make it the tallest. A row that predicts the Dice has no
    verdict at the paper's threshold, which is of a probability: there, only its AUROC is given.
    """
    lines, absent = [], [row.title for row in rows.values() if not row.tables]
    for row in rows.values():
        if not row.tables:
            continue
        if not row.testable:
            lines.append({"model": row.title, "learnt?": row.verdict, CONFUSION: "no test set"})
            continue
        over = row.report(threshold)
        figures = {title: figure(over.mean[key], over.intervals[key], over.sd[key]) for key, title in FIGURES.items()}
        if threshold == "paper" and row.row and RECIPES[row.row.recipe].target == "dice":
            line = {"model": row.title, "learnt?": row.verdict, CONFUSION: "predicts the Dice"}
            lines.append(line | {FIGURES["auroc"]: figures[FIGURES["auroc"]]})
            continue
        counts = [f"{count:.0f}" if over.seeds == 1 else f"{count:.1f}" for count in over.confusion]
        collapsed = f"\none class only: {over.collapsed} of {over.seeds}" if over.collapsed else ""
        lines.append(
            {"model": row.title, "learnt?": row.verdict, CONFUSION: "{} {}\n{} {}".format(*counts) + collapsed}
            | figures
        )
    if absent:
        named = absent[0] if len(absent) == 1 else f"{len(absent)} other rows"
        lines.append({"model": named, "learnt?": "–", CONFUSION: "not run"})
    return pd.DataFrame(lines)


def summary(rows: Mapping[str, TrainedRow]) -> pd.DataFrame:
    """AUROC of every row that has learnt, and of controls: columns ``model``, ``value``, ``low``, ``high``."""
    lines = []
    for row in learnt_rows(rows).values():
        if row.testable:
            over = row.report("validation")
            low, high = over.intervals["auroc"]
            lines.append({"model": row.title, "value": over.mean["auroc"], "low": low, "high": high})
    return pd.DataFrame(lines, columns=["model", "value", "low", "high"])


def run_differences(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    """Compare two runs, each as :func:`summary` returns it, row by row of the grid: this run minus the other.

    Two runs share neither trainings nor all of their patients, so they are not paired: the interval of the difference
    adds the squared distances from each value to the end of its own interval (Newcombe 1998), and is too wide where
    patients are shared.

    Returns
    -------
    DataFrame
        Text; one line for each row that has learnt in both and for each control, the largest difference first.
    """
    both = ours.merge(theirs, on="model", suffixes=("", "_other"))
    apart = both["value"] - both["value_other"]
    low = apart - np.hypot(both["value"] - both["low"], both["high_other"] - both["value_other"])
    high = apart + np.hypot(both["high"] - both["value"], both["value_other"] - both["low_other"])
    order = apart.abs().sort_values(ascending=False, kind="stable").index
    return pd.DataFrame(
        {
            "model": both["model"],
            "this run": both["value"].map("{:.3f}".format),
            "published": both["value_other"].map("{:.3f}".format),
            "difference": [f"{a:+.3f}\n{b:+.3f} – {c:+.3f}" for a, b, c in zip(apart, low, high, strict=True)],
            "interval excludes 0": np.where((low > 0) | (high < 0), "yes", "no"),
        }
    ).loc[order]


def beside_print(rows: Mapping[str, TrainedRow]) -> pd.DataFrame:
    """Set our figures at the paper's threshold beside those that the paper prints, and what these imply.

    On a balanced test set accuracy and F1 follow from precision and recall
    (:meth:`fusqa.evaluation.paper.Printed.implied`).
    """
    lines = []
    for row in learnt_rows(rows).values():
        if row.printed is None or not row.testable:
            continue
        ours = row.report("paper").mean
        implied = row.printed.implied()
        line = {"model": row.title}
        for key, theirs in row.printed._asdict().items():
            follows = f" ({implied[key]:.3f})" if key in implied else ""
            found = "–" if math.isnan(ours[key]) else f"{ours[key]:.3f}\n{ours[key] - theirs:+.3f}"
            line[FIGURES[key]] = f"{theirs:.3f}{follows} → {found}"
        lines.append(line)
    return pd.DataFrame(lines)


def validation_auroc(study: Study, row: Row) -> float:
    """AUROC of a row on altered masks of site A's validation patients, mean over seeds; −1 if it has not learnt."""
    runs = [study.result(row.result(seed)) for seed in study.profile.seeds_of(row)]
    if verdict_of(runs) != LEARNT:
        return -1.0
    return float(np.mean([run["reports"]["paper"][ALTERED]["auroc"] for run in runs]))


def table_2(cases: pd.DataFrame, errors: Mapping[str, str], seed: int) -> pd.DataFrame:
    """Return the paper's Table 2, upper half: errors of the masks that each model calls poor and good, as text.

    A model's masks are those of all its trainings, whose number is told where models have several.

    Parameters
    ----------
    cases : DataFrame
        One row per mask and training: ``model``, ``threshold``, ``training``, ``patient``, ``verdict`` and the columns
        of `errors`.
    errors : dict of str to str
        Column with an absolute error -> its heading.
    seed : int
        Of the bootstrap.
    """
    lines = []
    for (model, threshold), part in cases.groupby(["model", "threshold"], sort=False):
        groups = {verdict: part[part["verdict"] == verdict] for verdict in ("poor", "good")}
        trainings = part["training"].nunique()
        counts = ", ".join(f"{len(group) / trainings:.3g}" for group in groups.values())
        lines.append(
            {"model": model, "threshold": threshold, "trainings": str(trainings), "masks\npoor, good": counts}
            | {
                f"{heading}\n{verdict}": mean_figure(group[column], group["patient"], seed)
                for column, heading in errors.items()
                for verdict, group in groups.items()
            }
        )
    table = pd.DataFrame(lines)
    return table if cases["training"].nunique() > 1 else table.drop(columns="trainings", errors="ignore")


def segmenter_figures(part: pd.DataFrame, scheme: Scheme, seed: int) -> dict[str, str]:
    """Return the figures of one segmentation network at one site as text, from its table of predictions."""
    means = {f"Dice {name}": part[f"dice_{name}"] for name in scheme.names}
    means |= {f"|Δ{scheme.symbol}| mm": part["delta_mm"].abs(), "|ΔGA| days": part["delta_days"].abs()}
    return {name: mean_figure(values, part["patient"], seed) for name, values in means.items()} | {
        "above 5 mm %": f"{100 * (part['delta_mm'].dropna().abs() > 5).mean():.0f}",
        "not measurable": f"{part['mm'].isna().sum()} of {len(part)}",
    }


RIVALS = {
    "topology": ("topology", ("single", "synergic"), ("synergic", "siamese"), ("single", "siamese")),
    "what it learns from": (
        "recipe", ("errors-grey", "paper"), ("both", "paper"), ("both", "errors-grey"), ("errors", "paper-labels"),
        ("both-labels", "paper-labels"), ("both-labels", "errors"), ("both-signed", "signed"), ("both-dice", "dice"),
    ),
    "how the mask enters": ("recipe", ("paper", "paper-labels"), ("errors-grey", "errors"), ("both", "both-labels")),
    "whether the image is seen": (
        "recipe", ("paper", "paper-blind"), ("errors", "blind"), ("both-labels", "both-blind"),
        ("signed", "signed-blind"), ("both-signed", "both-signed-blind"),
    ),
    "what counts as good": ("recipe", ("reviewed", "errors"), ("both-reviewed", "both-labels")),
    "grey levels varied": (
        "recipe", ("paper-varied", "paper"), ("both-varied", "both"), ("reviewed-varied", "reviewed"),
    ),
    "images exchanged": ("recipe", ("exchanged", "errors")),
    "wrong places and sizes": ("recipe", ("mismatched", "errors"), ("signed-mismatched", "signed")),
    "pretrained": ("pretrained", (True, False)),
}  # fmt: skip
"""In what two rivals differ: the field of a row, and its values in the one and in the other."""


def rivals(rows: Mapping[str, TrainedRow]) -> list[tuple[str, str, str]]:
    """Return pairs of rows that have learnt and differ in one thing: what, first, second, as :data:`RIVALS` lists."""
    ran = {key: run.row for key, run in learnt_rows(rows).items() if run.row}
    pairs = []
    for what, (field, *values) in RIVALS.items():
        for (first, second), (key, row) in product(values, ran.items()):
            other = replace(row, **{field: second}).key
            if getattr(row, field) == first and other in ran:
                pairs.append((what, key, other))
    return pairs


def draws_for(comparisons: int) -> int:
    """Draws of the bootstrap with which a p that is corrected for so many comparisons can still be small."""
    return max(DRAWS, DRAWS_PER_COMPARISON * comparisons)


def compare(rows: Mapping[str, TrainedRow], pairs: list[tuple[str, str, str]]) -> pd.DataFrame:
    """Compare rows on the balanced test set, at the thresholds chosen on validation.

    The differences, their intervals and p are of all seeds that both rows were trained with, McNemar's test is of the
    first of them. Of so many comparisons some would seem clear by chance: p is corrected for their number (Holm 1979),
    and decides the verdict. Two rows with one seed in common are not told apart: their difference may be that of the
    trainings, which redrawn patients do not show. Their p is left out.
    """
    lines, areas = [], []
    draws = draws_for(len(pairs))
    for what, key, other in pairs:
        ours, theirs = rows[key], rows[other]
        shared = sorted(set(ours.seeds) & set(theirs.seeds))
        scored = [_of_seeds(row, shared) for row in (ours, theirs)]
        differences = difference(*scored, draws)
        only, only_other, p = mcnemar(*(first.called == first.good for first, *_ in scored))
        shown = {"AUROC": differences["auroc"], "balanced accuracy": differences["balanced_accuracy"]}
        lines.append(
            {"differ in": what, "first": ours.title, "second": theirs.title, "trainings": len(shared)}
            | {f"Δ {name}": "{:+.3f}\n{:+.2f} to {:+.2f}".format(*values[:3]) for name, values in shown.items()}
            | {"only first right,\nonly second": f"{only}, {only_other}", "McNemar p": printed_p(p)}
        )
        areas.append(differences["auroc"])
    corrected = holm([area.p if line["trainings"] > 1 else math.nan for area, line in zip(areas, lines, strict=True)])
    verdicts = [ONE_TRAINING if line["trainings"] == 1 else _verdict(area.value, p)
                for line, area, p in zip(lines, areas, corrected, strict=True)]  # fmt: skip
    return pd.DataFrame(lines).assign(**{"p, Holm": [printed_p(p) for p in corrected], "verdict on AUROC": verdicts})


def _of_seeds(row: TrainedRow, seeds: list[int]) -> list[Scored]:
    """Scores on the test set of the trainings with these seeds, in their order."""
    by_seed = dict(zip(row.seeds, row.scored("validation"), strict=True))
    return [by_seed[seed] for seed in seeds]


def _verdict(difference: float, p: float) -> str:
    """Which of two models is better, by their difference and its p."""
    if p >= SIGNIFICANT or math.isnan(p):
        return NOT_APART
    return "first is better" if difference > 0 else "second is better"
