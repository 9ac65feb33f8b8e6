"""The loop: newest frame, whole files, stop, clocks, turns and the governor; fakes and simulated clocks."""

from __future__ import annotations

import datetime
import logging
import threading
import time

import numpy as np
import pytest

from edgefer.errors import SinkClosed, SinkError, SourceError, SourceStalled
from edgefer.geometry import Box
from edgefer.labels import UNCERTAIN
from edgefer.loop.capture import Capture
from edgefer.loop.governor import LEVELS, Governor
from edgefer.loop.pipeline import STAGES, Pipeline, run
from edgefer.values import Face, Frame, Heat, Quality

GREY = np.zeros((8, 8), np.uint8)


def frame_at(index: int, captured_ns: int | None = None) -> Frame:
    return Frame(index, GREY, index * 33_000_000, time.monotonic_ns() if captured_ns is None else captured_ns)


class FileSource:
    """Gives so many frames at once; an exception among them is raised in its turn."""

    live = False
    name = "file"

    def __init__(self, items) -> None:
        self._items = iter([frame_at(i) for i in range(items)] if isinstance(items, int) else items)
        self.closed = 0

    def read(self) -> Frame | None:
        item = next(self._items, None)
        if isinstance(item, Exception):
            raise item
        if item is not None:
            item.captured_ns = time.monotonic_ns()
        return item

    def close(self) -> None:
        self.closed += 1


class CameraSource(FileSource):
    """Gives a frame each `period_s`, and none that is older."""

    live = True
    name = "camera"

    def __init__(self, count: int, period_s: float) -> None:
        super().__init__(count)
        self._period_s = period_s

    def read(self) -> Frame | None:
        time.sleep(self._period_s)
        return super().read()


class StubTracker:
    """Reports the faces it is given."""

    def __init__(self, *faces: Face) -> None:
        self.faces = list(faces)
        self.clock = {"detect": 0.25, "track": 0.5}
        self.detect_interval_ms = 400.0

    def update(self, frame: Frame) -> list[Face]:
        return list(self.faces)


class StubRecognizer:
    """Remembers which boxes it was asked for; the box's left edge chooses the label."""

    labels = ("neutral", "happiness", "surprise")

    def __init__(self, seconds: float = 0.0) -> None:
        self.boxes: list[Box] = []
        self._seconds = seconds

    def prepare(self, grey: np.ndarray, box: Box) -> None:
        self.boxes.append(box)

    def infer(self) -> np.ndarray:
        time.sleep(self._seconds)
        scores = np.full(3, 0.1, np.float32)
        scores[int(self.boxes[-1].x0) % 3] = 0.8
        return scores


class StubSmoother:
    def __init__(self) -> None:
        self.alive: set[int] | None = None

    def update(self, track: int, scores: np.ndarray, media_ns: int) -> np.ndarray:
        return scores

    def forget(self, alive_tracks) -> None:
        self.alive = set(alive_tracks)


class ListSink:
    """Keeps what it is given; fails with `error` at the reading of that number."""

    def __init__(self, error: SinkError | None = None, at: int = 0) -> None:
        self.readings = []
        self.closed = 0
        self._fails, self._at, self._error = error, at, None

    def write(self, reading, frame, stop=None) -> None:
        if self._fails is not None and len(self.readings) == self._at:
            self._error, self._fails = self._fails, None
            return
        self.readings.append(reading)

    def take_error(self):
        error, self._error = self._error, None
        return error

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def log_lines():
    """What edgefer logs from here on, whatever the command line has set up before."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = logging.getLogger("edgefer")
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)
    logger.setLevel(level)


def face(track: int, *reasons: str) -> Face:
    return Face(track, Box(track, 0, track + 5, 5), Quality(60.0, 100.0, 120.0, reasons))


def pipeline(*faces: Face, recognizer=None, **options) -> Pipeline:
    return Pipeline(StubTracker(*faces), recognizer or StubRecognizer(), StubSmoother(), **options)


class FixedGovernor:
    """A governor that has made up its mind."""

    def __init__(self, level: int = 0, budget_p95_ms: float | None = None) -> None:
        self.rates = LEVELS[level]
        self.budget_p95_ms = budget_p95_ms

    def observe(self, total_ms: float) -> bool:
        return False


# --- the newest-frame rule


def test_a_slow_consumer_sees_new_frames_only():
    """Ten times slower than the camera: frames are dropped, and none is older than about one period."""
    period_s = 0.004
    capture = Capture(CameraSource(150, period_s))
    indices, ages_s = [], []
    while not capture.ended:
        frame = capture.take(1.0)
        if frame is not None:
            ages_s.append((time.monotonic_ns() - frame.captured_ns) / 1e9)
            indices.append(frame.index)
            time.sleep(10 * period_s)
    capture.close()
    assert indices == sorted(set(indices))
    assert len(indices) < 50
    assert capture.dropped == indices[-1] - indices[0] + 1 - len(indices)
    # A queue would let age grow to 150 periods; one period and the scheduler's whims are what remains.
    assert np.median(ages_s) < 3 * period_s
    assert np.median(ages_s[-5:]) < 3 * period_s


def test_a_fast_consumer_sees_every_frame():
    """Nothing is dropped or given twice when the loop keeps up."""
    capture = Capture(CameraSource(20, 0.01))
    indices = []
    while not capture.ended:
        frame = capture.take(1.0)
        if frame is not None:
            indices.append(frame.index)
    capture.close()
    assert indices == list(range(20))
    assert capture.dropped == 0


def test_take_gives_up_after_its_timeout():
    """So that a stop is noticed while a camera is silent."""
    capture = Capture(CameraSource(1, 0.5))
    start = time.monotonic()
    assert capture.take(0.02) is None
    assert time.monotonic() - start < 0.4
    assert not capture.ended
    capture.close()


def test_an_error_comes_after_the_last_frame():
    """What was read is not lost to the failure behind it."""
    capture = Capture(FileSource([frame_at(0), SourceError("broken")]))
    time.sleep(0.05)
    assert capture.take(1.0).index == 0
    with pytest.raises(SourceError, match="broken"):
        capture.take(1.0)
    assert capture.ended
    capture.close()


def test_any_exception_of_the_reading_thread_reaches_the_loop():
    """Not only those that were foreseen: a dead thread must never look like a quiet camera."""
    capture = Capture(FileSource([ZeroDivisionError("odd")]))
    with pytest.raises(ZeroDivisionError):
        capture.take(1.0)
    capture.close()


def test_closing_stops_the_thread_and_closes_the_source():
    """Even when frames still come."""
    source = CameraSource(10_000, 0.001)
    capture = Capture(source)
    capture.take(1.0)
    capture.close()
    assert source.closed == 1
    assert capture.take(0.0) is None or capture.take(0.0) is None  # at most the frame in hand


def test_a_source_that_answers_after_closing_gave_up_is_closed_then():
    """A camera left open could not be opened again by this process."""
    inside, answer = threading.Event(), threading.Event()

    class Stuck(CameraSource):
        def read(self):
            inside.set()
            answer.wait(10)
            return super().read()

    source = Stuck(10, 0.001)
    capture = Capture(source)
    assert inside.wait(5)
    capture.close(timeout_s=0.05)
    assert source.closed == 0
    answer.set()
    capture._thread.join(5)
    assert source.closed == 1


def test_a_camera_whose_read_never_comes_back_is_given_up():
    """Else a service would beat for ever without a reading."""
    answer = threading.Event()

    class Hanging(CameraSource):
        def read(self):
            answer.wait(10)

    capture = Capture(Hanging(10, 0.001), reopen=lambda: None, patience_s=0.1)
    with pytest.raises(SourceStalled, match="no answer for 0.1 s"):
        for _ in range(100):
            assert capture.take(0.02) is None
    answer.set()
    capture.close()


def test_a_stalled_source_is_opened_again_and_carries_on():
    """Indices and media time go on from where they were; the old source is closed."""
    first = FileSource([frame_at(0), frame_at(1), SourceStalled("unplugged")])
    second = FileSource([frame_at(0), frame_at(1)])
    attempts = [SourceError("not yet"), second]

    def reopen():
        attempt = attempts.pop(0)
        if isinstance(attempt, Exception):
            raise attempt
        return attempt

    capture = Capture(first, reopen)
    frames = []
    while not capture.ended:
        frame = capture.take(1.0)
        if frame is not None:
            frames.append(frame)
    capture.close()
    assert first.closed == second.closed == 1
    assert capture.reconnects == 1
    assert frames[-1].index == 3
    assert [f.media_ns for f in frames] == sorted(f.media_ns for f in frames)


def test_patience_with_a_stalled_source_ends():
    """The last reason is given, and pauses grow meanwhile."""
    now = [0.0]
    pauses = []

    class Waits:
        """Stands in for the capture's stop event: waiting takes no time but the clock moves."""

        def wait(self, seconds: float) -> bool:
            pauses.append(seconds)
            now[0] += seconds
            return False

        def is_set(self) -> bool:
            return False

        def set(self) -> None:
            pass

    def reopen():
        raise SourceError("still unplugged")

    class Held(FileSource):
        gate = threading.Event()

        def read(self):
            self.gate.wait()
            raise SourceStalled("unplugged")

    source = Held(0)
    capture = Capture(source, reopen, patience_s=10.0, clock=lambda: now[0])
    capture._stop = Waits()
    source.gate.set()
    with pytest.raises(SourceError, match="still unplugged"):
        capture.take(2.0)
    assert pauses == [0.25, 0.5, 1.0, 2.0, 4.0]


def test_without_reopening_a_stall_is_final():
    """Whoever gives no way to open it again gets the error."""
    capture = Capture(FileSource([SourceStalled("unplugged")]))
    with pytest.raises(SourceStalled):
        capture.take(1.0)
    capture.close()


# --- run


def test_a_file_is_read_whole_and_in_order():
    """A slow loop changes nothing: every frame has its reading."""
    source, sink = FileSource(40), ListSink()
    summary = run(source, pipeline(face(1), recognizer=StubRecognizer(0.002)), [sink])
    assert [reading.frame for reading in sink.readings] == list(range(40))
    assert (summary.frames, summary.dropped, summary.frames_with_face) == (40, 0, 40)
    assert source.closed == 1
    assert sink.closed == 1


def test_realtime_drops_rather_than_waits():
    """The same file under the newest-frame rule."""
    source, sink = CameraSource(60, 0.003), ListSink()
    summary = run(source, pipeline(face(1), recognizer=StubRecognizer(0.02)), [sink], realtime=True)
    assert summary.dropped > 20
    assert summary.frames + summary.dropped <= 60
    assert np.median([reading.age_ms for reading in sink.readings]) < 20 + 4 * 3


def test_a_stop_ends_the_run_and_closes_everything():
    """From another thread, with a camera that never ends."""
    stop = threading.Event()
    source, sink = CameraSource(100_000, 0.002), ListSink()
    threading.Timer(0.1, stop.set).start()
    start = time.monotonic()
    summary = run(source, pipeline(face(1)), [sink], stop=stop)
    assert time.monotonic() - start < 3
    assert summary.frames == len(sink.readings) > 0
    assert source.closed == 1
    assert sink.closed == 1


@pytest.mark.parametrize("live", [False, True])
def test_a_number_of_frames_ends_the_run(live):
    """--frames counts readings."""
    sink = ListSink()
    run(CameraSource(500, 0.001) if live else FileSource(500), pipeline(), [sink], frames=7)
    assert len(sink.readings) == 7


def test_a_number_of_seconds_ends_the_run():
    """--seconds counts from the first frame."""
    start = time.monotonic()
    run(CameraSource(100_000, 0.002), pipeline(), seconds=0.1)
    assert 0.1 <= time.monotonic() - start < 3


@pytest.mark.parametrize("live", [False, True])
def test_a_source_that_fails_ends_the_run_with_its_error(live):
    """After its readings were written and the sinks closed."""
    source, sink = FileSource([frame_at(0), SourceError("truncated")]), ListSink()
    source.live = live
    with pytest.raises(SourceError, match="truncated"):
        run(source, pipeline(), [sink])
    assert len(sink.readings) == 1
    assert sink.closed == 1
    assert source.closed == 1


def test_an_error_in_the_loop_still_closes_everything():
    """A bug must not leave a half-written file."""

    class Broken(StubRecognizer):
        def infer(self):
            raise ZeroDivisionError

    source, sink = FileSource(3), ListSink()
    with pytest.raises(ZeroDivisionError):
        run(source, pipeline(face(1), recognizer=Broken()), [sink])
    assert source.closed == 1
    assert sink.closed == 1


def test_a_failed_sink_is_left_out_and_said_once(log_lines):
    """The others go on; the summary keeps the error for the exit code."""
    good, bad = ListSink(), ListSink(SinkError("disk full"), at=2)
    summary = run(FileSource(10), pipeline(), [good, bad])
    assert len(good.readings) == 10
    assert len(bad.readings) == 2
    assert [str(error) for error in summary.sink_errors] == ["disk full"]
    assert log_lines == ["disk full; going on without it"]


def test_without_any_sink_left_the_run_is_over():
    """Readings nobody gets are not worth the electricity."""
    source = FileSource(1000)
    with pytest.raises(SinkError, match="disk full"):
        run(source, pipeline(), [ListSink(SinkError("disk full"), at=1)])
    assert source.closed == 1


def test_a_reader_that_goes_away_is_a_clean_end():
    """As `| head` does."""
    summary = run(FileSource(1000), pipeline(), [ListSink(SinkClosed("pipe"), at=3)])
    assert summary.frames == 4
    assert summary.sink_errors == []


def test_the_beat_goes_on_while_no_frame_comes():
    """A watchdog must not end a service whose camera is silent for a moment."""
    beats = []
    run(CameraSource(1, 0.35), pipeline(), on_beat=lambda summary: beats.append(summary.frames))
    assert beats.count(0) >= 2
    assert beats[-1] == 1


# --- process


def test_a_reading_tells_time_age_and_the_latency_of_every_stage():
    """In order of execution; the parts add up to no more than the total."""
    captured_ns = time.monotonic_ns() - 50_000_000
    loop = pipeline(face(1), recognizer=StubRecognizer(0.003))
    loop._tracker.clock = {"detect": 0.0, "track": 0.0}
    reading = loop.process(frame_at(5, captured_ns))
    assert reading.frame == 5
    assert tuple(reading.latency_ms) == STAGES
    stages = reading.latency_ms
    assert 50 <= stages["capture"] <= reading.age_ms
    assert reading.age_ms == pytest.approx(stages["capture"] + stages["total"], abs=0.5)
    assert stages["infer"] >= 3
    assert sum(stages[stage] for stage in STAGES[1:-1]) <= stages["total"] + 0.01


def test_the_time_is_that_of_capture_in_iso_8601():
    """With milliseconds and the offset from UTC."""
    before = datetime.datetime.now(datetime.timezone.utc)
    reading = pipeline().process(frame_at(0, time.monotonic_ns() - 2_000_000_000))
    taken = datetime.datetime.fromisoformat(reading.time)
    assert taken.utcoffset() is not None
    assert len(reading.time.split(".")[1]) == len("123+00:00")
    assert abs((before - taken).total_seconds() - 2.0) < 0.5


def test_the_strongest_label_is_the_expression():
    """Scores by label, confidence theirs."""
    (reading,) = pipeline(face(1)).process(frame_at(0)).faces
    assert reading.expression == "happiness"
    assert reading.confidence == pytest.approx(0.8)
    assert list(reading.scores) == ["neutral", "happiness", "surprise"]
    assert sum(reading.scores.values()) == pytest.approx(1.0)


def test_a_face_held_back_by_the_gate_is_uncertain_and_not_recognised():
    """It keeps the scores of its last good moment, and gets its expression back with the next."""
    loop = pipeline(face(1))
    loop.process(frame_at(0))
    loop._tracker.faces = [face(1, "blurred")]
    (held,) = loop.process(frame_at(1)).faces
    assert held.expression == UNCERTAIN
    assert held.scores["happiness"] == pytest.approx(0.8)
    assert len(loop._recognizer.boxes) == 1
    loop._tracker.faces = [face(1)]
    assert loop.process(frame_at(2)).faces[0].expression == "happiness"


def test_a_face_that_was_never_fit_has_equal_scores():
    """Nothing is known of it."""
    (reading,) = pipeline(face(4, "small")).process(frame_at(0)).faces
    assert reading.expression == UNCERTAIN
    assert list(reading.scores.values()) == pytest.approx([1 / 3] * 3)


def test_all_faces_are_recognised_within_the_limit():
    """Three faces, three readings, in the tracker's order."""
    loop = pipeline(face(1), face(2), face(3), max_faces=3)
    reading = loop.process(frame_at(0))
    assert [f.track for f in reading.faces] == [1, 2, 3]
    assert [f.expression for f in reading.faces] == ["happiness", "surprise", "neutral"]


def test_with_more_faces_than_the_limit_they_take_turns():
    """Each has its turn within ceil(5 / 2) frames."""
    loop = pipeline(*(face(track) for track in range(1, 6)), max_faces=2)
    for index in range(9):
        loop.process(frame_at(index))
    tracks = [int(box.x0) for box in loop._recognizer.boxes]
    assert len(tracks) == 18
    for start in range(len(tracks) - 5):
        assert set(tracks[start : start + 6]) == {1, 2, 3, 4, 5}


def test_faces_take_turns_when_the_budget_leaves_no_time_for_all():
    """Two faces of 8 ms fit 20 ms, four do not; nobody is left out for long."""
    recognizer = StubRecognizer(0.008)
    loop = pipeline(*(face(track) for track in (1, 2, 3, 4)), recognizer=recognizer)
    loop.governor = FixedGovernor(budget_p95_ms=20.0)
    totals = [loop.process(frame_at(index)).latency_ms["total"] for index in range(8)]
    assert np.median(totals) < 26
    tracks = [int(box.x0) for box in recognizer.boxes]
    assert len(tracks) < 8 * 4
    counts = [tracks.count(track) for track in (1, 2, 3, 4)]
    assert max(counts) - min(counts) <= 1


def test_one_face_is_always_recognised():
    """However small the budget."""
    recognizer = StubRecognizer(0.005)
    loop = pipeline(face(1), recognizer=recognizer)
    loop.governor = FixedGovernor(budget_p95_ms=0.1)
    for index in range(3):
        loop.process(frame_at(index))
    assert len(recognizer.boxes) == 3


def test_at_a_lower_rate_scores_are_carried():
    """Recognition in every third frame; a new face does not wait for it."""
    loop = pipeline(face(1))
    loop.governor = FixedGovernor(
        level=next(i for i, rates in enumerate(LEVELS) if rates.recognize_every == 3)
    )
    for index in range(4):
        assert loop.process(frame_at(index)).faces[0].expression == "happiness"
    loop._tracker.faces.append(face(2))
    assert loop.process(frame_at(4)).faces[1].expression == "surprise"
    assert [int(box.x0) for box in loop._recognizer.boxes] == [1, 1, 2]


def test_tracks_that_are_gone_are_forgotten():
    """A service must not grow with the number of people it has seen."""
    loop = pipeline()
    for index in range(1100):
        loop._tracker.faces = [face(index // 10)]
        loop.process(frame_at(index))
    assert len(loop._scores) < 80
    assert loop._recognized.keys() == loop._scores.keys()
    assert loop._smoother.alive is not None
    assert len(loop._smoother.alive) < 80


# --- the governor

COLD = Heat(40.0, False)
HOT = Heat(90.0, False)


def governor(budget_ms: float | None = 20.0, heat=lambda: COLD, clock=lambda: 0.0) -> Governor:
    return Governor(budget_ms, window_frames=10, max_temperature_c=80.0, heat=heat, clock=clock)


def feed(subject: Governor, total_ms: float, windows: int = 1) -> list[int]:
    """The level after each window of equal frames."""
    levels = []
    for _ in range(windows):
        for _ in range(10):
            subject.observe(total_ms)
        levels.append(subject.level)
    return levels


def test_within_the_budget_all_work_is_done():
    """The level stays at 0."""
    assert feed(governor(), 19.0, 20) == [0] * 20


def test_over_the_budget_the_detector_is_slowed_first_then_the_recogniser():
    """One step a window, down to the last."""
    subject = governor()
    seen = [subject.rates]
    for _ in range(8):
        feed(subject, 25.0)
        seen.append(subject.rates)
    assert seen[:6] == list(LEVELS)
    assert seen[-1] == LEVELS[-1]
    first_slower = next(i for i, rates in enumerate(LEVELS) if rates.recognize_every > 1)
    assert all(rates.recognize_every == 1 for rates in LEVELS[:first_slower])
    assert LEVELS[first_slower].detect_interval_factor == max(r.detect_interval_factor for r in LEVELS)


def test_rare_slow_frames_within_p95_are_borne():
    """One in thirty, as a detection may be."""
    subject = Governor(20.0, window_frames=90, heat=lambda: COLD)
    for index in range(900):
        subject.observe(60.0 if index % 30 == 0 else 5.0)
    assert subject.level == 0


def test_frequent_slow_frames_are_not():
    """One in ten."""
    subject = Governor(20.0, window_frames=90, heat=lambda: COLD)
    for index in range(90):
        subject.observe(60.0 if index % 10 == 0 else 5.0)
    assert subject.level == 1


def test_the_rates_rise_again_with_room_and_not_without():
    """Just below the budget nothing changes (hysteresis); well below it the level goes up after a while."""
    subject = governor()
    feed(subject, 25.0, 2)
    assert feed(subject, 18.0, 30) == [2] * 30
    levels = feed(subject, 5.0, 10)
    assert levels[0] == 2
    assert levels[-1] == 0


def test_a_load_that_returns_with_the_rate_makes_rises_rare():
    """Low at level 1, over the budget at level 0: the governor must not swing forever."""
    subject = governor()
    changes = []
    for _ in range(200):
        before = subject.changes
        feed(subject, 25.0 if subject.level == 0 else 5.0)
        changes.append(subject.changes - before)
    assert sum(changes[:50]) > sum(changes[-50:])
    assert sum(changes[-50:]) <= 4


def test_heat_lowers_the_rates_and_coolness_raises_them():
    """With hysteresis: at 77 °C of 80 nothing rises."""
    heat = [HOT]
    now = [0.0]

    def clock():
        now[0] += 3
        return now[0]

    subject = governor(heat=lambda: heat[0], clock=clock)
    assert feed(subject, 5.0, 2) == [1, 2]
    heat[0] = Heat(77.0, False)
    assert feed(subject, 5.0, 10) == [2] * 10
    heat[0] = COLD
    assert feed(subject, 5.0, 10)[-1] == 0


def test_throttling_counts_as_heat():
    """The firmware knows better than the thermometer."""
    assert feed(governor(heat=lambda: Heat(50.0, True)), 1.0) == [1]


def test_without_a_budget_heat_alone_counts():
    """A profile without budgets."""
    assert feed(governor(None), 10_000.0, 3) == [0, 0, 0]
    assert feed(governor(None, heat=lambda: HOT), 1.0) == [1]


def test_the_thermometer_is_not_read_at_every_window():
    """sysfs may be slow."""
    reads, now = [], [0.0]
    subject = governor(heat=lambda: reads.append(1) or COLD, clock=lambda: now[0])
    feed(subject, 5.0, 10)
    assert len(reads) == 1
    now[0] = 2.5
    feed(subject, 5.0, 1)
    assert len(reads) == 2


def test_each_change_is_logged_once(log_lines):
    """And nothing else."""
    subject = governor()
    feed(subject, 25.0, 20)
    assert len(log_lines) == subject.changes == len(LEVELS) - 1
    assert "p95 is 25.0 ms of 20" in log_lines[0]


def test_the_pipeline_passes_the_rate_to_the_tracker():
    """And gives the profile's interval back later."""
    loop = pipeline(face(1))
    loop.governor = governor()
    for _ in range(10):
        loop.governor.observe(25.0)
    assert loop.governor.level == 1
    for _ in range(9):
        loop.governor.observe(25.0)
    recognizer_time = StubRecognizer(0.03)
    loop._recognizer = recognizer_time
    loop.process(frame_at(0))
    assert loop._tracker.detect_interval_ms == 400.0 * LEVELS[2].detect_interval_factor
    loop._recognizer = StubRecognizer()
    for index in range(1, 80):
        loop.process(frame_at(index))
    assert loop._tracker.detect_interval_ms == 400.0
