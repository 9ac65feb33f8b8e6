"""The loop as a value: one source through the pipeline, a reading at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

from msgspec import structs

from edgefer.defaults import PATIENCE_S
from edgefer.errors import SourceError
from edgefer.loop.capture import Capture
from edgefer.loop.pipeline import Pipeline
from edgefer.loop.summary import RunSummary, Tally
from edgefer.values import Event, Frame, Health, Heat, Reading

#: While no frame comes, whoever takes the steps gets its turn after so long.
POLL_S = 0.1

#: Times of frames are whole nanoseconds, which many a rate has none of: so much before a time counts as that time.
_ROUNDED_NS = 1000

Region = tuple[int, int, int, int]


class Readings:
    """The readings of one source, step by step.

    A live source, and any with `realtime`, follows the newest-frame rule (see capture.py). Any other is read
    whole: every frame, in order, as fast as it is asked for, or as it comes through a pipe or from a server.

    Attributes:
        frame: that of the last reading; None before the first.
        ended: whether there is no further reading.
    """

    def __init__(
        self,
        source: Any,
        pipeline: Pipeline,
        *,
        realtime: bool = False,
        frames: int | None = None,
        start_s: float = 0.0,
        seconds: float | None = None,
        every: int = 1,
        region: Region | None = None,
        first_index: int = 0,
        reopen: Callable[[], object] | None = None,
        patience_s: float = PATIENCE_S,
        endless: bool = False,
        tally: Tally | None = None,
    ) -> None:
        """
        Args:
            source: with `read()`, `close()`, `live` and `name`; closed with this object. Wrap a file in
                sources.paced for its own rate.
            pipeline: from frames to readings.
            realtime: as above.
            frames: end after so many readings were given.
            start_s: leave out what comes before, media time in s.
            seconds: end so much media time after `start_s`.
            every: give one reading in so many, the first among them; of a film all frames are read, for a face
                is followed from each to the next, and of photographs only those given.
            region: x0, y0, x1, y1, pixels, right and bottom exclusive: only this part of each picture is read.
                Boxes and landmarks are told in the coordinates of the whole.
            first_index: added to the index of each frame.
            reopen: opens a stalled source again, see Capture.
            patience_s: how long that is tried.
            endless: the end of a live source is a failure, as that of a camera is.
            tally: where the readings are counted; one of its own by default.
        """
        self.frame: Frame | None = None
        self.ended = False
        self._source, self._pipeline = source, pipeline
        self._name = getattr(source, "name", "")
        self._left = frames
        self._start_ns = round(start_s * 1e9) - _ROUNDED_NS
        self._end_ns = None if seconds is None else self._start_ns + round(seconds * 1e9)
        self._every, self._region, self._first_index = every, region, first_index
        self._own_time = reopen is not None  # it cannot wait, nor be slowed down
        self._tally = tally or Tally()
        self._seen = 0
        self._began_s: float | None = None
        self._events: list[Event] = []  # of readings that were not given
        self._held: tuple[Reading, Frame] | None = None  # the last of those
        self._error: SourceError | None = None  # to be raised once they are told
        self._ahead: list[Frame | SourceError | None] = []  # what follows the frame that is read, where that matters
        self._closed = self._resting = False
        self.next_index = first_index
        newest = realtime or source.live
        waits = newest or getattr(source, "waits", False)
        self._capture = Capture(source, reopen, patience_s, whole=not newest, endless=endless) if waits else None
        #: The last frame has to be known where events are told; a camera or live stream has none.
        self._looks_ahead = pipeline.tells_events and not self._own_time

    def step(self) -> Reading | None:
        """One turn; None when it gave no reading, as when no frame came for POLL_S.

        Raises:
            SourceError: the source failed for good; what was read before has been given.
        """
        if self.ended:
            return None
        if self._resting:
            time.sleep(POLL_S)
            return None
        if self._error is not None:
            self.ended = True
            raise self._error
        try:
            frame = self._next_frame()
        except SourceError as error:
            if not self._events:
                self.ended = True
                raise
            self._error = error
            return self._give_held()
        if frame is None:
            if self._capture is None or self._capture.ended or self._is_late():
                return self._end()
            return None
        self._tally.begin()
        if self._began_s is None:
            self._began_s = time.monotonic()
        if not frame.still and frame.media_ns < self._start_ns:
            return None
        if not frame.still and self._end_ns is not None and frame.media_ns >= self._end_ns:
            return self._end()
        # photographs that follow one another are counted through
        given = (self._first_index + frame.index if frame.still else self._seen) % self._every == 0
        self._seen += 1
        self.next_index = self._first_index + frame.index + 1
        if frame.still and not given:
            return None
        reading = self.read(frame, self._is_last(given))
        if given:
            self._held, self._events = None, []
            return self._give(reading, frame)
        self._held, self._events = (reading, frame), reading.events
        return None

    def _next_frame(self) -> Frame | None:
        """The next frame, None where there is none now; where the last one has to be known, one more is read."""
        if not self._looks_ahead:
            return self._read_source()
        frame = self._ahead.pop() if self._ahead else self._read_source()
        if isinstance(frame, SourceError):
            raise frame
        if frame is None:
            return None
        following: Frame | SourceError | None
        try:
            following = self._read_source()
        except SourceError as error:
            following = error
        if following is None and self._capture is not None and not self._capture.ended:
            following, frame = frame, None  # it is too early to tell
        self._ahead.append(following)
        return frame

    def _read_source(self) -> Frame | None:
        frame: Frame | None = self._source.read() if self._capture is None else self._capture.take(POLL_S)
        return frame

    def _is_last(self, given: bool) -> bool:
        """Whether the frame that is read is known to be the last."""
        if given and self._left == 1:
            return True
        if not self._ahead:
            return False
        following = self._ahead[0]
        if not isinstance(following, Frame):
            return True
        return self._end_ns is not None and following.media_ns >= self._end_ns

    def read(self, frame: Frame, last: bool = False) -> Reading:
        """The reading of a frame of this source, counted; last: whether none follows."""
        if not frame.source:
            frame.source = self._name
        if self._first_index:
            frame.index += self._first_index
        reading = self._process(frame, last)
        reading.events = [*self._events, *reading.events]
        self._tally.add(reading, frame)
        return reading

    def _process(self, frame: Frame, last: bool) -> Reading:
        if self._region is None:
            return self._pipeline.process(frame, last)
        height, width = frame.grey.shape
        x0, y0, x1, y1 = self._region
        x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
        if x0 >= x1 or y0 >= y1:
            told = ",".join(map(str, self._region))
            raise SourceError(f"{self._name}: region {told} lies outside its picture of {width}x{height} pixels")
        reading = self._pipeline.process(structs.replace(frame, grey=frame.grey[y0:y1, x0:x1]), last)
        reading.faces = [face.elsewhere(shift=(x0, y0)) for face in reading.faces]
        return reading

    def _give(self, reading: Reading, frame: Frame) -> Reading:
        self.frame = frame
        if self._left is not None:
            self._left -= 1
            if not self._left:
                self.ended = True
        return reading

    def _end(self) -> Reading | None:
        self.ended = True
        return self._give_held()

    def _give_held(self) -> Reading | None:
        """The last of the readings left out, where it has events to tell: each is told, and once."""
        if not self._events or self._held is None:
            return None
        self._events = []
        return self._give(*self._held)

    def _is_late(self) -> bool:
        """Whether the time is over in which a source that keeps its own time was to be read."""
        if not self._own_time or self._end_ns is None or self._began_s is None:
            return False
        return (time.monotonic() - self._began_s) * 1e9 >= self._end_ns

    def rest(self, resting: bool) -> None:
        """While it rests no reading is made. A source that can be opened again is closed meanwhile."""
        self._resting = resting
        if self._capture is not None:
            self._capture.rest(resting)

    @property
    def summary(self) -> RunSummary:
        """The run so far."""
        if self._capture is None or self._closed:
            return self._tally.summary()
        return self._tally.summary(self._capture.dropped, self._capture.reconnects)

    @property
    def health(self) -> Health:
        """How the run is doing."""
        governor, capture, last = self._pipeline.governor, self._capture, self._tally.last
        heat = governor.heat if governor else Heat(None, False)
        state: Literal["running", "stalled", "resting", "ended"] = "running"
        if self.ended or self._closed:
            state = "ended"
        elif self._resting:
            state = "resting"
        elif capture is not None and capture.stalled:
            state = "stalled"
        return Health(
            frames=self._tally.frames,
            dropped=capture.dropped if capture is not None else 0,
            faces=len(last.faces) if last is not None and state == "running" else 0,
            fps=self._tally.fps() if state == "running" else 0.0,
            age_ms=last.age_ms if last is not None else 0.0,
            reconnects=capture.reconnects if capture is not None else 0,
            governor_level=governor.level if governor else 0,
            temperature_c=heat.temperature_c,
            throttled=heat.throttled,
            under_voltage=heat.under_voltage,
            source=state,
            trouble=capture.trouble if capture is not None and state == "stalled" else "",
            length=getattr(self._source, "length", None),
            first_index=self._first_index,
        )

    def close(self) -> None:
        """Closes the source; a second call does nothing."""
        if self._closed:
            return
        self._closed = self.ended = True
        if self._capture is not None:
            self._capture.close()
            self._tally.end_source(self._capture.dropped, self._capture.reconnects)
        else:
            self._source.close()
            self._tally.end_source()
