"""Where in a window the gradients look most like a part of a face: the eye's box, and the corners of brows and lips.

A pattern is a linear score of the gradients on a grid of cells, of the Shi-Tomasi score and of how far the place is
from where it is expected. Patterns are those of the left half of a face; on the right half they are mirrored.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from edgefer.preprocess.points.face import Gradients

#: Centres of the cells, pixels from the place: rightwards, down.
CELLS = np.stack(np.meshgrid(np.arange(-16, 17, 4), np.arange(-12, 13, 4)), axis=-1).reshape(-1, 2)
#: The places looked at, pixels from the one expected.
SHIFTS = np.stack(np.meshgrid(np.arange(-14, 15, 2), np.arange(-10, 11, 2)), axis=-1).reshape(-1, 2)
_CELL_SHAPE, _SHIFT_SHAPE = (7, 9), (11, 15)
#: All cells of all places; those of the places themselves in it.
_LATTICE_SHAPE, _LATTICE_X, _LATTICE_Y = (23, 31), np.arange(-30, 31, 2), np.arange(-22, 23, 2)
_OWN = np.s_[6:-6, 8:-8]
#: What adds up the cells of each row, and of each column, of places; a cell is two steps of the lattice from the next.
_ROWS = np.array([[(row - place) in range(0, 13, 2) for row in range(23)] for place in range(11)], np.float32) / 7
_COLUMNS = (
    np.array([[(column - place) in range(0, 17, 2) for place in range(15)] for column in range(31)], np.float32) / 9
)
_AWAY = np.concatenate([SHIFTS / 8, (SHIFTS / 8) ** 2], axis=1)
#: The Shi-Tomasi score, the distance to the right and down and their squares, then the cells' gradients.
FEATURES = 5 + 2 * len(CELLS)

#: Added to the mean strength of the gradients that they are divided by, so that noise in a flat area stays small.
_FLOOR = 20
#: A corner is the best Shi-Tomasi score so near to the best place, pixels.
_SNAP = 1


class Match(NamedTuple):
    """The place where a pattern fits best, float64 (2,), and its score."""

    place: np.ndarray
    score: float


def pattern_features(level: Gradients, expected: np.ndarray, mirror: int) -> np.ndarray:
    """What a pattern is scored by, at each of SHIFTS: float32, shape (len(SHIFTS), FEATURES).

    Args:
        level: of the levelled face.
        expected: float, shape (2,), pixels of it.
        mirror: 1 on the left half of the face, -1 on the right.
    """
    height, width = level.corners.shape
    places = np.rint(expected + SHIFTS * (mirror, 1)).astype(np.int64)
    cells = places[:, np.newaxis] + CELLS * (mirror, 1)
    x, y = np.clip(cells[..., 0], 0, width - 1), np.clip(cells[..., 1], 0, height - 1)
    across, down = level.across[y, x] * mirror, level.down[y, x]
    strength = np.sqrt(across**2 + down**2).mean(axis=1, keepdims=True) + _FLOOR
    own = level.corners[np.clip(places[:, 1], 0, height - 1), np.clip(places[:, 0], 0, width - 1)]
    parts = [np.log(own + 1e-4)[:, np.newaxis], _AWAY, across / strength, down / strength]
    return np.concatenate(parts, axis=1).astype(np.float32)


def best_place(level: Gradients, weights: np.ndarray, expected: np.ndarray, mirror: int) -> Match:
    """Where a pattern of these weights, float (FEATURES,), fits best around an expected place.

    The scores are those of `pattern_features(...) @ weights`, to within float32's roundings; the cells of all places
    lie on one lattice of two pixels.
    """
    lattice = _lattice(level.corners.shape, np.rint(expected).astype(np.int64), mirror)
    planes = np.empty((2, *_LATTICE_SHAPE), np.float32)
    np.multiply(level.across[lattice], mirror, out=planes[0])
    planes[1] = level.down[lattice]
    strength = _ROWS @ np.sqrt(planes[0] ** 2 + planes[1] ** 2) @ _COLUMNS
    # the cells of every place, as a view: a place is one step of the lattice from the next, a cell two
    plane, row, column = planes.strides
    cells = np.lib.stride_tricks.as_strided(
        planes, (2, *_SHIFT_SHAPE, *_CELL_SHAPE), (plane, row, column, 2 * row, 2 * column), writeable=False
    ).reshape(2, len(SHIFTS), len(CELLS))
    across, down = weights[5:].astype(np.float32).reshape(2, -1)
    scores = (cells[0] @ across + cells[1] @ down) / (strength.ravel() + _FLOOR)
    own = np.log(level.corners[lattice][_OWN].ravel() + 1e-4)
    scores += (weights[0] * own + _AWAY @ weights[1:5]).astype(np.float32)
    best = int(scores.argmax())
    return Match(np.rint(expected + SHIFTS[best] * (mirror, 1)), float(scores[best]))


def _lattice(shape: tuple[int, ...], place: np.ndarray, mirror: int) -> tuple[Any, Any]:
    """An index of the lattice around a place; beyond the image its edge pixels go on."""
    height, width = shape
    x, y = place.tolist()
    if 30 < x < width - 31 and 22 <= y < height - 22:  # slices: a view, not a copy
        return slice(y - 22, y + 23, 2), slice(x - 30, x + 31, 2) if mirror > 0 else slice(x + 30, x - 31, -2)
    return np.ix_(np.clip(y + _LATTICE_Y, 0, height - 1), np.clip(x + _LATTICE_X * mirror, 0, width - 1))


def snapped(level: Gradients, place: np.ndarray, reach: int = _SNAP) -> np.ndarray:
    """The best Shi-Tomasi corner within `reach` pixels of a place."""
    height, width = level.corners.shape
    x = round(min(max(float(place[0]), reach), width - 1 - reach))
    y = round(min(max(float(place[1]), reach), height - 1 - reach))
    row, column = divmod(
        int(level.corners[y - reach : y + reach + 1, x - reach : x + reach + 1].argmax()), 2 * reach + 1
    )
    return np.array([x - reach + column, y - reach + row], np.float64)
