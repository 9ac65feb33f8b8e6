"""OpenCV's Haar cascades, by our kernels; their files come with OpenCV 4 only."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from edgefer import defaults, kernels
from edgefer.detect.base import DEFAULT_MAX_SIDE_PX, Levels, Look, Survey, distinct, resized, suppressed, within
from edgefer.detect.cascade import CascadeSearch
from edgefer.geometry import Box, iou, moved, scaled, squared
from edgefer.support.images import box_of, grey_image
from edgefer.support.registry import Options
from edgefer.values import Detection


class HaarDetector:
    """OpenCV's frontal-face cascade `alt2`, in two steps.

    The search runs on an image reduced until the smallest face wanted is SEARCH_PX wide. Each candidate is
    then looked at again at one standard size, LOOK_PX, which puts the box right and makes the number of
    agreeing windows comparable between faces near and far: that number is the score. A cascade normalises
    contrast within each window, so the image is not equalised first (doing so lowered the rate of detection).

    A photograph is searched in five poses of the head, and each candidate is looked at twice. Of 600 portraits
    read alone this finds 570 (by the search of a film's frame 422), of 200 of HELEN 188 (144); in 144
    pictures without faces, 923 megapixels, it sees 1 (1).

    Reference: Viola and Jones, Rapid Object Detection using a Boosted Cascade of Simple Features, CVPR 2001;
    Lienhart, Kuranov, Pisarevsky, 2003, for the cascade.
    """

    #: Width of the smallest face in the reduced image; the cascade's window is 20.
    SEARCH_PX = 30
    #: Width at which one expected face is looked at.
    LOOK_PX = 48
    #: Steps between window sizes: coarse in a search that will soon be repeated (it finds 94 of 100 faces of
    #: the smallest size), fine in one of the whole image, the first of a source (99 of 100), and to judge.
    SEARCH_STEP, LOOK_STEP = 1.2, 1.1
    #: How far around the expected box a look reaches, as a part of its side, and between which sizes.
    LOOK_MARGIN, LOOK_SIZES = 0.35, (0.7, 1.45)
    #: Tilt of the head tried by a thorough look; the cascade itself takes some 15 degrees to either side.
    TILT_DEGREES = 25
    #: Window sizes at which a search is divided, pixels of the reduced image. OpenCV moves windows of up to
    #: 40 by two pixels and larger ones by one; so each part takes a quarter of the time, or a third.
    CUTS = (40, 46, 66)
    #: Windows that agree on a face, as looked at, for a score of 1. Over frontal photographs the median is
    #: 34, and 95 in 100 faces reach 12; over the same photographs upside down one candidate in 30 does.
    FULL_SCORE = 24
    #: Candidates examined in one image: bounds the time on a picture full of them.
    MAX_CANDIDATES = 16

    levels = Levels(sure=12 / FULL_SCORE, likely=8 / FULL_SCORE, keep=3 / FULL_SCORE)
    parts = len(CUTS) + 1
    survey = Survey(1200, 25, 62, margin=0.25, lying=0.65)
    #: How a tile is laid for the poses that a frontal cascade misses: tilted to either side, and in profile.
    POSES = ("upright", "tilted left", "tilted right", "profile", "mirrored profile")

    #: Width at which a profile is looked at for the second time.
    PROFILE_LOOK_PX = 64
    #: Width of the image in which an eye is looked for, and how much more than the face it shows.
    EYE_PX, EYE_MARGIN = 144, 0.1

    def __init__(self, min_face_px: int = defaults.MIN_FACE_PX, max_side_px: int = DEFAULT_MAX_SIDE_PX):
        self._frontal = CascadeSearch("haarcascade_frontalface_alt2.xml")
        self._profile = CascadeSearch("haarcascade_profileface.xml")
        self._min_face_px = min_face_px
        self._max_side_px = max_side_px

    @functools.cached_property
    def _eye(self) -> CascadeSearch:
        """Loaded with the first photograph that needs it."""
        return CascadeSearch("haarcascade_eye.xml")

    def detect(
        self, grey: np.ndarray, region: Box | None = None, *, part: int | None = None, known: Sequence[Box] = ()
    ) -> list[Detection]:
        """All faces in the image or region, best first; see Detector."""
        grey = grey_image("detect", grey)
        image, x0, y0 = within(grey, region)
        if image is None:
            return []
        scale = self._scale(image.shape)
        reduced = resized(image, scale)
        # one step below the size wanted, so that windows of two sizes can agree on the smallest face
        smallest = max(round(min(self._min_face_px, self.SEARCH_PX) / self.SEARCH_STEP), 20)
        largest = max(reduced.shape)
        step = self.LOOK_STEP
        if part is not None:
            step = self.SEARCH_STEP
            limits = (smallest, *self.CUTS, largest)
            smallest, largest = max(limits[part], smallest), min(limits[part + 1], largest)
        windows = self._frontal.windows(reduced, step, smallest, largest)
        windows.sort(key=lambda window: -window[1])
        faces: list[Detection] = []
        for window, _ in windows[: self.MAX_CANDIDATES]:
            candidate = moved(scaled(window, 1 / scale), x0, y0)
            if any(iou(candidate, box) > 0.4 for box in (*known, *(face.box for face in faces))):
                continue
            look = self.look(grey, candidate)
            if look is None or look.score < self.levels.keep:
                continue
            if not any(iou(look.box, face.box) > 0.3 for face in faces):
                faces.append(Detection(look.box, look.score))
        return sorted(faces, key=lambda face: -face.score)

    def _scale(self, shape: tuple[int, ...]) -> float:
        """To which a search reduces an image."""
        return min(1.0, self.SEARCH_PX / self._min_face_px, self._max_side_px / max(shape))

    def smallest_px(self, shape: tuple[int, ...]) -> float:
        """Smallest face searched for in an image; see Detector."""
        return max(self._min_face_px, min(self._min_face_px, self.SEARCH_PX) / self._scale(shape))

    def candidates(self, tile: np.ndarray, thorough: bool) -> Sequence[Look]:
        """What may be a face in one tile of a photograph; see Detector."""
        # one step below the size wanted, so that windows of two sizes can agree on the smallest face
        smallest, largest = round(self.survey.smallest_px / self.SEARCH_STEP), self.survey.largest_px
        found: list[_Candidate] = []
        for pose in self.POSES if thorough else self.POSES[:1]:
            cascade, image, to_tile = self._posed(tile, pose)
            for box, count in cascade.windows(image, self.LOOK_STEP, smallest, largest):
                found.append(_Candidate(_mapped(box, to_tile), count / self.FULL_SCORE, pose=pose))
        return found

    def verified(self, grey: np.ndarray, candidates: Sequence[Look]) -> list[Look]:
        """The faces among the candidates; see Detector.

        Each is looked at twice: as it is and as in a mirror, a profile in two sizes. What only resembles a face
        does so once. One that is likely, but not sure, also has to show an eye; profiles, which resemble much
        else, have to be sure, and upright faces go before the others.
        """
        faces: list[Look] = []
        for pose in self.POSES:
            of_pose = [each for each in candidates if isinstance(each, _Candidate) and each.pose == pose]
            looks = (self._look_twice(grey, each.box, pose) for each in suppressed(of_pose))
            good = [look for look in looks if look is not None and self._is_face(grey, look, pose)]
            faces += distinct(good, faces)
        return faces

    def _look_twice(self, grey: np.ndarray, expected: Box, pose: str) -> Look | None:
        """The face at a candidate's place, by the mean of two looks; None when neither sees any."""
        profile = "profile" in pose
        looks: list[tuple[Box, int]] = []
        for size in (self.LOOK_PX, self.PROFILE_LOOK_PX if profile else self.LOOK_PX):
            region = squared(expected, 0.5)
            image = kernels.crop_resize(grey, region, (2 * size, 2 * size))
            cascade, image, to_image = self._posed(image, pose)
            if looks and not profile:
                image, to_image = _mirrored(image, to_image)
            middle = Box(size / 2, size / 2, size * 1.5, size * 1.5)
            small, large = (round(size * factor) for factor in self.LOOK_SIZES)
            windows = [
                (_mapped(box, to_image), count) for box, count in cascade.windows(image, self.LOOK_STEP, small, large)
            ]
            box, count = max(windows, key=lambda window: window[1] * iou(window[0], middle), default=(middle, 0))
            looks.append((moved(scaled(box, region.width / (2 * size)), region.x0, region.y0), count))
        total = sum(count for _, count in looks)
        if not total:
            return None
        # where both see it, the mean takes away some of the cascade's own jitter
        sides = zip(*(box for box, count in looks if count), strict=True)
        box = Box(*(float(np.mean(side)) for side in sides))
        return Look(box, min(1.0, total / 2 / self.FULL_SCORE), profile)

    def _is_face(self, grey: np.ndarray, look: Look, pose: str) -> bool:
        """Whether what was looked at twice is taken for a face."""
        if look.score >= self.levels.sure:
            return True
        if "profile" in pose or look.score < self.levels.likely:
            return False
        image = kernels.crop_resize(grey, squared(look.box, self.EYE_MARGIN), (self.EYE_PX, self.EYE_PX))
        _, image, _ = self._posed(image, pose)
        upper = image[: round(image.shape[0] * 0.62)]
        return bool(self._eye.windows(upper, self.LOOK_STEP, 20, self.EYE_PX // 3))

    def _posed(self, image: np.ndarray, pose: str) -> tuple[CascadeSearch, np.ndarray, np.ndarray | None]:
        """The cascade for a pose of the head, the image laid for it, and the map back where there is one."""
        if pose == "upright":
            return self._frontal, image, None
        if pose == "profile":
            return self._profile, image, None
        if pose == "mirrored profile":
            return self._profile, *_mirrored(image, None)
        height, width = image.shape
        degrees = self.TILT_DEGREES if pose == "tilted right" else -self.TILT_DEGREES
        turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
        cos, sin = abs(turn[0, 0]), abs(turn[0, 1])  # with room for the corners
        columns = math.ceil(width * cos + height * sin)
        rows = math.ceil(width * sin + height * cos)
        turn[:, 2] += (columns - width) / 2, (rows - height) / 2
        upright = cv2.warpAffine(image, turn, (columns, rows), borderMode=cv2.BORDER_REPLICATE)
        return self._frontal, upright, cv2.invertAffineTransform(turn)

    def look(self, grey: np.ndarray, box: Box, thorough: bool = False) -> Look | None:
        """The face expected in `box`; see Detector. Thorough: also tilted to either side, and in profile."""
        box = box_of("look", box)
        side = max(box.width, box.height)
        part, x0, y0 = within(grey_image("look", grey), squared(box, self.LOOK_MARGIN))
        if part is None or side < 1:
            return None
        scale = self.LOOK_PX / side
        image = resized(part, scale)
        expected = scaled(moved(box, -x0, -y0), scale)
        look = self._best(self._frontal, image, expected)
        if thorough and (look is None or look.score < self.levels.keep):
            others = (other for other in self._variants(image, expected) if other is not None)
            look = next((other for other in others if other.score >= self.levels.keep), look)
        if look is not None:
            look.box = moved(scaled(look.box, 1 / scale), x0, y0)
        return look

    def _variants(self, image: np.ndarray, expected: Box) -> Iterator[Look | None]:
        """The face at other poses of the head, one after the other."""
        centre = (image.shape[1] - 1) / 2, (image.shape[0] - 1) / 2
        for degrees in (-self.TILT_DEGREES, self.TILT_DEGREES):
            turn = cv2.getRotationMatrix2D(centre, degrees, 1.0)
            upright = cv2.warpAffine(image, turn, image.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
            yield self._best(self._frontal, upright, expected, cv2.invertAffineTransform(turn))
        yield self._best(self._profile, image, expected, turned=True)
        mirror = np.array([[-1.0, 0, image.shape[1]], [0, 1, 0]])  # boxes end exclusively
        mirrored = np.ascontiguousarray(image[:, ::-1])
        yield self._best(self._profile, mirrored, expected, mirror, turned=True)

    def _best(
        self,
        cascade: CascadeSearch,
        image: np.ndarray,
        expected: Box,
        to_caller: np.ndarray | None = None,
        turned: bool = False,
    ) -> Look | None:
        """The face in an image at LOOK_PX that most windows agree on, near the one expected.

        `to_caller` maps points of the image to the caller's image, where that is another.
        """
        small, large = (round(self.LOOK_PX * size) for size in self.LOOK_SIZES)
        windows = cascade.windows(image, self.LOOK_STEP, small, large)
        if not windows:
            return None
        if to_caller is not None:
            windows = [(_mapped(box, to_caller), count) for box, count in windows]
        # of two faces side by side, the one expected here
        box, agreeing = max(windows, key=lambda window: window[1] * iou(window[0], expected))
        return Look(box, min(1.0, agreeing / self.FULL_SCORE), turned)


def open_haar(options: Options, *, min_face_px: int, max_side_px: int, threads: int) -> HaarDetector:
    """The detector; one that runs no network has no use for threads."""
    return HaarDetector(min_face_px, max_side_px)


class _Candidate(Look):
    """What may be a face in a photograph, in one of HaarDetector.POSES."""

    pose: str = "upright"


def _mirrored(image: np.ndarray, to_caller: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """An image in a mirror, and the map from there to the caller's image."""
    back = np.array([[-1.0, 0, image.shape[1]], [0, 1, 0]])  # boxes end exclusively
    if to_caller is not None:
        back = to_caller @ np.vstack([back, [0, 0, 1]])
    return np.ascontiguousarray(image[:, ::-1]), back


def _mapped(box: Box, to_caller: np.ndarray | None) -> Box:
    """A box of an image that was turned or mirrored, upright about the same point of the caller's image."""
    if to_caller is None:
        return box
    x, y = to_caller @ np.array([*box.centre, 1.0]) - box.centre
    return moved(box, float(x), float(y))
