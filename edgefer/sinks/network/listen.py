"""A port that others may connect to, and who may: what outputs that serve have in common."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import re
import socket
import time
from collections.abc import Sequence

from edgefer.errors import UsageError
from edgefer.sinks.network.options import is_loopback

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
#: A port that is taken is tried again after so long, s.
_AGAIN_S = 5.0


class Address:
    """Where to listen. Attributes: host: address or name; port."""

    def __init__(self, text: str, name: str) -> None:
        """Args: text: HOST:PORT, or a port. name: of the output, for messages. Raises UsageError: no such port."""
        host, _, port = text.rpartition(":")
        self.host, self.port = host.strip("[]") or LOOPBACK, int(port)
        if not 1 <= self.port <= 65535:
            raise UsageError(f"{name}: expected a port from 1 to 65535, got {port}")
        try:
            self.host.encode("idna")
        except UnicodeError:  # which getaddrinfo would raise
            raise UsageError(f"{name}: expected a name or an address of this machine, got {self.host}") from None

    @property
    def is_private(self) -> bool:
        """Whether only this machine reaches it."""
        return is_loopback(self.host)

    @property
    def url(self) -> str:
        host = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    def listen(self) -> socket.socket:
        """The socket. An address that this machine has not got yet, as before its network is up, is waited for.

        Raises:
            OSError: the port is taken, or the name has no address.
        """
        family, kind, protocol, _, address = socket.getaddrinfo(
            self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                listening.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
            # every connection has it from here: who vanished without a word is let go of
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * _VANISHED_S))
            listening.bind(address)
            listening.listen(64)
        except BaseException:
            listening.close()
            raise
        return listening


#: So long without an answer to what was sent, and the other side is not there any more, s; by itself Linux waits for
#: a quarter of an hour.
_VANISHED_S = 20.0
#: Not in the socket module; ip(7).
_IP_FREEBIND = 15


class Opening:
    """Opens a port when it is free: said once where it is not, and tried again now and then."""

    def __init__(self, address: Address, name: str) -> None:
        self._address, self._name = address, name
        self._next_s = 0.0
        self._said = False

    def attempt(self) -> socket.socket | None:
        """The socket; None where it cannot be had now."""
        if time.monotonic() < self._next_s:
            return None
        try:
            listening = self._address.listen()
        except OSError as error:
            self._next_s = time.monotonic() + _AGAIN_S
            if not self._said:
                log.error("%s: cannot be opened: %s; trying again", self._name, error.strerror or error)
            self._said = True
            return None
        if self._said:
            log.warning("%s: is open", self._name)
        return listening


def may_ask(header: str | None, names: Sequence[str] = ()) -> bool:
    """Whether a request's Host is this machine's, and not that of a page which has its own name lead here.

    An address is as good as a name of ours: what a foreign page can do is only to give a name of its own the address of
    this machine (DNS rebinding), and its requests then bear that name.

    Args:
        header: the Host header.
        names: further names of this machine.
    """
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]]+)(?::[0-9]{1,5})?", header or "")
    if match is None:
        return False
    host = match[1].strip("[]").lower().rstrip(".")
    try:
        ipaddress.ip_address(host)
        return True
    except ValueError:
        own = socket.gethostname().lower()
        short = own.partition(".")[0]
        return host in {"localhost", own, short, f"{short}.local", *(name.lower() for name in names)}
