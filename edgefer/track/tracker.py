"""The same face over time: who it is, and where it is now.

A detector is asked rarely. In every frame the box of a known face is carried by optical flow on a small patch
of it; a few times a second the detector confirms it with one cheap look there; the whole image is searched at
a low rate for new faces, and at once when a face is lost. Where landmarks run, they confirm faces in the
detector's place (`reseat`), and it is asked about a known face only when they do not see it. All times are
media time, so that a file read at full speed and the same file played with dropped frames are followed by the
same rules.
"""

from __future__ import annotations

import math
import time

import numpy as np

from edgefer import defaults
from edgefer.detect import Detector, Examiner, Look, borne_out, tell_bound
from edgefer.geometry import Box, clipped, iou, moved
from edgefer.support.images import grey_image
from edgefer.track.company import is_alone, is_free, is_known, may_be, others
from edgefer.track.judging import judge, verdict
from edgefer.track.patch import RESEMBLANCE, Patch, correlation, match_nearby, part_remains
from edgefer.track.quality import QualityGate
from edgefer.track.scene import is_another, is_flat, overview
from edgefer.track.state import Track
from edgefer.values import Detection, Face, Frame

#: A search, and second looks at what it found, are spread over the frames of this time, so that none takes long.
SPREAD_MS = 150.0
#: New faces that get their second look after a search, the best of them.
MOST_LIKELY = 12
#: A known face is looked at this often.
CONFIRM_INTERVAL_MS = 150.0
#: A face that flow carries but no look confirms is reported for this long ...
UNCONFIRMED_MS = 250.0
#: ... or this long, though never longer than it had been confirmed before, while it resembles itself or part
#: of it is where it was: a frontal detector misses a head that turns or bows, or that a hand half covers.
RESEMBLING_MS = 2000.0
#: A lost face keeps its identity for this long, in case one is found where it was: a second, and the time
#: until a search finds it.
RECALL_MS = 1250.0

#: Of several faces each is carried by flow once in this time; in the frames between its box moves on as it did.
CARRY_INTERVAL_MS = 80.0

#: Correlation with its pixels below which what flow has carried, or another one covers, is not this face.
LEAST_ALIKE = 0.35
#: Part of the box that has to be inside the image.
INSIDE = 0.6
#: How far a look moves a carried box towards what it found; the rest is the detector's own jitter.
CORRECTION = 0.4


class Tracker:
    """Follows every face of a source.

    Args:
        detector: what finds and confirms faces.
        detect_interval_ms: media time between searches of the whole image, over 0; the governor may set the
            attribute of that name while the tracker runs.
        gate: judges the faces; the default gate when None.

    Attributes:
        confirm_interval_ms: media time after which the detector looks at a face that nothing has confirmed; longer
            with more than defaults.FULL_RATE_FACES in view.
        clock: ms that the last update spent in the detector ("detect") and on all else ("track").
        searches, looks: how often the detector was asked, since the start.
        asked: whether the last update asked it for anything.
    """

    def __init__(
        self,
        detector: Detector,
        detect_interval_ms: float = defaults.DETECT_INTERVAL_MS,
        gate: QualityGate | None = None,
    ):
        if not detect_interval_ms > 0:
            raise ValueError(f"Tracker: detect_interval_ms must be over 0, got {detect_interval_ms}")
        self.detect_interval_ms = detect_interval_ms
        self.confirm_interval_ms = CONFIRM_INTERVAL_MS
        self.clock = {"detect": 0.0, "track": 0.0}
        self.searches = 0
        self.looks = 0
        self.asked = False
        self._detector = detector
        self._examiner = detector if isinstance(detector, Examiner) else None
        self._gate = gate or QualityGate()
        self._tracks: list[Track] = []
        self._likely: list[Detection] = []
        self._next_number = 1
        self._searched_ns: int | None = None
        self._parts: list[int] = []  # of the search going on, still to be done
        self._in_search = 0  # how many it has
        self._last_ns: int | None = None
        self._frames = 0
        self._shape: tuple[int, ...] | None = None
        self._scene: np.ndarray | None = None  # overview of the last frame that shows one
        self._detect_s = 0.0

    def update(self, frame: Frame) -> list[Face]:
        """The faces in view in the next frame of the source, oldest first.

        Args:
            frame: its `media_ns` orders the frames; a step back in time, or another size, starts over
                (identities are not used again).

        Raises:
            TypeError, ValueError: it is no frame, or its image is not uint8 of shape (H, W).
        """
        start = time.perf_counter()
        self._detect_s, self.asked = 0.0, False
        if not isinstance(frame, Frame):
            raise TypeError(f"update: expected a Frame, got {'None' if frame is None else type(frame).__name__}")
        grey, now = grey_image("update", frame.grey), frame.media_ns
        if self._shape != grey.shape or (self._last_ns is not None and now < self._last_ns):
            self._tracks, self._likely, self._searched_ns, self._parts, self._scene = [], [], None, [], None
        since_ns = now - self._last_ns if self._last_ns is not None else 0
        if self._shape != grey.shape:
            tell_bound(self._detector, frame)
        self._last_ns, self._shape = now, grey.shape
        for track in self._tracks:
            track.before_ns = now - since_ns
        self._leave(overview(grey))

        just_lost = self._follow(grey, now, since_ns)
        self._second_look(grey, now, self._likely_due(since_ns))
        parts = self._parts_due(now, since_ns, just_lost)
        for part in parts:
            self._search(grey, now, part)
        alone = not any(track.visible for track in self._tracks)
        if self._examiner and (None in parts or (alone and since_ns >= SPREAD_MS * 1e6)):
            # another view than the search's: it need not wait for another frame, in which the face may have gone on
            self._second_look(grey, now, len(self._likely))
        self._drop_lost(now)

        visible = [track for track in self._tracks if track.visible]
        judge(self._gate, grey, visible, now, since_ns)
        faces = [Face(each.number, each.box, verdict(each, self._is_unconfirmed(each, now))) for each in visible]
        total = time.perf_counter() - start
        self.clock = {"detect": self._detect_s * 1e3, "track": (total - self._detect_s) * 1e3}
        return faces

    # -- what others say of a face in the last frame

    def reseat(self, frame: Frame, number: int, box: Box) -> Box:
        """Confirms a face where its landmarks were found in the frame of the last update.

        Returns:
            Where it is from now on: `box`, unless another one's face is there.
        """
        track = next(track for track in self._tracks if track.number == number)
        patch, alone = Patch(frame.grey, box), is_alone(self._tracks, track, box)
        if alone:
            same = may_be(frame.grey, track, (track.box, box), frame.media_ns)
        else:  # what is seen may be the other one's
            same = track.likeness(patch) >= LEAST_ALIKE
        if same and is_free(self._tracks, frame.grey, track, box):
            track.confirm(box, patch, frame.media_ns, alone=alone)
        return track.box

    def doubt(self, number: int) -> None:
        """A face could not be seen in the frame of the last update: the detector is to look in the next one."""
        track = next(track for track in self._tracks if track.number == number)
        if self._last_ns is not None:
            track.confirmed_ns = min(
                track.confirmed_ns, self._last_ns - round(self.confirm_interval_ms * 1e6 * self._crowding(track))
            )

    # -- the steps of an update

    def _leave(self, scene: np.ndarray) -> None:
        """Where a film cuts to another scene, its faces are others, also one in the same place.

        Those of the scene before are lost, and found again only where it comes back.
        """
        cut = self._scene is not None and is_another(self._scene, scene)
        if self._scene is None or not is_flat(scene):
            self._scene = scene
        for track in self._tracks:
            if cut or track.elsewhere:
                track.elsewhere = is_another(track.scene, scene)
                if track.elsewhere and track.visible:
                    track.visible, track.box = False, track.certain_box
        if cut and not any(track.visible for track in self._tracks):
            self._searched_ns, self._likely = None, []  # who is in it is to be known at once

    def _follow(self, grey: np.ndarray, now: int, since_ns: int) -> bool:
        """Carries every track into this frame and confirms those that are due; True if one was lost by it."""
        just_lost = False
        # with many faces the looks are spread over frames: no more of them than keep the interval
        looks = math.ceil(len(self._tracks) * since_ns / 1e6 / self.confirm_interval_ms)
        self._frames += 1
        several = len(self._tracks) > 1 and since_ns > 0
        every = max(1, int(CARRY_INTERVAL_MS * 1e6 / since_ns + 0.05)) if several else 1
        here = [track for track in self._tracks if not track.elsewhere]
        for track in sorted(here, key=lambda track: (not track.visible, track.looked_ns)):
            was_visible, another = track.visible, False
            if track.visible and (self._frames + track.number) % every:
                track.go_on(since_ns)
            elif track.visible:
                track.visible = self._carry(grey, track, now)
            recent = now - track.seen_ns <= UNCONFIRMED_MS * 1e6
            due = now - track.confirmed_ns >= self.confirm_interval_ms * 1e6 * self._crowding(track) and looks > 0
            if (not track.visible and recent) or (track.visible and due):
                looks -= track.visible
                another = self._verify(grey, track, now)
            track.remains = (track.resembles and track.visible) or (
                recent
                and not (another or others(self._tracks, track, track.certain_box, 0.5))
                and part_remains(grey, track.certain_box, track.appearance)
            )
            if track.remains and not (track.resembles and track.visible):
                track.visible, track.resembles = True, False
                track.return_to_certain()
            if track.visible and not self._is_reported(track, now):
                track.visible = False
            if track.visible:
                track.seen_ns = now
                if track.resembles and self._scene is not None:
                    track.scene = self._scene
            elif was_visible:
                track.box = track.certain_box  # flow may have followed what hid the face
            just_lost = just_lost or (was_visible and not track.visible)
        return just_lost

    def _carry(self, grey: np.ndarray, track: Track, now: int) -> bool:
        """Moves a track's box with the flow of its patch; False when the flow is unreliable."""
        motion = track.patch.motion(grey)
        if motion is None:
            return False
        box = moved(track.patch_box, *motion)
        height, width = grey.shape
        if clipped(box, width, height).area < INSIDE * box.area:
            return False
        patch = Patch(grey, box)
        if correlation(patch.face, track.patch.face) < LEAST_ALIKE:
            return False  # something else is there now
        track.carry(box, patch, now)
        track.resembles = correlation(track.patch.face, track.appearance) >= RESEMBLANCE
        if track.resembles:
            track.certain_box, track.certain_ns, track.certain_patch = box, now, track.patch
        return True

    def _verify(self, grey: np.ndarray, track: Track, now: int) -> bool:
        """Looks for the face of a track where it should be, or where something nearby resembles it.

        Returns:
            Whether another person's face is there.
        """
        track.looked_ns = now
        thorough = now - track.examined_ns >= CONFIRM_INTERVAL_MS * 1e6
        if thorough:
            track.examined_ns = now
        expected = track.box if track.visible else match_nearby(grey, track.certain_box, track.appearance)
        look = self._look(grey, expected, thorough)
        if look is None or look.score < self._detector.levels.keep or not is_free(self._tracks, grey, track, look.box):
            return False
        box = look.box
        if not may_be(grey, track, (expected, box), now):
            track.visible = False
            return True
        if not track.visible and not self._is_face(grey, Detection(box, look.score)):
            return False
        if track.visible and iou(track.box, box) > 0.5:
            box = Box(*(old + CORRECTION * (new - old) for old, new in zip(track.box, box, strict=True)))
        track.confirm(box, Patch(grey, box), now, look.turned, is_alone(self._tracks, track, box))
        return False

    def _is_face(self, grey: np.ndarray, face: Detection) -> bool:
        """Whether what was found where nothing is followed is a face: for certain, or by a second look."""
        if face.score >= self._detector.levels.sure:
            return True
        return face.score >= self._detector.levels.keep and self._borne_out(grey, face) is not None

    def _borne_out(self, grey: np.ndarray, face: Detection) -> Look | None:
        self.looks, self.asked = self.looks + 1, True
        start = time.perf_counter()
        look = borne_out(self._detector, grey, face)
        self._detect_s += time.perf_counter() - start
        return look

    def _is_reported(self, track: Track, now: int) -> bool:
        """Whether a carried track may still be reported."""
        if not self._is_unconfirmed(track, now):
            return True
        longest_ns = min(RESEMBLING_MS * 1e6, track.confirmed_ns - track.born_ns)
        return track.remains and now - track.confirmed_ns <= longest_ns

    def _is_unconfirmed(self, track: Track, now: int) -> bool:
        return now - track.confirmed_ns > UNCONFIRMED_MS * 1e6 * self._crowding(track)

    def _likely_due(self, since_ns: int) -> int:
        """How many second looks are to be made in this frame: all of them, or while others are followed their share."""
        count = len(self._likely)
        if not any(track.visible for track in self._tracks):
            return count
        return max(1, math.ceil(count * since_ns / 1e6 / SPREAD_MS))

    def _second_look(self, grey: np.ndarray, now: int, count: int) -> None:
        """So many faces that were likely in the last search become tracks if they are likely again."""
        due, self._likely = self._likely[:count], self._likely[count:]
        for face in due:
            look = self._borne_out(grey, face)
            if look is not None and not is_known(self._tracks, grey, look.box, now):
                self._start_track(grey, look.box, now)

    def _parts_due(self, now: int, since_ns: int, just_lost: bool) -> list[int | None]:
        """The parts of a search of the whole image to be done in this frame; None stands for all at once."""
        if self._searched_ns is None:
            self._searched_ns = now
            self.searches += 1
            return [None]
        since_ms = (now - self._searched_ns) / 1e6
        settled = bool(self._tracks) and all(track.visible for track in self._tracks)
        interval = self.detect_interval_ms if settled else self.detect_interval_ms / 2
        if just_lost:
            interval = self.detect_interval_ms / 4
        if since_ms >= interval and (just_lost or not self._parts):
            self._searched_ns = now
            self.searches += 1
            self._parts = self._parts_of_search(settled)
            self._in_search = len(self._parts)
        count = math.ceil(self._in_search * since_ns / 1e6 / SPREAD_MS)
        due, self._parts = self._parts[:count], self._parts[count:]
        return list(due)

    def _search(self, grey: np.ndarray, now: int, part: int | None) -> None:
        """Finds faces in the whole image and gives each to a lost track or to a new one."""
        start = time.perf_counter()
        known = [track.box for track in self._tracks if track.visible]
        self.asked = True
        # while others are followed a search may not take long, and the next one comes soon
        examiner = None if known else self._examiner
        if examiner is not None:
            detections = examiner.detect(grey, part=part, known=known, faint=True)
        else:
            detections = self._detector.detect(grey, part=part, known=known)
        self._detect_s += time.perf_counter() - start
        levels = self._detector.levels
        lost = [track for track in self._tracks if not (track.visible or track.elsewhere)]
        pairs = [(track.closeness(face.box, now), track, face) for track in lost for face in detections]
        for closeness, track, face in sorted(pairs, key=lambda pair: -pair[0]):
            if closeness <= 0 or track.visible or face.score < levels.likely:
                continue
            patch = Patch(grey, face.box)
            if is_free(self._tracks, grey, track, face.box) and track.may_be(patch, now) and self._is_face(grey, face):
                track.confirm(face.box, patch, now, alone=is_alone(self._tracks, track, face.box))
        for face in detections:
            if is_known(self._tracks, grey, face.box, now):
                continue
            if face.score >= levels.sure:
                self._start_track(grey, face.box, now)
            elif (examiner or face.score >= levels.likely) and len(self._likely) < MOST_LIKELY:
                self._likely.append(face)

    def _drop_lost(self, now: int) -> None:
        """Forgets tracks lost for too long; of two on one face the younger is lost, or the older if unlike it."""
        self._tracks = [each for each in self._tracks if each.visible or now - each.seen_ns <= RECALL_MS * 1e6]
        for track in self._tracks:
            for older in others(self._tracks, track, track.box, 0.5) if track.visible else ():
                if older.number < track.number:
                    unlike = older.likeness(older.patch) < min(RESEMBLANCE, track.likeness(track.patch))
                    less = older if unlike else track
                    less.visible, less.box = False, less.certain_box

    # -- helpers

    def _parts_of_search(self, settled: bool) -> list[int]:
        """What the search that begins now consists of; see Detector."""
        first, *others = range(self._detector.parts)
        count = getattr(self._detector, "in_turns", 0)
        if not (settled and count):
            return [first, *others]
        return [first, *(others[(self.searches * count + index) % len(others)] for index in range(count))]

    def _crowding(self, track: Track) -> float:
        """By how much longer a face is believed, and how much later looked at again, where many are in view."""
        if track.confirmed_ns <= track.born_ns:  # found, and not yet confirmed
            return 1.0
        return max(1.0, len(self._tracks) / defaults.FULL_RATE_FACES)

    def _look(self, grey: np.ndarray, box: Box, thorough: bool = False) -> Look | None:
        self.looks, self.asked = self.looks + 1, True
        start = time.perf_counter()
        look = self._detector.look(grey, box, thorough)
        self._detect_s += time.perf_counter() - start
        return look

    def _start_track(self, grey: np.ndarray, box: Box, now: int) -> None:
        """A new identity."""
        assert self._scene is not None  # since the first frame
        self._tracks.append(Track(self._next_number, box, Patch(grey, box), now, self._scene))
        self._next_number += 1
