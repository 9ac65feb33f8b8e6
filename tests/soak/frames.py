"""Frames by the million, as fast as they go: faces come and leave, the camera is lost, outputs fail and come back.

    python tests/soak/frames.py --frames 1000000

What a service does for months in minutes or hours: the whole way of a frame with the default model, its outputs on
their threads. It exits with 1 where memory grows or the slowest frames get slower. Ctrl-C ends it with what there is.
"""

from __future__ import annotations

import argparse
import errno
import gc
import logging
import math
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

import cv2
import numpy as np
from msgspec import Struct
from usage import usage

from edgefer import assemble
from edgefer.config import load_profile
from edgefer.device.service import StopSignals
from edgefer.errors import SinkStalled
from edgefer.loop.readings import Readings
from edgefer.loop.run import run
from edgefer.loop.summary import SUMMARY_FRAMES
from edgefer.sinks import OUTPUTS, Sink, SinkThread, start_sink
from edgefer.sources.base import NS_PER_S, Source
from edgefer.sources.demo import FPS, Demo
from edgefer.values import Frame, Health, Reading

#: Bounds: MB per 100,000 frames after the warm-up, and p99 of the last tenth compared with the first.
SLOPE_MB, SLOWER = 0.1, 1.1
#: A shorter run cannot tell them from noise: it may grow by so much, and its p99 is told without a verdict.
WHOLE, GROWTH_MB = 500_000, 2.0
#: Part of the run that is warm-up, and frames that are in any case: statistics are kept of the last so many.
WARM_UP, WARM_UP_FRAMES = 0.1, 1.1 * SUMMARY_FRAMES
_SAMPLE_FRAMES = 500
#: Frames between two losses of the camera, and between two failures of an output.
_LOSS_FRAMES, _FLAP_FRAMES = 20_000, 3_000


class Scenes:
    """Grey pictures, made once: a face that moves, two faces, nobody; each scene to and fro."""

    def __init__(self) -> None:
        demo = Demo(None)
        single = [demo.render(index).grey for index in range(80)]
        small = [cv2.resize(picture, (320, 480), interpolation=cv2.INTER_AREA) for picture in single[::2]]
        double = [np.hstack([each, cv2.flip(each, 1)]) for each in small]
        empty = [np.ascontiguousarray(cv2.GaussianBlur(picture, (0, 0), 40)) for picture in single[:10]]
        noise = np.random.default_rng(0).integers(0, 5, (len(empty), 480, 640), dtype=np.uint8)
        empty = [picture + grain for picture, grain in zip(empty, noise, strict=True)]
        self._script = [
            picture
            for scene, length in ((single, 240), (empty, 90), (double, 160), (empty, 60))
            for picture in (scene[_to_and_fro(index, len(scene))] for index in range(length))
        ]

    def picture(self, index: int) -> np.ndarray:
        return self._script[index % len(self._script)]


def _to_and_fro(index: int, length: int) -> int:
    place = index % (2 * length - 2)
    return place if place < length else 2 * length - 2 - place


class FastCamera(Source):
    """A live source that has its next picture ready as soon as the last one was read; it is lost now and then."""

    live = True
    name = "soak"
    size = (640, 480)

    def __init__(self, scenes: Scenes, taken: threading.Semaphore, begin: int = 0) -> None:
        """Args: taken: released when a picture was read. begin: index in the scenes."""
        self._scenes, self._taken, self._begin = scenes, taken, begin
        self.index = 0
        self._over = threading.Event()

    def read(self) -> Frame | None:
        while not self._taken.acquire(timeout=0.1):
            if self._over.is_set():
                return None
        if self.index and not (self._begin + self.index) % _LOSS_FRAMES:
            self.index += 1
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        frame = Frame(
            self.index,
            self._scenes.picture(self._begin + self.index),
            self.index * NS_PER_S // FPS,
            time.monotonic_ns(),
        )
        self.index += 1
        return frame

    def interrupt(self) -> None:
        self._over.set()

    def close(self) -> None:
        self._over.set()


class Flapping(Sink):
    """An output like a broker: away now and then, and slow now and then."""

    name = "flapping"

    def __init__(self) -> None:
        self.written = self.failed = 0

    def write(self, reading: Reading, frame: Frame | None = None) -> None:
        phase = reading.frame // _FLAP_FRAMES % 4
        if phase == 1:
            self.failed += 1
            raise SinkStalled("flapping: away")
        if phase == 3:
            time.sleep(0.005)
        self.written += 1

    def report(self, health: Health) -> None:
        pass


class Result(Struct):
    """What was measured; times in ms, by the wall and by the processor of the loop's thread."""

    frames: int
    seconds: float
    losses: int
    tracks: int
    with_face: float
    slope_mb: float
    memory_mb: tuple[float, float]
    files: tuple[int, int]
    threads: tuple[int, int]
    wall_p99: tuple[float, float]
    cpu_p99: tuple[float, float]


def soak(frames: int, folder: Path, stop: threading.Event | None = None) -> Result:
    """Runs so many frames, or until it is told to stop; the outputs lie in a folder."""
    settings = load_profile("generic")
    assemble.prepare_process(settings)
    recognizers = assemble.open_models(settings)
    pipeline = assemble.make_pipeline(settings, recognizers, live=True)
    scenes, taken = Scenes(), threading.Semaphore(1)
    current = [FastCamera(scenes, taken)]
    begins = [0]

    def reopen() -> FastCamera:
        begins[0] += current[0].index
        current[0] = FastCamera(scenes, taken, begins[0])
        taken.release()
        return current[0]

    readings = Readings(current[0], pipeline, frames=frames, reopen=reopen, endless=True)
    away = folder / "away"
    away.mkdir()
    options = {"labels": pipeline.labels, "title": "soak", "fps": None, "drop": True, "models": {}}
    flapping = Flapping()
    sinks = [
        start_sink(OUTPUTS.parse(f"jsonl:{folder}/readings.jsonl,size=5MB,keep=2"), **options),
        start_sink(OUTPUTS.parse(f"csv:{away}/readings.csv,size=1MB,keep=1"), **options),
        SinkThread(flapping),
    ]
    # written now, or the pages of what is kept here would be taken for growth
    wall, cpu = np.full(frames, np.nan, np.float32), np.full(frames, np.nan, np.float32)
    samples = np.full((frames // _SAMPLE_FRAMES + 2, 4), -1.0)
    last_cpu_ns, count = [time.thread_time_ns()], [0]

    def beat(written: int, hanging: str) -> None:
        now_ns = time.thread_time_ns()
        if written > count[0]:
            wall[written - 1] = last.latency_ms["total"] if (last := readings_last()) else 0.0
            cpu[written - 1] = (now_ns - last_cpu_ns[0]) / 1e6
            count[0] = written
            taken.release()
            if not written % _SAMPLE_FRAMES:
                held = usage()
                samples[written // _SAMPLE_FRAMES] = written, held.memory_mb, held.files, held.threads
            if not written % _FLAP_FRAMES:  # a disk that is gone, and back
                shutil.rmtree(away) if written // _FLAP_FRAMES % 2 else away.mkdir(exist_ok=True)
            if not written % max(10_000, frames // 50):
                print(f"{written} frames, {usage().memory_mb:.1f} MB", file=sys.stderr, flush=True)
        last_cpu_ns[0] = time.thread_time_ns()

    def readings_last() -> Reading | None:
        return readings._tally.last

    gc.freeze()
    began_s = time.monotonic()
    summary = run(readings, sinks, stop, on_beat=beat)
    frames = summary.frames
    seconds = time.monotonic() - began_s
    gc.unfreeze()
    samples = samples[samples[:, 0] > 0]
    warm = samples[samples[:, 0] > max(WARM_UP * frames, min(WARM_UP_FRAMES, 0.8 * frames))]
    slope = float(np.polyfit(warm[:, 0] / 1e5, warm[:, 1], 1)[0]) if len(warm) > 2 else math.nan
    tenth = max(1, frames // 10)
    parts = slice(0, tenth), slice(frames - tenth, frames)
    least, most = samples[len(samples) // 10 :, 2:].min(axis=0), samples[len(samples) // 10 :, 2:].max(axis=0)
    return Result(
        frames,
        seconds,
        summary.reconnects,
        summary.tracks,
        summary.frames_with_face / max(1, frames),
        slope,
        (float(warm[:1, 1].sum()), float(warm[-1:, 1].sum())),
        (int(least[0]), int(most[0])),
        (int(least[1]), int(most[1])),
        tuple(float(np.percentile(wall[part], 99)) for part in parts),
        tuple(float(np.percentile(cpu[part], 99)) for part in parts),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=1_000_000)
    args = parser.parse_args()
    logging.disable(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, StopSignals() as stop:
        result = soak(args.frames, Path(folder), stop.event)
    print(
        f"{result.frames} frames in {result.seconds:.0f} s; a face in {100 * result.with_face:.0f} %, {result.tracks}"
        f" tracks; the camera was lost {result.losses} times"
    )
    print(f"memory: {result.slope_mb:+.3f} MB per 100,000 frames after the warm-up ({result.memory_mb})")
    print(f"open files: {result.files}, threads: {result.threads} (least, most)")
    for name, (first, last) in (("wall", result.wall_p99), ("processor", result.cpu_p99)):
        print(f"p99 of a frame, {name}: {first:.2f} ms in the first tenth, {last:.2f} in the last: {last / first:.3f}")
    fine = result.files[1] - result.files[0] <= 3
    if result.frames < WHOLE:
        fine = fine and result.memory_mb[1] - result.memory_mb[0] <= GROWTH_MB
    else:
        ratios = [last / first for first, last in (result.wall_p99, result.cpu_p99)]
        fine = fine and result.slope_mb <= SLOPE_MB and min(ratios) <= SLOWER  # the wall's is others' as well
    print("within bounds" if fine else "a bound is broken")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
