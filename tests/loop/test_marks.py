"""When faces are looked at for landmarks, and what the tracker and the gate are told."""

from __future__ import annotations

import numpy as np
import pytest
from loop_doubles import GREY, StubTracker

from edgefer.geometry import Box
from edgefer.landmarks.base import Landmarks
from edgefer.landmarks.cover import CoverGate
from edgefer.landmarks.points import REGIONS
from edgefer.loop.marks import Marks
from edgefer.values import Face, Frame, Pose, Quality

BOX, SEATED = Box(1, 0, 6, 5), Box(2, 1, 8, 7)
POINTS = np.ones((68, 2), np.float32)


def seen(**hidden: float) -> Landmarks:
    return Landmarks(POINTS, Pose(1.0, 2.0, 3.0), SEATED, dict.fromkeys(REGIONS, 0.95) | hidden)


class Landmarker:
    """Says `answer` of every face, and remembers which it was asked about."""

    def __init__(self, answer: Landmarks | None) -> None:
        self.answer = answer
        self.asked: list[tuple[int, int]] = []
        self.forgotten: set[int] = set()

    def find(self, frame: Frame, face: Face) -> Landmarks | None:
        self.asked.append((frame.index, face.track))
        return self.answer

    def another(self, steady=True) -> Landmarker:
        return self

    def forget(self, tracks) -> None:
        self.forgotten |= set(tracks)


class Tracker(StubTracker):
    """Takes every box, and remembers who was doubted."""

    def __init__(self) -> None:
        super().__init__()
        self.doubted: list[int] = []

    def reseat(self, frame: Frame, number: int, box: Box) -> Box:
        return box

    def doubt(self, number: int) -> None:
        self.doubted.append(number)


def face(track: int, *reasons: str) -> Face:
    return Face(track, BOX, Quality(60.0, 0.1, 120.0, reasons))


def frame_at(index: int) -> Frame:
    return Frame(index, GREY, index * 40_000_000, 0)


def looks(answer: Landmarks | None, faces, frames: int = 26, **options) -> Landmarker:
    """What was asked over frames of 40 ms, a look at each face every 200 ms."""
    landmarker = Landmarker(answer)
    marks = Marks(landmarker, interval_ms=200, **({"always": False, "gate": CoverGate()} | options))
    for index in range(frames):
        marks.update(frame_at(index), [face(track) for track in faces], Tracker())
    return landmarker


def test_the_gate_looks_at_once_and_then_five_times_a_second():
    assert looks(seen(), [1]).asked == [(0, 1), (5, 1), (10, 1), (15, 1), (20, 1), (25, 1)]


@pytest.mark.parametrize("faces, each", [(4, 5), (10, 2), (20, 1)])
def test_many_faces_take_turns_so_that_no_frame_takes_long(faces, each):
    """Beyond four they share as many looks as four have."""
    asked = looks(seen(), range(1, faces + 1), frames=101).asked
    per_frame = [sum(1 for index, _ in asked if index == frame) for frame in range(101)]
    assert max(per_frame[1:]) <= 2  # two faces that come in are looked at in one frame
    counts = [sum(1 for _, track in asked if track == number) for number in range(1, faces + 1)]
    assert min(counts) >= 4 * each - 1 and max(counts) <= 4 * each + 2


def test_a_look_waits_for_the_next_frame_where_a_frame_has_cost_much_already():
    landmarker, tracker = Landmarker(seen()), Tracker()
    marks = Marks(landmarker, always=False, interval_ms=200)
    said = [marks.update(frame_at(index), [face(1)], tracker, busy=index in (5, 11)) for index in range(13)]
    assert [index for index, _ in landmarker.asked] == [0, 6, 12]
    assert [index for index, looked in enumerate(said) if looked] == [0, 6, 12]


def test_where_points_are_wanted_every_face_gets_them_in_every_frame():
    landmarker = Landmarker(seen())
    marks = Marks(landmarker, always=True, interval_ms=200)
    for index in range(3):
        faces = [face(1), face(2)]
        marks.update(frame_at(index), faces, Tracker())
        assert all(each.landmarks is POINTS and each.pose == Pose(1.0, 2.0, 3.0) for each in faces)
    assert len(landmarker.asked) == 6


def test_the_gates_own_looks_leave_no_points_in_a_reading():
    faces = [face(1)]
    Marks(Landmarker(seen()), always=False, gate=CoverGate(), interval_ms=200).update(frame_at(0), faces, Tracker())
    assert faces[0].landmarks is None and faces[0].pose is None


def test_the_box_is_that_of_the_points_as_far_as_the_tracker_takes_it():
    faces = [face(1)]
    marks = Marks(Landmarker(seen()), always=False, gate=CoverGate(), interval_ms=200)
    marks.update(frame_at(0), faces, Tracker())
    assert faces[0].box == SEATED and faces[0].quality.side_px == 6


def test_a_verdict_holds_until_the_next_look():
    landmarker, reasons = Landmarker(seen(mouth=0.0)), []
    marks = Marks(landmarker, always=False, gate=CoverGate(), interval_ms=200)
    for index in range(7):
        faces = [face(1)]
        marks.update(frame_at(index), faces, Tracker())
        reasons.append(faces[0].quality.reasons)
        landmarker.answer = seen()
    assert reasons == [("occluded",)] * 5 + [()] * 2


def test_what_is_seen_replaces_what_the_tracker_guessed_but_not_what_the_pixels_say():
    for given, expected in [(("occluded",), ()), (("turned", "dark"), ("dark",)), (("small", "occluded"), ("small",))]:
        faces = [face(1, *given)]
        Marks(Landmarker(seen()), always=True, gate=CoverGate(), interval_ms=200).update(frame_at(0), faces, Tracker())
        assert faces[0].quality.reasons == expected


def test_a_face_that_is_not_seen_is_doubted_and_not_judged():
    tracker, faces = Tracker(), [face(1), face(2, "dark")]
    Marks(Landmarker(None), always=True, gate=CoverGate(), interval_ms=200).update(frame_at(0), faces, tracker)
    assert tracker.doubted == [1, 2]
    assert [each.quality.reasons for each in faces] == [("occluded",), ("dark",)]
    assert faces[0].landmarks is None


def test_without_a_gate_nothing_is_held_against_a_face():
    faces = [face(1)]
    Marks(Landmarker(seen(mouth=0.0)), always=True, interval_ms=200).update(frame_at(0), faces, Tracker())
    assert faces[0].quality.reasons == ()


@pytest.mark.parametrize("always", [True, False])
def test_every_face_of_a_photograph_is_examined_and_nothing_kept(always):
    landmarker = Landmarker(seen(mouth=0.0))
    marks = Marks(landmarker, always=always, gate=CoverGate(), interval_ms=200)
    faces = [face(1), face(2, "turned")]
    marks.examine(frame_at(0), faces)
    assert [each.quality.reasons for each in faces] == [("occluded",)] * 2
    assert (faces[0].landmarks is not None) == always
    landmarker.answer = seen()
    again = [face(1), face(2)]
    marks.examine(frame_at(0), again)
    assert [each.quality.reasons for each in again] == [(), ()]


def test_what_is_kept_of_a_face_goes_with_it():
    landmarker = Landmarker(seen())
    marks = Marks(landmarker, always=False, gate=CoverGate(), interval_ms=200)
    marks.update(frame_at(0), [face(1), face(2)], Tracker())
    marks.forget({1})
    assert landmarker.forgotten == {1}
    for index in range(1, 200):
        marks.update(frame_at(index), [face(3)], Tracker())
    assert landmarker.forgotten == {1, 2}


def test_a_step_back_in_time_starts_over():
    landmarker = Landmarker(seen())
    marks = Marks(landmarker, always=False, gate=CoverGate(), interval_ms=200)
    for index in (10, 11, 0):
        marks.update(frame_at(index), [face(1)], Tracker())
    assert landmarker.asked == [(10, 1), (0, 1)]
