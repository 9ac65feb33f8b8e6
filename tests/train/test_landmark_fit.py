"""What the landmark network is taught to care for, and its shape."""

from __future__ import annotations

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="needs the extra train")
fit = pytest.importorskip("edgefer.train.landmarks.fit", reason="needs TensorFlow")

from edgefer.train.landmarks.network import build  # noqa: E402


@pytest.fixture
def target():
    """A jaw along a level line, eyes a fifth of the crop apart, and the weight of one face."""
    points = np.random.default_rng(0).uniform(0.2, 0.8, (68, 2))
    points[:17] = np.column_stack([np.linspace(0.1, 0.9, 17), np.full(17, 0.8)])
    points[36], points[45] = (0.4, 0.4), (0.6, 0.4)
    return np.append(points.ravel(), 1).astype(np.float32)[None]


def loss(target, moved):
    return float(fit.point_loss(target, (target[:, :136].reshape(68, 2) + moved).reshape(1, 136).astype(np.float32)))


def test_points_that_agree_cost_nothing_and_faceless_crops_never_do(target):
    assert loss(target, 0) == pytest.approx(0, abs=1e-6)
    target[0, 136] = 0
    assert loss(target, 0.1) == pytest.approx(0, abs=1e-6)


def test_the_jaw_costs_less_along_its_contour_than_across(target):
    along, across = np.zeros((2, 68, 2))
    along[:17, 0] = across[:17, 1] = 0.05
    assert loss(target, along) < 0.6 * loss(target, across)


def test_large_errors_count_by_their_size(target):
    down = np.zeros((68, 2))
    down[17:] = (0, 0.1)
    assert loss(target, 2 * down) == pytest.approx(2 * loss(target, down), rel=0.05)


def test_regions_cost_least_where_their_share_is_said():
    seen = np.array([[1, 0, 0.5, 1, 0, 1]], np.float32)
    assert float(fit.region_loss(seen, seen)) < float(fit.region_loss(seen, np.full((1, 6), 0.5, np.float32)))


def test_the_network_is_small_and_starts_from_the_mean_face():
    mean = np.linspace(0, 1, 136)
    model = build(80, mean)
    assert model.count_params() < 230_000
    points, regions = model(np.zeros((1, 80, 80, 1), np.float32))
    assert (points.shape, regions.shape) == ((1, 136), (1, 6))
    assert np.abs(np.asarray(points)[0] - mean).max() < 0.1
