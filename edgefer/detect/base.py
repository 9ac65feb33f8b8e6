"""What detectors have in common: their contract, and the steps that more than one of them takes."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from msgspec import Struct

from edgefer import kernels
from edgefer.geometry import Box, clipped, covered, iou
from edgefer.values import Detection, Frame

log = logging.getLogger(__name__)

#: Longest side of the image a search works on: what bounds its time on a large source.
DEFAULT_MAX_SIDE_PX = 480
#: A smallest face that is so much larger than the one asked for is told.
TOLD_FROM = 1.1


class Levels(NamedTuple):
    """How a detector's scores are to be read.

    Attributes:
        sure: at or above this, one sight of a new face is enough.
        likely: at or above this, a new face counts when a second look agrees.
        keep: at or above this, a face that is already known is confirmed.
    """

    sure: float
    likely: float
    keep: float


class Look(Struct):
    """A face looked at: where it is, how sure that is, whether only its profile was recognized, and whether it lies on
    its side or on its head.

    `points`, of a detector that gives them, are the right and the left eye, the nose, the right and the left corner
    of the mouth: float (5, 2), x and y as those of the box.
    """

    box: Box
    score: float
    turned: bool = False
    points: np.ndarray | None = None
    lying: bool = False


class Survey(NamedTuple):
    """How a detector searches one tile of a photograph.

    Attributes:
        tile_px: longest side of a tile, pixels. tile_rows_px: its height at most, where that is less.
        smallest_px, largest_px: faces found in a tile, side in its pixels; the largest is at least twice the
            smallest, so that tiles at half the scale find what these leave.
        margin: how far tiles reach beyond the picture, whose edge pixels go on there, as a part of the largest
            face: for a detector that has to see what is around a face, so that it finds one that fills the
            picture.
        alone, together: of a detector with scores: score at which a candidate is a face, and mean of its score
            and that of a second look at which it is one, too. A photograph has many more places at which
            something may resemble a face than the reduced frames of a film.
        lying: score from which a face on its side or on its head is one, in a picture that has no upright one of that
            score; None where they are not searched. It is so high that pictures without a face gain next to none.
    """

    tile_px: int
    smallest_px: int
    largest_px: int
    margin: float = 0.0
    alone: float = 1.0
    together: float = 1.0
    tile_rows_px: int = 0
    lying: float | None = None


class Detector(Protocol):
    """What the tracker needs of a detector.

    One whose first part finds all but the smallest faces may have `in_turns`: while every face is followed, a search
    does the first part and so many of the others, in turns.
    """

    levels: Levels
    #: Into how many parts of about equal time a search can be divided.
    parts: int

    def detect(
        self, grey: np.ndarray, region: Box | None = None, *, part: int | None = None, known: Sequence[Box] = ()
    ) -> list[Detection]:
        """All faces in the image, or in one region of it, best first; boxes in pixels of the image.

        Faces down to the level `keep` are among them, for tracks that they may confirm.

        Args:
            grey: uint8, shape (H, W), any size from 1x1.
            region: where to search; the whole image when None. It may reach outside.
            part: only this part of the work, from 0 to parts - 1, so that a search can be spread over frames;
                all of it when None.
            known: faces that need not be reported, which saves the time of examining them.

        Raises:
            TypeError: the image is no array of uint8. ValueError: it has another shape, or no pixel.
        """

    def look(self, grey: np.ndarray, box: Box, thorough: bool = False) -> Look | None:
        """The face expected in `box`, if one of about that size is about there.

        Args:
            grey: as for detect.
            box: where it was last, and how large.
            thorough: also try what costs more and is needed seldom, such as heads tilted or turned aside.
        """


@runtime_checkable
class Examiner(Detector, Protocol):
    """A detector whose second look at a face is more than a look where it should be."""

    #: At or above this level a face is worth a second look, where there is time for it: nobody else is followed.
    faint: float

    def detect(
        self,
        grey: np.ndarray,
        region: Box | None = None,
        *,
        part: int | None = None,
        known: Sequence[Box] = (),
        faint: bool = False,
    ) -> list[Detection]:
        """As of any detector; with `faint` those down to that level are among them."""

    def examine(self, grey: np.ndarray, face: Detection) -> Look | None:
        """What may be a face in the image, if it is one after all that can be asked about it."""


@runtime_checkable
class Surveyor(Detector, Protocol):
    """A detector that can search a photograph at every size, and knows its own bounds; photograph.py asks it.

    One without these is asked to `detect`, and to look at what is likely, as in the first frame of a film.
    """

    #: How it searches a tile of a photograph.
    survey: Survey

    def smallest_px(self, shape: tuple[int, ...]) -> float:
        """Smallest face that `detect` searches for in an image of that shape, pixels of the image.

        It is the one asked for, unless the image is so large that searching for it would take too long.
        """

    def candidates(self, tile: np.ndarray, thorough: bool) -> Sequence[Look]:
        """What may be a face in one tile of a photograph, between the sizes of `survey`.

        Args:
            tile: uint8, shape (H, W), at most `survey.tile_px` on a side.
            thorough: also try what costs more, such as heads tilted or turned aside, unless all is tried anyway.

        Returns:
            Boxes in pixels of the tile; the caller moves them.
        """

    def verified(self, grey: np.ndarray, candidates: Sequence[Look]) -> list[Look]:
        """The faces among the candidates of all tiles, each at its exact place; one may be there twice."""


def borne_out(detector: Detector, grey: np.ndarray, face: Detection, thorough: bool = False) -> Look | None:
    """A face that was likely, if a second look bears it out.

    Args:
        grey, face: the image, and a face that `detect` found in it or in the frame before it.
        thorough: as for `look`.
    """
    if isinstance(detector, Examiner):
        return detector.examine(grey, face)
    look = detector.look(grey, face.box, thorough)
    return look if look is not None and look.score >= detector.levels.likely else None


def tell_bound(detector: Detector, frame: Frame) -> None:
    """Says what a search of frames of this size leaves out so that it keeps its time."""
    if not isinstance(detector, Surveyor):
        return
    height, width = frame.grey.shape
    smallest_px = detector.smallest_px(frame.grey.shape)
    if smallest_px > detector.smallest_px((1, 1)) * TOLD_FROM:
        log.warning(
            "%sfaces below %.0f px are not searched for at %dx%d; photographs are searched at every size",
            f"{frame.source}: " if frame.source else "",
            smallest_px,
            width,
            height,
        )


def within(grey: np.ndarray, region: Box | None) -> tuple[np.ndarray | None, int, int]:
    """The whole pixels of a region that lie in the image, with their corner; None when there are none."""
    if region is None:
        return grey, 0, 0
    height, width = grey.shape
    inside = clipped(region, width, height)
    x0, y0, x1, y1 = math.floor(inside.x0), math.floor(inside.y0), math.ceil(inside.x1), math.ceil(inside.y1)
    if x1 <= x0 or y1 <= y0:
        return None, 0, 0
    return grey[y0:y1, x0:x1], x0, y0


def resized(image: np.ndarray, scale: float) -> np.ndarray:
    """The image at another scale, at least one pixel each way."""
    if scale == 1:
        return image
    height, width = image.shape
    size = max(1, round(height * scale)), max(1, round(width * scale))
    return kernels.crop_resize(image, (0, 0, width, height), size)


#: Nose off the middle of the eyes, as a part of their distance, from which a face counts as turned away (some
#: 30 degrees of yaw on an average head).
TURNED_NOSE = 0.35


def is_turned(right_eye: np.ndarray, left_eye: np.ndarray, nose: np.ndarray) -> bool:
    """Whether a face looks aside, from three points of it."""
    between = left_eye - right_eye
    distance = float(np.hypot(*between))
    if distance < 1e-6:
        return True
    along = float(np.dot(nose - (left_eye + right_eye) / 2, between)) / distance
    return abs(along) > TURNED_NOSE * distance


def suppressed(candidates: Sequence[Look], overlap: float = 0.3) -> list[Look]:
    """The best of each group of overlapping faces, best first."""
    kept: list[Look] = []
    for candidate in sorted(candidates, key=lambda face: -face.score):
        if all(iou(candidate.box, other.box) <= overlap for other in kept):
            kept.append(candidate)
    return kept


def distinct(faces: Sequence[Look], before: Sequence[Look] = ()) -> list[Look]:
    """Those that are faces of their own, best first: not one within another, as a nose and a mouth may seem to be.

    Args:
        faces: any number of them.
        before: faces that go before all of these.
    """
    kept = list(before)
    for face in sorted(faces, key=lambda face: (-face.score, -face.box.width)):
        if all(iou(face.box, other.box) <= 0.3 and covered(face.box, other.box) <= 0.5 for other in kept):
            kept.append(face)
    return kept[len(before) :]


def nearest(candidates: list[Look], box: Box) -> Look | None:
    """The face that overlaps an expected one most, if any does."""
    best = max(candidates, key=lambda face: iou(face.box, box), default=None)
    return best if best is not None and iou(best.box, box) >= 0.2 else None


def in_range(candidates: list[Look], survey: Survey) -> list[Look]:
    """Those of the sizes for which a tile is searched, with some room; others show better at another scale."""
    smallest, largest = survey.smallest_px / 1.3, survey.largest_px * 1.3
    return [face for face in candidates if smallest <= face.box.width <= largest]


def agreed(detector: Surveyor, grey: np.ndarray, candidates: Sequence[Look]) -> list[Look]:
    """The faces among candidates with scores: those that are sure, or are after a second look."""
    survey, faces = detector.survey, []
    for face in suppressed([face for face in candidates if face.score >= detector.levels.likely]):
        if face.score < survey.alone:
            look = detector.look(grey, face.box, thorough=True)
            if look is None or (look.score + face.score) / 2 < survey.together:
                continue
        faces.append(face)
    return faces
