"""The device nodes of cameras: which one a text means, and what is wrong with it, in one line."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from edgefer.errors import SourceError, SourceStalled
from edgefer.sources.camera import uevents
from edgefer.sources.camera.device import Device
from edgefer.sources.camera.offers import Offer

#: Bayer and other raw formats begin so: what libcamera makes pictures of.
_BAYER = ("BA", "GB", "GR", "RG", "BG", "pBA", "pGA", "pgA", "pRA", "BYR", "pB", "pG", "pg", "pR")
_GONE = (errno.ENOENT, errno.ENODEV, errno.ENXIO)


def path_of(device: int | str) -> str:
    """The node that an index, or a path, stands for."""
    text = str(device)
    return f"/dev/video{int(text)}" if text.isascii() and text.isdecimal() else text


def camera_devices() -> list[str]:
    """The video device nodes that exist, by number."""
    nodes = [str(node) for node in Path("/dev").glob("video*") if node.name[5:].isdecimal()]
    return sorted(nodes, key=lambda node: int(node[len("/dev/video") :]))


def _listed() -> str:
    return ", ".join(camera_devices()) or "none"


def opened(path: str) -> Device:
    """An open device that captures pictures.

    Raises:
        SourceError: it is none. OSError: as failure() takes it.
    """
    if not stat.S_ISCHR(_mode(path)):
        raise SourceError(f"{path}: not a device; this machine has {_listed()}")
    device = Device(path)
    if not device.captures:
        device.close()
        raise SourceError(f"{path} ({device.name}): it captures no pictures; this machine has {_listed()}")
    return device


def _mode(path: str) -> int:
    return os.stat(path).st_mode


def failure(path: str, error: OSError) -> SourceError:
    """What an error of the system means for a camera, and what to do about it."""
    code = error.errno
    if code in _GONE:
        stall = SourceStalled(f"{path}: no such camera; this machine has {_listed()}")
        stall.heard = uevents.heard
        return stall
    if code in (errno.EACCES, errno.EPERM):
        return SourceError(f"{path}: no permission; add the user to the group 'video' and log in again")
    if code == errno.EBUSY:
        return SourceStalled(f"{path}: another program uses it; `fuser -v {path}` names it")
    if code == errno.ENOSPC:
        return SourceStalled(
            f"{path}: its USB bus has no bandwidth left; ask for less (format=mjpeg, a smaller size or rate), or use"
            " another port"
        )
    if code == errno.ENOMEM:
        return SourceStalled(f"{path}: no memory for its pictures; ask for a smaller size, or give the kernel cma=256M")
    if code == errno.EPIPE:
        return SourceStalled(f"{path}: its stream was reset, or its signal changed")
    if code == errno.ENOTTY:
        return SourceError(f"{path}: it captures no pictures; this machine has {_listed()}")
    return SourceStalled(f"{path}: {(error.strerror or 'it failed').lower()}; unplug it and plug it in again")


def raw_advice(offers: Iterable[Offer]) -> str:
    """What to do with a sensor whose pictures nobody has made yet; nothing where there is none."""
    if any(offer.fourcc.startswith(_BAYER) for offer in offers):
        return "; a raw sensor: read it through libcamera (--source picamera, docs/cameras.md)"
    return ""
