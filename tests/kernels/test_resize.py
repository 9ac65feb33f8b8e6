"""crop_resize and stack: every variant against NumPy from the definition, and against OpenCV."""

from __future__ import annotations

import platform
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations

import cv2
import numpy as np
import pytest
import reference
from kernel_cases import assert_guards_stand, guarded, noise

from edgefer import kernels

SIZES = (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 97)
METHODS = ("auto", "area", "bilinear")
CHANNELS = ("grey", "gx", "gy", "laplacian")


def images(height: int, width: int) -> dict[str, np.ndarray]:
    y, x = np.mgrid[:height, :width]
    impulse = np.zeros((height, width), np.uint8)
    impulse[height // 2, width // 2] = 255
    return {
        "constant": np.full((height, width), 255, np.uint8),
        "impulse": impulse,
        "checkerboard": ((x + y) % 2 * 255).astype(np.uint8),
        "noise": noise(height, width),
    }


# ----------------------------------------------------------------------------------------------- crop_resize

BOXES = {
    "whole": (0.0, 0.0, 97.0, 65.0),
    "inside": (10.3, 5.7, 60.2, 50.1),
    "over the corner": (-20.5, -13.25, 40.0, 30.0),
    "larger than the image": (-50.0, -60.0, 150.0, 130.0),
    "outside on the left": (-90.0, 10.0, -30.0, 40.0),
    "outside below right": (500.0, 400.0, 700.0, 600.0),
    "a part of a pixel": (30.2, 20.4, 30.3, 20.6),
    "across two pixels": (30.9, 20.9, 31.1, 21.1),
    "a hair wide": (30.5, 20.5, 30.5 + 1e-9, 20.5 + 1e-9),
    "huge": (-1e6, -1e6, 1e6, 1e6),
    "flat": (3.0, 30.0, 90.0, 30.5),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
@pytest.mark.parametrize("variant", kernels.variants("crop_resize"))
def test_crop_resize_equals_the_definition(variant, box, method):
    image = noise(65, 97)
    for size in ((64, 64), (48, 17), (1, 1), (3, 130)):
        np.testing.assert_array_equal(
            kernels.call("crop_resize", variant, image, box, size, method),
            reference.crop_resize(image, box, size, method),
        )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("variant", kernels.variants("crop_resize"))
def test_crop_resize_is_exact_at_every_width_of_image_and_result(variant, method):
    """Sizes about each vector width on both sides, strided in and out, guards standing."""
    for source in SIZES:
        image = noise(9, source + 7)[:, 3 : 3 + source]
        for width in SIZES:
            memory, out = guarded(5, width)
            box = (-0.5, 0.25, source + 0.75, 8.5)
            assert kernels.call("crop_resize", variant, image, box, (5, width), method, out=out) is out
            np.testing.assert_array_equal(out, reference.crop_resize(image, box, (5, width), method))
            assert_guards_stand(memory, width)


@pytest.mark.parametrize("kind", images(1, 1))
@pytest.mark.parametrize("variant", kernels.variants("crop_resize"))
def test_crop_resize_is_exact_on_extreme_images(variant, kind):
    image = images(40, 50)[kind]
    for box in ((0.0, 0.0, 50.0, 40.0), (-3.0, 5.5, 20.0, 33.0)):
        for method in METHODS:
            np.testing.assert_array_equal(
                kernels.call("crop_resize", variant, image, box, (24, 31), method),
                reference.crop_resize(image, box, (24, 31), method),
            )


@pytest.mark.parametrize("variant", kernels.variants("crop_resize"))
def test_crop_resize_is_exact_for_a_hundred_random_boxes(variant):
    rng = np.random.default_rng(1)
    for _ in range(100):
        height, width = rng.integers(1, 120, 2)
        image = rng.integers(0, 256, (height, width), dtype=np.uint8)
        (x0, y0), (w, h) = rng.uniform(-60, 120, 2), 10 ** rng.uniform(-2, 2.5, 2)
        size = tuple(int(n) for n in rng.integers(1, 100, 2))
        method = METHODS[rng.integers(3)]
        box = (x0, y0, x0 + w, y0 + h)
        np.testing.assert_array_equal(
            kernels.call("crop_resize", variant, image, box, size, method),
            reference.crop_resize(image, box, size, method),
        )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("variant", kernels.variants("crop_resize"))
def test_a_constant_image_stays_constant(variant, method):
    """Weights add up to one exactly, however many pixels they are spread over."""
    for level in (0, 1, 127, 255):
        image = np.full((300, 5000), level, np.uint8)
        resized = kernels.call("crop_resize", variant, image, (-7.3, 1.2, 4990.1, 299.9), (3, 2), method)
        assert (resized == level).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("variant", kernels.variants("crop_resize"))
def test_the_whole_image_at_its_own_size_is_the_image(variant, method):
    image = noise(33, 41)
    np.testing.assert_array_equal(kernels.call("crop_resize", variant, image, (0, 0, 41, 33), (33, 41), method), image)


@pytest.mark.parametrize("variant", kernels.variants("crop_resize"))
def test_a_box_outside_the_image_shows_its_nearest_edge(variant):
    image = noise(20, 30)
    left = kernels.call("crop_resize", variant, image, (-50, 0, -20, 20), (20, 8))
    np.testing.assert_array_equal(left, np.repeat(image[:, :1], 8, axis=1))


def interpolated(image: np.ndarray, size: int) -> np.ndarray:
    """The columns of the image by bilinear interpolation in real numbers, at the centres of `size` pixels."""
    at = (np.arange(size) + 0.5) * image.shape[1] / size - 0.5
    return np.array([np.interp(at, np.arange(image.shape[1]), row) for row in image])


@pytest.mark.parametrize("size", [(64, 64), (130, 200), (97, 31)], ids=str)
@pytest.mark.parametrize("variant", kernels.variants("crop_resize"))
def test_bilinear_is_real_interpolation_rounded(variant, size):
    """Half a level by the last rounding, 2^-8 by the first, 255 * 2^-15 for each of four rounded weights."""
    image = noise(65, 97)
    ours = kernels.call("crop_resize", variant, image, (0, 0, 97, 65), size, "bilinear")
    exact = interpolated(interpolated(image.T, size[0]).T, size[1])
    assert abs(ours - exact).max() <= 0.5 + 2**-8 + 4 * 255 * 2**-15


@pytest.mark.skipif(
    platform.machine() != "x86_64", reason="OpenCV's ARM build resizes by a HAL that is off by up to two levels"
)
@pytest.mark.parametrize("size", [(64, 64), (130, 200), (97, 31)], ids=str)
@pytest.mark.parametrize("variant", kernels.variants("crop_resize"))
def test_bilinear_is_within_one_level_of_opencv(variant, size):
    image = noise(65, 97)
    ours = kernels.call("crop_resize", variant, image, (0, 0, 97, 65), size, "bilinear").astype(int)
    theirs = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR).astype(int)
    assert abs(ours - theirs).max() <= 1


@pytest.mark.parametrize("factor", [2, 3, 4, 5, 8])
@pytest.mark.parametrize("variant", kernels.variants("crop_resize"))
def test_area_at_whole_factors_is_within_one_level_of_opencv(variant, factor):
    image = noise(24 * factor, 31 * factor)
    box = (0, 0, image.shape[1], image.shape[0])
    ours = kernels.call("crop_resize", variant, image, box, (24, 31), "area").astype(int)
    theirs = cv2.resize(image, (31, 24), interpolation=cv2.INTER_AREA).astype(int)
    assert abs(ours - theirs).max() <= 1


@pytest.mark.parametrize("factors", [(2, 2), (4, 4), (2, 4), (4, 2), (3, 3), (8, 8)], ids=str)
@pytest.mark.parametrize("variant", kernels.variants("crop_resize"))
def test_area_at_whole_factors_equals_the_definition(variant, factors):
    """Blocks of 2 x 2 and 4 x 4 have code of their own, which a box off the pixels' edges must not take."""
    down, across = factors
    for width in SIZES:
        size = (5, width)
        image = noise(size[0] * down + 6, width * across + 9)[1:-2, 3:-3]
        for x0, y0 in ((0, 0), (2, 1), (0.5, 0), (1, 0.25), (-1, 0), (0, -1), (3.5, 4.5)):
            box = (x0, y0, x0 + width * across, y0 + size[0] * down)
            memory, out = guarded(*size)
            kernels.call("crop_resize", variant, image, box, size, "area", out=out)
            np.testing.assert_array_equal(out, reference.crop_resize(image, box, size, "area"))
            assert_guards_stand(memory, width)


@pytest.mark.parametrize("side", [8, 16, 24, 31, 32, 33, 40, 50, 64, 97, 160, 230, 300, 500])
@pytest.mark.parametrize("variant", kernels.variants("crop_resize"))
def test_crop_resize_is_exact_for_columns_near_and_far_apart(variant, side):
    """Variants treat them in several ways, by how many a few neighbouring pixels of the result need."""
    image = noise(60, 520)
    for width in (15, 16, 17, 31, 64, 65):
        for x0 in (0.0, 3.3, 510.0 - side / 2, -side / 3):
            box = (x0, 2.5, x0 + side, 50.0)
            for method in METHODS:
                np.testing.assert_array_equal(
                    kernels.call("crop_resize", variant, image, box, (6, width), method),
                    reference.crop_resize(image, box, (6, width), method),
                )


@pytest.mark.parametrize("variant", kernels.variants("crop_resize"))
def test_area_at_broken_factors_is_within_one_level_of_opencv(variant):
    image = noise(200, 211)
    ours = kernels.call("crop_resize", variant, image, (0, 0, 211, 200), (64, 64), "area").astype(int)
    theirs = cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA).astype(int)
    assert abs(ours - theirs).max() <= 1


@pytest.mark.parametrize("variant", kernels.variants("crop_resize"))
def test_transposing_image_and_box_transposes_the_result_within_rounding(variant):
    """Rows are rounded before columns, so the two ways may differ by one level."""
    image = noise(60, 80)
    across = kernels.call("crop_resize", variant, image, (3, 4, 70, 55), (20, 26)).astype(int)
    down = kernels.call("crop_resize", variant, np.ascontiguousarray(image.T), (4, 3, 55, 70), (26, 20))
    assert abs(across - down.T.astype(int)).max() <= 1


GREY = np.zeros((10, 12), np.uint8)
UNIT = (0, 0, 1, 1)
READ_ONLY = np.zeros((64, 64), np.uint8)
READ_ONLY.flags.writeable = False


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((GREY.astype(np.int16), UNIT), TypeError,
         r"crop_resize: image must be uint8 with shape \(H, W\), got int16 \(10, 12\)"),
        ((GREY[None], UNIT), ValueError,
         r"image must be uint8 with shape \(H, W\), got uint8 \(1, 10, 12\)"),
        ((GREY[:0], UNIT), ValueError, "image must have at least one pixel"),
        ((GREY, (0, 0, 1)), TypeError, r"box must be four numbers \(x0, y0, x1, y1\), got \(0, 0, 1\)"),
        ((GREY, "abcd"), TypeError, "box must be four numbers"),
        ((GREY, None), TypeError, "box must be four numbers"),
        ((GREY, (0, 0, np.nan, 1)), ValueError,
         r"box must be finite and within 1e6 pixels, got \(0, 0, nan, 1\)"),
        ((GREY, (0, 0, np.inf, 1)), ValueError, "box must be finite and within 1e6"),
        ((GREY, (0, 0, 1e7, 1)), ValueError, "box must be finite and within 1e6"),
        ((GREY, (5, 0, 5, 1)), ValueError, r"box must have x0 < x1 and y0 < y1, got \(5, 0, 5, 1\)"),
        ((GREY, (0, 2, 5, 1)), ValueError, "box must have x0 < x1 and y0 < y1"),
        ((GREY, UNIT, (0, 4)), ValueError, r"size must be \(height, width\) of 1 to 4096, got \(0, 4\)"),
        ((GREY, UNIT, (4, 5000)), ValueError, "size must be"),
        ((GREY, UNIT, (4.5, 4)), TypeError, r"size must be two integers \(height, width\), got \(4.5, 4\)"),
        ((GREY, UNIT, (4, 4), "cubic"), ValueError,
         "crop_resize: unknown method 'cubic'; available: auto, area, bilinear"),
        ((GREY, UNIT, (4, 4), "auto", np.zeros((4, 5), np.uint8)), ValueError,
         r"out must be uint8 with shape \(4, 4\), got uint8 \(4, 5\)"),
        ((GREY, UNIT, (4, 4), "auto", np.zeros((4, 4), np.int8)), TypeError, "out must be uint8"),
        ((GREY, UNIT, (64, 64), "auto", READ_ONLY), ValueError, "out must be writeable"),
        ((GREY, UNIT, (4, 4), "auto", GREY[:4, :4]), ValueError, "out overlaps the input"),
    ],
)  # fmt: skip
def test_crop_resize_refuses_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        kernels.crop_resize(*arguments)


# ----------------------------------------------------------------------------------------------------- stack

SCALES = {"grey": (1.0, -128.0), "gx": (0.25, 0.0), "gy": (0.25, 0.0), "laplacian": (0.5, 0.0)}


def scales_of(channels) -> tuple[list[float], list[float]]:
    return [SCALES[channel][0] for channel in channels], [SCALES[channel][1] for channel in channels]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("variant", kernels.variants("stack"))
def test_stack_equals_the_definition_for_every_choice_of_channels(variant, count):
    """Any subset in any order."""
    image = noise(70, 90)
    for channels in permutations(CHANNELS, count):
        arguments = (image, (-5.5, 3.0, 60.0, 80.5), (9, 33), channels, *scales_of(channels))
        np.testing.assert_array_equal(kernels.call("stack", variant, *arguments), reference.stack(*arguments))


@pytest.mark.parametrize("channels", [("grey",), ("gx", "gy"), ("grey", "gx", "gy"), CHANNELS], ids=len)
@pytest.mark.parametrize("variant", kernels.variants("stack"))
def test_stack_is_exact_at_every_width(variant, channels):
    """Guards about `out` stand; the image is a strided view."""
    image = noise(40, 60)[3:-3, 5:-5]
    for height in (1, 2, 3, 5):
        for width in SIZES:
            memory = np.full(height * width * len(channels) + 64, 77, np.int8)
            out = memory[32:-32].reshape(height, width, len(channels))
            arguments = (image, (2.5, 1.5, 45.0, 30.0), (height, width), channels, *scales_of(channels))
            assert kernels.call("stack", variant, *arguments, out=out) is out
            np.testing.assert_array_equal(out, reference.stack(*arguments))
            assert (memory[:32] == 77).all() and (memory[-32:] == 77).all()


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
@pytest.mark.parametrize("variant", kernels.variants("stack"))
def test_stack_equals_the_definition_for_every_box(variant, box):
    image = noise(65, 97)
    for method in METHODS:
        arguments = (image, box, (17, 24), CHANNELS, *scales_of(CHANNELS), method)
        np.testing.assert_array_equal(kernels.call("stack", variant, *arguments), reference.stack(*arguments))


@pytest.mark.parametrize("kind", images(1, 1))
@pytest.mark.parametrize("variant", kernels.variants("stack"))
def test_stack_is_exact_on_extreme_images(variant, kind):
    image = images(64, 64)[kind]
    arguments = (image, (0, 0, 64, 64), (64, 64), CHANNELS, (1.0, 1.0, 1.0, 1.0), (-128.0, 0.0, 0.0, 0.0))
    np.testing.assert_array_equal(kernels.call("stack", variant, *arguments), reference.stack(*arguments))


@pytest.mark.parametrize("variant", kernels.variants("stack"))
def test_stack_is_the_kernels_one_after_the_other(variant):
    image = noise(300, 300)
    box = (20.0, 30.0, 220.0, 230.0)
    resized = kernels.crop_resize(image, box, (64, 64))
    gx, gy = kernels.sobel(resized, "reflect101")
    expected = np.stack([np.clip(np.rint(gx / 4), -128, 127), np.clip(np.rint(gy / 4), -128, 127)], axis=-1)
    made = kernels.call("stack", variant, image, box, (64, 64), ("gx", "gy"), (0.25, 0.25), (0, 0))
    np.testing.assert_array_equal(made, expected.astype(np.int8))


@pytest.mark.parametrize("variant", kernels.variants("stack"))
def test_stack_rounds_ties_to_even_and_saturates(variant):
    image = np.arange(256, dtype=np.uint8)[None, :]
    for multiplier, offset in (
        (0.5, 0.0),
        (0.5, -64.0),
        (-0.5, 0.25),
        (3e38, -3e38),
        (-1e30, 0.0),
        (1e-30, 0.5),
        *((2.0**-shift, offset) for shift in range(9) for offset in (0.0, 1.0, -127.0, 0.25, 0.375, 1e9)),
    ):
        arguments = (image, (0, 0, 256, 1), (1, 256), ("grey", "gx"), (multiplier,) * 2, (offset,) * 2)
        with np.errstate(over="ignore"):
            expected = reference.stack(*arguments)
        np.testing.assert_array_equal(kernels.call("stack", variant, *arguments), expected)


@pytest.mark.parametrize("offset", [0.0, 1.0, -3.0, 0.5, -0.125])
@pytest.mark.parametrize("multiplier", [1.0, 0.5, 0.25, 0.125, 2.0**-6, 2.0**-7, 0.3, 0.0, -0.25, 2.0])
@pytest.mark.parametrize("variant", kernels.variants("stack"))
def test_stack_is_exact_for_every_gradient(variant, multiplier, offset):
    """Powers of two have code of their own; noise of full contrast holds gradients from end to end."""
    image = np.where(noise(64, 64) < 128, noise(64, 64, seed=1) % 8, 255 - noise(64, 64, seed=2) % 8)
    arguments = (image.astype(np.uint8), (0, 0, 64, 64), (64, 64), CHANNELS, (multiplier,) * 4, (offset,) * 4)
    np.testing.assert_array_equal(kernels.call("stack", variant, *arguments), reference.stack(*arguments))


@pytest.mark.parametrize("variant", kernels.variants("stack"))
def test_working_memory_used_again_leaves_no_trace(variant):
    """Large, then small, then large: each call alone decides its result."""
    image = noise(300, 400)
    for box, size in (
        ((0, 0, 400, 300), (200, 300)),
        ((5, 5, 20, 20), (7, 9)),
        ((1.5, 2, 390, 290), (64, 64)),
        ((5, 5, 9, 300), (80, 3)),
    ):
        arguments = (image, box, size, CHANNELS, *scales_of(CHANNELS))
        np.testing.assert_array_equal(kernels.call("stack", variant, *arguments), reference.stack(*arguments))


def test_threads_that_stack_other_sizes_do_not_disturb_each_other():
    """Each has working memory of its own; the larger images are worked on without the GIL."""
    image = noise(480, 640)
    works = [
        (
            image,
            (1.5 * i, 2.5 * i, 640 - 7 * i, 480 - 5 * i),
            (40 + 31 * i, 300 - 17 * i),
            CHANNELS,
            *scales_of(CHANNELS),
        )
        for i in range(8)
    ]
    expected = [reference.stack(*work) for work in works]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda work: kernels.stack(*work), works * 12))
    for result, right in zip(made, expected * 12, strict=True):
        np.testing.assert_array_equal(result, right)


@pytest.mark.parametrize("variant", kernels.variants("stack"))
def test_product_and_sum_of_stack_are_rounded_separately(variant):
    """A fused multiply-add would give another integer for some of these multipliers."""
    rng = np.random.default_rng(3)
    image = np.arange(256, dtype=np.uint8)[None, :]
    fused_differs = 0
    for _ in range(200):
        multiplier, whole = np.float32(rng.uniform(0.1, 0.4)), rng.integers(-60, 20)
        pixel = rng.integers(1, 256)
        offset = np.float32(whole + 0.5 - float(np.float32(pixel) * multiplier))  # puts one pixel on a tie
        arguments = (image, (0, 0, 256, 1), (1, 256), ("grey",), (float(multiplier),), (float(offset),))
        expected = reference.stack(*arguments)
        fused = np.rint((image[0] * float(multiplier) + float(offset)).astype(np.float32))
        fused_differs += (np.clip(fused, -128, 127) != expected[0, :, 0]).any()
        np.testing.assert_array_equal(kernels.call("stack", variant, *arguments), expected)
    assert fused_differs > 0


@pytest.mark.parametrize("variant", kernels.variants("stack"))
def test_a_constant_image_has_no_gradient(variant):
    image = np.full((50, 60), 200, np.uint8)
    made = kernels.call("stack", variant, image, (-9, 4, 70, 40), (16, 16), CHANNELS, (1, 1, 1, 1), (-128, 0, 0, 0))
    assert (made[..., 0] == 72).all()
    assert not made[..., 1:].any()


ONE = (("grey",), (1.0,), (0.0,))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((GREY, UNIT, (4, 4), (), (), ()), ValueError,
         "channels must be 1 to 4 of grey, gx, gy, laplacian, got 0"),
        ((GREY, UNIT, (4, 4), ("red",), (1,), (0,)), ValueError,
         "stack: unknown channel 'red'; available: grey, gx, gy, laplacian"),
        ((GREY, UNIT, (4, 4), ("gx", "gx"), (1, 1), (0, 0)), ValueError, "channel 'gx' is given twice"),
        ((GREY, UNIT, (4, 4), ("gx", "gy"), (1,), (0, 0)), ValueError,
         "multipliers and offsets must have one number for each channel, got 1 and 2 for 2 channels"),
        ((GREY, UNIT, (4, 4), ("gx",), (np.nan,), (0,)), ValueError, "must be finite in float32"),
        ((GREY, UNIT, (4, 4), ("gx",), (1e39,), (0,)), ValueError, "must be finite in float32"),
        ((GREY, (0, 0, 0, 1), (4, 4), *ONE), ValueError, "stack: box must have x0 < x1"),
        ((GREY, UNIT, (4, 4), *ONE, "auto", np.zeros((4, 4), np.int8)), ValueError,
         r"stack: out must be int8 with shape \(4, 4, 1\), got int8 \(4, 4\)"),
        ((GREY, UNIT, (4, 4), *ONE, "auto", np.zeros((4, 4, 1), np.uint8)), TypeError, "out must be int8"),
        ((GREY, UNIT, (4, 4), *ONE, "auto", np.zeros((4, 8, 1), np.int8)[:, ::2]), ValueError,
         "out must be contiguous"),
        ((GREY, UNIT, (2, 4), *ONE, "auto", GREY.view(np.int8).ravel()[:8].reshape(2, 4, 1)), ValueError,
         "out overlaps the input"),
    ],
)  # fmt: skip
def test_stack_refuses_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        kernels.stack(*arguments)
