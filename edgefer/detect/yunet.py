"""YuNet, from a model directory."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edgefer import defaults
from edgefer.detect.base import (
    DEFAULT_MAX_SIDE_PX,
    Levels,
    Look,
    Survey,
    agreed,
    in_range,
    is_turned,
    nearest,
    resized,
    within,
)
from edgefer.detect.network import open_network
from edgefer.detect.registry import Network
from edgefer.errors import ModelError
from edgefer.geometry import Box, moved, scaled, squared
from edgefer.support.images import box_of, grey_image
from edgefer.support.locks import turn_lock
from edgefer.values import Detection


class YuNetDetector:
    """YuNet through cv2.FaceDetectorYN, on an image reduced until the smallest face wanted is SEARCH_PX wide.

    Reference: Wu, Peng and Yu, YuNet: A Tiny Millisecond-level Face Detector, 2023.
    """

    levels = Levels(sure=0.75, likely=0.6, keep=0.4)
    parts = 1
    survey = Survey(640, 30, 160, alone=0.8, together=0.7, lying=0.88)

    SEARCH_PX = 24  # the network's finest anchors are 10 to 24 pixels
    LOOK_PX = 48
    LOOK_MARGIN = 0.5
    #: Its box compared with Haar's, as parts of its height: side, and shift of the centre downward (medians
    #: over 378 photographs that both detectors find).
    SIDE, SHIFT = 0.96, -0.025

    def __init__(
        self, model: bytes, name: str, min_face_px: int = defaults.MIN_FACE_PX, max_side_px: int = DEFAULT_MAX_SIDE_PX
    ):
        self._min_face_px = min_face_px
        self._max_side_px = max_side_px
        self._turn = turn_lock()  # OpenCV's network has one input and one size for all threads
        try:
            self._network = cv2.FaceDetectorYN.create(
                "onnx", np.frombuffer(model, np.uint8), np.empty(0, np.uint8), (64, 64), self.levels.keep, 0.3, 500
            )
            self._candidates(np.zeros((64, 64), np.uint8))
        except cv2.error as error:
            reason = str(error).strip().splitlines()[-1].rsplit("error: ", 1)[-1]
            raise ModelError(f"detector yunet: {name!r} is not a YuNet model this OpenCV can run ({reason})") from None

    def detect(
        self, grey: np.ndarray, region: Box | None = None, *, part: int | None = None, known: Sequence[Box] = ()
    ) -> list[Detection]:
        """All faces in the image or region, best first; see Detector. It is not divided."""
        image, x0, y0 = within(grey_image("detect", grey), region)
        if image is None:
            return []
        scale = self._scale(image.shape)
        faces = [
            Detection(moved(scaled(face.box, 1 / scale), x0, y0), face.score)
            for face in self._candidates(resized(image, scale))
        ]
        return [face for face in faces if face.box.width >= self._min_face_px * 0.75]

    def look(self, grey: np.ndarray, box: Box, thorough: bool = False) -> Look | None:
        """The face expected in `box`; see Detector. The network takes turned heads as they come."""
        box = box_of("look", box)
        side = max(box.width, box.height)
        part, x0, y0 = within(grey_image("look", grey), squared(box, self.LOOK_MARGIN))
        if part is None or side < 1:
            return None
        scale = self.LOOK_PX / side
        faces = self._candidates(resized(part, scale))
        for face in faces:
            face.box = moved(scaled(face.box, 1 / scale), x0, y0)
        return nearest(faces, box)

    def _scale(self, shape: tuple[int, ...]) -> float:
        """To which a search reduces an image."""
        return min(1.0, self.SEARCH_PX / self._min_face_px, self._max_side_px / max(shape))

    def smallest_px(self, shape: tuple[int, ...]) -> float:
        """Smallest face searched for in an image; see Detector."""
        return max(self._min_face_px, min(self._min_face_px, self.SEARCH_PX) / self._scale(shape))

    def candidates(self, tile: np.ndarray, thorough: bool) -> list[Look]:
        """What may be a face in one tile of a photograph; see Detector."""
        return in_range(self._candidates(tile), self.survey)

    def verified(self, grey: np.ndarray, candidates: Sequence[Look]) -> list[Look]:
        """The faces among the candidates; see Detector."""
        return agreed(self, grey, candidates)

    def best_score(self, grey: np.ndarray) -> float:
        """The greatest score anywhere in a small image, however low; for the self-test."""
        with self._turn:
            self._network.setScoreThreshold(1e-3)
            try:
                return max((face.score for face in self._candidates(grey)), default=0.0)
            finally:
                self._network.setScoreThreshold(self.levels.keep)

    def _candidates(self, image: np.ndarray) -> list[Look]:
        """Every face in an image at working size."""
        height, width = image.shape
        # The network halves the image five times; an edge is added where it would not divide. Of an image 32
        # pixels high OpenCV 4.14 returns uninitialised memory, hence at least 64.
        below, right = max(64 - height, -height % 32), max(64 - width, -width % 32)
        image = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE)
        with self._turn:
            self._network.setInputSize((image.shape[1], image.shape[0]))
            _, rows = self._network.detect(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
        faces = []
        for row in rows if rows is not None else ():
            x, y, face_width, face_height = (float(value) for value in row[:4])
            if not np.isfinite(row).all() or not 0 < face_height < 2 * max(image.shape):
                continue  # overflow in a cell far from any face
            half, cx = self.SIDE * face_height / 2, x + face_width / 2
            cy = y + face_height * (0.5 + self.SHIFT)
            points = row[4:14].astype(np.float64).reshape(5, 2)
            box = Box(cx - half, cy - half, cx + half, cy + half)
            turned = is_turned(points[0], points[1], points[2])
            faces.append(Look(box, float(np.clip(row[14], 0, 1)), turned))
        return sorted(faces, key=lambda face: -face.score)


def open_yunet(options: Network, *, min_face_px: int, max_side_px: int, threads: int) -> YuNetDetector:
    """The detector of a model directory; OpenCV's threads are those of the process."""
    return open_network("yunet", options.model, YuNetDetector, min_face_px, max_side_px)
