"""Processes forked from one that has loaded what reading a film takes: it is loaded once, however many there are."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any

from edgefer.errors import EdgeferError

#: How long it may take until a process has a number: the one that it is forked from loads first.
_NUMBER_S = 30.0
_KILLED_S = 3.0  # until a process that is killed has ended
#: Modules are found where this process finds them, which need not be the current folder.
_PROGRAM = "import sys; sys.path[:] = {path!r}; from edgefer.annotate.worker import main; main()"


def none_begun(error: OSError) -> EdgeferError:
    """No more processes can be had."""
    return EdgeferError(f"no process to read films can be begun: {error.strerror}; ask for fewer with --jobs")


class Process:
    """One that reads films, as seen from the process that asked for it."""

    def __init__(self, talk: socket.socket, fate: socket.socket) -> None:
        """Args: talk: pickles both ways. fate: the process's number, and later how it ended."""
        self._talk, self._fate = talk, fate
        self._answers = talk.makefile("rb")
        self._number: int | None = None
        self._code: int | None = None
        self._over = False
        self._turn = threading.Lock()

    def tell(self, what: object) -> None:
        """Raises OSError where the process has ended."""
        self._talk.sendall(pickle.dumps(what))

    def answer(self) -> Any:
        """What it answers next.

        Raises:
            EdgeferError: it answers one. EOFError, UnpicklingError, OSError: it has ended.
        """
        answer = pickle.load(self._answers)
        if isinstance(answer, EdgeferError):
            raise answer
        return answer

    def terminate(self) -> None:
        """Has it end: it drops what it is in the midst of."""
        with contextlib.suppress(OSError):
            self._talk.shutdown(socket.SHUT_RDWR)

    @property
    def numbered(self) -> bool:
        """Whether it is known to have been forked, so that it can be killed."""
        return self._number is not None

    def kill(self, patience_s: float = _NUMBER_S) -> None:
        """Ends it at once, where its number is known or comes within so long."""
        end = time.monotonic() + patience_s
        while not self.numbered and not self._over and (left := end - time.monotonic()) > 0:
            self._hear(left)
        if self._number is not None and not self._over:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._number, signal.SIGKILL)

    def wait(self, patience_s: float) -> int | None:
        """Until it has ended, which it is made to after so long.

        Returns:
            Its exit code, or a signal as a number below 0; None where nobody knows.
        """
        self._hear_end(patience_s)
        self.kill(0.0)
        if self.numbered:  # else there is nothing yet that could end
            self._hear_end(_KILLED_S)
        return self._code

    def _hear_end(self, patience_s: float) -> None:
        end = time.monotonic() + patience_s
        while not self._over and (left := end - time.monotonic()) > 0:
            self._hear(left)

    def _hear(self, limit_s: float) -> None:
        """Takes one message about its fate, where one comes; several threads may wait for it, and one let go of it."""
        with contextlib.suppress(OSError, ValueError):  # ValueError: it is closed
            select.select([self._fate], [], [], limit_s)
        with self._turn:
            if self._over:
                return
            try:
                told = self._fate.recv(32, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                told = b""
            if told and self._number is None:
                self._number = int(told)
            else:
                self._code = int(told) if told else None
                self._over = True

    def close(self) -> None:
        """Lets go of it."""
        self._answers.close()
        self._talk.close()
        self._fate.close()


class Nursery:
    """Where they come from: a process of edgefer.annotate.worker, begun when this is made.

    It has a session of its own, so that Ctrl-C reaches this process alone, which then ends the others. Where this
    process is killed, they find that nobody talks to them any more, and end as well.
    """

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        program = _PROGRAM.format(path=[os.path.abspath(entry) for entry in sys.path])
        with theirs:
            self._elder = subprocess.Popen(
                [sys.executable, "-c", program, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=2,
                pass_fds=[theirs.fileno()],
                # one thread: what has several is not to be forked
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,
            )

    def start(self) -> Process:
        """One more; it begins as soon as everything is loaded."""
        talk, theirs = socket.socketpair()
        fate, told = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, told, contextlib.suppress(OSError):  # seen when it is talked to
            socket.send_fds(self._control, [b"fork"], [theirs.fileno(), told.fileno()])
        return Process(talk, fate)

    @property
    def ended(self) -> int | None:
        """How it ended itself, as Process.wait tells; None while it runs."""
        return self._elder.poll()

    def close(self, patience_s: float) -> None:
        """Ends it; processes that it started go on."""
        self._control.close()  # it sees that once it has loaded
        self._elder.terminate()
        try:
            self._elder.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._elder.kill()
            self._elder.wait()
