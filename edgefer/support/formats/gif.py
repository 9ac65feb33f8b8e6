"""GIF: whether a file holds one picture or several."""

from __future__ import annotations


def is_single(head: bytes) -> bool:
    """Whether a GIF holds one picture; one that cannot be told from its beginning is taken for several."""
    return count(head) == 1


def count(data: bytes) -> int | None:
    """Number of pictures, 2 standing for more; None when the file ends before it is known."""
    if len(data) < 13:
        return None
    position = 13 + _colours(data[10])
    pictures = 0
    while position < len(data):
        block = data[position]
        if block == 0x3B:
            return pictures
        if block == 0x2C:
            pictures += 1
            if pictures == 2:
                return 2
            if position + 10 > len(data):
                return None
            position += 11 + _colours(data[position + 9])
        elif block == 0x21:
            position += 2
        else:
            return pictures or None  # garbage, where a decoder stops as well
        while position < len(data) and (length := data[position]):
            position += 1 + length
        position += 1
    return None


def _colours(packed: int) -> int:
    """Bytes of a table of colours, by the field that tells of it."""
    return 3 << ((packed & 7) + 1) if packed & 0x80 else 0


def size(data: bytes) -> tuple[int, int] | None:
    """Width and height of the screen; None where the header is cut off."""
    if len(data) < 10:
        return None
    return int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
