"""The Shi-Tomasi score, and the best corners by it."""

from __future__ import annotations

import numpy as np

from reference.gradients import padded, sobel


def structure_tensor(
    image: np.ndarray, block_size: int = 3, border: str = "replicate"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Window sums of gx*gx, gx*gy and gy*gy, exact; the border rule holds for the products once more."""
    gx, gy = sobel(image, border)
    height, width = image.shape

    def window_sum(product: np.ndarray) -> np.ndarray:
        wide = padded(product, border, block_size // 2)
        shifts = [(i, j) for i in range(block_size) for j in range(block_size)]
        return sum(wide[i : i + height, j : j + width] for i, j in shifts)

    return window_sum(gx * gx), window_sum(gx * gy), window_sum(gy * gy)


def shi_tomasi(image: np.ndarray, block_size: int = 3, border: str = "replicate") -> np.ndarray:
    """Shi and Tomasi 1994: min(l1, l2) of the tensor, in OpenCV's scale.

    l1 * l2 = det and l1 + l2 = trace, so the smaller root is det over the larger. det and trace^2 - 4 det
    stay below 2^63 for a window of 15 x 15 and are exact.
    """
    ixx, ixy, iyy = structure_tensor(image, block_size, border)
    trace, det = ixx + iyy, ixx * iyy - ixy * ixy
    larger = (trace + np.sqrt(((ixx - iyy) ** 2 + 4 * ixy**2).astype(np.longdouble))) / 2
    scale = np.longdouble(1) / (4 * 255 * block_size)
    return np.where(larger > 0, det / np.where(larger > 0, larger, 1), 0) * scale**2


def good_corners(
    score: np.ndarray, max_corners: int, quality_level: float, min_distance: float, mask: np.ndarray | None = None
) -> np.ndarray:
    """Corners from the score image: maxima of their 3x3 neighbourhood, best first, no two too close."""
    height, width = score.shape
    allowed = np.ones(score.shape, bool) if mask is None else mask != 0
    threshold = np.float32(np.float64(score[allowed].max(initial=0)) * quality_level)
    candidates = []
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            peak = score[y - 1 : y + 2, x - 1 : x + 2].max()
            if allowed[y, x] and score[y, x] > threshold and score[y, x] == peak:
                candidates.append((score[y, x], y * width + x))
    taken: list[tuple[int, int]] = []
    for _, offset in sorted(candidates, reverse=True):
        y, x = divmod(offset, width)
        if max_corners and len(taken) == max_corners:
            break
        if min_distance < 1 or all((x - a) ** 2 + (y - b) ** 2 >= min_distance**2 for a, b in taken):
            taken.append((x, y))
    return np.array(taken, np.float32).reshape(-1, 2)
