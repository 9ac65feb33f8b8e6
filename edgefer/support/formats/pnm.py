"""PNM and PAM: what their headers say, and their numbers, of which the header tells what is white."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

MOST_MAXVAL = 65_535

#: Between two fields of a header: spaces, and comments up to the end of their line.
_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
#: One space ends a header, or a comment that begins where it would stand: all behind it is the picture.
_END = rb"(?:\s|#[^\r\n]*[\r\n])"
_BITMAP = re.compile(rb"P[14]" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})" + _END)
_MAP = re.compile(rb"P[2356]" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})" + _END)
_PAM = re.compile(rb"P7\s.{,16384}?^ENDHDR[ \t\r]*\n", re.DOTALL | re.MULTILINE)
_PAM_TYPES = ("", "BLACKANDWHITE", "GRAYSCALE", "RGB")


class Header(NamedTuple):
    """What a file says of its picture.

    Attributes:
        kind: the digit of its first two bytes, 1 to 7.
        width, height: pixels. channels: numbers of a pixel, alpha among them.
        maxval: the number that stands for white.
        offset: where its numbers begin.
        tuple_type: what a PAM's numbers are, where it says so.
    """

    kind: int
    width: int
    height: int
    channels: int
    maxval: int
    offset: int
    tuple_type: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height

    @property
    def raw(self) -> bool:
        """Whether its numbers stand there as bytes, not as digits or as bits."""
        return self.kind in (5, 6, 7)

    @property
    def obstacle(self) -> str:
        """Why its numbers cannot be shown; empty where they can."""
        if self.tuple_type.removesuffix("_ALPHA") not in _PAM_TYPES:
            return f"PAM of type {self.tuple_type[:40]!r}"
        return f"PAM of depth {self.channels}" if self.channels > 4 else ""


def header(data: bytes) -> Header | None:
    """The header of a file; None where it is damaged.

    Args:
        data: the file, or enough of its beginning.
    """
    kind = int(data[1:2])
    if kind == 7:
        found = _pam(data)
    else:
        match = (_BITMAP if kind in (1, 4) else _MAP).match(data)
        if match is None:
            return None
        width, height, *maxval = map(int, match.groups())
        found = Header(kind, width, height, 3 if kind in (3, 6) else 1, maxval[0] if maxval else 1, match.end())
    if found is None or min(found.size) < 1 or found.channels < 1 or not 1 <= found.maxval <= MOST_MAXVAL:
        return None
    return found


def _pam(data: bytes) -> Header | None:
    match = _PAM.match(data)
    if match is None:
        return None
    fields: dict[bytes, bytes] = {}
    for line in match.group().splitlines():
        name, _, value = line.strip().partition(b" ")
        fields[name] = value.strip()
    numbers = [fields.get(name, b"") for name in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")]
    if not all(number.isdigit() and len(number) < 10 for number in numbers):
        return None
    width, height, depth, maxval = map(int, numbers)
    return Header(7, width, height, depth, maxval, match.end(), fields.get(b"TUPLTYPE", b"").decode("ascii", "replace"))


def samples(data: bytes, found: Header) -> np.ndarray | None:
    """The numbers of a file whose numbers are bytes, as they stand there; None where some are missing.

    Args:
        data: the whole file. found: its header.

    Returns:
        uint8 or uint16, shape (H, W, channels).
    """
    dtype = np.dtype(np.uint8 if found.maxval < 256 else ">u2")
    count = found.width * found.height * found.channels
    if len(data) - found.offset < count * dtype.itemsize:
        return None
    numbers = np.frombuffer(data, dtype, count, found.offset).reshape(found.height, found.width, found.channels)
    return numbers.astype(dtype.newbyteorder("="), copy=False)


def plain(data: bytes, found: Header) -> bytes:
    """A file whose numbers are digits or bits, for a decoder: without comments in its header, and of maxval 65535.

    OpenCV scales some of them by their maxval, and others not; of that maxval it leaves all as they are.
    """
    head = b"P%d %d %d " % (found.kind, *found.size)
    if found.kind in (2, 3):
        head += b"%d " % MOST_MAXVAL
    # digits that end where the file does it takes for damage
    return head + data[found.offset :] + (b"" if found.kind == 4 else b"\n")
