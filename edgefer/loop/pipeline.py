"""Everything between a frame and its reading, with a clock for every stage."""

from __future__ import annotations

import datetime
import functools
import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
from msgspec import structs

from edgefer.errors import UsageError
from edgefer.geometry import carried
from edgefer.loop.governor import Governor
from edgefer.loop.marks import Marks
from edgefer.loop.smooth import Smoother
from edgefer.loop.state import ModelState, held, judgement, observed
from edgefer.loop.turns import Turns
from edgefer.recognize.base import (
    EventRecognizer,
    Observation,
    Recognizer,
    WindowedRecognizer,
    require_expression,
    unit_names,
)
from edgefer.values import Face, FaceReading, Frame, ModelReading, Reading

if TYPE_CHECKING:  # the tracker brings OpenCV
    from edgefer.track import Photographs, Tracker

#: For so many frames at most a recognition waits until one has neither asked the detector nor looked at landmarks. A
#: search asks the detector in several frames, and most often has little to do in them.
_WAIT_FOR_DETECTOR, _WAIT_FOR_LOOK = 2, 4
#: What a model said of a face stands for so long while it cannot judge it: a stage of a chain may fail in one frame.
_STANDS_NS = 1e9
#: What has neither a sketch nor points.
_NOTHING = Observation(np.zeros(0, np.float32))
#: What is kept of a face that is gone is dropped after so many frames: a track may return for a while.
_FORGET_EVERY_FRAMES = 256


class Pipeline:
    """From a frame to its reading. It knows no kind of recognizer, only what each of them needs.

    Args:
        tracker: `update(frame)` gives the faces, `clock` its times; `detect_interval_ms` can be set.
        recognizers: the first that has labels gives each face's expression; one of them must.
        smoother: makes the Smoother of one recognizer.
        governor: lowers the rates when the budget is missed; None: nothing does, as for files.
        turns: which faces are recognized in a frame of a film; all of them in every frame by default.
        marks: looks at faces for their landmarks; None where nothing needs them.
        photographs: finds the faces of a still; None where none will come.

    Raises:
        UsageError: two recognizers have the same name, none gives an expression, or one needs landmarks and does not
            get them.
    """

    def __init__(
        self,
        tracker: Tracker,
        recognizers: Sequence[Recognizer],
        smoother: Callable[[], Smoother],
        governor: Governor | None = None,
        turns: Turns | None = None,
        marks: Marks | None = None,
        photographs: Photographs | None = None,
    ) -> None:
        names = [recognizer.name for recognizer in recognizers]
        if len(set(names)) != len(names):
            raise UsageError(f"models: expected each model once, got {', '.join(names)}")
        require_expression(recognizers)
        for recognizer in recognizers:
            if recognizer.needs.landmarks and (marks is None or not marks.always):
                raise UsageError(f"model {recognizer.name} needs landmarks, and nothing here finds them")
        self.governor = governor
        self._tracker = tracker
        self._models = [ModelState(recognizer, smoother()) for recognizer in recognizers]
        #: Those that give an expression.
        self._judges = [model for model in self._models if model.recognizer.labels]
        self._windowed: list[WindowedRecognizer] = [
            cast(WindowedRecognizer, recognizer) for recognizer in recognizers if recognizer.needs.window_s > 0
        ]
        self._spotters = [each for each in recognizers if isinstance(each, EventRecognizer)]
        self._turns = turns or Turns()
        self._marks = marks
        self._photographs = photographs
        self._detect_interval_ms = tracker.detect_interval_ms
        self._frames = 0

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names of the model that gives the expression, in score order."""
        return tuple(self._judges[0].recognizer.labels)

    @property
    def further_labels(self) -> dict[str, tuple[str, ...]]:
        """Label names of the models after it, by name."""
        return {model.recognizer.name: tuple(model.recognizer.labels) for model in self._judges[1:]}

    @property
    def units(self) -> tuple[str, ...]:
        """Names of the action units that are read; empty where no model gives them."""
        return tuple(name for model in self._models for name in unit_names(model.recognizer))

    @property
    def tells_events(self) -> bool:
        """Whether a model tells of events, so that it matters which frame is the last."""
        return bool(self._spotters)

    def process(self, frame: Frame, last: bool = False) -> Reading:
        """Reads the expressions in the next frame of the source.

        Args:
            last: whether it is known that no frame follows: events that have not been told yet are told with it.

        Raises:
            UsageError: the frame is a photograph, and a model judges a window of time.
        """
        if frame.still:
            return self._photograph(frame)
        start_ns = time.monotonic_ns()
        faces = self._tracker.update(frame)
        self._forget(faces)
        self._forget_said(self._turns.returned(frame, faces))
        spent_ns = dict.fromkeys(("preprocess", "infer", "smooth"), 0)
        landmarks_ms = {}
        waits = _WAIT_FOR_DETECTOR if self._tracker.asked else 0
        if self._marks is not None:
            begin_ns = time.monotonic_ns()
            if self._marks.update(frame, faces, self._tracker, self._tracker.asked):
                waits = _WAIT_FOR_LOOK
            landmarks_ms = {"landmarks": (time.monotonic_ns() - begin_ns) / 1e6}
        factor = self.governor.rates.recognize_factor if self.governor else 1
        asked: set[int] = set()
        for face in self._turns.choose(frame, faces, factor, waits):
            if asked and self._is_late(start_ns, spent_ns, len(asked)):
                break
            self._recognize(frame, face, spent_ns)
            asked.add(face.track)
        for recognizer in self._windowed:
            for face in faces:
                if face.track not in asked:
                    recognizer.gather(frame, face)
        readings = [
            self._reading(
                face,
                [model.scores.get(face.track) for model in self._judges],
                [model.units.get(face.track) for model in self._models],
                [self._seen(model, face) for model in self._models],
                self._turns.age_ms(face, frame) if face.track in self._judges[0].scores else None,
            )
            for face in faces
        ]
        self._frames += 1
        spent_ms = {stage: float(self._tracker.clock[stage]) for stage in ("detect", "track")} | landmarks_ms
        events = [event for spotter in self._spotters for event in spotter.spotted(frame.media_ns, last)]
        reading = _finished(frame, readings, start_ns, spent_ms, spent_ns)
        reading.events = events
        if self.governor is not None and self.governor.observe(reading.latency_ms["total"]):
            interval_factor = self.governor.rates.detect_interval_factor
            self._tracker.detect_interval_ms = self._detect_interval_ms * interval_factor
        return reading

    def _photograph(self, frame: Frame) -> Reading:
        """Reads a photograph by itself: all of its faces, whatever it takes, and nothing is kept of them.

        Scores are not smoothed, faces have no identity beyond it, and the governor is not asked.
        """
        if self._windowed:
            name, window_s = self._windowed[0].name, self._windowed[0].needs.window_s
            raise UsageError(f"model {name} judges {window_s:.2g} s of film; a photograph has none")
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
            said = [observed(model, frame, face, spent_ns) for model in self._models]
            scores = [
                None if each is None else judgement(model.recognizer.labels, each.scores)
                for model, each in zip(self._models, said, strict=True)
                if model.recognizer.labels
            ]
            seen = [each or _NOTHING for each in said]
            units = [each.units for each in seen]
            readings.append(self._reading(face, scores, units, seen, None if face.quality.reasons else 0.0))
        tracks = {face.track for face in faces}
        for model in self._models:
            model.recognizer.forget(tracks)
            model.lacking.clear()
        if self._marks is not None:
            self._marks.forget(tracks)
        return _finished(frame, readings, start_ns, spent_ms, spent_ns)

    def _is_late(self, start_ns: int, spent_ns: dict[str, int], done: int) -> bool:
        """Whether the budget leaves no time for one more face; the one before all others is always recognized."""
        budget_ms = self.governor.budget_p95_ms if self.governor else None
        if budget_ms is None:
            return False
        return time.monotonic_ns() - start_ns + sum(spent_ns.values()) / done > budget_ms * 1e6

    def _recognize(self, frame: Frame, face: Face, spent_ns: dict[str, int]) -> None:
        """Updates the scores of one face. It stays a new one until a model has judged it, or has said why it cannot."""
        known, judged = face.track in self._turns.recognized, False
        for model in self._models:
            observation = observed(model, frame, face, spent_ns)
            if observation is None:
                model.seen.pop(face.track, None)  # points of an older frame would lie beside the face
                known = known or face.track in model.lacking
                since_ns = frame.media_ns - model.judged_ns.get(face.track, frame.media_ns)
                # its window has a gap, or it has long not seen what it judges: what it said is of another time
                if model.recognizer.needs.window_s > 0 or since_ns > _STANDS_NS:
                    model.drop(face.track)
                continue
            known = True
            judged = judged or model is self._judges[0]
            model.judged_ns[face.track] = frame.media_ns
            begin = time.monotonic_ns()
            if observation.units is not None:
                smoothed = model.smoother.update(face.track, observation.units, frame.media_ns)
                model.units[face.track] = smoothed
            if model.recognizer.labels:
                smoothed = model.smoother.update(face.track, observation.scores, frame.media_ns)
                model.scores[face.track] = judgement(model.recognizer.labels, smoothed)
            spent_ns["smooth"] += time.monotonic_ns() - begin
            if observation.sketch is not None or observation.points is not None:
                model.seen[face.track] = observation, face.box
        if known:
            self._turns.took(face, frame, judged)

    def _seen(self, model: ModelState, face: Face) -> Observation:
        """The sketch and the points that a model last judged, these as the face's box has moved since.

        Of a face that the gate holds back they would be those of another moment, and lie beside it.
        """
        last = model.seen.get(face.track)
        if last is None or face.quality.reasons:
            return _NOTHING
        seen, box = last
        if seen.points is None or box == face.box:
            return seen
        return structs.replace(seen, points=carried(seen.points, box, face.box))

    def _reading(
        self,
        face: Face,
        said: Sequence[ModelReading | None],
        units: Sequence[np.ndarray | None],
        seen: Sequence[Observation],
        age_ms: float | None,
    ) -> FaceReading:
        """What is read from a face of which each model said that, None where it has not spoken.

        Args:
            said: of the models that give an expression. units, seen: of all models.
        """
        named = {
            model.recognizer.name: held(model.recognizer.labels, each, face)
            for model, each in zip(self._judges, said, strict=True)
        }
        first = named.pop(self._judges[0].recognizer.name)
        quality, lacking = face.quality, self._judges[0].lacking.get(face.track)
        if said[0] is None and lacking and not quality.reasons:
            quality = structs.replace(quality, reasons=(lacking,))
        intensities: dict[str, float] = {}
        probabilities: dict[str, float] = {}
        for model, each in zip(self._models, units, strict=True):
            if each is not None:
                names = unit_names(model.recognizer)
                intensities.update(zip(names, each[0].tolist(), strict=True))
                probabilities.update(zip(names, each[1].tolist(), strict=True))
        return FaceReading(
            face.track,
            face.box,
            first.expression,
            first.confidence,
            first.scores,
            quality,
            named,
            face.landmarks,
            face.pose,
            sketch=next((each.sketch for each in seen if each.sketch is not None), None),
            points=next((each.points for each in seen if each.points is not None), None),
            units=intensities,
            unit_scores=probabilities,
            scores_age_ms=age_ms,
        )

    def _forget(self, faces: list[Face]) -> None:
        """Drops what is kept of tracks that are gone."""
        if self._frames % _FORGET_EVERY_FRAMES:
            return
        gone = self._turns.forget(faces, _FORGET_EVERY_FRAMES)
        self._forget_said(gone)
        for model in self._models:
            model.recognizer.forget(gone)
        if self._marks is not None:
            self._marks.forget(gone)

    def _forget_said(self, tracks: Collection[int]) -> None:
        """Drops what the models have said of tracks."""
        for model in self._models if tracks else ():
            for track in tracks:
                model.drop(track)
                model.seen.pop(track, None)
                model.lacking.pop(track, None)


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


def _wall_clock(age_ms: float) -> str:
    """The time of capture, ISO 8601 with milliseconds and offset from UTC."""
    seconds, milliseconds = divmod(time.time_ns() // 1_000_000 - round(age_ms), 1000)
    date, offset = _second(seconds)
    return f"{date}.{milliseconds:03d}{offset}"


@functools.lru_cache(maxsize=2)
def _second(seconds: int) -> tuple[str, str]:
    """A second of the clock and its offset from UTC, as ISO 8601 has them; to ask for them takes long."""
    text = datetime.datetime.fromtimestamp(seconds).astimezone().isoformat()
    return text[:19], text[19:]
