"""The last minute of each face, a cell for every second or few."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from edgefer.values import Reading

SPAN_S = 60


class Cell(NamedTuple):
    """The expression that most readings of a short time gave, with its mean confidence."""

    expression: str
    confidence: float


class _Second:
    """Readings of one face in one second: how many gave each expression, and their confidences."""

    __slots__ = ("confidences", "counts", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.counts: dict[str, int] = {}
        self.confidences: dict[str, float] = {}

    def add(self, expression: str, count: int, confidence: float) -> None:
        self.counts[expression] = self.counts.get(expression, 0) + count
        self.confidences[expression] = self.confidences.get(expression, 0.0) + confidence

    def cell(self) -> Cell:
        expression = max(self.counts, key=lambda name: self.counts[name])
        return Cell(expression, self.confidences[expression] / self.counts[expression])


class History:
    """Takes readings and gives each track's last minute of media time."""

    def __init__(self) -> None:
        self._tracks: dict[int, deque[_Second]] = {}
        self._source = ""
        self._now = 0

    def add(self, reading: Reading) -> None:
        """Takes the next reading; another source, or a time that goes back, starts over. Photographs have no time."""
        now = int(reading.t_s)
        if reading.image or reading.source != self._source or now < self._now:
            self._tracks.clear()
        if reading.image:
            return
        if now != self._now:
            gone = [track for track, seconds in self._tracks.items() if seconds[-1].number <= now - SPAN_S]
            for track in gone:
                del self._tracks[track]
        self._source, self._now = reading.source, now
        for face in reading.faces:
            seconds = self._tracks.get(face.track)
            if seconds is None:
                seconds = self._tracks[face.track] = deque(maxlen=SPAN_S + 1)
            if not seconds or seconds[-1].number != now:
                seconds.append(_Second(now))
            seconds[-1].add(face.expression, 1, face.confidence)

    @property
    def empty(self) -> bool:
        return not self._tracks

    def cells(self, track: int, width: int) -> list[Cell | None]:
        """The last minute in at most `width` cells, the newest last; None where the face was away.

        A cell stands for cell_s(width) seconds of the source's clock, so that it does not change as time goes on.
        """
        step = cell_s(width)
        newest = self._now // step
        count = SPAN_S // step
        merged: dict[int, _Second] = {}
        for second in self._tracks.get(track, ()):
            place = count - 1 - (newest - second.number // step)
            if place >= 0:
                sum_of = merged.setdefault(place, _Second(place))
                for expression, number in second.counts.items():
                    sum_of.add(expression, number, second.confidences[expression])
        return [merged[place].cell() if place in merged else None for place in range(count)]


def cell_s(width: int) -> int:
    """Seconds in a cell, so that a minute fits into `width` of them: a divisor of 60."""
    return next((step for step in (1, 2, 3, 4, 5, 6, 10, 15, 20, 30) if SPAN_S // step <= width), SPAN_S)
