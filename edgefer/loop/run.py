"""A run: frames from a source through the pipeline to the sinks, until the end, a limit or a signal."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from edgefer.errors import SinkClosed, SinkError
from edgefer.loop.capture import Capture
from edgefer.loop.clock import Identities, Rate, Spread, StageClock, Window
from edgefer.loop.pipeline import Pipeline
from edgefer.values import Frame, Health, Reading

log = logging.getLogger(__name__)

#: While no frame comes, a stop is noticed after so long at most.
_POLL_S = 0.1
#: How often sinks are told how the run is doing.
_HEALTH_INTERVAL_S = 1.0


class SinkSet:
    """The sinks of a run. One that fails is reported once and left out; without any left, the run is over."""

    def __init__(self, sinks: Sequence, stop: threading.Event) -> None:
        self.errors: list[SinkError] = []
        self._sinks = list(sinks)
        self._had_any = bool(sinks)
        self._stop = stop

    def write(self, reading: Reading, frame: Frame) -> None:
        for sink in self._sinks:
            sink.write(reading, frame, self._stop)
        self._drop_failed()

    def report(self, health: Health) -> None:
        """Hands the state of the run to every sink."""
        for sink in self._sinks:
            sink.report(health)

    def heed(self) -> None:
        """Ends the run where a person has asked for it through one of the sinks."""
        if any(getattr(sink, "end_asked", False) for sink in self._sinks):
            self._stop.set()

    def close(self) -> None:
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


def run(
    source,
    pipeline: Pipeline,
    sinks: Sequence = (),
    realtime: bool = False,
    stop: threading.Event | None = None,
    *,
    frames: int | None = None,
    seconds: float | None = None,
    reopen: Callable[[], object] | None = None,
    patience_s: float = 30.0,
    on_beat: Callable[[RunSummary], None] | None = None,
) -> RunSummary:
    """Reads a source to its end, or until told to stop; closes source and sinks whatever happens.

    A live source, and any with `realtime`, follows the newest-frame rule (see capture.py). Any other is read
    whole: every frame, in order, as fast as it goes.

    Args:
        source: with `read()`, `close()` and `live`; wrap a file in sources.paced for its own rate.
        pipeline: from frames to readings.
        sinks: each a sinks.SinkThread, or what has its `write`, `take_error` and `close`.
        stop: set from outside (another thread, a signal) to end after the current frame.
        frames, seconds: end after so many readings, or so long after the first frame.
        reopen: opens a stalled source again, see Capture.
        patience_s: how long that is tried.
        on_beat: called on this thread with the counts so far, after each frame and while none comes.

    Raises:
        SourceError: the source failed for good. SinkError: no sink is left; a pipe whose reader has gone
        (SinkClosed) is a clean end instead.
    """
    stop = stop or threading.Event()
    tally = Tally()
    outputs = SinkSet(sinks, stop)
    capture = Capture(source, reopen, patience_s) if realtime or source.live else None
    reporter = _HealthReporter(pipeline, source, capture, outputs)
    try:
        with contextlib.ExitStack() as cleanup:
            cleanup.callback(outputs.close)
            cleanup.callback(capture.close if capture else source.close)
            while not stop.is_set():
                frame = capture.take(_POLL_S) if capture else source.read()
                if frame is not None:
                    tally.begin()
                    reading = pipeline.process(frame)
                    tally.add(reading)
                    outputs.write(reading, frame)
                    reporter.add(reading)
                elif capture is None or capture.ended:
                    break
                reporter.beat()
                outputs.heed()
                if on_beat is not None:
                    on_beat(tally.summary)
                if frames is not None and tally.summary.frames >= frames:
                    break
                if seconds is not None and tally.elapsed_s() >= seconds:
                    break
            reporter.report("ended")
    except SinkClosed:
        pass  # whoever read our output has had enough
    summary = tally.finish()
    summary.sink_errors = [error for error in outputs.errors if not isinstance(error, SinkClosed)]
    if capture is not None:
        summary.dropped, summary.reconnects = capture.dropped, capture.reconnects
    return summary


class _HealthReporter:
    """Tells the sinks once a second how the run is doing, also while no frame comes."""

    def __init__(self, pipeline: Pipeline, source, capture: Capture | None, outputs: SinkSet) -> None:
        self._pipeline, self._source, self._capture, self._outputs = pipeline, source, capture, outputs
        self._rate = Rate()
        self._frames = self._faces = 0
        self._age_ms = 0.0
        self._next_s = time.monotonic() + _HEALTH_INTERVAL_S

    def add(self, reading: Reading) -> None:
        """Takes the reading of one more frame."""
        self._rate.tick()
        self._frames += 1
        self._faces, self._age_ms = len(reading.faces), reading.age_ms

    def beat(self) -> None:
        """Reports when it is time to."""
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + _HEALTH_INTERVAL_S
            self.report("stalled" if self._capture and self._capture.stalled else "running")

    def report(self, source: Literal["running", "stalled", "ended"]) -> None:
        """Reports now."""
        governor, capture = self._pipeline.governor, self._capture
        temperature_c, throttled = governor.heat if governor else (None, False)
        fps = self._rate.per_second() if source == "running" else 0.0
        dropped, reconnects = (capture.dropped, capture.reconnects) if capture else (0, 0)
        level = governor.level if governor else 0
        counts = self._frames, dropped, self._faces, fps, self._age_ms, reconnects, level
        length = getattr(self._source, "length", None)
        self._outputs.report(Health(*counts, temperature_c, throttled, source, length))


#: Frames over which a summary's percentiles are taken: the last so many.
SUMMARY_FRAMES = 20_000


@dataclass
class RunSummary:
    """The result of a run.

    Attributes:
        sink_errors: of the sinks that failed while others went on.
        frames: frames read into readings. dropped: frames the newest-frame rule passed over.
        frames_with_face, tracks: frames with at least one face, and how many identities were seen.
        seconds: from the first frame to the last reading. fps: frames / seconds.
        first_reading_ns: time.monotonic_ns() at the first reading, None without one.
        age_ms: spread over the run; max_age_ms: the greatest.
        latency_ms: spread by stage.
    """

    frames: int = 0
    dropped: int = 0
    reconnects: int = 0
    frames_with_face: int = 0
    tracks: int = 0
    seconds: float = 0.0
    first_reading_ns: int | None = None
    age_ms: Spread = Spread(0.0, 0.0, 0.0)
    max_age_ms: float = 0.0
    latency_ms: dict[str, Spread] = field(default_factory=dict)
    sink_errors: list[SinkError] = field(default_factory=list)

    @property
    def fps(self) -> float:
        return self.frames / self.seconds if self.seconds > 0 else 0.0


class Tally:
    """Gathers a RunSummary while the loop runs."""

    def __init__(self) -> None:
        self.summary = RunSummary()
        self._stages = StageClock(SUMMARY_FRAMES)
        self._ages = Window(SUMMARY_FRAMES)
        self._identities = Identities()
        self._began_ns: int | None = None

    def begin(self) -> None:
        if self._began_ns is None:
            self._began_ns = time.monotonic_ns()

    def add(self, reading: Reading) -> None:
        summary, now_ns = self.summary, time.monotonic_ns()
        if summary.first_reading_ns is None:
            summary.first_reading_ns = now_ns
        summary.seconds = self.elapsed_s()
        summary.frames += 1
        summary.frames_with_face += bool(reading.faces)
        self._identities.add(face.track for face in reading.faces)
        summary.tracks = self._identities.count
        summary.max_age_ms = max(summary.max_age_ms, reading.age_ms)
        self._ages.add(reading.age_ms)
        self._stages.add(reading.latency_ms)

    def elapsed_s(self) -> float:
        """Since the first frame; 0 before it."""
        return 0.0 if self._began_ns is None else (time.monotonic_ns() - self._began_ns) / 1e9

    def finish(self) -> RunSummary:
        self.summary.age_ms = self._ages.spread()
        self.summary.latency_ms = self._stages.spread()
        return self.summary
