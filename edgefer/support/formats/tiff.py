"""TIFF, and EXIF which is made like it: directories of tags."""

from __future__ import annotations

import struct
from typing import NamedTuple

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

ORIENTATION = 0x0112
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_SAMPLES, _SUB_IFDS, _EXTRA_SAMPLES, _SAMPLE_FORMAT, _DNG = 277, 330, 338, 339, 50706
#: Struct codes of the types whose values are whole numbers.
_CODES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
#: Compressions and colours that only a camera's raw data has.
_RAW_COMPRESSIONS = {32767, 32769, 32770, 34713, 65000, 65535, 34892}
_RAW_COLOURS = {32803, 34892}
#: Photometric interpretations that are neither grey nor RGB, by name.
_PALETTE = 3
_COLOURS = {_PALETTE: "palette ", 5: "CMYK ", 6: "YCbCr ", 8: "Lab "}
_MOST_PAGES = 65_536


class Page(NamedTuple):
    """One directory: where it is, and of each tag that is a number its first value and where that is."""

    offset: int
    tags: dict[int, int]
    fields: dict[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height; 0 where it does not say."""
        return self.tags.get(_WIDTH, 0), self.tags.get(_HEIGHT, 0)

    @property
    def reduced(self) -> bool:
        """Whether it is a smaller copy of another, or its mask."""
        return bool(self.tags.get(_SUBFILE, 0) & 0b101)

    @property
    def obstacle(self) -> str:
        """Why its numbers cannot be shown as they are; empty where they can."""
        bits = self.tags.get(_BITS, 1)
        if self.tags.get(_SAMPLE_FORMAT, 1) == 3:
            return f"TIFF of {bits}-bit floating point, which does not say what is white"
        if self.tags.get(_SAMPLE_FORMAT, 1) == 2:
            return f"TIFF of signed {bits}-bit numbers, which does not say what is white"
        return f"TIFF of {bits}-bit numbers" if bits > 16 else ""

    @property
    def rare(self) -> str:
        """What its numbers are, where OpenCV reads none such; empty for 8 bits, and what else it does read."""
        bits, colours = self.tags.get(_BITS, 1), self.tags.get(_PHOTOMETRIC, 1)
        bitmap = bits == 1 and self.tags.get(_SAMPLES, 1) == 1
        if bits == 8 or bitmap or (bits == 4 and colours == _PALETTE) or (bits == 16 and colours not in _COLOURS):
            return ""
        return f"TIFF of {bits}-bit {_COLOURS.get(colours, '')}numbers"


def pages(data: bytes) -> list[Page]:
    """The directories of the file's main chain, in order; up to where it is damaged, if it is.

    Args:
        data: of a TIFF file, or of an EXIF block without its name.
    """
    if not data.startswith(SIGNATURES):
        return []
    order = "<" if data[:1] == b"I" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    found: list[Page] = []
    seen: set[int] = set()
    try:
        (offset,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
        while offset and offset not in seen and len(found) < _MOST_PAGES:
            seen.add(offset)
            (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, offset)
            begin, step = offset + (8 if big else 2), 20 if big else 12
            if count > 65_535 or begin + count * step > len(data):
                break
            entries = list(_tags(data, order, big, begin, count))
            tags = {tag: value for tag, value, _ in entries}
            found.append(Page(offset, tags, {tag: field for tag, _, field in entries}))
            (offset,) = struct.unpack_from(order + ("Q" if big else "I"), data, begin + count * step)
    except struct.error:
        pass
    return found


def _tags(data: bytes, order: str, big: bool, begin: int, count: int):
    """Tag, first value and its place, of each entry that holds a number."""
    for entry in range(count):
        position = begin + entry * (20 if big else 12)
        tag, kind = struct.unpack_from(order + "HH", data, position)
        (values,) = struct.unpack_from(order + ("Q" if big else "I"), data, position + 4)
        code = _CODES.get(kind)
        if code is None or not values:
            continue
        field = position + (12 if big else 8)
        if struct.calcsize(code) * values > (8 if big else 4):
            (field,) = struct.unpack_from(order + ("Q" if big else "I"), data, field)
        try:
            yield tag, struct.unpack_from(order + code, data, field)[0], field
        except struct.error:
            continue


def with_first_page(data: bytes, page: Page) -> bytes:
    """The file with another of its pages as the first, which is the one that decoders take.

    Its alpha, if it has any, is told to be in the colours already: they would be darkened by it, else.
    """
    order = "<" if data[:1] == b"I" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    position, code = (8, "Q") if big else (4, "I")
    offset = struct.pack(order + code, page.offset)
    data = data[:position] + offset + data[position + len(offset) :]
    if page.tags.get(_EXTRA_SAMPLES) == 2:
        field = page.fields[_EXTRA_SAMPLES]
        data = data[:field] + struct.pack(order + "H", 1) + data[field + 2 :]
    return data


def orientation(exif: bytes) -> int:
    """EXIF's orientation, 1 to 8; 1 where it is not told."""
    found = pages(exif)
    turn = found[0].tags.get(ORIENTATION, 1) if found else 1
    return turn if 1 <= turn <= 8 else 1


def is_camera_raw(data: bytes) -> bool:
    """Whether what is made like a TIFF is a camera's raw file, whose first picture is but a small preview.

    Args:
        data: the file, or enough of its beginning to hold the first directory; one that lies further back is
            looked for again when the whole file is read.
    """
    if data[8:10] == b"CR":
        return True
    found = pages(data)
    return bool(found) and (
        any(
            _DNG in page.tags
            or page.tags.get(_COMPRESSION) in _RAW_COMPRESSIONS
            or page.tags.get(_PHOTOMETRIC) in _RAW_COLOURS
            for page in found
        )
        or (found[0].reduced and (_SUB_IFDS in found[0].tags or all(page.reduced for page in found)))
    )
