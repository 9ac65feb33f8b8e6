"""HLS: playlists that have ended and that grow, parts that do not come, and variants."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest
from clips import textured
from films import av, encoder, write_film
from http_server import HttpServer, Route, download, in_turn, page

from edgefer.errors import SourceError
from edgefer.sources import open_source
from edgefer.sources.network import stream

SECONDS = 4


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(stream, "OPEN_S", 1.0)
    monkeypatch.setattr(stream, "STALL_S", 0.5)


def hls(
    folder: Path,
    ended: bool = True,
    name: str = "list",
    seconds: int = SECONDS,
    width: int = 160,
    times_ms: list[int] | None = None,
) -> dict:
    """Routes of a playlist with segments of a second each: /list.m3u8, /list0.ts, /list1.ts and so on."""
    path = folder / f"{name}.m3u8"
    images = [textured(index, width) for index in range(25 * seconds)]
    options = {"preset": "ultrafast", "g": "25"}
    lists = {"hls_time": "1", "hls_list_size": "0"}
    write_film(path, images, encoder("libx264"), times_ms=times_ms, options=options, **lists)
    text = path.read_bytes() if ended else path.read_bytes().replace(b"#EXT-X-ENDLIST\n", b"")
    routes: dict[str, Route] = {f"/{name}.m3u8": page(text, "application/vnd.apple.mpegurl")}
    for part in folder.glob(f"{name}*.ts"):
        routes[f"/{part.name}"] = download(part.read_bytes(), "video/mp2t")
    assert len(routes) == 1 + seconds
    return routes


def read_all(source) -> tuple[int, str]:
    """How many frames come, and the error after them."""
    frames = 0
    try:
        while source.read() is not None:
            frames += 1
    except SourceError as error:
        return frames, str(error)
    return frames, ""


def test_a_playlist_that_has_ended_is_a_film(tmp_path, caplog):
    with HttpServer(hls(tmp_path)) as server, open_source(server.url("/list.m3u8")) as source:
        assert not source.live and source.length == 25 * SECONDS
        assert read_all(source) == (25 * SECONDS, "")
    assert not caplog.records


def test_a_playlist_that_grows_is_live_and_played_at_its_own_rate(tmp_path):
    """Segments come whole: without pacing the newest-frame rule would see one frame of each."""
    with HttpServer(hls(tmp_path, ended=False)) as server, open_source(server.url("/list.m3u8")) as source:
        assert source.live
        source.read()
        start = time.monotonic()
        frames = [source.read() for _ in range(15)]
        assert time.monotonic() - start > 0.4
    assert np.allclose(np.diff([frame.media_ns for frame in frames]) / 1e9, 0.04, atol=0.005)


BUSY = page(b"busy", "text/plain", 503)


@pytest.mark.parametrize("lost", [0, 1, SECONDS - 1], ids=["first", "middle", "last"])
def test_a_part_that_does_not_come_is_left_out(tmp_path, lost):
    routes = hls(tmp_path) | {f"/list{lost}.ts": BUSY}
    with HttpServer(routes) as server, open_source(server.url("/list.m3u8")) as source:
        assert read_all(source) == (25 * (SECONDS - 1), "")


def test_a_film_of_which_no_part_comes_is_an_error(tmp_path):
    routes = {path: route if path == "/list.m3u8" else BUSY for path, route in hls(tmp_path).items()}
    with HttpServer(routes) as server, pytest.raises(SourceError):
        open_source(server.url("/list.m3u8"))


def longer(text: bytes) -> bytes:
    """As where seconds are rounded up, or the sound goes on after the picture."""
    return re.sub(rb"EXTINF:[0-9.]+", b"EXTINF:2", text)


def discontinuous(text: bytes) -> bytes:
    """The stamps of its second half lie before those of the first."""
    head, *parts = text.replace(b"#EXT-X-ENDLIST\n", b"").split(b"#EXTINF")
    halves = [b"".join(b"#EXTINF" + part for part in half) for half in (parts[2:], parts[:2])]
    return head + b"#EXT-X-DISCONTINUITY\n".join(halves) + b"#EXT-X-ENDLIST\n"


@pytest.mark.parametrize("change", [longer, discontinuous])
def test_a_film_that_is_whole_is_never_called_incomplete(tmp_path, caplog, change):
    routes = hls(tmp_path)
    text = change((tmp_path / "list.m3u8").read_bytes())
    routes["/list.m3u8"] = page(text, "application/vnd.apple.mpegurl")
    with HttpServer(routes) as server, open_source(server.url("/list.m3u8")) as source:
        assert read_all(source) == (25 * SECONDS, "")
    assert not caplog.records


def test_a_film_whose_picture_stands_for_a_while_is_whole(tmp_path, caplog):
    times_ms = [40 * index + 3000 * (index >= 50) for index in range(100)]
    routes = hls(tmp_path, times_ms=times_ms)
    with HttpServer(routes) as server, open_source(server.url("/list.m3u8")) as source:
        assert read_all(source) == (25 * SECONDS, "")
    assert not caplog.records


def test_a_part_that_comes_when_it_is_asked_for_again_is_read(tmp_path):
    routes = hls(tmp_path)
    routes["/list1.ts"] = in_turn(BUSY, routes["/list1.ts"])
    with HttpServer(routes) as server, open_source(server.url("/list.m3u8")) as source:
        assert read_all(source) == (25 * SECONDS, "")


@pytest.mark.skipif(not hasattr(av.stream, "Discard"), reason="this PyAV cannot leave streams out")
def test_of_several_variants_the_largest_alone_is_fetched_on(tmp_path):
    names = {"small": 80, "large": 160}
    routes: dict[str, Route] = {}
    text = "#EXTM3U\n"
    for name, width in names.items():
        routes |= hls(tmp_path, name=name, width=width, seconds=8)
        text += f"#EXT-X-STREAM-INF:BANDWIDTH={1000 * width},RESOLUTION={width}x120\n{name}.m3u8\n"
    routes["/all.m3u8"] = page(text.encode(), "application/x-mpegurl")
    with HttpServer(routes) as server, open_source(server.url("/all.m3u8")) as source:
        assert source.size == (160, 120)
        assert read_all(source) == (25 * 8, "")
        asked = [path for path in server.requests if path.startswith("/small") and path.endswith(".ts")]
    assert len(asked) < 5, "no more than what was needed to see what there is"
