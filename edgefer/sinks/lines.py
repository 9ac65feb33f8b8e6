"""Text outputs that hold whole lines at every moment, whatever happens to the disk or the reader."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import stat

from edgefer.errors import SinkClosed, SinkError

STDOUT = 1


class LineOutput:
    """Standard output or a file, written line by line and unbuffered, so that `tail -f` follows it.

    A file that exists is replaced, as `>` does, but only when the first line comes: a run that fails before
    it has read anything destroys nothing. A line the disk has no room for is taken back whole.
    """

    def __init__(self, path: str | None) -> None:
        """Args: path: file to write, or None for standard output.

        Raises:
            SinkError: it cannot be opened for writing.
        """
        self.name = path or "standard output"
        self._owned = path is not None
        self._created = False
        self._started = False
        try:
            self._fd = STDOUT if path is None else self._open(path)
            mode = os.fstat(self._fd).st_mode
        except OSError as error:
            raise SinkError(
                f"{self.name}: cannot be written: {error.strerror}; choose another path"
            ) from None
        self._regular = stat.S_ISREG(mode)

    def _open(self, path: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        try:
            fd = os.open(path, flags | os.O_EXCL, 0o666)
            self._created = True
            return fd
        except FileExistsError:
            return os.open(path, flags, 0o666)

    def write(self, text: str) -> None:
        """Writes whole lines: all of them, or, on an error, none.

        Raises:
            SinkClosed: the reader of the pipe has gone. SinkError: disk full, quota, input/output error.
        """
        data = memoryview(text.encode())
        if self._owned and self._regular and not self._started:
            os.ftruncate(self._fd, 0)
        self._started = True
        start = os.lseek(self._fd, 0, os.SEEK_CUR) if self._regular else 0
        written = 0
        try:
            while written < len(data):
                try:
                    written += os.write(self._fd, data[written:])
                except BlockingIOError:  # a terminal or pipe that someone made non-blocking
                    select.select([], [self._fd], [])
        except OSError as error:
            if error.errno in (errno.EPIPE, errno.ECONNRESET):
                raise SinkClosed(f"{self.name}: the reader has gone") from None
            if self._regular and written:
                self._take_back(start, written)
            raise SinkError(
                f"{self.name}: cannot be written: {error.strerror}; the lines before are complete"
            ) from None

    def _take_back(self, start: int, written: int) -> None:
        """Removes the beginning of a line that could not be finished."""
        end = os.lseek(self._fd, 0, os.SEEK_CUR)  # in append mode the line did not begin at `start`
        os.ftruncate(self._fd, max(start, end - written))
        os.lseek(self._fd, 0, os.SEEK_END)

    def close(self) -> None:
        """Closes a file; one that this object created and never wrote to is removed again."""
        if not self._owned:
            return
        self._owned = False
        if self._created and not self._started:
            with contextlib.suppress(OSError):  # moved or removed by someone else meanwhile
                os.unlink(self.name)
        try:
            os.close(self._fd)
        except OSError as error:  # a network disk may report here what it could not store
            raise SinkError(
                f"{self.name}: cannot be written: {error.strerror}; its end may be missing"
            ) from None
