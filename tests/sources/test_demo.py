"""The demo's camera."""

import importlib.util
import time

import cv2
import numpy as np
import pytest

from edgefer.errors import SourceError
from edgefer.sources import demo, open_source

pytest.importorskip("matplotlib", reason="the portrait comes with matplotlib")


def test_the_same_index_gives_the_same_picture():
    one, two = demo.Demo(), demo.Demo()
    for index in (0, 17, 299):
        assert np.array_equal(one.render(index).grey, two.render(index).grey)
    assert not np.array_equal(one.render(0).grey, one.render(1).grey)


def test_grey_is_the_luma_of_the_colour_picture():
    frame = demo.Demo().render(40)
    colour = cv2.cvtColor(frame.bgr(), cv2.COLOR_BGR2GRAY)
    assert frame.grey.shape == (480, 640) and frame.bgr().shape == (480, 640, 3)
    assert np.abs(colour.astype(int) - frame.grey).max() <= 4


def test_a_face_moves_turns_and_dims_and_can_be_found_all_the_time():
    source = demo.Demo()
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_alt2.xml")
    centres, sides, light = [], [], []
    for index in range(0, 300, 15):
        grey = source.render(index).grey
        found = cascade.detectMultiScale(grey, 1.1, 4, minSize=(60, 60))
        assert len(found) == 1, f"{len(found)} faces in frame {index}"
        x, y, width, height = found[0]
        centres.append((x + width / 2, y + height / 2))
        sides.append(width)
        light.append(grey[y : y + height, x : x + width].mean())
    assert np.ptp(centres, axis=0).min() > 30
    assert min(sides) >= 110 and max(sides) <= 240 and max(sides) > 1.3 * min(sides)
    assert max(light) > 1.6 * min(light)


def test_there_are_no_hard_black_borders():
    source = demo.Demo()
    for index in range(0, 300, 50):
        grey = source.render(index).grey
        assert (grey == 0).mean() < 0.1
        assert np.abs(np.diff(grey[:40].astype(int), axis=1)).max() < 60


def test_the_movement_has_no_seam():
    source = demo.Demo()
    assert demo._pose(demo.CYCLE_S) == pytest.approx(demo._pose(0.0))
    step = np.abs(source.render(299).grey.astype(int) - source.render(300).grey).mean()
    assert step < 12


def test_it_runs_at_thirty_frames_a_second_and_ends():
    with open_source("demo:0.5") as source:
        assert (source.live, source.fps, source.size, source.length) == (True, 30, (640, 480), 15)
        start = time.monotonic()
        frames = []
        while (frame := source.read()) is not None:
            frames.append(frame)
        assert 0.45 < time.monotonic() - start < 5
    indices = [frame.index for frame in frames]
    assert indices == sorted(set(indices)) and indices[-1] <= 14
    for frame in frames:
        assert frame.media_ns == frame.index * 1_000_000_000 // 30
        assert frame.captured_ns - frames[0].captured_ns == pytest.approx(frame.media_ns - frames[0].media_ns, abs=2)


def test_a_slow_reader_misses_frames_and_gets_the_newest():
    with open_source("demo:3") as source:
        first = source.read()
        time.sleep(0.3)
        frame = source.read()
        assert frame.index >= first.index + 9
        assert time.monotonic_ns() - frame.captured_ns < 1e9


def test_the_length_can_be_chosen():
    assert open_source("demo").length == 300
    assert open_source("demo:2").length == 60
    assert open_source("demo:forever").length is None


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SourceError, match=r"pip install 'edgefer\[demo\]'"):
        open_source("demo")
