"""luma, crop_resize, stack and the dense layers, every variant beside OpenCV, NumPy and LiteRT.

Each case first asserts its result, then times it. Inputs fit the caches and are warm.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgefer import kernels

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
import reference  # noqa: E402
from tflite_layer import fully_connected_model, reference_interpreter  # noqa: E402

cv2.setNumThreads(1)
RNG = np.random.default_rng(0)
VGA = RNG.integers(0, 256, (480, 640), dtype=np.uint8)
FACE = (200.0, 100.0, 400.0, 300.0)  # a face of 200 pixels
SIDE = (64, 64)


def rows(op: str, *peers: str) -> list[str]:
    """The variants of an operation, then what it is measured beside."""
    return [*kernels.variants(op), *peers]


# ------------------------------------------------------------------------------------------------------ luma

FRAMES = {
    "bgr": (RNG.integers(0, 256, (480, 640, 3), dtype=np.uint8), cv2.COLOR_BGR2GRAY),
    "yuyv": (RNG.integers(0, 256, (480, 640, 2), dtype=np.uint8), cv2.COLOR_YUV2GRAY_YUYV),
}


@pytest.mark.parametrize("row", rows("luma", "opencv"))
@pytest.mark.parametrize("format", FRAMES)
def test_luma(benchmark, format, row):
    benchmark.group = f"luma {format} 640x480"
    frame, code = FRAMES[format]
    out = np.empty((480, 640), np.uint8)

    def run():
        if row == "opencv":
            return cv2.cvtColor(frame, code, dst=out)
        return kernels.call("luma", row, frame, format, out=out)

    np.testing.assert_array_equal(run(), reference.luma(frame, format))
    benchmark(run)


# ----------------------------------------------------------------------------------------------- crop_resize

CROPS = {
    "200 px to 64x64, area": (FACE, "area", cv2.INTER_AREA),
    "48 px to 64x64, bilinear": ((200.0, 100.0, 248.0, 148.0), "bilinear", cv2.INTER_LINEAR),
}


@pytest.mark.parametrize("row", rows("crop_resize", "opencv"))
@pytest.mark.parametrize("crop", CROPS)
def test_crop_resize(benchmark, crop, row):
    benchmark.group = f"crop_resize {crop}"
    box, method, interpolation = CROPS[crop]
    out = np.empty(SIDE, np.uint8)

    def run():
        if row == "opencv":
            x0, y0, x1, y1 = (int(edge) for edge in box)
            return cv2.resize(VGA[y0:y1, x0:x1], SIDE, dst=out, interpolation=interpolation)
        return kernels.call("crop_resize", row, VGA, box, SIDE, method, out=out)

    # OpenCV's box ends at its own edge pixels, ours interpolates beyond them: only the inside agrees.
    expected = reference.crop_resize(VGA, box, SIDE, method)[2:-2, 2:-2]
    assert abs(run()[2:-2, 2:-2].astype(int) - expected).max() <= (1 if row == "opencv" else 0)
    benchmark(run)


# ----------------------------------------------------------------------------------------------------- stack

CHANNELS = {
    "grey": ((1.0,), (-128.0,)),
    "grey+sobel": ((1.0, 0.25, 0.25), (-128.0, 0.0, 0.0)),
}
KINDS = {"grey": ("grey",), "grey+sobel": ("grey", "gx", "gy")}


def opencv_stack(channels, multipliers, offsets, scratch):
    """The shortest sequence of OpenCV and NumPy calls that makes the same tensor, its arrays kept."""
    x0, y0, x1, y1 = (int(edge) for edge in FACE)
    grey = cv2.resize(VGA[y0:y1, x0:x1], SIDE, interpolation=cv2.INTER_AREA)
    scratch[..., 0] = grey
    if len(channels) > 1:
        scratch[..., 1] = cv2.Sobel(grey, cv2.CV_16S, 1, 0)
        scratch[..., 2] = cv2.Sobel(grey, cv2.CV_16S, 0, 1)
    np.multiply(scratch, multipliers, out=scratch)
    np.add(scratch, offsets, out=scratch)
    np.rint(scratch, out=scratch)
    np.clip(scratch, -128, 127, out=scratch)
    return scratch.astype(np.int8)


@pytest.mark.parametrize("row", rows("stack", "opencv+numpy"))
@pytest.mark.parametrize("name", CHANNELS)
def test_stack(benchmark, name, row):
    benchmark.group = f"stack {name} 200 px to 64x64"
    channels, (multipliers, offsets) = KINDS[name], CHANNELS[name]
    out = np.empty((*SIDE, len(channels)), np.int8)
    scratch = np.empty(out.shape, np.float32)
    factors, terms = np.array(multipliers, np.float32), np.array(offsets, np.float32)

    def run():
        if row == "opencv+numpy":
            return opencv_stack(channels, factors, terms, scratch)
        return kernels.call("stack", row, VGA, FACE, SIDE, channels, multipliers, offsets, out=out)

    difference = abs(run().astype(int) - reference.stack(VGA, FACE, SIDE, channels, multipliers, offsets))
    # One grey level apart in the resized image is up to 8 quarters in a gradient.
    assert difference.max() <= (2 if row == "opencv+numpy" else 0)
    benchmark(run)


# -------------------------------------------------------------------------------------------- dense networks


def khan_layers():
    """Khan's network, 12-12-7-7."""
    widths = (12, 12, 7, 7)
    return [
        (
            RNG.standard_normal((outputs, inputs), dtype=np.float32),
            RNG.standard_normal(outputs, dtype=np.float32),
            activation,
        )
        for inputs, outputs, activation in zip(
            widths[:-1], widths[1:], ("sigmoid", "sigmoid", "softmax"), strict=True
        )
    ]


@pytest.mark.parametrize("row", rows("fully_connected", "numpy"))
def test_mlp(benchmark, row):
    benchmark.group = "mlp 12-12-7-7, one sample"
    layers = khan_layers()
    x, out = RNG.standard_normal(12, dtype=np.float32), np.empty(7, np.float32)
    mlp = kernels.Mlp(layers)

    def numpy_mlp():
        y = x
        for weights, bias, activation in layers:
            y = weights @ y + bias
            if activation == "sigmoid":
                y = 1 / (1 + np.exp(-y))
        y = np.exp(y - y.max())
        return y / y.sum()

    expected = x
    for layer in layers:
        expected = reference.fully_connected(expected, *layer)
    run = numpy_mlp if row == "numpy" else lambda: mlp(x, out)
    with kernels.forced(None if row == "numpy" else row):
        np.testing.assert_allclose(run(), expected, atol=1e-6)
        benchmark(run)


@pytest.mark.parametrize("row", rows("fully_connected_int8", "tflite reference kernel"))
def test_fully_connected_int8(benchmark, row):
    benchmark.group = "fully_connected_int8 1024 to 256, one sample"
    weights = RNG.integers(-127, 128, (256, 1024)).astype(np.int8)
    bias = RNG.integers(-9999, 9999, 256).astype(np.int32)
    x = RNG.integers(-128, 128, (1, 1024)).astype(np.int8)
    arguments = {
        "input_zero_point": 3,
        "output_zero_point": -5,
        "input_scale": 0.02,
        "weight_scale": 0.01,
        "output_scale": 0.6,
    }
    model = fully_connected_model(weights, bias, 1, **arguments)
    interpreter = reference_interpreter(model)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    expected = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    if row == "tflite reference kernel":
        run = interpreter.invoke
    else:

        def run():
            return kernels.call("fully_connected_int8", row, x, weights, bias, **arguments)

        np.testing.assert_array_equal(run(), expected)
    benchmark(run)
