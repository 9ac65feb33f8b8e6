"""Network streams: how each is opened, and what its failures mean."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable

from edgefer.defaults import PATIENCE_S
from edgefer.errors import SourceError, SourceStalled
from edgefer.sources.base import Source
from edgefer.sources.film import FILM_OPTIONS
from edgefer.sources.live import LiveStream
from edgefer.sources.media.library import MediaError, av
from edgefer.sources.media.reader import MediaReader
from edgefer.sources.network.address import Address, resolve, stream_address
from edgefer.sources.network.pictures import MotionJpeg, Snapshots, is_snapshot
from edgefer.sources.network.schemes import SCHEMES
from edgefer.sources.network.web import Answer, WebClient, refusal, unreachable
from edgefer.sources.network.webfile import WebFile
from edgefer.sources.passing import PassingFilm
from edgefer.sources.registry import NetworkOptions
from edgefer.support.formats import is_text

#: How long a server may take to answer, and then again to send a first picture.
OPEN_S = 5.0
#: So long without a picture, and a stream is taken for dead.
STALL_S = 5.0

#: Enough to find the picture's size in what comes first; FFmpeg's five seconds would be waited for.
_FAST = {"analyzeduration": "200000"}


def open_stream(options: NetworkOptions) -> Source:
    """A source in the network; what it is follows from the scheme and, over HTTP, from what the server sends.

    Raises:
        SourceError: it can never work: no such host or path, no stream, a certificate that is not trusted.
        SourceRefused: wrong user or password.
        SourceStalled: it does not work now: nothing listens, no answer, no picture.
    """
    address = stream_address(options.url)
    if address.scheme in ("http", "https"):
        return _open_web(address, options)
    if address.host:
        resolve(address, OPEN_S)
    media = _open_media(address, options)
    if options.live == "no":
        return PassingFilm(address.shown, media)
    return LiveStream(address.shown, media, deadline_s=3 * STALL_S)


# -- what FFmpeg connects to by itself


def _open_media(address: Address, options: NetworkOptions, more: dict[str, str] | None = None) -> MediaReader:
    scheme = SCHEMES[address.scheme]
    wanted = {"protocol_whitelist": scheme.protocols, **_FAST, **scheme.options, **(more or {})}
    if "tls" in scheme.protocols and options.verify:
        wanted |= {"tls_verify": "1", "ca_file": ssl.get_default_verify_paths().cafile or ""}
    timeout_s = (OPEN_S, STALL_S / 2 if scheme.reads_twice else STALL_S)
    began = time.monotonic()
    try:
        return MediaReader(address.url, wanted, live=True, timeout_s=timeout_s, silence_s=STALL_S)
    except MediaError as error:
        raise _failure(address, options, error, time.monotonic() - began) from None


_STATUS: list[tuple[str, int]] = [
    ("HTTPBadRequestError", 400),
    ("HTTPUnauthorizedError", 401),
    ("HTTPForbiddenError", 403),
    ("HTTPNotFoundError", 404),
    ("HTTPTooManyRequestsError", 429),
]


def _failure(address: Address, options: NetworkOptions, error: MediaError, took_s: float) -> SourceError:
    """What it means that a stream cannot be opened."""
    cause, shown = error.__context__, address.shown
    for name, status in _STATUS:
        if isinstance(cause, getattr(av.error, name)):
            return refusal(shown, status, tried=address.user is not None)
    if isinstance(cause, av.error.HTTPServerError):
        return SourceStalled(f"{shown}: the server answers with an error of its own (5xx); is it just starting?")
    if isinstance(cause, av.error.HTTPOtherClientError):
        return SourceError(f"{shown}: the server refuses the request (4xx); check what stands after the host")
    if isinstance(cause, av.error.ProtocolNotFoundError):
        return SourceError(f"{shown}: this build of FFmpeg has no {address.scheme}")
    if isinstance(cause, av.error.ExitError) or took_s > 0.95 * OPEN_S:
        waits = "does anything send there?" if SCHEMES[address.scheme].listens else "is it switched on?"
        return SourceStalled(f"{shown}: no stream within {OPEN_S:g} s; {waits}")
    if isinstance(cause, OSError) and cause.errno == 93:
        return SourceError(f"{shown}: the server offers no transport that can be received here (neither TCP nor UDP)")
    if isinstance(cause, EOFError):
        return SourceStalled(f"{shown}: the server closed the connection")
    if isinstance(cause, OSError):
        if "tls" in SCHEMES[address.scheme].protocols and (reason := _tls_failure(address, options.verify)):
            return reason
        return unreachable(shown, cause)
    if cause is None or not isinstance(cause, av.FFmpegError):
        return SourceError(f"{shown}: {error}")
    return SourceError(f"{shown}: no stream that can be decoded ({error})")


def _tls_failure(address: Address, verify: bool) -> SourceError | None:
    """Why there is no TLS connection: FFmpeg does not say."""
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    where = (address.host, address.port or SCHEMES[address.scheme].port)
    try:
        with socket.create_connection(where, OPEN_S) as plain, context.wrap_socket(plain, server_hostname=address.host):
            return None
    except OSError as error:
        return unreachable(address.shown, error)


# -- what comes over HTTP

_PLAYLISTS = ("application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/mpegurl", "audio/x-mpegurl")
_TEXT = ("text/", "application/json", "application/xml", "application/xhtml")
_HEAD_BYTES, _TEXT_BYTES = 16, 512
_UNTOLD = ("", "application/octet-stream")
_MARK = b"\xef\xbb\xbf"


def _open_web(address: Address, options: NetworkOptions) -> Source:
    client = WebClient(address, STALL_S, options.verify)
    try:
        answer = client.get()
        head = answer.peek(_HEAD_BYTES)
        make = _kind_of_answer(answer, head)
        return make(client, answer, options)
    except BaseException:
        client.hang_up()
        raise


def _kind_of_answer(answer: Answer, head: bytes) -> Callable[[WebClient, Answer, NetworkOptions], Source]:
    """By what it says it is, and by its first bytes where that says nothing: cameras get it wrong."""
    jpeg = head.startswith(b"\xff\xd8\xff")
    parts = answer.kind.startswith("multipart/")
    single = answer.kind.startswith("image/") or answer.kind in _UNTOLD
    if parts or (jpeg and answer.length is None and not (single and is_snapshot(answer))):
        return lambda client, answer, options: MotionJpeg(client.shown, WebFile(client, answer), STALL_S)
    if jpeg:
        return lambda client, answer, options: Snapshots(client, answer, STALL_S, options.fps)
    if head.startswith(_MARK + b"#EXTM3U"):
        return _refuse_mark
    if head.startswith(b"#EXTM3U") or answer.kind in _PLAYLISTS:
        return _open_playlist
    if head.lstrip().startswith((b"--", b"\xff\xd8")):
        return lambda client, answer, options: MotionJpeg(client.shown, WebFile(client, answer), STALL_S)
    if (answer.kind.startswith(_TEXT) or head.lstrip()[:1] in (b"<", b"{")) and is_text(answer.peek(_TEXT_BYTES)):
        return _refuse_page
    return _open_body


def _refuse_page(client: WebClient, answer: Answer, options: NetworkOptions) -> Source:
    what = "a web page" if "html" in answer.kind or answer.peek(1) == b"<" else f"text ({answer.kind or 'of no type'})"
    raise SourceError(f"{client.shown}: the server answers with {what}, not with pictures; a log-in page?")


def _refuse_mark(client: WebClient, answer: Answer, options: NetworkOptions) -> Source:
    raise SourceError(
        f"{client.shown}: its playlist begins with a byte order mark, which FFmpeg takes for something else; have the"
        " server leave it out"
    )


def _open_playlist(client: WebClient, answer: Answer, options: NetworkOptions) -> Source:
    """HLS: live where the playlist goes on growing, else a film. FFmpeg fetches the segments by itself."""
    client.hang_up()
    media = _open_media(client.address, options, {"analyzeduration": "1000000", "seg_max_retry": "2"})
    grows = media.container.duration is None
    if options.live == "yes" or (options.live == "auto" and grows):
        return LiveStream(client.shown, media, paced=True, deadline_s=6 * STALL_S)
    return PassingFilm(client.shown, media)


def _open_body(client: WebClient, answer: Answer, options: NetworkOptions) -> Source:
    """A film where the server says how long it is, else a live stream."""
    finite = answer.length is not None
    live = options.live == "yes" or (options.live == "auto" and not finite)
    file = WebFile(client, answer, 0.0 if live else PATIENCE_S)  # what is live is opened again instead
    try:
        media = MediaReader(
            file, {**FILM_OPTIONS, **(_FAST if live else {})}, live=live, silence_s=STALL_S if live else None
        )
    except MediaError as error:
        raise SourceError(
            f"{client.shown}: no stream that can be decoded ({answer.kind or 'of no type'}; {error})"
        ) from None
    if live:
        return LiveStream(client.shown, media, file=file, deadline_s=3 * STALL_S)
    return PassingFilm(client.shown, media, file)
