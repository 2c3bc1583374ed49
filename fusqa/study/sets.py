"""The sets of masks on which every quality model is scored, by name: what result files and pages call them.

A module of its own, because a page that only reads results needs the names and no network.
"""

from fusqa.study.rows import Recipe

__all__ = ["ALTERED", "AT_A", "AT_B", "ERRORS", "PLACED_A", "PLACED_B", "own_sets"]

ALTERED, ERRORS = "altered masks, validation", "segmenter's errors, validation"
AT_A, AT_B = "predictions, validation", "predictions, site B"
PLACED_A, PLACED_B = "place and size, validation", "place and size, site B"
_OF_MATERIAL = {"altered": ALTERED, "errors": ERRORS}


def own_sets(recipe: Recipe) -> tuple[str, ...]:
    """Names of the scored sets that are of the kind a recipe learns from: its threshold is chosen on them."""
    return tuple(_OF_MATERIAL[material] for material in recipe.material)
