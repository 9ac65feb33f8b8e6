"""JPEG: its segments, and whether all of its picture is there."""

from __future__ import annotations

import math
import re
import struct

from msgspec import Struct, field

#: How every JPEG begins: its start, then another marker.
SIGNATURE = b"\xff\xd8\xff"
#: A marker that ends coded data: 0xFF before anything but a stuffed zero, a restart or a fill byte.
_MARKER = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]")
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
_STANDALONE = {0x01, *range(0xD0, 0xD9)}
#: More scans than this are no picture but a way to keep a decoder busy.
MOST_SCANS = 1000


class Anatomy(Struct):
    """What the markers of a JPEG say.

    Attributes:
        size: width and height; None where the frame header is not there.
        frame: its marker, 0xC0 and 0xC1 sequential, 0xC2 progressive.
        exif: the EXIF block; empty where there is none.
        rows: height of one row of coded units, pixels.
        scans: number of scans. end: where the last one's data ends.
        ended: whether the end marker was reached.
        coarse: whether scans are missing that would make the picture exact.
        lost_restarts: share of its restart intervals that are missing, 0 where it has none.
        goes_on: whether another picture follows that is no part of this one, as in motion JPEG; a telephone's
            photograph may hold further pictures, and says so.
    """

    size: tuple[int, int] | None = None
    frame: int = 0
    exif: bytes = b""
    rows: int = 8
    scans: int = 0
    end: int = 0
    ended: bool = False
    coarse: bool = False
    lost_restarts: float = 0.0
    goes_on: bool = False
    _left: dict[tuple[int, int], int] = field(default_factory=dict)  # (component, coefficient) -> bit reached


def examine(data: bytes) -> Anatomy:
    """Walks the markers up to the end of the picture."""
    found = Anatomy()
    position, interval, restarts = 2, 0, 0
    sampling: dict[int, tuple[int, int]] = {}
    expected, announced = 0, False
    while position + 2 <= len(data):
        if data[position] != 0xFF:
            match = _MARKER.search(data, position)  # garbage between segments: decoders skip it
            if match is None:
                break
            position = match.start()
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker == 0xD9:
            found.ended = True
            found.goes_on = not announced and data.startswith(SIGNATURE, position + 2)
            break
        position += 2
        if marker in _STANDALONE:
            continue
        if position + 2 > len(data):
            break
        length = struct.unpack_from(">H", data, position)[0]
        segment = data[position + 2 : position + length]
        position += max(length, 2)
        if marker == 0xE1 and segment.startswith(b"Exif\0\0") and not found.exif:
            found.exif = segment[6:]
        elif marker == 0xE2 and segment.startswith(b"MPF\0"):
            announced = True
        elif marker in _FRAMES and len(segment) >= 6 and not found.frame:
            found.frame = marker
            height, width, components = struct.unpack_from(">HHB", segment, 1)
            found.size = width, height
            for start in range(6, min(6 + 3 * components, len(segment) - 2), 3):
                sampling[segment[start]] = (segment[start + 1] >> 4, segment[start + 1] & 15)
                found.rows = max(found.rows, 8 * (segment[start + 1] & 15))
                for coefficient in range(64):
                    found._left[segment[start], coefficient] = -1
        elif marker == 0xDD and len(segment) >= 2:
            interval = struct.unpack_from(">H", segment)[0]
        elif marker == 0xDA and segment:
            found.scans += 1
            begin = position
            match = _MARKER.search(data, position)
            position = match.start() if match else len(data)
            found.end = position
            _cover(found, segment)
            if interval and found.size and found.frame != 0xC2:
                restarts += len(_RESTART.findall(data, begin, position))
                expected += max(0, -(-_mcus(found.size, sampling, segment) // interval) - 1)
            if match is None or found.scans > MOST_SCANS:
                break
    found.coarse = any(bit != 0 for bit in found._left.values())
    if expected:
        found.lost_restarts = max(0.0, 1 - restarts / expected)
    return found


def _cover(found: Anatomy, segment: bytes) -> None:
    """Notes which coefficients a scan brings, and down to which bit."""
    count = segment[0]
    if len(segment) < 1 + 2 * count + 3:
        return
    first, last, bits = segment[1 + 2 * count : 4 + 2 * count]
    for index in range(count):
        component = segment[1 + 2 * index]
        for coefficient in range(first, min(last, 63) + 1):
            found._left[component, coefficient] = bits & 15


def _mcus(size: tuple[int, int], sampling: dict[int, tuple[int, int]], segment: bytes) -> int:
    """Coded units of a scan: of all components together, or the blocks of a single one."""
    width, height = size
    most_h = max((h for h, _ in sampling.values()), default=1) or 1
    most_v = max((v for _, v in sampling.values()), default=1) or 1
    if segment[0] == 1:
        h, v = sampling.get(segment[1], (1, 1))
        return math.ceil(width * h / most_h / 8) * math.ceil(height * v / most_v / 8)
    return math.ceil(width / most_h / 8) * math.ceil(height / most_v / 8)
