"""One file from the network: https, a bounded size, a deadline."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import ssl
import time
import urllib.error
import urllib.request
from typing import IO, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from edgefer.errors import EdgeferError, UsageError
from edgefer.support.names import brief
from edgefer.support.redact import remember, scrub, url_name

MOST_BYTES = 128 << 20
#: For an answer, and for the whole.
SILENCE_S, DEADLINE_S = 30.0, 900.0
_CHUNK = 1 << 16


def fetch(url: str, target: IO[bytes], allow_http: bool = False) -> None:
    """Writes what is at an address to a file.

    Args:
        url: https; user and password in it are sent to its host alone.
        target: file to be written.
        allow_http: whether http will do, too.

    Raises:
        UsageError: the address is of another kind. EdgeferError: it cannot be fetched, is too large or takes too long.
        OSError: the target cannot be written.
    """
    remember(url)
    schemes = ("https", "http") if allow_http else ("https",)
    request = _request(url, schemes)
    opener = urllib.request.build_opener(_Redirects(schemes), _InTime(time.monotonic() + DEADLINE_S))
    try:
        with contextlib.closing(opener.open(request, timeout=SILENCE_S)) as answer:
            expected = answer.headers.get("Content-Length")
            got = 0
            while chunk := _read(answer):
                got += len(chunk)
                if got > MOST_BYTES:
                    raise _failed(url, f"expected at most {MOST_BYTES >> 20} MiB, got more")
                target.write(chunk)
            if expected is not None and expected.isdigit() and got != int(expected):
                raise _failed(url, f"expected {expected} bytes, got {got}: the connection was lost")
    except urllib.error.HTTPError as error:
        error.close()
        raise _failed(url, f"the server answers {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise _failed(url, str(error.reason)) from None
    except _Lost as error:
        raise _failed(url, str(error)) from None
    except (http.client.HTTPException, ssl.SSLError, TimeoutError, ConnectionError, ValueError) as error:
        raise _failed(url, str(error) or type(error).__name__) from None


class _Lost(Exception):
    """The connection ended: apart from an OSError of the file that is written."""


def _read(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read1(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _Lost(str(error) or type(error).__name__) from None


def _failed(url: str, why: str) -> EdgeferError:
    reason = brief(scrub(" ".join(why.split())), 300)  # a server may answer at any length
    return EdgeferError(f"{url_name(url)}: cannot be fetched: {reason}; the model in use stays")


def _request(url: str, schemes: tuple[str, ...]) -> urllib.request.Request:
    """For an address, whose user and password go into a header that no redirect is given."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise UsageError(f"{url_name(url)}: is no address") from None
    if parts.scheme.lower() not in schemes or not host:
        advice = "" if len(schemes) > 1 else "; --allow-http takes http, too"
        raise UsageError(f"{url_name(url)}: expected an address that begins with {' or '.join(schemes)}://{advice}")
    bracketed = f"[{host}]" if ":" in host else host
    bare = urlunsplit((parts.scheme, bracketed + port, parts.path or "/", parts.query, ""))
    request = urllib.request.Request(bare, headers={"User-Agent": "edgefer", "Accept": "*/*"})
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")
    return request


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to addresses of the same kind alone."""

    max_redirections = 5

    def __init__(self, schemes: tuple[str, ...]) -> None:
        self._schemes = schemes

    def redirect_request(self, request, answer, code, message, headers, url):
        remember(url)
        if urlsplit(url).scheme.lower() not in self._schemes:
            raise urllib.error.URLError(f"it sends on to {url_name(url)}, which is not {self._schemes[0]}")
        return super().redirect_request(request, answer, code, message, headers, url)


class _InTime(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Reads answers, from their first byte on, until a deadline."""

    def __init__(self, deadline: float) -> None:
        super().__init__()
        self._deadline = deadline

    def do_open(self, http_class, req, **arguments):
        def connection(*where, **how):
            made = http_class(*where, **how)
            made.response_class = self._answer
            return made

        return super().do_open(connection, req, **arguments)

    def _answer(self, sock, *rest, **how):
        answer = http.client.HTTPResponse(sock, *rest, **how)
        answer.fp = io.BufferedReader(_Raw(answer.fp.detach(), sock, self._deadline))
        return answer


class _Raw(io.RawIOBase):
    """What comes over a connection; however little comes at a time, a deadline counts."""

    def __init__(self, raw: io.RawIOBase, sock: Any, deadline: float) -> None:
        self._raw, self._sock, self._deadline = raw, sock, deadline

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer):
        """See RawIOBase."""
        left = self._deadline - time.monotonic()
        if left > 0:
            self._sock.settimeout(min(SILENCE_S, left))
            try:
                return self._raw.readinto(buffer)
            except TimeoutError:
                if left > SILENCE_S:
                    raise
        raise TimeoutError(f"expected all of it within {DEADLINE_S:g} s")

    def close(self) -> None:
        """Closes the connection."""
        self._raw.close()
        super().close()
