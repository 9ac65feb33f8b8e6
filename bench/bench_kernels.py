"""Every kernel variant beside OpenCV and NumPy, on one thread: `pytest bench/bench_kernels.py`.

A group is an operation at one size, a row a variant or a baseline. Each row's result is asserted before it is
timed. Inputs stay the same from call to call, so the cache is warm.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgefer import kernels
from edgefer.detect.cascade import CascadeSearch
from edgefer.geometry import xywh_to_xyxy

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import reference  # noqa: E402

cv2.setNumThreads(1)

SIZES = {"48x48": (48, 48), "64x64": (64, 64), "112x112": (112, 112), "640x480": (480, 640)}


def photograph(height: int, width: int) -> np.ndarray:
    """A real photograph at that size, where matplotlib brings one; else smooth noise."""
    try:
        from matplotlib.cbook import get_sample_data

        grey = cv2.imread(str(get_sample_data("grace_hopper.jpg", asfileobj=False)), cv2.IMREAD_GRAYSCALE)
    except ImportError:
        grey = cv2.GaussianBlur(
            np.random.default_rng(0).integers(0, 256, (600, 512), dtype=np.uint8), (0, 0), 2
        )
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


CASES = [
    pytest.param(op, size, row, id=f"{op}-{size}-{row}")
    for op, (_, baselines) in OPERATIONS.items()
    for size in SIZES
    for row in (*kernels.variants(op), *baselines)
]


@pytest.mark.parametrize(("op", "size", "row"), CASES)
def test_kernel(benchmark, op, size, row):
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


@pytest.mark.parametrize("row", [*kernels.variants("flow"), "opencv"])
def test_flow(benchmark, row):
    """24 corners of the tracker's patch, there and back."""
    benchmark.group = "flow 82x82, 24 points"
    ours, opencv = flow_calls()
    with kernels.forced(None if row == "opencv" else row):
        benchmark(opencv if row == "opencv" else ours)


@pytest.mark.parametrize("row", [*kernels.variants("cascade"), "opencv"])
def test_cascade(benchmark, row):
    """A search for frontal faces, of all sizes from 25 pixels."""
    benchmark.group = "cascade 320x240"
    ours, opencv = cascade_calls(240, 320)()
    with kernels.forced(None if row == "opencv" else row):
        benchmark(opencv if row == "opencv" else ours)


def cascade_calls(height: int, width: int) -> Callable[[], tuple[Callable, Callable]]:
    """Ours and OpenCV's, with every step of the pyramid and the grouping; both find the same."""

    def make() -> tuple[Callable, Callable]:
        image, name = photograph(height, width), "haarcascade_frontalface_alt2.xml"
        ours, opencv = CascadeSearch(name), cv2.CascadeClassifier(cv2.data.haarcascades + name)

        def theirs():
            return opencv.detectMultiScale2(image, 1.2, 1, minSize=(25, 25))

        boxes, counts = theirs()
        found = sorted(
            (*map(float, xywh_to_xyxy(*box)), count) for box, count in zip(boxes, counts, strict=True)
        )
        assert [(*box, count) for box, count in ours.windows(image, 1.2, 25, width)] == found
        return lambda: ours.windows(image, 1.2, 25, width), theirs

    return make


def flow_calls() -> tuple[Callable, Callable]:
    """Ours and OpenCV's, on a face that has moved between two frames; both find nearly the same places."""
    before = photograph(82, 82)
    after = cv2.warpAffine(before, np.float32([[1, 0, 1.7], [0, 1, -0.9]]), (82, 82))
    points = kernels.good_corners(before[19:-19, 19:-19], 24, 0.02, 4) + np.float32(19)
    options = {"winSize": (13, 13), "maxLevel": 2}

    def opencv():
        there, _, _ = cv2.calcOpticalFlowPyrLK(before, after, points[:, None], None, **options)
        back, _, _ = cv2.calcOpticalFlowPyrLK(after, before, there, None, **options)
        return there, back

    there, error = kernels.flow(before, after, points)
    apart = np.linalg.norm(there - opencv()[0][:, 0], axis=1)
    assert np.median(apart[error < 1]) < 0.1
    return lambda: kernels.flow(before, after, points), opencv


def check(got, expected, op: str, is_baseline: bool) -> None:
    """Equal, but for the rounding of OpenCV's score (bounded in tests/kernels/test_corners.py)."""
    tolerance = 1e-6 if op == "shi_tomasi" and is_baseline else 0
    pairs = zip(got, expected, strict=True) if isinstance(expected, tuple) else [(got, expected)]
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)
