"""The newest-frame rule: a thread reads the source, and whoever asks gets the latest frame or waits for one.

Nothing queues. A frame that nobody took before the next one came is dropped and counted, so a slow consumer
sees fewer frames, never older ones.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable

from edgefer.errors import SourceStalled
from edgefer.values import Frame

log = logging.getLogger(__name__)

FIRST_DELAY_S = 0.25
LONGEST_DELAY_S = 8.0
#: Between two looks at a source nothing takes so long, but a process that was suspended (Ctrl-Z, a debugger).
SUSPENDED_S = 5.0


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
        patience_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            source: with `read()` and `close()`; read on the thread only, closed by `close`.
            reopen: gives a fresh source after a SourceStalled; without it a stall is final.
            patience_s: how long to try to open a stalled source again, from the stall on; and how long a
                single read of such a source may take before the source is given up.
            clock: seconds.
        """
        self.dropped = 0
        self.reconnects = 0
        self.stalled = False
        self._source = source
        self._reopen = reopen
        self._patience_s = patience_s
        self._clock = clock
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._taken = -1  # index of the frame last taken
        self._asked_s: float | None = None  # when the read that is going on began
        self._looked_s = clock()  # when take() last looked
        self._error: Exception | None = None
        self._ended = False
        self._left = False  # close() stopped waiting for the thread
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="capture", daemon=True)
        self._thread.start()

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
            if self._asked_s is not None and now_s - self._looked_s > timeout_s + SUSPENDED_S:
                self._asked_s = now_s  # the driver had no time to answer either
            self._looked_s = now_s
            frame, self._newest = self._newest, None
            if frame is None and self._error is not None:
                error, self._error = self._error, None
                raise error
            if frame is None and self._hangs():
                raise SourceStalled(
                    f"{getattr(self._source, 'name', 'source')}: no answer for {self._patience_s:g} s;"
                    " its driver hangs; unplug it and plug it in again"
                )
            if frame is not None:
                self.dropped += frame.index - self._taken - 1 if self._taken >= 0 else 0
                self._taken = frame.index
            return frame

    def _hangs(self) -> bool:
        asked_s = self._asked_s
        if self._reopen is None or self._ended or asked_s is None:
            return False
        return self._clock() - asked_s > self._patience_s

    @property
    def ended(self) -> bool:
        """Whether the source has no further frame and the last one was taken."""
        with self._changed:
            return self._ended and self._newest is None and self._error is None

    def close(self, timeout_s: float = 2.0) -> None:
        """Stops the thread and closes the source; the thread does so itself where it is stuck in a read."""
        self._stop.set()
        self._thread.join(timeout_s)
        with self._changed:
            self._left = not self._ended
        if self._left:
            log.warning("%s does not answer; leaving it", getattr(self._source, "name", "source"))
        else:
            self._source.close()

    def _work(self) -> None:
        index_base = media_base_ns = 0
        last: Frame | None = None
        try:
            while not self._stop.is_set():
                try:
                    self._asked_s = self._clock()
                    frame = self._source.read()
                except SourceStalled as stall:
                    self._asked_s = None
                    if not self._open_again(stall):
                        return
                    if last is not None:  # the new source counts from 0: carry on where the old one ended
                        index_base = last.index + 1
                        media_base_ns = last.media_ns + time.monotonic_ns() - last.captured_ns
                    continue
                if frame is None:
                    return
                if index_base:
                    frame = dataclasses.replace(
                        frame, index=frame.index + index_base, media_ns=frame.media_ns + media_base_ns
                    )
                last = frame
                with self._changed:
                    self._newest = frame
                    self._changed.notify()
        except Exception as error:  # whatever it is, the loop that takes the frames has to know
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                left = self._left
                self._changed.notify()
            if left:
                self._source.close()

    def _open_again(self, stall: SourceStalled) -> bool:
        """Opens the source again, with growing pauses; False when stopped. Raises when patience ends."""
        if self._reopen is None:
            raise stall
        log.warning("%s; trying again", stall)
        self.stalled = True
        self._source.close()
        began, delay_s = self._clock(), FIRST_DELAY_S
        while not self._stop.wait(delay_s):
            try:
                self._source = self._reopen()
            except Exception as error:
                if self._clock() - began + delay_s > self._patience_s:
                    raise
                log.info("still without a picture: %s", error)
                delay_s = min(2 * delay_s, LONGEST_DELAY_S)
                continue
            self.reconnects += 1
            self.stalled = False
            log.warning("%s is back", getattr(self._source, "name", "source"))
            return True
        return False
