"""The landmarks of faces that are followed: where to look in each frame, and what is kept from one to the next."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from edgefer.geometry import Box, carried, iou, snapped, squared
from edgefer.kernels import crop_resize
from edgefer.landmarks.base import Landmarks
from edgefer.landmarks.one_euro import OneEuro
from edgefer.landmarks.points import REGIONS, eye_distance, face_square
from edgefer.landmarks.pose import head_pose
from edgefer.support.registry import Options
from edgefer.values import Face, Frame


class Network(Protocol):
    """What is asked of a landmark network (landmarks/network.py)."""

    def locate(self, grey: np.ndarray, square: Box) -> tuple[np.ndarray, np.ndarray]:
        """Points and confidences by region from one pass over a square of the image."""

    def study(self, grey: np.ndarray, square: Box) -> tuple[np.ndarray, np.ndarray]:
        """The same with full effort, for a photograph."""

    def around_face(self, box: Box) -> Box:
        """The square to look at, from a detector's box."""

    def around_points(self, points: np.ndarray) -> Box:
        """The square to look at next, from points."""


@dataclass(slots=True)
class _State:
    """What is kept of a face: its filtered points, and its square by those that were found, in the frame of `seen_ns`.

    The next look goes round the filtered ones: a square that trembled would make the points tremble.
    """

    points: np.ndarray
    box: Box
    seen_ns: int
    filter: OneEuro = field(default_factory=OneEuro)


class Follower:
    """Landmarks by a network, for faces over time and for those of photographs.

    A face that comes in is looked at twice: at the square of its box, and at the square round what was found there.
    Later one look, round the last points as the tracker has moved the box since, is enough. A face that is not
    surely seen upright is looked for lying on its side and upside down, too, though not in every frame. Points are
    filtered; the face's square follows from them as they were found, so that it is not behind.

    Args:
        network: finds the points in a square of the image.
        steady: whether points are filtered.
    """

    #: Confidence from which there is a face, and mean of all its parts from which it is seen as it stands: in many a
    #: face on its head eyes are seen, but no nose and mouth. Covered faces stay below that in each direction.
    SEEN, SURE = 0.5, 0.9
    #: By how much more confidence a face is rather seen in another direction.
    SURER = 0.005
    #: Points older than this are not looked round again, s.
    STALE_S = 1.25
    #: Between two attempts to find a face in other directions, s.
    TURNED_EVERY_S = 1.0

    def __init__(self, network: Network, steady: bool = True) -> None:
        self._network = network
        self._steady = steady
        self._states: dict[int, _State] = {}
        self._turned_ns: dict[int, int] = {}

    def find(self, frame: Frame, face: Face) -> Landmarks | None:
        """The points of a face; see Landmarker."""
        state = None if frame.still else self._states.pop(face.track, None)
        found = None
        if state is not None and self._is_near(state, frame, face):
            square = self._network.around_points(carried(state.points, state.box, face.box))
            found = self._seen(*self._network.locate(frame.grey, square))
        if found is None:
            state, found = None, self._find_anew(frame, face)
        if found is None:
            return None
        points, confidence = found
        box = snapped(face_square(points))
        seen = dict(zip(REGIONS, confidence.tolist(), strict=True))
        if frame.still:
            return Landmarks(points, head_pose(points), box, seen)
        state = self._states[face.track] = state or _State(points, box, frame.media_ns)
        if self._steady:
            points = state.filter.update(points, max(eye_distance(points), 1.0), frame.media_ns)
        state.points, state.box, state.seen_ns = points, box, frame.media_ns
        return Landmarks(points, head_pose(points), box, seen)

    def another(self, steady: bool = True) -> Follower:
        """One for another film; see Landmarker."""
        return Follower(self._network, steady)

    def forget(self, tracks: Collection[int]) -> None:
        """Drops what is kept of faces that will not come back."""
        for track in tracks:
            self._states.pop(track, None)
            self._turned_ns.pop(track, None)

    def _is_near(self, state: _State, frame: Frame, face: Face) -> bool:
        """Whether the last points tell where to look now."""
        return 0 <= frame.media_ns - state.seen_ns <= self.STALE_S * 1e9 and iou(state.box, face.box) > 0.2

    def _seen(self, points: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """What the network found, if it is a face."""
        return (points, confidence) if confidence[0] >= self.SEEN else None

    def _find_anew(self, frame: Frame, face: Face) -> tuple[np.ndarray, np.ndarray] | None:
        """The points of a face of which only the box is known."""
        best = self._look(frame.grey, face.box, frame.still)
        if best is not None and best[1].mean() >= self.SURE:
            return best
        if not frame.still:
            last_ns = self._turned_ns.get(face.track)
            if last_ns is not None and 0 <= frame.media_ns - last_ns < self.TURNED_EVERY_S * 1e9:
                return best
            self._turned_ns[face.track] = frame.media_ns
        for quarters in (2, 1, 3):
            view = _TurnedView(frame.grey, face.box, quarters)
            found = self._look(view.image, view.box, frame.still)
            if found is not None and (best is None or self._rather(found[1], best[1])):
                best = view.source_points(found[0]), found[1]
        return best

    def _rather(self, confidence: np.ndarray, than: np.ndarray) -> bool:
        """Whether a face is rather seen with some confidences than with others, in another direction."""
        whole, other = confidence.mean(), than.mean()
        return bool(whole > max(other, self.SURE) or (other < self.SURE and confidence[0] > than[0] + self.SURER))

    def _look(self, grey: np.ndarray, box: Box, still: bool) -> tuple[np.ndarray, np.ndarray] | None:
        """The first look tells where the second has to be; a photograph's is made with full effort."""
        points, confidence = self._network.locate(grey, self._network.around_face(box))
        if confidence[0] < self.SEEN / 2:
            return None
        second = self._network.study if still else self._network.locate
        return self._seen(*second(grey, self._network.around_points(points)))


class _TurnedView:
    """A face and what is around it, turned by quarters of a circle.

    Attributes:
        image: uint8, square. box: the face in it.
    """

    LARGEST_PX = 256

    def __init__(self, grey: np.ndarray, box: Box, quarters: int) -> None:
        self._around = squared(box, 0.5)
        self._quarters = quarters
        self._side = max(2, min(self.LARGEST_PX, round(self._around.width)))
        crop = crop_resize(grey, self._around, (self._side, self._side))
        self.image = np.ascontiguousarray(np.rot90(crop, quarters))
        self.box = Box(self._side / 4, self._side / 4, self._side * 3 / 4, self._side * 3 / 4)

    def source_points(self, points: np.ndarray) -> np.ndarray:
        """Points of the turned image in pixels of the source."""
        x, y = points[:, 0], points[:, 1]
        last = self._side - 1
        back = {1: (last - y, x), 2: (last - x, last - y), 3: (y, last - x)}[self._quarters]
        corner = np.array([self._around.x0, self._around.y0])
        return ((np.column_stack(back) + 0.5) * (self._around.width / self._side) + corner - 0.5).astype(np.float32)


def open_landmarker(options: Options, *, model: str, threads: int) -> Follower:
    """The landmarker `network`.

    Raises:
        UsageError: an unknown network. ModelError: it is refused.
    """
    from edgefer.landmarks.network import shared_network

    return Follower(shared_network(model, threads))
