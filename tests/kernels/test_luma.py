"""luma: every variant against NumPy from the definition, and against OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import reference
from kernel_cases import GUARD, WIDTHS, assert_guards_stand, guarded, noise

from edgefer import kernels

LUMA_SHAPES = {
    "yuyv": lambda height, width: (height, width, 2),
    "nv12": lambda height, width: (height * 3 // 2, width),
    "bgr": lambda height, width: (height, width, 3),
}
OPENCV_LUMA = {"yuyv": cv2.COLOR_YUV2GRAY_YUYV, "nv12": cv2.COLOR_YUV2GRAY_NV12, "bgr": cv2.COLOR_BGR2GRAY}


@pytest.mark.parametrize("format", LUMA_SHAPES)
@pytest.mark.parametrize("variant", kernels.variants("luma"))
def test_luma_equals_the_definition_at_every_width(variant, format):
    """Also of a strided view, into a strided view whose surroundings stay as they were."""
    for width in WIDTHS:
        if format == "nv12" and width % 2:
            continue
        shape = LUMA_SHAPES[format](4, width)
        wide = noise(shape[0], shape[1] + 3, *shape[2:])
        image = wide[:, 1 : 1 + shape[1]]
        memory, out = guarded(4, width)
        returned = kernels.call("luma", variant, image, format, out=out)
        assert returned is out
        np.testing.assert_array_equal(out, reference.luma(image, format))
        assert_guards_stand(memory, width)
        np.testing.assert_array_equal(
            kernels.call("luma", variant, image[::-1] if format != "nv12" else image, format),
            reference.luma(image[::-1] if format != "nv12" else image, format),
        )


@pytest.mark.parametrize("format", LUMA_SHAPES)
@pytest.mark.parametrize("variant", kernels.variants("luma"))
def test_luma_of_rows_without_gaps_is_exact_and_ends_with_the_last_of_them(variant, format):
    """Rows that follow one another may be taken for one; nothing is written before or behind them."""
    for height, width in ((2, 2), (2, 14), (4, 8), (2, 18), (6, 6), (4, 34), (10, 22)):
        image = noise(*LUMA_SHAPES[format](height, width))
        memory = np.full(height * width + 64, GUARD, np.uint8)
        out = memory[32:-32].reshape(height, width)
        kernels.call("luma", variant, image, format, out=out)
        np.testing.assert_array_equal(out, reference.luma(image, format))
        assert (memory[:32] == GUARD).all() and (memory[-32:] == GUARD).all()


@pytest.mark.parametrize("format", OPENCV_LUMA)
@pytest.mark.parametrize("variant", kernels.variants("luma"))
def test_luma_equals_opencv(variant, format):
    image = noise(*LUMA_SHAPES[format](480, 640))
    np.testing.assert_array_equal(
        kernels.call("luma", variant, image, format), cv2.cvtColor(image, OPENCV_LUMA[format])
    )


@pytest.mark.parametrize("variant", kernels.variants("luma"))
def test_luma_of_every_colour_equals_opencv(variant):
    """All 2^24 colours, a sixteenth at a time."""
    green, red = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    for first in range(0, 256, 16):
        blocks = [np.dstack([np.full_like(green, blue), green, red]) for blue in range(first, first + 16)]
        image = np.concatenate(blocks)
        np.testing.assert_array_equal(
            kernels.call("luma", variant, image, "bgr"), cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        )


@pytest.mark.parametrize("variant", kernels.variants("luma"))
def test_luma_of_a_grey_colour_is_that_grey(variant):
    levels = np.arange(256, dtype=np.uint8)
    image = np.repeat(levels[None, :, None], 3, axis=2)
    np.testing.assert_array_equal(kernels.call("luma", variant, image, "bgr")[0], levels)


@pytest.mark.parametrize(
    ("image", "format", "error", "message"),
    [
        (np.zeros((2, 2, 3), np.float32), "bgr", TypeError,
         r"luma: image must be uint8 with shape \(H, W, 3\), got float32 \(2, 2, 3\)"),
        (np.zeros((2, 2, 4), np.uint8), "bgr", ValueError,
         r"luma: image must be uint8 with shape \(H, W, 3\), got uint8 \(2, 2, 4\)"),
        (np.zeros((2, 2), np.uint8), "yuyv", ValueError,
         r"luma: image must be uint8 with shape \(H, W, 2\), got uint8 \(2, 2\)"),
        (np.zeros((4, 2), np.uint8), "nv12", ValueError,
         r"luma: image must be uint8 with shape \(H \* 3 / 2, W\), H and W even, got uint8 \(4, 2\)"),
        (np.zeros((0, 2, 3), np.uint8), "bgr", ValueError, "luma: image must have at least one pixel"),
        (np.zeros((2, 4, 3), np.uint8)[:, ::2], "bgr", ValueError, "luma: image must have contiguous rows"),
        (np.zeros((2, 2, 3), np.uint8), "rgb", ValueError,
         "luma: unknown format 'rgb'; available: yuyv, nv12, bgr"),
        ([[1]], "bgr", TypeError, "got list"),
    ],
    ids=["float", "four channels", "no channels", "odd nv12", "empty", "gaps", "format", "list"],
)  # fmt: skip
def test_luma_refuses_bad_arguments(image, format, error, message):
    with pytest.raises(error, match=message):
        kernels.luma(image, format)
