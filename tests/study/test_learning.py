"""Did it learn? One verdict from the curve, the loss of a constant answer, and the area on validation patients."""

import numpy as np
import pandas as pd
import pytest

from fusqa.models.answers import ANSWERS, ERROR_MM, constant_loss
from fusqa.models.plan import Bar, Training
from fusqa.study.learning import (
    CONTROL,
    LEARNT,
    NOT_LEARNT,
    STILL_LEARNING,
    evidence,
    is_flat,
    verdict_of,
)

PLAN = Training(size=64, budget=1600, rounds=8, batch=16, rate=0.001)
LN2 = float(np.log(2))
FALLEN = [0.7, 0.6, 0.5, 0.4, 0.35, 0.33, 0.32, 0.315]
FALLING = [0.7, 0.68, 0.66, 0.62, 0.6, 0.57, 0.5, 0.4]
STUCK = [0.694, 0.70, 0.693, 0.695, 0.699, 0.6929, 0.694, 0.6928]


def history(losses, areas=None):
    rounds = np.arange(1, len(losses) + 1)
    curve = pd.DataFrame({"round": rounds, "samples": 200 * rounds, "train_loss": losses, "valid_loss": losses})
    return curve.assign(auroc=1 - np.array(losses) / LN2 / 2 if areas is None else areas)  # as good as the loss says


def scored(noise, patients=60):
    rng = np.random.default_rng(0)
    good = np.arange(10 * patients) % 2 == 0
    probability = 1 / (1 + np.exp(-(good - 0.5) / noise - rng.normal(0, 1, len(good))))
    return pd.DataFrame({"good": good, "probability": probability, "patient": np.arange(len(good)) // 10})


def judged(losses, noise, **more):
    return evidence(history(losses), PLAN, 800, LN2, bar=Bar(), precision="float32", scored=scored(noise), **more)


@pytest.mark.parametrize(
    ("losses", "noise", "verdict"),
    [
        (FALLEN, 0.3, LEARNT),
        (FALLING, 0.3, STILL_LEARNING),  # good already, and still becoming better
        (FALLING, 2.0, STILL_LEARNING),
        (FALLEN, 2.0, NOT_LEARNT),  # better than chance, and nothing more to come
        (STUCK, 1e9, NOT_LEARNT),  # on ln 2, as the networks of 28 steps were
    ],
)
def test_a_training_is_judged_by_its_curve_and_its_own_validation_masks(losses, noise, verdict):
    found = judged(losses, noise)
    assert found.verdict == verdict
    assert (found.samples, found.steps, found.epochs) == (1600, 100, 2.0)
    assert found.loss == min(losses) and found.low < found.auroc < found.high
    assert found.as_dict()["verdict"] == verdict and verdict in str(found)


@pytest.mark.parametrize(("good", "poor", "verdict"), [(5, 5, LEARNT), (4, 9, NOT_LEARNT), (9, 4, NOT_LEARNT)])
def test_perfect_scores_of_a_handful_of_patients_show_nothing(good, poor, verdict):
    """Their bootstrap has one value, and an interval of no width."""
    truth = np.arange(good + poor) < good
    few = pd.DataFrame({"good": truth, "probability": truth.astype(float), "patient": np.arange(good + poor)})
    found = evidence(history(FALLEN), PLAN, 800, LN2, bar=Bar(), precision="float32", scored=few)
    assert (found.auroc, found.low, found.high) == (1, 1, 1)
    assert found.patients == min(good, poor) and found.verdict == verdict


def test_a_control_is_not_judged():
    assert judged(STUCK, 1e9, control=True).verdict == CONTROL


def test_a_regression_is_held_against_its_own_constant_answer():
    target = [0.9, 0.8, 0.5, 0.95]
    constant, floor = constant_loss(target, ANSWERS["overlap"])
    entropy = lambda p: -(p * np.log(p) + (1 - p) * np.log(1 - p))  # noqa: E731
    assert constant == pytest.approx(entropy(np.mean(target))) and floor == pytest.approx(
        np.mean(entropy(np.array(target)))
    )

    def at(share):
        loss = constant - share * (constant - floor)
        return evidence(history([loss] * 8), PLAN, 800, constant, bar=Bar(), precision="float32", floor=floor)

    assert at(0.8).verdict == LEARNT and at(0.8).explained == pytest.approx(0.8) and at(0.8).auroc is None
    assert at(0.3).verdict == NOT_LEARNT
    assert constant_loss([0, 1, 0, 1], ANSWERS["verdict"]) == pytest.approx((LN2, 0), abs=1e-9)


def test_the_best_constant_error_is_a_middle_one_that_outliers_do_not_decide():
    errors = np.array([0.0, 1.0, 2.0, 60.0])
    constant, floor = constant_loss(errors, ANSWERS["error"])
    tried = np.linspace(-1, 12, 2001)
    loss = lambda x: np.mean(np.where(np.abs(x) <= 1, x**2 / 2, np.abs(x) - 0.5))  # noqa: E731  Huber's
    assert constant == pytest.approx(min(loss(errors / ERROR_MM - c) for c in tried), abs=1e-5) and floor == 0
    assert constant < loss((errors - errors.mean()) / ERROR_MM)
    assert constant_loss([3.0, 3.0], ANSWERS["error"]) == pytest.approx((0, 0), abs=1e-9)


def test_flat_is_a_matter_of_what_the_end_still_brings():
    def flat(losses, constant=LN2, late_gain=0.05):
        rounds = pd.Series(range(1, len(losses) + 1))
        return is_flat(rounds, pd.Series(losses), constant, late_gain)

    assert flat(FALLEN) and not flat(FALLING)
    assert not flat(STUCK, 0.69)  # never below a constant answer
    assert flat(STUCK, 0.69, 1.0)
    assert not flat(np.r_[np.linspace(0.7, 0.4, 28), np.linspace(0.39, 0.3, 4)])  # the last eighth of 32 rounds


def test_a_classifier_that_only_becomes_less_sure_has_learnt():
    """A loss that still falls while no mask is ordered better: the verdicts are as good as they will be."""
    ordered = [0.6, 0.8, 0.9, 0.94, 0.95, 0.955, 0.956, 0.956]
    told = {"bar": Bar(), "precision": "float32"}
    assert evidence(history(FALLING, ordered), PLAN, 800, LN2, scored=scored(0.3), **told).verdict == LEARNT
    assert evidence(history(FALLEN, ordered[::-1]), PLAN, 800, LN2, scored=scored(0.3), **told).flat  # best at first
    assert not evidence(history(FALLEN, np.linspace(0.5, 0.9, 8)), PLAN, 800, LN2, scored=scored(0.3), **told).flat


def test_a_row_has_learnt_when_all_of_its_trainings_have():
    ran = [{"learnt": {"verdict": verdict}} for verdict in (LEARNT, STILL_LEARNING)]
    assert verdict_of(ran[:1]) == LEARNT and verdict_of(ran) == STILL_LEARNING
    assert verdict_of([{}]) == verdict_of([]) == NOT_LEARNT  # results from before the question was asked
