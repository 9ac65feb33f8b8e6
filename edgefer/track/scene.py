"""Whether two pictures show one scene, as a film cut from shots shows another one from a frame to the next."""

from __future__ import annotations

import cv2
import numpy as np

from edgefer.kernels import crop_resize

#: Pixels kept of a picture, width and height; and by how many of them it may have moved.
SIZE, SHIFT = (32, 24), (4, 3)
#: Rows that are looked at, or down to half of them.
ROWS = 160
#: Mean difference, grey levels, and correlation with that shift, from which it is another scene. Films of one scene
#: stay above that correlation for a second and at a jerk of an eighth of the picture; where people fill a plain picture
#: the difference stays small. Of 200 portraits, each with a face in the middle, 98 pairs in 100 are told apart.
APART, ALIKE = 20, 0.75


def overview(grey: np.ndarray) -> np.ndarray:
    """What is kept of a picture, uint8, shape (H, W), to compare others with: uint8, SIZE.

    The mean of what each of its pixels covers, of some of the rows, and smoothed. Single pixels of small faces, of a
    brick wall or of a poster would be others as soon as the camera shakes.
    """
    step = -(-grey.shape[0] // ROWS)
    some = grey[step // 2 :: step]
    small, (width, height) = crop_resize(some, (0, 0, some.shape[1], len(some)), SIZE[::-1]), SIZE
    # half a pixel on and back again: the weights 1, 2, 1, by a function whose code is at hand
    for half in (0.5, -0.5):
        small = crop_resize(small, (half, half, width + half, height + half), SIZE[::-1])
    return small


def is_flat(picture: np.ndarray) -> bool:
    """Whether an overview tells nothing, as that of a black picture between two scenes."""
    return float(cv2.meanStdDev(picture)[1][0, 0]) <= 4  # grey levels, with the noise of a sensor


def is_another(before: np.ndarray, now: np.ndarray) -> bool:
    """Whether two overviews show different scenes; a flat one shows none."""
    if cv2.norm(before, now, cv2.NORM_L1) <= APART * before.size or is_flat(before) or is_flat(now):
        return False
    x, y = SHIFT
    return bool(cv2.matchTemplate(now, before[y:-y, x:-x], cv2.TM_CCOEFF_NORMED).max() < ALIKE)
