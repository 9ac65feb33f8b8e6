"""Readings as JSON lines and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from edgefer.sinks.base import Sink
from edgefer.sinks.lines import LineOutput
from edgefer.sinks.registry import Lines
from edgefer.values import FaceReading, Frame, Reading

#: Version of the JSON line; it grows when a reader of the old one would misunderstand the new one.
SCHEMA = 1
SCHEMA_PATH = Path(__file__).with_name("reading.schema.json")


def _scores(scores: dict[str, float]) -> dict[str, float]:
    return {label: round(float(score), 4) for label, score in scores.items()}


def _face_values(face: FaceReading) -> dict[str, Any]:
    values: dict[str, Any] = {
        "track": face.track,
        "box": [round(float(edge), 1) for edge in face.box],
        "expression": face.expression,
        "confidence": round(float(face.confidence), 4),
        "scores": _scores(face.scores),
        "quality": {
            "side_px": round(float(face.quality.side_px), 1),
            "sharpness": round(float(face.quality.sharpness), 4),
            "brightness": round(float(face.quality.brightness), 1),
            "reasons": list(face.quality.reasons),
        },
    }
    if face.models:
        values["models"] = {
            name: {
                "expression": model.expression,
                "confidence": round(float(model.confidence), 4),
                "scores": _scores(model.scores),
            }
            for name, model in face.models.items()
        }
    if face.landmarks is not None:
        values["landmarks"] = [[round(float(x), 2), round(float(y), 2)] for x, y in face.landmarks]
    if face.pose is not None:
        values["pose"] = {name: round(float(angle), 1) for name, angle in face.pose._asdict().items()}
    return values


def reading_values(reading: Reading) -> dict[str, Any]:
    """The reading as the plain values of its JSON line, rounded to what they mean."""
    return {
        "schema": SCHEMA,
        "frame": reading.frame,
        "time": reading.time,
        "age_ms": round(float(reading.age_ms), 3),
        "faces": [_face_values(face) for face in reading.faces],
        "latency_ms": {stage: round(float(value), 3) for stage, value in reading.latency_ms.items()},
    }


class JsonLines(Sink):
    """One JSON object a line and a frame, by reading.schema.json."""

    def __init__(self, path: str | None) -> None:
        """Args: path: file, or None for standard output. Raises SinkError when it cannot be opened."""
        self._output = LineOutput(path)
        self.name = self._output.name

    def write(self, reading: Reading, frame: Frame | None = None) -> None:
        self._output.write(msgspec.json.encode(reading_values(reading)).decode() + "\n")

    def close(self) -> None:
        self._output.close()


class Csv(Sink):
    """One row a face; a frame without a face has no row. Boxes are pixels of the source, times ms."""

    def __init__(self, path: str | None, labels: Sequence[str] = ()) -> None:
        """Args:
            path: file, or None for standard output.
            labels: labels of the score columns, in order; when empty, those of the first face.

        Raises:
            SinkError: it cannot be opened.
        """
        self._output = LineOutput(path)
        self.name = self._output.name
        self._labels = tuple(labels)
        self._has_header = False

    def _header(self) -> list[str]:
        self._has_header = True
        before = ["frame", "time", "age_ms", "track", "x0", "y0", "x1", "y1", "expression", "confidence"]
        return [*before, *self._labels, "side_px", "sharpness", "brightness", "reasons", "total_ms"]

    def write(self, reading: Reading, frame: Frame | None = None) -> None:
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        if not self._has_header and (self._labels or reading.faces):
            self._labels = self._labels or tuple(reading.faces[0].scores)
            rows.writerow(self._header())
        values = reading_values(reading)
        for face in values["faces"]:
            quality = face["quality"]
            rows.writerow(
                [values["frame"], values["time"], values["age_ms"], face["track"], *face["box"]]
                + [face["expression"], face["confidence"]]
                + [face["scores"].get(label, "") for label in self._labels]
                + [quality["side_px"], quality["sharpness"], quality["brightness"]]
                + ["|".join(quality["reasons"]), values["latency_ms"].get("total", "")]
            )
        if text.tell():
            self._output.write(text.getvalue())

    def close(self) -> None:
        self._output.close()


def open_json_lines(options: Lines, *, labels: Sequence[str], title: str, fps: float | None) -> JsonLines:
    """The output `jsonl`."""
    return JsonLines(options.path or None)


def open_csv(options: Lines, *, labels: Sequence[str], title: str, fps: float | None) -> Csv:
    """The output `csv`."""
    return Csv(options.path or None, labels)
