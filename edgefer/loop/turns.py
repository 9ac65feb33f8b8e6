"""Whose turn it is to be recognized: each face when it comes in, then all of them so many times a second."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from edgefer.values import Face, Frame

#: A turn may come so much early, in parts of one: frames do not come at exactly equal times.
_EARLY = 0.1
#: A face that was out of view for longer than this, s, counts as a new one: somebody else may have come to its place.
AWAY_S = 0.25


class Turns:
    """Chooses the faces to be recognized in each frame of a film, by media time.

    An expression takes longer to change than a frame to pass, and scores are averaged over longer still: to recognize a
    face in every frame costs most of what a frame costs, and says nothing new. So the faces in view share a number of
    recognitions a second, evenly over its frames. A new face is recognized at once, and then the one that has waited
    longest.

    Args:
        rate_hz: recognitions a second that the faces in view share; 0: every face in every frame.
        least_hz: of each face, however many there are.
        max_faces: recognized in one frame; None: any number.

    Attributes:
        recognized: number of the frame in which each track last had its turn, and the media time, ns, at which its
            expression was last judged in one; None where it never was.
    """

    def __init__(self, rate_hz: float = 0.0, least_hz: float = 0.0, max_faces: int | None = None) -> None:
        self._rate_hz, self._least_hz, self._max_faces = rate_hz, least_hz, max_faces
        self.recognized: dict[int, tuple[int, int | None]] = {}
        self._in_view_ns: dict[int, int] = {}  # when each track was last in view
        self._looked_ns = 0  # when it was last asked who is
        self._frames = 0
        self._last_ns: int | None = None  # media time of the frame before
        self._saved = 0.0  # turns that are due: the part of one that the frames so far make up
        self._waited = 0

    def returned(self, frame: Frame, faces: Sequence[Face]) -> list[int]:
        """The tracks that are in view again in the next frame, which count as new ones from now on."""
        before, now = self._in_view_ns, frame.media_ns
        # where frames are that far apart, a face that is in each of them has not been away
        away = [face.track for face in faces if before.get(face.track, self._looked_ns) != self._looked_ns]
        back = [track for track in away if now - before[track] > AWAY_S * 1e9]
        before.update((face.track, now) for face in faces)
        self._looked_ns = now
        for track in back:
            self.recognized.pop(track, None)
        return back

    def choose(self, frame: Frame, faces: Sequence[Face], factor: int = 1, waits: int = 0) -> list[Face]:
        """The faces to recognize in the next frame, those that waited longest first.

        A face the gate holds back is not recognized: its scores would spoil the average.

        Args:
            factor: divides the rate, as the governor says.
            waits: for so many frames a turn that can wait does, as this one has cost much already.
        """
        self._frames += 1
        last_ns, self._last_ns = self._last_ns, frame.media_ns
        fit = [face for face in faces if not face.quality.reasons]
        new = [face for face in fit if face.track not in self.recognized]
        old = [face for face in fit if face.track in self.recognized]
        if len(old) > 1:
            old.sort(key=lambda face: self.recognized[face.track][0])
        if not self._rate_hz:
            due = [face for face in old if self._frames - self.recognized[face.track][0] >= factor]
        else:
            since_s = max(0, frame.media_ns - last_ns) / 1e9 if last_ns is not None else 0.0
            share = max(self._rate_hz, self._least_hz * len(fit)) * since_s / factor
            due = old[: self._count(share, waits)]
            # without old faces nothing is left for later; the turn after a first one is a full interval later
            self._saved = self._saved - len(due) if old else float(not new)
        return [*new, *due][: self._max_faces]

    def took(self, face: Face, frame: Frame, judged: bool = True) -> None:
        """A face had its turn in the frame of the last choice; judged: whether its expression was."""
        before = self.recognized.get(face.track, (0, None))[1]
        self.recognized[face.track] = self._frames, frame.media_ns if judged else before

    def age_ms(self, face: Face, frame: Frame) -> float | None:
        """Media time since a face's expression was last judged; None when it never was."""
        last_ns = self.recognized.get(face.track, (0, None))[1]
        return None if last_ns is None else max(0, frame.media_ns - last_ns) / 1e6

    def forget(self, faces: Collection[Face], frames: int) -> set[int]:
        """Drops the tracks that are not among these faces and had no turn for so many frames; returns them."""
        in_view = {face.track for face in faces}
        long_ago = {track for track, (last, _) in self.recognized.items() if self._frames - last >= frames}
        for track in long_ago - in_view:
            del self.recognized[track]
        kept = in_view | {*self.recognized}
        self._in_view_ns = {track: then for track, then in self._in_view_ns.items() if track in kept}
        return long_ago - in_view

    def _count(self, share: float, waits: int) -> int:
        """Turns to be given in a frame that is worth so many."""
        self._saved = min(self._saved, 2.0) + share
        count = int(self._saved + _EARLY)
        if count and share < 0.5 and self._waited < waits:
            self._waited += 1
            return 0
        self._waited = 0
        return count
