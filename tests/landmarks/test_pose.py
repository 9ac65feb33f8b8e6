"""Yaw, pitch and roll from 68 points."""

from __future__ import annotations

import numpy as np
import pytest
from landmark_doubles import head_points

from edgefer.landmarks.pose import HEAD, head_pose


def test_signs_are_those_of_the_reading():
    """The nose of a head that turns to its own left goes to the viewer's right, of one that looks up, up."""
    middle = head_points()[30]
    assert head_points(yaw=20)[30][0] > middle[0]
    assert head_points(pitch=20)[30][1] < middle[1]
    tilted = head_points(roll=20)
    assert tilted[45][1] > tilted[36][1]  # clockwise: the viewer's right goes down


@pytest.mark.parametrize("yaw", [-60, -25, 0, 40])
@pytest.mark.parametrize("pitch", [-35, 0, 30])
@pytest.mark.parametrize("roll", [-170, -45, 0, 90])
def test_exact_points_give_the_exact_pose(yaw, pitch, roll):
    pose = head_pose(head_points((37, 900), 80, yaw, pitch, roll))
    assert pose == pytest.approx((yaw, pitch, roll), abs=0.05)  # points are float32


def test_noisy_points_of_other_heads_give_it_within_degrees():
    """Noise of 3 % of the eye distance, heads 10 % wider or longer: on average within 3 degrees, never above 10."""
    random = np.random.default_rng(3)
    errors = []
    for _ in range(300):
        angles = random.uniform((-45, -30, -60), (45, 30, 60))
        points = head_points((0, 0), 60, *angles).astype(np.float64)
        points *= random.uniform(0.95, 1.05, 2)
        points += random.normal(0, 0.03 * 60, points.shape)
        errors.append(np.abs(np.array(head_pose(points)) - angles))
    assert np.mean(errors, axis=0).max() < 3
    assert np.max(errors) < 10


def test_an_open_mouth_is_no_nod():
    points = head_points()
    opened = points.copy()
    opened[[*range(55, 60), *range(65, 68)]] += (0, 12)  # a quarter of the eye distance
    opened[5:12] += (0, 12)
    assert abs(head_pose(opened).pitch) < 8
    assert head_pose(opened).yaw == pytest.approx(0, abs=0.1)


def test_points_on_a_line_have_no_pose():
    line = np.stack([np.arange(68.0), 2 * np.arange(68.0)], axis=1)
    assert head_pose(np.zeros((68, 2))) is None
    assert head_pose(line) is None


def test_the_head_is_symmetric_and_measured_by_its_eyes():
    assert HEAD.shape == (68, 3)
    assert np.array_equal(HEAD[:17], HEAD[16::-1] * (-1, 1, 1))
    assert HEAD[45][0] - HEAD[36][0] == 1.0
