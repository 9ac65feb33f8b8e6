"""The numbers of the classic chain that were fitted: weights of patterns, and what the ends of an edge tell.

`python -m edgefer.train.geometry chain` makes the file from a set of photographs; no expression is known to it.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np

FILE = Path(__file__).with_name("fitted.npz")


class Fitted(NamedTuple):
    """All of them, float64; places in parts of the distance of the eyes, of the left half of the face.

    Attributes:
        pair: weights of eyes.pair_features.
        eye, brow_outer, brow_inner, lip: weights of patterns.pattern_features.
        outer, inner, corner: from (1, ends of the edge) to where the corner is expected, shape (6, 2).
        above, below: from (1, three heights of the edge) to the height of F12 and of F18, shape (4,).
        eye_corners: offsets of F1 to F4 from the eye's centre, shape (4, 2).
        settle: for each search, from the 36 coordinates and 1 to what each is moved by, shape (2, 37, 36).
    """

    pair: np.ndarray
    eye: np.ndarray
    brow_outer: np.ndarray
    brow_inner: np.ndarray
    lip: np.ndarray
    outer: np.ndarray
    inner: np.ndarray
    corner: np.ndarray
    above: np.ndarray
    below: np.ndarray
    eye_corners: np.ndarray
    settle: np.ndarray


@functools.cache
def fitted() -> Fitted:
    """The numbers that ship with the package."""
    with np.load(FILE, allow_pickle=False) as archive:
        return Fitted(**{name: archive[name].astype(np.float64) for name in Fitted._fields})
