"""Sinks: where readings go."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from edgefer.errors import UsageError
from edgefer.sinks.base import Sink
from edgefer.sinks.thread import SinkThread

__all__ = ["SINKS", "Sink", "SinkThread", "check_outputs", "open_sink"]

#: Spec -> what it gives.
SINKS = {
    "table": "live table in the terminal; plain lines, one a second, when the output is no terminal",
    "jsonl": "one JSON object a frame on standard output",
    "jsonl:PATH": "the same into a file, line by line",
    "csv": "one row a face on standard output",
    "csv:PATH": "the same into a file, line by line",
    "video:PATH": "video with boxes, labels and bars (.mp4, .avi or .mkv)",
}


def check_outputs(specs: Iterable[str], source: str = "") -> None:
    """Refuses outputs that would spoil each other or the source, before anything is opened.

    Args:
        specs: outputs of one run, each as open_sink takes it.
        source: what the run reads, where that may be a file.

    Raises:
        UsageError: one is none of SINKS, two write to one place, or one would replace the source.
    """
    taken: dict[object, str | None] = {_place(source): None} if os.path.isfile(source) else {}
    for spec in specs:
        _, path = _parsed(spec)
        place = _place(path) if path else "standard output"
        if place in taken:
            other = taken[place]
            where = path or place
            what = "would replace the source" if other is None else f"and {other!r} both write to {where}"
            raise UsageError(f"output {spec!r} {what}; give it a file of its own")
        if not path or os.path.isfile(path) or not os.path.exists(path):  # devices may be shared
            taken[place] = spec


def _place(path: str) -> object:
    """What two paths to one file have in common, be they links, hard or soft."""
    try:
        status = os.stat(path)
    except OSError:
        return os.path.realpath(path)
    return status.st_dev, status.st_ino


def _parsed(spec: str) -> tuple[str, str]:
    """Kind and path, empty where there is none. Raises UsageError when the spec is none of SINKS."""
    kind, separator, path = spec.partition(":")
    if (f"{kind}:PATH" if separator else kind) not in SINKS or bool(separator) != bool(path):
        raise UsageError(f"unknown output {spec!r}; available: {', '.join(SINKS)}")
    return kind, path


def open_sink(spec: str, *, labels: Sequence[str] = (), title: str = "", fps: float | None = None) -> Sink:
    """Opens a sink.

    Files are replaced when they exist, as a shell's `>` does, at the first reading and not before.
    JSON lines and CSV grow line by line and end in a whole line whatever happens; a video appears under its
    name when it is complete.

    Args:
        spec: one of SINKS.
        labels: the model's labels, in order: the score columns of CSV, known before the first face.
        title: what the table calls the source.
        fps: rate of the source, for the video; 30 is taken where it has none.

    Raises:
        UsageError: the spec is none of SINKS.
        SinkError: the output cannot be opened for writing.
    """
    kind, path = _parsed(spec)
    if kind in ("jsonl", "csv"):
        from edgefer.sinks.text import Csv, JsonLines

        return JsonLines(path or None) if kind == "jsonl" else Csv(path or None, labels)
    if kind == "video":
        from edgefer.sinks.video import AnnotatedVideo

        return AnnotatedVideo(path, fps)
    from edgefer.sinks.table import open_table

    return open_table(title)
