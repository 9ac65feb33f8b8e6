"""Smoothing: the stated lag at any rate, and each face by itself."""

from __future__ import annotations

import numpy as np
import pytest

from edgefer.loop.smooth import Smoother


@pytest.mark.parametrize("fps", [5, 15, 30, 100])
def test_a_step_has_gone_63_percent_of_the_way_after_the_lag_at_any_rate(fps):
    smoother = Smoother(lag_ms=400)
    step = int(1e9 / fps)
    smoother.update(1, np.float32([1, 0]), 0)
    for i in range(1, round(0.4 * fps) + 1):
        smoothed = smoother.update(1, np.float32([0, 1]), i * step)
    np.testing.assert_allclose(smoothed, [np.exp(-1), 1 - np.exp(-1)], atol=1e-4)


def test_smoothed_scores_still_sum_to_one_and_the_first_are_unchanged():
    scores = np.random.default_rng(0).dirichlet(np.ones(8), 50).astype(np.float32)
    smoother = Smoother(300)
    np.testing.assert_array_equal(smoother.update(1, scores[0], 0), scores[0])
    for i, row in enumerate(scores[1:], 1):
        assert smoother.update(1, row, i * 33_000_000).sum() == pytest.approx(1, abs=1e-5)


def test_a_lag_of_zero_leaves_the_scores_alone():
    smoother = Smoother(0)
    smoother.update(1, np.float32([1, 0]), 0)
    np.testing.assert_array_equal(smoother.update(1, np.float32([0, 1]), 10), [0, 1])


def test_tracks_are_smoothed_apart_and_a_forgotten_one_starts_over():
    smoother = Smoother(500)
    for track, scores in ((1, [1, 0]), (2, [0, 1])):
        smoother.update(track, np.float32(scores), 0)
    assert smoother.update(1, np.float32([1, 0]), 33_000_000)[0] == 1
    smoother.forget([1])
    np.testing.assert_array_equal(smoother.update(1, np.float32([0, 1]), 66_000_000), [0, 1])
    assert smoother.update(2, np.float32([1, 0]), 66_000_000)[0] < 0.5


def test_the_callers_array_is_not_kept():
    smoother = Smoother(500)
    scores = np.float32([1, 0])
    smoother.update(1, scores, 0)[:] = 9
    scores[:] = 5
    assert smoother.update(1, np.float32([1, 0]), 10).max() == 1


@pytest.mark.parametrize("lag", [-1, float("nan"), float("inf")])
def test_a_lag_must_be_a_time(lag):
    with pytest.raises(ValueError, match="lag_ms must be 0 or more"):
        Smoother(lag)
