"""Decoding a film to luma, compared with OpenCV's reader, side by side; and how soon a film gives its first reading.

    python bench/films.py [--rounds 5]

Each round reads every film once by either way, turn and turn about; a row has the median time a frame and the median
of the rounds' ratios. Processor time counts all threads.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import av
import cv2
import numpy as np
from common import machine, table

from edgefer.kernels import luma
from edgefer.sources import open_source
from edgefer.sources.demo import Demo

FRAMES = 60
FILMS = {
    "640x480 H.264": ((640, 480), "libx264", "yuv420p", {"crf": "23", "preset": "medium"}),
    "1920x1080 H.264": ((1920, 1080), "libx264", "yuv420p", {"crf": "23", "preset": "medium"}),
    "1920x1080 HEVC, 10 bits": ((1920, 1080), "libx265", "yuv420p10le", {"crf": "25", "x265-params": "log-level=none"}),
    "640x480 MJPEG": ((640, 480), "mjpeg", "yuvj420p", {"qscale": "3"}),
}


def write(path: Path, size: tuple[int, int], codec: str, pix_fmt: str, options: dict[str, str]) -> None:
    """The demo's moving face, with a sensor's grain."""
    demo, rng = Demo(), np.random.default_rng(1)
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        for index in range(FRAMES):
            image = cv2.resize(demo.render(index).bgr(), size, interpolation=cv2.INTER_CUBIC)
            grain = rng.normal(0, 3, (size[1] // 2, size[0] // 2, 1)).repeat(2, 0).repeat(2, 1)
            noisy = np.clip(image + grain, 0, 255).astype(np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(noisy, format="bgr24")))
        output.mux(stream.encode())


def by_edgefer(path: str) -> int:
    """Frames of the film, as `edgefer run` takes them."""
    with open_source(path) as source:
        return sum(frame.grey is not None for frame in source.unpaced())


def by_opencv(path: str) -> int:
    """Frames by OpenCV's reader, made grey by the faster of OpenCV and our kernel, which are equal."""
    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
    frames = 0
    while True:
        read, image = capture.read()
        if not read:
            return frames
        luma(image, "bgr")
        frames += 1


def timed(read: Callable[[str], int], path: str) -> tuple[float, float]:
    """Wall and processor time a frame, ms."""
    wall, processor = time.perf_counter(), time.process_time()
    frames = read(path)
    assert frames == FRAMES, f"{read.__name__} read {frames} of {FRAMES} frames of {path}"
    return 1e3 * (time.perf_counter() - wall) / frames, 1e3 * (time.process_time() - processor) / frames


_FIRST = """
import sys
from pathlib import Path
from edgefer.commands.console import main
code = main()
print("most", Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0], file=sys.stderr)
sys.exit(code)
"""


def first_reading(path: str, frames: int) -> tuple[float, float]:
    """Seconds from the start of the command to its first reading, and its greatest resident memory, MB."""
    options = ["--source", path, "--frames", str(frames), "--output", "jsonl:/dev/null"]
    done = subprocess.run([sys.executable, "-c", _FIRST, "run", *options], capture_output=True, text=True, check=True)
    first, most = re.search(r"first reading ([0-9.]+) s", done.stderr), re.search(r"most (\d+)", done.stderr)
    assert first and most, done.stderr
    return float(first[1]), int(most[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for index, (name, film) in enumerate(FILMS.items()):
            path = f"{folder}/{index}.{'avi' if film[1] == 'mjpeg' else 'mp4'}"
            try:
                write(Path(path), *film)
            except ValueError:
                print(f"{name}: this PyAV has no encoder {film[1]}", file=sys.stderr)
                continue
            times = [(timed(by_edgefer, path), timed(by_opencv, path)) for _ in range(rounds + 1)][1:]
            ours, theirs = (np.array([pair[side] for pair in times]) for side in (0, 1))
            ratios = np.median(ours / theirs, axis=0)
            cells = [f"{value:.2f}" for value in chain(np.median(ours, axis=0), np.median(theirs, axis=0), ratios)]
            rows.append([name, cells[0], cells[2], cells[4], cells[1], cells[3], cells[5]])
        first = {
            name: [first_reading(f"{folder}/{n}.mp4", 60) for _ in range(5)] for n, name in enumerate(FILMS) if n < 2
        }
    print(
        ", ".join(f"{key} {value}" for key, value in machine().items()),
        f"av {av.__version__}, OpenCV {cv2.__version__}",
    )
    header = ["film", "ours, ms", "OpenCV, ms", "ratio", "ours, CPU ms", "OpenCV, CPU ms", "ratio"]
    print(table(header, rows))
    print()
    for name, pairs in first.items():
        seconds, megabytes = np.median(pairs, axis=0)
        print(f"{name}: {seconds:.2f} s from the start to the first reading; {megabytes:.0f} MB resident at most")


if __name__ == "__main__":
    main()
