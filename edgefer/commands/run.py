"""`edgefer run`: from a source to readings."""

from __future__ import annotations

import argparse
import gc
import itertools
import signal
import sys
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgefer.commands.arguments import (
    add_settings,
    add_sources,
    add_view,
    options_from,
    settings_from,
    sources_of,
    whole_number,
)
from edgefer.commands.console import Commands
from edgefer.commands.self_test import self_test
from edgefer.config.settings import model_names
from edgefer.detect.registry import DETECTORS
from edgefer.device.restarts import counted_restarts
from edgefer.device.service import Notifier, StopSignals
from edgefer.device.update import FirstMinute
from edgefer.errors import SourceError
from edgefer.sinks.conflicts import check_outputs
from edgefer.sinks.registry import NETWORK, OUTPUTS, STDOUT, TERMINAL
from edgefer.sources.registry import SOURCES
from edgefer.support.registry import Choice
from edgefer.support.words import to_width

if TYPE_CHECKING:
    from edgefer.config import Settings
    from edgefer.loop.summary import RunSummary
    from edgefer.reader.options import StreamOptions
    from edgefer.reader.streaming import Stream
    from edgefer.sinks import SinkThread
    from edgefer.values import Health

#: People of whom the summary has a line.
_PEOPLE_SHOWN = 5
#: How often outputs hear that a source is not there yet, s.
_WAITING_S = 1.0


def add_parser(commands: Commands) -> None:
    """The command's arguments."""
    parser = commands.add(
        "run",
        "read expressions from a camera, films, photographs, a stream or the demo",
        "run --camera 0\n"
        "run demo\n"
        "run clip.mp4 --output jsonl:readings.jsonl --output video:seen.mp4\n"
        "run clip.mp4 --start 60 --seconds 10 --output csv\n"
        "run photos/*.jpg --output csv:faces.csv\n"
        "run --source clip.mp4 --realtime\n"
        "run --camera 0 --rotate 180 --region 0,0,640,360\n"
        "run --profile pi4 --source rtsp://camera.local/stream --output csv",
        execute,
        more="\nname[:target][,option=value] of outputs, detectors and sources:\n"
        + "\n".join(registry.help() for registry in (OUTPUTS, DETECTORS, SOURCES))
        + "\n",
    )
    add_sources(parser, "the profile's camera")
    add_settings(parser)
    parser.add_argument(
        "--output",
        metavar="O",
        action="append",
        help=f"{OUTPUTS.shapes()}; see below; may be repeated (default: the profile's outputs)",
    )
    add_view(parser)
    parser.add_argument("--frames", metavar="N", type=whole_number(1, 10**9 - 1), help="stop after N readings")
    parser.add_argument("-q", "--quiet", action="store_true", help="no summary, and errors alone in the log")


def execute(args: argparse.Namespace) -> int:
    """Runs until the sources end, a limit is reached or a signal comes; 130 after an interrupt, else 0."""
    with StopSignals() as stop:  # before the rest is loaded, which takes long enough to be interrupted
        settings = settings_from(args)
        specs = sources_of(args, str(settings.camera.device))
        outputs = [OUTPUTS.parse(text) for text in args.output] if args.output else settings.outputs
        check_outputs(outputs, specs, args.recursive)
        summary, failure = _run(args, settings, specs, outputs, stop)
        interrupted = stop.received == signal.SIGINT
        if not args.quiet and not (interrupted and not summary.frames) and not (failure and not summary.frames):
            for line in summary_lines(summary, brief=_uses_terminal(outputs)):
                print(*to_width(line, sys.stderr), sep="\n", file=sys.stderr)
        stop.raise_reason()  # the command line says it, once
        if failure is not None:
            raise failure
        return 1 if summary.sink_errors else 0


def _run(
    args: argparse.Namespace, settings: Settings, specs: Sequence[str], outputs: Sequence[Choice], stop: StopSignals
) -> tuple[RunSummary, SourceError | None]:
    """What was read, and the failure that ended it or that one of several sources met."""
    from edgefer import assemble

    options = options_from(args, settings.camera)
    assemble.prepare_process(settings)
    with FirstMinute(model_names(settings), self_test) as minute:
        return _read(args, settings, specs, options, outputs, stop, minute)


def _read(
    args: argparse.Namespace,
    settings: Settings,
    specs: Sequence[str],
    options: StreamOptions,
    outputs: Sequence[Choice],
    stop: StopSignals,
    minute: FirstMinute,
) -> tuple[RunSummary, SourceError | None]:
    from edgefer.reader import Reader

    reader = Reader.of_settings(settings, args.landmarks)
    notifier = Notifier()
    stream: Stream | None = None
    try:
        with counted_restarts() as restarts:
            starting = _Starting(outputs, len(specs), notifier, restarts)
            try:
                stream = reader.open(specs, options, outputs, stop.event, starting.wait)
                sinks = starting.all(stream)
            except BaseException:
                starting.close()
                if stream is not None:
                    stream.close()
                raise
            return _run_to_its_end(
                stream, sinks, _progress(stream, len(specs), outputs), stop, notifier, minute, restarts
            ), None
    except SourceError as error:
        if stream is None:
            raise
        return stream.summary, error


def _run_to_its_end(
    stream: Stream,
    sinks: Sequence[SinkThread],
    progress: Generator[Any, None, None],
    stop: StopSignals,
    notifier: Notifier,
    minute: FirstMinute,
    restarts: int,
) -> RunSummary:
    from edgefer.loop.run import run

    def beat(written: int, hanging: str) -> None:
        notifier.beat(written > 0, lambda: f"{hanging} hangs" if hanging else _status(stream.health), not hanging)
        if not hanging:
            minute.beat(written)
        next(progress, None)

    gc.freeze()  # what is loaded stays: no collection need walk over it while a frame waits
    try:
        return run(stream, sinks, stop.event, beat, restarts)
    finally:
        gc.unfreeze()
        progress.close()
        notifier.stopping()


class _Starting:
    """The outputs of a run, each opened when what it needs is known."""

    def __init__(self, outputs: Sequence[Choice], sources: int, notifier: Notifier, restarts: int) -> None:
        self._left = list(outputs)
        self._sources, self._notifier, self._restarts = sources, notifier, restarts
        self._sinks: list[SinkThread] = []
        self._next_s = 0.0

    def wait(self, stream: Stream) -> None:
        """While a source is not there: those that speak to other machines are opened, and all hear that it is not."""
        hangs = any(sink.hangs for sink in self._sinks)
        self._notifier.beat(False, lambda: _status(stream.health), not hangs)
        if time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + _WAITING_S
        self._open(stream, [output for output in self._left if NETWORK in output.entry.needs])
        health = stream.health
        health.restarts = self._restarts
        for sink in self._sinks:
            sink.report(health)

    def all(self, stream: Stream) -> list[SinkThread]:
        """All of them; the stream is open. Raises UsageError, SinkError: one cannot be opened."""
        self._open(stream, list(self._left))
        return self._sinks

    def _open(self, stream: Stream, outputs: Sequence[Choice]) -> None:
        from edgefer import assemble

        self._sinks += assemble.start_sinks(
            outputs,
            labels=stream.labels,
            models=stream.models,
            units=stream.units,
            title=stream.name if self._sources == 1 else f"{self._sources} sources",
            fps=stream.fps,
            live=stream.live,
        )
        self._left = [output for output in self._left if all(output is not each for each in outputs)]

    def close(self) -> None:
        for sink in self._sinks:
            sink.begin_close()
        for sink in self._sinks:
            sink.close()


def _status(health: Health) -> str:
    """A run in a few words, for `systemctl status`."""
    if health.trouble:
        return f"{health.source}: {health.trouble}"
    if not health.frames:
        return "waiting for the first frame"
    heat = "" if health.temperature_c is None else f", {health.temperature_c:.0f} C"
    heat += ", throttled" * health.throttled + ", voltage too low" * health.under_voltage
    faces = f"{health.faces} face{'' if health.faces == 1 else 's'}"
    return f"{health.source}: {health.fps:.1f} fps, age {health.age_ms:.0f} ms, {faces}{heat}"


def _uses_terminal(outputs: Sequence[Choice]) -> bool:
    """Whether one of the outputs draws on the terminal and says there what the run amounted to."""
    return any(TERMINAL in output.entry.needs for output in outputs)


def _progress(stream: Stream, sources: int, outputs: Sequence[Choice]) -> Generator[Any, None, None]:
    """An iterator to advance with every frame of a file; draws a bar where nothing else uses the terminal."""
    on_stdout = any(STDOUT in output.entry.needs and not output.target for output in outputs)
    if stream.live or _uses_terminal(outputs) or (sys.stdout.isatty() and on_stdout):
        return (_ for _ in ())
    from edgefer.support.progress import progress_bar

    if sources > 1:
        return progress_bar(itertools.count(), f"reading {sources} sources", None)
    return progress_bar(itertools.count(), f"reading {stream.name}", stream.length)


def summary_lines(summary: RunSummary, brief: bool = False) -> list[str]:
    """What a run amounted to, in a few lines for a person; `brief` leaves out what the table has said."""
    if not summary.frames:
        return ["no frame was read"]
    share = 100 * summary.frames_with_face / summary.frames
    age = summary.age_ms
    stages = ", ".join(f"{stage} {s.p50:.2f}/{s.p95:.2f}/{s.p99:.2f}" for stage, s in summary.latency_ms.items())
    start_s = since_start_s(summary.first_reading_ns)
    lines = [
        f"{summary.dropped} dropped; age ms: p50 {age.p50:.1f}, p95 {age.p95:.1f},"
        f" max {summary.max_age_ms:.1f}; start to first reading {start_s:.2f} s"
    ]
    if not brief:
        noun = "frame" if summary.frames == 1 else "frames"
        followed = f", {summary.tracks} track(s)" if summary.photographs < summary.frames else ""
        lines = [
            f"{summary.frames} {noun} in {summary.seconds:.1f} s ({summary.fps:.1f} fps);"
            f" a face in {share:.1f} %{followed}",
            *lines,
            f"p50/p95/p99 ms: {stages}",
        ]
    if summary.reconnects:
        lines.append(f"the source was opened again {summary.reconnects} time(s)")
    return lines + _who(summary)


def _who(summary: RunSummary) -> list[str]:
    """Seconds by expression of those longest in view, and the faces of photographs by expression."""
    lines = []
    several = len({person.source for person in summary.people}) > 1
    for person in summary.people[:_PEOPLE_SHOWN]:
        whose = f"{person.source}, " if several else ""
        parts = ", ".join(f"{expression} {seconds:.1f}" for expression, seconds in person.expressions.items())
        lines.append(f"{whose}person {person.track}, {person.seconds:.1f} s: {parts}")
    more = len(summary.people[_PEOPLE_SHOWN:]) + summary.others
    if more:
        lines.append(f"and {more} more, each for at most {_longest_of_the_rest(summary):.1f} s")
    if summary.expressions:
        parts = ", ".join(f"{expression} {count}" for expression, count in summary.expressions.items())
        lines.append(f"faces in {summary.photographs} photograph(s): {parts}")
    return lines


def _longest_of_the_rest(summary: RunSummary) -> float:
    return max((person.seconds for person in summary.people[_PEOPLE_SHOWN:]), default=0.0)


def since_start_s(moment_ns: int | None) -> float:
    """From the start of this process to a time.monotonic_ns(), s; the system counts starts in 1/100 s."""
    if moment_ns is None:
        return float("nan")
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started = int(fields[19]) / 100  # USER_HZ, which is 100 wherever /proc shows it
        age_now = time.clock_gettime(time.CLOCK_BOOTTIME) - started
    except (OSError, ValueError, IndexError):
        return float("nan")
    return age_now - (time.monotonic_ns() - moment_ns) / 1e9
