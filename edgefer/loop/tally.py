"""What a run amounted to, gathered while it goes on."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from edgefer.errors import SinkError
from edgefer.loop.clock import Identities, Spread, StageClock, Window
from edgefer.values import Reading

#: Frames over which a summary's percentiles are taken: the last so many.
SUMMARY_FRAMES = 20_000


@dataclass
class RunSummary:
    """What a run amounted to.

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
