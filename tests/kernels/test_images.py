"""What holds for every kernel that makes planes of an image: laws, memory, and errors."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_cases import IMAGE_KERNELS, OUTPUTS, WIDTHS, images, strided_view, walk

from edgefer import kernels


@walk(*IMAGE_KERNELS)
def test_a_constant_image_has_no_gradient(op, variant):
    for height, width in ((1, 1), (5, 3), (33, 65)):
        for level in (0, 77, 255):
            results = kernels.call(op, variant, np.full((height, width), level, np.uint8))
            assert not any(np.any(result) for result in (results if isinstance(results, tuple) else [results]))


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
    "aperture": (lambda: kernels.laplacian(GREY, 5), ValueError, "laplacian: aperture must be 1 or 3, got 5"),
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
