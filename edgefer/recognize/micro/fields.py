"""How the skin of a face moves: dense optical flow on a grid that lies on the face, free of the head's own motion.

The grid is laid on the 68 points of a reference frame. In every later frame flow finds each of its cells again, so
landmarks, which tremble by more than a micro-expression moves, only say where the cells are. What the rigid parts of
the face do (forehead, bridge of the nose, temples) is the head's motion; the rest is the face's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgefer.geometry import Box
from edgefer.kernels import crop_resize, flow
from edgefer.landmarks.points import eye_distance
from edgefer.landmarks.pose import HEAD

#: Cells across and down, and where they lie: eye distances from the middle of the eyes, of a generic head.
SIDE = 13
ACROSS, DOWN = np.linspace(-0.75, 0.75, SIDE), np.linspace(-0.55, 1.25, SIDE)
GRID = np.stack(np.meshgrid(ACROSS, DOWN), axis=-1).reshape(-1, 2)
CELLS = len(GRID)
#: The crop in which flow is found: its side in pixels, and in eye distances.
CROP_PX, CROP = 160, 2.5
WINDOW, LEVELS = 13, 4
#: A cell that does not find its way back to within this, pixels of the crop, is not seen.
ASTRAY_PX = 1.0
#: A reference is renewed after so long, and runs beside the old one for so long; or at once, when so few cells are seen
#: or the head has moved so far, eye distances.
RENEW_S, BESIDE_S = 1.2, 0.25
SEEN, FAR = 0.55, 0.25
#: Light is made even over so many pixels of the crop, after noise was smoothed over so many; contrast becomes LEVEL,
#: where it is more than LEAST.
COARSE_PX, FINE_PX, LEVEL, LEAST = 25, 1.0, 40.0, 2.0
#: Part of the cells that has to lie inside the picture.
INSIDE = 0.8
#: Deviation that cells have from the head's motion without moving themselves, eye distances.
SPREAD = 0.004
ROUNDS = 3


def _stiffness() -> np.ndarray:
    """How much each cell counts for the head's motion."""
    x, y = np.abs(GRID[:, 0]), GRID[:, 1]
    stiff = np.full(CELLS, 0.15)
    stiff[(y < 0.55) & (x > 0.6)] = 0.6
    stiff[y < -0.35] = 0.7
    stiff[(x < 0.14) & (y > -0.12) & (y < 0.42)] = 1.0
    return stiff


def _laid() -> np.ndarray:
    """Float64 (CELLS, 68): from 68 points to the cells, by a smoothed thin-plate spline of the generic head."""
    head = HEAD[:, :2]

    def bend(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        square = ((a[:, None] - b) ** 2).sum(axis=-1)
        return 0.5 * square * np.log(np.maximum(square, 1e-12))

    plane = np.column_stack([np.ones(68), head])
    system = np.zeros((71, 71))
    system[:68, :68] = bend(head, head) + 0.05 * np.eye(68)
    system[:68, 68:], system[68:, :68] = plane, plane.T
    rows = np.column_stack([bend(GRID, head), np.ones(CELLS), GRID])
    return np.asarray((rows @ np.linalg.inv(system))[:, :68])


STIFFNESS = _stiffness()
LAID = _laid()


def _head() -> np.ndarray:
    """Float64 (2 CELLS, 10): what a head does to the steps of its cells, across and then down: it is moved, turned and
    brought nearer; seen in perspective; and what stands out moves more as it turns."""
    x, y = GRID.T
    depth = LAID @ HEAD[:, 2]
    one, none = np.ones(CELLS), np.zeros(CELLS)
    across = [one, x, y, none, none, none, x * x, x * y, depth, none]
    down = [none, none, none, one, x, y, x * y, y * y, none, depth]
    return np.vstack([np.column_stack(across), np.column_stack(down)])


_HEAD = _head()
#: Keeps what few cells say little about near nothing.
_HELD = np.diag([1e-6] * 6 + [0.02] * 2 + [0.02] * 2)


@dataclass
class Motion:
    """What one frame shows against the first.

    Attributes:
        steps: float32 (CELLS, 2), how far the skin has moved, x to the viewer's right and y down along the upright
            face, eye distances; of cells that are not seen what was last known.
        seen: bool (CELLS,).
        head: shift of the head since the reference, eye distances.
        fresh: whether the film of this face begins here, so that nothing can be compared with what was before.
    """

    steps: np.ndarray
    seen: np.ndarray
    head: float
    fresh: bool = False


@dataclass
class _Reference:
    """A frame that others are compared with.

    Attributes:
        crop: of `box`. cells: float32 (CELLS, 2), pixels of the crop. turn: from pixels of the crop to eye distances
            along the upright face. base: where its cells were, against the first frame.
    """

    crop: np.ndarray
    box: Box
    cells: np.ndarray
    inside: np.ndarray
    turn: np.ndarray
    since_s: float
    base: np.ndarray
    apart: list[np.ndarray] = field(default_factory=list)


class Fields:
    """The motion of one face over time."""

    def __init__(self) -> None:
        self._now: _Reference | None = None
        self._next: _Reference | None = None
        self._last = np.zeros((CELLS, 2), np.float32)

    def update(self, grey: np.ndarray, points: np.ndarray, t_s: float) -> Motion | None:
        """The motion in the next frame; None where the face lies partly outside the picture.

        Args:
            grey: uint8 (H, W). points: the 68 landmarks, pixels. t_s: media time.
        """
        if self._now is None:
            self._now = _reference(grey, points, t_s)
            return None if self._now is None else Motion(self._last.copy(), np.ones(CELLS, bool), 0.0, fresh=True)
        steps, seen, head = _compare(self._now, grey)
        usable = bool(seen.mean() >= SEEN)
        age = t_s - self._now.since_s
        if self._next is not None:
            other, also, _ = _compare(self._next, grey)
            if usable:
                self._next.apart.append(np.where((seen & also)[:, None], steps - other, np.nan))
            if not usable or t_s - self._next.since_s >= BESIDE_S:
                self._take_next()
                if not usable:
                    steps, seen = other + self._now.base, also
        elif not usable or head > FAR or age > RENEW_S:
            self._next = _reference(grey, points, t_s)
            if self._next is not None:
                self._next.base = (steps if usable else self._last).copy()
            if not usable:
                if self._next is None:
                    return None
                self._take_next()
                return Motion(self._last.copy(), seen, head)
        steps = np.where(seen[:, None], steps, self._last)
        self._last = steps
        return Motion(steps, seen, head)

    def _take_next(self) -> None:
        """The newer reference takes over; how far it lies from the older is the mean of the frames seen by both."""
        renewed = self._next
        if renewed is None:
            return
        if renewed.apart:
            apart = np.stack(renewed.apart)
            known = np.isfinite(apart[..., 0]).any(axis=0)
            mean = np.nanmean(apart[:, known], axis=0)
            renewed.base[known] += mean
            renewed.apart = []
        self._now, self._next = renewed, None


def _reference(grey: np.ndarray, points: np.ndarray, t_s: float) -> _Reference | None:
    size = eye_distance(points)
    height, width = grey.shape
    cells = LAID @ points
    inside = ((cells >= 0) & (cells <= (width - 1, height - 1))).all(axis=1)
    if size < 8 or inside.mean() < INSIDE:
        return None
    middle = points[27] + 0.35 * (points[8] - points[27]) + 0.5
    half = CROP * size / 2
    box = Box(float(middle[0] - half), float(middle[1] - half), float(middle[0] + half), float(middle[1] + half))
    scale = CROP_PX / (2 * half)
    across = (points[45] - points[36]) / size
    turn = np.array([[across[0], across[1]], [-across[1], across[0]]]) / (size * scale)
    at = ((cells + 0.5 - (box.x0, box.y0)) * scale - 0.5).astype(np.float32)
    return _Reference(
        _evened(grey, box), box, np.clip(at, 0, CROP_PX - 1), inside, turn, t_s, np.zeros((CELLS, 2), np.float32)
    )


def _compare(reference: _Reference, grey: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Steps of the cells against the first frame, which of them are seen, and the head's shift since the reference."""
    there, error = flow(reference.crop, _evened(grey, reference.box), reference.cells, WINDOW, LEVELS)
    seen = (error < ASTRAY_PX) & reference.inside
    raw = np.where(seen[:, None], there - reference.cells, 0).astype(np.float64) @ reference.turn.T
    weight = STIFFNESS * seen
    flat, rest = raw.T.ravel(), raw
    for number in range(ROUNDS):
        trust = weight if number == 0 else weight / (1 + (rest**2).sum(axis=1) / SPREAD**2)
        weighted = _HEAD * np.tile(trust, 2)[:, None]
        pose = np.linalg.solve(weighted.T @ _HEAD + _HELD, weighted.T @ flat)
        rest = raw - (_HEAD @ pose).reshape(2, CELLS).T
    head = float(np.hypot(pose[0], pose[3]))
    return (rest + reference.base).astype(np.float32), seen, head


def _evened(grey: np.ndarray, box: Box) -> np.ndarray:
    """The crop with light and contrast made alike everywhere, so that lamps that flicker or fade move nothing."""
    import cv2  # brought by the tracker; not to be loaded before it is used

    def mean(image: Any) -> Any:
        return cv2.blur(image, (COARSE_PX, COARSE_PX))

    crop = crop_resize(grey, box, (CROP_PX, CROP_PX)).astype(np.float32)
    fine: Any = cv2.GaussianBlur(crop, (0, 0), FINE_PX)
    fine -= mean(crop)
    contrast: Any = cv2.sqrt(mean(fine * fine))
    contrast /= LEVEL
    contrast += LEAST / LEVEL
    fine /= contrast
    fine += 128
    return np.asarray(cv2.convertScaleAbs(np.maximum(fine, 0, out=fine)))
