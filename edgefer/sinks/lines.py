"""Text outputs that hold whole lines at every moment, whatever happens to the disk or the reader."""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import os
import select
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from edgefer.errors import SinkClosed, SinkError
from edgefer.sinks.base import Sink
from edgefer.sinks.registry import Lines
from edgefer.values import Event, FaceReading, Frame, Reading

STDOUT = 1


class LineOutput:
    """Standard output or a file, written line by line and unbuffered, so that `tail -f` follows it.

    A file that exists is replaced, as `>` does, but only when the first line comes: a run that fails before
    it has read anything destroys nothing. A line for which the disk has no room is removed again.
    """

    def __init__(self, path: str | None) -> None:
        """Args: path: file to write, or None for standard output.

        Raises:
            SinkError: it cannot be opened for writing.
        """
        self.name = path or "standard output"
        self._owned = path is not None
        self._created = False
        self._started = False
        try:
            self._fd = STDOUT if path is None else self._open(path)
            mode = os.fstat(self._fd).st_mode
        except OSError as error:
            raise SinkError(f"{self.name}: cannot be written: {error.strerror}; choose another path") from None
        self._regular = stat.S_ISREG(mode)

    def _open(self, path: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        try:
            fd = os.open(path, flags | os.O_EXCL, 0o666)
            self._created = True
            return fd
        except FileExistsError:
            return os.open(path, flags, 0o666)

    def write(self, text: str) -> None:
        """Writes whole lines: all of them, or, on an error, none.

        Raises:
            SinkClosed: the reader of the pipe has gone. SinkError: disk full, quota, input/output error.
        """
        data = memoryview(text.encode())
        if self._owned and self._regular and not self._started:
            os.ftruncate(self._fd, 0)
        self._started = True
        start = os.lseek(self._fd, 0, os.SEEK_CUR) if self._regular else 0
        written = 0
        try:
            while written < len(data):
                try:
                    written += os.write(self._fd, data[written:])
                except BlockingIOError:  # a terminal or pipe that someone made non-blocking
                    select.select([], [self._fd], [])
        except OSError as error:
            if error.errno in (errno.EPIPE, errno.ECONNRESET):
                raise SinkClosed(f"{self.name}: the reader has gone") from None
            if self._regular and written:
                self._take_back(start, written)
            raise SinkError(
                f"{self.name}: cannot be written: {error.strerror}; the lines before are complete"
            ) from None

    def _take_back(self, start: int, written: int) -> None:
        """Removes the beginning of a line that could not be finished."""
        end = os.lseek(self._fd, 0, os.SEEK_CUR)  # in append mode the line did not begin at `start`
        os.ftruncate(self._fd, max(start, end - written))
        os.lseek(self._fd, 0, os.SEEK_END)

    def close(self) -> None:
        """Closes a file; one that this object created and never wrote to is removed again."""
        if not self._owned:
            return
        self._owned = False
        if self._created and not self._started:
            with contextlib.suppress(OSError):  # moved or removed by someone else meanwhile
                os.unlink(self.name)
        try:
            os.close(self._fd)
        except OSError as error:  # a network disk may report here what it could not store
            raise SinkError(f"{self.name}: cannot be written: {error.strerror}; its end may be missing") from None


#: Version of the JSON line; it grows when a reader of the old one would misunderstand the new one.
SCHEMA = 2
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
    if face.units:
        values["units"] = {name: round(float(intensity), 3) for name, intensity in face.units.items()}
    return values


def _event_values(event: Event) -> dict[str, Any]:
    return {
        "track": event.track,
        "kind": event.kind,
        "onset_s": round(event.onset_s, 6),
        "apex_s": round(event.apex_s, 6),
        "offset_s": round(event.offset_s, 6),
        "confidence": round(float(event.confidence), 4),
    }


def reading_values(reading: Reading) -> dict[str, Any]:
    """The reading as the plain values of its JSON line, rounded to what they mean."""
    return {
        "schema": SCHEMA,
        "frame": reading.frame,
        "t_s": round(reading.t_s, 6),
        "time": reading.time,
        "age_ms": round(float(reading.age_ms), 3),
        "source": reading.source,
        **({"image": reading.image} if reading.image else {}),
        "faces": [_face_values(face) for face in reading.faces],
        "events": [_event_values(event) for event in reading.events],
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
        before = ["source", "image", "frame", "t_s", "time", "age_ms", "track", "x0", "y0", "x1", "y1"]
        return [
            *before,
            "expression",
            "confidence",
            *self._labels,
            "side_px",
            "sharpness",
            "brightness",
            "reasons",
            "total_ms",
        ]

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
                [values["source"], values.get("image", ""), values["frame"], values["t_s"], values["time"]]
                + [values["age_ms"], face["track"], *face["box"]]
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
