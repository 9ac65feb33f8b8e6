"""What a frame of a V4L2 camera costs, by edgefer and by OpenCV's VideoCapture, in turns on the same camera.

    python bench/device/cameras.py /dev/video0 --frames 100 --rounds 3

CPU time is this process's own, user and system, a frame: until its luma is there. Copied are the bytes written to get
there. Age is from the driver's time stamp to then. OpenCV reads in two ways: as its users do, BGR and then grey; and
raw, with our kernel for the luma, which is what edgefer did before it read cameras itself.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from edgefer.kernels import luma
from edgefer.sources.camera import nodes
from edgefer.sources.camera.offers import choose
from edgefer.sources.camera.source import Camera
from edgefer.sources.registry import CameraOptions

FORMATS = {"yuyv": "YUYV", "nv12": "NV12", "yu12": "YU12", "grey": "GREY", "mjpeg": "MJPG"}
WARM_UP = 10


class Cost(NamedTuple):
    cpu_ms: float
    copied: int
    age_ms: float


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measured(read: Callable[[], tuple[int, float]], frames: int) -> Cost:
    """The cost of a frame; `read` gives the bytes it wrote and the time stamp, s."""
    for _ in range(WARM_UP):
        read()
    ages, copied = [], 0
    began = cpu_s()
    for _ in range(frames):
        copied, stamp_s = read()
        ages.append(time.monotonic() - stamp_s)
    return Cost(1e3 * (cpu_s() - began) / frames, copied, 1e3 * statistics.median(ages))


def by_edgefer(path: str, format: str, size: tuple[int, int], fps: float, frames: int) -> Cost:
    camera = Camera(CameraOptions(device=path, format=format, size=list(size), fps=fps))

    def read() -> tuple[int, float]:
        frame = camera.read()
        view = frame.grey.base is not None and format in ("nv12", "yu12", "grey")
        return 0 if view else frame.grey.nbytes, camera.stamp_ns / 1e9

    try:
        return measured(read, frames)
    finally:
        camera.close()


def by_opencv(path: str, format: str, size: tuple[int, int], fps: float, frames: int, raw: bool) -> Cost:
    capture = cv2.VideoCapture(path, cv2.CAP_V4L2)
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*FORMATS[format]))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
    capture.set(cv2.CAP_PROP_FPS, fps)
    if raw:
        capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)

    def grey_of(image: np.ndarray) -> np.ndarray:
        if not raw:
            return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if image.ndim == 3 else image
        if format == "mjpeg":
            return cv2.imdecode(image, cv2.IMREAD_GRAYSCALE)
        return luma(image, "yuyv") if format == "yuyv" else image[: size[1]]

    def read() -> tuple[int, float]:
        received, image = capture.read()
        assert received, f"{path}: OpenCV got no frame"
        grey = grey_of(image)
        new = 0 if grey is image or grey.base is image else grey.nbytes
        return image.nbytes + new, capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3

    try:
        return measured(read, frames)
    finally:
        capture.release()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("device", nargs="?", default="/dev/video0")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, nargs=2, default=(640, 480))
    parser.add_argument("--fps", type=float, default=25)
    parser.add_argument("--formats", nargs="+", choices=list(FORMATS), default=list(FORMATS))
    args = parser.parse_args()
    size = tuple(args.size)
    device = nodes.opened(args.device)
    formats = [name for name in args.formats if choose(device.offers(), size, args.fps, FORMATS[name]) is not None]
    title = f"{device.name} ({device.driver}), {size[0]}x{size[1]}, {args.frames} frames in {args.rounds} rounds"
    device.close()
    print(f"{title}; OpenCV {cv2.__version__}, {os.cpu_count()} processors\n")
    print("| format | read by | CPU ms a frame | of OpenCV's | bytes copied | age ms |")
    print("|---|---|---|---|---|---|")
    for name in formats:
        ways: dict[str, Callable[[], Cost]] = {
            "OpenCV, BGR then grey": lambda name=name: by_opencv(args.device, name, size, args.fps, args.frames, False),
            "OpenCV, raw": lambda name=name: by_opencv(args.device, name, size, args.fps, args.frames, True),
            "edgefer": lambda name=name: by_edgefer(args.device, name, size, args.fps, args.frames),
        }
        costs: dict[str, list[Cost]] = {way: [] for way in ways}
        for _ in range(args.rounds):
            for way, run in ways.items():
                costs[way].append(run())
        usual = statistics.median(cost.cpu_ms for cost in costs["OpenCV, BGR then grey"])
        for way, each in costs.items():
            cpu, age = (statistics.median(getattr(cost, what) for cost in each) for what in ("cpu_ms", "age_ms"))
            print(f"| {FORMATS[name]} | {way} | {cpu:.2f} | {cpu / usual:.2f} | {each[0].copied:,} | {age:.1f} |")


if __name__ == "__main__":
    main()
