"""Damaged films and photographs through `edgefer run`: no crash, no hang, no traceback, and one line at most.

    python tests/fuzz/damaged_files.py [--cases 200] [--kinds mp4,png] [--seed 1]

Of each kind a small whole file is written; then so many copies cut off at a random place, and so many with random
bytes changed. They are read in processes of their own, a batch each. Exit status 1 when one behaves badly; those
files are kept.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "sources")]

KINDS = ("mp4", "mkv", "avi", "ts", "jpg", "png")
DAMAGES = ("cut", "flip")
BATCH = 25
#: A file that takes longer than this hangs; on an idle machine the longest takes a second.
SECONDS_A_FILE = 30.0

# What Python says is taken file by file. Descriptor 2 stays one for the batch: loading a model diverts it for a while.
_READER = """
import io, json, sys, time
from edgefer.commands.console import main
for path in sys.argv[1:]:
    sys.stderr, kept = io.StringIO(), sys.stderr
    began = time.monotonic()
    code = main(["run", "-q", "--source", path, "--output", f"jsonl:{path}.jsonl"])
    seconds = time.monotonic() - began
    said, sys.stderr = sys.stderr.getvalue(), kept
    print(json.dumps([path, code, said, seconds]), flush=True)
"""


@dataclass
class Outcome:
    """What came of one file: exit code (negative after a signal, None where it hung), stderr, seconds, readings."""

    path: Path
    code: int | None
    said: str
    seconds: float

    @property
    def readings(self) -> int:
        output = Path(f"{self.path}.jsonl")
        return len(output.read_bytes().splitlines()) if output.exists() else 0

    def fault(self) -> str:
        """What is wrong with it; empty where nothing is."""
        if self.code is None:
            return f"hung for {self.seconds:.0f} s"
        if self.code < 0:
            return f"died of signal {-self.code}"
        if self.code not in (0, 3):
            return f"exit code {self.code}: {self.said.strip()}"
        if "Traceback" in self.said or len(self.said.splitlines()) != (1 if self.code else 0):
            return f"exit code {self.code} with {self.said!r}"
        return ""


def write_whole(kind: str, folder: Path) -> Path:
    """A small whole file of a kind: two seconds with sound where ffmpeg is there, or a photograph."""
    import cv2
    import numpy as np
    from films import write_film

    rng = np.random.default_rng(4)
    texture = cv2.GaussianBlur(rng.integers(0, 256, (96, 128, 3), dtype=np.uint8), (0, 0), 1.5)
    path = folder / f"whole.{kind}"
    if kind in ("jpg", "png"):
        cv2.imwrite(str(path), texture)
    elif ffmpeg := shutil.which("ffmpeg"):
        inputs = ["-f", "lavfi", "-i", "testsrc2=s=128x96:r=25:d=2,noise=alls=8", "-f", "lavfi", "-i", "sine=d=2"]
        codecs = {"avi": "-c:v mjpeg -c:a mp2", "mkv": "-c:v libx264 -g 12 -c:a aac"}
        words = codecs.get(kind, "-c:v libx264 -g 12 -c:a aac -movflags +faststart").split()
        subprocess.run([ffmpeg, "-v", "error", "-y", *inputs, *words, str(path)], check=True)
    else:
        images = [np.roll(texture, 3 * index, axis=1) for index in range(50)]
        write_film(path, images, "mjpeg" if kind == "avi" else "mpeg4", "yuvj420p" if kind == "avi" else "yuv420p")
    return path


def damaged(data: bytes, damage: str, rng: random.Random) -> bytes:
    """A copy that is cut off, or in which 1 to 20 bytes are others."""
    if damage == "cut":
        return data[: rng.randrange(1, len(data))]
    copy = bytearray(data)
    # half of them in what describes the file rather than in the pictures
    reach = len(copy) if rng.random() < 0.5 else min(len(copy), 2000)
    for _ in range(rng.randint(1, 20)):
        copy[rng.randrange(reach)] ^= rng.randint(1, 255)
    return bytes(copy)


def read_all(paths: list[Path], folder: Path) -> list[Outcome]:
    """Every file through the command line, a process for a batch; a process that fails costs its file alone."""
    outcomes: list[Outcome] = []
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    while len(outcomes) < len(paths):
        batch = [str(path) for path in paths[len(outcomes) : len(outcomes) + BATCH]]
        began = time.monotonic()
        with open(folder / "stderr", "w+b") as noise:
            reader = subprocess.Popen(
                [sys.executable, "-c", _READER, *batch], stdout=subprocess.PIPE, stderr=noise, env=environment
            )
            code = None
            try:
                output, _ = reader.communicate(timeout=SECONDS_A_FILE * 2 + 4 * len(batch))
                code = reader.returncode
            except subprocess.TimeoutExpired:
                reader.kill()
                output, _ = reader.communicate()
            noise.seek(0)
            heard = noise.read().decode(errors="replace")
        done = [json.loads(line) for line in output.splitlines()]
        outcomes += [Outcome(Path(path), status, said, seconds) for path, status, said, seconds in done]
        if len(done) < len(batch):
            outcomes.append(Outcome(Path(batch[len(done)]), code, heard, time.monotonic() - began))
        elif heard:  # of a native library: which file it was about is not known
            outcomes[-1].said += heard
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=200, help="of each kind and damage (default: %(default)s)")
    parser.add_argument("--kinds", default=",".join(KINDS), help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="edgefer-damaged-"))
    faults = 0
    print(f"{'kind':6}{'damage':8}{'files':>6}{'read':>6}{'in part':>9}{'refused':>9}{'faults':>8}{'longest':>9}")
    for kind in args.kinds.split(","):
        data = write_whole(kind, folder).read_bytes()
        for damage in DAMAGES:
            rng = random.Random(f"{kind} {damage} {args.seed}")
            paths = []
            for number in range(args.cases):
                paths.append(folder / f"{damage}{number:04d}.{kind}")
                paths[-1].write_bytes(damaged(data, damage, rng))
            outcomes = read_all(paths, folder)
            wrong = [outcome for outcome in outcomes if outcome.fault()]
            whole = sum(outcome.code == 0 for outcome in outcomes)
            part = sum(outcome.code == 3 and outcome.readings > 0 for outcome in outcomes)
            refused = sum(outcome.code == 3 and outcome.readings == 0 for outcome in outcomes)
            longest = max(outcome.seconds for outcome in outcomes)
            counts = f"{len(outcomes):6}{whole:6}{part:9}{refused:9}{len(wrong):8}{longest:8.2f}s"
            print(f"{kind:6}{damage:8}{counts}", flush=True)
            for outcome in wrong:
                print(f"  {outcome.path}: {outcome.fault()}", flush=True)
            faults += len(wrong)
            keep = {outcome.path for outcome in wrong}
            for path in paths:
                Path(f"{path}.jsonl").unlink(missing_ok=True)
                if path not in keep:
                    path.unlink()
    if not faults:
        shutil.rmtree(folder)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
