"""What moves between a face at rest and the same face now."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from test_units_material import rows

from edgefer.train.units import relative


@pytest.fixture(scope="module")
def crop() -> np.ndarray:
    noise = np.random.default_rng(4).integers(0, 256, (104, 88), np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2.5), None, 30, 220, cv2.NORM_MINMAX)


def test_a_face_that_does_not_move_has_no_movement(crop):
    """Not in another light, either."""
    flow = relative.make_flow()
    assert np.abs(relative.movement(flow, crop, crop)).max() < 1e-3
    darker = np.rint(crop * 0.7).astype(np.uint8)
    assert np.abs(relative.movement(flow, crop, darker)[4:-4, 4:-4, :2]).mean() < 0.1


def test_the_flow_is_how_far_skin_has_moved(crop):
    moved = np.roll(crop, (1, 2), axis=(0, 1))
    found = relative.movement(relative.make_flow(), crop, moved)
    assert found.shape == (*relative.GRID, relative.PLANES)
    assert np.median(found[4:-4, 4:-4, 0]) == pytest.approx(2, abs=0.1)
    assert np.median(found[4:-4, 4:-4, 1]) == pytest.approx(1, abs=0.1)


def test_in_a_mirror_what_went_right_goes_left():
    found = np.random.default_rng(1).normal(size=(40, *relative.GRID, relative.PLANES)).astype(np.float32)
    for one, before in zip(relative.mirrored(found, np.random.default_rng(2)), found, strict=True):
        there = before[:, ::-1] * (-1, 1, 1, 1)
        assert (one == before).all() or np.allclose(one, there)


def test_each_face_has_its_rest():
    """Where it is shown at rest, there; else where it is calmest."""
    some = rows(6)
    some.units[:] = 1.0
    some.units[3] = 0.01
    some.units[4, 0] = 0.5
    rest = relative.at_rest(some)
    assert rest["face 1"].tolist() == [3] and rest["face 2"].tolist() == [4] and len(rest["face 0"]) == 1
