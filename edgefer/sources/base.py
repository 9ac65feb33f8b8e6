"""What every source is, and the repair of a container's time stamps."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol

from edgefer.errors import Kept
from edgefer.values import Frame

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
#: A longer gap between two frames is taken for a damaged time stamp, not for a pause, unless the source knows better.
LONGEST_GAP_S = 60.0


class Interruptible(Protocol):
    """What reads for a source: a file object whose reads can be ended from any thread."""

    def interrupt(self) -> None: ...

    def close(self) -> None: ...


#: Coded video may give a still scene as the same picture until its next whole one, s.
CODED_FROZEN_S = 30.0


class Source:
    """A stream of frames.

    Attributes:
        name: what a message calls it; never holds a password.
        live: True where frames come at their own time and cannot wait: a slow reader must drop some.
        still: True where they are photographs, which have no rate at all.
        fps: nominal frames per second, or None where the source has no rate of its own.
        size: (width, height) of the first frame, pixels.
        length: number of frames the source says it has, or None where it does not know.
        waits: True where a read may wait for somebody else, as for the writer of a pipe; `interrupt` ends that.
        frozen_s: for how long it may give the same picture, to the last bit, until it is taken for frozen; None: for as
            long as a sensor may, whose pictures have noise. With inf it may be still, or black, for ever.
        renews: whether opening it again starts it from the beginning, which may mend what it gives, as with a camera;
            False for a live pipe, whose writer goes on where it is: whatever its pictures show, it stays open.
        deadline_s: of a live source, how long a read may take before the source is left to itself and opened again;
            None where the loop is to say, from the rate.
    """

    name: str = ""
    live: bool = False
    still: bool = False
    waits: bool = False
    renews: bool = True
    frozen_s: float | None = None
    deadline_s: float | None = None
    fps: float | None = None
    size: tuple[int, int] = (0, 0)
    length: int | None = None

    def read(self) -> Frame | None:
        """The next frame; None after the last.

        Raises:
            SourceStalled: a live source gave nothing in time; closing and opening it again may help.
            SourceError: the source failed for good, or, after its last readable frame, that it is incomplete.
        """
        raise TypeError(f"{type(self).__name__} does not say how to read a frame")

    def unpaced(self) -> Iterator[Frame]:
        """Every frame to the end, without waiting for the time that each is due where the source can do so."""
        with self:
            while (frame := self.read()) is not None:
                yield frame

    @property
    def damaged(self) -> int:
        """Frames left out so far because they are torn."""
        return 0

    def interrupt(self) -> None:
        """Ends a read that waits, and all later ones, where that can be done; from any thread."""

    def rest(self, resting: bool) -> None:
        """Tells one that does not renew that nobody wants its pictures, so that silence is no failure, or that somebody
        does again; from any thread.
        """

    def keep(self) -> Kept | None:
        """What has to stay open after close() until it is opened again; None for most. To be called before close()."""
        return None

    def close(self) -> None:
        """Releases the device or the file; a second call does nothing."""

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Wrapper(Source):
    """A source that hands on the frames of another one, changed; what it does not change is as the other has it."""

    def __init__(self, source: Source) -> None:
        """Args: source: closed with this one."""
        self._source = source
        self.name, self.live, self.still, self.waits = source.name, source.live, source.still, source.waits
        self.deadline_s, self.frozen_s, self.renews = source.deadline_s, source.frozen_s, source.renews
        self.fps, self.size, self.length = source.fps, source.size, source.length

    @property
    def damaged(self) -> int:
        return self._source.damaged

    def interrupt(self) -> None:
        self._source.interrupt()

    def rest(self, resting: bool) -> None:
        self._source.rest(resting)

    def keep(self) -> Kept | None:
        return self._source.keep()

    def close(self) -> None:
        self._source.close()


class Timeline:
    """Media time from a container's stamps: it starts at 0, never runs back and never jumps.

    Stamps that rise are taken as they are. One that is missing, repeats, runs back or leaps ahead is replaced; where
    the next one goes on from it, the clock was set, as where recordings are joined, and counting goes on from there.
    """

    def __init__(self, fps: float | None, longest_gap_s: float = LONGEST_GAP_S) -> None:
        """Args:
        fps: nominal rate, which gives the period; 30 is taken when it is None or not positive.
        longest_gap_s: between two pictures; what is longer is a leap.
        """
        rate = fps if fps and math.isfinite(fps) and fps > 0 else 30.0
        self.period_ns = round(NS_PER_S / rate)
        self._gap_ns = round(max(longest_gap_s * NS_PER_S, 10 * self.period_ns))
        self._origin_ns: int | None = None
        self._last_ns = -self.period_ns
        self._odd_ns: int | None = None  # the stamp before, where it did not fit
        self._odd_in_a_row = 0

    @property
    def origin_ns(self) -> int | None:
        """The stamp that is media time 0, once there was one."""
        return self._origin_ns

    def go_to(self, media_ns: int) -> None:
        """Takes the next stamp as it is if it lies no earlier, as after a seek to there."""
        self._last_ns, self._odd_ns, self._odd_in_a_row = media_ns - 1, None, 0

    def next(self, stamp_ns: int | None) -> int:
        """Media time of the next frame, ns, from its stamp; None where it has none."""
        last_ns = self._last_ns
        expected_ns = last_ns + self.period_ns
        if stamp_ns is None:
            self._last_ns = expected_ns
            return expected_ns
        if self._origin_ns is None:
            self._origin_ns = stamp_ns - max(expected_ns, 0)
        media_ns = stamp_ns - self._origin_ns
        if last_ns < media_ns <= last_ns + self._gap_ns:
            self._odd_ns, self._odd_in_a_row = None, 0
        else:
            step_ns = None if self._odd_ns is None else stamp_ns - self._odd_ns
            leap = not -NS_PER_S <= media_ns - last_ns <= 0
            if leap and step_ns is not None and 0 < step_ns <= self._gap_ns:
                media_ns = last_ns + step_ns
                self._origin_ns, self._odd_ns, self._odd_in_a_row = stamp_ns - media_ns, None, 0
            else:
                # the first that repeats goes between its neighbours, so that later ones keep their times
                media_ns = expected_ns if leap or self._odd_in_a_row else last_ns + max(self.period_ns // 2, 1)
                self._odd_ns, self._odd_in_a_row = stamp_ns, self._odd_in_a_row + 1
        self._last_ns = media_ns
        return media_ns


log = logging.getLogger(__name__)


def paced(source: Source) -> Source:
    """The source at its own rate, as from a camera; one that is live already, or has no rate, comes back as it is."""
    return source if source.live or source.still else Paced(source)


class Paced(Wrapper):
    """A finite source played at its own rate, as if a camera had taken it.

    A frame's `captured_ns` is the moment it was due, so age counts everything after that, the wait for a
    late reader included. Whoever reads must drop frames to keep up: `live` is True. A file that decodes
    more slowly than it plays would fall ever further behind; from LATE_NS on its clock is set back, and
    it plays more slowly than its own rate, as the log then says.
    """

    LATE_NS = NS_PER_S // 2

    def __init__(self, source: Source) -> None:
        """Args: source: any finite source; it is closed with this one."""
        super().__init__(source)
        self.live = True
        self._start_ns: int | None = None
        self._set_back = False
        self._closed = False

    def read(self) -> Frame | None:
        frame = None if self._closed else self._source.read()
        if frame is None:
            return None
        now = time.monotonic_ns()
        if self._start_ns is None:
            self._start_ns = now - frame.media_ns
        late_ns = now - self._start_ns - frame.media_ns
        if late_ns > self.LATE_NS:
            if not self._set_back:
                log.warning("%s: reading cannot keep up with its rate; played more slowly", self.name)
            self._set_back = True
            self._start_ns += late_ns
        frame.captured_ns = self._start_ns + frame.media_ns
        while not self._closed and (wait_ns := frame.captured_ns - time.monotonic_ns()) > 0:
            time.sleep(min(wait_ns / NS_PER_S, 0.1))  # in short steps, so that close() is noticed
        return None if self._closed else frame

    def interrupt(self) -> None:
        self._closed = True
        super().interrupt()

    def close(self) -> None:
        self._closed = True
        super().close()
