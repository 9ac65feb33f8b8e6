"""The annotated video."""

import subprocess

import cv2
import numpy as np
import pytest
from readings import face, frame, reading

from edgefer.errors import SinkError, UsageError
from edgefer.sinks import open_sink, video
from edgefer.sinks.video import annotate
from edgefer.sources import open_source


def frames_of(path):
    with open_source(path) as source:
        frames = []
        while (one := source.read()) is not None:
            frames.append(one)
    return source, frames


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_a_video_appears_under_its_name_when_it_is_complete(tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    sink = open_sink(f"video:{path}", fps=25)
    for index in range(20):
        sink.write(reading(index, face()), frame(index))
        assert not path.exists()
    sink.close()
    sink.close()
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    source, frames = frames_of(path)
    assert (len(frames), source.size, source.fps) == (20, (160, 120), 25)


def test_an_old_video_is_replaced_only_by_a_complete_one(tmp_path):
    path = tmp_path / "out.avi"
    path.write_bytes(b"old")
    open_sink(f"video:{path}").close()
    assert path.read_bytes() == b"old"
    sink = open_sink(f"video:{path}")
    sink.write(reading(0), frame(0))
    assert path.read_bytes() == b"old"
    sink.close()
    assert len(frames_of(path)[1]) == 1


def test_box_label_and_bars_are_drawn_beside_the_face():
    image = np.full((480, 640, 3), 90, np.uint8)
    one = face(x=200.0)
    one.box = one.box._replace(x0=200, y0=150, x1=380, y1=330)
    drawn = annotate(image, reading(3, one))
    assert np.all(image == 90), "the frame itself is not touched"
    changed = np.any(drawn != 90, axis=2)
    assert changed[150:330, 199:203].mean() > 0.5 and changed[150:330, 377:382].mean() > 0.5  # the box
    assert changed[125:150, 200:300].any()  # the label above it
    assert changed[150:250, 382:480].any()  # the bars to its right
    assert not changed[170:320, 215:365].any()  # the face stays free
    assert changed[460:, :100].any()  # the frame's number


def test_the_strongest_label_has_the_longest_bar():
    drawn = {}
    for strongest in ("neutral", "contempt"):
        one = face(strongest=strongest)
        one.box = one.box._replace(x0=200, y0=150, x1=380, y1=330)
        drawn[strongest] = annotate(np.zeros((480, 640, 3), np.uint8), reading(0, one))
    rows = np.nonzero(np.any(drawn["neutral"] != drawn["contempt"], axis=2)[:, 384:].sum(axis=1) > 20)[0]
    assert len(rows) and rows.min() < 175 and rows.max() > 215  # first and last of eight rows


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (33, 17), (161, 121), (3000, 200)], ids=str)
def test_any_size_and_any_box_can_be_drawn_and_written(tmp_path, size):
    width, height = size
    path = tmp_path / "out.avi"
    sink = open_sink(f"video:{path}")
    wild = face()
    wild.box = wild.box._replace(x0=-500.0, y0=-20.0, x1=5000.0, y1=9000.0)
    outside = face(2)
    outside.box = outside.box._replace(x0=9000.0, y0=9000.0, x1=9100.0, y1=9100.0)
    for index in range(3):
        sink.write(reading(index, wild, outside, face(3, reasons=("dark",))), frame(index, width, height))
    sink.close()
    source, frames = frames_of(path)
    assert len(frames) == 3
    assert source.size == (max(2, width - width % 2), max(2, height - height % 2))


def test_frames_of_other_sizes_are_fitted_into_the_first(tmp_path):
    path = tmp_path / "out.avi"
    sink = open_sink(f"video:{path}")
    for index, size in enumerate([(160, 120), (1, 1), (80, 200), (640, 480)]):
        sink.write(reading(index), frame(index, *size))
    sink.close()
    source, frames = frames_of(path)
    assert source.size == (160, 120) and len(frames) == 4
    tall = frames[2].grey
    assert tall[20:100, :50].max() < 20 and abs(int(tall[20:60, 70:90].mean()) - 90) < 10


def test_grey_frames_are_written_too(tmp_path):
    path = tmp_path / "out.avi"
    sink = open_sink(f"video:{path}")
    sink.write(reading(0, face()), frame(0, colour=False))
    sink.close()
    assert len(frames_of(path)[1]) == 1


def test_dropped_frames_are_made_up_for(tmp_path):
    path = tmp_path / "out.avi"
    sink = open_sink(f"video:{path}", fps=10)
    for index in (4, 5, 9, 1_000_000):
        sink.write(reading(index), frame(index))
    sink.close()
    assert len(frames_of(path)[1]) == 1 + 1 + 4 + 50  # a long pause is cut to 5 s


@pytest.mark.parametrize("name", ["out.txt", "out", "out.mp3", ".mp4"])
def test_another_kind_of_file_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="available: .mp4, .avi, .mkv"):
        open_sink(f"video:{tmp_path / name}")


def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path):
    (tmp_path / "folder.mp4").mkdir()
    for place in ("no/folder/out.mp4", "folder.mp4"):
        with pytest.raises(SinkError, match="cannot be written"):
            open_sink(f"video:{tmp_path / place}")
    with pytest.raises(SinkError, match="cannot be written"):
        open_sink("video:/proc/out.mp4")


def test_a_nearly_full_disk_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(video.AnnotatedVideo, "_free_bytes", lambda self: 1000)
    with pytest.raises(SinkError, match="less than 4 MB free"):
        open_sink(f"video:{tmp_path / 'out.mp4'}")


def test_a_disk_that_fills_up_ends_the_video_while_it_can_still_be_finished(tmp_path, monkeypatch):
    path = tmp_path / "out.mp4"
    sink = open_sink(f"video:{path}")
    room = iter([10 << 20, 10 << 20, 1000])
    monkeypatch.setattr(sink, "_free_bytes", lambda: next(room))
    with pytest.raises(SinkError, match="the disk is full; the video ends at frame 89"):
        for index in range(200):
            sink.write(reading(index), frame(index))
    sink.close()
    assert len(frames_of(path)[1]) == 90 and [one.name for one in tmp_path.iterdir()] == ["out.mp4"]


def test_a_video_that_could_not_be_stored_whole_is_not_kept(tmp_path):
    """OpenCV says nothing about a full disk; the file that is left must not pass for the video."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        path = disk / "out.mp4"
        sink = open_sink(f"video:{path}")
        (disk / "ballast").write_bytes(bytes((5 << 20) - 40_000))
        noise = np.random.default_rng(0).integers(0, 256, (5, 240, 320, 3), dtype=np.uint8)
        for index in range(20):  # fewer than between two looks at the free room
            one = frame(index, 320, 240)
            one.bgr = lambda index=index: noise[index % 5]
            sink.write(reading(index), one)
        with pytest.raises(SinkError, match="no video was kept"):
            sink.close()
        assert [one.name for one in disk.iterdir()] == ["ballast"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_without_an_encoder_it_says_what_to_try(tmp_path, monkeypatch):
    class Closed:
        def __init__(self, *args):
            pass

        def isOpened(self):
            return False

    monkeypatch.setattr(cv2, "VideoWriter", Closed)
    monkeypatch.setattr(cv2.VideoWriter, "fourcc", lambda *code: 0, raising=False)
    sink = open_sink(f"video:{tmp_path / 'out.mp4'}")
    with pytest.raises(SinkError, match="no encoder for mp4v at 160x120; try a name in .avi"):
        sink.write(reading(0), frame(0))
    sink.close()
    assert list(tmp_path.iterdir()) == []
