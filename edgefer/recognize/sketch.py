"""Recognizers of the kind `sketch`: the landmarks of a face, drawn as an emotion sketch, and its scores."""

from __future__ import annotations

import time
from collections.abc import Collection

import numpy as np

from edgefer.models.interpreter import Interpreter, scores, self_test
from edgefer.models.manifest import SketchManifest
from edgefer.preprocess.sketch import NoSketch, SketchTensor
from edgefer.recognize.base import Needs, Observation, Refused
from edgefer.support.registry import Options
from edgefer.values import Face, Frame


class SketchRecognizer:
    """A network that judges sketches; keeps nothing of a face.

    Attributes:
        manifest: of the model.
        name, labels, needs: see Recognizer.
    """

    needs = Needs(landmarks=True)

    def __init__(self, manifest: SketchManifest, interpreter: Interpreter) -> None:
        self.manifest = manifest
        self.name = manifest.name
        self.labels = manifest.labels
        self._interpreter = interpreter
        self._tensor = SketchTensor(manifest.input.height, manifest.input.upright)

    def observe(self, frame: Frame, face: Face) -> Observation | Refused:
        """The scores of a face in this frame, with its sketch; refused without landmarks that can be drawn."""
        if face.landmarks is None:
            return Refused("landmarks")
        begin = time.monotonic_ns()
        try:
            sketch = self._tensor(face.landmarks)
        except NoSketch:
            return Refused("landmarks")
        drawn = time.monotonic_ns()
        result = self.infer()
        spent = {"preprocess": drawn - begin, "infer": time.monotonic_ns() - drawn}
        return Observation(result, spent, sketch)

    def forget(self, tracks: Collection[int]) -> None:
        """Nothing is kept."""

    def prepare(self, points: np.ndarray) -> np.ndarray:
        """Draws 68 landmarks into the input tensor; returns the sketch. Raises NoSketch: they have none."""
        return self._tensor(points)

    def infer(self) -> np.ndarray:
        """Scores of the sketch that this thread last drew: float32, shape (len(labels),), summing to 1."""
        return scores(self._interpreter.run(self._tensor.tensor)[0], self.manifest)


def open_sketch(options: Options, *, manifest: SketchManifest, content: bytes, threads: int) -> SketchRecognizer:
    """The recognizer of a model directory whose files have been checked.

    Raises:
        ModelError: the network is not what the manifest says, or fails its self-test.
    """
    interpreter = Interpreter(content, manifest, threads)
    self_test(interpreter, manifest)
    return SketchRecognizer(manifest, interpreter)
