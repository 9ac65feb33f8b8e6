"""Every face of a photograph: searched at every size, and judged at once, for there is no next frame."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from edgefer import kernels
from edgefer.detect.base import Detector, Look, Survey, suppressed
from edgefer.geometry import Box, moved, scaled


def find_faces(detector: Detector, grey: np.ndarray, smallest_px: float) -> list[Look]:
    """All faces of a photograph, the largest first.

    The picture is searched in tiles, at its own scale or the one that makes the smallest face wanted
    `survey.smallest_px`, then at half of that, and so on until a face fills the picture.

    Args:
        detector: searches one tile.
        grey: uint8, shape (H, W), any size from 1x1.
        smallest_px: smallest face wanted, pixels of the picture.
    """
    found: list[Look] = []
    for scale, tile in tiles(grey.shape, detector.survey, smallest_px):
        size = max(1, round(tile.height * scale)), max(1, round(tile.width * scale))
        for look in detector.candidates(kernels.crop_resize(grey, tile, size)):
            look.box = moved(scaled(look.box, 1 / scale), tile.x0, tile.y0)
            found.append(look)
    faces = suppressed(detector.verified(grey, suppressed(found)))
    return sorted(faces, key=lambda face: (-face.box.width, face.box.x0, face.box.y0))


def tiles(shape: tuple[int, ...], survey: Survey, smallest_px: float) -> Iterator[tuple[float, Box]]:
    """Scale and place of every tile, pixels of the picture; neighbours share the largest face of a tile."""
    height, width = shape
    scale = min(1.0, survey.smallest_px / smallest_px)
    while True:
        side, shared = survey.tile_px / scale, survey.largest_px / scale
        for y0, y1 in _spans(height, side, shared):
            for x0, x1 in _spans(width, side, shared):
                yield scale, Box(x0, y0, x1, y1)
        if survey.largest_px / scale >= max(height, width):
            return
        scale *= survey.smallest_px / survey.largest_px


def _spans(length: int, side: float, shared: float) -> list[tuple[float, float]]:
    """Equal parts of an axis, each at most `side` long, that overlap by `shared`."""
    if length <= side:
        return [(0.0, float(length))]
    count = math.ceil((length - shared) / (side - shared))
    part = min(side, (length - shared) / count + shared)
    step = (length - part) / (count - 1)
    return [(index * step, index * step + part) for index in range(count)]
