"""Brows and the upper lip: horizontal Sobel edges, Otsu's threshold, and the component that fits best.

Khan, section VI.C. All of it happens in the levelled face, in windows above the eyes and below the nose.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgefer.preprocess.points.eyes import Window
from edgefer.preprocess.points.face import EYES_PX, LEVEL_PX


class Strip(NamedTuple):
    """Where a part is searched, in parts of the distance of the eyes, and what its edge is like.

    Attributes:
        left, right, top, bottom: the window, from the eye's centre or the nose; of the left half of the face.
        middle, spread: usual height of the edge there, and how far it strays.
        least_px: components of fewer pixels are noise (the paper's area filter).
    """

    left: float
    right: float
    top: float
    bottom: float
    middle: float
    spread: float
    least_px: int


BROW = Strip(-0.66, 0.48, -0.58, -0.14, -0.3, 0.1, 12)
LIP = Strip(-0.8, 0.8, 0.2, 0.85, 0.42, 0.1, 15)
#: The ends of a component count as far as a part of a face reaches: beyond is hair, a cheek's fold or a beard.
_BROW_ENDS = ((-0.655, -0.255), (0.109, 0.509))
_LIP_ENDS = ((-0.75, -0.1), (0.1, 0.75))
#: An edge of a lip lies below the nose, so far aside at most, one deviation.
_LIP_ASIDE = 0.2
_LIP_GAP = 0.1


class Component(NamedTuple):
    """A connected edge.

    Attributes:
        window: where it was searched.
        binary: uint8, the window's edges above Otsu's threshold.
        xs, ys: its pixels, in the levelled face.
        ends: float64, shape (3, 2): left end, right end, and where it passes the middle.
    """

    window: Window
    binary: np.ndarray
    xs: np.ndarray
    ys: np.ndarray
    ends: np.ndarray


def window_of(strip: Strip, origin: np.ndarray, mirror: int) -> Window:
    """The window of a strip about a point of the levelled face."""
    x, y = origin.tolist()
    left, right = sorted((x + mirror * strip.left * EYES_PX, x + mirror * strip.right * EYES_PX))
    top, bottom = y + strip.top * EYES_PX, y + strip.bottom * EYES_PX
    width, height = LEVEL_PX
    x0, x1 = (round(min(max(edge, 0), width)) for edge in (left, right))
    y0, y1 = (round(min(max(edge, 0), height)) for edge in (top, bottom))
    return Window(x0, y0, x1, y1)


def brow(edges: np.ndarray, eye: np.ndarray, mirror: int) -> Component | None:
    """The upper edge of the brow above an eye; None where no edge is large enough.

    Args:
        edges: Gradients.edges.
        eye: its centre, pixels of the levelled face.
        mirror: 1 for the left eye, -1 for the right.
    """
    limits = _BROW_ENDS if mirror > 0 else tuple((-high, -low) for low, high in reversed(_BROW_ENDS))
    return _component(edges, BROW, eye, mirror, limits, width_counts=0.5)


def upper_lip(edges: np.ndarray, nose: np.ndarray) -> Component | None:
    """The upper lip's edge below the nose; None where no edge is large enough."""
    return _component(edges, LIP, nose, 1, _LIP_ENDS, width_counts=1.0)


def _component(
    edges: np.ndarray,
    strip: Strip,
    origin: np.ndarray,
    mirror: int,
    limits: tuple[tuple[float, float], ...],
    width_counts: float,
) -> Component | None:
    """The largest component of a strip's edges, of those at the usual height.

    The area decides, in orders of magnitude; against it counts how far the edge is from its usual height, so that a
    row of teeth does not pass for a lip nor a fold of the forehead for a brow.
    """
    import cv2

    window = window_of(strip, origin, mirror)
    roi = np.ascontiguousarray(window.of(edges))
    if min(roi.shape) < 3:
        return None
    _, binary = cv2.threshold(roi, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    _, labels, table, centres = cv2.connectedComponentsWithStats(binary, connectivity=8)
    sizes = table[1:, cv2.CC_STAT_AREA]
    scores = np.log(sizes) + width_counts * np.log(table[1:, cv2.CC_STAT_WIDTH])
    best, chosen = -np.inf, None
    for label in 1 + np.flatnonzero(sizes >= strip.least_px):
        score = scores[label - 1]
        if score <= best:  # the height can only count against it
            continue
        left, top, width, height, _ = table[label].tolist()
        ys, xs = np.nonzero(labels[top : top + height, left : left + width] == label)
        xs, ys = xs + (window.x0 + left), ys + (window.y0 + top)
        if strip is LIP:
            away = np.abs(xs - origin[0])
            nearest = away.min()
            row = ys[away <= nearest + 2].mean()
            aside = (centres[label][0] + window.x0 - origin[0]) / EYES_PX
            score -= (aside / _LIP_ASIDE) ** 2 / 2 + (nearest / EYES_PX / _LIP_GAP) ** 2 / 2
        else:
            row = ys.mean()
        score -= (((row - origin[1]) / EYES_PX - strip.middle) / strip.spread) ** 2 / 2
        if score > best:
            best, chosen = score, (xs, ys)
    if chosen is None:
        return None
    return Component(window, binary, *chosen, _ends(*chosen, origin, limits))


def _ends(xs: np.ndarray, ys: np.ndarray, origin: np.ndarray, limits: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Left end, right end and middle of a component; the ends within the limits of a part, from its origin."""
    x = float(origin[0])
    (left_least, left_most), (right_least, right_most) = (
        tuple(x + limit * EYES_PX for limit in pair) for pair in limits
    )
    left = min(max(int(xs.min()), left_least), left_most)
    right = min(max(int(xs.max()), right_least), right_most)
    at = np.array([left, right, x])
    away = np.abs(np.subtract.outer(at, xs))
    near = away <= away.min(axis=1, keepdims=True) + 1.5
    return np.column_stack([at, (near * ys).sum(axis=1) / near.sum(axis=1)])
