"""Readings as text: JSON lines and CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import msgspec

from edgefer.sinks.base import Sink
from edgefer.sinks.files import LineOutput, open_lines
from edgefer.sinks.registry import Readings, Rows
from edgefer.values import Event, FaceReading, Frame, Health, Reading

#: Version of the JSON line; it grows when a reader of the old one would misunderstand the new one.
SCHEMA = 2
SCHEMA_PATH = Path(__file__).with_name("reading.schema.json")


def readable(name: str) -> str:
    """A file's name as UTF-8 can hold it: bytes that are no text become \\xNN."""
    try:
        return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    except UnicodeEncodeError:
        return name.encode(errors="backslashreplace").decode()


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
    if face.scores_age_ms is not None:
        values["scores_age_ms"] = round(float(face.scores_age_ms), 3)
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
    if face.units:
        values["units"] = {name: round(float(intensity), 3) for name, intensity in face.units.items()}
    if face.unit_scores:
        values["unit_scores"] = _scores(face.unit_scores)
    return values


def _event_values(event: Event) -> dict[str, Any]:
    values: dict[str, Any] = {
        "track": event.track,
        "kind": event.kind,
        "onset_s": round(event.onset_s, 6),
        "apex_s": round(event.apex_s, 6),
        "offset_s": round(event.offset_s, 6),
        "confidence": round(float(event.confidence), 4),
    }
    if event.expression:
        values["expression"] = event.expression
    return values


def reading_values(reading: Reading) -> dict[str, Any]:
    """The reading as the plain values of its JSON line, rounded to what they mean."""
    return {
        "schema": SCHEMA,
        "frame": reading.frame,
        "t_s": round(reading.t_s, 6),
        "time": reading.time,
        "age_ms": round(float(reading.age_ms), 3),
        "source": readable(reading.source),
        **({"image": readable(reading.image)} if reading.image else {}),
        "faces": [_face_values(face) for face in reading.faces],
        "events": [_event_values(event) for event in reading.events],
        "latency_ms": {stage: round(float(value), 3) for stage, value in reading.latency_ms.items()},
    }


class JsonLines(Sink):
    """One JSON object a line and a frame, by reading.schema.json."""

    def __init__(self, output: LineOutput) -> None:
        """Args: output: where the lines go."""
        self._output = output
        self.name, self.waits, self.reopens = output.name, output.waits, output.reopens

    def write(self, reading: Reading, frame: Frame | None = None) -> None:
        self._output.write(msgspec.json.encode(reading_values(reading)).decode() + "\n")

    def report(self, health: Health) -> None:
        self._output.look()

    def close(self) -> None:
        self._output.close()


_BEFORE = ("source", "image", "frame", "t_s", "time", "age_ms", "track", "x0", "y0", "x1", "y1")
_QUALITY = ("side_px", "sharpness", "brightness")
_POSE = ("yaw", "pitch", "roll")


class TextOutput(Protocol):
    """Where rows go; `head` is the line of the columns' names, set before the first write."""

    name: str
    head: str

    def write(self, text: str) -> None: ...

    def close(self) -> None: ...


class Csv(Sink):
    """One row a face, under one line of column names.

    The columns of a run do not depend on what it sees: those of a pose are empty where nothing finds it, and
    each further model has its own, which begin with its name; action units have one each, of their intensity. Points,
    events and the age of the scores are in JSON alone.
    """

    def __init__(
        self,
        output: TextOutput,
        labels: Sequence[str] = (),
        models: Mapping[str, Sequence[str]] | None = None,
        empty: bool = False,
        units: Sequence[str] = (),
    ) -> None:
        """Args:
        output: where the rows go.
        labels: labels of the score columns, in order; when empty, those of the first face.
        models: labels of the further models, by name; when None, those of the first face.
        empty: whether a frame without a face has a row, whose columns about a face are empty.
        units: names of the action units that are read.
        """
        self._output = output
        self.name = output.name
        self.waits, self.reopens = getattr(output, "waits", False), getattr(output, "reopens", False)
        self._labels = tuple(labels)
        self._models = None if models is None else {name: tuple(each) for name, each in models.items()}
        self._empty = empty
        self._units = tuple(units)
        self._begun = False

    def write(self, reading: Reading, frame: Frame | None = None) -> bool | None:
        if not self._output.head:
            if not (self._labels or reading.faces):
                return False  # the columns are not known yet
            self._take_columns(reading.faces[0] if reading.faces else None)
            self._output.head = csv_text([self.columns()])
        values = reading_values(reading)
        faces = values["faces"] or ([{}] if self._empty else [])
        if not faces and self._begun:
            return False
        self._output.write(csv_text(self.row(values, face) for face in faces))  # the columns alone: it saw no face
        self._begun = True
        return True

    def report(self, health: Health) -> None:
        getattr(self._output, "look", lambda: None)()

    def _take_columns(self, face: FaceReading | None) -> None:
        if face is not None:
            self._labels = self._labels or tuple(face.scores)
            if self._models is None:
                self._models = {name: tuple(model.scores) for name, model in face.models.items()}

    def columns(self) -> list[str]:
        """Their names, once the labels are known."""
        further = [
            f"{name}_{column}"
            for name, labels in (self._models or {}).items()
            for column in ("expression", "confidence", *labels)
        ]
        judged = ["expression", "confidence", *self._labels]
        return [*_BEFORE, *judged, *_QUALITY, "reasons", "total_ms", *_POSE, *further, *self._units]

    def row(self, values: dict[str, Any], face: dict[str, Any]) -> list[Any]:
        """The cells of one face; `face` is empty for a frame without one."""
        quality, pose = face.get("quality", {}), face.get("pose", {})
        row = [values.get(name, "") for name in _BEFORE[:6]]
        row += [face.get("track", ""), *face.get("box", [""] * 4)]
        row += _judgement(face, self._labels)
        row += [quality.get(name, "") for name in _QUALITY]
        row += ["|".join(quality.get("reasons", ())), values["latency_ms"].get("total", "")]
        row += [pose.get(name, "") for name in _POSE]
        for name, labels in (self._models or {}).items():
            row += _judgement(face.get("models", {}).get(name, {}), labels)
        row += [face.get("units", {}).get(name, "") for name in self._units]
        return row

    def close(self) -> None:
        self._output.close()


def _judgement(values: dict[str, Any], labels: Sequence[str]) -> list[Any]:
    scores = values.get("scores", {})
    return [values.get("expression", ""), values.get("confidence", ""), *(scores.get(label, "") for label in labels)]


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Rows as lines."""
    lines: list[str] = []
    # this end has cells with either of its characters quoted, as a name may hold both
    csv.writer(SimpleNamespace(write=lines.append), lineterminator="\r\n").writerows(rows)
    return "".join(f"{line[:-2]}\n" for line in lines)


def open_json_lines(options: Readings, *, labels: Sequence[str], title: str, fps: float | None) -> JsonLines:
    """The output `jsonl`."""
    return JsonLines(open_lines(options))


def open_csv(
    options: Rows,
    *,
    labels: Sequence[str],
    title: str,
    fps: float | None,
    models: Mapping[str, Sequence[str]] | None = None,
    units: Sequence[str] = (),
) -> Csv:
    """The output `csv`. By change there are rows without a face: they tell when the last person has gone."""
    return Csv(open_lines(options), labels, models, options.empty or options.on == "change", units)
