"""Every variant of every image kernel against NumPy from the equation, and against OpenCV."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import reference

from edgefer import kernels

WIDTHS = (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 97)
HEIGHTS = (1, 2, 3, 9, 33)
BORDERS = {"replicate": cv2.BORDER_REPLICATE, "reflect101": cv2.BORDER_REFLECT101}
IMAGE_KERNELS = ("sobel", "laplacian", "gradients", "shi_tomasi")
ROUNDING = 2.0**-24  # half a unit in the last place of float32, relative


def walk(*ops: str):
    """One case for each variant of each operation that this processor can run."""
    cases = [(op, variant) for op in ops for variant in kernels.variants(op)]
    return pytest.mark.parametrize(("op", "variant"), cases, ids=[f"{op}-{variant}" for op, variant in cases])


def variants_of(op: str):
    return pytest.mark.parametrize("variant", kernels.variants(op))


@cache
def images(height: int, width: int) -> dict[str, np.ndarray]:
    """The kinds of image that break kernels."""
    rng = np.random.default_rng([height, width])
    y, x = np.mgrid[:height, :width]
    impulse = np.zeros((height, width), np.uint8)
    impulse[height // 2, width // 2] = 255
    kinds = {
        "random": rng.integers(0, 256, (height, width), dtype=np.uint8),
        "constant": np.full((height, width), 200, np.uint8),
        "impulse": impulse,
        "checkerboard": ((x + y) % 2 * 255).astype(np.uint8),
        "full contrast": rng.integers(0, 2, (height, width), dtype=np.uint8) * np.uint8(255),
        "step": ((x >= width // 2) * 255).astype(np.uint8),
    }
    for image in kinds.values():
        image.setflags(write=False)
    return kinds


def all_images():
    return [image for height in HEIGHTS for width in WIDTHS for image in images(height, width).values()]


def strided_view(image: np.ndarray) -> np.ndarray:
    """The same pixels, in the middle of a wider and taller array of other values."""
    height, width = image.shape
    around = np.full((height + 2, width + 37), 99, np.uint8)
    around[1:-1, 5 : 5 + width] = image
    return around[1:-1, 5 : 5 + width]


# ---------------------------------------------------------------------------------------- values, bit for bit


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


# -------------------------------------------------------------------------------------------------- the score


def shi_tomasi_cases():
    """Random and full-contrast images of every width, and a height that one window covers more than once."""
    for width in WIDTHS:
        for height in (1, 3, 33):
            yield from (images(height, width)[kind] for kind in ("random", "full contrast", "checkerboard"))


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("block_size", (3, 5, 7, 15))
@variants_of("shi_tomasi")
def test_shi_tomasi_is_within_eight_roundings_of_the_larger_eigenvalue(variant, block_size, border):
    """score = (trace - root) / 2 in float32, from exact sums; l1 is the larger eigenvalue, l2 the smaller.

    The root: 1 rounding to convert each side, doubled by squaring, 1 to square, 1 to add, halved by the
    square root, 1 for it: 3 roundings of a number no larger than the trace. The trace has 1: together 4 of
    (l1 + l2) / 2, at most 4 of l1. Then 1 each of l2 for the difference, the gain and the product. Together
    7 of l1; 8 leaves room for the products of these.
    """
    for image in shi_tomasi_cases():
        score = kernels.call("shi_tomasi", variant, image, block_size, border)
        exact = reference.shi_tomasi(image, block_size, border)
        ixx, _, iyy = reference.structure_tensor(image, block_size, border)
        larger = (ixx + iyy) * np.longdouble(1) / (4 * 255 * block_size) ** 2 - exact
        assert score.dtype == np.float32
        assert (score >= 0).all()
        assert (np.abs(score - exact) <= 8 * ROUNDING * larger).all()


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("block_size", (3, 5, 7, 15))
@variants_of("shi_tomasi")
def test_shi_tomasi_equals_opencv_within_its_rounding(variant, block_size, border):
    """OpenCV works in float32 throughout; u = 2^-24, t = scaled trace of the window.

    A gradient is a sum of scaled pixels, together at most 2 * 4 * 255 * scale = 2 / block; rounding the
    scale, the products and the sums adds at most 4 u of that: e = 8 u / block. A product of gradients is then
    off by 2 |g| e + e^2, the window's sum by 2 e sum|g| <= 2 e block sqrt(t) = 16 u sqrt(t), and (8 u)^2. The
    eigenvalue moves by no more than a row sum of the errors in the tensor: 2 * 16 u sqrt(t) + 2 (8 u)^2.
    Products, sums, square root and the final difference of like numbers: at most 8 u t, and as much of ours.
    """
    for image in shi_tomasi_cases():
        score = kernels.call("shi_tomasi", variant, image, block_size, border)
        opencv = cv2.cornerMinEigenVal(image, block_size, ksize=3, borderType=BORDERS[border])
        ixx, _, iyy = reference.structure_tensor(image, block_size, border)
        trace = (ixx + iyy) / (4 * 255 * block_size) ** 2
        bound = ROUNDING * (32 * np.sqrt(trace) + 16 * trace) + 2 * (8 * ROUNDING) ** 2
        assert (np.abs(score - opencv.astype(np.float64)) <= bound).all()


@pytest.mark.parametrize("block_size", (3, 5, 7, 9, 11, 13, 15))
def test_every_variant_of_shi_tomasi_rounds_alike(block_size):
    for image in shi_tomasi_cases():
        scores = [kernels.call("shi_tomasi", v, image, block_size) for v in kernels.variants("shi_tomasi")]
        for score in scores[1:]:
            np.testing.assert_array_equal(score, scores[0])


@pytest.mark.parametrize("border", BORDERS)
@variants_of("shi_tomasi")
def test_shi_tomasi_is_the_same_wherever_strips_and_bands_of_the_image_meet(variant, border):
    """Widths about whole strips, heights about whole bands, outputs that begin at any place of a line."""
    rng = np.random.default_rng(11)
    for height in (1, 2, 3, 4, 127, 128, 129, 130, 257):
        for width in (*range(29, 37), *range(59, 67), 91, 92, 93, 112):
            pixels = rng.choice((0, 255, 128, 3), (height, width + 9)).astype(np.uint8)
            image = pixels[:, 5 : 5 + width]
            memory = np.full((height + 2, width + 40), 77, np.float32)
            target = memory[1:-1, int(rng.integers(1, 33)) :][:, :width]
            score = kernels.call("shi_tomasi", variant, image, 3, border, out=target)
            np.testing.assert_array_equal(score, kernels.call("shi_tomasi", "scalar", image, 3, border))
            target[:] = 77
            assert (memory == 77).all()


# ---------------------------------------------------------------------------------------------------- corners


@cache
def photograph() -> np.ndarray:
    """A real photograph (public domain), 600 rows of 512."""
    cbook = pytest.importorskip("matplotlib.cbook")
    path = cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    return cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)


def photographs() -> list[np.ndarray]:
    grace = photograph()
    found = [grace, np.ascontiguousarray(grace.T), grace[100:340, 100:420], cv2.resize(grace, (256, 300))]
    try:
        from skimage.data import astronaut
    except ImportError:
        return found
    return [*found, cv2.cvtColor(astronaut(), cv2.COLOR_RGB2GRAY)]


CORNER_LIMITS = [
    pytest.param(max_corners, quality, distance, block, id=f"{max_corners}-{quality}-{distance}-{block}")
    for max_corners, quality, distance, block in (
        (1, 0.01, 0, 3),
        (25, 0.01, 10, 3),
        (100, 0.01, 10, 3),
        (100, 0.01, 0.5, 3),
        (100, 0.3, 1, 5),
        (200, 0.05, 1.4, 7),
        (200, 0.05, 2.5, 15),
        (0, 0.1, 7, 3),
        (0, 0.05, 33.3, 5),
        (0, 0.02, 400, 3),
        (500, 0.02, 4, 3),
    )
]


@pytest.mark.parametrize(("max_corners", "quality", "distance", "block_size"), CORNER_LIMITS)
@variants_of("good_corners")
def test_good_corners_are_opencvs_on_photographs(variant, max_corners, quality, distance, block_size):
    """The same points in the same order."""
    for image in photographs():
        corners = kernels.call(
            "good_corners", variant, image, max_corners, quality, distance, block_size=block_size
        )
        opencv = cv2.goodFeaturesToTrack(image, max_corners, quality, distance, blockSize=block_size)
        np.testing.assert_array_equal(corners, opencv.reshape(-1, 2))


@pytest.mark.parametrize("block_size", (3, 5, 7))
@variants_of("good_corners")
def test_all_corners_of_a_photograph_are_opencvs_and_only_equal_scores_change_places(variant, block_size):
    """Among a thousand corners some scores lie within OpenCV's rounding, 64 units, of each other."""
    for image in photographs():
        corners = kernels.call("good_corners", variant, image, 0, 0.01, 0, block_size=block_size).astype(int)
        opencv = cv2.goodFeaturesToTrack(image, 0, 0.01, 0, blockSize=block_size).reshape(-1, 2).astype(int)
        assert set(map(tuple, corners)) == set(map(tuple, opencv))
        score = kernels.shi_tomasi(image, block_size, "reflect101")
        ours, theirs = (score[points[:, 1], points[:, 0]] for points in (corners, opencv))
        assert (np.abs(ours - theirs) <= 64 * ROUNDING * ours).all()


@variants_of("good_corners")
def test_good_corners_with_a_mask_are_opencvs(variant):
    """The mask limits the corners and the best score that quality is measured by."""
    image = photograph()
    mask = np.zeros_like(image)
    mask[350:560, 60:300] = 1
    corners = kernels.call("good_corners", variant, image, 40, 0.05, 6, mask)
    opencv = cv2.goodFeaturesToTrack(image, 40, 0.05, 6, mask=mask).reshape(-1, 2)
    assert len(corners) == 40
    np.testing.assert_array_equal(corners, opencv)
    assert not len(kernels.call("good_corners", variant, image, 40, 0.05, 6, np.zeros_like(image)))


@pytest.mark.parametrize("kind", ("random", "full contrast", "checkerboard", "impulse", "constant"))
@variants_of("good_corners")
def test_good_corners_follow_the_definition(variant, kind):
    """Also where scores tie: then the later pixel comes first."""
    for height, width in ((1, 1), (2, 9), (3, 3), (17, 33), (33, 31)):
        image = images(height, width)[kind]
        score = kernels.call("shi_tomasi", variant, image, 3, "reflect101")
        for limits in ((0, 0.01, 0), (5, 0.2, 0), (0, 0.05, 2.5), (7, 0.05, 3), (0, 1e-6, 1000.0)):
            corners = kernels.call("good_corners", variant, image, *limits)
            np.testing.assert_array_equal(corners, reference.good_corners(score, *limits))


# Widths about the seams of the tiles that the walk is made of, 640 columns each; and thin images.
SEAMS = ((4, 640), (4, 641), (17, 648), (3, 1281))
THIN = ((1, 1), (1, 650), (90, 1), (2, 3), (70, 2), (16, 16))


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("block_size", (3, 5, 15))
@variants_of("shi_tomasi")
def test_a_tile_scores_what_its_neighbour_sees(variant, block_size, border):
    """Every pixel, also beside a seam, is as near the exact score as the others; thin images likewise."""
    for height, width in (*SEAMS, *THIN):
        for kind in ("random", "full contrast"):
            image = images(height, width)[kind]
            score = kernels.call("shi_tomasi", variant, image, block_size, border)
            exact = reference.shi_tomasi(image, block_size, border)
            ixx, _, iyy = reference.structure_tensor(image, block_size, border)
            larger = (ixx + iyy) * np.longdouble(1) / (4 * 255 * block_size) ** 2 - exact
            assert (np.abs(score - exact) <= 8 * ROUNDING * larger).all()


@pytest.mark.parametrize("block_size", (3, 15))
@variants_of("good_corners")
def test_corners_beside_a_seam_and_in_thin_images_follow_the_definition(variant, block_size):
    """A pixel competes with those of the next tile; a mask may begin anywhere."""
    for height, width in (*SEAMS, *THIN):
        image = images(height, width)["random"]
        score = kernels.call("shi_tomasi", variant, image, block_size, "reflect101")
        mask = strided_view((images(height, width + 1)["random"][:, 1:] > 60).astype(np.uint8))
        for limits in ((0, 0.01, 0), (0, 0.1, 3.5), (10, 0.01, 30)):
            for allowed in (None, mask):
                corners = kernels.call(
                    "good_corners", variant, image, *limits, mask=allowed, block_size=block_size
                )
                expected = reference.good_corners(score, *limits, mask=allowed)
                np.testing.assert_array_equal(corners, expected)


@variants_of("good_corners")
def test_corners_are_the_same_wherever_strips_and_bands_of_the_image_meet(variant):
    """Widths about whole strips of 28 searched columns, heights about whole bands of 126 searched rows."""
    rng = np.random.default_rng(12)
    for height in (3, 4, 127, 128, 129, 130, 255):
        for width in (*range(30, 36), *range(57, 63), *range(85, 91), 112):
            image = rng.choice((0, 255, 128, 3), (height, width + 9)).astype(np.uint8)[:, 5 : 5 + width]
            for limits in ((0, 1e-6, 0), (60, 0.1, 3)):
                corners = kernels.call("good_corners", variant, image, *limits)
                expected = kernels.call("good_corners", "scalar", image, *limits)
                np.testing.assert_array_equal(corners, expected)


@variants_of("good_corners")
def test_on_a_plateau_every_pixel_is_a_corner(variant):
    """Equal scores are each the highest about them, and ties go by place."""
    y, x = np.mgrid[:9, :650]
    for image in ((x % 2 + y % 2) * 100, (x // 2 + y // 2) % 2 * 255):
        image = image.astype(np.uint8)
        score = kernels.call("shi_tomasi", variant, image, 3, "reflect101")
        for limits in ((0, 0.01, 0), (0, 0.01, 2), (70, 0.5, 0), (200, 0.01, 5)):
            corners = kernels.call("good_corners", variant, image, *limits)
            np.testing.assert_array_equal(corners, reference.good_corners(score, *limits))


@variants_of("good_corners")
def test_no_score_exceeds_a_quality_of_one_or_a_flat_image(variant):
    image = images(33, 65)["random"]
    for quality in (1.0, 1.5, 1e30, 1e300):
        assert not len(kernels.call("good_corners", variant, image, 0, quality, 0))
    assert not len(kernels.call("good_corners", variant, np.full((33, 65), 9, np.uint8), 0, 1e-9, 0))


# ------------------------------------------------------------------------------------------------------- laws


@walk(*IMAGE_KERNELS)
def test_a_constant_image_has_no_gradient(op, variant):
    for height, width in ((1, 1), (5, 3), (33, 65)):
        for level in (0, 77, 255):
            results = kernels.call(op, variant, np.full((height, width), level, np.uint8))
            assert not any(
                np.any(result) for result in (results if isinstance(results, tuple) else [results])
            )


@walk("sobel", "gradients")
def test_transposing_swaps_gx_and_gy(op, variant):
    image = images(33, 97)["random"]
    gx, gy = kernels.call(op, variant, image)[:2]
    turned_gx, turned_gy = kernels.call(op, variant, np.ascontiguousarray(image.T))[:2]
    np.testing.assert_array_equal(turned_gx, gy.T)
    np.testing.assert_array_equal(turned_gy, gx.T)


@variants_of("shi_tomasi")
def test_the_score_is_zero_on_an_edge_and_positive_at_a_corner(variant):
    """Parallel gradients have no smaller eigenvalue, in any block size; a corner of a square has."""
    edge = images(33, 65)["step"]
    square = np.zeros((33, 33), np.uint8)
    square[16:, 16:] = 255
    for block_size in range(3, 16, 2):
        assert not kernels.call("shi_tomasi", variant, edge, block_size).any()
        assert kernels.call("shi_tomasi", variant, square, block_size)[16, 16] > 0.01
    assert (kernels.call("shi_tomasi", variant, images(33, 97)["full contrast"], 15) >= 0).all()


@variants_of("shi_tomasi")
def test_turning_the_image_turns_the_score(variant):
    image = images(33, 97)["random"]
    score = kernels.call("shi_tomasi", variant, image, 5)
    turned = kernels.call("shi_tomasi", variant, np.ascontiguousarray(image[::-1, ::-1]), 5)
    np.testing.assert_array_equal(turned, score[::-1, ::-1])


# ----------------------------------------------------------------------------------------------------- memory


@walk(*IMAGE_KERNELS)
def test_views_give_what_their_copies_give(op, variant):
    """A wider row stride, rows upside down, and one row seen many times."""
    for width in WIDTHS:
        image = images(9, width)["random"]
        one_row = np.broadcast_to(image[:1], image.shape)
        for view in (strided_view(image), image[::-1], one_row):
            given = kernels.call(op, variant, view)
            expected = kernels.call(op, variant, np.array(view, order="C"))
            np.testing.assert_array_equal(np.asarray(given), np.asarray(expected))


OUTPUTS = {
    "sobel": (2, np.int16),
    "laplacian": (1, np.int16),
    "gradients": (3, np.int16),
    "shi_tomasi": (1, np.float32),
}


@walk(*IMAGE_KERNELS)
def test_out_is_written_and_nothing_around_it(op, variant):
    """Guard elements before, between and after the rows keep their value."""
    count, dtype = OUTPUTS[op]
    for width in WIDTHS:
        image = images(9, width)["random"]
        guarded = np.full((count, 9 + 2, width + 21), 77, dtype)
        targets = tuple(plane[1:-1, 4 : 4 + width] for plane in guarded)
        returned = kernels.call(op, variant, image, out=targets if count > 1 else targets[0])
        expected = kernels.call(op, variant, image)
        np.testing.assert_array_equal(np.stack(targets), np.reshape(np.asarray(expected), (count, 9, width)))
        assert (returned[0] if count > 1 else returned) is targets[0]
        for target in targets:
            target[:] = 77
        assert (guarded == 77).all()


@walk(*IMAGE_KERNELS)
def test_no_byte_beyond_the_image_matters(op, variant):
    """The bytes before the first and after the last row may hold anything."""
    for width in WIDTHS:
        image = images(3, width)["random"]
        results = []
        for guard in (0, 255):
            buffer = np.full(image.size + 128, guard, np.uint8)
            buffer[64:-64] = image.ravel()
            results.append(np.asarray(kernels.call(op, variant, buffer[64:-64].reshape(image.shape))))
        np.testing.assert_array_equal(*results)


def test_threads_share_the_kernels():
    """Four threads at once get what one gets; a variant named on one thread stays there."""
    image = images(33, 97)["random"]
    expected = kernels.shi_tomasi(image)
    wrong = []

    def work(variant):
        for _ in range(200):
            if not np.array_equal(kernels.call("shi_tomasi", variant, image), expected):
                wrong.append(variant)

    threads = [threading.Thread(target=work, args=(v,)) for v in kernels.variants("shi_tomasi") * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# ----------------------------------------------------------------------------------------------------- errors

GREY = np.zeros((4, 6), np.uint8)
PAIR = (np.zeros((4, 6), np.int16), np.zeros((4, 6), np.int16))
READ_ONLY = np.zeros((4, 6), np.int16)
READ_ONLY.setflags(write=False)
SHARED = np.zeros((8, 12), np.int16)

BAD_CALLS = {
    "dtype": (
        lambda: kernels.sobel(np.zeros((480, 640, 3), np.float32)),
        TypeError,
        "sobel: image must be uint8 with shape (H, W), got float32 (480, 640, 3)",
    ),
    "rank": (
        lambda: kernels.laplacian(np.zeros((480, 640, 3), np.uint8)),
        ValueError,
        "laplacian: image must be uint8 with shape (H, W), got uint8 (480, 640, 3)",
    ),
    "list": (
        lambda: kernels.gradients([[1, 2], [3, 4]]),
        TypeError,
        "gradients: image must be uint8 with shape (H, W), got list",
    ),
    "none": (
        lambda: kernels.shi_tomasi(None),
        TypeError,
        "shi_tomasi: image must be uint8 with shape (H, W), got NoneType",
    ),
    "signed": (
        lambda: kernels.good_corners(GREY.astype(np.int8), 1, 0.1, 1),
        TypeError,
        "good_corners: image must be uint8 with shape (H, W), got int8 (4, 6)",
    ),
    "empty": (
        lambda: kernels.sobel(GREY[:, :0]),
        ValueError,
        "sobel: image must have at least one pixel, got uint8 (4, 0)",
    ),
    "columns with gaps": (
        lambda: kernels.sobel(GREY[:, ::2]),
        ValueError,
        "sobel: image must have a contiguous last axis, got a stride of 2 bytes",
    ),
    "mirrored columns": (
        lambda: kernels.sobel(GREY[:, ::-1]),
        ValueError,
        "sobel: image must have a contiguous last axis, got a stride of -1 bytes",
    ),
    "border": (
        lambda: kernels.sobel(GREY, "wrap"),
        ValueError,
        "sobel: unknown border 'wrap'; available: replicate, reflect101",
    ),
    "aperture": (
        lambda: kernels.laplacian(GREY, 5),
        ValueError,
        "laplacian: aperture must be 1 or 3, got 5",
    ),
    "even block": (
        lambda: kernels.shi_tomasi(GREY, 4),
        ValueError,
        "shi_tomasi: block_size must be odd, 3 to 15, got 4",
    ),
    "large block": (
        lambda: kernels.shi_tomasi(GREY, 17),
        ValueError,
        "shi_tomasi: block_size must be odd, 3 to 15, got 17",
    ),
    "out is one array": (
        lambda: kernels.sobel(GREY, out=PAIR[0]),
        TypeError,
        "sobel: out must be a tuple of 2 arrays, got int16 (4, 6)",
    ),
    "out has one array too many": (
        lambda: kernels.sobel(GREY, out=(*PAIR, PAIR[0])),
        TypeError,
        "sobel: out must be a tuple of 2 arrays, got a tuple of 3",
    ),
    "out dtype": (
        lambda: kernels.sobel(GREY, out=(PAIR[0], PAIR[1].astype(np.int32))),
        TypeError,
        "sobel: out[1] must be int16 with shape (4, 6), got int32 (4, 6)",
    ),
    "out shape": (
        lambda: kernels.laplacian(GREY, out=np.zeros((4, 7), np.int16)),
        ValueError,
        "laplacian: out must be int16 with shape (4, 6), got int16 (4, 7)",
    ),
    "out read-only": (
        lambda: kernels.laplacian(GREY, out=READ_ONLY),
        ValueError,
        "laplacian: out must be writeable, got a read-only array",
    ),
    "out byte order": (
        lambda: kernels.laplacian(GREY, out=PAIR[0].astype(">i2")),
        TypeError,
        "laplacian: out must be int16 with shape (4, 6), got >i2 (4, 6)",
    ),
    "out not aligned": (
        lambda: kernels.laplacian(GREY, out=np.zeros(49, np.uint8)[1:].view(np.int16).reshape(4, 6)),
        ValueError,
        "laplacian: out must be aligned in memory, got int16 (4, 6)",
    ),
    "out rows overlap": (
        lambda: kernels.laplacian(GREY, out=np.lib.stride_tricks.as_strided(PAIR[0], (4, 6), (2, 2))),
        ValueError,
        "laplacian: out has rows that overlap each other",
    ),
    "out twice the same": (
        lambda: kernels.sobel(GREY, out=(PAIR[0], PAIR[0])),
        ValueError,
        "sobel: the arrays of out overlap each other",
    ),
    "out on the input": (
        lambda: kernels.laplacian(SHARED.view(np.uint8)[:4, :6], out=SHARED[:4, :6]),
        ValueError,
        "laplacian: out overlaps the input",
    ),
    "mask shape": (
        lambda: kernels.good_corners(GREY, 1, 0.1, 1, mask=GREY[:3]),
        ValueError,
        "good_corners: mask must be uint8 with the shape of image, got uint8 (3, 6)",
    ),
    "mask dtype": (
        lambda: kernels.good_corners(GREY, 1, 0.1, 1, mask=GREY > 0),
        TypeError,
        "good_corners: mask must be uint8 with shape (H, W), got bool (4, 6)",
    ),
    "negative count": (
        lambda: kernels.good_corners(GREY, -1, 0.1, 1),
        ValueError,
        "good_corners: max_corners must be 0 (no limit) or more, got -1",
    ),
    "no quality": (
        lambda: kernels.good_corners(GREY, 1, float("nan"), 1),
        ValueError,
        "good_corners: quality_level must be above 0, got nan",
    ),
    "negative distance": (
        lambda: kernels.good_corners(GREY, 1, 0.1, -2),
        ValueError,
        "good_corners: min_distance must be 0 or more, got -2",
    ),
    "variant": (
        lambda: kernels.call("sobel", "sse9", GREY),
        ValueError,
        f"sobel: no variant 'sse9' here; available: {', '.join(kernels.variants('sobel'))}",
    ),
    "operation": (
        lambda: kernels.active("sobell"),
        ValueError,
        f"unknown kernel 'sobell'; available: {', '.join(kernels.operations())}",
    ),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_a_wrong_argument_is_named_with_what_was_expected(name):
    call, error, message = BAD_CALLS[name]
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message


# -------------------------------------------------------------------------------------------- choice, imports


def python(code: str, **environment: str) -> subprocess.CompletedProcess:
    """A fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}
    )


# Each operation is called, then asked of the binding which function it fetched for that call.
WHAT_RAN = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from edgefer import _kernels, kernels
from small_calls import CALLS
for op in kernels.operations():
    CALLS[op]()
    ran, variant = _kernels.last_ran()
    assert ran == op and variant == kernels.active(op), (op, ran, variant)
    print(variant)
"""


# Weakest first; x86 and ARM never meet in one process.
INSTRUCTION_SETS = ["scalar", "sse41", "avx2", "avx512bw", "avx512vnni", "neon", "neon_dotprod"]


@pytest.mark.parametrize("isa", sorted({v for op in kernels.operations() for v in kernels.variants(op)}))
def test_a_forced_variant_is_the_one_that_runs(isa):
    """An operation that lacks the forced variant runs its best one that needs less."""
    enough = INSTRUCTION_SETS[: INSTRUCTION_SETS.index(isa) + 1]
    expected = [next(v for v in kernels.variants(op) if v in enough) for op in kernels.operations()]
    ran = python(WHAT_RAN, EDGEFER_ISA=isa)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == expected


def test_without_force_the_best_variant_runs():
    best = [kernels.variants(op)[0] for op in kernels.operations()]
    assert python(WHAT_RAN, EDGEFER_ISA="").stdout.split() == best
    assert all(kernels.variants(op)[-1] == "scalar" for op in kernels.operations())


@pytest.mark.parametrize("name", ("sse9", "AVX2", "scalar ", "0"))
def test_a_false_name_fails_and_lists_the_known_ones(name):
    """At the first call of a kernel, not at import: a command can still report it as one line."""
    assert python("import edgefer.kernels", EDGEFER_ISA=name).returncode == 0
    ran = python(WHAT_RAN, EDGEFER_ISA=name)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1] == (
        f"edgefer.errors.UsageError: EDGEFER_ISA: unknown instruction set '{name}'; "
        f"known: {', '.join(INSTRUCTION_SETS)}"
    )


def test_forcing_what_the_processor_lacks_fails():
    lacking = [v for v in ("neon", "avx2") if v not in kernels.variants("sobel")]
    assert lacking, "no processor has both"
    ran = python(WHAT_RAN, EDGEFER_ISA=lacking[0])
    assert ran.returncode == 1
    assert f"EDGEFER_ISA: this processor lacks '{lacking[0]}'; it has: scalar" in ran.stderr


def test_importing_edgefer_brings_in_at_most_numpy_and_the_kernels():
    """Even once the kernels are used; OpenCV, LiteRT and the rest load in the modules that wrap them."""
    loaded = python("import sys, edgefer; edgefer.kernels.operations(); print(*sys.modules)").stdout.split()
    assert {"edgefer.kernels", "edgefer._kernels", "numpy"} <= set(loaded)
    heavy = (
        "cv2",
        "ai_edge_litert",
        "tflite_runtime",
        "rich",
        "msgspec",
        "keras",
        "torch",
        "tensorflow",
        "tomli",
    )
    assert not {name.split(".")[0] for name in loaded} & set(heavy)


def test_working_memory_that_is_not_there_is_a_memory_error():
    """Eight bytes a pixel do not fit under the limit; nothing is printed, nothing aborts."""
    ran = python(
        "import resource, numpy as np\n"
        "from edgefer import kernels\n"
        "image = np.zeros((5000, 5000), np.uint8)\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), -1))\n"
        "try:\n"
        "    kernels.good_corners(image, 10, 0.1, 5)\n"
        "except MemoryError as error:\n"
        "    print(error)\n"
    )
    assert ran.stdout.startswith("good_corners: no memory for 2"), ran
    assert ran.stderr == ""
