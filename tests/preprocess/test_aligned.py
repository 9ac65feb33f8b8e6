"""Upright crops with the eyes in one place."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edgefer.landmarks.points import MIRROR
from edgefer.preprocess.aligned import Layout, aligned, place
from edgefer.train.data.synthetic.drawn import mean_points

LAYOUT = Layout(96, 80, 45.0, 29.0)


def turned(points: np.ndarray, degrees: float, size: float, x: float, y: float) -> np.ndarray:
    angle = np.radians(degrees)
    axes = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ axes.T + (x, y)


@pytest.mark.parametrize("degrees", [0, 20, -75])
def test_the_place_of_a_face_is_the_middle_and_vector_of_its_eyes(degrees):
    middle, axis = place(turned(mean_points(), degrees, 60, 100, 80))
    assert middle == pytest.approx(100 + 80j, abs=1e-6)
    assert axis == pytest.approx(60 * np.exp(1j * np.radians(degrees)), abs=1e-6)


@pytest.mark.parametrize("size", [30, 45, 61.3, 200])
@pytest.mark.parametrize("degrees", [0, 25])
def test_marks_at_the_eyes_come_to_where_the_layout_says(size, degrees):
    """Whatever the size and the turn of the face."""
    points = turned(mean_points(), degrees, size, 250.3, 240.8)
    grey = np.zeros((500, 500), np.uint8)
    for corner in points[[36, 45]]:
        cv2.circle(grey, np.rint(corner * 256).astype(int).tolist(), round(size * 0.05 * 256), 255, -1, cv2.LINE_AA, 8)
    crop = aligned(grey, points, LAYOUT).astype(float)
    assert crop.shape == (96, 80)
    for side, x in ((slice(0, 40), 39.5 - 22.5), (slice(40, 80), 39.5 + 22.5)):
        part = crop[:, side]
        rows, columns = np.mgrid[0:96, side]
        assert (rows * part).sum() / part.sum() == pytest.approx(28.5, abs=0.6)
        assert (columns * part).sum() / part.sum() == pytest.approx(x, abs=0.6)


def test_a_mirrored_face_has_the_mirrored_crop():
    rng = np.random.default_rng(2)
    grey = cv2.GaussianBlur(rng.integers(0, 256, (200, 200), np.uint8), (0, 0), 2)
    points = turned(mean_points(), 8, 70, 98.2, 80.6)
    mirrored = points[MIRROR] * (-1, 1) + (199, 0)
    one, other = (aligned(*each, LAYOUT).astype(int) for each in ((grey, points), (grey[:, ::-1].copy(), mirrored)))
    assert np.abs(one - other[:, ::-1]).max() <= 3


def test_more_round_a_face_leaves_its_middle_as_it_is():
    grey = cv2.GaussianBlur(np.random.default_rng(3).integers(0, 256, (160, 160), np.uint8), (0, 0), 2)
    points = turned(mean_points(), 5, 40, 80, 60)
    wide = aligned(grey, points, LAYOUT.wider(4))
    assert np.abs(wide[4:-4, 4:-4].astype(int) - aligned(grey, points, LAYOUT)).max() <= 2


@pytest.mark.parametrize("points", [np.zeros((68, 2)), np.full((68, 2), np.nan)], ids=["one place", "not finite"])
def test_points_of_no_face_have_no_crop(points):
    assert aligned(np.zeros((50, 50), np.uint8), points, LAYOUT) is None
