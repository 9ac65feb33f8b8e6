"""Pictures one after the other in a file without a container."""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from sources.clips import textured

from edgefer.sources import open_source
from edgefer.sources.registry import kind_of

FRAMES, RATE = 40, 50


def _encoded(codec: str, pix_fmt: str = "yuv420p") -> bytes:
    """FRAMES pictures at RATE."""
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt = 160, 120, pix_fmt
    encoder.framerate, encoder.time_base = RATE, Fraction(1, RATE)
    data = b""
    for index in range(FRAMES):
        frame = av.VideoFrame.from_ndarray(textured(index), format="bgr24").reformat(160, 120, pix_fmt)
        frame.pts = index
        data += b"".join(bytes(packet) for packet in encoder.encode(frame))
    return data + b"".join(bytes(packet) for packet in encoder.encode(None))


def _jpegs() -> list[bytes]:
    return [cv2.imencode(".jpg", textured(index))[1].tobytes() for index in range(5)]


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg4", "mpeg2video"])
def test_the_rate_is_that_of_the_pictures(codec, tmp_path):
    """FFmpeg says 25 of whatever has no container."""
    path = tmp_path / "film.raw"
    try:
        path.write_bytes(_encoded(codec))
    except (av.FFmpegError, ValueError) as error:
        pytest.skip(f"this FFmpeg has no encoder {codec}: {error}")
    times = [frame.media_ns / 1e9 for frame in open_source(str(path)).unpaced()]
    assert len(times) == FRAMES
    assert times == pytest.approx(np.arange(FRAMES) / RATE, abs=1e-6)


def test_motion_jpeg_is_a_film_whatever_it_is_called(tmp_path):
    path = tmp_path / "camera.jpg"
    path.write_bytes(b"".join(_jpegs()))
    assert kind_of(str(path)) == "film"
    assert len(list(open_source(str(path)).unpaced())) == 5


@pytest.mark.parametrize(
    "behind", [b"", b"\0" * 64, b"\0\0\0\x18ftypmp42" + bytes(64)], ids=["nothing", "zeros", "motion photo"]
)
def test_a_photograph_stays_one(behind, tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(_jpegs()[0] + behind)
    assert kind_of(str(path)) == "stills"


def test_a_photograph_that_announces_further_pictures_stays_one(tmp_path):
    """As a telephone's, with a preview or a map of depth behind it."""
    first, second, *_ = _jpegs()
    announced = first[:2] + b"\xff\xe2\x00\x08MPF\0\0\0" + first[2:]
    path = tmp_path / "photo.jpg"
    path.write_bytes(announced + second)
    assert kind_of(str(path)) == "stills"
    assert len(list(open_source(str(path)).unpaced())) == 1


def test_in_a_folder_the_further_pictures_are_told(tmp_path, caplog):
    (tmp_path / "a.jpg").write_bytes(b"".join(_jpegs()))
    (tmp_path / "b.jpg").write_bytes(_jpegs()[0])
    assert len(list(open_source(str(tmp_path)).unpaced())) == 2
    assert [record.getMessage() for record in caplog.records] == [
        "a.jpg: holds further pictures, of which only the first is read; as a film, give it as film:FILE"
    ]
