"""A face's pixels at one size: how they move into the next frame, and whether they still show that face."""

from __future__ import annotations

import cv2
import numpy as np

from edgefer.geometry import Box, moved, squared
from edgefer.kernels import crop_resize, flow, good_corners, median_flow
from edgefer.support.images import reduced

#: Correlation with the patch last confirmed from which a face resembles itself.
RESEMBLANCE = 0.6
#: A face that something covers remains while this many of its nine cells are as they were, each by a
#: correlation of this; a face that has gone leaves none of them.
CELLS, CELL_RESEMBLANCE = 3, 0.7
#: What is compared of a face whose box is not exact, and whose head may tilt: its inner part, this far aside, in these
#: sizes and turned by these angles; pixels of a patch, degrees.
INNER_PX, REACH_PX, SIZES, ROLLS = 40, 8, (0.87, 1.0, 1.15), (0, -15, 15, -30, 30)


class Patch:
    """A face and its surroundings at one size, from which its motion into the next frame is read."""

    FACE_PX = 48
    MARGIN = 0.35  # room for the face to move in, as a part of its side, on every side
    SIZE = round(FACE_PX * (1 + 2 * MARGIN))
    CORNERS = 24
    WINDOW, LEVELS = 13, 3
    #: Flow there and back again has to return this close, pixels of the patch.
    RETURN_PX = 1.0
    #: A corner moves with the others when it ends this close to where their motion takes it, pixels of the
    #: patch.
    APART_PX = 2.0
    #: Part of the corners that has to do both.
    SURVIVE = 0.4
    FEWEST = 6

    def __init__(self, grey: np.ndarray, box: Box):
        self.region = squared(box, self.MARGIN)
        self.pixels = reduced(grey, self.region, (self.SIZE, self.SIZE))
        edge = round(self.FACE_PX * self.MARGIN)
        #: the face without its surroundings
        self.face = np.ascontiguousarray(self.pixels[edge : edge + self.FACE_PX, edge : edge + self.FACE_PX])

    def motion(self, grey: np.ndarray) -> tuple[float, float, float] | None:
        """Shift (pixels of the source) and change of size of the face from this patch's frame to another.

        Lucas-Kanade on corners inside the face, forward and back; the median of the shifts and of the changes
        of distance between corners. None when too few corners return to where they started, or move together.

        Reference: Kalal, Mikolajczyk and Matas, Forward-Backward Error, ICPR 2010.
        """
        inset = round(self.FACE_PX * (self.MARGIN + 0.05))
        inner = self.pixels[inset:-inset, inset:-inset]
        before = good_corners(inner, self.CORNERS, 0.02, 4) + np.float32(inset)
        least = max(self.FEWEST, self.SURVIVE * len(before))
        if len(before) < self.FEWEST:
            return None
        after = reduced(grey, self.region, (self.SIZE, self.SIZE))
        tracked, error = flow(self.pixels, after, before, self.WINDOW, self.LEVELS)
        centre = self.SIZE / 2 - 0.5
        dx, dy, scale, returned, together = median_flow(
            before, tracked, error, centre, centre, self.FACE_PX / 4, self.RETURN_PX, self.APART_PX
        )
        # corners that something else has carried off do not follow the rest
        if returned < least or together < self.SURVIVE * len(before):
            return None
        pixel = self.region.width / self.SIZE
        return dx * pixel, dy * pixel, min(max(scale, 0.8), 1.25)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two patches of one shape, uint8, -1 to 1; 0 when one is flat."""
    mean_a, deviation_a = (value.item() for value in cv2.meanStdDev(a))
    mean_b, deviation_b = (value.item() for value in cv2.meanStdDev(b))
    if min(deviation_a, deviation_b) <= 1:  # grey level
        return 0.0
    # the mean of (a - b)^2 is that of a^2 and of b^2, less twice that of a b
    apart = cv2.norm(a, b, cv2.NORM_L2SQR) / a.size - (mean_a - mean_b) ** 2
    return (deviation_a**2 + deviation_b**2 - apart) / (2 * deviation_a * deviation_b)


def resemblance(face: np.ndarray, patch: Patch) -> float:
    """Correlation of a face with the most similar part of a patch, -1 to 1: a detector's box is not exact.

    Args:
        face: uint8, shape (FACE_PX, FACE_PX) of a Patch.
        patch: of the other one; its face may lie REACH_PX aside, in any of the SIZES, turned by any of the ROLLS.
    """
    first = (Patch.SIZE - INNER_PX) // 2 - REACH_PX
    around = _halved(patch.pixels[first : Patch.SIZE - first, first : Patch.SIZE - first])
    edge = (Patch.FACE_PX - INNER_PX) // 2
    if face.std() <= 1:
        return 0.0
    centre, best = ((Patch.FACE_PX - 1) / 2,) * 2, -1.0
    for roll in ROLLS:
        turn = cv2.getRotationMatrix2D(centre, roll, 1)
        turned = cv2.warpAffine(face, turn, face.shape, borderMode=cv2.BORDER_REPLICATE) if roll else face
        inner = turned[edge : Patch.FACE_PX - edge, edge : Patch.FACE_PX - edge]
        for size in SIZES:
            side = round(INNER_PX * size / 2)
            part = cv2.resize(inner, (side, side), interpolation=cv2.INTER_AREA)
            best = max(best, float(cv2.matchTemplate(around, part, cv2.TM_CCOEFF_NORMED).max()))
    return best


def _halved(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def part_remains(grey: np.ndarray, box: Box, appearance: np.ndarray) -> bool:
    """Whether part of a face is still where it last was, as when a hand passes in front of the rest.

    Args:
        grey: uint8, shape (H, W).
        box: where the face was.
        appearance: its pixels then, uint8, shape (FACE_PX, FACE_PX) of a Patch.
    """
    face = crop_resize(grey, box, appearance.shape)
    # without the rim, where there is background that would stay when the face goes
    now, before = (_cells(image[6:-6, 6:-6]) for image in (face, appearance))
    spread = np.sqrt((now**2).sum(axis=1) * (before**2).sum(axis=1))
    textured = before.std(axis=1) > 4
    alike = (now * before).sum(axis=1) > CELL_RESEMBLANCE * spread
    return int((alike & textured).sum()) >= CELLS


def _cells(image: np.ndarray) -> np.ndarray:
    """The nine cells of a square image of 36 pixels, float32, shape (9, 144), each less its mean."""
    cells = image.astype(np.float32).reshape(3, 12, 3, 12).swapaxes(1, 2).reshape(9, 144)
    return cells - cells.mean(axis=1, keepdims=True)


def match_nearby(grey: np.ndarray, box: Box, appearance: np.ndarray) -> Box:
    """The best match of a whole face within one side of its box, for one that moved too far for flow.

    Args:
        grey: uint8, shape (H, W).
        box: where the face was; returned as it is when nothing around it resembles the face.
        appearance: its pixels then, uint8, square.
    """
    face_px, reach_px = 20, 20  # coarse: the detector then looks there, and finds the exact box
    around = crop_resize(grey, squared(box, reach_px / face_px), (face_px + 2 * reach_px,) * 2)
    face = cv2.resize(appearance, (face_px, face_px), interpolation=cv2.INTER_AREA)
    if face.std() <= 1:
        return box
    _, best, _, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(around, face, cv2.TM_CCOEFF_NORMED))
    pixel = max(box.width, box.height) / face_px
    return moved(box, (x - reach_px) * pixel, (y - reach_px) * pixel) if best >= RESEMBLANCE else box
