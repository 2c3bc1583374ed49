"""The models that the chapters examine: one network, trained once by each recipe; and what each makes of an image.

They are read from what their trainings stored (:mod:`fusqa.evaluation.examination`); one, as an example, is loaded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from torch import nn

from fusqa.evaluation.comparison import TrainedRow, draws_for, learnt_rows, trained_rows
from fusqa.evaluation.examination import Maps
from fusqa.evaluation.looking import OTHER, OWN, SHOWN, TELLING
from fusqa.metrics import Difference, Report, Scored, classification_report, difference
from fusqa.study.learning import LEARNT
from fusqa.study.pairs import Pairs
from fusqa.study.results import Study
from fusqa.study.retraining import quality_network
from fusqa.study.rows import RECIPES, Recipe
from fusqa.study.training import answers


@dataclass(frozen=True, eq=False)
class RecipeModel:
    """The model of one recipe: what its training stored.

    Attributes
    ----------
    study : Study
        Where it is stored.
    row : TrainedRow
        Its row of the study, with all seeds; what else is said is of the first.
    """

    study: Study
    row: TrainedRow

    @property
    def key(self) -> str:
        """Name of the row."""
        return self.row.row.key

    @property
    def recipe(self) -> Recipe:
        """How it was trained."""
        return RECIPES[self.row.row.recipe]

    @property
    def title(self) -> str:
        """Its recipe in words, in which alone the models differ."""
        return self.recipe.title

    @property
    def threshold(self) -> float:
        """Chosen on validation; a mask is called good from this probability on."""
        return self.row.thresholds("validation")[0]

    @property
    def learnt(self) -> bool:
        """Whether it has learnt its task; a control has not, and need not."""
        return self.row.verdict == LEARNT

    def scores(self, name: str) -> pd.DataFrame:
        """Scores of one set of masks, of those that every model is asked about."""
        table = self.row.tables[0]
        return table[table["set"] == name].reset_index(drop=True)

    @cached_property
    def _further(self) -> pd.DataFrame:
        return self.study.table(f"{self._result}__further")

    def probability(self, name: str) -> np.ndarray:
        """Probability of "good" of the masks of a set, ``(M,)``; of the further sets, too, on which it was scored."""
        own = self.scores(name)
        scored = self._further[self._further["set"] == name] if own.empty else own
        return scored["probability"].to_numpy(float)

    def maps(self) -> Maps:
        """What changes its verdict of a few predictions; stored for the recipes of :data:`TELLING`."""
        return Maps.load(self.study.need(f"results/{self._result}__maps.npz"))

    @property
    def _result(self) -> str:
        return self.row.row.result(self.study.profile.seeds[0])


@dataclass(frozen=True, eq=False)
class ExampleModel(RecipeModel):
    """A model with its network, for a chapter that asks it itself.

    Attributes
    ----------
    model : nn.Module
        The network.
    size : int
        Side of its images in pixels.
    """

    model: nn.Module
    size: int

    def verdicts(self, pairs: Pairs) -> np.ndarray:
        """Probability of "good" of every pair, ``(M,)``; the score that stands for it where a number is predicted."""
        return answers(self.model, self.recipe, pairs)["probability"].numpy()


def recipe_models(study: Study) -> list[RecipeModel]:
    """Return every recipe's single ResNet-18 from scratch that has learnt, and the controls.

    Controls are there to be compared with: where nothing has learnt, there are none either.
    """
    rows = [row for row in learnt_rows(trained_rows(study)).values() if row.reference]
    return [RecipeModel(study, row) for row in rows] if LEARNT in {row.verdict for row in rows} else []


def telling(panel: Sequence[RecipeModel]) -> list[RecipeModel]:
    """Keep the few models that are shown one by one: those of :data:`TELLING` that have learnt."""
    return [one for one in panel if one.row.row.recipe in TELLING and one.learnt]


def example_model(study: Study) -> ExampleModel:
    """Load the model with which a chapter shows what the command prints; where its weights are missing, train it.

    It is one that has learnt, from a segmenter's errors if possible; where none has, any that was run.

    Raises
    ------
    LookupError
        Where the study ran no model of the reference network.
    """
    rows = {key: row for key, row in trained_rows(study).items() if row.reference and row.tables}
    if not rows:
        raise LookupError(f"profile '{study.profile.name}' ran no single ResNet-18 from scratch; add such a row to it")
    key = max(rows, key=lambda key: (rows[key].verdict == LEARNT, rows[key].row.recipe == "errors"))
    model, card = quality_network(study, rows[key].row, study.profile.seeds[0])
    return ExampleModel(study, rows[key], model, card.size)


@dataclass(frozen=True, eq=False)
class ImageUse:
    """What one model says of the same masks, shown with their own image, with a wrong one, and with one input hidden.

    Attributes
    ----------
    model : RecipeModel
        Who was asked.
    patients : (M,)
        Patient of each mask.
    scored : dict of str to (M,) float
        Probability of "good" by what was shown: "as trained", "another's image", "no image", "no mask". A control
        is asked only as it was trained.
    """

    model: RecipeModel
    patients: np.ndarray
    scored: dict[str, np.ndarray]

    def reports(self, truth: Sequence[bool], seed: int) -> dict[str, Report]:
        """Report on the scores against a truth ``(M,)``, by what was shown."""
        return {
            shown: classification_report(truth, score, self.patients, seed=seed) for shown, score in self.scored.items()
        }

    def of_good(self, truth: Sequence[bool]) -> dict[str, float]:
        """Mean probability of the masks that are good, by what was shown; NaN where there are none."""
        good = np.asarray(truth, bool)
        return {shown: float(score[good].mean()) if good.any() else np.nan for shown, score in self.scored.items()}

    def lost(self, truth: Sequence[bool], comparisons: int = 1) -> Difference | None:
        """AUROC with the right image minus AUROC with another patient's, on the same draws of patients.

        None where the model was not asked both ways, or where the truth ``(M,)`` is the same for all masks. With many
        `comparisons`, for whose number p will be corrected, more draws are made: the least p is two in their number.
        """
        truth = np.asarray(truth, bool)
        if OTHER not in self.scored or truth.all() or not truth.any():
            return None
        ours, theirs = (
            [Scored(truth, self.scored[shown], self.patients, self.model.threshold)] for shown in (OWN, OTHER)
        )
        return difference(ours, theirs, draws_for(comparisons))["auroc"]


def image_use(panel: Sequence[RecipeModel], name: str) -> list[ImageUse]:
    """Read what every model said of a set's masks with other images, without an image, and without a mask.

    What a model was not asked is not among its answers (:func:`fusqa.evaluation.examination.with_other_inputs`).
    """
    uses = []
    for one in panel:
        table = one.scores(name)
        asked = table.columns[table.notna().any()]
        scored = {way: table[column].to_numpy() for way, column in SHOWN.items() if column in asked}
        uses.append(ImageUse(one, table["patient"].to_numpy(), scored))
    return uses
