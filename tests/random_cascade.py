"""Cascades of random features that accept some windows of a random image and refuse others, at any stage."""

from __future__ import annotations

import numpy as np


def random_cascade(width: int = 20, height: int = 20, stages=(4, 5, 6), nodes: int = 2, seed: int = 0) -> dict:
    """The arguments of kernels.Cascade."""
    rng = np.random.default_rng([seed, width, height, nodes])
    trees = sum(stages)
    x = np.sort(rng.integers(0, width + 1, (trees, 2, 3, 2)), axis=-1)
    y = np.sort(rng.integers(0, height + 1, (trees, 2, 3, 2)), axis=-1)
    # differences of mean brightness, in shares of the contrast; every other node has two rectangles only
    areas = np.maximum(1, (x[..., 1] - x[..., 0]) * (y[..., 1] - y[..., 0]))
    weights = np.repeat([[[-2, 1, 1]], [[-1, 1, 0]]], trees, axis=0)[:trees] * width * height / areas
    # for and against, on either side of each node
    leaves = abs(rng.normal(0, 1, (trees, 4))) * rng.permuted(np.tile([1, -1, 1, -1], (trees, 1)), axis=1)
    if nodes == 1:
        leaves = np.repeat(leaves[:, ::2], 2, axis=1)
    return {
        "width": width,
        "height": height,
        "rectangles": np.stack([x[..., 0], y[..., 0], x[..., 1], y[..., 1]], axis=-1).astype(np.int8),
        "weights": weights.astype(np.float32),
        "thresholds": rng.normal(0, 0.3, (trees, 2)).astype(np.float32),
        "leaves": leaves.astype(np.float32),
        "stages": np.array(stages, np.int32),
        "stage_thresholds": np.full(len(stages), -0.5, np.float32),
    }
