"""The annotated video."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction

import av
import numpy as np
import pytest
from readings import face, frame, reading

from edgefer.commands.console import main
from edgefer.errors import SinkError, SinkStalled, UsageError
from edgefer.sinks import film, open_sink
from edgefer.sinks.film import FilmFile
from edgefer.sinks.video import AnnotatedVideo

SUFFIXES = list(film.CONTAINERS)
LIGHT = ".mkv"  # for tests about anything but the container


def frames_of(path):
    """Times in ms, and pictures, as a player has them."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        shots = list(container.decode(stream))
        assert not any(shot.is_corrupt for shot in shots)
        return [round(1000 * shot.time, 3) for shot in shots], [shot.to_ndarray(format="bgr24") for shot in shots]


def length_ms(path):
    with av.open(str(path)) as container:
        return container.duration / 1000


def at(index, time_ms, *size, duration_ms=0, **values):
    one = frame(index, *size, **values)
    one.media_ns, one.duration_ns = round(time_ms * 1e6), round(duration_ms * 1e6)
    return one


def write(path, times_ms, fps=25, size=(160, 120), last_ms=0):
    sink = open_sink(f"video:{path}", fps=fps)
    for index, time_ms in enumerate(times_ms):
        sink.write(reading(index, face()), at(index, time_ms, *size, duration_ms=last_ms))
    sink.close()
    sink.close()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_film_of_every_kind_can_be_read(tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    write(path, range(0, 800, 40))
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    times, pictures = frames_of(path)
    assert times == list(range(0, 800, 40)) and length_ms(path) == 800
    assert pictures[7].shape == (120, 160, 3)
    assert np.abs(pictures[7][:6].astype(int) - 90).max() <= 3  # the grey of the source, in range and matrix


def test_films_for_players_are_h264_or_say_what_else(tmp_path, monkeypatch, caplog):
    write(tmp_path / "out.mp4", [0, 40])
    with av.open(str(tmp_path / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
    assert caplog.text == ""
    without = tuple(encoder for encoder in film.CONTAINERS[".mp4"].encoders if encoder.name == "mpeg4")
    missing = (film.Encoder("no_such_encoder", {}), *without)
    monkeypatch.setitem(film.CONTAINERS, ".mp4", film.CONTAINERS[".mp4"]._replace(encoders=missing))
    write(tmp_path / "other.mp4", range(0, 400, 40))
    assert frames_of(tmp_path / "other.mp4")[0] == list(range(0, 400, 40))
    assert "has no encoder no_such_encoder; mpeg4 is used" in caplog.text


def test_without_any_encoder_it_says_what_to_try(tmp_path, monkeypatch):
    nothing = film.CONTAINERS[".mp4"]._replace(encoders=(film.Encoder("no_such_encoder", {}),))
    monkeypatch.setitem(film.CONTAINERS, ".mp4", nothing)
    sink = open_sink(f"video:{tmp_path / 'out.mp4'}")
    with pytest.raises(SinkError, match="no encoder no_such_encoder for 160x120; try a name in .avi"):
        sink.write(reading(0), frame(0))
    sink.close()
    assert list(tmp_path.iterdir()) == []


VARIABLE = [0, 40, 80, 200, 210, 500, 1000, 1370, 2000]


@pytest.mark.parametrize("suffix", [suffix for suffix in SUFFIXES if suffix != ".avi"])
def test_a_film_of_variable_rate_keeps_its_times_and_its_length(tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    write(path, VARIABLE, last_ms=370)
    assert frames_of(path)[0] == VARIABLE and length_ms(path) == 2370


@pytest.mark.parametrize("fps", [Fraction(30000, 1001), Fraction(24000, 1001), Fraction(60), Fraction(25, 2)], ids=str)
def test_usual_rates_are_exact(tmp_path, fps):
    path = tmp_path / "out.mp4"
    write(path, [float(1000 * index / fps) for index in range(40)], fps=float(fps))
    with av.open(str(path)) as container:
        times = [shot.pts * shot.time_base for shot in container.decode(video=0)]
    assert times == [index / fps for index in range(40)]
    assert length_ms(path) == pytest.approx(float(40_000 / fps), abs=0.001)


def test_an_avi_has_one_rate_and_rounds_to_it(tmp_path):
    path = tmp_path / "out.avi"
    write(path, VARIABLE, fps=25)
    times = frames_of(path)[0]
    assert len(times) == 9 and all(abs(a - b) <= 40 for a, b in zip(times, VARIABLE, strict=True))
    assert length_ms(path) == 2040


def test_an_avi_stays_in_time_where_frames_come_faster_than_its_rate(tmp_path):
    """A burst of forty frames at 200 a second in a film whose mean rate is 30: none is shown more than a tick late."""
    path = tmp_path / "out.avi"
    times_ms = [0, 500, *range(1000, 1200, 5), 2000, 2500]
    write(path, times_ms, fps=30)
    shown, _ = frames_of(path)
    assert shown[-2:] == [2000, 2500] and length_ms(path) == pytest.approx(2533, abs=1)
    burst = [time_ms for time_ms in shown if 900 < time_ms < 1300]
    assert 6 <= len(burst) <= 8 and burst[-1] <= 1195 + 2 * 1000 / 30


@pytest.mark.parametrize("fps", [300, 480, 1000])
def test_an_avi_of_a_high_speed_film_has_its_rate(tmp_path, fps):
    path = tmp_path / "out.avi"
    write(path, [index * 1000 / fps for index in range(60)], fps=fps)
    assert len(frames_of(path)[0]) == 60 and length_ms(path) == pytest.approx(60_000 / fps, abs=1)


def test_frames_that_a_live_source_dropped_leave_the_others_in_their_time(tmp_path):
    path = tmp_path / "out.mp4"
    sink = open_sink(f"video:{path}", fps=10)
    for index in (4, 5, 9, 609):
        sink.write(reading(index), at(index, 100 * index))
    sink.close()
    assert frames_of(path)[0] == [0, 100, 500, 60_500] and length_ms(path) == 60_600


def test_a_pause_of_days_is_an_hour(tmp_path):
    path = tmp_path / "out.mp4"
    write(path, [0, 40, 3 * 86_400_000])
    assert frames_of(path)[0] == [0, 40, 3_600_040]


def test_a_source_after_another_goes_on_in_the_film(tmp_path):
    path = tmp_path / f"out{LIGHT}"
    write(path, [0, 40, 80, 0, 40, 40], fps=25)
    assert frames_of(path)[0] == [0, 40, 80, 120, 160, 200]
    sink = open_sink(f"video:{path}", fps=25)
    for index, (name, time_ms) in enumerate([("a", 0), ("a", 40), ("b", 9000), ("b", 9040)]):
        one = at(index, time_ms)
        one.source = name
        sink.write(reading(index), one)
    sink.close()
    assert frames_of(path)[0] == [0, 40, 80, 120]


def test_photographs_are_shown_for_a_second_each(tmp_path):
    path = tmp_path / f"out{LIGHT}"
    sink = open_sink(f"video:{path}")
    for index in range(3):
        one = at(index, 0)
        one.still = True
        sink.write(reading(index, face()), one)
    sink.close()
    assert frames_of(path)[0] == [0, 1000, 2000] and length_ms(path) == 3000


def test_an_annotated_film_lasts_as_long_as_its_source(tmp_path):
    """Through a whole run: variable rate, the last picture longer than the others."""
    source, path = tmp_path / "source.mp4", tmp_path / "seen.mp4"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, width=96, height=64, pix_fmt="yuv420p")
        stream.codec_context.time_base = Fraction(1, 1000)
        packets = []
        for index, time_ms in enumerate(VARIABLE):
            shot = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 20 * index, np.uint8), "bgr24")
            shot.pts, shot.time_base = time_ms, Fraction(1, 1000)
            packets += stream.encode(shot)
        packets += stream.encode(None)
        for packet, after in zip(packets, [*VARIABLE[1:], 2370], strict=True):
            packet.duration = after - packet.pts
            container.mux(packet)
    assert length_ms(source) == 2370
    assert main(["run", "-q", "--source", str(source), "--output", f"video:{path}"]) == 0
    assert frames_of(path)[0] == VARIABLE and length_ms(path) == 2370


def test_pictures_stored_in_another_order_change_nothing(tmp_path):
    """Of such a film the decoder calls the last picture as long as another one."""
    source, path = tmp_path / "source.mp4", tmp_path / "seen.mp4"
    times = [40 * index for index in range(12)] + [600, 900, 1200]
    with av.open(str(source), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, width=96, height=64, pix_fmt="yuv420p", options={"bf": "2"})
        stream.codec_context.time_base = Fraction(1, 1000)
        for index, time_ms in enumerate(times):
            shot = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 15 * index, np.uint8), "bgr24")
            shot.pts, shot.time_base = time_ms, Fraction(1, 1000)
            for packet in stream.encode(shot):
                packet.duration = 40
                container.mux(packet)
        for packet in stream.encode(None):
            packet.duration = 40
            container.mux(packet)
    assert main(["run", "-q", "--source", str(source), "--output", f"video:{path}"]) == 0
    assert frames_of(path)[0] == times and length_ms(path) == 1240


# --- sizes


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".webm"])
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (33, 17), (161, 121), (3000, 200)], ids=str)
def test_any_size_and_any_box_can_be_drawn_and_written(tmp_path, size, suffix):
    width, height = size
    path = tmp_path / f"out{suffix}"
    sink = open_sink(f"video:{path}")
    wild = face()
    wild.box = wild.box._replace(x0=-500.0, y0=-20.0, x1=5000.0, y1=9000.0)
    outside = face(2)
    outside.box = outside.box._replace(x0=9000.0, y0=9000.0, x1=9100.0, y1=9100.0)
    for index in range(3):
        sink.write(reading(index, wild, outside, face(3, reasons=("dark",))), frame(index, width, height))
    sink.close()
    _, pictures = frames_of(path)
    assert [one.shape[:2] for one in pictures] == [(max(2, height - height % 2), max(2, width - width % 2))] * 3


def test_frames_of_other_sizes_are_fitted_into_the_first(tmp_path):
    path = tmp_path / f"out{LIGHT}"
    sink = open_sink(f"video:{path}")
    for index, size in enumerate([(160, 120), (1, 1), (80, 200), (640, 480)]):
        sink.write(reading(index), at(index, 40 * index, *size))
    sink.close()
    _, pictures = frames_of(path)
    assert [one.shape for one in pictures] == [(120, 160, 3)] * 4
    tall = pictures[2][:, :, 1]
    assert tall[20:100, :50].max() < 20 and abs(int(tall[20:60, 70:90].mean()) - 90) < 10


def test_grey_frames_are_written_too(tmp_path):
    path = tmp_path / f"out{LIGHT}"
    sink = open_sink(f"video:{path}")
    sink.write(reading(0, face()), frame(0, colour=False))
    sink.close()
    assert len(frames_of(path)[0]) == 1


# --- files


@pytest.mark.parametrize("name", ["out.txt", "out", "out.mp3", ".mp4", "out.png"])
def test_another_kind_of_file_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="such as seen.mp4, seen.m4v, seen.mov, seen.mkv, seen.webm, seen.avi"):
        open_sink(f"video:{tmp_path / name}")


def test_without_pyav_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UsageError, match=r"PyAV, which is not installed: pip install 'edgefer\[film\]'"):
        open_sink(f"video:{tmp_path / 'out.mp4'}")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path):
    (tmp_path / "folder.mp4").mkdir()
    for place in ("no/folder/out.mp4", "folder.mp4"):
        with pytest.raises(SinkError, match="cannot be written"):
            open_sink(f"video:{tmp_path / place}")
    with pytest.raises(SinkError, match="cannot be written"):
        open_sink("video:/proc/out.mp4")


def test_an_old_video_is_replaced_at_the_first_frame_and_not_before(tmp_path):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"old" * 100_000)
    open_sink(f"video:{path}").close()
    assert path.read_bytes() == b"old" * 100_000
    write(path, [0])
    assert len(frames_of(path)[0]) == 1 and path.stat().st_size < 100_000


def test_a_video_that_got_no_frame_is_not_left_behind(tmp_path):
    open_sink(f"video:{tmp_path / 'out.mp4'}").close()
    assert list(tmp_path.iterdir()) == []


def test_any_name_is_a_file(tmp_path, monkeypatch):
    """FFmpeg takes what stands before a colon for a protocol, and a percent sign for a number."""
    monkeypatch.chdir(tmp_path)
    for name in ("a:b.mkv", "http:x.mkv", "%03d.mkv", "ü 顔.mkv", os.fsdecode(b"caf\xe9.mkv")):
        write(name, [0, 40])
        assert os.path.exists(name) and len(frames_of(os.path.abspath(name))[0]) == 2


# --- what ends a run before its time

WRITER = """if True:
    import sys, time
    import cv2, numpy as np
    from edgefer.sinks import open_sink
    from edgefer.values import Frame, Reading
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    sink = open_sink(f"video:{sys.argv[1]}", fps=25)
    for index in range(100_000):
        image = cv2.GaussianBlur(np.roll(noise, index, 1), (0, 0), 2)
        frame = Frame(index, image[:, :, 0], index * 40_000_000, 0, lambda: image)
        sink.write(Reading(index, index / 25, "2026-11-21T10:00:00Z", 1.0), frame)
        print(index + 1, flush=True)
        if index + 1 == 150:
            time.sleep(60)
"""


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_run_that_is_killed_leaves_a_film_that_lacks_the_last_moments_alone(tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    for line in writer.stdout:
        if line == "150\n":
            break
    writer.kill()
    writer.wait(30)
    times, pictures = frames_of(path)
    assert times == [40 * index for index in range(len(times))]
    assert len(times) >= 0.85 * 150


def test_what_has_been_written_is_asked_to_be_on_the_disk(tmp_path, monkeypatch):
    """For the case that the power fails; nothing waits for it."""
    now, asked = [0.0], []
    monkeypatch.setattr(film.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(film.os, "fdatasync", lambda fd: asked.append(os.fstat(fd).st_size))
    sink = open_sink(f"video:{tmp_path / 'out.mp4'}", fps=25)
    for index in range(250):
        now[0] = index / 25
        sink.write(reading(index), at(index, 40 * index))
        if sink._file._syncing is not None:
            sink._file._syncing.join()
    sink.close()
    assert len(asked) == 4 and asked == sorted(set(asked)) and asked[0] > 0


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_run_that_is_under_way_can_be_watched(tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    sink = open_sink(f"video:{path}", fps=25)
    for index in range(50):
        sink.write(reading(index), at(index, 40 * index))
    assert len(frames_of(path)[0]) >= 35
    sink.close()
    assert len(frames_of(path)[0]) == 50


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_disk_that_fills_up_ends_the_film_where_it_can_still_be_played(tmp_path, suffix):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        path = disk / f"out{suffix}"
        sink = open_sink(f"video:{path}", fps=25)
        noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
        with pytest.raises(SinkError, match="No space left on device; the video ends before frame") as caught:
            for index in range(3000):
                one = at(index, 40 * index)
                one.bgr = lambda index=index: np.roll(noise, 7 * index, 1)
                sink.write(reading(index), one)
        assert "\n" not in str(caught.value)
        sink.close()
        times, _ = frames_of(path)
        assert times == [40 * number for number in range(len(times))]
        assert len(times) >= index - 16 and len(times) > 10
        assert [one.name for one in disk.iterdir()] == [path.name]
    finally:
        time.sleep(0.05)  # the last request for the disk may still be under way
        subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_can_be_written_again_gets_the_next_film(tmp_path, monkeypatch):
    """What was written before stays as it is."""
    now, full = [0.0], []
    path = tmp_path / "out.mp4"
    write = FilmFile._write

    def failing(self, fd, view):
        if full:
            raise OSError(28, "No space left on device")
        write(self, fd, view)

    monkeypatch.setattr(FilmFile, "_write", failing)
    sink = AnnotatedVideo(str(path), 25, clock=lambda: now[0])
    for index in range(60):
        sink.write(reading(index), at(index, 40 * index))
    full.append(True)
    for index in range(60, 120):
        with contextlib.suppress(SinkStalled):
            sink.write(reading(index), at(index, 40 * index))
    first = path.read_bytes()
    full.clear()
    with pytest.raises(SinkStalled, match="the video ends before frame"):
        sink.write(reading(120), at(120, 4800))
    now[0] += 11
    for index in range(121, 150):
        sink.write(reading(index), at(index, 40 * index))
    sink.close()
    assert path.read_bytes() == first and len(frames_of(path)[0]) > 40
    times, _ = frames_of(tmp_path / "out-2.mp4")
    assert times == [40 * number for number in range(29)]


@pytest.mark.parametrize("name", ["SIGKILL", "SIGHUP", "SIGTERM"])
def test_a_whole_run_that_is_ended_by_a_signal_leaves_a_film(tmp_path, name):
    path = tmp_path / "out.mp4"
    command = [sys.executable, "-m", "edgefer", "run", "-q", "--source", "demo:forever", "--output", f"video:{path}"]
    # it is not ignored, however these tests were started
    run = subprocess.Popen(command, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:  # until so much can be seen of it
        time.sleep(0.2)
        with contextlib.suppress(FileNotFoundError, av.FFmpegError):
            if len(frames_of(path)[0]) > 10:
                break
    run.send_signal(getattr(signal, name))
    assert run.wait(30) == (-signal.SIGKILL if name == "SIGKILL" else 0)
    times, _ = frames_of(path)
    assert len(times) > 10 and times == sorted(times)


def test_a_disk_that_is_full_from_the_start_is_one_line(tmp_path):
    path = tmp_path / "out.mp4"
    path.symlink_to("/dev/full")
    sink = open_sink(f"video:{path}")
    with pytest.raises(SinkError, match="out.mp4: cannot be written"):
        for index in range(100):
            sink.write(reading(index), at(index, 40 * index))
    sink.close()
