"""sobel, laplacian and gradients: every variant against NumPy from the equation, and against OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import reference
from kernel_cases import BORDERS, OUTPUTS, all_images, images, variants_of, walk

from edgefer import kernels


@pytest.mark.parametrize("border", BORDERS)
@variants_of("sobel")
def test_sobel_equals_the_equation_and_opencv(variant, border):
    for image in all_images():
        gx, gy = kernels.call("sobel", variant, image, border)
        expected = reference.sobel(image, border)
        np.testing.assert_array_equal(gx, expected[0])
        np.testing.assert_array_equal(gy, expected[1])
        np.testing.assert_array_equal(gx, cv2.Sobel(image, cv2.CV_16S, 1, 0, borderType=BORDERS[border]))
        np.testing.assert_array_equal(gy, cv2.Sobel(image, cv2.CV_16S, 0, 1, borderType=BORDERS[border]))


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("aperture", (1, 3))
@variants_of("laplacian")
def test_laplacian_equals_the_equation_and_opencv(variant, aperture, border):
    for image in all_images():
        result = kernels.call("laplacian", variant, image, aperture, border)
        np.testing.assert_array_equal(result, reference.laplacian(image, aperture, border))
        opencv = cv2.Laplacian(image, cv2.CV_16S, ksize=aperture, borderType=BORDERS[border])
        np.testing.assert_array_equal(result, opencv)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("aperture", (1, 3))
@variants_of("gradients")
def test_gradients_equal_the_equation(variant, aperture, border):
    for image in all_images():
        results = kernels.call("gradients", variant, image, aperture, border)
        for result, expected in zip(results, reference.gradients(image, aperture, border), strict=True):
            np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("border", BORDERS)
@walk("sobel", "laplacian", "gradients")
def test_gradients_of_long_rows_are_exact_wherever_their_output_begins(op, variant, border):
    """Outputs at every place of a cache line, no two of them alike, and row strides that move the place."""
    rng = np.random.default_rng(7)
    for height in (4, 5, 7, 8, 11, 16, 35):  # tiles are 4, 8 or 16 rows high
        for width in (127, 128, 159, 161, 255, 256, 257, 290):
            image = rng.integers(0, 256, (height, width), dtype=np.uint8)
            offset, count = int(rng.integers(32)), OUTPUTS[op][0]
            memory = np.full((count, height, width + 40), 77, np.int16)
            targets = tuple(memory[i, :, offset + i % 2 :][:, :width] for i in range(count))
            out = targets if count > 1 else targets[0]
            results = kernels.call(op, variant, image, border=border, out=out)
            expected = getattr(reference, op)(image, border=border)
            np.testing.assert_array_equal(results, expected)
            for target in targets:
                target[:] = 77
            assert (memory == 77).all()


@walk("sobel", "gradients")
def test_transposing_swaps_gx_and_gy(op, variant):
    image = images(33, 97)["random"]
    gx, gy = kernels.call(op, variant, image)[:2]
    turned_gx, turned_gy = kernels.call(op, variant, np.ascontiguousarray(image.T))[:2]
    np.testing.assert_array_equal(turned_gx, gy.T)
    np.testing.assert_array_equal(turned_gy, gx.T)
