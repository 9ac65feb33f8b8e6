"""A film that is cut from scenes: who is in one is nobody of the scene before, also in the same place."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from portrait import as_frames, backdrop, paste

from edgefer.detect import open_detector
from edgefer.track import Tracker
from edgefer.track.scene import is_another, overview

CENTRE, SIDE = (320.0, 240.0), 120.0


@pytest.fixture(scope="module")
def detector():
    return open_detector("haar")


@pytest.fixture(scope="module")
def scenes() -> list[np.ndarray]:
    """A face before a wall, and another face in the same place between a dark and a light one."""
    wall = backdrop()
    window = 255 - wall
    window[:, :200], window[:, 440:] = 40, 225
    return [paste(wall, CENTRE, SIDE), paste(window, CENTRE, SIDE, mirrored=True)]


def tracks(detector, images) -> list[list[int]]:
    """The identities in each frame of a film of these pictures."""
    tracker = Tracker(detector)
    return [[face.track for face in tracker.update(frame)] for frame in as_frames(images)]


def test_after_a_cut_the_face_in_the_same_place_is_another_at_once(detector, scenes):
    first, second = scenes
    assert tracks(detector, [first] * 20 + [second] * 20) == [[1]] * 20 + [[2]] * 20


def test_a_cut_is_seen_where_the_face_is_covered_too(detector, scenes):
    first, second = scenes
    covered = first.copy()
    covered[170:320, 240:400] = 70
    found = tracks(detector, [first] * 20 + [covered] * 5 + [second] * 20)
    assert found[25:] == [[2]] * 20


def test_of_a_scene_that_comes_back_soon_the_face_is_known_again(detector, scenes):
    first, second = scenes
    found = tracks(detector, [first] * 20 + [second] * 15 + [first] * 20)
    assert found == [[1]] * 20 + [[2]] * 15 + [[1]] * 20


def test_black_pictures_between_two_scenes_hide_no_cut(detector, scenes):
    first, second = scenes
    found = tracks(detector, [first] * 20 + [np.zeros_like(first)] * 6 + [second] * 30)
    assert found[-1] == [2]
    assert all(numbers != [1] for numbers in found[20 + 9 :])  # 0.3 s


@pytest.mark.parametrize("kind", ["black", "torn"])
def test_one_picture_that_is_none_ends_no_identity(detector, scenes, kind):
    first, _ = scenes
    spoilt = np.zeros_like(first)
    if kind == "torn":
        spoilt[:] = first
        spoilt[160:] = np.random.default_rng(3).integers(0, 255, (320, 1), np.uint8)
    found = tracks(detector, [first] * 20 + [spoilt] + [first] * 30)
    assert {number for numbers in found for number in numbers} == {1}
    assert found[21 + 15 :] == [[1]] * 15  # 0.5 s


def test_a_jerk_of_the_camera_and_other_light_are_the_same_scene(scenes):
    before = overview(scenes[1])
    assert not is_another(before, overview(np.roll(scenes[1], (30, 60), (0, 1))))
    assert not is_another(before, overview((scenes[1] * 0.3).astype(np.uint8)))
    assert is_another(before, overview(scenes[0]))


@pytest.mark.parametrize(("columns", "rows"), [(4, 2), (4, 3), (6, 4)])
def test_small_faces_that_move_all_at_once_are_the_same_scene(columns, rows):
    """From a pixel in twenty alone this would be another one."""

    def crowd(dx: float, dy: float) -> np.ndarray:
        scene = backdrop()
        for number in range(columns * rows):
            x, y = 640 * (number % columns + 0.5) / columns, 480 * (number // columns + 0.5) / rows
            scene = paste(scene, (x + dx, y + dy), 320 / columns, mirrored=number % 2 == 1)
        return scene

    before = overview(crowd(0, 0))
    for move in ((12, 0), (0, 10), (-14, 9), (20, 0)):
        assert not is_another(before, overview(crowd(*move)))


def texture(kind: str, period: int) -> np.ndarray:
    """A wall, larger than a picture."""
    y, x = np.mgrid[:560, :720]
    if kind == "bricks":
        mortar = (y % period < 3) | ((x + (y // period % 2) * period) % (2 * period) < 3)
        return np.where(mortar, 40, 160).astype(np.uint8)
    if kind == "letters":
        page = np.full(y.shape, 230, np.uint8)
        for line in range(0, len(page), period):
            words = "the quick brown fox jumps over the lazy dog " * 3
            cv2.putText(page, words, (0, line + period - 4), 0, period / 32, 20, max(1, period // 14))
        return page
    return (({"boards": x, "blinds": y}[kind] // (period // 2)) % 2 * 140 + 50).astype(np.uint8)


@pytest.mark.parametrize("kind", ["bricks", "letters", "boards", "blinds"])
@pytest.mark.parametrize("period", [8, 11, 14, 17, 20, 25, 30, 40])
def test_a_shaken_camera_before_a_wall_of_small_things_shows_the_same_scene(kind, period):
    wall, faces = texture(kind, period), []
    for dx, dy in ((0, 0), (3, 0), (8, 0), (10, 4), (15, 0), (0, 7), (0, 11), (20, 10)):
        part = np.ascontiguousarray(wall[dy : dy + 480, dx : dx + 640])
        faces.append(overview(paste(part, (CENTRE[0] - dx, CENTRE[1] - dy), SIDE)))
    assert not any(is_another(faces[0], face) or is_another(face, faces[0]) for face in faces[1:])
