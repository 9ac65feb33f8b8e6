"""Two faces of which one passes in front of the other: each keeps its number, also where landmarks give their boxes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from portrait import as_frames, backdrop, data_file, face_box, paste

import edgefer
from edgefer.detect import open_detector
from edgefer.track import Tracker

SIDE = 90.0


@pytest.fixture(scope="module")
def detector():
    return open_detector("haar")


#: Pairs of photographs of faces.zip.
PAIRS = [("01917", "04968"), ("06020", "00714"), ("04011", "03949")]


def crossing(names: tuple[str, str]) -> Iterator[tuple[np.ndarray, list[tuple[float, float]]]]:
    """A film of two seconds in which the second face passes behind the first, and where their centres are."""
    with zipfile.ZipFile(data_file("faces/faces.zip")) as faces:
        images = [cv2.imdecode(np.frombuffer(faces.read(f"{name}.jpg"), np.uint8), 0) for name in names]
    shape = cv2.ellipse(np.zeros((160, 160), np.uint8), (80, 80), (66, 78), 0, 0, 360, 255, -1)
    wall = backdrop()
    for i in range(150):
        across = 180 * np.cos(np.clip((i - 30) / 60, 0, 1) * np.pi)
        scene, centres = wall.copy(), [(320 + across, 240.0), (320 - across, 240.0)]
        for image, (x, y), side in reversed([*zip(images, centres, (140, 150), strict=True)]):
            place = np.array([[side / 160, 0, x - side / 2], [0, side / 160, y - side / 2]])
            there = cv2.warpAffine(shape, place, scene.shape[::-1]) > 128
            scene[there] = cv2.warpAffine(image, place, scene.shape[::-1], flags=cv2.INTER_AREA)[there]
        yield scene, centres


@pytest.mark.parametrize("names", PAIRS, ids="-".join)
def test_a_face_behind_another_does_not_take_its_number_by_its_landmarks(names):
    """A landmark network that looks where a hidden face was finds, by and by, the points of the one in front of it."""
    reader, said = edgefer.Reader(landmarks=True), []
    for i, (scene, centres) in enumerate(crossing(names)):
        faces = reader.process(scene, t_s=i / 30).faces
        said.append([[face.track for face in faces if abs(face.box.centre[0] - x) < 50] for x, _ in centres])
    assert sorted(said[25]) == [[1], [2]]
    assert said[-1] == said[25]


def test_of_two_numbers_on_one_face_that_stays_which_it_belongs_to(detector):
    """The older is lost where the face is not like it, and has its number again when it is seen again."""
    wall, tracker = backdrop(), Tracker(detector)
    apart = paste(paste(wall, (200, 240), SIDE), (440, 240), SIDE, mirrored=True)
    (frame, later) = as_frames([apart] * 2)
    older, younger = tracker.update(frame)
    track = tracker._tracks[0]
    track.box, track.patch = younger.box, tracker._tracks[1].patch  # it has drifted onto the other face
    track.appearance = 255 - track.appearance
    tracker._drop_lost(frame.media_ns)
    assert [each.visible for each in tracker._tracks] == [False, True]
    track.appearance = 255 - track.appearance
    assert [face.track for face in tracker.update(later)] == [older.track, younger.track]


def test_a_face_is_known_by_what_it_was_before_another_reached_into_its_box(detector):
    wall, tracker = backdrop(), Tracker(detector)
    apart = paste(paste(wall, (200, 240), SIDE), (440, 240), SIDE, mirrored=True)
    over = paste(paste(wall, (200, 240), SIDE), (250, 240), SIDE, mirrored=True)
    first, second = as_frames([apart, over])
    tracker.update(first)
    left, right = sorted(tracker._tracks, key=lambda track: track.box.x0)
    before = left.appearance.copy()
    right.box = face_box((250, 240), SIDE)
    assert tracker.reseat(second, left.number, left.box) == left.box
    assert np.array_equal(left.appearance, before)
    right.visible = False
    tracker.reseat(second, left.number, left.box)
    assert not np.array_equal(left.appearance, before)
