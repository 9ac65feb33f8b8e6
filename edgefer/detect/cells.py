"""What the cells of our own detector's grids say: squares that see a face, and which of them mean the same one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

#: Overlap from which cells say the same face well enough to be averaged.
AGREEING = 0.6


class Grid(NamedTuple):
    """One of the network's grids of cells: where its tensors are and how their levels are read.

    Attributes:
        stride, columns: pixels of the view a cell, and cells a row.
        tensors: index of the logits, the squares and the points.
        keep, faint: levels of a logit from which a cell is looked at.
        scores, sides: of each level from -128 to 127 what it means: a score, a side in pixels of the view.
        scales, zeros: of the squares and of the points: pixels = (level - zero) * scale.
    """

    stride: int
    columns: int
    tensors: tuple[int, ...]
    keep: int
    faint: int
    scores: list[float]
    sides: list[float]
    scales: tuple[float, ...]
    zeros: tuple[int, ...]


class Cell(NamedTuple):
    """What a cell says that sees a face: its score, its square in pixels of the view; and its place in which grid."""

    score: float
    x: float
    y: float
    side: float
    grid: int
    place: int


def sigmoid(logit):
    return 1 / (1 + np.exp(-logit))


def logit(score: float) -> float:
    """Of a score, or of the nearest one from 0.01 to 0.999."""
    score = min(max(score, 0.01), 0.999)
    return math.log(score / (1 - score))


def alike(cells: list[Cell], same: float) -> Iterator[list[Cell]]:
    """Of each face the cells that say it like the best one, best first.

    Args:
        cells: best first. same: overlap with the best one from which another means the same face.
    """
    while cells:
        best, agreeing, others = cells[0], [cells[0]], []
        for cell in cells[1:]:
            side, reach = min(cell.side, best.side), (cell.side + best.side) / 2
            wide, tall = min(side, reach - abs(cell.x - best.x)), min(side, reach - abs(cell.y - best.y))
            common = wide * tall if wide > 0 and tall > 0 else 0.0
            overlap = common / (cell.side * cell.side + best.side * best.side - common)
            if overlap > AGREEING:
                agreeing.append(cell)
            elif overlap <= same:
                others.append(cell)
        yield agreeing
        cells = others


def mean_square(cells: list[Cell]) -> tuple[float, float, float]:
    """Centre and side of the mean of some squares, by their scores."""
    total = x = y = side = 0.0
    for cell in cells:
        total += cell.score
        x += cell.score * cell.x
        y += cell.score * cell.y
        side += cell.score * cell.side
    return x / total, y / total, side / total
