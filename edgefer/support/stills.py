"""Image files and their decoding, alike for sources and data sets: whole or refused, and without noise."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edgefer.support.quiet import native_stderr


def decode_image(data: bytes | np.ndarray, flags: int) -> np.ndarray | None:
    """cv2.imdecode without its noise: the uint8 image, turned upright by EXIF, or None when it is damaged."""
    if not len(data):
        return None
    with native_stderr("image decoder"):  # libjpeg and libpng have no switch that OpenCV would pass on
        try:
            return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error:  # larger than OpenCV's limits, or a header that makes no sense
            return None


def _jpeg_ends_early(data: bytes) -> bool:
    """Whether a JPEG lacks its end marker. Some decoders fill the missing rows with grey and say nothing.

    Segments are walked up to the first scan, so that the end of an embedded thumbnail does not count.
    """
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if marker == 0xDA:
            return data.find(b"\xff\xd9", position) < 0
    return True


def read_image(path: Path) -> tuple[np.ndarray, bytes] | None:
    """Grey image and the file's bytes, or None when the file is damaged.

    Any depth and any channels become uint8 luma of shape (H, W); alpha is left out; EXIF turns it upright.

    Raises:
        OSError: the file cannot be read.
    """
    data = path.read_bytes()
    if data.startswith(b"\xff\xd8") and _jpeg_ends_early(data):
        return None
    if data.startswith(b"\x89PNG\r\n\x1a\n") and b"IEND" not in data:  # some releases fill these up, too
        return None
    grey = decode_image(data, cv2.IMREAD_GRAYSCALE)
    return None if grey is None else (grey, data)
