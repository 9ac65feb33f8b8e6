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
import stat
import time
from collections.abc import Iterator
from typing import BinaryIO, Protocol

import msgspec

from edgefer.errors import SinkError, SinkStalled
from edgefer.sinks.registry import STANDARD, Lines, bytes_of, seconds_of
from edgefer.sinks.retention import LOOK_S, Retention, older_files, put_aside
from edgefer.sinks.streams import Fifo, Stream, write_all

log = logging.getLogger(__name__)

#: So many older files are kept at most where nothing is to be deleted.
_ALL = 1_000_000
_BLOCK = 1 << 16
#: A lock that someone else holds for longer is done without.
_LOCK_S = 1.0
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
        reopens: whether after a reader that went away another one may come.
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
        self.waits, self.reopens = True, False
        self._target: _Target | None
        try:
            if fd is not None:
                self._target = Stream(self.name, fd)
            elif stat.S_ISREG(mode := _mode(str(path))):
                self.waits = False
                self._target = _File(str(path), append, retention or Retention())
            elif stat.S_ISFIFO(mode):
                self._target = Fifo(str(path))
                self.reopens = self._target.reopens
            else:
                self._target = Stream(str(path), os.open(str(path), os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY), True)
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

    def look(self) -> None:
        """Has what is over by its time put aside, and what is too old removed, also while nothing is written."""
        if isinstance(self._target, _File):
            self._target.look(self.head.encode(errors="backslashreplace"))

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


class _File:
    """A regular file by its path. What is open follows the path: after a rename it is opened again."""

    def __init__(self, path: str, append: bool, retention: Retention) -> None:
        self._path = os.path.abspath(path)
        self._name = path
        self._append, self._retention = append, retention
        self._created = self._begun = False
        self._fd: int | None = None
        self._checked = False  # whether the end and the head of what is open have been looked at
        self._rename_s = 0.0  # when it is renamed at the earliest, after that could not be done
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
            if self._is_moved_on(fd, state, len(data), len(head)):
                return False
            write_all(fd, data if size else head + data, size)  # one emptied by copytruncate gets its head, too
            return True
        finally:
            if locked:
                with contextlib.suppress(OSError):  # closed meanwhile, and with that unlocked
                    fcntl.flock(fd, fcntl.LOCK_UN)

    def _is_moved_on(self, fd: int, state: os.stat_result, more: int, head: int) -> bool:
        """Whether the file was full and is put aside; else the older ones are looked at, now and then."""
        full = self._retention.is_full(state, more, head)
        if full and time.monotonic() >= self._rename_s and self._put_aside(fd, self._retention.keep):
            return True
        if time.monotonic() >= self._look_s:
            self._look_s = time.monotonic() + LOOK_S
            self._retention.prune(older_files(os.path.realpath(self._path)), state.st_size)
        return False

    def look(self, head: bytes) -> None:
        """Does what is due by the time alone; what cannot be done is met again by the next line."""
        fd = self._fd
        if fd is None or not self._begun or time.monotonic() < self._look_s:
            return
        locked = _lock(fd)
        with contextlib.suppress(OSError):
            try:
                state = os.fstat(fd)
                if self._bears_the_name(state):
                    self._is_moved_on(fd, state, 0, len(head))
            finally:
                if locked:
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
            if not self._rename_s:
                log.warning("%s: cannot be renamed (%s) and grows on", self._name, error.strerror)
            self._rename_s = time.monotonic() + LOOK_S
            return False
        if self._rename_s:
            log.warning("%s: can be renamed again", self._name)
            self._rename_s = 0.0
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
