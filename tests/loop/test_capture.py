"""The newest-frame rule."""

from __future__ import annotations

import threading
import time

import pytest
from loop_doubles import CameraSource, FileSource, SteppedCamera, frame_at

from edgefer.errors import SourceError, SourceRefused, SourceStalled
from edgefer.loop.capture import Capture


def test_a_slow_consumer_sees_new_frames_only():
    """Ten frames pass while it works: it gets the last of them, and a queue holds none of the others."""
    camera = SteppedCamera(61)
    capture = Capture(camera)
    indices = [capture.take(10.0).index]
    for _ in range(6):
        camera.pass_frames(10)
        indices.append(capture.take(10.0).index)
    camera.pass_frames(1)  # the end
    assert capture.take(10.0) is None and capture.ended
    capture.close()
    assert indices == [0, 10, 20, 30, 40, 50, 60]
    assert capture.dropped == 54


def test_a_fast_consumer_sees_every_frame():
    """Nothing is dropped or given twice when the loop keeps up."""
    camera = SteppedCamera(20)
    capture = Capture(camera)
    indices = [capture.take(10.0).index]
    for _ in range(19):
        camera.pass_frames(1)
        indices.append(capture.take(10.0).index)
    camera.pass_frames(1)  # the end
    assert capture.take(10.0) is None and capture.ended
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


class Hanging(CameraSource):
    """Never answers a read, until a test says so, and cannot be interrupted."""

    deadline_s = 0.05

    def __init__(self, answer: threading.Event) -> None:
        super().__init__(10, 0.001)
        self._answer = answer

    def read(self):
        self._answer.wait(10)
        return super().read()


@pytest.mark.parametrize("patience_s", [0, 30])
def test_a_camera_whose_reads_never_come_back_is_given_up(patience_s):
    """Else a service would beat for ever without a reading; a few threads may hang, not one more each time."""
    answer = threading.Event()
    before = threading.active_count()
    capture = Capture(Hanging(answer), reopen=lambda: Hanging(answer), patience_s=patience_s)
    capture._pauses.next_s = 0.0
    with pytest.raises(SourceStalled, match=r"no answer for 0.05 s; its driver hangs"):
        for _ in range(1000):
            assert capture.take(0.02) is None
    assert threading.active_count() - before <= 4
    answer.set()
    capture.close()


def test_threads_that_came_back_do_not_count_among_those_that_hang():
    """A camera may hang once a day for years."""
    answers = [threading.Event() for _ in range(8)]
    following = iter(answers[1:])
    capture = Capture(Hanging(answers[0]), reopen=lambda: Hanging(next(following)), patience_s=30)
    for number, answer in enumerate(answers[:-1]):
        capture._pauses.next_s = 0.0
        deadline = time.monotonic() + 5
        while capture.reconnects <= number and time.monotonic() < deadline:
            assert capture.take(0.02) is None
        answer.set()
    assert capture.reconnects == len(answers) - 1
    answers[-1].set()
    capture.close()


def test_an_opening_that_never_comes_back_is_left_and_tried_again(monkeypatch):
    monkeypatch.setattr("edgefer.loop.capture.LONGEST_ATTEMPT_S", 0.1)
    answer, late, good = threading.Event(), CameraSource(10, 0.001), CameraSource(1000, 0.001)
    openings = []

    def reopen():
        openings.append(None)
        if len(openings) == 1:
            answer.wait(10)
            return late
        return good

    capture = Capture(FileSource([frame_at(0), SourceStalled("unplugged")]), reopen, patience_s=1e6)
    frame, deadline = None, time.monotonic() + 5
    while (frame is None or not frame.index) and time.monotonic() < deadline:
        frame = capture.take(0.02)
    assert frame is not None and frame.index and len(openings) == 2
    answer.set()
    while not late.closed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert late.closed == 1 and not good.closed
    capture.close()


def test_an_opening_may_take_as_long_as_a_read_of_the_source(monkeypatch):
    """The next writer of a pipe may be slow with its first picture."""
    monkeypatch.setattr("edgefer.loop.capture.LONGEST_ATTEMPT_S", 0.1)
    answer, good = threading.Event(), CameraSource(1000, 0.001)
    openings = []

    def reopen():
        openings.append(None)
        answer.wait(10)
        return good

    first = FileSource([SourceStalled("its writer ended")])
    first.deadline_s = 1e6
    capture = Capture(first, reopen, patience_s=1e6)
    wait_for(lambda: openings)
    assert [capture.take(0.05) for _ in range(10)] == [None] * 10 and len(openings) == 1
    answer.set()
    assert capture.take(10) is not None and len(openings) == 1
    capture.close()


def test_a_source_that_does_not_let_itself_be_closed_is_left_too(monkeypatch):
    monkeypatch.setattr("edgefer.loop.patience.DEADLINE_S", 0.1)
    answer = threading.Event()

    class Clinging(FileSource):
        def close(self):
            answer.wait(10)

    capture = Capture(Clinging([SourceStalled("unplugged")]), lambda: CameraSource(1000, 0.001))
    deadline = time.monotonic() + 5
    while capture.take(0.02) is None and time.monotonic() < deadline:
        pass
    assert capture.reconnects == 1
    answer.set()
    capture.close()


@pytest.mark.parametrize(
    "words", [OSError(19, "No such device"), ConnectionResetError(104, "Connection reset")], ids=str
)
def test_an_error_of_the_system_is_a_stall(words):
    """Whatever a driver says: the camera may come back."""
    capture = Capture(FileSource([frame_at(0), words]), lambda: CameraSource(1000, 0.001))
    indices = []
    while len(indices) < 3:
        frame = capture.take(1.0)
        indices += [] if frame is None else [frame.index]
        if capture.stalled and not frame:
            assert words.strerror in capture.trouble
    assert indices == sorted(set(indices)) and capture.reconnects == 1 and not capture.stalled
    capture.close()


def test_the_end_of_an_endless_source_is_a_stall_and_that_of_another_is_its_end():
    capture = Capture(FileSource(2), lambda: CameraSource(1000, 0.001), endless=True)
    while not capture.reconnects:
        capture.take(0.05)
    capture.close()
    capture = Capture(FileSource(2), lambda: CameraSource(1000, 0.001))
    while not capture.ended:
        capture.take(0.05)
    assert capture.reconnects == 0
    capture.close()


def test_pictures_that_count_from_the_beginning_again_go_on():
    """As after a reset of the stream: tracks, averages and videos need a time that rises."""

    class Restarting(SteppedCamera):
        def read(self):
            frame = super().read()
            if frame is not None and frame.index >= 3:
                frame.index, frame.media_ns = frame.index - 3, frame.media_ns - 3 * 33_000_000
            return frame

    camera = Restarting(6)
    capture = Capture(camera, lambda: None)
    frames = [capture.take(10.0)]
    for _ in range(5):
        camera.pass_frames(1)
        frames.append(capture.take(10.0))
    capture.close()
    times = [frame.media_ns for frame in frames]
    assert [frame.index for frame in frames] == list(range(6)) and times == sorted(set(times))


def test_a_process_that_was_suspended_does_not_blame_the_driver():
    """Ctrl-Z, and `fg` an hour later: the reading thread slept as well."""
    answer, now = threading.Event(), [0.0]

    class Slow(Hanging):
        deadline_s = 2.5

    capture = Capture(Slow(answer), reopen=lambda: None, patience_s=30.0, clock=lambda: now[0])
    for slept_s in (0.0, 3600.0, 4.0):  # between two looks, and in the middle of one
        now[0] += slept_s
        waiting = threading.Timer(0.02, lambda: now.__setitem__(0, now[0] + 3600.0))
        waiting.start()
        assert capture.take(0.05) is None
        waiting.join()
    assert capture.reconnects == 0
    answer.set()
    assert capture.take(5) is not None
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

    class Waits(threading.Event):
        """Stands in for what ends a pause early: waiting takes no time but the clock moves."""

        def wait(self, seconds: float) -> bool:
            pauses.append(seconds)
            now[0] += seconds
            return False

    def reopen():
        raise SourceError("still unplugged")

    class Held(FileSource):
        gate = threading.Event()

        def read(self):
            self.gate.wait()
            raise SourceStalled("unplugged")

    source = Held(0)
    capture = Capture(source, reopen, patience_s=10.0, clock=lambda: now[0])
    capture._pauses._bell = Waits()
    source.gate.set()
    with pytest.raises(SourceError, match="still unplugged"):
        capture.take(2.0)
    assert pauses == [0.25, 0.5, *[1.0] * 9]


def test_without_reopening_a_stall_is_final():
    """Whoever gives no way to open it again gets the error."""
    capture = Capture(FileSource([SourceStalled("unplugged")]))
    with pytest.raises(SourceStalled):
        capture.take(1.0)
    capture.close()


def test_a_read_that_hangs_is_left_and_the_source_opened_again():
    """As with a server whose cable was cut; the thread that hung closes its source when it is back."""
    answer = threading.Event()
    hanging, second = Hanging(answer), CameraSource(1000, 0.001)
    capture = Capture(hanging, reopen=lambda: second, patience_s=5)
    frame, deadline = None, time.monotonic() + 5
    while frame is None and time.monotonic() < deadline:
        frame = capture.take(0.02)
    assert frame is not None and capture.reconnects == 1 and hanging.closed == 0
    answer.set()
    while not hanging.closed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert hanging.closed == 1
    capture.close()
    assert second.closed == 1


def test_a_password_that_is_refused_later_ends_the_run():
    def reopen():
        raise SourceRefused("401")

    capture = Capture(FileSource([SourceStalled("gone")]), reopen, patience_s=30)
    with pytest.raises(SourceRefused):
        for _ in range(100):
            capture.take(0.1)
    capture.close()


def test_without_patience_a_stall_is_final():
    capture = Capture(FileSource([SourceStalled("gone")]), lambda: FileSource(1), patience_s=0)
    with pytest.raises(SourceStalled):
        capture.take(1.0)
    capture.close()


def test_a_source_read_whole_keeps_every_frame_for_a_slow_loop():
    capture = Capture(FileSource(30), whole=True)
    indices = []
    while not capture.ended:
        frame = capture.take(1.0)
        if frame is not None:
            indices.append(frame.index)
            time.sleep(0.002)
    capture.close()
    assert indices == list(range(30)) and capture.dropped == 0


def test_frames_left_out_by_the_source_are_not_counted_as_dropped():
    """They are damaged: told by themselves at the end."""
    source = FileSource([frame_at(0), frame_at(5)])
    source.damaged = 4
    capture = Capture(source, whole=True)
    while not capture.ended:
        capture.take(1.0)
    capture.close()
    assert capture.dropped == 0


def test_closing_ends_a_read_that_waits_for_somebody_else():
    class Waiting(CameraSource):
        over = threading.Event()

        def read(self):
            self.over.wait(10)

        def interrupt(self):
            self.over.set()

    source = Waiting(10, 0.001)
    capture = Capture(source, whole=True)
    start = time.monotonic()
    capture.close()
    assert time.monotonic() - start < 1.5 and source.closed == 1


# --- rest


class Reopened:
    """Cameras, one after the other, of which at most one is open."""

    def __init__(self) -> None:
        self.cameras = [CameraSource(100_000, 0.002)]

    def __call__(self) -> CameraSource:
        assert self.cameras[-1].closed == 1
        self.cameras.append(CameraSource(100_000, 0.002))
        return self.cameras[-1]


def wait_for(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_source_at_rest_is_closed_and_goes_on_where_it_was(caplog):
    """Its frames are counted through, nothing old is given, and no one is told of a failure."""
    reopen = Reopened()
    capture = Capture(reopen.cameras[0], reopen)
    before = capture.take(10.0)
    capture.rest(True)
    wait_for(lambda: reopen.cameras[0].closed == 1)
    assert capture.take(0.05) is None and not capture.ended and len(reopen.cameras) == 1
    capture.rest(False)
    after = capture.take(10.0)
    assert len(reopen.cameras) == 2
    assert after.index > before.index and after.media_ns > before.media_ns
    assert (capture.reconnects, capture.stalled) == (0, False) and not caplog.records
    capture.close()
    assert reopen.cameras[1].closed == 1


def test_a_source_that_is_away_when_its_rest_ends_is_waited_for(caplog):
    camera = CameraSource(100_000, 0.002)
    away = [True]

    def reopen():
        if away[0]:
            raise SourceStalled("camera: unplugged")
        return CameraSource(100_000, 0.002)

    capture = Capture(camera, reopen)
    capture.take(10.0)
    capture.rest(True)
    wait_for(lambda: camera.closed == 1)
    capture.rest(False)
    wait_for(lambda: "unplugged" in caplog.text)
    assert capture.stalled
    away[0] = False
    assert capture.take(20.0) is not None
    capture.close()


def test_a_rest_begins_also_while_a_source_is_waited_for():
    def gone():
        raise SourceStalled("camera: unplugged")

    capture = Capture(FileSource([frame_at(0), SourceStalled("camera: gone")]), gone)
    capture.take(10.0)
    wait_for(lambda: capture.stalled)
    capture.rest(True)
    wait_for(lambda: not capture.stalled)
    capture.close()


def test_what_cannot_be_opened_again_is_only_not_listened_to():
    camera = CameraSource(100_000, 0.002)
    capture = Capture(camera)
    capture.take(10.0)
    capture.rest(True)
    assert capture.take(0.05) is None and camera.closed == 0
    capture.rest(False)
    assert capture.take(10.0) is not None
    capture.close()


def test_of_what_is_read_whole_a_rest_loses_nothing():
    capture = Capture(FileSource(20), whole=True)
    indices = [capture.take(10.0).index]
    capture.rest(True)
    time.sleep(0.05)
    capture.rest(False)
    while (frame := capture.take(10.0)) is not None:
        indices.append(frame.index)
    capture.close()
    assert indices == list(range(20))
