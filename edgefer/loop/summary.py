"""What a run amounted to: counts, latencies, and who showed which expression for how long."""

from __future__ import annotations

import time
from collections.abc import Mapping

from msgspec import Struct, field, structs

from edgefer.errors import SinkError
from edgefer.loop.clock import Identities, Rate, Spread, StageClock, Standing, Window
from edgefer.values import Frame, Reading

#: Frames over which a summary's percentiles are taken: the last so many.
SUMMARY_FRAMES = 20_000
#: People a summary keeps apart, those longest in view; a service sees new ones for months.
PEOPLE_KEPT = 64


class Person(Struct):
    """One face that was followed through a source.

    Attributes:
        track: identity in that source, from 1.
        source: its name.
        expressions: media time in each expression, s, "uncertain" among them; the longest first.
        first_s, last_s: media time of the first and the last reading with this face, s.
    """

    track: int
    source: str
    first_s: float
    last_s: float
    expressions: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Media time in view, s."""
        return sum(self.expressions.values())


class RunSummary(Struct):
    """The result of a run.

    Attributes:
        frames: frames read into readings. dropped: frames the newest-frame rule passed over.
        frames_with_face, tracks: frames with at least one face, and how many identities were seen.
        seconds: from the first frame to the last reading. fps: frames / seconds.
        first_reading_ns: time.monotonic_ns() at the first reading, None without one.
        age_ms: spread over the run; max_age_ms: the greatest.
        latency_ms: spread by stage.
        people: those longest in view, PEOPLE_KEPT at most, the longest first; others: how many more there
            were. Photographs have no people: nobody is followed from one to the next.
        photographs: pictures among the frames that were photographs; expressions: how many of their faces
            showed each.
        sink_errors: of the sinks that failed while others went on.
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
    people: list[Person] = field(default_factory=list)
    others: int = 0
    photographs: int = 0
    expressions: dict[str, int] = field(default_factory=dict)
    sink_errors: list[SinkError] = field(default_factory=list)

    @property
    def fps(self) -> float:
        return self.frames / self.seconds if self.seconds > 0 else 0.0


class People:
    """Adds up media time by face and expression; what it holds does not grow with the run.

    A reading counts as long as it stands (Standing); the last one of a source as long as the one before it.
    """

    def __init__(self, kept: int = PEOPLE_KEPT) -> None:
        self._kept = kept
        self._finished: list[Person] = []
        self._present: dict[int, Person] = {}
        self._last: Reading | None = None
        self._standing = Standing()
        self._gap_s = 0.0
        self.others = 0

    def add(self, reading: Reading) -> None:
        """Takes the next reading of the source."""
        if self._last is not None:
            self._gap_s = self._standing.add(reading.t_s - self._last.t_s)
            self._count(self._last)
        self._last = reading
        for face in reading.faces:
            person = self._present.get(face.track)
            if person is None:
                person = self._present[face.track] = Person(face.track, reading.source, reading.t_s, reading.t_s)
            person.last_s = reading.t_s
        if len(self._present) > 2 * self._kept:
            self._trim({face.track for face in reading.faces})

    def _count(self, reading: Reading) -> None:
        for face in reading.faces:
            expressions = self._present[face.track].expressions
            expressions[face.expression] = expressions.get(face.expression, 0.0) + self._gap_s

    def _trim(self, in_view: set[int]) -> None:
        """Keeps those in view and, of the rest, those longest seen."""
        gone = [person for track, person in self._present.items() if track not in in_view]
        gone.sort(key=lambda person: -person.seconds)
        for person in gone[self._kept :]:
            del self._present[person.track]
            self.others += 1

    def end_source(self) -> None:
        """The next reading is of another source: its tracks are other people."""
        if self._last is not None:
            self._count(self._last)
        self._finished = self._longest()
        self._present, self._last, self._gap_s, self._standing = {}, None, 0.0, Standing()

    def _longest(self) -> list[Person]:
        everyone = sorted([*self._finished, *self._present.values()], key=lambda person: -person.seconds)
        self.others += len(everyone[self._kept :])
        return everyone[: self._kept]

    def so_far(self) -> tuple[list[Person], int]:
        """Those longest in view, the longest first, their longest expression first; and how many more there were."""
        everyone = [*self._finished, *self._present.values()]
        everyone.sort(key=lambda person: -person.seconds)
        people = [
            Person(person.track, person.source, person.first_s, person.last_s, descending(person.expressions))
            for person in everyone[: self._kept]
        ]
        return people, self.others + len(everyone[self._kept :])


def descending(amounts: Mapping[str, float]) -> dict[str, float]:
    """The greatest first."""
    return dict(sorted(amounts.items(), key=lambda item: -item[1]))


class Tally:
    """Gathers a RunSummary while the loop runs."""

    def __init__(self) -> None:
        self._summary = RunSummary()
        self._stages = StageClock(SUMMARY_FRAMES)
        self._ages = Window(SUMMARY_FRAMES)
        self._identities = Identities()
        self._people = People()
        self._rate = Rate()
        self._began_ns: int | None = None
        self._last: Reading | None = None

    @property
    def frames(self) -> int:
        """Readings so far."""
        return self._summary.frames

    @property
    def last(self) -> Reading | None:
        """The last reading."""
        return self._last

    def begin(self) -> None:
        """The first frame has come."""
        if self._began_ns is None:
            self._began_ns = time.monotonic_ns()

    def add(self, reading: Reading, frame: Frame) -> None:
        """Takes the reading of one more frame."""
        summary, now_ns = self._summary, time.monotonic_ns()
        if summary.first_reading_ns is None:
            summary.first_reading_ns = now_ns
        self._last = reading
        self._rate.tick()
        summary.seconds = 0.0 if self._began_ns is None else (now_ns - self._began_ns) / 1e9
        summary.frames += 1
        summary.frames_with_face += bool(reading.faces)
        summary.max_age_ms = max(summary.max_age_ms, reading.age_ms)
        self._ages.add(reading.age_ms)
        self._stages.add(reading.latency_ms)
        if frame.still:
            summary.photographs += 1
            for face in reading.faces:
                summary.expressions[face.expression] = summary.expressions.get(face.expression, 0) + 1
        else:
            self._identities.add(face.track for face in reading.faces)
            self._people.add(reading)

    def end_source(self, dropped: int = 0, reconnects: int = 0) -> None:
        """The source has ended, after so many frames passed over and so many openings; another may follow."""
        self._summary.dropped += dropped
        self._summary.reconnects += reconnects
        self._summary.tracks += self._identities.count
        self._identities = Identities()
        self._people.end_source()

    def fps(self) -> float:
        """Readings a second, over the last seconds."""
        return self._rate.per_second()

    def summary(self, dropped: int = 0, reconnects: int = 0) -> RunSummary:
        """The run so far; `dropped` and `reconnects` are of the source that is being read."""
        people, others = self._people.so_far()
        return structs.replace(
            self._summary,
            dropped=self._summary.dropped + dropped,
            reconnects=self._summary.reconnects + reconnects,
            tracks=self._summary.tracks + self._identities.count,
            age_ms=self._ages.spread(),
            latency_ms=self._stages.spread(),
            people=people,
            others=others,
            expressions={name: int(count) for name, count in descending(self._summary.expressions).items()},
        )
