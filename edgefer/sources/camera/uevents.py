"""Cameras that come: what the kernel and udev say of devices, heard by one thread that sleeps in between.

Reference: netlink(7), NETLINK_KOBJECT_UEVENT. udev sends a message of its own once links and permissions are set.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import threading
import weakref
from collections.abc import Callable

from edgefer.sources.camera.device import library

log = logging.getLogger(__name__)

_CAMERA, _GOES = b"SUBSYSTEM=video4linux\0", b"ACTION=remove\0"
_MOST_BYTES = 1 << 16


def comes(message: bytes) -> bool:
    """Whether an event of the kernel's, or of udev's, says that a video device came or has changed."""
    return _CAMERA in message and _GOES not in message


class Listener:
    """A thread that hears of devices and tells whoever asked."""

    def __init__(self, descriptor: int) -> None:
        """Args: descriptor: of a socket that gives events."""
        self.pid = os.getpid()
        self._socket = socket.socket(fileno=descriptor)
        self._told: list[weakref.WeakMethod] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._work, name="uevents", daemon=True).start()

    def tell(self, changed: Callable[[], None]) -> None:
        """Calls a method when a camera comes, for as long as its object lives."""
        with self._lock:
            self._told = [*(each for each in self._told if each() is not None), weakref.WeakMethod(changed)]

    def _work(self) -> None:
        while True:
            select.select([self._socket], [], [])
            try:
                message = self._socket.recv(_MOST_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:  # there was more to hear than it holds: something may have come
                log.debug("events of devices: %s", error)
                message = _CAMERA
            if comes(message):
                with self._lock:
                    told = [each() for each in self._told]
                for changed in told:
                    if changed is not None:
                        changed()


_listener: Listener | None = None
_starting = threading.Lock()


def heard(changed: Callable[[], None]) -> bool:
    """Has a method called whenever a camera comes; False where this process cannot hear of it."""
    global _listener
    with _starting:
        if _listener is None or _listener.pid != os.getpid():  # the thread does not come along into a child of fork
            descriptor = library().lib.camera_listen()
            if descriptor < 0:
                log.debug("events of devices: %s", os.strerror(-descriptor))
                return False
            _listener = Listener(descriptor)
        _listener.tell(changed)
    return True
