"""Figures of merit against scikit-learn and against plain counting; intervals; thresholds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from fusqa.masks.label_images import dice
from fusqa.metrics import (
    MERITS,
    Scored,
    best_threshold,
    bootstrap_weights,
    classification_report,
    difference,
    holm,
    interval,
    mcnemar,
    mean_interval,
    report_over_seeds,
    weighted_auroc,
)


def cases(seed=0, count=200, patients=60):
    rng = np.random.default_rng(seed)
    y = rng.random(count) < 0.5
    p = np.clip(0.3 * y + rng.normal(0.4, 0.25, count), 0, 1).round(2)  # rounded: ties happen
    return y, p, rng.integers(0, patients, count)


def test_figures_agree_with_scikit_learn():
    y, p, groups = cases()
    report = classification_report(y, p, groups, threshold=0.55)
    called = p >= 0.55
    assert [[report.tn, report.fp], [report.fn, report.tp]] == sk.confusion_matrix(y, called).tolist()
    assert report.precision == pytest.approx(sk.precision_score(y, called))
    assert report.recall == pytest.approx(sk.recall_score(y, called))
    assert report.accuracy == pytest.approx(sk.accuracy_score(y, called))
    assert report.f1 == pytest.approx(sk.f1_score(y, called))
    assert report.balanced_accuracy == pytest.approx(sk.balanced_accuracy_score(y, called))
    assert report.auroc == pytest.approx(sk.roc_auc_score(y, p))
    assert report.patients == len(np.unique(groups))


def test_order_does_not_matter_even_among_ties():
    y, p, groups = cases()
    order = np.random.default_rng(1).permutation(len(y))
    assert classification_report(y, p, groups).auroc == classification_report(y[order], p[order], groups[order]).auroc


def test_weighted_auroc_is_that_of_repeated_cases():
    y, p, _ = cases(count=40)
    times = np.random.default_rng(0).integers(0, 4, 40)
    repeated = sk.roc_auc_score(np.repeat(y, times), np.repeat(p, times))
    assert weighted_auroc(y, p, times[None].astype(float))[0] == pytest.approx(repeated)


def test_a_collapsed_model_is_flagged():
    y, _, groups = cases()
    report = classification_report(y, np.full(len(y), 0.9), groups)
    assert report.collapsed and report.recall == 1 and report.auroc == 0.5
    assert not classification_report(y, np.where(y, 0.9, 0.1), groups).collapsed


def test_an_empty_denominator_is_not_a_number():
    report = classification_report([True, True], [0.1, 0.2], ["a", "b"])
    assert np.isnan(report.precision) and np.isnan(report.auroc)
    assert report.recall == 0


@pytest.mark.parametrize(
    ("y", "p", "said"),
    [
        ([], [], "above zero"),
        ([1], [0.1, 0.2], "one length"),
        ([1, 0], [0.1, np.nan], "not numbers"),
        (["good", "poor"], [0.9, 0.1], "true or false"),
        ([0.3, 1], [0.9, 0.1], "true or false"),
    ],
)
def test_bad_scores_are_refused(y, p, said):
    with pytest.raises(ValueError, match=said):
        classification_report(y, p, ["a"] * len(y))


def test_what_cannot_be_ranked_or_drawn_is_refused():
    with pytest.raises(ValueError, match="1 values that are not numbers"):
        weighted_auroc(np.array([True, False]), np.array([0.1, np.nan]), np.ones((1, 2)))
    with pytest.raises(ValueError, match="no cases to draw"):
        bootstrap_weights([])


def test_the_bootstrap_draws_patients_whole():
    groups = np.array(["a", "a", "b", "c", "c", "c"])
    weights = bootstrap_weights(groups, draws=50)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 3] == weights[:, 5]).all()
    assert (weights[:, [0, 2, 3]].sum(1) == 3).all()


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(200):
        patient = rng.normal(0, 1, 40)
        values = np.repeat(patient, 3) + rng.normal(0, 0.2, 120)  # three images per patient, much alike
        _, low, high = mean_interval(values, np.repeat(np.arange(40), 3))
        inside += low <= 0 <= high
    assert 180 <= inside <= 199  # 95 % of 200 is 190; as 120 independent values, only some 148 would cover


def test_means_leave_out_what_is_not_a_number():
    assert mean_interval([1, 3, np.nan], ["a", "b", "c"])[0] == 2
    assert np.isnan(mean_interval([np.nan], ["a"])).all()
    assert np.isnan(interval(np.array([np.nan]))).all()


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.2, 0.4, 0.5, 0.9])), min_size=4, max_size=30))
@settings(max_examples=100, deadline=None)
def test_no_threshold_beats_the_best_one(pairs):
    y, p = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
    if y.all() or not y.any():
        assert best_threshold(y, p) == 0.5
        return
    reached = sk.balanced_accuracy_score(y, p >= best_threshold(y, p))
    assert all(reached >= sk.balanced_accuracy_score(y, p >= t) - 1e-12 for t in np.linspace(-0.1, 0.95, 22))


def test_dice_of_each_label_and_none_where_it_is_absent():
    a, b = np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
    a[:2], b[1:3] = 1, 1
    b[3] = 3
    np.testing.assert_allclose(dice(a, b, 4), [0.5, np.nan, 0.0])


# Several trainings, and two models on the same cases


GOOD, PATIENTS = np.random.default_rng(0).random(160) < 0.5, np.arange(160) // 2


def scored(*probabilities, thresholds=None, good=GOOD, patients=PATIENTS):
    """One training per row of probabilities, all on the same cases."""
    limits = thresholds or [0.5] * len(probabilities)
    return [Scored(good, np.asarray(p, float), patients, limit) for p, limit in zip(probabilities, limits, strict=True)]


def probabilities(count=3, noise=0.25, seed=0):
    """Probabilities of `count` trainings of :data:`GOOD`: the more noise the worse."""
    return np.clip(0.3 * GOOD + np.random.default_rng(seed).normal(0.35, noise, (count, 160)), 0, 1)


def test_one_training_is_reported_as_by_a_report():
    (p,) = probabilities(1)
    over, report = report_over_seeds(scored(p)), classification_report(GOOD, p, PATIENTS, 0.5)
    assert over.confusion == (report.tp, report.fn, report.fp, report.tn)
    for name in MERITS:
        assert over.mean[name] == pytest.approx(getattr(report, name))
        assert over.intervals[name] == pytest.approx(report.intervals[name])
        assert np.isnan(over.sd[name])


def test_several_trainings_have_a_mean_a_spread_and_each_its_own_threshold():
    p, thresholds = probabilities(), [0.4, 0.5, 0.6]
    over = report_over_seeds(scored(*p, thresholds=thresholds))
    each = [sk.f1_score(GOOD, row >= t) for row, t in zip(p, thresholds, strict=True)]
    assert over.mean["f1"] == pytest.approx(np.mean(each))
    assert over.sd["f1"] == pytest.approx(np.std(each, ddof=1))
    assert sum(over.confusion) == pytest.approx(len(GOOD)) and over.collapsed == 0
    assert report_over_seeds(scored(*p, np.ones(160))).collapsed == 1


def test_every_training_is_asked_about_its_own_cases():
    """Another seed's segmenter draws other masks: another truth, and another test set of other patients."""
    p, rng = probabilities(2), np.random.default_rng(5)
    truth, some = GOOD ^ (rng.random(160) < 0.2), rng.random(160) < 0.4
    parts = scored(p[0]) + scored(p[1][some], good=truth[some], patients=PATIENTS[some])
    over = report_over_seeds(parts)
    each = [sk.roc_auc_score(one.good, one.probability) for one in parts]
    assert over.mean["auroc"] == pytest.approx(np.mean(each))
    assert over.intervals["auroc"][0] < over.mean["auroc"] < over.intervals["auroc"][1]
    assert sum(over.confusion) == pytest.approx((160 + some.sum()) / 2)


def test_an_interval_over_trainings_grows_with_what_the_seed_decides():
    good = probabilities(4, noise=0.1)
    steady, unsteady = np.repeat(good[:1], 4, 0), np.vstack([good[:2], 1 - good[2:]])
    width = [np.ptp(report_over_seeds(scored(*p)).intervals["auroc"]) for p in (steady, unsteady)]
    assert width[1] > 3 * width[0]


def test_models_scored_on_other_cases_are_not_compared():
    ours = scored(*probabilities(1))
    for other in ({"good": ~GOOD}, {"patients": PATIENTS[::-1]}):
        with pytest.raises(ValueError, match="same cases, in the same order"):
            difference(ours, scored(*probabilities(1), **other))


def test_the_difference_to_itself_is_zero_and_a_real_one_is_found():
    ours, worse = scored(*probabilities()), scored(*probabilities(noise=0.9))
    assert difference(ours, ours)["auroc"] == (0, 0, 0, 1)
    found, back = difference(ours, worse)["auroc"], difference(worse, ours)["auroc"]
    assert 0 < found.low < found.value < found.high and found.p < 0.05
    assert back.value == pytest.approx(-found.value) and back.p < 0.05


def test_three_trainings_of_one_sign_are_no_proof():
    """Gains of 1, 4 and 18 masks: a t test on them has p = .27, and redrawing the three never crosses zero."""
    wrong = np.arange(160) % 9 == 0
    better = [GOOD ^ (wrong & (np.cumsum(wrong) <= most)) for most in (17, 14, 0)]
    found = difference(scored(*better), scored(*[GOOD ^ wrong] * 3))["accuracy"]
    assert found.value == pytest.approx((1 + 4 + 18) / 3 / 160)
    assert found.low < 0 < found.high and 0.2 < found.p < 0.5


def test_what_a_seed_does_to_both_models_cancels():
    """A segmenter whose masks are hard to judge is hard for both: their difference stays certain."""
    luck = np.linspace(0.0, 0.6, 4)[:, None]  # how much of each seed's probabilities is noise
    noise = np.random.default_rng(1).random((4, 160))
    ours = (1 - luck) * probabilities(4, noise=0.1) + luck * noise
    theirs = ours - 0.05 * GOOD
    apart = difference(scored(*ours), scored(*theirs))["auroc"]
    alone = report_over_seeds(scored(*ours)).intervals["auroc"]
    assert apart.low > 0 and apart.high - apart.low < 0.5 * np.ptp(alone)


def test_p_is_small_just_where_the_interval_leaves_out_zero():
    (p,) = probabilities(1)
    for seed, noise in enumerate((0.02, 0.1, 0.2, 0.4, 0.8)):
        blurred = np.clip(p + np.random.default_rng(seed).normal(0, noise, p.shape), 0, 1)
        for found in difference(scored(p), scored(blurred)).values():
            outside = found.low > 0 or found.high < 0
            assert outside == (found.p < 0.05) or found.p == pytest.approx(0.05, abs=0.01)


def test_a_p_is_never_zero_and_as_small_as_the_draws_can_tell():
    right, wrong = (scored(p, patients=np.arange(160)) for p in (GOOD, ~GOOD))
    for draws in (99, 999):
        assert difference(right, wrong, draws)["auroc"].p == pytest.approx(2 / (draws + 1))


def test_one_class_alone_has_no_auroc_and_no_p():
    alone = {"good": np.ones(4, bool), "patients": np.array(list("abcd"))}
    found = difference(scored(np.ones(4), **alone), scored(np.zeros(4), **alone))
    assert np.isnan(found["auroc"]).all() and found["recall"].value == 1


@pytest.mark.parametrize(
    ("p", "corrected"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # 4 × .005, 3 × .01, 2 × .03, and .04 raised to .06
        ([0.5, 0.6], [1.0, 1.0]),
        ([0.02, np.nan, 0.03], [0.04, np.nan, 0.04]),  # two comparisons, the third could not be made
        ([0.02], [0.02]),
        ([], []),
    ],
)
def test_holm_by_hand(p, corrected):
    np.testing.assert_allclose(holm(p), corrected)


def test_false_claims_stay_as_rare_as_promised():
    """Of ten comparisons without any difference, one in twenty families claims one; uncorrected it is two in five."""
    drawn = np.random.default_rng(0).random((2000, 10))
    claimed = [(holm(p) < 0.05).any() for p in drawn]
    assert 0.035 < np.mean(claimed) < 0.065
    assert (drawn < 0.05).any(1).mean() > 0.35


def test_pairing_makes_the_interval_narrower_than_two_separate_ones():
    (p,) = probabilities(1)
    nearly = np.clip(p + np.random.default_rng(1).normal(0, 0.02, p.shape), 0, 1)
    found = difference(scored(p), scored(nearly))["auroc"]
    assert found.high - found.low < 0.3 * np.ptp(report_over_seeds(scored(p)).intervals["auroc"])


def test_mcnemar_counts_what_only_one_gets_right():
    ours = np.array([1] * 10 + [1] * 8 + [0] * 1 + [0] * 5, bool)
    theirs = np.array([1] * 10 + [0] * 8 + [1] * 1 + [0] * 5, bool)
    assert mcnemar(ours, theirs) == (8, 1, pytest.approx(2 * (1 + 9) / 2**9))
    assert mcnemar(ours, ours) == (0, 0, 1.0)
