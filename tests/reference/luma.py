"""Brightness."""

from __future__ import annotations

import numpy as np


def luma(image: np.ndarray, format: str) -> np.ndarray:
    """ITU-R BT.601: Y = 0.299 R + 0.587 G + 0.114 B, the weights in units of 2^-15; YUV formats carry it."""
    if format == "yuyv":
        return image[:, :, 0]
    if format == "nv12":
        return image[: len(image) * 2 // 3]
    blue, green, red = np.moveaxis(image.astype(np.int64), 2, 0)
    return (3735 * blue + 19235 * green + 9798 * red + 2**14) // 2**15
