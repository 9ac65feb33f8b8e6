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


def quota(own: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """The processors' worth of time that control groups leave this process, as `docker run --cpus` sets it.

    Returns:
        None where there is no limit, or none that can be read.
    """
    limits = []
    try:
        groups = [line.split(":", 2)[1:] for line in own.read_text().splitlines()]
    except (OSError, ValueError):
        groups = []
    for controllers, path in [*groups, ("", "/")]:
        names = controllers.split(",")
        # Version 2 has one tree without a name, version 1 one for each controller.
        tree = root / ("cpu" if "cpu" in names else "")
        if controllers and "cpu" not in names:
            continue
        folder = tree / path.lstrip("/")
        for each in (folder, *folder.parents):
            limits += _limit(each)
            if each == root:
                break
    return min(limits, default=None)


def _limit(group: Path) -> list[float]:
    """The limit of one control group, in either version's form."""
    try:
        if (group / "cpu.max").is_file():
            allowed, period = (group / "cpu.max").read_text().split()[:2]
        else:
            allowed = (group / "cpu.cfs_quota_us").read_text().strip()
            period = (group / "cpu.cfs_period_us").read_text().strip()
        return [int(allowed) / int(period)] if int(allowed) > 0 else []
    except (OSError, ValueError, ZeroDivisionError):  # ValueError: "max", which is no limit
        return []
