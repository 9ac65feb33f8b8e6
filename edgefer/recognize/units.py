"""Recognizers of the kind `units`: the aligned crop of a face in, the intensities of its action units out."""

from __future__ import annotations

import time
from collections.abc import Collection

import numpy as np

from edgefer.models.interpreter import Network, Tensor, self_test
from edgefer.models.units import UnitsManifest
from edgefer.preprocess.aligned import Layout, aligned
from edgefer.recognize.base import Needs, Observation
from edgefer.support.registry import Options
from edgefer.values import Face, Frame

#: Intensities are on FACS's scale, A to E as 1 to 5.
FULL = 5.0
_NO_SCORES = np.zeros(0, np.float32)


class UnitsRecognizer:
    """A network that reads action units; keeps nothing of a face, and gives no expression.

    Attributes:
        manifest: of the model.
        units: names of the action units, in the order of an observation's.
        name, labels, needs: see Recognizer.
    """

    labels: tuple[str, ...] = ()
    needs = Needs(landmarks=True)

    def __init__(self, manifest: UnitsManifest, network: Network) -> None:
        self.manifest = manifest
        self.name = manifest.name
        self.units = manifest.units
        self._network = network
        shape = manifest.input
        self._layout = Layout(shape.height, shape.width, shape.eyes_px, shape.eyes_y)
        self._output = manifest.output

    def observe(self, frame: Frame, face: Face) -> Observation | None:
        """The units of a face in this frame; None without landmarks, or where they are those of no face."""
        if face.landmarks is None:
            return None
        begin = time.monotonic_ns()
        crop = self.crop(frame.grey, face.landmarks)
        if crop is None:
            return None
        cropped = time.monotonic_ns()
        units = self.judge(crop)
        spent = {"preprocess": cropped - begin, "infer": time.monotonic_ns() - cropped}
        return Observation(_NO_SCORES, spent, units=units)

    def forget(self, tracks: Collection[int]) -> None:
        """Nothing is kept."""

    def crop(self, grey: np.ndarray, points: np.ndarray) -> np.ndarray | None:
        """What the network looks at, uint8 (H, W), of a face with its 68 points; None where they are of no face."""
        return aligned(grey, points, self._layout)

    def judge(self, crop: np.ndarray) -> np.ndarray:
        """Of a crop, uint8 (H, W): float32 (2, units), intensities 0 to 5 and the probabilities that units show."""
        # grey levels 0 to 255 are the input's int8 levels -128 to 127
        tensor = np.ascontiguousarray(crop ^ np.uint8(128)).view(np.int8)[None, :, :, None]
        levels = self._network.run(tensor)[0].astype(np.float32)
        logits, intensity = ((levels - self._output.zero_point) * np.float32(self._output.scale)).reshape(2, -1)
        return np.stack([np.clip(intensity, 0, FULL), 1 / (1 + np.exp(-logits))])


def open_units(options: Options, *, manifest: UnitsManifest, content: bytes, threads: int) -> UnitsRecognizer:
    """The recognizer of a model directory whose files have been checked.

    Raises:
        ModelError: the network is not what the manifest says, or fails its self-test.
    """
    network = open_network(manifest, content, threads)
    self_test(network, manifest)
    return UnitsRecognizer(manifest, network)


def open_network(manifest: UnitsManifest, content: bytes, threads: int = 1) -> Network:
    """The network alone. Raises ModelError: it is not what the manifest says."""
    output = Tensor(
        (1, 2 * len(manifest.units)), manifest.output.dtype, manifest.output.scale, manifest.output.zero_point
    )
    return Network(content, manifest.name, manifest.input, [output], threads)
