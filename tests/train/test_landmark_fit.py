"""What the landmark network is taught to care for, and its shape."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="needs the extra train")
fit = pytest.importorskip("edgefer.train.landmarks.fit", reason="needs Keras and a backend")

from edgefer.landmarks.points import MIRROR  # noqa: E402
from edgefer.train.landmarks import data, develop  # noqa: E402
from edgefer.train.landmarks.network import SHAPES, build  # noqa: E402


@pytest.fixture
def target():
    """A jaw along a level line, eyes a fifth of the crop apart, and what each counts."""
    points = np.random.default_rng(0).uniform(0.2, 0.8, (68, 2))
    points[:17] = np.column_stack([np.linspace(0.1, 0.9, 17), np.full(17, 0.8)])
    points[36], points[45] = (0.4, 0.4), (0.6, 0.4)
    return np.append(points.ravel(), np.ones(68)).astype(np.float32)[None]


def loss(target, moved):
    return float(fit.point_loss(target, (target[:, :136].reshape(68, 2) + moved).reshape(1, 136).astype(np.float32)))


def test_points_that_agree_cost_nothing_and_those_that_do_not_count_never_do(target):
    assert loss(target, 0) == pytest.approx(0, abs=1e-6)
    target[0, 136:] = 0
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


def plain(count):
    """Looks at the middle of a canvas, as fine as can be, in its own light."""
    edge = (1 - data.LOOK) / 2
    return np.tile(np.array([0, edge, edge, data.LOOK, 1, 0, 1, 0, 255, 1, 0, 0, 0, 0], np.float32), (count, 1))


def developed(canvas, looked):
    return np.asarray(develop.developed(np.stack([canvas] * len(looked)), looked, 80))[..., 0].astype(int)


def test_a_plain_look_is_the_canvas_made_smaller_by_area():
    canvas = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (160, 160), np.uint8), (0, 0), 3)
    looked = plain(2)
    looked[0, 1:4], looked[1, 1:4] = (0, 0, 1), (0.25, 0.25, 0.5)
    whole, middle = developed(canvas, looked)
    small = cv2.resize(canvas, (80, 80), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(whole - small).max() <= 1 and np.abs(middle - canvas[40:120, 40:120]).max() <= 1


def test_points_go_where_the_look_shows_them():
    rng = np.random.default_rng(2)
    points = rng.uniform(40, 120, (1, 68, 2))
    canvas = np.zeros((160, 160), np.uint8)
    for x, y in np.rint(points[0]).astype(int):
        cv2.circle(canvas, (int(x), int(y)), 3, 255, -1)
    looked = develop.looks(rng, 40)
    looked[:, 4:] = plain(1)[0, 4:]
    images = developed(canvas, looked)
    many = np.repeat(points, 40, axis=0)
    numbers, parts = np.tile(np.arange(68), (40, 1)), np.tile(np.arange(6), (40, 1))
    place, weights, parts = develop.seen_by(looked, many, numbers, parts)
    assert {tuple(row) for row in weights} == {tuple(range(68)), tuple(MIRROR)} and len(np.unique(parts[:, 1])) == 2
    at = np.rint(place * 80 - 0.5).astype(int)
    assert (np.take_along_axis(images.reshape(40, -1), at[..., 1] * 80 + at[..., 0], axis=1) > 150).all()


def test_every_look_is_finite_light_and_coarse_looks_are_smooth():
    canvas = np.random.default_rng(0).integers(0, 256, (160, 160), np.uint8)
    images = developed(canvas, develop.looks(np.random.default_rng(1), 64))
    assert images.std(axis=(1, 2)).min() > 0
    coarse, fine = developed(canvas, np.vstack([plain(1), plain(1)]) * np.where(np.arange(14) == 4, [[0.4], [1]], 1))
    assert np.abs(np.diff(coarse, axis=1)).mean() < 0.6 * np.abs(np.diff(fine, axis=1)).mean()


@pytest.mark.parametrize("name", SHAPES)
def test_the_network_is_small_and_starts_from_the_mean_face(name):
    mean, side = np.linspace(0, 1, 136), SHAPES[name].side
    model = build(SHAPES[name], mean)
    assert model.count_params() < 240_000
    points, regions = model(np.zeros((1, side, side, 1), np.float32))
    assert (points.shape, regions.shape) == ((1, 136), (1, 6))
    assert np.abs(np.asarray(points)[0] - mean).max() < 0.1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], r"deep80: holds a run, which would be lost; go on from it with --start"),
        (["--minutes", "nan"], "--minutes: expected 0 or more, got nan"),
        (["--batch", "0"], "--batch: expected 1 or more, got 0"),
    ],
)
def test_a_run_is_not_begun_anew_over_what_it_learnt(words, message, tmp_path, monkeypatch, capsys):
    (tmp_path / "deep80").mkdir()
    (tmp_path / "deep80/averaged.weights.h5").write_bytes(b"hours")
    monkeypatch.setattr(data, "photographs", lambda *args: None)
    monkeypatch.setattr(data, "rows", lambda labels: [])
    monkeypatch.setattr("sys.argv", ["fit", "--labels", "nowhere", "--out", str(tmp_path), *words])
    assert fit.main() == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and re.search(message, error)
    assert (tmp_path / "deep80/averaged.weights.h5").read_bytes() == b"hours"
