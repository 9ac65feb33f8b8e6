"""What a timeline keeps: for each track, the expression over media time, in memory that does not grow with the run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from edgefer.labels import UNCERTAIN
from edgefer.loop.clock import Identities, Standing
from edgefer.values import Event, Reading

#: Width of a slot of time at the start, s, and how many there may be; beyond, each two become one.
FIRST_SLOT_S, MOST_SLOTS = 0.05, 1200
#: Tracks that are kept; beyond, the one that was seen for the shortest time goes.
MOST_LANES = 250
#: Events of a track that are kept.
MOST_EVENTS = 500


@dataclass
class Slot:
    """A short time of one track: seconds by expression, and those seconds times their confidence."""

    seconds: dict[str, float] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)

    def add(self, expression: str, seconds: float, weight: float) -> None:
        self.seconds[expression] = self.seconds.get(expression, 0.0) + seconds
        self.weights[expression] = self.weights.get(expression, 0.0) + weight

    def merge(self, other: Slot) -> None:
        for expression, seconds in other.seconds.items():
            self.add(expression, seconds, other.weights[expression])

    def strongest(self) -> tuple[str, float]:
        """The expression that lasted longest in it, and that one's mean confidence."""
        expression = max(self.seconds, key=lambda name: self.seconds[name])
        return expression, self.weights[expression] / self.seconds[expression]


@dataclass
class Lane:
    """One track of one source.

    Attributes:
        slots: by number; slot n begins n slot widths after the source's t_s = 0.
        total: the whole time in one slot.
        events: those of it, the first MOST_EVENTS.
    """

    source: str
    track: int
    slots: dict[int, Slot] = field(default_factory=dict)
    total: Slot = field(default_factory=Slot)
    last_s: float = 0.0
    events: list[Event] = field(default_factory=list)

    @property
    def seen_s(self) -> float:
        """For how long it was seen."""
        return sum(self.total.seconds.values())


class _SourceTime:
    """How far one source has come, and what its last reading showed."""

    def __init__(self) -> None:
        self.faces: list[tuple[int, str, float]] = []
        self.t_s: float | None = None
        self.first_s = self.end_s = 0.0
        self.standing = Standing()
        self.identities = Identities()


class Lanes:
    """Takes readings and holds the lanes.

    Attributes:
        slot_s: width of a slot, s.
        first_s, end_s: from the first reading to the end of the last; None before the first.
        begun: wall clock of the first reading.
        stills: readings of photographs, which have no time and are left out.
    """

    def __init__(self) -> None:
        self.slot_s = FIRST_SLOT_S
        self.first_s: float | None = None
        self.end_s = 0.0
        self.begun = ""
        self.stills = 0
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._sources: dict[str, _SourceTime] = {}
        self._low = self._high = 0  # the slots in use

    @property
    def tracks(self) -> int:
        """How many were seen in all."""
        return sum(source.identities.count for source in self._sources.values())

    @property
    def sources(self) -> list[str]:
        """Names of the sources, in the order in which they came."""
        return list(self._sources)

    def span(self, source: str) -> tuple[float, float]:
        """When a source began and ended, s."""
        return self._sources[source].first_s, self._sources[source].end_s

    def longest_seen(self, most: int) -> list[Lane]:
        """The lanes to show, `most` of them at most: by source, then by who came first."""
        lanes = sorted(self._lanes.values(), key=lambda lane: -lane.seen_s)[:most]
        order = {name: number for number, name in enumerate(self._sources)}
        return sorted(lanes, key=lambda lane: (order[lane.source], min(lane.slots), lane.track))

    def add(self, reading: Reading) -> None:
        """Takes the next reading."""
        if reading.image:
            self.stills += 1
            return
        t_s = reading.t_s
        source = self._sources.get(reading.source)
        if source is None:
            source = self._sources[reading.source] = _SourceTime()
            source.first_s = t_s
        if self.first_s is None:
            self.first_s, self.begun = t_s, reading.time
            self._low = self._high = int(t_s / self.slot_s)
        self.first_s = min(self.first_s, t_s)
        if source.t_s is not None:
            self._hold(reading.source, source, source.standing.add(t_s - source.t_s) or source.standing.usual_s)
        source.t_s = t_s
        source.faces = [(face.track, face.expression, face.confidence) for face in reading.faces]
        source.identities.add(face.track for face in reading.faces)
        self.end_s = max(self.end_s, t_s)
        for event in reading.events:
            lane = self._lanes.get((reading.source, event.track))
            if lane is not None and len(lane.events) < MOST_EVENTS:
                lane.events.append(event)

    def finish(self) -> None:
        """Counts the last reading of each source as lasting as long as the others did."""
        for name, source in self._sources.items():
            if source.t_s is not None:
                self._hold(name, source, source.standing.usual_s)
                source.t_s = None

    def _hold(self, name: str, source: _SourceTime, seconds: float) -> None:
        """What the source's last reading showed was there for so long."""
        begin_s = source.t_s or 0.0
        source.first_s, source.end_s = min(source.first_s, begin_s), max(source.end_s, begin_s + seconds)
        self.end_s = max(self.end_s, source.end_s)
        self._make_room(begin_s, begin_s + seconds)
        for track, expression, confidence in source.faces:
            lane = self._lane(name, track, begin_s)
            lane.last_s = begin_s
            lane.total.add(expression, seconds, seconds * confidence)
            for number, part_s in self._parts(begin_s, seconds):
                slot = lane.slots.get(number)
                if slot is None:
                    slot = lane.slots[number] = Slot()
                slot.add(expression, part_s, part_s * confidence)

    def _parts(self, begin_s: float, seconds: float) -> Iterable[tuple[int, float]]:
        """The slots that a time falls into, with the seconds in each."""
        end_s = begin_s + seconds
        number = int(begin_s / self.slot_s)
        while (edge_s := (number + 1) * self.slot_s) < end_s - 1e-9:
            if edge_s > begin_s + 1e-9:
                yield number, edge_s - begin_s
            begin_s = max(begin_s, edge_s)
            number += 1
        yield number, end_s - begin_s

    def _lane(self, source: str, track: int, now_s: float) -> Lane:
        lane = self._lanes.get((source, track))
        if lane is None:
            if len(self._lanes) >= MOST_LANES:
                away = [each for each in self._lanes.values() if each.source != source or each.last_s < now_s - 5]
                least = min(away or self._lanes.values(), key=lambda each: each.seen_s)
                del self._lanes[least.source, least.track]
            lane = self._lanes[source, track] = Lane(source, track)
        return lane

    def _make_room(self, begin_s: float, end_s: float) -> None:
        """Widens the slots until all that is kept, and this time too, fits into as many as there may be."""
        self._low = min(self._low, int(begin_s / self.slot_s))
        self._high = max(self._high, int(end_s / self.slot_s))
        while self._high - self._low >= MOST_SLOTS:
            self.slot_s *= 2
            self._low //= 2
            self._high //= 2
            for lane in self._lanes.values():
                slots, lane.slots = lane.slots, {}
                for number, slot in slots.items():
                    kept = lane.slots.setdefault(number // 2, slot)
                    if kept is not slot:
                        kept.merge(slot)


def shares(slot: Slot) -> list[tuple[str, float]]:
    """The expressions of a slot by the part of its time that each had, the largest first; without uncertain."""
    judged = {name: seconds for name, seconds in slot.seconds.items() if name != UNCERTAIN}
    total = sum(judged.values())
    return sorted(((name, seconds / total) for name, seconds in judged.items()), key=lambda pair: -pair[1])
