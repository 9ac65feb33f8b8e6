"""The eyes: circles by a Hough transform on each side of the face, and the pair of them that looks like eyes.

Khan, section VI.A. The transform lets every pixel with a gradient vote for the centres of the circles it may lie on,
one for each radius an iris can have in a face of this size; the gradient points from the dark iris outwards, so each
pixel has one vote a radius. Eyebrows, glasses and corners of eyes give circles too. Which two circles are the eyes
is decided by the votes, by where eyes can be above a nose, and by the pattern of light and dark around them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgefer import kernels
from edgefer.preprocess.points.face import BOX_PX, FACE_PX
from edgefer.preprocess.points.fitted import fitted

#: Radii of an iris in a normalised face, pixels: a human iris is 11.7 mm wide, eyes lie 54 to 74 mm apart.
RADII = (4, 5, 6, 7)
#: Usual distance of the eyes, pixels of the normalised face.
USUAL_PX = 0.352 * BOX_PX
#: Where eyes are searched, from the nose, in parts of the usual distance: nearest and farthest, aside and up.
_ASIDE, _UP = (0.12, 0.95), (0.05, 1.05)
#: The middle between the eyes lies so far above the nose, in parts of their distance.
_NOSE_BELOW = 0.54
#: The grid around a circle on which light and dark are read, in parts of the distance of the eyes: rightwards, down.
_COLUMNS = (-0.42, -0.28, -0.14, 0.0, 0.14, 0.28, 0.42)
_ROWS = (-0.48, -0.36, -0.24, -0.12, 0.0, 0.12, 0.24, 0.36)
_GRID_X, _GRID_Y = (grid.ravel() for grid in np.meshgrid(_COLUMNS, _ROWS))
_MIRROR = np.arange(_GRID_X.size).reshape(len(_ROWS), -1)[:, ::-1].ravel()
#: Circles kept on each side, and the least distance between two of them, pixels.
_KEPT, _APART = 8, 4
#: Pixels whose gradient is above this percentile vote; stronger than the cap counts no more.
_PERCENTILE, _CAP = 60, 300.0
_RADII, _LAYERS = np.array(RADII, np.float32)[:, np.newaxis], np.arange(float(len(RADII)))[:, np.newaxis]
_MARGIN = max(RADII)


class Circles(NamedTuple):
    """The strongest circles on one side of the face.

    Attributes:
        centres: float64, shape (K, 2), pixels of the face; K may be 0.
        votes: float64, shape (K,), over 0, at most 1.
        radii: int, shape (K,).
    """

    centres: np.ndarray
    votes: np.ndarray
    radii: np.ndarray


class Window(NamedTuple):
    """Whole pixels, right and bottom exclusive."""

    x0: int
    y0: int
    x1: int
    y1: int

    def of(self, image: np.ndarray) -> np.ndarray:
        return image[self.y0 : self.y1, self.x0 : self.x1]


def search_windows(nose: np.ndarray) -> tuple[Window, Window]:
    """Where the left and the right eye may be, by the place of the nose."""
    x, y = nose
    top, bottom = (round(min(max(y - part * USUAL_PX, 0), FACE_PX)) for part in reversed(_UP))
    near, far = (part * USUAL_PX for part in _ASIDE)
    edges = (round(min(max(edge, 0), FACE_PX)) for edge in (x - far, x - near, x + near, x + far))
    left, middle_left, middle_right, right = edges
    return Window(left, top, middle_left, bottom), Window(middle_right, top, right, bottom)


def hough(image: np.ndarray) -> np.ndarray:
    """Votes for circles darker than what surrounds them.

    Args:
        image: uint8, shape (H, W).

    Returns:
        float32, shape (len(RADII), H, W): for each radius and centre the sum of the gradients on that circle, over
        its radius, so that a large circle does not win by its length.
    """
    height, width = image.shape
    gx, gy = (plane.ravel().astype(np.float32) for plane in kernels.sobel(image, "replicate"))
    square = gx * gx + gy * gy  # a whole number below 2**24: exact
    least = int(_PERCENTILE / 100 * (square.size - 1))
    at = np.flatnonzero(square > np.partition(square, least)[least])
    weight = np.sqrt(square[at])
    ys, xs = np.divmod(at, width)
    cx = np.rint(xs - _RADII * (gx[at] / weight))
    cy = np.rint(ys - _RADII * (gy[at] / weight))
    # votes may fall outside: into a margin as wide as the largest circle
    rows, columns = height + 2 * _MARGIN, width + 2 * _MARGIN
    cells = (_LAYERS * rows + cy + _MARGIN) * columns + (cx + _MARGIN)
    votes = np.bincount(
        cells.ravel().astype(np.intp), (np.minimum(weight, _CAP) / _RADII).ravel(), len(RADII) * rows * columns
    )
    return votes.reshape(len(RADII), rows, columns)[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN].astype(np.float32)


def circles(face: np.ndarray, window: Window) -> Circles:
    """The strongest circles of a window, the darker ones first among equal votes."""
    import cv2

    roi = np.ascontiguousarray(window.of(face))
    if min(roi.shape, default=0) < 3:
        return Circles(np.zeros((0, 2)), np.zeros(0), np.zeros(0, int))
    layers = hough(roi)
    votes = cv2.GaussianBlur(layers.sum(axis=0), (0, 0), 1.5)
    dark = cv2.GaussianBlur(255 - roi, (0, 0), 2.0).astype(np.float32) / 255
    score = votes / max(float(votes.max()), 1e-6) * dark
    found = []
    for _ in range(_KEPT):
        y, x = divmod(int(score.argmax()), score.shape[1])
        if score[y, x] <= 0:
            break
        found.append((x, y, float(score[y, x])))
        score[max(0, y - _APART) : y + _APART + 1, max(0, x - _APART) : x + _APART + 1] = 0
    table = np.array(found, np.float64).reshape(-1, 3)
    near = [layers[:, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].sum(axis=(1, 2)) for x, y, _ in found]
    radii = np.array([RADII[int(each.argmax())] for each in near], int)
    return Circles(table[:, :2] + (window.x0, window.y0), table[:, 2], radii)


def pair_features(face: np.ndarray, nose: np.ndarray, left: Circles, right: Circles) -> np.ndarray:
    """What is known of every pair of circles, float64, shape (len(left) * len(right), 7 + pattern).

    First the votes and the place of the pair, then the light and dark around both circles on a grid that turns and
    grows with the pair, the right one mirrored, their sum.
    """
    import cv2

    a = np.repeat(left.centres, len(right.centres), axis=0)
    b = np.tile(right.centres, (len(left.centres), 1))
    votes = np.add.outer(np.log(left.votes), np.log(right.votes)).ravel()
    along = b - a
    apart = np.linalg.norm(along, axis=1)
    x = along / apart[:, np.newaxis]
    y = np.stack([-x[:, 1], x[:, 0]], axis=1)
    size = np.log(apart / USUAL_PX)
    tilt = np.arctan2(along[:, 1], along[:, 0])
    middle = (a + b) / 2 - nose
    aside = (middle * x).sum(axis=1) / apart
    above = (middle * y).sum(axis=1) / apart + _NOSE_BELOW
    place = np.stack(
        [votes, size, 20 * size**2, (4 * tilt) ** 2, (8 * aside) ** 2, 4 * above, (6 * above) ** 2], axis=1
    )

    blurred = cv2.GaussianBlur(face, (0, 0), 2.0)
    at = np.empty((2, 2, len(a), _GRID_X.size))  # x and y around the left circles and the right ones
    for axis in (0, 1):
        steps = (_GRID_X * x[:, axis, np.newaxis] + _GRID_Y * y[:, axis, np.newaxis]) * apart[:, np.newaxis]
        np.add(a[:, axis, np.newaxis], steps, out=at[0, axis])
        np.add(b[:, axis, np.newaxis], steps[:, _MIRROR], out=at[1, axis])
    np.rint(at, out=at)
    np.minimum(np.maximum(at, 0, out=at), FACE_PX - 1, out=at)
    levels = blurred.ravel().take((at[:, 1] * FACE_PX + at[:, 0]).astype(np.intp)).astype(np.float64)
    levels -= levels.mean(axis=2, keepdims=True)
    levels /= np.sqrt(np.square(levels).mean(axis=2, keepdims=True)) + 10
    return np.concatenate([place, levels[0] + levels[1]], axis=1)


class Eyes(NamedTuple):
    """The two circles chosen: centres float64 (2, 2), left first, pixels of the face; radii (2,)."""

    centres: np.ndarray
    radii: np.ndarray


def choose(face: np.ndarray, nose: np.ndarray, left: Circles, right: Circles) -> Eyes | None:
    """The pair of circles that looks most like two eyes above a nose; None where a side has no circle."""
    if not len(left.votes) or not len(right.votes):
        return None
    best = int((pair_features(face, nose, left, right) @ fitted().pair).argmax())
    i, j = divmod(best, len(right.votes))
    return Eyes(np.stack([left.centres[i], right.centres[j]]), np.array([left.radii[i], right.radii[j]]))
