"""Sheets of small pictures: a band for each filter or class, and a tile for each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edgefer.support import drawing

TILE, GAP, LEFT, CAPTION = 96, 4, 150, 18


@dataclass(frozen=True)
class Band:
    """Tiles under each other for every image.

    Attributes:
        words: lines at the left.
        tiles: rows of pictures, uint8 (h, w) or (h, w, 3); all rows have one for each image.
        captions: under the last row, one an image.
    """

    words: Sequence[str]
    tiles: Sequence[Sequence[np.ndarray]]
    captions: Sequence[str]


def sheet(title: Sequence[str], bands: Sequence[Band], columns: int) -> np.ndarray:
    """The bands under each other: uint8 (H, W, 3), BGR."""
    step = TILE + GAP
    heights = [step * max(1, len(band.tiles)) + CAPTION for band in bands]
    top = 16 + 26 * len(title)
    picture = np.full((top + sum(heights), max(LEFT + step * columns + GAP, 640), 3), 255, np.uint8)
    for line, text in enumerate(title):
        drawing.write(picture, text, 12, 20 + 26 * line, 0.5, anchor="start")
    for band, height in zip(bands, heights, strict=True):
        for line, text in enumerate(band.words):
            drawing.write(picture, text, 12, top + 14 + 20 * line, 0.42, anchor="start")
        for row, tiles in enumerate(band.tiles):
            for column, tile in enumerate(tiles):
                y, x = top + step * row, LEFT + step * column
                picture[y : y + TILE, x : x + TILE] = _fitted(tile)
        for column, text in enumerate(band.captions):
            middle = LEFT + step * column + TILE / 2
            drawing.write(picture, text, middle, top + height - CAPTION + 3, 0.36)
        top += height
    return picture


def _fitted(tile: np.ndarray) -> np.ndarray:
    """A picture of any size on a square tile, as large as fits, in the middle."""
    if tile.ndim == 2:
        tile = cv2.cvtColor(tile, cv2.COLOR_GRAY2BGR)
    scale = TILE / max(tile.shape[:2])
    height, width = (max(1, round(side * scale)) for side in tile.shape[:2])
    resized = cv2.resize(tile, (width, height), interpolation=cv2.INTER_NEAREST)
    square = np.full((TILE, TILE, 3), 255, np.uint8)
    y, x = (TILE - height) // 2, (TILE - width) // 2
    square[y : y + height, x : x + width] = resized
    return square


def signed(signal: np.ndarray) -> np.ndarray:
    """A signal as a grey picture, uint8 (H, W): zero is middle grey, its strongest value black or white."""
    strongest = float(np.abs(signal).max())
    return np.rint(128 + 127 * signal / (strongest or 1)).astype(np.uint8)


def smoothed(heat: np.ndarray) -> np.ndarray:
    """A map without its single pixels, (H, W): a Gaussian of a fortieth of the side."""
    return cv2.GaussianBlur(heat, (0, 0), heat.shape[0] / 40)


def overlaid(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """An image under a map of heat, uint8 (H, W, 3).

    Args:
        image: uint8, shape (H, W). heat: float, shape (H, W), not negative; the hottest place is opaque.
    """
    share = np.clip(heat / (float(heat.max()) or 1), 0, 1)
    colours = cv2.applyColorMap(np.rint(255 * share).astype(np.uint8), cv2.COLORMAP_TURBO)
    opacity = 0.75 * share[..., np.newaxis]
    return np.rint(image[..., np.newaxis] * (1 - opacity) + colours * opacity).astype(np.uint8)


def patch(image: np.ndarray, box: tuple[int, int, int, int] | None) -> np.ndarray:
    """The pixels of a box, uint8; beyond the image the middle grey that the network's padding stands for."""
    if box is None:
        return image
    x0, y0, x1, y1 = box
    cut = np.full((y1 - y0, x1 - x0), 128, np.uint8)
    height, width = image.shape
    top, left, bottom, right = max(y0, 0), max(x0, 0), min(y1, height), min(x1, width)
    cut[top - y0 : bottom - y0, left - x0 : right - x0] = image[top:bottom, left:right]
    return cut
