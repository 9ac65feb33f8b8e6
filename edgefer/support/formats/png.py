"""PNG: its chunks, and what damage leaves of them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Chunk(NamedTuple):
    """One chunk; `whole` where all of it is there, `sound` where its check sum agrees as well."""

    kind: bytes
    content: bytes
    whole: bool
    sound: bool

    @property
    def ancillary(self) -> bool:
        """Whether the picture can be shown without it."""
        return bool(self.kind[0] & 0x20)


def chunks(data: bytes, checked: bool = True) -> Iterator[Chunk]:
    """The chunks in order, up to the end or to where the file ends."""
    position = len(SIGNATURE)
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        begin, end = position + 8, position + 8 + length
        content = data[begin:end]
        whole = end + 4 <= len(data)
        sound = whole and (not checked or zlib.crc32(kind + content) == struct.unpack_from(">I", data, end)[0])
        yield Chunk(kind, content, whole, sound)
        if kind == b"IEND":
            return
        position = end + 4


def size(data: bytes) -> tuple[int, int] | None:
    """Width and height; None where the header is not there."""
    return struct.unpack_from(">II", data, 16) if len(data) >= 24 and data[12:16] == b"IHDR" else None


def is_followed(data: bytes) -> bool:
    """Whether another picture lies behind the first, as where a program writes one after the other."""
    if not data.startswith(SIGNATURE):
        return False
    end = len(SIGNATURE) + sum(12 + len(chunk.content) for chunk in chunks(data, checked=False))
    return data.startswith(SIGNATURE, end)


def is_animated(head: bytes) -> bool:
    """Whether it is one of several pictures in time; that stands before the first picture's data."""
    return animation_length(head) > 1


def animation_length(head: bytes) -> int:
    """Number of pictures that it says its animation has; 0 where it has none."""
    for chunk in chunks(head, checked=False):
        if chunk.kind == b"acTL" and len(chunk.content) >= 4:
            return int(struct.unpack_from(">I", chunk.content)[0])
        if chunk.kind == b"IDAT":
            break
    return 0


def exif(data: bytes) -> bytes:
    """The EXIF block; empty where there is none."""
    return next((chunk.content for chunk in chunks(data, checked=False) if chunk.kind == b"eXIf"), b"")


def mended(data: bytes) -> tuple[bytes, str]:
    """The file without damage that touches no pixel, and else what is wrong with it.

    Pixels are whole when their compressed stream ends with its own check sum: a wrong check sum around it,
    an end marker that is missing or an ancillary chunk that is damaged change nothing in the picture.

    Returns:
        The bytes to decode and an empty text; or the bytes as they were and the reason to refuse them.
    """
    found = list(chunks(data))
    complete = bool(found) and found[-1].kind == b"IEND"
    if complete and all(chunk.sound for chunk in found):
        return data, ""
    kept: list[Chunk] = []
    for chunk in found:
        if chunk.ancillary:
            if chunk.sound:
                kept.append(chunk)
        elif chunk.kind != b"IDAT" and not chunk.sound and chunk.kind != b"IEND":
            return data, f"damaged image, in its {chunk.kind.decode('ascii', 'replace')} chunk"
        elif chunk.kind != b"IEND":
            kept.append(chunk)
    pixels = b"".join(chunk.content for chunk in kept if chunk.kind == b"IDAT")
    if not _whole(pixels):
        return data, "damaged image" if complete else "damaged image: ends early"
    body = b"".join(
        struct.pack(">I4s", len(chunk.content), chunk.kind)
        + chunk.content
        + struct.pack(">I", zlib.crc32(chunk.kind + chunk.content))
        for chunk in [*kept, Chunk(b"IEND", b"", True, True)]
    )
    return SIGNATURE + body, ""


def _whole(stream: bytes) -> bool:
    """Whether a zlib stream reaches its end and agrees with its check sum."""
    decoder = zlib.decompressobj()
    try:
        while stream and not decoder.eof:
            decoder.decompress(stream, 1 << 20)
            stream = decoder.unconsumed_tail
    except zlib.error:
        return False
    return decoder.eof
