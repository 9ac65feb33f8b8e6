"""Faces in one image: Haar on a reduced image by default, YuNet or BlazeFace from a file the user names.

A detector answers two questions. `detect` searches an image and may take milliseconds; the tracker asks it
rarely. `look` asks whether a face of about this size is at about this place; it is a tenth of the price.
Every detector returns the same kind of box: square, from above the brows to the chin, as Haar gives it, so
that the crop a network was trained on does not depend on the detector.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from edgefer.errors import ModelError, UsageError
from edgefer.geometry import Box, clipped, iou, moved, scaled, squared, xywh_to_xyxy
from edgefer.values import Detection

log = logging.getLogger(__name__)

KINDS = ("haar", "yunet", "blazeface")

#: Faces smaller than this are not searched for, pixels of the source.
DEFAULT_MIN_FACE_PX = 60
#: Longest side of the image a search works on: what bounds its time on a large source.
DEFAULT_MAX_SIDE_PX = 480


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


@dataclass(slots=True)
class Look:
    """Answer of `look`: where the face is, how sure that is, and whether only its side was recognised."""

    box: Box
    score: float
    turned: bool = False


class Detector(Protocol):
    """What the tracker needs of a detector."""

    kind: str
    levels: Levels
    #: Into how many parts of about equal time a search can be divided.
    parts: int

    def detect(
        self,
        grey: np.ndarray,
        region: Box | None = None,
        *,
        part: int | None = None,
        known: Sequence[Box] = (),
    ) -> list[Detection]:
        """All faces in the image, or in one region of it, best first; boxes in pixels of the image.

        Faces down to the level `keep` are among them, for tracks that they may confirm.

        Args:
            grey: uint8, shape (H, W), any size from 1x1.
            region: where to search; the whole image when None. It may reach outside.
            part: only this part of the work, from 0 to parts - 1, so that a search can be spread over frames;
                all of it when None.
            known: faces that need not be reported, which saves the time of examining them.
        """

    def look(self, grey: np.ndarray, box: Box, thorough: bool = False) -> Look | None:
        """The face expected in `box`, if one of about that size is about there.

        Args:
            grey: as for detect.
            box: where it was last, and how large.
            thorough: also try what costs more and is needed seldom, such as heads tilted or turned aside.
        """


def open_detector(
    kind: str = "haar",
    model: str | Path | None = None,
    *,
    min_face_px: int = DEFAULT_MIN_FACE_PX,
    max_side_px: int = DEFAULT_MAX_SIDE_PX,
    threads: int = 1,
) -> Detector:
    """A face detector by name.

    Args:
        kind: "haar", "yunet" or "blazeface".
        model: file of the network, for yunet (ONNX) and blazeface (TFLite short range); none for haar.
        min_face_px: smallest face to search for, pixels of the source, 20 to 2000.
        max_side_px: longest side of the image searched, 64 to 4096; on sources so large that `min_face_px`
            would need more, the smallest face found grows instead of the time.
        threads: threads of the network's interpreter (blazeface); OpenCV's are set by cv2.setNumThreads.

    Raises:
        UsageError: an unknown kind, a number out of range, or a model file not named or not there.
        ModelError: the file cannot be read or is not such a model.
    """
    if kind not in KINDS:
        raise UsageError(f"unknown detector {kind!r}; available: {', '.join(KINDS)}")
    for name, value, low, high in (
        ("min_face_px", min_face_px, 20, 2000),
        ("max_side_px", max_side_px, 64, 4096),
    ):
        if not low <= value <= high:
            raise UsageError(f"detector: {name} must be {low} to {high}, got {value}")
    if kind == "haar":
        if model is not None:
            raise UsageError(
                f"detector haar takes no model file, got {str(model)!r}; use yunet or blazeface with it"
            )
        return HaarDetector(min_face_px=min_face_px, max_side_px=max_side_px)
    data = _read_model(kind, model)
    if kind == "yunet":
        return YuNetDetector(data, str(model), min_face_px=min_face_px, max_side_px=max_side_px)
    return BlazeFaceDetector(data, str(model), min_face_px=min_face_px, threads=threads)


def _read_model(kind: str, model: str | Path | None) -> bytes:
    """The bytes of the file a network detector was given."""
    if model is None:
        raise UsageError(
            f"detector {kind} needs a model file; name one, or use the haar detector, which needs none"
        )
    try:
        data = Path(model).read_bytes()
    except FileNotFoundError:
        raise UsageError(f"detector {kind}: model file {str(model)!r} does not exist") from None
    except OSError as error:
        raise ModelError(
            f"detector {kind}: cannot read model file {str(model)!r}: {error.strerror}"
        ) from None
    if not data:
        raise ModelError(f"detector {kind}: model file {str(model)!r} is empty")
    return data


# ---------------------------------------------------------------------------------------------------- Haar


class HaarDetector:
    """OpenCV's frontal-face cascade `alt2`, in two steps.

    The search runs on an image reduced until the smallest face wanted is SEARCH_PX wide. Each candidate is
    then looked at again at one standard size, LOOK_PX, which puts the box right and makes the number of
    agreeing windows comparable between faces near and far: that number is the score. A cascade normalises
    contrast within each window, so the image is not equalised first (doing so lowered the rate of detection).

    Reference: Viola and Jones, Rapid Object Detection using a Boosted Cascade of Simple Features, CVPR 2001;
    Lienhart, Kuranov, Pisarevsky, 2003, for the cascade.
    """

    kind = "haar"

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

    def __init__(self, min_face_px: int = DEFAULT_MIN_FACE_PX, max_side_px: int = DEFAULT_MAX_SIDE_PX):
        self._frontal = _cascade("haarcascade_frontalface_alt2.xml")
        self._profile = _cascade("haarcascade_profileface.xml")
        self._min_face_px = min_face_px
        self._max_side_px = max_side_px

    def detect(
        self,
        grey: np.ndarray,
        region: Box | None = None,
        *,
        part: int | None = None,
        known: Sequence[Box] = (),
    ) -> list[Detection]:
        """All faces in the image or region, best first; see Detector."""
        image, x0, y0 = _within(grey, region)
        if image is None:
            return []
        scale = min(1.0, self.SEARCH_PX / self._min_face_px, self._max_side_px / max(image.shape))
        reduced = _resized(image, scale)
        # one step below the size wanted, so that windows of two sizes can agree on the smallest face
        smallest = max(round(min(self._min_face_px, self.SEARCH_PX) / self.SEARCH_STEP), 20)
        largest = max(reduced.shape)
        step = self.LOOK_STEP
        if part is not None:
            step = self.SEARCH_STEP
            limits = (smallest, *self.CUTS, largest)
            smallest, largest = max(limits[part], smallest), min(limits[part + 1], largest)
        found = _windows(self._frontal, reduced, step, smallest, largest)
        found.sort(key=lambda window: -window[1])
        faces: list[Detection] = []
        for window, _ in found[: self.MAX_CANDIDATES]:
            candidate = moved(scaled(window, 1 / scale), x0, y0)
            if any(iou(candidate, box) > 0.4 for box in (*known, *(face.box for face in faces))):
                continue
            look = self.look(grey, candidate)
            if look is None or look.score < self.levels.keep:
                continue
            if not any(iou(look.box, face.box) > 0.3 for face in faces):
                faces.append(Detection(look.box, look.score))
        return sorted(faces, key=lambda face: -face.score)

    def look(self, grey: np.ndarray, box: Box, thorough: bool = False) -> Look | None:
        """The face expected in `box`; see Detector. Thorough: also tilted to either side, and in profile."""
        side = max(box.width, box.height)
        part, x0, y0 = _within(grey, squared(box, self.LOOK_MARGIN))
        if part is None or side < 1:
            return None
        scale = self.LOOK_PX / side
        image = _resized(part, scale)
        expected = scaled(moved(box, -x0, -y0), scale)
        look = self._best(self._frontal, image, expected)
        if thorough and (look is None or look.score < self.levels.keep):
            others = (other for other in self._variants(image, expected) if other is not None)
            look = next((other for other in others if other.score >= self.levels.keep), look)
        if look is not None:
            look.box = moved(scaled(look.box, 1 / scale), x0, y0)
        return look

    def _variants(self, image: np.ndarray, expected: Box) -> Iterator[Look | None]:
        """What is found at other poses of the head, one after the other."""
        centre = (image.shape[1] - 1) / 2, (image.shape[0] - 1) / 2
        for degrees in (-self.TILT_DEGREES, self.TILT_DEGREES):
            turn = cv2.getRotationMatrix2D(centre, degrees, 1.0)
            upright = cv2.warpAffine(image, turn, image.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
            yield self._best(self._frontal, upright, expected, cv2.invertAffineTransform(turn))
        yield self._best(self._profile, image, expected, turned=True)
        mirror = np.float64([[-1, 0, image.shape[1]], [0, 1, 0]])  # boxes end exclusively
        mirrored = np.ascontiguousarray(image[:, ::-1])
        yield self._best(self._profile, mirrored, expected, mirror, turned=True)

    def _best(
        self,
        cascade: cv2.CascadeClassifier,
        image: np.ndarray,
        expected: Box,
        back: np.ndarray | None = None,
        turned: bool = False,
    ) -> Look | None:
        """The face in an image at LOOK_PX that most windows agree on, near the one expected.

        `back` maps points of the image to the caller's, where that is another.
        """
        small, large = (round(self.LOOK_PX * size) for size in self.LOOK_SIZES)
        found = _windows(cascade, image, self.LOOK_STEP, small, large)
        if not found:
            return None
        if back is not None:
            points = [back @ np.float64([*box.centre, 1]) - box.centre for box, _ in found]
            found = [
                (moved(box, float(x), float(y)), count)
                for (box, count), (x, y) in zip(found, points, strict=True)
            ]
        # of two faces side by side, the one expected here
        box, agreeing = max(found, key=lambda window: window[1] * iou(window[0], expected))
        return Look(box, min(1.0, agreeing / self.FULL_SCORE), turned)


def _cascade(name: str) -> cv2.CascadeClassifier:
    """One of the cascades OpenCV carries."""
    path = Path(cv2.data.haarcascades) / name
    cascade = cv2.CascadeClassifier(str(path))
    if cascade.empty():
        raise ModelError(
            f"cannot load the Haar cascade {path}; reinstall opencv-python-headless<5, which carries it"
        )
    return cascade


def _windows(
    cascade: cv2.CascadeClassifier, image: np.ndarray, step: float, smallest: int, largest: int
) -> list[tuple[Box, int]]:
    """Groups of accepted windows, with the number in each; groups of one are left out."""
    if min(image.shape) < smallest or largest < smallest:
        return []
    boxes, counts = cascade.detectMultiScale2(
        image, scaleFactor=step, minNeighbors=1, minSize=(smallest, smallest), maxSize=(largest, largest)
    )
    # with several threads OpenCV gives the groups in any order
    return sorted(
        (xywh_to_xyxy(*box), int(count)) for box, count in zip(boxes, np.ravel(counts), strict=True)
    )


def _within(grey: np.ndarray, region: Box | None) -> tuple[np.ndarray | None, int, int]:
    """The whole pixels of a region that lie in the image, with their corner; None when there are none."""
    if region is None:
        return grey, 0, 0
    height, width = grey.shape
    inside = clipped(region, width, height)
    x0, y0, x1, y1 = math.floor(inside.x0), math.floor(inside.y0), math.ceil(inside.x1), math.ceil(inside.y1)
    if x1 <= x0 or y1 <= y0:
        return None, 0, 0
    return grey[y0:y1, x0:x1], x0, y0


def _resized(image: np.ndarray, scale: float) -> np.ndarray:
    """The image at another scale, at least one pixel each way."""
    if scale == 1:
        return image
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


# ------------------------------------------------------------------------------------------ networks, shared

#: Nose off the middle of the eyes, as a part of their distance, from which a face counts as turned away (some
#: 30 degrees of yaw on an average head).
TURNED_NOSE = 0.35


def _is_turned(right_eye: np.ndarray, left_eye: np.ndarray, nose: np.ndarray) -> bool:
    """Whether a face looks aside, from three points of it."""
    between = left_eye - right_eye
    distance = float(np.hypot(*between))
    if distance < 1e-6:
        return True
    along = float(np.dot(nose - (left_eye + right_eye) / 2, between)) / distance
    return abs(along) > TURNED_NOSE * distance


def _suppressed(found: list[tuple[Box, float, bool]], overlap: float = 0.3) -> list[tuple[Box, float, bool]]:
    """The best of each group of overlapping boxes, best first."""
    kept: list[tuple[Box, float, bool]] = []
    for candidate in sorted(found, key=lambda entry: -entry[1]):
        if all(iou(candidate[0], other[0]) <= overlap for other in kept):
            kept.append(candidate)
    return kept


def _nearest(found: Sequence[tuple[Box, float, bool]], box: Box) -> Look | None:
    """Of the faces found around an expected one, that which overlaps it most, if any does."""
    best = max(found, key=lambda entry: iou(entry[0], box), default=None)
    if best is None or iou(best[0], box) < 0.2:
        return None
    return Look(*best)


# --------------------------------------------------------------------------------------------------- YuNet


class YuNetDetector:
    """YuNet through cv2.FaceDetectorYN, on an image reduced until the smallest face wanted is SEARCH_PX wide.

    Reference: Wu, Peng and Yu, YuNet: A Tiny Millisecond-level Face Detector, 2023.
    """

    kind = "yunet"
    levels = Levels(sure=0.75, likely=0.6, keep=0.4)
    parts = 1

    SEARCH_PX = 24  # the network's finest anchors are 10 to 24 pixels
    LOOK_PX = 48
    LOOK_MARGIN = 0.5
    #: Its box against Haar's, as parts of its height: side, and shift of the centre downward (medians over
    #: 378 photographs that both detectors find).
    SIDE, SHIFT = 0.96, -0.025

    def __init__(
        self,
        model: bytes,
        name: str,
        min_face_px: int = DEFAULT_MIN_FACE_PX,
        max_side_px: int = DEFAULT_MAX_SIDE_PX,
    ):
        self._min_face_px = min_face_px
        self._max_side_px = max_side_px
        try:
            self._network = cv2.FaceDetectorYN.create(
                "onnx",
                np.frombuffer(model, np.uint8),
                np.empty(0, np.uint8),
                (64, 64),
                self.levels.keep,
                0.3,
                500,
            )
            self._found(np.zeros((64, 64), np.uint8))
        except cv2.error as error:
            reason = str(error).strip().splitlines()[-1].rsplit("error: ", 1)[-1]
            raise ModelError(
                f"detector yunet: {name!r} is not a YuNet model this OpenCV can run ({reason})"
            ) from None

    def detect(
        self,
        grey: np.ndarray,
        region: Box | None = None,
        *,
        part: int | None = None,
        known: Sequence[Box] = (),
    ) -> list[Detection]:
        """All faces in the image or region, best first; see Detector. It is not divided."""
        image, x0, y0 = _within(grey, region)
        if image is None:
            return []
        scale = min(1.0, self.SEARCH_PX / self._min_face_px, self._max_side_px / max(image.shape))
        faces = [
            (moved(scaled(box, 1 / scale), x0, y0), score)
            for box, score, _ in self._found(_resized(image, scale))
        ]
        return [Detection(box, score) for box, score in faces if box.width >= self._min_face_px * 0.75]

    def look(self, grey: np.ndarray, box: Box, thorough: bool = False) -> Look | None:
        """The face expected in `box`; see Detector. The network takes turned heads as they come."""
        side = max(box.width, box.height)
        part, x0, y0 = _within(grey, squared(box, self.LOOK_MARGIN))
        if part is None or side < 1:
            return None
        scale = self.LOOK_PX / side
        found = self._found(_resized(part, scale))
        return _nearest(
            [(moved(scaled(face, 1 / scale), x0, y0), score, turned) for face, score, turned in found], box
        )

    def _found(self, image: np.ndarray) -> list[tuple[Box, float, bool]]:
        """Every face in an image at working size."""
        height, width = image.shape
        # The network halves the image five times; an edge is added where it would not divide. Of an image 32
        # pixels high OpenCV 4.14 returns uninitialised memory, hence at least 64.
        below, right = max(64 - height, -height % 32), max(64 - width, -width % 32)
        image = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE)
        self._network.setInputSize((image.shape[1], image.shape[0]))
        _, rows = self._network.detect(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
        found = []
        for row in rows if rows is not None else ():
            x, y, face_width, face_height = (float(value) for value in row[:4])
            if not np.isfinite(row).all() or not 0 < face_height < 2 * max(image.shape):
                continue  # overflow in a cell far from any face
            half, cx = self.SIDE * face_height / 2, x + face_width / 2
            cy = y + face_height * (0.5 + self.SHIFT)
            points = row[4:14].astype(np.float64).reshape(5, 2)
            box = Box(cx - half, cy - half, cx + half, cy + half)
            found.append((box, float(np.clip(row[14], 0, 1)), _is_turned(points[0], points[1], points[2])))
        return sorted(found, key=lambda entry: -entry[1])


# ----------------------------------------------------------------------------------------------- BlazeFace


def blazeface_anchors() -> np.ndarray:
    """Centres of the 896 anchors of the short-range model, parts of its input.

    Two to a cell of the 16x16 grid, then six to a cell of the 8x8 grid, rows first; every anchor has the size
    of the whole input.

    Returns:
        float32, shape (896, 2): x, y.

    Reference: Bazarevsky et al., BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs, 2019,
    section 3.
    """
    grids = []
    for cells, repeats in ((16, 2), (8, 6)):
        centre = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        y, x = np.meshgrid(centre, centre, indexing="ij")
        grids.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), repeats, axis=0))
    return np.concatenate(grids)


class BlazeFaceDetector:
    """BlazeFace, short range, through LiteRT: 128x128 in, 896 anchors out.

    The network finds faces from an eighth of its view, so the search lays square tiles over the image, small
    enough for the smallest face wanted, and one view of the whole.
    """

    kind = "blazeface"
    levels = Levels(sure=0.7, likely=0.6, keep=0.35)
    parts = 1

    INPUT_PX = 128
    SEARCH_PX = 16
    #: Views in one search, the whole included: bounds its time on a large source.
    MAX_VIEWS = 7
    LOOK_MARGIN = 0.75
    #: Its box against Haar's, as parts of its side: side, and shift of the centre downward (medians over 379
    #: photographs that both detectors find).
    SIDE, SHIFT = 1.19, -0.12

    def __init__(self, model: bytes, name: str, min_face_px: int = DEFAULT_MIN_FACE_PX, threads: int = 1):
        self._min_face_px = min_face_px
        self._anchors = blazeface_anchors()
        try:
            self._network = _litert(model, threads)
            self._network.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else "unreadable"
            raise ModelError(
                f"detector blazeface: {name!r} is not a TFLite model that can be run ({reason})"
            ) from None
        view = self._network.get_input_details()
        outputs = {
            tuple(int(n) for n in entry["shape"]): entry["index"]
            for entry in self._network.get_output_details()
        }
        shapes = [tuple(int(n) for n in entry["shape"]) for entry in view]
        if (
            shapes != [(1, 128, 128, 3)]
            or view[0]["dtype"] != np.float32
            or {(1, 896, 16), (1, 896, 1)} - set(outputs)
        ):
            raise ModelError(
                f"detector blazeface: {name!r} is not the short-range model: expected float32 input "
                f"(1, 128, 128, 3), outputs (1, 896, 16) and (1, 896, 1), got {shapes} and {sorted(outputs)}"
            )
        self._input = view[0]["index"]
        self._boxes, self._scores = outputs[(1, 896, 16)], outputs[(1, 896, 1)]

    def detect(
        self,
        grey: np.ndarray,
        region: Box | None = None,
        *,
        part: int | None = None,
        known: Sequence[Box] = (),
    ) -> list[Detection]:
        """All faces in the image or region, best first; see Detector. It is not divided."""
        image, x0, y0 = _within(grey, region)
        if image is None:
            return []
        found = [face for view in self._views(*image.shape) for face in self._found(image, view)]
        return [
            Detection(moved(box, x0, y0), score)
            for box, score, _ in _suppressed(found)
            if box.width >= self._min_face_px * 0.75
        ]

    def look(self, grey: np.ndarray, box: Box, thorough: bool = False) -> Look | None:
        """The face expected in `box`; see Detector. The network takes turned heads as they come."""
        if max(box.width, box.height) < 1 or clipped(box, grey.shape[1], grey.shape[0]).area == 0:
            return None
        return _nearest(self._found(grey, squared(box, self.LOOK_MARGIN)), box)

    def _views(self, height: int, width: int) -> list[Box]:
        """Squares to show the network so that every face wanted is large enough in one of them."""
        whole = squared(Box(0, 0, width, height))
        side = self._min_face_px * self.INPUT_PX / self.SEARCH_PX
        if side >= whole.width:
            return [whole]
        while True:
            # neighbours overlap by the largest face that only they can show well
            step = side * 0.75
            columns = max(1, math.ceil((width - side) / step) + 1)
            rows = max(1, math.ceil((height - side) / step) + 1)
            if rows * columns < self.MAX_VIEWS:
                break
            side *= 1.2
        xs = np.linspace(0, max(width - side, 0), columns) if columns > 1 else [(width - side) / 2]
        ys = np.linspace(0, max(height - side, 0), rows) if rows > 1 else [(height - side) / 2]
        return [whole, *(Box(float(x), float(y), float(x + side), float(y + side)) for y in ys for x in xs)]

    def _found(self, grey: np.ndarray, view: Box) -> list[tuple[Box, float, bool]]:
        """Every face in one square view of an image."""
        side = view.width
        image = _square_view(grey, view, self.INPUT_PX)
        tensor = np.repeat((image.astype(np.float32) / 127.5 - 1)[None, :, :, None], 3, axis=3)
        self._network.set_tensor(self._input, tensor)
        self._network.invoke()
        logits = self._network.get_tensor(self._scores)[0, :, 0]
        # sigmoid; the clip keeps exp within float32
        scores = 1 / (1 + np.exp(-np.clip(logits, -80, 80)))
        raw = self._network.get_tensor(self._boxes)[0]
        found = []
        for index in np.flatnonzero(scores >= self.levels.keep):
            points = raw[index].reshape(8, 2) / self.INPUT_PX
            centre = self._anchors[index] + points[0]
            size = float(points[1].max()) * side
            cx, cy = view.x0 + float(centre[0]) * side, view.y0 + float(centre[1]) * side + self.SHIFT * size
            half = self.SIDE * size / 2
            if half > 0:
                face = Box(cx - half, cy - half, cx + half, cy + half)
                found.append((face, float(scores[index]), _is_turned(points[2], points[3], points[4])))
        return _suppressed(found)


def _litert(model: bytes, threads: int):
    """An interpreter of LiteRT; tflite-runtime does not verify a file and can crash on a bad one."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise UsageError("detector blazeface needs ai-edge-litert; pip install ai-edge-litert") from None
    return Interpreter(model_content=model, num_threads=threads)


def _square_view(grey: np.ndarray, view: Box, size: int) -> np.ndarray:
    """A square of the image at another size, black outside the image."""
    height, width = grey.shape
    part, x0, y0 = _within(grey, view)
    canvas = np.zeros((size, size), np.uint8)
    if part is None:
        return canvas
    scale = size / view.width
    left, top = round((x0 - view.x0) * scale), round((y0 - view.y0) * scale)
    left, top = min(max(left, 0), size - 1), min(max(top, 0), size - 1)
    right = min(size, max(left + 1, left + round(part.shape[1] * scale)))
    bottom = min(size, max(top + 1, top + round(part.shape[0] * scale)))
    mode = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas[top:bottom, left:right] = cv2.resize(part, (right - left, bottom - top), interpolation=mode)
    return canvas
