"""The patch of a face: its motion, and whether the face is still there."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from portrait import backdrop, face_box, paste

from edgefer.geometry import Box, iou, moved
from edgefer.support.images import ROWS_TO_SPARE
from edgefer.track.patch import Patch, correlation, match_nearby, part_remains

CENTRE, SIDE = (320.0, 240.0), 120.0
BOX = face_box(CENTRE, SIDE)


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    return paste(backdrop(), CENTRE, SIDE)


@pytest.mark.parametrize(("shift", "scale"), [((0, 0), 1), ((9, -5), 1), ((4, 3), 1.08)], ids=str)
def test_the_motion_of_a_face_is_its_shift_and_growth(scene, shift, scale):
    after = paste(backdrop(), (CENTRE[0] + shift[0], CENTRE[1] + shift[1]), SIDE * scale)
    motion = Patch(scene, BOX).motion(after)
    assert motion == pytest.approx((*shift, scale), abs=1.0)
    assert motion[2] == pytest.approx(scale, abs=0.02)


def test_a_large_face_is_seen_as_it_is_though_rows_are_left_out(scene):
    factor = 3
    large, box = cv2.resize(scene, None, fx=factor, fy=factor), Box(*(factor * edge for edge in BOX))
    assert Patch(large, box).region.height > ROWS_TO_SPARE * Patch.SIZE > Patch(scene, BOX).region.height
    apart = np.abs(Patch(large, box).face.astype(int) - Patch(scene, BOX).face)
    assert apart.mean() < 2 and correlation(Patch(large, box).face, Patch(scene, BOX).face) > 0.99
    after = cv2.resize(paste(backdrop(), (CENTRE[0] + 4, CENTRE[1] - 3), SIDE), None, fx=factor, fy=factor)
    assert Patch(large, box).motion(after) == pytest.approx((4 * factor, -3 * factor, 1), abs=1.0)


def test_there_is_no_motion_without_corners_nor_into_another_scene(scene):
    assert Patch(np.full((480, 640), 90, np.uint8), BOX).motion(scene) is None
    assert Patch(scene, BOX).motion(backdrop()) is None


def test_correlation_ignores_light_and_is_zero_for_a_flat_patch(scene):
    face = Patch(scene, BOX).face
    assert correlation(face, face // 2 + 50) == pytest.approx(1, abs=0.01)
    assert correlation(face, 255 - face) == pytest.approx(-1, abs=0.01)
    assert correlation(face, np.full_like(face, 100)) == 0


def test_part_of_a_half_covered_face_remains_and_nothing_of_one_that_has_gone(scene):
    appearance = Patch(scene, BOX).face
    covered = scene.copy()
    covered[:, 320:] = 70
    assert part_remains(scene, BOX, appearance)
    assert part_remains(covered, BOX, appearance)
    assert not part_remains(backdrop(), BOX, appearance)


def test_a_face_is_matched_where_it_has_jumped_to_within_its_side(scene):
    box, appearance = moved(BOX, -90, 40), Patch(scene, BOX).face
    assert iou(match_nearby(scene, box, appearance), BOX) > 0.85
    assert match_nearby(backdrop(), box, appearance) == box
    assert match_nearby(scene, Box(0, 0, 50, 50), np.full_like(appearance, 9)) == Box(0, 0, 50, 50)
