"""The live page: what its server is handed, and the looking after that process."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

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
from edgefer.support.redact import remember_secret, scrub
from edgefer.values import Frame, Health, Reading

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)

#: A server that takes nothing for so long is ended and begun again, s. It only has the time that the run leaves.
_STALLED_S = 60.0
_SEND_S = 0.5
#: Messages that may wait for it.
_WAITING = 32
_AGAIN_S = 3.0
_LEAVE_S = 1.0
#: Of what the server complains about, only the end is kept, bytes.
_COMPLAINT = 4096
#: Characters of a token at least.
_TOKEN = 16
#: What the server says of a message that it has taken; any other byte is the number of its viewers.
_TAKEN = 255
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
            "names": [self._address.host, *filter(None, options.names.split("/"))],
            "token": token,
            "secure": bool(options.cert_file),
            "width": options.width,
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
        self._due_s = 0.0  # when viewers get the next reading
        self._last: Reading | None = None

    def _token(self) -> str:
        if not self._options.token_file:
            if not self._address.is_private:
                what = "is open to other machines and needs a token; add token_file=FILE, and make one with:"
                raise UsageError(f"{self.name}: {what} head -c 18 /dev/urandom | base64 > FILE")
            return ""
        token = read_secret(self._options.token_file, f"{self.name}: token_file").strip()
        remember_secret(token)
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
        now_s = time.monotonic()
        if now_s < self._due_s:
            return
        server = self._serving()
        if server is not None and server.viewers and server.is_busy:  # as soon as it has taken the last one
            return
        self._due_s = max(self._due_s + 1 / self._options.rate, now_s)  # one that came late makes the next no later
        if server is None or not server.viewers:
            return
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
        picture = picture_of(frame, self._options.width) if self._options.picture and frame is not None else None
        self._hand_over(b"r" if picture is None else b"p", values, picture)

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

    def _hand_over(self, kind: bytes, values: Mapping[str, Any], picture: np.ndarray | None = None) -> None:
        server = self._server
        if server is None or server.is_full:  # as one that takes long to begin
            return
        if not server.send(kind, msgspec.json.encode(values), picture):
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
            self._server = _Server(self._listening, self._options.picture)
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
    """The process, and the socket to it.

    A picture is handed over as it is, in memory that both have: to make a JPEG of it is left to the server, which only
    has the time that the run leaves.

    Attributes:
        viewers: those who look.
    """

    def __init__(self, listening: socket.socket, pictures: bool) -> None:
        """Raises OSError: no process can be had."""
        self.viewers = 0
        self._sent = self._taken = 0
        self._waits_s = float("inf")  # since when a message waits to be taken; it is given any time to begin
        self._socket, its = socket.socketpair()
        self._memory = -1
        self._complaint = b""
        try:
            with its:
                if pictures:
                    self._memory = os.memfd_create("edgefer page")
                numbers = [number for number in (listening.fileno(), its.fileno(), self._memory) if number >= 0]
                program = _PROGRAM.format(path=[os.path.abspath(entry) for entry in sys.path])
                self._process = subprocess.Popen(
                    [sys.executable, "-c", program, *map(str, numbers)],
                    pass_fds=numbers,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "NOTIFY_SOCKET": ""},
                )
        except BaseException:
            self._release()
            raise
        self._socket.settimeout(_SEND_S)
        if self._process.stderr is not None:
            os.set_blocking(self._process.stderr.fileno(), False)

    @property
    def is_busy(self) -> bool:
        """Whether it has not taken yet what was sent last."""
        return self._taken < self._sent

    @property
    def is_full(self) -> bool:
        """Whether more waits for it already than its socket surely holds."""
        return self._sent - self._taken >= _WAITING

    def send(self, kind: bytes, data: bytes, picture: np.ndarray | None = None) -> bool:
        """Hands a message over; False where the server does not take it. A picture only while it `is_busy` not."""
        try:
            if picture is not None:
                os.pwrite(self._memory, picture.data, 0)
                data = struct.pack(">3I", *picture.shape, *(0,) * (3 - picture.ndim)) + data
            self._socket.sendall((len(data) + 1).to_bytes(4, "big") + kind + data)
        except OSError:
            return False
        if not self.is_busy and self._taken:
            self._waits_s = time.monotonic()
        self._sent += 1
        return True

    def is_alive(self) -> bool:
        """Whether it is there and takes what it is sent; with what it has said since."""
        with contextlib.suppress(OSError):
            while select.select([self._socket], [], [], 0)[0]:
                told = self._socket.recv(256)
                if not told:
                    return False
                self._taken += told.count(_TAKEN)
                self.viewers = next((byte for byte in reversed(told) if byte != _TAKEN), self.viewers)
                self._waits_s = time.monotonic()
        self._read_complaints()
        hangs = self.is_busy and time.monotonic() - self._waits_s > _STALLED_S
        return not hangs and self._process.poll() is None

    def _read_complaints(self) -> None:
        """A server whose pipe is full of them would wait for room, and hang."""
        stream = self._process.stderr
        with contextlib.suppress(OSError):
            while stream is not None and (data := os.read(stream.fileno(), 1 << 16)):
                self._complaint = (self._complaint + data)[-_COMPLAINT:]

    def why(self) -> str:
        """The last line that it wrote, which mostly one that fails does."""
        self._read_complaints()
        lines = self._complaint.decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def _release(self) -> None:
        self._socket.close()
        if self._memory >= 0:
            os.close(self._memory)

    def end(self, patience_s: float) -> None:
        self._release()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def picture_of(frame: Frame, width: int) -> np.ndarray:
    """The picture as it is handed over: uint8, (H, W, 3) BGR, (H, W) where it is grey, or the bytes of a JPEG.

    Of BGR and grey, not wider than that: to make a JPEG smaller is left to the server as well.
    """
    import numpy as np

    jpeg: np.ndarray | None = getattr(frame.bgr, "jpeg", None)
    if jpeg is not None:
        return jpeg
    image = frame.bgr() if frame.bgr is not None else None
    if image is None:
        image = frame.grey
    if image.shape[1] > width:
        from edgefer.sources.opencv import cv2

        height = max(1, round(image.shape[0] * width / image.shape[1]))
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(image)


def open_web(options: Web, *, labels: Sequence[str], title: str, fps: float | None) -> WebOutput:
    """The output `web`."""
    return WebOutput(options, labels, title)
