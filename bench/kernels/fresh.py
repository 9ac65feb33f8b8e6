"""What a call without `out` costs: its time as a ratio to the same call with it, each in a fresh process.

    python bench/kernels/fresh.py

Memory that goes back to the system after each call has to be faulted in again by the next one; a process
that has freed larger arrays hides that, so each figure comes from one of its own. Exits with 1 where a ratio
passes 1.5.
"""

from __future__ import annotations

import subprocess
import sys

MOST = 1.5
OUTPUTS = {
    "sobel": "tuple(np.empty(image.shape, np.int16) for _ in range(2))",
    "laplacian": "np.empty(image.shape, np.int16)",
    "gradients": "tuple(np.empty(image.shape, np.int16) for _ in range(3))",
    "shi_tomasi": "np.empty(image.shape, np.float32)",
    "luma": "np.empty(image.shape[:2], np.uint8)",
    "crop_resize": "np.empty(image.shape, np.uint8)",
    "stack": "np.empty((*image.shape, 2), np.int8)",
}
ARGUMENTS = {
    "luma": "'bgr'",
    "crop_resize": "(0, 0, *image.shape[::-1]), image.shape",
    "stack": "(0, 0, *image.shape[::-1]), image.shape, ('grey', 'gx'), (1, 0.25), (-128, 0)",
}
PROGRAM = """
import time, numpy as np
from edgefer import kernels
image = np.zeros({shape}, np.uint8)
out = {out} if {given} else None
def times():
    for _ in range(200):
        begin = time.perf_counter_ns()
        kernels.{op}(image, {arguments} out=out)
        yield time.perf_counter_ns() - begin
print(sorted(times())[100] / 1e3)
"""


def microseconds(op: str, height: int, width: int, given: bool) -> float:
    """Median of a call."""
    arguments = ARGUMENTS.get(op, "")
    program = PROGRAM.format(
        op=op,
        shape=(height, width, 3) if op == "luma" else (height, width),
        out=OUTPUTS[op],
        given=given,
        arguments=arguments and arguments + ",",
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return float(ran.stdout)


def main() -> int:
    worst = 0.0
    print(f"{'kernel':12} {'size':9} {'with out':>9} {'without':>9}  ratio")
    for op in OUTPUTS:
        for height, width in ((480, 640), (720, 1280)):
            given, fresh = (microseconds(op, height, width, given) for given in (True, False))
            worst = max(worst, fresh / given)
            print(f"{op:12} {width}x{height:<5} {given:6.1f} us {fresh:6.1f} us  {fresh / given:.2f}")
    return int(worst > MOST)


if __name__ == "__main__":
    sys.exit(main())
