"""A signal at the times of its frames, as one at a fixed rate, so that films of any frame rate are judged alike.

Between frames the signal goes on in straight lines; each value is its mean over the time of a tick. So many frames
to a tick are averaged, and few are interpolated.
"""

from __future__ import annotations

import numpy as np

RATE_HZ = 60.0
#: After a pause longer than this, s, a signal starts over.
PAUSE_S = 0.25


class Ticks:
    """The resampler of one signal."""

    def __init__(self) -> None:
        self._t: float | None = None
        self._value = self._sum = np.zeros(0)
        self._number, self._open = 0, False

    def add(self, t_s: float, value: np.ndarray) -> list[tuple[float, np.ndarray]]:
        """Takes the next frame's value; gives what is complete, each with its time."""
        if self._t is None:
            self._t, self._value = t_s, value
            self._number = int(np.ceil(t_s * RATE_HZ + 0.5 - 1e-6))  # the first tick that lies wholly behind
            self._sum = np.zeros_like(value)
            return []
        done = []
        begin, first = self._t, self._value
        slope = (value - first) / max(t_s - begin, 1e-9)
        at, there = begin, first
        while (edge := (self._number - 0.5) / RATE_HZ) <= t_s:
            here = first + slope * (edge - begin)
            self._sum = self._sum + (edge - at) * (there + here) / 2
            if self._open:
                done.append(((self._number - 1) / RATE_HZ, self._sum * RATE_HZ))
            self._sum, self._open = np.zeros_like(value), True
            at, there = edge, here
            self._number += 1
        self._sum = self._sum + (t_s - at) * (there + value) / 2
        self._t, self._value = t_s, value
        return done
