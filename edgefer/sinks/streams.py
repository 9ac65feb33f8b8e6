"""Standard output, devices and named pipes: what takes lines as they come, and keeps none."""

from __future__ import annotations

import errno
import os
import select
import stat
import time

from edgefer.errors import SinkClosed, SinkError

_FIFO_POLL_S = 0.05


def write_all(fd: int, data: bytes, start: int | None) -> None:
    """Writes everything; of what could not be finished nothing stays in a regular file. Raises OSError.

    Args:
        fd: where it goes.
        data: whole lines.
        start: of a regular file, how long it is at least without them; None for anything else.
    """
    view = memoryview(data)
    written = 0
    try:
        while written < len(view):
            try:
                written += os.write(fd, view[written:])
            except BlockingIOError:  # a terminal or pipe that someone made non-blocking
                select.select([], [fd], [])
    except OSError:
        if start is not None and written:
            end = os.lseek(fd, 0, os.SEEK_CUR)  # others may have written between, and it did not begin at `start`
            os.ftruncate(fd, max(start, end - written))
            os.lseek(fd, 0, os.SEEK_END)
        raise


class Stream:
    """Standard output or a device: it is written to as it is."""

    def __init__(self, name: str, fd: int, owned: bool = False) -> None:
        self._name, self._fd, self._owned = name, fd, owned
        self._regular = stat.S_ISREG(os.fstat(fd).st_mode)
        self._begun = False

    def write(self, data: bytes, head: bytes) -> None:
        try:
            start = os.lseek(self._fd, 0, os.SEEK_CUR) if self._regular else None
            write_all(self._fd, data if self._begun else head + data, start)
        except OSError as error:
            if error.errno in (errno.EPIPE, errno.ECONNRESET):
                raise SinkClosed(f"{self._name}: the reader has gone") from None
            what = f"{self._name}: cannot be written: {error.strerror}; the lines before are complete"
            raise SinkError(what) from None
        self._begun = True

    def close(self) -> None:
        if self._owned:
            os.close(self._fd)


class Fifo:
    """A named pipe. Opening one waits for a reader, which must not hold up the start: the first line waits.

    Attributes:
        reopens: whether another reader may come; to a pipe without a path of its own, as of `>(…)`, none can.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        self.reopens = os.path.exists(os.path.realpath(path))
        self._stream: Stream | None = None
        self._had_reader = False

    def write(self, data: bytes, head: bytes) -> None:
        while self._stream is None:
            try:
                fd = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                self._stream = Stream(self._path, fd, True)
            except OSError as error:
                if self._had_reader and error.errno in (errno.ENXIO, errno.ENOENT):
                    raise SinkClosed(f"{self._path}: the reader has gone") from None
                if error.errno != errno.ENXIO:  # which says that nobody reads it yet
                    raise SinkError(f"{self._path}: cannot be written: {error.strerror}") from None
                time.sleep(_FIFO_POLL_S)
        try:
            self._stream.write(data, head)
        except SinkClosed:
            self._had_reader = True
            self.close()
            raise

    def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
