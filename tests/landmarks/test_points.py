"""The square about 68 points, and what belongs to what among them."""

from __future__ import annotations

import numpy as np
import pytest
from landmark_doubles import head_points

from edgefer.geometry import Box, iou, snapped
from edgefer.landmarks.points import CLOSED_LINES, OPEN_LINES, eye_distance, face_square


def test_lines_name_every_point_once():
    named = [index for first, last in (*OPEN_LINES, *CLOSED_LINES) for index in range(first, last + 1)]
    assert sorted(named) == list(range(68))


def test_the_square_reaches_from_above_the_brows_to_the_chin():
    points = head_points()
    box = face_square(points)
    assert box.width == pytest.approx(box.height)
    assert box.y0 < points[17:27, 1].min() and abs(box.y1 - points[8, 1]) < 0.1 * box.width
    assert box.centre[0] == pytest.approx(points[:, 0].mean() + 0.5, abs=0.02 * box.width)


def test_it_moves_and_grows_with_the_points():
    points = head_points()
    box, moved = face_square(points), face_square(points * 2 + (30, 10))
    assert moved.width == pytest.approx(2 * box.width, rel=1e-5)
    assert np.array(moved.centre) - 0.5 == pytest.approx((np.array(box.centre) - 0.5) * 2 + (30, 10), rel=1e-5)


@pytest.mark.parametrize("pose", [{"yaw": 30}, {"yaw": -30}, {"pitch": 20}], ids=["left", "right", "up"])
def test_a_turned_head_keeps_about_its_square(pose):
    assert iou(face_square(head_points()), face_square(head_points(**pose))) > 0.75


def test_a_tilted_head_has_a_square_of_the_same_size():
    assert face_square(head_points(roll=60)).width == pytest.approx(face_square(head_points()).width, rel=1e-4)
    assert eye_distance(head_points(roll=60)) == pytest.approx(50, rel=1e-4)


def test_boxes_that_differ_in_their_last_bits_are_one_box_after_snapping():
    box = Box(12.3456, 7.89, 101.26, 96.8)
    nearly = Box(*(edge * (1 + 1e-7) for edge in box))
    assert snapped(box) == snapped(nearly)
    assert all(abs(edge - on_grid) <= 1 / 32 for edge, on_grid in zip(box, snapped(box), strict=True))
