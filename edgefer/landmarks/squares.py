"""Where the landmark network looks: the square round a face's points. Training and runtime share it.

Arithmetic on points alone, so that it costs nothing to import.
"""

from __future__ import annotations

import math

import numpy as np

from edgefer.geometry import Box

#: Side of the square, in parts of the points' root mean square distance from their mean. Mean and distance do not
#: change with the head's roll, and move little with a single bad point. A frontal face's points span 0.87 of the side.
SIDE = 3.1


def around_points(points: np.ndarray) -> Box:
    """The square to look at for a face whose points are known.

    Args:
        points: float, shape (68, 2), pixels, the first pixel's centre (0, 0).
    """
    points = np.asarray(points, np.float64)
    x, y = (points.sum(axis=0) / len(points)).tolist()
    half = 0.5 * SIDE * math.sqrt(max(0.0, float(np.vdot(points, points)) / len(points) - x * x - y * y))
    x, y = x + 0.5, y + 0.5  # a box counts from the first pixel's edge
    return Box(x - half, y - half, x + half, y + half)
