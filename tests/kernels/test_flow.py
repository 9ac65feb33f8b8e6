"""Every variant of flow against NumPy from the definition, against OpenCV, and on motions that are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import reference

from edgefer import kernels

variants = pytest.mark.parametrize("variant", kernels.variants("flow"))


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Noise as smooth as the skin and hair of a face, of full contrast."""
    rng = np.random.default_rng([seed, height, width])
    noise = cv2.GaussianBlur(rng.random((height + 16, width + 16), np.float32), (0, 0), 2)[8:-8, 8:-8]
    return cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def shifted(image: np.ndarray, dx: float, dy: float) -> np.ndarray:
    matrix = np.float32([[1, 0, dx], [0, 1, dy]])
    return cv2.warpAffine(image, matrix, image.shape[::-1], borderMode=cv2.BORDER_REPLICATE)


def scattered(height: int, width: int, count: int = 24, seed: int = 1) -> np.ndarray:
    """Points all over an image, its corners among them."""
    points = np.random.default_rng(seed).random((count, 2), np.float32) * np.float32([width - 1, height - 1])
    points[:4] = [[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]]
    return points


def assert_same(got, expected) -> None:
    """Errors always; places of those points that are not lost."""
    np.testing.assert_array_equal(got[1], expected[1])
    found = np.isfinite(expected[1])
    np.testing.assert_array_equal(got[0][found], expected[0][found])


@variants
@pytest.mark.parametrize("window", (3, 5, 7, 9, 11, 13))
@pytest.mark.parametrize("levels", (1, 3, 5))
def test_flow_equals_its_definition_bit_for_bit(variant, window, levels):
    before = texture(61, 74)
    after = shifted(before, 1.7, -2.4)
    points = scattered(61, 74)
    got = kernels.call("flow", variant, before, after, points, window, levels)
    assert_same(got, reference.flow(before, after, points, window, levels))


@variants
@pytest.mark.parametrize("shape", [(3, 3), (3, 40), (40, 3), (13, 13), (26, 27), (82, 82)], ids=str)
def test_flow_equals_its_definition_on_small_and_lopsided_images(variant, shape):
    before, after = texture(*shape), texture(*shape, seed=7)
    points = scattered(*shape, count=8)
    got = kernels.call("flow", variant, before, after, points, 5, 4)
    assert_same(got, reference.flow(before, after, points, 5, 4))


@variants
def test_full_contrast_does_not_overflow_the_sums(variant):
    """Stripes against their negative: every difference and gradient is as large as it can be."""
    before = np.tile(np.uint8([[0, 0, 255, 255]]), (40, 10))
    before[20:] = 255 - before[20:]
    points = scattered(*before.shape)
    got = kernels.call("flow", variant, before, 255 - before, points, 13, 1)
    assert_same(got, reference.flow(before, 255 - before, points, 13, 1))


@variants
@pytest.mark.parametrize("motion", [(0.0, 0.0), (0.25, -0.5), (3.6, 2.1), (-8.0, 6.5)], ids=str)
def test_a_shift_is_measured_to_a_tenth_of_a_pixel_and_the_way_back_ends_where_it_began(variant, motion):
    before = texture(96, 96)
    points = (scattered(96, 96)[4:] * 0.5 + 24).astype(np.float32)
    there, error = kernels.call("flow", variant, before, shifted(before, *motion), points)
    assert (error < 0.1).all()
    assert abs(there - points - np.float32(motion)).max() < 0.1


def test_flow_is_as_exact_as_opencv():
    """Median distance from the truth, where OpenCV and we both find the way back."""
    ours, theirs = [], []
    for seed, motion in enumerate([(0.3, 0.7), (2.5, -1.2), (-4.8, 3.3), (6.1, 5.2)]):
        before = texture(82, 82, seed)
        after = shifted(before, *motion)
        points = (scattered(82, 82, seed=seed)[4:] * 0.5 + 20).astype(np.float32)
        there, error = kernels.flow(before, after, points)
        options = {"winSize": (13, 13), "maxLevel": 2}
        opencv, found, _ = cv2.calcOpticalFlowPyrLK(before, after, points[:, None], None, **options)
        both = (error < 1) & (found.ravel() > 0)
        assert both.mean() > 0.9
        truth = points + np.float32(motion)
        ours.extend(np.linalg.norm(there - truth, axis=1)[both])
        theirs.extend(np.linalg.norm(opencv[:, 0] - truth, axis=1)[both])
    assert np.median(ours) < 1.2 * np.median(theirs) + 0.01


@variants
def test_a_point_without_texture_is_lost_and_one_that_leaves_the_image_does_not_come_back(variant):
    flat = np.full((60, 60), 128, np.uint8)
    _, error = kernels.call("flow", variant, flat, flat, np.float32([[30, 30]]))
    assert np.isinf(error).all()
    before = texture(60, 60)
    _, error = kernels.call("flow", variant, before, shifted(before, -9, 0), np.float32([[4, 30]]))
    assert (error > 2).all()


@variants
def test_views_of_larger_arrays_give_the_same(variant):
    before = texture(50, 50)
    after = shifted(before, 1, 1)
    points = scattered(50, 50)
    expected = kernels.call("flow", variant, before, after, points)
    around = np.full((70, 90), 77, np.uint8)
    around[10:60, 20:70] = before
    assert_same(kernels.call("flow", variant, around[10:60, 20:70], after, points), expected)
    upside_down = np.ascontiguousarray(after[::-1])[::-1]
    assert_same(kernels.call("flow", variant, before, upside_down, points), expected)


def test_no_points_give_no_places():
    there, error = kernels.flow(texture(20, 20), texture(20, 20), np.empty((0, 2), np.float32))
    assert there.shape == (0, 2)
    assert error.shape == (0,)


IMAGE = texture(40, 50)
POINT = np.float32([[10, 10]])


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((IMAGE.astype(np.float32), IMAGE, POINT), TypeError, "before must be uint8 with shape (H, W)"),
        ((IMAGE, IMAGE[1:], POINT), ValueError, "after must be uint8 with the shape of before"),
        ((IMAGE[:2], IMAGE[:2], POINT), ValueError, "before must be of 3 to 32768 pixels a side"),
        ((IMAGE, IMAGE, POINT.astype(np.float64)), TypeError, "points must be float32 with shape (N, 2)"),
        ((IMAGE, IMAGE, POINT[0]), ValueError, "points must be float32 with shape (N, 2)"),
        ((IMAGE, IMAGE, np.zeros((3, 3), np.float32)), ValueError, "points must be float32 with shape (N, 2)"),
        ((IMAGE, IMAGE, np.zeros((4, 4), np.float32)[:, ::2]), ValueError, "points must be contiguous"),
        ((IMAGE, IMAGE, np.float32([[1, 1], [49.5, 3]])), ValueError, "got (49.5, 3) at index 1"),
        ((IMAGE, IMAGE, np.float32([[np.nan, 3]])), ValueError, "points must lie in the image"),
        ((IMAGE, IMAGE, POINT, 4), ValueError, "window must be odd, 3 to 13, got 4"),
        ((IMAGE, IMAGE, POINT, 15), ValueError, "window must be odd, 3 to 13, got 15"),
        ((IMAGE, IMAGE, POINT, 5, 0), ValueError, "levels must be 1 to 5, got 0"),
        ((IMAGE, IMAGE, POINT, 5, 6), ValueError, "levels must be 1 to 5, got 6"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_arguments_are_named(arguments, error, words):
    with pytest.raises(error) as caught:
        kernels.flow(*arguments)
    assert str(caught.value).startswith("flow: ")
    assert words in str(caught.value)


# -- what the points agree on


def moved_about(count: int, shift, scale: float, seed: int = 3):
    """Points about (40, 30), where they are after a shift and a change of size, and errors below one pixel."""
    rng = np.random.default_rng([seed, count])
    points = rng.uniform(0, 80, (count, 2)).astype(np.float32)
    there = ((points - (40, 30)) * scale + (40, 30) + shift).astype(np.float32)
    return points, there, rng.uniform(0, 0.9, count).astype(np.float32)


@pytest.mark.parametrize("count", [*range(30), 200, 1024])
def test_the_median_flow_equals_its_definition(count):
    points, there, error = moved_about(count, (3, -2), 1.07)
    rng = np.random.default_rng(count)
    there += rng.normal(0, 1, there.shape).astype(np.float32)
    error[::5], there[1::7] = np.inf, np.nan
    asked = 40.5, 30.25, 12.0, 0.8, 1.5
    assert kernels.median_flow(points, there, error, *asked) == pytest.approx(
        reference.median_flow(points, there, error, *asked), abs=1e-9
    )


def test_the_median_flow_does_not_follow_a_third_that_something_has_carried_off():
    points, there, error = moved_about(24, (4, -1.5), 0.9)
    there[::3] += np.float32((15, 9))
    dx, dy, scale, returned, together = kernels.median_flow(points, there, error, 40, 30, 12, 1, 2)
    assert (dx, dy, scale) == pytest.approx((4, -1.5, 0.9), abs=0.6)
    assert (returned, together) == (24, 16)


def test_the_median_flow_of_points_that_lie_close_together_tells_no_change_of_size():
    points, there, error = moved_about(8, (1, 1), 2.0)
    assert kernels.median_flow(points, there, error, 40, 30, np.inf, 1, 2)[2] == 1
    assert kernels.median_flow(points, there, error, 40, 30, 12, 0, 2) == (0, 0, 1, 0, 0)


TWO = np.zeros((2, 2), np.float32)
NEAR = np.zeros(2, np.float32)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((TWO.astype(np.float64), TWO, NEAR, 0, 0, 1, 1, 1), TypeError, "points must be float32 with shape (N, 2)"),
        ((TWO, TWO[:1], NEAR, 0, 0, 1, 1, 1), ValueError, "there must be as many rows as points"),
        ((TWO, TWO, NEAR[:1], 0, 0, 1, 1, 1), ValueError, "error must be as many values as points"),
        ((TWO, TWO, TWO, 0, 0, 1, 1, 1), ValueError, "error must be float32 with shape (N,)"),
        (
            (*[np.zeros((1025, 2), np.float32)] * 2, np.zeros(1025, np.float32), 0, 0, 1, 1, 1),
            ValueError,
            "at most 1024",
        ),
        ((TWO, TWO, NEAR, 0, 0, -1, 1, 1), ValueError, "far must be at least 0, got -1"),
        ((TWO, TWO, NEAR, 0, 0, 1, np.nan, 1), ValueError, "most_error must be at least 0, got nan"),
        ((TWO, TWO, NEAR, "0", 0, 1, 1, 1), TypeError, "centre_x must be a number, got str"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_arguments_of_the_median_flow_are_named(arguments, error, words):
    with pytest.raises(error) as caught:
        kernels.median_flow(*arguments)
    assert str(caught.value).startswith("median_flow: ")
    assert words in str(caught.value)
