"""Where in a window the gradients look most like a part of a face: the eye's box, and the corners of brows and lips.

A pattern is a linear score of the gradients on a grid of cells, of the Shi-Tomasi score and of how far the place is
from where it is expected. Patterns are those of the left half of a face; on the right half they are mirrored.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
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
_OWN = np.s_[:, :, 6:-6, 8:-8]
#: For each row of places: of the two planes of gradients the rows of its cells, all their columns.
_BANDS = (_SHIFT_SHAPE[0], 2, _CELL_SHAPE[0], _LATTICE_SHAPE[1])
#: What adds up the cells of each row, and of each column, of places; a cell is two steps of the lattice from the next.
_ROWS = np.array([[(row - place) in range(0, 13, 2) for row in range(23)] for place in range(11)], np.float32) / 7
_COLUMNS = (
    np.array([[(column - place) in range(0, 17, 2) for place in range(15)] for column in range(31)], np.float32) / 9
)
_MIRRORS = np.array([(1, 1), (-1, 1)])
_AWAY = np.concatenate([SHIFTS / 8, (SHIFTS / 8) ** 2], axis=1)
#: The Shi-Tomasi score, the distance to the right and down and their squares, then the cells' gradients.
FEATURES = 5 + 2 * len(CELLS)

#: Added to the mean strength of the gradients that they are divided by, so that noise in a flat area stays small.
_FLOOR = 20
#: A corner is the best Shi-Tomasi score so near to the best place, pixels.
_SNAP = 1
_AROUND = np.stack(np.meshgrid(np.arange(-_SNAP, _SNAP + 1), np.arange(-_SNAP, _SNAP + 1)), axis=-1).reshape(-1, 2)


class Matches(NamedTuple):
    """Where each pattern fits best on the left and on the right half, float64 (N, 2, 2), and its scores, (N, 2)."""

    places: np.ndarray
    scores: np.ndarray


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
    across, down = level.planes[0, y, x] * mirror, level.planes[1, y, x]
    strength = np.sqrt(across**2 + down**2).mean(axis=1, keepdims=True) + _FLOOR
    own = level.corners[np.clip(places[:, 1], 0, height - 1), np.clip(places[:, 0], 0, width - 1)]
    parts = [np.log(own + 1e-4)[:, np.newaxis], _AWAY, across / strength, down / strength]
    return np.concatenate(parts, axis=1).astype(np.float32)


def best_places(level: Gradients, weights: Sequence[np.ndarray], expected: np.ndarray) -> Matches:
    """Where patterns fit best around the places they are expected at, each on both halves of the face.

    The scores are those of `pattern_features(...) @ weights`, to within float32's roundings; the cells of all places
    lie on one lattice of two pixels. Together the searches cost little more than one.

    Args:
        level: of the levelled face.
        weights: float64 (FEATURES,), of N patterns.
        expected: float64, shape (N, 2, 2), the left place first, pixels of the levelled face.
    """
    count = len(weights)
    lattices = np.empty((count, 2, 3, *_LATTICE_SHAPE), np.float32)
    for pair, places in zip(lattices, np.rint(expected).astype(np.int64).tolist(), strict=True):
        for lattice, place, mirror in zip(pair, places, (1, -1), strict=True):
            rows, columns = _lattice(level.corners.shape, place, mirror)
            lattice[:] = level.planes[:, rows, columns]
    lattices[:, 1, 0] *= -1
    strength = _ROWS @ np.sqrt(lattices[:, :, 0] ** 2 + lattices[:, :, 1] ** 2) @ _COLUMNS + _FLOOR
    # the rows that the cells of every row of places lie in, as a view: a cell is two rows from the next
    pattern, half, plane, row, column = lattices.strides
    bands = np.lib.stride_tricks.as_strided(
        lattices, (count, 2, *_BANDS), (pattern, half, row, plane, 2 * row, column), writeable=False
    ).reshape(count, 2 * _BANDS[0], -1)
    own = np.log(lattices[:, :, 2][_OWN] + 1e-4)
    scores = np.empty((count, 2, *_SHIFT_SHAPE), np.float32)
    for number, pattern_weights in enumerate(weights):
        spread, away = _spread(pattern_weights.tobytes())
        cells = (bands[number] @ spread)[:, :-1].reshape(2, *_SHIFT_SHAPE)
        scores[number] = cells / strength[number]
        scores[number] += pattern_weights[0] * own[number] + away
    flat = scores.reshape(count, 2, -1)
    best = flat.argmax(axis=2)
    return Matches(np.rint(expected + SHIFTS[best] * _MIRRORS), flat.max(axis=2))


@functools.lru_cache(maxsize=8)
def _spread(weights: bytes) -> tuple[np.ndarray, np.ndarray]:
    """A pattern's weights as the search needs them, of the bytes of an array, float64.

    Returns:
        From the two planes of gradients in the seven rows of a place, 31 columns each, to the scores of its row of
        places: float32, shape (2 * 7 * 31, 16), the last column empty, by which the product takes half the time.
        What is added at each place for its distance: float64 (11, 15).
    """
    numbers = np.frombuffer(weights)
    spread = np.zeros((*_BANDS[1:], _SHIFT_SHAPE[1] + 1), np.float32)
    for place in range(_SHIFT_SHAPE[1]):
        spread[:, :, place : place + 2 * _CELL_SHAPE[1] - 1 : 2, place] = numbers[5:].reshape(2, *_CELL_SHAPE)
    return spread.reshape(-1, _SHIFT_SHAPE[1] + 1), (_AWAY @ numbers[1:5]).reshape(_SHIFT_SHAPE)


def _lattice(shape: tuple[int, ...], place: list[int], mirror: int) -> tuple[Any, Any]:
    """Rows and columns of the lattice around a place; beyond the image its edge pixels go on."""
    height, width = shape
    x, y = place
    if 30 < x < width - 31 and 22 <= y < height - 22:  # slices: a view, not a copy
        return slice(y - 22, y + 23, 2), slice(x - 30, x + 31, 2) if mirror > 0 else slice(x + 30, x - 31, -2)
    rows, columns = np.clip(y + _LATTICE_Y, 0, height - 1), np.clip(x + _LATTICE_X * mirror, 0, width - 1)
    return rows[:, np.newaxis], columns


def snapped(level: Gradients, places: np.ndarray) -> np.ndarray:
    """The best Shi-Tomasi corner within _SNAP pixels of each place: float64, shape (N, 2), of places (N, 2)."""
    height, width = level.corners.shape
    limits = np.array([width, height]) - (1 + _SNAP)
    middles = np.rint(np.minimum(np.maximum(places, _SNAP), limits)).astype(np.int64)
    around = middles[:, np.newaxis] + _AROUND
    best = level.corners[around[..., 1], around[..., 0]].argmax(axis=1)
    return (middles + _AROUND[best]).astype(np.float64)
