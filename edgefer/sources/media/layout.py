"""From stored pixels to those a viewer shows: square pixels, turned and mirrored as the film says."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edgefer.sources.opencv import cv2

if TYPE_CHECKING:
    import av

#: A side that the pixel aspect would make longer than this is a damaged aspect, not a picture.
_LONGEST_SIDE = 16384


class Layout(NamedTuple):
    """What is done to a stored picture, in this order.

    Attributes:
        size: (width, height) that makes its pixels square; None where they are.
        transposed: rows become columns.
        flip_x, flip_y: mirrored left to right, top to bottom.
    """

    size: tuple[int, int] | None = None
    transposed: bool = False
    flip_x: bool = False
    flip_y: bool = False

    def apply(self, image: np.ndarray) -> np.ndarray:
        """The picture as it is shown; the array itself where nothing is to be done."""
        if self.size is not None:
            shrinks = self.size[0] < image.shape[1]
            image = cv2.resize(image, self.size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        if self.transposed:
            image = cv2.transpose(image)
        if self.flip_x or self.flip_y:
            image = cv2.flip(image, -1 if self.flip_x and self.flip_y else int(self.flip_x))
        return image


UPRIGHT = Layout()


class Layouts:
    """The layouts of the frames of one decoder.

    PyAV ties a frame to itself by its side data, and only a run of the garbage collector frees such a one, megabytes
    each: the display matrix is read when a film begins, and where its angle or the size of the frames changes.
    """

    def __init__(self) -> None:
        self._seen: tuple[int, int, int] | None = None
        self._turn = (False, False, False)

    def of(self, frame: av.VideoFrame, aspect: Fraction | None = None) -> Layout:
        """The layout of a decoded frame; `aspect` is a pixel's width by its height, None where it is not known."""
        seen = (frame.rotation, frame.width, frame.height)
        if seen != self._seen:
            self._seen, self._turn = seen, _turn_of(frame)
        size = _square(frame.width, frame.height, aspect)
        if size is None and self._turn == (False, False, False):
            return UPRIGHT
        return Layout(size, *self._turn)


def _square(width: int, height: int, aspect: Fraction | None) -> tuple[int, int] | None:
    """The height stays, as in `scale=iw*sar:ih`."""
    if not aspect or aspect <= 0 or aspect == 1:
        return None
    shown = round(width * aspect)
    return (shown, height) if shown != width and 1 <= shown <= _LONGEST_SIDE else None


def _turn_of(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """(transposed, flip_x, flip_y) of the frame's display matrix, to the nearest quarter turn.

    The matrix takes (p, q) of the stored picture to (a p + c q + x, b p + d q + y); row by row it is
    a b u, c d v, x y w, in 16.16 but for u, v and w.
    """
    try:
        side_data: Any = frame.side_data
        if not len(side_data):
            return False, False, False
        matrix = bytes(side_data["DISPLAYMATRIX"])
    except ValueError:  # side data of a kind that this PyAV has no name for: the angle can be had all the same
        return _quarter(-frame.rotation)
    except KeyError:
        return False, False, False
    if len(matrix) < 36:
        return False, False, False
    a, b, _, c, d = (int(value) for value in np.frombuffer(matrix, np.int32, 5))
    if max(abs(a), abs(d)) >= max(abs(b), abs(c)):
        return False, a < 0, d < 0  # all zero: as it is stored
    return True, c < 0, b < 0


def _quarter(clockwise: float) -> tuple[bool, bool, bool]:
    return {0: (False, False, False), 1: (True, True, False), 2: (False, True, True), 3: (True, False, True)}[
        round(clockwise / 90) % 4
    ]
