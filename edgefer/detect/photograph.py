"""Every face of a photograph: searched at every size, and judged at once, for there is no next frame."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from edgefer import kernels
from edgefer.detect.base import Detector, Look, Survey, Surveyor, borne_out, distinct
from edgefer.geometry import Box, iou, moved, scaled

#: Heads tilted or turned aside are searched from this multiple of the smallest face on, where that takes further
#: searches: four of Haar, which at half the scale cost as much as the first.
THOROUGH_FROM = 2
#: Faces lying on their side or on their head are searched from this multiple of it on: three searches of a quarter of
#: the time.
LYING_FROM = 2


def find_faces(detector: Detector, grey: np.ndarray, smallest_px: float, lying: bool = True) -> list[Look]:
    """All faces of a photograph, the largest first.

    The picture is searched in tiles, at its own scale or the one that makes the smallest face wanted
    `survey.smallest_px`, then at half of that, and so on until a face fills the picture. One without a face that
    surely stands upright is searched for faces on their side or on their head as well: it may lie itself, and in a
    face on its head a weak one may be seen that is none.

    Args:
        detector: searches one tile.
        grey: uint8, shape (H, W), any size from 1x1.
        smallest_px: smallest face wanted, pixels of the picture.
        lying: whether faces may lie; False for pictures that are known to be upright.
    """
    found = _standing(detector, grey, smallest_px)
    least = detector.survey.lying if isinstance(detector, Surveyor) and lying else None
    if least is not None and all(look.score < least for look in found):
        found = distinct(found + _lying(detector, grey, LYING_FROM * smallest_px, least, found))
    return _in_order(found)


def _lying(
    detector: Detector, grey: np.ndarray, smallest_px: float, least: float, standing: Sequence[Look]
) -> list[Look]:
    """The faces of a picture on its sides and on its head, from a score on; their points are left out.

    A head that only tilts is seen from its side as well, less exactly: who was found `standing` stays.
    """
    found: list[Look] = []
    for quarters in (1, 2, 3):
        turned = np.ascontiguousarray(np.rot90(grey, quarters))
        for look in _standing(detector, turned, smallest_px):
            if look.score >= least:
                box = _turned_back(look.box, quarters, turned.shape)
                if quarters == 2 or all(iou(box, other.box) < 0.5 for other in standing):
                    found.append(Look(box, look.score, look.turned, lying=True))
    return found


def _turned_back(box: Box, quarters: int, shape: tuple[int, ...]) -> Box:
    """A box of an image of that shape, in the image as it was before so many quarter turns to the left."""
    height, width = shape
    x0, y0, x1, y1 = box
    match quarters:
        case 1:
            return Box(height - y1, x0, height - y0, x1)
        case 2:
            return Box(width - x1, height - y1, width - x0, height - y0)
    return Box(y0, width - x1, y1, width - x0)


def _standing(detector: Detector, grey: np.ndarray, smallest_px: float) -> list[Look]:
    """The faces that stand upright in a picture, in no order."""
    if not isinstance(detector, Surveyor):
        return _detected(detector, grey)
    found: list[Look] = []
    for scale, tile in tiles(grey.shape, detector.survey, smallest_px):
        size = max(1, round(tile.height * scale)), max(1, round(tile.width * scale))
        thorough = detector.survey.smallest_px / scale >= THOROUGH_FROM * smallest_px
        for look in detector.candidates(kernels.crop_resize(grey, tile, size), thorough):
            look.box = moved(scaled(look.box, 1 / scale), tile.x0, tile.y0)
            found.append(look)
    return distinct(detector.verified(grey, found))


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
