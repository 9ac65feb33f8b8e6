"""What a source is, and the one line it gives when it is nothing."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from clips import textured, write_clip

from edgefer.errors import EdgeferError, SourceError, UsageError
from edgefer.sources import open_source, paced


@pytest.mark.parametrize("name", ["edgefer.sources", "edgefer.sinks", "edgefer.loop.clock"])
def test_importing_the_package_brings_no_opencv_and_no_rich(name):
    code = f"import sys, {name}; print(*[m for m in ('cv2', 'rich', 'matplotlib') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == ""


def test_the_content_decides_not_the_suffix(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4").rename(tmp_path / "clip.png")
    image = tmp_path / "image.mp4"
    image.write_bytes(cv2.imencode(".png", textured(0))[1].tobytes())
    with open_source(clip) as source:
        assert (source.length, source.size, source.fps) == (20, (64, 48), 25)
    with open_source(image) as source:
        assert (source.length, source.size, source.fps) == (1, (160, 120), None)


def test_a_file_called_like_a_camera_is_reached_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "clip.avi", frames=3).rename("0")
    with open_source("./0") as source:
        assert source.length == 3


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv", ".jpg", ".png", ".mov", ""])
@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "the file is empty"),
        (b"just a text\n" * 40, "holds text"),
        (np.random.default_rng(5).bytes(5000), "of an unknown kind"),
        (b"\xff\xd8\xff\xe0" + bytes(300), "damaged image"),
        (b"\x89PNG\r\n\x1a\n" + bytes(300), "damaged image"),
        (b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n", "holds text"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", "holds text"),
    ],
    ids=["empty", "text", "random", "no-jpeg", "no-png", "playlist", "concat"],
)
def test_what_is_no_picture_is_refused_in_one_line(tmp_path, suffix, content, what):
    path = tmp_path / f"thing{suffix}"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=what) as caught:
        open_source(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "kind", "what"),
    [
        ("missing.mp4", SourceError, "no such file"),
        ("missing/deeper.mp4", SourceError, "no such file"),
        ("", UsageError, "expected a path"),
        ("two\nlines", SourceError, r"two\\nlines: no such file"),
        ("rtsp://host/two\nlines", UsageError, "expected a URL without control characters"),
        ("x\0y", UsageError, "expected a path"),
        ("n" * 5000, SourceError, "name too long"),
        ("ftp://host/file", SourceError, "unknown kind of stream 'ftp'; available: rtsp"),
        ("stream:ftp://host/file", SourceError, "unknown kind of stream 'ftp'; available: rtsp"),
        ("stream:film.mp4", SourceError, "film.mp4: expected an address such as rtsp://host/path; available: rtsp"),
        ("rtsp://", SourceError, "expected a URL with a host"),
        ("/dev/null", SourceError, "it captures no pictures"),
        ("demo:soon", UsageError, 'seconds: expected a number above 0 .* or one of "forever", got "soon"'),
        ("demo:-1", UsageError, "seconds: expected a number above 0"),
        ("demo:nan", UsageError, "seconds: expected a number above 0"),
    ],
)
def test_a_spec_that_leads_nowhere_is_refused_in_one_line(tmp_path, monkeypatch, spec, kind, what):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=what) as caught:
        open_source(spec)
    assert type(caught.value) is kind and "\n" not in str(caught.value)


def test_the_kind_of_a_source_is_told_without_a_decoder(tmp_path):
    (tmp_path / "image.mp4").write_bytes(cv2.imencode(".png", textured(0))[1].tobytes())
    write_clip(tmp_path / "clip.png.avi").rename(tmp_path / "clip.png")
    code = """if True:
        import sys
        from edgefer.sources import parse_source
        print(*(parse_source(spec).name for spec in sys.argv[1:]), "cv2" in sys.modules)
    """
    specs = ["demo:3", "0", "/dev/video7", "/dev/null", "RTSP://user:secret@host/path", "."]
    done = subprocess.run(
        [sys.executable, "-c", code, *specs, "image.mp4", "clip.png"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "demo camera camera camera stream stills stills film False\n"


def test_a_pipe_that_nobody_writes_to_is_told_without_waiting_for_long(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="nothing is written to it yet"):
        open_source(tmp_path / "pipe")


def test_a_file_without_permission_is_refused(tmp_path):
    path = tmp_path / "clip.avi"
    path.write_bytes(b"RIFF")
    path.chmod(0)
    as_root = os.geteuid() == 0
    if as_root:
        os.seteuid(65534)
    try:
        with pytest.raises(SourceError, match="permission denied"):
            open_source(path)
    finally:
        if as_root:
            os.seteuid(0)


def test_nothing_but_our_line_reaches_stderr(tmp_path):
    """Broken files of every kind: OpenCV, FFmpeg, libjpeg and libpng would all have something to say."""
    for name in ("a.mp4", "a.mkv", "a.avi"):
        data = bytearray(write_clip(tmp_path / name, 40, draw=textured).read_bytes())
        (tmp_path / f"cut-{name}").write_bytes(data[: len(data) * 6 // 10])
        for offset in np.random.default_rng(1).integers(2000, len(data) - 4000, 100):
            data[offset] ^= 0x55
        (tmp_path / f"hurt-{name}").write_bytes(data)
    for suffix in (".jpg", ".png"):
        data = bytearray(cv2.imencode(suffix, textured(0))[1].tobytes())
        (tmp_path / f"cut{suffix}").write_bytes(data[: len(data) // 2])
        for offset in np.random.default_rng(2).integers(700, len(data) - 10, 20):
            data[offset] ^= 0x55
        (tmp_path / f"hurt{suffix}").write_bytes(data)
    code = """if True:
        import logging
        import sys
        logging.disable()  # what edgefer itself says of damage
        from edgefer.errors import SourceError
        from edgefer.sources import open_source
        for path in sys.argv[1:]:
            try:
                with open_source(path) as source:
                    while source.read() is not None:
                        pass
            except SourceError as error:
                print(error)
    """
    paths = sorted(str(path) for path in tmp_path.iterdir())
    done = subprocess.run(
        [sys.executable, "-c", code, *paths, "0", "/dev/null"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert all(line.endswith("left out") for line in done.stderr.splitlines())
    assert len(done.stdout.splitlines()) >= 8


def test_every_truncation_of_a_clip_ends_in_frames_or_one_line(tmp_path):
    """No hang, no crash, no other kind of error, wherever the file is cut."""
    for suffix in (".mp4", ".avi", ".mkv"):
        data = write_clip(tmp_path / f"whole{suffix}", 30, draw=textured).read_bytes()
        path = tmp_path / f"cut{suffix}"
        for length in np.random.default_rng(7).integers(1, len(data), 12):
            path.write_bytes(data[:length])
            frames = 0
            try:
                with open_source(path) as source:
                    while source.read() is not None:
                        frames += 1
            except EdgeferError as error:
                assert isinstance(error, SourceError) and "\n" not in str(error)
            assert frames <= 30


def test_a_live_source_is_not_paced_again():
    with open_source("demo:1") as source:
        assert paced(source) is source
