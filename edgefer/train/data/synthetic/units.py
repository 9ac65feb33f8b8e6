"""Action units as movements of the 68 points, and the expressions that are made of them.

Amplitudes are those of full intensity, in percent of the distance of the outer corners of the eyes, the face
upright; a lower intensity moves the points in proportion. They follow the literature where it gives figures: AU12
moves the corner of the mouth 2.9 % out and up, AU1 the inner brow 3.6 % up, AU4 the brow 3.3 % down, AU26 the chin
12 % down. The others are set by eye against these. Which units make an expression: EMFACS, by Ekman and Friesen.

A warp moves skin. What else an action unit shows is in `FOLDS`: lines that darken with its intensity.
"""

from __future__ import annotations

import numpy as np

from edgefer.labels import FERPLUS8
from edgefer.landmarks.points import MIRROR

#: Action units that the faces move by, in the order of every array of intensities.
UNITS = (1, 2, 4, 5, 6, 7, 9, 12, 15, 17, 20, 23, 25, 26, 43)
#: FACS codes A to E as 1 to 5.
FULL = 5.0

#: Units of each expression, each with its share of the expression's strength. A jaw that drops parts the lips.
EXPRESSIONS: dict[str, dict[int, float]] = {
    "neutral": {},
    "happiness": {6: 0.8, 12: 1.0},
    "surprise": {1: 1.0, 2: 1.0, 5: 0.8, 25: 0.8, 26: 0.8},
    "sadness": {1: 1.0, 4: 0.7, 15: 0.9},
    "anger": {4: 1.0, 5: 0.6, 7: 0.8, 23: 0.9},
    "disgust": {9: 1.0, 15: 0.6, 17: 0.7},
    "fear": {1: 0.9, 2: 0.6, 4: 0.7, 5: 0.9, 7: 0.4, 20: 1.0, 25: 0.7, 26: 0.5},
}
#: Expressions of one side of a face, as FACS's L12 and R12: one corner of the mouth tightens and rises.
UNILATERAL: dict[str, dict[int, float]] = {"contempt": {12: 1.0}}

#: Points beyond iBUG's 68 that carry the skin between them, by name: the means of some points, and a step from it
#: (out, down) in eye distances. For the person's right; the left is their mirror.
_BETWEEN: dict[str, tuple[tuple[int, ...], tuple[float, float]]] = {
    "below_eye": ((40, 41), (0.02, 0.11)),
    "cheek": ((41, 48), (0.05, -0.03)),
    "fold": ((31, 48), (0.03, 0.0)),
    "side": ((3, 48), (0.0, 0.0)),
    "above_brow": ((18, 19, 20), (0.0, -0.20)),
    "outer_brow": ((18, 19), (0.0, 0.06)),
    "inner_brow": ((20, 21), (0.0, 0.06)),
    "glabella": ((21, 27), (-0.04, 0.02)),
    "chin": ((58, 7), (0.0, 0.03)),
}
NAMES = tuple(_BETWEEN)
#: All points that move: 68, then `_BETWEEN` on the right, then on the left.
POINTS = 68 + 2 * len(NAMES)

#: Right side of the person, the viewer's left: unit to points with their step (out, down), percent.
_STEPS: dict[int, list[tuple[tuple[int | str, ...], float, float]]] = {
    1: [((20, 21), 0, -3.6), ((19,), 0, -1.8), ((18,), 0, -0.5), (("above_brow",), 0, -1.2), (("glabella",), 0, -1.2),
        (("inner_brow",), 0, -3.3), (("outer_brow",), 0, -0.9)],
    2: [((18,), 0, -3.6), ((17,), 0.2, -2.8), ((19,), 0, -2.7), ((20,), 0, -0.9), (("above_brow",), 0, -1.6),
        (("outer_brow",), 0, -2.9), (("inner_brow",), 0, -0.3)],
    4: [((20, 21), -1.0, 3.3), ((19,), -0.7, 2.6), ((18,), -0.4, 1.7), ((17,), 0, 0.9), (("above_brow",), -0.2, 0.9),
        (("glabella",), -0.6, 1.6),
        (("inner_brow",), -1.0, 3.0), (("outer_brow",), -0.5, 1.9)],
    5: [((37, 38), 0, -2.0)],
    6: [(("below_eye",), 0, -1.6), (("cheek",), 0.2, -2.2), ((40, 41), 0, -0.9), ((36,), 0.2, 0.2), ((17,), 0, 0.7),
        (("fold",), 0.3, -0.8)],
    7: [((40, 41), 0, -1.4), ((37, 38), 0, 0.8), (("below_eye",), 0, -0.5)],
    9: [((31, 32), 0.3, -1.7), ((33,), 0, -1.0), ((30,), 0, -0.7), ((49, 50), 0, -1.1), ((51, 61, 62), 0, -0.7),
        (("fold",), 0.2, -1.5), (("below_eye",), -0.3, -0.7), ((21,), -0.4, 1.4), ((20,), -0.2, 1.0),
        (("inner_brow",), -0.3, 1.1),        (("glabella",), -0.4, 1.3), ((28,), 0, -0.3)],
    12: [((48, 60), 2.05, -2.05), ((49, 59), 1.2, -0.9), ((61, 67), 0.9, -0.5), ((50, 58), 0.5, -0.1),
         (("fold",), 1.0, -1.2), (("cheek",), 0.4, -1.0), (("side",), 0.7, -0.8)],
    15: [((48, 60), 0.5, 2.6), ((49, 59), 0.2, 1.2), ((61, 67), 0, 0.3), (("side",), 0.1, 0.8), (("fold",), 0, 0.6)],
    17: [((58, 57), 0, -1.6), ((59,), 0, -1.0), ((66, 67), 0, -1.3), ((51, 62), 0, -0.5), ((50, 61), 0, -0.4),
         (("chin",), 0, -2.2), ((7, 8), 0, -0.9), ((48, 60), 0, 0.3)],
    20: [((48, 60), 2.8, 0.5), ((49, 59), 1.7, 0.2), ((61, 67), 1.2, 0), ((50, 58), 0.7, 0), (("side",), 1.2, 0.3)],
    23: [((49, 50, 51), 0.0, 0.9), ((59, 58, 57), 0, -1.0), ((48, 60), -0.9, 0), ((61, 62), -0.2, 0.1),
         ((66, 67), -0.2, -0.1)],
    25: [((66, 67), 0, 2.2), ((57, 58), 0, 2.0), ((59,), 0, 1.1), ((62, 61), 0, -0.7), ((50, 51), 0, -0.6),
         (("chin",), 0, 0.6)],
    26: [((8, 7), 0, 12.0), ((6,), -0.2, 10.6), ((5,), -0.5, 7.6), ((4,), -0.7, 4.6), ((3,), -0.6, 2.2),
         (("chin",), 0, 11.2), ((57, 58), 0, 10.0), ((59,), -0.2, 7.6), ((66,), 0, 9.6), ((67,), -0.2, 8.6),
         ((48, 60), -0.9, 3.6), ((49,), -0.5, 0.9), (("side",), -0.4, 3.0), (("fold",), -0.2, 0.7)],
}  # fmt: skip

#: Lines that darken: unit to lines, each of points of the right side with a step (out, down) in eye distances, and how
#: much darker the line is at full intensity.
FOLDS: dict[int, list[tuple[float, list[tuple[int, float, float]]]]] = {
    1: [(0.10, [(21, -0.1, -0.14), (20, 0, -0.15), (19, 0, -0.12)])],
    2: [(0.08, [(20, 0, -0.22), (18, 0, -0.17), (17, 0, -0.10)])],
    4: [(0.22, [(21, -0.09, -0.10), (21, -0.06, 0.02), (27, 0.05, 0.03)])],
    6: [(0.16, [(36, 0.05, -0.03), (36, 0.15, -0.06)]), (0.16, [(36, 0.05, 0.03), (36, 0.15, 0.06)]),
        (0.12, [(36, 0.02, 0.07), (41, 0.02, 0.07), (40, 0, 0.06)])],
    7: [(0.14, [(36, 0, 0.05), (41, 0, 0.05), (40, 0, 0.04)])],
    9: [(0.13, [(27, 0.02, 0.0), (27, 0.06, 0.04)]), (0.13, [(28, 0.03, -0.06), (28, 0.08, -0.01)]),
        (0.16, [(31, 0.05, -0.06), (31, 0.11, 0.03), (31, 0.14, 0.12)])],
    12: [(0.20, [(31, 0.05, -0.02), (31, 0.13, 0.10), (48, 0.09, -0.06), (48, 0.09, 0.03)])],
    15: [(0.18, [(48, 0.02, 0.02), (48, 0.06, 0.10)])],
    17: [(0.20, [(58, 0.05, 0.07), (57, 0, 0.05), (57, -0.05, 0.06)])],
    20: [(0.14, [(48, 0.06, -0.06), (48, 0.08, 0.05)])],
    23: [(0.14, [(49, 0.02, -0.03), (50, 0, -0.03)]), (0.14, [(59, 0, 0.04), (57, 0, 0.04)])],
}  # fmt: skip

#: How far the lids close at full intensity of AU43: shares of the eye's opening, of the upper and of the lower lid.
CLOSE_UPPER, CLOSE_LOWER = 0.86, 0.14
#: Upper and lower points that meet: lids, and the inner edge of the lips.
LIDS = ((37, 41), (38, 40), (43, 47), (44, 46))
LIPS = ((61, 67), (62, 66), (63, 65))


def _index(point: int | str) -> tuple[int, int]:
    """Rows of a point of the right side, and of its mirror."""
    if isinstance(point, str):
        row = 68 + NAMES.index(point)
        return row, row + len(NAMES)
    return point, int(MIRROR[point])


def _moves() -> np.ndarray:
    """Float64 (units, 2 sides, POINTS, 2): steps in eye distances, x to the viewer's right; right side first."""
    moves = np.zeros((len(UNITS), 2, POINTS, 2))
    for unit, steps in _STEPS.items():
        row = UNITS.index(unit)
        for points, out, down in steps:
            for point in points:
                right, left = _index(point)
                # a point in the middle goes where both sides pull it
                share = 0.5 if right == left else 1.0
                moves[row, 0, right] += np.array([-out, down]) * share / 100
                moves[row, 1, left] += np.array([out, down]) * share / 100
    return moves


MOVES = _moves()


def extended(points: np.ndarray, size: float) -> np.ndarray:
    """The 68 points of an upright face and those between, (POINTS, 2); size: the eye distance in their pixels."""
    steps = [(sign * out, down) for sign in (-1, 1) for _, (out, down) in _BETWEEN.values()]
    whole: np.ndarray = between(points)
    whole[68:] += np.array(steps) * size
    return whole


def between(values: np.ndarray) -> np.ndarray:
    """What belongs to 68 points, (68, ...), and to those between them the means of their own, (POINTS, ...)."""
    means = [
        values[mirror[list(own)]].mean(axis=0) for mirror in (np.arange(68), MIRROR) for own, _ in _BETWEEN.values()
    ]
    return np.concatenate([values, means]).astype(np.float64)


def moved(points: np.ndarray, size: float, strength: np.ndarray) -> np.ndarray:
    """Where the points of an upright face go, float64 (POINTS, 2), in the pixels of `points`.

    Args:
        points: of `extended`. size: the eye distance in their pixels.
        strength: (units, 2), intensities of both sides, in parts of full intensity.
    """
    steps = np.tensordot(strength, MOVES, axes=2) * size
    closed = strength[UNITS.index(43)]
    for (upper, lower), share in zip(LIDS, closed[[0, 0, 1, 1]], strict=True):
        opening = points[lower] - points[upper]
        steps[upper] += CLOSE_UPPER * share * opening
        steps[lower] -= CLOSE_LOWER * share * opening
    at: np.ndarray = points + steps
    for upper, lower in (*LIDS, *LIPS):
        gap = at[lower, 1] - at[upper, 1]
        if gap < 0:  # they meet, they do not pass each other
            at[upper, 1] += gap / 2
            at[lower, 1] -= gap / 2
    return at


def combination(expression: str, strength: float = FULL) -> np.ndarray:
    """Intensities of an expression's units, float64 (units,), 0 to 5; strength: of its strongest unit."""
    shares = EXPRESSIONS[expression]
    return np.array([shares.get(unit, 0.0) for unit in UNITS]) * strength


def expression_index(expression: str) -> int:
    """Place of an expression in FERPLUS8."""
    return FERPLUS8.index(expression)
