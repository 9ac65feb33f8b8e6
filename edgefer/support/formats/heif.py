"""HEIF, the container of HEIC and AVIF: which of the two, how large, and how it is turned."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1", b"mif2", b"miaf"}
_HEIC |= {b"MiHB", b"MiHE", b"MiHA", b"jpeg", b"avci", b"j2ki", b"vvic", b"evbi"}


def kind(head: bytes) -> str | None:
    """ "AVIF", "HEIC" (any HEIF picture that is not AVIF), "raw" for Canon's CR3; None for other files."""
    if head[4:8] != b"ftyp" or len(head) < 16:
        return None
    length = struct.unpack_from(">I", head)[0]
    major = head[8:12]
    brands = {head[position : position + 4] for position in range(16, min(length, len(head), 1024) - 3, 4)}
    if major == b"crx ":
        return "raw"
    if major in _AVIF or (major in _HEIC and brands & _AVIF):
        return "AVIF"
    return "HEIC" if major in _HEIC else None


class Header(NamedTuple):
    """What a file says of its pictures.

    Attributes:
        size: width and height of the largest, as stored; None where none says.
        turns: steps that turn the primary picture upright, in order: ("rotate", quarter turns
            counter-clockwise) or ("mirror", 0 top to bottom, 1 left to right).
        moving: whether it also holds a sequence in time.
    """

    size: tuple[int, int] | None
    turns: tuple[tuple[str, int], ...]
    moving: bool


def header(data: bytes) -> Header:
    """The header, as far as it can be read."""
    size = None
    turns: tuple[tuple[str, int], ...] = ()
    moving = False
    try:
        for name, content in _boxes(data):
            moving = moving or name == b"moov"
            if name == b"meta":
                size, turns = _meta(content[4:])
    except (struct.error, IndexError):
        pass
    return Header(size, turns, moving)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each box."""
    position = 0
    while position + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        begin = position + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, begin)
            begin += 8
        end = position + length if length else len(data)
        if end <= position + 7:
            return
        yield name, data[begin:end]
        position = end


def _meta(content: bytes) -> tuple[tuple[int, int] | None, tuple[tuple[str, int], ...]]:
    primary, size = None, None
    properties: list[tuple[bytes, bytes]] = []
    of_item: dict[int, list[int]] = {}
    for name, box in _boxes(content):
        if name == b"pitm":
            primary = struct.unpack_from(">I" if box[0] else ">H", box, 4)[0]
        if name == b"iprp":
            for inner, part in _boxes(box):
                if inner == b"ipco":
                    properties = list(_boxes(part))
                elif inner == b"ipma":
                    of_item.update(_associations(part))
    sizes = [struct.unpack_from(">II", box, 4) for name, box in properties if name == b"ispe"]
    size = max(sizes, key=lambda each: each[0] * each[1], default=None)
    turns = []
    for index in of_item.get(primary or 0, []):
        name, box = properties[index - 1] if 0 < index <= len(properties) else (b"", b"")
        if name == b"irot":
            turns.append(("rotate", box[0] & 3))
        elif name == b"imir":
            turns.append(("mirror", box[0] & 1))
    return size, tuple(turns)


def _associations(box: bytes) -> Iterator[tuple[int, list[int]]]:
    """Item and the numbers of its properties, from 1."""
    version, wide = box[0], box[3] & 1
    (entries,) = struct.unpack_from(">I", box, 4)
    position = 8
    for _ in range(entries):
        (item,) = struct.unpack_from(">I" if version else ">H", box, position)
        position += 4 if version else 2
        count = box[position]
        position += 1
        if wide:
            numbers = [number & 0x7FFF for number in struct.unpack_from(f">{count}H", box, position)]
        else:
            numbers = [number & 0x7F for number in box[position : position + count]]
        position += count * (2 if wide else 1)
        yield item, numbers
