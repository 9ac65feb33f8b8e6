"""The outputs that can be chosen.

A maker gets its options and, by name, `labels` (of the first model), `title` (what the source is called) and
`fps` (rate of the source, or None); it gives a Sink (sinks/base.py). A row's `needs` are words of this list:

    frames      write() looks at the frames
    landmarks   the readings hold landmarks and pose
    stdout      it writes to standard output where it has no path
    terminal    it draws on the terminal, and says at the end what the run amounted to
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta

from edgefer.errors import UsageError
from edgefer.support.registry import Choice, Entry, Options, Registry

FRAMES, LANDMARKS, STDOUT, TERMINAL = "frames", "landmarks", "stdout", "terminal"


class Lines(Options, frozen=True):
    """The options of an output that is text."""

    path: Annotated[str, Meta(description="file, replaced when it exists; standard output where none")] = ""


class Video(Options, frozen=True):
    """The options of the annotated video."""

    path: Annotated[str, Meta(min_length=1, description="file, ending in .mp4, .avi or .mkv")]


class Timeline(Options, frozen=True):
    """The options of the timeline picture."""

    path: Annotated[str, Meta(min_length=1, description="file, ending in .png or .svg")]
    tracks: Annotated[int, Meta(ge=1, le=60, description="lanes at most, for the tracks seen longest")] = 20


OUTPUTS = Registry("output")
OUTPUTS.add(
    Entry(
        "table",
        "live table in the terminal; plain lines, one a second, where the output is no terminal",
        "edgefer.sinks.table:open_output",
        needs=frozenset({STDOUT, TERMINAL}),
    )
)
OUTPUTS.add(
    Entry(
        "jsonl",
        "one JSON object a frame, line by line",
        "edgefer.sinks.lines:open_json_lines",
        Lines,
        "path",
        frozenset({STDOUT}),
    )
)
OUTPUTS.add(
    Entry("csv", "one row a face, line by line", "edgefer.sinks.lines:open_csv", Lines, "path", frozenset({STDOUT}))
)
OUTPUTS.add(
    Entry(
        "video",
        "video with boxes, labels and bars",
        "edgefer.sinks.video:open_video",
        Video,
        "path",
        frozenset({FRAMES}),
    )
)
OUTPUTS.add(
    Entry(
        "timeline",
        "picture of the expressions over time, a lane for each track",
        "edgefer.sinks.timeline:open_timeline",
        Timeline,
        "path",
    )
)


def check_outputs(outputs: Iterable[Choice], source: str = "") -> None:
    """Refuses outputs that would spoil each other or the source, before anything is opened.

    Args:
        outputs: those of one run.
        source: what the run reads, where that may be a file.

    Raises:
        UsageError: two write to one place, or one would replace the source.
    """
    taken: dict[object, str | None] = {_file_key(source): None} if os.path.isfile(source) else {}
    for output in outputs:
        path = output.target if output.entry.target == "path" else ""
        if not path and STDOUT not in output.entry.needs:
            continue
        key = _file_key(path) if path else "standard output"
        if key in taken:
            other = taken[key]
            what = f"and {other!r} both write to {path or key}"
            if other is None:
                what = "would replace the source"
            raise UsageError(f"output {str(output)!r} {what}; give it a file of its own")
        if not path or os.path.isfile(path) or not os.path.exists(path):  # devices may be shared
            taken[key] = str(output)


def _file_key(path: str) -> object:
    """What two paths to one file have in common, be they links, hard or soft."""
    try:
        status = os.stat(path)
    except OSError:
        return os.path.realpath(path)
    return status.st_dev, status.st_ino
