"""A decoded picture as luma and as colour.

Luma is the decoder's own plane wherever there is one: a view of it where it has the full range of 0 to 255, else
stretched to that, 16 becoming 0 and 235 becoming 255. A colour conversion would cost more than all else here.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from edgefer.kernels import luma
from edgefer.sources.media.layout import UPRIGHT, Layout
from edgefer.sources.opencv import cv2

if TYPE_CHECKING:
    import av

# Formats whose first plane is luma alone: of 8 bits, of more bits at the low end of a word, at its high end.
_PLANAR = re.compile(r"yuv[aj]?4\d\dp|nv(12|21|16|24|42)|gray")
_PLANAR_LOW = re.compile(r"(?:yuva?4\d\dp|gray)(9|10|12|14|16)le")
_PLANAR_HIGH = re.compile(r"p[024](10|12|16)le")
# Packed formats by the place of the luma in a pair of bytes.
_PACKED = {"yuyv422": 0, "yvyu422": 0, "uyvy422": 1}

_FULL_RANGE = 2  # AVCOL_RANGE_JPEG; 1 says limited, 0 says nothing and means limited
_BLACK, _SPAN = 16, 219  # of the limited range, in 8 bits


class Picture:
    """A decoded frame as a viewer shows it.

    Attributes:
        grey: uint8, shape (H, W), luma, last axis contiguous; not to be written into, as the decoder may
            still look at it.
    """

    def __init__(self, frame: av.VideoFrame, layout: Layout = UPRIGHT) -> None:
        """Args:
        frame: decoded, in the memory of the processor.
        layout: from its stored pixels to those that are shown.

        Raises:
            ValueError, OSError: of PyAV, where its pixels cannot be converted.
        """
        self._frame = frame
        self._layout = layout
        self._lock = threading.Lock()  # several outputs may ask at once, and a frame has one converter
        self._colours: np.ndarray | None = None
        grey = _luma_plane(frame)
        if grey is None:
            grey = luma(self._bgr(), "bgr")
        self.grey = grey if self._layout is UPRIGHT else self._layout.apply(grey)

    def bgr(self) -> np.ndarray:
        """uint8, shape (H, W, 3): the colours, converted when they are first asked for."""
        with self._lock:
            image = self._bgr()
        return image if self._layout is UPRIGHT else self._layout.apply(image)

    def _bgr(self) -> np.ndarray:
        """As it is stored."""
        if self._colours is None:
            grey = _luma_plane(self._frame) if self._frame.format.name.startswith("gray") else None
            if grey is not None:
                self._colours = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
            else:
                self._colours = _rows(self._frame.reformat(format="bgr24"), np.uint8, 3)
        return self._colours


def _rows(frame: av.VideoFrame, dtype: type, channels: int = 1) -> np.ndarray:
    """A view of the first plane: shape (H, W), or (H, W, channels); rows as far apart as the decoder put them."""
    plane = frame.planes[0]
    size, stride = np.dtype(dtype).itemsize, abs(plane.line_size)
    buffer: Any = plane
    rows = np.ndarray((frame.height, frame.width, channels), dtype, buffer, strides=(stride, channels * size, size))
    rows = rows[:, :, 0] if channels == 1 else rows
    rows.flags.writeable = False
    return rows if plane.line_size > 0 else rows[::-1]  # stored from the bottom


def _luma_plane(frame: av.VideoFrame) -> np.ndarray | None:
    """Luma of full range, shape (H, W), as it is stored; None where it has to be made from colours."""
    name = frame.format.name
    full = name.startswith(("yuvj", "gray")) or frame.color_range == _FULL_RANGE
    if _PLANAR.fullmatch(name):
        plane = _rows(frame, np.uint8)
        if not full:
            return _stretched(plane, 0, full)
        return plane if plane.strides[0] > 0 else np.ascontiguousarray(plane)
    if name in _PACKED:
        plane = np.ascontiguousarray(_rows(frame, np.uint8, 2)[:, :, _PACKED[name]])
        return plane if full else _stretched(plane, 0, full)
    if low := _PLANAR_LOW.fullmatch(name):
        return _stretched(_rows(frame, np.uint16), int(low[1]) - 8, full)
    if _PLANAR_HIGH.fullmatch(name):
        return _stretched(_rows(frame, np.uint16), 8, full, unused=16 - int(name[-4:-2]))
    return None


def _stretched(plane: np.ndarray, extra: int, full: bool, unused: int = 0) -> np.ndarray:
    """Luma in 8 bits of full range: clamp(rint((Y - black) * 255 / span)), which no value leaves halfway between two.

    Args:
        plane: of 8 + `extra` bits.
        full: whether it has the full range already.
        unused: bits at the low end of each word that are always 0.
    """
    black = 0 if full else _BLACK << extra
    span = ((1 << (8 + extra - unused)) - 1) << unused if full else _SPAN << extra
    return cv2.addWeighted(plane, 255 / span, plane, 0, -black * 255 / span, dtype=cv2.CV_8U)
