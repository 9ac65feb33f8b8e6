"""The newest-frame rule: a thread reads the source, and whoever asks gets the latest frame or waits for one.

Nothing queues. A frame that nobody took before the next one came is dropped and counted, so a slow consumer
sees fewer frames, never older ones.

A live source may fail in any way: it says so, ends, raises an error of the system, does not answer, or gives pictures
that no camera gives (watch.py). All of these are one thing here, a stall: it is opened again, with pauses.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from edgefer.defaults import PATIENCE_S
from edgefer.errors import Kept, SourceError, SourceStalled
from edgefer.loop.numbering import Numbering
from edgefer.loop.patience import LONGEST_ATTEMPT_S, Pauses, deadline_s, may_come
from edgefer.loop.watch import PictureWatch
from edgefer.values import Frame

log = logging.getLogger(__name__)

#: Of a wait that took longer than it was to, as where the process was suspended, so much counts against the source.
_MOST_OVER_S = 0.5
#: A source that gave frames for so long is steady: should it fail again, pauses begin short.
STEADY_S = 10.0
#: Threads that hang in a call; with more of them something is wrong that opening again does not cure.
_MOST_LEFT = 3


class _Rested(SourceStalled):
    """Stands for a stall that was asked for."""


def _ignore(resting: bool) -> None:
    """What a source does about a rest that need not know of it."""


class _Nothing:
    """Stands where a source is being opened, and holds what has to stay open meanwhile."""

    def __init__(self, name: str, source: Any) -> None:
        """Args: name: of the source. source: it stood there before, and is not closed yet."""
        self.name = name
        self.deadline_s: float | None = getattr(source, "deadline_s", None)
        self.renews: bool = getattr(source, "renews", True)
        self.kept: Kept | None = getattr(source, "keep", lambda: None)()

    def keep(self) -> Kept | None:
        kept, self.kept = self.kept, None
        return kept

    def close(self) -> None:
        if self.kept is not None:
            self.kept.close()


class _Turn(Struct, eq=False):
    """A thread's turn at the source.

    Attributes:
        source: it reads. stall: why it is being opened; None once it is open.
        asked: whether a call of the source is going on. waited_s: for how long the loop has waited for it.
        left: nobody waits for it any more; it closes its source when the call comes back.
    """

    source: Any
    stall: SourceStalled | None = None
    asked: bool = False
    waited_s: float = 0.0
    left: bool = False

    def ask(self) -> None:
        """A call begins."""
        self.waited_s, self.asked = 0.0, True


class Capture:
    """Reads a source on a thread of its own and keeps its newest frame.

    Attributes:
        dropped: frames of the source passed over between two that were taken.
        reconnects: how often the source was opened again.
    """

    def __init__(
        self,
        source,
        reopen: Callable[[], object] | None = None,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
        whole: bool = False,
        endless: bool = False,
    ) -> None:
        """
        Args:
            source: with `read()` and `close()`; read on the thread only, closed by `close`. Where it has them,
                `interrupt()` ends a read that waits, `deadline_s` is the longest one that is waited for, `waits`
                says that there is none, `frozen_s` is for how long its pictures may be equal, `renews` is False
                where opening it again mends none of them, `rest()` is told then that nobody wants them, `keep()` gives
                what has to stay open meanwhile, and `damaged` counts what it left out.
            reopen: gives a fresh source after a stall; without it a stall is final.
            patience_s: how long to try to open a stalled source again, from the stall on.
            clock: seconds.
            whole: keep every frame until it is taken, for a source that is to be read whole but may wait for
                somebody else, as a pipe does.
            endless: its end is a stall, as that of a camera.
        """
        self.dropped = self.reconnects = 0
        self._live = reopen is not None
        self._reopen = reopen if patience_s > 0 else None
        self._patience_s = patience_s
        self._clock, self._whole, self._endless = clock, whole, endless
        self._pictures = PictureWatch(clock)
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._any_taken = False
        self._numbering = Numbering()
        self._pauses = Pauses()
        self._opened_s = clock()
        self._away_s: float | None = None  # since when there is no picture that may be read
        self._error: Exception | None = None
        self._ended = False
        self._damaged = 0  # of sources that were closed
        self._left: list[threading.Thread] = []
        self._stop, self._resting = threading.Event(), False
        self._turn = _Turn(source)
        self._thread = self._start(None)

    def _start(self, hanging: Any) -> threading.Thread:
        """A thread for the turn; args: hanging: a source that another one was left with."""
        thread = threading.Thread(target=self._work, args=(self._turn, hanging), name="capture", daemon=True)
        thread.start()
        return thread

    @property
    def _name(self) -> str:
        return getattr(self._turn.source, "name", "source")

    @property
    def stalled(self) -> bool:
        """Whether it gives no picture that can be read, and is looked after."""
        return self._away_s is not None or bool(self._pictures.trouble)

    @property
    def trouble(self) -> str:
        """Why it is stalled, in words; empty where it is not."""
        stall = self._turn.stall
        return self._pictures.trouble or (str(stall) if stall is not None else "")

    def take(self, timeout_s: float) -> Frame | None:
        """The newest frame not yet taken; waits for one.

        Args:
            timeout_s: longest wait.

        Returns:
            The frame; None after the wait or at the end of the source, which `ended` tells apart.

        Raises:
            The source's error, once every frame read before it was taken or dropped. SourceStalled: its calls
                do not come back.
        """
        with self._changed:
            began_s = self._clock()
            self._changed.wait_for(lambda: self._newest is not None or self._ended, timeout_s)
            frame, self._newest = self._newest, None
            if frame is None and self._error is not None:
                error, self._error = self._error, None
                raise error
            if frame is not None:
                self._any_taken = True
                self._changed.notify_all()
            elif self._live and not self._ended:
                self._look_after(min(self._clock() - began_s, timeout_s + _MOST_OVER_S))
            return frame

    def rest(self, resting: bool) -> None:
        """Has the source closed, or opened again; one that does not renew is read and ignored."""
        with self._changed:
            if resting == self._resting:
                return
            self._resting = resting
            getattr(self._turn.source, "rest", _ignore)(resting)
            self._pauses.ring()
            if not self._whole:
                self._newest = None
            self._changed.notify_all()

    def _look_after(self, waited_s: float) -> None:
        """Leaves a thread that hangs, with its source, where opening that again may help."""
        turn = self._turn
        if self._resting and not getattr(turn.source, "renews", True):
            turn.waited_s = 0.0
        if not turn.asked:
            return
        turn.waited_s += waited_s
        opening = turn.stall is not None
        told_s = getattr(turn.source, "deadline_s", None) or 0.0  # the first picture may take as long as any
        longest_s = max(LONGEST_ATTEMPT_S, told_s) if opening else deadline_s(turn.source)
        if longest_s is None or turn.waited_s <= longest_s:
            return
        stall = SourceStalled(f"{self._name}: no answer for {longest_s:g} s" + " while it was opened" * opening)
        self._left = [thread for thread in self._left if thread.is_alive()]
        if self._reopen is None or len(self._left) >= _MOST_LEFT:
            raise SourceStalled(f"{stall}; its driver hangs; unplug it and plug it in again")
        turn.left = True
        self._left.append(self._thread)
        self._turn = _Turn(_Nothing(self._name, turn.source), stall)
        self._thread = self._start(turn.source)

    @property
    def ended(self) -> bool:
        """Whether the source has no further frame and the last one was taken."""
        with self._changed:
            return self._ended and self._newest is None and self._error is None

    def close(self, timeout_s: float = 2.0) -> None:
        """Stops the thread and closes the source; the thread does so itself where it is stuck in a read."""
        self._stop.set()
        self._pauses.ring()
        with self._changed:
            self._changed.notify_all()
        turn = self._turn
        getattr(turn.source, "interrupt", lambda: None)()
        self._thread.join(timeout_s)
        with self._changed:
            turn.left = not self._ended
        if turn.left:
            log.warning("%s does not answer; leaving it", self._name)
            return
        turn.source.close()
        damaged = self._damaged + getattr(turn.source, "damaged", 0)
        if damaged:
            were = "frame was" if damaged == 1 else "frames were"
            log.warning("%s: %d damaged %s left out", self._name, damaged, were)

    def _work(self, turn: _Turn, hanging: Any) -> None:
        try:
            if hanging is not None:
                getattr(hanging, "interrupt", lambda: None)()
            while not self._stop.is_set():
                if self._rests(turn):
                    self._close_for_rest(turn)
                    continue
                if turn.stall is not None and not self._open_again(turn, turn.stall) or turn.left:
                    return
                if self._rests(turn):
                    continue
                try:
                    frame = self._read(turn)
                except SourceStalled as error:
                    if turn.left:
                        return
                    self._put_away(turn, error)
                    continue
                if frame is None or turn.left:
                    return
                self._keep(frame, turn)
        except Exception as error:  # whatever it is, the loop that takes the frames has to know
            if not turn.left:
                self._error = error
        finally:
            with self._changed:
                left = turn.left
                if self._turn is turn:
                    self._ended = True
                self._changed.notify_all()
            if left:
                turn.source.close()

    def _read(self, turn: _Turn) -> Frame | None:
        """The next picture that may be read; None at the end.

        Raises:
            SourceStalled: there is none, in whatever way.
        """
        while True:
            turn.ask()
            try:
                frame: Frame | None = turn.source.read()
            except OSError as error:
                if self._reopen is None:
                    raise
                raise SourceStalled(f"{self._name}: {error.strerror or error}") from None
            finally:
                turn.asked = False
            if turn.left or self._stop.is_set():
                return frame
            if frame is None:
                if self._live and self._endless:
                    raise SourceStalled(f"{self._name}: it gives no more pictures")
                return None
            if self._reopen is None or not getattr(turn.source, "renews", True):
                return frame
            if self._pictures.look(self._name, frame, getattr(turn.source, "frozen_s", None)):
                return frame

    def _put_away(self, turn: _Turn, stall: SourceStalled) -> None:
        """Closes a source that has stalled, which takes no longer than a read may or is left as well."""
        self._damaged += getattr(turn.source, "damaged", 0)
        stalled, turn.source = turn.source, _Nothing(self._name, turn.source)
        turn.ask()
        try:
            stalled.close()
        except Exception as error:  # it is of no use any more
            log.debug("%s: closing it failed: %s", self._name, error)
        finally:
            turn.asked = False
        turn.stall = stall

    def _rests(self, turn: _Turn) -> bool:
        """Whether the source is to be closed, or to stay so."""
        return self._resting and self._reopen is not None and getattr(turn.source, "renews", True)

    def _close_for_rest(self, turn: _Turn) -> None:
        """Closes the source, and waits until it is asked for again."""
        self._put_away(turn, _Rested(self._name))
        self._away_s = None
        self._pictures.opened()
        with self._changed:
            self._changed.wait_for(lambda: not self._resting or self._stop.is_set())

    def _keep(self, frame: Frame, turn: _Turn) -> None:
        if self._live:
            frame = self._numbering.continued(frame, self._name)
        if self._away_s is not None and not self._pictures.trouble:
            self._away_s = None
            log.warning("%s is back", self._name)
        with self._changed:
            if self._whole:
                self._changed.wait_for(lambda: (self._newest is None and not self._resting) or self._stop.is_set())
            elif self._resting:
                return
            if turn.left:
                return
            self.dropped += self._newest is not None and self._any_taken and not self._whole
            self._newest = frame
            self._changed.notify_all()

    def _open_again(self, turn: _Turn, stall: SourceStalled) -> bool:
        """Opens the source again, with growing pauses; False when stopped. Raises when patience ends."""
        if self._reopen is None:
            raise stall
        began_s = self._clock()
        rested = isinstance(stall, _Rested)
        if not rested:
            log.log(logging.WARNING if self._away_s is None else logging.INFO, "%s; trying again", stall)
            if self._away_s is None:
                self._away_s = began_s
        if began_s - self._opened_s > STEADY_S:
            self._pauses.reset()
        ends_s = began_s if rested else began_s + self._patience_s
        while not (self._pauses.wait(self._stop, turn.stall, ends_s - self._clock()) or turn.left):
            if self._rests(turn):
                return True
            turn.ask()
            try:
                source = self._reopen()
            except Exception as error:
                turn.source.kept = getattr(error, "kept", None)
                if not may_come(error, worked_before=True):
                    raise
                if self._resting:  # nobody waits for it
                    began_s, ends_s = self._clock(), self._clock() + self._patience_s
                elif self._clock() - began_s + self._pauses.next_s > self._patience_s:
                    if isinstance(error, SourceError):
                        raise type(error)(f"{error}; tried for {self._patience_s:g} s") from None
                    raise
                if rested:  # from here on it is a stall as any other
                    rested, self._away_s, ends_s = False, began_s, began_s + self._patience_s
                    log.warning("%s; trying again", error)
                turn.stall = error if isinstance(error, SourceStalled) else SourceStalled(str(error))
                log.info("still without a picture: %s", error)
                self._pauses.grow()
                continue
            finally:
                turn.asked = False
            with self._changed:
                turn.source = source
                if self._resting:
                    getattr(source, "rest", _ignore)(True)
            if turn.left:
                return False
            turn.stall = None
            self._pauses.grow()  # for one that fails again at once
            self._opened_s = self._clock()
            self._numbering.opened()
            self._pictures.opened()
            self.reconnects += not rested
            return True
        return False
