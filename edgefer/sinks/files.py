"""Text files that grow by whole lines: appended to, rotated, and followed when someone else moves them.

What each line promises: it is in the file whole or not at all, in the file that bears the name at that moment,
whoever has moved, replaced, emptied or removed it meanwhile, and behind whatever others have written there.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import logging
import os
import select
import stat
import time
from collections.abc import Iterator
from typing import BinaryIO, Protocol

import msgspec

from edgefer.errors import SinkClosed, SinkError, SinkStalled
from edgefer.sinks.registry import STANDARD, Lines, bytes_of, seconds_of
from edgefer.sinks.retention import LOOK_S, Retention, older_files, put_aside

log = logging.getLogger(__name__)

#: So many older files are kept at most where nothing is to be deleted.
_ALL = 1_000_000
_BLOCK = 1 << 16
#: A lock that someone else holds for longer is done without.
_LOCK_S = 1.0
_FIFO_POLL_S = 0.05
#: Why a disk cannot be written that may pass: full, over a quota, read-only after an error, failing, out of reach.
_PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.EHOSTDOWN, errno.ETIMEDOUT)


def open_lines(options: Lines) -> LineOutput:
    """The file or stream that an output's options name. Raises SinkError as LineOutput does."""
    retention = Retention(
        size=bytes_of(options.size) if options.size else None,
        period_s=seconds_of(options.period) if options.period else 0.0,
        keep=options.keep,
        max_age_s=seconds_of(options.max_age) if options.max_age else 0.0,
        total=bytes_of(options.total) if options.total else 0,
    )
    return LineOutput(options.path or None, append=options.append, retention=retention)


class _Target(Protocol):
    def write(self, data: bytes, head: bytes) -> None: ...
    def close(self) -> None: ...


class LineOutput:
    """Standard output, a device, a named pipe or a file, written line by line so that `tail -f` follows it.

    Attributes:
        name: what a message calls it.
        waits: whether a write may wait for a reader, as that of a pipe.
        head: the line that begins each file, with its line break; empty for none. It is set before the first
            write.
    """

    def __init__(
        self, path: str | None, *, append: bool = True, retention: Retention | None = None, head: str = ""
    ) -> None:
        """Args:
            path: file to write, or None for standard output.
            append: a file that exists goes on; otherwise it is replaced, when the first line comes and not
                before: a run that fails before it has read anything destroys nothing.
            retention: when a file is full, which then becomes `path.1`, that one `path.2`, and which of these stay.

        Raises:
            SinkError: it cannot be opened for writing, and that will not pass; what may pass, as a disk that is full
                or read-only, is met again by the first line.
        """
        fd = STANDARD.get(path or "-")
        self.name = "standard output" if fd == 1 else path or ""
        self.head = head
        self.waits = True
        self._target: _Target | None
        try:
            if fd is not None:
                self._target = _Stream(self.name, fd)
            elif stat.S_ISREG(mode := _mode(str(path))):
                self.waits = False
                self._target = _File(str(path), append, retention or Retention())
            elif stat.S_ISFIFO(mode):
                self._target = _Fifo(str(path))
            else:
                self._target = _Stream(str(path), os.open(str(path), os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY), True)
        except OSError as error:
            raise SinkError(f"{self.name}: cannot be written: {error.strerror}; choose another path") from None

    def write(self, text: str) -> None:
        """Writes whole lines: all of them, or, on an error, none.

        Raises:
            SinkClosed: the reader of the pipe has gone. SinkStalled: a file cannot be written at the moment:
            disk full, quota, folder gone. SinkError: input/output error.
        """
        if self._target is not None:
            self._target.write(text.encode(errors="backslashreplace"), self.head.encode(errors="backslashreplace"))

    def close(self) -> None:
        """Closes a file; one that this object created and never wrote to is removed again."""
        target, self._target = self._target, None
        if target is None:
            return
        try:
            target.close()
        except OSError as error:  # a network disk may report here what it could not store
            raise SinkError(f"{self.name}: cannot be written: {error.strerror}; its end may be missing") from None


def _mode(path: str) -> int:
    """What is at a path; a regular file where nothing is yet."""
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return stat.S_IFREG


def _write_all(fd: int, data: bytes, start: int | None) -> None:
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


class _Stream:
    """Standard output or a device: it is written to as it is."""

    def __init__(self, name: str, fd: int, owned: bool = False) -> None:
        self._name, self._fd, self._owned = name, fd, owned
        self._regular = stat.S_ISREG(os.fstat(fd).st_mode)
        self._begun = False

    def write(self, data: bytes, head: bytes) -> None:
        try:
            start = os.lseek(self._fd, 0, os.SEEK_CUR) if self._regular else None
            _write_all(self._fd, data if self._begun else head + data, start)
        except OSError as error:
            if error.errno in (errno.EPIPE, errno.ECONNRESET):
                raise SinkClosed(f"{self._name}: the reader has gone") from None
            what = f"{self._name}: cannot be written: {error.strerror}; the lines before are complete"
            raise SinkError(what) from None
        self._begun = True

    def close(self) -> None:
        if self._owned:
            os.close(self._fd)


class _Fifo:
    """A named pipe. Opening one waits for a reader, which must not hold up the start: the first line waits."""

    def __init__(self, path: str) -> None:
        self._path = path
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        self._stream: _Stream | None = None

    def write(self, data: bytes, head: bytes) -> None:
        while self._stream is None:
            try:
                fd = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                self._stream = _Stream(self._path, fd, True)
            except OSError as error:
                if error.errno != errno.ENXIO:  # which says that nobody reads it yet
                    raise SinkError(f"{self._path}: cannot be written: {error.strerror}") from None
                time.sleep(_FIFO_POLL_S)
        self._stream.write(data, head)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()


class _File:
    """A regular file by its path. What is open follows the path: after a rename it is opened again."""

    def __init__(self, path: str, append: bool, retention: Retention) -> None:
        self._path = os.path.abspath(path)
        self._name = path
        self._append, self._retention = append, retention
        self._created = self._begun = False
        self._fd: int | None = None
        self._checked = False  # whether the end and the head of what is open have been looked at
        self._fixed_size = False
        self._look_s = 0.0  # when the older files are looked at
        try:
            self._open()
        except OSError as error:
            if error.errno not in _PASSING:
                raise
            log.warning("%s: cannot be written: %s", path, error.strerror)

    def _open(self) -> int:
        # Not blocking: someone may have put a named pipe in the file's place.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
        self._checked = False
        try:
            self._fd = os.open(self._path, flags | os.O_EXCL, 0o666)
            self._created = True
        except FileExistsError:
            self._fd = os.open(self._path, flags, 0o666)
        return self._fd

    def _release(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def write(self, data: bytes, head: bytes) -> None:
        try:
            while not self._try_write(data, head):
                pass  # the name stands for another file now; that one gets the line
        except OSError as error:
            with contextlib.suppress(OSError):
                self._release()  # after an error of the disk only a fresh start can help
            what = f"{self._name}: cannot be written: {error.strerror}; the lines before are complete"
            raise SinkStalled(what) from None
        self._begun = True

    def _try_write(self, data: bytes, head: bytes) -> bool:
        """Writes to the file that bears the name; False, with nothing written, when it bears it no longer."""
        fd = self._fd if self._fd is not None else self._open()
        locked = _lock(fd)
        try:
            state = os.fstat(fd)
            if not self._bears_the_name(state):
                self._release()
                return False
            if not self._checked:
                self._checked = True
                if not self._goes_on(fd, head):
                    return False
                state = os.fstat(fd)
            size = state.st_size
            full = self._retention.is_full(state, len(data), len(head))
            if full and not self._fixed_size and self._put_aside(fd, self._retention.keep):
                return False
            if time.monotonic() >= self._look_s:
                self._look_s = time.monotonic() + LOOK_S
                self._retention.prune(older_files(os.path.realpath(self._path)), size)
            _write_all(fd, data if size else head + data, size)  # one emptied by copytruncate gets its head, too
            return True
        finally:
            if locked:
                with contextlib.suppress(OSError):  # closed meanwhile, and with that unlocked
                    fcntl.flock(fd, fcntl.LOCK_UN)

    def _bears_the_name(self, state: os.stat_result) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), state)
        except FileNotFoundError:
            return False

    def _goes_on(self, fd: int, head: bytes) -> bool:
        """Makes what was just opened ready for a line; False when it was put aside for another."""
        if not self._append and not self._begun:
            os.ftruncate(fd, 0)
        if not os.fstat(fd).st_size:
            return True
        with _readable(self._path) as file:
            if file is None:
                return True
            begin = file.read(len(head))
            if begin != head:
                number = f"{self._name}.1"
                if not self._put_aside(fd, max(1, self._retention.keep) if self._retention.rotates else _ALL):
                    raise OSError(errno.EEXIST, "it has other columns")
                log.warning("%s: has other columns than this run gives; it is %s now", self._name, number)
                return False
            _mend_end(fd, file, quoted=bool(head))
        if not self._begun and not self._created:
            log.warning("%s: exists and is appended to (append=no replaces it)", self._name)
        return True

    def _put_aside(self, fd: int, keep: int) -> bool:
        """Gives the file the next older name; False, with a warning, where that cannot be done."""
        base = os.path.realpath(self._path)
        try:
            if keep == 0:
                os.ftruncate(fd, 0)
                return True
            put_aside(base, keep)
            self._look_s = 0.0
        except OSError as error:
            self._fixed_size = True
            log.warning("%s: cannot be renamed (%s) and grows on", self._name, error.strerror)
            return False
        return True

    def close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is None:
            return
        if self._created and not self._begun:
            with contextlib.suppress(OSError):  # moved or removed by someone else meanwhile
                if os.path.samestat(os.stat(self._path), os.fstat(fd)) and not os.fstat(fd).st_size:
                    os.unlink(self._path)
        os.close(fd)


def _lock(fd: int) -> bool:
    """Keeps other writers of the same kind away, so that two of them do not rotate one file at once."""
    deadline = 0.0
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            deadline = deadline or time.monotonic() + _LOCK_S
            if time.monotonic() > deadline:
                return False
            time.sleep(0.001)
        except OSError:  # a file system without locks
            return False


@contextlib.contextmanager
def _readable(path: str) -> Iterator[BinaryIO | None]:
    """The file for reading, or None where only writing is permitted."""
    try:
        file = open(path, "rb")  # noqa: SIM115  closed below
    except PermissionError:
        yield None
        return
    with file:
        yield file


def _mend_end(fd: int, file: BinaryIO, quoted: bool) -> None:
    """Removes the beginning of a line that a power cut left at the end; a whole line gets its line break."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 1))
    if not size or file.read(1) == b"\n":
        return
    end = _end_of_lines(file, size, quoted)
    file.seek(end)
    if not quoted and _is_json(file.read(size - end)):
        os.write(fd, b"\n")
    else:
        os.ftruncate(fd, end)


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def _end_of_lines(file: BinaryIO, size: int, quoted: bool) -> int:
    """Where the last whole line ends; a line break between quotes, as in the name of a file, ends none."""
    position = size
    while position > 0:
        begin = max(0, position - _BLOCK)
        file.seek(begin)
        found = file.read(position - begin).rfind(b"\n")
        if found < 0:
            position = begin
            continue
        position = begin + found
        if not quoted or _count_quotes(file, position) % 2 == 0:
            return position + 1
    return 0


def _count_quotes(file: BinaryIO, end: int) -> int:
    file.seek(0)
    count = 0
    for begin in range(0, end, _BLOCK):
        count += file.read(min(_BLOCK, end - begin)).count(b'"')
    return count
