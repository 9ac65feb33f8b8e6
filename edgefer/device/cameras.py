"""The cameras of this machine, as sysfs and /dev tell, and what each offers."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import NamedTuple

from edgefer.errors import SourceError
from edgefer.sources.camera import nodes
from edgefer.sources.camera.formats import PREFERENCE
from edgefer.sources.camera.offers import Mode, choose, described

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
        link: the path that names this camera wherever it is plugged in, or else its socket; empty where there is none.
    """

    path: str
    name: str
    raw: bool
    allowed: bool
    users: list[str]
    link: str = ""


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
            raw = name.startswith(_RAW)
            devices.append(CameraDevice(str(path), name, raw, allowed, _users(path, proc), _link(path, dev)))
    return devices


class Offered(NamedTuple):
    """What a camera says of itself.

    Attributes:
        formats: in one line, or why there are none. usable: whether one of them is read.
        closest: what comes closest to the wish that was told; None without one.
    """

    formats: str
    usable: bool
    closest: Mode | None = None


def offered(path: str, wish: tuple[tuple[int, int], float] | None = None, timeout_s: float = 3.0) -> Offered:
    """Asks a camera for its formats, on a thread of its own: drivers may hang. One that streams may be asked too.

    Args:
        wish: size and frames a second, to know what comes closest to them.
    """
    answer: list[Offered] = []

    def ask() -> None:
        try:
            device = nodes.opened(path)
            try:
                offers = device.offers()
                usable = any(offer.fourcc in PREFERENCE for offer in offers)
                closest = choose(offers, *wish) if wish and usable else None
                answer.append(Offered(described(offers, readable=usable) + nodes.raw_advice(offers), usable, closest))
            finally:
                device.close()
        except OSError as error:
            answer.append(Offered(_reason(path, nodes.failure(path, error)), False))
        except SourceError as error:
            answer.append(Offered(_reason(path, error), False))

    thread = threading.Thread(target=ask, name="formats", daemon=True)
    thread.start()
    thread.join(timeout_s)
    return answer[0] if answer else Offered(f"no answer for {timeout_s:g} s; its driver hangs", False)


def _reason(path: str, error: SourceError) -> str:
    return str(error).removeprefix(f"{path}: ")


def _link(path: Path, dev: Path) -> str:
    """The name that udev gave a node by what it is, else by where it is plugged in."""
    for folder in ("by-id", "by-path"):
        for link in sorted((dev / "v4l" / folder).glob("*")):
            if os.path.realpath(link) == os.path.realpath(path):
                return str(link)
    return ""


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
