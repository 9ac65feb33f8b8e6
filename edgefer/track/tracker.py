"""The same face over time: who it is, where it is now, and whether it may be judged.

A detector is asked rarely. In every frame the box of a known face is carried by optical flow on a small patch
of it; a few times a second the detector confirms it with one cheap look at that place; the whole image is
searched at a low rate for new faces, and at once when a face is lost. All times are media time, so that a
file read at full speed and the same file played with dropped frames are followed by the same rules.
"""

from __future__ import annotations

import functools
import math
import time
from dataclasses import dataclass, field

import cv2
import numpy as np

from edgefer.detect import Detector, Look
from edgefer.geometry import Box, clipped, iou, moved, squared
from edgefer.kernels import crop_resize, flow, good_corners
from edgefer.values import Face, Frame, Quality

#: Search of the whole image while every face is being followed; twice as often while none is, or one is lost.
DEFAULT_DETECT_INTERVAL_MS = 500.0
#: A search is spread over the frames of this time, so that none of them takes long.
SPREAD_MS = 150.0
#: A known face is looked at this often.
CONFIRM_INTERVAL_MS = 150.0
#: A face that flow carries but no look confirms is reported for this long ...
UNCONFIRMED_MS = 250.0
#: ... or this long, though never longer than it had been confirmed before, while it resembles itself or part
#: of it is where it was: a head that turns or bows, or has a hand before it, is beyond a frontal detector.
RESEMBLING_MS = 2000.0
#: A lost face keeps its identity for this long, should one be found again where it was: a second, and the
#: time until a search finds it.
RECALL_MS = 1250.0

#: How far from its box a face may be found and be the same one, sides of the box: at once, more for each
#: second its place was uncertain, and at most.
REACH, REACH_PER_S, MAX_REACH = 0.5, 3.0, 1.5

#: Correlation with the patch last confirmed from which a face resembles itself.
RESEMBLANCE = 0.6
#: A face that something covers remains while this many of its nine cells are as they were, each by a
#: correlation of this; a face that has gone leaves none of them.
CELLS, CELL_RESEMBLANCE = 3, 0.7
#: Part of the box that has to be inside the image.
INSIDE = 0.6
#: How far a look moves a carried box towards what it found; the rest is the detector's own jitter.
CORRECTION = 0.4


@dataclass(slots=True)
class _Track:
    """One face being followed.

    `model` is how it looked when the detector last found it, at `confirmed_ns`; `certain` is its box and
    `clear` its patch when it last resembled that, at `certain_ns`; it `remains` when it still does, or when
    part of it is where it was. `looked_ns` is when the detector last looked, `examined_ns` when it last did
    so thoroughly, `seen_ns` the last frame the face was visible in.
    """

    number: int
    box: Box
    patch: _Patch
    born_ns: int
    model: np.ndarray = field(init=False)
    certain: Box = field(init=False)
    clear: _Patch = field(init=False)
    certain_ns: int = field(init=False)
    confirmed_ns: int = field(init=False)
    looked_ns: int = field(init=False)
    examined_ns: int = field(init=False)
    seen_ns: int = field(init=False)
    visible: bool = True
    turned: bool = False
    resembles: bool = True
    remains: bool = True

    def __post_init__(self) -> None:
        self.looked_ns = self.examined_ns = self.born_ns
        self.confirm(self.box, self.patch, self.born_ns)

    def confirm(self, box: Box, patch: _Patch, now: int, turned: bool = False) -> None:
        """The detector found it at `box`."""
        self.box = self.certain = box
        self.patch = self.clear = patch
        self.model = patch.face.copy()
        self.confirmed_ns = self.certain_ns = self.seen_ns = now
        self.visible, self.resembles, self.turned = True, True, turned


class Tracker:
    """Follows every face of a source.

    Args:
        detector: what finds and confirms faces.
        detect_interval_ms: media time between searches of the whole image, over 0; the governor may set the
            attribute of that name while the tracker runs.
        gate: judges the faces; the default gate when None.

    Attributes:
        clock: ms that the last update spent in the detector ("detect") and on all else ("track").
        searches, looks: how often the detector was asked, since the start.
    """

    def __init__(
        self,
        detector: Detector,
        detect_interval_ms: float = DEFAULT_DETECT_INTERVAL_MS,
        gate: QualityGate | None = None,
    ):
        if not detect_interval_ms > 0:
            raise ValueError(f"Tracker: detect_interval_ms must be over 0, got {detect_interval_ms}")
        self.detect_interval_ms = detect_interval_ms
        self.clock = {"detect": 0.0, "track": 0.0}
        self.searches = 0
        self.looks = 0
        self._detector = detector
        self._gate = gate or QualityGate()
        self._tracks: list[_Track] = []
        self._likely: list[Box] = []
        self._next_number = 1
        self._searched_ns: int | None = None
        self._parts: list[int] = []  # of the search going on, still to be done
        self._last_ns: int | None = None
        self._shape: tuple[int, ...] | None = None
        self._detect_s = 0.0

    def update(self, frame: Frame) -> list[Face]:
        """The faces in view in the next frame of the source, oldest first.

        Args:
            frame: its `media_ns` orders the frames; a step back in time, or another size, starts anew
                (identities are not used again).
        """
        start = time.perf_counter()
        self._detect_s = 0.0
        grey, now = frame.grey, frame.media_ns
        if self._shape != grey.shape or (self._last_ns is not None and now < self._last_ns):
            self._tracks, self._likely, self._searched_ns, self._parts = [], [], None, []
        since_ns = now - self._last_ns if self._last_ns is not None else 0
        self._last_ns, self._shape = now, grey.shape

        fresh_loss = self._follow(grey, now, since_ns)
        self._second_look(grey, now)
        for part in self._parts_due(now, since_ns, fresh_loss):
            self._search(grey, now, part)
        self._let_go(now)

        faces = [
            Face(track.number, track.box, self._judge(grey, track, now))
            for track in self._tracks
            if track.visible
        ]
        total = time.perf_counter() - start
        self.clock = {"detect": self._detect_s * 1e3, "track": (total - self._detect_s) * 1e3}
        return faces

    # -- the steps of an update

    def _follow(self, grey: np.ndarray, now: int, since_ns: int) -> bool:
        """Carries every track into this frame and confirms those that are due; True if one was lost by it."""
        fresh_loss = False
        # with many faces the looks are spread over frames: no more of them than keep the interval
        looks = math.ceil(len(self._tracks) * since_ns / 1e6 / CONFIRM_INTERVAL_MS)
        for track in sorted(self._tracks, key=lambda track: (not track.visible, track.looked_ns)):
            was_visible = track.visible
            if track.visible:
                track.visible = self._carry(grey, track, now)
            recent = now - track.seen_ns <= UNCONFIRMED_MS * 1e6
            due = now - track.confirmed_ns >= CONFIRM_INTERVAL_MS * 1e6 and looks > 0
            if (not track.visible and recent) or (track.visible and due):
                looks -= track.visible
                self._verify(grey, track, now)
            track.remains = (track.resembles and track.visible) or (recent and _remains(grey, track))
            if track.remains and not (track.resembles and track.visible):
                track.visible, track.resembles = True, False
                track.box, track.patch = track.certain, track.clear
            if track.visible and not self._holds(track, now):
                track.visible = False
            if track.visible:
                track.seen_ns = now
            elif was_visible:
                track.box = track.certain  # flow may have gone along with what hid the face
            fresh_loss = fresh_loss or (was_visible and not track.visible)
        return fresh_loss

    def _carry(self, grey: np.ndarray, track: _Track, now: int) -> bool:
        """Moves a track's box with the flow of its patch; False when the flow tells nothing."""
        motion = track.patch.motion(grey)
        if motion is None:
            return False
        box = moved(track.box, *motion)
        height, width = grey.shape
        if clipped(box, width, height).area < INSIDE * box.area:
            return False
        track.box, track.patch = box, _Patch(grey, box)
        track.resembles = _correlation(track.patch.face, track.model) >= RESEMBLANCE
        if track.resembles:
            track.certain, track.certain_ns, track.clear = box, now, track.patch
        return True

    def _verify(self, grey: np.ndarray, track: _Track, now: int) -> None:
        """Looks for the face of a track where it should be, or where it may have leapt to."""
        track.looked_ns = now
        thorough = now - track.examined_ns >= CONFIRM_INTERVAL_MS * 1e6
        if thorough:
            track.examined_ns = now
        place = track.box if track.visible else _leap(grey, track.certain, track.model)
        look = self._look(grey, place, thorough)
        if look is None or look.score < self._detector.levels.keep or not self._free(track, look.box):
            return
        box = look.box
        if track.visible and iou(track.box, box) > 0.5:
            box = Box(*(old + CORRECTION * (new - old) for old, new in zip(track.box, box, strict=True)))
        track.confirm(box, _Patch(grey, box), now, look.turned)

    def _holds(self, track: _Track, now: int) -> bool:
        """Whether a carried track may still be reported."""
        unconfirmed_ms = (now - track.confirmed_ns) / 1e6
        if unconfirmed_ms <= UNCONFIRMED_MS:
            return True
        known_ms = (track.confirmed_ns - track.born_ns) / 1e6
        return track.remains and unconfirmed_ms <= min(RESEMBLING_MS, known_ms)

    def _second_look(self, grey: np.ndarray, now: int) -> None:
        """Faces that were likely in the last search become tracks if they are likely again."""
        for box in self._likely:
            look = self._look(grey, box)
            if (
                look is not None
                and look.score >= self._detector.levels.likely
                and not self._is_known(look.box, now)
            ):
                self._begin(grey, look.box, now)
        self._likely = []

    def _parts_due(self, now: int, since_ns: int, fresh_loss: bool) -> list[int | None]:
        """The parts of a search of the whole image to be done in this frame; None stands for all at once."""
        if self._searched_ns is None:
            self._searched_ns = now
            self.searches += 1
            return [None]
        since_ms = (now - self._searched_ns) / 1e6
        settled = bool(self._tracks) and all(track.visible for track in self._tracks)
        interval = self.detect_interval_ms if settled else self.detect_interval_ms / 2
        if fresh_loss:
            interval = self.detect_interval_ms / 4
        if since_ms >= interval and (fresh_loss or not self._parts):
            self._searched_ns = now
            self.searches += 1
            self._parts = list(range(self._detector.parts))
        count = math.ceil(self._detector.parts * since_ns / 1e6 / SPREAD_MS)
        due, self._parts = self._parts[:count], self._parts[count:]
        return list(due)

    def _search(self, grey: np.ndarray, now: int, part: int | None) -> None:
        """Finds faces in the whole image and gives each to a lost track or to a new one."""
        start = time.perf_counter()
        known = [track.box for track in self._tracks if track.visible]
        found = self._detector.detect(grey, part=part, known=known)
        self._detect_s += time.perf_counter() - start
        levels = self._detector.levels
        lost = [track for track in self._tracks if not track.visible]
        pairs = [(self._closeness(track, face.box, now), track, face) for track in lost for face in found]
        for closeness, track, face in sorted(pairs, key=lambda pair: -pair[0]):
            free = not track.visible and self._free(track, face.box)
            if closeness > 0 and free and face.score >= levels.likely:
                track.confirm(face.box, _Patch(grey, face.box), now)
        for face in found:
            if self._is_known(face.box, now):
                continue
            if face.score >= levels.sure:
                self._begin(grey, face.box, now)
            elif face.score >= levels.likely:
                self._likely.append(face.box)

    def _let_go(self, now: int) -> None:
        """Forgets tracks lost for too long, and the younger of two that have come to lie on one face."""
        kept: list[_Track] = []
        for track in self._tracks:
            if not track.visible and now - track.seen_ns > RECALL_MS * 1e6:
                continue
            if track.visible and any(other.visible and iou(other.box, track.box) > 0.5 for other in kept):
                continue
            kept.append(track)
        self._tracks = kept

    # -- helpers

    def _look(self, grey: np.ndarray, box: Box, thorough: bool = False) -> Look | None:
        self.looks += 1
        start = time.perf_counter()
        look = self._detector.look(grey, box, thorough)
        self._detect_s += time.perf_counter() - start
        return look

    def _begin(self, grey: np.ndarray, box: Box, now: int) -> None:
        """A new identity."""
        self._tracks.append(_Track(self._next_number, box, _Patch(grey, box), now))
        self._next_number += 1

    def _free(self, track: _Track, box: Box) -> bool:
        """Whether no other face in view is at `box`, as when a lost one is behind it."""
        least = max(0.3, iou(track.box, box)) if track.visible else 0.3
        return not any(
            other is not track and other.visible and iou(other.box, box) > least for other in self._tracks
        )

    def _closeness(self, track: _Track, box: Box, now: int) -> float:
        """How well a box fits a track: 1 when equal, 0 beyond its reach or from 1.6 times its size."""
        side, found = (max(each.width, each.height) for each in (track.box, box))
        if min(side, found) <= 0 or max(side, found) > 1.6 * min(side, found):
            return 0.0
        reach = min(REACH + REACH_PER_S * (now - track.certain_ns) / 1e9, MAX_REACH)
        return max(0.0, 1 - math.dist(track.box.centre, box.centre) / max(side, found) / reach)

    def _is_known(self, box: Box, now: int) -> bool:
        """Whether a box belongs to a face that is being followed."""
        return any(self._closeness(track, box, now) > 0 for track in self._tracks)

    def _judge(self, grey: np.ndarray, track: _Track, now: int) -> Quality:
        """The gate's verdict, with what only the tracker knows: pose and occlusion."""
        quality = self._gate.measure(grey, track.box)
        unconfirmed = now - track.confirmed_ns > UNCONFIRMED_MS * 1e6
        if not track.resembles:
            quality.reasons += ("occluded",)
        elif track.turned or (unconfirmed and not quality.reasons):
            quality.reasons += ("turned",)
        return quality


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two patches of one shape, -1 to 1; 0 when one is flat."""
    a, b = (image.astype(np.float32).ravel() for image in (a, b))
    a -= a.mean()
    b -= b.mean()
    energy_a, energy_b = float(a @ a), float(b @ b)
    flat = min(energy_a, energy_b) <= a.size  # a standard deviation of one grey level
    return 0.0 if flat else float(a @ b) / math.sqrt(energy_a * energy_b)


def _remains(grey: np.ndarray, track: _Track) -> bool:
    """Whether part of a face is still where it last was itself, as when a hand passes before the rest."""
    face = crop_resize(grey, track.certain, track.model.shape)
    # without the rim, where there is background that would stay when the face goes
    now, before = (_cells(image[6:-6, 6:-6]) for image in (face, track.model))
    spread = np.sqrt((now**2).sum(axis=1) * (before**2).sum(axis=1))
    textured = before.std(axis=1) > 4
    alike = (now * before).sum(axis=1) > CELL_RESEMBLANCE * spread
    return int((alike & textured).sum()) >= CELLS


def _cells(image: np.ndarray) -> np.ndarray:
    """The nine cells of a square image of 36 pixels, float32, shape (9, 144), each less its mean."""
    cells = image.astype(np.float32).reshape(3, 12, 3, 12).swapaxes(1, 2).reshape(9, 144)
    return cells - cells.mean(axis=1, keepdims=True)


def _leap(grey: np.ndarray, box: Box, model: np.ndarray) -> Box:
    """Where a face has gone that moved too far for flow: the best match of all of it within a side of it.

    The box as it was, when nothing there resembles it.
    """
    face_px, reach_px = 20, 20  # coarse: a look follows, which finds the place exactly
    around = crop_resize(grey, squared(box, reach_px / face_px), (face_px + 2 * reach_px,) * 2)
    face = cv2.resize(model, (face_px, face_px), interpolation=cv2.INTER_AREA)
    if face.std() <= 1:
        return box
    _, best, _, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(around, face, cv2.TM_CCOEFF_NORMED))
    pixel = max(box.width, box.height) / face_px
    return moved(box, (x - reach_px) * pixel, (y - reach_px) * pixel) if best >= RESEMBLANCE else box


class _Patch:
    """A face and its surroundings at one size, from which its motion into the next frame is read."""

    FACE_PX = 48
    MARGIN = 0.35  # room for the face to move in, as a part of its side, on every side
    SIZE = round(FACE_PX * (1 + 2 * MARGIN))
    CORNERS = 24
    WINDOW, LEVELS = 13, 3
    #: Flow there and back again has to return this close, pixels of the patch.
    RETURN_PX = 1.0
    #: A corner goes with the others when it ends this close to where their motion takes it, pixels of the
    #: patch.
    APART_PX = 2.0
    #: Part of the corners that has to do both.
    SURVIVE = 0.4
    FEWEST = 6

    def __init__(self, grey: np.ndarray, box: Box):
        self.region = squared(box, self.MARGIN)
        self.pixels = crop_resize(grey, self.region, (self.SIZE, self.SIZE))
        edge = round(self.FACE_PX * self.MARGIN)
        #: the face without its surroundings
        self.face = self.pixels[edge : edge + self.FACE_PX, edge : edge + self.FACE_PX]

    def motion(self, grey: np.ndarray) -> tuple[float, float, float] | None:
        """Shift (pixels of the source) and change of size of the face from this patch's frame to another.

        Lucas-Kanade on corners inside the face, forward and back; the median of the shifts and of the changes
        of distance between corners. None when too few corners come back, or go together.

        Reference: Kalal, Mikolajczyk and Matas, Forward-Backward Error, ICPR 2010.
        """
        inset = round(self.FACE_PX * (self.MARGIN + 0.05))
        inner = self.pixels[inset:-inset, inset:-inset]
        before = good_corners(inner, self.CORNERS, 0.02, 4) + np.float32(inset)
        if len(before) < self.FEWEST:
            return None
        after = crop_resize(grey, self.region, (self.SIZE, self.SIZE))
        there, error = flow(self.pixels, after, before, self.WINDOW, self.LEVELS)
        good = error < self.RETURN_PX
        if good.sum() < max(self.FEWEST, self.SURVIVE * len(before)):
            return None
        p, q = before[good], there[good]
        first, second = _pairs(len(p))
        distance, grown = _lengths(p[first] - p[second]), _lengths(q[first] - q[second])
        far = distance > self.FACE_PX / 4
        scale = float(_median(grown[far] / distance[far])) if far.any() else 1.0
        # the box grows about its centre, the corners about theirs
        centre = np.float32(self.SIZE / 2 - 0.5)
        moves = q - (centre + (p - centre) * np.float32(scale))
        shift = _median(moves)
        # corners that something else has carried off do not follow the rest
        together = _lengths(moves - shift) < self.APART_PX
        if together.sum() < self.SURVIVE * len(before):
            return None
        pixel = self.region.width / self.SIZE
        return float(shift[0]) * pixel, float(shift[1]) * pixel, min(max(scale, 0.8), 1.25)


@functools.lru_cache(maxsize=_Patch.CORNERS + 1)
def _pairs(count: int) -> tuple[np.ndarray, np.ndarray]:
    """The two indices of every pair of `count` things."""
    return np.triu_indices(count, 1)


def _lengths(vectors: np.ndarray) -> np.ndarray:
    return np.hypot(vectors[:, 0], vectors[:, 1])


def _median(values: np.ndarray) -> np.ndarray:
    """Along the first axis; np.median takes ten times as long for so few."""
    values = np.sort(values, axis=0)
    return (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2


class QualityGate:
    """Whether a face may be judged, from its pixels.

    Of 1,229 photographs of faces and of 3,463 FER-2013 images, the defaults call 1 in 100 uncertain; of the
    same images blurred by a Gaussian of 2 pixels at 64x64, 99 in 100.

    Args:
        min_side_px: a box with a smaller side is "small", pixels of the source.
        min_sharpness: a face of lower sharpness (see values.Quality) is "blurred".
        dark, bright: mean luma below and above which a face is "dark" or "bright", 0 to 255.
        min_contrast: standard deviation of luma below which it is "dark", or "bright" in the upper half, for
            nothing can be seen in it either.

    Raises:
        ValueError: a threshold is negative, or dark is not below bright.
    """

    SIZE = 64

    def __init__(
        self,
        min_side_px: float = 40.0,
        min_sharpness: float = 0.018,
        dark: float = 35.0,
        bright: float = 225.0,
        min_contrast: float = 10.0,
    ):
        if min(min_side_px, min_sharpness, dark, min_contrast) < 0 or not dark < bright:
            raise ValueError("QualityGate: thresholds must be 0 or more, and dark below bright")
        self.min_side_px = min_side_px
        self.min_sharpness = min_sharpness
        self.dark = dark
        self.bright = bright
        self.min_contrast = min_contrast

    def measure(self, grey: np.ndarray, box: Box) -> Quality:
        """The measurements of one face and the reasons that follow from them.

        Args:
            grey: uint8, shape (H, W).
            box: of the face, pixels of the image; it may reach outside.
        """
        face = crop_resize(grey, squared(box), (self.SIZE, self.SIZE))
        side = max(box.width, box.height)
        (brightness,), (contrast,) = (value.ravel().tolist() for value in cv2.meanStdDev(face))
        # the noise of a sensor has far more Laplacian than a face has: it is smoothed away first
        edges = cv2.Laplacian(cv2.GaussianBlur(face, (3, 3), 0), cv2.CV_16S)
        spread = float(cv2.meanStdDev(edges)[1][0, 0])
        sharpness = (spread / contrast) ** 2 if contrast > 0 else 0.0
        flat = contrast < self.min_contrast
        reasons = []
        if side < self.min_side_px:
            reasons.append("small")
        if sharpness < self.min_sharpness and not flat:
            reasons.append("blurred")
        if brightness < self.dark or (flat and brightness < 128):
            reasons.append("dark")
        if brightness > self.bright or (flat and brightness >= 128):
            reasons.append("bright")
        return Quality(side, sharpness, brightness, tuple(reasons))


class Smoother:
    """Exponential smoothing of scores per track, in media time.

    Args:
        lag_ms: time constant, 0 or more: after a step of the input the output has gone 1 - 1/e, 63 %, of the
            way when lag_ms have passed, however many frames came in between. 0 leaves the scores as they are.
    """

    def __init__(self, lag_ms: float):
        if not 0 <= lag_ms < math.inf:
            raise ValueError(f"Smoother: lag_ms must be 0 or more, got {lag_ms}")
        self.lag_ms = lag_ms
        self._state: dict[int, tuple[int, np.ndarray]] = {}

    def update(self, track: int, scores: np.ndarray, media_ns: int) -> np.ndarray:
        """The smoothed scores of a track after one more frame.

        Args:
            track: identity of the face.
            scores: float, shape (n,), of this frame.
            media_ns: time of this frame.

        Returns:
            float32, shape (n,); a weighted mean of the scores so far, so it sums to one when they do.
        """
        scores = np.asarray(scores, dtype=np.float32)
        before = self._state.get(track)
        if before is None or before[1].shape != scores.shape or media_ns < before[0] or self.lag_ms == 0:
            smoothed = scores.copy()
        else:
            weight = -math.expm1(-(media_ns - before[0]) / 1e6 / self.lag_ms)
            smoothed = before[1] + np.float32(weight) * (scores - before[1])
        self._state[track] = (media_ns, smoothed)
        return smoothed.copy()

    def forget(self, alive_tracks) -> None:
        """Drops the memory of every track that is not in `alive_tracks`."""
        alive = set(alive_tracks)
        self._state = {track: state for track, state in self._state.items() if track in alive}
