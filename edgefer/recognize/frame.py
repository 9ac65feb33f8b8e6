"""Recognizers of the kind `frame`: one face crop in, the scores of its expression out."""

from __future__ import annotations

import numpy as np

from edgefer.geometry import Box
from edgefer.models.interpreter import Interpreter, scores
from edgefer.models.manifest import Manifest
from edgefer.preprocess.crop import Preprocess


class FrameRecognizer:
    """A network that judges single images.

    Attributes:
        manifest: of the model.
        labels: in the order of the scores.
    """

    def __init__(self, manifest: Manifest, interpreter: Interpreter):
        self.manifest = manifest
        self.labels = manifest.labels
        self._interpreter = interpreter
        self._preprocess = Preprocess(manifest.input)

    def prepare(self, grey: np.ndarray, box: Box) -> None:
        """Turn a detector's box (made square and grown by the model's crop margin) into the input tensor.

        Args:
            grey: uint8, shape (H, W).
            box: xyxy in pixels of `grey`; may reach outside.
        """
        self._preprocess(grey, self._preprocess.face_box(box))

    def prepare_crop(self, crop: np.ndarray) -> None:
        """Turn an image that is a face crop already, as those of a data set are, into the input tensor.

        Args:
            crop: uint8, shape (H, W), any size; taken whole, without margin.
        """
        self._preprocess(crop)

    def infer(self) -> np.ndarray:
        """Scores of the face last prepared: float32, shape (len(labels),), summing to 1."""
        return scores(self._interpreter.run(self._preprocess.tensor)[0], self.manifest)

    def __call__(self, grey: np.ndarray, box: Box) -> np.ndarray:
        """`prepare`, then `infer`."""
        self.prepare(grey, box)
        return self.infer()
