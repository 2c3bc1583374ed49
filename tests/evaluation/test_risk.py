"""Risk against coverage: by hand, under every order of ties, and against the definition."""

from itertools import permutations, product

import numpy as np
import pytest

from fusqa.evaluation.risk import expected_cost, predictive_values, risk_coverage
from fusqa.metrics import bootstrap_weights


def areas_in_order(risk):
    """AURC and AUGRC of cases that are accepted in the order given, by the definition."""
    counts = np.arange(1, len(risk) + 1)
    total = np.cumsum(risk)
    return (total / counts).mean(), (total / len(risk)).mean()


def test_risk_and_areas_of_a_few_cases_by_hand():
    found = risk_coverage([0.0, 4.0, 2.0], [0.9, 0.1, 0.5])
    np.testing.assert_allclose(found.coverage, [1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(found.risk, [0, 1, 2])
    assert found.aurc == pytest.approx(1.0)
    assert found.augrc == pytest.approx((0 + 2 / 3 + 2) / 3)


def test_areas_are_the_mean_over_all_orders_of_tied_cases():
    rng = np.random.default_rng(0)
    risk, score = rng.exponential(size=7), np.array([3, 3, 3, 2, 1, 1, 1.0])
    tied = [np.flatnonzero(score == level) for level in (3, 2, 1)]
    orders = [np.concatenate(parts) for parts in product(*(permutations(level) for level in tied))]
    expected = np.mean([areas_in_order(risk[order]) for order in orders], axis=0)
    found = risk_coverage(risk, score)
    assert (found.aurc, found.augrc) == pytest.approx(tuple(expected))


def test_shuffling_the_cases_changes_nothing():
    rng = np.random.default_rng(1)
    risk, score = rng.exponential(size=200), rng.integers(0, 6, 200) / 5  # ties everywhere
    first = risk_coverage(risk, score)
    for _ in range(20):
        order = rng.permutation(200)
        again = risk_coverage(risk[order], score[order])
        assert (again.aurc, again.augrc) == pytest.approx((first.aurc, first.augrc), rel=1e-12)


def test_weights_are_repetitions():
    rng = np.random.default_rng(2)
    risk, score, patients = rng.exponential(size=40), rng.integers(0, 9, 40), np.arange(40) // 2
    for weights in bootstrap_weights(patients, draws=5):
        repeated = np.repeat(np.arange(40), weights.astype(int))
        a, b = risk_coverage(risk, score, weights), risk_coverage(risk[repeated], score[repeated])
        assert (a.aurc, a.augrc) == pytest.approx((b.aurc, b.augrc))
        np.testing.assert_allclose(a.risk, b.risk)


def test_no_score_beats_the_perfect_one_and_a_constant_one_has_the_mean_risk():
    risk = np.random.default_rng(3).exponential(size=100)
    perfect, constant = risk_coverage(risk, -risk), risk_coverage(risk, np.zeros(100))
    assert perfect.aurc < constant.aurc
    assert constant.aurc == pytest.approx(risk.mean())
    assert constant.augrc == pytest.approx(risk.mean() * 101 / 200)


def test_how_much_can_be_accepted_below_a_limit():
    found = risk_coverage([1.0, 1.0, 4.0, 6.0], [4, 3, 2, 1])
    assert [found.coverage_for(limit) for limit in (0.5, 1, 2, 3)] == [0, 0.5, 0.75, 1]
    tied = risk_coverage([1.0, 1.0, 4.0, 6.0], [4, 3, 2, 2])  # of two tied masks neither can be preferred
    assert tied.coverage_for(2) == 0.5


@pytest.mark.parametrize(
    ("risk", "score", "said"),
    [([1.0], [1.0, 2.0], "one length"), ([], [], "above zero"), ([np.nan], [1.0], "leave out")],
)
def test_scores_that_cannot_be_ordered_are_refused(risk, score, said):
    with pytest.raises(ValueError, match=said):
        risk_coverage(risk, score)


def test_predictive_values_are_those_of_a_counted_population():
    good, poor = 900, 100
    tp, tn = 0.8 * good, 0.7 * poor
    found = predictive_values(0.8, 0.7, 0.9)
    assert found == pytest.approx((tp / (tp + 0.3 * poor), tn / (tn + 0.2 * good)))
    always_good = predictive_values(1.0, 0.0, np.array([0.5, 0.9]))
    np.testing.assert_allclose(always_good[0], [0.5, 0.9])
    assert np.isnan(always_good[1]).all()  # nothing is called poor


def test_a_model_without_knowledge_costs_what_no_model_costs():
    assert expected_cost(1.0, 0.0, 0.8, ratio=1.0) == pytest.approx(1)  # accepts all
    assert expected_cost(0.0, 1.0, 0.8, ratio=10.0) == pytest.approx(1)  # rejects all
    assert expected_cost(1.0, 1.0, 0.8, ratio=3.0) == 0
    np.testing.assert_array_less(1, expected_cost(0.5, 0.5, 0.5, np.array([0.2, 5.0])))
