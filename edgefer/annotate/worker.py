"""The process from which those that read films are forked: `main` with the number of a socket.

It loads what reading a film takes, once for all. Each message that comes through the socket brings two more: one for a
new process to talk through, and one by which that process's number is told and later how it ended. The new process is
told the job, then one film after the other, as pickles. It answers a list of remarks when it is ready, and for each
film its Outcome, before that a few times how many frames are read and how many the film says it has; or an
EdgeferError, which is its end. Where nobody talks to it any more it ends as well, in the midst of a film, too.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pickle
import queue
import select
import signal
import socket
import sys
import threading
from typing import Any, BinaryIO

from edgefer.annotate.process import none_begun
from edgefer.errors import EdgeferError


def main() -> None:
    """Until whoever asks for processes has gone."""
    control = socket.socket(fileno=int(sys.argv[1]))
    failure: EdgeferError | None = None
    try:
        _load()
    except EdgeferError as error:
        failure = error
    gc.freeze()  # what is loaded stays, and pages that nobody writes are shared
    woken, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(wakes)
    fates: dict[int, socket.socket] = {}
    waiting: list[Any] = [control, woken]
    while True:
        ready = select.select(waiting, [], [])[0]
        if woken in ready:
            os.read(woken, 4096)
            _tell_ends(fates)
        if control in ready:
            message, sockets, *_ = socket.recv_fds(control, 16, 2)
            if not message:
                return
            talk, fate = (socket.socket(fileno=each) for each in sockets)
            try:
                number = os.fork()
            except OSError as error:
                with talk, fate, contextlib.suppress(OSError):
                    talk.sendall(pickle.dumps(none_begun(error)))
                continue
            if not number:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for each in (control, fate, *fates.values()):
                    each.close()
                _read_films(talk, failure)
            talk.close()
            fates[number] = fate
            with contextlib.suppress(OSError):
                fate.send(str(number).encode())


def _tell_ends(fates: dict[int, socket.socket]) -> None:
    """Says of each process that has ended how it did."""
    for number in list(fates):
        ended, status = os.waitpid(number, os.WNOHANG)
        if ended:
            with fates.pop(number) as fate, contextlib.suppress(OSError):
                fate.send(str(os.waitstatus_to_exitcode(status)).encode())


def _load() -> None:
    """Imports what reading a film takes, before the job is known."""
    importlib.import_module("edgefer.annotate.job")
    with contextlib.suppress(ImportError, EdgeferError):  # said when it is needed
        importlib.import_module("edgefer.sources.film")
    for name in ("loop.pipeline", "models.runtime", "reader.streaming", "recognize.frame", "track", "annotate.rows"):
        importlib.import_module(f"edgefer.{name}")


# -- in a process that was forked


def _read_films(talk: socket.socket, failure: EdgeferError | None) -> None:
    """Until nobody talks any more.

    It ends without Python's own end, at which a thread that still listens would be an error.
    """
    signal.signal(signal.SIGTERM, _leave)
    code = 1
    try:
        _work(talk.makefile("rb"), talk.makefile("wb"), failure)
    except SystemExit as leaving:
        code = int(leaving.code or 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def _work(asked: BinaryIO, answers: BinaryIO, failure: EdgeferError | None) -> None:
    from edgefer.annotate.job import open_parts, remarks, work

    told: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def answer(what: object) -> None:
        try:
            pickle.dump(what, answers)
            answers.flush()
        except (BrokenPipeError, ConnectionResetError):  # whoever asked has gone, which is no fault of the film's part
            _leave(signal.SIGTERM, None)

    try:
        threading.Thread(target=_listen, args=(asked, told), daemon=True).start()
        job = _next(told)
        if failure is not None:
            raise failure
        said: list[str] = []
        with remarks(said):
            open_parts(job)
        gc.freeze()
        answer(said)
        while True:
            answer(work(job, _next(told), lambda *beat: answer(beat)))
    except EdgeferError as error:
        answer(error)
    except BrokenPipeError:  # whoever asked has gone
        pass


def _listen(file: BinaryIO, told: queue.SimpleQueue[Any]) -> None:
    try:
        while True:
            told.put(pickle.load(file))
    except (EOFError, OSError):
        told.put(None)  # a signal that comes just before the other thread begins to wait does not wake it
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


def _next(told: queue.SimpleQueue[Any]) -> Any:
    what = told.get()
    if what is None:
        raise BrokenPipeError
    return what


def _leave(number: int, frame: object) -> None:
    """Ends the process by way of the blocks that remove what is half written."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(128 + number)
