"""What the live table and the plain lines share: the figures of the run, and how a face is put in words."""

from __future__ import annotations

import time
from collections.abc import Callable

from edgefer.labels import UNCERTAIN
from edgefer.loop.clock import Identities, Rate, StageClock
from edgefer.sinks.base import Sink
from edgefer.values import FaceReading, Frame, Health, ModelReading, Reading


class Totals:
    """Running figures of everything read so far."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._started: float | None = None
        self._latest = 0.0
        self.frames = 0
        self.frames_with_face = 0
        self.photographs = self.faces = 0
        self.events: dict[str, int] = {}
        self.identities = Identities()
        self.stages = StageClock(10_000)

    def add(self, reading: Reading) -> None:
        self._latest = self._clock()
        if self._started is None:
            self._started = self._latest
        self.frames += 1
        self.frames_with_face += bool(reading.faces)
        self.photographs += bool(reading.image)
        self.faces += len(reading.faces)
        for event in reading.events:
            self.events[event.kind] = self.events.get(event.kind, 0) + 1
        self.identities.add(face.track for face in reading.faces)
        self.stages.add(reading.latency_ms)

    def lines(self) -> list[str]:
        """The figures as plain text. Who showed which expression for how long, the run's own summary says."""
        if not self.frames or self._started is None:
            return ["no frame was read"]
        span = self._latest - self._started
        rate = f", {(self.frames - 1) / span:.1f} a second" if span > 0 else ""
        share = 100 * self.frames_with_face / self.frames
        noun, seen = "frame", count(self.identities.count, "track")
        if self.photographs == self.frames:  # nobody is followed from one to the next
            noun, seen = "photograph", count(self.faces, "face")
        lines = [
            f"{count(self.frames, noun)} in {span:.1f} s{rate};"
            f" a face in {self.frames_with_face} ({share:.1f} %), {seen}"
        ]
        if self.events:
            lines.append("events: " + ", ".join(f"{number} {kind}" for kind, number in sorted(self.events.items())))
        spread = self.stages.spread()
        if spread:
            stages = (f"{stage} {ms.p50:.1f}/{ms.p95:.1f}" for stage, ms in spread.items())
            lines.append("ms p50/p95: " + ", ".join(stages))
        return lines


def count(number: int, noun: str) -> str:
    """A number with its noun: 1 face, 2 faces."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def box_text(face: FaceReading) -> str:
    """Where a face is: 120x118 at 640,200."""
    box = face.box
    return f"{box.width:.0f}x{box.height:.0f} at {box.x0:.0f},{box.y0:.0f}"


def reasons(face: FaceReading) -> str:
    """Why a face is uncertain."""
    return ", ".join(face.quality.reasons) or "no clear label"


def percent(judged: FaceReading | ModelReading) -> str:
    """An expression with its confidence."""
    return f"{judged.expression} {100 * judged.confidence:.0f} %"


def trouble_of(health: Health | None) -> str:
    """What is wrong with a run, in a few words; empty while nothing is."""
    if health is None:
        return ""
    words = []
    if health.source == "stalled":
        words.append("no picture, opening the source again")
    if health.source == "resting":
        words.append("switched off by an output")
    if health.governor_level:
        words.append(f"governor at level {health.governor_level}")
    if health.throttled:
        words.append("processor throttled")
    if health.under_voltage:
        words.append("voltage too low")
    return ", ".join(words)


class Table(Sink):
    """Keeps the figures, shows them now and then, and says at once what goes wrong."""

    waits = True  # a terminal that someone holds up

    def __init__(self, interval_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval_s = interval_s
        self._clock = clock
        self._totals: Totals | None = Totals(clock)
        self._rate = Rate(clock=clock)
        self._stages = StageClock()
        self._shown_s: float | None = None
        self._latest: Reading | None = None
        self._trouble = ""

    def write(self, reading: Reading, frame: Frame | None = None) -> None:
        if self._totals is None:
            return
        self._totals.add(reading)
        self._rate.tick()
        self._stages.add(reading.latency_ms)
        self._take(reading)
        self._latest = reading
        if self._due():
            self._show(reading)

    def report(self, health: Health) -> None:
        trouble, before = trouble_of(health), self._trouble
        self._trouble = trouble
        if trouble != before and self._totals is not None:
            self._tell(trouble)

    def _due(self) -> bool:
        """Whether it is time to show something; it then counts as shown."""
        now = self._clock()
        if self._shown_s is not None and now - self._shown_s < self._interval_s:
            return False
        self._shown_s = now
        return True

    def _take(self, reading: Reading) -> None:
        """Something else to keep of each reading."""

    def _show(self, reading: Reading) -> None:
        raise TypeError(f"{type(self).__name__} does not say how to show a reading")

    def _tell(self, trouble: str) -> None:
        raise TypeError(f"{type(self).__name__} does not say how to report trouble")


def verdict(face: FaceReading) -> str:
    """Expression with its confidence, or why there is none."""
    return f"{UNCERTAIN} ({reasons(face)})" if face.expression == UNCERTAIN else percent(face)
