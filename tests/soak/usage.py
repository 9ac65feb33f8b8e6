"""What this process holds of the system."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import NamedTuple


class Usage(NamedTuple):
    """What must not grow in a process that runs for months."""

    files: int
    threads: int
    memory_mb: float


def usage() -> Usage:
    """Open files, threads, and memory that lies in no file, MB: what programs share of libraries comes and goes."""
    files = len(os.listdir("/proc/self/fd")) - 1  # the folder itself
    try:
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
        memory = next(int(line.split()[1]) for line in lines if line.startswith("Anonymous:")) / 1000
    except (OSError, StopIteration, ValueError):  # a kernel without it
        memory = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6
    return Usage(files, threading.active_count(), memory)
