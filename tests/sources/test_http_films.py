"""Films over HTTP from servers and caches that are away for a while, or give other bytes than those asked for."""

from __future__ import annotations

import re
import threading

import pytest
from clips import textured
from films import encoder, write_film
from http_server import HttpServer, Request, Route, download, in_turn, page

from edgefer.errors import SourceError, SourceStalled
from edgefer.sources import open_source
from edgefer.sources.network import stream, webfile

FRAMES = 40


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> tuple[bytes, list[float]]:
    """A film of some 400 kB, and the mean grey of each of its frames."""
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    write_film(path, [textured(index) for index in range(FRAMES)], options={"g": "1", "qmin": "1", "qmax": "1"})
    with open_source(str(path)) as source:
        means = [float(frame.grey.mean()) for frame in source.unpaced()]
    assert len(means) == FRAMES
    return path.read_bytes(), means


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [("ts", "text/vnd.trolltech.linguist"), ("mkv", "text/plain"), ("mp4", "text/plain"), ("mp4", "text/html")],
)
def test_a_film_that_is_called_text_is_read(tmp_path, suffix, kind):
    """As servers call it that go by its name, Python's own among them."""
    path = write_film(
        tmp_path / f"film.{suffix}", [textured(index) for index in range(10)], encoder("libx264", "mpeg4")
    )
    with HttpServer({"/film": download(path.read_bytes(), kind)}) as server, open_source(server.url("/film")) as source:
        means, error = read_all(source)
        assert len(means) == 10 and error is None


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        ("\u00e4rger".encode(), "text/plain", r"text \(text/plain\)"),
        (b"{}", "", r"text \(of no type\)"),
        ("\ufeff#EXTM3U\n".encode(), "application/x-mpegurl", "begins with a byte order mark"),
        ("\ufeff#EXTM3U\n".encode(), "text/plain", "begins with a byte order mark"),
    ],
)
def test_text_is_named(body, kind, said):
    with HttpServer({"/film": page(body, kind)}) as server, pytest.raises(SourceError, match=said):
        open_source(server.url("/film"))


def read_all(source) -> tuple[list[float], SourceError | None]:
    """The mean grey of the frames to the end, and the error at the end."""
    means: list[float] = []
    try:
        while (frame := source.read()) is not None:
            means.append(float(frame.grey.mean()))
    except SourceError as error:
        return means, error
    return means, None


def part(data: bytes, begin: int, status: int = 206, **headers: str) -> Route:
    """A route that gives what follows a byte, whatever was asked for."""

    def route(request: Request) -> None:
        if status == 206:
            headers["Content_Range"] = f"bytes {begin}-{len(data) - 1}/{len(data)}"
        request.begin(status, "video/x-matroska", len(data) - begin, Accept_Ranges="bytes", **headers)
        request.wfile.write(data[begin:])

    return route


def cut(data: bytes, tag: str = "") -> Route:
    """A route that breaks off in the middle of the film."""

    def route(request: Request) -> None:
        headers = {"ETag": tag} if tag else {}
        request.begin(200, "video/x-matroska", len(data), Accept_Ranges="bytes", **headers)
        request.wfile.write(data[: len(data) // 2])

    return route


@pytest.mark.parametrize("begin", ["whole", "block"])
def test_a_server_that_begins_before_the_byte_asked_for_is_read_over(film, begin):
    """A cache may ignore Range, or give whole blocks; what it gave was taken for what was asked for."""
    data, means = film
    again = part(data, 0, 200) if begin == "whole" else part(data, len(data) // 2 // 65536 * 65536)
    with HttpServer({"/film": in_turn(cut(data), again)}) as server, open_source(server.url("/film")) as source:
        assert read_all(source) == (means, None)
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("again", "said"),
    [
        (lambda data: part(data + b"more", len(data) // 2), r"changed while it was read \(\d+ bytes, now \d+\)"),
        (lambda data: part(data, 0, 200, ETag='"second"'), r"changed while it was read \(another version\)"),
        (lambda data: part(data, len(data) - 9), r"asked for byte \d+ and what follows, the server gives"),
    ],
    ids=["another length", "another version", "a later part"],
)
def test_a_server_that_gives_something_else_is_named(film, again, said):
    data, means = film
    asked = []

    def later(request: Request) -> None:
        asked.append(request.headers.get("If-Range"))
        again(data)(request)

    with (
        HttpServer({"/film": in_turn(cut(data, '"first"'), later)}) as server,
        open_source(server.url("/film")) as source,
    ):
        seen, error = read_all(source)
    assert error is not None and re.search(said, str(error)) and not isinstance(error, SourceStalled)
    assert 0 < len(seen) < FRAMES and seen == means[: len(seen)]
    assert asked == ['"first"']


def test_a_server_that_gives_short_parts_and_tells_no_total_is_read_on(film):
    """As caches do that have a part alone: bytes a-b/*."""
    data, means = film

    def block(request: Request) -> None:
        begin = int(re.match(r"bytes=(\d+)-", request.headers["Range"])[1])
        some = data[begin : begin + len(data) // 4]
        told = f"bytes {begin}-{begin + len(some) - 1}/*"
        request.begin(206, "video/x-matroska", len(some), Accept_Ranges="bytes", Content_Range=told)
        request.wfile.write(some)

    with HttpServer({"/film": in_turn(cut(data), block)}) as server, open_source(server.url("/film")) as source:
        assert read_all(source) == (means, None)
        assert len(server.requests) > 2


def test_what_would_be_read_over_without_end_is_named(film, monkeypatch):
    monkeypatch.setattr(webfile, "_MOST_READ_OVER_BYTES", 1 << 14)
    data, _ = film
    with (
        HttpServer({"/film": in_turn(cut(data), part(data, 0, 200))}) as server,
        open_source(server.url("/film")) as source,
    ):
        assert "the server gives what follows byte 0; download the film" in str(read_all(source)[1])


def test_a_server_that_is_away_for_a_while_is_waited_for(film):
    """With pauses: three attempts at once were all that it got."""
    data, means = film
    away = [page(b"starting", "text/plain", 503)] * 4
    with (
        HttpServer({"/film": in_turn(cut(data), *away, download(data, "video/x-matroska"))}) as server,
        open_source(server.url("/film")) as source,
    ):
        assert read_all(source) == (means, None)
        assert len(server.requests) == 6


def test_a_server_that_stays_away_is_told_once_after_every_frame_that_came(film, monkeypatch, capfd):
    """FFmpeg reads on after a failure; each further one was a traceback on standard error."""
    monkeypatch.setattr(stream, "PATIENCE_S", 0.3)
    data, means = film
    with (
        HttpServer({"/film": in_turn(cut(data), page(b"", "text/plain", 503))}) as server,
        open_source(server.url("/film")) as source,
    ):
        seen, error = read_all(source)
    assert isinstance(error, SourceStalled) and "503 Service Unavailable" in str(error)
    assert str(error).endswith("tried for 0.3 s") and len(str(error).splitlines()) == 1
    assert FRAMES // 2 - 3 < len(seen) < FRAMES and seen == means[: len(seen)]
    assert "Traceback" not in capfd.readouterr().err


def test_waiting_for_a_server_that_is_away_can_be_ended(film):
    data, _ = film
    waits = threading.Event()

    def away(request: Request) -> None:
        waits.set()
        request.reply(503, "text/plain", b"")

    with HttpServer({"/film": in_turn(cut(data), away)}) as server, open_source(server.url("/film")) as source:
        ends: list[object] = []
        thread = threading.Thread(target=lambda: ends.append(read_all(source)[1]))
        thread.start()
        assert waits.wait(20)
        source.interrupt()
        thread.join(stream.PATIENCE_S / 2)
        assert not thread.is_alive()
