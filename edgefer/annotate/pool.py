"""Processes that read films side by side; one that dies costs its film and no other."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from edgefer.errors import EdgeferError
from edgefer.support.names import shown

if TYPE_CHECKING:  # it takes long to load
    from edgefer.annotate.job import Job, Outcome

log = logging.getLogger(__name__)

#: How many frames of a film were read, and how many it says it has.
Far: TypeAlias = "tuple[int, int | None]"

_MOST_FALSE_STARTS = 3  # as where memory is short for a moment
_PATIENCE_S = 3.0  # with a process that is told to end


class Pool:
    """As many processes as are asked for, each with the models loaded once.

    They have a session of their own, so that Ctrl-C reaches this process alone, which then ends them. Where this
    process is killed they find their standard input at its end, and end as well.
    """

    def __init__(self, early: int = 0) -> None:
        """Args: early: so many processes begin at once to load what they will need, while the films are looked for."""
        self._events: queue.SimpleQueue[Outcome | tuple[str, Far] | Exception | None] = queue.SimpleQueue()
        self._left: deque[str] = deque()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._said: set[str] = set()
        self._false_starts = 0
        self._ending = False
        self._threads: list[threading.Thread] = []
        self._early = deque(self._start() for _ in range(early))

    def begin(self, job: Job, films: Sequence[str], processes: int) -> None:
        """Begins to read.

        Args:
            job: what is asked of every film.
            films: in the order in which they are begun.
            processes: how many.
        """
        self._left.extend(films)
        for process in list(self._early)[processes:]:
            process.terminate()  # there is nothing for it to do
        self._threads = [threading.Thread(target=self._serve, args=(job,), daemon=True) for _ in range(processes)]
        for thread in self._threads:
            thread.start()

    def events(self, wait_s: float) -> Iterator[Outcome | tuple[str, Far] | None]:
        """An Outcome of each film, and before it how far it is; None where nothing came for `wait_s`.

        Raises:
            EdgeferError: something that every film needs is missing or refused, or the parts cannot be written.
        """
        working = len(self._threads)
        while working:
            try:
                event = self._events.get(timeout=wait_s)
            except queue.Empty:
                yield None
                continue
            if isinstance(event, Exception):
                raise event
            if event is None:
                working -= 1
            else:
                yield event

    def close(self) -> None:
        """Ends all processes; what they were in the midst of is dropped."""
        with self._lock:
            self._ending = True
            running = list(self._running)
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
        for thread in self._threads:
            thread.join(_PATIENCE_S)
        for process in self._early:
            self._end(process)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # -- on a thread for each process

    def _serve(self, job: Job) -> None:
        try:
            while self._left and not self._ending:
                process = self._next_process()
                try:
                    self._feed(process, job)
                finally:
                    self._end(process)
        except Exception as error:
            if not self._ending:
                self._events.put(error)
        self._events.put(None)

    def _next_process(self) -> subprocess.Popen[bytes]:
        try:
            return self._early.popleft()
        except IndexError:
            return self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._ending:
                raise EdgeferError("no process is started any more")
            process = subprocess.Popen(
                [sys.executable, "-m", "edgefer.annotate.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                start_new_session=True,
            )
            self._running.add(process)
        return process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        process.wait()
        process.stdout.close()
        with self._lock:
            self._running.discard(process)

    def _feed(self, process: subprocess.Popen[bytes], job: Job) -> None:
        """Hands films to a process, to the last, or to one that it does not survive."""
        from edgefer.annotate.job import Outcome

        try:
            _tell(process, job)
            self._remark(_answer(process))
        except _GONE:
            how = _end_of(process)
            with self._lock:
                self._false_starts += 1
                give_up = self._false_starts > _MOST_FALSE_STARTS
            if give_up and not self._ending:
                raise EdgeferError(f"processes that were to read films ended at their start ({how})") from None
            return
        while not self._ending:
            try:
                film = self._left.popleft()
            except IndexError:
                return
            try:
                _tell(process, film)
                while not isinstance(answer := _answer(process), Outcome):
                    self._events.put((film, answer))
            except _GONE:
                if not self._ending:
                    reason = f"the process that read it ended ({_end_of(process)})"
                    self._events.put(Outcome(film, remarks=[f"{shown(film)}: {reason}"]))
                return
            self._events.put(answer)

    def _remark(self, lines: Sequence[str]) -> None:
        """What a process says at its start, which all the others say as well."""
        with self._lock:
            new = [line for line in lines if line not in self._said]
            self._said.update(new)
        for line in new:
            log.warning("%s", line)


_GONE = (BrokenPipeError, EOFError, pickle.UnpicklingError)


def _tell(process: subprocess.Popen[bytes], what: object) -> None:
    assert process.stdin is not None
    pickle.dump(what, process.stdin)
    process.stdin.flush()


def _answer(process: subprocess.Popen[bytes]) -> Any:
    """What a process answers next; raises an error that it answers."""
    assert process.stdout is not None
    answer = pickle.load(process.stdout)
    if isinstance(answer, EdgeferError):
        raise answer
    return answer


def _end_of(process: subprocess.Popen[bytes]) -> str:
    """How a process ended, in words."""
    code = process.wait()
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"signal {signal.Signals(-code).name}"
    return f"signal {-code}"
