"""JPEG pictures out of a stream of bytes, and one after the other through a decoder that refuses torn ones."""

from __future__ import annotations

import re
from typing import Any

#: More bytes than a picture has: what holds none in so many is no stream of pictures.
MOST_BYTES = 64 << 20
_MOST_BEFORE = 1 << 20
_BEGIN = b"\xff\xd8\xff"
# In the coded part of a picture FF is followed by 00, by a restart marker, or by another FF that fills up.
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
_END, _SCAN = 0xD9, 0xDA
_LENGTH = re.compile(rb"^content-length[ \t]*:[ \t]*(\d{1,9})[ \t]*\r?$", re.I | re.M)
_DELIMITER = re.compile(rb"^--[^\r\n]{1,200}", re.M)


class JpegSplitter:
    """Takes pictures out of bytes as they come.

    The bytes are a multipart body, whatever its boundary, or pictures one after the other. A picture ends where
    its part's Content-Length says, at its own end marker where there is none, and at latest where the next part
    begins: so it is given out when it is complete, not when the next one begins.

    Attributes:
        torn: pictures that were cut off, and left out.
    """

    def __init__(self) -> None:
        self.torn = 0
        self._data = bytearray()
        self._begin = -1  # of the picture, -1 before it is found
        self._length: int | None = None
        self._delimiter = b""
        self._marker_at = 0  # the next marker segment begins here or later
        self._in_scan = False
        self._searched = 0  # no delimiter begins before

    def add(self, data: bytes) -> None:
        """Takes more bytes."""
        self._data += data

    def next(self) -> bytes | None:
        """The next complete picture; None where more bytes are needed.

        Raises:
            ValueError: so many bytes hold no complete picture that these are none.
        """
        while True:
            if self._begin < 0 and not self._find_begin():
                break
            end = self._find_end()
            if end is None:
                break
            picture = bytes(self._data[self._begin : end]) if end > 0 else None
            self._forget(abs(end))
            if picture is not None:
                return picture
            self.torn += 1
        if len(self._data) > (MOST_BYTES if self._begin >= 0 else _MOST_BEFORE):
            raise ValueError("no picture")
        return None

    def finish(self) -> None:
        """Tells that no more bytes come: what is left of a picture is torn."""
        self.torn += self._begin >= 0
        self._data.clear()
        self._begin = -1

    def _find_begin(self) -> bool:
        begin = self._data.find(_BEGIN)
        if begin < 0:
            return False
        head = bytes(self._data[:begin])
        lengths = _LENGTH.findall(head)
        delimiters = _DELIMITER.findall(head)
        self._delimiter = delimiters[-1].rstrip() if delimiters else b""
        # Other bytes between the head and the picture make the length worthless.
        self._length = int(lengths[-1]) if lengths and head.endswith((b"\r\n\r\n", b"\n\n")) else None
        self._begin, self._marker_at, self._in_scan, self._searched = begin, begin + 2, False, begin
        return True

    def _find_end(self) -> int | None:
        """Where the picture ends; negative where it is torn and ends there; None where more bytes are needed."""
        if self._length is not None:
            end = self._begin + self._length
            if len(self._data) < end:
                return None
            cut = self._find_delimiter(end)
            if cut is not None:
                return -cut
            if self._data[end - 2 : end] == b"\xff\xd9":
                return end
            follows = bytes(self._data[end : end + 4 + len(self._delimiter)]).lstrip(b"\r\n")
            if self._delimiter and follows.startswith(self._delimiter):
                return end  # the decoder will say whether it is whole
            if len(self._data) < end + 4 + len(self._delimiter):
                return None
            self._length = None  # a length that is wrong
        own = self._walk()
        if own is not None:
            return own
        cut = self._find_delimiter(len(self._data))
        return None if cut is None else -cut

    def _find_delimiter(self, end: int) -> int | None:
        """Where the next part begins before `end`: a picture that goes on to there was cut off."""
        if not self._delimiter:
            return None
        found = self._data.find(b"\n" + self._delimiter, self._searched, end)
        self._searched = max(self._begin, end - len(self._delimiter) - 1)
        return None if found < 0 else found + 1

    def _walk(self) -> int | None:
        """The end by the picture's own markers, going on from where the bytes ended before; None if not yet."""
        data = self._data
        while True:
            if self._in_scan:
                found = _MARKER.search(data, self._marker_at)
                if found is None:
                    self._marker_at = max(self._marker_at, len(data) - 1)
                    return None
                at = found.start()
            else:
                at = self._marker_at
                if len(data) < at + 2:
                    return None
                if data[at] != 0xFF:  # no marker where one must be
                    return -self._resume(at)
            kind = data[at + 1]
            if kind == _END:
                return at + 2
            if kind == 0xFF:  # fills up
                self._marker_at = at + 1
                continue
            if kind == 0xD8:  # another picture begins within this one
                return -at
            if kind < 0xC0:
                return -self._resume(at)
            if len(data) < at + 4:
                self._marker_at = at
                return None
            self._marker_at = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
            self._in_scan = kind == _SCAN

    def _resume(self, at: int) -> int:
        """Where to look for the next picture after damage."""
        cut = self._find_delimiter(len(self._data))
        return cut if cut is not None else at

    def _forget(self, end: int) -> None:
        del self._data[:end]
        self._begin = -1


class JpegDecoder:
    """Decodes pictures that stand alone; one that is torn is refused, not shown with its rest in grey.

    Attributes:
        damaged: pictures refused so far.
    """

    def __init__(self) -> None:
        from edgefer.sources.media.layout import Layouts
        from edgefer.sources.media.library import FAILURES, av

        self.damaged = 0
        self._layouts = Layouts()
        self._failures = (*FAILURES, EOFError)
        self._packet = av.Packet
        self._context = av.CodecContext.create("mjpeg", "r")
        self._context.thread_count = 1  # pictures come one at a time
        self._context.options = {"err_detect": "explode", "max_pixels": str(1 << 28)}

    def decode(self, data: bytes) -> Any | None:
        """The media.picture.Picture of a JPEG, or None where it is damaged."""
        from edgefer.sources.media.picture import Picture

        try:
            frames = self._context.decode(self._packet(data))
            if frames and not frames[0].is_corrupt:
                return Picture(frames[0], self._layouts.of(frames[0]))
        except self._failures:
            pass
        self.damaged += 1
        return None
