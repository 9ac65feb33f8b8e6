"""A reading told in another picture: a part of a larger one, or one that is enlarged."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import fields

from edgefer.geometry import Box
from edgefer.values import FaceReading, Quality


def seen(**more) -> FaceReading:
    return FaceReading(1, Box(10, 20, 30, 60), "neutral", 1.0, {"neutral": 1.0}, Quality(40, 1.0, 100.0), **more)


PLACES = np.array([[10, 20], [29, 59]], np.float32)  # centres of the first and the last pixel of the box


@pytest.mark.parametrize("name", ["landmarks", "points"])
@pytest.mark.parametrize(("factor", "shift"), [(1, (7, 5)), (4, (0, 0)), (2, (100, 3))], ids=str)
def test_boxes_and_points_lie_where_their_pixels_come_to(name, factor, shift):
    whole = seen(**{name: PLACES}).elsewhere(factor, shift)
    picture = np.zeros((80, 60), np.uint8)
    for x, y in PLACES.astype(int):
        picture[y, x] = 255
    larger = np.zeros((80 * factor + shift[1], 60 * factor + shift[0]), np.uint8)
    larger[shift[1] :, shift[0] :] = picture.repeat(factor, axis=0).repeat(factor, axis=1)
    rows, columns = larger.nonzero()
    assert whole.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    middles = getattr(whole, name)
    first = rows < 20 * factor + shift[1] + factor
    expected = [(columns[part].mean(), rows[part].mean()) for part in (first, ~first)]
    np.testing.assert_allclose(middles, expected)
    assert middles.dtype == np.float32 and np.array_equal(PLACES, [[10, 20], [29, 59]])


def test_whatever_lies_in_the_picture_is_told():
    """A field of points that is new has to be thought of."""
    arrays = {field.name for field in fields(FaceReading) if "ndarray" in str(field.type)}
    assert arrays == {"landmarks", "points", "sketch"}
