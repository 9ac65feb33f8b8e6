"""What a run does when it is told to stop, suspended or held to a limit: in a process of its own."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_model import make_directory

from edgefer.sources.demo import portrait_path

try:
    portrait_path()
except Exception:
    pytest.skip("the demo's portrait needs matplotlib", allow_module_level=True)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return str(make_directory(tmp_path_factory.mktemp("models") / "tiny"))


def defaults() -> None:
    """In the child, before it begins: no signal is ignored, however these tests were started."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def command(model: str, path: Path, *more: str) -> list[str]:
    source = ["--source", "demo:forever", "--model", model, "--output", f"jsonl:{path}"]
    return [sys.executable, "-m", "edgefer", "run", *source, "--quiet", *more]


def started(arguments: list[str], path: Path, **options) -> subprocess.Popen:
    """The command after its first readings."""
    options = {"preexec_fn": defaults, "stderr": subprocess.PIPE, "text": True, **options}
    process = subprocess.Popen(arguments, **options)
    wait_for_lines(process, path, 3)
    return process


def wait_for_lines(process: subprocess.Popen, path: Path, count: int) -> None:
    deadline = time.monotonic() + 30
    while not (path.exists() and path.read_bytes().count(b"\n") >= count):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)


def assert_whole(path: Path) -> None:
    content = path.read_text()
    assert content.endswith("\n")
    for line in content.splitlines():
        json.loads(line)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_a_polite_signal_is_a_clean_end(tmp_path, model, number):
    path = tmp_path / "out.jsonl"
    process = started(command(model, path), path)
    process.send_signal(number)
    assert (process.communicate(timeout=20)[1], process.returncode) == ("", 0)
    assert_whole(path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_that_is_ignored_at_the_start_stays_ignored(tmp_path, model, number):
    """As `nohup` does with a hangup, and a script's `&` with Ctrl-C."""
    path = tmp_path / "out.jsonl"

    def ignoring() -> None:
        defaults()
        signal.signal(number, signal.SIG_IGN)

    process = started(command(model, path), path, preexec_fn=ignoring)
    process.send_signal(number)
    wait_for_lines(process, path, path.read_bytes().count(b"\n") + 10)
    process.send_signal(signal.SIGTERM if number != signal.SIGTERM else signal.SIGHUP)
    assert (process.communicate(timeout=20)[1], process.returncode) == ("", 0)


@pytest.mark.skipif(shutil.which("nohup") is None, reason="needs nohup")
def test_nohup_outlives_its_terminal(tmp_path, model):
    path = tmp_path / "out.jsonl"
    process = started(["nohup", *command(model, path)], path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    process.send_signal(signal.SIGHUP)
    wait_for_lines(process, path, path.read_bytes().count(b"\n") + 10)
    process.terminate()
    assert process.wait(timeout=20) == 0


@pytest.mark.parametrize("output", [[], ["--output", "table"]], ids=["a file", "a file and the live table"])
def test_a_terminal_that_hangs_up_ends_the_run_with_whole_files(tmp_path, model, output):
    """Closing the window: the session's leader gets SIGHUP, and what it prints goes nowhere."""
    path = tmp_path / "out.jsonl"
    child, terminal = pty.fork()
    if not child:
        defaults()
        arguments = command(model, path, *output)
        arguments.remove("--quiet")  # so that there is something to say at the end
        os.execv(arguments[0], arguments)
    deadline = time.monotonic() + 30
    while not (path.exists() and path.read_bytes().count(b"\n") >= 3):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.close(terminal)
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert os.WIFEXITED(ended[1])
    assert_whole(path)


def limited(flag: str, model: str, path: Path, source: str) -> subprocess.CompletedProcess:
    arguments = command(model, path)
    arguments[arguments.index("demo:forever")] = source
    line = ["bash", "-c", f'ulimit -S {flag} && exec "$@"', "bash", *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, preexec_fn=defaults)


def test_a_limit_on_the_size_of_files_is_an_error_line(tmp_path, model):
    path = tmp_path / "out.jsonl"
    result = limited("-f 2", model, path, "demo:5")
    assert result.returncode == 1, result
    lines = result.stderr.splitlines()
    assert lines and all(line.startswith(f"edgefer: {path}: cannot be written: File too large") for line in lines)
    assert_whole(path)


def test_a_limit_on_processor_time_is_an_error_line(tmp_path, model):
    path = tmp_path / "out.jsonl"
    clip = tmp_path / "clip.avi"  # which is read as fast as it goes
    film = cv2.VideoWriter(str(clip), cv2.VideoWriter_fourcc(*"MJPG"), 25, (640, 480))
    for level in range(50):
        film.write(np.full((480, 640, 3), level, np.uint8))
    film.release()
    result = limited("-t 3", model, path, f"film:{clip},loop=yes")
    assert result.returncode == 1, result
    assert "limit on processor time" in result.stderr and result.stderr.count("\n") == 1
    assert_whole(path)


def test_a_run_that_was_suspended_goes_on(tmp_path, model):
    """Ctrl-Z and `fg`."""
    path = tmp_path / "out.jsonl"
    process = started(command(model, path), path)
    process.send_signal(signal.SIGTSTP)
    time.sleep(0.5)
    before = path.read_bytes().count(b"\n")
    process.send_signal(signal.SIGCONT)
    wait_for_lines(process, path, before + 10)
    process.terminate()
    assert (process.communicate(timeout=20)[1], process.returncode) == ("", 0)
    assert_whole(path)
