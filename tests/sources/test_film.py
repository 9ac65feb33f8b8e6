"""Video files: every frame, upright, at its own time."""

import numpy as np
import pytest
from clips import picture, retime_mp4, rotate_mp4, textured, write_clip
from portrait import data_file

from edgefer.errors import SourceError
from edgefer.sources import open_source
from edgefer.sources.base import NS_PER_S


def read_all(source):
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    return frames


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_every_frame_comes_once_in_order_at_its_time(tmp_path, suffix):
    with open_source(write_clip(tmp_path / f"clip{suffix}", 30, fps=20)) as source:
        assert (source.live, source.fps, source.size, source.length) == (False, 20, (64, 48), 30)
        frames = read_all(source)
        assert source.read() is None
    assert [frame.index for frame in frames] == list(range(30))
    for frame in frames:
        assert abs(int(frame.grey[40, 50]) - (40 + 2 * frame.index)) <= 3
        assert frame.media_ns == pytest.approx(frame.index * NS_PER_S / 20, abs=1e6)
        assert frame.grey.strides[-1] == 1
    assert np.abs(frames[7].bgr().astype(int) - picture(7))[30:].max() <= 4


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_video_from_a_turned_phone_is_upright(tmp_path, degrees):
    """The white quarter of the stored picture is where the display matrix takes it."""
    path = rotate_mp4(write_clip(tmp_path / "clip.mp4", 3), degrees)
    with open_source(path) as source:
        grey = source.read().grey
        assert source.size == ((64, 48) if degrees in (0, 180) else (48, 64))
    assert grey.shape == source.size[::-1]
    height, width = grey.shape
    corners = {0: (4, 4), 90: (4, width - 5), 180: (height - 5, width - 5), 270: (height - 5, 4)}
    for angle, place in corners.items():
        assert (grey[place] > 200) == (angle == degrees)


def test_a_variable_frame_rate_keeps_each_frames_own_time(tmp_path):
    durations = [256, 1024, 128, 128, 1536, 512, 512, 256, 256, 512]
    assert sum(durations) == 10 * 512  # the writer's time scale is 12800 a second
    path = retime_mp4(write_clip(tmp_path / "clip.mp4", 10, fps=25), durations)
    with open_source(path) as source:
        times = [frame.media_ns for frame in read_all(source)]
    expected = np.concatenate([[0], np.cumsum(durations[:-1])]) * NS_PER_S / 12800
    assert times == pytest.approx(expected, abs=2e6)


def test_a_film_trimmed_on_the_phone_is_whole(tmp_path):
    """Its header tells a time that ends before its last frames, which are still in the file."""
    path = retime_mp4(write_clip(tmp_path / "clip.mp4", 50, fps=25), [1024] * 50)
    with open_source(path) as source:
        frames = read_all(source)
    assert 24 <= len(frames) <= 26


@pytest.mark.parametrize("suffix", [".avi", ".mkv"])
def test_a_truncated_video_gives_what_is_there_and_then_says_where_it_ends(tmp_path, suffix):
    data = write_clip(tmp_path / f"whole{suffix}", 100, draw=textured).read_bytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(data[: len(data) * 6 // 10])
    source = open_source(path)
    frames = 0
    with pytest.raises(SourceError, match="ends early at frame") as caught:
        while source.read() is not None:
            frames += 1
    assert 50 <= frames <= 65
    assert f"at frame {frames} of 100" in str(caught.value)
    assert source.read() is None


def test_an_mp4_without_its_index_is_refused_with_the_reason(tmp_path):
    data = write_clip(tmp_path / "whole.mp4", 50, draw=textured).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(SourceError, match="an MP4 without its index"):
        open_source(path)


def test_a_whole_video_is_not_called_short(tmp_path):
    for frames in (1, 2, 3, 250):
        with open_source(write_clip(tmp_path / f"{frames}.mp4", frames)) as source:
            assert len(read_all(source)) == frames


@pytest.mark.parametrize(
    ("name", "frames", "size", "last_s"),
    [
        ("single_face.mp4", 72, (640, 360), 2.367),
        ("face_noface.mov", 169, (960, 540), 6.36),  # of a variable rate
        ("asl_yes.mkv", 65, (640, 480), 2.134),
        ("asl_please.mkv", 73, (640, 480), 2.4),
    ],
)
def test_the_shared_clips_are_read_to_their_end(name, frames, size, last_s):
    with open_source(data_file(f"videos/{name}")) as source:
        assert source.size == size
        times = [frame.media_ns for frame in read_all(source)]
    assert len(times) == frames
    assert times[0] == 0 and np.all(np.diff(times) > 0)
    assert times[-1] / NS_PER_S == pytest.approx(last_s, abs=0.05)
