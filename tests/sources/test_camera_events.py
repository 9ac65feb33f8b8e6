"""Events of devices, over a socket of the test's own in place of the kernel's."""

from __future__ import annotations

import socket
import threading

import pytest

from edgefer.sources.camera import uevents

KERNEL = b"add@/devices/usb1/video4linux/video0\0ACTION=add\0SUBSYSTEM=video4linux\0DEVNAME=video0\0SEQNUM=9\0"
UDEV = b"libudev\0\xfe\xed\xca\xfe(\0\0\0ACTION=add\0SUBSYSTEM=video4linux\0DEVLINKS=/dev/v4l/by-id/usb-cam\0"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (KERNEL, True),
        (UDEV, True),
        (KERNEL.replace(b"=add", b"=change"), True),
        (KERNEL.replace(b"=add", b"=remove"), False),
        (b"add@/devices/usb1/1-1\0ACTION=add\0SUBSYSTEM=usb\0", False),
        (b"", False),
    ],
    ids=["kernel", "udev", "change", "remove", "another device", "nothing"],
)
def test_only_what_brings_a_camera_counts(message, expected):
    assert uevents.comes(message) is expected


class Waiting:
    def __init__(self) -> None:
        self.rung = threading.Event()

    def ring(self) -> None:
        self.rung.set()


@pytest.fixture
def system():
    """A listener, and the end into which the system speaks."""
    heard, system = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.setblocking(False)
    yield uevents.Listener(heard.detach()), system
    system.close()


def test_whoever_waits_is_told_and_whoever_is_gone_is_forgotten(system):
    listener, kernel = system
    stays, goes = Waiting(), Waiting()
    listener.tell(stays.ring)
    listener.tell(goes.ring)
    del goes
    kernel.send(KERNEL.replace(b"=add", b"=remove"))
    kernel.send(UDEV)
    assert stays.rung.wait(10)
    listener.tell(stays.ring)
    assert len(listener._told) == 2


def test_a_process_that_may_not_listen_asks_in_pauses(monkeypatch):
    lib = type("Lib", (), {"camera_listen": lambda self: -97})()
    monkeypatch.setattr(uevents, "library", lambda: type("Module", (), {"lib": lib})())
    monkeypatch.setattr(uevents, "_listener", None)
    assert uevents.heard(Waiting().ring) is False


def test_this_machine_can_be_listened_to(monkeypatch):
    """The socket opens without any right; that a camera comes shows on the virtual device."""
    pytest.importorskip("edgefer.sources.camera._v4l2", reason="edgefer was built without its V4L2 module")
    monkeypatch.setattr(uevents, "_listener", None)
    waiting = Waiting()
    assert uevents.heard(waiting.ring) and uevents.heard(waiting.ring)
