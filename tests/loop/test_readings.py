"""The readings of one source: which of its frames are read, which readings are given, and in whose coordinates."""

from __future__ import annotations

import numpy as np
import pytest
from loop_doubles import CameraSource, FileSource, StubRecognizer, StubTracker, face, frame_at, pipeline
from msgspec import structs

from edgefer.errors import SourceError
from edgefer.geometry import Box
from edgefer.loop.readings import Readings
from edgefer.values import Event, Frame

PERIOD_S = 0.033


def given(readings: Readings) -> list:
    """Its readings to the end; closes it."""
    seen = []
    while not readings.ended:
        reading = readings.step()
        if reading is not None:
            assert readings.frame.index == reading.frame
            seen.append(reading)
    readings.close()
    return seen


def test_a_frame_bears_the_name_of_its_source():
    """Whatever source it is: none has to see to it."""
    assert {reading.source for reading in given(Readings(FileSource(3), pipeline()))} == {"file"}
    named = frame_at(0)
    named.source = "its own"
    assert given(Readings(FileSource([named]), pipeline()))[0].source == "its own"


def test_start_and_seconds_are_times_of_the_source():
    """From the first frame at or after the start, up to the end and without it."""
    readings = given(Readings(FileSource(100), pipeline(), start_s=0.5, seconds=0.5))
    assert [reading.frame for reading in readings] == list(range(16, 31))
    assert readings[0].t_s == pytest.approx(16 * PERIOD_S)  # and not 0: it is the source's time


def test_times_that_are_no_whole_nanoseconds_count_as_they_are_told():
    """At 30 frames a second, as a film that is played again counts them: the 30th is at 0.99999999 s, told as 1.0."""
    frames = [structs.replace(frame_at(index), media_ns=index * 33_333_333) for index in range(100)]
    readings = given(Readings(FileSource(frames), pipeline(), start_s=1, seconds=1))
    assert [reading.frame for reading in readings] == list(range(30, 60))


def test_a_start_behind_the_end_gives_nothing():
    assert given(Readings(FileSource(10), pipeline(), start_s=60)) == []


def test_a_camera_without_a_picture_still_ends_in_time():
    """Where it keeps its own time, its silence counts."""
    readings = Readings(CameraSource(2, 0.3), pipeline(), seconds=0.1, reopen=lambda: CameraSource(1, 60))
    assert len(given(readings)) == 1


def test_one_reading_in_so_many_is_given_and_all_frames_are_followed():
    recognizer = StubRecognizer()
    readings = Readings(FileSource(10), pipeline(face(1), recognizer=recognizer), every=4)
    assert [reading.frame for reading in given(readings)] == [0, 4, 8]
    assert len(recognizer.boxes) == 10
    assert readings.summary.frames == 10


def test_photographs_that_are_not_given_are_not_read():
    recognizer = StubRecognizer()
    stills = [frame_at(index) for index in range(10)]
    for still in stills:
        still.still, still.media_ns = True, 0
    loop = pipeline(recognizer=recognizer, photographs=StubPhotographs())
    readings = Readings(FileSource(stills), loop, every=4, first_index=7)
    assert [reading.frame for reading in given(readings)] == [8, 12, 16]
    assert len(recognizer.boxes) == 3
    assert readings.next_index == 17


class StubPhotographs:
    """One face in each."""

    def find(self, frame: Frame):
        return [face(1)]


class EventfulPipeline:
    """Tells an event with every frame of the numbers given."""

    def __init__(self, *numbers: int) -> None:
        self._pipeline, self._numbers, self.governor = pipeline(), numbers, None
        self.tells_events = False
        self.last: list[int] = []

    def process(self, frame: Frame, last: bool = False):
        reading = self._pipeline.process(frame)
        self.last += [frame.index] if last else []
        if frame.index in self._numbers:
            reading.events = [Event(frame.index, "blink", 0.0, 0.0, 0.0, 1.0)]
        return reading


@pytest.mark.parametrize("end", ["an end", "an error"])
def test_an_event_of_a_reading_left_out_is_told_once_with_the_next(end):
    """At latest with the last frame, also where the source fails there."""
    frames = [frame_at(index) for index in range(10)]
    source = FileSource([*frames, SourceError("cut off")] if end == "an error" else frames)
    readings = Readings(source, EventfulPipeline(0, 2, 5, 9), every=4)
    seen = []
    try:
        while not readings.ended:
            reading = readings.step()
            seen += [(reading.frame, [event.track for event in reading.events])] if reading is not None else []
    except SourceError:
        assert end == "an error"
    assert seen == [(0, [0]), (4, [2]), (8, [5]), (9, [9])]


@pytest.mark.parametrize(
    ("items", "options", "last"),
    [
        (10, {}, 9),
        (10, {"frames": 4}, 3),
        (10, {"seconds": 0.2}, 6),
        (1, {}, 0),
        ([*map(frame_at, range(3)), SourceError("cut off")], {}, 2),
    ],
    ids=["its end", "so many frames", "so many seconds", "one frame", "an error"],
)
@pytest.mark.parametrize("waits", [False, True], ids=["file", "pipe"])
def test_where_events_are_told_the_last_frame_of_a_file_is_known(items, options, last, waits):
    """So that none is left when the film is over."""
    loop, source = EventfulPipeline(), FileSource(items)
    loop.tells_events, source.waits = True, waits
    readings, seen = Readings(source, loop, **options), []
    try:
        while not readings.ended:
            reading = readings.step()
            seen += [reading.frame] if reading is not None else []
    except SourceError:
        assert last == 2
    readings.close()
    assert loop.last == [last] and seen == list(range(last + 1))


def test_the_last_frame_that_is_taken_in_real_time_is_known():
    loop, source = EventfulPipeline(), FileSource(5)
    loop.tells_events, source.live = True, True  # as a film in real time is, which has an end all the same
    readings = Readings(source, loop)
    while not readings.ended:
        readings.step()
    readings.close()
    assert loop.last == [4]


def test_a_camera_is_not_read_ahead():
    loop = EventfulPipeline()
    loop.tells_events = True
    readings = Readings(CameraSource(500, 0.01), loop, frames=2, reopen=lambda: CameraSource(500, 0.01))
    while not readings.ended:
        readings.step()
    readings.close()
    assert len(loop.last) == 1  # so many frames were asked for


class RegionTracker(StubTracker):
    """A face over the middle of what it is shown."""

    def update(self, frame: Frame):
        height, width = frame.grey.shape
        self.shown = frame.grey.copy()
        self.faces = [face(1)]
        self.faces[0].box = Box(width / 4, height / 4, width * 3 / 4, height * 3 / 4)
        self.faces[0].landmarks = np.full((68, 2), (width / 2, height / 2), np.float32)
        return list(self.faces)


class Pointing(StubRecognizer):
    """Judges the centre of the box, as a model of points does."""

    def observe(self, frame: Frame, face):
        judged = super().observe(frame, face)
        return structs.replace(judged, points=np.array([face.box.centre], np.float32))


def picture_source(count: int = 2) -> tuple[FileSource, np.ndarray]:
    grey = np.arange(60 * 80, dtype=np.uint8).reshape(60, 80)
    return FileSource([Frame(index, grey, index, 0) for index in range(count)]), grey


def test_a_region_is_read_alone_and_told_in_the_whole_picture():
    from loop_doubles import StubSmoother

    from edgefer.loop.pipeline import Pipeline

    tracker = RegionTracker()
    source, grey = picture_source()
    loop = Pipeline(tracker, [Pointing()], StubSmoother)
    readings = Readings(source, loop, region=(20, 10, 60, 50))
    (found,) = readings.step().faces
    assert found.points.tolist() == [[40, 30]] and found.landmarks.dtype == np.float32
    assert np.array_equal(tracker.shown, grey[10:50, 20:60])
    assert found.box == Box(30, 20, 50, 40)
    assert np.array_equal(found.landmarks, np.full((68, 2), (40, 30), np.float32))
    assert readings.frame.grey.shape == (60, 80)  # an output draws into the whole


def test_a_region_may_reach_outside_but_not_lie_there():
    source, _ = picture_source()
    loop = pipeline(face(1))
    assert Readings(source, loop, region=(70, 50, 500, 500)).step().faces
    with pytest.raises(SourceError, match="region 80,0,90,10 lies outside its picture of 80x60 pixels"):
        Readings(source, loop, region=(80, 0, 90, 10)).step()


def test_nothing_is_read_at_rest():
    """And the health of the run says why."""
    source = FileSource(3)
    readings = Readings(source, pipeline(face(1)))
    assert readings.step().frame == 0
    readings.rest(True)
    assert readings.step() is None and readings.health.source == "resting" and not readings.ended
    assert readings.health.faces == 0
    readings.rest(False)
    assert readings.step().frame == 1 and readings.health.source == "running"
    readings.close()
