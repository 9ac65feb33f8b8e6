"""HTTP as cameras and web servers speak it: requests whose answers can be given up at once, from any thread.

The standard library's urllib is not used: with a wrong password it asks six times, and cameras lock accounts.
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
import threading
import time
from contextlib import suppress
from urllib.parse import urljoin, urlsplit

import edgefer
from edgefer.errors import SourceError, SourceRefused, SourceStalled
from edgefer.sources.network.address import Address, is_same_server, parse_address, resolve
from edgefer.sources.network.authorization import Authorization
from edgefer.support.names import brief

_MOST_REDIRECTS = 5
#: OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID: a board without a clock has not asked for the time yet.
_NOT_YET_VALID = 9
_TRANSIENT = (408, 425, 429)


def refusal(shown: str, status: int, reason: str = "", tried: bool = True) -> SourceError:
    """The error for a status that a server gave, of HTTP or RTSP.

    Args:
        shown: the address without secrets.
        tried: whether a user and password were sent.
    """
    said = f"{shown}: the server answers {status} {reason or http.client.responses.get(status, '')}".rstrip()
    if status == 401:
        why = (
            "user or password wrong"
            if tried
            else "user and password missing: write them before the host, user:password@"
        )
        return SourceRefused(f"{said}; {why}")
    if status == 403:
        return SourceRefused(f"{said}; this user may not see it")
    if status in (404, 410):
        return SourceError(f"{said}; check what stands after the host")
    if status >= 500 or status in _TRANSIENT:
        return SourceStalled(f"{said}; it is busy or just starting")
    return SourceError(said)


def unreachable(shown: str, error: OSError) -> SourceError:
    """The error for a connection that failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code == _NOT_YET_VALID:
            return SourceStalled(f"{shown}: its certificate is not valid yet; is this machine's clock right?")
        return SourceError(
            f"{shown}: its certificate is not trusted ({error.verify_message});"
            " for a camera that signs its own write stream:URL,verify=no"
        )
    if isinstance(error, ssl.SSLError):
        return SourceError(f"{shown}: no TLS connection ({error.reason or 'handshake failed'}); is it a plain port?")
    if isinstance(error, TimeoutError):
        return SourceStalled(f"{shown}: no answer in time; is it switched on and in this network?")
    if isinstance(error, ConnectionRefusedError):
        return SourceStalled(f"{shown}: connection refused; nothing listens there, or it is just starting")
    if isinstance(error, (ConnectionResetError, BrokenPipeError, ConnectionAbortedError)):
        return SourceStalled(f"{shown}: the connection was broken off")
    return SourceStalled(f"{shown}: {(error.strerror or type(error).__name__).lower()}")


class Answer:
    """The body of an answer, read as it comes.

    Attributes:
        kind: content type in small letters, without its parameters.
        length: bytes of the whole, or None where the server does not say.
        ranges: whether the server gives parts of it.
        version: by which the server tells it from what is there later; empty where it does not.
        position: of the next byte in the whole.
    """

    def __init__(self, client: WebClient, response: http.client.HTTPResponse, start: int) -> None:
        """Args: start: first byte that was asked for."""
        self._client, self._response = client, response
        self.kind = response.headers.get_content_type() if response.headers.get("Content-Type") else ""
        total = response.headers.get("Content-Length", "")
        if response.status != 206:
            start = 0
        elif part := re.match(r"bytes\s+(\d+)-\d*/(\d*)", response.headers.get("Content-Range", ""), re.I):
            start, total = int(part[1]), part[2]  # caches give whole blocks, which may begin before what was asked for
        else:
            total = ""
        self.length = int(total) if total.isdecimal() else None
        self.ranges = response.status == 206 or response.headers.get("Accept-Ranges", "").lower() == "bytes"
        tag = response.headers.get("ETag", "")
        self.version = "" if tag.startswith("W/") else tag  # a weak one does not vouch for each byte
        self._ahead = b""
        self.position = start

    def peek(self, count: int) -> bytes:
        """The next bytes, up to `count`, without taking them; fewer at the end."""
        while len(self._ahead) < count and (more := self._receive(count - len(self._ahead))):
            self._ahead += more
        return self._ahead[:count]

    def peek_on(self) -> bytes:
        """All bytes that came and were not taken, after a wait for more; the same ones again at the end."""
        self._ahead += self._receive(1 << 16)
        return self._ahead

    def read(self, count: int) -> bytes:
        """Up to `count` bytes as they come; b"" at the end or once the client was interrupted.

        Raises:
            SourceStalled: silence, or a broken connection.
        """
        if self._ahead:
            data, self._ahead = self._ahead[:count], self._ahead[count:]
        else:
            data = self._receive(count)
        self.position += len(data)
        return data

    def read_all(self, most: int, deadline_s: float) -> bytes:
        """The whole body, by a moment of time.monotonic().

        Raises:
            SourceStalled: as read; it ends before its stated length, or goes on after the deadline.
            SourceError: it is longer than `most` bytes.
        """
        parts, size = [], 0
        while data := self.read(1 << 16):
            parts.append(data)
            size += len(data)
            if time.monotonic() > deadline_s:
                raise SourceStalled(f"{self._client.shown}: a picture takes too long")
            if size > most:
                raise SourceError(f"{self._client.shown}: longer than {most >> 20} MB; expected a picture")
        if self.length is not None and self.position < self.length:
            raise SourceStalled(f"{self._client.shown}: the connection was broken off")
        return b"".join(parts)

    def _receive(self, count: int) -> bytes:
        try:
            if not (data := self._response.read1(count)):
                self._response.close()  # at the end of a stated length it does not do so by itself
            return data
        except TimeoutError:
            raise SourceStalled(f"{self._client.shown}: silent for {self._client.timeout_s:g} s") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            if self._client.interrupted:
                return b""
            broken = error if isinstance(error, OSError) else ConnectionResetError()
            raise unreachable(self._client.shown, broken) from None

    def close(self) -> None:
        """Ends the connection, unless the body was read to its end."""
        if not self._response.isclosed():
            self._client.hang_up()


class WebClient:
    """Asks for one address, again and again where wanted, over one connection where the server allows it.

    Used by one thread; `interrupt` may come from any.
    """

    def __init__(self, address: Address, timeout_s: float, verify: bool = True) -> None:
        """Args:
        address: http or https.
        timeout_s: for the connection and for each wait for bytes.
        verify: whether the certificate must be one that this machine trusts.
        """
        self.address, self.shown, self.timeout_s = address, address.shown, timeout_s
        self._verify = verify
        self._connection: http.client.HTTPConnection | None = None
        self._socket: socket.socket | None = None
        self._where: tuple[str, str] = ("", "")
        self._given_up = threading.Event()
        self._authorization = Authorization(address)
        self._lock = threading.Lock()

    @property
    def interrupted(self) -> bool:
        """Whether it was told to end."""
        return self._given_up.is_set()

    def wait(self, seconds: float) -> bool:
        """Waits; whether it was told to end meanwhile."""
        return self._given_up.wait(seconds)

    def get(self, start: int = 0, version: str = "") -> Answer:
        """Asks for the address, follows redirections, and says who is asking where the server wants to know.

        Args:
            start: first byte that is wanted, where the server gives parts.
            version: of which the part is to be; of another one the server gives the whole.

        Raises:
            SourceError, SourceRefused, SourceStalled: as refusal() and unreachable() say.
        """
        address, redirects = self.address, 0
        self._authorization.begin()
        while True:
            own, sent = is_same_server(self.address, address), ""
            headers = {"User-Agent": f"edgefer/{edgefer.__version__}", "Accept": "*/*"}
            if start:
                headers["Range"] = f"bytes={start}-"
                if version:
                    headers["If-Range"] = version
            target = _escaped(address.rest if address.rest.startswith("/") else "/" + address.rest)
            if own and (field := self._authorization.field("GET", target)):
                headers["Authorization"] = sent = field
            response = self._ask(address, target, headers)
            if response.status in (301, 302, 303, 307, 308) and (location := response.headers.get("Location")):
                redirects += 1
                if redirects > _MOST_REDIRECTS:
                    raise SourceError(f"{self.shown}: redirected more than {_MOST_REDIRECTS} times")
                address = self._redirected(address, location)
                self.hang_up()
            elif response.status == 401 and own and self._authorization.take(response.headers, bool(sent)):
                with suppress(OSError, http.client.HTTPException):
                    response.read(1 << 16)  # so that the connection can be used again
                if not response.isclosed():
                    self.hang_up()
            elif response.status in (200, 206):
                self._authorization.worked |= bool(sent)
                return Answer(self, response, start)
            else:
                status, reason = response.status, response.reason
                self.hang_up()
                if status == 401 and not own and self.address.user is not None:
                    raise SourceRefused(
                        f"{self.shown}: redirected to {address.shown}, which asks for a password; it is not sent to"
                        " another server, nor from https to http: give that address itself"
                    )
                if status == 401 and self._authorization.stale:
                    kind = SourceStalled if self._authorization.worked else SourceRefused
                    raise kind(
                        f"{self.shown}: the server answers 401 again and again, as if each of its nonces had run out at"
                        " once; is its clock right, and the password?"
                    )
                raise refusal(self.shown, status, _plain(reason), bool(sent))

    def _redirected(self, address: Address, target: str) -> Address:
        try:
            url = urljoin(f"{address.scheme}://{address.netloc}{address.rest}", target)
            scheme = urlsplit(url).scheme
            if scheme in ("http", "https"):
                return parse_address(url)
        except (ValueError, SourceError):
            raise SourceError(f"{self.shown}: redirected to what is no address; expected http or https") from None
        raise SourceError(f"{self.shown}: redirected to {brief(scheme) or 'nothing'!r}; expected http or https")

    def _ask(self, address: Address, target: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        """One request; a connection kept from the one before may have been closed by the server meanwhile."""
        for attempt in (0, 1) if self._kept((address.scheme, address.netloc)) else (1,):
            try:
                connection = self._connect(address)
                connection.request("GET", target, headers=headers)
                return connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                self.hang_up()
                if self.interrupted:
                    raise SourceStalled(f"{self.shown}: given up") from None
                if attempt == 0:
                    continue
                if isinstance(error, OSError):  # http.client.RemoteDisconnected is one as well
                    raise unreachable(self.shown, error) from None
                raise SourceError(f"{self.shown}: the answer is not HTTP; check scheme and port") from None
        raise AssertionError("the second attempt returns or raises")

    def _connect(self, address: Address) -> http.client.HTTPConnection:
        where = (address.scheme, address.netloc)
        if self._kept(where):
            assert self._connection is not None
            return self._connection
        self.hang_up()
        resolve(address, self.timeout_s)
        connection: http.client.HTTPConnection
        if address.scheme == "https":
            context = ssl.create_default_context()
            if not self._verify:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            connection = http.client.HTTPSConnection(
                address.host, address.port, timeout=self.timeout_s, context=context
            )
        else:
            connection = http.client.HTTPConnection(address.host, address.port, timeout=self.timeout_s)
        self._connection, self._where = connection, where
        connection.connect()
        with self._lock:
            # A second descriptor: an answer without a length takes the first one away from the connection.
            self._socket = socket.socket(fileno=os.dup(connection.sock.fileno()))
            if self.interrupted:
                self._shut_down()
        return connection

    def _kept(self, where: tuple[str, str]) -> bool:
        """Whether the connection of the request before can take another one."""
        return self._connection is not None and self._connection.sock is not None and self._where == where

    def hang_up(self) -> None:
        """Closes the connection, if there is one; for the thread that uses the client."""
        connection, self._connection = self._connection, None
        with self._lock:
            self._shut_down()
            if self._socket is not None:
                self._socket.close()
            self._socket = None
        if connection is not None:
            connection.close()

    def interrupt(self) -> None:
        """Ends whatever is waited for, now and later; from any thread."""
        with self._lock:
            self._given_up.set()
            self._shut_down()

    def close(self) -> None:
        """Ends the connection for good."""
        self.interrupt()
        self.hang_up()

    def _shut_down(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def _escaped(target: str) -> str:
    """A path and query as HTTP takes it: what has no place there is escaped."""
    return re.sub(r"[^!-~]", lambda found: "".join(f"%{byte:02X}" for byte in found.group().encode()), target)


def _plain(text: str) -> str:
    """What a server says, on one line of printable characters."""
    return re.sub(r"[^ -~]+", " ", text or "")[:60].strip()
