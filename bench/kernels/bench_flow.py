"""flow, every variant beside OpenCV."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from cases import photograph

from edgefer import kernels


@pytest.mark.parametrize("row", [*kernels.variants("flow"), "opencv"])
def test_flow(benchmark, row):
    """24 corners of the tracker's patch, there and back."""
    benchmark.group = "flow 82x82, 24 points"
    ours, opencv = flow_calls()
    with kernels.forced(None if row == "opencv" else row):
        benchmark(opencv if row == "opencv" else ours)


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
