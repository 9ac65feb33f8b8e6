"""Running statistics of the loop: latency percentiles by stage, identities seen, and frames per second."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np


class Spread(NamedTuple):
    """Percentiles of the values in a window, in the values' own unit."""

    p50: float
    p95: float
    p99: float


class Window:
    """The last `size` values of one measurement."""

    def __init__(self, size: int = 300) -> None:
        """Args: size: values kept, at least 1. Raises ValueError when it is less."""
        if size < 1:
            raise ValueError(f"Window: size must be at least 1, got {size}")
        self._values: deque[float] = deque(maxlen=size)

    def __len__(self) -> int:
        return len(self._values)

    def add(self, value: float) -> None:
        self._values.append(float(value))

    def spread(self) -> Spread:
        """p50, p95 and p99 by linear interpolation between ranks; all 0 while the window is empty."""
        if not self._values:
            return Spread(0.0, 0.0, 0.0)
        return Spread(*np.percentile(np.fromiter(self._values, float), (50, 95, 99)).tolist())


class StageClock:
    """A window for each stage, in the order in which the stages were first seen."""

    def __init__(self, size: int = 300) -> None:
        self._size = size
        self._windows: dict[str, Window] = {}

    def add(self, latency_ms: Mapping[str, float]) -> None:
        """Takes the stages of one frame, ms."""
        for stage, value in latency_ms.items():
            window = self._windows.get(stage)
            if window is None:
                window = self._windows[stage] = Window(self._size)
            window.add(value)

    def spread(self) -> dict[str, Spread]:
        """Percentiles by stage, ms."""
        return {stage: window.spread() for stage, window in self._windows.items()}


class Identities:
    """Counts identities without keeping them: their numbers only grow, so the greatest one shows who is new."""

    def __init__(self) -> None:
        self.count = 0
        self._greatest = 0

    def add(self, tracks: Iterable[int]) -> None:
        """Takes the identities of one frame, from 1."""
        new = [track for track in tracks if track > self._greatest]
        self.count += len(new)
        self._greatest = max(new, default=self._greatest)


class Standing:
    """For how long a reading stands: until the next one of its source, but no longer than LONGEST_S or three usual
    intervals, whichever is more. Nobody knows what a face did in a longer pause.
    """

    LONGEST_S, FIRST_INTERVAL_S = 1.0, 0.04
    #: Intervals that the usual one is the median of, the lower one of two; from so many on it counts.
    KEPT, FEWEST = 9, 2

    def __init__(self) -> None:
        self._intervals: deque[float] = deque(maxlen=self.KEPT)

    @property
    def usual_s(self) -> float:
        """The usual interval, s."""
        return statistics.median_low(self._intervals) if self._intervals else self.FIRST_INTERVAL_S

    def add(self, interval_s: float) -> float:
        """Takes the media time between two readings; returns for how much of it the first one stands."""
        if interval_s <= 0:
            return 0.0
        self._intervals.append(interval_s)
        return min(interval_s, self.longest_s)

    @property
    def longest_s(self) -> float:
        """For how long a reading stands at most."""
        return max(self.LONGEST_S, 3 * self.usual_s) if len(self._intervals) >= self.FEWEST else self.LONGEST_S


class Rate:
    """Events per second over the last `span_s` seconds."""

    def __init__(self, span_s: float = 2.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._span_s = span_s
        self._clock = clock
        self._times: deque[float] = deque()

    def tick(self) -> None:
        """Counts one event, now."""
        now = self._clock()
        self._times.append(now)
        while now - self._times[0] > self._span_s:
            self._times.popleft()

    def per_second(self) -> float:
        """Rate between the oldest and the newest event of the span; 0 with fewer than two."""
        if len(self._times) < 2 or self._times[-1] == self._times[0]:
            return 0.0
        return (len(self._times) - 1) / (self._times[-1] - self._times[0])
