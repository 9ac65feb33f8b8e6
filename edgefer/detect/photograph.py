"""Every face of a photograph: searched at every size, and judged at once, for there is no next frame."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from edgefer import kernels
from edgefer.detect.base import Detector, Look, Survey, Surveyor, borne_out, distinct
from edgefer.geometry import Box, moved, scaled

#: Heads tilted or turned aside are searched from this multiple of the smallest face on: it takes four further
#: searches, which at half the scale cost as much as the first.
THOROUGH_FROM = 2


def find_faces(detector: Detector, grey: np.ndarray, smallest_px: float) -> list[Look]:
    """All faces of a photograph, the largest first.

    The picture is searched in tiles, at its own scale or the one that makes the smallest face wanted
    `survey.smallest_px`, then at half of that, and so on until a face fills the picture.

    Args:
        detector: searches one tile.
        grey: uint8, shape (H, W), any size from 1x1.
        smallest_px: smallest face wanted, pixels of the picture.
    """
    if not isinstance(detector, Surveyor):
        return _in_order(_detected(detector, grey))
    found: list[Look] = []
    for scale, tile in tiles(grey.shape, detector.survey, smallest_px):
        size = max(1, round(tile.height * scale)), max(1, round(tile.width * scale))
        thorough = detector.survey.smallest_px / scale >= THOROUGH_FROM * smallest_px
        for look in detector.candidates(kernels.crop_resize(grey, tile, size), thorough):
            look.box = moved(scaled(look.box, 1 / scale), tile.x0, tile.y0)
            found.append(look)
    return _in_order(distinct(detector.verified(grey, found)))


def _in_order(faces: list[Look]) -> list[Look]:
    """The largest first; of equal ones the left."""
    return sorted(faces, key=lambda face: (-face.box.width, face.box.x0, face.box.y0))


def _detected(detector: Detector, grey: np.ndarray) -> list[Look]:
    """The faces by a detector that cannot survey: a likely one gets its second look at once."""
    faces = []
    for face in detector.detect(grey):
        if face.score >= detector.levels.sure:
            faces.append(Look(face.box, face.score))
        elif face.score >= detector.levels.likely:
            look = borne_out(detector, grey, face, thorough=True)
            if look is not None:
                faces.append(look)
    return distinct(faces)


def tiles(shape: tuple[int, ...], survey: Survey, smallest_px: float) -> Iterator[tuple[float, Box]]:
    """Scale and place of every tile, pixels of the picture.

    Neighbours share the largest face of a tile. Those at the edges reach beyond the picture by `survey.margin` of
    that face.
    """
    height, width = shape
    scale = min(1.0, survey.smallest_px / smallest_px)
    while True:
        side, shared = survey.tile_px / scale, survey.largest_px / scale
        rows = (survey.tile_rows_px or survey.tile_px) / scale
        margin = survey.margin * min(shared, max(height, width))
        for y0, y1 in spans(height + 2 * margin, rows, shared):
            for x0, x1 in spans(width + 2 * margin, side, shared):
                yield scale, Box(x0 - margin, y0 - margin, x1 - margin, y1 - margin)
        if survey.largest_px / scale >= max(height, width):
            return
        scale *= survey.smallest_px / survey.largest_px


def spans(length: float, side: float, shared: float) -> list[tuple[float, float]]:
    """Equal parts of an axis, each at most `side` long, that overlap by `shared`."""
    if length <= side:
        return [(0.0, length)]
    count = math.ceil((length - shared) / (side - shared))
    part = min(side, (length - shared) / count + shared)
    step = (length - part) / (count - 1)
    return [(index * step, index * step + part) for index in range(count)]
