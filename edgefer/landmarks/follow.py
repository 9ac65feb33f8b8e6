"""The landmarks of faces that are followed: where to look in each frame, and what is kept from one to the next."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

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


class _Found(NamedTuple):
    """Points and confidences by region, found in the picture turned by so many quarters of a circle."""

    points: np.ndarray
    confidence: np.ndarray
    quarters: int = 0


@dataclass(slots=True)
class _State:
    """What is kept of a face: its filtered points, and its square by those that were found, in the frame of `seen_ns`.

    The next look goes round the filtered ones: a square that trembled would make the points tremble. It is made in the
    picture turned by so many quarters of a circle, as the face was found.
    """

    points: np.ndarray
    box: Box
    seen_ns: int
    quarters: int
    filter: OneEuro = field(default_factory=OneEuro)


class Follower:
    """Landmarks by a network, for faces over time and for those of photographs.

    A face that comes in is looked at twice: at the square of its box, and at the square round what was found there.
    Later one look, round the last points as the tracker has moved the box since, is enough. A face that is not
    surely seen as it was found is looked for in every direction, upright, lying on its side and upside down, though
    not in every frame. Points are filtered; the face's square follows from them as they were found, so that it is not
    behind.

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
            found = self._look_again(frame.grey, face.box, state)
        if found is None:
            state, found = None, self._find_from_box(frame, face)
        elif found.confidence.sum() < self.SURE * len(found.confidence) and self._may_turn(frame, face):
            other = self._in_all_directions(frame, face, self._look(frame.grey, face.box, False))
            if other is not None and other.quarters != found.quarters:
                state, found = None, other
        if found is None:
            return None
        points, confidence, quarters = found
        box = snapped(face_square(points))
        seen = dict(zip(REGIONS, confidence.tolist(), strict=True))
        if frame.still:
            return Landmarks(points, head_pose(points), box, seen)
        state = self._states[face.track] = state or _State(points, box, frame.media_ns, quarters)
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

    def _seen(self, points: np.ndarray, confidence: np.ndarray) -> _Found | None:
        """What the network found, if it is a face."""
        return _Found(points, confidence) if confidence[0] >= self.SEEN else None

    def _look_again(self, grey: np.ndarray, box: Box, state: _State) -> _Found | None:
        """One look at a known face, turned as it was found."""
        points = carried(state.points, state.box, box)
        if not state.quarters:
            return self._seen(*self._network.locate(grey, self._network.around_points(points)))
        view = _TurnedView(grey, box, state.quarters)
        return view.in_source(
            self._seen(*self._network.locate(view.image, self._network.around_points(view.own_points(points))))
        )

    def _find_from_box(self, frame: Frame, face: Face) -> _Found | None:
        """The points of a face of which only the box is known."""
        upright = self._look(frame.grey, face.box, frame.still)
        if upright is not None and upright.confidence.mean() >= self.SURE:
            return upright
        return self._in_all_directions(frame, face, upright) if self._may_turn(frame, face) else upright

    def _may_turn(self, frame: Frame, face: Face) -> bool:
        """Whether a face may be looked for in every direction in this frame; the next time is later."""
        if frame.still:
            return True
        last_ns = self._turned_ns.get(face.track)
        if last_ns is not None and 0 <= frame.media_ns - last_ns < self.TURNED_EVERY_S * 1e9:
            return False
        self._turned_ns[face.track] = frame.media_ns
        return True

    def _in_all_directions(self, frame: Frame, face: Face, best: _Found | None) -> _Found | None:
        """The face as it is rather seen: upright, as it was found already, or lying, or upside down."""
        for quarters in (2, 1, 3):
            view = _TurnedView(frame.grey, face.box, quarters)
            found = view.in_source(self._look(view.image, view.box, frame.still))
            if found is not None and (best is None or self._rather(found.confidence, best.confidence)):
                best = found
        return best

    def _rather(self, confidence: np.ndarray, than: np.ndarray) -> bool:
        """Whether a face is rather seen with some confidences than with others, in another direction."""
        whole, other = confidence.mean(), than.mean()
        return bool(whole > max(other, self.SURE) or (other < self.SURE and confidence[0] > than[0] + self.SURER))

    def _look(self, grey: np.ndarray, box: Box, still: bool) -> _Found | None:
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

    def in_source(self, found: _Found | None) -> _Found | None:
        """What was found in the turned image, with its points in pixels of the source."""
        return None if found is None else _Found(self.source_points(found.points), found.confidence, self._quarters)

    def source_points(self, points: np.ndarray) -> np.ndarray:
        """Points of the turned image in pixels of the source."""
        x, y = points[:, 0], points[:, 1]
        last = self._side - 1
        back = {1: (last - y, x), 2: (last - x, last - y), 3: (y, last - x)}[self._quarters]
        corner = np.array([self._around.x0, self._around.y0])
        return ((np.column_stack(back) + 0.5) * (self._around.width / self._side) + corner - 0.5).astype(np.float32)

    def own_points(self, points: np.ndarray) -> np.ndarray:
        """Points of the source in pixels of the turned image."""
        corner, last = np.array([self._around.x0, self._around.y0]), self._side - 1
        x, y = ((points + 0.5 - corner) * (self._side / self._around.width) - 0.5).T
        turned = {1: (y, last - x), 2: (last - x, last - y), 3: (last - y, x)}[self._quarters]
        return np.column_stack(turned).astype(np.float32)


def open_landmarker(options: Options, *, model: str, threads: int) -> Follower:
    """The landmarker `network`.

    Raises:
        UsageError: an unknown network. ModelError: it is refused.
    """
    from edgefer.landmarks.network import shared_network

    return Follower(shared_network(model, threads))
