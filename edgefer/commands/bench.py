"""`edgefer bench`: the stages of the loop against a profile's budget."""

from __future__ import annotations

import json
import os
import resource
from dataclasses import dataclass, field
from itertools import islice

from edgefer import config
from edgefer.commands.arguments import add_settings, add_source, settings_from, source_of, whole_number
from edgefer.commands.console import Commands
from edgefer.config.settings import limits
from edgefer.errors import SourceError
from edgefer.sources.registry import parse_source

MISSED = 1


def add_parser(commands: Commands) -> None:
    """The command's arguments."""
    parser = commands.add(
        "bench",
        "time every stage against a profile's budget; exit code 1 when it is missed",
        "bench\nbench --profile pi4\nbench --profile my.toml --source clip.mp4 --json",
        execute,
    )
    add_source(parser, "the demo's portrait, rendered beforehand")
    add_settings(parser)
    parser.add_argument(
        "--frames",
        metavar="N",
        type=whole_number(10, 100_000),
        default=600,
        help="frames that are timed (default: %(default)s)",
    )
    parser.add_argument(
        "--warm-up",
        metavar="N",
        type=whole_number(0, 100_000),
        default=60,
        help="frames before that (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def execute(args) -> int:
    """Times the loop frame by frame, without pauses and without a governor; 1 when a bound is missed."""
    from edgefer import assemble

    settings = settings_from(args)
    assemble.prepare_process(settings)
    recognizers = assemble.open_models(settings)
    source = parse_source(source_of(args, None) or "demo:forever", settings.camera).make()
    loop = assemble.make_pipeline(settings, recognizers, live=False)
    measured = _measure(loop, source.unpaced(), args.warm_up, args.frames)
    if not measured.frames:
        raise SourceError(
            f"{source.name}: expected more than the {args.warm_up} frames of the warm-up; use --warm-up 0"
        )
    verdicts = judge(settings, measured.latency_ms)
    result = {
        "profile": args.profile or config.fitting_profile(config.board_model()),
        "budget_of": settings.board,
        "measured_on": config.board_model() or "no known board",
        "load_average": round(os.getloadavg()[0], 2),
        "source": source.name,
        "size": list(measured.size),
        "model": ", ".join(recognizer.name for recognizer in recognizers),
        "frames": measured.frames,
        "faces_per_frame": round(measured.faces / measured.frames, 2),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "stages_ms": {
            stage: {part: round(getattr(spread, part), 3) for part in ("p50", "p95", "p99")}
            for stage, spread in measured.latency_ms.items()
        },
        "verdicts": verdicts,
        "passed": all(verdict["passed"] for verdict in verdicts),
    }
    print(json.dumps(result, indent=2) if args.json else _text(result))
    return 0 if result["passed"] else MISSED


def judge(settings, latency_ms) -> list[dict]:
    """Each bound of the budget with what was measured: stage, percentile, budget and measured ms, passed."""
    verdicts = []
    for stage, spread in latency_ms.items():
        bounds = limits(settings, stage)
        for part in ("p50", "p95", "p99"):
            budget, measured = getattr(bounds, part), getattr(spread, part)
            if budget is not None:
                verdicts.append(
                    {
                        "stage": stage,
                        "percentile": part,
                        "budget_ms": budget,
                        "measured_ms": round(measured, 3),
                        "passed": measured <= budget,
                    }
                )
    return verdicts


@dataclass
class _Measured:
    frames: int = 0
    faces: int = 0
    size: tuple[int, ...] = (0, 0)
    latency_ms: dict = field(default_factory=dict)


def _measure(loop, frames, warm_up: int, count: int) -> _Measured:
    """Runs the loop over an iterator of frames; the first `warm_up` are not counted."""
    from edgefer.loop.clock import StageClock
    from edgefer.support.progress import progress_bar

    for frame in islice(frames, warm_up):
        loop.process(frame)
    clock, measured = StageClock(count), _Measured()
    for frame in progress_bar(islice(frames, count), "timing frames", count):
        reading = loop.process(frame)
        # The frames come from memory or a decoder, not from a camera: their age says nothing here.
        clock.add({stage: ms for stage, ms in reading.latency_ms.items() if stage != "capture"})
        measured.frames += 1
        measured.faces += len(reading.faces)
        measured.size = frame.grey.shape[::-1]
    measured.latency_ms = clock.spread()
    return measured


def _text(result: dict) -> str:
    lines = [
        f"profile  {result['profile']} (budget of {result['budget_of'] or 'no board'};"
        f" measured on {result['measured_on']}, load {result['load_average']})",
        f"source   {result['source']}, {result['size'][0]}x{result['size'][1]}, {result['frames']} frames,"
        f" {result['faces_per_frame']} faces a frame",
        f"model    {result['model']}; peak memory {result['peak_memory_mib']} MiB",
        "",
        f"{'stage':<12}{'p50':>9}{'p95':>9}{'p99':>9}  ms",
    ]
    for stage, spread in result["stages_ms"].items():
        lines.append(f"{stage:<12}{spread['p50']:>9.3f}{spread['p95']:>9.3f}{spread['p99']:>9.3f}")
    lines.append("")
    for verdict in result["verdicts"]:
        word = "pass" if verdict["passed"] else "FAIL"
        lines.append(
            f"{word}  {verdict['stage']} {verdict['percentile']}"
            f" {verdict['measured_ms']:.2f} ms, budget {verdict['budget_ms']:g} ms"
        )
    if not result["verdicts"]:
        lines.append("the profile has no budget: nothing to pass or fail")
    return "\n".join(lines)
