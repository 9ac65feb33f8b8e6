"""Sinks: where readings go."""

from __future__ import annotations

from collections.abc import Sequence

from edgefer.sinks.base import Sink
from edgefer.sinks.registry import FRAMES, OUTPUTS, check_outputs
from edgefer.sinks.thread import SinkThread
from edgefer.support.registry import Choice

__all__ = ["OUTPUTS", "Sink", "SinkThread", "check_outputs", "open_sink", "start_sink"]

#: Readings that may wait for a sink; frames are large, so few of them may.
WAITING, WAITING_WITH_FRAMES = 32, 4


def open_sink(output: Choice | str, *, labels: Sequence[str] = (), title: str = "", fps: float | None = None) -> Sink:
    """Opens a sink.

    Files are replaced when they exist, as a shell's `>` does, at the first reading and not before.
    JSON lines and CSV grow line by line and end in a whole line whatever happens; a video appears under its
    name when it is complete.

    Args:
        output: of OUTPUTS, or written as on the command line: "csv:readings.csv".
        labels: the model's labels, in order: the score columns of CSV, known before the first face.
        title: what the table calls the source.
        fps: rate of the source, for the video; 30 is taken where it has none.

    Raises:
        UsageError: there is no such output, or its options are wrong.
        SinkError: the output cannot be opened for writing.
    """
    if isinstance(output, str):
        output = OUTPUTS.parse(output)
    return output.make(labels=labels, title=title, fps=fps)


def start_sink(output: Choice, *, labels: Sequence[str], title: str, fps: float | None, drop: bool) -> SinkThread:
    """A sink on a thread of its own; `drop` and the rest as SinkThread and open_sink have them."""
    sink = open_sink(output, labels=labels, title=title, fps=fps)
    frames = FRAMES in output.entry.needs
    return SinkThread(sink, WAITING_WITH_FRAMES if frames else WAITING, drop=drop, frames=frames)
