"""Our own detector: a small int8 network, from the model directory that ships or from another one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgefer import defaults
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
from edgefer.detect.cells import Cell, Grid, alike, logit, mean_square, sigmoid
from edgefer.detect.network import open_network
from edgefer.detect.photograph import spans
from edgefer.detect.registry import OwnNetwork
from edgefer.errors import ModelError
from edgefer.geometry import Box, clipped, iou, moved
from edgefer.models import runtime, store
from edgefer.support.images import box_of, grey_image, reduced
from edgefer.support.locks import turn_lock
from edgefer.support.quiet import native_stderr
from edgefer.values import Detection


class EdgeferDetector:
    """A network of its own through LiteRT: 160x120 grey in, three grids of cells out.

    The network finds faces from SEARCH_PX on in one view of the whole image; where the smallest face wanted would be
    smaller than that, views of parts are added. Each cell says how sure it is of a face, where its square lies, and
    where its eyes, its nose and the corners of its mouth are.
    """

    levels = Levels(sure=0.93, likely=0.55, keep=0.52)
    #: Level from which it is worth asking on; the evidence from which it is a face in a film.
    faint, convincing = 0.25, 0.68
    parts, in_turns = 8, 2
    survey = Survey(160, 13, 40, margin=0.25, together=0.78, tile_rows_px=120, lying=0.9)

    ROWS, COLUMNS, BLOCK = 120, 160, 4
    #: Numbers a cell tells, in the order in which a grid's outputs are named.
    TOLD = (1, 3, 10)
    #: Width of the smallest face in a view, and of one that is looked at.
    SEARCH_PX, LOOK_PX = 11, 40
    #: How a candidate is looked at again: its width in the view, and whether in a mirror; of a photograph in two ways.
    CHECKS = ((40, True), (56, False))
    #: What those looks, and the witness, count for, the first score counting 1; a look that sees nothing has LEAST.
    LOOKS, WITNESS, LEAST = 0.7, 0.5, 0.05
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
        witness: Callable[[np.ndarray, Box], float] | None = None,
    ):
        self._witness = witness or seen_by_landmarks
        self._min_face_px = min_face_px
        self._max_side_px = max_side_px
        self._last_views: tuple[tuple[int, ...], list[Box]] = ((), [])
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
        self._blocks = np.empty((*view[1:3], self.BLOCK), np.uint32)
        self._tensor = self._blocks.view(np.int8).reshape(view)
        self._grids = [self._grid(by_shape, rows, columns) for rows, columns in ((15, 20), (8, 10), (4, 5))]

    def _grid(self, by_shape: dict, rows: int, columns: int) -> Grid:
        """One grid of the network, from what the runtime tells of its outputs."""
        outputs = [by_shape[1, rows, columns, n] for n in self.TOLD]
        scales = [float(each["quantization"][0]) for each in outputs]
        zeros = [int(each["quantization"][1]) for each in outputs]
        keep, faint = (
            int(np.clip(np.ceil(logit(score) / scales[0] + zeros[0]), -128, 127))
            for score in (self.levels.keep, self.faint)
        )
        stride, levels = self.COLUMNS // columns, np.arange(-128, 128)
        scores = sigmoid((levels - zeros[0]) * scales[0]).tolist()
        sides = (stride * np.exp((levels - zeros[1]) * scales[1])).tolist()
        tensors = tuple(each["index"] for each in outputs)
        return Grid(
            stride,
            columns,
            tensors,
            keep,
            faint,
            scores,
            sides,
            (scales[1] * stride, scales[2] * stride),
            tuple(zeros[1:]),
        )

    def detect(
        self,
        grey: np.ndarray,
        region: Box | None = None,
        *,
        part: int | None = None,
        known: Sequence[Box] = (),
        faint: bool = False,
    ) -> list[Detection]:
        """All faces in the image or region, best first; see Examiner. A part is some of the views."""
        image, x0, y0 = within(grey_image("detect", grey), region)
        if image is None:
            return []
        views = self._views(image.shape)
        faces: list[Look] = []
        for view in views if part is None else views[part :: self.parts]:
            seen = self._faces(image, view, points=False, faint=faint)
            if view != views[0]:
                # in a view of a part there is more that resembles a face, such as a part of a large one
                seen = self.verified(image, [face for face in seen if self._is_new(moved(face.box, x0, y0), known)])
            faces += seen
        found: list[Detection] = []
        for face in sorted(faces, key=lambda face: -face.score):
            box, others = moved(face.box, x0, y0), (*known, *(other.box for other in found))
            if box.width >= self._min_face_px * 0.75 and self._is_new(box, others):
                found.append(Detection(box, face.score))
        return found

    def _is_new(self, box: Box, others: Sequence[Box]) -> bool:
        return all(iou(box, other) <= self.SAME for other in others)

    def look(self, grey: np.ndarray, box: Box, thorough: bool = False) -> Look | None:
        """The face expected in `box`; see Detector. The network takes turned heads as they come.

        It is shown in a mirror: what only resembles a face seldom does so both ways.
        """
        grey, box = grey_image("look", grey), box_of("look", box)
        side = max(box.width, box.height)
        if side < 1 or clipped(box, grey.shape[1], grey.shape[0]).area == 0:
            return None
        return self._face_at(grey, box, self._around(box, side / self.LOOK_PX), mirrored=True)

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

        Each is examined with one look more than in a film: what only resembles a face seldom does so in every size.
        """
        likely = suppressed([face for face in candidates if face.score >= self.levels.keep])
        examined = [self._examined(grey, face, self.CHECKS) for face in likely]
        return [face for face in examined if face is not None and face.score >= self.survey.together]

    def examine(self, grey: np.ndarray, face: Detection) -> Look | None:
        """The face, if it convinces; see Examiner."""
        examined = self._examined(grey_image("examine", grey), Look(face.box, face.score), self.CHECKS[:1])
        return examined if examined is not None and examined.score >= self.convincing else None

    def _examined(self, grey: np.ndarray, face: Look, checks: Sequence[tuple[int, bool]]) -> Look | None:
        """The best look at a face, with all the evidence for it as its score.

        That is the mean of the logits of its first score, of looks in other sizes and in a mirror, and of a witness
        that takes other things for faces than the detector does; it is not asked about what no other look sees.
        """
        looks = [face]
        for size, mirrored in checks:
            view = self._around(face.box, face.box.width / size)
            again = self._face_at(grey, face.box, view, mirrored, faint=True)
            looks.append(again or Look(face.box, self.LEAST))
        if all(look.score == self.LEAST for look in looks[1:]):
            return None
        best = max(looks, key=lambda look: look.score)
        further = sum(logit(look.score) for look in looks[1:]) / len(checks)
        total = logit(face.score) + self.LOOKS * further + self.WITNESS * logit(self._witness(grey, face.box))
        return Look(best.box, sigmoid(total / (1 + self.LOOKS + self.WITNESS)), best.turned, best.points)

    def best_score(self, grey: np.ndarray) -> float:
        """The greatest score in one view of an image, however low; for the self-test."""
        self._run(grey, self._views(grey.shape)[0])
        return max(grid.scores[int(self._network.get_tensor(grid.tensors[0]).max()) + 128] for grid in self._grids)

    # -- views

    def _around(self, box: Box, scale: float) -> Box:
        """A view about a box's centre, at `scale` pixels of the image for one of its own."""
        x, y = box.centre
        half_width, half_height = self.COLUMNS / 2 * scale, self.ROWS / 2 * scale
        return Box(x - half_width, y - half_height, x + half_width, y + half_height)

    def _views(self, shape: tuple[int, ...]) -> list[Box]:
        """The view of a whole image, and views of its parts if the smallest face wanted is too small in that."""
        if shape == self._last_views[0]:
            return self._last_views[1]
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
                views += parts
                break
            scale *= 1.1
        self._last_views = shape, views
        return views

    # -- the network

    def _run(self, grey: np.ndarray, view: Box, mirrored: bool = False) -> None:
        """Shows the network one view; the image's edge pixels go on beyond it."""
        shown = reduced(grey, view, (self.ROWS, self.COLUMNS))
        if mirrored:
            shown = np.ascontiguousarray(shown[:, ::-1])
        # the rows of a block are four bytes: moved as one number each, and each byte less 128
        rows = shown.view(np.uint32).reshape(self.ROWS // self.BLOCK, self.BLOCK, self.COLUMNS // self.BLOCK)
        np.bitwise_xor(rows.transpose(0, 2, 1), np.uint32(0x80808080), out=self._blocks)
        self._network.set_tensor(self._input, self._tensor)
        self._network.invoke()

    def _cells(self, faint: bool) -> list[Cell]:
        """The cells that see a face, most often few, best first; plain numbers, which so few are done soonest with."""
        cells, tensor = [], self._network.get_tensor
        for number, grid in enumerate(self._grids):
            levels = tensor(grid.tensors[0]).reshape(-1)
            chosen = (levels >= (grid.faint if faint else grid.keep)).nonzero()[0]
            if not chosen.size:
                continue
            squares = tensor(grid.tensors[1]).reshape(-1, 3)[chosen].tolist()
            stride, scale, zero = grid.stride, grid.scales[0], grid.zeros[0]
            for index, level, (x, y, side) in zip(chosen.tolist(), levels[chosen].tolist(), squares, strict=True):
                row, column = divmod(index, grid.columns)
                x, y = (column + 0.5) * stride + (x - zero) * scale, (row + 0.5) * stride + (y - zero) * scale
                cells.append(Cell(grid.scores[level + 128], x, y, grid.sides[side + 128], number, index))
        cells.sort(reverse=True)
        return cells[: self.MOST_CELLS]

    def _points(self, cells: Sequence[Cell]) -> np.ndarray:
        """Points (5, 2) of a face, pixels of the view: the mean of what some cells say, by their scores."""
        points = np.zeros(10)
        for cell in cells:
            grid = self._grids[cell.grid]
            row, column = divmod(cell.place, grid.columns)
            levels = self._network.get_tensor(grid.tensors[2]).reshape(-1, 10)[cell.place]
            points += cell.score * (levels - float(grid.zeros[1])) * grid.scales[1]
            points += cell.score * grid.stride * np.tile((column + 0.5, row + 0.5), 5)
        return (points / sum(cell.score for cell in cells)).reshape(5, 2)

    def _faces(
        self, grey: np.ndarray, view: Box, mirrored: bool = False, points: bool = True, faint: bool = False
    ) -> list[Look]:
        """Every face in one view, which may be shown in a mirror, best first; boxes in pixels of the image.

        Without `points` only boxes and scores are told; with `faint` also of those of the level `faint`.
        """
        with self._turn:
            self._run(grey, view, mirrored)
            seen = self._seen(view, mirrored, faint)
            return [self._with_points(face, cells, view, mirrored) if points else face for face, cells in seen]

    def _face_at(self, grey: np.ndarray, box: Box, view: Box, mirrored: bool, faint: bool = False) -> Look | None:
        """The face in one view that overlaps an expected one most, if any does."""
        with self._turn:
            self._run(grey, view, mirrored)
            seen = self._seen(view, mirrored, faint)
            face = nearest([face for face, _ in seen], box)
            return next((self._with_points(*each, view, mirrored) for each in seen if each[0] is face), None)

    def _seen(self, view: Box, mirrored: bool, faint: bool) -> list[tuple[Look, list[Cell]]]:
        """The faces in the view that was run last, without points, and the cells that say them."""
        scale, faces = view.width / self.COLUMNS, []
        for cells in alike(self._cells(faint), self.SAME):
            x, y, side = mean_square(cells)
            x, y, half = view.x0 + x * scale, view.y0 + y * scale, side * scale / 2
            if mirrored:
                x = view.x0 + view.x1 - x
            faces.append((Look(Box(x - half, y - half, x + half, y + half), cells[0].score, False, None), cells))
        return faces

    def _with_points(self, face: Look, cells: Sequence[Cell], view: Box, mirrored: bool) -> Look:
        """A face with its points, and whether it looks aside."""
        five = self._points(cells) * (view.width / self.COLUMNS) + (view.x0, view.y0)
        if mirrored:
            five = five[[1, 0, 2, 4, 3]] * (-1, 1) + (view.x0 + view.x1, 0)
        return Look(face.box, face.score, is_turned(five[0], five[1], five[2]), five)


def seen_by_landmarks(grey: np.ndarray, box: Box) -> float:
    """How sure the landmark network that ships is of the parts of a face in a box, 0 to 1."""
    from edgefer.landmarks.network import shipped_network

    network = shipped_network()
    return float(network.locate(grey, network.around_face(box)).confidence.mean())


def open_edgefer(options: OwnNetwork, *, min_face_px: int, max_side_px: int, threads: int) -> EdgeferDetector:
    """The detector of a model directory, by default the one that ships."""
    return open_network("edgefer", store.find(options.model), EdgeferDetector, min_face_px, max_side_px, threads)
