"""What ten voters of FER+ tell of the one class that FER-2013 gives a picture.

The class is one person's judgement. Of pictures with like votes it tells how often they were given each class, and that
is a quieter target than a single judgement: it is known of train alone, and a network that learns from it needs no
votes later.

Reference: Lopez-Paz et al., Unifying distillation and privileged information, ICLR 2016, section 4: a first model
learns from what is known in training alone, the second from its soft labels. Here both are one target.
"""

from __future__ import annotations

import numpy as np

from edgefer.errors import UsageError
from edgefer.labels import softmax
from edgefer.measure.datasets import Dataset

ROUNDS = 500
DECAY = 1e-4  # of the squared weights, so that what no row shows stays at nothing


def with_votes(wanted: np.ndarray, train: Dataset, share: float) -> np.ndarray:
    """Targets of which a share is what the votes tell.

    Args:
        wanted: float32, shape (N, classes).

    Raises:
        UsageError: the rows have no votes beside their classes.
    """
    if train.votes is None:
        raise UsageError(f"voted: {train.source} has no votes of FER+ beside the classes of {train.labels}")
    return (1 - share) * wanted + share * said_by_votes(train.votes, train.truth, wanted.shape[1])


def said_by_votes(votes: np.ndarray, truth: np.ndarray, classes: int) -> np.ndarray:
    """Chance of each class, given the votes: a multinomial logistic regression on these very rows.

    Args:
        votes: int, shape (N, columns). truth: int, shape (N,).

    Returns:
        float32, shape (N, classes), rows sum to one.
    """
    given = told_by(votes)
    return softmax(given @ regression(given, truth, classes)).astype(np.float32)


def told_by(votes: np.ndarray) -> np.ndarray:
    """What such a regression is given: float64, shape (N, 1 + 3 * columns), the first all ones."""
    votes = votes.astype(np.float64)
    share = votes / np.maximum(votes.sum(axis=1, keepdims=True), 1)
    return np.hstack([np.ones((len(votes), 1)), share, share**2, np.log(votes + 0.5)])


def regression(given: np.ndarray, truth: np.ndarray, classes: int) -> np.ndarray:
    """Weights of a multinomial logistic regression: float64, shape (inputs, classes).

    Args:
        given: float64, shape (N, inputs). truth: int, shape (N,).
    """
    wanted = np.eye(classes)[truth]
    # Nesterov's accelerated descent; half the largest curvature of the inputs bounds that of the loss
    rate = 1 / (np.linalg.eigvalsh(given.T @ given / len(given))[-1] / 2 + DECAY)
    weights = ahead = np.zeros((given.shape[1], classes))
    for number in range(ROUNDS):
        slope = given.T @ (softmax(given @ ahead) - wanted) / len(given) + DECAY * ahead
        before, weights = weights, ahead - rate * slope
        ahead = weights + number / (number + 3) * (weights - before)
    return weights
