"""A small RTSP server on loopback that can also fail in the ways that cameras do.

RTSP 1.0 (RFC 2326): OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN; H.264 over RTP with fragmentation units
(RFC 6184), interleaved in the TCP connection or over UDP; silence as PCMU beside it.
"""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction

import av
import numpy as np
from clips import textured

VIDEO_CLOCK, AUDIO_CLOCK = 90_000, 8_000
_PAYLOAD_BYTES = 600  # small, so that pictures are sent in fragments
_REASONS = {200: "OK", 401: "Unauthorized", 404: "Not Found", 461: "Unsupported Transport", 503: "Service Unavailable"}


def encode_h264(
    pictures: Sequence[np.ndarray], fps: int = 25, key_every: int = 5, options: dict[str, str] | None = None
) -> list[list[bytes]]:
    """Each BGR picture as the NAL units of one access unit; key pictures bring their parameter sets."""
    height, width = pictures[0].shape[:2]
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, fps), Fraction(fps)
    encoder.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "x264-params": f"keyint={key_every}:scenecut=0:repeat-headers=1",
    } | (options or {})
    units = []
    for index, picture in enumerate([*pictures, None]):
        frame = None
        if picture is not None:
            frame = av.VideoFrame.from_ndarray(picture, "bgr24").reformat(format="yuv420p")
            frame.pts = index
        units += [_nal_units(bytes(packet)) for packet in encoder.encode(frame)]
    return units


def _nal_units(annex_b: bytes) -> list[bytes]:
    return [unit for unit in (part.rstrip(b"\0") for part in re.split(b"\0\0\1", annex_b)) if unit]


class RtspServer:
    """Serves one looping film at rtsp://127.0.0.1:PORT/live.

    Attributes that a test may change while it runs:
        frozen: no packet is sent any more, the connections stay. mute_video: none of the video.
        lose_every: of the video's RTP packets each so many-th is not sent; 0: none.
        refuse: a status that every DESCRIBE gets, or None.
        plays: transports of the sessions played so far. requests: methods asked for so far.
    """

    def __init__(
        self,
        pictures: Sequence[np.ndarray] | None = None,
        *,
        transports: Sequence[str] = ("tcp", "udp"),
        tracks: Sequence[str] = ("video",),
        auth: str = "",
        user: str = "user",
        password: str = "secret",
        fps: int = 25,
        port: int = 0,
        encoder_options: dict[str, str] | None = None,
        speak: bool = True,
        certificate: str = "",
    ) -> None:
        """Args:
        pictures: BGR, shown in a loop.
        transports: those that SETUP accepts. tracks: of "video", "audio", "data", in the SDP's order.
        auth: "", "basic" or "digest".
        speak: False for a server that accepts connections and never says anything.
        certificate: file with key and certificate, for rtsps.
        """
        pictures = [textured(index) for index in range(20)] if pictures is None else pictures
        self._units = encode_h264(pictures, fps, options=encoder_options)
        self._transports, self._tracks, self._fps = transports, tracks, fps
        self._auth, self._user, self._password, self._speak = auth, user, password, speak
        self.frozen, self.mute_video, self.lose_every = False, False, 0
        self.refuse: int | None = None
        self.plays: list[str] = []
        self.requests: list[str] = []
        self._reset = False
        self._threads: list[threading.Thread] = []
        self._context: ssl.SSLContext | None = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
        self.port = port
        self.running = False
        self.start()

    def url(self, user: str = "", path: str = "/live") -> str:
        """Args: user: "name:password", or empty."""
        return f"rtsp{'s' if self._context else ''}://{user}{'@' if user else ''}127.0.0.1:{self.port}{path}"

    def start(self) -> None:
        """Listens, after stop() on the same port again."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self.running = True
        self._spawn(self._accept, self._listener)

    def stop(self, reset: bool = False) -> None:
        """Ends every connection, in order or by a reset as from a process that was killed."""
        self._reset = reset
        self.running = False
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)
        self._threads.clear()

    def __enter__(self) -> RtspServer:
        return self

    def __exit__(self, *error: object) -> None:
        if self.running:
            self.stop()

    def _spawn(self, target, *args) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while self.running:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                if self._context is not None:
                    connection = self._context.wrap_socket(connection, server_side=True)
            except OSError:  # a client that does not trust us
                continue
            # so that a stop is noticed, and pictures can go out
            connection.settimeout(0.005 if self._context else 0.05)
            self._spawn(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        session = _Session(self, connection)
        try:
            while self.running:
                request = session.receive()
                if request is None:
                    return
                if self._speak:
                    session.answer(*request)
        except OSError:
            pass
        finally:
            session.playing = False
            for channel in session.udp.values():
                channel.close()
            if self._reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

    def sdp(self) -> str:
        lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=test", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*"]
        for number, track in enumerate(self._tracks):
            if track == "video":
                sps, pps = self._units[0][:2]
                sets = ",".join(base64.b64encode(unit).decode() for unit in (sps, pps))
                lines += ["m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000"]
                lines += [f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}"]
            elif track == "audio":
                lines += ["m=audio 0 RTP/AVP 0", "a=rtpmap:0 PCMU/8000"]
            else:
                lines += ["m=application 0 RTP/AVP 107", "a=rtpmap:107 vnd.onvif.metadata/90000"]
            lines.append(f"a=control:track{number}")
        return "\r\n".join(lines) + "\r\n"

    def allowed(self, method: str, header: str) -> bool:
        """Whether the Authorization header is that of the user."""
        if not self._auth:
            return True
        kind, _, rest = header.partition(" ")
        if kind.lower() != self._auth:
            return False
        if self._auth == "basic":
            return base64.b64decode(rest).decode() == f"{self._user}:{self._password}"
        fields = dict(re.findall(r'(\w+)="?([^",]*)"?', rest))

        def md5(text: str) -> str:
            return hashlib.md5(text.encode()).hexdigest()

        first = md5(f"{self._user}:{fields.get('realm')}:{self._password}")
        second = md5(f"{method}:{fields.get('uri')}")
        return fields.get("response") == md5(f"{first}:{fields.get('nonce')}:{second}")

    @property
    def challenge(self) -> str:
        return {"basic": 'Basic realm="test"', "digest": 'Digest realm="test", nonce="abcdef"'}[self._auth]

    def play(self, session: _Session) -> None:
        """Sends pictures and silence until the session ends."""
        began, sequence, count, packets = time.monotonic(), 0, 0, 0
        audio_sequence = 0
        while session.playing and self.running:
            if not self.frozen:
                for number, track in enumerate(self._tracks):
                    if track == "video" and not self.mute_video:
                        stamp = int(count * VIDEO_CLOCK / self._fps)
                        for payload, last in _payloads(self._units[count % len(self._units)]):
                            packets += 1
                            header = struct.pack(">BBHII", 0x80, 96 | last << 7, sequence & 0xFFFF, stamp, 1)
                            sequence += 1
                            if not self.lose_every or packets % self.lose_every:
                                session.send(number, header + payload)
                    elif track == "audio":
                        samples = int(AUDIO_CLOCK / self._fps)
                        stamp = count * samples
                        header = struct.pack(">BBHII", 0x80, 0, audio_sequence & 0xFFFF, stamp, 2)
                        audio_sequence += 1
                        session.send(number, header + b"\xff" * samples)
            count += 1
            time.sleep(max(0.0, began + count / self._fps - time.monotonic()))


def _payloads(units: list[bytes]):
    """RTP payloads of an access unit, each with 1 for the last and 0 for others."""
    payloads = []
    for unit in units:
        if len(unit) <= _PAYLOAD_BYTES:
            payloads.append(unit)
            continue
        indicator, kind = unit[0] & 0xE0 | 28, unit[0] & 0x1F
        parts = [unit[start : start + _PAYLOAD_BYTES] for start in range(1, len(unit), _PAYLOAD_BYTES)]
        for number, part in enumerate(parts):
            flags = (number == 0) << 7 | (number == len(parts) - 1) << 6
            payloads.append(bytes((indicator, flags | kind)) + part)
    return [(payload, int(number == len(payloads) - 1)) for number, payload in enumerate(payloads)]


class _Session:
    """One connection: its requests, and where its RTP goes."""

    def __init__(self, server: RtspServer, connection: socket.socket) -> None:
        self._server, self._connection = server, connection
        self._buffer = b""
        self._channels: dict[int, int] = {}  # track -> interleaved channel
        self.udp: dict[int, socket.socket] = {}
        self._sending = threading.Lock()
        # a TLS connection cannot be read and written by two threads at once
        self._receiving = self._sending if isinstance(connection, ssl.SSLSocket) else threading.Lock()
        self.playing = False

    def receive(self) -> tuple[str, str, dict[str, str]] | None:
        """Method, address and headers of the next request; None at the end. What a client interleaves is left out."""
        while True:
            if self._buffer[:1] == b"$" and len(self._buffer) >= 4:
                length = 4 + struct.unpack(">H", self._buffer[2:4])[0]
                if len(self._buffer) >= length:
                    self._buffer = self._buffer[length:]
                    continue
            elif b"\r\n\r\n" in self._buffer:
                head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
                first, *lines = head.decode().split("\r\n")
                method, address, _ = first.split(" ", 2)
                pairs = (line.partition(":") for line in lines)
                return method, address, {name.lower(): value.strip() for name, _, value in pairs}
            try:
                with self._receiving:
                    data = self._connection.recv(4096)
            except TimeoutError:
                if self._server.running:
                    continue
                return None
            if not data:
                return None
            self._buffer += data

    def answer(self, method: str, address: str, headers: dict[str, str]) -> None:
        server = self._server
        server.requests.append(method)
        fields, body, status = {"CSeq": headers.get("cseq", "0")}, "", 200
        if method == "OPTIONS":
            fields["Public"] = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"
        elif not server.allowed(method, headers.get("authorization", "")):
            status, fields["WWW-Authenticate"] = 401, server.challenge
        elif method == "DESCRIBE":
            status = server.refuse or (200 if re.search(r":\d+/live(\?.*)?$", address) else 404)
            if status == 200:
                body = server.sdp()
                fields |= {"Content-Type": "application/sdp", "Content-Base": address.rstrip("/") + "/"}
        elif method == "SETUP":
            status, fields["Transport"] = self._setup(address, headers.get("transport", ""))
            fields["Session"] = "1234"
        elif method == "PLAY":
            server.plays.append("udp" if self.udp else "tcp")
            self.playing = True
        elif method == "TEARDOWN":
            self.playing = False
        fields["Content-Length"] = str(len(body))
        head = f"RTSP/1.0 {status} {_REASONS.get(status, 'Refused')}\r\n"
        text = head + "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value) + "\r\n" + body
        with self._sending:
            self._connection.sendall(text.encode())
        if method == "PLAY":
            server._spawn(server.play, self)

    def _setup(self, address: str, transport: str) -> tuple[int, str]:
        found = re.search(r"track(\d+)", address)
        track = int(found.group(1)) if found else 0
        if "TCP" in transport:
            if "tcp" not in self._server._transports:
                return 461, ""
            channels = re.search(r"interleaved=(\d+)-(\d+)", transport)
            self._channels[track] = int(channels.group(1)) if channels else 2 * track
            return 200, f"RTP/AVP/TCP;unicast;interleaved={self._channels[track]}-{self._channels[track] + 1}"
        if "udp" not in self._server._transports:
            return 461, ""
        ports = re.search(r"client_port=(\d+)-(\d+)", transport)
        assert ports
        channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        channel.bind(("127.0.0.1", 0))
        channel.connect(("127.0.0.1", int(ports.group(1))))
        self.udp[track] = channel
        own = channel.getsockname()[1]
        return 200, f"RTP/AVP;unicast;client_port={ports.group(1)}-{ports.group(2)};server_port={own}-{own + 1}"

    def send(self, track: int, packet: bytes) -> None:
        try:
            if track in self.udp:
                self.udp[track].send(packet)
            elif track in self._channels:
                with self._sending:
                    self._connection.sendall(struct.pack(">BBH", 0x24, self._channels[track], len(packet)) + packet)
        except ConnectionRefusedError:
            pass  # the receiver is just closing its port
        except OSError:
            self.playing = False
