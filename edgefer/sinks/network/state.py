"""What is told of a reading in a few values, and which events there were since the one before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgefer.labels import UNCERTAIN
from edgefer.values import FaceReading, Reading

#: The expression where nobody is.
NOBODY = "none"
#: A face that is away for so long has left; one that comes back sooner was only lost for a moment, s of media time, or
#: of the clock where no pictures come.
LEFT_AFTER_S = 1.0

ARRIVED, LEFT, CHANGED = "arrived", "left", "changed"


def main_face(reading: Reading) -> FaceReading | None:
    """The greatest face, for what tells of one alone."""
    return max(reading.faces, key=lambda face: (face.box.x1 - face.box.x0) * (face.box.y1 - face.box.y0), default=None)


def state_of(reading: Reading) -> dict[str, Any]:
    """The state after a reading: how many faces, and what the greatest of them shows."""
    face = main_face(reading)
    if face is None:
        return nobody()
    return {
        "faces": len(reading.faces),
        "expression": face.expression,
        "confidence": round(float(face.confidence), 2),
        "scores": {label: round(float(score), 2) for label, score in face.scores.items()},
        "track": face.track,
        "reasons": list(face.quality.reasons),
        "time": reading.time,
    }


def nobody() -> dict[str, Any]:
    """The state while there is no face, or no picture."""
    return {"faces": 0, "expression": NOBODY, "confidence": None, "scores": {}, "track": None, "reasons": []}


class Changes:
    """Who came, who left, whose expression changed; and the events that the readings hold."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[float, str]] = {}  # by track: when last, and its last expression that was certain
        self._source = self._time = ""
        self._now_s = 0.0

    def add(self, reading: Reading) -> list[dict[str, Any]]:
        """The events of the next reading, each as plain values with `event_type`."""
        begun_again = reading.source != self._source or reading.t_s < self._now_s
        events = self.leave() if begun_again else []
        self._source, self._now_s, self._time = reading.source, reading.t_s, reading.time
        for face in reading.faces:
            known = self._seen.get(face.track)
            expression = known[1] if known is not None and face.expression == UNCERTAIN else face.expression
            if known is None:
                events.append(self._event(ARRIVED, face.track, expression))
            elif expression != known[1]:
                events.append(self._event(CHANGED, face.track, expression) | {"before": known[1]})
            self._seen[face.track] = reading.t_s, expression
        gone = [track for track, (last_s, _) in self._seen.items() if reading.t_s - last_s > LEFT_AFTER_S]
        events += [self._event(LEFT, track, self._seen.pop(track)[1]) for track in gone]
        for event in reading.events:
            values = self._event(event.kind, event.track, event.expression)
            times = {"onset_s": event.onset_s, "apex_s": event.apex_s, "offset_s": event.offset_s}
            values |= {name: round(value, 3) for name, value in times.items()}
            events.append(values | {"confidence": round(float(event.confidence), 2)})
        return events

    def leave(self) -> list[dict[str, Any]]:
        """The events where no more pictures come: everybody has left, at the time of the last one."""
        seen, self._seen = self._seen, {}
        return [self._event(LEFT, track, expression) for track, (_, expression) in seen.items()]

    def _event(self, kind: str, track: int, expression: str) -> dict[str, Any]:
        return {"event_type": kind, "track": track, "expression": expression, "time": self._time}


def event_types(kinds: Sequence[str]) -> list[str]:
    """Every `event_type` there may be; kinds: of the events that readings hold."""
    return [ARRIVED, LEFT, CHANGED, *kinds]
