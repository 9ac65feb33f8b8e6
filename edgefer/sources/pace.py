"""A film at its own rate."""

from __future__ import annotations

import logging
import time

from edgefer.sources.base import NS_PER_S, Source
from edgefer.values import Frame

log = logging.getLogger(__name__)


def paced(source: Source) -> Source:
    """The source at its own rate, as from a camera; one that is live already comes back as it is."""
    return source if source.live else Paced(source)


class Paced(Source):
    """A finite source played at its own rate, as if a camera had taken it.

    A frame's `captured_ns` is the moment it was due, so age counts everything after that, the wait for a
    late reader included. Whoever reads must drop frames to keep up: `live` is True. A file that decodes
    more slowly than it plays would fall ever further behind; from LATE_NS on its clock is set back, and
    it plays more slowly than its own rate, as the log then says.
    """

    live = True
    LATE_NS = NS_PER_S // 2

    def __init__(self, source: Source) -> None:
        """Args: source: any finite source; it is closed with this one."""
        self._source = source
        self.name, self.fps, self.size, self.length = source.name, source.fps, source.size, source.length
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

    def close(self) -> None:
        self._closed = True
        self._source.close()
