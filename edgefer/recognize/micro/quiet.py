"""Fields of motion without what is slow: what is left of turning heads, and expressions that come and stay.

From each cell the median of the time around it is taken. So a movement that comes and goes within half a second stands
out, whatever the face was doing before; the price is a lag of AROUND_S.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgefer.recognize.micro.fields import CELLS, SIDE
from edgefer.recognize.micro.ticks import RATE_HZ

#: Time before and after a tick whose median it is compared with, s; and the least of it that has to be there.
AROUND_S, ENOUGH_S = 0.8, 0.5
#: How often the noise of cells is measured again, ticks; and what it is at least, eye distances.
NOISE_EVERY, LEAST_NOISE = 6, 0.0004
_HALF, _ENOUGH = round(AROUND_S * RATE_HZ), round(ENOUGH_S * RATE_HZ)
#: From the median of absolute second differences to the deviation of white noise.
_TO_DEVIATION = 1.4826 / np.sqrt(6)


class Quiet(NamedTuple):
    """One tick.

    Attributes:
        t_s: its time. steps: float32 (CELLS, 2), without what is slow, eye distances.
        noise: float32 (CELLS,), deviation of a cell's steps from tick to tick.
        slow: float32 (CELLS, 2), what was taken away.
    """

    t_s: float
    steps: np.ndarray
    noise: np.ndarray
    slow: np.ndarray


class Quieter:
    """Takes ticks and gives them back later, quiet."""

    def __init__(self) -> None:
        self._steps: list[np.ndarray] = []
        self._t: list[float] = []
        self._at = 0  # the next to be given back
        self._noise = np.full(CELLS, LEAST_NOISE, np.float32)
        self._count = 0

    def add(self, t_s: float, steps: np.ndarray) -> Quiet | None:
        """Takes a tick; gives the one AROUND_S before it."""
        self._t.append(t_s)
        self._steps.append(steps.reshape(-1))
        if len(self._t) > self._at + _HALF:
            return self._give()
        return None

    def rest(self) -> list[Quiet]:
        """Those that are left when no further tick comes."""
        given = []
        while self._at < len(self._t):
            given.append(self._give())
        return given

    def _give(self) -> Quiet:
        if self._at > 4 * _HALF:  # what lies far behind is not needed any more
            far = self._at - 2 * _HALF
            del self._t[:far], self._steps[:far]
            self._at -= far
        # where there is less than that on one side, as little is taken of the other, or a drift would seem to turn back
        half = max(_ENOUGH, min(_HALF, self._at, len(self._t) - 1 - self._at))
        window = self._steps[max(0, self._at - half) : self._at + half + 1]
        baseline = np.median(np.array(window[::2]).T, axis=1)
        if self._count % NOISE_EVERY == 0 and len(window) > 8:
            bent = np.diff(np.array(window), 2, axis=0).T
            deviation = np.median(np.abs(bent), axis=1).reshape(CELLS, 2) * _TO_DEVIATION
            self._noise = np.maximum(np.hypot(*deviation.T) / np.sqrt(2), LEAST_NOISE).astype(np.float32)
        self._count += 1
        t_s, steps = self._t[self._at], self._steps[self._at] - baseline
        self._at += 1
        slow = baseline.reshape(CELLS, 2).astype(np.float32)
        return Quiet(t_s, steps.reshape(CELLS, 2).astype(np.float32), self._noise, slow)


def smoothed(quiet: Quiet) -> np.ndarray:
    """Steps as an image, float32 (SIDE, SIDE, 2): each cell with its eight neighbours, by how still they are."""
    trust = (1 / (LEAST_NOISE**2 + quiet.noise.astype(np.float64) ** 2)).reshape(SIDE, SIDE, 1) * LEAST_NOISE**2
    both = np.concatenate([quiet.steps.reshape(SIDE, SIDE, 2) * trust, trust], axis=2)
    for axis in (0, 1):
        ahead, behind = both.copy(), both.copy()
        if axis == 0:
            ahead[:-1], behind[1:] = both[1:], both[:-1]
        else:
            ahead[:, :-1], behind[:, 1:] = both[:, 1:], both[:, :-1]
        both = 0.5 * both + 0.25 * (ahead + behind)
    return (both[..., :2] / (both[..., 2:] + 0.05)).astype(np.float32)
