"""Recognizers of the kind `micro`: faces over time in, micro-expressions out."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Protocol

import numpy as np

from edgefer.landmarks.points import eye_distance
from edgefer.models.micro import MicroManifest
from edgefer.recognize.base import Needs, Observation
from edgefer.recognize.micro import quiet, spot
from edgefer.recognize.micro.fields import CELLS, Fields
from edgefer.recognize.micro.learned import DELAY, SETTLED_S, Decoding, LearnedSpotter, Network
from edgefer.recognize.micro.spot import Found
from edgefer.recognize.micro.ticks import PAUSE_S, RATE_HZ, Ticks
from edgefer.recognize.registry import MicroOptions
from edgefer.values import Event, Face, Frame

KIND = "micro"
#: Smallest face, side of its box in pixels of the source: below, what is looked for is less than a tenth of a pixel.
MIN_FACE_PX = 64.0
#: A head that moves faster than this, eye distances a second, is not judged; by its way in this time, s.
FASTEST, WAY_S = 0.8, 0.1
#: Time before and after a frame that may not be judged in which nothing is believed, s.
NEAR_S = 0.15
#: From a movement's end until it is told: what has to follow it, and the tick that ends it.
LAG_S = quiet.AROUND_S + spot.AHEAD_S + (spot.EVERY + 1) / RATE_HZ
LEARNED_LAG_S = quiet.AROUND_S + SETTLED_S + (DELAY + spot.EVERY + 1) / RATE_HZ


class Spotter(Protocol):
    """What finds movements in quiet ticks: spot.Spotter, without training, or a learned one.

    Attributes:
        scores: float32, (phases,), of the last tick that was decided; None before the first.
    """

    scores: np.ndarray | None

    def add(self, tick: quiet.Quiet) -> list[Found]: ...

    def finish(self) -> list[Found]: ...


class _Watched:
    """One face: from its frames to its movements."""

    def __init__(self, spotter: Spotter) -> None:
        self.spotter = spotter
        self.last_s = -np.inf
        self._fields, self._ticks, self._quieter = Fields(), Ticks(), quiet.Quieter()
        self._held: list[float] = []  # times at which it was not to be judged
        self._way: list[tuple[float, np.ndarray]] = []

    def see(self, grey: np.ndarray, face: Face, t_s: float, held: bool) -> list[Found]:
        self.last_s = t_s
        points = face.landmarks
        if points is None:
            self._held.append(t_s)
            return []
        motion = self._fields.update(grey, points, t_s)
        if held or motion is None or self._is_fast(points, t_s):
            self._held.append(t_s)
        if motion is None:
            return []
        found = []
        for at, steps in self._ticks.add(t_s, motion.steps.reshape(-1)):
            tick = self._quieter.add(at, steps.reshape(CELLS, 2))
            if tick is not None:
                found += self.spotter.add(tick)
        return self._believed(found)

    def finish(self) -> list[Found]:
        found = []
        for tick in self._quieter.rest():
            found += self.spotter.add(tick)
        return self._believed(found + self.spotter.finish())

    def _is_fast(self, points: np.ndarray, t_s: float) -> bool:
        middle = points[27:36].mean(axis=0)
        self._way.append((t_s, middle))
        while t_s - self._way[0][0] > WAY_S and len(self._way) > 2:
            del self._way[0]
        since, before = self._way[0]
        if t_s - since < WAY_S / 3:
            return False
        return bool(np.hypot(*(middle - before)) > FASTEST * (t_s - since) * eye_distance(points))

    def _believed(self, found: list[Found]) -> list[Found]:
        """Those during which the face was to be judged all the time."""
        held = np.array(self._held)
        believed = [
            each for each in found if not ((held > each.onset_s - NEAR_S) & (held < each.offset_s + NEAR_S)).any()
        ]
        if self._held and self._held[0] < self.last_s - 10:
            self._held = [t for t in self._held if t > self.last_s - 5]
        return believed


class MicroRecognizer:
    """Spots micro-expressions; keeps some seconds of motion of each face.

    Attributes:
        name, labels, needs: see Recognizer.
        lag_s: media time from the apex of a movement until it is told.
    """

    labels: tuple[str, ...] = spot.PHASES

    def __init__(self, name: str, spotter: Callable[[], Spotter] = spot.Spotter, lag_s: float = LAG_S) -> None:
        self.name = name
        self.lag_s = lag_s
        self.needs = Needs(landmarks=True, window_s=lag_s + quiet.AROUND_S, min_face_px=MIN_FACE_PX)
        self._spotter = spotter
        self._faces: dict[int, _Watched] = {}
        self._events: list[Event] = []

    def observe(self, frame: Frame, face: Face) -> Observation | None:
        """What the face was doing `lag_s` ago; None until so much of it was seen."""
        begin = time.monotonic_ns()
        watched = self._see(frame, face, held=False)
        scores = watched.spotter.scores
        return None if scores is None else Observation(scores, {"preprocess": time.monotonic_ns() - begin})

    def gather(self, frame: Frame, face: Face) -> None:
        """Takes a frame in which the face is not judged: its movements go on, but none is believed that needs it."""
        self._see(frame, face, held=bool(face.quality.reasons) or face.quality.side_px < self.needs.min_face_px)

    def spotted(self, media_ns: int, last: bool) -> list[Event]:
        """Events that are over since this was asked last, each once.

        Args:
            media_ns: of the frame. last: whether none follows it.
        """
        now_s = media_ns / 1e9
        for track in [track for track, face in self._faces.items() if last or now_s - face.last_s > PAUSE_S]:
            self._end(track)
        events, self._events = self._events, []
        return events

    def another(self) -> MicroRecognizer:
        """One for another film, which has seen no face yet; the network is shared."""
        return MicroRecognizer(self.name, self._spotter, self.lag_s)

    def forget(self, tracks: Collection[int]) -> None:
        """Drops what is kept of faces that will not come back."""
        for track in tracks:
            self._faces.pop(track, None)

    def _see(self, frame: Frame, face: Face, held: bool) -> _Watched:
        t_s, watched = frame.media_ns / 1e9, self._faces.get(face.track)
        if watched is not None and not 0 <= t_s - watched.last_s <= PAUSE_S:
            self._end(face.track)
            watched = None
        if watched is None:
            watched = self._faces[face.track] = _Watched(self._spotter())
        self._tell(face.track, watched.see(frame.grey, face, t_s, held))
        return watched

    def _end(self, track: int) -> None:
        """Nothing more comes of a face, at least for now."""
        self._tell(track, self._faces.pop(track).finish())

    def _tell(self, track: int, found: list[Found]) -> None:
        for each in found:
            onset_s = max(0.0, each.onset_s)
            self._events.append(
                Event(track, KIND, onset_s, each.apex_s, each.offset_s, each.confidence, each.expression)
            )


def open_micro(options: MicroOptions, *, manifest: MicroManifest, content: bytes, threads: int) -> MicroRecognizer:
    """The recognizer of a model directory whose files have been checked.

    Raises:
        ModelError: the network is not what the manifest says, or fails its self-test.
    """
    network = Network(content, manifest, threads)
    if (options.method or manifest.method) == "flow":
        return MicroRecognizer(manifest.name)
    how, labels = Decoding(manifest.begin, manifest.sure), manifest.expression_labels
    return MicroRecognizer(manifest.name, lambda: LearnedSpotter(network, how, labels), LEARNED_LAG_S)
