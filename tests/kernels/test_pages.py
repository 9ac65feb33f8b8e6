"""No variant reads or writes beside the arrays it was given: next to them lie forbidden pages.

Whoever touches one is ended by the system with a segmentation fault, and the test run with him.
"""

from __future__ import annotations

import ctypes
import mmap

import numpy as np
import pytest
from random_cascade import random_cascade

from edgefer import kernels

PAGE = mmap.PAGESIZE
ROOM = -(-16384 // PAGE) * PAGE  # bytes for one array
SIDES = ("before", "behind")
SIZES = [(height, width) for height in (1, 2, 5) for width in (*range(1, 36), 63, 64, 65, 97)]

libc = ctypes.CDLL(None, use_errno=True)
libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


class Fenced:
    """Memory between two forbidden pages; each array gets its own as long as there is any."""

    def __init__(self, count: int):
        self.all = [mmap.mmap(-1, ROOM + 2 * PAGE) for _ in range(count)]
        for memory in self.all:
            start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
            for page in (start, start + PAGE + ROOM):
                assert libc.mprotect(page, PAGE, 0) == 0, ctypes.get_errno()
        self.free = list(self.all)

    def placed(self, array: np.ndarray, side: str) -> np.ndarray:
        """A copy of the array that begins, or ends, where the memory does."""
        assert array.nbytes <= ROOM
        offset = PAGE if side == "before" else PAGE + ROOM - array.nbytes
        copy = np.frombuffer(self.free.pop(), array.dtype, array.size, offset).reshape(array.shape)
        copy[...] = array
        return copy


@pytest.fixture(scope="module")
def fenced():
    return Fenced(8)


def image(height: int, width: int, channels: int = 1) -> np.ndarray:
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng([height, width]).integers(0, 256, shape, dtype=np.uint8)


def values(dtype: type, *shape: int) -> np.ndarray:
    return np.random.default_rng(shape).integers(-100, 100, shape).astype(dtype)


INT8 = {"input_zero_point": 3, "output_zero_point": -5, "input_scale": 0.02, "weight_scale": 0.01, "output_scale": 0.5}
STACK = (("grey", "gx", "gy", "laplacian"), (1.0, 0.1, 0.1, 0.1), (-128.0, 0.0, 0.0, 0.0))

# What a call is given that lies in memory, and what else, from height and width.
CALLS = {
    "sobel": ("sobel", lambda h, w: [image(h, w)], lambda h, w: {}),
    "laplacian": ("laplacian", lambda h, w: [image(h, w)], lambda h, w: {}),
    "laplacian, aperture 3": ("laplacian", lambda h, w: [image(h, w)], lambda h, w: {"aperture": 3}),
    "gradients": ("gradients", lambda h, w: [image(h, w)], lambda h, w: {}),
    "shi_tomasi": ("shi_tomasi", lambda h, w: [image(h, w)], lambda h, w: {"block_size": 5}),
    "shi_tomasi, strips": ("shi_tomasi", lambda h, w: [image(h, w + 60)], lambda h, w: {}),
    "luma, yuyv": ("luma", lambda h, w: [image(h, w, 2)], lambda h, w: {"format": "yuyv"}),
    "luma, bgr": ("luma", lambda h, w: [image(h, w, 3)], lambda h, w: {"format": "bgr"}),
    "crop_resize, smaller": (
        "crop_resize",
        lambda h, w: [image(2 * h, 3 * w)],
        lambda h, w: {"box": (0, 0, 3 * w, 2 * h), "size": (h, w)},
    ),
    "crop_resize, larger": (
        "crop_resize",
        lambda h, w: [image(h, w)],
        lambda h, w: {"box": (0, 0, w, h), "size": (2 * h, w + 9)},
    ),
    "stack": (
        "stack",
        lambda h, w: [image(2 * h, 2 * w)],
        lambda h, w: {
            "box": (0, 0, 2 * w, 2 * h),
            "size": (h, w),
            **dict(zip(("channels", "multipliers", "offsets"), STACK, strict=True)),
        },
    ),
    "fully_connected": (
        "fully_connected",
        lambda h, w: [values(np.float32, 2, w), values(np.float32, h, w), values(np.float32, h)],
        lambda h, w: {},
    ),
    "fully_connected_int8": (
        "fully_connected_int8",
        lambda h, w: [values(np.int8, 2, w), values(np.int8, h, w), values(np.int32, h)],
        lambda h, w: dict(INT8),
    ),
}
CASES = [(name, variant) for name, (op, *_) in CALLS.items() for variant in kernels.variants(op)]


def arrays(result) -> list[np.ndarray]:
    return list(result) if isinstance(result, tuple) else [result]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("name", "variant"), CASES, ids=[f"{name}-{variant}" for name, variant in CASES])
def test_nothing_beside_the_arrays_is_touched(fenced, name, variant, side):
    op, inputs, options = CALLS[name]
    for height, width in SIZES:
        given, rest = inputs(height, width), options(height, width)
        expected = arrays(kernels.call(op, variant, *given, **rest))
        fenced.free = list(fenced.all)
        out = [fenced.placed(np.zeros_like(array), side) for array in expected]
        rest["out"] = tuple(out) if len(out) > 1 else out[0]
        kernels.call(op, variant, *(fenced.placed(array, side) for array in given), **rest)
        for got, right in zip(out, expected, strict=True):
            np.testing.assert_array_equal(got, right)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("variant", kernels.variants("good_corners"))
def test_good_corners_stays_inside_image_and_mask(fenced, variant, side):
    for height, width in SIZES:
        given = image(height, width), image(width, height).T.copy()
        fenced.free = list(fenced.all)
        pixels, mask = (fenced.placed(array, side) for array in given)
        got = kernels.call("good_corners", variant, pixels, 10, 0.01, 2, mask=mask)
        expected = kernels.call("good_corners", variant, given[0], 10, 0.01, 2, mask=given[1])
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("variant", kernels.variants("flow"))
def test_flow_stays_inside_its_images(fenced, variant, side):
    for height, width in [(3, 3), (3, 40), (13, 17), (33, 65), (64, 64)]:
        before, after = image(height, width), image(height, width)[::-1].copy()
        x, y = np.meshgrid(np.linspace(0, width - 1, 4), np.linspace(0, height - 1, 4))
        given = before, after, np.stack([x.ravel(), y.ravel()], 1).astype(np.float32)
        fenced.free = list(fenced.all)
        got = kernels.call("flow", variant, *(fenced.placed(array, side) for array in given), 5, 3)
        expected = kernels.call("flow", variant, *given, 5, 3)
        np.testing.assert_array_equal(got[1], expected[1])


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("variant", kernels.variants("cascade"))
@pytest.mark.parametrize("step", (1, 2))
def test_cascade_stays_inside_its_image(fenced, variant, side, step):
    model = kernels.Cascade(**random_cascade())
    for height, width in [(20, 20), (21, 27), (33, 65), (40, 100)]:
        given = image(height, width)
        fenced.free = list(fenced.all)
        got = kernels.call("cascade", variant, fenced.placed(given, side), model, step)
        np.testing.assert_array_equal(got, kernels.call("cascade", variant, given, model, step))
