"""Two codes timed side by side: round by round in turn, so that a noisy moment meets both alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

ROUNDS = 41
#: Each code runs this long in a round, so that the clock's own cost does not count.
SAMPLE_NS = 1_000_000


@dataclass(frozen=True)
class Pair:
    """Nanoseconds a call, the medians over the rounds, and the spread of the ratio peer / ours.

    Attributes:
        low, ratio, high: lower quartile, median and upper quartile of the rounds' ratios.
    """

    ours_ns: float
    peer_ns: float
    low: float
    ratio: float
    high: float


def _calls(run: Callable) -> int:
    """How often `run` fits into a sample, once it is warm."""
    count = 1
    while True:
        began = time.perf_counter_ns()
        for _ in range(count):
            run()
        taken = time.perf_counter_ns() - began
        if taken >= SAMPLE_NS / 4:
            return max(1, round(count * SAMPLE_NS / taken))
        count *= 4


def _sample(run: Callable, count: int) -> float:
    began = time.perf_counter_ns()
    for _ in range(count):
        run()
    return (time.perf_counter_ns() - began) / count


def paired(ours: Callable, peer: Callable, rounds: int = ROUNDS) -> Pair:
    """Times two functions of no arguments in turn, each first in every other round."""
    count_ours, count_peer = _calls(ours), _calls(peer)
    samples = np.empty((rounds, 2))
    for i in range(rounds):
        if i % 2:
            samples[i, 1] = _sample(peer, count_peer)
            samples[i, 0] = _sample(ours, count_ours)
        else:
            samples[i, 0] = _sample(ours, count_ours)
            samples[i, 1] = _sample(peer, count_peer)
    low, ratio, high = np.percentile(samples[:, 1] / samples[:, 0], [25, 50, 75])
    ours_ns, peer_ns = np.median(samples, axis=0)
    return Pair(float(ours_ns), float(peer_ns), float(low), float(ratio), float(high))
