"""A face as networks for action units see it: upright, its eyes always in one place and one distance apart.

The corners of the eyes and the nose say where a face is: they hardly move with an expression. Training and runtime
share this.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from edgefer import kernels
from edgefer.geometry import Box

#: Points that hold still, and where they are in a face that looks at the camera: distances of the outer corners of the
#: eyes, from the middle between them; x + iy. The mean of photographs of faces at rest.
STILL = np.array([36, 39, 42, 45, 27, 28, 29, 30, 33])
_PLACES = np.array([-0.5, -0.214 + 0.021j, 0.214 + 0.021j, 0.5, -0.021j, 0.122j, 0.264j, 0.407j, 0.563j])
_CENTRED = _PLACES - _PLACES.mean()


class Layout(NamedTuple):
    """Where a face lies in its crop.

    Attributes:
        height, width: of the crop, pixels.
        eyes_px: between the outer corners of the eyes, pixels of the crop.
        eyes_y: of the line of the eyes, pixels from the crop's upper edge; the middle of the eyes is half-way across.
    """

    height: int
    width: int
    eyes_px: float
    eyes_y: float

    def wider(self, pixels: int) -> Layout:
        """The same face with more round it."""
        return Layout(self.height + 2 * pixels, self.width + 2 * pixels, self.eyes_px, self.eyes_y + pixels)


def place(points: np.ndarray) -> tuple[complex, complex] | None:
    """Middle of the eyes and vector of the eye distance, x + iy in pixels, fitted to the points that hold still.

    Args:
        points: float, shape (68, 2).

    Returns:
        None where the points are no face: not finite, or all in one place.
    """
    held = np.asarray(points, np.float64)[STILL]
    at = held[:, 0] + 1j * held[:, 1]
    axis = complex(np.vdot(_CENTRED, at - at.mean()) / np.vdot(_CENTRED, _CENTRED))
    middle = complex(at.mean()) - axis * complex(_PLACES.mean())
    if not (math.isfinite(abs(axis)) and math.isfinite(abs(middle)) and abs(axis) > 1e-3):
        return None
    return middle, axis


def aligned(grey: np.ndarray, points: np.ndarray, layout: Layout) -> np.ndarray | None:
    """The crop of a face; None where its points are none.

    Args:
        grey: uint8, shape (H, W). points: float, shape (68, 2), its pixels, the first pixel's centre (0, 0).

    Returns:
        uint8, shape (layout.height, layout.width); beyond the image its edge goes on.
    """
    import cv2

    found = place(points)
    if found is None:
        return None
    middle, axis = found
    step = axis / layout.eyes_px  # pixels of the image a pixel of the crop, with the turn of the head
    centre = complex((layout.width - 1) / 2, (layout.height - 1) / 2)
    eyes = complex(centre.real, layout.eyes_y - 0.5)
    middle += step * (centre - eyes)
    if abs(step) > 1:  # bilinear samples would leave pixels out: first made smaller, upright
        side = math.ceil(math.hypot(layout.width, layout.height)) + 2
        half = side * abs(step) / 2
        if half > 1e5 or abs(middle) > 5e5:
            return None
        x, y = middle.real + 0.5, middle.imag + 0.5
        grey = kernels.crop_resize(grey, Box(x - half, y - half, x + half, y + half), (side, side))
        middle, step = complex((side - 1) / 2, (side - 1) / 2), step / abs(step)
    corner = middle - step * centre
    matrix = np.array([[step.real, -step.imag, corner.real], [step.imag, step.real, corner.imag]])
    crop = cv2.warpAffine(
        grey,
        matrix,
        (layout.width, layout.height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(crop)
