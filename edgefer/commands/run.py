"""`edgefer run`: from a source to readings."""

from __future__ import annotations

import argparse
import contextlib
import gc
import itertools
import math
import signal
import sys
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgefer.commands.arguments import add_settings, add_source, settings_from, source_of, whole_number
from edgefer.commands.console import Commands
from edgefer.detect.registry import DETECTORS
from edgefer.device.service import Notifier, StopSignals
from edgefer.sinks.registry import OUTPUTS, STDOUT, TERMINAL, check_outputs
from edgefer.sources.registry import SOURCES, parse_source
from edgefer.support.registry import Choice

if TYPE_CHECKING:
    from edgefer.config import Settings
    from edgefer.loop.run import RunSummary
    from edgefer.sources import Source


def add_parser(commands: Commands) -> None:
    """The command's arguments."""
    parser = commands.add(
        "run",
        "read expressions from a camera, a file or the demo",
        "run --camera 0\n"
        "run --source demo\n"
        "run --source clip.mp4 --output jsonl:readings.jsonl --output video:seen.mp4\n"
        "run --source clip.mp4 --realtime\n"
        "run --profile pi4 --source rtsp://camera.local/stream --output csv",
        execute,
        more="\nname[:target][,option=value] of outputs, detectors and sources:\n"
        + "\n".join(registry.help() for registry in (OUTPUTS, DETECTORS, SOURCES))
        + "\n",
    )
    add_source(parser, "the profile's camera")
    add_settings(parser)
    parser.add_argument(
        "--output",
        metavar="O",
        action="append",
        help=f"{OUTPUTS.shapes()}; see below; may be repeated (default: the profile's outputs)",
    )
    parser.add_argument(
        "--realtime",
        action="store_true",
        help="play a file at its own rate and drop frames that come too fast, as with a camera",
    )
    parser.add_argument("--frames", metavar="N", type=whole_number(1, 10**9 - 1), help="stop after N readings")
    parser.add_argument("--seconds", metavar="T", type=_seconds, help="stop T seconds after the first frame")
    parser.add_argument("-q", "--quiet", action="store_true", help="no summary, and errors alone in the log")


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if (seconds := float(text)) > 0 and math.isfinite(seconds):
            return seconds
    raise argparse.ArgumentTypeError(f"expected a number of seconds above 0, got {text!r}")


def execute(args: argparse.Namespace) -> int:
    """Runs until the source ends, a limit is reached or a signal comes; 130 after an interrupt, else 0."""
    with StopSignals() as stop:  # before the rest is loaded, which takes long enough to be interrupted
        settings = settings_from(args)
        spec = source_of(args, str(settings.camera.device)) or ""
        outputs = [OUTPUTS.parse(text) for text in args.output] if args.output else settings.outputs
        check_outputs(outputs, spec)
        summary = _run(args, settings, spec, outputs, stop)
        interrupted = stop.received == signal.SIGINT
        if not args.quiet and not (interrupted and not summary.frames):
            for line in summary_lines(summary, brief=_uses_terminal(outputs)):
                print(line, file=sys.stderr)
        stop.raise_reason()  # the command line says it, once
        return 1 if summary.sink_errors else 0


def _run(
    args: argparse.Namespace, settings: Settings, spec: str, outputs: Sequence[Choice], stop: StopSignals
) -> RunSummary:
    from edgefer import assemble

    assemble.prepare_process(settings)
    models = assemble.Background(lambda: assemble.open_models(settings))
    choice = parse_source(spec, settings.camera)

    from edgefer.loop.run import run
    from edgefer.sources import paced

    source = choice.make()
    reopen = choice.make if source.live else None
    with contextlib.ExitStack() as unless_started:
        unless_started.callback(lambda: source.close())
        if args.realtime:
            source = paced(source)
        recognizers = models.result()
        assemble.check_stills(choice, recognizers)
        pipeline = assemble.make_pipeline(settings, recognizers, source.live, outputs)
        sinks = assemble.start_sinks(outputs, pipeline, source)
        unless_started.pop_all()

    notifier = Notifier()
    progress = _progress(source, outputs)

    def beat(summary: RunSummary) -> None:
        notifier.beat(summary.frames > 0)
        next(progress, None)

    gc.freeze()  # what is loaded stays: no collection need walk over it while a frame waits
    try:
        return run(
            source,
            pipeline,
            sinks,
            realtime=args.realtime,
            stop=stop.event,
            frames=args.frames,
            seconds=args.seconds,
            reopen=reopen,
            on_beat=beat,
        )
    finally:
        gc.unfreeze()
        progress.close()
        notifier.stopping()


def _uses_terminal(outputs: Sequence[Choice]) -> bool:
    """Whether one of the outputs draws on the terminal and says there what the run amounted to."""
    return any(TERMINAL in output.entry.needs for output in outputs)


def _progress(source: Source, outputs: Sequence[Choice]) -> Generator[Any, None, None]:
    """An iterator to advance with every frame of a file; draws a bar where nothing else uses the terminal."""
    on_stdout = any(STDOUT in output.entry.needs and not output.target for output in outputs)
    if source.live or _uses_terminal(outputs) or (sys.stdout.isatty() and on_stdout):
        return (_ for _ in ())
    from edgefer.support.progress import progress_bar

    return progress_bar(itertools.count(), f"reading {source.name}", source.length)


def summary_lines(summary: RunSummary, brief: bool = False) -> list[str]:
    """What a run amounted to, in a few lines for a person; `brief` leaves out what the table has said."""
    if not summary.frames:
        return ["no frame was read"]
    share = 100 * summary.frames_with_face / summary.frames
    age = summary.age_ms
    stages = ", ".join(f"{stage} {s.p50:.2f}/{s.p95:.2f}/{s.p99:.2f}" for stage, s in summary.latency_ms.items())
    start_s = _since_start_s(summary.first_reading_ns)
    lines = [
        f"{summary.dropped} dropped; age ms: p50 {age.p50:.1f}, p95 {age.p95:.1f},"
        f" max {summary.max_age_ms:.1f}; start to first reading {start_s:.2f} s"
    ]
    if not brief:
        noun = "frame" if summary.frames == 1 else "frames"
        lines = [
            f"{summary.frames} {noun} in {summary.seconds:.1f} s ({summary.fps:.1f} fps);"
            f" a face in {share:.1f} %, {summary.tracks} track(s)",
            *lines,
            f"p50/p95/p99 ms: {stages}",
        ]
    if summary.reconnects:
        lines.append(f"the source was opened again {summary.reconnects} time(s)")
    return lines


def _since_start_s(moment_ns: int | None) -> float:
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
