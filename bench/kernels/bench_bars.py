"""The bars: each kernel beside its peer in the same run, and beside a copy of the bytes it moves.

`make bench` runs this with the other suites, prints the table and writes bench/results/kernels.json. A case
fails when three quarters of its rounds lie below the bar: a slow commit does, a noisy moment does not. Where
a bar is missed, the table says so, and the case fails below what was reached. Both sides run on one thread
through Python, on the same warm input, into outputs allocated beforehand where the
API takes them, and their results are compared first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from bench_cascade import cascade_calls
from bench_flow import flow_calls
from cases import (
    good_corners_opencv,
    gradients_opencv,
    kernel_call,
    laplacian_opencv,
    photograph,
    shi_tomasi_opencv,
    sobel_opencv,
)
from paired import paired
from tflite_layer import run_reference_kernels
from tflite_networks import float_network, int8_network, litert

from edgefer import kernels

cv2.setNumThreads(1)


@dataclass(frozen=True)
class Case:
    """Two functions of no arguments to be timed, after `check` has compared what they return.

    Attributes:
        bar: least ratio peer / ours; None where nothing is promised.
        floor: where the bar is missed, and docs/kernels.md says why: the ratio that must not be lost.
    """

    name: str
    size: str
    peer: str
    bar: float | None
    make: Callable[[], tuple[Callable, Callable]]
    floor: float | None = None


def equal(ours: Callable, peer: Callable, tolerance: float = 0) -> tuple[Callable, Callable]:
    """The two functions, once their results agree."""
    got, expected = ours(), peer()
    pairs = zip(got, expected, strict=True) if isinstance(got, tuple) else [(got, expected)]
    for one, other in pairs:
        np.testing.assert_allclose(np.asarray(one, float), np.asarray(other, float), rtol=0, atol=tolerance)
    return ours, peer


def size_of(text: str) -> tuple[int, int]:
    """(height, width) of "640x480"."""
    width, height = text.split("x")
    return int(height), int(width)


def beside_opencv(
    op: str, size: str, bar: float | None, peer: Callable, tolerance: float = 0, floor: float | None = None
) -> Case:
    def make():
        image = photograph(*size_of(size))
        return equal(kernel_call(op, image), peer(image), tolerance)

    return Case(op, size, "OpenCV", bar, make, floor)


def beside_copy(name: str, size: str, bar: float, ours: Callable, bytes_a_pixel: float) -> Case:
    """The peer copies half of the bytes, for it reads each and writes each."""

    def make():
        height, width = size_of(size)
        count = round(height * width * bytes_a_pixel / 2)
        source, target = np.ones(count, np.uint8), np.zeros(count, np.uint8)
        return ours(size), lambda: np.copyto(target, source)

    return Case(name, size, "copy of the same bytes", bar, make)


def gradients_of(size: str) -> Callable:
    return kernel_call("gradients", photograph(*size_of(size)))


# ------------------------------------------------------------------------------------------ luma and resizing


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def luma_call(format: str, channels: int) -> Callable:
    frame, out = noise(480, 640, channels), np.empty((480, 640), np.uint8)
    return lambda: kernels.luma(frame, format, out=out)


def luma_case(format: str, channels: int, code: int) -> Callable:
    def make():
        frame, out = noise(480, 640, channels), np.empty((480, 640), np.uint8)
        return equal(luma_call(format, channels), lambda: cv2.cvtColor(frame, code, dst=out))

    return make


def resize_case(box: tuple, size: tuple[int, int], method: str, interpolation: int) -> Callable:
    """OpenCV rounds in another way: a level apart, and at the rim it does not look beyond the box."""

    def make():
        image = photograph(480, 640)
        x0, y0, x1, y1 = box
        part = image[y0:y1, x0:x1]
        out, other = np.empty(size, np.uint8), np.empty(size, np.uint8)

        def ours():
            return kernels.crop_resize(image, box, size, method, out=out)

        def opencv():
            return cv2.resize(part, size[::-1], dst=other, interpolation=interpolation)

        inside = abs(ours().astype(int) - opencv())[2:-2, 2:-2]
        assert inside.max() <= 1
        return ours, opencv

    return make


def stack_case() -> tuple[Callable, Callable]:
    """The peer is the shortest sequence that gives these bytes, but for a grey level of its resize."""
    image, size = photograph(480, 640), (64, 64)
    x0, y0, x1, y1 = box = (200, 100, 400, 300)
    channels = ("grey", "gx", "gy", "laplacian")
    factors, offsets = (1.0, 0.25, 0.25, 0.5), (-128.0, 0.0, 0.0, 0.0)
    out = np.empty((*size, 4), np.int8)
    grey = np.empty(size, np.uint8)
    gx, gy, second = (np.empty(size, np.int16) for _ in range(3))
    planes, merged = [np.empty(size, np.int8) for _ in channels], np.empty((*size, 4), np.int8)

    def ours():
        return kernels.stack(image, box, size, channels, factors, offsets, out=out)

    def opencv():
        cv2.resize(image[y0:y1, x0:x1], size, dst=grey, interpolation=cv2.INTER_AREA)
        cv2.spatialGradient(grey, gx, gy)  # both Sobel images at once
        cv2.Laplacian(grey, cv2.CV_16S, dst=second)
        cv2.subtract(grey, 128, dst=planes[0], dtype=cv2.CV_8S)
        cv2.multiply(gx, 0.25, dst=planes[1], dtype=cv2.CV_8S)
        cv2.multiply(gy, 0.25, dst=planes[2], dtype=cv2.CV_8S)
        cv2.multiply(second, 0.5, dst=planes[3], dtype=cv2.CV_8S)
        return cv2.merge(planes, dst=merged)

    apart = abs(ours().astype(int) - opencv())
    assert apart.max() <= 2
    assert (apart == 0).mean() > 0.99
    return ours, opencv


# --------------------------------------------------------------------------------------------- dense networks


def khan_case(peer: str) -> Callable:
    """The network of the khan paper, 12-12-7-7, one sample, beside LiteRT or NumPy."""

    def make():
        rng, widths = np.random.default_rng(0), (12, 12, 7, 7)
        activations = ("sigmoid", "sigmoid", "softmax")
        layers = [
            (rng.standard_normal((n, m), np.float32), rng.standard_normal(n, np.float32), activation)
            for m, n, activation in zip(widths, widths[1:], activations, strict=False)
        ]
        x, out = rng.standard_normal((1, 12), np.float32), np.empty((1, 7), np.float32)
        mlp = kernels.Mlp(layers)
        turned = [np.ascontiguousarray(weights.T) for weights, _, _ in layers]
        hidden = [np.empty((1, n), np.float32) for n in widths[1:]]

        def with_numpy():
            y = x
            for weights, (_, bias, activation), buffer in zip(turned, layers, hidden, strict=True):
                y = np.matmul(y, weights, out=buffer)
                y += bias
                if activation == "sigmoid":
                    np.negative(y, out=y)
                    np.exp(y, out=y)
                    y += 1
                    np.divide(1, y, out=y)
            y -= y.max()
            np.exp(y, out=y)
            y /= y.sum()
            return y

        other = with_numpy if peer == "NumPy" else litert(float_network(layers), x)
        return equal(lambda: mlp(x, out), other, 1e-6)

    return make


def int8_case() -> tuple[Callable, Callable]:
    """Bits are compared with TFLite's reference kernels; XNNPACK, timed here, may round a level apart."""
    rng, widths = np.random.default_rng(0), (256, 256, 8)
    layers = [
        (
            rng.integers(-127, 128, (n, m)).astype(np.int8),
            rng.integers(-20000, 20000, n).astype(np.int32),
            0.005,
            scale,
            zero_point,
            activation,
        )
        for m, n, scale, zero_point, activation in zip(
            widths, widths[1:], (0.2, 2.0), (-128, 5), ("relu", "none"), strict=False
        )
    ]
    x, out = rng.integers(-128, 128, (1, 256)).astype(np.int8), np.empty((1, 8), np.int8)
    mlp = kernels.MlpInt8(layers, input_scale=0.02, input_zero_point=3)
    model = int8_network(layers, 0.02, 3)
    np.testing.assert_array_equal(mlp(x), run_reference_kernels(model, x))
    return equal(lambda: mlp(x, out), litert(model, x), 1)


CASES = [
    *(beside_opencv("gradients", size, 3, gradients_opencv) for size in ("1280x720", "640x480")),
    *(beside_copy("gradients", size, 0.5, gradients_of, 7) for size in ("1280x720", "640x480")),
    *(beside_opencv("gradients", size, 2, gradients_opencv) for size in ("112x112", "64x64")),
    beside_opencv("sobel", "640x480", None, sobel_opencv),
    beside_opencv("laplacian", "640x480", None, laplacian_opencv),
    # the bound of the two roundings is in tests/kernels/test_corners.py
    *(beside_opencv("shi_tomasi", size, 10, shi_tomasi_opencv, 1e-6, 6.5) for size in ("640x480", "112x112")),
    *(beside_opencv("good_corners", size, 6, good_corners_opencv) for size in ("640x480", "112x112")),
    Case("flow, 24 points and back", "82x82", "OpenCV", None, flow_calls),
    Case("cascade, all sizes", "320x240", "OpenCV", 3, cascade_calls(240, 320)),
    Case("cascade, sizes of a known face", "82x82", "OpenCV", None, cascade_calls(82, 82)),
    Case("stack, 200 px to int8", "64x64x4", "OpenCV", 10, stack_case),
    Case(
        "crop_resize, area",
        "200 px to 64x64",
        "OpenCV",
        None,
        resize_case((200, 100, 400, 300), (64, 64), "area", cv2.INTER_AREA),
    ),
    Case(
        "crop_resize, area",
        "640x480 to 320x240",
        "OpenCV",
        None,
        resize_case((0, 0, 640, 480), (240, 320), "area", cv2.INTER_AREA),
    ),
    Case(
        "crop_resize, bilinear",
        "48 px to 64x64",
        "OpenCV",
        None,
        resize_case((200, 100, 248, 148), (64, 64), "bilinear", cv2.INTER_LINEAR),
    ),
    Case("luma, YUYV", "640x480", "OpenCV", 3, luma_case("yuyv", 2, cv2.COLOR_YUV2GRAY_YUYV)),
    beside_copy("luma, YUYV", "640x480", 0.5, lambda size: luma_call("yuyv", 2), 3),
    Case("luma, BGR", "640x480", "OpenCV", None, luma_case("bgr", 3, cv2.COLOR_BGR2GRAY)),
    Case("mlp 12-12-7-7", "one sample", "LiteRT", 5, khan_case("LiteRT")),
    Case("mlp 12-12-7-7", "one sample", "NumPy", 10, khan_case("NumPy")),
    Case("mlp int8 256-256-8", "one sample", "LiteRT", 2, int8_case),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name} {case.size} beside {case.peer}")
def test_bar(benchmark, bars, case):
    ours, peer = case.make()
    pair = paired(ours, peer)
    bars.append((case, pair))
    benchmark.group = f"bar: {case.name} {case.size}"
    benchmark.extra_info.update(peer=case.peer, ratio=pair.ratio, low=pair.low, high=pair.high, bar=case.bar)
    benchmark.pedantic(ours, rounds=20, iterations=max(1, int(2e5 / pair.ours_ns)))
    least = case.floor or case.bar
    if least is not None:
        assert pair.high >= least, (
            f"{pair.ratio:.2f} times {case.peer}, not {least:g}; three quarters of the rounds are below it"
        )
