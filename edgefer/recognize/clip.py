"""Recognizers of the kind `clip`: a window of face crops in, the scores of the expression at its end out.

The window ends at the last multiple of its period, so its last frame is up to one period old: at 10 Hz 50 ms on average
and 100 ms at most, to which smoothing adds its own lag. Nothing is said of a face for its first window.
"""

from __future__ import annotations

import time
from collections.abc import Collection

import numpy as np

from edgefer.models.clip import ClipManifest
from edgefer.models.interpreter import Interpreter, scores, self_test
from edgefer.preprocess.crop import Preprocess
from edgefer.recognize.base import Needs, Observation
from edgefer.recognize.windows import Windows
from edgefer.support.images import box_of, grey_image
from edgefer.support.registry import Options
from edgefer.values import Face, Frame

#: Frames farther apart than so many periods, and than 0.3 s, do not belong to one window.
_GAP_PERIODS, _GAP_S = 2.5, 0.3


class ClipRecognizer:
    """A network that judges windows of time; keeps the last window of each face.

    Attributes:
        manifest: of the model.
        name, labels, needs: see Recognizer.
    """

    def __init__(self, manifest: ClipManifest, interpreter: Interpreter) -> None:
        given = manifest.input
        self.manifest = manifest
        self.name = manifest.name
        self.labels = manifest.labels
        self.needs = Needs(window_s=given.frames / given.rate_hz, rate_hz=given.rate_hz, min_face_px=given.min_face_px)
        self._interpreter = interpreter
        self._preprocess = Preprocess(given)
        self._windows = Windows(given.frames, given.rate_hz, max(_GAP_S, _GAP_PERIODS / given.rate_hz))
        self._judged: dict[int, tuple[int, np.ndarray]] = {}

    def observe(self, frame: Frame, face: Face) -> Observation | None:
        """The scores of a face's last window; None while it is not whole."""
        begin = time.monotonic_ns()
        self._take(frame, face)
        window = self._windows.window(face.track)
        prepared = time.monotonic_ns()
        if window is None:
            return None
        end_ns, samples = window
        known = self._judged.get(face.track)
        if known is None or known[0] != end_ns:
            tensor = np.concatenate(samples, axis=1)
            known = self._judged[face.track] = end_ns, self._scores(tensor)
        spent = {"preprocess": prepared - begin, "infer": time.monotonic_ns() - prepared}
        return Observation(known[1].copy(), spent)

    def gather(self, frame: Frame, face: Face) -> None:
        """Takes a frame in which the face is not judged; not what the gate holds back, or what is too small."""
        if not face.quality.reasons and face.quality.side_px >= self.needs.min_face_px:
            self._take(frame, face)

    def another(self) -> ClipRecognizer:
        """One for another film, with windows of its own; the network is shared."""
        return ClipRecognizer(self.manifest, self._interpreter)

    def forget(self, tracks: Collection[int]) -> None:
        """Drops the windows of faces that will not come back."""
        self._windows.forget(tracks)
        for track in tracks:
            self._judged.pop(track, None)

    def _take(self, frame: Frame, face: Face) -> None:
        grey = grey_image(self.name, frame.grey)
        crop = self._preprocess(grey, self._preprocess.face_box(box_of(self.name, face.box)))
        self._windows.add(face.track, frame.media_ns, crop)

    def _scores(self, tensor: np.ndarray) -> np.ndarray:
        return scores(self._interpreter.run(tensor)[0], self.manifest)


def open_clip(options: Options, *, manifest: ClipManifest, content: bytes, threads: int) -> ClipRecognizer:
    """The recognizer of a model directory whose files have been checked.

    Raises:
        ModelError: the network is not what the manifest says, or fails its self-test.
    """
    interpreter = Interpreter(content, manifest, threads)
    self_test(interpreter, manifest)
    return ClipRecognizer(manifest, interpreter)
