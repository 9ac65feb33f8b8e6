"""Our own detector: a small int8 network, from the model directory that ships or from another one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from edgefer import defaults, kernels
from edgefer.detect.base import (
    DEFAULT_MAX_SIDE_PX,
    Levels,
    Look,
    Survey,
    in_range,
    is_turned,
    nearest,
    suppressed,
    within,
)
from edgefer.detect.network import open_network
from edgefer.detect.photograph import spans
from edgefer.detect.registry import OwnNetwork
from edgefer.errors import ModelError
from edgefer.geometry import Box, clipped, iou, moved
from edgefer.models import runtime, store
from edgefer.support.images import box_of, grey_image
from edgefer.support.locks import turn_lock
from edgefer.support.quiet import native_stderr
from edgefer.values import Detection


class _Grid(NamedTuple):
    """One of the network's grids of cells: where its tensors are and how their levels are read.

    Attributes:
        centres: of its cells, pixels of the view, float32 (cells, 2); stride: pixels a cell.
        tensors: index of the logits, the squares and the points.
        scales, zeros: real value = (level - zero) * scale, of each of the three.
        keep: level of a logit from which a cell is looked at.
    """

    centres: np.ndarray
    stride: int
    tensors: tuple[int, ...]
    scales: tuple[float, ...]
    zeros: tuple[int, ...]
    keep: int


class EdgeferDetector:
    """A network of its own through LiteRT: 160x120 grey in, three grids of cells out.

    The network finds faces from SEARCH_PX on in one view of the whole image; where the smallest face wanted would be
    smaller than that, views of parts are added. Each cell says how sure it is of a face, where its square lies, and
    where its eyes, its nose and the corners of its mouth are.
    """

    levels = Levels(sure=0.8, likely=0.65, keep=0.55)
    parts = 8
    survey = Survey(160, 13, 40, margin=0.25, together=0.7, tile_rows_px=120)

    ROWS, COLUMNS, BLOCK = 120, 160, 4
    #: Numbers a cell tells, in the order in which a grid's outputs are named.
    TOLD = (1, 3, 10)
    #: Width of the smallest face in a view, and of one that is looked at.
    SEARCH_PX, LOOK_PX = 11, 40
    #: How a candidate of a photograph is looked at again: its width in the view, and whether in a mirror.
    CHECKS = ((40, True), (56, False))
    #: Views in one search, the whole included: bounds its time on a large source.
    MAX_VIEWS = 8
    #: What neighbouring views share, as a multiple of the smallest face; what is larger the whole view finds.
    SHARED = 3.0
    #: Cells examined in one view, and overlap from which two of them mean one face.
    MOST_CELLS, SAME = 200, 0.35

    def __init__(
        self,
        model: bytes,
        name: str,
        min_face_px: int = defaults.MIN_FACE_PX,
        max_side_px: int = DEFAULT_MAX_SIDE_PX,
        threads: int = 1,
    ):
        self._min_face_px = min_face_px
        self._max_side_px = max_side_px
        self._turn = turn_lock()  # the runtime has one set of tensors for all threads
        try:
            with native_stderr(runtime.NAME):  # it prints a greeting at every start
                self._network = runtime.module.Interpreter(model_content=model, num_threads=threads)
                self._network.allocate_tensors()
        except (ValueError, RuntimeError, TypeError) as error:
            reason = " ".join(str(error).split())
            raise ModelError(f"detector edgefer: {name!r} is not a TFLite model that can be run ({reason})") from None
        runtime.warn_if_slow(self._network)
        view = (1, self.ROWS // self.BLOCK, self.COLUMNS // self.BLOCK, self.BLOCK**2)
        inputs, outputs = self._network.get_input_details(), self._network.get_output_details()
        by_shape = {tuple(int(n) for n in each["shape"]): each for each in outputs}
        shapes = [tuple(int(n) for n in each["shape"]) for each in inputs]
        expected = {(1, rows, columns, n) for rows, columns in ((15, 20), (8, 10), (4, 5)) for n in self.TOLD}
        dtypes = {np.dtype(each["dtype"]).name for each in (*inputs, *outputs)}
        if shapes != [view] or expected != set(by_shape) or dtypes != {"int8"}:
            raise ModelError(
                f"detector edgefer: {name!r} is another network: expected int8 input {view} and outputs "
                f"{sorted(expected)}, got {', '.join(sorted(dtypes))}, {shapes} and {sorted(by_shape)}"
            )
        self._input = inputs[0]["index"]
        self._grids = [self._grid(by_shape, rows, columns) for rows, columns in ((15, 20), (8, 10), (4, 5))]

    def _grid(self, by_shape: dict, rows: int, columns: int) -> _Grid:
        """One grid of the network, from what the runtime tells of its outputs."""
        outputs = [by_shape[1, rows, columns, n] for n in self.TOLD]
        scales = tuple(float(each["quantization"][0]) for each in outputs)
        zeros = tuple(int(each["quantization"][1]) for each in outputs)
        logit = float(np.log(self.levels.keep / (1 - self.levels.keep)))
        keep = int(np.clip(np.ceil(logit / scales[0] + zeros[0]), -128, 127))
        stride = self.COLUMNS // columns
        y, x = np.divmod(np.arange(rows * columns, dtype=np.float32), columns)
        centres = (np.stack([x, y], axis=1) + np.float32(0.5)) * stride
        return _Grid(centres, stride, tuple(each["index"] for each in outputs), scales, zeros, keep)

    def detect(
        self, grey: np.ndarray, region: Box | None = None, *, part: int | None = None, known: Sequence[Box] = ()
    ) -> list[Detection]:
        """All faces in the image or region, best first; see Detector. A part is some of the views."""
        image, x0, y0 = within(grey_image("detect", grey), region)
        if image is None:
            return []
        views = self._views(image.shape)
        faces: list[Look] = []
        for view in views if part is None else views[part :: self.parts]:
            seen = self._faces(image, view)
            # in a view of a part there is more that resembles a face, such as a part of a large one
            faces += seen if view == views[0] else self.verified(image, seen)
        found: list[Detection] = []
        for face in sorted(faces, key=lambda face: -face.score):
            box, others = moved(face.box, x0, y0), (*known, *(other.box for other in found))
            if box.width >= self._min_face_px * 0.75 and all(iou(box, other) <= self.SAME for other in others):
                found.append(Detection(box, face.score))
        return found

    def look(self, grey: np.ndarray, box: Box, thorough: bool = False) -> Look | None:
        """The face expected in `box`; see Detector. The network takes turned heads as they come."""
        grey, box = grey_image("look", grey), box_of("look", box)
        side = max(box.width, box.height)
        if side < 1 or clipped(box, grey.shape[1], grey.shape[0]).area == 0:
            return None
        return nearest(self._faces(grey, self._around(box, side / self.LOOK_PX)), box)

    def smallest_px(self, shape: tuple[int, ...]) -> float:
        """Smallest face searched for in an image; see Detector."""
        narrowest = min(view.width for view in self._views(shape))
        return max(self._min_face_px, narrowest * self.SEARCH_PX / self.COLUMNS)

    def candidates(self, tile: np.ndarray, thorough: bool) -> list[Look]:
        """What may be a face in one tile of a photograph; see Detector."""
        height, width = tile.shape
        return in_range(self._faces(tile, self._around(Box(0, 0, width, height), 1.0)), self.survey)

    def verified(self, grey: np.ndarray, candidates: Sequence[Look]) -> list[Look]:
        """The faces among the candidates; see Detector.

        Each is looked at again in other sizes, once in a mirror: what only resembles a face does so once.
        """
        faces = []
        for face in suppressed([face for face in candidates if face.score >= self.levels.keep]):
            looks = [face]
            for size, mirrored in self.CHECKS:
                again = nearest(self._faces(grey, self._around(face.box, face.box.width / size), mirrored), face.box)
                looks += [again] if again is not None else []
            score = sum(look.score for look in looks) / (1 + len(self.CHECKS))
            if score >= self.survey.together:
                best = max(looks, key=lambda look: look.score)
                faces.append(Look(best.box, score, best.turned, best.points))
        return faces

    def best_score(self, grey: np.ndarray) -> float:
        """The greatest score in one view of an image, however low; for the self-test."""
        self._run(grey, self._views(grey.shape)[0])
        return max(float(_sigmoid(self._levels(grid, 0).max())) for grid in self._grids)

    # -- views

    def _around(self, box: Box, scale: float) -> Box:
        """A view about a box's centre, at `scale` pixels of the image for one of its own."""
        x, y = box.centre
        half_width, half_height = self.COLUMNS / 2 * scale, self.ROWS / 2 * scale
        return Box(x - half_width, y - half_height, x + half_width, y + half_height)

    def _views(self, shape: tuple[int, ...]) -> list[Box]:
        """The view of a whole image, and views of its parts if the smallest face wanted is too small in that."""
        height, width = shape
        whole = max(width / self.COLUMNS, height / self.ROWS)
        views = [self._around(Box(0, 0, width, height), whole)]
        scale = max(self._min_face_px / self.SEARCH_PX, max(width, height) / self._max_side_px)
        while scale < whole:
            shared = self.SHARED * self.SEARCH_PX * scale
            parts = [
                self._around(Box(x0, y0, x1, y1), scale)
                for y0, y1 in spans(height, self.ROWS * scale, shared)
                for x0, x1 in spans(width, self.COLUMNS * scale, shared)
            ]
            if len(parts) < self.MAX_VIEWS:
                return views + parts
            scale *= 1.1
        return views

    # -- the network

    def _run(self, grey: np.ndarray, view: Box, mirrored: bool = False) -> None:
        """Shows the network one view; the image's edge pixels go on beyond it."""
        shown = kernels.crop_resize(grey, view, (self.ROWS, self.COLUMNS))
        if mirrored:
            shown = shown[:, ::-1]
        block = self.BLOCK
        rows = (shown ^ np.uint8(128)).view(np.int8).reshape(self.ROWS // block, block, self.COLUMNS // block, block)
        tensor = np.ascontiguousarray(rows.transpose(0, 2, 1, 3)).reshape(1, *rows.shape[::2], block**2)
        self._network.set_tensor(self._input, tensor)
        self._network.invoke()

    def _levels(self, grid: _Grid, output: int, chosen: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Values of some cells: float32 (n, numbers)."""
        levels = self._network.get_tensor(grid.tensors[output]).reshape(-1, self.TOLD[output])[chosen]
        return (levels.astype(np.float32) - grid.zeros[output]) * np.float32(grid.scales[output])

    def _seen(self, grid: _Grid) -> np.ndarray | None:
        """What the cells of a grid say that see a face; most often there are none.

        Returns:
            float32 (n, 14): logit; centre and side of the square, five points, pixels of the view.
        """
        chosen = (self._network.get_tensor(grid.tensors[0]).ravel() >= grid.keep).nonzero()[0]
        if not chosen.size:
            return None
        centres = grid.centres[chosen]
        table = np.empty((len(chosen), 14), np.float32)
        table[:, :1] = self._levels(grid, 0, chosen)
        table[:, 1:4] = self._levels(grid, 1, chosen)
        table[:, 3] = np.exp(table[:, 3])
        table[:, 4:] = self._levels(grid, 2, chosen)
        table[:, 1:] *= grid.stride
        table[:, 1:3] += centres
        table[:, 4:].reshape(-1, 5, 2)[:] += centres[:, None]
        return table

    def _faces(self, grey: np.ndarray, view: Box, mirrored: bool = False) -> list[Look]:
        """Every face in one view, which may be shown in a mirror, best first; boxes in pixels of the image."""
        with self._turn:
            self._run(grey, view, mirrored)
            seen = [table for grid in self._grids if (table := self._seen(grid)) is not None]
        if not seen:
            return []
        scale, faces = view.width / self.COLUMNS, []
        for score, told in _merged(np.concatenate(seen) if len(seen) > 1 else seen[0], self.MOST_CELLS, self.SAME):
            x, y, half = view.x0 + told[0] * scale, view.y0 + told[1] * scale, told[2] * scale / 2
            points = np.array(told[3:]).reshape(5, 2) * scale + (view.x0, view.y0)
            if mirrored:
                x = view.x0 + view.x1 - x
                points = points[[1, 0, 2, 4, 3]] * (-1, 1) + (view.x0 + view.x1, 0)
            box = Box(x - half, y - half, x + half, y + half)
            faces.append(Look(box, score, is_turned(points[0], points[1], points[2]), points))
        return faces


def _sigmoid(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))


def _merged(table: np.ndarray, most: int, same: float) -> Iterator[tuple[float, list[float]]]:
    """One face of all cells that mean the same: the mean of those that agree with the best, by their scores.

    Args:
        table: float32 (n, 14), as of EdgeferDetector._seen.
        most: cells that are looked at, the best ones. same: overlap from which two mean one face.

    Yields:
        Score, and centre, side and points, best first.
    """
    table = table[np.argsort(-table[:, 0], kind="stable")[:most]]
    while len(table):
        square = table[:, 1:4]
        away = np.abs(square[:, :2] - square[0, :2])
        side = square[:, 2]
        common = np.minimum(np.minimum(side, side[0])[:, None], (side + side[0])[:, None] / 2 - away)
        shared = np.maximum(common, 0).prod(axis=1)
        overlap = shared / (side**2 + side[0] ** 2 - shared)
        agreeing = table[overlap > 0.6]
        weight = _sigmoid(agreeing[:, 0])
        yield float(weight[0]), ((weight / weight.sum()) @ agreeing[:, 1:]).tolist()
        left = overlap <= same
        left[0] = False
        table = table[left]


def open_edgefer(options: OwnNetwork, *, min_face_px: int, max_side_px: int, threads: int) -> EdgeferDetector:
    """The detector of a model directory, by default the one that ships."""
    return open_network("edgefer", store.find(options.model), EdgeferDetector, min_face_px, max_side_px, threads)
