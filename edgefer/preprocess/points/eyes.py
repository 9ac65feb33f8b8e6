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
#: Circles kept on each side, and the least distance between two of them, pixels.
_KEPT, _APART = 8, 4
#: Pixels whose gradient is above this percentile vote; stronger than the cap counts no more.
_PERCENTILE, _CAP = 60, 300.0


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
    gx, gy = (plane.astype(np.float32) for plane in kernels.sobel(image, "replicate"))
    strength = np.hypot(gx, gy)
    ys, xs = np.nonzero(strength > np.percentile(strength, _PERCENTILE))
    weight = strength[ys, xs]
    ux, uy = gx[ys, xs] / weight, gy[ys, xs] / weight
    weight = np.minimum(weight, _CAP)
    radii = np.array(RADII, np.float32)[:, np.newaxis]
    cx = np.rint(xs - radii * ux).astype(np.int64)
    cy = np.rint(ys - radii * uy).astype(np.int64)
    inside = (cx >= 0) & (cy >= 0) & (cx < width) & (cy < height)
    layer = np.arange(len(RADII))[:, np.newaxis]
    cells = ((layer * height + cy) * width + cx)[inside]
    votes = np.bincount(cells, (weight / radii)[inside], len(RADII) * height * width)
    return votes.reshape(len(RADII), height, width).astype(np.float32)


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
        around = np.s_[max(0, y - _APART) : y + _APART + 1, max(0, x - _APART) : x + _APART + 1]
        near = layers[:, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].sum(axis=(1, 2))
        found.append((x + window.x0, y + window.y0, float(score[y, x]), RADII[int(near.argmax())]))
        score[around] = 0
    table = np.array(found, np.float64).reshape(-1, 4)
    return Circles(table[:, :2], table[:, 2], table[:, 3].astype(int))


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
    columns, rows = (grid.ravel() for grid in np.meshgrid(_COLUMNS, _ROWS))

    def around(centres: np.ndarray, mirror: int) -> np.ndarray:
        steps = mirror * columns[:, np.newaxis] * x[:, np.newaxis] + rows[:, np.newaxis] * y[:, np.newaxis]
        at = np.rint(centres[:, np.newaxis] + steps * apart[:, np.newaxis, np.newaxis]).astype(np.int64)
        at = np.clip(at, 0, FACE_PX - 1)
        levels = blurred[at[..., 1], at[..., 0]].astype(np.float64)
        levels -= levels.mean(axis=1, keepdims=True)
        return levels / (levels.std(axis=1, keepdims=True) + 10)

    return np.concatenate([place, around(a, 1) + around(b, -1)], axis=1)


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
