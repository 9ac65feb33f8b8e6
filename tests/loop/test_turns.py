"""Whose turn it is to be recognized, and what readings say of it."""

from __future__ import annotations

import numpy as np
import pytest
from loop_doubles import StubRecognizer, StubTracker, face, pipeline

from edgefer.geometry import Box
from edgefer.loop.pipeline import Pipeline
from edgefer.loop.smooth import Smoother
from edgefer.loop.turns import Turns
from edgefer.recognize.base import Observation
from edgefer.values import Frame

GREY = np.zeros((8, 8), np.uint8)


def at(index: int, fps: float = 30.0) -> Frame:
    return Frame(index, GREY, round(index * 1e9 / fps), 0)


def given(count: int, frames: int, fps: float = 30.0, busy=(), **rates) -> list[list[int]]:
    """The tracks that have their turn in each frame, of so many faces."""
    turns, faces, rows = Turns(**rates), [face(track) for track in range(1, count + 1)], []
    for index in range(frames):
        frame = at(index, fps)
        chosen = turns.choose(frame, faces, waits=2 if index in busy else 0)
        for each in chosen:
            turns.took(each, frame)
        rows.append([each.track for each in chosen])
    return rows


def test_without_a_rate_every_face_has_its_turn_in_every_frame():
    assert given(2, 4) == [[1, 2]] * 4


def test_a_face_alone_is_recognized_at_once_and_then_ten_times_a_second():
    rows = given(1, 31, rate_hz=10.0)
    assert [index for index, tracks in enumerate(rows) if tracks] == list(range(0, 31, 3))


@pytest.mark.parametrize("fps", [5.0, 12.0, 25.0, 29.97, 60.0])
def test_the_rate_is_that_of_media_time_whatever_the_frames(fps):
    rows = given(1, round(10 * fps) + 1, fps, rate_hz=10.0)
    assert sum(map(len, rows)) == pytest.approx(1 + 10 * min(10.0, fps), abs=2)


@pytest.mark.parametrize("count, share", [(2, 10), (3, 10), (4, 12), (12, 36)])
def test_several_faces_share_the_rate_and_each_has_its_least(count, share):
    """New ones at once; then the one that has waited longest, evenly spread over frames."""
    first, *others = given(count, 91, rate_hz=10.0, least_hz=3.0)
    assert first == list(range(1, count + 1))
    assert sum(map(len, others)) == pytest.approx(3 * share, abs=1)
    assert max(map(len, others)) <= share // 30 + 1
    per_face = [sum(track in tracks for tracks in others) for track in first]
    assert max(per_face) - min(per_face) <= 1


def test_a_new_face_does_not_wait_for_its_turn():
    turns, faces = Turns(10.0), [face(1)]
    turns.took(faces[0], at(0)) if turns.choose(at(0), faces) else None
    assert [each.track for each in turns.choose(at(1), [*faces, face(2)])] == [2]


def test_a_turn_waits_for_the_next_frame_where_a_frame_has_cost_much_already():
    """And the interval is counted from the one it had."""
    rows = given(1, 13, rate_hz=10.0, busy={3})
    assert [index for index, tracks in enumerate(rows) if tracks] == [0, 4, 6, 9, 12]
    rows = given(1, 13, rate_hz=10.0, busy=set(range(1, 13)))  # not for ever
    assert [index for index, tracks in enumerate(rows) if tracks] == [0, 5, 8, 11]


def test_a_face_that_is_fit_again_has_its_turn_at_once():
    turns, rows = Turns(10.0), []
    for index in range(9):
        frame = at(index)
        chosen = turns.choose(frame, [face(1, *(["blurred"] if 1 <= index < 7 else []))])
        for each in chosen:
            turns.took(each, frame)
        rows.append(bool(chosen))
    assert rows == [True] + [False] * 6 + [True, False]


def test_the_governor_lowers_the_rate():
    turns, rows = Turns(10.0), []
    for index in range(13):
        chosen = turns.choose(at(index), [face(1)], factor=2)
        for each in chosen:
            turns.took(each, at(index))
        rows.append(bool(chosen))
    assert [index for index, took in enumerate(rows) if took] == [0, 6, 12]


def test_readings_say_how_old_their_scores_are():
    loop = pipeline(face(1), face(2, "dark"), turns={"rate_hz": 10.0})
    ages = [[each.scores_age_ms for each in loop.process(at(index)).faces] for index in range(5)]
    assert [held for _, held in ages] == [None] * 5
    assert [age for age, _ in ages] == pytest.approx([0, 100 / 3, 200 / 3, 0, 100 / 3], abs=0.001)


def test_carried_scores_are_those_of_the_last_turn_and_belong_to_their_reading():
    loop = pipeline(face(1), turns={"rate_hz": 10.0})
    first = loop.process(at(0)).faces[0]
    told = dict(first.scores)
    first.scores.clear()  # whoever reads may do what they like with it
    (second,) = loop.process(at(1)).faces
    assert (second.expression, second.confidence, second.scores) == ("happiness", first.confidence, told)


def test_points_that_a_model_judged_are_carried_with_the_face():
    class Pointing(StubRecognizer):
        def observe(self, frame, face):
            return Observation(np.full(3, 1 / 3, np.float32), points=np.array([[0.5, 0.5], [4.5, 2.0]], np.float32))

    loop = pipeline(face(1), recognizer=Pointing(), turns={"rate_hz": 10.0})
    loop._tracker.faces[0].box = Box(0, 0, 10, 10)
    assert loop.process(at(0)).faces[0].points.tolist() == [[0.5, 0.5], [4.5, 2.0]]
    loop._tracker.faces[0].box = Box(100, 0, 120, 20)
    (moved,) = loop.process(at(1)).faces
    assert moved.scores_age_ms > 0
    assert moved.points == pytest.approx(np.array([[101.5, 1.5], [109.5, 4.5]]))


def test_a_face_of_which_no_model_has_spoken_is_asked_about_in_every_frame():
    """As while a window fills."""

    class Slow(StubRecognizer):
        def observe(self, frame, face):
            said = super().observe(frame, face)
            return said if len(self.boxes) > 2 else None

    loop = pipeline(face(1), recognizer=Slow(), turns={"rate_hz": 10.0})
    ages = [loop.process(at(index)).faces[0].scores_age_ms for index in range(6)]
    assert ages[:2] == [None, None] and ages[2] == 0
    assert ages[3:] == pytest.approx([100 / 3, 200 / 3, 0], abs=0.001)
    assert len(loop._models[0].recognizer.boxes) == 4


# -- a face that was out of view


class Sightings(StubRecognizer):
    """Gives the first label one score after the other."""

    def __init__(self, *scores: float) -> None:
        super().__init__()
        self._scores = iter(scores)

    def observe(self, frame: Frame, face) -> Observation:
        first = next(self._scores)
        return Observation(np.array([first, 1 - first, 0], np.float32))


def shown(in_view: str, *scores: float, fps: float = 30.0, rate_hz: float = 0.0) -> list[float]:
    """The score of the first label in each frame that has a face; in_view: a letter for each frame, "-" for none."""
    here, said = face(1), []
    tracker = StubTracker()
    loop = Pipeline(tracker, [Sightings(*scores)], lambda: Smoother(250), turns=Turns(rate_hz=rate_hz))
    for index, letter in enumerate(in_view):
        tracker.faces = [] if letter == "-" else [here]
        said += [next(iter(each.scores.values())) for each in loop.process(at(index, fps)).faces]
    return said


def test_a_face_in_view_again_is_recognized_at_once_and_begins_anew():
    """Whoever came into the place of one who left would else show the expression of that one."""
    assert shown("aa---------bb", 1.0, 0.0, rate_hz=10.0) == [1.0, 1.0, 0.0, 0.0]


def test_a_face_that_was_hidden_for_a_moment_keeps_its_average():
    assert 0.3 < shown("aa---a", 1.0, 1.0, 0.0)[-1] < 1


def test_frames_far_apart_are_no_absence():
    assert 0 < shown("aa", 1.0, 0.0, fps=2.0)[-1] < 0.5
