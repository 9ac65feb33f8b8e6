"""When faces are looked at for their landmarks, and what follows: points, the place of the track, and the gate."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from edgefer import defaults
from edgefer.landmarks.base import Landmarker, Landmarks
from edgefer.landmarks.cover import CoverGate
from edgefer.values import Face, Frame

if TYPE_CHECKING:  # the tracker brings OpenCV
    from edgefer.track import Tracker

#: Reasons of the tracker that stand for what it cannot see itself; a look at the landmarks replaces them.
_GUESSED = ("occluded", "turned")
#: Faces that come in at once and are looked at in one frame.
_AT_ONCE = 2
#: What is kept of a face that nobody has seen for so long is dropped; the tracker gives it up before.
_KEPT_NS = 5e9


class Marks:
    """Looks at faces for their landmarks: at all of them in every frame, or at each a few times a second.

    Args:
        landmarker: finds the points.
        always: whether every face gets its points in every frame; else they serve the gate and the tracker alone.
        gate: what the landmarks say against judging a face is added to its reasons; None: nothing is.
        interval_ms: media time between two looks at a face where they are not made in every frame; with several faces
            the looks are spread over frames, with more than defaults.FULL_RATE_FACES they are rarer.

    Attributes:
        always: as above.
    """

    def __init__(
        self, landmarker: Landmarker, *, always: bool, gate: CoverGate | None = None, interval_ms: float
    ) -> None:
        self._landmarker = landmarker
        self.always = always
        self._gate = gate
        self._interval_ns = interval_ms * 1e6
        self._looked_ns: dict[int, int] = {}
        self._reasons: dict[int, tuple[str, ...]] = {}
        self._last_ns: int | None = None

    def update(self, frame: Frame, faces: Sequence[Face], tracker: Tracker, busy: bool = False) -> bool:
        """Looks at those of the faces whose turn it is in the next frame of a film, and tells the tracker.

        Args:
            busy: the frame has cost much already: a look that can wait for the next one does.

        Returns:
            Whether it looked at any.
        """
        if self._last_ns is not None and frame.media_ns < self._last_ns:
            self._looked_ns.clear()
            self._reasons.clear()
        turns = self._turns(frame, faces, busy)
        for face in turns:
            marks = self._landmarker.find(frame, face)
            self._looked_ns[face.track] = frame.media_ns
            if marks is None:
                tracker.doubt(face.track)
            elif marks.box is not None:
                face.box = tracker.reseat(frame, face.track, marks.box)
                face.quality.side_px = max(face.box.width, face.box.height)
            self._take(frame, face, marks)
        self._last_ns = frame.media_ns
        gone = [track for track, then in self._looked_ns.items() if frame.media_ns - then > _KEPT_NS]
        if gone:
            self.forget(gone)
        for face in faces:
            _add(face, self._reasons.get(face.track, ()))
        return bool(turns)

    def examine(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Looks at all faces of a photograph; nothing is kept."""
        for face in faces:
            self._take(frame, face, self._landmarker.find(frame, face))
            _add(face, self._reasons.pop(face.track, ()))

    def forget(self, tracks: Collection[int]) -> None:
        """Drops what is kept of faces that will not come back."""
        self._landmarker.forget(tracks)
        for track in tracks:
            self._looked_ns.pop(track, None)
            self._reasons.pop(track, None)

    def _turns(self, frame: Frame, faces: Sequence[Face], busy: bool) -> list[Face]:
        """The faces to be looked at in this frame, new ones first, then those that waited longest."""
        if self.always:
            return list(faces)
        since_ns = frame.media_ns - self._last_ns if self._last_ns is not None else 0
        new = [face for face in faces if face.track not in self._looked_ns]
        interval_ns = self._interval_ns * max(1.0, len(faces) / defaults.FULL_RATE_FACES)
        share = len(faces) * since_ns / interval_ns
        if busy and share < 0.5:
            interval_ns += since_ns / 2
        due = [
            face
            for face in faces
            if face.track in self._looked_ns and frame.media_ns - self._looked_ns[face.track] >= interval_ns
        ]
        due.sort(key=lambda face: self._looked_ns[face.track])
        new = new[:_AT_ONCE]
        return new + due[: max(0, math.ceil(share) - len(new))]

    def _take(self, frame: Frame, face: Face, marks: Landmarks | None) -> None:
        """What a look says of a face: its points where they are wanted, and the reasons against judging it."""
        if marks is not None and self.always:
            face.landmarks, face.pose = marks.points, marks.pose
        if self._gate is None:
            return
        reasons = self._gate.reasons(marks, frame.grey.shape)
        if marks is None and face.quality.reasons:
            reasons = ()  # what is small, blurred or dark has its reason
        elif marks is not None and marks.seen is not None:
            face.quality.reasons = tuple(reason for reason in face.quality.reasons if reason not in _GUESSED)
        self._reasons[face.track] = reasons


def _add(face: Face, reasons: tuple[str, ...]) -> None:
    """Adds reasons to those of a face, each once."""
    face.quality.reasons += tuple(reason for reason in reasons if reason not in face.quality.reasons)
