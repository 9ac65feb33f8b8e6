"""WebP: the chunks of its RIFF container."""

from __future__ import annotations

import struct
from collections.abc import Iterator


def is_webp(head: bytes) -> bool:
    """Whether a file that begins so is WebP."""
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Name, content and whether it is whole, of every chunk."""
    position = 12
    while position + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, position)
        content = data[position + 8 : position + 8 + length]
        yield name, content, len(content) == length
        position += 8 + length + length % 2


def is_animated(head: bytes) -> bool:
    """Whether it says that it holds an animation."""
    return head[12:16] == b"VP8X" and len(head) > 20 and bool(head[20] & 0x02)


def size(data: bytes) -> tuple[int, int] | None:
    """Width and height; None where no header tells them."""
    for name, content, _ in chunks(data):
        if name == b"VP8X" and len(content) >= 10:
            return 1 + int.from_bytes(content[4:7], "little"), 1 + int.from_bytes(content[7:10], "little")
        if name == b"VP8 " and len(content) >= 10:
            width, height = struct.unpack_from("<HH", content, 6)
            return width & 0x3FFF, height & 0x3FFF
        if name == b"VP8L" and len(content) >= 5:
            bits = int.from_bytes(content[1:5], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return None


def exif(data: bytes) -> bytes:
    """The EXIF block; empty where there is none."""
    block = next((content for name, content, whole in chunks(data) if name == b"EXIF" and whole), b"")
    return block.removeprefix(b"Exif\0\0")


def mended(data: bytes) -> bytes:
    """The file whose picture is whole although something behind it is cut off: the picture alone."""
    if struct.unpack_from("<I", data, 4)[0] + 8 <= len(data):
        return data
    kept = b""
    for name, content, whole in chunks(data):
        if not whole:
            break
        if name in (b"VP8X", b"ALPH", b"VP8 ", b"VP8L"):
            kept += struct.pack("<4sI", name, len(content)) + content + b"\0" * (len(content) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(kept)) + b"WEBP" + kept
