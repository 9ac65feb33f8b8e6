"""Standard input, FIFOs and open descriptors: films, cameras' streams and photographs that a program writes."""

from __future__ import annotations

import errno
import math
import os
import re
import select
import stat
import time
import weakref
from contextlib import suppress
from pathlib import Path

from edgefer.errors import Kept, SourceError, SourceStalled, UsageError
from edgefer.sources.base import Source, Wrapper
from edgefer.sources.network.jpegs import MOST_BYTES, JpegSplitter
from edgefer.sources.registry import PathOptions, PipeOptions
from edgefer.support.formats import HEAD_BYTES, identify, png
from edgefer.values import Frame

#: So long without a byte, and a live writer is taken for dead. A pipe cannot be opened again while it has a writer.
SILENCE_S = 30.0
#: What one attempt waits for the first byte, before it is said that nothing comes.
FIRST_BYTE_S = 0.5
_HEAD_BYTES = 16
_FIRST_LOOK = 4096
_MOST_PICTURE_BYTES = 512 << 20
_DESCRIPTOR = re.compile(r"/dev/fd/(\d+)|/proc/self/fd/(\d+)")
# Those that wait for their next opening, by path.
_kept: weakref.WeakValueDictionary[str, KeptFifo] = weakref.WeakValueDictionary()


class PipeFile:
    """A pipe as the file object that FFmpeg reads: every wait can be ended, from any thread."""

    def __init__(self, name: str, descriptor: int, silence_s: float | None = None, followed: bool = False) -> None:
        """Args:
        name: for messages.
        descriptor: readable; closed with this file.
        silence_s: so long without a byte is a failure; without it there is no limit.
        followed: another writer may come after this one, so that silence is a stall.
        """
        self.name = name
        self.silence_s = silence_s
        self._silence = SourceStalled if followed else SourceError
        self._wanted_s = 0.0  # since when the bytes are waited for; inf while nobody wants them
        self._descriptor = descriptor
        self._ahead = b""
        self._stopped = self._ended = False
        self._wake_read, self._wake_write = os.pipe()
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        self._poll.register(self._wake_read, select.POLLIN)

    def seekable(self) -> bool:
        return False

    def readable(self) -> bool:
        return True

    def wait(self, timeout_s: float | None) -> bool:
        """Whether there is something to read, or the end, within so long; None: without a limit."""
        ready = self._poll.poll(None if timeout_s is None else max(0, round(1000 * timeout_s)))
        return bool(ready)

    def peek(self, count: int) -> bytes:
        """The next bytes, up to `count`, without taking them; fewer at the end."""
        while len(self._ahead) < count and (more := self._receive(count - len(self._ahead))):
            self._ahead += more
        return self._ahead[:count]

    def read(self, count: int = 1 << 15) -> bytes:
        """Up to `count` bytes as they come; b"" at the end and once interrupted.

        Raises:
            SourceError: silence for longer than `silence_s`; SourceStalled where another writer may come.
        """
        if self._ahead:
            data, self._ahead = self._ahead[:count], self._ahead[count:]
            return data
        return self._receive(count)

    def _receive(self, count: int) -> bytes:
        began_s = time.monotonic()
        while not (self._stopped or self._ended):
            left_s = None if self.silence_s is None else self._left_s(began_s, self.silence_s)
            if not self.wait(left_s):
                if self.silence_s is None or self._left_s(began_s, self.silence_s) > 0:
                    continue  # a rest came between
                raise self._silence(f"{self.name}: nothing came through the pipe for {self.silence_s:g} s")
            if self._stopped:
                break
            try:
                data = os.read(self._descriptor, count)
            except BlockingIOError:
                continue
            except OSError as error:
                if error.errno == errno.EBADF:  # open for writing alone, as a stand-in for what was closed is
                    raise SourceError(f"{self.name}: it is closed") from None
                raise SourceError(f"{self.name}: {(error.strerror or 'cannot be read').lower()}") from None
            self._ended = not data  # what a further writer writes is of another stream
            return data
        return b""

    def _left_s(self, began_s: float, silence_s: float) -> float:
        """How long a wait may go on that began then."""
        return min(max(began_s, self._wanted_s) + silence_s - time.monotonic(), silence_s)

    def rest(self, resting: bool) -> None:
        """Whether nobody wants the bytes: then silence, however long, is none; from any thread."""
        self._wanted_s = math.inf if resting else time.monotonic()

    def rested_since(self, began_s: float) -> bool:
        """Whether a read that began then took so long because nobody wanted the bytes."""
        waited_s = time.monotonic() - began_s
        return not self._ended and self._wanted_s > began_s and self.silence_s is not None and waited_s > self.silence_s

    def duplicate(self) -> int:
        """Another descriptor of the same opening, which sees the end of a writer that came after this one's."""
        return os.dup(self._descriptor)

    def interrupt(self) -> None:
        """Ends a read that waits, and all later ones."""
        self._stopped = True
        with suppress(OSError):
            os.write(self._wake_write, b"x")

    def close(self) -> None:
        self.interrupt()
        if self._descriptor >= 0:
            for descriptor in (self._descriptor, self._wake_read, self._wake_write):
                os.close(descriptor)
        self._descriptor = self._wake_read = self._wake_write = -1


class LivePipe(Wrapper):
    """Live pictures that a program writes into a pipe.

    Opening the pipe again mends none of them: its last reader's leaving ends the writer of a FIFO, and a stream that is
    entered in its midst may lack its headers.
    """

    def __init__(self, source: Source, file: PipeFile, fifo: str) -> None:
        """Args:
        source: reads the file, and is closed with this one.
        fifo: its path, where another writer may come after this one; else empty.
        """
        super().__init__(source)
        self.renews = False
        self._file, self._fifo = file, fifo

    def keep(self) -> Kept | None:
        return KeptFifo(self._fifo, self._file.duplicate()) if self._fifo else None

    def rest(self, resting: bool) -> None:
        self._file.rest(resting)

    def read(self) -> Frame | None:
        while True:
            began_s = time.monotonic()
            try:
                return self._source.read()
            except SourceStalled:
                if not self._file.rested_since(began_s):
                    raise


def open_pipe(options: PipeOptions) -> Source:
    """What comes through a pipe: a film, a live stream, or one photograph.

    Raises:
        UsageError: standard input is a terminal.
        SourceError: it is empty, or nothing that can be decoded.
        SourceStalled: it is not there, or nothing came yet.
    """
    name = "standard input" if options.path in ("-", "/dev/stdin") else options.path
    kept = _take_kept(options.path)
    descriptor = _open(options.path, name) if kept < 0 else kept
    mode = os.fstat(descriptor).st_mode
    path = "/dev/stdin" if options.path == "-" else options.path
    if stat.S_ISREG(mode) and os.access(path, os.R_OK):  # else whoever opened it was allowed to, and we are not
        os.close(descriptor)
        return _open_file(path)
    if os.isatty(descriptor):
        os.close(descriptor)
        raise UsageError(f"{name} is a terminal; expected a film or pictures, as in cat clip.mp4 | edgefer run -")
    fifo = options.path if stat.S_ISFIFO(mode) and not _is_descriptor(options.path) else ""
    file = PipeFile(name, descriptor, SILENCE_S if options.live else None, followed=bool(fifo))
    held = file.duplicate()  # a source that stalls at its first picture closes its file
    try:
        head = file.peek(_HEAD_BYTES) if file.wait(FIRST_BYTE_S) else None
        if head is None or not head and kept >= 0:  # the end that is read from a kept one is that of the writer before
            raise SourceStalled(f"{name}: nothing is written to it yet")
        if not head and fifo:
            raise SourceStalled(f"{name}: its writer left without a byte")
        if not head:
            raise SourceError(f"{name}: it is empty; expected a film, a stream or a photograph")
        return _source(file, head, options.live, fifo)
    except BaseException as error:
        if fifo and isinstance(error, SourceStalled):
            error.kept, held = KeptFifo(fifo, held), -1
        file.close()
        raise
    finally:
        if held >= 0:
            os.close(held)


def _is_descriptor(path: str) -> bool:
    return path in ("-", "/dev/stdin") or bool(_DESCRIPTOR.fullmatch(path))


class KeptFifo:
    """A FIFO that stays open without being read, for its writer: closed, it would kill one that just came, or lose what
    it wrote. The next opening of its path takes it over.
    """

    def __init__(self, path: str, descriptor: int) -> None:
        """Args: descriptor: open for reading; closed with this."""
        self._descriptor = descriptor
        _kept[path] = self

    def take(self) -> int:
        """The descriptor, which is the caller's from now on; -1 where it was taken or closed."""
        descriptor, self._descriptor = self._descriptor, -1
        return descriptor

    def close(self) -> None:
        if (descriptor := self.take()) >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()


def _take_kept(path: str) -> int:
    """The descriptor that was kept for a FIFO; -1 where there is none, or another file has its path now."""
    kept = _kept.pop(path, None)
    descriptor = -1 if kept is None else kept.take()
    if descriptor >= 0:
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        os.close(descriptor)
    return -1


def _open(path: str, name: str) -> int:
    """A descriptor of our own."""
    found = _DESCRIPTOR.fullmatch(path)
    try:
        if found:
            return os.dup(int(found[1] or found[2]))
        if path in ("-", "/dev/stdin"):
            return os.dup(0)
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # without a writer yet, too
    except FileNotFoundError:
        raise SourceStalled(f"{name}: no such FIFO; mkfifo makes one") from None
    except OSError as error:
        raise SourceError(f"{name}: {(error.strerror or 'cannot be opened').lower()}") from None


def _open_file(path: str) -> Source:
    """A file that is standard input, or was given as a descriptor."""
    from edgefer.sources.registry import parse_source

    return parse_source(path).make()


def _source(file: PipeFile, head: bytes, live: bool, fifo: str) -> Source:
    """Args: fifo: path, where another writer may come after this one; else empty."""
    jpeg = head.startswith(b"\xff\xd8\xff")
    if not live:
        found = identify(file.peek(_FIRST_LOOK))
        if found is not None and found.use != "film" and not (jpeg and _goes_on(file)):
            found = identify(file.peek(HEAD_BYTES)) or found
            if found.use != "film":
                return _pictures(file, found.use)
    if jpeg and live:
        from edgefer.sources.network.pictures import MotionJpeg

        return LivePipe(MotionJpeg(file.name, file, SILENCE_S, ends=not fifo), file, fifo)
    from edgefer.sources.film import FILM_OPTIONS
    from edgefer.sources.live import LiveStream
    from edgefer.sources.media.library import MediaError
    from edgefer.sources.media.reader import MediaReader
    from edgefer.sources.passing import PassingFilm

    options = {**FILM_OPTIONS, **({"analyzeduration": "200000"} if live else {})}
    begin = file.peek(_FIRST_LOOK) if head[4:8] == b"ftyp" else head
    try:
        media = MediaReader(file, options, live=live, silence_s=SILENCE_S if live else None)
        if not live:
            return PassingFilm(file.name, media, file)
    except (MediaError, SourceError) as error:
        if begin[4:8] == b"ftyp" and b"moov" not in begin:
            why = "an MP4 whose index comes last cannot be read from a pipe; give its path instead"
        elif isinstance(error, SourceError):
            raise
        else:
            why = f"not a film that can be decoded ({error})"
        raise SourceError(f"{file.name}: {why}") from None
    if live:
        source = LiveStream(file.name, media, file=file, ends=not fifo, deadline_s=1.5 * SILENCE_S)
        return LivePipe(source, file, fifo)


def _goes_on(file: PipeFile) -> bool:
    """Whether another picture follows a JPEG: a photograph ends with its file, motion JPEG goes on.

    A telephone's photograph may hold further pictures, and says so.
    """
    walk, count = JpegSplitter(), 0
    while True:
        data = file.peek(count + (1 << 16))
        if len(data) == count or len(data) > MOST_BYTES:
            return False
        walk.add(data[count:])
        count = len(data)
        picture = walk.next()
        if picture is not None:
            return b"MPF\0" not in picture[: 1 << 16] and file.peek(len(picture) + 3)[len(picture) :] == b"\xff\xd8\xff"


class _Spooled:
    """What came through a pipe and is to be read as a file: in memory, under a path for as long as it is open."""

    def __init__(self, file: PipeFile) -> None:
        """Reads the pipe to its end and closes it.

        Raises:
            SourceError: it is too large.
        """
        self._descriptor = os.memfd_create("edgefer")
        self.path = Path(f"/proc/self/fd/{self._descriptor}")
        size = 0
        while data := file.read(1 << 20):
            size += os.write(self._descriptor, data)
            if size > _MOST_PICTURE_BYTES:
                self.close()
                raise SourceError(f"{file.name}: a picture of more than {_MOST_PICTURE_BYTES >> 20} MB")
        file.close()

    def close(self) -> None:
        os.close(self._descriptor)


def _pictures(file: PipeFile, use: str) -> Source:
    """One photograph or several in a file, or an animation."""
    spooled = _Spooled(file)
    source: Source
    try:
        if use == "animation":
            from edgefer.sources.animation import open_animation

            source = open_animation(PathOptions(path=str(spooled.path)))
        else:
            from edgefer.sources.stills import Images

            if png.is_followed(spooled.path.read_bytes()):
                what = "several PNG pictures, one after the other; expected one, or JPEGs, which are read as a film"
                raise SourceError(f"{file.name}: {what}; give their files, or convert them")
            source = Images(file.name, [spooled.path], [file.name])
    except BaseException:
        spooled.close()
        raise
    weakref.finalize(source, spooled.close)
    source.name = file.name
    return source
