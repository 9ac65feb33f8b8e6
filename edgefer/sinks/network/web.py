"""The live page: what its server is handed, and the looking after that process."""

from __future__ import annotations

import base64
import contextlib
import logging
import os
import select
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from edgefer import __version__
from edgefer.errors import UsageError
from edgefer.labels import UNCERTAIN
from edgefer.sinks.base import Sink
from edgefer.sinks.lines import readable
from edgefer.sinks.network.listen import Address, Opening
from edgefer.sinks.network.options import Web
from edgefer.sinks.network.state import main_face
from edgefer.support import packages
from edgefer.support.credentials import credential_path, read_secret
from edgefer.support.names import shown
from edgefer.support.palette import GREY, colours_of
from edgefer.support.redact import scrub
from edgefer.values import Frame, Health, Reading

log = logging.getLogger(__name__)

#: A server that takes nothing for so long is ended and begun again, s.
_STALLED_S = 0.5
_AGAIN_S = 3.0
_LEAVE_S = 1.0
#: Characters of a token at least.
_TOKEN = 16
_JPEG_QUALITY = 75
#: The path is handed over as multiprocessing does it, so that the folder it is started in plays no part.
_PROGRAM = "import sys; sys.path[:] = {path!r}; from edgefer.sinks.network.page.server import main; main()"


class WebOutput(Sink):
    """Hands readings, health and, where they are wanted, pictures to the page's server."""

    def __init__(self, options: Web, labels: Sequence[str] = (), title: str = "") -> None:
        """Args:
            options: of the output.
            labels: of the first model, in order.
            title: what the source is called.

        Raises:
            UsageError: a package or a file is missing, or the page would be open to others without a token.
        """
        for module in ("starlette", "uvicorn"):
            packages.require(module)
        self.name = f"web:{options.address}"
        self._options = options
        self._address = Address(options.address, self.name)
        token = self._token()
        self._check_certificate()
        colours = {label: f"#{r:02x}{g:02x}{b:02x}" for label, (r, g, b) in colours_of(labels).items()}
        colours[UNCERTAIN] = "#{:02x}{:02x}{:02x}".format(*GREY)
        self._settings = {
            "names": [name for name in options.names.split("/") if name],
            "token": token,
            "secure": bool(options.cert_file),
            "hello": {
                "title": readable(scrub(title)),
                "labels": list(labels),
                "colours": colours,
                "picture": options.picture,
                "version": __version__,
            },
            "cert_file": os.path.expanduser(options.cert_file),
            "key_file": str(credential_path(options.key_file)) if options.key_file else "",
        }
        self._opening = Opening(self._address, self.name)
        self._listening: socket.socket | None = None
        self._server: _Server | None = None
        self._next_s = 0.0  # when a server is begun again
        self._sent_s = 0.0
        self._last: Reading | None = None

    def _token(self) -> str:
        if not self._options.token_file:
            if not self._address.is_private:
                what = "is open to other machines and needs a token; add token_file=FILE, and make one with:"
                raise UsageError(f"{self.name}: {what} head -c 18 /dev/urandom | base64 > FILE")
            return ""
        token = read_secret(self._options.token_file, f"{self.name}: token_file")
        if len(token) < _TOKEN:
            raise UsageError(f"{self.name}: token_file: expected {_TOKEN} characters at least, got {len(token)}")
        return token

    def _check_certificate(self) -> None:
        options = self._options
        if bool(options.cert_file) != bool(options.key_file):
            raise UsageError(f"{self.name}: cert_file and key_file go together; give both or none")
        if options.cert_file:
            try:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(
                    os.path.expanduser(options.cert_file), credential_path(options.key_file), lambda: ""
                )
            except (OSError, ValueError) as error:
                reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
                what = f"{self.name}: cert_file {shown(options.cert_file)}, key_file: {reason}"
                raise UsageError(f"{what}; expected a certificate and its key in PEM") from None

    def write(self, reading: Reading, frame: Frame | None = None) -> None:
        self._last = reading
        server = self._serving()
        now_s = time.monotonic()
        if server is None or not server.viewers or now_s - self._sent_s < 1 / self._options.rate:
            return
        self._sent_s = now_s
        height, width = frame.grey.shape if frame is not None else (0, 0)
        values: dict[str, Any] = {
            "frame": reading.frame,
            "width": width,
            "height": height,
            "faces": [
                {
                    "track": face.track,
                    "box": [round(float(edge), 1) for edge in face.box],
                    "expression": face.expression,
                    "confidence": round(float(face.confidence), 3),
                    "scores": {label: round(float(score), 3) for label, score in face.scores.items()},
                    "reasons": list(face.quality.reasons),
                }
                for face in reading.faces
            ],
        }
        if self._options.picture and frame is not None:
            values["picture"] = picture_of(frame, self._options.width)
        self._hand_over(b"r", values)

    def report(self, health: Health) -> None:
        if self._serving() is None:
            return
        last, self._last = self._last, None
        face = main_face(last) if last is not None and health.source == "running" else None
        sample: dict[str, Any] = {"faces": 0}
        if face is not None and last is not None:
            sample = {"faces": len(last.faces), "expression": face.expression}
            sample["confidence"] = round(float(face.confidence), 2)
        self._hand_over(b"t", sample)
        if health.source != "running" and self._server is not None and self._server.viewers:
            self._hand_over(b"r", {"frame": health.frames, "width": 640, "height": 480, "faces": []})
        self._hand_over(b"h", msgspec.structs.asdict(health))

    def _hand_over(self, kind: bytes, values: Mapping[str, Any]) -> None:
        server = self._server
        if server is not None and not server.send(kind, msgspec.json.encode(values)):
            self._lose(server)

    def _serving(self) -> _Server | None:
        """The server, begun where there is none."""
        if self._server is not None and not self._server.is_alive():
            self._lose(self._server)
        if self._server is not None or time.monotonic() < self._next_s:
            return self._server
        if self._listening is None:
            self._listening = self._opening.attempt()
            if self._listening is None:
                return None
            scheme = "https" if self._options.cert_file else "http"
            log.warning("%s: the page is at %s", self.name, self._address.url.replace("http", scheme, 1))
        try:
            self._server = _Server(self._listening)
        except OSError as error:
            log.error("%s: its server cannot be started: %s; trying again", self.name, error.strerror)
            self._next_s = time.monotonic() + _AGAIN_S
            return None
        self._hand_over(b"s", self._settings)
        return self._server

    def _lose(self, server: _Server) -> None:
        server.end(0.0)
        why = server.why()
        log.error("%s", scrub(f"{self.name}: its server has ended{f' ({why})' if why else ''}; starting it again"))
        self._server, self._next_s = None, time.monotonic() + _AGAIN_S

    def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.end(_LEAVE_S)
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.close()
        self._next_s = float("inf")


class _Server:
    """The process, and the socket to it."""

    def __init__(self, listening: socket.socket) -> None:
        """Raises OSError: no process can be had."""
        self.viewers = 0
        self._socket, its = socket.socketpair()
        with its:
            numbers = listening.fileno(), its.fileno()
            program = _PROGRAM.format(path=[os.path.abspath(entry) for entry in sys.path])
            self._process = subprocess.Popen(
                [sys.executable, "-c", program, *map(str, numbers)],
                pass_fds=numbers,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "NOTIFY_SOCKET": ""},
            )
        self._socket.settimeout(_STALLED_S)

    def send(self, kind: bytes, data: bytes) -> bool:
        """Hands a message over; False where the server does not take it."""
        try:
            self._socket.sendall((len(data) + 1).to_bytes(4, "big") + kind + data)
        except OSError:
            return False
        return True

    def is_alive(self) -> bool:
        """Whether it is there; with what it has said since of its viewers."""
        with contextlib.suppress(OSError):
            while select.select([self._socket], [], [], 0)[0]:
                told = self._socket.recv(256)
                if not told:
                    return False
                self.viewers = told[-1]
        return self._process.poll() is None

    def why(self) -> str:
        """The last line that it wrote, which only one that fails does."""
        stream = self._process.stderr
        if stream is None:
            return ""
        os.set_blocking(stream.fileno(), False)
        with contextlib.suppress(OSError):
            lines = (stream.read() or b"").decode(errors="replace").split("\n")
            return next((line.strip() for line in reversed(lines) if line.strip()), "")
        return ""

    def end(self, patience_s: float) -> None:
        self._socket.close()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def picture_of(frame: Frame, width: int) -> str:
    """The picture as JPEG in base64, not wider than that."""
    from edgefer.sinks.draw import colour_image
    from edgefer.sources.opencv import cv2

    image = colour_image(frame)
    if image.shape[1] > width:
        height = max(1, round(image.shape[0] * width / image.shape[1]))
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return base64.b64encode(data.tobytes()).decode()


def open_web(options: Web, *, labels: Sequence[str], title: str, fps: float | None) -> WebOutput:
    """The output `web`."""
    return WebOutput(options, labels, title)
