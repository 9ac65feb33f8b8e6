"""Two checkouts side by side: stages of the frame with 1, 2, 4 and 8 faces, start and memory, in alternating runs.

    python bench/compare.py /path/to/the/other/checkout [--rounds 5]

Both need a .venv with edgefer in it. Prints medians over the rounds of `edgefer bench` (p50 of each stage) and of
`edgefer run` on the demo. Exits with 1 where this checkout is slower by more than 5 % and 20 us in a stage, 20 ms in
the start, or larger by 2 MB.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2

HERE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HERE / "tests"))
from portrait import as_frames, backdrop, paste  # noqa: E402

FACES = (1, 2, 4, 8)
FRAMES, WARM_UP, SIDE_PX = 160, 40, 92.0
SLOWER, SLOWER_MS, LATER_MS, LARGER_MIB = 1.05, 0.02, 20.0, 2.0


def write_film(path: Path, faces: int) -> None:
    """Faces in two rows that sway a little, lossless, as both checkouts decode it alike."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"FFV1"), 30, (640, 480))
    scene = backdrop()
    for frame in as_frames(
        [_placed(scene, faces, index) for index in range(FRAMES + WARM_UP)]  # the noise differs in each frame
    ):
        writer.write(cv2.cvtColor(frame.grey, cv2.COLOR_GRAY2BGR))
    writer.release()


def _placed(scene, faces: int, index: int):
    columns = min(faces, 4)
    for number in range(faces):
        x = 640 * (number % columns + 0.5) / columns + 6 * (index % 20 - 10) / 10
        y = 480 * (number // columns + 0.5) / (2 if faces > 4 else 1)
        scene = paste(scene, (x, y), SIDE_PX, mirrored=number % 2 == 1)
    return scene


def edgefer(checkout: Path, *arguments: str) -> tuple[str, str, float]:
    """What a command prints on standard output and on standard error, and its peak memory, MiB."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [str(checkout / ".venv/bin/python"), "-m", "edgefer", *arguments]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(command, cwd=checkout, env=environment, stdout=out, stderr=said)
        peak_kib = 0
        while child.poll() is None:  # what getrusage tells of a child begins with the memory of its parent
            with contextlib.suppress(OSError, IndexError):
                status = Path(f"/proc/{child.pid}/status").read_text()
                peak_kib = max(peak_kib, int(re.findall(r"VmHWM:\s+(\d+)", status)[0]))
            time.sleep(0.02)
        out.seek(0), said.seek(0)
        return out.read(), said.read(), peak_kib / 1024


def measured(checkout: Path, films: dict[int, Path]) -> dict[str, float]:
    """One round: p50 by faces and stage, ms; start, ms; peak memory, MiB."""
    row: dict[str, float] = {}
    for faces, film in films.items():
        arguments = ("--source", str(film), "--frames", str(FRAMES), "--warm-up", str(WARM_UP), "--json")
        result = json.loads(edgefer(checkout, "bench", "--profile", "generic", *arguments)[0])
        assert abs(result["faces_per_frame"] - faces) < 0.1, f"{checkout}: {result['faces_per_frame']} of {faces} faces"
        row |= {f"{faces} faces, {stage} ms": spread["p50"] for stage, spread in result["stages_ms"].items()}
    _, said, row["peak memory MiB"] = edgefer(checkout, "run", "--source", "demo:3", "--output", "jsonl:/dev/null")
    row["start to first reading ms"] = 1000 * float(re.findall(r"first reading ([\d.]+) s", said)[0])
    return row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", type=Path, metavar="CHECKOUT")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        films = {faces: Path(folder) / f"{faces}.avi" for faces in FACES}
        for faces, film in films.items():
            write_film(film, faces)
        rounds = [
            {side: measured(path, films) for side, path in (("before", options.other), ("after", HERE))}
            for _ in range(options.rounds)
        ]
    worse = 0
    print(f"{'median of ' + str(options.rounds):<32}{'before':>10}{'after':>10}{'ratio':>8}")
    for name in rounds[0]["after"]:
        before, after = (statistics.median(row[side].get(name, 0.0) for row in rounds) for side in ("before", "after"))
        allowed = LARGER_MIB if "MiB" in name else LATER_MS if "start" in name else SLOWER_MS + (SLOWER - 1) * before
        bad = after - before > allowed
        worse += bad
        ratio = f"{after / before:.2f}" if before else ""
        print(f"{name:<32}{before:>10.3f}{after:>10.3f}{ratio:>8}{'  WORSE' if bad else ''}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
