"""RTSP, from a server on this machine that also fails."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from clips import textured

pytest.importorskip("av", reason="films need PyAV (extra `film`)")

from rtsp_server import RtspServer  # noqa: E402

from edgefer.errors import SourceError, SourceRefused, SourceStalled  # noqa: E402
from edgefer.loop.capture import Capture  # noqa: E402
from edgefer.loop.patience import open_patiently  # noqa: E402
from edgefer.sources import open_source  # noqa: E402
from edgefer.sources.network import stream  # noqa: E402


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """A second is long on loopback."""
    monkeypatch.setattr(stream, "OPEN_S", 1.0)
    monkeypatch.setattr(stream, "STALL_S", 0.6)


def read_until_stalled(source, most: int = 200) -> SourceStalled:
    with pytest.raises(SourceStalled) as caught:
        for _ in range(most):
            assert source.read() is not None
    return caught.value


@pytest.mark.parametrize("transports", [("tcp", "udp"), ("tcp",), ("udp",)], ids=["both", "tcp alone", "udp alone"])
def test_every_transport_that_a_server_offers_is_used(transports):
    """TCP where there is a choice, for there no picture is torn; the pictures are those that were sent."""
    with RtspServer(transports=transports) as server, open_source(server.url()) as source:
        assert source.live and source.size == (160, 120) and source.fps == 25
        frames = [source.read() for _ in range(12)]
        assert server.plays == [transports[0]]
    times = [frame.media_ns / 1e9 for frame in frames]
    assert np.allclose(np.diff(times), 0.04, atol=0.005), "the camera's stamps, not the moments of arrival"
    sent = textured(0).mean(axis=2)
    errors = [np.abs(frame.grey - np.roll(sent, 3 * frame.index, axis=1)).mean() for frame in frames]
    assert max(errors) < 12


def test_without_any_transport_the_answer_is_named():
    with RtspServer(transports=()) as server, pytest.raises(SourceError, match="offers no transport") as caught:
        open_source(server.url())
    assert not isinstance(caught.value, SourceStalled)


@pytest.mark.parametrize("auth", ["basic", "digest"])
def test_user_and_password_open_the_door(auth):
    """Also a password that would be misread in a URL."""
    with RtspServer(auth=auth, password="se/c@r:et") as server, open_source(server.url("user:se/c@r:et")) as source:
        assert source.read() is not None
        assert "se/c" not in source.name and "et@" not in source.name


@pytest.mark.parametrize("auth", ["basic", "digest"])
@pytest.mark.parametrize(("user", "said"), [("user:wrong1", "password wrong"), ("", "password missing")])
def test_a_wrong_password_ends_at_once_and_is_named(auth, user, said):
    """One refused attempt is not followed by another: cameras lock accounts."""
    with RtspServer(auth=auth) as server:
        with pytest.raises(SourceRefused, match=f"401 Unauthorized; .*{said}") as caught:
            open_patiently(lambda: open_source(server.url(user)), patience_s=20)
        assert server.requests.count("DESCRIBE") <= 2
    assert "wrong1" not in str(caught.value)


def test_a_wrong_path_ends_at_once_and_is_named():
    with RtspServer() as server, pytest.raises(SourceError, match="404 Not Found") as caught:
        open_patiently(lambda: open_source(server.url(path="/other")), patience_s=20)
    assert not isinstance(caught.value, SourceStalled)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_server_that_sends_nothing_more_is_noticed(transport):
    with RtspServer(transports=(transport,)) as server, open_source(server.url()) as source:
        source.read()
        server.frozen = True
        assert "no picture in time" in str(read_until_stalled(source))


@pytest.mark.parametrize("reset", [False, True], ids=["stopped", "killed"])
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_the_end_of_a_live_stream_is_a_stall(transport, reset):
    """A server that was killed looks like one that has no more to send."""
    with RtspServer(transports=(transport,)) as server, open_source(server.url()) as source:
        source.read()
        server.stop(reset)
        assert "the stream ended" in str(read_until_stalled(source))


def test_a_server_that_restarts_is_opened_again_and_time_goes_on():
    with RtspServer() as server:
        capture = Capture(open_source(server.url()), lambda: open_source(server.url()), patience_s=10)
        before = [frame for _ in range(20) if (frame := capture.take(0.1))]
        server.stop(reset=True)
        server.start()
        after = []
        deadline = time.monotonic() + 10
        while len(after) < 5 and time.monotonic() < deadline:
            frame = capture.take(0.1)
            if frame is not None and capture.reconnects:
                after.append(frame)
        capture.close()
    assert capture.reconnects == 1 and len(after) == 5
    media = [frame.media_ns for frame in before + after]
    assert media == sorted(media)
    assert after[0].index > before[-1].index


def test_a_server_that_is_not_there_yet_is_waited_for(caplog):
    """As when a service starts before its camera has; it is said at once, in one line."""
    with RtspServer() as server:
        server.stop()
        threading.Timer(0.4, server.start).start()
        source = open_patiently(lambda: open_source(server.url()), patience_s=10)
        with source:
            assert source.read() is not None
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == 1 and "connection refused" in said[0] and "trying for 10 s" in said[0]


def test_a_busy_server_is_waited_for():
    with RtspServer() as server:
        server.refuse = 503
        threading.Timer(0.3, setattr, (server, "refuse", None)).start()
        with open_patiently(lambda: open_source(server.url()), patience_s=10) as source:
            assert source.read() is not None


def test_a_server_that_never_answers_is_given_up_in_time():
    with RtspServer(speak=False) as server:
        start = time.monotonic()
        with pytest.raises(SourceStalled, match="no stream within 1 s"):
            open_source(server.url("user:secret"))
        assert time.monotonic() - start < 5


@pytest.mark.parametrize(("tracks", "said"), [(("audio",), "no picture"), (("data",), "no picture")])
def test_a_stream_without_a_picture_is_refused(tracks, said):
    with RtspServer(tracks=tracks) as server, pytest.raises(SourceError, match=said) as caught:
        open_source(server.url())
    assert not isinstance(caught.value, SourceStalled)


@pytest.mark.parametrize("tracks", [("audio", "video"), ("data", "video"), ("video", "audio", "data")])
def test_the_picture_is_found_wherever_it_stands(tracks):
    with RtspServer(tracks=tracks) as server, open_source(server.url()) as source:
        assert source.read().grey.shape == (120, 160)


def test_sound_that_goes_on_does_not_hide_a_picture_that_ended():
    """Each packet of sound would start the wait for a picture again."""
    with RtspServer(tracks=("video", "audio")) as server, open_source(server.url()) as source:
        source.read()
        server.mute_video = True
        assert "no picture in time" in str(read_until_stalled(source))


def test_lost_packets_leave_frames_out_and_the_stream_open():
    """Pictures of noise, so that each takes several packets; those that arrive whole are shown as they are."""
    noise = [np.random.default_rng(seed).integers(0, 256, (96, 128, 3), np.uint8) for seed in range(10)]
    server = RtspServer(noise, transports=("udp",), encoder_options={"crf": "30"})
    with server, open_source(server.url()) as source:
        server.lose_every = 23
        frames = [source.read() for _ in range(30)]
        server.lose_every = 0
        assert source.damaged > 0
        assert server.requests.count("DESCRIBE") == 1
    assert len({frame.index for frame in frames}) == 30


def test_a_certificate_that_nobody_vouches_for_is_refused_unless_told_otherwise(certificate, monkeypatch):
    with RtspServer(transports=("tcp",), certificate=certificate) as server:
        with pytest.raises(SourceError, match="not trusted .*verify=no") as caught:
            open_source(server.url())
        assert not isinstance(caught.value, SourceStalled)
        with open_source(f"stream:{server.url()},verify=no") as source:
            assert source.read() is not None
        monkeypatch.setenv("SSL_CERT_FILE", certificate)
        with open_source(server.url()) as source:
            assert source.read() is not None


def test_interlaced_pictures_come_as_they_were_sent():
    with (
        RtspServer(
            encoder_options={"flags": "+ilme+ildct", "x264-params": "keyint=5:tff=1:repeat-headers=1"}
        ) as server,
        open_source(server.url()) as source,
    ):
        frames = [source.read() for _ in range(8)]
    sent = textured(0).mean(axis=2)
    assert all(np.abs(frame.grey - np.roll(sent, 3 * frame.index, axis=1)).mean() < 12 for frame in frames)
