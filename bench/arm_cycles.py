"""Cycles per pixel of the ARM kernels as llvm-mca forecasts them: NEON beside the compiler's scalar code.

    python bench/arm_cycles.py [--save] [WORK ...]
    python bench/arm_cycles.py --hot shi_tomasi neon

There is no ARM processor in it. Each kernel is cross-compiled with the flags of setup.py and runs once on a
short image under qemu, which logs what it executes; llvm-mca schedules that very sequence for a processor. So
the figure counts all loops of a kernel, each as often as it runs, with what lies between them, and no loop
has to be found in the assembly. A run on a few rows more executes N instructions more; the last N of it are
scheduled, which leaves out what comes before the first row. llvm-mca assumes that every access hits the
first-level cache and every branch is foreseen.

LLVM schedules for cortex-a76 by the tables of cortex-a57, as it does for cortex-a72. neoverse-n1 is the A76
core in its server form and has tables of its own from LLVM 16 on: the better forecast for a Raspberry Pi 5.

--hot lists what runs most often instead. Needs g++-aarch64-linux-gnu, qemu-user-static and llvm-19 (or llvm).
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import common

BUILD = common.ROOT / "build" / "arm_cycles"
RESULT = common.RESULTS / "arm_cycles.json"
COMPILER = os.environ.get("CXX_ARM", "aarch64-linux-gnu-g++")
OBJDUMP = COMPILER.replace("g++", "objdump")
FLAGS = ["-O3", "-std=c++17", "-Wall", "-Wextra", "-ffp-contract=off", "-fPIC", "-fvisibility=hidden", "-Icsrc"]

# What is run (arm_cycles.cpp knows how), the unit that counts, and the heights of the shorter and longer run.
WORKS = {
    "sobel": ("pixel", 16, 48),
    "laplacian": ("pixel", 16, 48),
    "laplacian, aperture 3": ("pixel", 16, 48),
    "gradients": ("pixel", 16, 48),
    "shi_tomasi": ("pixel", 5, 9),
    "shi_tomasi, block 7": ("pixel", 9, 13),
    "flow": ("point", 2, 4),
    "luma yuyv": ("pixel", 1, 9),
    "luma bgr": ("pixel", 1, 5),
    "crop_resize 200 to 64": ("pixel", 4, 8),
    "crop_resize 32 to 64": ("pixel", 4, 16),
    "stack 200 to 64": ("pixel", 4, 8),
    "fully_connected": ("multiply-add", 8, 40),
    "fully_connected_int8": ("multiply-add", 8, 40),
}
VARIANTS = ("scalar", "neon", "neon_dotprod")
CPUS = ("cortex-a72", "cortex-a76", "neoverse-n1")
LACK_DOTPROD = ("cortex-a72",)
NO_SUCH_VARIANT = 3  # exit status of arm_cycles.cpp


def tool(*names: str) -> str:
    """The first of the named programs that is installed."""
    for name in names:
        if shutil.which(name):
            return name
    packages = "g++-aarch64-linux-gnu, qemu-user-static and llvm-19 (or llvm)"
    raise SystemExit(f"arm_cycles: found none of {', '.join(names)}; install {packages}")


def output(command: list, **options) -> str:
    done = subprocess.run(list(map(str, command)), cwd=common.ROOT, capture_output=True, text=True, **options)
    if done.returncode:
        raise SystemExit(f"arm_cycles: {command[0]} failed ({done.returncode}): {done.stderr.strip()[-2000:]}")
    return done.stdout


# ------------------------------------------------------------------------------------------- building


def built() -> Path:
    """The program of arm_cycles.cpp, linked with every kernel and no Python."""
    compiler = [tool("ccache"), COMPILER] if shutil.which("ccache") else [COMPILER]
    tool(COMPILER)
    BUILD.mkdir(parents=True, exist_ok=True)
    sources = [path for path in sorted((common.ROOT / "csrc").glob("*/*.cpp")) if path.parent.name != "python"]
    sources.append(common.ROOT / "bench" / "arm_cycles.cpp")
    newest_header = max(path.stat().st_mtime for path in (common.ROOT / "csrc").glob("*/*.h"))

    def compiled(source: Path) -> Path:
        target = BUILD / f"{source.parent.name}_{source.stem}.o"
        if not target.exists() or target.stat().st_mtime <= max(newest_header, source.stat().st_mtime):
            output([*compiler, *FLAGS, "-c", source, "-o", target])
        return target

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compiled, sources))
    program = BUILD / "arm_cycles"
    output([COMPILER, "-static", *objects, "-o", program])
    return program


# ------------------------------------------------------------------------------------------- what is executed


class Instruction(NamedTuple):
    function: str
    text: str  # as llvm-mca takes it
    branches: bool


Code = dict[int, Instruction]  # by address


def disassembly(listing: str) -> Code:
    """The instructions in objdump's listing.

    The target of a branch becomes a short distance, as an absolute address means nothing to llvm-mca. Calls
    and returns become plain branches: it would charge 100 cycles for a call that it cannot see into.
    """
    code: Code = {}
    function = ""
    for line in listing.splitlines():
        if header := re.fullmatch(r"[0-9a-f]+ <(.*)>:", line):
            function = header[1]
        elif found := re.match(r"\s*([0-9a-f]+):\t(\S+)\s*(.*)", line):
            name, operands = found[2], re.sub(r"\s*(//|<).*", "", found[3]).strip()
            direct = re.fullmatch(r"b|b\..*|bl|cbn?z|tbn?z", name) is not None
            if direct or name in ("adr", "adrp"):
                operands = re.sub(r"[0-9a-f]+$", "#4096" if name == "adrp" else "#8", operands)
            text = {"bl": "b #8", "blr": f"br {operands}", "ret": "br x30"}.get(name, f"{name} {operands}")
            code[int(found[1], 16)] = Instruction(function, text.strip(), direct or name in ("br", "blr", "ret"))
    return code


def executed(log: str, code: Code, begin: int, end: int) -> list[int]:
    """The addresses executed between two of them, from qemu's log of the blocks that it entered.

    A block goes on to the first branch, or to the end of a page of 4096 bytes.
    """
    blocks = [int(address, 16) for address in re.findall(r"^Trace \d+: \S+ \[[^/]*/([0-9a-f]+)/", log, re.M)]
    start = blocks.index(begin) + 1
    addresses = []
    for address in blocks[start : blocks.index(end, start)]:
        addresses.append(address)
        while not code[address].branches and (address + 4) % 4096:
            address += 4
            addresses.append(address)
    return addresses


class Program:
    def __init__(self, path: Path):
        self.path = path
        self.code = disassembly(output([OBJDUMP, "-d", "--no-show-raw-insn", "-C", path]))
        first = {found.function: address for address, found in reversed(self.code.items())}
        self.marks = first["arm_cycles_begin"], first["arm_cycles_end"]
        self.qemu = tool("qemu-aarch64-static", "qemu-aarch64")

    def run(self, work: str, variant: str, rows: int) -> tuple[int, list[int]]:
        """Units of work done and the addresses executed; no units where there is no such variant."""
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "log"
            # The C library would use SVE where it is to be had.
            command = [self.qemu, "-cpu", "cortex-a76", "-d", "exec,nochain", "-D", log, self.path]
            done = subprocess.run([*command, work, variant, str(rows)], capture_output=True, text=True)
            if done.returncode == NO_SUCH_VARIANT:
                return 0, []
            if done.returncode:
                raise SystemExit(f"arm_cycles: {work}, {variant}: {done.stderr.strip() or done.returncode}")
            return int(done.stdout), executed(log.read_text(), self.code, *self.marks)

    def steady(self, work: str, variant: str) -> tuple[int, list[int]]:
        """Units and addresses of the rows that the longer run has more."""
        _, low, high = WORKS[work]
        units_low, short = self.run(work, variant, low)
        units_high, long = self.run(work, variant, high)
        return units_high - units_low, long[len(short) - len(long) :]


# ------------------------------------------------------------------------------------------- what it costs


@functools.cache
def mca() -> str:
    """The newest llvm-mca."""
    return tool(*(f"llvm-mca-{version}" for version in range(40, 13, -1)), "llvm-mca")


def cycles(instructions: list[str], cpu: str) -> int:
    """Total cycles of the sequence, executed once; kept in the build folder, for it takes seconds."""
    options = ["-iterations=1", "-instruction-info=0", "-resource-pressure=0"]
    command = [mca(), "-mtriple=aarch64", f"-mcpu={cpu}", "-mattr=+dotprod", *options]
    text = "\n".join(instructions) + "\n"
    kept = BUILD / "cycles" / hashlib.sha256(f"{command}\n{text}".encode()).hexdigest()
    if not kept.exists():
        total = re.search(r"^Total Cycles:\s+(\d+)", output(command, input=text), re.M)[1]
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(total)
    return int(kept.read_text())


def measured(program: Program, work: str, variant: str) -> dict | None:
    """Instructions and cycles for one unit of work, on every processor that has the variant."""
    units, addresses = program.steady(work, variant)
    if not units:
        return None
    instructions = [program.code[address].text for address in addresses]
    cpus = [cpu for cpu in CPUS if variant != "neon_dotprod" or cpu not in LACK_DOTPROD]
    return {
        "instructions": len(instructions) / units,
        "cycles": {cpu: cycles(instructions, cpu) / units for cpu in cpus},
    }


def measure(works: list[str]) -> dict:
    program = Program(built())
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        cases = [(work, variant) for work in works for variant in VARIANTS]
        entries = dict(zip(cases, pool.map(lambda case: measured(program, *case), cases), strict=True))
    version = re.search(r"LLVM version \S+", output([mca(), "--version"]))
    return {
        "compiler": output([COMPILER, "--version"]).splitlines()[0],
        "llvm": version[0] if version else "unknown",
        "commit": common.machine()["commit"],
        "works": {
            work: {
                "unit": WORKS[work][0],
                "variants": {variant: found for variant in VARIANTS if (found := entries[work, variant])},
            }
            for work in works
        },
    }


def figure(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def table(result: dict) -> str:
    """A cell is the cycles of a variant, and how many times fewer they are than scalar's."""
    rows = []
    for work, entry in result["works"].items():
        variants = entry["variants"]
        for variant, found in variants.items():
            cells = []
            for cpu in CPUS:
                if cpu not in found["cycles"]:
                    cells.append("")
                    continue
                here, scalar = found["cycles"][cpu], variants["scalar"]["cycles"][cpu]
                cells.append(figure(here) + (f" ({scalar / here:.1f}x)" if variant != "scalar" else ""))
            rows.append([work, entry["unit"], variant, figure(found["instructions"]), *cells])
    header = ["kernel", "per", "variant", "instructions", *(f"cycles, {cpu}" for cpu in CPUS)]
    return common.table(header, rows)


def hot(program: Program, work: str, variant: str) -> str:
    """The instructions that run once in 64 units or make up 1 %, with how often they run in 1000 units."""
    units, addresses = program.steady(work, variant)
    counts = Counter(addresses)
    lines = []
    last_function, last_address = "", 0
    for address in sorted(counts):
        if counts[address] < min(units / 64, len(addresses) / 100):
            continue
        function, instruction, _ = program.code[address]
        if function != last_function:
            lines.append(f"\n{function}")
        elif address != last_address + 4:
            lines.append("")
        lines.append(f"{1000 * counts[address] / units:10.1f}  {instruction}")
        last_function, last_address = function, address
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Cycles per pixel of the ARM kernels by llvm-mca.")
    parser.add_argument("works", nargs="*", metavar="WORK", help=f"one of: {', '.join(WORKS)}; all when left out")
    parser.add_argument("--save", action="store_true", help=f"write {RESULT.relative_to(common.ROOT)}")
    parser.add_argument("--hot", nargs=2, metavar=("WORK", "VARIANT"), help="list what runs most often")
    options = parser.parse_args()
    works = options.works or list(WORKS)
    for work in [*works, *(options.hot or [])[:1]]:
        if work not in WORKS:
            parser.error(f"unknown work {work!r}; known are: {', '.join(WORKS)}")
    if options.hot:
        print(hot(Program(built()), *options.hot))
        return 0
    result = measure(works)
    print(table(result))
    print(f"{result['compiler']}; {result['llvm']}")
    if options.save:
        if options.works:
            parser.error("--save wants every work, so name none")
        RESULT.write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
