"""Points that stay still on a still face and follow a moving one.

Reference: Casiez, Roussel and Vogel, 1 Euro Filter, CHI 2012.
"""

from __future__ import annotations

import math

import numpy as np


class OneEuro:
    """The filter of the points of one face, in media time and in parts of the face's size.

    Each point is smoothed with a cutoff frequency of its own that grows with its speed. However fast a face moves
    steadily, its points are behind by less than 1 / (2 pi SPEED_GAIN) of its size: 1.0 %.
    """

    #: Cutoff frequency of a point that stands still, Hz.
    MIN_CUTOFF_HZ = 0.7
    #: By which it grows with the point's speed, Hz for each size of the face in a second.
    SPEED_GAIN = 16.0
    #: Speed of a point against the others that may be noise of the network, sizes a second.
    NOISE = 0.05
    #: Cutoff frequency of the speed itself, Hz.
    SPEED_CUTOFF_HZ = 1.0
    #: After a pause of this length it starts over, s.
    PAUSE_S = 0.5

    def __init__(self) -> None:
        self._last_ns: int | None = None
        # a point is one complex number: half the calls, which are what so few points cost
        self._points = self._speed = np.zeros(0, np.complex128)

    def update(self, points: np.ndarray, size: float, media_ns: int) -> np.ndarray:
        """The filtered points of the next frame.

        Args:
            points: float, shape (n, 2), pixels.
            size: of the face, over 0, pixels: the distance between the outer corners of its eyes.
            media_ns: time of the frame; one that is not after the last starts over.

        Returns:
            float32, shape (n, 2).
        """
        since_s = (media_ns - self._last_ns) / 1e9 if self._last_ns is not None else 0.0
        self._last_ns = media_ns
        found = np.array(points, np.float64).view(np.complex128)[:, 0]
        if not 0 < since_s <= self.PAUSE_S or len(found) != len(self._points):
            self._points, self._speed = found, np.zeros_like(found)
        else:
            step = found - self._points
            self._speed += (step * (1 / (size * since_s)) - self._speed) * _weight(self.SPEED_CUTOFF_HZ, since_s)
            together = complex(self._speed.mean())
            fastness = np.maximum(abs(together), np.abs(self._speed - together) + (abs(together) - self.NOISE))
            turns = 2 * math.pi * since_s
            behind = 1 / (fastness * (turns * self.SPEED_GAIN) + (1 + turns * self.MIN_CUTOFF_HZ))
            self._points = found - step * behind
        return self._points.view(np.float64).reshape(-1, 2).astype(np.float32)


def _weight(cutoff_hz: float, since_s: float) -> float:
    """Of a new value in a first-order low-pass filter."""
    return 1 - 1 / (1 + 2 * math.pi * cutoff_hz * since_s)
