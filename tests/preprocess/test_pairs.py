"""A face against the same face at rest: what has moved between two crops, and what is left."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edgefer.models.interpreter import channel_count
from edgefer.preprocess import pairs

INSIDE = slice(3, -3)


@pytest.fixture(scope="module")
def crop() -> np.ndarray:
    noise = np.random.default_rng(4).integers(0, 256, (pairs.LAYOUT.height, pairs.LAYOUT.width), np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return cv2.normalize(smooth, np.empty_like(smooth), 40, 200, cv2.NORM_MINMAX)


def steps(planes: np.ndarray) -> np.ndarray:
    """Flow, pixels of the crop, of the cells in the middle."""
    squeezed = planes[INSIDE, INSIDE, pairs.ACROSS : pairs.SURE]
    return pairs.UNIT * np.sinh(squeezed * pairs.SPAN)


def test_a_face_that_does_not_move_has_no_movement(crop):
    planes = pairs.against(pairs.at_rest(crop), crop)
    assert planes.shape == (pairs.ROWS, pairs.COLUMNS, pairs.PLANES) and planes.dtype == np.float32
    assert np.abs(planes[..., : pairs.DIFFERENCES]).max() == 0
    assert np.abs(steps(planes)).max() < 0.02
    assert planes[INSIDE, INSIDE, pairs.SURE].min() > 0.9


def test_another_light_moves_nothing(crop):
    darker = np.rint(crop * 0.7 + np.linspace(0, 30, crop.shape[1])).astype(np.uint8)
    planes = pairs.against(pairs.at_rest(crop), darker)
    assert np.abs(steps(planes)).mean() < 0.1
    assert np.abs(planes[INSIDE, INSIDE, : pairs.DIFFERENCES]).mean() < 0.05


def test_flow_is_how_far_skin_has_moved(crop):
    moved = np.roll(crop, (1, 2), axis=(0, 1))
    across, down = np.median(steps(pairs.against(pairs.at_rest(crop), moved)), axis=(0, 1))
    assert across == pytest.approx(2, abs=0.1)
    assert down == pytest.approx(1, abs=0.1)


def test_a_line_that_darkens_is_left_unexplained(crop):
    lined = crop.copy()
    cv2.line(lined, (60, 20), (60, 60), 0, 2)
    left = np.abs(pairs.against(pairs.at_rest(crop), lined)[..., pairs.LEFT + 1])
    assert left[6:14, 14:16].mean() > 4 * left[18:].mean()


def test_eight_bits_hold_a_quarter_of_a_pixel(crop):
    planes = pairs.against(pairs.at_rest(crop), np.roll(crop, 1, axis=1))
    assert np.abs(pairs.levels(planes) / 128 - planes).max() <= 0.5 / 128 + 1e-6


@pytest.mark.parametrize("dtype", [np.float32, np.int8])
def test_in_a_mirror_what_went_right_goes_left(crop, dtype):
    """And pixels of a cell change places; twice is the same again."""
    planes = pairs.against(pairs.at_rest(crop), np.roll(crop, (1, 2), axis=(0, 1)))
    planes = planes if dtype == np.float32 else pairs.levels(planes)
    there = pairs.mirrored(planes)
    assert there.dtype == dtype
    np.testing.assert_array_equal(there[..., pairs.ACROSS], -planes[:, ::-1, pairs.ACROSS])
    np.testing.assert_array_equal(there[..., pairs.DOWN], planes[:, ::-1, pairs.DOWN])
    np.testing.assert_array_equal(there[..., 0], planes[:, ::-1, pairs.CELL - 1])
    np.testing.assert_array_equal(pairs.mirrored(there), planes)


def test_the_mirror_of_the_planes_is_the_planes_of_the_mirror(crop):
    """But for flow, whose windows are not quite alike, and cells of even width."""
    moved = np.roll(crop, (1, 2), axis=(0, 1))
    one = pairs.mirrored(pairs.against(pairs.at_rest(crop), moved))
    other = pairs.against(pairs.at_rest(crop[:, ::-1].copy()), moved[:, ::-1].copy())
    assert np.abs(one[..., : pairs.ACROSS] - other[..., : pairs.ACROSS]).max() < 0.02
    assert np.median(np.abs(steps(one) - steps(other))) < 0.1


def test_the_median_of_crops_forgets_what_one_of_them_shows(crop):
    other = crop.copy()
    other[40:60, 40:60] = 255
    assert (pairs.middle([crop, other, crop]) == crop).all()


def test_a_manifest_knows_how_many_planes_a_pair_has():
    assert channel_count("pair") == pairs.PLANES
    assert channel_count("grey+sobel+laplacian") == 4
