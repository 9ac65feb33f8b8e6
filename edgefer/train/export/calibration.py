"""The temperature of a network's scores, and the calibration error that it leaves."""

from __future__ import annotations

import numpy as np

from edgefer.labels import softmax
from edgefer.measure import statistics

TEMPERATURES = np.arange(0.25, 4, 0.01).round(2)
ECE_RULE = (
    f"top class, {statistics.BINS} bins of equal width; each half of the rows (every second one) is judged "
    "with the temperature fitted on the other half"
)


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The temperature, to a hundredth, that minimises NLL.

    It is fitted to the class and not to the distribution of the votes, so that a score says how often the
    label is right. What voters disagree about is more than what the network doubts: fitted to the votes, the
    scores of ferplus-sobel were too low by 4.8 points.

    Args:
        logits: float, shape (N, classes). truth: int, shape (N,).

    Reference: Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """
    logits = logits.astype(np.float64)
    return float(min(TEMPERATURES, key=lambda t: statistics.calibration(softmax(logits, 1 / t), truth).nll))


def cross_fitted_ece(logits: np.ndarray, truth: np.ndarray) -> float:
    """ECE_RULE: no row is judged with a temperature that it had a part in. Percent."""
    scores = np.empty(logits.shape)
    for half in (0, 1):
        temperature = fit_temperature(logits[1 - half :: 2], truth[1 - half :: 2])
        scores[half::2] = softmax(logits[half::2], 1 / temperature)
    return statistics.calibration(scores, truth).ece
