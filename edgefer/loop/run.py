"""A run: readings to the sinks, until the end, a limit or a signal."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from edgefer.errors import SinkClosed, SinkError
from edgefer.loop.summary import RunSummary
from edgefer.values import Frame, Health, Reading

log = logging.getLogger(__name__)

#: How often sinks are told how the run is doing.
_HEALTH_INTERVAL_S = 1.0


class SinkSet:
    """The sinks of a run. One that fails is reported once and left out; without any left, the run is over."""

    def __init__(self, sinks: Sequence[Any], stop: threading.Event) -> None:
        self.errors: list[SinkError] = []
        self._sinks = list(sinks)
        self._had_any = bool(sinks)
        self._stop = stop
        self._hanging = ""

    def write(self, reading: Reading, frame: Frame) -> None:
        for sink in self._sinks:
            sink.write(reading, frame, self._stop)
        self._drop_failed()

    def report(self, health: Health) -> None:
        """Hands the state of the run to every sink."""
        for sink in self._sinks:
            sink.report(health)

    def heed(self, readings: Steps) -> None:
        """Ends the run, or has it rest, where a person has asked for it through one of the sinks."""
        if any(getattr(sink, "end_asked", False) for sink in self._sinks):
            self._stop.set()
        readings.rest(any(getattr(sink, "rest_asked", False) for sink in self._sinks))

    def hanging(self) -> str:
        """The name of a sink that does not come back from a call; said once. Empty where none hangs."""
        hanging = next((sink.name for sink in self._sinks if getattr(sink, "hangs", False)), "")
        if hanging and not self._hanging:
            log.error("%s: does not come back from a call", hanging)
        elif self._hanging and not hanging:
            log.warning("%s: came back", self._hanging)
        self._hanging = hanging
        return hanging

    def begin_close(self) -> None:
        """Has all sinks begin to close, so that one that hangs takes no time from the others."""
        for sink in self._sinks:
            getattr(sink, "begin_close", lambda: None)()

    def close(self) -> None:
        self.begin_close()
        for sink in self._sinks:
            sink.close()
        self._drop_failed()

    def _drop_failed(self) -> None:
        for sink in list(self._sinks):
            error = sink.take_error()
            if error is not None:
                self._sinks.remove(sink)
                self.errors.append(error)
                if self._sinks and not isinstance(error, SinkClosed):
                    log.error("%s; going on without it", error)
        if self._had_any and not self._sinks:
            self._had_any = False
            raise next((error for error in self.errors if not isinstance(error, SinkClosed)), self.errors[0])


class Steps(Protocol):
    """What gives readings step by step: Readings of one source, or a Stream of several."""

    @property
    def ended(self) -> bool: ...

    @property
    def frame(self) -> Frame | None: ...

    @property
    def health(self) -> Health: ...

    @property
    def summary(self) -> RunSummary: ...

    def step(self) -> Reading | None: ...

    def rest(self, resting: bool) -> None: ...

    def close(self) -> None: ...


def run(
    readings: Steps,
    sinks: Sequence[Any] = (),
    stop: threading.Event | None = None,
    on_beat: Callable[[int, str], None] | None = None,
    restarts: int = 0,
) -> RunSummary:
    """Writes readings to the sinks to their end, or until told to stop; closes both whatever happens.

    Args:
        readings: as Steps has them.
        sinks: each a sinks.SinkThread, or what has its `write`, `report`, `take_error` and `close`.
        stop: set from outside (another thread, a signal) to end after the current frame.
        on_beat: called on this thread after each turn, and while no reading comes, with the number of readings
            written and the name of an output that hangs, empty where none does.
        restarts: what the sinks are told of the runs before this one.

    Raises:
        SourceError: the source failed for good. SinkError: no sink is left; a pipe whose reader has gone
        (SinkClosed) is a clean end instead.
    """
    stop = stop or threading.Event()
    outputs = SinkSet(sinks, stop)
    written = 0
    next_report_s = time.monotonic() + _HEALTH_INTERVAL_S
    try:
        with contextlib.ExitStack() as cleanup:
            cleanup.callback(outputs.close)
            cleanup.callback(readings.close)
            cleanup.callback(outputs.begin_close)  # a camera that hangs takes no time from them either
            cleanup.callback(_tell_the_end, readings, outputs, restarts)
            while not (stop.is_set() or readings.ended):
                reading = readings.step()
                if reading is not None and readings.frame is not None:
                    written += 1
                    outputs.write(reading, readings.frame)
                if time.monotonic() >= next_report_s:
                    next_report_s = time.monotonic() + _HEALTH_INTERVAL_S
                    health = readings.health
                    health.restarts = restarts
                    outputs.report(health)
                outputs.heed(readings)
                if on_beat is not None:
                    on_beat(written, outputs.hanging())
    except SinkClosed:
        pass  # whoever read our output has had enough
    summary = readings.summary
    summary.sink_errors = [error for error in outputs.errors if not isinstance(error, SinkClosed)]
    return summary


def _tell_the_end(readings: Steps, outputs: SinkSet, restarts: int) -> None:
    """Also of a run that failed: who was seen last is no longer there."""
    health = readings.health
    health.source, health.fps, health.faces, health.restarts = "ended", 0.0, 0, restarts
    outputs.report(health)
