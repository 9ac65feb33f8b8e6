"""Live video through the media reader: the newest that a network stream or a pipe has to give."""

from __future__ import annotations

import threading
import time

from edgefer.errors import SourceStalled
from edgefer.sources.base import CODED_FROZEN_S, NS_PER_S, Interruptible, Source
from edgefer.sources.media.library import MediaError, av
from edgefer.sources.media.reader import MediaReader
from edgefer.values import Frame

#: Formats without a clock of their own: what they have for stamps is a guess at the rate.
_NO_CLOCK = ("h264", "hevc", "vvc", "obu", "m4v", "mpegvideo", "mjpeg", "image2pipe")


class LiveClock:
    """Media time of live pictures: the sender's stamps, held to the wall clock.

    A stamp tells better than the moment of arrival when a picture was taken. But senders' clocks drift, are set,
    and start over: the difference is taken back bit by bit. Where a clock was set, the picture follows the one before
    and its stamp is what later ones are counted from. That is so with a stamp that is further off than LONGEST_OFF_S,
    more than a network delays anything; with one that runs back by more than SET_S, more than pictures are out of
    order; and with one that leaps ahead of the wall clock by more than that, as no delay does.
    """

    LONGEST_OFF_S, SET_S = 10.0, 0.5
    #: Part of the difference that is taken back with each picture: at 25 a second half of it in half a minute.
    PART = 0.001

    def __init__(self, fps: float | None = None) -> None:
        """Args: fps: by which a picture without a stamp follows the one before."""
        self._period_ns = round(NS_PER_S / fps) if fps else 0
        self._began_ns: int | None = None
        self._origin_ns: float | None = None
        self._last_ns = -1
        self._last_off_ns = 0.0  # of the last stamp: how far it lay ahead of the wall clock

    def next(self, stamp_ns: int | None, now_ns: int) -> int:
        """Media time of the next picture, ns, from 0 and always rising.

        Args:
            stamp_ns: on the sender's clock; None where it has none.
            now_ns: time.monotonic_ns() when it came.
        """
        if self._began_ns is None:
            self._began_ns = now_ns
        wall_ns = now_ns - self._began_ns
        media_ns = max(wall_ns, self._last_ns + self._period_ns) if self._last_ns >= 0 else wall_ns
        if stamp_ns is not None:
            if self._origin_ns is None or self._was_set(stamp_ns - self._origin_ns, wall_ns):
                self._origin_ns = stamp_ns - media_ns
            off_ns = stamp_ns - self._origin_ns - wall_ns
            self._origin_ns += self.PART * off_ns
            self._last_off_ns = off_ns
            media_ns = round(stamp_ns - self._origin_ns)
        self._last_ns = max(media_ns, self._last_ns + 1)
        return self._last_ns

    def _was_set(self, media_ns: float, wall_ns: int) -> bool:
        """Whether the sender's clock was, by the time that its stamp would give the picture."""
        off_ns, set_ns = media_ns - wall_ns, self.SET_S * NS_PER_S
        ahead = off_ns > set_ns and off_ns - self._last_off_ns > set_ns
        return abs(off_ns) > self.LONGEST_OFF_S * NS_PER_S or media_ns < self._last_ns - set_ns or ahead


class LiveStream(Source):
    """The pictures of an open live input, as they come.

    Its end is a stall: a server that was killed looks no different, and opening it again is the cure for both.
    """

    live = True
    frozen_s = CODED_FROZEN_S

    def __init__(
        self,
        name: str,
        media: MediaReader,
        *,
        file: Interruptible | None = None,
        paced: bool = False,
        ends: bool = False,
        deadline_s: float | None = None,
    ) -> None:
        """Args:
            name: for messages.
            media: open; closed with this source.
            file: what the input reads, closed with this source; None where FFmpeg connects by itself, and nothing
                can end a read that waits.
            paced: pictures come in bursts, as in segments of some seconds: give each when it is due.
            ends: the input's end is that of the source, not a stall.
            deadline_s: as every source has it.

        Raises:
            SourceStalled: no picture came in time.
        """
        self.name = name
        self.fps = media.fps
        self.deadline_s = deadline_s
        self._media = media
        self._file = file
        self._paced, self._ends = paced, ends
        self._has_clock = media.format not in _NO_CLOCK
        self._clock = LiveClock(media.fps if self._has_clock else None)
        self._stop = threading.Event()
        self._start_ns = 0
        self._last_ns = 0
        try:
            self._pending = self._grab()
        except BaseException:
            self.close()
            raise
        if self._pending is None:
            self.close()
            raise SourceStalled(f"{name}: it ended before its first picture")
        height, width = self._pending.grey.shape
        self.size = (width, height)

    @property
    def damaged(self) -> int:
        return self._media.damaged

    def _grab(self) -> Frame | None:
        try:
            shot = self._media.read()
        except MediaError as error:
            if self._stop.is_set():
                return None
            raise SourceStalled(f"{self.name}: {self._reason(error)}") from None
        if shot is None:
            if self._stop.is_set() or self._ends:
                return None
            raise SourceStalled(f"{self.name}: the stream ended")
        now_ns = time.monotonic_ns()
        if self._paced and shot.stamp_ns is not None:
            return self._when_due(Frame(shot.position, shot.picture.grey, shot.stamp_ns, now_ns, shot.picture.bgr))
        media_ns = self._clock.next(shot.stamp_ns if self._has_clock else None, now_ns)
        return Frame(shot.position, shot.picture.grey, media_ns, now_ns, shot.picture.bgr)

    def _reason(self, error: MediaError) -> str:
        if isinstance(error.__context__, (av.error.ExitError, av.error.TimeoutError)):
            return "no picture in time; switched off, or out of reach"
        return str(error)

    def _when_due(self, frame: Frame) -> Frame | None:
        """The frame, given at the moment that its stamp says; a late one moves the moments of those after it.

        So does one whose moment is further off than a pause may be: it is here, so the clock was set or a part cut out.
        """
        now_ns = time.monotonic_ns()
        longest_ns = LiveClock.LONGEST_OFF_S * NS_PER_S
        if not self._start_ns or not -NS_PER_S < self._start_ns + frame.media_ns - now_ns < longest_ns:
            self._start_ns = now_ns - frame.media_ns
        due_ns = self._start_ns + frame.media_ns
        if self._stop.wait(max(0, due_ns - now_ns) / NS_PER_S):
            return None
        frame.captured_ns = due_ns
        frame.media_ns = self._clock.next(frame.media_ns, due_ns)
        return frame

    def read(self) -> Frame | None:
        frame, self._pending = self._pending, None
        return frame if frame is not None else self._grab()

    def interrupt(self) -> None:
        self._stop.set()
        if self._file is not None:
            self._file.interrupt()

    def close(self) -> None:
        self.interrupt()
        self._media.close()
        if self._file is not None:
            self._file.close()
        self._pending = None
