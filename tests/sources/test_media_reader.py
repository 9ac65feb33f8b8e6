"""The one reader of films and streams: who owns it, how it is closed, and what it may be read from."""

import io
import os
import random
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from clips import textured, write_clip
from films import ffmpeg, moving, sound

from edgefer.sources import open_source
from edgefer.sources.media.library import MediaError, reason_of
from edgefer.sources.media.reader import MediaReader


def positions(reader) -> list[int]:
    found = []
    while (shot := reader.read()) is not None:
        found.append(shot.position)
    return found


def test_a_file_object_is_read_like_a_path(tmp_path):
    """As a pipe will be: without going back in it."""

    class OneWay(io.RawIOBase):
        def __init__(self, data):
            self._file = io.BytesIO(data)

        def readable(self):
            return True

        def read(self, size=-1):
            return self._file.read(size)

    ffmpeg(*moving(1, "64x48"), "-c:v", "libx264", tmp_path / "film.ts")
    reader = MediaReader(OneWay((tmp_path / "film.ts").read_bytes()), {"format_whitelist": "mpegts"})
    assert positions(reader) == list(range(25))


def test_sound_that_goes_on_does_not_hold_up_the_end_of_the_picture(tmp_path):
    ffmpeg(*moving(1, "64x48"), *sound(60), "-c:v", "libx264", "-c:a", "mp2", tmp_path / "film.ts")
    began = time.monotonic()
    assert len(positions(MediaReader(str(tmp_path / "film.ts"), {}))) == 25
    assert time.monotonic() - began < 10


def test_after_close_there_is_nothing_and_a_second_close_does_nothing(tmp_path):
    reader = MediaReader(str(write_clip(tmp_path / "film.mp4", 5)), {})
    assert reader.read() is not None
    reader.close()
    reader.close()
    assert reader.read() is None and reader.closed and reader.container is None


def test_pictures_outlive_their_reader(tmp_path):
    reader = MediaReader(str(write_clip(tmp_path / "film.avi", 5)), {})
    shots = [reader.read() for _ in range(5)]
    reader.close()
    for index, shot in enumerate(shots):
        assert abs(int(shot.picture.grey[40, 50]) - (40 + 2 * index)) <= 3
        assert abs(int(shot.picture.bgr()[40, 50, 0]) - (40 + 2 * index)) <= 4


def test_closing_from_another_thread_at_any_moment_is_safe(tmp_path):
    """FFmpeg dies when it is closed under a thread that reads it; 60 times at a random moment."""
    path = write_clip(tmp_path / "film.mp4", 200, draw=textured)
    code = """if True:
        import random, sys, threading, time
        from edgefer.sources import open_source
        rng = random.Random(5)
        for _ in range(60):
            source = open_source(sys.argv[1])
            ready = threading.Event()

            def read():
                ready.set()
                while source.read() is not None:
                    pass

            thread = threading.Thread(target=read)
            thread.start()
            ready.wait()
            time.sleep(rng.random() * 0.01)
            source.close()
            thread.join(10)
            assert not thread.is_alive()
            assert source._media.container is None, "nobody closed it"
    """
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_reader_that_is_in_the_middle_of_a_read_closes_by_itself(tmp_path):
    """The one that closes does not wait; the file is released when the read comes back."""
    path = write_clip(tmp_path / "film.avi", 5)
    held, go_on = threading.Event(), threading.Event()

    class Slow(io.FileIO):
        armed = False

        def read(self, size=-1):
            if self.armed:
                held.set()
                go_on.wait(10)
            return super().read(size)

    file = Slow(str(path))
    reader = MediaReader(file, {})
    Slow.armed = True
    thread = threading.Thread(target=positions, args=(reader,))
    thread.start()
    if held.wait(5):  # else the whole film was in its buffer
        began = time.monotonic()
        reader.close()
        assert time.monotonic() - began < 1
    go_on.set()
    thread.join(10)
    reader.close()
    assert not thread.is_alive() and reader.container is None


def test_files_are_closed_when_a_source_is(tmp_path):
    path = write_clip(tmp_path / "film.mp4", 5)

    def opened() -> int:
        links = [os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
        return sum(os.path.realpath(link) == str(path) for link in links)

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc")
    for _ in range(3):
        with open_source(path) as source:
            assert opened() == 1
            source.read()
        assert opened() == 0
        with open_source(path) as source:
            assert len(list(source.unpaced())) == 5 and opened() == 0


def test_many_films_at_once_in_many_threads(tmp_path):
    """Each its own reader; frames equal to those of a film read alone."""
    path = write_clip(tmp_path / "film.mp4", 40, draw=textured)
    with open_source(path) as source:
        alone = [frame.grey.copy() for frame in source.unpaced()]
    wrong = []

    def read():
        with open_source(path) as source:
            for frame, grey in zip(source.unpaced(), alone, strict=True):
                if not np.array_equal(frame.grey, grey):
                    wrong.append(frame.index)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_error_is_told_without_the_address_it_is_about():
    try:
        MediaReader("rtsp://user:secret@127.0.0.1:9/stream", {}, timeout_s=(2, 2))
    except MediaError as error:
        assert "secret" not in str(error) and "127.0.0.1" not in str(error) and str(error)
    else:
        pytest.fail("nobody listens there")
    assert reason_of(ValueError("rtsp://user:secret@host")) == "unreadable"


def test_random_bytes_open_nothing_and_say_so(tmp_path):
    rng = random.Random(1)
    for index in range(20):
        path = tmp_path / f"{index}.mp4"
        path.write_bytes(rng.randbytes(4000))
        with pytest.raises(MediaError):
            MediaReader(str(path), {})


def test_a_frame_that_nobody_holds_is_gone_at_once(tmp_path):
    """Not when the garbage collector comes by: 200 frames of 0.7 MB would have been 140."""
    ffmpeg(*moving(8, "800x600"), "-c:v", "libx264", "-preset", "ultrafast", tmp_path / "film.mp4")
    code = """if True:
        import gc, sys
        from pathlib import Path
        from edgefer.sources import open_source

        def resident_mb():
            return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) / 1024

        gc.disable()
        with open_source(sys.argv[1]) as source:
            for _ in range(20):
                source.read()
            before = resident_mb()
            while source.read() is not None:
                pass
            print(resident_mb() - before)
    """
    if not os.path.isdir("/proc/self"):
        pytest.skip("needs /proc")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "film.mp4")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 40


def test_streams_that_begin_in_the_midst_of_a_film_end_nothing(tmp_path):
    """As where another programme with more languages follows, or a damaged packet makes one up."""
    ffmpeg(*moving(4, "320x240", noise=40), "-c:v", "mpeg2video", "-q:v", 2, tmp_path / "one.ts")
    voices = [word for _ in range(12) for word in sound(1)]
    maps = [word for index in range(13) for word in ("-map", index)]
    ffmpeg(*moving(1, "320x240"), *voices, *maps, "-c:v", "mpeg2video", "-c:a", "mp2", tmp_path / "more.ts")
    path = tmp_path / "both.ts"
    path.write_bytes((tmp_path / "one.ts").read_bytes() * 4 + (tmp_path / "more.ts").read_bytes())
    for _ in range(3):
        with open_source(path) as source:
            assert 420 <= len(list(source.unpaced())) <= 425
