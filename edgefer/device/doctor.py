"""Whether this machine is fit for edgefer: a line for each thing that a run depends on, and what to do about it."""

from __future__ import annotations

import ctypes
import os
import platform
import shlex
import shutil
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from edgefer import config, kernels
from edgefer.config import Settings
from edgefer.device import findings
from edgefer.device.cameras import CameraDevice, camera_devices
from edgefer.device.findings import Check, pip
from edgefer.device.heat import read_heat
from edgefer.errors import EdgeferError
from edgefer.support import packages
from edgefer.support.cpu import model_name, quota

#: Of Python, the first and the last that are tested.
PYTHON = (3, 10), (3, 14)
#: A run with the live table takes about 110 MB.
LEAST_MEMORY_MB = 200
LEAST_DISK_MB = 100
#: edgefer did not exist before; a board without a battery starts in 1970, or when its card was written.
FIRST_YEAR = 2025
_SYNCHRONISE = "sudo timedatectl set-ntp true"


def checks(settings: Settings) -> Iterator[Check]:
    """What the machine and the installation are like, for a run with these settings; each as soon as it is known."""
    rows: list[tuple[str, Callable[[], Iterator[Check]]]] = [
        ("system", _system),
        ("python", _python),
        ("wheel", findings.wheel),
        ("processor", lambda: _processor(settings)),
        ("frequency", findings.frequency),
        ("kernels", _kernels),
        ("packages", _packages),
        ("models", _networks),
        ("installed", _installed),
        ("extras", _extras),
        ("cameras", lambda: _cameras(camera_devices(), settings)),
        ("temperature", lambda: _temperature(settings)),
        ("supply", findings.supply),
        ("memory", _memory),
        ("disk", lambda: _disk(Path.cwd())),
        ("clock", _clock),
    ]
    for name, check in rows:
        yield from guarded(name, check)


def guarded(name: str, check: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """The lines of a check; an error within it is a line as well."""
    try:
        yield from check()
    except EdgeferError as error:
        yield Check(name, "fail", str(error))
    except Exception as error:
        yield Check(name, "fail", f"{type(error).__name__}: {error}", "please report this")


def _system() -> Iterator[Check]:
    board = config.board_model()
    words = f"{_distribution()}, {platform.system()} {platform.release()} {platform.machine()}; {board or 'no board'}"
    if struct.calcsize("P") != 8:
        yield Check("system", "fail", words, "install a 64-bit system and Python")
    else:
        yield Check("system", "ok", f"{words}; profile {config.fitting_profile(board)}")


def _distribution(path: Path = Path("/etc/os-release")) -> str:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return "unknown distribution"
    names = [line.partition("=")[2].strip('"') for line in lines if line.startswith("PRETTY_NAME=")]
    return names[0] if names else "unknown distribution"


def _python() -> Iterator[Check]:
    words = f"{platform.python_version()}, {sys.executable or 'unknown path'}"
    first, last = (".".join(map(str, version)) for version in PYTHON)
    if PYTHON[0] <= sys.version_info[:2] <= PYTHON[1]:
        yield Check("python", "ok", words)
    else:
        yield Check("python", "warn", words, f"edgefer is tested with Python {first} to {last}")


def _processor(settings: Settings) -> Iterator[Check]:
    usable, limit = len(os.sched_getaffinity(0)), quota()
    words = f"{model_name()}, {usable} of {os.cpu_count()} processors"
    if limit is not None:
        words += f", time of {limit:.3g} of them by a control group"
    wanted = settings.compute.threads
    if wanted > usable:
        yield Check("processor", "warn", words, f"the profile wants {wanted} threads; lower compute.threads")
    elif limit is not None and limit < wanted:
        yield Check("processor", "warn", words, "readings come in bursts; raise the limit (docker run --cpus)")
    else:
        yield Check("processor", "ok", words)


def _kernels() -> Iterator[Check]:
    active = {kernels.active(op) for op in kernels.operations()}  # raises where EDGEFER_ISA is wrong
    words = ", ".join(sorted(active))
    if forced := os.environ.get("EDGEFER_ISA"):
        yield Check(
            "kernels",
            "warn",
            f"{words}, by EDGEFER_ISA={forced}",
            "unset it, for the best of this processor",
            "unset EDGEFER_ISA",
        )
    elif "scalar" in active:
        yield Check("kernels", "warn", f"{words}: this processor has no AVX2", "a frame takes some times as long")
    else:
        yield Check("kernels", "ok", words)


def _packages() -> Iterator[Check]:
    runtimes = [package for package in packages.RUNTIMES if packages.version_of(package)]
    needed = [*packages.REQUIRED, *(runtimes or packages.RUNTIMES[:1])]
    versions = {package: packages.version_of(package) for package in needed}
    again = pip("--force-reinstall", "edgefer")
    for package, version in versions.items():
        if version is None or version.startswith("broken"):
            yield Check(
                "packages", "fail", f"{package.title}: {version or 'not installed'}", "install edgefer again", again
            )
    words = ", ".join(f"{package.title} {version}" for package, version in versions.items() if version)
    import cv2

    if int(cv2.__version__.split(".")[0]) != 4:
        yield Check("packages", "warn", words, "edgefer is made for OpenCV 4", pip("opencv-python-headless<5"))
    else:
        yield Check("packages", "ok", words)


def _networks() -> Iterator[Check]:
    from edgefer import recognize
    from edgefer.detect import DETECTORS, open_detector
    from edgefer.landmarks.network import open_network
    from edgefer.models import directory, runtime, slots, store
    from edgefer.models.manifest import DetectorManifest, LandmarkManifest

    names = store.available()
    openers = {
        DetectorManifest: lambda name, manifest: open_detector(DETECTORS.choose(manifest.decoding, model=name)),
        LandmarkManifest: lambda name, manifest: open_network(name),
    }
    refused = False
    for name in names:
        try:
            manifest = directory.load(store.find(name))
            openers.get(type(manifest), lambda name, manifest: recognize.open(name))(name, manifest)
        except EdgeferError as error:
            refused = True
            own = name in slots.names()
            advice = "return to the one before" if own else "install edgefer again"
            again = f"edgefer models rollback {shlex.quote(name)}" if own else pip("--force-reinstall", "edgefer")
            yield Check("models", "fail", str(error), advice, again)
    if not refused:
        yield Check("models", "ok", f"{', '.join(names)}: hashes and self-tests agree")
    if reason := runtime.slowness():
        found, _, advice = reason.partition("; ")
        hidden = runtime.hidden_files()
        yield Check("networks", "warn", found, advice, "" if hidden else pip("--force-reinstall", "ai-edge-litert"))
    else:
        yield Check("networks", "ok", f"{runtime.NAME} with XNNPACK")


def _installed() -> Iterator[Check]:
    from edgefer.models import slots

    for line, failed in slots.described():
        yield Check("installed", "warn", line, "install a mended version") if failed else Check("installed", "ok", line)


def _extras() -> Iterator[Check]:
    told: set[str] = set()  # one extra may bring several packages
    for package in packages.OPTIONAL:
        version = packages.version_of(package)
        if version is None and package.extra in told:
            continue
        told.add(package.extra)
        if version is None:
            state: Literal["ok", "warn"] = "warn" if package.extra == "film" else "ok"
            found = packages.missing(package).partition(": ")[0]
            yield Check(package.extra, state, found, "install it where it is wanted", pip(f"edgefer[{package.extra}]"))
        elif version.startswith("broken"):
            again = pip("--force-reinstall", f"edgefer[{package.extra}]")
            yield Check(package.extra, "warn", f"{package.title} is {version}", "install it again", again)
        elif package.extra == "film":
            yield from _film(version)
        else:
            yield Check(package.extra, "ok", f"{package.title} {version}")


def _film(version: str) -> Iterator[Check]:
    import av

    from edgefer.sources.media import library  # refuses a PyAV that is too old

    ffmpeg = getattr(library.av, "ffmpeg_version_info", None) or ".".join(map(str, av.library_versions["libavcodec"]))
    yield Check("film", "ok", f"PyAV {version} with FFmpeg {ffmpeg}")


def _cameras(devices: list[CameraDevice], settings: Settings) -> Iterator[Check]:
    if not devices:
        yield Check("cameras", "warn", "none", "plug one in, or read a film or stream; in a container pass /dev/video0")
    for device in devices:
        words = f"{device.path} ({device.name})"
        if not device.allowed:
            yield Check("cameras", "fail", f"{words}: no permission", *findings.joining(device.path))
        elif device.raw:
            advice = "read it through libcamera (docs/cameras.md)"
            yield Check("cameras", "warn", f"{words}: gives raw images", advice, "edgefer run --source picamera")
        elif device.users:
            used = f"{words}: used by {', '.join(device.users)}"
            yield Check("cameras", "warn", used, "end that program first", ending(device.users))
        else:
            yield findings.formats(device, settings)


def ending(users: list[str]) -> str:
    """The command that ends programs, each told as `name (number)`; the service is stopped by its manager."""
    if any(user.startswith("edgefer ") for user in users):
        return "sudo systemctl stop edgefer"
    numbers = [user.rpartition("(")[2].rstrip(")") for user in users]
    return f"kill {' '.join(numbers)}"


def _temperature(settings: Settings) -> Iterator[Check]:
    heat, limit = read_heat(), settings.governor.max_temperature_c
    words = "not told" if heat.temperature_c is None else f"{heat.temperature_c:.0f} °C"
    if heat.throttled:
        advice = "the processor is slowed down: cool it, and use a supply with enough current"
        yield Check("temperature", "warn", f"{words}, throttled", advice)
    elif heat.temperature_c is not None and heat.temperature_c > limit:
        yield Check("temperature", "warn", words, f"cool it: from {limit:g} °C the governor lowers the rates")
    else:
        yield Check("temperature", "ok", words)


def memory_mb(path: Path = Path("/proc/meminfo")) -> tuple[int, int] | None:
    """Memory that is available, and all of it; None where it is not told."""
    try:
        lines = path.read_text().splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
        return sizes["MemAvailable"] // 1024, sizes["MemTotal"] // 1024
    except (OSError, ValueError, IndexError, KeyError):
        return None


def _memory() -> Iterator[Check]:
    sizes = memory_mb()
    if sizes is None:
        yield Check("memory", "ok", "not told")
        return
    words = f"{sizes[0]} of {sizes[1]} MiB available"
    if sizes[0] < LEAST_MEMORY_MB:
        yield Check("memory", "warn", words, f"end other programs: a run takes up to {LEAST_MEMORY_MB} MiB")
    else:
        yield Check("memory", "ok", words)


def _disk(folder: Path) -> Iterator[Check]:
    free = shutil.disk_usage(folder).free >> 20
    words = f"{free} MiB free in {folder}"
    if free < LEAST_DISK_MB:
        advice = "make room for outputs, or give size= and keep= to those that grow"
        yield Check("disk", "warn", words, advice, f"du -xh {shlex.quote(str(folder))} | sort -h | tail")
    elif read_only(folder):
        command = f"sudo mount -o remount,rw {shlex.quote(str(_mount_of(folder)))}"
        yield Check("disk", "warn", f"{words}, which is read-only", "look for errors of the disk in `dmesg`", command)
    elif not os.access(folder, os.W_OK):
        yield Check("disk", "warn", f"{words}, which may not be written", "give outputs a path elsewhere")
    else:
        yield Check("disk", "ok", words)


def read_only(folder: Path) -> bool:
    """Whether the disk of a folder is read-only."""
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def _mount_of(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.is_mount())


def _clock() -> Iterator[Check]:
    now, synchronised = time.gmtime(), clock_is_synchronised()
    words = time.strftime("%Y-%m-%d %H:%M:%S UTC", now)
    if now.tm_year < FIRST_YEAR:
        yield Check("clock", "warn", words, "set it: readings would carry this time", _SYNCHRONISE)
    elif synchronised is False:
        advice = "readings may carry a wrong time; `timedatectl` shows more"
        yield Check("clock", "warn", f"{words}, not known to be synchronised", advice, _SYNCHRONISE)
    else:
        yield Check("clock", "ok", words + (", synchronised" if synchronised else ""))


def clock_is_synchronised() -> bool | None:
    """Whether the kernel's clock is kept right by a time service; None where it does not tell.

    Reference: adjtimex(2): without modes it changes nothing, and gives TIME_ERROR (5) where it is not.
    """
    try:
        answer = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))
    except (OSError, AttributeError):
        return None
    return None if answer < 0 else answer != 5
