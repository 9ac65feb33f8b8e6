"""Waiting for a source that is not there: one rule for the first time it is opened and for all later ones.

What may come is tried again, with growing pauses; what can never work ends at once. Nothing here is read yet, so a
thread that is stuck in opening can be left to itself. How long an open source may take to answer stands here as well.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from edgefer.defaults import PATIENCE_S
from edgefer.errors import Kept, SourceError, SourceRefused, SourceStalled

log = logging.getLogger(__name__)

FIRST_DELAY_S = 0.25
#: What is back is seen within a second; to ask for what is not there costs next to nothing.
LONGEST_DELAY_S = 1.0
#: After its return was heard of, a device may take so long until its permissions and links are set.
SETTLED_AFTER_S = 3.0
#: Where a source's return is heard of, it is asked for this seldom without that.
HEARD_DELAY_S = 60.0
#: A source opens or fails in less; one that does neither hangs in its driver.
LONGEST_ATTEMPT_S = 15.0
#: One that takes longer to open than this is not there yet, whatever it will say.
SLOW_S = 2.5
#: A live source that says nothing of it answers in this time, or in that of so many of its pictures.
DEADLINE_S, DEADLINE_PICTURES = 2.5, 4
_POLL_S = 0.05


def may_come(error: Exception, worked_before: bool = False) -> bool:
    """Whether trying again may help.

    Args:
        worked_before: the source was open once: a camera that restarts may say anything meanwhile.
    """
    if isinstance(error, SourceRefused):
        return False
    return worked_before or isinstance(error, SourceStalled)


def deadline_s(source: Any) -> float | None:
    """How long a read of the source may take; None where it may wait for somebody else."""
    told_s: float | None = getattr(source, "deadline_s", None)
    if told_s is not None:
        return told_s
    if getattr(source, "waits", False):
        return None
    fps = getattr(source, "fps", None)
    return max(DEADLINE_S, DEADLINE_PICTURES / fps) if fps else DEADLINE_S


class Pauses:
    """Pauses between attempts: growing ones, or, where the source's return can be heard of, until it is."""

    def __init__(self) -> None:
        self.next_s = FIRST_DELAY_S
        self._bell = threading.Event()
        self._listens = False
        self._rang_s = 0.0

    def wait(self, stop: threading.Event, stall: Exception | None, longest_s: float) -> bool:
        """Waits until the next attempt is due; whether `stop` is set, which whoever sets it has to `ring` for.

        Args:
            stall: why the last attempt failed. longest_s: of the wait.
        """
        heard = getattr(stall, "heard", None)
        if heard is not None and not self._listens and (listens := heard(self.ring)):
            self._listens, self._rang_s = listens, time.monotonic()  # it may have come before anybody listened
        told = heard is not None and self._listens and time.monotonic() - self._rang_s > SETTLED_AFTER_S
        if not stop.is_set() and self._bell.wait(min(HEARD_DELAY_S if told else self.next_s, max(longest_s, 0.0))):
            self._bell.clear()
        return stop.is_set()

    def ring(self) -> None:
        """Ends a wait: the source may be back, or is not waited for any more."""
        self._rang_s, self.next_s = time.monotonic(), FIRST_DELAY_S
        self._bell.set()

    def grow(self) -> None:
        """After an attempt that failed."""
        self.next_s = min(2 * self.next_s, LONGEST_DELAY_S)

    def reset(self) -> None:
        self.next_s = FIRST_DELAY_S


def open_patiently(
    make: Callable[[], Any],
    patience_s: float = PATIENCE_S,
    stop: threading.Event | None = None,
    clock: Callable[[], float] = time.monotonic,
    on_wait: Callable[[str], None] | None = None,
) -> Any | None:
    """Opens a source for the first time, and waits for one that may come.

    Args:
        make: opens it; called on a thread of its own, one call at a time.
        patience_s: how long to try; 0: once.
        stop: ends the waiting at once, whatever `make` is doing.
        clock: seconds.
        on_wait: called on this thread again and again while the source is not there, with why it is not; empty where
            it has not said so for a while.

    Returns:
        The source; None when stopped.

    Raises:
        SourceError: it cannot be opened; SourceStalled among them: it did not come in time.
    """
    opening = _Opening(make, patience_s, clock)
    try:
        while not opening.done.wait(_POLL_S):
            if stop is not None and stop.is_set():
                return None
            asked_s = opening.asked_s
            if asked_s is not None and clock() - asked_s > min(patience_s, PATIENCE_S) + LONGEST_ATTEMPT_S:
                raise SourceStalled(
                    f"{opening.name or 'source'}: no answer for {clock() - asked_s:.0f} s while it was opened;"
                    " its driver hangs; unplug it and plug it in again"
                )
            if on_wait is not None and (opening.trouble or clock() - opening.began_s > SLOW_S):
                on_wait(opening.trouble)
        return opening.take()
    finally:
        opening.leave()


class _Opening:
    """The attempts, on their thread."""

    def __init__(self, make: Callable[[], Any], patience_s: float, clock: Callable[[], float]) -> None:
        self.done = threading.Event()
        self.name = self.trouble = ""
        self._make, self._patience_s, self._clock = make, patience_s, clock
        self.began_s = clock()
        self.asked_s: float | None = None  # when the attempt that is going on began
        self._pauses = Pauses()
        self._source: Any = None
        self._kept: Kept | None = None  # outlives the stall that told of it, which an attempt replaces
        self._error: BaseException | None = None
        self._left = threading.Event()
        self._lock = threading.Lock()
        threading.Thread(target=self._work, name="open", daemon=True).start()

    def take(self) -> Any:
        with self._lock:
            source, self._source = self._source, None
        if self._error is not None:
            raise self._error
        return source

    def leave(self) -> None:
        """Nobody waits any more: what is open and not taken is closed, what opens later as well."""
        with self._lock:
            self._left.set()
            self._pauses.ring()
            source, self._source = self._source, None
        if source is not None:
            source.close()

    def _work(self) -> None:
        try:
            source = self._try()
            with self._lock:
                if not self._left.is_set():
                    self._source, source = source, None
            if source is not None:
                source.close()
        except BaseException as error:
            self._error = error
        finally:
            if self._kept is not None:
                self._kept.close()
            self.done.set()

    def _try(self) -> Any | None:
        said = False
        while not self._left.is_set():
            self.asked_s = self._clock()
            try:
                return self._make()
            except SourceError as error:
                self.asked_s = None
                self._kept = getattr(error, "kept", None)
                self.name = str(error).partition(": ")[0]
                if not may_come(error) or self._patience_s <= 0:
                    raise
                left_s = self._patience_s - (self._clock() - self.began_s)
                if left_s <= 0:
                    raise type(error)(f"{error}; tried for {self._patience_s:g} s") from None
                self.trouble = str(error)
                if not said:
                    log.warning("%s; trying for %g s", error, self._patience_s)
                    said = True
                self._pauses.wait(self._left, error, left_s)
                self._pauses.grow()
        return None
