"""A sink on its own thread behind a bounded queue: a slow or dead sink costs readings, never latency."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import deque

from edgefer.errors import EdgeferError, SinkClosed, SinkError, SinkStalled
from edgefer.sinks.base import Sink
from edgefer.values import Frame, Health, Reading

log = logging.getLogger(__name__)

#: A call of a sink that takes so long hangs; a card that tidies up its memory may take some seconds.
HANGS_AFTER_S = 10.0
#: How long a sink may take to its end; less than systemd gives the whole run (TimeoutStopSec).
CLOSE_S = 3.0


class SinkThread:
    """Feeds one sink from a queue.

    Attributes:
        sink: the sink, which only this thread touches from now on.
        dropped: readings that found no room or came after the sink had failed.
    """

    def __init__(
        self, sink: Sink, capacity: int = 32, drop: bool = True, frames: bool = False, pace_s: float = 0.0
    ) -> None:
        """Starts the thread.

        Args:
            sink: where the readings go; closed with this object.
            capacity: readings (with their frames, where the sink needs them) that may wait, at least 1.
            drop: when the queue is full, drop the oldest (a live source), or wait for room (a file that is
                processed whole).
            frames: whether the sink looks at the frames; without it they are not kept.
            pace_s: how often a reading wakes the sink's thread at most, 0: each does. A thread that is woken takes the
                processor from the one that wakes it; by a reading it is woken when a frame is done, and not within one.
                Of a sink with a pace the thread, and those it starts, wait until others leave the processor to them.
        """
        if capacity < 1:
            raise ValueError(f"SinkThread: capacity must be at least 1, got {capacity}")
        self.sink = sink
        self.dropped = 0
        self._capacity = capacity
        self._drop = drop
        self._frames = frames
        self._pace_s = pace_s
        self._woken_s = 0.0
        self._health: Health | None = None  # the newest, not yet handed over
        self._queue: deque[tuple[Reading, Frame | None]] = deque()
        self._changed = threading.Condition()
        self._error: SinkError | None = None
        self._stalled: SinkStalled | SinkClosed | None = None  # why the last readings could not be written
        self._lost = 0  # how many they are
        self._failed = False
        self._closing = False
        self._end_s: float | None = None  # when it is given up
        self._called_s: float | None = None  # when the call of the sink that is going on began
        self._stop: threading.Event | None = None
        self._thread = threading.Thread(target=self._run, name=f"sink {sink.name}", daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        return self.sink.name

    @property
    def end_asked(self) -> bool:
        """Whether a person has asked, through the sink, for the end of the run."""
        return self.sink.end_asked

    @property
    def hangs(self) -> bool:
        """Whether the sink does not come back from a call, and waits for nobody else."""
        called_s = self._called_s
        return called_s is not None and not self.sink.waits and time.monotonic() - called_s > HANGS_AFTER_S

    @property
    def rest_asked(self) -> bool:
        """Whether a person wants, through the sink, that nothing is read."""
        return self.sink.rest_asked

    @property
    def failed(self) -> bool:
        """Whether the sink has failed; later readings are counted as dropped."""
        return self._failed

    def write(self, reading: Reading, frame: Frame | None = None, stop: threading.Event | None = None) -> None:
        """Queues one reading; never raises the sink's errors.

        Args:
            reading, frame: as Sink.write takes them.
            stop: where the queue waits for room, setting this ends the wait and drops the reading; it also
                ends the wait in close().
        """
        with self._changed:
            self._stop = stop
            while not self._drop and not self._failed and len(self._queue) >= self._capacity:
                if stop is not None and stop.is_set():
                    self.dropped += 1
                    return
                self._changed.wait(0.1)
            if self._failed or self._closing:
                self.dropped += 1
                return
            if len(self._queue) >= self._capacity:
                self._queue.popleft()
                self.dropped += 1
            self._queue.append((reading, frame if self._frames else None))
            now_s = time.monotonic()
            if now_s - self._woken_s >= self._pace_s or 2 * len(self._queue) >= self._capacity:
                self._woken_s = now_s
                self._changed.notify_all()

    def report(self, health: Health) -> None:
        """Hands over the state of the run; where the sink is busy only the newest one waits."""
        with self._changed:
            if not self._failed and not self._closing:
                self._health = health
                self._changed.notify_all()

    def take_error(self) -> SinkError | None:
        """The sink's failure, once; None before it fails and after it was taken."""
        with self._changed:
            error, self._error = self._error, None
            return error

    def begin_close(self, timeout_s: float | None = None) -> None:
        """Begins to close, as close() does, and does not wait: several sinks end at the same time."""
        with self._changed:
            self._closing = True
            self._limit(timeout_s)
            self._changed.notify_all()

    def _limit(self, timeout_s: float | None) -> None:
        if self._end_s is None and (self._drop or (self._stop is not None and self._stop.is_set())):
            self._end_s = time.monotonic() + (CLOSE_S if timeout_s is None else timeout_s)

    def close(self, timeout_s: float | None = None) -> None:
        """Lets the queue drain and closes the sink; what went wrong is left in take_error().

        A sink that hangs is given up `timeout_s` (CLOSE_S when None) after this, or after begin_close() before it.
        Where nothing may be dropped, as when a file is read in a pager, that time only begins when the `stop` of
        write() is set.
        """
        self.begin_close(timeout_s)
        while self._thread.is_alive() and (self._end_s is None or time.monotonic() < self._end_s):
            left_s = 0.1 if self._end_s is None else self._end_s - time.monotonic()
            self._thread.join(min(max(left_s, 0.0), 0.1))
            self._limit(timeout_s)
        if self._thread.is_alive():
            with self._changed:
                lost = len(self._queue)
                self._queue.clear()
                self.dropped += lost
            self._fail(SinkError(f"{self.name}: does not take its readings; gave up, at least {lost} lost"))

    def _fail(self, error: SinkError) -> None:
        with self._changed:
            if not self._failed:
                self._failed, self._error = True, error
            self.dropped += len(self._queue)
            self._queue.clear()
            self._changed.notify_all()

    def _run(self) -> None:
        if self._pace_s:
            with contextlib.suppress(OSError):  # a service of an older unit may not
                os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        try:
            while (item := self._take()) is not None:
                self._called_s = time.monotonic()
                if isinstance(item, Health):
                    self.sink.report(item)
                else:
                    self._write(*item)
                self._called_s = None
            if self._stalled is not None and self._lost:
                raise self._stalled
        except SinkError as error:
            self._fail(error)
        except Exception as error:  # a thread must not end unnoticed; the loop reports it
            log.debug("sink %s failed", self.name, exc_info=True)
            self._fail(SinkError(f"{self.name}: {type(error).__name__}: {error}"))
        self._called_s = None
        try:
            self.sink.close()
        except EdgeferError as error:
            self._fail(error if isinstance(error, SinkError) else SinkError(str(error)))
        except Exception as error:
            log.debug("sink %s failed to close", self.name, exc_info=True)
            self._fail(SinkError(f"{self.name}: {type(error).__name__}: {error}"))

    def _write(self, reading: Reading, frame: Frame | None) -> None:
        """Writes one reading. On a live source a disk without room costs readings until there is room again."""
        try:
            written = self.sink.write(reading, frame)
        except SinkStalled as error:
            if not self._drop:
                raise
            if self._stalled is None:
                log.error("%s; readings %s until it can be written again", error, "are lost" if error.lost else "wait")
            self._lose(error, error.lost)
        except SinkClosed as error:
            if not (self._drop and self.sink.reopens):
                raise
            if self._stalled is None:
                log.warning("%s; readings are lost until another one comes", error)
            self._lose(error, 1)
        else:
            if self._stalled is None or written is False:
                return
            noun = "reading was" if self._lost == 1 else "readings were"
            log.warning("%s: can be written again; %d %s lost", self.name, self._lost, noun)
            self._stalled, self._lost = None, 0

    def _lose(self, error: SinkStalled | SinkClosed, count: int) -> None:
        self._stalled = error
        self._lost += count
        with self._changed:
            self.dropped += count

    def _take(self) -> tuple[Reading, Frame | None] | Health | None:
        """The next reading, or the state of the run while none waits; None when there is nothing to come."""
        with self._changed:
            while not self._queue:
                health, self._health = self._health, None
                if health is not None:
                    return health
                if self._closing or self._failed:
                    return None
                self._changed.wait()
            item = self._queue.popleft()
            self._changed.notify_all()
            return item
