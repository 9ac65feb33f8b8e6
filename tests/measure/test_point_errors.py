"""Errors of points, on points whose errors are known."""

from __future__ import annotations

import numpy as np
import pytest

from edgefer.measure.points import point_errors


@pytest.fixture
def truth():
    """A face whose jaw is a straight line to the right, with eyes 50 pixels apart."""
    points = np.random.default_rng(0).uniform(0, 100, (3, 68, 2))
    points[:, :17] = np.column_stack([np.arange(17) * 5, np.zeros(17)])
    points[:, 36], points[:, 45] = (10, 20), (60, 20)
    return points


def test_points_that_agree_have_no_error(truth):
    assert point_errors(truth, truth) == (0, 0, 0, 0)


def test_errors_are_parts_of_the_eyes_distance(truth):
    errors = point_errors(truth + (3, 4), truth)
    assert errors == pytest.approx((10, 10, 10, 8)), "5 pixels of 50; across a level jaw, only the 4 downwards"


def test_inner_points_are_those_without_the_jaw(truth):
    found = truth.copy()
    found[:, :17] += (0, 5)
    assert point_errors(found, truth) == pytest.approx((0, 10 * 17 / 68, 10, 10))
