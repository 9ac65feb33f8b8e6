"""A face against the same face at rest, as networks for action units see both: how skin has moved, and what is left.

One crop is not told from another by its light: each is made even first. On a grid of cells optical flow finds where
the skin of the face at rest has gone; the rest is what the crops differ in, pixel by pixel, and what flow leaves
unexplained. Training and runtime share this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from edgefer.kernels import flow
from edgefer.preprocess.aligned import Layout

#: The crops, and the side of a cell, pixels of them.
LAYOUT, CELL = Layout(128, 112, 64.0, 38.0), 4
ROWS, COLUMNS = LAYOUT.height // CELL, LAYOUT.width // CELL
#: Planes of a cell: what its pixels differ in; the face at rest, by quarters; flow across and down; how sure flow is;
#: what it leaves unexplained, and the amount of that.
DIFFERENCES, QUARTERS = CELL * CELL, 4
PLANES = DIFFERENCES + QUARTERS + 5
ACROSS, DOWN, SURE, LEFT = (DIFFERENCES + QUARTERS + number for number in range(4))
#: Light is made even over so many pixels, after noise was smoothed over so many; contrast becomes LEVEL where it is
#: more than LEAST.
COARSE_PX, FINE_PX, LEVEL, LEAST = 31, 0.7, 45.0, 3.0
WINDOW, LEVELS = 9, 3
#: Flow is squeezed into eight bits: arsinh(pixels / UNIT) / SPAN.
UNIT, SPAN = 0.25, 4.5
#: How far flow may miss its way back, pixels, to count half.
ASTRAY_PX = 0.5
_CELLS = np.ascontiguousarray(
    np.stack(np.meshgrid(np.arange(COLUMNS), np.arange(ROWS)), axis=-1).reshape(-1, 2) * CELL + (CELL - 1) / 2,
    np.float32,
)
_PLACES = np.stack(np.meshgrid(np.arange(LAYOUT.width), np.arange(LAYOUT.height)), axis=-1).astype(np.float32)
_NO_MAP: Any = None  # an empty array is another thing to OpenCV 5


class Rest(NamedTuple):
    """A face at rest, made even.

    Attributes:
        even: uint8, shape (LAYOUT.height, LAYOUT.width).
        quarters: float32, shape (ROWS, COLUMNS, QUARTERS), as the network takes them.
    """

    even: np.ndarray
    quarters: np.ndarray


def evened(crop: np.ndarray) -> np.ndarray:
    """A crop, uint8, without its light: mean and contrast about each pixel are alike everywhere."""
    import cv2  # not to be loaded before it is used

    level: Any = cv2.GaussianBlur(crop.astype(np.float32), (0, 0), FINE_PX)
    level -= cv2.blur(level, (COARSE_PX, COARSE_PX))
    contrast: Any = cv2.sqrt(cv2.blur(level * level, (COARSE_PX, COARSE_PX)))
    contrast += LEAST
    level *= LEVEL / contrast
    level += 128
    return np.asarray(cv2.convertScaleAbs(np.maximum(level, 0, out=level)))


def at_rest(crop: np.ndarray) -> Rest:
    """Of a crop of LAYOUT, uint8, that shows a face at rest."""
    even = evened(crop)
    half = even.reshape(ROWS, 2, CELL // 2, COLUMNS, 2, CELL // 2).mean(axis=(2, 5), dtype=np.float32)
    quarters = half.transpose(0, 2, 1, 3).reshape(ROWS, COLUMNS, QUARTERS)
    return Rest(even, (quarters - 128) / np.float32(128))


def against(rest: Rest, crop: np.ndarray) -> np.ndarray:
    """What a crop of LAYOUT, uint8, shows against a face at rest.

    Returns:
        float32, shape (ROWS, COLUMNS, PLANES), -1 to 127/128.
    """
    import cv2

    even = evened(crop)
    there, astray = flow(rest.even, even, _CELLS, WINDOW, LEVELS)
    sure = (1 / (1 + np.square(astray / np.float32(ASTRAY_PX)))).reshape(ROWS, COLUMNS, 1)  # 0 of what is lost
    steps = np.where(sure > 0, (there - _CELLS).reshape(ROWS, COLUMNS, 2), 0)
    whole: Any = cv2.GaussianBlur(np.dstack([steps * sure, sure]), (0, 0), 0.8)
    smooth = whole[..., :2] / (whole[..., 2:] + np.float32(0.02))
    dense: Any = cv2.resize(smooth, (LAYOUT.width, LAYOUT.height), interpolation=cv2.INTER_LINEAR)
    back: Any = cv2.remap(even, _PLACES + dense, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    left = _cells(back.astype(np.float32) - rest.even)
    result = np.empty((ROWS, COLUMNS, PLANES), np.float32)
    result[..., :DIFFERENCES] = _cells(even.astype(np.float32) - rest.even) / 128
    result[..., DIFFERENCES:ACROSS] = rest.quarters
    result[..., ACROSS:SURE] = np.arcsinh(steps * sure / np.float32(UNIT)) / np.float32(SPAN)
    result[..., SURE:LEFT] = sure
    result[..., LEFT] = left.mean(axis=2) / 32
    result[..., LEFT + 1] = np.abs(left).mean(axis=2) / 32
    return np.clip(result, -1, 127 / 128, out=result)


def _cells(image: np.ndarray) -> np.ndarray:
    """An image's pixels by cells, (ROWS, COLUMNS, CELL * CELL)."""
    return image.reshape(ROWS, CELL, COLUMNS, CELL).transpose(0, 2, 1, 3).reshape(ROWS, COLUMNS, DIFFERENCES)


def levels(planes: np.ndarray) -> np.ndarray:
    """Planes as int8, 1/128 a level."""
    return np.rint(planes * 128).astype(np.int8)


def mirrored(planes: np.ndarray) -> np.ndarray:
    """The same of a face in a mirror, (..., ROWS, COLUMNS, PLANES), floats or int8 levels."""
    result = planes[..., ::-1, :].copy()
    order = np.arange(DIFFERENCES).reshape(CELL, CELL)[:, ::-1].ravel()
    result[..., :DIFFERENCES] = result[..., order]
    result[..., DIFFERENCES:ACROSS] = result[..., [DIFFERENCES + number for number in (1, 0, 3, 2)]]
    flipped = result[..., ACROSS]
    # -128 has no negative in eight bits
    result[..., ACROSS] = -np.maximum(flipped, -127) if planes.dtype == np.int8 else -flipped
    return result


def middle(crops: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """The median of each pixel of some crops, uint8: what most of them show, without their noise."""
    return np.rint(np.median(np.asarray(crops), axis=0)).astype(np.uint8)
