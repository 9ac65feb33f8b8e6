"""How much memory is free, as the system tells it."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path


def available_bytes() -> int | None:
    """What may still be used: the least of free memory, the control group's limit and the process's own.

    None where nothing says.
    """
    bounds: list[int] = []
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                bounds.append(int(line.split()[1]) * 1024)
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        most = (group / "memory.max").read_text().strip()
        if most != "max":
            bounds.append(max(0, int(most) - int((group / "memory.current").read_text())))
    with contextlib.suppress(OSError, ValueError, IndexError):
        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        if soft != resource.RLIM_INFINITY:
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            bounds.append(max(0, soft - used))
    return min(bounds, default=None)
