"""Scores of logits."""

from __future__ import annotations

import numpy as np


def softmax(logits: np.ndarray, factor: float | np.floating = 1.0) -> np.ndarray:
    """Scores over the last axis of the logits times a factor, which is one over the temperature.

    Returns:
        Of the logits' type and shape, each in [0, 1], summing to one.
    """
    # taking off the largest leaves the scores as they are and keeps the exponential from overflowing
    weights = np.exp((logits - logits.max(axis=-1, keepdims=True)) * factor)
    return weights / weights.sum(axis=-1, keepdims=True)
