"""The server of the live page, a process of its own: whatever its viewers do, the run does not share its time with it.

It is handed the socket that it listens at, and one by which the run speaks to it: messages of four bytes that give the
length, one that names the kind, and JSON. A picture lies in memory that both have, and the message tells its shape. The
server answers with bytes: how many are looking, and that a message was taken. When that socket is closed the run has
ended, and the server ends.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import math
import os
import signal
import socket
import struct
import sys
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from edgefer.sinks.network.listen import may_ask

if TYPE_CHECKING:
    import numpy as np

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

FOLDER = Path(__file__).parent
_MEDIA_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
#: Seconds of the past that a viewer is told who comes, a sample each.
PAST_S = 300
#: Those who look at the page at a time.
VIEWERS = 32
#: A viewer that takes nothing for so long is left, s.
STALLED_S = 20.0
#: Between two wrong tokens, s, whoever sends them.
GUESS_S = 1.0
#: The run goes before its viewers where there is not time for both: while the server starts, and on a machine with one
#: processor, which leaves it a hundredth (with SCHED_IDLE it would be a three-hundredth).
_NICE, _NICE_ALONE = 10, 19
_JPEG_QUALITY = 75
#: In its first bytes a JPEG says how large it is, and has its tables if it has any.
_JPEG_HEAD, _HUFFMAN = 4096, b"\xff\xc4"
#: The answer to a message; any other byte is the number of viewers.
_TAKEN = b"\xff"
COOKIE = "edgefer_token"
_MONTH_S = 30 * 24 * 3600

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Settings(msgspec.Struct):
    """What the run says first.

    Attributes:
        names: of this machine, besides those it knows.
        token: that has to be given; empty where none has.
        secure: whether it is reached by https.
        width: of a picture at most, pixels.
        hello: what every viewer is told first.
        cert_file, key_file: for https.
    """

    names: list[str]
    token: str
    secure: bool
    width: int
    hello: dict[str, Any]
    cert_file: str = ""
    key_file: str = ""


class Hub:
    """The newest message of each kind, and those who wait for it. A slow viewer misses messages; none wait for it."""

    def __init__(self) -> None:
        self.newest: dict[str, tuple[int, bytes]] = {}
        self.past: deque[bytes] = deque(maxlen=PAST_S)
        self.viewers = 0
        self._count = 0
        self._news = asyncio.Event()

    def put(self, kind: str, data: bytes) -> None:
        if kind == "reading" and not self.viewers:
            return  # who comes later would be shown a picture of the past
        self._count += 1
        self.newest[kind] = self._count, b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"
        if kind == "sample":
            self.past.append(data)
        self._news.set()
        self._news = asyncio.Event()

    def count(self, step: int) -> None:
        """A viewer comes or goes; with the last one goes what was seen."""
        self.viewers += step
        if not self.viewers:
            self.newest.pop("reading", None)

    async def after(self, seen: int) -> tuple[int, bytes]:
        """What is newer than the message with a number, and the number of the newest."""
        while self._count <= seen:
            await self._news.wait()
        messages = sorted(message for message in self.newest.values() if message[0] > seen)
        return self._count, b"".join(data for _, data in messages)


class Page:
    """The application: who may ask, and what is answered."""

    def __init__(self, settings: Settings, hub: Hub, port: int, on_viewers: Callable[[int], None]) -> None:
        self._settings, self._hub, self._on_viewers = settings, hub, on_viewers
        self._cookie_name = f"{COOKIE}_{port}"  # a browser gives a host's cookies to each of its ports
        self._cookie = hashlib.sha256(b"edgefer page\0" + settings.token.encode()).hexdigest()
        self._guessing = asyncio.Lock()
        routes = [Route(f"/{name}", _file(name)) for name in ("style.css", "page.js", "icon.svg")]
        routes += [Route("/", self._index), Route("/token", self._take_token, methods=["POST"])]
        self._routes = Starlette(routes=routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope)

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                more = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *more]
            await send(message)

        answer = await self._refusal(request)
        if answer is None and scope["path"] == "/events" and request.method != "GET":
            answer = PlainTextResponse("the stream is there for GET\n", 405, {"allow": "GET"})
        if answer is not None:
            await answer(scope, receive, send_with_headers)
        elif scope["path"] == "/events":
            await self._events(receive, send_with_headers)
        else:
            await self._routes(scope, receive, send_with_headers)

    async def _refusal(self, request: Request) -> Response | None:
        """Why a request is not answered; None where it is."""
        if not may_ask(request.headers.get("host"), self._settings.names):
            return PlainTextResponse("this name is none of this machine's; add it to names=\n", 403)
        if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not _is_visit(request):
            return PlainTextResponse("another site's page may not ask\n", 403)
        open_to_all = request.url.path in ("/", "/token", "/style.css", "/icon.svg")
        if not open_to_all and not await self._is_known(request):
            return PlainTextResponse("the token is missing or wrong\n", 401)
        return None

    async def _is_known(self, request: Request) -> bool:
        if not self._settings.token:
            return True
        given = request.cookies.get(self._cookie_name, "").encode()
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ").encode("latin-1")
        by_cookie = hmac.compare_digest(given, self._cookie.encode())
        if hmac.compare_digest(bearer, self._settings.token.encode()) or by_cookie:
            return True
        if given or bearer:
            await self._wait()
        return False

    async def _wait(self) -> None:
        """After a wrong token: one guess at a time, however it was given."""
        async with self._guessing:
            await asyncio.sleep(GUESS_S)

    async def _index(self, request: Request) -> Response:
        known = await self._is_known(request)
        return _whole("index.html" if known else "login.html", 200 if known else 401)

    async def _take_token(self, request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > 8192:
                return PlainTextResponse("too long\n", 413)
        given = parse_qs(body.decode(errors="replace")).get("token", [""])[0].strip()
        if not hmac.compare_digest(given.encode(), self._settings.token.encode()):
            await self._wait()
            return RedirectResponse("/", 303)
        answer = RedirectResponse("/", 303)
        secure = self._settings.secure
        answer.set_cookie(
            self._cookie_name, self._cookie, max_age=_MONTH_S, httponly=True, samesite="strict", secure=secure
        )
        return answer

    async def _events(self, receive: Receive, send: Send) -> None:
        """The stream of a viewer, to its end."""
        if self._hub.viewers >= VIEWERS:
            await PlainTextResponse("too many viewers\n", 503)({"type": "http"}, receive, send)
            return
        self._count(+1)
        gone = asyncio.ensure_future(_until_gone(receive))
        try:
            await send(
                {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
            )
            past = b",".join(self._hub.past)
            hello = msgspec.json.encode(self._settings.hello)[:-1] + b',"history":[' + past + b"]}"
            seen, data = 0, b"event: hello\ndata: " + hello + b"\n\n"
            while not gone.done():
                message = {"type": "http.response.body", "body": data, "more_body": True}
                await asyncio.wait_for(send(message), STALLED_S)
                news = asyncio.ensure_future(self._hub.after(seen))
                await asyncio.wait((news, gone), return_when=asyncio.FIRST_COMPLETED)
                if not news.done():
                    news.cancel()
                    return
                seen, data = news.result()
        except (asyncio.TimeoutError, OSError):
            pass
        finally:
            gone.cancel()
            self._count(-1)

    def _count(self, step: int) -> None:
        self._hub.count(step)
        self._on_viewers(self._hub.viewers)


def _file(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return _whole(name)

    return answer


def _whole(name: str, status: int = 200) -> Response:
    """A file at once: of Starlette's own answer to a file anybody may ask for any number of parts."""
    return Response((FOLDER / name).read_bytes(), status, media_type=_MEDIA_TYPES[name.rpartition(".")[2]])


def _is_visit(request: Request) -> bool:
    """Whether somebody follows a link to the page."""
    return request.method == "GET" and request.headers.get("sec-fetch-mode") == "navigate"


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def serve(listening: socket.socket, run: socket.socket, memory: int) -> None:
    """Serves until the run has closed its socket, and ends the process then.

    Args:
        listening, run: the sockets. memory: file descriptor of what pictures lie in; -1 where there are none.
    """
    import uvicorn

    from edgefer.sinks.network.page.connection import CONNECTIONS, Connection

    run.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=run, limit=1 << 24)
    settings = msgspec.json.decode((await _message(reader))[1], type=Settings)
    hub = Hub()
    page = Page(settings, hub, listening.getsockname()[1], lambda viewers: writer.write(bytes([viewers])))
    config = uvicorn.Config(
        page, loop="asyncio", http=Connection, ws="none", lifespan="off", interface="asgi3", log_config=None,
        log_level="critical", access_log=False, server_header=False, date_header=False, proxy_headers=False,
        limit_concurrency=CONNECTIONS, timeout_keep_alive=10, timeout_graceful_shutdown=1,
        ssl_certfile=settings.cert_file or None, ssl_keyfile=settings.key_file or None,
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[assignment, method-assign]  # main
    serving = asyncio.ensure_future(server.serve([listening]))
    if memory >= 0:
        from edgefer.support import stills  # noqa: F401  now, for later there may not be the time to load OpenCV
    _give_way()
    writer.write(_TAKEN)  # of the settings: from now on the run may expect an answer
    try:
        while not serving.done():
            kind, data = await _message(reader)
            if kind == "picture":
                kind, data = "reading", _with_picture(data, memory, settings.width)
            hub.put(kind, data)
            writer.write(_TAKEN)
    except (asyncio.IncompleteReadError, OSError):
        pass
    os._exit(0)  # nothing is left to be kept, and viewers must not hold up the end


_KINDS = {b"s": "settings", b"r": "reading", b"p": "picture", b"t": "sample", b"h": "health"}


async def _message(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    length = int.from_bytes(await reader.readexactly(4), "big")
    data = await reader.readexactly(length)
    return _KINDS[data[:1]], data[1:]


def _with_picture(data: bytes, memory: int, width: int) -> bytes:
    """The reading with the picture that lies in the memory; its shape precedes it, three numbers."""
    import numpy as np

    shape = [number for number in struct.unpack_from(">3I", data) if number]
    content = os.pread(memory, math.prod(shape), 0)
    jpeg = as_shown(content, width) if len(shape) == 1 else _coded(np.frombuffer(content, np.uint8).reshape(shape))
    return data[12:-1] + b',"picture":"' + base64.b64encode(jpeg) + b'"}'


def as_shown(jpeg: bytes, width: int) -> bytes:
    """A camera's JPEG as a browser can show it, and not wider than that; empty where it is damaged.

    Many cameras leave the usual Huffman tables out, which browsers do not know.
    """
    import cv2

    from edgefer.support.formats.jpeg import examine
    from edgefer.support.stills import decode_image

    head = jpeg[:_JPEG_HEAD]
    size = examine(head).size
    if size is not None and size[0] <= width and _HUFFMAN in head:
        return jpeg
    reduced = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
    fitting = [flags for factor, flags in reduced.items() if size is not None and size[0] >= factor * width]
    image = decode_image(jpeg, fitting[-1] if fitting else cv2.IMREAD_COLOR)
    if image is None:
        return b""
    if image.shape[1] > width:
        height = max(1, round(image.shape[0] * width / image.shape[1]))
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return _coded(image)


def _coded(image: np.ndarray) -> bytes:
    import cv2

    _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return jpeg.tobytes()


def _give_way() -> None:
    """From now on the run, and whatever else the machine does, goes before the page."""
    with contextlib.suppress(OSError):  # a service of an older unit may not
        if len(os.sched_getaffinity(0)) > 1:
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        else:
            os.setpriority(os.PRIO_PROCESS, 0, _NICE_ALONE)


def main() -> None:
    """Args, of the process: the numbers of the two sockets and, where there are pictures, of their memory."""
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    for number in (signal.SIGINT, signal.SIGTERM):  # they are for the run, whose end is its server's
        signal.signal(number, signal.SIG_IGN)
    listening, run = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])
    asyncio.run(serve(listening, run, int(sys.argv[3]) if len(sys.argv) > 3 else -1))
