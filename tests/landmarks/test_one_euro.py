"""Points over time: still on a still face, and not behind on a moving one."""

from __future__ import annotations

import numpy as np
import pytest
from landmark_doubles import head_points

from edgefer.landmarks.one_euro import OneEuro

SIZE = 60.0
FRAME_NS = 33_333_333


def filtered(motion, noise: float = 0.0, frames: int = 240, step_ns: int = FRAME_NS):
    """The filter's points and the true ones, parts of the size; `motion` gives the shift at a time in s."""
    random = np.random.default_rng(0)
    one_euro, shape = OneEuro(), head_points(eyes_px=SIZE)
    given, true = [], []
    for index in range(frames):
        points = shape + np.array(motion(index * step_ns / 1e9)) * SIZE
        true.append(points / SIZE)
        given.append(one_euro.update(points + random.normal(0, noise * SIZE, points.shape), SIZE, index * step_ns))
    return np.array(given) / SIZE, np.array(true)


def jitter(points: np.ndarray) -> float:
    """Root mean square distance of the points from their mean."""
    return float(np.sqrt((np.square(points - points.mean(axis=0)).sum(axis=-1)).mean()))


def test_points_of_a_still_face_stay_within_three_thousandths():
    """From a network whose points jump by 0.5 % of the eye distance in x and in y in each frame."""
    given, _ = filtered(lambda t: (0, 0), noise=0.005)
    assert jitter(given[60:]) < 0.003


@pytest.mark.parametrize(("speed", "lag_ms"), [(0.1, 40), (0.3, 21), (1.0, 9), (3.0, 4)], ids=lambda value: str(value))
def test_a_face_in_steady_motion_is_followed_with_a_bounded_lag(speed, lag_ms):
    """Speeds in eye distances a second; the lag never exceeds 1 % of the eye distance."""
    given, true = filtered(lambda t: (speed * t, 0), noise=0.003)
    behind = float((true - given)[60:, :, 0].mean())
    assert behind < 0.01
    assert 1e3 * behind / speed < lag_ms


def test_a_sudden_move_is_followed_within_a_tenth_of_a_second():
    given, true = filtered(lambda t: (0.5 * (t > 2), 0))
    start = int(2 / 0.0333) + 2
    assert np.abs(true - given)[start + 3].max() < 0.05


def test_a_blink_is_seen_through_the_filter():
    """Eyelids close and open within a third of a second: nine tenths of their way is left."""
    one_euro, shape, lowest = OneEuro(), head_points(eyes_px=SIZE), []
    lids = [37, 38, 43, 44]
    for index in range(120):
        t = index / 30 - 2
        points = shape.copy()
        points[lids, 1] += 0.1 * SIZE * np.exp(-((t / 0.1) ** 2))
        lowest.append(one_euro.update(points, SIZE, index * FRAME_NS)[lids, 1].mean())
    assert max(lowest) - lowest[30] > 0.08 * SIZE


def test_time_not_frames_decides():
    """At half the rate a step has gone about as far after the same time."""
    far = []
    for step_ns in (FRAME_NS, 2 * FRAME_NS):
        given, _ = filtered(lambda t: (0.02 * (t > 1), 0), frames=int(2e9 / step_ns), step_ns=step_ns)
        at = int(1.2e9 / step_ns)
        far.append(float((given[at] - given[0])[:, 0].mean()) / 0.02)
    assert far[0] == pytest.approx(far[1], abs=0.15)


@pytest.mark.parametrize("then_ns", [10**9, -1, 0], ids=["a pause", "a step back", "the same time"])
def test_it_starts_anew(then_ns):
    one_euro = OneEuro()
    one_euro.update(np.zeros((68, 2)), SIZE, 0)
    assert (one_euro.update(np.full((68, 2), 5.0), SIZE, then_ns) == 5).all()
