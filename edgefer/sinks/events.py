"""Events in words, and which of them are to be seen for a while after they were told."""

from __future__ import annotations

from edgefer.values import Event, Reading

#: Media time for which an event is shown after it was told, s.
SHOWN_S = 2.0


def event_text(event: Event) -> str:
    """What it was and when: micro happiness 1.20 to 1.38 s."""
    name = f"{event.kind} {event.expression}" if event.expression else event.kind
    return f"{name} {event.onset_s:.2f} to {event.offset_s:.2f} s"


class Recent:
    """The events of the last SHOWN_S of one source."""

    def __init__(self) -> None:
        self._events: list[tuple[float, Event]] = []
        self._source = ""
        self._now_s = 0.0

    def add(self, reading: Reading) -> list[Event]:
        """Takes the next reading; gives what is to be seen with it, the newest last."""
        if reading.source != self._source or reading.t_s < self._now_s:
            self._events = []
        self._source, self._now_s = reading.source, reading.t_s
        self._events += [(reading.t_s, event) for event in reading.events]
        self._events = [pair for pair in self._events if reading.t_s - pair[0] <= SHOWN_S]
        return [event for _, event in self._events]
