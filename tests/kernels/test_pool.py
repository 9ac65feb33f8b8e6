"""Memory of large results is kept for the next call: no pages are faulted in again, and little is kept."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from edgefer import kernels

pytestmark = pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="under ASan nothing is kept")

IMAGE = np.random.default_rng(0).integers(0, 256, (480, 640), dtype=np.uint8)
KEPT = 8 << 20  # bytes, at most: pool_most of csrc/python/pool.cpp
CALLS = {
    "sobel": "kernels.sobel(image)",
    "laplacian": "kernels.laplacian(image)",
    "gradients": "kernels.gradients(image)",
    "shi_tomasi": "kernels.shi_tomasi(image)",
    "luma": "kernels.luma(colours, 'bgr')",
    "crop_resize": "kernels.crop_resize(image, (0, 0, 640, 480), image.shape)",
    "stack": "kernels.stack(image, (0, 0, 640, 480), image.shape, ('grey', 'gx'), (1, 0.25), (-128, 0))",
    "fully_connected": "mlp(x)",
}


def pages_faulted(call: str, times: int, height: int, width: int) -> int:
    """By so many calls in a fresh process, once it has made a few."""
    code = f"""
import resource, numpy as np
from edgefer import kernels
image = np.random.default_rng(0).integers(0, 256, ({height}, {width}), dtype=np.uint8)
colours = np.dstack([image] * 3)
mlp = kernels.Mlp([(np.ones((64, 64), np.float32), np.ones(64, np.float32), "none")])
x = np.ones((9999, 64), np.float32)
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5): {call}
before = faults()
for _ in range({times}): {call}
print(faults() - before)
"""
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("op", CALLS)
@pytest.mark.parametrize(("height", "width"), [(480, 640), (720, 1280)], ids=["640x480", "1280x720"])
def test_a_call_without_out_faults_in_no_pages(op, height, width):
    """The smallest of these results has 75 pages."""
    assert pages_faulted(CALLS[op], 20, height, width) < 60


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def test_the_memory_of_a_result_serves_the_next_one_once_nothing_refers_to_it():
    first = kernels.laplacian(IMAGE)
    place, row, expected = address(first), first[7], first[7].copy()
    assert address(kernels.laplacian(IMAGE[::-1])) != place
    del first
    second = kernels.laplacian(IMAGE[::-1])  # the row still refers to the first
    assert address(second) != place
    np.testing.assert_array_equal(row, expected)
    del row
    assert address(kernels.laplacian(IMAGE)) == place


def test_results_are_arrays_like_any_other():
    for result in (*kernels.gradients(IMAGE), kernels.shi_tomasi(IMAGE)):
        assert type(result) is np.ndarray
        assert result.flags.c_contiguous and result.flags.writeable and result.flags.aligned
        assert address(result) % 64 == 0


RESIDENT = f"""
import os, numpy as np
from edgefer import kernels
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
image = np.zeros((480, 640), np.uint8)
before = resident()
results = [kernels.gradients(image) for _ in range(60)]
assert resident() - before > 60 * 6 * image.size * 0.9
del results
assert resident() - before < {KEPT + (4 << 20)}
kernels.crop_resize(image, (0, 0, 640, 480), (4096, 4096))
assert resident() - before < {KEPT + (4 << 20)}
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_what_is_kept_is_bounded():
    """Of a hundred megabytes, and of a result that is larger than the bound; in a process of its own."""
    ran = subprocess.run([sys.executable, "-c", RESIDENT], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
