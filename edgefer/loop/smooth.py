"""Scores over time: smoothed for each face, with a stated lag."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np


class Smoother:
    """Exponential smoothing of scores per track, in media time.

    Args:
        lag_ms: time constant, 0 or more: after a step of the input the output has gone 1 - 1/e, 63 %, of the
            way when lag_ms have passed, however many frames came in between. 0 leaves the scores as they are.
    """

    def __init__(self, lag_ms: float):
        if not 0 <= lag_ms < math.inf:
            raise ValueError(f"Smoother: lag_ms must be 0 or more, got {lag_ms}")
        self.lag_ms = lag_ms
        self._state: dict[int, tuple[int, np.ndarray]] = {}

    def update(self, track: int, scores: np.ndarray, media_ns: int) -> np.ndarray:
        """The smoothed scores of a track after one more frame.

        Args:
            track: identity of the face.
            scores: float, shape (n,), of this frame.
            media_ns: time of this frame.

        Returns:
            float32, shape (n,); a weighted mean of the scores so far, so it sums to one when they do.
        """
        scores = np.asarray(scores, dtype=np.float32)
        before = self._state.get(track)
        if before is None or before[1].shape != scores.shape or media_ns < before[0] or self.lag_ms == 0:
            smoothed = scores.copy()
        else:
            weight = -math.expm1(-(media_ns - before[0]) / 1e6 / self.lag_ms)
            smoothed = before[1] + np.float32(weight) * (scores - before[1])
        self._state[track] = (media_ns, smoothed)
        return smoothed.copy()

    def forget(self, tracks: Iterable[int]) -> None:
        """Drops the memory of tracks that will not come back."""
        for track in tracks:
            self._state.pop(track, None)
