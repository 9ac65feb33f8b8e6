"""Small media files, written for a test."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import cv2
import numpy as np


def picture(index: int, width: int = 64, height: int = 48) -> np.ndarray:
    """uint8 (H, W, 3): grey level 40 + 2 * (index % 100), with a white top left quarter."""
    image = np.full((height, width, 3), 40 + 2 * (index % 100), np.uint8)
    image[: height // 2, : width // 2] = 255
    return image


def textured(index: int, width: int = 160, height: int = 120) -> np.ndarray:
    """uint8 (H, W, 3): moving texture, so that every frame of a coded video takes room."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return np.roll(cv2.GaussianBlur(noise, (0, 0), 2), 3 * index, axis=1)


def write_clip(path: Path, frames: int = 20, fps: float = 25, draw=picture, fourcc: str = "") -> Path:
    """Writes a video whose kind follows from the suffix."""
    code = fourcc or {".mp4": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}[path.suffix]
    height, width = draw(0).shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), fps, (width, height))
    assert writer.isOpened()
    for index in range(frames):
        writer.write(draw(index))
    writer.release()
    return path


def _find_box(data: bytes, name: bytes) -> int:
    position = data.index(name)
    assert data.count(name) == 1
    return position


def rotate_mp4(path: Path, degrees: int) -> Path:
    """Gives an MP4 the display matrix a phone writes when it is held turned by that angle, clockwise."""
    data = bytearray(path.read_bytes())
    matrix = _find_box(data, b"tkhd") + 4 + 4 + 20 + 16  # version 0: times, track, duration; layer, volume
    c, s = round(math.cos(math.radians(degrees))), round(math.sin(math.radians(degrees)))
    width, height = 64, 48
    shift = {0: (0, 0), 90: (height, 0), 180: (width, height), 270: (0, width)}[degrees]
    values = (c, s, 0, -s, c, 0, *shift, 1)
    scales = (1 << 16, 1 << 16, 1 << 30) * 3
    struct.pack_into(">9i", data, matrix, *(value * scale for value, scale in zip(values, scales, strict=True)))
    path.write_bytes(data)
    return path


def retime_mp4(path: Path, durations: list[int]) -> Path:
    """Gives the frames of an MP4 these durations, in units of its time scale, in place of one for all."""
    data = bytearray(path.read_bytes())
    stts = _find_box(data, b"stts") - 4
    old_size = struct.unpack_from(">I", data, stts)[0]
    entries = b"".join(struct.pack(">II", 1, duration) for duration in durations)
    box = struct.pack(">I4sII", 16 + len(entries), b"stts", 0, len(durations)) + entries
    assert data.index(b"mdat") < stts, "the index must lie behind the data, whose offsets then stay right"
    data[stts : stts + old_size] = box
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):  # the boxes around it grow with it
        offset = _find_box(data, name) - 4
        size = struct.unpack_from(">I", data, offset)[0]
        struct.pack_into(">I", data, offset, size + len(box) - old_size)
    path.write_bytes(data)
    return path


def exif_jpeg(image: np.ndarray, orientation: int) -> bytes:
    """A JPEG of the image with an EXIF orientation, 1 to 8, and an embedded thumbnail as cameras add it."""
    _, small = cv2.imencode(".jpg", image[::4, ::4])
    tiff = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    exif = b"Exif\0\0" + tiff + small.tobytes()
    _, coded = cv2.imencode(".jpg", image)
    data = coded.tobytes()
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
