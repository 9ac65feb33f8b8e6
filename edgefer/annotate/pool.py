"""Processes that read films side by side; one that dies costs its film and no other."""

from __future__ import annotations

import contextlib
import logging
import pickle
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from edgefer.annotate.process import Nursery, Process, none_begun
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
    """As many processes as are asked for, each with the models loaded once; see Nursery for where they come from."""

    def __init__(self, early: int = 0) -> None:
        """Args: early: so many processes begin at once to load what they will need, while the films are looked for."""
        self._events: queue.SimpleQueue[Outcome | tuple[str, Far] | Exception | None] = queue.SimpleQueue()
        self._left: deque[str] = deque()
        self._running: set[Process] = set()
        self._lock = threading.Lock()
        self._said: set[str] = set()
        self._false_starts = 0
        self._ending = False
        self._threads: list[threading.Thread] = []
        self._nursery: Nursery | None = None
        self._early = deque(self._start() for _ in range(early))
        self._spare: list[Process] = []  # began early, and were more than there is work for

    def begin(self, job: Job, films: Sequence[str], processes: int) -> None:
        """Begins to read.

        Args:
            job: what is asked of every film.
            films: in the order in which they are begun.
            processes: how many.
        """
        self._left.extend(films)
        while len(self._early) > processes:
            self._spare.append(self._early.pop())
            self._spare[-1].terminate()  # there is nothing for it to do
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
            running, nursery = list(self._running), self._nursery
            self._nursery = None
        for process in running:
            process.terminate()
        self._join()
        idle = [*self._early, *self._spare]
        with self._lock:
            left = self._running - set(idle)
        for process in left:
            process.kill(0.0)
        if nursery is not None and not all(process.numbered for process in left):
            nursery.close(_PATIENCE_S)  # what others are forked from hangs itself; with it they are over
            nursery = None
        self._join()
        if nursery is not None:
            nursery.close(_PATIENCE_S)
        for process in idle:
            self._end(process)

    def _join(self) -> None:
        """Waits for the threads, each of which waits for its process."""
        end = time.monotonic() + _PATIENCE_S
        for thread in self._threads:
            thread.join(max(end - time.monotonic(), 0.0))

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

    def _next_process(self) -> Process:
        try:
            return self._early.popleft()
        except IndexError:
            return self._start()

    def _start(self) -> Process:
        with self._lock:
            if self._ending:
                raise EdgeferError("no process is started any more")
            if self._nursery is not None and self._nursery.ended is not None:
                self._nursery.close(_PATIENCE_S)
                self._nursery = None
            try:
                if self._nursery is None:
                    self._nursery = Nursery()
                process = self._nursery.start()
            except OSError as error:
                raise none_begun(error) from None
            self._running.add(process)
        return process

    def _end(self, process: Process) -> None:
        process.terminate()
        process.wait(_PATIENCE_S)
        process.close()
        with self._lock:
            self._running.discard(process)

    def _feed(self, process: Process, job: Job) -> None:
        """Hands films to a process, to the last, or to one that it does not survive."""
        from edgefer.annotate.job import Outcome

        try:
            process.tell(job)
            self._remark(process.answer())
        except _GONE:
            how = self._end_of(process)
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
                process.tell(film)
                while not isinstance(answer := process.answer(), Outcome):
                    self._events.put((film, answer))
            except _GONE:
                if not self._ending:
                    reason = f"the process that read it ended ({self._end_of(process)})"
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

    def _end_of(self, process: Process) -> str:
        """How a process ended, in words."""
        code = process.wait(_PATIENCE_S)
        if code is None:  # it was never forked
            code = self._nursery.ended if self._nursery is not None else None
        if code is None:
            return "why is not known"
        if code >= 0:
            return f"exit code {code}"
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(-code).name}"
        return f"signal {-code}"


_GONE = (OSError, EOFError, pickle.UnpicklingError)
