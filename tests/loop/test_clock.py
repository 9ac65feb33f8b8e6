"""Sliding statistics."""

import numpy as np
import pytest

from edgefer.loop.clock import Identities, Rate, Spread, StageClock, Window


def test_an_empty_window_has_spread_zero():
    assert Window().spread() == Spread(0.0, 0.0, 0.0)


def test_spread_equals_numpys_percentiles_of_the_last_values():
    values = np.random.default_rng(0).gamma(2.0, 3.0, 500)
    window = Window(200)
    for value in values:
        window.add(value)
    assert len(window) == 200
    assert window.spread() == pytest.approx(np.percentile(values[-200:], (50, 95, 99)))


def test_a_window_without_room_is_refused():
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        Window(0)


def test_stages_keep_their_order_and_their_own_values():
    clock = StageClock()
    for value in (1.0, 2.0, 3.0):
        clock.add({"detect": 10 * value, "track": value})
    clock.add({"total": 7.0})
    spread = clock.spread()
    assert list(spread) == ["detect", "track", "total"]
    assert (spread["detect"].p50, spread["track"].p50, spread["total"].p99) == (20.0, 2.0, 7.0)


def test_rate_counts_only_the_recent_events():
    now = [0.0]
    rate = Rate(span_s=1.0, clock=lambda: now[0])
    assert rate.per_second() == 0.0
    for _ in range(20):  # 10 a second for two seconds
        rate.tick()
        now[0] += 0.1
    assert rate.per_second() == pytest.approx(10.0)
    now[0] += 60.0  # a long pause: the old events no longer count
    rate.tick()
    assert rate.per_second() == 0.0


def test_identities_are_counted_once_each_and_not_kept():
    """A service sees new faces for months: what it holds of them does not grow."""
    identities = Identities()
    for tracks in ([], [1, 2], [2], [], [4, 5, 1], [5]):
        identities.add(tracks)
    assert identities.count == 4
    assert all(isinstance(value, int) for value in vars(identities).values())
