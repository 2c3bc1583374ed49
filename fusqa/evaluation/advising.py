"""Advice that follows from a study, each piece with the figures behind it.

The advice itself holds no number. The figures come from the result files, so that they change with the study.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from fusqa.evaluation.risk import risk_coverage
from fusqa.evaluation.unseen import UNSEEN
from fusqa.study.pairs import ALTERED, AT_B
from fusqa.study.results import Study
from fusqa.study.rows import RECIPES, row_named

__all__ = ["ADVICE", "advice"]

PAPER, OWN_ERRORS = "single-resnet18-scratch", "single-resnet18-scratch-errors"
# as results/baselines.csv names them
MODELS = {key: f"Quality model, {recipe.title}" for key, recipe in RECIPES.items()}
ALPHA = 0.1  # the promise of the chapter on calibration that is quoted


def advice(study: Study) -> pd.DataFrame:
    """Return every piece of advice with what this study found: columns ``advice``, ``found``.

    Where a study lacks the results behind a piece, as an edition from before they existed does, ``found`` says so.
    """
    return pd.DataFrame([{"advice": what, "found": _found(study, of)} for what, of in ADVICE.items()])


class _NotRun(LookupError):
    """The study lacks the results behind a piece of advice."""


def _found(study: Study, of: Callable[[Study], str]) -> str:
    try:
        return of(study)
    except (_NotRun, FileNotFoundError) as error:
        return f"not part of this study: {error}"


def _require(study: Study, *rows: str) -> None:
    """Raise :class:`_NotRun` unless the study has these rows."""
    if absent := [row_named(row).title for row in rows if row not in study.plan.rows]:
        raise _NotRun(" and ".join(absent))


def _auroc(good: pd.Series, score: pd.Series) -> float:
    """AUROC, if both good and poor masks are among those scored."""
    good = good.astype(bool)
    if good.nunique() < 2:
        raise _NotRun("masks of both verdicts")
    return float(roc_auc_score(good, score))


def _auroc_on(study: Study, key: str, name: str) -> float:
    """AUROC of a row's first seed on one set of masks."""
    _require(study, key)
    table = study.table(row_named(key).result(study.seed))
    part = table[table["set"] == name]
    return _auroc(part["good"], part["probability"])


def _tested_on(study: Study) -> str:
    altered, site_b = (_auroc_on(study, PAPER, name) for name in (ALTERED, AT_B))
    tested = f"AUROC {altered:.2f} on altered masks, {site_b:.2f} on a segmenter's predictions of site B"
    return f"{row_named(PAPER).title}: {tested}"


def _own_errors(study: Study) -> str:
    before, after = (_auroc_on(study, key, AT_B) for key in (PAPER, OWN_ERRORS))
    return f"the same network on predictions of site B: AUROC {before:.2f} from altered masks, {after:.2f} from errors"


def _without_a_model(study: Study) -> str:
    table, trained = study.table("baselines"), set(MODELS.values())
    of = {name: _auroc(table["good"], table[name]) for name in study.result("baselines")["scores"]}
    simple = max((name for name in of if name not in trained), key=of.get)
    model = max((name for name in of if name in trained), key=of.get)
    best = f"best without a quality network: {simple}, AUROC {of[simple]:.2f}"
    return f"{best}; best quality network: {model}, {of[model]:.2f}"


def _wrong_image(study: Study) -> str:
    _require(study, OWN_ERRORS)
    shown = study.result("diagnosis").get("auroc", {}).get(RECIPES["errors"].title)
    if not shown:  # an edition from before images were exchanged
        raise _NotRun("exchanged images, in results/diagnosis.json")
    own, other = shown["as trained"], shown["another's picture"]
    return f"trained on errors: AUROC {own:.2f} with the right image, {other:.2f} with another patient's"


def _days(study: Study) -> str:
    _require(study, OWN_ERRORS)
    table = study.table("baselines").dropna(subset=["delta_days"])
    curve = risk_coverage(table["delta_days"].abs(), table[MODELS["errors"]])
    left = {share: np.interp(share, curve.coverage, curve.risk) for share in (1.0, 0.8, 0.5)}
    said = ", ".join(f"{days:.1f} days with {100 * share:.0f} % accepted" for share, days in left.items())
    return f"mean error of the date: {said}"


_PASSED = ("abroad", "abroad_good", "home", "home_good")  # shares, as results/calibration.json names them


def _threshold(study: Study) -> str:
    _require(study, OWN_ERRORS)
    promises = study.result("calibration")["promises"]
    quoted = next(one for one in promises if one["key"] == OWN_ERRORS and one["alpha"] == ALPHA)
    passed = {where: "–" if quoted[where] is None else f"{100 * quoted[where]:.0f} %" for where in _PASSED}
    promised = f"the threshold promises that at most {100 * ALPHA:.0f} % of the poor masks pass"
    elsewhere = "chosen at site A it lets {abroad} of them pass, and {abroad_good} of the good ones".format(**passed)
    own = "chosen on half of site B's patients, {home} and {home_good}".format(**passed)
    return f"{promised}; {elsewhere}; {own}"


def _unseen(study: Study) -> str:
    _require(study, OWN_ERRORS)
    table, model = study.table("unseen"), RECIPES["errors"].title
    own = table["name"] == "none"
    of = {}
    for name in table.loc[~own, "name"].unique():
        part = table[own | ((table["name"] == name) & (table["severity"] == 1))]
        of[UNSEEN[name].title] = _auroc(part["name"] == "none", part[model])
    worst, best = min(of, key=of.get), max(of, key=of.get)
    return f"trained on errors: AUROC {of[best]:.2f} for “{best}”, {of[worst]:.2f} for “{worst}”"


ADVICE: dict[str, Callable[[Study], str]] = {
    "Ask what a model was tested on. Altered masks and a segmenter's errors are two different tests.": _tested_on,
    "Collect your segmenter's own errors, on degraded images if need be, and see whether training on them helps.": (
        _own_errors
    ),
    "Try what needs no quality model first.": _without_a_model,
    "Hide the image, or show a wrong one. A model whose scores stay the same judges the mask's shape alone.": (
        _wrong_image
    ),
    "Ask how many days of error remain, and how many masks must be rejected for that.": _days,
    "Choose the threshold on reviewed masks of your own hospital; one from elsewhere can be too lax or too strict.": (
        _threshold
    ),
    "Test it on kinds of error that it was not trained on, before it is used on patients.": _unseen,
}
