"""Sinks: where readings go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgefer.sinks.base import Sink
from edgefer.sinks.conflicts import check_outputs
from edgefer.sinks.registry import FRAMES, LIVE, MODELS, NETWORK, OUTPUTS
from edgefer.sinks.thin import Thinned
from edgefer.sinks.thread import SinkThread
from edgefer.support.registry import Choice

__all__ = ["OUTPUTS", "Sink", "SinkThread", "check_outputs", "open_sink", "start_sink"]

#: Readings that may wait for a sink; frames are large, so few of them may.
WAITING, WAITING_WITH_FRAMES = 32, 4
#: Other machines do not mind a reading that is so much older, where another one follows it, s.
NETWORK_PACE_S = 0.05


def open_sink(
    output: Choice | str,
    *,
    labels: Sequence[str] = (),
    title: str = "",
    fps: float | None = None,
    models: Mapping[str, Sequence[str]] | None = None,
    units: Sequence[str] = (),
    live: bool = False,
) -> Sink:
    """Opens a sink.

    A file that exists is left alone until the first reading comes. JSON lines and CSV are appended to it unless
    their option says otherwise, a video replaces it; both grow as readings come, and what is there can be read
    whatever happens next.

    Args:
        output: of OUTPUTS, or written as on the command line: "csv:readings.csv".
        labels: the model's labels, in order: the score columns of CSV, known before the first face.
        title: what the table calls the source.
        fps: rate of the source, for the video; 30 is taken where it has none.
        models: labels of the models after the first, by name; None where they are not known yet.
        units: names of the action units that are read.
        live: whether the source is: pictures of it are numbered on from those that are there.

    Raises:
        UsageError: there is no such output, or its options are wrong.
        SinkError: the output cannot be opened for writing.
    """
    if isinstance(output, str):
        output = OUTPUTS.parse(output)
    context: dict[str, Any] = {"models": models, "units": units} if MODELS in output.entry.needs else {}
    if LIVE in output.entry.needs:
        context["live"] = live
    sink: Sink = output.make(labels=labels, title=title, fps=fps, **context)
    every = getattr(output.options, "every", 1)
    on_change = getattr(output.options, "on", "frame") == "change"
    return Thinned(sink, every, on_change) if every > 1 or on_change else sink


def start_sink(
    output: Choice,
    *,
    labels: Sequence[str],
    title: str,
    fps: float | None,
    drop: bool,
    models: Mapping[str, Sequence[str]] | None = None,
    units: Sequence[str] = (),
) -> SinkThread:
    """A sink on a thread of its own; `drop`: for a live source, as SinkThread has it; the rest as open_sink."""
    sink = open_sink(output, labels=labels, title=title, fps=fps, models=models, units=units, live=drop)
    frames = FRAMES in output.entry.needs
    network = NETWORK in output.entry.needs
    waiting = WAITING_WITH_FRAMES if frames else WAITING
    return SinkThread(sink, waiting, drop=drop or network, frames=frames, pace_s=NETWORK_PACE_S if network else 0.0)
