"""Standard input, FIFOs and descriptors, written to by this test or by a program of its own."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import textured, write_clip

av = pytest.importorskip("av", reason="films need PyAV (extra `film`)")

from edgefer.errors import SourceError, SourceStalled, UsageError  # noqa: E402
from edgefer.loop.capture import Capture  # noqa: E402
from edgefer.loop.patience import open_patiently  # noqa: E402
from edgefer.sources import open_source, pipe  # noqa: E402


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(pipe, "FIRST_BYTE_S", 0.1)
    monkeypatch.setattr(pipe, "SILENCE_S", 0.5)


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> dict[str, bytes]:
    """Twenty pictures in each kind of container, and without one."""
    folder = tmp_path_factory.mktemp("films")
    found = {}
    for name, container, codec in [
        ("mkv", "matroska", "libx264"),
        ("ts", "mpegts", "libx264"),
        ("avi", "avi", "mjpeg"),
        ("mp4", "mp4", "libx264"),
        ("h264", "h264", "libx264"),
        ("mjpeg", "mjpeg", "mjpeg"),
        ("y4m", "yuv4mpegpipe", "wrapped_avframe"),
    ]:
        path = folder / f"clip.{name}"
        options = {"movflags": "faststart"} if name == "mp4" else {}
        with av.open(str(path), "w", format=container, options=options) as output:
            video = output.add_stream(codec, rate=25)
            video.width, video.height = 160, 120
            video.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            if codec == "libx264":
                video.options = {"preset": "ultrafast", "tune": "zerolatency", "g": "5"}
            for index in range(20):
                frame = av.VideoFrame.from_ndarray(textured(index), "bgr24").reformat(format=video.pix_fmt)
                frame.pts = index
                output.mux(video.encode(frame))
            output.mux(video.encode(None))
        found[name] = path.read_bytes()
    return found


class Writer:
    """A pipe with a thread that writes into it; the other end is at `path`."""

    def __init__(self, *parts: bytes, pause_s: float = 0.0, then_wait: bool = False) -> None:
        self.reads, self._writes = os.pipe()
        self.path = f"/dev/fd/{self.reads}"
        self._parts, self._pause_s, self._then_wait = parts, pause_s, then_wait
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self) -> None:
        try:
            for part in self._parts:
                view = memoryview(part)
                while view:
                    view = view[os.write(self._writes, view) :]
                self._over.wait(self._pause_s)
            if self._then_wait:
                self._over.wait(20)
        except OSError:
            pass  # nobody reads
        finally:
            os.close(self._writes)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        os.close(self.reads)
        self._thread.join(5)


def read_all(source) -> list:
    return list(iter(source.read, None))


def errors(frames) -> list[float]:
    sent = textured(0).mean(axis=2)
    return [float(np.abs(frame.grey - np.roll(sent, 3 * frame.index, axis=1)).mean()) for frame in frames]


@pytest.mark.parametrize("name", ["mkv", "ts", "avi", "mp4", "h264", "mjpeg", "y4m"])
def test_a_film_through_a_pipe_is_read_whole(films, name):
    with Writer(films[name]) as writer, open_source(writer.path) as source:
        frames = read_all(source)
        assert not source.live and source.waits and source.size == (160, 120)
    assert [frame.index for frame in frames] == list(range(20))
    assert max(errors(frames)) < 12
    assert np.allclose([frame.media_ns / 1e9 for frame in frames], np.arange(20) / 25, atol=0.002)


def test_a_slow_writer_is_waited_for(films):
    data = films["ts"]
    parts = [data[start : start + 4000] for start in range(0, len(data), 4000)]
    with Writer(*parts, pause_s=0.02) as writer, open_source(writer.path) as source:
        assert len(read_all(source)) == 20


@pytest.mark.parametrize("name", ["ts", "h264", "mjpeg", "y4m"])
def test_a_camera_that_writes_is_live_and_its_newest_frame_counts(films, name):
    """As rpicam-vid writes H.264 or motion JPEG; its end is the end, for nobody can start it again."""
    with Writer(films[name]) as writer, open_source(f"pipe:{writer.path},live=yes") as source:
        frames = read_all(source)
        assert source.live
    assert len(frames) == 20 and max(errors(frames)) < 12
    assert all(later.media_ns > earlier.media_ns for earlier, later in zip(frames, frames[1:], strict=False))


def test_a_live_picture_is_given_before_the_next_one_is_written(films):
    data = films["mjpeg"]
    first = data[: data.index(b"\xff\xd9") + 2]
    with Writer(first, then_wait=True) as writer, open_source(f"pipe:{writer.path},live=yes") as source:
        assert max(errors([source.read()])) < 12


def test_a_live_writer_that_falls_silent_is_an_error(films):
    with (
        Writer(films["ts"], then_wait=True) as writer,
        open_source(f"pipe:{writer.path},live=yes") as source,
        pytest.raises(SourceError, match="nothing came through the pipe for 0.5 s"),
    ):
        read_all(source)


@pytest.mark.parametrize("kind", ["ts", "mjpeg"])
def test_a_live_writer_may_fall_silent_while_nobody_wants_its_pictures(films, kind):
    data = films[kind]
    parts = data[: 3 * len(data) // 4], data[3 * len(data) // 4 :]
    with Writer(*parts, pause_s=1.5) as writer, open_source(f"pipe:{writer.path},live=yes") as source:
        source.rest(True)
        assert len(read_all(source)) > 17


def test_a_wait_for_the_writer_can_be_ended_at_once(films):
    with Writer(films["y4m"], then_wait=True) as writer, open_source(writer.path) as source:
        for _ in range(15):
            source.read()
        threading.Timer(0.2, source.interrupt).start()
        start = time.monotonic()
        read_all(source)
        assert time.monotonic() - start < 2


def test_every_frame_of_a_pipe_reaches_a_slow_loop(films):
    with Writer(films["ts"]) as writer:
        capture = Capture(open_source(writer.path), whole=True)
        indices = []
        while not capture.ended:
            if (frame := capture.take(0.1)) is not None:
                indices.append(frame.index)
                time.sleep(0.003)
        capture.close()
    assert indices == list(range(20)) and capture.dropped == 0


# -- photographs


def encoded(suffix: str) -> bytes:
    return cv2.imencode(suffix, textured(0))[1].tobytes()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tiff"])
def test_a_photograph_through_a_pipe_is_a_still(suffix):
    data = encoded(suffix)
    with Writer(data[:100], data[100:], pause_s=0.05) as writer, open_source(writer.path) as source:
        frames = read_all(source)
    assert len(frames) == 1 and frames[0].still and source.still
    assert np.abs(frames[0].bgr().astype(int) - textured(0)).mean() < 8


def test_a_telephones_photograph_with_another_in_it_is_one_still():
    """A gain map follows the picture, as motion JPEG would go on; the picture says so."""
    data = encoded(".jpg")
    with_map = data[:2] + b"\xff\xe2\x00\x08MPF\0II" + data[2:] + data
    with Writer(with_map) as writer, open_source(writer.path) as source:
        assert len(read_all(source)) == 1 and source.still


def test_of_several_pictures_that_are_no_film_none_is_lost_in_silence():
    with pytest.raises(SourceError, match="several PNG pictures, one after the other; expected one, or JPEGs"):
        open_source(Writer(encoded(".png") * 5).path)


def test_a_damaged_photograph_is_refused_in_one_line():
    with Writer(encoded(".png")[:300]) as writer, pytest.raises(SourceError) as caught:
        open_source(writer.path)
    assert "\n" not in str(caught.value) and "/proc" not in str(caught.value)


# -- what cannot be read


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "it is empty"),
        (b"hello, world\n" * 1000, "not a film that can be decoded"),
        (b"#EXTM3U\nfile:///etc/passwd\n", "not a film that can be decoded"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "not a film that can be decoded"),
        (b"\0\0\0\x1cftypisom" + bytes(100_000), "give its path instead"),
    ],
    ids=["empty", "text", "playlist", "concat", "index last"],
)
def test_what_cannot_be_read_is_refused_in_one_line(data, said):
    with Writer(data) as writer, pytest.raises(SourceError, match=said) as caught:
        open_source(writer.path)
    assert not isinstance(caught.value, SourceStalled) and "\n" not in str(caught.value)


def test_an_mp4_as_a_telephone_writes_it_is_told_what_to_do(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", 20, draw=textured).read_bytes()
    assert clip.index(b"moov") > clip.index(b"mdat")
    with Writer(clip) as writer, pytest.raises(SourceError, match="index comes last .* give its path instead"):
        open_source(writer.path)


def test_a_terminal_is_refused():
    leader, follower = pty.openpty()
    try:
        with pytest.raises(UsageError, match="is a terminal"):
            open_source(f"/dev/fd/{follower}")
    finally:
        os.close(leader)
        os.close(follower)


def test_a_descriptor_that_is_closed_is_refused():
    with pytest.raises(SourceError, match="bad file descriptor"):
        open_source("pipe:/dev/fd/987")


def test_a_pipe_into_which_nothing_comes_is_a_stall():
    with Writer(then_wait=True) as writer, pytest.raises(SourceStalled, match="nothing is written to it yet"):
        open_source(writer.path)


# -- FIFOs


def test_a_fifo_is_waited_for_until_somebody_writes(tmp_path, films, caplog):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    threading.Timer(0.5, lambda: fifo.write_bytes(films["mkv"])).start()
    with open_patiently(lambda: open_source(str(fifo)), patience_s=10) as source:
        assert len(read_all(source)) == 20
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == 1 and "nothing is written to it yet; trying for 10 s" in said[0]


def test_a_fifo_that_is_not_there_yet_is_waited_for_where_it_is_called_one(tmp_path, films):
    fifo = tmp_path / "fifo"

    def make() -> None:
        time.sleep(0.3)
        os.mkfifo(fifo)
        fifo.write_bytes(films["mkv"])

    threading.Thread(target=make, daemon=True).start()
    with open_patiently(lambda: open_source(f"pipe:{fifo}"), patience_s=10) as source:
        assert len(read_all(source)) == 20
    with pytest.raises(SourceError, match="no such file") as caught:
        open_patiently(lambda: open_source(str(tmp_path / "other")), patience_s=10)
    assert not isinstance(caught.value, SourceStalled)
    with pytest.raises(SourceStalled, match="other: no such FIFO; mkfifo makes one$"):
        open_source(f"pipe:{tmp_path}/other,live=yes")


def test_a_writer_that_opens_a_fifo_between_two_attempts_is_not_killed(tmp_path, films):
    """Closed after each attempt, the FIFO would end the writer by SIGPIPE."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    first = stall_of(fifo)
    writes = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    second = stall_of(fifo)
    assert first.kept is not None and second.kept is not None
    first.kept.close()
    threading.Timer(0.05, lambda: (os.write(writes, films["h264"]), os.close(writes))).start()
    with open_source(str(fifo)) as source:
        assert len(read_all(source)) == 20


@pytest.mark.parametrize("kind", ["ts", "mjpeg"])
def test_who_writes_to_a_live_fifo_before_it_is_closed_and_opened_again_loses_nothing(tmp_path, films, kind):
    """A decoder that is behind has seen the end of one stream while the next one is written."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=[films[kind]])
    writer.start()
    with open_patiently(lambda: open_source(f"pipe:{fifo},live=yes"), patience_s=10) as source:
        writer.join()
        assert read_live(source) == 20
        writes = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        assert os.write(writes, films[kind]) == len(films[kind])
        os.close(writes)
        assert read_live(source) == 0
        kept = source.keep()
    assert kept is not None
    with open_source(f"pipe:{fifo},live=yes") as source:
        assert read_live(source) == 20
    with pytest.raises(SourceStalled, match="nothing is written to it yet"):
        open_source(f"pipe:{fifo},live=yes")


def test_a_fifo_that_was_replaced_is_found(tmp_path, films):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(SourceStalled):
        open_source(str(fifo))
    fifo.unlink()
    with pytest.raises(SourceError, match="no such file"):
        open_source(str(fifo))
    os.mkfifo(fifo)
    with pytest.raises(SourceStalled):
        open_source(str(fifo))
    os.rename(fifo, tmp_path / "old")
    os.mkfifo(fifo)
    threading.Thread(target=fifo.write_bytes, args=[films["ts"]], daemon=True).start()
    with open_patiently(lambda: open_source(str(fifo)), patience_s=10) as source:
        assert len(read_all(source)) == 20


def test_a_live_fifo_gets_its_next_writer(tmp_path, films):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    opens = lambda: open_source(f"pipe:{fifo},live=yes")  # noqa: E731
    threading.Thread(target=fifo.write_bytes, args=[films["ts"]], daemon=True).start()
    capture = Capture(open_patiently(opens, 10), opens, patience_s=20)
    try:
        take_until(capture, lambda frame: capture.stalled)
        threading.Thread(target=fifo.write_bytes, args=[films["ts"]], daemon=True).start()
        take_until(capture, lambda frame: capture.reconnects and frame)
        assert capture.reconnects == 1
    finally:
        capture.close()


def stall_of(fifo: Path) -> SourceStalled:
    with pytest.raises(SourceStalled) as caught:
        open_source(str(fifo))
    return caught.value


def take_until(capture: Capture, done) -> None:
    deadline = time.monotonic() + 20
    while not done(capture.take(0.1)):
        assert time.monotonic() < deadline, capture.trouble


def read_live(source) -> int:
    """How many pictures there are before it stalls."""
    count = 0
    with pytest.raises(SourceStalled, match="ended"):
        while source.read() is not None:
            count += 1
    return count


# -- the command line


def run(arguments: str, stdin, **more) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "edgefer", "run", *arguments.split()]
    return subprocess.run(command, stdin=stdin, capture_output=True, text=True, timeout=60, **more)


def test_a_film_is_piped_into_the_command(films):
    read, write = os.pipe()
    threading.Thread(target=lambda: (os.write(write, films["h264"]), os.close(write)), daemon=True).start()
    done = run("--source - --output jsonl --frames 30", read)
    os.close(read)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 20, done.stderr


def test_a_file_as_standard_input_is_read_as_a_file(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames=5)
    with clip.open("rb") as file:
        done = run("- --output jsonl", file)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 5, done.stderr


@pytest.mark.parametrize("called", ["/dev/fd/{}", "pipe:/dev/fd/{}"])
def test_a_file_that_only_its_opener_may_read_is_read_as_a_pipe(tmp_path, films, called):
    """As where a shell of another user redirects it."""
    path = tmp_path / "film.mkv"
    path.write_bytes(films["mkv"])
    with path.open("rb") as file, open_source(path) as source:  # what it needs is imported
        read_all(source)
        path.chmod(0)
        user = os.getresuid()
        nobody = 65534 if user[1] == 0 else user[1]
        os.setresuid(nobody, nobody, user[1])
        try:
            assert not os.access(path, os.R_OK)
            with open_source(called.format(file.fileno())) as source:
                assert len(read_all(source)) == 20
        finally:
            os.setresuid(*user)


@pytest.mark.parametrize("stdin", [subprocess.DEVNULL, "closed"])
def test_an_empty_standard_input_is_one_line(stdin):
    if stdin == "closed":
        command = f"exec {sys.executable} -m edgefer run --source - --output jsonl <&-"
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
    else:
        done = run("--source - --output jsonl", stdin)
    assert done.returncode == 3 and len(done.stderr.splitlines()) == 1
    assert "is empty" in done.stderr or "it is closed" in done.stderr


def test_process_substitution_is_a_pipe(tmp_path):
    clip = Path(write_clip(tmp_path / "clip.avi", frames=5))
    command = f"{sys.executable} -m edgefer run --source <(cat {clip}) --output jsonl"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 5, done.stderr


@pytest.mark.parametrize("number", ["INT", "TERM"])
def test_a_signal_ends_the_wait_for_a_writer_at_once(number):
    read, write = os.pipe()
    command = [sys.executable, "-m", "edgefer", "run", "--source", "-", "--output", "jsonl"]
    process = subprocess.Popen(command, stdin=read, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "trying for 30 s" in process.stderr.readline()
    start = time.monotonic()
    subprocess.run(["kill", f"-{number}", str(process.pid)], check=True)
    process.wait(20)
    assert time.monotonic() - start < 3
    assert process.returncode == (130 if number == "INT" else 0)
    process.stderr.close()
    os.close(read)
    os.close(write)
