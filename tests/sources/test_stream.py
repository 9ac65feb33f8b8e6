"""Network streams, from a server on this machine."""

import socket
import threading
import time

import cv2
import pytest
from clips import textured

from edgefer.errors import SourceError, SourceStalled
from edgefer.sources import open_source, stream


@pytest.fixture
def server():
    """A local TCP server whose answer the test gives; counts as no network."""
    listener = socket.create_server(("127.0.0.1", 0))
    finished = threading.Event()
    threads = []

    def serve(talk):
        def run():
            listener.settimeout(10)
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                talk(connection, finished)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return listener.getsockname()[1]

    yield serve
    finished.set()
    listener.close()
    for thread in threads:
        thread.join(10)


@pytest.mark.parametrize(
    "url",
    ["rtsp://user:sec@ret@[::1/stream", "rtsp://user:sec@ret@", "rtmp://user:sec@ret@host/stream@2"],
    ids=["bracket left open", "no host", "unknown scheme"],
)
def test_a_url_that_cannot_be_meant_is_one_line_without_the_password(url):
    """A password may hold an @; what stands after the host may too."""
    with pytest.raises(SourceError) as caught:
        open_source(url)
    message = str(caught.value)
    assert "sec" not in message and "ret@" not in message and "\n" not in message


def test_a_silent_stream_is_given_up_in_time_without_telling_the_password(server, monkeypatch):
    monkeypatch.setattr(stream, "OPEN_TIMEOUT_MS", 500)
    port = server(lambda connection, finished: finished.wait(20))
    start = time.monotonic()
    with pytest.raises(SourceError, match="no stream within 0.5 s") as caught:
        open_source(f"rtsp://user:secret@127.0.0.1:{port}/stream")
    assert time.monotonic() - start < 5
    assert "secret" not in str(caught.value) and "127.0.0.1" in str(caught.value)


def test_a_stream_that_falls_silent_is_stalled(server, monkeypatch):
    """Twelve frames of motion JPEG over HTTP, then nothing."""
    monkeypatch.setattr(stream, "READ_TIMEOUT_MS", 700)

    def talk(connection, finished):
        connection.recv(4000)
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n")
        for index in range(12):
            data = cv2.imencode(".jpg", textured(index))[1].tobytes()
            connection.sendall(b"--b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data))
            connection.sendall(data + b"\r\n")
        finished.wait(20)

    port = server(talk)
    with open_source(f"http://127.0.0.1:{port}/live") as source:
        assert source.live and source.size == (160, 120)
        frames = []
        with pytest.raises(SourceStalled, match="gave no frame"):
            while True:
                frames.append(source.read())
    assert len(frames) >= 5
    assert all(b.captured_ns >= a.captured_ns for a, b in zip(frames, frames[1:], strict=False))
