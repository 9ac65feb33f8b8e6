"""Calibration and paired tests, against their definitions and against SciPy where it is installed."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest

from edgefer.measure import statistics
from edgefer.measure.statistics import (
    OFFSET,
    TEMPERATURES,
    calibrated,
    calibration,
    cross_fitted,
    cross_fitted_ece,
    fit_offsets,
    mcnemar,
    paired_t,
    spread,
    tempered,
    uncalibrated,
)


def random_scores(rows, classes=8, seed=1):
    rng = np.random.default_rng(seed)
    return rng.dirichlet([0.4] * classes, rows).astype(np.float32), rng.integers(0, classes, rows)


def test_calibration_is_what_its_equations_say():
    scores, truth = random_scores(500)
    got = calibration(scores, truth)
    confidence, right = scores.max(axis=1).astype(float), scores.argmax(axis=1) == truth
    ece = 0.0
    for low, high in itertools.pairwise(np.linspace(0, 1, 16)):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            ece += inside.sum() / 500 * abs(right[inside].mean() - confidence[inside].mean())
    assert got.ece == pytest.approx(100 * ece)
    assert got.rows.sum() == 500
    assert got.nll == pytest.approx(-np.log(scores[np.arange(500), truth].astype(float)).mean())
    assert got.brier == pytest.approx(
        np.mean([sum((s - (k == t)) ** 2 for k, s in enumerate(row)) for row, t in zip(scores, truth, strict=True)])
    )


def test_sure_and_right_is_calibrated_and_sure_and_wrong_is_not():
    sure = np.eye(8, dtype=np.float32)[[0, 1, 2]]
    assert calibration(sure, np.array([0, 1, 2])).ece == 0
    wrong = calibration(sure, np.array([1, 2, 3]))
    assert (wrong.ece, wrong.brier) == (100, 2)
    assert math.isfinite(wrong.nll) and wrong.nll > 80
    assert wrong.rows[-1] == 3 and np.isnan(wrong.accuracy[0])


def test_what_chance_alone_does_to_ece_is_what_draws_from_the_scores_show():
    scores, _ = random_scores(2000)
    rng = np.random.default_rng(3)
    drawn = [
        calibration(scores, (scores.cumsum(axis=1) > rng.random((len(scores), 1))).argmax(axis=1)).ece
        for _ in range(60)
    ]
    by_chance = calibration(scores, np.zeros(len(scores), int)).ece_by_chance
    assert by_chance == pytest.approx(np.mean(drawn), rel=0.05)


def test_a_confidence_on_an_edge_belongs_to_the_bin_below():
    scores = np.array([[0.6, 0.4], [0.2, 0.8]])
    assert calibration(scores, np.array([0, 1]), bins=5).rows.tolist() == [0, 0, 1, 1, 0]


def test_another_temperature_undoes_the_first():
    logits = np.random.default_rng(2).normal(0, 3, (50, 8))

    def softmax(z):
        return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)

    np.testing.assert_allclose(tempered(softmax(logits / 1.7), 1 / 1.7), softmax(logits), rtol=1e-9)
    assert tempered(np.array([[1.0, 0.0]]), 2).tolist() == [[1, 0]]


def drawn(rows, temperature, offsets, seed=0):
    """Logits, and classes drawn with the chances they have at a temperature and with offsets."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (rows, len(offsets)))
    return logits, (logits / temperature + offsets + rng.gumbel(size=logits.shape)).argmax(axis=1)


@pytest.mark.parametrize("temperature", [0.6, 1.0, 1.7])
def test_the_temperature_and_the_offsets_that_classes_were_drawn_with_are_found_again(temperature):
    offsets = np.array([0.3, -0.3, 0.1, 0.0, -0.1, 0.0, 0.0, 0.0])
    found, moved = fit_offsets(*drawn(40_000, temperature, offsets))
    assert found == pytest.approx(temperature, rel=0.03)
    np.testing.assert_allclose(moved, offsets, atol=0.06)
    assert (found, *moved) == tuple(round(value, 2) for value in (found, *moved))


def test_offsets_are_the_likeliest_with_their_prior():
    """Held against a search of SciPy's for the same sum."""
    logits, truth = drawn(300, 1.3, np.array([0.4, -0.4, 0.0, 0.0]))

    def loss(unknown):
        scores = calibrated(logits, 1 / unknown[0], unknown[1:])
        return -np.log(scores[np.arange(300), truth]).sum() + np.square(unknown[1:]).sum() / (2 * OFFSET**2)

    optimize = pytest.importorskip("scipy.optimize", reason="needs SciPy")
    best = optimize.minimize(loss, [1, 0, 0, 0, 0], method="BFGS").x
    temperature, offsets = fit_offsets(logits, truth)
    np.testing.assert_allclose([temperature, *offsets], [1 / best[0], *best[1:]], atol=0.0051)


@pytest.mark.parametrize("wanted", ["above", "below"])
def test_at_a_bound_of_the_temperature_the_offsets_are_the_likeliest_there(wanted):
    """Classes that the logits do not tell, and ones that they tell too well, of which some are commoner."""
    rng = np.random.default_rng(0)
    logits, commoner = rng.normal(0, 4, (400, 4)), np.array([0.5, 0.2, 0.2, 0.1])
    truth = rng.choice(4, 400, p=commoner) if wanted == "above" else (logits + 0.1 * np.log(commoner)).argmax(axis=1)
    temperature, offsets = fit_offsets(logits, truth)
    assert temperature == TEMPERATURES[-1 if wanted == "above" else 0]

    def loss(offsets):
        scores = calibrated(logits, temperature, offsets)
        return -np.log(scores[np.arange(400), truth]).sum() + np.square(offsets).sum() / (2 * OFFSET**2)

    nearby = [np.array(offsets) + sign * 0.01 * np.eye(4)[index] for index in range(4) for sign in (-1, 1)]
    assert min(map(loss, nearby)) > loss(np.array(offsets)), "a hundredth more or less of any is less likely"


def test_few_rows_hardly_move_an_offset():
    """Three rows of a class that is never chosen, among a hundred."""
    logits, truth = drawn(100, 1.0, np.zeros(3))
    logits[:3, 2], truth[:3] = -9.0, 2
    assert 0 < fit_offsets(logits, truth)[1][2] < 0.1


@pytest.mark.parametrize("truth", [np.zeros(50, int), np.arange(50) % 4])
def test_logits_that_say_nothing_have_a_fit_all_the_same(truth):
    temperature, offsets = fit_offsets(np.zeros((50, 4)), truth)
    assert 0.25 <= temperature <= 4 and np.abs(offsets).max() < 1
    against = -np.eye(4)[truth] * 5  # always wrong
    assert fit_offsets(against, truth)[0] == pytest.approx(3.99)


def test_no_row_is_judged_with_what_it_was_fitted_on():
    logits, truth = drawn(4000, 1.0, np.zeros(3))
    first = cross_fitted(logits, truth)
    changed = truth.copy()
    changed[::2] = 0
    second = cross_fitted(logits, changed)
    np.testing.assert_array_equal(first[::2], second[::2])  # fitted on the rows that are as they were
    assert np.abs(first[1::2] - second[1::2]).max() > 0.05
    np.testing.assert_allclose(cross_fitted(logits, truth, offsets=False).sum(axis=1), 1)


def test_one_row_has_no_other_to_be_judged_with():
    with pytest.raises(ValueError, match="cross_fitted: expected two rows or more, got 1"):
        cross_fitted_ece(*drawn(1, 1.0, np.zeros(3)))


def test_what_calibration_did_is_undone():
    logits, offsets = np.random.default_rng(3).normal(0, 2, (20, 4)), (0.3, -0.2, 0.0, 1.0)
    np.testing.assert_allclose(
        uncalibrated(calibrated(logits, 1.7, offsets), 1.7, offsets), calibrated(logits, 1), rtol=1e-9
    )
    np.testing.assert_allclose(uncalibrated(calibrated(logits, 0.6), 0.6), calibrated(logits, 1), rtol=1e-9)


def test_runs_are_summed_up_as_the_papers_do():
    got = spread([80.37, 79.99, 80.61, 80.5])
    assert (got.count, got.least, got.most) == (4, 79.99, 80.61)
    assert got.average == pytest.approx(80.3675)
    assert math.isnan(spread([81.0]).deviation)


def pairs(count, shift, seed):
    rng = np.random.default_rng(seed)
    first = rng.normal(80, 1, count)
    return first, first + rng.normal(shift, 0.7, count)


@pytest.mark.parametrize("count", [2, 3, 5, 10, 25])
@pytest.mark.parametrize("shift", [0.0, 0.4, -2.0])
def test_student_agrees_with_scipy(count, shift):
    stats = pytest.importorskip("scipy.stats", reason="needs SciPy")
    first, second = pairs(count, shift, count)
    got, expected = paired_t(first, second), stats.ttest_rel(first, second)
    assert got.statistic == pytest.approx(expected.statistic, rel=1e-6)
    # 1e-9 is where differences are rounded
    assert got.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-13)
    interval = expected.confidence_interval(0.95)
    assert (got.low, got.high) == pytest.approx((interval.low, interval.high), abs=1e-6)
    assert got.effect == pytest.approx(np.mean(first - second) / np.std(first - second, ddof=1), rel=1e-6)


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (5, 5), (3, 12), (40, 22), (700, 610)])
def test_mcnemar_agrees_with_the_binomial_test_of_scipy(b, c):
    first = np.repeat([True, True, False, False], [300, b, c, 50])
    second = np.repeat([True, False, True, False], [300, b, c, 50])
    got = mcnemar(first, second)
    assert got.pairs == b + c and got.statistic == b
    assert got.difference == pytest.approx(100 * (first.mean() - second.mean()))
    assert got.low < got.difference < got.high
    assert mcnemar(second, first).p == got.p
    stats = pytest.importorskip("scipy.stats", reason="needs SciPy")
    assert got.p == pytest.approx(stats.binomtest(b, b + c).pvalue if b + c else 1.0, rel=1e-9)


def test_a_difference_of_shares_lies_within_a_hundred_points():
    assert mcnemar([True] * 9, [False] * 9).high == 100
    assert mcnemar([False] * 9, [True] * 9).low == -100


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_run_without_a_figure_is_refused(value):
    with pytest.raises(ValueError, match="paired_t: expected finite values, got"):
        paired_t([70.1, value], [69.1, 69.2])


def test_tests_that_are_looked_at_together_are_corrected_as_holm_has_it():
    """The least times four, the next times three, and none below one before it."""
    assert statistics.holm([0.04, 0.01, 0.03, 0.3]) == pytest.approx([0.09, 0.04, 0.09, 0.3])
    assert statistics.holm([0.9, 0.8]) == [1.0, 1.0] and statistics.holm([]) == []


def test_student_quantiles_agree_with_scipy():
    stats = pytest.importorskip("scipy.stats", reason="needs SciPy")
    for freedom in (1, 2, 3, 9, 30, 501):
        assert statistics.student_quantile(0.975, freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-9)
        for t in (0.0, 0.3, 2.0, 6.0):
            assert statistics.student_tail(t, freedom) == pytest.approx(stats.t.sf(t, freedom), abs=1e-14)


def test_no_difference_and_a_constant_one_are_told_apart():
    same = np.array([80.0, 81.0, 82.0])
    assert paired_t(same, same).p == 1
    assert paired_t(same + 1, same).p == 0
    assert json.loads(json.dumps(paired_t(same + 1, same).json()))["statistic"] is None


@pytest.mark.parametrize("test", [paired_t, mcnemar])
def test_arrays_that_do_not_pair_are_refused(test):
    with pytest.raises(ValueError, match="expected two arrays of one length"):
        test(np.zeros(3), np.zeros(4))


def test_an_interval_by_people_holds_the_share_where_one_by_rows_is_too_narrow():
    """Twenty people, fifteen rows each, whose own shares differ: 95 in 100 intervals are to hold the 0.8 of all."""
    rng, people = np.random.default_rng(2), np.repeat(np.arange(20), 15).astype(str)
    held = {"people": 0, "rows": 0}
    for _ in range(400):
        right = rng.random(300) < rng.beta(8, 2, 20).repeat(15)
        for name, (low, high) in (
            ("people", statistics.people_interval(right, people)),
            ("rows", statistics.share_interval(int(right.sum()), 300)),
        ):
            held[name] += low <= 0.8 <= high
    assert held["people"] >= 372 and held["rows"] < 340


def test_an_interval_by_people_is_never_narrower_than_one_by_rows():
    people = np.array(["a", "a", "b", "b", "c", "c"])
    for right in ([1, 0, 1, 0, 1, 0], [1] * 6, [0] * 6, [1, 1, 0, 0, 1, 1]):
        low, high = statistics.people_interval(np.array(right, bool), people)
        narrow = statistics.share_interval(sum(right), 6)
        assert 0 <= low <= narrow[0] and narrow[1] <= high <= 1
    alone = statistics.people_interval(np.array([True, False, True]), np.array(["a"] * 3))
    assert alone == statistics.share_interval(2, 3), "one person says nothing of others"


@pytest.mark.parametrize(("count", "rows"), [(0, 1), (0, 4), (4, 6), (7, 7), (873, 1000)])
def test_the_interval_of_a_share_agrees_with_scipys(count, rows):
    stats = pytest.importorskip("scipy.stats", reason="needs SciPy")
    expected = stats.binomtest(count, rows).proportion_ci(method="wilson")
    assert statistics.share_interval(count, rows) == pytest.approx(tuple(expected), abs=1e-9)
