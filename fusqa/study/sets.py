"""The sets of masks on which every quality model is scored: what files and pages call them, and what is good in them.

A module of its own, because a page that only reads results needs the names and no network.
"""

import pandas as pd

from fusqa.study.rows import Recipe

ALTERED, ERRORS = "altered masks, validation", "segmenter's errors, validation"
AT_A, AT_B = "predictions, validation", "predictions, site B"
PLACED_A, PLACED_B = "place and size, validation", "place and size, site B"
_OF_MATERIAL = {"altered": ALTERED, "errors": ERRORS}
ACCEPTED_DAYS = 3.0  # our choice: within the standard deviation of the dating equation


def own_sets(recipe: Recipe) -> tuple[str, ...]:
    """Names of the scored sets that are of the kind a recipe learns from: its threshold is chosen on them."""
    return tuple(_OF_MATERIAL[material] for material in recipe.material)


def good_as_learnt(table: pd.DataFrame, recipe: Recipe) -> pd.Series:
    """Whether masks are good in the sense of a recipe, of which alone its probability can be true.

    What learnt from a segmenter's errors was told that a prediction is good if the review accepts it *and* it dates the
    pregnancy right (:func:`fusqa.study.pairs.error_pairs`). Site B's predictions are called good by the review alone.

    Parameters
    ----------
    table : DataFrame
        Scores: ``set``, ``good``, ``delta_days``.
    recipe : Recipe
        How the model learnt.

    Returns
    -------
    Series of bool
        One for each row of `table`.
    """
    by_date = table["set"].isin((AT_A, AT_B)) & ("errors" in recipe.material)
    return table["good"].astype(bool) & (~by_date | (table["delta_days"].abs() <= ACCEPTED_DAYS))
