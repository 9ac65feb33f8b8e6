"""From canvases to a network's inputs, on the accelerator: where it looks, how finely, in what light.

What is drawn at random is drawn in a table, a row a sample, so that one canvas serves many looks, and networks of
several input sizes learn from the same.
"""

from __future__ import annotations

import numpy as np
from keras import ops

from edgefer.landmarks.points import MIRROR
from edgefer.train.landmarks.data import CANVAS_PX, LOOK

#: Columns of a look: mirrored or not; the square's edges (left, top, side), parts of the canvas; resolution, parts
#: of the input's side; blur (below 0: sharpened) and its width, pixels; darkest and brightest level and the curve
#: between; slopes of light; noise, and where in NOISE it begins.
LOOKS = (
    "mirror", "left", "top", "side", "fine", "blur", "width", "low", "high", "curve", "slope_x", "slope_y", "noise",
    "start",
)  # fmt: skip
NOISE = np.random.default_rng(0).standard_normal(1 << 20, np.float32)


def looks(rng: np.random.Generator, count: int) -> np.ndarray:
    """Random looks, float32 (count, len(LOOKS))."""

    def some(share: float, drawn: np.ndarray, otherwise: float = 0.0) -> np.ndarray:
        return np.where(rng.random(count) < share, drawn, otherwise)

    side = LOOK * np.exp(np.clip(rng.normal(0, 0.045, count), -0.1, 0.1))
    middle = 0.5 + side[:, None] * np.clip(rng.normal(0, 0.03, (count, 2)), -0.07, 0.07)
    relit, slanted = rng.random(count) < 0.7, rng.random(count) < 0.35
    level = np.where(relit, 1.0, 0.0)
    columns = [
        rng.random(count) < 0.5,
        *(middle - side[:, None] / 2).T,
        side,
        np.where(rng.random(count) < 0.6, 1.0, rng.uniform(0.32, 1.0, count)),
        some(0.5, np.where(rng.random(count) < 0.5, 1.0, rng.uniform(-1.2, -0.2, count))),
        rng.uniform(0.4, 1.4, count),
        level * rng.uniform(0, 80, count),
        255 - level * rng.uniform(0, 145, count),
        np.exp(level * rng.normal(0, 0.4, count)),
        *(slanted * rng.uniform(-100, 100, (2, count))),
        some(0.5, rng.uniform(0.5, 9, count)),
        rng.integers(len(NOISE) - CANVAS_PX**2, size=count),
    ]
    return np.column_stack(columns).astype(np.float32)


def seen_by(looked: np.ndarray, points: np.ndarray, weights: np.ndarray, parts: np.ndarray) -> tuple[np.ndarray, ...]:
    """Points in parts of each look's square, their weights, and the regions.

    Args:
        points: (N, 68, 2), pixels of the canvas. weights: (N, 68). parts: (N, 6), in the order of REGIONS.
    """
    mirror = looked[:, 0] > 0
    place = ((points + 0.5) / CANVAS_PX - looked[:, None, 1:3]) / looked[:, None, 3:4]
    place[mirror] = place[mirror][:, MIRROR] * (-1, 1) + (1, 0)
    weights, parts = weights.copy(), parts.copy()
    weights[mirror] = weights[mirror][:, MIRROR]
    parts[mirror] = parts[mirror][:, [0, 2, 1, 3, 4, 5]]
    return place.astype(np.float32), weights, parts


def developed(canvases, looked, side: int):
    """The inputs, uint8 (N, side, side, 1).

    Args:
        canvases: uint8 (N, CANVAS_PX, CANVAS_PX).
        looked: see LOOKS.
    """
    columns = ops.split(ops.cast(looked, "float32")[:, :, None], len(LOOKS), axis=1)
    mirror, left, top, part, fine, blur, width, low, high, curve, slope_x, slope_y, noise, start = columns
    count = ops.round(fine * side)
    at = ops.arange(side, dtype="float32")[None, :, None]
    inside = ops.cast(at < count, "float32")
    soft = _blur(at, count, blur, width)
    down = [soft @ (inside * _areas(at, count, first, part, turn)) for first, turn in ((top, 0.0), (left, mirror))]
    image = down[0] @ ops.cast(canvases, "float32") @ ops.transpose(down[1], (0, 2, 1))
    image = low + (high - low) * ops.clip(image / 255, 1e-4, 1) ** curve
    x = at / count - 0.5
    image = image + slope_x * ops.transpose(x, (0, 2, 1)) + slope_y * x
    grain = ops.take(NOISE, ops.cast(start, "int32")[:, 0] + ops.arange(side * side)[None], axis=0)
    image = image + noise * ops.reshape(grain, ops.shape(image))
    image = ops.round(ops.clip(image, 0, 255))
    up = _between(at, count, side)
    image = up @ image @ ops.transpose(up, (0, 2, 1))
    return ops.cast(ops.round(image), "uint8")[..., None]


def _areas(at, count, start, part, turn):
    """The mean over each of `count` pixels, of the canvas's: (N, side, CANVAS_PX)."""
    place = turn * (count - 1 - at) + (1 - turn) * at
    first = CANVAS_PX * (start + part * place / count)
    last = first + CANVAS_PX * part / count
    pixel = ops.arange(CANVAS_PX, dtype="float32")[None, None]
    return ops.maximum(ops.minimum(pixel + 1, last) - ops.maximum(pixel, first), 0) / (last - first)


def _blur(at, count, blur, width):
    """A blur along one axis of `count` pixels, or as much of its contrary: (N, side, side)."""
    across = ops.transpose(at, (0, 2, 1))
    bell = ops.exp(-((at - across) ** 2) / (2 * width**2)) * ops.cast(across < count, "float32")
    bell = bell / ops.maximum(ops.sum(bell, axis=2, keepdims=True), 1e-9)  # rows beyond the count are empty
    return ops.cast(ops.equal(at, across), "float32") * (1 - blur) + bell * blur


def _between(at, count, side):
    """From `count` pixels to `side`, between two neighbours in proportion: (N, side, side)."""
    place = ops.clip((at + 0.5) * count / side - 0.5, 0, count - 1)
    return ops.maximum(1 - ops.abs(place - ops.transpose(at, (0, 2, 1))), 0)
