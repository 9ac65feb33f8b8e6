"""luma, every variant beside OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import reference
from cases import rows

from edgefer import kernels

RNG = np.random.default_rng(0)
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
