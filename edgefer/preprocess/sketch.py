"""Emotion sketches: brows, eyes and mouth of a face as white lines on black, from its 68 landmarks.

Costache and Popescu, Emotion Sketches: Facial Expression Recognition in Diversity Groups, section 2. The landmarks
FL0 and FL16 (ends of the jaw) and FL27 and FL33 (top and tip of the nose) go to fixed places of a 250x250 image, the
others by the same two straight lines, x and y each for itself (equations 1 and 2). Since these are straight lines, the
size of the crop that the paper's landmarks were found in has no part in the result: points in pixels of any image do.
Eyes and brows then move 50 pixels down, the mouth 70 up, and each is drawn with lines 7 pixels thick, by OpenCV as in
the paper, whose lines of thickness 7 cover 9 rows: it also fills the pixels that the edge of a line passes through.

Two things here are ours. The paper gives its networks the 250x250 image; a device takes a smaller one, drawn at its
own size with 16 samples a pixel, which is the 250x250 image shrunk by area, but for the rounding of coordinates and of
the lines' thickness. And `upright` turns the points about their middle until the eyes are level: the paper's lines
shear a tilted head, so that one eye stands far above the other.
"""

from __future__ import annotations

import threading

import numpy as np

#: Side of the paper's sketch, and thickness of its lines, pixels.
SIDE, THICKNESS = 250, 7
#: Landmark and its place: x of FL0 and FL16, y of FL27 and FL33.
LEFT, RIGHT, TOP, BOTTOM = (0, 10.0), (16, 240.0), (27, 70.0), (33, 210.0)
#: How far down eyes and brows, and the mouth, move, pixels.
EYES_DOWN, MOUTH_DOWN = 50.0, -70.0
#: What is joined by lines, as numbers of landmarks: open ones, and contours. The mouth has two, of its outer and its
#: inner edge: the paper keeps all of its points.
BROWS = (range(17, 22), range(22, 27))
CONTOURS = (range(36, 42), range(42, 48), range(48, 60), range(60, 68))
#: Samples a pixel, along each side, of a sketch that is not of the paper's size.
SAMPLES = 4
#: References closer than this part of the extent of all four tell no scale.
CLOSEST = 0.02

_BROWS, _EYES, _MOUTH = slice(17, 27), slice(36, 48), slice(48, 68)
_RIGHT_EYE, _LEFT_EYE = slice(36, 42), slice(42, 48)
# Far outside the image a line shows no more, and OpenCV's whole numbers would overflow.
_LIMIT = 100 * SIDE


class NoSketch(ValueError):
    """These landmarks have no sketch; the text says why."""


def place(points: np.ndarray, upright: bool = False) -> np.ndarray:
    """The landmarks where the sketch has them: equations 1 and 2, then the shift of eyes, brows and mouth.

    Args:
        points: shape (68, 2), x and y in pixels of any image, in the order of iBUG.
        upright: level the eyes first.

    Returns:
        float64, shape (68, 2), pixels of the 250x250 image, its first pixel's centre = (0, 0). Those of the jaw and
        the nose are where the equations put them; no line is drawn through them.

    Raises:
        NoSketch: a coordinate is not a number, or a pair of references is upside down, mirrored or on one line.
        ValueError: another shape.
    """
    points = np.asarray(points, np.float64)
    if points.shape != (68, 2):
        raise ValueError(f"place: expected points of shape (68, 2), got {points.shape}")
    if not np.isfinite(points).all():
        raise NoSketch("a landmark has no place: expected numbers")
    if upright:
        points = level(points)
    placed = np.empty_like(points)
    closest = CLOSEST * float(np.ptp(points[[LEFT[0], RIGHT[0], TOP[0], BOTTOM[0]]], axis=0).max())
    for axis, (first, start), (last, end) in ((0, LEFT, RIGHT), (1, TOP, BOTTOM)):
        low, high = points[first, axis], points[last, axis]
        if high - low <= closest:
            order = "right of" if axis == 0 else "below"
            raise NoSketch(
                f"expected FL{last} {order} FL{first}, got {'xy'[axis]} {high:.1f} and {low:.1f}: "
                "the head is upside down or turned too far"
            )
        placed[:, axis] = (end * (points[:, axis] - low) + start * (high - points[:, axis])) / (high - low)
    placed[_BROWS, 1] += EYES_DOWN
    placed[_EYES, 1] += EYES_DOWN
    placed[_MOUTH, 1] += MOUTH_DOWN
    return placed


def level(points: np.ndarray) -> np.ndarray:
    """The points turned about their middle until the middles of the eyes are at one height."""
    across, down = points[_LEFT_EYE].mean(axis=0) - points[_RIGHT_EYE].mean(axis=0)
    length = float(np.hypot(across, down))
    if length == 0:
        return points
    cosine, sine = across / length, down / length
    middle = points.mean(axis=0)
    return (points - middle) @ np.array([[cosine, -sine], [sine, cosine]]) + middle


def draw(placed: np.ndarray, side: int = SIDE) -> np.ndarray:
    """White lines on black through placed landmarks.

    Args:
        placed: float, shape (68, 2), as `place` gives them.
        side: of the image, pixels.

    Returns:
        uint8, shape (side, side): 0 or 255 at the paper's size, shares of white at others.
    """
    import cv2

    whole = side if side == SIDE else side * SAMPLES
    if whole != SIDE:
        scale = whole / SIDE
        placed = (placed + 0.5) * scale - 0.5
    corners = np.rint(placed.clip(-_LIMIT, _LIMIT)).astype(np.int32)
    thickness = max(1, round(THICKNESS * whole / SIDE))
    image = np.zeros((whole, whole), np.uint8)
    for parts, closed in ((BROWS, False), (CONTOURS, True)):
        lines = [corners[part.start : part.stop] for part in parts]
        cv2.polylines(image, lines, closed, 255, thickness, cv2.LINE_8)
    return image if whole == side else cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)


def sketch(points: np.ndarray, side: int = SIDE, upright: bool = False) -> np.ndarray:
    """The emotion sketch of a face: `place`, then `draw`. Raises as `place`."""
    return draw(place(points, upright), side)


class SketchTensor:
    """Turns landmarks into a network's int8 tensor: a real value is (level - 128) / 128, which int8 holds exactly.

    Each thread has one buffer, which is used again at each of its calls.
    """

    def __init__(self, side: int, upright: bool) -> None:
        self._side, self._upright = side, upright
        self._own = threading.local()

    @property
    def tensor(self) -> np.ndarray:
        """int8, shape (1, side, side, 1): what the last call of this thread wrote."""
        try:
            return self._own.tensor
        except AttributeError:
            self._own.tensor = tensor = np.full((1, self._side, self._side, 1), -128, np.int8)
            return tensor

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Draws the sketch into `tensor`; returns it as an image, uint8 (side, side). Raises as `place`."""
        image = sketch(points, self._side, self._upright)
        np.bitwise_xor(image, 128, out=self.tensor[0, :, :, 0].view(np.uint8))  # level - 128 in two's complement
        return image
