"""What each model has said of the faces that are followed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct, field

from edgefer.geometry import Box
from edgefer.labels import UNCERTAIN
from edgefer.loop.smooth import Smoother
from edgefer.recognize.base import Observation, Recognizer, Refused
from edgefer.values import Face, Frame, ModelReading


class ModelState(Struct):
    """One recognizer with the smoothed scores of its faces by track, or their action units, and when it last gave
    them; and the sketch or the points they are of, with the face's box then; and of which faces it said what it lacks
    when it last looked."""

    recognizer: Recognizer
    smoother: Smoother
    scores: dict[int, ModelReading] = field(default_factory=dict)
    units: dict[int, np.ndarray] = field(default_factory=dict)
    judged_ns: dict[int, int] = field(default_factory=dict)
    seen: dict[int, tuple[Observation, Box]] = field(default_factory=dict)
    lacking: dict[int, str] = field(default_factory=dict)

    def drop(self, track: int) -> None:
        """Forgets what it said of a face."""
        self.scores.pop(track, None)
        self.units.pop(track, None)
        self.judged_ns.pop(track, None)
        self.smoother.forget([track])


def observed(model: ModelState, frame: Frame, face: Face, spent_ns: dict[str, int]) -> Observation | None:
    """What a model says of a face that is large enough for it and that the gate lets pass."""
    model.lacking.pop(face.track, None)
    if face.quality.reasons or face.quality.side_px < model.recognizer.needs.min_face_px:
        return None
    observation = model.recognizer.observe(frame, face)
    if isinstance(observation, Refused):
        model.lacking[face.track] = observation.reason
        return None
    if observation is not None:
        for stage, nanoseconds in observation.spent_ns.items():
            spent_ns[stage] = spent_ns.get(stage, 0) + nanoseconds
    return observation


def judgement(labels: Sequence[str], scores: np.ndarray) -> ModelReading:
    """What scores say."""
    best = int(scores.argmax())
    return ModelReading(labels[best], float(scores[best]), dict(zip(labels, scores.tolist(), strict=True)))


def held(labels: Sequence[str], said: ModelReading | None, face: Face) -> ModelReading:
    """What a model says of a face in a reading; uncertain where the gate holds it back or nothing is known."""
    if said is None:  # no observation yet: equal scores say that nothing is known
        said = judgement(labels, np.full(len(labels), 1 / len(labels), np.float32))
        said.expression = UNCERTAIN
        return said
    expression = UNCERTAIN if face.quality.reasons else said.expression
    return ModelReading(expression, said.confidence, said.scores.copy())
