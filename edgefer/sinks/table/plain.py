"""Plain lines for a pipe, a file or a journal: the newest state once a second, a summary at the end."""

from __future__ import annotations

import time
from collections.abc import Callable

from edgefer.sinks.events import event_text
from edgefer.sinks.lines import LineOutput
from edgefer.sinks.table.base import Table, box_text, percent, verdict
from edgefer.sinks.units import codes
from edgefer.support.words import shown
from edgefer.values import Reading

INTERVAL_S = 1.0


class PlainTable(Table):
    """The newest state about once a second, or of each photograph, then the summary."""

    def __init__(self, title: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(INTERVAL_S, clock)
        self._output = LineOutput(None)
        self.name = self._output.name
        if title:
            self._output.write(f"reading {shown(title)}\n")

    def _due(self) -> bool:
        return super()._due() or bool(self._latest and self._latest.image)

    def _take(self, reading: Reading) -> None:
        for event in reading.events:
            self._output.write(f"#{event.track} {event_text(event)}, {100 * event.confidence:.0f} %\n")

    def _show(self, reading: Reading) -> None:
        self._output.write(self._line(reading) + "\n")

    def _tell(self, trouble: str) -> None:
        self._output.write((trouble or "back to normal") + "\n")

    def _line(self, reading: Reading) -> str:
        parts = [shown(reading.image) if reading.image else f"frame {reading.frame}"]
        for face in reading.faces:
            others = "".join(f", {name} {percent(model)}" for name, model in face.models.items())
            units = f", units {codes(face) or 'none'}" if face.units else ""
            parts.append(f"#{face.track} {verdict(face)}{others}{units}, {box_text(face)}")
        if not reading.faces:
            parts.append("no face")
        total = self._stages.spread().get("total")
        parts.append(f"{self._rate.per_second():.1f} fps")
        parts.append(f"age {reading.age_ms:.1f} ms")
        if total is not None:
            parts.append(f"total p50 {total.p50:.1f} p95 {total.p95:.1f} ms")
        return " | ".join(parts)

    def close(self) -> None:
        totals, self._totals = self._totals, None
        if totals is not None:
            self._output.write("".join(line + "\n" for line in totals.lines()))
