"""Every variant of cascade against NumPy from the definition, and against OpenCV on photographs."""

from __future__ import annotations

import platform

import cv2
import numpy as np
import pytest
import reference
from portrait import portrait
from random_cascade import random_cascade

from edgefer import kernels
from edgefer.detect.cascade import CascadeSearch
from edgefer.geometry import xywh_to_xyxy

variants = pytest.mark.parametrize("variant", kernels.variants("cascade"))
steps = pytest.mark.parametrize("step", (1, 2))


def patches(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Noise of three sizes, and flat parts of too little contrast."""
    rng = np.random.default_rng([seed, height, width])
    image = np.zeros((height, width))
    for size in (1, 4, 16):
        rows, columns = -(-height // size), -(-width // size)
        image += np.kron(rng.random((rows, columns)), np.ones((size, size)))[:height, :width]
    image[: height // 3, width // 2 :] = 1.5
    return (image * 85).astype(np.uint8)


@variants
@steps
@pytest.mark.parametrize("shape", [(20, 20), (20, 27), (21, 28), (23, 60), (45, 20), (50, 171)], ids=str)
def test_windows_equal_the_definition(variant, step, shape):
    model, image = random_cascade(), patches(*shape)
    got = kernels.call("cascade", variant, image, kernels.Cascade(**model), step)
    np.testing.assert_array_equal(got, reference.cascade(image, model, step))


@variants
@steps
@pytest.mark.parametrize("window", [(4, 4), (3, 32), (32, 5), (32, 32), (24, 21)], ids=str)
@pytest.mark.parametrize("nodes", (1, 2))
def test_windows_of_any_shape_and_trees_of_one_node_equal_the_definition(variant, step, window, nodes):
    model = random_cascade(*window, stages=(3, 3, 3), nodes=nodes, seed=2)
    image = patches(44, 90, seed=1)
    got = kernels.call("cascade", variant, image, kernels.Cascade(**model), step)
    np.testing.assert_array_equal(got, reference.cascade(image, model, step))


def test_the_random_cascades_accept_and_refuse():
    """Else the tests above would compare nothing."""
    image = patches(50, 171)
    for seed in range(3):
        found = len(reference.cascade(image, random_cascade(seed=seed), 2))
        assert 20 < found < 0.9 * (31 // 2 + 1) * (151 // 2 + 1)


@variants
@steps
def test_the_widest_image_and_one_whose_sums_wrap_equal_the_definition(variant, step):
    model = random_cascade(stages=(2,))
    wide = patches(20, 1264)
    got = kernels.call("cascade", variant, wide, kernels.Cascade(**model), step)
    np.testing.assert_array_equal(got, reference.cascade(wide, model, step))
    bright = 255 - patches(200, 700) // 4  # squares add up to more than 2^32
    assert (bright.astype(np.int64) ** 2).sum() > 2**32
    got = kernels.call("cascade", variant, bright, kernels.Cascade(**model), step)
    part = got[got[:, 1] >= 170] - [0, 170]
    np.testing.assert_array_equal(part, reference.cascade(bright[170:], model, step))


@variants
def test_views_of_larger_arrays_give_the_same(variant):
    model, image = kernels.Cascade(**random_cascade()), patches(40, 50)
    expected = kernels.call("cascade", variant, image, model)
    assert len(expected)
    around = np.full((70, 90), 77, np.uint8)
    around[10:50, 20:70] = image
    for view in (around[10:50, 20:70], np.ascontiguousarray(image[::-1])[::-1]):
        np.testing.assert_array_equal(kernels.call("cascade", variant, view, model), expected)


@variants
def test_an_image_smaller_than_the_window_has_none(variant):
    model = kernels.Cascade(**random_cascade())
    for shape in ((19, 300), (300, 19), (1, 1)):
        found = kernels.call("cascade", variant, patches(*shape), model)
        assert found.shape == (0, 2)
        assert found.dtype == np.int32


@pytest.mark.skipif(platform.machine() == "aarch64", reason="OpenCV's build for ARM fuses products and sums")
@variants
@pytest.mark.parametrize(
    "name", ["haarcascade_frontalface_alt2.xml", "haarcascade_profileface.xml", "haarcascade_frontalface_default.xml"]
)
@pytest.mark.parametrize("step", (1.1, 1.25))
@pytest.mark.parametrize("width", (70, 200, 333))
def test_groups_are_those_of_opencv(variant, name, step, width):
    image = cv2.resize(portrait(), (width, width * 600 // 512), interpolation=cv2.INTER_AREA)
    opencv = cv2.CascadeClassifier(cv2.data.haarcascades + name)
    boxes, counts = opencv.detectMultiScale2(image, step, 1, minSize=(22, 22), maxSize=(150, 150))
    expected = sorted((xywh_to_xyxy(*box), int(count)) for box, count in zip(boxes, np.ravel(counts), strict=True))
    with kernels.forced(variant):
        assert CascadeSearch(name).windows(image, step, 22, 150) == expected
    assert expected or "profile" in name or width == 70


def test_the_attributes_of_a_cascade_are_its_window():
    model = kernels.Cascade(**random_cascade(24, 20))
    assert (model.width, model.height) == (24, 20)


IMAGE, MODEL = patches(30, 30), kernels.Cascade(**random_cascade())


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((IMAGE.astype(np.int16), MODEL), TypeError, "image must be uint8 with shape (H, W), got int16"),
        ((IMAGE[0], MODEL), ValueError, "image must be uint8 with shape (H, W)"),
        ((np.zeros((20, 1265), np.uint8), MODEL), ValueError, "image must be at most 1264 wide"),
        ((IMAGE, None), TypeError, "model must be a Cascade, got NoneType"),
        ((IMAGE, MODEL, 3), ValueError, "step must be 1 or 2, got 3"),
        ((IMAGE, MODEL, 1.5), TypeError, "step must be an integer"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_arguments_are_named(arguments, error, words):
    with pytest.raises(error) as caught:
        kernels.cascade(*arguments)
    assert str(caught.value).startswith("cascade: ")
    assert words in str(caught.value)


def altered(name: str, index, value) -> dict:
    model = random_cascade()
    model[name][index] = value
    return model


@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        ({**random_cascade(), "width": 2}, ValueError, "window must be 3 to 32 pixels a side, got 2 x 20"),
        ({**random_cascade(), "height": 33}, ValueError, "window must be 3 to 32 pixels a side, got 20 x 33"),
        (altered("rectangles", (3, 1, 2), (0, 0, 21, 5)), ValueError, "lie in the window, got 0, 0, 21, 5"),
        (altered("rectangles", (0, 0, 0), (5, 0, 4, 5)), ValueError, "lie in the window, got 5, 0, 4, 5"),
        (altered("rectangles", (0, 0, 0), (-1, 0, 4, 5)), ValueError, "lie in the window, got -1, 0, 4, 5"),
        (altered("weights", 0, np.nan), ValueError, "weights must be finite"),
        (altered("thresholds", 0, np.inf), ValueError, "thresholds must be finite"),
        (altered("leaves", 0, np.nan), ValueError, "leaves must be finite"),
        (altered("stage_thresholds", 0, np.nan), ValueError, "stage thresholds must be finite"),
        (altered("stages", 0, 3), ValueError, "stages must have 15 trees together, got 14"),
        (altered("stages", 0, 0), ValueError, "stages must have at least one tree each"),
        (
            {**random_cascade(), "stages": np.zeros(0, np.int32), "stage_thresholds": np.zeros(0, np.float32)},
            ValueError,
            "stages must not be empty",
        ),
        (
            {**random_cascade(), "leaves": np.zeros((15, 3), np.float32)},
            ValueError,
            "leaves must be float32 with shape (15, 4), got float32 (15, 3)",
        ),
        (
            {**random_cascade(), "weights": np.zeros((15, 2, 3))},
            TypeError,
            "weights must be float32 with shape (15, 2, 3), got float64 (15, 2, 3)",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_cascades_are_refused(model, error, words):
    with pytest.raises(error) as caught:
        kernels.Cascade(**model)
    assert str(caught.value).startswith("cascade: ")
    assert words in str(caught.value)
