"""Films that come by once: through a pipe, or from a server."""

from __future__ import annotations

from pathlib import Path

from edgefer.sources.base import Interruptible
from edgefer.sources.film import VideoFile
from edgefer.sources.media.reader import MediaReader, Shot


class PassingFilm(VideoFile):
    """Every frame of an open input, from its beginning to its end."""

    waits = True

    def __init__(self, name: str, media: MediaReader, file: Interruptible | None = None) -> None:
        """Args:
            name: for messages.
            media: nothing of it is read yet; closed with this source.
            file: what it reads, closed with this source; None where FFmpeg connects by itself.

        Raises:
            SourceError: no frame of it can be decoded.
        """
        self._given = media
        self._file = file
        try:
            super().__init__(Path(), name=name)
        except BaseException:
            self.close()
            raise

    def _input(self, threads: int) -> MediaReader:
        return self._given

    def _withheld(self) -> Shot | None:
        return None  # it cannot be read again

    def interrupt(self) -> None:
        if self._file is not None:
            self._file.interrupt()

    def close(self) -> None:
        self.interrupt()
        self._given.close()
        if self._file is not None:
            self._file.close()
        self._pending = None
