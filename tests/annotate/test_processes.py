"""The processes of `edgefer annotate`, where one of them, or whoever they talk to, does not do what it should."""

from __future__ import annotations

import contextlib
import errno
import gc
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import pytest
from portrait import portrait
from tiny_model import make_directory

from edgefer.annotate import Job, Outcome, pool, process, worker
from edgefer.annotate.pool import Pool
from edgefer.annotate.process import Process
from edgefer.errors import EdgeferError
from edgefer.reader.options import settings_of


def ends(call, *given, within_s: float = 5.0) -> bool:
    """Whether a call comes back in time."""
    thread = threading.Thread(target=call, args=given, daemon=True)
    thread.start()
    thread.join(within_s)
    return not thread.is_alive()


@pytest.fixture
def pair():
    """A process as its owner sees it, and the socket through which its fate is told."""
    talk, theirs = socket.socketpair()
    fate, told = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, told:
        yield Process(talk, fate), told


def test_nobody_waits_for_ever_for_a_process_that_was_never_forked(pair):
    asked, _ = pair
    found = []
    assert ends(asked.kill, 0.05)
    assert ends(lambda: found.append(asked.wait(0.05)))
    assert found == [None] and not asked.numbered


def test_how_a_process_ended_is_known_whoever_asks_again_or_lets_go(pair):
    asked, told = pair
    for message in (b"1234567", b"-9"):
        told.send(message)
    told.close()
    assert asked.wait(5) == -9
    asked._hear(0.0)
    assert asked.wait(0.1) == -9
    asked.close()
    asked._hear(0.0)
    assert asked.wait(0.1) == -9


def test_a_process_of_which_another_thread_has_let_go_is_over(pair):
    asked, _ = pair
    asked.close()
    assert asked.wait(5) is None and asked._over


def test_a_pool_closes_though_what_its_processes_come_from_hangs_while_it_loads(monkeypatch):
    begin = subprocess.Popen
    elders = []

    def hang(command, **given):
        elders.append(begin([sys.executable, "-c", "import time; time.sleep(60)"], **given))
        return elders[-1]

    monkeypatch.setattr(process.subprocess, "Popen", hang)
    monkeypatch.setattr(pool, "_PATIENCE_S", 0.2)
    asked = Pool(early=2)
    try:
        asked.begin(None, ["a film"], 1)
        assert ends(asked.close)
        (elder,) = elders
        assert elder.poll() is not None
        assert not any(thread.is_alive() for thread in asked._threads) and not asked._running
    finally:
        for elder in elders:
            elder.kill()
            elder.wait()


def test_modules_are_found_where_this_process_finds_them_and_not_in_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "queue.py").write_text("raise RuntimeError('from the current folder')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    elder = process.Nursery()
    try:
        begun = elder.start()
        begun.terminate()
        assert begun.wait(30) == 143
        begun.close()
    finally:
        elder.close(5)


def test_where_no_process_can_be_forked_the_asker_is_told(monkeypatch):
    def fork() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    monkeypatch.setattr(worker, "_load", lambda: None)
    monkeypatch.setattr(worker.os, "fork", fork)
    monkeypatch.setattr(worker.sys, "argv", ["", str(theirs.detach())])
    talk, asked = socket.socketpair()
    fate, told = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    begun = Process(talk, fate)
    before = signal.getsignal(signal.SIGCHLD)
    try:
        with asked, told:
            socket.send_fds(control, [b"fork"], [asked.fileno(), told.fileno()])
        control.close()
        worker.main()
        with pytest.raises(EdgeferError, match="Resource temporarily unavailable; ask for fewer with --jobs"):
            begun.answer()
        assert begun.wait(5) is None
    finally:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, before)
        gc.unfreeze()
        begun.close()


def test_where_files_are_few_one_line_says_that_fewer_processes_are_to_be_asked_for(monkeypatch):
    def pair(*given: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(process.socket, "socketpair", pair)
    with pytest.raises(EdgeferError, match="Too many open files; ask for fewer with --jobs"):
        Pool(early=1)


def test_a_process_that_began_early_and_was_not_needed_takes_no_film():
    """Each film is the end of its process, as where memory is short."""

    class Begun:
        numbered = True

        def __init__(self) -> None:
            self.terminated, self.answers = False, [[]]

        def tell(self, what: object) -> None:
            if self.terminated:
                raise BrokenPipeError

        def answer(self) -> object:
            if not self.answers:
                raise EOFError
            return self.answers.pop()

        def terminate(self) -> None:
            self.terminated = True

        def wait(self, patience_s: float) -> int:
            return -9

        def close(self) -> None:
            pass

    class Few(Pool):
        def _start(self) -> Begun:
            self._running.add(begun := Begun())
            return begun

    films = [f"{number}.avi" for number in range(4)]
    with Few(early=8) as asked:
        asked.begin(None, films, 1)
        found = [event for event in asked.events(5) if isinstance(event, Outcome)]
        assert [outcome.film for outcome in found] == films
        assert asked._false_starts == 0
    assert not asked._running


def test_a_process_whose_owner_goes_in_the_midst_of_a_film_ends_without_a_word(tmp_path, monkeypatch, caplog):
    cv2.imwrite(str(tmp_path / "photo.png"), portrait())
    job = Job.of(tmp_path / "out.csv", settings_of(model=str(make_directory(tmp_path / "tiny"))))
    scratch = []

    class Answers:
        """Takes the first answer, that the process is ready, and no other."""

        def __init__(self) -> None:
            self.ready = False

        def write(self, data: bytes) -> None:
            if self.ready:
                scratch.extend(Path(job.folder).glob(".part.*"))
                raise BrokenPipeError(32, "Broken pipe")

        def flush(self) -> None:
            self.ready = True

    monkeypatch.setattr(
        worker, "_listen", lambda asked, told: [told.put(each) for each in (job, str(tmp_path / "photo.png"))]
    )
    before = signal.getsignal(signal.SIGTERM)
    try:
        with contextlib.closing(socket.socket()) as asked, pytest.raises(SystemExit) as left:
            worker._work(asked.makefile("rb"), Answers(), None)
    finally:
        signal.signal(signal.SIGTERM, before)
        gc.unfreeze()
    assert left.value.code == 128 + signal.SIGTERM
    assert len(scratch) == 1 and not list(Path(job.folder).iterdir())
    assert not caplog.records
