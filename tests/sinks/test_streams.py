"""Named pipes as outputs: readers that come and go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

import pytest
from readings import face, reading

from edgefer.labels import FERPLUS8
from edgefer.sinks import SinkThread, open_sink


class Reader:
    """Reads a pipe in another thread, and leaves after so many lines."""

    def __init__(self, path, most: int) -> None:
        self.lines: list[str] = []
        self.left = threading.Event()
        threading.Thread(target=self._read, args=(path, most), daemon=True).start()

    def _read(self, path, most: int) -> None:
        with open(path) as file:
            while len(self.lines) < most and (line := file.readline()):
                self.lines.append(line)
        self.left.set()


def write_until(sink: SinkThread, done: threading.Event, numbers) -> None:
    deadline = time.monotonic() + 20
    while not done.wait(0.005):
        assert time.monotonic() < deadline and not sink.failed
        sink.write(reading(next(numbers), face()))


@pytest.mark.parametrize("replaced", [False, True], ids=["the same pipe", "replaced"])
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_named_pipe_gets_its_next_reader(tmp_path, caplog, kind, replaced):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    sink = SinkThread(open_sink(f"{kind}:{path}", labels=FERPLUS8))
    numbers = iter(range(100_000))
    first = Reader(path, 3)
    write_until(sink, first.left, numbers)
    while not caplog.records:  # until it is met
        sink.write(reading(next(numbers), face()))
        time.sleep(0.005)
    if replaced:
        path.unlink()
        time.sleep(0.02)
        os.mkfifo(path)
    second = Reader(path, 3)
    write_until(sink, second.left, numbers)
    sink.close()
    assert len(first.lines) == len(second.lines) == 3
    if kind == "jsonl":
        assert json.loads(second.lines[0])["frame"] > json.loads(first.lines[-1])["frame"] + 1
    else:
        assert second.lines[0] == first.lines[0] and second.lines[0].startswith("source,")
    said = [record.getMessage().removeprefix(f"{path}: ") for record in caplog.records]
    assert said[0] == "the reader has gone; readings are lost until another one comes"
    assert said[1].startswith("can be written again; ") and said[1].endswith(" lost")


def test_a_run_ends_cleanly_though_the_last_reader_of_its_pipe_has_gone(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    sink = SinkThread(open_sink(f"jsonl:{path}"))
    reader = Reader(path, 2)
    write_until(sink, reader.left, iter(range(100_000)))
    for index in range(10):
        sink.write(reading(index, face()))
    sink.close()
    error = sink.take_error()
    assert error is None or error.exit_code == 0


@pytest.mark.parametrize("where", ["named", "passed on"])
def test_a_film_ends_when_its_reader_goes(tmp_path, where):
    """As with any program: there is nobody to come for what a pipe of the shell holds."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reads, writes = os.pipe()
    target = path if where == "named" else f"/proc/self/fd/{writes}"
    process = subprocess.Popen(
        [sys.executable, "-m", "edgefer", "run", "-q", "demo:forever", "--output", f"jsonl:{target}"]
        if where == "passed on"
        else [sys.executable, "-c", FILM, str(path)],
        pass_fds=[writes],
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writes)
    with open(path if where == "named" else reads) as file:
        assert file.readline()
    assert process.wait(60) == 0, process.stderr.read()
    if where == "named":
        os.close(reads)


FILM = """if True:
    import sys
    from edgefer.sinks import SinkThread, open_sink
    from edgefer.values import Reading
    sink = SinkThread(open_sink("jsonl:" + sys.argv[1]), drop=False)
    for index in range(10 ** 9):
        sink.write(Reading(index, 0.0, "2026-11-21T10:00:00Z", 1.0))
        if sink.failed:
            sys.exit(sink.take_error().exit_code)
"""
