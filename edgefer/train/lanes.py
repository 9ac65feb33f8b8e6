"""Trainings side by side until a time: `python -m edgefer.train all NAME … --lanes 3 --minutes 11 --pack DIR`.

For a machine with an accelerator that is at hand for a while. What is named first starts first, once what it needs is
there; each run gets a part of the time that is left, by what it costs and what waits for it, and lets its rate fall
to zero by then (`--minutes` of `edgefer.train.fit`). Nothing but the epoch at hand is lost when it all is stopped:
the same command goes on. A run that fails is started once more. Of runs that are compiled alike the first goes ahead,
the others find what it compiled. Records, small weights and lessons are packed as it goes.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import io
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from edgefer.errors import UsageError
from edgefer.support.atomic import write_bytes
from edgefer.train import recipes, runs
from edgefer.train.settings import TrainingSettings

#: Rough seconds of an H200 that several runs share: to begin a run, an epoch by architecture, a view of lessons.
START_SECONDS, LESSON_SECONDS = 60.0, 1.0
EPOCH_SECONDS = {"edgefer-l": 1.1, "edgefer-s": 1.2, "edgefer-nano": 0.9}
ATTEMPTS = 2
#: Left for what is finished and packed after the last run, seconds; between two packs; largest weights, packs, bytes.
RESERVE, PACKED_EVERY, SMALL, PACK = 12.0, 30.0, 9 << 20, 15 << 20

_PDEATHSIG = 1  # PR_SET_PDEATHSIG of prctl(2)


@dataclass
class Job:
    """A run, or lessons, that is not there yet.

    Attributes:
        directory: it makes. needs: directories that must be finished first. cost: seconds, roughly.
        settings: of a run; None for lessons.
    """

    directory: str
    needs: list[str]
    cost: float
    settings: TrainingSettings | None = None

    @property
    def finished(self) -> bool:
        if self.settings is None:
            return (Path(self.directory) / "done.json").exists()
        return runs.is_made(self.directory, self.settings)

    @property
    def kind(self) -> object:
        """What is compiled for it: jobs with the same kind share it."""
        return self.settings and replace(self.settings, seed=1, start="")

    def step(self, minutes: float | None, there: Iterable[str]) -> recipes.Step:
        """Its command, with a time limit where it can keep one, and those of its teachers that are there."""
        if self.settings is None:
            step = recipes.lessons_step(self.directory)
            place = step.arguments.index("--teachers") + 1
            step.arguments[place] = ",".join(name for name in step.arguments[place].split(",") if name in there)
        else:
            step = recipes.fit_step(self.directory, self.settings)
            if len(self.settings.stages) > 1 or self.settings.stop:
                return step
        return (
            step
            if minutes is None
            else recipes.Step(step.module, [*step.arguments, "--minutes", f"{minutes:.2f}"], step.backend)
        )


def jobs(names: Iterable[str]) -> list[Job]:
    """What these models still need, in order: theirs and their teachers' runs, and lessons."""
    found: dict[str, Job] = {}
    for name, number in recipes.in_order(names):
        for directory, settings in recipes.repetition(name, number):
            if settings.lessons in recipes.LESSONS and settings.lessons not in found:
                lessons = recipes.LESSONS[settings.lessons]
                cost = START_SECONDS + LESSON_SECONDS * lessons.views
                found[settings.lessons] = Job(settings.lessons, lessons.teacher_names, cost)
            cost = START_SECONDS + settings.epochs * EPOCH_SECONDS.get(settings.architecture, 2.0)
            found[directory] = Job(directory, [n for n in settings.needed if n in found], cost, settings)
    return [job for job in found.values() if not job.finished]


def minutes_for(job: Job, waiting: Iterable[Job], left: float) -> float:
    """The part of the seconds left that a job gets, by its cost and that of the longest chain behind it; in minutes."""
    waiting = list(waiting)

    def behind(directory: str) -> float:
        return max((other.cost + behind(other.directory) for other in waiting if directory in other.needs), default=0.0)

    return max(left - RESERVE, 1.0) * job.cost / (job.cost + behind(job.directory)) / 60


def run(names: list[str], lanes: int, minutes: float | None, pack: Path | None) -> int:
    """Make what these models need, several at a time, until the time is up.

    Returns:
        Exit code: 0, or 1 where a run failed.

    Raises:
        UsageError: no lanes, or no time. KeyboardInterrupt: also where this process was told to end; the runs then have
            ended, too.
    """
    if lanes < 1:
        raise UsageError(f"--lanes: expected 1 or more, got {lanes}")
    if minutes is not None and not 0 < minutes < math.inf:
        raise UsageError(f"--minutes: expected a time above 0, got {minutes:g}")
    began, packed = time.monotonic(), 0.0
    waiting, failed, started = jobs(names), set[str](), Counter[str]()
    compiled = set[object]()
    running: dict[str, tuple[Job, subprocess.Popen[bytes]]] = {}
    environment = {
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "JAX_COMPILATION_CACHE_DIR": str(Path("jax-cache").resolve()),
        **os.environ,
    }

    def say(*words: object) -> None:
        print(f"{time.monotonic() - began:7.1f} s", *words, flush=True)

    def left() -> float:
        return float("inf") if minutes is None else 60 * minutes - (time.monotonic() - began)

    def keep() -> None:
        try:
            if pack:
                packed_files(Path("runs"), pack)
        except OSError as error:
            say(f"not packed into {pack}: {error.strerror}; the runs go on")

    say("to do:", ", ".join(job.directory for job in waiting) or "nothing")
    before = signal.signal(signal.SIGTERM, _interrupt)
    service = contextlib.ExitStack()
    try:
        shared = service.enter_context(side_by_side()) if lanes > 1 else {}
        while (waiting or running) and left() > 0:
            for job, process in list(running.values()):
                if process.poll() is None:
                    continue
                del running[job.directory]
                if not process.returncode and job.finished:
                    say("finished", job.directory, last_line(job.directory))
                    continue
                say("failed", job.directory, last_line(job.directory))
                if started[job.directory] < ATTEMPTS:
                    waiting.insert(0, job)
                else:
                    failed.add(job.directory)
            compiled |= _compiled(job for job, _ in running.values())
            compiling = {job.kind for job, _ in running.values()} - compiled - {None}
            pending = {*(job.directory for job in waiting), *running}
            for job in list(waiting):
                # lessons do without a teacher that failed; others do not start
                missing = [name for name in job.needs if name in failed]
                if missing and (job.settings is not None or len(missing) == len(job.needs)):
                    waiting.remove(job)
                    failed.add(job.directory)
                    say("left out", job.directory, "for want of", *missing)
                elif len(running) < lanes and job.kind not in compiling and not pending.intersection(job.needs):
                    waiting.remove(job)
                    limit = None if minutes is None else minutes_for(job, waiting, left())
                    step = job.step(limit, set(job.needs) - failed)
                    log = Path(job.directory).with_suffix(".log")
                    log.parent.mkdir(parents=True, exist_ok=True)
                    with log.open("ab") as file:
                        command = [sys.executable, "-m", step.module, *step.arguments]
                        # what failed beside others gets a GPU to itself while it computes
                        own = environment if started[job.directory] else {**environment, **shared}
                        process = subprocess.Popen(
                            command, stdout=file, stderr=file, env=own, preexec_fn=_end_with_parent
                        )
                    running[job.directory] = job, process
                    compiling |= {job.kind} - compiled - {None}
                    started[job.directory] += 1
                    say("started", step)
            if time.monotonic() - began - packed > PACKED_EVERY:
                packed = time.monotonic() - began
                for directory in running:
                    say("      ", directory, last_line(directory))
                keep()
            time.sleep(0.5)
    finally:
        signal.signal(signal.SIGTERM, before)
        for _, process in running.values():
            process.send_signal(signal.SIGTERM)
        for _, process in running.values():
            process.wait()
        service.close()
        keep()
        say("over; left:", ", ".join([*running, *(job.directory for job in waiting)]) or "nothing")
    return 1 if failed else 0


def _compiled(running: Iterable[Job]) -> set[object]:
    """Kinds of the runs that have an epoch on record, so that what they compute is compiled."""
    return {job.kind for job in running if (Path(job.directory) / "metrics.jsonl").exists()}


@contextlib.contextmanager
def side_by_side() -> Iterator[dict[str, str]]:
    """Inside the block programs with these settings compute on an NVIDIA GPU at the same time, not in turns.

    By the Multi-Process Service, which comes with NVIDIA's driver; there are no settings where it is not. Three runs of
    edgefer-s beside each other took an H200 5.9 ms a step with it, 8.7 ms without.
    """
    control = shutil.which("nvidia-cuda-mps-control")
    if control is None or "CUDA_MPS_PIPE_DIRECTORY" in os.environ:
        yield {}
        return
    with tempfile.TemporaryDirectory() as place:
        settings = {"CUDA_MPS_PIPE_DIRECTORY": place, "CUDA_MPS_LOG_DIRECTORY": place}

        def told(*arguments: str, words: str = "") -> bool:
            # nothing is read of what it prints: the service would keep a pipe open
            quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "timeout": 20}
            environment = {**os.environ, **settings}
            try:
                done = subprocess.run([control, *arguments], env=environment, input=words, text=True, **quiet)
            except (OSError, subprocess.TimeoutExpired):
                return False
            return done.returncode == 0

        begun = told("-d")
        try:
            yield settings if begun else {}
        finally:
            if begun:
                told(words="quit\n")


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    """In a run: Linux ends it when what started it is gone, however that ended; the same command starts it again."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGTERM)


def last_line(directory: str) -> str:
    """Where a run is: the last line of its metrics, or of its log."""
    for path in (Path(directory) / "metrics.jsonl", Path(directory).with_suffix(".log")):
        if path.exists() and (lines := path.read_text(errors="replace").strip().splitlines()):
            return lines[-1][:200]
    return ""


def packed_files(runs: Path, out: Path) -> list[Path]:
    """Records and logs, weights of small networks, and lessons, in files of PACK bytes at most.

    Returns:
        What was written: tar files whose names begin with that of the folder of the runs.
    """
    records = [*sorted(runs.glob("*/[!.]*.json*")), *sorted(runs.glob("[!.]*.log"))]
    large = {path: path.stat() for name in ("best.weights.h5", "scores.npz") for path in runs.glob(f"*/{name}")}
    groups: list[list[Path]] = [records]
    room = 0
    for path in sorted(large, key=lambda path: -large[path].st_mtime):
        size = large[path].st_size
        if size > (SMALL if path.suffix == ".h5" else PACK):
            continue
        if len(groups) == 1 or size > room:
            groups.append([])
            room = PACK
        groups[-1].append(path)
        room -= size
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for number, group in enumerate(groups):
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz" if number == 0 else "w") as file:
            for path in group:
                # read at once: what a run replaces meanwhile is the old file or the new one, whole
                told, status = path.read_bytes(), path.stat()
                entry = tarfile.TarInfo(str(path.relative_to(runs.parent)))
                entry.size, entry.mtime, entry.mode = len(told), int(status.st_mtime), status.st_mode & 0o777
                file.addfile(entry, io.BytesIO(told))
        written.append(out / (f"{runs.name}-records.tgz" if number == 0 else f"{runs.name}-{number}.tar"))
        write_bytes(written[-1], content.getvalue())
    # an earlier pack of more files would give what it holds the last word where all are unpacked
    for path in out.glob(f"{runs.name}-*.tar"):
        if path not in written and re.fullmatch(rf"{re.escape(runs.name)}-\d+\.tar", path.name):
            path.unlink()
    return written


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `all`."""
    parser.add_argument("--lanes", type=int, metavar="N", help="train N runs side by side; export none")
    parser.add_argument("--minutes", type=float, metavar="M", help="with --lanes: be done by then")
    parser.add_argument(
        "--pack", type=Path, metavar="DIR", help="with --lanes: keep records, small weights and lessons in files there"
    )
