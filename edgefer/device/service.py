"""Being a good service: a clean stop on a signal, and readiness and watchdog messages for systemd."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from edgefer.errors import EdgeferError

#: Between two lines of status, s.
STATUS_S = 2.0
#: A service that is not ready yet, as where it waits for its camera, may take so much longer from each of these on, s.
_EXTEND_S = 30
#: A stop that takes longer may be forced by another Ctrl-C.
PATIENCE_S = 5.0
#: What asks a run to stop: a person, the system, a terminal that is gone, the limit on processor time.
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU)


def is_ignored(number: int) -> bool:
    """Whether whoever started this process had it ignore a signal, as nohup and a shell's `&` do."""
    return signal.getsignal(number) == signal.SIG_IGN


class StopSignals:
    """STOPPING signals set an event instead of ending the process, for the length of a block.

    One that is ignored when the block begins stays ignored. Further ones change nothing while what is open
    is being closed; a SIGINT that comes more than PATIENCE_S after the first raises KeyboardInterrupt, for
    then something is stuck. Outside of the main thread, which alone gets signals, only the event is there.

    Attributes:
        event: set by the first signal.
        received: that signal's number, or None.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        self.received: int | None = None
        self._first_s = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in STOPPING:
                if not is_ignored(number):
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def raise_reason(self) -> None:
        """For after the block: what a signal means to the caller, which is nothing for one that asks politely.

        Raises:
            KeyboardInterrupt: Ctrl-C. EdgeferError: the limit on processor time.
        """
        if self.received == signal.SIGINT:
            raise KeyboardInterrupt
        if self.received == signal.SIGXCPU:
            raise EdgeferError("the limit on processor time (ulimit -t) is reached; all that was read is written")

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            # After a Ctrl-C more of them are ignored, until the caller decides that they count again.
            ignored = number == self.received == signal.SIGINT
            signal.signal(number, signal.SIG_IGN if ignored else handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is None:
            self.received = number
            self.event.set()
            self._first_s = time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - self._first_s > PATIENCE_S:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            raise KeyboardInterrupt


class Notifier:
    """Tells systemd that the service is ready, alive and stopping; does nothing where nobody listens.

    Reference: sd_notify(3): datagrams of NAME=value to the socket named by NOTIFY_SOCKET.
    """

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        self._ready = False
        self._beat_s = 0.0
        self._next_beat = self._next_status = 0.0
        with contextlib.suppress(ValueError):
            if os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid()):
                self._beat_s = int(os.environ.get("WATCHDOG_USEC", "0")) / 1e6 / 3

    def beat(self, ready: bool, status: Callable[[], str] | None = None, alive: bool = True) -> None:
        """Call it often: it sends READY once `ready` is true, WATCHDOG a few times in each period, and STATUS.

        Args:
            alive: whether every stage makes progress; where one does not, systemd hears nothing and ends the service.
            status: what to say of the run, asked for every STATUS_S.
        """
        if not self._address:
            return
        if status is not None and time.monotonic() >= self._next_status:
            self._next_status = time.monotonic() + STATUS_S
            more = f"\nEXTEND_TIMEOUT_USEC={_EXTEND_S * 1_000_000}" if alive and not (ready or self._ready) else ""
            self._send(f"STATUS={status()}{more}")
        if ready and not self._ready:
            self._ready = True
            self._send("READY=1")
        if alive and self._beat_s > 0 and time.monotonic() >= self._next_beat:
            self._next_beat = time.monotonic() + self._beat_s
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The last message."""
        if self._address:
            self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        # A listener that has gone away must not end the loop.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(message.encode(), address)
