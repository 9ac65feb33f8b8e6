"""Boosted cascades."""

from __future__ import annotations

import numpy as np


def _stages_passed(image: np.ndarray, model: dict) -> np.ndarray:
    """How many stages the window at each place passes; -1 without enough contrast."""
    width, height = model["width"], model["height"]
    down, across = image.shape[0] - height + 1, image.shape[1] - width + 1

    def inside(values: np.ndarray, rectangle) -> np.ndarray:
        """Sums over a rectangle of every window."""
        total = np.pad(values.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        left, top, right, bottom = (int(side) for side in rectangle)

        def corner(y: int, x: int) -> np.ndarray:
            return total[y : y + down, x : x + across]

        return corner(bottom, right) - corner(bottom, left) - corner(top, right) + corner(top, left)

    area = (width - 2) * (height - 2)
    inner = (1, 1, width - 1, height - 1)
    spread = (area * inside(image * image, inner) - inside(image, inner) ** 2).astype(np.float64)
    reciprocal = (1.0 / np.sqrt(np.where(spread > 0, spread, 1))).astype(np.float32)
    judged = (spread > 0) & (area * reciprocal.astype(np.float64) < 0.1)

    def below(tree: int, node: int) -> np.ndarray:
        value = np.zeros((down, across), np.float32)
        for rectangle, weight in zip(model["rectangles"][tree, node], model["weights"][tree, node], strict=True):
            value += weight * inside(image, rectangle).astype(np.float32)
        return value * reciprocal < model["thresholds"][tree, node]

    passed, standing, tree = np.where(judged, 0, -1), judged, 0
    for count, threshold in zip(model["stages"], model["stage_thresholds"], strict=True):
        total = np.zeros((down, across))
        for index in range(tree, tree + count):
            total += model["leaves"][index][2 * (~below(index, 0)).astype(int) + ~below(index, 1)].astype(np.float64)
        standing = standing & ~(total < threshold)
        passed = passed + standing
        tree += count
    return passed


def cascade(image: np.ndarray, model: dict, step: int = 1) -> np.ndarray:
    """Viola and Jones 2001, with OpenCV's skipping; model holds the arguments of kernels.Cascade."""
    passed = _stages_passed(image.astype(np.int64), model)
    found = []
    for y in range(0, passed.shape[0], step):
        x = 0
        while x < passed.shape[1]:
            if passed[y, x] == len(model["stages"]):
                found.append((x, y))
            x += 2 * step if passed[y, x] == 0 else step
    return np.array(found, np.int32).reshape(-1, 2)
