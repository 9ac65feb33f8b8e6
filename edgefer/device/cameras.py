"""The cameras of this machine, as sysfs and /dev tell: none is opened, for drivers may hang then."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

#: Drivers whose video devices are no cameras: decoders and image processors of the Raspberry Pi.
_NO_CAMERAS = ("bcm2835-codec", "bcm2835-isp", "pispbe", "rpivid", "rpi-hevc-dec", "hevc")
#: Those that give raw images, which only libcamera can make pictures of.
_RAW = ("unicam", "rp1-cfe")


class CameraDevice(NamedTuple):
    """A video device.

    Attributes:
        path: its node. name: as its driver says.
        raw: whether it gives raw images.
        allowed: whether this user may open it.
        users: the other programs that have it open, as far as this user may see them.
    """

    path: str
    name: str
    raw: bool
    allowed: bool
    users: list[str]


def camera_devices(
    root: Path = Path("/sys/class/video4linux"), dev: Path = Path("/dev"), proc: Path = Path("/proc")
) -> list[CameraDevice]:
    """Video devices by number, without the second nodes that carry metadata and those that are no cameras."""
    devices = []
    for node in sorted(root.glob("video*"), key=lambda path: (len(path.name), path.name)):
        try:
            if (node / "index").read_text().strip() not in ("", "0"):
                continue
            name = (node / "name").read_text().strip()
        except OSError:
            name = "unknown"
        if not name.startswith(_NO_CAMERAS):
            path = dev / node.name
            allowed = os.access(path, os.R_OK | os.W_OK)
            devices.append(CameraDevice(str(path), name, name.startswith(_RAW), allowed, _users(path, proc)))
    return devices


def _users(path: Path, proc: Path) -> list[str]:
    """Names and numbers of the processes that have a file open."""
    users = []
    for process in proc.glob("[0-9]*"):
        try:
            links = [os.readlink(link) for link in (process / "fd").iterdir()]
            if str(path) in links and process.name != str(os.getpid()):
                users.append(f"{(process / 'comm').read_text().strip()} ({process.name})")
        except OSError:  # another user's, or just ended
            continue
    return users
