"""Cameras and films over HTTP, from a server on this machine that also fails."""

from __future__ import annotations

import ssl
import tempfile
import threading
import time

import numpy as np
import pytest
from clips import textured

av = pytest.importorskip("av", reason="films need PyAV (extra `film`)")

from http_server import HttpServer, Request, Route, download, in_turn, jpeg, multipart, page, snapshots  # noqa: E402

from edgefer.errors import SourceError, SourceRefused, SourceStalled  # noqa: E402
from edgefer.loop.capture import Capture  # noqa: E402
from edgefer.loop.patience import open_patiently  # noqa: E402
from edgefer.sources import open_source  # noqa: E402
from edgefer.sources.network import stream  # noqa: E402

PICTURES = [textured(index) for index in range(30)]
JPEGS = [jpeg(picture) for picture in PICTURES]
#: Each fifth is cut in its middle, the last one included.
TORN = [data if index % 5 else data[: len(data) // 2] for index, data in enumerate(JPEGS, 1)]


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Half a second is long on loopback."""
    monkeypatch.setattr(stream, "OPEN_S", 1.0)
    monkeypatch.setattr(stream, "STALL_S", 0.5)


def is_picture(frame, index: int) -> bool:
    return bool(np.abs(frame.grey - PICTURES[index].mean(axis=2)).mean() < 12)


def read_all(source) -> tuple[list, SourceError | None]:
    """Frames to the end, and the error at the end."""
    frames = []
    try:
        while (frame := source.read()) is not None:
            frames.append(frame)
    except SourceError as error:
        return frames, error
    return frames, None


# -- motion JPEG


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"lengths": False},
        {"written": "--other"},
        {"lengths": False, "written": "--other"},
        {"boundary": "--frame", "lengths": False},
    ],
    ids=["as it should be", "no lengths", "wrong boundary", "neither", "dashes in the boundary"],
)
@pytest.mark.parametrize("parts", [JPEGS, TORN], ids=["whole", "torn"])
def test_torn_pictures_are_left_out_and_counted_and_all_others_read(parts, shape):
    """In one connection: a torn picture is no reason to start over."""
    with HttpServer({"/live": multipart(parts, interval_s=0.001, **shape)}) as server:
        with open_source(server.url("/live")) as source:
            frames, error = read_all(source)
            assert isinstance(error, SourceStalled)
            torn = 6 if parts is TORN else 0
            assert source.live and source.damaged == torn and len(frames) == 30 - torn
        assert len(server.requests) == 1
    assert [frame.index for frame in frames] == sorted({frame.index for frame in frames})
    whole = [index for index in range(30) if parts is JPEGS or (index + 1) % 5]
    assert all(is_picture(frame, index) for frame, index in zip(frames, whole, strict=True))
    assert all(later.media_ns > earlier.media_ns for earlier, later in zip(frames, frames[1:], strict=False))


def test_a_length_that_is_wrong_is_not_believed():
    """Some cameras count the head of the part along, or state one length for all."""

    def route(request):
        request.begin(200, "multipart/x-mixed-replace; boundary=b")
        for data in JPEGS:
            head = f"--b\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data) // 2}\r\n\r\n"
            request.wfile.write(head.encode() + data + b"\r\n")

    with HttpServer({"/live": route}) as server, open_source(server.url("/live")) as source:
        frames, _ = read_all(source)
        assert len(frames) == 30 and source.damaged == 0


def test_pictures_without_parts_between_them_are_read():
    """video/x-motion-jpeg, as some cameras send it."""

    def route(request):
        request.begin(200, "video/x-motion-jpeg")
        for data in JPEGS:
            request.wfile.write(data)

    with HttpServer({"/live": route}) as server, open_source(server.url("/live")) as source:
        frames, _ = read_all(source)
        assert len(frames) == 30 and is_picture(frames[-1], 29)


def test_a_picture_is_given_when_it_is_complete_and_not_when_the_next_one_begins():
    with (
        HttpServer({"/live": multipart(JPEGS[:1], lengths=False)}) as server,
        open_source(server.url("/live")) as source,
    ):
        assert is_picture(source.read(), 0)


@pytest.mark.parametrize(("then", "said"), [("wait", "silent"), ("close", "the stream ended"), ("reset", "broken off")])
def test_a_stream_that_freezes_or_drops_is_a_stall(then, said):
    with (
        HttpServer({"/live": multipart(JPEGS[:8], then=then, interval_s=0.001)}) as server,
        open_source(server.url("/live")) as source,
    ):
        start = time.monotonic()
        frames, error = read_all(source)
        assert time.monotonic() - start < 3
    assert len(frames) == 8 and isinstance(error, SourceStalled) and said in str(error)


def test_a_dropped_stream_is_opened_again_and_torn_pictures_are_told(caplog):
    drops = multipart(TORN[:10], then="close", interval_s=0.01)
    with HttpServer({"/live": in_turn(drops, multipart(JPEGS, loop=True))}) as server:
        opens = lambda: open_source(server.url("/live"))  # noqa: E731
        capture = Capture(opens(), opens, patience_s=10)
        media, deadline = [], time.monotonic() + 10
        while capture.reconnects == 0 or len(media) < 15:
            assert time.monotonic() < deadline
            if (frame := capture.take(0.1)) is not None:
                media.append(frame.media_ns)
        capture.close()
    assert media == sorted(media)
    assert "2 damaged frames were left out" in caplog.text


def test_a_stream_of_torn_pictures_alone_is_a_stall():
    with (
        HttpServer({"/live": multipart(TORN[4:5], loop=True)}) as server,
        pytest.raises(SourceStalled, match="every picture is torn"),
    ):
        open_source(server.url("/live"))


def test_parts_that_are_no_pictures_are_refused():
    with (
        HttpServer({"/live": multipart([b"x" * 100_000], loop=True, interval_s=0.0)}) as server,
        pytest.raises(SourceError, match="no JPEG") as caught,
    ):
        open_source(server.url("/live"))
    assert not isinstance(caught.value, SourceStalled)


# -- snapshots


def test_a_snapshot_address_is_asked_again_and_again():
    """The same picture twice is two frames: a camera before a wall is no still."""
    with (
        HttpServer({"/snap": snapshots(PICTURES[:3])}) as server,
        open_source(f"stream:{server.url('/snap')},fps=25") as source,
    ):
        assert source.live and source.fps == 25
        start = time.monotonic()
        frames = [source.read() for _ in range(6)]
        took_s = time.monotonic() - start
    assert [is_picture(frame, min(index, 2)) for index, frame in enumerate(frames)] == [True] * 6
    assert not any(frame.still for frame in frames)
    assert took_s > 4 / 25, "no faster than was asked for"
    assert all(later.media_ns > earlier.media_ns for earlier, later in zip(frames, frames[1:], strict=False))


@pytest.mark.parametrize("auth", ["basic", "digest"])
def test_snapshots_behind_a_password(auth):
    with HttpServer({"/snap": snapshots(PICTURES)}, auth=auth, password="p@ss/w:rd") as server:
        with open_source(f"stream:{server.url('/snap', 'user:p@ss/w:rd')},fps=50") as source:
            assert [is_picture(source.read(), index) for index in range(4)] == [True] * 4
            assert "ss/w" not in source.name
        if auth == "digest":
            assert len(server.requests) == 5, "one challenge, and no more"


def test_a_snapshot_that_fails_now_and_then_goes_on():
    picture = snapshots(PICTURES[:1])
    torn = page(JPEGS[0][:500], "image/jpeg")
    busy = page(b"busy", "text/plain", 503)
    with (
        HttpServer({"/snap": in_turn(picture, torn, busy, picture)}) as server,
        open_source(f"stream:{server.url('/snap')},fps=50") as source,
    ):
        assert all(is_picture(source.read(), 0) for _ in range(3))
        assert source.damaged == 1


def test_a_snapshot_that_fails_for_long_is_a_stall_with_its_reason():
    with (
        HttpServer({"/snap": in_turn(snapshots(PICTURES[:1]), page(b"gone", "text/plain", 404))}) as server,
        open_source(f"stream:{server.url('/snap')},fps=20") as source,
    ):
        source.read()
        with pytest.raises(SourceStalled, match="404 Not Found"):
            source.read()


def test_a_password_that_is_changed_is_not_tried_again():
    with HttpServer({"/snap": in_turn(snapshots(PICTURES[:1]), page(b"", "text/plain", 401))}) as server:
        opens = lambda: open_source(f"stream:{server.url('/snap', 'user:secret')},fps=20")  # noqa: E731
        capture = Capture(opens(), opens, patience_s=10)
        with pytest.raises(SourceRefused, match="401"):
            for _ in range(50):
                capture.take(0.1)
        capture.close()
        assert len(server.requests) == 2


def test_waiting_for_a_rare_snapshot_is_no_stall():
    """The loop leaves a source to itself that takes longer than it says."""
    with (
        HttpServer({"/snap": snapshots(PICTURES[:1])}) as server,
        open_source(f"stream:{server.url('/snap')},fps=0.01") as source,
    ):
        assert source.deadline_s is not None and source.deadline_s > 100


def unsaid(parts: list[bytes], chunked: bool, kind: str) -> Route:
    """A route that gives JPEGs without saying how long they are."""

    def route(request: Request) -> None:
        request.begin(200, kind, **({"Transfer_Encoding": "chunked"} if chunked else {}))
        for data in parts:
            request.wfile.write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
        if chunked:
            request.wfile.write(b"0\r\n\r\n")

    return route


KINDS = ["image/jpeg", "", "application/octet-stream"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chunked", [True, False], ids=["in chunks", "to the end of the connection"])
def test_a_snapshot_whose_length_is_not_told_is_asked_for_again(chunked, kind):
    """It was taken for a stream that ends after each picture."""
    with (
        HttpServer({"/snap": in_turn(*(unsaid([data], chunked, kind) for data in JPEGS[:4]))}) as server,
        open_source(f"stream:{server.url('/snap')},fps=50") as source,
    ):
        assert [is_picture(source.read(), index) for index in range(4)] == [True] * 4
        assert source.fps == 50


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chunked", [True, False], ids=["in chunks", "to the end of the connection"])
def test_pictures_that_follow_each_other_are_a_stream_though_they_are_called_a_picture(chunked, kind):
    with HttpServer({"/live": unsaid(JPEGS, chunked, kind)}) as server, open_source(server.url("/live")) as source:
        frames, error = read_all(source)
        assert len(frames) == 30 and isinstance(error, SourceStalled)
        assert len(server.requests) == 1


def test_snapshots_come_over_one_connection_and_each_is_asked_for_once():
    """Where the server keeps the connection; a length that was read to its end left it unusable."""
    connections = set()

    def kept(request: Request) -> None:
        connections.add(request.client_address)
        request.close_connection = False
        request.send_response(200)
        request.send_header("Content-Type", "image/jpeg")
        request.send_header("Content-Length", str(len(JPEGS[0])))
        request.end_headers()
        request.wfile.write(JPEGS[0])

    with HttpServer({"/snap": kept}) as server:
        with open_source(f"stream:{server.url('/snap')},fps=50") as source:
            assert all(source.read() is not None for _ in range(4))
        assert len(server.requests) == 4 and len(connections) == 1


def test_a_slow_snapshot_sets_the_rate():
    def slow(request):
        time.sleep(0.15)
        request.reply(200, "image/jpeg", JPEGS[0])

    with HttpServer({"/snap": slow}) as server, open_source(f"stream:{server.url('/snap')},fps=50") as source:
        start = time.monotonic()
        for _ in range(4):
            source.read()
        assert time.monotonic() - start > 0.4


def test_waiting_for_the_next_snapshot_can_be_ended():
    with HttpServer({"/snap": snapshots(PICTURES[:1])}) as server:
        source = open_source(f"stream:{server.url('/snap')},fps=0.01")
        assert source.read() is not None
        threading.Timer(0.1, source.interrupt).start()
        assert source.read() is None
        source.close()


# -- what a server may answer


@pytest.mark.parametrize("auth", ["basic", "digest"])
@pytest.mark.parametrize(("user", "said"), [("user:wrong1", "password wrong"), ("", "password missing")])
def test_a_wrong_password_is_tried_once(auth, user, said):
    with HttpServer({"/live": multipart(JPEGS)}, auth=auth) as server:
        with pytest.raises(SourceRefused, match=f"401 Unauthorized; .*{said}") as caught:
            open_patiently(lambda: open_source(server.url("/live", user)), patience_s=20)
        assert len(server.requests) <= 2
    assert "wrong1" not in str(caught.value)


@pytest.mark.parametrize(
    ("route", "said"),
    [
        (page(b"<html>log in</html>"), "a web page"),
        (page(b"<!DOCTYPE html><html>", "application/octet-stream"), "a web page"),
        (page(b"hello", "text/plain"), "answers with text"),
        (page("Нет доступа: войдите".encode(), "text/plain"), "answers with text"),
        (page("アクセスが拒否されました".encode() * 20, "text/plain"), "answers with text"),
        (page("<p>Zugang für Sie</p>".encode("latin-1"), "text/html; charset=iso-8859-1"), "a web page"),
        (page("<p>Zugang für Sie</p>".encode("utf-16"), "text/html; charset=utf-16"), "a web page"),
        (page(b"", "text/html", 404), "404 Not Found"),
        (page(b"", "text/html", 403), "403 Forbidden"),
        (page(b"", "text/html", 400), "400 Bad Request"),
        (page(b"", "text/html", 302, Location="/live"), "redirected more than"),
        (page(b"", "text/html", 302, Location="file:///etc/passwd"), "expected http or https"),
        (page(b"", "text/html", 302, Location="http://[bad/"), "redirected to what is no address"),
        (page(b"", "text/html", 302, Location="http://:99999/"), "redirected to what is no address"),
        (page(b"nothing" * 5000, "video/mp4"), "no stream that can be decoded"),
        (page(b"", "video/mp4"), "no stream that can be decoded"),
    ],
    ids=[
        *("page", "unnamed page", "text", "Russian", "Japanese", "Latin-1", "UTF-16", "404", "403", "400"),
        *("circle", "file", "bracket", "port", "no film", "empty"),
    ],
)
def test_an_answer_that_will_never_do_ends_at_once_and_is_named(route, said):
    with HttpServer({"/live": route}) as server, pytest.raises(SourceError, match=said) as caught:
        open_patiently(lambda: open_source(server.url("/live?pwd=hidden")), patience_s=20)
    assert not isinstance(caught.value, SourceStalled) and "hidden" not in str(caught.value)


def test_what_is_not_http_is_named():
    import socket

    listener = socket.create_server(("127.0.0.1", 0))

    def answer():
        connection, _ = listener.accept()
        connection.recv(1000)
        connection.sendall(b"RTSP/1.0 400 Bad Request\r\n\r\n")
        connection.close()

    threading.Thread(target=answer, daemon=True).start()
    with listener, pytest.raises(SourceError, match="not HTTP"):
        open_source(f"http://127.0.0.1:{listener.getsockname()[1]}/")


def test_a_redirection_is_followed_with_the_password_on_the_same_server_alone():
    routes = {"/live": page(b"", "text/html", 302, Location="/real"), "/real": multipart(JPEGS)}
    with HttpServer(routes, auth="digest") as server, open_source(server.url("/live", "user:secret")) as source:
        assert is_picture(source.read(), 0)
    asked = []

    def other(request):
        asked.append(request.headers.get("Authorization"))
        multipart(JPEGS)(request)

    with HttpServer({"/": other}) as second:
        away = page(b"", "text/html", 302, Location=second.url("/"))
        with (
            HttpServer({"/live": away}, auth="basic") as server,
            open_source(server.url("/live", "user:secret")) as source,
        ):
            assert is_picture(source.read(), 0)
    assert asked == [None]


def test_a_server_that_is_not_there_yet_is_waited_for(caplog):
    with HttpServer({}) as server:
        port = server.port
    later = []
    threading.Timer(0.4, lambda: later.append(HttpServer({"/live": multipart(JPEGS, loop=True)}, port=port))).start()
    with open_patiently(lambda: open_source(f"http://127.0.0.1:{port}/live"), patience_s=10) as source:
        assert source.read() is not None
    later[0].stop()
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == 1 and "connection refused" in said[0] and "trying for 10 s" in said[0]


# -- TLS


def test_a_certificate_that_nobody_vouches_for_is_refused_unless_told_otherwise(certificate):
    with HttpServer({"/live": multipart(JPEGS, loop=True)}, certificate=certificate) as server:
        with pytest.raises(SourceError, match="not trusted .*verify=no") as caught:
            open_source(server.url("/live"))
        assert not isinstance(caught.value, SourceStalled)
        with open_source(f"stream:{server.url('/live')},verify=no") as source:
            assert source.read() is not None


def test_a_certificate_that_this_machine_trusts_is_accepted(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    with (
        HttpServer({"/live": multipart(JPEGS, loop=True)}, certificate=certificate) as server,
        open_source(server.url("/live")) as source,
    ):
        assert source.read() is not None


def test_a_plain_port_is_named():
    with HttpServer({"/live": multipart(JPEGS)}) as server, pytest.raises(SourceError, match="no TLS connection"):
        open_source(server.url("/live").replace("http:", "https:"))


def test_a_clock_that_was_not_set_yet_is_waited_for():
    """A board without a battery begins in the past, where no certificate is valid yet."""
    from edgefer.sources.network.web import unreachable

    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_code, error.verify_message = 9, "certificate is not yet valid"
    assert isinstance(unreachable("https://camera", error), SourceStalled)


# -- films and streams in containers


def film(container: str, frames: int = 30, sound: bool = False, **options: str) -> bytes:
    with tempfile.NamedTemporaryFile() as file:
        _write_film(file.name, container, frames, sound, options)
        return file.read()


def _write_film(path: str, container: str, frames: int, sound: bool, options: dict[str, str]) -> None:
    with av.open(path, "w", format=container, options=options) as output:
        video = output.add_stream("mpeg4" if container == "mp4" else "libx264", rate=25)
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        video.options = {"preset": "ultrafast", "tune": "zerolatency", "g": "5"}
        if container == "mp4":  # large, so that not all of it lies in a buffer
            video.options = {"g": "1", "qmin": "1", "qmax": "1"}
        audio = output.add_stream("mp2", rate=44100, layout="mono") if sound else None
        for index in range(frames):
            for packet in video.encode(av.VideoFrame.from_ndarray(PICTURES[index % 30], "bgr24")):
                output.mux(packet)
        for packet in video.encode(None):
            output.mux(packet)
        if audio is not None:
            for index in range(400):
                sample = av.AudioFrame.from_ndarray(np.zeros((1, 1152), np.int16), "s16", "mono")
                sample.sample_rate, sample.pts = 44100, 1152 * index
                for packet in audio.encode(sample):
                    output.mux(packet)


@pytest.mark.parametrize("ranges", [True, False], ids=["parts", "no parts"])
@pytest.mark.parametrize("faststart", [True, False], ids=["index first", "index last"])
def test_a_film_by_its_address_is_read_whole(ranges, faststart):
    """A server that says how long it is has a film, not a camera; each frame is read, and its end is the end."""
    data = film("mp4", **({"movflags": "faststart"} if faststart else {}))
    with HttpServer({"/clip": download(data, ranges=ranges)}) as server:
        if not ranges and not faststart:
            with pytest.raises(SourceError, match="can be decoded"):
                open_source(server.url("/clip"))
            return
        with open_source(server.url("/clip")) as source:
            frames, error = read_all(source)
            assert not source.live and source.length == 30
    assert error is None and len(frames) == 30
    assert np.allclose([frame.media_ns / 1e9 for frame in frames], np.arange(30) / 25, atol=1e-3)


def test_a_film_whose_connection_breaks_goes_on_where_it_broke():
    data = film("mp4", movflags="faststart")
    with HttpServer({"/clip": download(data, cut=len(data) // 2)}) as server:
        with open_source(server.url("/clip")) as source:
            frames, error = read_all(source)
        assert len(server.requests) == 2
    assert error is None and len(frames) == 30


def test_a_film_whose_connection_breaks_for_good_is_an_error_after_what_came():
    data = film("matroska")
    with (
        HttpServer({"/clip": download(data, ranges=False, cut=2 * len(data) // 3)}) as server,
        open_source(server.url("/clip")) as source,
    ):
        frames, error = read_all(source)
    assert error is not None and "broken off" in str(error) and 5 < len(frames) < 30


def test_a_stream_without_a_length_is_live_and_its_end_a_stall():
    data = film("mpegts")
    with (
        HttpServer({"/live": download(data, "video/mp2t", ranges=False, length=False)}) as server,
        open_source(server.url("/live")) as source,
    ):
        frames, error = read_all(source)
        assert source.live
    assert isinstance(error, SourceStalled) and len(frames) >= 29


def test_the_option_live_decides_where_the_answer_does_not():
    data = film("mpegts")
    with (
        HttpServer({"/live": download(data, "video/mp2t", ranges=False, length=False)}) as server,
        open_source(f"stream:{server.url('/live')},live=no") as source,
    ):
        frames, error = read_all(source)
        assert not source.live
    assert error is None and len(frames) == 30


def test_sound_that_goes_on_does_not_hide_a_picture_that_ended():
    data = film("mpegts", 40, sound=True)

    def route(request):
        request.begin(200, "video/mp2t")
        request.wfile.write(data[: len(data) // 2])
        for start in range(len(data) // 2, len(data), 1880):
            if request.server.over.wait(0.02):
                return
            request.wfile.write(data[start : start + 1880])

    with HttpServer({"/live": route}) as server, open_source(server.url("/live")) as source:
        _, error = read_all(source)
    assert isinstance(error, SourceStalled) and "no whole picture for 0.5 s" in str(error)


def test_a_playlist_in_the_place_of_a_film_reads_no_local_file(tmp_path):
    """A server must not make us read files of this machine."""
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(film("mp4"))
    lists = {
        "/concat": page(f"ffconcat version 1.0\nfile {clip}\n".encode(), "application/octet-stream"),
        "/hls": page(f"#EXTM3U\n#EXTINF:1,\n{clip.as_uri()}\n#EXT-X-ENDLIST\n".encode(), "application/x-mpegurl"),
    }
    with HttpServer(lists) as server:
        for path in lists:
            with pytest.raises(SourceError):
                open_source(server.url(path)).read()
