"""Cameras that send JPEGs: motion JPEG without end, over HTTP or through a pipe, or a snapshot at each request."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from edgefer.errors import SourceError, SourceRefused, SourceStalled
from edgefer.sources.base import CODED_FROZEN_S, Interruptible, Source
from edgefer.sources.network.jpegs import MOST_BYTES, JpegDecoder, JpegSplitter
from edgefer.sources.network.web import Answer, WebClient
from edgefer.values import Frame

#: How often a snapshot is asked for where nothing else is said, times a second.
SNAPSHOTS_PER_S = 2.0
_RECEIVE_BYTES = 1 << 16


class Bytes(Interruptible, Protocol):
    """Where bytes come from: a WebFile or a PipeFile."""

    def read(self, count: int) -> bytes: ...


class Pictures(Source):
    """What both have in common: a decoder, and a deadline for the next picture that can be shown."""

    live = True
    frozen_s = CODED_FROZEN_S

    def __init__(self, name: str, file: Interruptible, stall_s: float) -> None:
        """Args:
        name: for messages.
        file: closed with this source.
        stall_s: so long without a picture is a stall.
        """
        self.name = name
        self.deadline_s = 3 * stall_s
        self._file = file
        self._stall_s = stall_s
        self._decoder = JpegDecoder()
        self._stop = threading.Event()
        self._index = 0
        self._first_ns: int | None = None
        self._pending: Frame | None = None

    @property
    def damaged(self) -> int:
        return self._decoder.damaged

    def _begin(self) -> None:
        """Reads the first picture; closes where there is none."""
        try:
            self._pending = self._grab()
        except BaseException:
            self.close()
            raise
        if self._pending is None:
            raise SourceStalled(f"{self.name}: given up")
        height, width = self._pending.grey.shape
        self.size = (width, height)

    def _grab(self) -> Frame | None:
        raise TypeError(f"{type(self).__name__} does not say how to read a picture")

    def _frame(self, data: bytes) -> Frame | None:
        """The frame of a picture that came just now; None where it is torn."""
        now = time.monotonic_ns()
        index, self._index = self._index, self._index + 1
        picture = self._decoder.decode(data)
        if picture is None:
            return None
        if self._first_ns is None:
            self._first_ns = now
        return Frame(index, picture.grey, now - self._first_ns, now, picture.bgr)

    def read(self) -> Frame | None:
        frame, self._pending = self._pending, None
        return frame if frame is not None else self._grab()

    def interrupt(self) -> None:
        self._stop.set()
        self._file.interrupt()

    def close(self) -> None:
        self.interrupt()
        self._file.close()
        self._pending = None


class MotionJpeg(Pictures):
    """JPEGs in parts or one after the other."""

    def __init__(self, name: str, file: Bytes, stall_s: float, ends: bool = False) -> None:
        """Args: ends: the end of the bytes is that of the source, not a stall.

        Raises:
            SourceError: it holds no JPEG. SourceStalled: none came in time.
        """
        super().__init__(name, file, stall_s)
        self._bytes = file
        self._ends = ends
        self._splitter = JpegSplitter()
        self._begin()

    @property
    def damaged(self) -> int:
        return super().damaged + self._splitter.torn

    def _grab(self) -> Frame | None:
        deadline = time.monotonic() + self._stall_s
        while not self._stop.is_set():
            try:
                picture = self._splitter.next()
            except ValueError:
                raise SourceError(f"{self.name}: no JPEG in what it sends") from None
            frame = self._frame(picture) if picture is not None else None
            if frame is not None:
                return frame
            if time.monotonic() > deadline:
                what = "every picture is torn" if picture is not None else "no whole picture"
                raise SourceStalled(f"{self.name}: {what} for {self._stall_s:g} s")
            if picture is None:
                try:
                    data = self._bytes.read(_RECEIVE_BYTES)
                except SourceStalled:
                    self._splitter.finish()
                    raise
                if not data and not self._stop.is_set():
                    self._splitter.finish()
                    if self._ends:
                        return None
                    raise SourceStalled(f"{self.name}: the stream ended")
                self._splitter.add(data)
        return None


def is_snapshot(answer: Answer) -> bool:
    """Whether a body without a stated length ends in order after one whole picture; waits for what follows the first.

    Raises:
        SourceStalled: silence, or a broken connection.
    """
    splitter, count, pictures = JpegSplitter(), 0, 0
    while pictures < 2 and count <= MOST_BYTES:
        data = answer.peek_on()
        if len(data) == count:
            splitter.finish()
            return pictures == 1 and not splitter.torn
        splitter.add(data[count:])
        count = len(data)
        try:
            while splitter.next() is not None:
                pictures += 1
        except ValueError:  # no picture at all
            return False
    return False


class Snapshots(Pictures):
    """A picture at each request, asked for at a steady rate, or as fast as the camera answers where that is slower."""

    def __init__(self, client: WebClient, answer: Answer, stall_s: float, fps: float = SNAPSHOTS_PER_S) -> None:
        """Args: answer: to the first request; fps: requests a second.

        Raises:
            SourceStalled: no whole picture came in time.
        """
        super().__init__(client.shown, client, stall_s)
        self._client = client
        self.fps = fps
        self.deadline_s = 3 * stall_s + 1 / fps
        self._answer: Answer | None = answer
        self._asked_s = time.monotonic()
        self._begin()

    def _grab(self) -> Frame | None:
        assert self.fps is not None
        deadline = time.monotonic() + self._stall_s + 1 / self.fps
        while not self._stop.is_set():
            reason = f"{self.name}: every picture is torn for {self._stall_s:g} s"
            try:
                if self._answer is None:
                    if self._stop.wait(max(0.0, self._asked_s + 1 / self.fps - time.monotonic())):
                        break
                    self._asked_s = time.monotonic()
                    self._answer = self._client.get()
                answer, self._answer = self._answer, None
                if (frame := self._frame(answer.read_all(MOST_BYTES, deadline))) is not None:
                    return frame
            except SourceRefused:
                raise
            except SourceError as error:  # it gave pictures before: whatever it says now may pass
                self._client.hang_up()
                reason = str(error)
            if time.monotonic() > deadline and not self._stop.is_set():
                raise SourceStalled(reason)
        return None
