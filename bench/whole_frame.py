"""The whole frame, from grey image to reading, compared with the pipelines people use today.

    python bench/whole_frame.py [--frames 300] [--clip PATH …]

Every pipeline sees the same grey VGA frames in turn, one thread each, decoding left out for all; frame by
frame the order of the pipelines rotates, so that a noisy moment meets each of them alike. Ours is warmed
up on the first second, as are the others. Then start-up and memory are measured from outside: a new
process runs `edgefer run --source demo`, and the clock stops at its first line. The result goes to
bench/results/whole_frame.json, from which `python -m tools.readme` writes the README's table.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import peers
from common import RESULTS, ROOT, frames_of, machine, table, whole_frame_table

from edgefer import defaults, recognize
from edgefer.assemble import Parts
from edgefer.config import Settings
from edgefer.values import Frame

sys.path.insert(0, str(ROOT / "tests"))
from portrait import as_frames, backdrop, paste  # noqa: E402

WARM_UP_FRAMES = 30
WIDTH = 640
FACES, SIZES = (1, 2, 4, 8, 12), ((640, 480), (1280, 720), (1920, 1080))


def at_vga_width(frame: Frame) -> Frame:
    if frame.grey.shape[1] != WIDTH:
        scale = WIDTH / frame.grey.shape[1]
        frame.grey = cv2.resize(frame.grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return frame


def pipelines() -> dict:
    """Name to a function of a frame that returns how many faces were read."""
    ours = Parts(Settings()).pipeline(None, live=False)  # as a run without options has it, with the gate's landmarks
    rows = {"edgefer": lambda frame: len(ours.process(frame).faces)}
    if peers.CONVERTED.exists():
        haar = peers.HaarEveryFrame(peers.FloatNetwork(*peers.FLOAT_NETWORKS[peers.MINI_XCEPTION]))
        rows["Haar every frame + mini-Xception (float)"] = lambda frame: len(haar(frame.grey))
    else:
        print("no peer network: install the train extra, run `python bench/peers.py`", file=sys.stderr)
    yunet = peers.DATA / "teachers" / "face_detection_yunet_2023mar.onnx"
    if yunet.exists():
        network = recognize.open(defaults.MODEL, threads=1)
        every = peers.YuNetEveryFrame(yunet, network)
        rows[f"YuNet at 160 every frame + {defaults.MODEL}"] = lambda frame: len(every(frame.grey))
    return rows


def measure(frames: list[Frame]) -> dict[str, dict[str, float]]:
    """Milliseconds a frame by pipeline: mean, p50, p95, p99, and the share of frames with a face."""
    rows = pipelines()
    names = list(rows)
    taken = {name: [] for name in names}
    seen = dict.fromkeys(names, 0)
    for count, frame in enumerate(frames):
        for name in names[count % len(names) :] + names[: count % len(names)]:
            began = time.perf_counter()
            faces = rows[name](frame)
            taken[name].append((time.perf_counter() - began) * 1e3)
            seen[name] += faces > 0
    figures = {}
    for name in names:
        steady = taken[name][WARM_UP_FRAMES:]
        p50, p95, p99 = np.percentile(steady, [50, 95, 99])
        figures[name] = {
            "mean_ms": statistics.fmean(steady),
            "p50_ms": float(p50),
            "p95_ms": float(p95),
            "p99_ms": float(p99),
            "frames_with_face": seen[name] / len(frames),
        }
    return figures


def growth(frames: int = 150) -> str:
    """What further faces and larger frames cost: p50 and mean of a frame, ms, and the share of one more face."""
    rows = []
    for width, height in SIZES:
        p50s = {}
        for count in FACES:
            pipeline, taken = Parts(Settings()).pipeline(None, live=False), []
            for frame in as_frames([crowd(count, index, width, height) for index in range(frames + WARM_UP_FRAMES)]):
                began = time.perf_counter()
                found = len(pipeline.process(frame).faces)
                taken.append((time.perf_counter() - began) * 1e3)
            steady = taken[WARM_UP_FRAMES:]
            p50s[count] = float(np.median(steady))
            further = f"{(p50s[count] / p50s[1] - 1) / (count - 1):.0%}" if count > 1 else ""
            cells = [f"{p50s[count]:.2f}", f"{np.mean(steady):.2f}", f"{np.percentile(steady, 99):.2f}", further]
            rows.append([f"{width}x{height}", f"{count} ({found})", *cells])
    return table(["frame", "faces (found)", "p50 ms", "mean ms", "p99 ms", "each further face / the first, p50"], rows)


def crowd(count: int, index: int, width: int, height: int) -> np.ndarray:
    """So many portraits in rows of four that sway a little, in a frame of that size."""
    scene, columns, lines = backdrop(), min(count, 4), -(-count // 4)
    for number in range(count):
        x = 640 * (number % columns + 0.5) / columns + 6 * (index % 20 - 10) / 10
        scene = paste(scene, (x, 480 * (number // columns + 0.5) / lines), 92.0, mirrored=number % 2 == 1)
    scale = height / 480
    scene = cv2.resize(scene, (round(640 * scale), height), interpolation=cv2.INTER_CUBIC) if scale != 1 else scene
    side = width - scene.shape[1]
    return cv2.copyMakeBorder(scene, 0, 0, side // 2, side - side // 2, cv2.BORDER_REPLICATE) if side else scene


def start_and_memory(runs: int = 5) -> dict[str, float]:
    """Seconds from the shell to the first reading (median of runs) and the peak resident memory, MB."""
    seconds, peak_mb = [], []
    arguments = ["run", "--source", "demo", "--frames", "90", "--output", "jsonl"]
    command = [sys.executable, "-m", "edgefer", *arguments]
    for _ in range(runs):
        began = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        first = next((line for line in child.stdout if '"track"' in line), None)
        if first is None:
            raise SystemExit("whole_frame: the demo gave no reading with a face")
        seconds.append(time.perf_counter() - began)
        high = 0
        for _line in child.stdout:
            status = Path(f"/proc/{child.pid}/status").read_text()
            peak = re.search(r"VmHWM:\s+(\d+) kB", status)
            high = max(high, int(peak[1])) if peak else high
        child.wait()
        peak_mb.append(high / 1024)
    return {"first_reading_s": statistics.median(seconds), "peak_resident_mb": max(peak_mb)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=300, help="frames of each source (default 300)")
    parser.add_argument("--clip", action="append", default=[], help="a further source; may be given again")
    parser.add_argument("--growth", action="store_true", help="only how the time grows with faces and size")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    if options.growth:
        print(growth())
        return 0

    result = {"machine": machine(), "sources": {}}
    clips = options.clip or [str(p) for p in [peers.DATA / "videos" / "single_face.mp4"] if p.exists()]
    for spec in ["demo", *clips]:
        frames = [at_vga_width(frame) for frame in frames_of(spec, options.frames)]
        name = spec if spec == "demo" else Path(spec).name
        result["sources"][name] = {"frames": len(frames), "pipelines": measure(frames)}
    print(whole_frame_table(result))
    result["process"] = start_and_memory()
    print(
        f"\nstart to first reading {result['process']['first_reading_s']:.2f} s, "
        f"peak resident memory {result['process']['peak_resident_mb']:.0f} MB"
    )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "whole_frame.json").write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
