"""Crops resized, and a network's input made of them."""

from __future__ import annotations

import numpy as np

from reference.gradients import correlate3, sobel


def resize_matrix(low: float, high: float, source: int, size: int, method: str) -> np.ndarray:
    """int64 (size, source): what each pixel of the result takes of each source pixel, in units of 2^-14.

    s = (high - low) / size. Area: the share of pixel p in [low + i s, low + (i + 1) s), where the first pixel
    reaches down and the last one up without end; rounded so that shares add up to one. Bilinear: linear
    between the two pixels about low + (i + 0.5) s - 0.5.
    """
    one = 2**14
    step = (high - low) / size
    if method == "auto":
        method = "area" if step > 1 else "bilinear"
    matrix = np.zeros((size, source), np.int64)
    for i in range(size):
        if method == "area":
            a, b = low + i * step, low + (i + 1) * step
            ends = np.arange(1, source + 1, dtype=np.float64)  # the right end of each pixel
            share = np.where(ends >= b, 1.0, np.clip((ends - a) / (b - a if b > a else 1.0), 0.0, 1.0))
            up_to = np.floor(share * one + 0.5).astype(np.int64)
            up_to[-1] = one
            matrix[i] = np.diff(up_to, prepend=0)
        else:
            at = min(max(low + (i + 0.5) * step - 0.5, 0.0), source - 1.0)
            left = int(np.floor(at))
            right_weight = int(np.floor((at - left) * one + 0.5))
            matrix[i, left] += one - right_weight
            matrix[i, min(left + 1, source - 1)] += right_weight
    return matrix


def crop_resize(image: np.ndarray, box, size: tuple[int, int], method: str = "auto") -> np.ndarray:
    """Rows first, rounded to units of 2^-7; then columns, rounded to whole grey levels."""
    x0, y0, x1, y1 = box
    rows = resize_matrix(y0, y1, image.shape[0], size[0], method)
    columns = resize_matrix(x0, x1, image.shape[1], size[1], method)
    between = (rows @ image.astype(np.int64) + 2**6) // 2**7
    return (between @ columns.T + 2**20) // 2**21


def stack(image, box, size, channels, multipliers, offsets, method="auto") -> np.ndarray:
    """q = clamp(rint(value * multiplier + offset), -128, 127) in float32, of each channel."""
    resized = crop_resize(image, box, size, method)
    gx, gy = sobel(resized)
    laplacian = correlate3(resized, [[0, 1, 0], [1, -4, 1], [0, 1, 0]], "reflect101")
    values = {"grey": resized, "gx": gx, "gy": gy, "laplacian": laplacian}
    planes = []
    for channel, multiplier, offset in zip(channels, multipliers, offsets, strict=True):
        scaled = values[channel].astype(np.float32) * np.float32(multiplier) + np.float32(offset)
        planes.append(np.clip(np.rint(scaled), -128, 127).astype(np.int8))
    return np.stack(planes, axis=-1)
