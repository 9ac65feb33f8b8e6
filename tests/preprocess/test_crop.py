"""The model's tensor: real values, order of the planes, and the one definition shared with training."""

from __future__ import annotations

from typing import get_args

import cv2
import numpy as np
import pytest

from edgefer import kernels
from edgefer.geometry import Box
from edgefer.models.interpreter import channel_count
from edgefer.models.manifest import ChannelsName, Input
from edgefer.preprocess.crop import CHANNELS, REAL_VALUES, Preprocess


def spec(channels="grey+sobel", **changes):
    fields = {"height": 64, "width": 64, "scale": 1 / 128, "zero_point": 0, "value_range": (-1.0, 127 / 128)}
    return Input(channels=channels, **{**fields, **changes})


@pytest.fixture
def image():
    noise = np.random.default_rng(1).integers(0, 256, (12, 16), np.uint8)
    return np.ascontiguousarray(noise.repeat(10, axis=0).repeat(10, axis=1))


def gradients(crop):
    """By OpenCV, whose border is reflect101 by default: a witness from outside."""
    return (cv2.Sobel(crop, cv2.CV_16S, 1, 0), cv2.Sobel(crop, cv2.CV_16S, 0, 1), cv2.Laplacian(crop, cv2.CV_16S))


def test_the_names_the_manifest_allows_are_the_ones_defined_here():
    assert set(get_args(ChannelsName)) == set(CHANNELS)
    for name, planes in CHANNELS.items():
        assert channel_count(name) == len(planes)
        assert set(planes) <= set(REAL_VALUES)


def test_usual_quantisation_gives_the_values_of_the_contract(image):
    """Grey q = v - 128, gradients rint(g / 4), Laplacian rint(l / 2), saturated; planes in order."""
    box = Box(13.0, 7.5, 101.0, 95.5)
    tensor = Preprocess(spec("grey+sobel+laplacian"))(image, box)
    crop = kernels.crop_resize(image, box, size=(64, 64))
    gx, gy, laplacian = gradients(crop)
    assert tensor.shape == (1, 64, 64, 4)
    assert tensor.dtype == np.int8
    assert np.array_equal(tensor[0, ..., 0], (crop.astype(int) - 128))
    assert np.array_equal(tensor[0, ..., 1], np.clip(np.rint(gx / 4), -128, 127))
    assert np.array_equal(tensor[0, ..., 2], np.clip(np.rint(gy / 4), -128, 127))
    assert np.array_equal(tensor[0, ..., 3], np.clip(np.rint(laplacian / 2), -128, 127))


@pytest.mark.parametrize("channels", list(CHANNELS))
@pytest.mark.parametrize(("scale", "zero_point"), [(1 / 128, 0), (0.0157, -11), (1 / 255, 127)])
def test_dequantised_values_are_the_real_values_to_half_a_step(image, channels, scale, zero_point):
    box = Box(0.0, 0.0, 160.0, 120.0)
    tensor = Preprocess(spec(channels, scale=scale, zero_point=zero_point))(image, box)[0]
    crop = kernels.crop_resize(image, box, size=(64, 64))
    gx, gy, laplacian = gradients(crop)
    levels = {"grey": crop, "gx": gx, "gy": gy, "laplacian": laplacian}
    low, high = (-128 - zero_point) * scale, (127 - zero_point) * scale
    for index, plane in enumerate(CHANNELS[channels]):
        factor, constant = REAL_VALUES[plane]
        real = np.clip(levels[plane] * factor + constant, low, high)
        got = (tensor[..., index].astype(float) - zero_point) * scale
        # half a step of rounding; float32 products of at most 1020 levels err by less than 1e-3 of a step
        assert np.abs(got - real).max() <= scale * (0.5 + 1e-3)


def test_without_a_box_the_whole_image_is_meant_in_the_middle_of_a_square(image):
    preprocess = Preprocess(spec())
    whole = preprocess(image).copy()
    assert np.array_equal(preprocess(image, Box(0, -20, 160, 140)), whole)
    assert np.array_equal(preprocess(np.pad(image, ((20, 20), (0, 0)), "edge")), whole)
    square = np.ascontiguousarray(image[:, :120])
    assert np.array_equal(preprocess(square).copy(), preprocess(square, Box(0, 0, 120, 120)))


@pytest.mark.parametrize("size", [(48, 38), (38, 48), (48, 37), (96, 48), (200, 30)])
def test_a_circle_stays_one_whatever_the_image_is_cut_to(size):
    height, width = size
    circle = np.zeros(size, np.uint8)
    cv2.circle(circle, (width // 2, height // 2), 14, 255, -1)
    grey = Preprocess(spec("grey"))(circle)[0, ..., 0]
    high, wide = (np.ptp(np.flatnonzero((grey > 0).any(axis=axis))) + 1 for axis in (1, 0))
    # the edge of a disc may fall on either side of a pixel
    assert abs(int(high) - int(wide)) <= 1


def test_the_buffer_is_used_again(image):
    preprocess = Preprocess(spec())
    first = preprocess(image, Box(0, 0, 80, 80))
    second = preprocess(image, Box(40, 40, 120, 120))
    assert first is second is preprocess.tensor


def test_a_detector_box_becomes_a_square_with_the_margin():
    assert Preprocess(spec(crop_margin=0.25)).face_box(Box(10, 20, 30, 60)) == Box(-10, 10, 50, 70)


def test_boxes_reach_outside_but_not_into_nonsense(image):
    preprocess = Preprocess(spec())
    assert preprocess(image, Box(-50, -50, 30, 30)).shape == (1, 64, 64, 3)
    with pytest.raises(ValueError):
        preprocess(image, Box(float("nan"), 0, 10, 10))
    with pytest.raises(TypeError):
        preprocess(image.astype(np.float32), Box(0, 0, 10, 10))
