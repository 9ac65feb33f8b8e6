"""The queue before a sink."""

import os
import threading
import time

import pytest
from readings import frame, reading

from edgefer.errors import SinkClosed, SinkError, SinkStalled
from edgefer.sinks import Sink, SinkThread
from edgefer.sinks.thin import Thinned
from edgefer.values import Health


class Recorder(Sink):
    """Keeps what it gets; waits at `gate`, and fails at reading `fails_at`."""

    name = "recorder"

    def __init__(self, fails_at=None, error=None, open_gate=True):
        self.seen = []
        self.frames = []
        self.closed = 0
        self.threads = set()
        self.entered = threading.Event()
        self.gate = threading.Event()
        if open_gate:
            self.gate.set()
        self.fails_at, self.error = fails_at, error

    def write(self, reading, frame=None):
        self.entered.set()
        self.threads.add(threading.current_thread().name)
        assert self.gate.wait(10)
        if reading.frame == self.fails_at:
            raise self.error
        self.seen.append(reading.frame)
        self.frames.append(frame)

    def close(self):
        self.closed += 1


def test_readings_arrive_in_order_on_another_thread_and_close_waits_for_them():
    recorder = Recorder()
    sink = SinkThread(recorder, capacity=100)
    for index in range(50):
        sink.write(reading(index))
    sink.close()
    assert recorder.seen == list(range(50)) and recorder.closed == 1
    assert recorder.threads == {"sink recorder"}
    assert sink.dropped == 0 and not sink.failed and sink.take_error() is None


@pytest.mark.parametrize("frames", [False, True])
def test_a_frame_is_only_kept_for_a_sink_that_looks_at_it(frames):
    recorder = Recorder()
    sink = SinkThread(recorder, frames=frames)
    image = frame(0)
    sink.write(reading(0), image)
    sink.close()
    assert recorder.frames == [image if frames else None]


def test_a_slow_sink_loses_the_oldest_readings_and_never_delays():
    recorder = Recorder(open_gate=False)
    sink = SinkThread(recorder, capacity=4, drop=True)
    sink.write(reading(0))
    assert recorder.entered.wait(5)  # 0 is in the sink, the queue is empty
    start = time.monotonic()
    for index in range(1, 101):
        sink.write(reading(index))
    assert time.monotonic() - start < 1
    recorder.gate.set()
    sink.close()
    assert recorder.seen == [0, 97, 98, 99, 100]
    assert sink.dropped == 96


def test_a_whole_file_waits_for_a_slow_sink_and_loses_nothing():
    recorder = Recorder(open_gate=False)
    sink = SinkThread(recorder, capacity=4, drop=False)
    threading.Timer(0.2, recorder.gate.set).start()
    start = time.monotonic()
    for index in range(100):
        sink.write(reading(index))
    assert time.monotonic() - start > 0.15
    sink.close()
    assert recorder.seen == list(range(100)) and sink.dropped == 0


def test_a_stop_ends_the_wait_for_room():
    recorder = Recorder(open_gate=False)
    sink = SinkThread(recorder, capacity=1, drop=False)
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    start = time.monotonic()
    for index in range(5):
        sink.write(reading(index), stop=stop)
    assert time.monotonic() - start < 5
    recorder.gate.set()
    sink.close()
    assert sink.dropped + len(recorder.seen) == 5 and sink.dropped >= 3


@pytest.mark.parametrize("drop", [True, False])
@pytest.mark.parametrize(
    "error", [SinkError("recorder: disk full"), SinkClosed("recorder: gone")], ids=["error", "closed"]
)
def test_a_dead_sink_costs_readings_and_is_reported_once(drop, error):
    recorder = Recorder(fails_at=2, error=error)
    sink = SinkThread(recorder, capacity=2, drop=drop)
    for index in range(100):
        sink.write(reading(index))
        deadline = time.monotonic() + 10
        while index < 3 and len(recorder.seen) <= index and not sink.failed and time.monotonic() < deadline:
            time.sleep(0.001)  # the first three pass one by one
    sink.close()
    assert recorder.seen == [0, 1] and recorder.closed == 1
    assert sink.failed and sink.take_error() is error and sink.take_error() is None
    assert sink.dropped == 97


class Full(Recorder):
    """A disk that has no room for some readings."""

    def __init__(self, *full):
        super().__init__()
        self.full = full

    def write(self, reading, frame=None):
        if reading.frame in self.full:
            raise SinkStalled("recorder: disk full")
        super().write(reading)


def test_a_full_disk_costs_a_live_source_readings_and_no_more(caplog):
    recorder = Full(2, 3, 6)
    sink = SinkThread(recorder, capacity=100)
    for index in range(8):
        sink.write(reading(index))
    sink.close()
    assert recorder.seen == [0, 1, 4, 5, 7] and sink.dropped == 3 and sink.take_error() is None
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        "recorder: disk full; readings are lost until it can be written again",
        "recorder: can be written again; 2 readings were lost",
        "recorder: disk full; readings are lost until it can be written again",
        "recorder: can be written again; 1 reading was lost",
    ]


def test_a_disk_that_is_still_full_at_the_end_is_a_failure():
    sink = SinkThread(Full(*range(2, 8)), capacity=100)
    for index in range(8):
        sink.write(reading(index))
    sink.close()
    assert str(sink.take_error()) == "recorder: disk full" and sink.dropped == 6


def test_a_reading_that_is_not_due_says_nothing_of_a_full_disk(caplog):
    recorder = Full(*range(1, 20))
    sink = SinkThread(Thinned(recorder, every=3), capacity=100)
    for index in range(20):
        sink.write(reading(index))
    sink.close()
    assert [record.getMessage() for record in caplog.records] == [
        "recorder: disk full; readings are lost until it can be written again"
    ]
    assert recorder.seen == [0] and sink.dropped == 6 and str(sink.take_error()) == "recorder: disk full"


def test_what_waits_for_room_is_not_lost(caplog):
    class Waiting(Full):
        def write(self, reading, frame=None):
            try:
                return super().write(reading, frame)
            except SinkStalled as error:
                error.lost = 0
                raise

    sink = SinkThread(Waiting(1, 2), capacity=100)
    for index in range(3):
        sink.write(reading(index))
    sink.close()
    assert [record.getMessage() for record in caplog.records] == [
        "recorder: disk full; readings wait until it can be written again"
    ]
    assert sink.dropped == 0 and sink.take_error() is None


def test_a_file_that_is_read_whole_ends_at_a_full_disk():
    """Readings of a film must not be missing without a word in the exit code."""
    recorder = Full(2)
    sink = SinkThread(recorder, capacity=100, drop=False)
    for index in range(8):
        sink.write(reading(index))
    sink.close()
    assert recorder.seen == [0, 1] and str(sink.take_error()) == "recorder: disk full"


def test_an_unforeseen_fault_in_a_sink_becomes_one_line():
    sink = SinkThread(Recorder(fails_at=0, error=ZeroDivisionError("oh")))
    sink.write(reading(0))
    sink.close()
    error = sink.take_error()
    assert type(error) is SinkError and str(error) == "recorder: ZeroDivisionError: oh"


def test_a_fault_while_closing_is_reported():
    class Unfinished(Recorder):
        def close(self):
            raise SinkError("recorder: not whole")

    sink = SinkThread(Unfinished())
    sink.close()
    assert str(sink.take_error()) == "recorder: not whole"


def test_a_sink_that_hangs_is_left_behind_in_time():
    recorder = Recorder(open_gate=False)
    sink = SinkThread(recorder, capacity=8)
    for index in range(5):
        sink.write(reading(index))
    assert recorder.entered.wait(5)
    start = time.monotonic()
    sink.close(timeout_s=0.2)
    assert time.monotonic() - start < 2
    assert "does not take its readings" in str(sink.take_error())
    assert sink.dropped == 4
    recorder.gate.set()


def test_a_file_waits_for_a_reader_at_leisure_until_it_is_stopped():
    recorder = Recorder(open_gate=False)
    sink = SinkThread(recorder, capacity=8, drop=False)
    stop = threading.Event()
    for index in range(5):
        sink.write(reading(index), stop=stop)
    threading.Timer(0.5, recorder.gate.set).start()
    sink.close(timeout_s=0.1)
    assert recorder.seen == list(range(5)) and sink.take_error() is None

    recorder = Recorder(open_gate=False)
    sink = SinkThread(recorder, capacity=8, drop=False)
    sink.write(reading(0), stop=stop)
    threading.Timer(0.2, stop.set).start()
    start = time.monotonic()
    sink.close(timeout_s=0.1)
    assert 0.2 < time.monotonic() - start < 5
    assert "does not take its readings" in str(sink.take_error())
    recorder.gate.set()


def test_writing_after_close_is_harmless():
    recorder = Recorder()
    sink = SinkThread(recorder)
    sink.close()
    sink.write(reading(0))
    sink.close()
    assert recorder.seen == [] and recorder.closed == 1 and sink.dropped == 1


def test_a_queue_without_room_is_refused():
    with pytest.raises(ValueError, match="capacity must be at least 1, got 0"):
        SinkThread(Recorder(), capacity=0)


@pytest.mark.parametrize("waits", [False, True])
def test_a_call_that_does_not_come_back_is_a_hang_but_where_the_sink_waits_for_somebody_else(monkeypatch, waits):
    monkeypatch.setattr("edgefer.sinks.thread.HANGS_AFTER_S", 0.05)
    inside, release = threading.Event(), threading.Event()

    class Hanging(Recorder):
        def write(self, reading, frame=None):
            inside.set()
            release.wait(10)

    sink = Hanging()
    sink.waits = waits
    thread = SinkThread(sink)
    assert not thread.hangs
    thread.write(reading(0))
    assert inside.wait(5)
    time.sleep(0.1)
    assert thread.hangs == (not waits)
    release.set()
    thread.close()
    assert not thread.hangs


def test_a_sink_with_a_pace_gets_everything_without_being_woken_for_each():
    """The first wakes it; those that come soon after wait for one that may, for many, or for the end."""

    class Counted(Sink):
        name = "counted"

        def __init__(self) -> None:
            self.frames: list[int] = []
            self.reports = 0
            self.policies: set[int] = set()

        def write(self, reading, frame=None) -> None:
            self.frames.append(reading.frame)
            self.policies.add(os.sched_getscheduler(0))

        def report(self, health) -> None:
            self.reports += 1

    sink = Counted()
    thread = SinkThread(sink, capacity=8, pace_s=3600.0)
    thread.write(reading(0))
    time.sleep(0.1)
    for index in range(1, 4):
        thread.write(reading(index))
    time.sleep(0.1)
    assert sink.frames == [0] and sink.reports == 0
    for index in range(4, 8):  # half of the room is taken
        thread.write(reading(index))
    thread.report(Health(1, 0, 0, 30.0, 5.0, 0, 0, None, False, "running"))
    deadline = time.monotonic() + 20
    while len(sink.frames) < 8 or not sink.reports:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    thread.write(reading(8))
    time.sleep(0.1)
    assert sink.frames == list(range(8))
    thread.close()
    assert sink.frames == list(range(9)) and thread.dropped == 0
    assert sink.policies == {os.SCHED_BATCH} and os.sched_getscheduler(0) != os.SCHED_BATCH
