"""HLS: playlists that have ended and that grow, parts that do not come, and variants."""

from __future__ import annotations

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


def hls(folder: Path, ended: bool = True, name: str = "list", seconds: int = SECONDS, width: int = 160) -> dict:
    """Routes of a playlist with segments of a second each: /list.m3u8, /list0.ts, /list1.ts and so on."""
    path = folder / f"{name}.m3u8"
    images = [textured(index, width) for index in range(25 * seconds)]
    options = {"preset": "ultrafast", "g": "25"}
    write_film(path, images, encoder("libx264"), options=options, hls_time="1", hls_list_size="0")
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


def test_a_part_that_does_not_come_is_told(tmp_path, caplog):
    """FFmpeg goes on with the next one, and says nothing."""
    routes = hls(tmp_path) | {"/list1.ts": BUSY}
    with HttpServer(routes) as server, open_source(server.url("/list.m3u8")) as source:
        assert read_all(source) == (25 * (SECONDS - 1), "")
    assert "1.0 s in its midst did not come: parts of its playlist are missing" in caplog.text


@pytest.mark.parametrize("lost", [0, SECONDS - 1], ids=["first", "last"])
def test_a_first_or_last_part_that_does_not_come_is_an_error_after_the_others(tmp_path, lost):
    routes = hls(tmp_path) | {f"/list{lost}.ts": BUSY}
    with HttpServer(routes) as server, open_source(server.url("/list.m3u8")) as source:
        frames, error = read_all(source)
    assert frames == 25 * (SECONDS - 1) and "1.0 of the 4.0 s of its playlist did not come" in error


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
