"""Who a face is that is found where another was lost: the same, another person, or nobody."""

from __future__ import annotations

import itertools
import zipfile

import cv2
import numpy as np
import pytest
from portrait import as_frames, backdrop, data_file, face_box, paste

import edgefer
from edgefer.detect import Levels, Look
from edgefer.track import Tracker
from edgefer.values import Detection

CENTRE, SIDE = (320.0, 240.0), 120.0
ONE = paste(backdrop(), CENTRE, SIDE)
#: In negative: for a detector that finds whatever is there, another one.
OTHER = np.where(np.abs(ONE.astype(int) - backdrop()) > 4, 255 - ONE, ONE)
NOBODY = backdrop()


class Finding:
    """Finds a face in the middle, of a score that depends on the picture, in the first look and in the second."""

    parts = 1
    levels = Levels(sure=0.9, likely=0.5, keep=0.4)

    def __init__(self, empty: tuple[float, float] = (0.0, 0.0)) -> None:
        """Args: empty: the scores where nobody is."""
        self._empty = empty

    def _scores(self, grey) -> tuple[float, float]:
        return self._empty if float(grey[200:280, 280:360].std()) < 20 else (0.99, 0.99)

    def detect(self, grey, region=None, *, part=None, known=()):
        score, _ = self._scores(grey)
        return [Detection(face_box(CENTRE, SIDE), score)] if score else []

    def look(self, grey, box, thorough=False):
        score, again = self._scores(grey)
        return Look(face_box(CENTRE, SIDE), min(score, again)) if again else None


def numbers(scenes, fps: float = 30.0, detector=None) -> list[list[int]]:
    tracker = Tracker(detector or Finding())
    return [[face.track for face in tracker.update(frame)] for frame in as_frames(scenes, fps)]


@pytest.mark.parametrize("empty", [(0.0, 0.0), (0.7, 0.0), (0.45, 0.0), (0.7, 0.3)])
def test_where_somebody_was_nobody_is_seen_by_one_weak_look(empty):
    """A brick wall resembles a face a little here and there: what lost a face must not take it for that one."""
    seen = numbers([ONE] * 30 + [NOBODY] * 60, detector=Finding(empty))
    assert seen[29] == [1] and not any(seen[30 + 9 :])


def test_a_face_that_is_weak_twice_is_found_again():
    class Weak(Finding):
        def _scores(self, grey):
            score, again = super()._scores(grey)
            return 0.7 * score, 0.7 * again

    seen = numbers([ONE] * 30 + [NOBODY] * 15 + [ONE] * 30, detector=Weak())
    assert seen[29] == seen[-1] == [1] and not seen[40]


@pytest.mark.parametrize("fps", [30.0, 10.0, 0.2])  # half a second apart a head may have tilted as much
def test_another_person_in_the_same_place_has_another_number(fps):
    """In a film that cuts before a plain backdrop, a call that shows who speaks, or a picture each five seconds."""
    seen = numbers([ONE] * 20 + [OTHER] * 20, fps)
    assert seen[19] == [1] and seen[-1] == [2]
    first = next(index for index in range(20, 40) if 2 in seen[index])
    assert not any(1 in each for each in seen[first:]) and first - 20 <= max(1, 0.3 * fps)


@pytest.mark.parametrize("fps", [30.0, 2.0, 0.2])
def test_the_same_person_is_known_again_in_another_light_and_a_little_elsewhere(fps):
    there = cv2.convertScaleAbs(paste(backdrop(), (326, 236), 1.05 * SIDE, roll=8), alpha=0.7, beta=10)
    away = [NOBODY] * round(0.8 * fps)
    seen = numbers([ONE] * 20 + away + [there] * 20, fps)
    assert seen[19] == seen[-1] == [1]


@pytest.mark.parametrize("fps", [5.0, 2.0, 1.0])
def test_a_head_that_tilts_from_one_picture_to_the_next_is_the_same(fps):
    scenes = [paste(backdrop(), CENTRE, SIDE, roll=roll) for roll in (0, 30, 0, -30, 0, 30, -15, 15, -30, 0)]
    seen = numbers(scenes, fps)
    assert all(each in ([], [1]) for each in seen) and sum(each == [1] for each in seen) >= 8


def test_who_comes_back_after_another_stood_there_is_known_again():
    seen = numbers([ONE] * 30 + [OTHER] * 20 + [ONE] * 20)
    assert seen[29] == [1] and seen[49] == [2] and seen[-1] == [1]


def test_people_who_take_turns_in_a_picture_are_counted():
    """By the detector that is used, with faces of photographs before a plain backdrop."""
    names = ("01917", "04968", "06020", "00714", "01917", "04968")
    with zipfile.ZipFile(data_file("faces/faces.zip")) as faces:
        images = [cv2.imdecode(np.frombuffer(faces.read(f"{name}.jpg"), np.uint8), 1) for name in names]
    reader, who = edgefer.Reader(), []
    for index in range(20 * len(images)):
        scene = np.full((480, 640, 3), 225, np.uint8)
        scene[140:340, 220:420] = cv2.resize(images[index // 20], (200, 200))
        who.append([face.track for face in reader.process(scene, t_s=index / 20).faces])
    told = [who[20 * index + 19] for index in range(len(images))]
    assert all(len(each) == 1 for each in told), told
    assert len({each[0] for each in told}) > 2, told
    assert all(now != before for before, now in itertools.pairwise(told)), told
