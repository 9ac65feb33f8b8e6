"""A body that comes over HTTP as the file object that FFmpeg reads."""

from __future__ import annotations

import io
import logging
import time

from edgefer.errors import SourceError, SourceStalled
from edgefer.sources.network.web import Answer, WebClient

log = logging.getLogger(__name__)

#: A leap of fewer bytes is read over; asking again would take longer.
_READ_OVER_BYTES = 1 << 18
#: More is not read over where the server does not begin where it was asked to.
_MOST_READ_OVER_BYTES = 256 << 20
#: Between attempts; the first one follows at once.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 1.0


class WebFile:
    """A body as a file: from its beginning to its end, and anywhere in it where the server gives parts.

    Where it does, a connection that breaks is opened again at the byte where it broke. A failure is told once: FFmpeg
    reads on after it, and is given the end.
    """

    def __init__(self, client: WebClient, answer: Answer, patience_s: float = 0.0) -> None:
        """Args:
        client: closed with this file.
        answer: to its first request, nothing taken yet.
        patience_s: how long to try to have a broken connection again, from the last byte that came.
        """
        self._client, self._answer = client, answer
        self._patience_s = patience_s
        self._length, self._version = answer.length, answer.version
        self._seekable = answer.ranges and answer.length is not None
        self._position = 0
        self._failed = False

    def seekable(self) -> bool:
        return self._seekable

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length or 0}[whence]
        self._position = max(base + offset, 0)
        return self._position

    def read(self, count: int = 1 << 15) -> bytes:
        """Up to `count` bytes as they come; b"" at the end, once interrupted, and after a failure.

        Raises:
            SourceStalled: silence or a broken connection, and no other could be had in time.
            SourceError: what the server has now is not what it had.
        """
        broke_s, pause_s = 0.0, 0.0
        while not (self._failed or self._client.interrupted):
            if self._length is not None and self._position >= self._length:
                break
            try:
                data = self._read(count)
                self._position += len(data)
                return data
            except SourceStalled as stall:
                broke_s = broke_s or time.monotonic()
                if not self._seekable or time.monotonic() - broke_s >= self._patience_s:
                    self._failed = True
                    tried = f"; tried for {self._patience_s:g} s" if self._seekable and self._patience_s else ""
                    raise SourceStalled(f"{stall}{tried}") from None
                said = log.warning if pause_s == _FIRST_PAUSE_S else log.info  # the first attempt may have it again
                said("%s; trying for %g s to go on from byte %d", stall, self._patience_s, self._position)
                self._answer.close()
                self._answer.position = -1
                self._client.wait(pause_s)
                pause_s = min(max(2 * pause_s, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
            except SourceError:
                self._failed = True
                raise
        return b""

    def _read(self, count: int) -> bytes:
        self._go_to_position()
        data = self._answer.read(count)
        if not data and self._length is not None and not self._client.interrupted:
            raise SourceStalled(f"{self._client.shown}: the connection was broken off")
        return data

    def _go_to_position(self) -> None:
        ahead = self._position - self._answer.position
        if self._answer.position < 0 or not 0 <= ahead <= _READ_OVER_BYTES:
            self._answer.close()
            self._answer = self._client.get(self._position, self._version)
            self._check_answer()
        while (ahead := self._position - self._answer.position) > 0 and self._answer.read(min(ahead, 1 << 16)):
            pass
        if ahead > 0 and not self._client.interrupted:
            raise SourceStalled(f"{self._client.shown}: the connection was broken off")

    def _check_answer(self) -> None:
        """Whether what the server gives now leads to the position, and is of the same file."""
        answer, shown = self._answer, self._client.shown
        resized = answer.length not in (None, self._length)
        if resized or (self._version and answer.version not in ("", self._version)):
            what = f"{self._length} bytes, now {answer.length}" if resized else "another version"
            raise SourceError(f"{shown}: the file on the server changed while it was read ({what}); read it again")
        if not 0 <= self._position - answer.position <= _MOST_READ_OVER_BYTES:
            raise SourceError(
                f"{shown}: asked for byte {self._position} and what follows, the server gives what follows byte"
                f" {answer.position}; download the film and give its path instead"
            )

    def interrupt(self) -> None:
        """Ends a read that waits, and all later ones; from any thread."""
        self._client.interrupt()

    def close(self) -> None:
        self._client.close()
