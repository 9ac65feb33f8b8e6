"""A run: whole files, stop, limits, failing sinks, the beat."""

from __future__ import annotations

import threading
import time

import pytest
from loop_doubles import CameraSource, FileSource, ListSink, SteppedCamera, StubRecognizer, face, frame_at, pipeline

from edgefer.errors import SinkClosed, SinkError, SourceError, SourceStalled
from edgefer.loop.readings import Readings
from edgefer.loop.run import run
from edgefer.sinks import Sink, SinkThread


def run_readings(source, pipeline, sinks=(), *, stop=None, on_beat=None, **options):
    """A run over one source."""
    return run(Readings(source, pipeline, **options), sinks, stop, on_beat)


def test_a_file_is_read_whole_and_in_order():
    """A slow loop changes nothing: every frame has its reading."""
    source, sink = FileSource(40), ListSink()
    summary = run_readings(source, pipeline(face(1), recognizer=StubRecognizer(0.002)), [sink])
    assert [reading.frame for reading in sink.readings] == list(range(40))
    assert (summary.frames, summary.dropped, summary.frames_with_face) == (40, 0, 40)
    assert source.closed == 1
    assert sink.closed == 1


def test_realtime_drops_rather_than_waits():
    """Ten frames pass while a face is recognized: the next reading is of the last of them."""

    class Slow(StubRecognizer):
        def observe(self, frame, face):
            source.pass_frames(10)
            return super().observe(frame, face)

    source, sink = SteppedCamera(51), ListSink()
    summary = run_readings(source, pipeline(face(1), recognizer=Slow()), [sink], realtime=True)
    assert [reading.frame for reading in sink.readings] == [0, 10, 20, 30, 40, 50]
    assert (summary.frames, summary.dropped) == (6, 45)


def test_a_stop_ends_the_run_and_closes_everything():
    """From another thread, with a camera that never ends."""
    stop = threading.Event()
    source, sink = CameraSource(100_000, 0.002), ListSink()
    threading.Timer(0.1, stop.set).start()
    start = time.monotonic()
    summary = run_readings(source, pipeline(face(1)), [sink], stop=stop)
    assert time.monotonic() - start < 3
    assert summary.frames == len(sink.readings) > 0
    assert source.closed == 1
    assert sink.closed == 1


def test_the_outputs_hear_of_the_end_of_a_run_that_fails():
    """Who was seen last is no longer there."""
    told = []

    class Listening(ListSink):
        def report(self, health):
            told.append((health.source, health.faces))

    with pytest.raises(SourceError, match="broken"):
        run_readings(FileSource([frame_at(0), SourceError("broken")]), pipeline(face(1)), [Listening()])
    assert told[-1] == ("ended", 0)


@pytest.mark.parametrize("live", [False, True])
def test_a_person_at_one_of_the_outputs_ends_the_run(live):
    """As `q` in the live table does; the other outputs are closed as at any end."""
    asked, other = ListSink(), ListSink()
    write = asked.write

    def write_and_ask(reading, frame, stop=None):
        write(reading, frame, stop)
        asked.end_asked = len(asked.readings) == 5

    asked.write = write_and_ask
    summary = run_readings(CameraSource(500, 0.001) if live else FileSource(500), pipeline(), [asked, other])
    assert summary.frames == len(asked.readings) == len(other.readings) == 5
    assert asked.closed == other.closed == 1 and not summary.sink_errors


@pytest.mark.parametrize("live", [False, True])
def test_a_number_of_frames_ends_the_run(live):
    """--frames counts readings."""
    sink = ListSink()
    run_readings(CameraSource(500, 0.001) if live else FileSource(500), pipeline(), [sink], frames=7)
    assert len(sink.readings) == 7


def test_a_number_of_seconds_ends_the_run():
    """Of the source's own time: 33 ms a frame."""
    sink = ListSink()
    run_readings(CameraSource(100_000, 0.002), pipeline(), [sink], seconds=0.1)
    assert sink.readings[-1].t_s < 0.1
    run_readings(FileSource(100), pipeline(), [sink := ListSink()], seconds=0.1)
    assert [reading.frame for reading in sink.readings] == [0, 1, 2, 3]


@pytest.mark.parametrize("live", [False, True])
def test_a_source_that_fails_ends_the_run_with_its_error(live):
    """After its readings were written and the sinks closed."""
    source, sink = FileSource([frame_at(0), SourceError("truncated")]), ListSink()
    source.live = live
    with pytest.raises(SourceError, match="truncated"):
        run_readings(source, pipeline(), [sink])
    assert len(sink.readings) == 1
    assert sink.closed == 1
    assert source.closed == 1


def test_an_error_in_the_loop_still_closes_everything():
    """A bug must not leave a half-written file."""

    class Broken(StubRecognizer):
        def observe(self, frame, face):
            raise ZeroDivisionError

    source, sink = FileSource(3), ListSink()
    with pytest.raises(ZeroDivisionError):
        run_readings(source, pipeline(face(1), recognizer=Broken()), [sink])
    assert source.closed == 1
    assert sink.closed == 1


def test_a_failed_sink_is_left_out_and_said_once(log_lines):
    """The others go on; the summary keeps the error for the exit code."""
    good, bad = ListSink(), ListSink(SinkError("disk full"), at=2)
    summary = run_readings(FileSource(10), pipeline(), [good, bad])
    assert len(good.readings) == 10
    assert len(bad.readings) == 2
    assert [str(error) for error in summary.sink_errors] == ["disk full"]
    assert log_lines == ["disk full; going on without it"]


def test_without_any_sink_left_the_run_is_over():
    """Readings nobody gets are not worth the electricity."""
    source = FileSource(1000)
    with pytest.raises(SinkError, match="disk full"):
        run_readings(source, pipeline(), [ListSink(SinkError("disk full"), at=1)])
    assert source.closed == 1


@pytest.mark.parametrize("live", [False, True])
def test_outputs_that_hang_take_no_time_from_the_others(live, monkeypatch):
    """A service that is stopped has five seconds, with which a file must still get its end."""
    monkeypatch.setattr("edgefer.sinks.thread.CLOSE_S", 0.5)
    over, stop, ends = threading.Event(), threading.Event(), []

    class Output(Sink):
        def __init__(self, name: str) -> None:
            self.name = name

        def write(self, reading, frame=None) -> None:
            if self.name != "whole":
                over.wait(10)

        def close(self) -> None:
            ends.append((self.name, time.monotonic()))

    class Slow(CameraSource):
        def close(self) -> None:
            super().close()
            time.sleep(0.3)

    sinks = [SinkThread(Output(name), drop=live) for name in ("one", "two", "three", "whole")]
    threading.Timer(0.1, stop.set).start()
    source = Slow(100_000, 0.01)
    source.live = live
    summary = run_readings(source, pipeline(), sinks, stop=stop)
    closed_s = time.monotonic()
    over.set()
    ((name, ended_s), *_) = ends
    assert name == "whole" and closed_s - ended_s < 0.9
    assert [str(error).partition(":")[0] for error in summary.sink_errors] == ["one", "two", "three"]


def test_a_reader_that_goes_away_is_a_clean_end():
    """As `| head` does."""
    summary = run_readings(FileSource(1000), pipeline(), [ListSink(SinkClosed("pipe"), at=3)])
    assert summary.frames == 4
    assert summary.sink_errors == []


def test_the_beat_goes_on_while_no_frame_comes():
    """A watchdog must not end a service whose camera is silent for a moment."""
    beats = []
    run_readings(CameraSource(1, 0.35), pipeline(), on_beat=lambda written, hanging: beats.append(written))
    assert beats.count(0) >= 2
    assert beats[-1] == 1


def test_sinks_are_told_once_a_second_how_the_run_is_doing(monkeypatch):
    """And at the end, when the source has ended."""
    monkeypatch.setattr("edgefer.loop.run._HEALTH_INTERVAL_S", 0.0)
    sink = ListSink()
    run_readings(FileSource(10), pipeline(face(1)), [sink])
    last = sink.health[-1]
    assert [health.source for health in sink.health[:10]] == ["running"] * 10
    assert [health.frames for health in sink.health[:10]] == list(range(1, 11))
    assert [health.faces for health in sink.health[:10]] == [1] * 10
    assert last.source == "ended" and last.frames == len(sink.readings) and last.faces == 0
    assert last.reconnects == 0 and last.governor_level == 0 and last.age_ms > 0


def test_the_state_of_a_stalled_source_is_told_while_no_frame_comes(monkeypatch):
    monkeypatch.setattr("edgefer.loop.run._HEALTH_INTERVAL_S", 0.05)
    sink = ListSink()
    stalled = FileSource([frame_at(0), SourceStalled("silent")])
    stalled.live = True
    run_readings(stalled, pipeline(), [sink], reopen=lambda: FileSource(2))
    assert "stalled" in {health.source for health in sink.health}
    assert sink.health[-1].reconnects == 1
