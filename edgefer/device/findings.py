"""A line of the doctor's page, and what it looks at of the machine: wheel, frequency, supply, formats of cameras."""

from __future__ import annotations

import getpass
import grp
import importlib.metadata
import os
import platform
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from edgefer.config import Settings
from edgefer.device import heat
from edgefer.device.cameras import CameraDevice, offered
from edgefer.sources.camera.offers import meets
from edgefer.support import packages

#: Frequency governors that choose by themselves under this name what others call "powersave".
_ACTIVE_DRIVERS = ("intel_pstate", "amd-pstate-epp", "amd_pstate_epp")


class Check(NamedTuple):
    """One line of the page.

    Attributes:
        name: what was looked at.
        state: "fail" where a run cannot work, "warn" where it is slower or less than it could be.
        found: what is there.
        advice: what to do; empty where nothing need be done.
        command: that does it, for a shell; empty where none can, as where a cable is to be changed.
    """

    name: str
    state: Literal["ok", "warn", "fail"]
    found: str
    advice: str = ""
    command: str = ""


def pip(*what: str) -> str:
    """The command that installs something into the Python of this process."""
    return shlex.join([sys.executable or "python3", "-m", "pip", "install", *what])


def wheel() -> Iterator[Check]:
    """Whether what is installed was made for this Python and processor, and fits the NumPy beside it."""
    try:
        distribution = importlib.metadata.distribution("edgefer")
    except importlib.metadata.PackageNotFoundError:
        yield Check("wheel", "warn", "run from a folder, not installed", "install it", pip("edgefer"))
        return
    tags = [line[5:] for line in (distribution.read_text("WHEEL") or "").splitlines() if line.startswith("Tag: ")]
    words = f"edgefer {distribution.version}{f', {tags[0]}' if tags else ''}"
    again = pip("--force-reinstall", "edgefer")
    unfit = [tag for tag in tags if not fits(tag)]
    if tags and len(unfit) == len(tags):
        here = f"cp{sys.version_info[0]}{sys.version_info[1]} on {platform.machine()}"
        yield Check(
            "wheel", "fail", f"{words}: made for another Python or processor than {here}", "reinstall it", again
        )
        return
    numpy = packages.version_of(packages.REQUIRED[0]) or ""
    old_runtime = packages.version_of(packages.RUNTIMES[1]) and not packages.version_of(packages.RUNTIMES[0])
    if old_runtime and not numpy.startswith("1."):
        found = f"{words}: tflite-runtime is made for NumPy 1, and NumPy {numpy} is installed"
        yield Check("wheel", "fail", found, "use the NumPy that it is made for", pip("numpy<2"))
    else:
        yield Check("wheel", "ok", f"{words}, NumPy {numpy}")


def fits(tag: str) -> bool:
    """Whether a wheel's tag, as cp311-cp311-manylinux_2_28_aarch64, is for this Python and this processor."""
    python, _, platforms = tag.split("-", 2) if tag.count("-") >= 2 else ("", "", tag)
    version = f"{sys.version_info[0]}{sys.version_info[1]}"
    pythons = [each for each in python.split(".") if each in (f"cp{version}", f"py{version}", "py3", f"py{version[0]}")]
    places = [each for each in platforms.split(".") if each == "any" or each.endswith(platform.machine())]
    return bool(pythons and places)


def frequency(root: Path = Path("/sys/devices/system/cpu")) -> Iterator[Check]:
    """Whether the kernel may run the processors as fast as they can."""
    slow, capped, names = [], [], set()
    for folder in sorted(root.glob("cpu[0-9]*/cpufreq")):
        values = {name: _read(folder / name) for name in ("scaling_governor", "scaling_driver")}
        limits = [_read(folder / name) for name in ("scaling_max_freq", "cpuinfo_max_freq")]
        names.add(values["scaling_governor"])
        if values["scaling_governor"] == "powersave" and values["scaling_driver"] not in _ACTIVE_DRIVERS:
            slow.append(folder.parent.name)
        if all(each.isdecimal() for each in limits) and int(limits[0]) < int(limits[1]):
            capped.append(folder.parent.name)
    words = f"governor {', '.join(sorted(names - {''}))}" if names - {""} else "not told"
    if slow:
        found = f"{words}: {', '.join(slow)} at the lowest frequency"
        command = f"echo schedutil | sudo tee {root}/cpu*/cpufreq/scaling_governor"
        yield Check("frequency", "warn", found, "let the kernel raise it", command)
    elif capped:
        found = f"{words}: {', '.join(capped)} held below what the processor can"
        command = f'for f in {root}/cpu*/cpufreq; do sudo cp "$f/cpuinfo_max_freq" "$f/scaling_max_freq"; done'
        yield Check("frequency", "warn", found, "lift the limit", command)
    else:
        yield Check("frequency", "ok", words)


def supply(root: Path = Path("/sys")) -> Iterator[Check]:
    """Whether the voltage suffices, now and since the start."""
    advice = "use the board's own supply, a short cable and a hub with a supply of its own for what it feeds"
    slowed, weak = heat.since_start(root)
    if heat.read_heat(root).under_voltage:
        yield Check("supply", "warn", "the voltage is too low, and the processor is slowed down for it", advice)
    elif weak:
        yield Check("supply", "warn", "the voltage was too low at times since the start", advice)
    elif slowed:
        yield Check("supply", "warn", "the processor was slowed down at times since the start", "cool it")
    else:
        yield Check("supply", "ok", "enough, as far as it is told")


def joining(path: str) -> tuple[str, str]:
    """What lets this user open a device, and the command that does it."""
    try:
        group = grp.getgrgid(os.stat(path).st_gid).gr_name
    except (OSError, KeyError):
        group = "video"
    group = "video" if group == "root" else group
    return f"add the user to the group '{group}' and log in again", f"sudo usermod -aG {group} {shlex.quote(_user())}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "USER"


def formats(device: CameraDevice, settings: Settings) -> Check:
    """What a camera offers compared with what the profile asks of it; no picture is taken."""
    wanted = settings.camera
    size, fps = (wanted.size[0], wanted.size[1]), wanted.fps
    words = f"{device.path} ({device.name})" + (f", {device.link}" if device.link else "")
    answer = offered(device.path, (size, fps))
    if not answer.usable:
        advice = "unplug it and plug it in again; if that does not help, edgefer reads none of its formats"
        return Check("cameras", "warn", f"{words}: {answer.formats}", advice, f"v4l2-ctl -d {device.path} --all")
    if answer.closest is not None and not meets(answer.closest, size, fps):
        advice = f"the profile asks for {size[0]}x{size[1]} at {fps:g}: set size and fps in [camera] to what it offers"
        return Check("cameras", "warn", f"{words}: gives {answer.closest}; it offers {answer.formats}", advice)
    return Check("cameras", "ok", f"{words}: {answer.formats}")


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
