"""Recognizers of the kind `frame`: one face crop in, the scores of its expression out."""

from __future__ import annotations

import time
from collections.abc import Collection

import numpy as np

from edgefer.geometry import Box
from edgefer.models.interpreter import Interpreter, scores, self_test
from edgefer.models.manifest import FrameManifest
from edgefer.preprocess.crop import Preprocess
from edgefer.recognize.base import Needs, Observation
from edgefer.support.images import box_of, grey_image
from edgefer.support.registry import Options
from edgefer.values import Face, Frame


class FrameRecognizer:
    """A network that judges single images; keeps nothing of a face.

    Attributes:
        manifest: of the model.
        name, labels, needs: see Recognizer.
    """

    needs = Needs()

    def __init__(self, manifest: FrameManifest, interpreter: Interpreter):
        self.manifest = manifest
        self.name = manifest.name
        self.labels = manifest.labels
        self._interpreter = interpreter
        self._preprocess = Preprocess(manifest.input)

    def observe(self, frame: Frame, face: Face) -> Observation:
        """The scores of a face in this frame."""
        begin = time.monotonic_ns()
        self.prepare(frame.grey, face.box)
        prepared = time.monotonic_ns()
        result = self.infer()
        return Observation(result, {"preprocess": prepared - begin, "infer": time.monotonic_ns() - prepared})

    def forget(self, tracks: Collection[int]) -> None:
        """Nothing is kept."""

    def prepare(self, grey: np.ndarray, box: Box) -> None:
        """Turn a detector's box (made square and grown by the model's crop margin) into the input tensor.

        Args:
            grey: uint8, shape (H, W).
            box: xyxy in pixels of `grey`; may reach outside.

        Raises:
            TypeError, ValueError: they are not of that kind.
        """
        self._preprocess(grey_image(self.name, grey), self._preprocess.face_box(box_of(self.name, box)))

    def prepare_crop(self, crop: np.ndarray) -> None:
        """Turn an image that is a face crop already, as those of a data set are, into the input tensor.

        Args:
            crop: uint8, shape (H, W), any size; taken whole, without margin; made square by its repeated edge.

        Raises:
            TypeError, ValueError: it is not of that kind.
        """
        self._preprocess(grey_image(self.name, crop))

    def infer(self) -> np.ndarray:
        """Scores of the face that this thread last prepared: float32, shape (len(labels),), summing to 1."""
        return scores(self._interpreter.run(self._preprocess.tensor)[0], self.manifest)

    def __call__(self, grey: np.ndarray, box: Box) -> np.ndarray:
        """`prepare`, then `infer`."""
        self.prepare(grey, box)
        return self.infer()


def open_frame(options: Options, *, manifest: FrameManifest, content: bytes, threads: int) -> FrameRecognizer:
    """The recognizer of a model directory whose files have been checked.

    Raises:
        ModelError: the network is not what the manifest says, or fails its self-test.
    """
    interpreter = Interpreter(content, manifest, threads)
    self_test(interpreter, manifest)
    return FrameRecognizer(manifest, interpreter)
