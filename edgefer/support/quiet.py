"""Keeps the messages that native libraries print on their own off stderr."""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

log = logging.getLogger(__name__)


class _Diversion:
    """File descriptor 2 redirected to a scratch file, from the first of overlapping blocks to the last.

    Blocks that each restored stderr by themselves would restore another's scratch file; a lock around the
    blocks would make one thread's decoding wait for another's.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._overlapped = False
        self._names: dict[str, None] = {}
        self._kept = self._scratch = -1

    def enter(self, who: str) -> None:
        """Raises OSError where there is no stderr."""
        with self._lock:
            if not self._inside:
                self._kept = os.dup(2)
                self._scratch = os.memfd_create("stderr")
                with suppress(AttributeError, OSError, ValueError):
                    sys.stderr.flush()
                os.dup2(self._scratch, 2)
            self._overlapped = self._inside > 0
            self._names[who] = None
            self._inside += 1

    def leave(self) -> tuple[str, list[str], bool]:
        """Once the last block is left: the names, the lines written, and whether they are of one block alone."""
        with self._lock:
            self._inside -= 1
            if self._inside:
                return "", [], False
            os.dup2(self._kept, 2)
            size = os.lseek(self._scratch, 0, os.SEEK_CUR)
            written = os.pread(self._scratch, size, 0).decode(errors="replace") if size else ""
            os.close(self._scratch)
            os.close(self._kept)
            names, self._names = ", ".join(self._names), {}
            return names, written.splitlines(), not self._overlapped


_diversion = _Diversion()


@contextmanager
def native_stderr(who: str) -> Iterator[list[str]]:
    """Sends what native code writes to stderr during the block to the debug log instead.

    File descriptor 2 belongs to the whole process: what other threads write to it in that time goes the same
    way, unless own_stderr() was called. Without a stderr, as some daemons run, it does nothing.

    Args:
        who: begins each line in the log; where blocks of several threads overlap, all their names do.

    Yields:
        A list that holds the lines after the block, where no other thread's block overlapped it.
    """
    said: list[str] = []
    try:
        _diversion.enter(who)
    except OSError:
        yield said
        return
    try:
        yield said
    finally:
        names, lines, alone = _diversion.leave()
        for line in lines:
            log.debug("%s: %s", names, line)
        if alone:
            said += lines


def own_stderr() -> None:
    """Gives Python's sys.stderr a descriptor of its own, so that native_stderr() blocks lose nothing of ours.

    For the start of a program; without a stderr it does nothing.
    """
    with suppress(AttributeError, OSError, ValueError):
        sys.stderr.flush()
        sys.stderr = open(  # noqa: SIM115  stays open to the end of the process
            os.dup(2), "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace"
        )


def standard_streams() -> None:
    """Puts something in the place of standard streams that the caller has closed.

    For the start of a program. Left closed, the next file that is opened would take their number, and what
    is printed to a sys.stderr of None goes to standard output. Writing to the stand-in of standard output is
    an error; that of standard error is silent. Characters that standard output cannot show are escaped.
    """
    for number, flags in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)  # takes the lowest free number, which is this one
    if sys.stdout is None:
        # Without a buffer, which Python would try to write once more at its end.
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), encoding="utf-8", write_through=True)
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        with suppress(ValueError):
            sys.stdout.reconfigure(errors="backslashreplace")
