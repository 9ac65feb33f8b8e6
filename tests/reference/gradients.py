"""First and second derivatives."""

from __future__ import annotations

import numpy as np

PAD_MODES = {"replicate": "edge", "reflect101": "reflect"}


def padded(image: np.ndarray, border: str, by: int = 1) -> np.ndarray:
    """The image, as int64, in a frame of `by` pixels; a side of one pixel replicates."""
    image = image.astype(np.int64)
    for axis in (0, 1):
        width = [(0, 0), (0, 0)]
        width[axis] = (by, by)
        mode = "edge" if image.shape[axis] == 1 else PAD_MODES[border]
        image = np.pad(image, width, mode=mode)
    return image


def correlate3(image: np.ndarray, weights: list[list[int]], border: str) -> np.ndarray:
    """sum over i, j of weights[i][j] * image[y + i - 1, x + j - 1]."""
    height, width = image.shape
    wide = padded(image, border)
    return sum(weights[i][j] * wide[i : i + height, j : j + width] for i in range(3) for j in range(3))


def sobel(image: np.ndarray, border: str = "reflect101") -> tuple[np.ndarray, np.ndarray]:
    """Sobel and Feldman 1968: a [1 2 1] mean across a central difference."""
    across = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
    down = [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]
    return correlate3(image, across, border), correlate3(image, down, border)


def laplacian(image: np.ndarray, aperture: int = 1, border: str = "reflect101") -> np.ndarray:
    """Aperture 1: second differences along x and y. Aperture 3: OpenCV's sum of second Sobel derivatives."""
    cross = [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
    diagonals = [[2, 0, 2], [0, -8, 0], [2, 0, 2]]
    return correlate3(image, cross if aperture == 1 else diagonals, border)


def gradients(
    image: np.ndarray, aperture: int = 1, border: str = "reflect101"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (*sobel(image, border), laplacian(image, aperture, border))
