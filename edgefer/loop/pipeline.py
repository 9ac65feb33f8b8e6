"""Everything between a frame and its reading, with a clock for every stage."""

from __future__ import annotations

import datetime
import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
from msgspec import Struct, field

from edgefer.errors import UsageError
from edgefer.labels import UNCERTAIN
from edgefer.loop.governor import Governor
from edgefer.loop.marks import Marks
from edgefer.loop.smooth import Smoother
from edgefer.recognize.base import Observation, Recognizer, WindowedRecognizer
from edgefer.values import Face, FaceReading, Frame, ModelReading, Reading

if TYPE_CHECKING:  # the tracker brings OpenCV
    from edgefer.track import Photographs, Tracker

#: What is kept of a face that is gone is dropped after so many frames: a track may return for a while.
_FORGET_EVERY_FRAMES = 256


class _Model(Struct):
    """One recognizer with the smoothed scores of its faces, and the sketch or the points they are of, by track."""

    recognizer: Recognizer
    smoother: Smoother
    scores: dict[int, np.ndarray] = field(default_factory=dict)
    seen: dict[int, Observation] = field(default_factory=dict)


class Pipeline:
    """From a frame to its reading. It knows no kind of recognizer, only what each of them needs.

    Args:
        tracker: `update(frame)` gives the faces, `clock` its times; `detect_interval_ms` can be set.
        recognizers: at least one; the first gives each face's expression.
        smoother: makes the Smoother of one recognizer.
        governor: lowers the rates when the budget is missed; None: all work on every frame, as for files.
        max_faces: faces recognized in one frame, None for all; those that waited longest come first.
        turns_hz: times a second of media time that each of several faces is recognized at least, in turns, so that
            further faces cost less; one alone is recognized in every frame, a new one at once. 0: all in every frame.
        marks: looks at faces for their landmarks; None where nothing needs them.
        photographs: finds the faces of a still; None where none will come.

    Raises:
        UsageError: two recognizers have the same name, or one needs landmarks and does not get them.
    """

    def __init__(
        self,
        tracker: Tracker,
        recognizers: Sequence[Recognizer],
        smoother: Callable[[], Smoother],
        governor: Governor | None = None,
        max_faces: int | None = None,
        turns_hz: float = 0.0,
        marks: Marks | None = None,
        photographs: Photographs | None = None,
    ) -> None:
        names = [recognizer.name for recognizer in recognizers]
        if len(set(names)) != len(names):
            raise UsageError(f"models: expected each model once, got {', '.join(names)}")
        for recognizer in recognizers:
            if recognizer.needs.landmarks and (marks is None or not marks.always):
                raise UsageError(f"model {recognizer.name} needs landmarks, and nothing here finds them")
        self.governor = governor
        self._tracker = tracker
        self._models = [_Model(recognizer, smoother()) for recognizer in recognizers]
        self._windowed: list[WindowedRecognizer] = [
            cast(WindowedRecognizer, recognizer) for recognizer in recognizers if recognizer.needs.window_s > 0
        ]
        self._max_faces = max_faces
        self._turns_hz = turns_hz
        self._last_ns: int | None = None  # media time of the frame before
        self._marks = marks
        self._photographs = photographs
        self._detect_interval_ms = tracker.detect_interval_ms
        self._frames = 0
        self._recognized: dict[int, int] = {}  # track -> number of the frame in which it last had its turn

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names of the first model, in score order."""
        return tuple(self._models[0].recognizer.labels)

    @property
    def further_labels(self) -> dict[str, tuple[str, ...]]:
        """Label names of the models after the first, by name."""
        return {model.recognizer.name: tuple(model.recognizer.labels) for model in self._models[1:]}

    def process(self, frame: Frame) -> Reading:
        """Reads the expressions in the next frame of the source.

        Raises:
            UsageError: the frame is a photograph, and a model judges a window of time.
        """
        if frame.still:
            return self._photograph(frame)
        start_ns = time.monotonic_ns()
        faces = self._tracker.update(frame)
        self._forget(faces)
        spent_ns = dict.fromkeys(("preprocess", "infer", "smooth"), 0)
        landmarks_ms = {}
        if self._marks is not None:
            begin_ns = time.monotonic_ns()
            self._marks.update(frame, faces, self._tracker)
            landmarks_ms = {"landmarks": (time.monotonic_ns() - begin_ns) / 1e6}
        for face in self._turns(frame, faces):
            if not self._recognize(frame, face, spent_ns, start_ns):
                break
        for recognizer in self._windowed:
            for face in faces:
                if self._recognized.get(face.track) != self._frames:
                    recognizer.gather(frame, face)
        readings = [
            self._reading(
                face,
                [model.scores.get(face.track) for model in self._models],
                [model.seen.get(face.track) for model in self._models],
            )
            for face in faces
        ]
        self._frames += 1
        spent_ms = {stage: float(self._tracker.clock[stage]) for stage in ("detect", "track")} | landmarks_ms
        reading = _finished(frame, readings, start_ns, spent_ms, spent_ns)
        if self.governor is not None and self.governor.observe(reading.latency_ms["total"]):
            factor = self.governor.rates.detect_interval_factor
            self._tracker.detect_interval_ms = self._detect_interval_ms * factor
        return reading

    def _photograph(self, frame: Frame) -> Reading:
        """Reads a photograph by itself: all of its faces, whatever it takes, and nothing is kept of them.

        Scores are not smoothed, faces have no identity beyond it, and the governor is not asked.
        """
        if self._windowed:
            name, window_s = self._windowed[0].name, self._windowed[0].needs.window_s
            raise UsageError(f"model {name} judges {window_s:g} s of film; a photograph has none")
        if self._photographs is None:
            raise UsageError("a photograph came, and nothing here finds its faces")
        start_ns = time.monotonic_ns()
        faces = self._photographs.find(frame)
        found_ns = time.monotonic_ns()
        spent_ms = {"detect": (found_ns - start_ns) / 1e6, "track": 0.0}
        if self._marks is not None:
            self._marks.examine(frame, faces)
            spent_ms["landmarks"] = (time.monotonic_ns() - found_ns) / 1e6
        spent_ns = dict.fromkeys(("preprocess", "infer", "smooth"), 0)
        readings = []
        for face in faces:
            said = [_observed(model.recognizer, frame, face, spent_ns) for model in self._models]
            scores = [None if each is None else each.scores for each in said]
            readings.append(self._reading(face, scores, said))
        tracks = {face.track for face in faces}
        for model in self._models:
            model.recognizer.forget(tracks)
        if self._marks is not None:
            self._marks.forget(tracks)
        return _finished(frame, readings, start_ns, spent_ms, spent_ns)

    def _turns(self, frame: Frame, faces: list[Face]) -> list[Face]:
        """The faces to recognize in this frame, those that waited longest first.

        A face the gate holds back is not recognized: its scores would spoil the average.
        """
        every = self.governor.rates.recognize_every if self.governor else 1
        never = -every  # a new face is due at once, and before all others
        fit = [face for face in faces if not face.quality.reasons]
        due = [face for face in fit if self._frames - self._recognized.get(face.track, never) >= every]
        due.sort(key=lambda face: self._recognized.get(face.track, never))
        last_ns, self._last_ns = self._last_ns, frame.media_ns
        if self._turns_hz and last_ns is not None and len(due) > 1:
            new = sum(face.track not in self._recognized for face in due)
            shares = len(fit) * (frame.media_ns - last_ns) / 1e9 * self._turns_hz
            due = due[: max(new, 1, math.ceil(shares - 0.05))]  # a frame that comes a little late changes nothing
        return due[: self._max_faces]

    def _recognize(self, frame: Frame, face: Face, spent_ns: dict[str, int], start_ns: int) -> bool:
        """Updates the scores of one face; False, without having done so, when the budget leaves no time."""
        done = sum(1 for turn in self._recognized.values() if turn == self._frames)
        budget_ms = self.governor.budget_p95_ms if self.governor else None
        if done and budget_ms is not None:
            one_face_ns = sum(spent_ns.values()) / done
            if time.monotonic_ns() - start_ns + one_face_ns > budget_ms * 1e6:
                return False
        for model in self._models:
            observation = _observed(model.recognizer, frame, face, spent_ns)
            if observation is None:
                model.seen.pop(face.track, None)  # points of an older frame would lie beside the face
                continue
            begin = time.monotonic_ns()
            model.scores[face.track] = model.smoother.update(face.track, observation.scores, frame.media_ns)
            spent_ns["smooth"] += time.monotonic_ns() - begin
            if observation.sketch is not None or observation.points is not None:
                model.seen[face.track] = observation
        self._recognized[face.track] = self._frames
        return True

    def _reading(
        self, face: Face, scores: Sequence[np.ndarray | None], seen: Sequence[Observation | None]
    ) -> FaceReading:
        """What is read from a face whose scores each model gave, None where it has not spoken."""
        named = {
            model.recognizer.name: _judgement(model.recognizer.labels, each, face)
            for model, each in zip(self._models, scores, strict=True)
        }
        first = named.pop(self._models[0].recognizer.name)
        return FaceReading(
            face.track,
            face.box,
            first.expression,
            first.confidence,
            first.scores,
            face.quality,
            named,
            face.landmarks,
            face.pose,
            sketch=next((each.sketch for each in seen if each is not None and each.sketch is not None), None),
            points=next((each.points for each in seen if each is not None and each.points is not None), None),
        )

    def _forget(self, faces: list[Face]) -> None:
        """Drops what is kept of tracks that are gone."""
        if self._frames % _FORGET_EVERY_FRAMES:
            return
        alive = {face.track for face in faces}
        last_frame = self._frames - _FORGET_EVERY_FRAMES
        gone = {track for track, turn in self._recognized.items() if turn <= last_frame} - alive
        for track in gone:
            del self._recognized[track]
        for model in self._models:
            model.recognizer.forget(gone)
            model.smoother.forget(gone)
            for track in gone:
                model.scores.pop(track, None)
                model.seen.pop(track, None)
        if self._marks is not None:
            self._marks.forget(gone)


def _observed(recognizer: Recognizer, frame: Frame, face: Face, spent_ns: dict[str, int]) -> Observation | None:
    """What a recognizer says of a face that is large enough for it and that the gate lets pass."""
    if face.quality.reasons or face.quality.side_px < recognizer.needs.min_face_px:
        return None
    observation = recognizer.observe(frame, face)
    if observation is not None:
        for stage, nanoseconds in observation.spent_ns.items():
            spent_ns[stage] = spent_ns.get(stage, 0) + nanoseconds
    return observation


def _finished(
    frame: Frame, faces: list[FaceReading], start_ns: int, spent_ms: dict[str, float], spent_ns: dict[str, int]
) -> Reading:
    """The reading of a frame, with the times of its stages in their order."""
    now_ns = time.monotonic_ns()
    latency_ms = {
        "capture": max(0.0, (start_ns - frame.captured_ns) / 1e6),
        **spent_ms,
        **{stage: nanoseconds / 1e6 for stage, nanoseconds in spent_ns.items()},
        "total": (now_ns - start_ns) / 1e6,
    }
    age_ms = max(0.0, (now_ns - frame.captured_ns) / 1e6)
    return Reading(
        frame.index,
        frame.media_ns / 1e9,
        _wall_clock(age_ms),
        age_ms,
        faces,
        latency_ms=latency_ms,
        source=frame.source,
        image=frame.image,
    )


def _judgement(labels: Sequence[str], scores: np.ndarray | None, face: Face) -> ModelReading:
    """What a model says about a face, by its scores."""
    judged = scores is not None
    if scores is None:  # no observation yet: equal scores say that nothing is known
        scores = np.full(len(labels), 1 / len(labels), np.float32)
    best = int(np.argmax(scores))
    expression = labels[best] if judged and not face.quality.reasons else UNCERTAIN
    return ModelReading(expression, float(scores[best]), dict(zip(labels, scores.tolist(), strict=True)))


def _wall_clock(age_ms: float) -> str:
    """The time of capture, ISO 8601 with milliseconds and offset from UTC."""
    captured = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(milliseconds=age_ms)
    return captured.astimezone().isoformat(timespec="milliseconds")
