"""What the benches of the families share: images, a kernel's call, its baselines, and what is timed.

A group is an operation at one size, a row a variant or a baseline. Each row's result is asserted before it is
timed. Inputs stay the same from call to call, so the cache is warm.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import reference

from edgefer import kernels

cv2.setNumThreads(1)


SIZES = {"48x48": (48, 48), "64x64": (64, 64), "112x112": (112, 112), "640x480": (480, 640)}


def photograph(height: int, width: int) -> np.ndarray:
    """A real photograph at that size, where matplotlib brings one; else smooth noise."""
    try:
        from matplotlib.cbook import get_sample_data

        grey = cv2.imread(str(get_sample_data("grace_hopper.jpg", asfileobj=False)), cv2.IMREAD_GRAYSCALE)
    except ImportError:
        grey = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (600, 512), dtype=np.uint8), (0, 0), 2)
    return cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)


# A baseline does what the kernel does, on the same image, the fastest way its library offers; where a library
# takes outputs, they are allocated beforehand, as are ours.
def sobel_opencv(image: np.ndarray) -> Callable:
    gx, gy = np.empty(image.shape, np.int16), np.empty(image.shape, np.int16)

    def run():
        cv2.Sobel(image, cv2.CV_16S, 1, 0, dst=gx)
        cv2.Sobel(image, cv2.CV_16S, 0, 1, dst=gy)
        return gx, gy

    return run


def laplacian_opencv(image: np.ndarray) -> Callable:
    out = np.empty(image.shape, np.int16)
    return lambda: cv2.Laplacian(image, cv2.CV_16S, dst=out)


def gradients_opencv(image: np.ndarray) -> Callable:
    sobel, laplacian = sobel_opencv(image), laplacian_opencv(image)
    return lambda: (*sobel(), laplacian())


def shi_tomasi_opencv(image: np.ndarray) -> Callable:
    out = np.empty(image.shape, np.float32)
    return lambda: cv2.cornerMinEigenVal(image, 3, dst=out, borderType=cv2.BORDER_REPLICATE)


def good_corners_opencv(image: np.ndarray) -> Callable:
    return lambda: cv2.goodFeaturesToTrack(image, 100, 0.01, 5).reshape(-1, 2)


def sobel_numpy(image: np.ndarray) -> Callable:
    return lambda: tuple(np.asarray(part, np.int16) for part in reference.sobel(image))


# By operation: its arguments after the image, and its baselines.
OPERATIONS: dict[str, tuple[tuple, dict[str, Callable[[np.ndarray], Callable]]]] = {
    "sobel": ((), {"opencv": sobel_opencv, "numpy": sobel_numpy}),
    "laplacian": ((), {"opencv": laplacian_opencv}),
    "gradients": ((), {"opencv": gradients_opencv}),
    "shi_tomasi": ((3,), {"opencv": shi_tomasi_opencv}),
    "good_corners": ((100, 0.01, 5), {"opencv": good_corners_opencv}),
}
OUTPUTS = {
    "sobel": (2, np.int16),
    "laplacian": (1, np.int16),
    "gradients": (3, np.int16),
    "shi_tomasi": (1, np.float32),
}


def kernel_call(op: str, image: np.ndarray) -> Callable:
    """The kernel on the image, its outputs allocated beforehand where it takes them."""
    options = {}
    if op in OUTPUTS:
        count, dtype = OUTPUTS[op]
        buffers = tuple(np.empty(image.shape, dtype) for _ in range(count))
        options["out"] = buffers if count > 1 else buffers[0]
    function, arguments = getattr(kernels, op), OPERATIONS[op][0]
    return lambda: function(image, *arguments, **options)


def every_row(*ops: str):
    """A case for each size of the operations, and for each variant and baseline."""
    cases = [(op, size, row) for op in ops for size in SIZES for row in rows(op, *OPERATIONS[op][1])]
    return pytest.mark.parametrize(("op", "size", "row"), cases, ids=["-".join(case) for case in cases])


def rows(op: str, *peers: str) -> list[str]:
    """The variants of an operation, then what it is measured beside."""
    return [*kernels.variants(op), *peers]


def time_row(benchmark, op: str, size: str, row: str) -> None:
    image = photograph(*SIZES[size])
    arguments, baselines = OPERATIONS[op]
    is_baseline = row in baselines
    run = baselines[row](image) if is_baseline else kernel_call(op, image)
    expected = kernels.call(op, "scalar", image, *arguments)
    with kernels.forced(None if is_baseline else row):
        check(run(), expected, op, is_baseline)
        benchmark.group = f"{op} {size}"
        benchmark.extra_info["row"] = row
        benchmark(run)


def check(got, expected, op: str, is_baseline: bool) -> None:
    """Equal, but for the rounding of OpenCV's score (bounded in tests/kernels/test_corners.py)."""
    tolerance = 1e-6 if op == "shi_tomasi" and is_baseline else 0
    pairs = zip(got, expected, strict=True) if isinstance(expected, tuple) else [(got, expected)]
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)
