"""Recognizers of the kind `geometry`: eighteen points of a face, twelve distances between them, dense layers."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np

from edgefer import kernels
from edgefer.errors import ModelError, UsageError
from edgefer.geometry import Box, clipped
from edgefer.labels import softmax
from edgefer.models.geometry import GeometryManifest, GeometryPart, geometry_test_input
from edgefer.preprocess.points import chain, features
from edgefer.recognize.base import Needs, Observation, Refused
from edgefer.recognize.registry import GeometryOptions
from edgefer.support.quiet import native_stderr
from edgefer.values import Face, Frame

#: Largest difference of a score from that of the self-test; sums of at most 1024 float32 products round within it.
SELF_TEST_TOLERANCE = 1e-4
#: Index of the tip of the nose among the 68 landmarks.
NOSE_TIP = 30

NoseFinder = Callable[[np.ndarray, Box], "np.ndarray | None"]


class Layers:
    """The dense layers of one source of points, with what its distances are divided by.

    Args:
        part: of the manifest. numbers: float32, shape (part.numbers,).
        temperature: of the scores.
    """

    def __init__(self, part: GeometryPart, numbers: np.ndarray, temperature: float = 1.0) -> None:
        self._normalised = part.distances == "interocular"
        self._mean = np.array(part.mean, np.float32)
        self._deviation = np.array(part.deviation, np.float32)
        self._temperature = temperature
        layers, inputs, at = [], len(part.mean), 0
        for width, activation in zip(part.widths, part.activations, strict=True):
            weights = numbers[at : at + width * inputs].reshape(width, inputs)
            bias = numbers[at + width * inputs : at + width * (inputs + 1)]
            layers.append((np.ascontiguousarray(weights), np.ascontiguousarray(bias), activation))
            at, inputs = at + width * (inputs + 1), width
        self._mlp = kernels.Mlp(layers)

    def standardised(self, points: np.ndarray) -> np.ndarray:
        """V1 to V12 as the layers take them, float32 (..., 12), of points float (..., 18, 2)."""
        return (features.distances(points, self._normalised) - self._mean) / self._deviation

    def judge(self, standardised: np.ndarray) -> np.ndarray:
        """Scores, float32 (..., labels), of standardised distances."""
        scores = self._mlp(np.ascontiguousarray(standardised))
        if self._temperature == 1.0:
            return scores
        return softmax(np.log(np.maximum(scores, 1e-30)), np.float32(1 / self._temperature))

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Scores, float32 (..., labels), of eighteen points, float (..., 18, 2)."""
        return self.judge(self.standardised(points))


class GeometryRecognizer:
    """Dense layers that judge the distances between eighteen points; keeps nothing of a face.

    Attributes:
        manifest: of the model.
        points: where the points come from, "classic" or "landmarks".
        name, labels, needs: see Recognizer.
    """

    def __init__(self, manifest: GeometryManifest, layers: Layers, points: str, nose: NoseFinder | None = None) -> None:
        self.manifest = manifest
        self.name = manifest.name
        self.labels = manifest.labels
        self.points = points
        self.needs = Needs(landmarks=nose is None)
        self._layers = layers
        self._nose = nose

    def observe(self, frame: Frame, face: Face) -> Observation | Refused:
        """The scores of a face with its points; refused without landmarks, or by the stage of the chain that fails."""
        begin = time.monotonic_ns()
        if self.points == "landmarks" or (self._nose is None and face.landmarks is None):
            points, failed = self._marked(face), "landmarks"
        else:
            through = self.chain(frame.grey, face)
            points, failed = through.points, through.failed
        if points is None:
            return Refused(failed)
        found = time.monotonic_ns()
        scores = self._layers(points)
        spent = {"preprocess": found - begin, "infer": time.monotonic_ns() - found}
        return Observation(scores, spent, points=points)

    @staticmethod
    def _marked(face: Face) -> np.ndarray | None:
        """The points by the landmarks; None where there are none of a face."""
        if face.landmarks is None:
            return None
        points = features.from_landmarks(face.landmarks)
        outer = features.interocular(points)
        return points if np.isfinite(points).all() and outer > 0 else None

    def chain(self, grey: np.ndarray, face: Face) -> chain.Chain:
        """The classic chain on a face, from the nose that this model takes."""
        # with the nose of a cascade the chain runs as in the paper, and nothing is held against landmarks
        return chain.find(grey, face.box, self.nose(grey, face), face.landmarks if self._nose is None else None)

    def judge(self, points: np.ndarray) -> np.ndarray:
        """Scores, float32 (..., labels), of points, float (..., 18, 2)."""
        return self._layers(points)

    def nose(self, grey: np.ndarray, face: Face) -> np.ndarray | None:
        """The tip of the nose, pixels of `grey`: by the cascade where there is one, else of the landmarks."""
        if self._nose is not None:
            return self._nose(grey, face.box)
        return None if face.landmarks is None else face.landmarks[NOSE_TIP]

    def forget(self, tracks: Collection[int]) -> None:
        """Nothing is kept."""


def nose_cascade(file: str) -> NoseFinder:
    """A finder of noses by a cascade file of OpenCV, as the paper has it.

    Raises:
        UsageError: it cannot be read, or this OpenCV has no cascades.
    """
    import cv2

    if not hasattr(cv2, "CascadeClassifier"):
        raise UsageError(f"nose {file}: OpenCV {cv2.__version__} has no cascades; leave it out: the landmarks give it")
    if not Path(file).is_file():
        raise UsageError(f"nose {file}: no such file")
    cascade = cv2.CascadeClassifier()
    try:
        with native_stderr("OpenCV"):
            loaded = cascade.load(file)
    except cv2.error:
        loaded = False
    if not loaded:
        raise UsageError(f"nose {file}: expected a cascade file of OpenCV, as haarcascade_mcs_nose.xml")

    def find(grey: np.ndarray, box: Box) -> np.ndarray | None:
        part = clipped(box, grey.shape[1], grey.shape[0])
        x0, y0, x1, y1 = (round(edge) for edge in part)
        if x1 - x0 < chain.LEAST_BOX_PX or y1 - y0 < chain.LEAST_BOX_PX:
            return None
        found = cascade.detectMultiScale(np.ascontiguousarray(grey[y0:y1, x0:x1]), 1.1, 3)
        if not len(found):
            return None
        middle = np.array([(x1 - x0) / 2, 0.6 * (y1 - y0)])
        centres = [np.array([x + w / 2, y + h / 2]) for x, y, w, h in found]
        return min(centres, key=lambda centre: float(np.linalg.norm(centre - middle))) + (x0, y0)

    return find


def read_layers(manifest: GeometryManifest, content: bytes) -> dict[str, Layers]:
    """The layers of each source of points, by its name, after their self-tests.

    Raises:
        ModelError: the numbers are not those that the manifest tells of, or give other scores.
    """
    parts = {"classic": manifest.classic, "landmarks": manifest.landmarks}
    expected = sum(part.numbers for part in parts.values())
    try:
        numbers = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ModelError(
            f"model {manifest.name}: {manifest.network} is no array: {' '.join(str(error).split())}"
        ) from None
    if numbers.dtype != np.float32 or numbers.shape != (expected,) or not np.isfinite(numbers).all():
        raise ModelError(
            f"model {manifest.name}: {manifest.network}: expected {expected} finite float32 numbers, got "
            f"{numbers.dtype} {numbers.shape}"
        )
    layers, at = {}, 0
    for name, part in parts.items():
        layers[name] = Layers(part, numbers[at : at + part.numbers], manifest.output.temperature)
        at += part.numbers
        for test in part.self_test:
            got = layers[name].judge(geometry_test_input(test.seed))
            if np.abs(got - np.array(test.scores, np.float32)).max() > SELF_TEST_TOLERANCE:
                raise ModelError(
                    f"model {manifest.name}: self-test {test.seed} of {name} failed: expected {list(test.scores)}, got "
                    f"{got.round(6).tolist()}; this machine computes this model wrongly"
                )
    return layers


def open_geometry(
    options: GeometryOptions, *, manifest: GeometryManifest, content: bytes, threads: int
) -> GeometryRecognizer:
    """The recognizer of a model directory whose files have been checked.

    Raises:
        ModelError: the layers are not what the manifest says. UsageError: the nose's cascade cannot be used.
    """
    points = options.points or manifest.points
    if options.nose is not None and points != "classic":
        raise UsageError(f"model {manifest.name}: nose= is for points=classic; the landmarks have their own")
    nose = nose_cascade(options.nose) if options.nose is not None else None
    return GeometryRecognizer(manifest, read_layers(manifest, content)[points], points, nose)
