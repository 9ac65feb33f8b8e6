"""Addresses of network sources: taken apart with a tolerance for passwords as people write them."""

from __future__ import annotations

import re
import socket
import threading
from urllib.parse import quote, unquote

from msgspec import Struct

from edgefer.errors import SourceError, SourceStalled
from edgefer.sources.network.schemes import SCHEMES, scheme_of
from edgefer.support.redact import credentials_end, url_name

_HOST = r"(?:\[[\w:.%]+\]|[^\s/?#@:\[\]]*)(?::\d{0,5})?"
# Where it cannot be told for sure, the user's part ends at the last @ before which no complete host stands.
_PLAIN = re.compile(rf"(?:([^/?#]*)@)?({_HOST})([/?#].*)?", re.S)
_SLASHED = re.compile(rf"(\S*?:\S*)@({_HOST})([/?#].*)?", re.S)


class Address(Struct, frozen=True):
    """A URL in its parts.

    Attributes:
        scheme: in small letters.
        user, password: as they are meant, not as they are escaped; None where there are none.
        host: without brackets. port: None where it is the scheme's own.
        rest: path and query, from the slash on.
        shown: what messages call it; holds no secret.
    """

    scheme: str
    user: str | None
    password: str | None
    host: str
    port: int | None
    rest: str
    shown: str

    @property
    def netloc(self) -> str:
        """Host and port as they stand in a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole address with its password, escaped so that nobody misreads it."""
        user = ""
        if self.user is not None:
            user = quote(self.user, safe="")
            user += "@" if self.password is None else f":{quote(self.password, safe='')}@"
        return f"{self.scheme}://{user}{self.netloc}{self.rest}"


def parse_address(url: str, host_needed: bool = True) -> Address:
    """Takes a URL apart.

    Args:
        url: scheme://[user[:password]@]host[:port][/path][?query].
        host_needed: False for schemes that may listen on every interface, as udp://:5000.

    Raises:
        SourceError: it has no host, or no port that can be.
    """
    shown = url_name(url)
    scheme, _, rest = url.partition("://")
    end = credentials_end(rest)
    if 0 < end < len(rest):
        found = _PLAIN.fullmatch(rest[end:])
        user: str | None = rest[: end - 1] if rest[end - 1] == "@" else rest[: end - len("%40")]
        netloc, tail = found.groups()[1:] if found else ("", "")
    else:
        found = _PLAIN.fullmatch(rest) or _SLASHED.fullmatch(rest)
        user, netloc, tail = found.groups() if found else (None, "", "")
    host, _, port = netloc.rpartition(":") if re.search(r":\d*$", netloc) else (netloc, "", "")
    if not found or (host_needed and not host) or (port and int(port) > 65535):
        raise SourceError(f"{shown}: expected a URL with a host, as rtsp://user:password@192.0.2.7:554/stream")
    name, colon, password = user.partition(":") if user is not None else (None, "", "")
    return Address(
        scheme.lower(),
        unquote(name) if name is not None else None,
        unquote(password) if colon else None,
        host.strip("[]"),
        int(port) if port else None,
        tail or "",
        shown,
    )


def stream_address(url: str) -> Address:
    """The address of a stream of a known kind.

    Raises:
        UsageError, SourceError: as scheme_of and parse_address.
    """
    return parse_address(url, host_needed=not SCHEMES[scheme_of(url)].listens)


def is_same_server(first: Address, second: Address) -> bool:
    """Whether a password for the first address may be sent to the second: over https too, but never back to http."""
    kinds = (first.scheme, second.scheme)
    if first.host.lower() != second.host.lower() or (kinds[0] != kinds[1] and kinds != ("http", "https")):
        return False
    ports = [SCHEMES[address.scheme].port for address in (first, second)]
    given = [address.port or port for address, port in zip((first, second), ports, strict=True)]
    return given == ports or given[0] == given[1]


def resolve(address: Address, timeout_s: float) -> None:
    """Looks the host's name up, so that a wrong one is told from a host that does not answer.

    Raises:
        SourceError: there is no such name. SourceStalled: the name cannot be looked up now.
    """
    results: list[OSError | None] = []

    def look_up() -> None:
        try:
            socket.getaddrinfo(address.host, address.port or 0, type=socket.SOCK_STREAM)
            results.append(None)
        except OSError as error:
            results.append(error)
        except UnicodeError:  # a label that is empty or too long
            results.append(socket.gaierror(socket.EAI_NONAME, "no name"))

    thread = threading.Thread(target=look_up, name="resolve", daemon=True)  # nothing can interrupt a resolver
    thread.start()
    thread.join(timeout_s)
    error = results[0] if results else socket.gaierror(socket.EAI_AGAIN, "no answer")
    if error is None:
        return
    if error.errno == socket.EAI_AGAIN:
        raise SourceStalled(f"{address.shown}: no name server answers; is the network up?")
    raise SourceError(f"{address.shown}: host name not found; check the address")
