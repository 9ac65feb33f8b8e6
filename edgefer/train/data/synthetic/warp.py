"""A photograph that moves: a smooth warp of the skin, and what lies behind lids and lips.

The face is looked at upright, in a square of GRID x GRID nodes. Each frame has two smooth fields of movement, which
agree everywhere but at the slits of the eyes and of the mouth: one knows the upper lids and lip, the other the lower
ones. So lids close over eyes that stay, and lips part. What comes to sight between lips is painted; the eye itself is
the photograph's. A field takes every point exactly where it goes, and ends within REACH of them: neither background nor
hairline swims. The head's pose is added to the map, so that a frame is sampled from the photograph once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from edgefer.landmarks.points import MIRROR, eye_distance
from edgefer.landmarks.pose import HEAD
from edgefer.landmarks.squares import SIDE
from edgefer.train.data.synthetic import units

#: Nodes along each side of the square in which movements are computed.
GRID = 64
#: Side of that square in parts of the square round the points (edgefer.landmarks.squares).
ROOM = 1.3
#: How far a point moves the skin about it, eye distances.
REACH = 0.75
#: Rounds that invert a field, and the part of its error that each takes away: where skin is stretched to twice its
#: length, all of it would be too much.
ROUNDS, STRIDE = 5, 0.75
#: By how much closing lids show less of the eye's edge than their points say, eye distances; and how dark they meet.
LID_EDGE, LASHES = 0.022, 0.45
_UPPER = [37, 38, 43, 44, *range(49, 54), 61, 62, 63]
_LOWER = [40, 41, 46, 47, *range(55, 60), 65, 66, 67]
#: The outlines of what lies behind: the eyes and the mouth's inside.
_EYES, _MOUTH = (range(36, 42), range(42, 48)), range(60, 68)
_NO_MAP: Any = None  # an empty array is another thing to OpenCV 5
#: How far behind the plane of the eyes' corners each of the points that move lies, eye distances.
_DEPTHS = units.between(HEAD[:, 2])
_SHIFT = 4  # of OpenCV's fixed-point coordinates
#: Pixels by which a photograph is continued beyond its edge, out of focus.
_BEYOND = 80


def _spline(count: int, *lines: tuple[int, ...]) -> np.ndarray:
    """What makes of points an outline that bends through them: along each line a spline (Catmull and Rom's)."""
    rows, steps = [], np.linspace(0, 1, 4, endpoint=False)[:, None]
    for line in lines:
        p = np.eye(count)[list(line)]
        p = np.vstack([2 * p[0] - p[1], p, 2 * p[-1] - p[-2]])
        for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False):
            square, cube = (2 * a - 5 * b + 4 * c - d) * steps**2, (3 * b - a - 3 * c + d) * steps**3
            rows.append(0.5 * (2 * b + (c - a) * steps + square + cube))
    return np.vstack(rows)


_EYE_OUTLINE = _spline(6, (0, 1, 2, 3), (3, 4, 5, 0))
_MOUTH_OUTLINE = _spline(8, (0, 1, 2, 3, 4), (4, 5, 6, 7, 0))
#: Along the slits, from the viewer's left: points whose means lie on them.
_SLIT = np.array([(36, 36), (37, 41), (38, 40), (39, 39), (42, 42), (43, 47), (44, 46), (45, 45)])
_SEAM = np.array([(48, 48), (60, 60), *units.LIPS, (64, 64), (54, 54)])


@dataclass(frozen=True)
class Identity:
    """A face at rest.

    Attributes:
        name: of the photograph, or how it was drawn.
        image: uint8 (H, W). points: float (68, 2), its pixels.
    """

    name: str
    image: np.ndarray
    points: np.ndarray


@dataclass(frozen=True)
class Pose:
    """Where a head is: shift in eye distances, size as a factor, roll in radians, and yaw and pitch in radians.

    Turned by yaw and pitch, a face stands out of its plane by `depth`: 1 as a generic head does, 0 not at all.
    """

    x: float = 0.0
    y: float = 0.0
    size: float = 1.0
    roll: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    depth: float = 0.0


class Face:
    """An identity, ready to move.

    Args:
        identity: whose face.
        room: side of a frame in parts of the square round the points.
        seed: of the inside of its mouth.
    """

    def __init__(self, identity: Identity, room: float = 1.15, seed: int = 0):
        rng = np.random.default_rng(seed)
        self.name, self._image = identity.name, _continued(identity.image)
        points = identity.points.astype(np.float64) + _BEYOND
        eyes = points[45] - points[36]
        middle = points.mean(axis=0)
        side = SIDE * float(np.sqrt(((points - middle) ** 2).sum(axis=1).mean()))
        #: Photograph's pixels a node; and from nodes to the photograph, (2, 3).
        self._step = side * ROOM / GRID
        axes = np.array([[eyes[0], -eyes[1]], [eyes[1], eyes[0]]]) / np.hypot(*eyes) * self._step
        self._place = np.column_stack([axes, middle - axes @ np.full(2, (GRID - 1) / 2)])
        rest = (points - self._place[:, 2]) @ np.linalg.inv(axes).T
        #: The points of `units.extended`, in nodes, and the eye distance.
        self._size = eye_distance(rest)
        self._rest = units.extended(rest, self._size)
        self._room = room * GRID / ROOM
        self._nodes = np.stack(np.meshgrid(np.arange(GRID), np.arange(GRID)), axis=-1).astype(np.float32)
        still = self._still()
        self._fields = []
        for left_out in (_LOWER, _UPPER):
            kept = np.setdiff1d(np.arange(units.POINTS), left_out)
            self._fields.append((kept, self._weights(self._rest[kept], still)))
        self._folds = self._drawn_folds()
        level = float(np.median(_sampled(self._image, points[:, None].astype(np.float32))))
        #: Grey of the mouth's inside and of the teeth, and the part of the opening that shows them.
        self._inside = level * rng.uniform(0.12, 0.3)
        self._teeth = min(245.0, level * rng.uniform(0.85, 1.25)) if rng.random() < 0.75 else None
        self._opening = float(np.mean([rest[low, 1] - rest[up, 1] for up, low in units.LIPS])) / self._size

    def _still(self) -> np.ndarray:
        """Points that nothing moves, (N, 2): round the face beyond its outline, above the forehead, on the neck."""
        points, size = self._rest, self._size
        middle = points[[27, 33]].mean(axis=0)
        jaw = points[[0, 1, 2, 3, 4, 5, 11, 12, 13, 14, 15, 16]]
        away = (jaw - middle) / np.hypot(*(jaw - middle).T)[:, None]
        chin, brows = points[8], points[[17, 19, 24, 26]]
        neck = [chin + (x * size, y * size) for x, y in ((-0.45, 0.5), (0, 0.6), (0.45, 0.5))]
        top = [
            points[27] + (x * size, -y * size)
            for x, y in ((-0.7, 0.62), (-0.35, 0.72), (0, 0.75), (0.35, 0.72), (0.7, 0.62))
        ]
        return np.vstack([jaw + 0.22 * size * away, neck, top, brows[[0, 3]] + [(-0.22 * size, 0), (0.22 * size, 0)]])

    def _weights(self, points: np.ndarray, still: np.ndarray) -> np.ndarray:
        """Float32 (GRID * GRID, len(points)): what each node takes of each point's step."""
        centres = np.vstack([points, still])
        reach = REACH * self._size
        own = _bump(np.linalg.norm(centres[:, None] - centres, axis=-1) / reach)
        nodes = _bump(np.linalg.norm(self._nodes.reshape(-1, 1, 2) - centres.astype(np.float32), axis=-1) / reach)
        weights = np.linalg.solve(own + 1e-6 * np.eye(len(own)), nodes.T)
        return np.ascontiguousarray(weights[: len(points)].T, np.float32)

    def _drawn_folds(self) -> np.ndarray:
        """Float32 (units * 2, GRID * GRID): how much darker each unit makes the skin, right and left."""
        drawn = np.zeros((len(units.UNITS), 2, GRID, GRID), np.float32)
        for unit, lines in units.FOLDS.items():
            for depth, line in lines:
                for side, sign, mirror in ((0, -1, np.arange(68)), (1, 1, MIRROR)):
                    at = [self._rest[mirror[i]] + np.array([sign * out, down]) * self._size for i, out, down in line]
                    layer = np.zeros((GRID, GRID), np.float32)
                    curve = np.rint(np.array(at) * (1 << _SHIFT)).astype(np.int32)
                    cv2.polylines(layer, [curve], False, 1.0, 1, cv2.LINE_AA, _SHIFT)
                    soft = cv2.GaussianBlur(layer, (0, 0), 0.018 * self._size + 0.4)
                    drawn[units.UNITS.index(unit), side] += depth * soft / max(float(soft.max()), 1e-6)
        return drawn.reshape(-1, GRID * GRID)

    def moved(self, strength: np.ndarray) -> np.ndarray:
        """The points under some intensities, `units.moved`, in nodes."""
        return units.moved(self._rest, self._size, strength)

    def render(self, strength: np.ndarray, pose: Pose, side: int) -> tuple[np.ndarray, np.ndarray]:
        """One frame.

        Args:
            strength: (units, 2), intensities of the right and left side, in parts of full intensity.
            side: of the frame, pixels.

        Returns:
            uint8 (side, side); the 68 points, float64 (68, 2), its pixels.
        """
        at = self.moved(strength)
        if pose.depth:
            at = at - _DEPTHS[:, None] * (pose.depth * self._size * np.sin([pose.yaw, pose.pitch]))
        offset, shade = self._skin(at, strength)
        to_frame = self._to_frame(pose, side)
        back = np.linalg.inv(to_frame)
        flags, size = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, (side, side)
        source = _through(np.vstack([self._place, [0, 0, 1]]) @ back, slice(0, side), slice(0, side))
        source += cv2.warpPerspective(offset, back, size, flags=flags, borderMode=cv2.BORDER_CONSTANT)
        frame = _sampled(self._image, source)
        if shade is not None:
            darker = cv2.warpPerspective(shade, back, size, flags=flags, borderMode=cv2.BORDER_CONSTANT)
            frame = cv2.multiply(frame, 1 - darker, dtype=cv2.CV_8U)
        points = cv2.perspectiveTransform(at[None, :68], to_frame)[0]
        for side_of, eye in enumerate(_EYES):
            self._show_eye(frame, back, at, points, list(eye))
            if strength[units.UNITS.index(43), side_of] > 0.5:
                self._show_lashes(frame, points[list(eye)], 2 * strength[units.UNITS.index(43), side_of] - 1)
        self._show_mouth(frame, at, points)
        return frame, points

    def _skin(self, at: np.ndarray, strength: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """For each node where its skin comes from, as a step in the photograph's pixels, (GRID, GRID, 2); and how much
        darker it is, (GRID, GRID)."""
        steps = (at - self._rest).astype(np.float32)
        closed = strength[units.UNITS.index(43)]
        for (upper, lower), share in zip(units.LIDS, closed[[0, 0, 1, 1]], strict=True):
            edge = LID_EDGE * self._size * min(1.0, 2 * share)
            steps[upper, 1] += edge
            steps[lower, 1] -= edge
        inverse = []
        for kept, weights in self._fields:
            field = (weights @ steps[kept]).reshape(GRID, GRID, 2)
            back = -field
            for _ in range(ROUNDS):
                there = _sampled(field, self._nodes + back)
                back -= np.float32(STRIDE) * (back + there)
            inverse.append(back)
        above = self._upper(at)[..., None]
        offset = inverse[1] + above * (inverse[0] - inverse[1])
        share = strength.ravel().astype(np.float32)
        turned = cv2.transform(offset, self._place[:, :2].astype(np.float32))
        if not share.any():
            return (turned if steps.any() else np.zeros_like(offset)), None
        shade = (share @ self._folds).reshape(GRID, GRID)
        return turned, _sampled(shade, self._nodes + offset)

    def _upper(self, at: np.ndarray) -> np.ndarray:
        """Float32 (GRID, GRID): 1 where the field with the upper lids and lip holds, 0 where the other does."""
        across, down = self._nodes[0, :, 0], self._nodes[:, :1, 1]
        slit, mouth = (np.interp(across, *at[line].mean(axis=1).T).astype(np.float32) for line in (_SLIT, _SEAM))
        above_eyes = np.clip(slit - down + 0.5, 0, 1)
        # between eyes and mouth the one field goes over into the other
        middle = np.clip((down - slit) / np.maximum(mouth - slit, 1) * 2 - 0.5, 0, 1)
        return np.maximum(above_eyes, middle * np.clip(mouth - down + 0.5, 0, 1))

    def _to_frame(self, pose: Pose, side: int) -> np.ndarray:
        """(3, 3): from nodes to a frame's pixels; the head turns about the middle of the square."""
        scale = side / self._room * pose.size
        cos, sin = np.cos(pose.roll), np.sin(pose.roll)
        # a plane, seen from six eye distances, turned by yaw and pitch
        turned = np.array(
            [[np.cos(pose.yaw), 0, 0], [np.sin(pose.yaw) * np.sin(pose.pitch), np.cos(pose.pitch), 0],
             [np.sin(pose.yaw) / (6 * self._size), np.sin(pose.pitch) / (6 * self._size), 1]]
        )  # fmt: skip
        flat = np.array([[scale * cos, -scale * sin, 0], [scale * sin, scale * cos, 0], [0, 0, 1]])
        middle = (side - 1) / 2 + np.array([pose.x, pose.y]) * self._size * side / self._room
        centred = np.array([[1, 0, -(GRID - 1) / 2], [0, 1, -(GRID - 1) / 2], [0, 0, 1]])
        moved: np.ndarray = np.array([[1, 0, middle[0]], [0, 1, middle[1]], [0, 0, 1]]) @ flat @ turned @ centred
        return moved

    def _show_eye(
        self, frame: np.ndarray, back: np.ndarray, at: np.ndarray, points: np.ndarray, eye: list[int]
    ) -> None:
        """The eye between its lids: where lids are wider apart than at rest, it is stretched."""
        rest = self._rest[eye]
        if np.abs(at[eye] - rest).max() < 1e-3:
            return
        outline = _EYE_OUTLINE @ points[eye]
        rows, columns, mask = _area(outline, frame.shape[0])
        if mask is None:
            return
        middle = rest.mean(axis=0)
        height = rest[[4, 5], 1].mean() - rest[[1, 2], 1].mean()
        open_by = (at[eye][[4, 5], 1].mean() - at[eye][[1, 2], 1].mean()) / max(height, 1e-6)
        wider = max(1.0, open_by)
        nodes = _through(back, rows, columns)
        nodes[..., 1] = middle[1] + (nodes[..., 1] - middle[1]) / wider
        source = nodes @ self._place[:, :2].T.astype(np.float32) + self._place[:, 2].astype(np.float32)
        _blend(frame[rows, columns], _sampled(self._image, source), mask * _shown(open_by / 0.15))

    def _show_lashes(self, frame: np.ndarray, eye: np.ndarray, share: float) -> None:
        """The line along which lids meet; share: 1 where they are shut."""
        upper = _EYE_OUTLINE[:12] @ eye
        half = 0.009 * float(np.linalg.norm(eye[3] - eye[0])) / 0.3
        line = np.vstack([upper - (0, half), upper[::-1] + (0, half)])
        rows, columns, mask = _area(line, frame.shape[0])
        if mask is not None:
            _blend(frame[rows, columns], frame[rows, columns] * 0.35, mask * np.float32(LASHES * share))

    def _show_mouth(self, frame: np.ndarray, at: np.ndarray, points: np.ndarray) -> None:
        """The inside of the mouth, as far as it is wider open than in the photograph."""
        opening = float(np.mean([at[low, 1] - at[up, 1] for up, low in units.LIPS])) / self._size - self._opening
        shown = _shown((opening - 0.004) / 0.02)
        if not shown:
            return
        inner = points[list(_MOUTH)]
        outline = _MOUTH_OUTLINE @ inner
        rows, columns, mask = _area(outline, frame.shape[0])
        if mask is None:
            return
        height, width = mask.shape
        inside = np.full((height, width), self._inside, np.float32)
        if self._teeth is not None:
            # the upper row: its edge follows the upper lip, a little below it
            size = float(np.linalg.norm(points[45] - points[36]))
            x = np.arange(columns.start, columns.stop)
            top = np.interp(x, inner[[0, 1, 2, 3, 4], 0], inner[[0, 1, 2, 3, 4], 1])
            low = min(0.45 * opening, 0.075) * size
            row = np.arange(rows.start, rows.stop)[:, None]
            edge = np.clip((top + low - row) / max(0.012 * size, 0.7) + 0.5, 0, 1)
            across = (x - (inner[0, 0] + inner[4, 0]) / 2) / max(inner[4, 0] - inner[0, 0], 1e-6)
            inside += (edge * np.clip(1.25 - 5 * across**2, 0, 1) * (self._teeth - self._inside)).astype(np.float32)
        _blend(frame[rows, columns], inside, mask * shown)


def _continued(image: np.ndarray) -> np.ndarray:
    """A photograph with something like its surroundings beyond its edge, so that nothing there looks like a face."""
    wide = cv2.copyMakeBorder(image, _BEYOND, _BEYOND, _BEYOND, _BEYOND, cv2.BORDER_REPLICATE)
    far = cv2.GaussianBlur(
        cv2.copyMakeBorder(image, _BEYOND, _BEYOND, _BEYOND, _BEYOND, cv2.BORDER_REFLECT_101), (0, 0), 14
    )
    inside = cv2.copyMakeBorder(
        np.full(image.shape, 255, np.uint8), _BEYOND, _BEYOND, _BEYOND, _BEYOND, cv2.BORDER_CONSTANT
    )
    near = cv2.GaussianBlur(inside, (0, 0), 4).astype(np.float32) / 255 * 2
    share = np.where(inside > 0, np.float32(1), near.clip(0, 1))
    return np.rint(far + share * (wide.astype(np.float32) - far)).astype(np.uint8)


def _sampled(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    """An image at some places, (H, W, 2), between pixels linearly; its edge goes on."""
    return np.asarray(cv2.remap(image, places, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _shown(share: float) -> np.float32:
    """How much of something is seen as it opens."""
    return np.float32(min(max(share, 0.0), 1.0))


def _bump(distance: np.ndarray) -> np.ndarray:
    """Wendland's function of compact support, twice differentiable: positive definite in the plane."""
    near = np.clip(1 - distance, 0, None)
    result: np.ndarray = near**4 * (4 * distance + 1)
    return result


def _through(matrix: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
    """Where the pixels of some rows and columns come from, float32 (rows, columns, 2)."""
    x, y = np.arange(columns.start, columns.stop), np.arange(rows.start, rows.stop)[:, None]
    scale = 1 / (matrix[2, 0] * x + (matrix[2, 1] * y + matrix[2, 2]))
    places = np.empty((len(y), len(x), 2), np.float32)
    for axis in (0, 1):
        np.multiply(
            matrix[axis, 0] * x + (matrix[axis, 1] * y + matrix[axis, 2]),
            scale,
            out=places[..., axis],
            casting="same_kind",
        )
    return places


def _area(outline: np.ndarray, side: int) -> tuple[slice, slice, np.ndarray | None]:
    """The rows and columns that hold an outline within a frame, and how far each pixel lies inside, float32."""
    low = np.maximum(np.floor(outline.min(axis=0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(outline.max(axis=0)).astype(int) + 2, side)
    rows, columns = slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))
    if (high <= low).any():
        return rows, columns, None
    fine = 4  # drawn so many times finer: what a pixel shows of a narrow slit is its share
    mask = np.zeros(((high[1] - low[1]) * fine, (high[0] - low[0]) * fine), np.uint8)
    at = (outline - low + 0.5) * fine - 0.5
    cv2.fillPoly(mask, [np.rint(at * (1 << _SHIFT)).astype(np.int32)], 255, cv2.LINE_8, _SHIFT)
    small = cv2.resize(mask, None, fx=1 / fine, fy=1 / fine, interpolation=cv2.INTER_AREA)
    return rows, columns, small.astype(np.float32) / 255


def _blend(under: np.ndarray, over: np.ndarray, mask: np.ndarray) -> None:
    """Paint one image on another, which is written."""
    under[...] = np.rint(under + mask * (over.astype(np.float32) - under))
