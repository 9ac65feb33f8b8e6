"""The newest-frame rule: a thread reads the source, and whoever asks gets the latest frame or waits for one.

Nothing queues. A frame that nobody took before the next one came is dropped and counted, so a slow consumer
sees fewer frames, never older ones.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from msgspec import Struct, structs

from edgefer.defaults import PATIENCE_S
from edgefer.errors import SourceError, SourceStalled
from edgefer.loop.patience import LONGEST_ATTEMPT_S, Pauses, may_come
from edgefer.values import Frame

log = logging.getLogger(__name__)

#: Between two looks at a source nothing takes so long, but a process that was suspended (Ctrl-Z, a debugger).
SUSPENDED_S = 5.0
#: A source that gave frames for so long is steady: should it fail again, pauses begin short.
STEADY_S = 10.0
#: Threads that hang in a read; with more of them something is wrong that opening again does not cure.
_MOST_LEFT = 3


class _Rested(SourceStalled):
    """Stands for a stall that was asked for."""


class _Nothing:
    """Stands where a source is being opened."""

    def __init__(self, name: str) -> None:
        self.name = name

    def close(self) -> None:
        pass


class _Watch(Struct, eq=False):
    """A thread's turn at the source.

    Attributes:
        source: it reads. asked_s: when the call that is going on began, None between calls.
        left: nobody waits for it any more; it closes its source when the call comes back.
    """

    source: Any
    asked_s: float | None = None
    left: bool = False


class Capture:
    """Reads a source on a thread of its own and keeps its newest frame.

    Attributes:
        dropped: frames of the source passed over between two that were taken.
        reconnects: how often the source was opened again.
        stalled: whether it is being opened again now.
    """

    def __init__(
        self,
        source,
        reopen: Callable[[], object] | None = None,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
        whole: bool = False,
    ) -> None:
        """
        Args:
            source: with `read()` and `close()`; read on the thread only, closed by `close`. Where it has them,
                `interrupt()` ends a read that waits, `deadline_s` is the longest one that is waited for, and
                `damaged` counts what it left out.
            reopen: gives a fresh source after a SourceStalled; without it a stall is final.
            patience_s: how long to try to open a stalled source again, from the stall on; and how long a
                single read of such a source may take before the source is given up.
            clock: seconds.
            whole: keep every frame until it is taken, for a source that is to be read whole but may wait for
                somebody else, as a pipe does.
        """
        self.dropped = 0
        self.reconnects = 0
        self.stalled = False
        self._reopen = reopen if patience_s > 0 else None
        self._patience_s = patience_s
        self._clock = clock
        self._whole = whole
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._any_taken = False
        self._last: Frame | None = None
        self._index_base = self._media_base_ns = 0
        self._pauses = Pauses()
        self._opened_s = clock()
        self._stalled_s = 0.0  # since when
        self._looked_s = clock()  # when take() last looked
        self._error: Exception | None = None
        self._ended = False
        self._damaged = 0  # of sources that were closed
        self._threads_left = 0
        self._stop = threading.Event()
        self._resting = False
        self._watch = _Watch(source)
        self._thread = self._start(None)

    def _start(self, stall: SourceStalled | None) -> threading.Thread:
        thread = threading.Thread(target=self._work, args=(self._watch, stall), name="capture", daemon=True)
        thread.start()
        return thread

    @property
    def _name(self) -> str:
        return getattr(self._watch.source, "name", "source")

    def take(self, timeout_s: float) -> Frame | None:
        """The newest frame not yet taken; waits for one.

        Args:
            timeout_s: longest wait.

        Returns:
            The frame; None after the wait or at the end of the source, which `ended` tells apart.

        Raises:
            The source's error, once every frame read before it was taken or dropped. SourceStalled: a read
                does not come back.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._ended, timeout_s)
            now_s = self._clock()
            watch = self._watch
            if watch.asked_s is not None and now_s - self._looked_s > timeout_s + SUSPENDED_S:
                watch.asked_s = now_s  # the driver had no time to answer either
                self._stalled_s = now_s
            self._looked_s = now_s
            frame, self._newest = self._newest, None
            if frame is None and self._error is not None:
                error, self._error = self._error, None
                raise error
            if frame is None and not self._ended and self._reopen is not None:
                self._look_after(watch, now_s)
            if frame is not None:
                self._any_taken = True
                self._changed.notify_all()
            return frame

    def rest(self, resting: bool) -> None:
        """Has the source closed, or opened again; one that cannot be opened again stays open and is ignored."""
        with self._changed:
            if resting == self._resting:
                return
            self._resting = resting
            if not self._whole:
                self._newest = None
            self._changed.notify_all()

    def _look_after(self, watch: _Watch, now_s: float) -> None:
        """Leaves a thread that hangs, with its source, where opening that again may help."""
        asked_s = watch.asked_s
        if self.stalled:
            if asked_s is not None and now_s - self._stalled_s > self._patience_s + LONGEST_ATTEMPT_S:
                raise SourceStalled(f"{self._name}: no answer while it was opened again; its driver hangs")
            return
        if asked_s is None:
            return
        deadline_s = getattr(watch.source, "deadline_s", None)
        if deadline_s is not None and now_s - asked_s > deadline_s and self._threads_left < _MOST_LEFT:
            self._threads_left += 1
            watch.left = True
            self._watch = _Watch(_Nothing(self._name))
            self._thread = self._start(SourceStalled(f"{self._name}: no answer for {deadline_s:g} s"))
        elif now_s - asked_s > (longest_s := max(self._patience_s, deadline_s or 0.0)):
            raise SourceStalled(
                f"{self._name}: no answer for {longest_s:g} s; its driver hangs; unplug it and plug it in again"
            )

    @property
    def ended(self) -> bool:
        """Whether the source has no further frame and the last one was taken."""
        with self._changed:
            return self._ended and self._newest is None and self._error is None

    def close(self, timeout_s: float = 2.0) -> None:
        """Stops the thread and closes the source; the thread does so itself where it is stuck in a read."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        watch = self._watch
        getattr(watch.source, "interrupt", lambda: None)()
        self._thread.join(timeout_s)
        with self._changed:
            watch.left = not self._ended
        if watch.left:
            log.warning("%s does not answer; leaving it", self._name)
            return
        watch.source.close()
        damaged = self._damaged + getattr(watch.source, "damaged", 0)
        if damaged:
            were = "frame was" if damaged == 1 else "frames were"
            log.warning("%s: %d damaged %s left out", self._name, damaged, were)

    def _work(self, watch: _Watch, stall: SourceStalled | None) -> None:
        """Args: stall: why the source must be opened before it is read; None where it is open."""
        try:
            while not self._stop.is_set():
                try:
                    if self._resting and self._reopen is not None:
                        self._close_for_rest(watch)
                        stall = _Rested(self._name)
                        continue
                    if stall is not None:
                        if not self._open_again(watch, stall):
                            return
                        stall = None
                        continue  # it may have been told to rest meanwhile
                    watch.asked_s = self._clock()
                    frame = watch.source.read()
                except SourceStalled as error:
                    watch.asked_s = None
                    if watch.left or stall is not None:
                        raise
                    stall = error
                    self._damaged += getattr(watch.source, "damaged", 0)
                    stalled, watch.source = watch.source, _Nothing(self._name)
                    stalled.close()
                    continue
                if frame is None or watch.left:
                    return
                self._keep(frame, watch)
        except Exception as error:  # whatever it is, the loop that takes the frames has to know
            if not watch.left:
                self._error = error
        finally:
            with self._changed:
                left = watch.left
                if self._watch is watch:
                    self._ended = True
                self._changed.notify_all()
            if left:
                watch.source.close()

    def _close_for_rest(self, watch: _Watch) -> None:
        """Closes the source, and waits until it is asked for again."""
        closed, watch.source, watch.asked_s = watch.source, _Nothing(self._name), None
        self.stalled = False
        self._damaged += getattr(closed, "damaged", 0)
        closed.close()
        with self._changed:
            self._changed.wait_for(lambda: not self._resting or self._stop.is_set())

    def _keep(self, frame: Frame, watch: _Watch) -> None:
        if self._index_base:
            frame = structs.replace(
                frame, index=frame.index + self._index_base, media_ns=frame.media_ns + self._media_base_ns
            )
        with self._changed:
            if self._whole:
                self._changed.wait_for(lambda: (self._newest is None and not self._resting) or self._stop.is_set())
            elif self._resting:
                return
            if watch.left:
                return
            self._last = frame
            self.dropped += self._newest is not None and self._any_taken and not self._whole
            self._newest = frame
            self._changed.notify_all()

    def _open_again(self, watch: _Watch, stall: SourceStalled) -> bool:
        """Opens the source again, with growing pauses; False when stopped. Raises when patience ends."""
        if self._reopen is None:
            raise stall
        rested = isinstance(stall, _Rested)
        if not rested:
            log.warning("%s; trying again", stall)
        began_s = self._stalled_s = self._clock()
        self.stalled = True
        if began_s - self._opened_s > STEADY_S:
            self._pauses.reset()
        at_once = rested
        while not self._stop.wait(0.0 if at_once else self._pauses.next_s):
            at_once = False
            if self._resting:
                return True
            try:
                watch.asked_s = self._clock()
                source = self._reopen()
            except Exception as error:
                watch.asked_s = None
                if not may_come(error, worked_before=True):
                    raise
                if self._clock() - began_s + self._pauses.next_s > self._patience_s:
                    if isinstance(error, SourceError):
                        raise type(error)(f"{error}; tried for {self._patience_s:g} s") from None
                    raise
                log.log(logging.WARNING if rested else logging.INFO, "still without a picture: %s", error)
                rested = False
                self._pauses.grow()
                continue
            watch.source = source
            self._pauses.grow()  # for one that fails again at once
            self._opened_s = self._clock()
            if self._last is not None:  # the new source counts from 0: carry on where the old one ended
                self._index_base = self._last.index + 1
                self._media_base_ns = self._last.media_ns + time.monotonic_ns() - self._last.captured_ns
            self.reconnects += not rested
            self.stalled = False
            if not rested:
                log.warning("%s is back", self._name)
            return True
        return False
