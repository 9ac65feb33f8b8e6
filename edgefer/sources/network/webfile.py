"""A body that comes over HTTP as the file object that FFmpeg reads."""

from __future__ import annotations

import io
import logging

from edgefer.errors import SourceStalled
from edgefer.sources.network.web import Answer, WebClient

log = logging.getLogger(__name__)

_ATTEMPTS = 3
#: A leap of fewer bytes is read over; asking again would take longer.
_READ_OVER_BYTES = 1 << 18


class WebFile:
    """A body as a file: from its beginning to its end, and anywhere in it where the server gives parts.

    Where it does, a connection that breaks is opened again at the byte where it broke.
    """

    def __init__(self, client: WebClient, answer: Answer) -> None:
        """Args: client: closed with this file; answer: to its first request, nothing taken yet."""
        self._client, self._answer = client, answer
        self._length = answer.length
        self._seekable = answer.ranges and answer.length is not None
        self._position = 0

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
        """Up to `count` bytes as they come; b"" at the end and once interrupted.

        Raises:
            SourceStalled: silence or a broken connection, and no other could be had.
        """
        for attempt in range(_ATTEMPTS):
            if self._client.interrupted or (self._length is not None and self._position >= self._length):
                return b""
            try:
                self._go_to_position()
                data = self._answer.read(count)
                if data or self._client.interrupted or self._length is None:
                    self._position += len(data)
                    return data
                raise SourceStalled(f"{self._client.shown}: the connection was broken off")
            except SourceStalled as stall:
                if not self._seekable or attempt == _ATTEMPTS - 1 or self._client.interrupted:
                    raise
                log.info("%s; going on from byte %d", stall, self._position)
                self._answer.close()
                self._answer.position = -1
        return b""

    def _go_to_position(self) -> None:
        ahead = self._position - self._answer.position
        if 0 < ahead <= _READ_OVER_BYTES and self._answer.position >= 0:
            while ahead > 0 and (data := self._answer.read(ahead)):
                ahead -= len(data)
        elif ahead:
            self._answer.close()
            self._answer = self._client.get(self._position)

    def interrupt(self) -> None:
        """Ends a read that waits, and all later ones; from any thread."""
        self._client.interrupt()

    def close(self) -> None:
        self._client.close()
