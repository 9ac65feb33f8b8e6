"""Live pictures through pipes: whatever they show, and whether anybody wants them, their writer is left alone."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import textured

av = pytest.importorskip("av", reason="films need PyAV (extra `film`)")

from edgefer.errors import SourceStalled  # noqa: E402
from edgefer.loop.capture import Capture  # noqa: E402
from edgefer.loop.patience import open_patiently  # noqa: E402
from edgefer.reader.choosing import opener_of  # noqa: E402
from edgefer.reader.options import StreamOptions  # noqa: E402
from edgefer.sources import open_source, parse_source, pipe  # noqa: E402


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """A picture is frozen or black at once, so that a test need not wait."""
    monkeypatch.setattr(pipe, "FIRST_BYTE_S", 0.1)
    monkeypatch.setattr("edgefer.loop.watch.FAULTY_AFTER_S", 0.1)


def jpeg(picture: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", picture)[1].tobytes()


BLACK = jpeg(np.zeros((120, 160), np.uint8))
SMALL = jpeg(textured(1)[:60, :80])


class Camera:
    """A program that writes motion JPEG into a FIFO until it is closed; `show` is the picture that it takes."""

    def __init__(self, fifo: Path) -> None:
        self.show = jpeg(textured(0))
        self.killed = self.paused = False
        self.written = 0  # bytes
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write, args=[fifo], daemon=True)
        self._thread.start()

    def _write(self, fifo: Path) -> None:
        try:
            with fifo.open("wb", buffering=0) as file:
                while not self._over.wait(0.01):
                    if not self.paused:
                        self.written += file.write(self.show)
        except BrokenPipeError:
            self.killed = True

    def close(self) -> None:
        self._over.set()
        self._thread.join(10)


@pytest.fixture
def fifo(tmp_path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


@pytest.fixture(params=["fifo", "descriptor"])
def ends(request, fifo):
    """Where a pipe is written, and where it is read."""
    if request.param == "fifo":
        yield fifo, fifo
        return
    reads, writes = os.pipe()
    yield Path(f"/dev/fd/{writes}"), Path(f"/dev/fd/{reads}")
    os.close(reads)
    os.close(writes)


def opener(fifo: Path, frozen_s="auto"):
    return opener_of(parse_source(f"pipe:{fifo},live=yes"), StreamOptions(rotate=90), frozen_s)


@contextlib.contextmanager
def captured(fifo: Path, frozen_s="auto", written: Path | None = None):
    """The camera, and what reads it as a run does; `written` is where it writes, if that has another path."""
    opens = opener(fifo, frozen_s)
    with contextlib.closing(Camera(written or fifo)) as camera:
        capture = Capture(open_patiently(opens, 20), opens, patience_s=20)
        try:
            yield camera, capture
        finally:
            capture.close()


def take_for(capture: Capture, seconds: float) -> list:
    end = time.monotonic() + seconds
    frames = []
    while time.monotonic() < end:
        frames += [frame for frame in [capture.take(0.05)] if frame is not None]
    return frames


def take_first(capture: Capture):
    deadline = time.monotonic() + 20
    while (frame := capture.take(0.1)) is None:
        assert time.monotonic() < deadline, capture.trouble
    return frame


def show_in_a_rest(capture: Capture, camera: Camera, picture: bytes) -> None:
    """Lets pass more than a pipe and its reader hold, so that nothing from before is left in it."""
    camera.show, written, deadline = picture, camera.written, time.monotonic() + 20
    while camera.written < written + (256 << 10):
        assert capture.take(0.05) is None
        assert time.monotonic() < deadline and not camera.killed


def take_shape(capture: Capture, shape: tuple[int, int]) -> None:
    deadline = time.monotonic() + 20
    while (frame := capture.take(0.1)) is None or frame.grey.shape != shape:
        assert time.monotonic() < deadline, capture.trouble


@pytest.mark.parametrize("frozen_s", ["auto", 0.1])
@pytest.mark.parametrize("shown", ["black", "still"])
def test_a_dark_or_still_picture_ends_no_writer(fifo, shown, frozen_s, caplog):
    """Nor does it with `[capture] frozen_s`."""
    with captured(fifo, frozen_s) as (camera, capture):
        caplog.clear()  # that the writer was waited for
        if shown == "black":
            camera.show = BLACK
        assert take_for(capture, 1.0)
        assert (camera.killed, capture.reconnects, capture.stalled) == (False, 0, False)
    assert not caplog.records


def test_pictures_of_another_size_are_read_at_once(fifo):
    with captured(fifo) as (camera, capture):
        take_shape(capture, (160, 120))
        camera.show = SMALL
        take_shape(capture, (80, 60))
        assert (camera.killed, capture.reconnects, capture.stalled) == (False, 0, False)


def test_a_rest_neither_ends_a_writer_nor_makes_it_wait(fifo):
    """Its pictures pass by unseen; the first one after the rest is new."""
    with captured(fifo) as (camera, capture):
        take_shape(capture, (160, 120))
        capture.rest(True)
        show_in_a_rest(capture, camera, SMALL)
        capture.rest(False)
        assert take_first(capture).grey.shape == (80, 60)
        assert (camera.killed, capture.reconnects) == (False, 0)


def test_a_writer_that_comes_in_a_rest_is_read_past_as_well(fifo):
    """However long the one before is gone: nobody misses it."""
    with captured(fifo) as (camera, capture):
        take_shape(capture, (160, 120))
        capture._patience_s = 0.5
        capture.rest(True)
        camera.close()
        assert not take_for(capture, 2.0) and not capture.ended
        with contextlib.closing(Camera(fifo)) as following:
            show_in_a_rest(capture, following, following.show)
            show_in_a_rest(capture, following, SMALL)
            capture.rest(False)
            assert take_first(capture).grey.shape == (80, 60)
            assert not following.killed


def test_in_a_rest_a_writer_may_be_silent(ends, monkeypatch):
    """That is no failure, after the rest neither."""
    monkeypatch.setattr(pipe, "SILENCE_S", 1.0)
    written, read = ends
    with captured(read, written=written) as (camera, capture):
        take_shape(capture, (160, 120))
        capture.rest(True)
        camera.paused = True
        take_for(capture, 4.0)  # longer, too, than a read may take
        camera.show, camera.paused = SMALL, False
        capture.rest(False)
        take_shape(capture, (80, 60))
        assert (camera.killed, capture.reconnects, capture.ended) == (False, 0, False)


def test_the_next_writer_of_a_fifo_that_falls_silent_is_waited_for(fifo, monkeypatch):
    monkeypatch.setattr(pipe, "SILENCE_S", 1.0)
    with captured(fifo) as (camera, capture):
        take_shape(capture, (160, 120))
        camera.paused = True
        deadline = time.monotonic() + 20
        while "nothing is written" not in capture.trouble:
            capture.take(0.05)
            assert time.monotonic() < deadline
        camera.close()
        with contextlib.closing(Camera(fifo)):
            take_shape(capture, (160, 120))
            assert not camera.killed


def test_a_writer_that_ends_in_a_rest_is_missed_when_that_is_over(fifo):
    with captured(fifo) as (camera, capture):
        take_shape(capture, (160, 120))
        capture.rest(True)
        camera.close()
        take_for(capture, 0.3)
        capture.rest(False)
        with contextlib.closing(Camera(fifo)) as following:
            take_shape(capture, (160, 120))
            assert not following.killed


# -- nobody waits any more: a writer would wait for a reader that never comes


def assert_nobody_reads(fifo: Path) -> None:
    with pytest.raises(OSError) as caught:
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    assert caught.value.errno == errno.ENXIO


def write_once(fifo: Path) -> None:
    threading.Thread(target=fifo.write_bytes, args=[jpeg(textured(0))], daemon=True).start()


@pytest.fixture
def uncollected():
    """What is closed must not wait for the garbage collector."""
    gc.disable()
    yield
    gc.enable()


def test_a_source_of_a_fifo_leaves_nothing_open(fifo, uncollected):
    write_once(fifo)
    with open_patiently(opener(fifo), 20) as source:
        with pytest.raises(SourceStalled) as caught:
            while source.read() is not None:
                pass
        assert caught.value.kept is None
    assert_nobody_reads(fifo)


def test_a_run_that_ends_while_it_waits_for_the_next_writer_leaves_nothing_open(fifo, uncollected):
    opens = opener(fifo)
    write_once(fifo)
    capture = Capture(open_patiently(opens, 20), opens, patience_s=20)
    deadline = time.monotonic() + 20
    while "nothing is written" not in capture.trouble:
        capture.take(0.05)
        assert time.monotonic() < deadline
    os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))  # it is open
    capture.close()
    assert_nobody_reads(fifo)


@pytest.mark.parametrize("patience_s", [0, 0.5])
def test_who_gives_up_waiting_for_a_writer_leaves_nothing_open(fifo, patience_s, uncollected):
    with pytest.raises(SourceStalled, match="nothing is written") as caught:
        open_patiently(opener(fifo), patience_s)
    assert_nobody_reads(fifo)
    del caught


def test_who_drops_the_stall_of_an_opening_leaves_nothing_open(fifo):
    with contextlib.suppress(SourceStalled):
        open_source(f"pipe:{fifo},live=yes")
    gc.collect()
    assert_nobody_reads(fifo)
