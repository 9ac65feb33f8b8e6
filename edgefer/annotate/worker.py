"""A process that reads films, one after the other: `python -m edgefer.annotate.worker`.

What it is told comes through standard input as pickles: the job, then one film after the other. What it answers goes
to standard output: a list of remarks when it is ready, and for each film its Outcome, before that a few times how many
frames are read and how many the film says it has; or an EdgeferError, which is its end. Where standard input ends it
ends as well, in the midst of a film, too.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pickle
import queue
import signal
import sys
import threading
from typing import Any, BinaryIO

from edgefer.errors import EdgeferError


def main() -> None:
    """Until standard input ends.

    It ends without Python's own end, at which a thread that still listens would be an error.
    """
    signal.signal(signal.SIGTERM, _leave)
    try:
        _work()
        os._exit(1)
    except SystemExit as leaving:
        os._exit(int(leaving.code or 0))


def _work() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else is printed spoils no answer
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def answer(what: object) -> None:
        pickle.dump(what, answers)
        answers.flush()

    try:
        _load()
        # not before: to read a job is to import what it is made of, and two threads that import side by side may meet
        # what is half made
        threading.Thread(target=_listen, args=(sys.stdin.buffer, told), daemon=True).start()
        from edgefer.annotate.job import open_parts, remarks, work

        job = told.get()
        said: list[str] = []
        with remarks(said):
            open_parts(job)
        gc.freeze()  # what is loaded stays
        answer(said)
        while True:
            answer(work(job, told.get(), lambda *beat: answer(beat)))
    except EdgeferError as error:
        answer(error)
    except BrokenPipeError:  # whoever asked has gone
        pass


def _load() -> None:
    """Imports what reading a film takes, before the job is known."""
    importlib.import_module("edgefer.annotate.job")
    with contextlib.suppress(ImportError, EdgeferError):  # said when it is needed
        importlib.import_module("edgefer.sources.film")
    for name in ("loop.pipeline", "reader.streaming", "recognize.frame", "track", "annotate.rows"):
        importlib.import_module(f"edgefer.{name}")


def _listen(file: BinaryIO, told: queue.SimpleQueue[Any]) -> None:
    try:
        while True:
            told.put(pickle.load(file))
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)


def _leave(number: int, frame: object) -> None:
    """Ends the process by way of the blocks that remove what is half written."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
