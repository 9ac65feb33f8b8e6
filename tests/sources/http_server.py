"""A small HTTP server on loopback that serves pictures, streams and films, and can fail in the ways that cameras do."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np


def jpeg(picture: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", picture)[1].tobytes()


class Request(BaseHTTPRequestHandler):
    """What a route gets: the request, and `wfile` to answer it."""

    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self) -> None:
        server: HttpServer = self.server  # type: ignore[assignment]
        path = self.path.partition("?")[0]
        server.requests.append(self.path)
        self.close_connection = True
        try:
            if path not in server.routes:
                self.reply(404, "text/plain", b"no such page")
            elif server.allows(self):
                server.routes[path](self)
        except OSError:
            pass  # the client has gone

    do_HEAD = do_GET

    def reply(self, status: int, kind: str, body: bytes, **headers: str) -> None:
        """A whole answer."""
        self.begin(status, kind, len(body), **headers)
        if self.command != "HEAD":
            self.wfile.write(body)

    def begin(self, status: int, kind: str, length: int | None = None, **headers: str) -> None:
        """The head of an answer; header names are written with _ for -."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Connection", "close")
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def reset(self) -> None:
        """Ends the connection as from a process that was killed."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, *args: object) -> None:
        pass


Route = Callable[[Request], None]


class HttpServer(ThreadingHTTPServer):
    """Serves routes at http://127.0.0.1:PORT.

    Attributes:
        requests: paths asked for so far.
        over: set when the server stops; routes that wait do so on it.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self,
        routes: dict[str, Route],
        *,
        auth: str = "",
        user: str = "user",
        password: str = "secret",
        port: int = 0,
        certificate: str = "",
    ) -> None:
        """Args: auth: "", "basic" or "digest"; certificate: file with key and certificate, for https."""
        super().__init__(("127.0.0.1", port), Request)
        self.routes, self._auth, self._user, self._password = routes, auth, user, password
        self.requests: list[str] = []
        self.over = threading.Event()
        self._certificate = certificate
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return self.server_address[1]

    def url(self, path: str, user: str = "") -> str:
        """Args: user: "name:password", or empty."""
        scheme = "https" if self._certificate else "http"
        return f"{scheme}://{user}{'@' if user else ''}127.0.0.1:{self.port}{path}"

    def stop(self) -> None:
        self.over.set()
        self.shutdown()
        self.server_close()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def handle_error(self, *args: object) -> None:
        pass  # clients that go away are what is tested

    def allows(self, request: Request) -> bool:
        """Whether the request may go on; else it has been answered."""
        if not self._auth:
            return True
        kind, _, rest = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == self._auth == "basic":
            if base64.b64decode(rest).decode() == f"{self._user}:{self._password}":
                return True
        elif kind.lower() == self._auth == "digest":
            fields = dict(re.findall(r'(\w+)="?([^",]*)"?', rest))

            def md5(text: str) -> str:
                return hashlib.md5(text.encode()).hexdigest()

            first = md5(f"{self._user}:test:{self._password}")
            second = md5(f"{request.command}:{fields.get('uri')}")
            middle = ":".join(fields.get(name, "") for name in ("nonce", "nc", "cnonce", "qop"))
            if fields.get("response") == md5(f"{first}:{middle}:{second}"):
                return True
        challenge = {"basic": 'Basic realm="test"', "digest": 'Digest realm="test", nonce="abcdef", qop="auth"'}
        request.reply(401, "text/html", b"<html>who are you?</html>", WWW_Authenticate=challenge[self._auth])
        return False


def multipart(
    parts: Sequence[bytes],
    *,
    interval_s: float = 0.02,
    lengths: bool = True,
    boundary: str = "frame",
    written: str = "--frame",
    then: str = "wait",
    loop: bool = False,
) -> Route:
    """A route that sends pictures as multipart/x-mixed-replace.

    Args:
        lengths: whether parts have a Content-Length. boundary: in the head; written: in the body.
        then: after the last part "wait" in silence, "close", or "reset" the connection.
        loop: begin again with the first part instead.
    """

    def route(request: Request) -> None:
        over: threading.Event = request.server.over  # type: ignore[attr-defined]
        request.begin(200, f"multipart/x-mixed-replace; boundary={boundary}")
        while not over.is_set():
            for part in parts:
                head = (
                    f"Content-Type: image/jpeg\r\n{f'Content-Length: {len(part)}' if lengths else 'X-Time: 0'}\r\n\r\n"
                )
                request.wfile.write(f"{written}\r\n{head}".encode() + part + b"\r\n")
                if over.wait(interval_s):
                    return
            if not loop:
                break
        if then == "wait":
            over.wait(20)
        elif then == "reset":
            request.reset()

    return route


def snapshots(pictures: Sequence[np.ndarray | bytes]) -> Route:
    """A route that gives the next picture at each request, and the last one from then on."""
    remaining = list(pictures)
    lock = threading.Lock()

    def route(request: Request) -> None:
        with lock:
            picture = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        request.reply(200, "image/jpeg", picture if isinstance(picture, bytes) else jpeg(picture))

    return route


def page(body: bytes, kind: str = "text/html", status: int = 200, **headers: str) -> Route:
    """A route that always gives the same answer."""
    return lambda request: request.reply(status, kind, body, **headers)


def in_turn(*routes: Route) -> Route:
    """A route that is another one at each request; the last one stays."""
    remaining = list(routes)

    def route(request: Request) -> None:
        (remaining.pop(0) if len(remaining) > 1 else remaining[0])(request)

    return route


def download(data: bytes, kind: str = "video/mp4", ranges: bool = True, length: bool = True, cut: int = 0) -> Route:
    """A route that gives a file.

    Args:
        ranges: whether parts of it may be asked for. length: whether it says how long it is.
        cut: the first answer ends after so many bytes, and the connection with it; 0: it does not.
    """
    cuts = [cut] if cut else []

    def route(request: Request) -> None:
        asked = re.match(r"bytes=(\d+)-(\d*)", request.headers.get("Range", "")) if ranges else None
        start = int(asked.group(1)) if asked else 0
        end = min(int(asked.group(2) or len(data)) + 1, len(data)) if asked else len(data)
        headers = {"Content_Range": f"bytes {start}-{end - 1}/{len(data)}"} if asked else {}
        if ranges:
            headers["Accept_Ranges"] = "bytes"
        request.begin(206 if asked else 200, kind, end - start if length else None, **headers)
        part = data[start:end]
        with suppress(OSError):
            request.wfile.write(part[: cuts.pop()] if cuts else part)

    return route
