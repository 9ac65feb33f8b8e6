"""What the system tells about the processor."""

from __future__ import annotations

import platform
from pathlib import Path


def model_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name, or the board's where an ARM kernel names only that."""
    try:
        for line in cpuinfo.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("model name", "Model"):
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
