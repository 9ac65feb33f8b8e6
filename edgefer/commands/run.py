"""`edgefer run`: from a source to readings."""

from __future__ import annotations

import gc
import itertools
import logging
import signal
import sys
import time
from pathlib import Path

from edgefer import assemble as build
from edgefer.device.service import Notifier, StopSignals
from edgefer.sinks import check_outputs

log = logging.getLogger("edgefer")


def execute(args, stop: StopSignals) -> int:
    """Runs until the source ends, a limit is reached or a signal comes; 130 after an interrupt, else 0."""
    settings = build.settings_from(args)
    outputs = args.output or settings.output.sinks
    check_outputs(outputs, _source_spec(args, settings))
    summary = _run(args, settings, outputs, stop)
    interrupted = stop.received == signal.SIGINT
    if not args.quiet and not (interrupted and not summary.frames):
        for line in summary_lines(summary, brief="table" in outputs):
            print(line, file=sys.stderr)
    if interrupted:
        raise KeyboardInterrupt  # the command line says so, once
    return 1 if summary.sink_errors else 0


def _run(args, settings, outputs: list[str], stop: StopSignals):
    build.prepare_process(settings)
    recognizer = build.Background(lambda: build.open_recognizer(settings))

    from edgefer.loop import pipeline
    from edgefer.sinks import SinkThread, open_sink
    from edgefer.sources import paced

    def open_it():
        return build.open_the_source(settings, _source_spec(args, settings))

    source = open_it()
    reopen = open_it if source.live else None
    sinks = []
    try:
        if args.realtime:
            source = paced(source)
        tracker = build.open_tracker(settings)
        loop = build.make_pipeline(settings, tracker, recognizer.result(), source.live)
        for spec in outputs:
            sink = open_sink(spec, labels=loop.labels, title=source.name, fps=source.fps)
            # Frames are large: few of them may wait for the one sink that draws on them.
            capacity = 4 if sink.needs_frame else 32
            sinks.append(SinkThread(sink, capacity, drop=source.live))
    except BaseException:
        for sink in sinks:
            sink.close()
        source.close()
        raise

    notifier = Notifier()
    progress = _progress(source, outputs)

    def beat(summary) -> None:
        notifier.beat(summary.frames > 0)
        next(progress, None)

    gc.freeze()  # what is loaded stays: no collection need walk over it while a frame waits
    try:
        return pipeline.run(
            source,
            loop,
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


def _progress(source, outputs: list[str]):
    """An iterator to advance with every frame of a file; draws a bar where nothing else uses the terminal."""
    taken = source.live or "table" in outputs
    if taken or (sys.stdout.isatty() and {"jsonl", "csv"} & set(outputs)):
        return (_ for _ in ())
    from edgefer.support.progress import progress_bar

    return progress_bar(itertools.count(), f"reading {source.name}", source.length)


def _source_spec(args, settings) -> str:
    if args.source is not None:
        return args.source
    return str(settings.camera.device if args.camera is None else args.camera)


def summary_lines(summary, brief: bool = False) -> list[str]:
    """What a run amounted to, in a few lines for a person; `brief` leaves out what the table has said."""
    if not summary.frames:
        return ["no frame was read"]
    share = 100 * summary.frames_with_face / summary.frames
    age = summary.age_ms
    stages = ", ".join(
        f"{stage} {s.p50:.2f}/{s.p95:.2f}/{s.p99:.2f}" for stage, s in summary.latency_ms.items()
    )
    start_s = _since_start_s(summary.first_reading_ns)
    lines = [
        f"{summary.dropped} dropped; age ms: p50 {age.p50:.1f}, p95 {age.p95:.1f},"
        f" max {summary.max_age_ms:.1f}; start to first reading {start_s:.2f} s"
    ]
    if not brief:
        noun = "frame" if summary.frames == 1 else "frames"
        lines = [
            f"{summary.frames} {noun} in {summary.seconds:.1f} s ({summary.fps:.1f} fps);"
            f" a face in {share:.1f} %, {summary.tracks} progress_bar(s)",
            *lines,
            f"p50/p95/p99 ms: {stages}",
        ]
    if summary.reconnects:
        lines.append(f"the source was opened again {summary.reconnects} time(s)")
    return lines


def _since_start_s(moment_ns: int) -> float:
    """From the start of this process to a time.monotonic_ns(), s; the system counts starts in 1/100 s."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started = int(fields[19]) / 100  # USER_HZ, which is 100 wherever /proc shows it
        age_now = time.clock_gettime(time.CLOCK_BOOTTIME) - started
    except (OSError, ValueError, IndexError):
        return float("nan")
    return age_now - (time.monotonic_ns() - moment_ns) / 1e9
