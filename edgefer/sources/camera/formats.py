"""Pixel formats: where the luma of a buffer is, and how its colours are made when somebody asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from edgefer.kernels import luma


class Layout(NamedTuple):
    """How pictures lie in a buffer.

    Attributes:
        fourcc: pixel format. row_bytes: from one row to the next, of the first plane; 0 for compressed ones.
        bytes: of a whole picture. planes: 1, or more where colours lie in buffers of their own.
    """

    fourcc: str
    width: int
    height: int
    row_bytes: int
    bytes: int
    planes: int = 1


class Raw(NamedTuple):
    """A format that is not compressed.

    Attributes:
        pixel: bytes of a pixel in a row of the first plane.
        grey: its luma, uint8 (H, W); a view of the buffer where luma lies by itself.
        colours: OpenCV's conversion to BGR, cv2.COLOR_…, of `image`; empty where there are none.
        image: what that takes.
        chroma: rows of colours below the luma, for each row of it.
    """

    pixel: int
    grey: Callable[[np.ndarray, Layout], np.ndarray]
    colours: str = ""
    image: Callable[[np.ndarray, Layout], np.ndarray] | None = None
    chroma: float = 0

    def least_bytes(self, layout: Layout) -> int:
        """What a whole picture fills."""
        rows = layout.height - 1 + (layout.height * self.chroma if layout.planes == 1 else 0)
        return round(rows * _row_bytes(layout, self.pixel)) + self.pixel * layout.width

    def bgr(self, data: np.ndarray, layout: Layout) -> np.ndarray:
        """Its colours, uint8 (H, W, 3); grey ones where it has no others that can be read."""
        import cv2

        if self.image is None or layout.planes > 1:
            return cv2.cvtColor(np.ascontiguousarray(self.grey(data, layout)), cv2.COLOR_GRAY2BGR)
        image = np.ascontiguousarray(self.image(data, layout))
        return cv2.cvtColor(image, getattr(cv2, self.colours)) if self.colours else image


def _row_bytes(layout: Layout, pixel: int) -> int:
    return max(layout.row_bytes, pixel * layout.width)


def _plane(data: np.ndarray, layout: Layout) -> np.ndarray:
    return np.ndarray((layout.height, layout.width), np.uint8, data, strides=(_row_bytes(layout, 1), 1))


def _pixels(data: np.ndarray, layout: Layout, depth: int, offset: int = 0, rows: int | None = None) -> np.ndarray:
    shape = layout.height if rows is None else rows, layout.width, depth
    return np.ndarray(shape, np.uint8, data, offset, (_row_bytes(layout, depth), depth, 1))


def _pairs(data: np.ndarray, layout: Layout) -> np.ndarray:
    return _pixels(data, layout, 2)


def _triples(data: np.ndarray, layout: Layout) -> np.ndarray:
    return _pixels(data, layout, 3)


def _luma_first(data: np.ndarray, layout: Layout) -> np.ndarray:
    return luma(_pairs(data, layout), "yuyv")


def _luma_second(data: np.ndarray, layout: Layout) -> np.ndarray:
    """From one byte on it is luma first, but for the last pixel, which would end beyond the buffer."""
    grey = np.empty((layout.height, layout.width), np.uint8)
    if layout.height > 1:
        luma(_pixels(data, layout, 2, offset=1, rows=layout.height - 1), "yuyv", out=grey[:-1])
    grey[-1] = _pairs(data, layout)[-1, :, 1]
    return grey


def _luma_of_bgr(data: np.ndarray, layout: Layout) -> np.ndarray:
    return luma(_triples(data, layout), "bgr")


def _luma_of_rgb(data: np.ndarray, layout: Layout) -> np.ndarray:
    return luma(np.ascontiguousarray(_triples(data, layout)[:, :, ::-1]), "bgr")


def _two_planes(data: np.ndarray, layout: Layout) -> np.ndarray:
    """Luma with pairs of colours below."""
    rows = layout.height + layout.height // 2
    return np.ndarray((rows, layout.width), np.uint8, data, strides=(_row_bytes(layout, 1), 1))


def _three_planes(data: np.ndarray, layout: Layout) -> np.ndarray:
    """Luma with a plane of each colour below, whose rows are half as long."""
    stride, height, width = _row_bytes(layout, 1), layout.height, layout.width
    shape, strides, begin = (height // 2, width // 2), (stride // 2, 1), stride * height
    colours = [
        np.ndarray(shape, np.uint8, data, begin + plane * strides[0] * shape[0], strides).ravel() for plane in (0, 1)
    ]
    return np.concatenate([_plane(data, layout).ravel(), *colours]).reshape(height + height // 2, width)


#: V4L2's name -> how it is read.
RAW: dict[str, Raw] = {
    "NV12": Raw(1, _plane, "COLOR_YUV2BGR_NV12", _two_planes, 0.5),
    "NV21": Raw(1, _plane, "COLOR_YUV2BGR_NV21", _two_planes, 0.5),
    "YU12": Raw(1, _plane, "COLOR_YUV2BGR_I420", _three_planes, 0.5),
    "YV12": Raw(1, _plane, "COLOR_YUV2BGR_YV12", _three_planes, 0.5),
    "NM12": Raw(1, _plane),  # colours in buffers of their own, which nobody maps
    "NM21": Raw(1, _plane),
    "YM12": Raw(1, _plane),
    "YUYV": Raw(2, _luma_first, "COLOR_YUV2BGR_YUY2", _pairs),
    "YVYU": Raw(2, _luma_first, "COLOR_YUV2BGR_YVYU", _pairs),
    "UYVY": Raw(2, _luma_second, "COLOR_YUV2BGR_UYVY", _pairs),
    "GREY": Raw(1, _plane),
    "BGR3": Raw(3, _luma_of_bgr, "", _triples),
    "RGB3": Raw(3, _luma_of_rgb, "COLOR_RGB2BGR", _triples),
}
#: Those that are decoded, a JPEG a picture.
JPEG = ("MJPG", "JPEG")
#: What is read, what costs least first, but grey behind what has colours: a picture or a film may be wanted of them.
PREFERENCE = (
    "NV12",
    "YU12",
    "NV21",
    "YV12",
    "YUYV",
    "YVYU",
    "UYVY",
    "GREY",
    "NM12",
    "YM12",
    "NM21",
    "BGR3",
    "RGB3",
    *JPEG,
)
#: What a format of the options is called by drivers.
ASKED = {"auto": None, "grey": "GREY", "yuyv": "YUYV", "uyvy": "UYVY", "nv12": "NV12", "yu12": "YU12", "mjpeg": "MJPG"}
