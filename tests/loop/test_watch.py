"""Pictures that no working camera gives."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgefer.errors import SourceStalled
from edgefer.loop.watch import PictureWatch
from edgefer.sources.base import CODED_FROZEN_S
from edgefer.values import Frame

RANDOM = np.random.default_rng(0)


def noise(height: int = 120, width: int = 160) -> np.ndarray:
    return RANDOM.integers(40, 220, (height, width), dtype=np.uint8)


class Camera:
    """Pictures at 20 a second of a clock of its own, judged."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.watch = PictureWatch(lambda: self.now_s)
        self.stalls: list[float] = []

    def give(self, picture: np.ndarray, frozen_s: float | None = None) -> bool | None:
        """Whether it may be read; None where the source is to be opened again, which is done."""
        self.now_s += 0.05
        try:
            return self.watch.look("camera", Frame(0, picture, 0, 0), frozen_s)
        except SourceStalled:
            self.stalls.append(self.now_s)
            self.watch.opened()
            return None

    def give_for(self, seconds: float, picture: np.ndarray, frozen_s: float | None = None) -> list[bool | None]:
        return [self.give(picture, frozen_s) for _ in range(round(seconds / 0.05))]


def test_pictures_that_change_are_read():
    camera = Camera()
    for _ in range(200):
        assert camera.give(noise()) is True
    assert not camera.watch.trouble and not camera.stalls


def test_a_frozen_picture_is_seen_within_three_seconds_kept_back_and_over_with_the_first_change():
    camera, picture = Camera(), noise()
    given = camera.give_for(10, picture)
    assert camera.stalls[0] < 3 and given[0] is True
    assert True not in given[60:] and "not changed" in camera.watch.trouble
    assert camera.give(noise()) is True and not camera.watch.trouble


def test_one_point_that_moves_is_no_frozen_picture():
    """Also between the points that are compared."""
    camera = Camera()
    for number in range(400):
        picture = np.full((480, 640), 90, np.uint8)
        picture[:, ::7] = 120
        picture[101, 101 + number % 5] = 200
        assert camera.give(picture) is True


def test_coded_video_may_repeat_a_still_scene_for_longer():
    camera, picture = Camera(), noise()
    assert set(camera.give_for(CODED_FROZEN_S - 1, picture, CODED_FROZEN_S)) == {True}
    camera.give_for(3, picture, CODED_FROZEN_S)
    assert camera.stalls


@pytest.mark.parametrize("level", [0, 90], ids=["black", "grey"])
def test_a_source_that_may_be_still_for_ever_is_never_opened_again(level):
    camera = Camera()
    picture = np.full((120, 160), level, np.uint8)
    assert set(camera.give_for(400, picture, math.inf)) == {True}
    assert not camera.stalls and not camera.watch.trouble


@pytest.mark.parametrize("level", [0, 16])
def test_a_black_picture_is_seen_within_three_seconds_and_read_all_the_same(level):
    """Nobody is in it, which is true; the first light ends it."""
    camera = Camera()
    camera.give_for(1, noise())
    given = camera.give_for(9, np.full((120, 160), level, np.uint8))
    assert camera.stalls[0] < 4 and False not in given and "black" in camera.watch.trouble
    assert camera.give(noise()) is True and not camera.watch.trouble


def test_a_sensor_that_light_has_driven_to_its_end_is_not_frozen():
    camera = Camera()
    assert set(camera.give_for(10, np.full((120, 160), 255, np.uint8))) == {True}


def test_another_size_is_kept_back_at_once_and_taken_where_it_stays():
    camera = Camera()
    assert camera.give(noise()) is True
    assert camera.give(noise(60, 80)) is None and "80x60, expected 160x120" in camera.watch.trouble
    given = [camera.give(noise(60, 80)) for _ in range(100)]
    assert given[:5] != [True] * 5 and given[-1] is True and not camera.watch.trouble
    assert camera.give(noise(60, 80)) is True
    camera.watch.opened()
    assert camera.give(noise()) is True, "the first size is always right"


def test_opening_again_is_tried_often_at_first_and_seldom_later():
    """A dark room at night must not keep a camera switching on and off."""
    camera = Camera()
    camera.give_for(3600, np.zeros((120, 160), np.uint8))
    first = [stall for stall in camera.stalls if stall < 60]
    last = [stall for stall in camera.stalls if stall > 3000]
    assert len(first) > 100 and len(last) <= 11
