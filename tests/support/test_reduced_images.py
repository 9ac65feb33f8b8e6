"""What a large region of a frame looks like where rows are left out."""

from __future__ import annotations

import numpy as np
import pytest

from edgefer.geometry import Box
from edgefer.kernels import crop_resize
from edgefer.support.images import reduced


def smooth(height: int, width: int) -> np.ndarray:
    """Waves far longer than a step between rows."""
    y, x = np.mgrid[:height, :width]
    return np.rint(127 + 60 * np.sin(y / 31) + 60 * np.cos(x / 47)).astype(np.uint8)


@pytest.mark.parametrize("region", [(0, 0, 960, 720), (-120.5, -81.25, 900, 801), (37.5, 11, 1000, 731.5)], ids=str)
def test_rows_that_are_left_out_neither_move_nor_stretch_a_region(region):
    frame = smooth(720, 960)
    apart = reduced(frame, Box(*region), (120, 160)).astype(int) - crop_resize(frame, region, (120, 160))
    assert abs(apart).max() <= 2 and abs(apart.mean()) < 0.1


def test_up_to_four_rows_in_one_all_are_read():
    frame = np.random.default_rng(0).integers(0, 256, (480, 640), np.uint8)
    whole = Box(0, 0, 640, 480)
    assert np.array_equal(reduced(frame, whole, (120, 160)), crop_resize(frame, whole, (120, 160)))
