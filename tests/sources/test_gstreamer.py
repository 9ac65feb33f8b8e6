"""Cameras by GStreamer: the words of its pipeline, and its own test picture where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time

import numpy as np
import pytest

from edgefer.errors import SourceError, SourceStalled, UsageError
from edgefer.sources import open_source
from edgefer.sources.camera import gstreamer
from edgefer.sources.registry import GstreamerOptions

needs_gstreamer = pytest.mark.skipif(
    shutil.which(gstreamer.PROGRAM) is None, reason="needs gstreamer1.0-tools and gstreamer1.0-plugins-base"
)


def test_jetsons_pictures_leave_its_own_memory_and_others_are_converted():
    words = gstreamer.command(GstreamerOptions(element="nvarguscamerasrc sensor-id=1", size=[1280, 720], fps=30.0))
    assert " ".join(words) == (
        "gst-launch-1.0 -q nvarguscamerasrc sensor-id=1"
        " ! video/x-raw(memory:NVMM),width=1280,height=720,framerate=30000/1000 ! nvvidconv"
        " ! video/x-raw,format=I420,width=1280,height=720,framerate=30000/1000"
        " ! queue leaky=downstream max-size-buffers=1 max-size-bytes=0 ! fdsink fd=1 sync=false"
    )
    assert "nvvidconv" not in gstreamer.command(GstreamerOptions(element="v4l2src device=/dev/video3"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": [642, 480]}, "expected a width that 8 divides and an even height, got 642x480"),
        ({"size": [640, 481]}, "got 640x481"),
        ({"element": " "}, "expected an element"),
        ({"element": "a 'b"}, "No closing quotation"),
    ],
)
def test_what_cannot_be_a_pipeline_is_wrong_usage(options, message):
    with pytest.raises(UsageError, match=message):
        gstreamer.command(GstreamerOptions(**options))


def test_without_gstreamer_a_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(gstreamer.shutil, "which", lambda name: None)
    with pytest.raises(SourceError, match="gst-launch-1.0 is not installed; to fix: sudo apt install gstreamer1.0-to"):
        open_source("gstreamer")


@pytest.fixture
def descriptors(monkeypatch):
    """How many are open, where the program seems to be installed."""
    monkeypatch.setattr(gstreamer.shutil, "which", lambda name: name)
    return lambda: len(os.listdir("/proc/self/fd"))


def test_a_program_that_cannot_be_begun_leaves_nothing_open(descriptors, monkeypatch):
    def refuse(*_, **__):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(gstreamer.subprocess, "Popen", refuse)
    before = descriptors()
    with pytest.raises(OSError, match="Cannot allocate memory"):
        gstreamer.Gstreamer(GstreamerOptions())
    assert descriptors() == before


class Stuck:
    """A program in a driver that does not come back, even where it is killed."""

    def __init__(self, *_, **__) -> None:
        reads, self._writes = os.pipe()
        self.stdout = os.fdopen(reads, "rb", buffering=0)

    def terminate(self) -> None:
        os.close(self._writes)

    def kill(self) -> None:
        pass

    def wait(self, timeout: float) -> int:
        raise subprocess.TimeoutExpired("gst-launch-1.0", timeout)


def test_a_program_that_does_not_end_is_left_and_its_stall_is_what_is_said(descriptors, monkeypatch, caplog):
    monkeypatch.setattr(gstreamer.subprocess, "Popen", Stuck)
    monkeypatch.setattr(gstreamer, "FIRST_S", 0.05)
    before = descriptors()
    with pytest.raises(SourceStalled, match="no picture for 0.05 s"):
        gstreamer.Gstreamer(GstreamerOptions())
    assert descriptors() == before
    assert "its pipeline does not end; leaving it" in caplog.text


def test_an_interrupt_that_comes_late_reaches_nobody_else(descriptors, monkeypatch):
    """The number of a descriptor that was closed soon belongs to another file."""
    monkeypatch.setattr(gstreamer.subprocess, "Popen", Stuck)
    monkeypatch.setattr(Stuck, "wait", lambda self, timeout: -15)
    monkeypatch.setattr(gstreamer.Gstreamer, "_frame", lambda self, timeout_s: None)
    source = gstreamer.Gstreamer(GstreamerOptions())
    wake = source._wake
    source.close()
    other = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    try:
        os.dup2(other, wake)
        source.interrupt()
        with pytest.raises(BlockingIOError):
            os.eventfd_read(other)
    finally:
        os.close(other)
        if wake != other:
            os.close(wake)


@needs_gstreamer
def test_pictures_come_at_their_rate():
    with open_source("gstreamer:videotestsrc is-live=true pattern=ball,size=64/48,fps=25") as source:
        frames = [source.read() for _ in range(4)]
        assert source.live and source.size == (64, 48) and source.fps == 25
        assert [frame.index for frame in frames] == [0, 1, 2, 3] and frames[0].media_ns == 0
        assert all(frame.grey.shape == (48, 64) and frame.bgr().shape == (48, 64, 3) for frame in frames)
        assert not np.array_equal(frames[0].grey, frames[3].grey)
        assert abs(time.monotonic_ns() - frames[3].captured_ns) < 10e9
        process = source._process
    assert process.poll() is not None and source.read() is None


@needs_gstreamer
def test_a_pipeline_that_ends_is_a_stall():
    source = open_source("gstreamer:videotestsrc num-buffers=3,size=64/48")
    with source, pytest.raises(SourceStalled, match="gstreamer:videotestsrc: its pipeline ended"):
        while True:
            source.read()


@needs_gstreamer
def test_an_element_that_is_not_there_is_named():
    with pytest.raises(SourceError, match='no element "nosuchsrc"') as caught:
        open_source("gstreamer:nosuchsrc")
    assert "\n" not in str(caught.value) and not isinstance(caught.value, SourceStalled)


@needs_gstreamer
def test_an_interrupt_ends_a_read_that_waits():
    with open_source("gstreamer:videotestsrc is-live=true,size=64/48,fps=1") as source:
        source.read()
        threading.Timer(0.2, source.interrupt).start()
        assert source.read() is None
