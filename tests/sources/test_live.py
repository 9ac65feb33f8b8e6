"""Media time of live pictures, and datagrams."""

from __future__ import annotations

import socket
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from clips import textured

av = pytest.importorskip("av")

from edgefer.sources import open_source  # noqa: E402
from edgefer.sources.live import LiveClock, LiveStream  # noqa: E402

MS = 1_000_000


def test_the_senders_stamps_count_more_than_the_moments_of_arrival():
    """Three pictures that the network held back come at once."""
    clock = LiveClock(25)
    arrivals = [0, 40, 80, 240, 240, 240, 240]
    times = [clock.next(5_000 * MS + 40 * MS * index, arrival * MS) for index, arrival in enumerate(arrivals)]
    assert np.allclose(np.diff(times) / MS, 40, atol=1)
    assert times[0] == 0


def test_a_clock_that_drifts_is_held_to_that_of_this_machine():
    """One per cent fast, for ten minutes."""
    clock = LiveClock(25)
    times = [clock.next(round(40.4 * MS * index), 40 * MS * index) for index in range(15_000)]
    assert abs(times[-1] - 40 * MS * 14_999) < 500 * MS
    assert min(np.diff(times)) > 0


#: Stamps follow the last one by so much, in place of 40 ms.
SET_MS = [-6_600_000, 600_000, -3_000_000, -9_000, -700, 700, 9_000]


@pytest.mark.parametrize("set_ms", SET_MS)
@pytest.mark.parametrize("ahead", [0, 40], ids=["as they come", "after many at once"])
def test_a_clock_that_is_set_makes_no_leap(set_ms, ahead):
    """Nor does time stand still, also where a server has begun with pictures that it had kept."""
    clock = LiveClock(25)
    stamps = [3_000_000 + 40 * index for index in range(50)] + [3_002_000 + set_ms + 40 * index for index in range(50)]
    times = [clock.next(stamp * MS, 40 * MS * max(0, index - ahead)) for index, stamp in enumerate(stamps)]
    assert np.allclose(np.diff(times) / MS, 40, atol=2)


def test_a_single_stamp_that_is_wrong_makes_no_leap():
    clock = LiveClock(25)
    stamps = [40 * index + {20: 5_000, 40: -5_000}.get(index, 0) for index in range(60)]
    times = [clock.next(stamp * MS, 40 * MS * index) for index, stamp in enumerate(stamps)]
    assert np.allclose(np.diff(times) / MS, 40, atol=2)


def test_a_pause_is_as_long_as_sender_and_wall_clock_say():
    """Eight seconds without a picture; and three that were lost out of six that the network held back."""
    clock = LiveClock(25)
    paused = [40 * index + 8_000 * (index >= 20) for index in range(40)]
    times = [clock.next(stamp * MS, stamp * MS) for stamp in paused]
    assert np.allclose(np.array(times) / MS, paused, atol=2)
    clock = LiveClock(25)
    numbers = [index for index in range(300) if not 100 <= index < 175]
    times = [clock.next(40 * MS * index, 40 * MS * (index if index < 50 else max(200, index))) for index in numbers]
    assert np.allclose(np.diff(times) / MS, 40 * np.diff(numbers), atol=7)  # of six seconds


def test_without_stamps_the_moment_of_arrival_counts():
    clock = LiveClock()
    assert [clock.next(None, arrival * MS) for arrival in (7, 40, 90, 90)] == [0, 33 * MS, 83 * MS, 83 * MS + 1]


def test_a_picture_without_a_stamp_follows_the_one_before():
    clock = LiveClock(25)
    times = [clock.next(stamp, 0) for stamp in (None, 1040 * MS, 1080 * MS, None)]
    assert np.allclose(times, [0, 40 * MS, 80 * MS, 120 * MS], atol=MS)


class Segments:
    """HLS as it is read: pictures that are there already; after `before` of them the clock leaps ahead."""

    fps, format, damaged = 1000.0, "hls", 0

    def __init__(self, before: int, leap_s: float) -> None:
        self._before, self._leap_ns, self._count = before, round(leap_s * 1000 * MS), 0

    def read(self) -> SimpleNamespace:
        index, self._count = self._count, self._count + 1
        picture = SimpleNamespace(grey=np.zeros((8, 8), np.uint8), bgr=None)
        stamp_ns = index * MS + (self._leap_ns if index >= self._before else 0)
        return SimpleNamespace(position=index, picture=picture, stamp_ns=stamp_ns)

    def close(self) -> None: ...


@pytest.mark.parametrize("leap_s", [11, 40, -40])
def test_a_leap_in_a_playlist_is_not_waited_out(leap_s):
    source = LiveStream("hls", Segments(5, leap_s), paced=True)
    over = threading.Timer(8, source.interrupt)
    over.start()
    frames = [source.read() for _ in range(10)]
    over.cancel()
    source.close()
    assert None not in frames
    assert np.allclose(np.diff([frame.media_ns for frame in frames]) / MS, 1, atol=500)


def test_a_pause_in_a_playlist_is_waited_out():
    with LiveStream("hls", Segments(5, 0.3), paced=True) as source:
        frames = [source.read() for _ in range(10)]
    times = np.array([frame.captured_ns for frame in frames]) / MS
    assert times[5] - times[4] == pytest.approx(301, abs=0.1)


def test_datagrams_that_somebody_sends_here_are_a_live_stream():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    over = threading.Event()

    def send():
        with av.open(f"udp://127.0.0.1:{port}?pkt_size=1316", "w", format="mpegts") as output:
            video = output.add_stream("libx264", rate=25)
            video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
            video.options = {"preset": "ultrafast", "tune": "zerolatency", "g": "5"}
            index = 0
            while not over.wait(0.02):
                output.mux(video.encode(av.VideoFrame.from_ndarray(textured(index % 20), "bgr24")))
                index += 1

    thread = threading.Thread(target=send)
    thread.start()
    try:
        with open_source(f"udp://127.0.0.1:{port}") as source:
            frames = [source.read() for _ in range(8)]
            assert source.live and source.size == (160, 120)
    finally:
        over.set()
        thread.join(5)
    assert all(later.media_ns > earlier.media_ns for earlier, later in zip(frames, frames[1:], strict=False))
