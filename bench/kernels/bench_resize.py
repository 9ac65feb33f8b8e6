"""crop_resize and stack, every variant beside OpenCV and NumPy."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import reference
from cases import rows

from edgefer import kernels

RNG = np.random.default_rng(0)
VGA = RNG.integers(0, 256, (480, 640), dtype=np.uint8)
FACE = (200.0, 100.0, 400.0, 300.0)  # a face of 200 pixels
SIDE = (64, 64)

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


CHANNELS = {"grey": ((1.0,), (-128.0,)), "grey+sobel": ((1.0, 0.25, 0.25), (-128.0, 0.0, 0.0))}
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
