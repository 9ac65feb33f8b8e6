"""Cameras that GStreamer alone can read, as Jetson's on CSI: gst-launch-1.0, a process of its own, writes pictures."""

from __future__ import annotations

import logging
import os
import re
import select
import shlex
import shutil
import subprocess
import threading
import time
from contextlib import suppress
from functools import partial

import cv2
import numpy as np

from edgefer.errors import SourceError, SourceStalled, UsageError
from edgefer.sources.base import Source
from edgefer.sources.registry import GstreamerOptions
from edgefer.sources.view import turned
from edgefer.values import Frame

log = logging.getLogger(__name__)

PROGRAM = "gst-launch-1.0"
#: So long without a picture, and it is taken for blocked; the first may take longer: a sensor starts, libraries load.
SILENT_S, FIRST_S = 2.0, 15.0
_KILLED_S = 5.0  # until a pipeline that is killed has ended
#: Elements of Jetson leave pictures in memory of the graphics processor; this one brings them out, and scales.
_JETSON = ("nvarguscamerasrc", "nvv4l2camerasrc")


def open_gstreamer(options: GstreamerOptions) -> Source:
    """What a GStreamer element gives, YUV 4:2:0 of the size and rate asked for.

    Raises:
        UsageError: no element, or a size that GStreamer would pad.
        SourceError: there is no GStreamer, or it has no such element. SourceStalled: it gave no picture.
    """
    return turned(Gstreamer(options), options.rotate, options.flip)


def command(options: GstreamerOptions) -> list[str]:
    """The command whose standard output is the pictures, one after the other.

    Raises:
        UsageError: as open_gstreamer.
    """
    try:
        element = shlex.split(options.element)
    except ValueError as error:
        raise UsageError(f"gstreamer: {options.element!r}: {error}") from None
    if not element:
        raise UsageError("gstreamer: expected an element with its properties, as in 'nvarguscamerasrc sensor-id=0'")
    width, height = options.size
    if width % 8 or height % 2:
        raise UsageError(f"gstreamer: expected a width that 8 divides and an even height, got {width}x{height}")
    rate = f"framerate={round(options.fps * 1000)}/1000"
    shape = f"width={width},height={height}"
    if element[0] in _JETSON:
        chain = [f"video/x-raw(memory:NVMM),{shape},{rate}", "nvvidconv"]
    else:
        chain = ["videoconvert", "videoscale", "videorate"]
    chain += [f"video/x-raw,format=I420,{shape},{rate}", "queue leaky=downstream max-size-buffers=1 max-size-bytes=0"]
    words = [word for each in chain for word in ("!", *each.split(" "))]
    return [PROGRAM, "-q", *element, *words, "!", "fdsink", "fd=1", "sync=false"]


class Gstreamer(Source):
    """Pictures of a pipeline. Their time is that of their arrival: a pipe carries no stamps."""

    live = True
    _process: subprocess.Popen[bytes] | None = None
    _said = _wake = -1  # descriptors

    def __init__(self, options: GstreamerOptions) -> None:
        """Raises as open_gstreamer."""
        words = command(options)
        if shutil.which(PROGRAM) is None:
            raise SourceError(
                f"gstreamer: {PROGRAM} is not installed; to fix: sudo apt install gstreamer1.0-tools"
                " gstreamer1.0-plugins-base gstreamer1.0-plugins-good (Jetson's own packages bring it)"
            )
        self.name = f"gstreamer:{options.element.split()[0]}"
        self.size, self.fps = (options.size[0], options.size[1]), options.fps
        self._silent_s = max(SILENT_S, 2.5 / options.fps)
        self._index = 0
        self._first_ns: int | None = None
        self._closed = False
        self._lock = threading.Lock()  # around the descriptors: nobody writes to one that was closed
        try:
            self._said = os.memfd_create("gstreamer")
            self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._said, bufsize=0
            )
            self._pending: Frame | None = self._frame(FIRST_S)
        except BaseException:
            self.close()
            raise

    def _frame(self, timeout_s: float) -> Frame | None:
        """The next picture; None once closed."""
        width, height = self.size
        image = np.empty((height * 3 // 2, width), np.uint8)
        left, deadline = memoryview(image.data).cast("B"), time.monotonic() + timeout_s
        assert self._process is not None and self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while left:
            ready = poll.poll(max(0, round(1000 * (deadline - time.monotonic()))))
            if self._closed:
                return None
            if not ready:
                raise SourceStalled(f"{self.name}: no picture for {timeout_s:g} s; its pipeline is blocked")
            count = os.readv(pipe, [left])
            if not count:
                raise self._ended()
            left = left[count:]
        now = time.monotonic_ns()
        if self._first_ns is None:
            self._first_ns = now
        colours = partial(cv2.cvtColor, image, cv2.COLOR_YUV2BGR_I420)
        frame = Frame(self._index, image[:height], now - self._first_ns, now, colours)
        self._index += 1
        return frame

    def _ended(self) -> SourceError:
        """Why the program ended, in its own words."""
        assert self._process is not None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        said = os.pread(self._said, 1 << 16, 0).decode(errors="replace")
        lines = [line.strip() for line in said.splitlines() if re.search("erro(r|neous)", line, re.IGNORECASE)]
        why = lines[0].removeprefix("WARNING: ").removeprefix("erroneous pipeline: ") if lines else "its pipeline ended"
        if "no element" in why or "syntax error" in why or "could not parse" in said:
            return SourceError(f"{self.name}: {why}; `gst-inspect-1.0` lists the elements there are")
        return SourceStalled(f"{self.name}: {why}")

    def read(self) -> Frame | None:
        frame, self._pending = self._pending, None
        if frame is not None or self._closed:
            return frame
        return self._frame(self._silent_s)

    def interrupt(self) -> None:
        self._closed = True
        with self._lock, suppress(OSError):
            if self._wake >= 0:
                os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        process, self._process = self._process, None
        self._pending = None
        self._closed = True
        try:
            if process is not None:
                self._end(process)
        finally:
            with self._lock:
                descriptors = self._said, self._wake
                self._said = self._wake = -1
            for descriptor in descriptors:
                if descriptor >= 0:
                    os.close(descriptor)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        assert process.stdout is not None
        process.stdout.close()
        try:
            process.wait(1.0)
        except subprocess.TimeoutExpired:
            process.kill()
            try:
                process.wait(_KILLED_S)
            except subprocess.TimeoutExpired:  # as in a driver that does not come back
                log.warning("%s: its pipeline does not end; leaving it", self.name)
