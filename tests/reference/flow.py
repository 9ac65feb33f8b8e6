"""Pyramidal Lucas-Kanade."""

from __future__ import annotations

import numpy as np


def _halved(image: np.ndarray) -> np.ndarray:
    """Means of 2x2 pixels, halves rounded up; an odd last row or column is left out."""
    height, width = (side // 2 * 2 for side in image.shape)
    image = image[:height, :width].astype(np.int64)
    return (image[::2, ::2] + image[::2, 1::2] + image[1::2, ::2] + image[1::2, 1::2] + 2) >> 2


def _window_at(image: np.ndarray, x: float, y: float, reach: int) -> np.ndarray:
    """Bilinear samples, scaled by 32, of a square around a point; weights have 14 bits, edges go on."""
    left, top = np.floor(x - reach), np.floor(y - reach)
    a, b = x - reach - left, y - reach - top
    here, right, below = (int(part * 16384 + 0.5) for part in ((1 - a) * (1 - b), a * (1 - b), (1 - a) * b))
    diagonal = max(0, 16384 - here - right - below)
    rows = np.clip(int(top) + np.arange(2 * reach + 2), 0, image.shape[0] - 1)
    columns = np.clip(int(left) + np.arange(2 * reach + 2), 0, image.shape[1] - 1)
    part = image[np.ix_(rows, columns)].astype(np.int64)
    total = here * part[:-1, :-1] + right * part[:-1, 1:] + below * part[1:, :-1] + diagonal * part[1:, 1:]
    return (total + 256) >> 9


def _followed(first: list[np.ndarray], second: list[np.ndarray], x: float, y: float, window: int):
    """(x, y) of a point of one pyramid in the other, None when it is lost. Bouguet 2000, section 2.4."""
    half = window // 2
    at_x, at_y = x, y

    def inside(image: np.ndarray, x: float, y: float) -> tuple[float, float]:
        return min(max(x, 0.0), image.shape[1] - 1.0), min(max(y, 0.0), image.shape[0] - 1.0)

    for level in reversed(range(len(first))):
        side = 2.0**level
        samples = _window_at(
            first[level], *inside(first[level], (x + 0.5) / side - 0.5, (y + 0.5) / side - 0.5), half + 1
        )
        gx = (samples[1:-1, 2:] - samples[1:-1, :-2] + 4) >> 3
        gy = (samples[2:, 1:-1] - samples[:-2, 1:-1] + 4) >> 3
        xx, xy, yy = (float((u * v).sum()) for u, v in ((gx, gx), (gx, gy), (gy, gy)))
        smaller = ((xx + yy) - np.sqrt((xx - yy) * (xx - yy) + 4 * xy * xy)) / 2
        if not smaller > 0.01 * 64 * window * window:
            if level == 0:
                return None
            continue
        determinant = xx * yy - xy * xy
        u, v = (at_x + 0.5) / side - 0.5, (at_y + 0.5) / side - 0.5
        before = (0.0, 0.0)
        for i in range(20):
            difference = _window_at(second[level], *inside(second[level], u, v), half) - samples[1:-1, 1:-1]
            p, q = float((difference * gx).sum()), float((difference * gy).sum())
            step = ((xy * q - yy * p) / determinant / 4, (xy * p - xx * q) / determinant / 4)
            u, v = u + step[0], v + step[1]
            if step[0] * step[0] + step[1] * step[1] < 0.01 * 0.01:
                break
            if i > 0 and abs(step[0] + before[0]) < 0.01 and abs(step[1] + before[1]) < 0.01:
                u, v = u - step[0] / 2, v - step[1] / 2
                break
            before = step
        if level == 0:
            return (u, v) if inside(second[0], u, v) == (u, v) else None
        u, v = inside(second[level], u, v)
        at_x, at_y = (u + 0.5) * side - 0.5, (v + 0.5) * side - 0.5
    return None


def flow(before: np.ndarray, after: np.ndarray, points: np.ndarray, window: int = 13, levels: int = 3):
    """Pyramidal Lucas-Kanade there and back: (there or NaN when lost at once, distance on return)."""
    first, second = [before], [after]
    while len(first) < levels and min(before.shape) >> len(first) >= window:
        first.append(_halved(first[-1]))
        second.append(_halved(second[-1]))
    there = np.full((len(points), 2), np.nan, np.float32)
    error = np.full(len(points), np.inf, np.float32)
    for i, (x, y) in enumerate(points.astype(np.float64)):
        found = _followed(first, second, x, y, window)
        if found is None:
            continue
        there[i] = found
        back = _followed(second, first, *found, window)
        if back is not None:
            error[i] = np.sqrt((back[0] - x) * (back[0] - x) + (back[1] - y) * (back[1] - y))
    return there, error


def median_flow(points, there, error, centre_x, centre_y, far, most_error, apart):
    """The medians of the shifts and of the changes of distance: (dx, dy, scale, returned, together)."""
    count = (error < most_error) & np.isfinite(points).all(axis=1) & np.isfinite(there).all(axis=1)
    p, q = (places[count].astype(np.float64) - (centre_x, centre_y) for places in (points, there))
    if not count.any():
        return 0.0, 0.0, 1.0, 0, 0
    i, j = np.triu_indices(len(p), 1)
    before, after = (np.hypot(*(places[i] - places[j]).T) for places in (p, q))
    scale = np.median((after / before)[before > far]) if (before > far).any() else 1.0
    shifts = q - scale * p
    agreed = np.median(shifts, axis=0)
    together = np.hypot(*(shifts - agreed).T) < apart
    return *agreed, scale, int(count.sum()), int(together.sum())
