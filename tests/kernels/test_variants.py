"""Which variant of a kernel runs, what importing the kernels brings in, and memory that is not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgefer import kernels


def python(code: str, **environment: str) -> subprocess.CompletedProcess:
    """A fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}
    )


# Each operation is called, then asked of the binding which function it fetched for that call.
WHAT_RAN = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from edgefer import _kernels, kernels
from small_calls import CALLS
for op in kernels.operations():
    CALLS[op]()
    ran, variant = _kernels.last_ran()
    assert ran == op and variant == kernels.active(op), (op, ran, variant)
    print(variant)
"""


# Weakest first; x86 and ARM never meet in one process.
INSTRUCTION_SETS = ["scalar", "sse41", "avx2", "avx512bw", "avx512vnni", "neon", "neon_dotprod"]


@pytest.mark.parametrize("isa", sorted({v for op in kernels.operations() for v in kernels.variants(op)}))
def test_a_forced_variant_is_the_one_that_runs(isa):
    """An operation that lacks the forced variant runs its best one that needs less."""
    enough = INSTRUCTION_SETS[: INSTRUCTION_SETS.index(isa) + 1]
    expected = [next(v for v in kernels.variants(op) if v in enough) for op in kernels.operations()]
    ran = python(WHAT_RAN, EDGEFER_ISA=isa)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == expected


def test_without_force_the_best_variant_runs():
    best = [kernels.variants(op)[0] for op in kernels.operations()]
    assert python(WHAT_RAN, EDGEFER_ISA="").stdout.split() == best
    for op in kernels.operations():
        ranks = [INSTRUCTION_SETS.index(variant) for variant in kernels.variants(op)]
        assert ranks == sorted(ranks, reverse=True), f"{op}: the row of the best instruction set comes first"
    assert all(kernels.variants(op)[-1] == "scalar" for op in kernels.operations())


@pytest.mark.parametrize("name", ("sse9", "AVX2", "scalar ", "0"))
def test_a_false_name_fails_and_lists_the_known_ones(name):
    """At the first call of a kernel, not at import: a command can still report it as one line."""
    assert python("import edgefer.kernels", EDGEFER_ISA=name).returncode == 0
    ran = python(WHAT_RAN, EDGEFER_ISA=name)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1] == (
        f"edgefer.errors.UsageError: EDGEFER_ISA: unknown instruction set '{name}'; "
        f"known: {', '.join(INSTRUCTION_SETS)}"
    )


def test_forcing_what_the_processor_lacks_fails():
    lacking = [v for v in ("neon", "avx2") if v not in kernels.variants("sobel")]
    assert lacking, "no processor has both"
    ran = python(WHAT_RAN, EDGEFER_ISA=lacking[0])
    assert ran.returncode == 1
    assert f"EDGEFER_ISA: this processor lacks '{lacking[0]}'; it has: scalar" in ran.stderr


def test_importing_edgefer_brings_in_at_most_numpy_and_the_kernels():
    """Even once the kernels are used; OpenCV, LiteRT and the rest load in the modules that wrap them."""
    loaded = python("import sys, edgefer; edgefer.kernels.operations(); print(*sys.modules)").stdout.split()
    assert {"edgefer.kernels", "edgefer._kernels", "numpy"} <= set(loaded)
    heavy = ("cv2", "ai_edge_litert", "tflite_runtime", "rich", "msgspec", "keras", "torch", "tensorflow", "tomli")
    assert not {name.split(".")[0] for name in loaded} & set(heavy)


def test_working_memory_that_is_not_there_is_a_memory_error():
    """Eight bytes a pixel do not fit under the limit; nothing is printed, nothing aborts."""
    ran = python(
        "import resource, numpy as np\n"
        "from edgefer import kernels\n"
        "image = np.zeros((5000, 5000), np.uint8)\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), -1))\n"
        "try:\n"
        "    kernels.good_corners(image, 10, 0.1, 5)\n"
        "except MemoryError as error:\n"
        "    print(error)\n"
    )
    assert ran.stdout.startswith("good_corners: out of scratch memory: 2"), ran
    assert ran.stderr == ""
