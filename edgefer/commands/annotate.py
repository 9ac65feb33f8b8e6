"""`edgefer annotate`: films by the thousand into one table."""

from __future__ import annotations

import argparse
import math
import os
import re
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edgefer.commands import early
from edgefer.commands.arguments import add_part, add_settings, options_from, settings_from
from edgefer.commands.console import Commands, say
from edgefer.commands.run import since_start_s
from edgefer.detect.registry import DETECTORS
from edgefer.device.service import StopSignals
from edgefer.errors import INTERRUPTED, EdgeferError, SourceError
from edgefer.sources.folder import number_of
from edgefer.support.atomic import check_spared
from edgefer.support.names import shown
from edgefer.support.typed import whole_number

if TYPE_CHECKING:
    from edgefer.annotate import Job, Outcome
    from edgefer.annotate.pool import Pool

_POLL_S = 0.2


def add_parser(commands: Commands) -> None:
    """The command's arguments."""
    parser = commands.add(
        "annotate",
        "read films by the thousand into one table, and go on where it was interrupted",
        "annotate films/ --output films.csv\n"
        "annotate films/ list.txt --output films.parquet --model edgefer-s --model edgefer-nano --landmarks\n"
        "annotate - --output films.csv --jobs 4 < list.txt\n"
        "annotate films/ --output films.csv --shard 3/20",
        execute,
        more="\nThe parts, one a film, are in FILE.parts: the same command goes on from there, and FILE.parts can be "
        "deleted when\nFILE is there. With --shard each run reads its share; the same command without --shard then "
        "reads what is\nmissing and writes FILE.\n\ndetectors:\n" + DETECTORS.help() + "\n",
    )
    parser.add_argument(
        "sources",
        metavar="PATH",
        nargs="+",
        help="film or photograph; folder, which is entered with all below it; text file with a path on each line; "
        "- for such a list on standard input; a quoted pattern ('*.mkv') stands for the files it matches",
    )
    parser.add_argument(
        "--output", metavar="FILE", required=True, help="FILE.csv, or FILE.parquet with the extra parquet"
    )
    add_settings(parser, threads=False)
    add_part(parser)
    parser.add_argument("--empty", action="store_true", help="a row for a frame without a face, too")
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=whole_number(1, 1024),
        help="processes, each with one thread (default: one for each processor)",
    )
    parser.add_argument(
        "--shard", metavar="K/N", type=_shard, help="read the K-th of N shares of the films alone, as in a job array"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no summary, and errors alone")


def execute(args: argparse.Namespace) -> int:
    """Reads what is missing, then writes the output; 3 where a film could not be read whole, 130 after Ctrl-C."""
    from edgefer.annotate.output import check_output

    check_output(args.output)
    with early.begun() as pool:
        return _annotate(args, pool)


def _annotate(args: argparse.Namespace, pool: Pool) -> int:
    from edgefer.annotate import Job, find

    settings = settings_from(args)
    options = options_from(args, settings.camera)
    job = Job.of(args.output, settings, options, landmarks=args.landmarks, empty=args.empty)
    films = find(args.sources)
    check_spared(args.output, "output", [*films.lists, *films.names])
    for problem in films.problems:
        say(problem)
    if not films.names:
        raise SourceError("there is no film to read")
    names = films.names
    if args.shard is not None:
        number, count = args.shard
        names = names[number - 1 :: count]
    with StopSignals() as stop:
        outcomes = _read(job, names, pool, args.jobs or early.processors(), stop)
        pool.close()
    if stop.received is not None:
        return _stopped(stop, job, len(outcomes), len(names))
    return _finish(args, job, outcomes, len(films.problems), films.others)


def _read(job: Job, films: Sequence[str], pool: Pool, jobs: int, stop: StopSignals) -> list[Outcome]:
    """What became of each film; of some of them, where a signal came."""
    from edgefer.annotate import Outcome

    outcomes: list[Outcome] = []
    sizes: dict[str, int] = {}
    for film in films:
        before = job.finished(film)
        if before is None:
            sizes[film] = _size(film)
        else:
            outcomes.append(before)
            _tell(before)
    if not sizes:
        return outcomes
    longest_first = sorted(sizes, key=lambda film: -sizes[film])  # so that no process is left with one at the end
    pool.begin(job, longest_first, min(jobs, len(sizes)))
    with _bar(len(films), len(outcomes), sizes) as bar:
        for event in pool.events(_POLL_S):
            if isinstance(event, Outcome):
                outcomes.append(event)
                _tell(event)
                bar.finish(event.film)
            elif event is not None:
                film, (frames, length) = event
                bar.advance(film, frames / length if length else 0.0)
            if stop.event.is_set():
                break
    return outcomes


def _tell(outcome: Outcome) -> None:
    for remark in outcome.remarks:
        say(remark)


def _size(film: str) -> int:
    try:
        return os.path.getsize(film) + 1
    except OSError:
        return 1


def _stopped(stop: StopSignals, job: Job, done: int, count: int) -> int:
    """Says how to go on."""
    line = f"{done} of {count} films are done; the same command goes on with the others (parts: {shown(job.folder)})"
    if stop.received == signal.SIGINT:
        say(f"interrupted; {line}")
        return INTERRUPTED
    raise EdgeferError(f"stopped by {signal.Signals(stop.received or 0).name}; {line}")


def _finish(args: argparse.Namespace, job: Job, outcomes: Sequence[Outcome], problems: int, others: int) -> int:
    """Writes the output, where the whole was asked for, and tells what it amounts to."""
    from edgefer.annotate import join

    failed = sum(not outcome.part for outcome in outcomes) + problems
    torn = sum(bool(outcome.part) and not outcome.whole for outcome in outcomes)
    output = shown(args.output)
    if args.shard is None:
        join(outcomes, args.output)
        last = f"{sum(outcome.rows for outcome in outcomes)} faces in {output}; parts in {shown(job.folder)}"
    else:
        last = (
            f"parts in {shown(job.folder)}; when all shares are read, the same command without --shard writes {output}"
        )
    if not args.quiet:
        for line in (*_summary(outcomes, others), last):
            print(line, file=sys.stderr)
    if failed or torn:
        read = f", {torn} only in part" if torn else ""
        count = len(outcomes) + problems
        rest = "; the others were" if failed + torn < count else ""
        raise SourceError(f"{failed + torn} of {number_of(count, 'film')} could not be read whole{read}{rest}")
    return 0


def _summary(outcomes: Sequence[Outcome], others: int) -> Iterator[str]:
    new = [outcome for outcome in outcomes if not outcome.reused]
    took_s = since_start_s(time.monotonic_ns())
    frames, seconds = sum(outcome.frames for outcome in new), sum(outcome.seconds for outcome in new)
    rate = f", {seconds / took_s:.1f} times real time" if seconds and math.isfinite(took_s) else ""
    before = f" ({len(outcomes) - len(new)} more were there)" if len(new) < len(outcomes) else ""
    yield f"{number_of(len(new), 'film')}{before}, {frames} frames, {seconds:.1f} s of film in {took_s:.1f} s{rate}"
    if others:
        yield f"passed over in folders: {number_of(others, 'file')} of other kinds"


def _shard(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"0*([1-9]\d{0,8})/0*([1-9]\d{0,8})", text)
    if match and int(match[1]) <= int(match[2]):
        return int(match[1]), int(match[2])
    raise argparse.ArgumentTypeError(f"expected K/N with K from 1 to N, as in 3/20, got {text!r}")


class _Bar:
    """How many bytes of the films are read, with the time left; nothing where stderr is no terminal."""

    def __init__(self, count: int, done: int, sizes: dict[str, int], progress: Any = None) -> None:
        self._count, self._done, self._sizes, self._progress = count, done, sizes, progress
        self._total = sum(sizes.values())
        self._read = 0.0
        self._parts: dict[str, float] = {}
        self._task = None
        if progress is not None:
            self._task = progress.add_task(self._words(), total=self._total)

    def _words(self) -> str:
        return f"{self._done} of {self._count} films"

    def advance(self, film: str, part: float) -> None:
        """So much of a film is read."""
        self._parts[film] = min(part, 1.0) * self._sizes[film]
        self._show()

    def finish(self, film: str) -> None:
        """All of a film is read."""
        self._done += 1
        self._parts.pop(film, None)
        self._read += self._sizes[film]
        self._show()

    def _show(self) -> None:
        if self._progress is not None:
            done = self._read + sum(self._parts.values())
            self._progress.update(self._task, completed=done, description=self._words())


@contextmanager
def _bar(count: int, done: int, sizes: dict[str, int]) -> Iterator[_Bar]:
    if not sys.stderr.isatty():
        yield _Bar(count, done, sizes)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, speed_estimate_period=300) as progress:
        yield _Bar(count, done, sizes, progress)
