"""bench/arm_cycles.py: the instructions that a run executed, as llvm-mca can read them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bench"))

import arm_cycles  # noqa: E402

LISTING = """
build/program:     file format elf64-littleaarch64

0000000000400ff0 <edgefer::row(unsigned char const*, long)>:
  400ff0:\tldr\tq0, [x0]
  400ff4:\tb.ne\t400ff0 <edgefer::row(unsigned char const*, long)>  // b.any
  400ff8:\ttbz\tw1, #3, 401000 <edgefer::row(unsigned char const*, long)+0x10>
  400ffc:\tadrp\tx0, 4a0000 <table+0x10>
  401000:\tbl\t401008 <done()>
  401004:\tcbnz\tx2, 400ff8 <edgefer::row(unsigned char const*, long)+0x8>

0000000000401008 <done()>:
  401008:\tmov\tv0.16b, v1.16b
  40100c:\tret
"""


def logged(*blocks: int) -> str:
    return "".join(f"Trace 0: 0x7fb484d6f780 [0000000001009331/{x:016x}/00000001/00000201] name\n" for x in blocks)


def test_branches_lose_their_target_and_calls_their_nature():
    code = arm_cycles.disassembly(LISTING)
    assert [found.text for found in code.values()] == [
        "ldr q0, [x0]",
        "b.ne #8",
        "tbz w1, #3, #8",
        "adrp x0, #4096",
        "b #8",
        "cbnz x2, #8",
        "mov v0.16b, v1.16b",
        "br x30",
    ]
    assert [found.branches for found in code.values()] == [False, True, True, False, True, True, False, True]
    assert code[0x401008].function == "done()"


def test_a_block_goes_on_to_its_branch_and_not_past_its_page():
    code = arm_cycles.disassembly(LISTING)
    log = logged(0x400FF8, 0x400FF0, 0x400FF0, 0x400FF8, 0x400FFC, 0x401000, 0x401008, 0x401004)
    assert arm_cycles.executed(log, code, 0x400FF8, 0x401004) == [
        *(0x400FF0, 0x400FF4) * 2,
        0x400FF8,
        0x400FFC,
        0x401000,
        *(0x401008, 0x40100C),
    ]
