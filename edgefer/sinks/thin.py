"""Writing less: each N-th reading, or those in which something changed."""

from __future__ import annotations

from edgefer.sinks.base import Sink
from edgefer.values import Frame, Health, Reading


class Thinned(Sink):
    """Hands on the readings that are due, and every reading that holds an event.

    By count the first is due, and each N-th after it. By change these are due: the first, the last, and
    each whose source, picture, people, or expression of one of them by any model is another than in the
    one written before. With both, what is due by either.
    """

    def __init__(self, sink: Sink, every: int = 1, on_change: bool = False) -> None:
        """Args:
        sink: gets what is due; closed with this object.
        every: the count; 1 is every reading, and with on_change none beside the changes.
        on_change: by change.
        """
        self.name, self.waits, self.reopens = sink.name, sink.waits, sink.reopens
        self._sink = sink
        self._every, self._on_change = every, on_change
        self._seen = 0
        self._state: object = None  # of what was written last
        self._held: tuple[Reading, Frame | None] | None = None

    def write(self, reading: Reading, frame: Frame | None = None) -> bool | None:
        counted = self._seen % self._every == 0 if self._every > 1 else not self._on_change
        self._seen += 1
        state = _state(reading) if self._on_change else None
        if not (counted or state != self._state or reading.events):
            self._held = (reading, frame) if self._on_change else None
            return False
        written = self._sink.write(reading, frame)
        self._state, self._held = state, None
        return written

    def report(self, health: Health) -> None:
        self._sink.report(health)

    def close(self) -> None:
        held, self._held = self._held, None
        try:
            if held is not None:
                self._sink.write(*held)
        finally:
            self._sink.close()


def _state(reading: Reading) -> object:
    """What has to differ for a reading to be a change."""
    faces = sorted(
        (face.track, face.expression, *sorted((name, model.expression) for name, model in face.models.items()))
        for face in reading.faces
    )
    return reading.source, reading.image, faces
