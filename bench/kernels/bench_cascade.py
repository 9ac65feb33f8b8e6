"""cascade, every variant beside OpenCV's classifier."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import pytest
from cases import photograph

from edgefer import kernels
from edgefer.detect.haar import CascadeSearch
from edgefer.geometry import xywh_to_xyxy


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
        found = sorted((*map(float, xywh_to_xyxy(*box)), count) for box, count in zip(boxes, counts, strict=True))
        assert [(*box, count) for box, count in ours.windows(image, 1.2, 25, width)] == found
        return lambda: ours.windows(image, 1.2, 25, width), theirs

    return make
