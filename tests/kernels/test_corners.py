"""shi_tomasi and good_corners: every variant against NumPy from the equation, and against OpenCV."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest
import reference
from kernel_cases import BORDERS, ROUNDING, WIDTHS, images, strided_view, variants_of

from edgefer import kernels

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
    cbook = pytest.importorskip("matplotlib.cbook", reason="the portrait comes with matplotlib (extra `demo`)")
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
        corners = kernels.call("good_corners", variant, image, max_corners, quality, distance, block_size=block_size)
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
                corners = kernels.call("good_corners", variant, image, *limits, mask=allowed, block_size=block_size)
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
