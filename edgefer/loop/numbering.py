"""Indices and times that go on where a live source begins again: tracks, averages and videos need ones that rise."""

from __future__ import annotations

import logging

from msgspec import structs

from edgefer.values import Frame

log = logging.getLogger(__name__)


class Numbering:
    """Numbers the frames of a live source from the first to the last, however often it is opened."""

    def __init__(self) -> None:
        self._last: tuple[int, int, int] | None = None  # index, media_ns and captured_ns of the last frame
        self._index_base = self._media_base_ns = 0
        self._begins = False  # the next frame is the first of a source that was opened again
        self._said = False  # of this opening, that it began again

    def opened(self) -> None:
        """The source was opened again."""
        self._begins, self._said = True, False

    def continued(self, frame: Frame, name: str) -> Frame:
        """The frame with an index and a time that go on from the last one, also where its source counts from 0.

        Args:
            name: of the source, for the log.
        """
        begins, self._begins = self._begins, False
        if self._last is not None:
            index, media_ns, captured_ns = self._last
            again = begins or frame.index + self._index_base <= index
            if again:
                if not (begins or self._said):
                    log.warning("%s: its pictures count from the beginning again", name)
                    self._said = True
                self._index_base = index + 1 - frame.index
            if again or frame.media_ns + self._media_base_ns <= media_ns:
                self._media_base_ns = media_ns + max(1, frame.captured_ns - captured_ns) - frame.media_ns
        if self._index_base or self._media_base_ns:
            frame = structs.replace(
                frame, index=frame.index + self._index_base, media_ns=frame.media_ns + self._media_base_ns
            )
        self._last = frame.index, frame.media_ns, frame.captured_ns
        return frame
