"""Advice that follows from a study, each piece with the figures behind it.

The advice itself holds no number and expects no answer. The figures come from the result files, so that they change
with the study, and from models that have learnt their task, so that they mean something.
"""

from collections.abc import Callable, Iterable

import pandas as pd
from sklearn.metrics import roc_auc_score

from fusqa.evaluation.comparison import NOT_APART, ONE_TRAINING
from fusqa.evaluation.looking import OTHER, OWN, TELLING
from fusqa.evaluation.risk import risk_coverage
from fusqa.evaluation.unseen import UNSEEN
from fusqa.study.learning import CONTROL, LEARNT, verdict_of
from fusqa.study.results import Study
from fusqa.study.rows import RECIPES, REFERENCE_NETWORK, Row
from fusqa.study.sets import ALTERED, AT_B

# as results/baselines.csv names them
MODELS = {key: f"Quality model, {recipe.title}" for key, recipe in RECIPES.items()}
QUOTED = ("errors", "both-labels", "paper")  # where one model is quoted, it is the first of these that has learnt
ALPHA = 0.1  # the promise of the chapter on calibration that is quoted


def advice(study: Study) -> pd.DataFrame:
    """Return every piece of advice with what this study found: columns ``advice``, ``found``.

    Where a study lacks the results behind a piece, or its models have not learnt, ``found`` says so.
    """
    return pd.DataFrame([{"advice": what, "found": _found(study, of)} for what, of in ADVICE.items()])


def told_scores(study: Study) -> list[str]:
    """Names of the scores in ``results/baselines.csv`` that may be ranked.

    These are the scores without a quality network, those of rows that have learnt, and, where some have, of controls.
    """
    verdicts = {MODELS[recipe]: _verdict(study, _row(recipe)) for recipe in RECIPES}
    telling = (LEARNT, CONTROL) if LEARNT in verdicts.values() else (LEARNT,)
    if study.profile.autoencoder:
        verdicts["Autoencoder"] = verdict_of([study.result("autoencoder")])
    return [name for name in study.result("baselines")["scores"] if verdicts.get(name, LEARNT) in telling]


class _NotRun(LookupError):
    """What a piece of advice rests on was not run, has not learnt, or cannot be counted; the message says which."""


def _found(study: Study, of: Callable[[Study], str]) -> str:
    try:
        return of(study)
    except (_NotRun, FileNotFoundError) as error:
        return f"no answer from this study: {error}"


def _runs(study: Study, row: Row) -> list[dict]:
    """Results of a row's trainings that were run, as far as they are there: an edition may be published half-way."""
    if row.key not in study.plan.rows:
        return []
    names = [row.result(seed) for seed in study.profile.seeds_of(row)]
    results = [study.result(name) for name in names if study.can_read(name)]
    return [result for result in results if result["status"] == "run"]


def _verdict(study: Study, row: Row) -> str:
    return verdict_of(_runs(study, row))


def _row(recipe: str) -> Row:
    """The row of a recipe on the network on which recipes are compared."""
    return Row(*REFERENCE_NETWORK, recipe)


def _learnt(study: Study, recipes: Iterable[str]) -> list[str]:
    """Return those of `recipes` whose model has learnt its task; raise :class:`_NotRun` where none has."""
    rows = {recipe: _row(recipe) for recipe in recipes}
    found = [recipe for recipe, row in rows.items() if _verdict(study, row) == LEARNT]
    if not found:
        failed = [f"{row.title} has not learnt its task" for row in rows.values() if _runs(study, row)]
        raise _NotRun("; ".join(failed) or f"{' and '.join(row.title for row in rows.values())} not run")
    return found


def _quoted(study: Study) -> str:
    """Return the recipe whose model is quoted where one must do."""
    return _learnt(study, QUOTED)[0]


def _auroc(good: pd.Series, score: pd.Series) -> float:
    """AUROC, if both good and poor masks are among those scored."""
    good = good.astype(bool)
    if good.nunique() < 2:
        raise _NotRun("masks of both verdicts are lacking")
    return float(roc_auc_score(good, score))


def _auroc_on(study: Study, recipe: str, name: str) -> float:
    """AUROC of a recipe's first training on one set of masks."""
    table = study.table(_row(recipe).result(study.seed))
    part = table[table["set"] == name]
    return _auroc(part["good"], part["probability"])


def _did_it_learn(study: Study) -> str:
    verdicts = [_verdict(study, row) for row in study.rows if _runs(study, row)]
    controls = verdicts.count(CONTROL)
    counted = f"{verdicts.count(LEARNT)} of {len(verdicts) - controls} quality models that were run have learnt"
    return counted + (f"; {controls} more {'is a control' if controls == 1 else 'are controls'}" if controls else "")


def _tested_on(study: Study) -> str:
    said = [
        f"{RECIPES[recipe].title}, AUROC {_auroc_on(study, recipe, ALTERED):.2f} on altered masks and "
        f"{_auroc_on(study, recipe, AT_B):.2f} on a segmenter's predictions of site B"
        for recipe in _learnt(study, QUOTED)
    ]
    return "; ".join(said)


_BY_ENCODING = {
    "grey levels": ("paper", "errors-grey", "both"),
    "a channel per label": ("paper-labels", "errors", "both-labels"),
}
"""Recipes that differ in nothing but what they learn from, by how the mask enters."""


def _own_errors(study: Study) -> str:
    learnt = _learnt(study, [recipe for recipes in _BY_ENCODING.values() for recipe in recipes])
    if len({RECIPES[recipe].material for recipe in learnt}) < 2:
        raise _NotRun(f"all models that have learnt did so from {RECIPES[learnt[0]].learns_from}")
    said = []
    for encoding, recipes in _BY_ENCODING.items():
        areas = {RECIPES[one].learns_from: _auroc_on(study, one, AT_B) for one in recipes if one in learnt}
        if areas:
            listed = ", ".join(f"{area:.2f} from {material}" for material, area in areas.items())
            said.append(f"with the mask as {encoding}, AUROC {listed}")
    return f"the same network on predictions of site B: {'; '.join(said)}"


_ONE_THING = ("what it learns from", "how the mask enters", "whether the image is seen")  # of comparison.RIVALS


def _one_thing(study: Study) -> str:
    told = {row.title for row in study.rows if _verdict(study, row) in (LEARNT, CONTROL)}
    compared = [
        line
        for line in study.result("classification")["compared"]
        if line.get("differ in") in _ONE_THING and {line["first"], line["second"]} <= told
    ]
    if not compared:
        raise _NotRun("no two rows that have learnt differ in one of these alone")
    said = []
    for what in _ONE_THING:
        if pairs := [line for line in compared if line["differ in"] == what]:
            several = [line for line in pairs if line["trainings"] > 1]  # one training tells nothing apart
            apart = max(abs(float(line["Δ AUROC"].split()[0])) for line in several or pairs)
            clear = sum(line["verdict on AUROC"] != NOT_APART for line in several)
            counted = f"clear in {clear} of {len(several)} pairs" if several else ONE_TRAINING
            said.append(f"{what}, AUROC up to {apart:.2f} apart, {counted}")
    return f"on the balanced test set: {'; '.join(said)}"


_LEARNS = {"Shape features": " (a forest that learns from labelled masks)"}
"""What a baseline needs that a quality network needs too."""


def _baselines(study: Study) -> str:
    learnt = _learnt(study, [recipe for recipe, about in RECIPES.items() if not about.control])
    table, models = study.table("baselines"), {MODELS[recipe] for recipe in learnt}
    of = {name: _auroc(table["good"], table[name]) for name in told_scores(study)}
    simple = max((name for name in of if name not in MODELS.values()), key=of.get)
    model = max((name for name in of if name in models), key=of.get)
    best = f"best of the baselines: {simple}{_LEARNS.get(simple, '')}, AUROC {of[simple]:.2f}"
    network = Row(*REFERENCE_NETWORK).title
    return f"{best}; best of the rows {network}: {model}, {of[model]:.2f}; both chosen on these masks"


def _wrong_image(study: Study) -> str:
    learnt, said = _learnt(study, TELLING), []
    shown = study.result("diagnosis")
    for recipe in learnt:
        title = RECIPES[recipe].title
        for masks, end in (("predictions of site B", ""), ("altered masks", "_altered")):
            areas, means = (shown.get(part + end, {}).get(title, {}) for part in ("auroc", "good_probability"))
            if None not in (areas.get(OWN), areas.get(OTHER)):
                area, mean = (f"{of[OWN]:.2f} → {of[OTHER]:.2f}" for of in (areas, means))
                said.append(f"{title}, {masks}: {area}, {mean}")
    if not said:  # masks of one verdict, or of one patient
        raise _NotRun("no AUROC with exchanged images in results/diagnosis.json")
    return (
        f"AUROC, and mean probability of good masks, with the right image → with another patient's: {'; '.join(said)}"
    )


def _days(study: Study) -> str:
    recipe, table = _quoted(study), study.table("baselines").dropna(subset=["delta_days"])
    curve = risk_coverage(table["delta_days"].abs(), table[MODELS[recipe]])
    left = {share: curve.risk_at(share) for share in (1.0, 0.8, 0.5)}
    said = ", ".join(f"{days:.1f} days with {100 * share:.0f} % accepted" for share, days in left.items())
    return f"mean error of the date, masks ordered by the model of {RECIPES[recipe].title}: {said}"


_PASSED = ("abroad", "abroad_good", "home", "home_good")  # shares, as results/calibration.json names them


def _threshold(study: Study) -> str:
    promises = {one["key"]: one for one in study.result("calibration")["promises"] if one["alpha"] == ALPHA}
    said = []
    for recipe in _learnt(study, QUOTED):
        quoted = promises.get(_row(recipe).key)
        if quoted:
            passed = {where: "–" if quoted[where] is None else f"{100 * quoted[where]:.0f} %" for where in _PASSED}
            said.append(
                f"{RECIPES[recipe].title}: "
                + "{abroad} and {abroad_good} chosen at site A, {home} and {home_good} on half of B's patients".format(
                    **passed
                )
            )
    if not said:
        raise _NotRun("results/calibration.json has no threshold of a model that has learnt")
    promised = f"poor and good masks that pass a threshold which promises at most {100 * ALPHA:.0f} % of the poor"
    return f"{promised}: {'; '.join(said)}"


HARMFUL_DAYS = 3.0  # chosen: an error of the date that a clinic would want to be told of


def _unseen(study: Study) -> str:
    model = RECIPES[_quoted(study)].title
    table = study.table("unseen")
    own = table["name"] == "none"
    of = {}
    for name in table.loc[~own, "name"].unique():
        full = (table["name"] == name) & (table["severity"] == 1)
        cost = table.loc[full, "delta_days"].abs().fillna(float("inf"))  # what cannot be measured cannot be dated
        if cost.median() > HARMFUL_DAYS:
            part = table[own | full]
            of[UNSEEN[name].title] = _auroc(part["name"] == "none", part[model])
    if not of:
        raise _NotRun(f"no kind of error changes the date by more than {HARMFUL_DAYS:g} days at the median")
    said = "; ".join(f"{title}, {of[title]:.2f}" for title in sorted(of, key=of.get))
    counted = f"{own.sum()} images of {table['patient'].nunique()} patients"
    return f"{model}, {counted}, AUROC of errors that cost more than {HARMFUL_DAYS:g} days at the median: {said}"


ADVICE: dict[str, Callable[[Study], str]] = {
    "Ask first whether the model has learnt its own task. Nothing follows from one that has not.": _did_it_learn,
    "Ask what a model was tested on. Altered masks and a segmenter's errors are two different tests.": _tested_on,
    "Collect your segmenter's own errors, on degraded images if need be, and see whether training on them helps.": (
        _own_errors
    ),
    "Compare one thing at a time: what a model learns from, how the mask enters, whether it sees the image.": (
        _one_thing
    ),
    "Try the baselines first. Many need no labelled masks, and they may order masks as well as a quality network.": (
        _baselines
    ),
    "Show a wrong image. A model whose scores stay the same judges the mask alone; an equal AUROC shows less.": (
        _wrong_image
    ),
    "Ask how many days of error remain, and how many masks must be rejected for that.": _days,
    "Choose the threshold on reviewed masks of your own hospital; one from elsewhere can be too lax or too strict.": (
        _threshold
    ),
    "Test it on kinds of error that it was not trained on, before it is used on patients.": _unseen,
}
