"""Instructions a pixel of every kernel here, counted by callgrind: the same figure twice, whatever else runs.

    python bench/instructions.py [--save]

Beside them the bytes that a call has to read and write, so that a time can be held against what the memory
and the arithmetic allow. Valgrind knows no AVX-512; AVX2 and less are counted. Needs g++, make and valgrind.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from common import RESULTS, ROOT, instruction_table, machine

PROGRAM = ROOT / "build" / "instructions"
RESULT = RESULTS / "instructions.json"
VARIANTS = ("scalar", "sse41", "avx2")
NO_SUCH_VARIANT = 3  # exit status of arm_cycles.cpp

# What is run (arm_cycles.cpp knows how), the unit that counts, how many rows of 640 pixels (or of the crop,
# points or outputs), and the bytes read and written for one unit.
WORKS = {
    "sobel": ("pixel", 480, 5),
    "laplacian": ("pixel", 480, 3),
    "gradients": ("pixel", 480, 7),
    "shi_tomasi": ("pixel", 480, 5),
    "shi_tomasi, block 7": ("pixel", 480, 5),
    "flow": ("point", 24, None),
    "luma yuyv": ("pixel", 480, 3),
    "luma bgr": ("pixel", 480, 4),
    "crop_resize 200 to 64": ("pixel", 64, 200 * 200 / 64**2 + 1),
    "crop_resize 32 to 64": ("pixel", 64, 32 * 32 / 64**2 + 1),
    "stack 200 to 64": ("pixel", 64, 200 * 200 / 64**2 + 4),
    "fully_connected": ("multiply-add", 256, 4),
    "fully_connected_int8": ("multiply-add", 256, 1),
}


def built() -> Path:
    """The program that runs one kernel once, for this machine."""
    subprocess.run(["make", "--silent", "build/libedgefer.a"], cwd=ROOT, check=True)
    command = ["g++", "-O2", "-std=c++17", "-Icsrc", "bench/arm_cycles.cpp", "build/libedgefer.a", "-o"]
    subprocess.run([*command, PROGRAM], cwd=ROOT, check=True)
    return PROGRAM


def counted(program: Path, work: str, variant: str) -> float | None:
    """Instructions of one unit of work; None where there is no such variant."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*measured*"]
    done = subprocess.run([*command, program, work, variant, str(WORKS[work][1])], capture_output=True, text=True)
    if done.returncode == NO_SUCH_VARIANT:
        return None
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not collected:
        raise SystemExit(f"instructions: {work}, {variant}: {done.stderr.strip().splitlines()[-1]}")
    return int(collected[1]) / int(done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--save", action="store_true", help=f"write {RESULT.relative_to(ROOT)}")
    options = parser.parse_args()
    for name in ("valgrind", "g++", "make"):
        if not shutil.which(name):
            raise SystemExit(f"instructions: no {name}; install {name}")
    program = built()
    works = {}
    for work, (unit, _, moved) in WORKS.items():
        counts = {variant: counted(program, work, variant) for variant in VARIANTS}
        found = {variant: count for variant, count in counts.items() if count is not None}
        works[work] = {"unit": unit, "bytes": moved, "instructions": found}
    result = {"machine": machine(), "works": works}
    print(instruction_table(result))
    if options.save:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
