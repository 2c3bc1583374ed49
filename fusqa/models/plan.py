"""How a network is trained, and what it must show for it: plain settings that a profile states."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt


class Strict(BaseModel):
    """What is written by hand: it never changes, and a misspelt word in it is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Training(Strict):
    """How a network is trained.

    Attributes
    ----------
    size : int
        Side of its square image in pixels.
    budget, rounds, batch : int
        Samples seen in total, rounds that each end in a validation, samples per step.
    rate : float
        Peak learning rate of the one-cycle schedule.
    decay : float
        Weight decay.
    precision : {"float32", "bfloat16"}
        In which a CPU multiplies. It falls back to float32 where the processor does not compute in bfloat16, which
        would be slow. A graphics card always takes bfloat16.
    """

    size: PositiveInt
    budget: PositiveInt
    rounds: PositiveInt
    batch: PositiveInt
    rate: PositiveFloat
    decay: float = Field(default=0.01, ge=0)
    precision: Literal["float32", "bfloat16"] = "float32"

    @property
    def of_a_round(self) -> int:
        """Samples of one round; at least one batch."""
        return max(self.batch, self.budget // self.rounds)

    @property
    def seen(self) -> int:
        """Samples seen in the end: only whole batches, and rounds of one length, are trained."""
        return self.rounds * (self.of_a_round // self.batch) * self.batch


class Bar(Strict):
    """What a training must show to count as learnt; all four are chosen.

    Attributes
    ----------
    auroc : float
        The lower end of the AUROC's interval on its own validation material must reach it.
    patients : int
        So many validation patients at least must have a good mask, and so many a poor one. Of fewer, the bootstrap's
        interval is too narrow: where no poor mask scores above a good one, it has no width at all.
    explained : float
        For a regression: share of the constant answer's avoidable loss that it must avoid.
    late_gain : float
        The curve, of the AUROC or of a regression's loss, is flat if the rounds that end in the last eighth of the
        samples bring at most this share of all that was gained.
    """

    auroc: float = 0.75
    patients: int = 5
    explained: float = 0.5
    late_gain: float = 0.05
