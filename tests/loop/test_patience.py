"""Waiting for a source that is not there."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from loop_doubles import CameraSource

from edgefer.errors import SourceError, SourceRefused, SourceStalled
from edgefer.loop import patience
from edgefer.loop.patience import FIRST_DELAY_S, LONGEST_DELAY_S, Pauses, may_come, open_patiently


class Attempts:
    """Opens by a list: an exception is raised, all else is the source; the last one stays."""

    def __init__(self, *steps) -> None:
        self.steps = list(steps)
        self.count = 0

    def __call__(self):
        step = self.steps[min(self.count, len(self.steps) - 1)]
        self.count += 1
        if isinstance(step, Exception):
            raise step
        return step


def test_what_is_there_is_opened_without_a_word(caplog):
    source = CameraSource(1, 0.0)
    assert open_patiently(Attempts(source)) is source
    assert not caplog.records and source.closed == 0


def test_what_may_come_is_tried_again_and_said_once(caplog):
    source = CameraSource(1, 0.0)
    opens = Attempts(SourceStalled("camera: not there"), SourceStalled("camera: not there"), source)
    assert open_patiently(opens, 10) is source
    assert [record.getMessage() for record in caplog.records] == ["camera: not there; trying for 10 s"]


@pytest.mark.parametrize("error", [SourceError("no such file"), SourceRefused("password wrong")])
def test_what_can_never_work_ends_at_once(error):
    opens = Attempts(error)
    with pytest.raises(type(error), match=str(error)):
        open_patiently(opens, 10)
    assert opens.count == 1


def test_without_patience_one_attempt_is_made():
    opens = Attempts(SourceStalled("camera: not there"))
    with pytest.raises(SourceStalled, match="not there$"):
        open_patiently(opens, 0)
    assert opens.count == 1


def test_patience_ends_with_the_last_reason():
    opens = Attempts(SourceStalled("camera: not there"), SourceStalled("camera: busy"))
    with pytest.raises(SourceStalled, match="camera: busy; tried for 0.3 s"):
        open_patiently(opens, 0.3)
    assert 2 <= opens.count <= 3  # two, where the machine has other things to do


def test_an_unknown_error_is_passed_on():
    with pytest.raises(ZeroDivisionError):
        open_patiently(Attempts(ZeroDivisionError()), 10)


@pytest.mark.parametrize("stuck", [False, True], ids=["between attempts", "in an attempt that hangs"])
def test_a_stop_ends_the_wait_at_once(stuck):
    stop, over = threading.Event(), threading.Event()

    def opens():
        if stuck:
            over.wait(10)
        raise SourceStalled("camera: not there")

    threading.Timer(0.1, stop.set).start()
    start = time.monotonic()
    assert open_patiently(opens, 10, stop) is None
    assert time.monotonic() - start < 2
    over.set()


def test_a_source_that_opens_after_the_stop_is_closed():
    """A camera left open could not be opened again."""
    stop, over = threading.Event(), threading.Event()
    source = CameraSource(1, 0.0)

    def opens():
        over.wait(10)
        return source

    stop.set()
    assert open_patiently(opens, 10, stop) is None
    over.set()
    deadline = time.monotonic() + 5
    while not source.closed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert source.closed == 1


def test_an_attempt_that_never_comes_back_is_given_up(monkeypatch):
    monkeypatch.setattr(patience, "LONGEST_ATTEMPT_S", 0.1)
    over = threading.Event()
    with pytest.raises(SourceStalled, match="its driver hangs"):
        open_patiently(lambda: over.wait(10), 0.1)
    over.set()


def test_a_later_attempt_that_never_comes_back_is_given_up_however_long_is_waited(monkeypatch):
    monkeypatch.setattr(patience, "LONGEST_ATTEMPT_S", 0.1)
    monkeypatch.setattr(patience, "PATIENCE_S", 0.1)
    over, attempts = threading.Event(), []

    def opens():
        attempts.append(1)
        if len(attempts) == 1:
            raise SourceStalled("camera: not there")
        over.wait(10)

    with pytest.raises(SourceStalled, match="camera: no answer for 0 s while it was opened; its driver hangs"):
        open_patiently(opens, 1e6)
    assert len(attempts) == 2
    over.set()


def test_pauses_grow_to_a_bound():
    pauses, seen = Pauses(), []
    for _ in range(8):
        seen.append(pauses.next_s)
        pauses.grow()
    assert seen == [0.25, 0.5, 1, 1, 1, 1, 1, 1]


def test_what_worked_before_may_come_back_whatever_it_says_but_for_a_wrong_password():
    assert may_come(SourceError("404"), worked_before=True) and not may_come(SourceError("404"))
    assert not may_come(SourceRefused("401"), worked_before=True)


def test_a_source_whose_return_is_heard_of_is_not_asked_for_in_between(monkeypatch):
    """Once that is settled which came while nobody listened yet; and as soon as it is heard of."""
    now, waits = [100.0], []
    monkeypatch.setattr(patience.time, "monotonic", lambda: now[0])

    class Bell(threading.Event):
        def wait(self, seconds: float) -> bool:
            waits.append(seconds)
            now[0] += seconds
            return False

    told, stop = [], threading.Event()
    stall = SourceStalled("unplugged")
    stall.heard = lambda changed: bool(told.append(changed)) or True
    pauses = Pauses()
    pauses._bell = Bell()
    for _ in range(8):
        assert not pauses.wait(stop, stall, 1000.0)
        pauses.grow()
    assert waits == [0.25, 0.5, 1, 1, 1, 60, 60, 60] and len(told) == 1
    told[0]()
    waits.clear()
    for _ in range(5):
        pauses.wait(stop, stall, 1000.0)
        pauses.grow()
    assert waits == [0.25, 0.5, 1, 1, 1]
    assert not pauses.wait(stop, stall, 7.0) and waits[-1] == 7.0  # patience ends before
    stop.set()
    assert pauses.wait(stop, stall, 1000.0)


def test_a_ring_ends_a_pause_at_once():
    pauses = Pauses()
    stall = SourceStalled("unplugged")
    stall.heard = lambda changed: True
    pauses.next_s = 60.0
    threading.Timer(0.05, pauses.ring).start()
    began = time.monotonic()
    assert not pauses.wait(threading.Event(), stall, 60.0)
    assert time.monotonic() - began < 30


def test_who_waits_hears_why_again_and_again():
    source, heard = CameraSource(1, 0.0), []
    opens = Attempts(SourceStalled("camera: not there"), SourceStalled("camera: busy"), source)
    assert open_patiently(opens, 10, on_wait=heard.append) is source
    assert set(heard) == {"camera: not there", "camera: busy"} and len(heard) > 2


def test_who_waits_hears_of_a_source_that_does_not_say_a_word(monkeypatch):
    monkeypatch.setattr(patience, "SLOW_S", 0.1)
    come, heard, source = threading.Event(), [], CameraSource(1, 0.0)

    def opens():
        come.wait(10)
        return source

    def hear(why: str) -> None:
        heard.append(why)
        come.set()

    assert open_patiently(opens, 10, on_wait=hear) is source
    assert set(heard) == {""}


@pytest.mark.parametrize("page", ["running", "streams"])
def test_a_page_says_how_far_pauses_grow(page):
    text = " ".join((Path(__file__).parents[2] / "docs" / f"{page}.md").read_text().split())
    assert (FIRST_DELAY_S, LONGEST_DELAY_S) == (0.25, 1.0)
    assert "grow to a second" in text
