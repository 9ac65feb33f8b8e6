"""BlazeFace, from a model directory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from edgefer import defaults
from edgefer.detect.base import Levels, Look, Survey, agreed, in_range, is_turned, nearest, suppressed, within
from edgefer.detect.network import open_network
from edgefer.detect.registry import Network
from edgefer.errors import ModelError, UsageError
from edgefer.geometry import Box, clipped, moved, squared
from edgefer.models import runtime
from edgefer.support.images import box_of, grey_image
from edgefer.support.locks import turn_lock
from edgefer.values import Detection


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

    levels = Levels(sure=0.7, likely=0.6, keep=0.35)
    parts = 1
    survey = Survey(128, 24, 60, alone=0.8, together=0.75, lying=0.86)

    INPUT_PX = 128
    SEARCH_PX = 16
    #: Views in one search, the whole included: bounds its time on a large source.
    MAX_VIEWS = 7
    LOOK_MARGIN = 0.75
    #: Its box compared with Haar's, as parts of its side: side, and shift of the centre downward (medians
    #: over 379 photographs that both detectors find).
    SIDE, SHIFT = 1.19, -0.12

    def __init__(self, model: bytes, name: str, min_face_px: int = defaults.MIN_FACE_PX, threads: int = 1):
        self._min_face_px = min_face_px
        self._anchors = blazeface_anchors()
        self._turn = turn_lock()  # the runtime has one set of tensors for all threads
        try:
            self._network = _litert(model, threads)
            self._network.allocate_tensors()
            runtime.warn_if_slow(self._network)
        except (ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else "unreadable"
            raise ModelError(f"detector blazeface: {name!r} is not a TFLite model that can be run ({reason})") from None
        view = self._network.get_input_details()
        outputs = {
            tuple(int(n) for n in entry["shape"]): entry["index"] for entry in self._network.get_output_details()
        }
        shapes = [tuple(int(n) for n in entry["shape"]) for entry in view]
        if shapes != [(1, 128, 128, 3)] or view[0]["dtype"] != np.float32 or {(1, 896, 16), (1, 896, 1)} - set(outputs):
            raise ModelError(
                f"detector blazeface: {name!r} is not the short-range model: expected float32 input "
                f"(1, 128, 128, 3), outputs (1, 896, 16) and (1, 896, 1), got {shapes} and {sorted(outputs)}"
            )
        self._input = view[0]["index"]
        self._boxes, self._scores = outputs[(1, 896, 16)], outputs[(1, 896, 1)]

    def detect(
        self, grey: np.ndarray, region: Box | None = None, *, part: int | None = None, known: Sequence[Box] = ()
    ) -> list[Detection]:
        """All faces in the image or region, best first; see Detector. It is not divided."""
        image, x0, y0 = within(grey_image("detect", grey), region)
        if image is None:
            return []
        height, width = image.shape
        faces = [face for view in self._views(height, width) for face in self._candidates(image, view)]
        return [
            Detection(moved(face.box, x0, y0), face.score)
            for face in suppressed(faces)
            if face.box.width >= self._min_face_px * 0.75
        ]

    def look(self, grey: np.ndarray, box: Box, thorough: bool = False) -> Look | None:
        """The face expected in `box`; see Detector. The network takes turned heads as they come."""
        grey, box = grey_image("look", grey), box_of("look", box)
        if max(box.width, box.height) < 1 or clipped(box, grey.shape[1], grey.shape[0]).area == 0:
            return None
        return nearest(self._candidates(grey, squared(box, self.LOOK_MARGIN)), box)

    def smallest_px(self, shape: tuple[int, ...]) -> float:
        """Smallest face searched for in an image; see Detector."""
        side = min(view.width for view in self._views(*shape))
        return max(self._min_face_px, side * self.SEARCH_PX / self.INPUT_PX)

    def candidates(self, tile: np.ndarray, thorough: bool) -> list[Look]:
        """What may be a face in one tile of a photograph; see Detector."""
        height, width = tile.shape
        x0, y0 = (width - self.INPUT_PX) / 2, (height - self.INPUT_PX) / 2  # a smaller tile is centred
        return in_range(self._candidates(tile, Box(x0, y0, x0 + self.INPUT_PX, y0 + self.INPUT_PX)), self.survey)

    def verified(self, grey: np.ndarray, candidates: Sequence[Look]) -> list[Look]:
        """The faces among the candidates; see Detector."""
        return agreed(self, grey, candidates)

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

    def _candidates(self, grey: np.ndarray, view: Box) -> list[Look]:
        """Every face in one square view of an image."""
        side = view.width
        scores, raw = self._run(_square_view(grey, view, self.INPUT_PX))
        faces = []
        for index in np.flatnonzero(scores >= self.levels.keep):
            points = raw[index].reshape(8, 2) / self.INPUT_PX
            centre = self._anchors[index] + points[0]
            size = float(points[1].max()) * side
            cx, cy = view.x0 + float(centre[0]) * side, view.y0 + float(centre[1]) * side + self.SHIFT * size
            half = self.SIDE * size / 2
            if half > 0:
                box = Box(cx - half, cy - half, cx + half, cy + half)
                faces.append(Look(box, float(scores[index]), is_turned(points[2], points[3], points[4])))
        return suppressed(faces)

    def best_score(self, grey: np.ndarray) -> float:
        """The greatest score in one view of an image, however low; for the self-test."""
        height, width = grey.shape
        return float(self._run(_square_view(grey, squared(Box(0, 0, width, height)), self.INPUT_PX))[0].max())

    def _run(self, view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scores (896,) and boxes with points (896, 16) of one view, uint8 (INPUT_PX, INPUT_PX)."""
        tensor = np.repeat((view.astype(np.float32) / 127.5 - 1)[None, :, :, None], 3, axis=3)
        with self._turn:
            self._network.set_tensor(self._input, tensor)
            self._network.invoke()
            logits = self._network.get_tensor(self._scores)[0, :, 0]
            boxes = self._network.get_tensor(self._boxes)[0]
        # sigmoid; the clip keeps exp within float32
        return 1 / (1 + np.exp(-np.clip(logits, -80, 80))), boxes


def _litert(model: bytes, threads: int) -> Any:
    """An interpreter of LiteRT; tflite-runtime does not verify a file and can crash on a bad one."""
    if runtime.NAME != "ai-edge-litert":
        raise UsageError("detector blazeface needs ai-edge-litert; pip install ai-edge-litert")
    return runtime.module.Interpreter(model_content=model, num_threads=threads)


def _square_view(grey: np.ndarray, view: Box, size: int) -> np.ndarray:
    """A square of the image at another size, black outside the image."""
    height, width = grey.shape
    part, x0, y0 = within(grey, view)
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


def open_blazeface(options: Network, *, min_face_px: int, max_side_px: int, threads: int) -> BlazeFaceDetector:
    """The detector of a model directory; the number of its views bounds its time on a large source."""
    return open_network("blazeface", options.model, BlazeFaceDetector, min_face_px, threads)
