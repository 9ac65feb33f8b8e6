"""The classic chain: from a face's box to its points F1 to F18, stage by stage, each of which can be looked at.

Khan, Facial Expression Recognition using Facial Landmark Detection and Feature Extraction on Neural Networks, sections
IV to VII. Departures, all for photographs taken anywhere while the paper's were taken in one studio: the filters run
on the face alone, at one size; the face is turned until its eyes lie level; of the circles and the edges found, those
count that lie where a face can have them, by numbers fitted on other faces (fitted.py); the nose is given, because
the cascade that the paper used is no longer distributed. Where the landmarks of the face are given too, a point far
from theirs is a fault of the stage that found it: by its edge alone the chain cannot tell a brow from a fringe of hair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edgefer.geometry import Box
from edgefer.preprocess.points import edges as lines
from edgefer.preprocess.points import eyes as irises
from edgefer.preprocess.points.face import (
    ALL_ROWS,
    BOX_PX,
    EYE_ROWS,
    EYES_PX,
    MIDDLE,
    Gradients,
    Placed,
    equalised,
    gradients,
    levelled,
    normalised,
    smoothed,
)
from edgefer.preprocess.points.features import COUNT, NAMES, from_landmarks, interocular
from edgefer.preprocess.points.fitted import fitted
from edgefer.preprocess.points.patterns import best_places, snapped

#: The stages that can fail, in order.
STAGES = ("face", "nose", "eyes", "eyebrows", "lips")

#: A box of fewer pixels a side does not show an iris.
LEAST_BOX_PX = 24
#: The centre of an eye lies so far below the middle of its iris, which the upper lid covers; pixels.
EYE_DROP = 1.4
#: Rows looked at for the lids, pixels from the eye's centre, and the usual row of each.
_UPPER_LID, _LOWER_LID = (-8, 0), (1, 8)
_USUAL_UPPER, _USUAL_LOWER = -3.6, 2.6
_LID_SPREAD = 2.5
#: Of the upper and the lower lid: its rows, what counts against each, and whether the face darkens or lightens there.
_LIDS = tuple(
    (np.arange(*rows), ((np.arange(*rows) - usual) / _LID_SPREAD) ** 2, sign)
    for rows, usual, sign in ((_UPPER_LID, _USUAL_UPPER, -1), (_LOWER_LID, _USUAL_LOWER, 1))
)
#: A corner found farther than this from where all of them leave it, in parts of the distance of the eyes, is none of
#: this face; of the faces that were right one in a hundred strays so far.
MOST_STRAYED = 0.16
#: A point farther than this from where the landmarks have it, in parts of their inter-ocular distance, is wrong.
MOST_APART = 0.12
#: Half the width in which a lid's edge is averaged, pixels.
_LID_HALF = 4


@dataclass(slots=True)
class Chain:
    """What every stage found; what comes after a stage that failed is None or empty.

    Attributes:
        box: of the detector. nose: as given, or NaN. Both in pixels of the source.
        beside: float32, shape (18, 2): the points by the landmarks, pixels of the source; None where none were given.
        face, smooth, even: the face at one size, after the low-pass filter, and with its contrast equalised.
        windows, circles: where each eye was searched in the face, and the circles found there.
        eyes: the circles chosen.
        level: the face with its eyes level. gradients: of it.
        boxes: float64, shape (2, 2): centre of the box around each eye, the left one first, in the levelled face.
        brows: the edge of each brow. lip: that of the upper lip.
        strayed: float64, shape (18,): how far each corner was found from where all of them leave it, in parts of the
            distance of the eyes.
        corners: float64, shape (18, 2), F1 to F18 as found, in the levelled face, whatever comes of them.
        apart: float64, shape (18,): how far each lies from that of the landmarks, in parts of their inter-ocular
            distance.
        points: float32, shape (18, 2), F1 to F18 in pixels of the source; None where a stage failed.
        failed: the stage that failed, of STAGES; empty where none did.
        reason: why, in words.
    """

    box: Box
    nose: np.ndarray
    beside: np.ndarray | None = None
    face: Placed | None = None
    smooth: np.ndarray | None = None
    even: Placed | None = None
    windows: tuple[irises.Window, ...] = ()
    circles: tuple[irises.Circles, ...] = ()
    eyes: irises.Eyes | None = None
    level: Placed | None = None
    gradients: Gradients | None = None
    boxes: np.ndarray | None = None
    brows: list[lines.Component] = field(default_factory=list)
    lip: lines.Component | None = None
    strayed: np.ndarray | None = None
    corners: np.ndarray | None = None
    apart: np.ndarray | None = None
    points: np.ndarray | None = None
    failed: str = ""
    reason: str = ""


class StageFailed(Exception):
    """A stage found nothing; its name and why."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(f"{stage}: {reason}")
        self.stage, self.reason = stage, reason


def find(grey: np.ndarray, box: Box, nose: np.ndarray | None, landmarks: np.ndarray | None = None) -> Chain:
    """Runs the chain on one face.

    Args:
        grey: uint8, shape (H, W).
        box: of the face, as detectors give it, pixels of `grey`.
        nose: float, shape (2,), the tip of the nose, pixels of `grey` with the first pixel's centre at 0; None where
            none was found.
        landmarks: float, shape (68, 2), of the face, in the same pixels, that the points found are held against; None
            leaves them as they are, as the paper does.

    Returns:
        What each stage found, with the points or the name of the stage that failed.
    """
    beside = None if landmarks is None else from_landmarks(landmarks)
    chain = Chain(Box(*box), np.full(2, np.nan) if nose is None else np.asarray(nose, np.float64), beside)
    try:
        find_face(chain, grey)
        find_eyes(chain)
        find_brows(chain)
        find_lip(chain)
        find_corners(chain)
    except StageFailed as failure:
        chain.failed, chain.reason = failure.stage, failure.reason
    return chain


def find_face(chain: Chain, grey: np.ndarray) -> None:
    """Cuts the face out and filters it."""
    side = min(chain.box.width, chain.box.height)
    if not side >= LEAST_BOX_PX:
        raise StageFailed("face", f"its box is {side:.0f} px wide; an iris needs {LEAST_BOX_PX}")
    chain.face = normalised(grey, chain.box)
    chain.smooth = smoothed(chain.face.image)
    chain.even = Placed(equalised(chain.smooth), chain.face.matrix)


def find_eyes(chain: Chain) -> None:
    """Finds the circles of the irises, the level face and the box around each eye."""
    assert chain.even is not None
    nose = chain.even.inward(chain.nose)
    height, width = chain.even.image.shape
    if np.isnan(nose).any():
        raise StageFailed("nose", "none was found")
    if not (0 <= nose[0] < width and 0.3 * height <= nose[1] < height):
        raise StageFailed("nose", "it does not lie within the face's box")
    chain.windows = irises.search_windows(nose)
    chain.circles = tuple(irises.circles(chain.even.image, window) for window in chain.windows)
    chain.eyes = irises.choose(chain.even.image, nose, *chain.circles)
    if chain.eyes is None:
        raise StageFailed("eyes", "no circle on one side of the face")
    centres = chain.eyes.centres
    for rows in (EYE_ROWS, ALL_ROWS):  # the boxes of the first pass level the face for the second
        chain.level = levelled(chain.even, centres, rows)
        chain.gradients = gradients(chain.level.image)
        chain.boxes = eye_boxes(chain.gradients, rows.start)
        centres = chain.even.inward(chain.level.outward(chain.boxes - (0, EYE_DROP)))
    apart = float(np.linalg.norm(centres[1] - centres[0])) / BOX_PX
    if not 0.2 <= apart <= 0.55:
        raise StageFailed("eyes", f"they lie {apart:.2f} of the face's box apart, expected 0.2 to 0.55")


def eye_boxes(level: Gradients, top: int) -> np.ndarray:
    """The centre of each eye's box: where the gradients of lids, iris and corners fit best around its circle.

    Args:
        top: the row of the levelled face that is the first of these gradients.

    Returns:
        float64, shape (2, 2), the left one first.
    """
    starts = MIDDLE + [(-EYES_PX / 2, EYE_DROP - top), (EYES_PX / 2, EYE_DROP - top)]
    return best_places(level, [fitted().eye], starts[np.newaxis]).places[0]


def find_brows(chain: Chain) -> None:
    """Finds the edge above each eye."""
    assert chain.gradients is not None and chain.boxes is not None
    for side, name in enumerate(("left", "right")):
        found = lines.brow(chain.gradients.edges, chain.boxes[side], 1 - 2 * side)
        if found is None:
            raise StageFailed("eyebrows", f"no edge above the {name} eye")
        chain.brows.append(found)


def find_lip(chain: Chain) -> None:
    """Finds the edge below the nose."""
    assert chain.gradients is not None and chain.level is not None
    chain.lip = lines.upper_lip(chain.gradients.edges, chain.level.inward(chain.nose))
    if chain.lip is None:
        raise StageFailed("lips", "no edge below the nose")


def find_corners(chain: Chain) -> None:
    """Finds F1 to F18 at the eyes, the brows and the lip, twice: the second time where the first leaves them."""
    assert chain.gradients is not None and chain.level is not None
    nose = chain.level.inward(chain.nose)
    first = settled(draft(chain, nose), 0)
    again = search_again(chain, first)
    second = settled(again, 1)
    chain.corners = snapped(chain.gradients, second)
    chain.corners[NOSE] = nose
    chain.strayed = np.linalg.norm(second - again, axis=1) / EYES_PX
    check(chain.strayed)
    points = chain.level.outward(chain.corners).astype(np.float32)
    if chain.beside is not None:
        chain.apart = apart(points, chain.beside)
        check_beside(chain.apart)
    chain.points = points


def check(strayed: np.ndarray) -> None:
    """Refuses points that do not make a face together; the part that lies farthest off is the stage that failed."""
    worst = int(strayed.argmax())
    if strayed[worst] > MOST_STRAYED or np.sqrt((strayed**2).mean()) > MOST_STRAYED / 2:
        raise StageFailed(_stage_of(worst), f"{_name(worst)} does not go with the other points")


def apart(points: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """How far each point lies from that of the landmarks, in parts of their inter-ocular distance: float64 (18,).

    Raises:
        StageFailed: the landmarks have no such distance.
    """
    unit = interocular(beside)
    if not (np.isfinite(beside).all() and unit > 0):
        raise StageFailed("face", "its landmarks are not those of a face")
    return np.linalg.norm(points - beside.astype(np.float64), axis=1) / unit


def check_beside(apart: np.ndarray) -> None:
    """Refuses points of which one lies too far from the landmarks'; the stage is that of the farthest."""
    worst = int(apart.argmax())
    if apart[worst] > MOST_APART:
        words = f"{_name(worst)} lies {100 * apart[worst]:.1f} % of the inter-ocular distance off the landmarks'"
        raise StageFailed(_stage_of(worst), f"{words}; expected {100 * MOST_APART:.0f} % at most")


def _stage_of(point: int) -> str:
    return next(stage for stage, rows in _PARTS.items() if point in rows)


def _name(point: int) -> str:
    return f"F{point + 1}, the {NAMES[point]},"


def draft(chain: Chain, nose: np.ndarray) -> np.ndarray:
    """The corners as each part gives them by itself: float64 (18, 2), pixels of the levelled face."""
    assert chain.gradients is not None and chain.boxes is not None and chain.lip is not None
    numbers, searched = fitted(), np.empty((3, 2, 2))
    eyes, above = [], []
    for side, (eye, brow) in enumerate(zip(chain.boxes, chain.brows, strict=True)):
        mirror = 1 - 2 * side
        eyes.append(eye_corners(chain.gradients, eye, mirror))
        brow_parts, lip_parts = in_parts(brow.ends, eye, mirror), in_parts(chain.lip.ends, nose, mirror)
        above.append(eye + (0, height_terms(brow_parts) @ numbers.above * EYES_PX))
        size = (mirror * EYES_PX, EYES_PX)
        searched[0, side] = eye + end_terms(brow_parts) @ numbers.outer * size
        searched[1, side] = eye + end_terms(brow_parts) @ numbers.inner * size
        searched[2, side] = nose + end_terms(lip_parts) @ numbers.corner * size
    below = nose + (0, height_terms(in_parts(chain.lip.ends, nose, 1)) @ numbers.below * EYES_PX)
    return _corners(chain.gradients, eyes, nose, searched, above, below)


def search_again(chain: Chain, points: np.ndarray) -> np.ndarray:
    """The corners found again, each around its place in `points`, pixels of the levelled face."""
    assert chain.gradients is not None
    eyes, brows, lips = split(points)
    centres = best_places(chain.gradients, [fitted().eye], np.array([[eye_centre(eye) for eye in eyes]])).places[0]
    eyes = [eye_corners(chain.gradients, centre, mirror) for centre, mirror in zip(centres, (1, -1), strict=True)]
    outer, inner, above = zip(*brows, strict=True)
    return _corners(chain.gradients, eyes, points[NOSE], np.array([outer, inner, lips]), above, points[-1])


def _corners(
    level: Gradients, eyes: list, nose: np.ndarray, searched: np.ndarray, above: Sequence, below: np.ndarray
) -> np.ndarray:
    """F1 to F18: the Shi-Tomasi corner at each place.

    Args:
        eyes: corners of each, (4, 2). above: the brow above each eye. below: the upper lip below the nose.
        searched: float64, shape (3, 2, 2): about where the outer and the inner corner of the brows and the corner of
            the lips are searched first, on both halves.
    """
    numbers = fitted()
    outer, inner, lips = best_places(level, [numbers.brow_outer, numbers.brow_inner, numbers.lip], searched).places
    points = snapped(level, in_order(eyes, nose, list(zip(outer, inner, above, strict=True)), [*lips, below]))
    points[NOSE] = nose
    return points


def settled(points: np.ndarray, search: int) -> np.ndarray:
    """The points drawn to where all of them together leave each: what lies off the rest is no part of this face.

    Args:
        points: float64, shape (18, 2), pixels of the levelled face.
        search: 0 after the first search, 1 after the second.
    """
    parts = (points - MIDDLE) / EYES_PX
    moves = np.append(parts, 1.0) @ fitted().settle[search]
    return points + moves.reshape(points.shape) * EYES_PX


NOSE = 8
#: Of the points, those of each half of the face, the left first: an eye's upper, lower, outer and inner corner; a
#: brow's outer and inner corner and the point above the eye; a corner of the lips.
_EYES = ([0, 1, 2, 3], [4, 5, 7, 6])
_BROWS = ([9, 10, 11], [13, 12, 14])
_LIPS = (15, 16)
#: The points of each stage.
_PARTS = {"eyes": range(8), "nose": (NOSE,), "eyebrows": range(9, 15), "lips": range(15, 18)}


def in_order(eyes: list, nose: np.ndarray, brows: list, lips: list) -> np.ndarray:
    """F1 to F18 of the parts of both halves."""
    points = np.empty((COUNT, 2))
    for side in (0, 1):
        points[_EYES[side]], points[_BROWS[side]], points[_LIPS[side]] = eyes[side], brows[side], lips[side]
    points[NOSE], points[-1] = nose, lips[2]
    return points


def split(points: np.ndarray) -> tuple[list, list, list]:
    """The eyes, the brows and the corners of the lips, each left and right; what `in_order` puts together."""
    return [points[rows] for rows in _EYES], [points[rows] for rows in _BROWS], [points[row] for row in _LIPS]


def eye_centre(corners: np.ndarray) -> np.ndarray:
    """The centre of an eye's box: between its side corners, at the mean height of all."""
    return np.array([corners[2:, 0].mean(), corners[:, 1].mean()])


def eye_corners(level: Gradients, centre: np.ndarray, mirror: int) -> np.ndarray:
    """Where the upper, lower, outer and inner corner of an eye are: float64 (4, 2), pixels of the levelled face."""
    corners = centre + fitted().eye_corners * EYES_PX * (mirror, 1)
    down, (column, row) = level.planes[1], np.rint(centre).astype(int).tolist()
    columns = slice(max(column - _LID_HALF, 0), column + _LID_HALF + 1)
    for corner, (steps, strays, sign) in zip(corners, _LIDS, strict=False):
        strip = down[np.minimum(np.maximum(row + steps, 0), len(down) - 1), columns].mean(axis=1)
        corner[1] = centre[1] + steps[(sign * strip / 100 - strays).argmax()]
    return corners


def in_parts(ends: np.ndarray, origin: np.ndarray, mirror: int) -> np.ndarray:
    """The ends of an edge as of the left half of a face: outer, inner and middle, in parts of the eyes' distance."""
    parts = (ends - origin) * (mirror, 1) / EYES_PX
    return parts if mirror > 0 else parts[[1, 0, 2]]


def end_terms(parts: np.ndarray) -> np.ndarray:
    """What a corner's place follows from, (6,): one, the outer end, the inner end, the height in the middle."""
    return np.array([1.0, *parts[0], *parts[1], parts[2, 1]])


def height_terms(parts: np.ndarray) -> np.ndarray:
    """What a height follows from, (4,): one, and the heights of the outer end, the inner end and the middle."""
    return np.array([1.0, *parts[:, 1]])
