"""The first stages of the classic chain: the face at one size, smoothed, its contrast equalised, its eyes level."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgefer import kernels
from edgefer.geometry import Box, squared

#: Side of the detector's box in the normalised face, what is added on every side, and the side of the whole; pixels.
BOX_PX = 160
MARGIN = 0.1
FACE_PX = round(BOX_PX * (1 + 2 * MARGIN))

_CLIP_LIMIT = 2.0
_TILES = (8, 8)

#: The levelled face: its size (width, height), how far apart its eyes lie, and at what height; pixels.
LEVEL_PX = (176, 168)
EYES_PX = 56
EYE_LINE = 60
#: The middle between the eyes of the levelled face.
MIDDLE = np.array([(LEVEL_PX[0] - 1) / 2, EYE_LINE])

#: All rows of the levelled face, and those that the eyes' boxes are found in: the rows that a pattern may read there,
#: and beyond them those that reach into these by the filters.
ALL_ROWS = slice(0, LEVEL_PX[1])
EYE_ROWS = slice(EYE_LINE - 30, EYE_LINE + 33)

#: Side of the window of the Shi-Tomasi score, pixels.
_CORNER_BLOCK = 5


class Placed(NamedTuple):
    """A picture of a part of another one.

    Attributes:
        image: uint8, shape (H, W).
        matrix: float64, shape (2, 3): from its pixels to those of the source.
    """

    image: np.ndarray
    matrix: np.ndarray

    def outward(self, points: np.ndarray) -> np.ndarray:
        """Points of this picture, float (..., 2), in pixels of the source."""
        return np.asarray(points, np.float64) @ self.matrix[:, :2].T + self.matrix[:, 2]

    def inward(self, points: np.ndarray) -> np.ndarray:
        """Points of the source in pixels of this picture."""
        (a, b), (c, d) = self.matrix[:, :2].tolist()
        turned = np.array([[d, -c], [-b, a]]) / (a * d - b * c)
        return (np.asarray(points, np.float64) - self.matrix[:, 2]) @ turned


def normalised(grey: np.ndarray, box: Box) -> Placed:
    """The face that a detector found, at one size.

    Args:
        grey: uint8, shape (H, W).
        box: of the detector, made square; a tenth of it is added on every side. May reach outside.
    """
    square = squared(Box(*box), MARGIN)
    scale = square.width / FACE_PX
    # the first pixel's centre is 0 in both pictures, while a box counts from the edge of the first pixel
    matrix = np.array([[scale, 0.0, square.x0 + scale / 2 - 0.5], [0.0, scale, square.y0 + scale / 2 - 0.5]])
    return Placed(kernels.crop_resize(grey, square, (FACE_PX, FACE_PX)), matrix)


def smoothed(image: np.ndarray) -> np.ndarray:
    """The low-pass filter of section IV: a 3x3 Gaussian."""
    import cv2

    return cv2.GaussianBlur(image, (3, 3), 0)


def equalised(image: np.ndarray) -> np.ndarray:
    """Contrast-limited adaptive histogram equalisation, against uneven light (section IV)."""
    import cv2

    return cv2.createCLAHE(_CLIP_LIMIT, _TILES).apply(image)


def levelled(face: Placed, eyes: np.ndarray, rows: slice = ALL_ROWS) -> Placed:
    """The face turned and scaled so that its eyes lie level, EYES_PX apart, about MIDDLE.

    The paper's photographs are upright and of one size; a horizontal edge is one only in such a picture.

    Args:
        face: of `normalised`, filtered.
        eyes: float, shape (2, 2), the left one first, in its pixels.
        rows: of the levelled face that are wanted; the first of them is row 0 of the result.
    """
    import cv2

    along = (eyes[1] - eyes[0]) / EYES_PX  # one pixel to the right, in pixels of the face
    turn = np.array([[along[0], -along[1]], [along[1], along[0]]])
    inner = np.column_stack([turn, eyes.mean(axis=0) - turn @ (MIDDLE - (0, rows.start))])
    size = (LEVEL_PX[0], rows.stop - rows.start)
    image = cv2.warpAffine(
        face.image, inner, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    outer = face.matrix[:, :2]
    return Placed(image, np.column_stack([outer @ turn, outer @ inner[:, 2] + face.matrix[:, 2]]))


class Gradients(NamedTuple):
    """What the later stages read in the levelled face, each of its shape.

    Attributes:
        planes: float32, shape (3, H, W): Sobel derivatives to the right and down, smoothed, and the Shi-Tomasi score.
        edges: uint8, horizontal edges with the lighter side above: what lies under a brow's and a lip's upper edge is
            dark.
    """

    planes: np.ndarray
    edges: np.ndarray

    @property
    def corners(self) -> np.ndarray:
        """The Shi-Tomasi score, float32."""
        return self.planes[2]


def gradients(level: np.ndarray) -> Gradients:
    """The gradients of a levelled face."""
    import cv2

    gx, gy = kernels.sobel(level)
    planes = np.empty((3, *level.shape), np.float32)
    for slope, plane in zip((gx, gy), planes, strict=False):
        cv2.GaussianBlur(slope.astype(np.float32), (0, 0), 1.5, dst=plane)
    kernels.shi_tomasi(level, _CORNER_BLOCK, out=planes[2])
    return Gradients(planes, (np.maximum(-gy, 0) >> 2).astype(np.uint8))
