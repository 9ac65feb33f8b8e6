"""The whole frame, from grey image to reading, compared with the pipelines people use today.

    python bench/whole_frame.py [--frames 300] [--detector D] [--model M] [--clip PATH …]
    python bench/whole_frame.py --growth [--detector D …] [--model M] [--json FILE] [--before FILE]

Every pipeline sees the same grey VGA frames in turn, one thread each, decoding left out for all; frame by
frame the order of the pipelines rotates, so that a noisy moment meets each of them alike. Ours is warmed
up on the first second, as are the others. Its first row is a run without options, which recognizes faces so many times
a second; the second recognizes every face in every frame, as the others do. Then start-up and memory are measured from
outside: a new process runs `edgefer run --source demo`, and the clock stops at its first line. The result goes to
bench/results/whole_frame.json, from which `python -m tools.readme` writes the README's table.

With --growth: how the time grows with faces and with the size of the frame. `--json` keeps the figures, `--before`
prints those of another run beside them; PYTHONPATH chooses another tree of edgefer to be measured. With
`--processor-time` the time of this thread counts, for a machine that does other things at the same time.
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
from edgefer.detect.registry import DETECTORS
from edgefer.reader.options import settings_of
from edgefer.values import Frame

sys.path.insert(0, str(ROOT / "tests"))
from portrait import as_frames, backdrop, paste  # noqa: E402

WARM_UP_FRAMES = 30
WIDTH = 640
#: Frames after which a crowd's sway begins again.
SWAY = 20
BLOCK = 60
FACES, SIZES = (1, 2, 4, 8, 12), ((640, 480), (1280, 720), (1920, 1080))


def at_vga_width(frame: Frame) -> Frame:
    if frame.grey.shape[1] != WIDTH:
        scale = WIDTH / frame.grey.shape[1]
        frame.grey = cv2.resize(frame.grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return frame


def pipelines(detector: str | None = None, model: str = defaults.MODEL) -> dict:
    """Name to a function of a frame that returns how many faces were read; ours first."""
    network, rows = recognize.open(model, threads=1), {}
    settings = settings_of(detector=detector, model=model)
    names = {settings.recognizer.rate_hz: "recognized {0:g} times a second", 0.0: "recognized in every frame"}
    for rate_hz, name in names.items():
        # as a run without further options has it, with the gate's landmarks
        ours = Parts(settings_of(detector=detector, model=model, rate_hz=rate_hz)).pipeline(None, live=False)
        rows[f"edgefer, {name.format(rate_hz)}"] = lambda frame, ours=ours: len(ours.process(frame).faces)
    if peers.CONVERTED.exists():
        haar = peers.HaarEveryFrame(peers.FloatNetwork(*peers.FLOAT_NETWORKS[peers.MINI_XCEPTION]))
        rows["Haar every frame + mini-Xception (float)"] = lambda frame: len(haar(frame.grey))
    else:
        print("no peer network: install the train extra, run `python bench/peers.py`", file=sys.stderr)
    yunet = peers.DATA / "teachers" / "face_detection_yunet_2023mar.onnx"
    if yunet.exists():
        every = peers.YuNetEveryFrame(yunet, network)
        rows[f"YuNet at 160 every frame + {model}"] = lambda frame: len(every(frame.grey))
    return rows


def measure(frames: list[Frame], rows: dict, clock=time.perf_counter) -> dict[str, dict[str, float]]:
    """Milliseconds a frame by pipeline: mean, p50, p95, p99, and the share of frames with a face."""
    names = list(rows)
    taken = {name: [] for name in names}
    seen = dict.fromkeys(names, 0)
    for count, frame in enumerate(frames):
        for name in names[count % len(names) :] + names[: count % len(names)]:
            began = clock()
            faces = rows[name](frame)
            taken[name].append((clock() - began) * 1e3)
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


def growth(detector: str, model: str, frames: int, clock=time.perf_counter) -> dict[str, list[float]]:
    """What further faces and larger frames cost: mean, p50 and p99 of a frame, ms, by detector, size and faces.

    The pipelines of one size take turns frame by frame, the sizes every BLOCK frames: a machine that slows down meets
    all of them.
    """
    parts, figures = Parts(settings_of(detector=detector, model=model)), {}
    keys = [(size, count) for size in SIZES for count in FACES]
    scenes = {(size, count): as_frames([crowd(count, i, *size) for i in range(SWAY)]) for size, count in keys}
    pipes = {key: parts.pipeline(None, live=False) for key in keys}
    taken, found = {key: [] for key in keys}, {}
    for begin in range(0, frames + WARM_UP_FRAMES, BLOCK):
        for size in SIZES:
            for index in range(begin, min(begin + BLOCK, frames + WARM_UP_FRAMES)):
                for turn in range(len(FACES)):
                    key = size, FACES[(index + turn) % len(FACES)]
                    frame = Frame(index, scenes[key][index % SWAY].grey, round(index * 1e9 / 30), 0)
                    began = clock()
                    found[key] = len(pipes[key].process(frame).faces)
                    taken[key].append((clock() - began) * 1e3)
    for (width, height), count in keys:
        key = (width, height), count
        if found[key] != count:
            print(f"{detector}, {width}x{height}: {found[key]} of {count} faces found", file=sys.stderr)
        steady = taken[key][WARM_UP_FRAMES:]
        p50, p99 = np.percentile(steady, [50, 99]).tolist()
        figures[f"{detector} {width}x{height} {count}"] = [statistics.fmean(steady), p50, p99]
    return figures


def growth_table(now: dict[str, list[float]], before: dict[str, list[float]]) -> str:
    """The figures of --growth, and those of another run beside them; a share is of the mean of one face."""

    def cells(figures: dict[str, list[float]], key: str) -> list[str]:
        if key not in figures:
            return [""] * 4
        scene, _, count = key.rpartition(" ")
        first = figures[f"{scene} 1"][0]
        further = f"{(figures[key][0] / first - 1) / (int(count) - 1):.0%}" if count != "1" else ""
        return [*(f"{value:.2f}" for value in figures[key]), further]

    columns = ["mean ms", "p50", "p99", "each further face"]
    header = ["detector", "frame", "faces", *(f"before: {name}" for name in columns if before), *columns]
    rows = [[*key.split(" "), *(cells(before, key) if before else []), *cells(now, key)] for key in now]
    lines = [table(header, rows), ""]
    for detector in dict.fromkeys(key.split(" ")[0] for key in now):
        small, large = (now[f"{detector} {width}x{height} 1"] for width, height in (SIZES[0], SIZES[-1]))
        ratios = f"{large[0] / small[0]:.2f} in the mean, {large[1] / small[1]:.2f} at p50"
        lines.append(f"{detector}: one face at {'x'.join(map(str, SIZES[-1]))} / at VGA: {ratios}")
    return "\n".join(lines)


def crowd(count: int, index: int, width: int, height: int) -> np.ndarray:
    """So many portraits in rows of four that sway a little, in a frame of that size."""
    scene, columns, lines = backdrop(), min(count, 4), -(-count // 4)
    for number in range(count):
        x = 640 * (number % columns + 0.5) / columns + 6 * (index % SWAY - 10) / 10
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
    parser.add_argument("--detector", action="append", help="with --growth it may be given again (default: the run's)")
    parser.add_argument("--model", default=defaults.MODEL, help=f"the network (default {defaults.MODEL})")
    parser.add_argument("--processor-time", action="store_true", help="time of this thread, not of the clock")
    parser.add_argument("--json", type=Path, help="with --growth: keep the figures in this file")
    parser.add_argument("--before", type=Path, help="with --growth: figures to be printed beside these")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    clock = time.thread_time if options.processor_time else time.perf_counter
    detectors = options.detector or [DETECTORS.default]
    if options.growth:
        figures = {}
        for detector in detectors:
            figures |= growth(detector, options.model, options.frames, clock)
        before = json.loads(options.before.read_text()) if options.before else {}
        print(growth_table(figures, before))
        if options.json:
            options.json.write_text(json.dumps(figures, indent=1) + "\n")
        return 0

    result = {"machine": machine(), "sources": {}}
    clips = options.clip or [str(p) for p in [peers.DATA / "videos" / "single_face.mp4"] if p.exists()]
    for spec in ["demo", *clips]:
        frames = [at_vga_width(frame) for frame in frames_of(spec, options.frames)]
        name = spec if spec == "demo" else Path(spec).name
        rows = pipelines(detectors[0], options.model)
        result["sources"][name] = {"frames": len(frames), "pipelines": measure(frames, rows, clock)}
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
