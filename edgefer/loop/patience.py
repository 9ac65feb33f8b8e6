"""Waiting for a source that is not there: one rule for the first time it is opened and for all later ones.

What may come is tried again, with growing pauses; what can never work ends at once. Nothing here is read yet, so a
thread that is stuck in opening can be left to itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from edgefer.defaults import PATIENCE_S
from edgefer.errors import SourceError, SourceRefused, SourceStalled

log = logging.getLogger(__name__)

FIRST_DELAY_S = 0.25
#: What is back is seen within a second; to ask for what is not there costs next to nothing.
LONGEST_DELAY_S = 1.0
#: A source opens or fails in less; one that does neither hangs in its driver.
LONGEST_ATTEMPT_S = 15.0
_POLL_S = 0.05


def may_come(error: Exception, worked_before: bool = False) -> bool:
    """Whether trying again may help.

    Args:
        worked_before: the source was open once: a camera that restarts may say anything meanwhile.
    """
    if isinstance(error, SourceRefused):
        return False
    return worked_before or isinstance(error, SourceStalled)


class Pauses:
    """Growing pauses between attempts."""

    def __init__(self) -> None:
        self.next_s = FIRST_DELAY_S

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
) -> Any | None:
    """Opens a source for the first time, and waits for one that may come.

    Args:
        make: opens it; called on a thread of its own, one call at a time.
        patience_s: how long to try; 0: once.
        stop: ends the waiting at once, whatever `make` is doing.
        clock: seconds.

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
            if clock() - opening.began_s > patience_s + LONGEST_ATTEMPT_S:
                raise SourceStalled(
                    f"{opening.name or 'source'}: no answer for {clock() - opening.began_s:.0f} s while it was opened;"
                    " its driver hangs; unplug it and plug it in again"
                )
        return opening.take()
    finally:
        opening.leave()


class _Opening:
    """The attempts, on their thread."""

    def __init__(self, make: Callable[[], Any], patience_s: float, clock: Callable[[], float]) -> None:
        self.done = threading.Event()
        self.name = ""
        self._make, self._patience_s, self._clock = make, patience_s, clock
        self.began_s = clock()
        self._source: Any = None
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
            self.done.set()

    def _try(self) -> Any | None:
        pauses, said = Pauses(), False
        while not self._left.is_set():
            try:
                return self._make()
            except SourceError as error:
                self.name = str(error).partition(": ")[0]
                if not may_come(error) or self._patience_s <= 0:
                    raise
                left_s = self._patience_s - (self._clock() - self.began_s)
                if left_s <= 0:
                    raise type(error)(f"{error}; tried for {self._patience_s:g} s") from None
                if not said:
                    log.warning("%s; trying for %g s", error, self._patience_s)
                    said = True
                self._left.wait(min(pauses.next_s, left_s))
                pauses.grow()
        return None
