"""What a device meets in years: stages that hang, disks that fill up or turn read-only, clocks that are set."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from loop_doubles import CameraSource, StubRecognizer, StubSmoother, StubTracker, face

from edgefer.device.service import Notifier
from edgefer.errors import SourceError
from edgefer.loop.pipeline import Pipeline
from edgefer.loop.readings import Readings
from edgefer.loop.run import run
from edgefer.sinks import Sink, SinkThread


class Hang:
    """A call that does not come back until the test ends."""

    def __init__(self) -> None:
        self.inside, self.over = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.inside.set()
        self.over.wait(20)


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    """Listens as systemd does: gives what was heard in so many seconds."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "150000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)

        def heard() -> list[str]:
            messages = []
            while True:
                try:
                    messages.append(listener.recv(500).decode())
                except BlockingIOError:
                    return messages

        yield heard


@pytest.mark.parametrize("stage", ["capture", "detect", "recognize", "sink"])
def test_a_hang_in_any_stage_ends_in_a_restart(monkeypatch, systemd, stage):
    """Systemd hears nothing any more; or the run ends by itself, which it answers with a restart as well."""
    monkeypatch.setattr("edgefer.sinks.thread.HANGS_AFTER_S", 0.1)
    monkeypatch.setattr("edgefer.loop.patience.DEADLINE_S", 0.05)
    monkeypatch.setattr("edgefer.loop.patience.FIRST_DELAY_S", 0.0)
    hang, count = Hang(), [0]

    def sometimes(name: str) -> None:
        if name == stage:
            count[0] += 1
            if count[0] > 20:
                hang()

    class Camera(CameraSource):
        def read(self):
            sometimes("capture")
            return super().read()

    class Tracker(StubTracker):
        def update(self, frame):
            sometimes("detect")
            return super().update(frame)

    class Recognizer(StubRecognizer):
        def observe(self, frame, face):
            sometimes("recognize")
            return super().observe(frame, face)

    class Output(Sink):
        name = "output"

        def write(self, reading, frame=None):
            sometimes("sink")

    pipeline = Pipeline(Tracker(face(1)), [Recognizer()], StubSmoother)
    readings = Readings(Camera(3000, 0.001), pipeline, reopen=lambda: Camera(3000, 0.001), endless=True)
    notifier, stop, ended = Notifier(), threading.Event(), []

    def beat(written: int, hanging: str) -> None:
        notifier.beat(written > 0, alive=not hanging)

    def loop() -> None:
        try:
            run(readings, [SinkThread(Output())], stop, beat)
        except SourceError as error:
            ended.append(error)

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    assert hang.inside.wait(10)
    said = systemd()
    time.sleep(0.6)
    if stage == "capture":
        wait_for(lambda: ended)
    said += systemd()
    time.sleep(0.4)
    afterwards = systemd()
    assert "READY=1" in said and "WATCHDOG=1" in said
    assert "WATCHDOG=1" not in afterwards
    assert bool(ended) == (stage == "capture")
    stop.set()
    hang.over.set()
    thread.join(10)


def test_the_watchdog_is_fed_while_a_camera_is_away(systemd):
    readings = Readings(
        CameraSource(3, 0.001),
        Pipeline(StubTracker(), [StubRecognizer()], StubSmoother),
        reopen=lambda: (_ for _ in ()).throw(SourceError("away")),
        endless=True,
    )
    notifier, stop = Notifier(), threading.Event()
    thread = threading.Thread(
        target=run, args=(readings, [], stop, lambda written, hanging: notifier.beat(written > 0, alive=not hanging))
    )
    thread.start()
    time.sleep(0.5)
    systemd()
    time.sleep(0.5)
    assert systemd().count("WATCHDOG=1") >= 2 and readings.health.source == "stalled"
    stop.set()
    thread.join(10)


def started(*arguments: str, **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "edgefer", "run", "-q", "demo:forever", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)


def wait_for(condition, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert condition()


def lines_of(path) -> list[dict]:
    try:
        return [json.loads(line) for line in path.read_text().splitlines()]
    except FileNotFoundError:
        return []


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_disk_that_is_full_or_read_only_costs_lines_and_no_more(small_disk, tmp_path):
    """From the start as later; the other output gets every reading, and what is written is whole."""
    pytest.importorskip("matplotlib", reason="the portrait of the demo comes with matplotlib")
    ballast, lines, other = small_disk / "ballast", small_disk / "readings.jsonl", tmp_path / "other.jsonl"

    def remount(how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(small_disk)], check=True)

    remount("ro")
    process = started("--output", f"jsonl:{lines}", "--output", f"jsonl:{other}")
    try:
        wait_for(lambda: len(lines_of(other)) > 10)
        assert not lines.exists()
        remount("rw")
        wait_for(lambda: len(lines_of(lines)) > 10)
        with ballast.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass
        full = len(lines_of(other))
        wait_for(lambda: len(lines_of(other)) > full + 20)
        stopped = len(lines_of(lines))
        ballast.unlink()
        wait_for(lambda: len(lines_of(lines)) > stopped + 10)
    finally:
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=20)[1].splitlines()
    frames = [reading["frame"] for reading in lines_of(other)]
    assert frames == sorted(set(frames))
    said = [line for line in errors if str(lines) in line]
    assert sum("cannot be written" in line for line in said) in (2, 3) and "Read-only" in said[0]
    assert sum("can be written again" in line for line in said) == 2
    assert "Traceback" not in "\n".join(errors)


def test_a_clock_that_is_set_changes_the_time_that_is_told_and_nothing_else(monkeypatch):
    """An hour forward and two back in the middle of a run; ages, media time and the rate do not notice."""
    now_ns, jumped = time.time_ns, [0]
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + jumped[0])
    kept = []

    class Keep(Sink):
        def write(self, reading, frame=None):
            kept.append(reading)
            jumped[0] = {5: 3600 * 10**9, 10: -3600 * 10**9}.get(len(kept), jumped[0])

    pipeline = Pipeline(StubTracker(), [StubRecognizer()], StubSmoother)
    readings = Readings(CameraSource(200, 0.002), pipeline, reopen=lambda: None)
    run(readings, [SinkThread(Keep(), drop=False)])
    hours = [reading.time[:13] for reading in kept]
    assert len(set(hours)) >= 3, hours
    assert all(reading.age_ms < 1000 for reading in kept)
    times = [reading.t_s for reading in kept]
    assert times == sorted(times) and readings.health.fps < 1000


def test_a_process_that_was_stopped_for_a_while_goes_on(tmp_path):
    """As where the machine sleeps: nothing is blamed for it."""
    pytest.importorskip("matplotlib", reason="the portrait of the demo comes with matplotlib")
    path = tmp_path / "readings.jsonl"
    process = started("--output", f"jsonl:{path}")
    try:
        wait_for(lambda: len(lines_of(path)) > 10)
        process.send_signal(signal.SIGSTOP)
        time.sleep(3.5)
        before = len(lines_of(path))
        process.send_signal(signal.SIGCONT)
        wait_for(lambda: len(lines_of(path)) > before + 20)
    finally:
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=20)[1]
    assert errors == "", errors
