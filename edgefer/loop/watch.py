"""What a live source gives, judged: pictures that a working camera never gives are a fault, as no picture is.

A sensor has noise: the same picture to the last bit, again and again, comes from a driver or a firmware that hangs. A
picture without any light may be a covered lens or a dark room as well as a fault, so it is given on, and looked after.
"""

from __future__ import annotations

import logging
import math
import time
import zlib
from collections.abc import Callable

import numpy as np

from edgefer.errors import SourceStalled
from edgefer.values import Frame

log = logging.getLogger(__name__)

#: So long a picture may be the same, or without light, before that is a fault.
FAULTY_AFTER_S = 2.5
#: No brighter than this is a picture without light: black of video is 16, a sensor in the dark has noise above it.
BLACK = 24
#: No darker than this everywhere is a sensor that light has driven to its end, which has no noise either.
WHITE = 250
#: Another size is taken for that of another camera once so many openings have given it.
SIZE_TRIES = 5
#: Rows and columns that are compared at least, evenly spread.
_SAMPLED = 64
#: While the fault is new, opening again is tried as often as pauses allow; later after longer and longer times.
_NEW_S, _LONGEST_S = 60.0, 60.0
_BETWEEN_S = 0.25


class PictureWatch:
    """Looks at every picture of a live source, also after it was opened again.

    Attributes:
        trouble: what is wrong with the pictures now, with the source's name; empty where nothing is.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.trouble = ""
        self._clock = clock
        self._sample: np.ndarray | None = None
        self._whole = 0  # a sum over the whole picture, once the sample has not changed for a while
        self._changed_s = 0.0
        self._dark_s: float | None = None  # since when
        self._shape: tuple[int, ...] | None = None
        self._first_shape: tuple[int, ...] | None = None
        self._strange: tuple[int, ...] | None = None
        self._strange_openings = 0
        self._opened = False  # no picture was judged since
        self._began_s = self._next_s = 0.0  # of the trouble: its begin, and when opening again is due
        self._wait_s = _BETWEEN_S

    def opened(self) -> None:
        """The source was opened again."""
        self._opened = True
        self._next_s = max(self._next_s, self._clock() + self._wait_s)

    def look(self, name: str, frame: Frame, frozen_s: float | None = None) -> bool:
        """Judges the next picture.

        Args:
            name: of the source, for messages.
            frozen_s: for how long it may be the same picture, s; None: as long as a sensor's may. With inf it may be
                the same, or black, for ever.

        Returns:
            Whether the picture may be read; False for one that shows what was before the camera some time ago.

        Raises:
            SourceStalled: opening the source again may help.
        """
        now_s = self._clock()
        first, self._opened = self._opened, False
        if not self._has_its_size(name, frame.grey.shape, first):
            self._faulty(now_s)
            return False
        step = max(1, min(frame.grey.shape) // _SAMPLED)
        sample = frame.grey[::step, ::step]
        dark = int(sample.max()) <= BLACK
        self._dark_s = (now_s if self._dark_s is None else self._dark_s) if dark else None
        same_s = self._unchanged_s(frame, sample, now_s)
        limit_s = FAULTY_AFTER_S if frozen_s is None else frozen_s
        if self._dark_s is not None and limit_s < math.inf:
            if now_s - self._dark_s >= FAULTY_AFTER_S:
                self._say(f"{name}: the picture is black; covered, dark, or the camera failed", now_s)
                self._faulty(now_s)
            return True  # nobody can be seen in it, which is true
        if same_s >= limit_s and int(sample.min()) < WHITE:
            what = (
                f"the picture has not changed at all for {limit_s:g} s; where it may be still, set [capture] frozen_s"
            )
            self._say(f"{name}: {what}", now_s)
            self._faulty(now_s)
            return False
        self.trouble = ""
        return True

    def _has_its_size(self, name: str, shape: tuple[int, ...], first: bool) -> bool:
        if self._shape is None or shape == self._first_shape:
            self._shape = shape
            self._first_shape = self._first_shape or shape
        if shape == self._shape:
            self._strange, self._strange_openings = None, 0
            return True
        if shape != self._strange:
            self._strange, self._strange_openings = shape, 0
        self._strange_openings += first
        size, expected = (f"{each[1]}x{each[0]}" for each in (shape, self._shape))
        if self._strange_openings > SIZE_TRIES:
            log.warning("%s: gives pictures of %s after %d openings; going on with these", name, size, SIZE_TRIES)
            self._shape, self._strange, self.trouble = shape, None, ""
            return True
        self._say(f"{name}: gives pictures of {size}, expected {expected}", self._clock())
        return False

    def _unchanged_s(self, frame: Frame, sample: np.ndarray, now_s: float) -> float:
        """For how long the picture has been the same to the last bit."""
        old = self._sample
        if old is None or not np.array_equal(sample, old):
            self._sample, self._changed_s, self._whole = sample.copy(), now_s, 0
            return 0.0
        if now_s - self._changed_s < FAULTY_AFTER_S / 2:
            return 0.0
        whole = zlib.crc32(np.ascontiguousarray(frame.grey).data) or 1
        if whole != self._whole:
            if self._whole:  # something small moves between the points that are compared
                self._changed_s = now_s
            self._whole = whole
        return now_s - self._changed_s

    def _say(self, trouble: str, now_s: float) -> None:
        if not self.trouble:
            self._began_s = self._next_s = now_s
            self._wait_s = _BETWEEN_S
        self.trouble = trouble

    def _faulty(self, now_s: float) -> None:
        """Asks for the source to be opened again where that is due."""
        if now_s < self._next_s:
            return
        if now_s - self._began_s > _NEW_S:
            self._wait_s = min(2 * max(self._wait_s, 1.0), _LONGEST_S)
        self._next_s = now_s + self._wait_s
        raise SourceStalled(self.trouble)
